"""The latent partition for any S by the walk over facets: `reference`, S = 2 and 3 above all."""

import itertools
from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from shared_models import arrangement, differences, few_digits, folding

import reference.partition.walk
from reference import DGN, Abs, Dense, LeakyReLU, Network, ReLU
from reference.model import MaxPool
from reference.model.exact import ExactNetwork
from reference.partition.partition import PartitionError, code_halfspaces
from reference.partition.walk import region_facets, walk
from reference.polyhedra.double_description import axes
from reference.polyhedra.integer_vectors import dot, negative, rounded_point, rows_of

EPS = np.finfo(float).eps
ACTIVATIONS = [ReLU(), LeakyReLU(0.1), Abs()]


def partition(network, **options):
    """The partition of a network; the covariance plays no part in it."""
    return DGN(network, 1.0, **options).partition()


def random_arrangement(dimension, n, seed):
    rng = np.random.default_rng([seed, dimension, n])
    return rng.standard_normal((n, dimension)), rng.standard_normal(n)


def n_bounded(found):
    """How many regions have neither rays nor lines."""
    return sum(len(found.rays(r)) + len(found.lines(r)) == 0 for r in range(found.n_regions))


# Counts that combinatorics knows


@pytest.mark.parametrize(("dimension", "n"), [(2, 2), (2, 6), (3, 3), (3, 5), (4, 4)])
def test_generic_arrangements(dimension, n):
    """Σ_{i<=S} C(n, i) regions, C(n - 1, S) of them bounded (Zaslavsky 1975)."""
    found = partition(arrangement(*random_arrangement(dimension, n, 1)))
    assert found.n_regions == sum(comb(n, i) for i in range(dimension + 1))
    assert n_bounded(found) == comb(n - 1, dimension)


@pytest.mark.parametrize("where", [0.0, 0.75, -1e3], ids=str)
@pytest.mark.parametrize(("dimension", "n"), [(2, 3), (2, 7), (3, 5)])
def test_central_arrangements(dimension, n, where):
    """All through one point: 2 Σ_{i<S} C(n - 1, i) cones with that point as their only vertex."""
    normals = few_digits(random_arrangement(dimension, n, 2)[0])
    apex = np.full(dimension, where)
    found = partition(arrangement(normals, -normals @ apex))
    assert found.n_regions == 2 * sum(comb(n - 1, i) for i in range(dimension))
    for r in range(found.n_regions):
        np.testing.assert_array_equal(found.vertices(r), [apex])


@pytest.mark.parametrize(("dimension", "m"), [(2, 2), (2, 4), (3, 2)])
def test_grids(dimension, m):
    """m parallel hyperplanes along each axis of a skewed frame: (m + 1)^S, (m - 1)^S bounded."""
    frame, _ = random_arrangement(dimension, dimension, 3)
    offsets = np.tile(np.linspace(-1.3, 1.7, m), dimension)
    found = partition(arrangement(np.repeat(frame, m, axis=0), offsets))
    assert (found.n_regions, n_bounded(found)) == ((m + 1) ** dimension, (m - 1) ** dimension)


def test_braid():
    """z_i = z_j, n = 4: 4! = 24 regions, every one with the same line and three facets at most."""
    found = partition(arrangement(differences(4), np.zeros(6)))
    assert found.n_regions == 24
    for r in range(24):
        np.testing.assert_allclose(np.abs(found.lines(r)), np.full((1, 4), 0.5), rtol=1e-14)
        assert len(found.halfspaces(r)[0]) == len(found.rays(r)) == 3
        np.testing.assert_allclose(found.vertices(r), np.zeros((1, 4)), atol=1e-15)


def test_shi():
    """z_i - z_j = 0, 1, n = 3: 4² = 16 regions; 2² without a ray, prisms along the line."""
    rows = differences(3)
    found = partition(arrangement(np.tile(rows, (2, 1)), np.repeat([0.0, -1.0], 3)))
    assert found.n_regions == 16
    assert sum(len(found.rays(r)) == 0 for r in range(16)) == 4


@pytest.mark.parametrize("pairs", [False, True], ids=["abs", "relu pairs"])
@pytest.mark.parametrize(("dimension", "depth"), [(2, 1), (2, 2), (3, 1)])
def test_folding(dimension, depth, pairs):
    """(2^k)^S regions, (2^k - 2)^S bounded; with pairs of ReLU every hyperplane is there twice."""
    found = partition(folding(dimension, depth, pairs))
    assert found.n_regions == 2 ** (depth * dimension)
    assert n_bounded(found) == (2**depth - 2) ** dimension
    step = 2.0 ** (1 - depth)
    for r in range(found.n_regions):
        corners = found.vertices(r) / step
        np.testing.assert_array_equal(corners, np.round(corners))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_scaled_copies_cut_once(activation):
    """Copies of units, turned round or scaled, cut nothing new and leave one facet each."""
    normals, offsets = random_arrangement(3, 4, 4)
    scales = np.array([1.0, -1.0, 4.0, -0.125])
    copies = np.concatenate([normals, scales[:, None] * normals])
    found = partition(arrangement(copies, np.concatenate([offsets, scales * offsets]), activation))
    plain = partition(arrangement(normals, offsets, activation))
    assert found.n_regions == plain.n_regions == 15
    for r in range(15):
        same = np.flatnonzero(np.all(plain.codes == found.codes[r, :4], axis=1))[0]
        assert len(found.halfspaces(r)[0]) == len(plain.halfspaces(same)[0])


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_no_biases(activation):
    """Cones only, and every neuron of both layers vanishes at 0: all of R^2, S-1 facets each."""
    network = Network.random([2, 4, 3, 2], activation, 5)
    zero = {name: 0.0 * v for name, v in network.parameters().items() if name.endswith("bias")}
    found = partition(network.with_parameters(zero))
    assert found.n_regions >= 8
    angles = []
    for r in range(found.n_regions):
        assert len(found.halfspaces(r)[0]) == 2
        np.testing.assert_array_equal(found.vertices(r), [[0.0, 0.0]])
        angles.append(np.arccos(np.prod(found.rays(r), axis=0).sum()))
    assert np.sum(angles) == pytest.approx(2 * np.pi, rel=1e-13)


def test_no_cuts():
    """No activation, a first layer of zeros, or dead units: one region, all of R^S."""
    layers = [Dense(np.zeros((3, 2)), [1.0, 0.0, -1.0]), ReLU(), Dense(np.ones((1, 3)), [0.5])]
    for network, code in (
        (Network([Dense(np.eye(2), [1.0, 2.0])]), []),
        (Network(layers), [1, 0, -1]),
    ):
        found = partition(network)
        np.testing.assert_array_equal(found.codes, [code])
        assert found.halfspaces(0)[0].shape == (0, 2)
        np.testing.assert_array_equal(found.vertices(0), [[0.0, 0.0]])
        assert found.rays(0).shape == (0, 2)
        np.testing.assert_array_equal(np.abs(found.lines(0)), np.eye(2))
        np.testing.assert_array_equal(found.locate([[3.0, -1e9]]), [0])


def test_rank_deficient_first_layer():
    """Weights of rank 1 in R^3: slabs between parallel planes, as S = 1 has intervals."""
    direction, (slopes, offsets) = np.array([1.0, -2.0, 0.5]), random_arrangement(1, 5, 6)
    second = Network.random([5, 4, 2], LeakyReLU(0.1), 6).layers
    deep = Network([Dense(slopes * direction, offsets), LeakyReLU(0.1), *second])
    line = Network([Dense(slopes, offsets), LeakyReLU(0.1), *second])
    found, intervals = partition(deep), partition(line)
    assert sorted(map(tuple, found.codes)) == sorted(map(tuple, intervals.codes))
    cuts = np.concatenate([found.vertices(r) for r in range(found.n_regions)])
    np.testing.assert_allclose(
        np.unique(np.round(cuts @ direction, 9)), np.round(intervals.breakpoints, 9), atol=1e-9
    )
    assert all(found.lines(r).shape == (2, 3) for r in range(found.n_regions))


# Known polygons


TRIANGLE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), np.array([0.0, 0.0, 1.0])


def test_shapes_of_a_triangle_and_its_lines():
    """Three lines: a triangle, three wedges at its corners, three regions beyond its sides."""
    found = partition(arrangement(*TRIANGLE))
    shapes = sorted(
        (len(found.halfspaces(r)[0]), len(found.vertices(r)), len(found.rays(r)))
        for r in range(found.n_regions)
    )
    assert shapes == [(2, 1, 2)] * 3 + [(3, 2, 2)] * 3 + [(3, 3, 0)]
    (middle,) = found.locate([[0.3, 0.3]])
    assert sorted(found.vertices(middle).tolist()) == [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]


def test_halfspaces_are_the_rows_of_corollary_1():
    """They are rows of q ⊙ A, q ⊙ b as they are, not normalised."""
    network = Network.random([2, 4, 3, 2], LeakyReLU(0.1), 3)
    found = partition(network)
    for r in range(found.n_regions):
        every = np.column_stack(code_halfspaces(network, found.codes[r])).tolist()
        for row in np.column_stack(found.halfspaces(r)).tolist():
            assert row in every


@pytest.mark.parametrize("widths", [[2, 4, 3, 2], [2, 3, 2, 2, 1]], ids=str)
def test_polygons_close(widths):
    """A polygon has as many vertices as facets, an unbounded one with vertices one fewer and two
    rays; all vertices satisfy all half-spaces, and their middle lies in the region."""
    found = partition(Network.random(widths, LeakyReLU(0.1), 8))
    for r in range(found.n_regions):
        normals, offsets = found.halfspaces(r)
        corners, directions = found.vertices(r), found.rays(r)
        assert (len(corners), len(directions)) in ((len(normals), 0), (len(normals) - 1, 2))
        heights = normals @ corners.T + offsets[:, None]
        assert heights.min() > -1e-12 * np.abs(normals).max() * (1 + np.abs(corners).max())
        middle = corners.mean(axis=0) + directions.sum(axis=0)
        assert found.locate(middle[None]) == [r]


def test_max_pooling():
    """Regions of constant winners: three functions pooled by two, and by three, in the plane."""
    normals, offsets = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, 0.0]
    pooled = Network([Dense(normals, offsets), MaxPool(channels=3), Dense([[1.0]], [0.0])])
    found = partition(pooled)
    np.testing.assert_array_equal(found.codes, [[0], [1], [2]])
    np.testing.assert_array_equal(found.slopes[:, 0], normals)
    np.testing.assert_array_equal(found.locate([[2.0, 1.0], [1.0, 2.0], [-1.0, -2.0]]), [0, 1, 2])
    assert [len(found.halfspaces(r)[0]) for r in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_max_pooling_of_random_layers(dimension):
    """Two pooled layers: the code at a random point is its region's, and so is the map."""
    rng = np.random.default_rng([17, dimension])
    layers = [Dense(rng.standard_normal((4, dimension)), rng.standard_normal(4))]
    layers += [MaxPool(channels=2), Dense(rng.standard_normal((4, 2)), rng.standard_normal(4))]
    network = Network([*layers, MaxPool(channels=2), Dense(np.eye(2), np.zeros(2))])
    found, Z = partition(network), rng.standard_normal((100, dimension)) * 5
    regions = found.locate(Z)
    affine = np.einsum("mds,ms->md", found.slopes[regions], Z) + found.offsets[regions]
    np.testing.assert_allclose(affine, network(Z), atol=1e-13)
    for point, region in zip(rows_of(Z, np.ones(100)), regions, strict=True):
        code = ExactNetwork(network).code_towards(point, axes(dimension))
        np.testing.assert_array_equal(code, found.codes[region])
    assert len({v.code.tobytes() for v in walk(network, 100)}) == found.n_regions


# The walk itself


def test_every_region_is_its_neighbours_neighbour():
    """And rings are distances in that graph, parents one ring below."""
    visits = walk(Network.random([2, 5, 4, 2], ReLU(), 9), 1000)
    graph = [set(visit.neighbours) for visit in visits]
    for region, visit in enumerate(visits):
        assert len(graph[region]) == len(visit.facets)
        assert all(region in graph[n] for n in graph[region])
        nearest = min((visits[n].ring for n in graph[region]), default=-1)
        assert visit.ring == (0 if region == 0 else nearest + 1)
        if region:
            assert visits[visit.parent].ring == visit.ring - 1
            assert visit.parent in graph[region]
    assert [v.ring for v in visits] == sorted(v.ring for v in visits)


def test_facets_hold_their_points_and_regions_theirs():
    """The point of a facet is on it alone, and a region's is inside, both well; in doubles too."""
    for visit in walk(Network.random([3, 3, 3, 2], LeakyReLU(0.1), 10), 1000):
        normals = np.array([facet.normal for facet in visit.facets])
        offsets = np.array([facet.offset for facet in visit.facets])
        lengths = np.linalg.norm(normals, axis=1)
        centre = np.array(rounded_point(visit.polyhedron.inner_point()))
        depths = (normals @ centre + offsets) / lengths
        assert np.all(depths > 1e-6)
        for i, facet in enumerate(visit.facets):
            assert dot(facet.row, facet.inner) == 0
            heights = (normals @ facet.point + offsets) / lengths
            assert abs(heights[i]) < 8 * EPS * (1 + np.abs(facet.point).max() + offsets[i])
            assert np.all(np.delete(heights, i) > 1e-6 * depths.min())


def test_one_dimension():
    """The ends of intervals are the facets' points, S = 1, and the vertices of the regions."""
    for seed in range(3):
        network = Network.random([1, 5, 4, 2], ACTIVATIONS[seed], seed)
        visits, found = walk(network, 1000), partition(network)
        assert sorted(v.code.tobytes() for v in visits) == sorted(c.tobytes() for c in found.codes)
        ends = sorted(facet.point[0] for visit in visits for facet in visit.facets)
        np.testing.assert_array_equal(ends, np.repeat(found.breakpoints, 2))
        for r in range(found.n_regions):
            expected = found.breakpoints[max(r - 1, 0) : r + 1]
            np.testing.assert_array_equal(np.sort(found.vertices(r)[:, 0]), expected)


def test_units_of_a_deeper_layer_on_a_facet_of_the_first():
    """Second-layer units that vanish where first-layer units do, on a part of it or on all."""
    weight, bias = np.array([[1.0, 0.3], [-1.0, -0.3], [0.2, 1.0]]), np.array([0.1, -0.1, 0.4])
    # |h_1|, h_1 and a mixture that vanishes on h_1 = 0 where h_3 < 0.
    second = Dense([[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [1.0, -1.0, 0.5]], np.zeros(3))
    network = Network(
        [Dense(weight, bias), ReLU(), second, LeakyReLU(0.1), Dense(np.ones((1, 3)), [0.0])]
    )
    found = partition(network)
    # Two lines, and the mixture's root -2 h_1 = h_3 where h_1 < 0 < h_3.
    assert found.n_regions == 5
    assert np.all(found.codes[:, 3] == 1)
    np.testing.assert_array_equal(found.codes[:, 4], found.codes[:, 0])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("layer", [0, 2])
def test_tiny_and_huge_regions(scale, layer):
    """Weights of one layer scaled: a first layer by s has the regions of the other, s times larger
    or smaller; a second layer with its biases has the same regions."""
    network = Network.random([2, 4, 2, 2], ReLU(), 11)
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    values = network.parameters()
    change = {weight: scale * values[weight]}
    if layer:
        change[bias] = scale * values[bias]
    found, plain = partition(network.with_parameters(change)), partition(network)
    np.testing.assert_array_equal(found.codes, plain.codes)
    for r in range(found.n_regions):
        expected = plain.vertices(r) / (1.0 if layer else scale)
        np.testing.assert_allclose(found.vertices(r), expected, rtol=1e-9, atol=1e-9 / scale)


def test_one_line_through_zero():
    """Nothing is left of the coordinates of a facet's point that is 0."""
    for normal in np.array([[1.5, 1.5], [-1.5, -1.5], [1.0, -1.0]]):
        exact = ExactNetwork(arrangement([normal], [0.0]))
        _, (facet,) = region_facets(exact, np.ones(1, dtype=np.int8))
        np.testing.assert_array_equal(facet.point, [0.0, 0.0])
        for side in (1, -1):
            inward = [(*(int(side * x) for x in 2 * normal), 0)]
            np.testing.assert_array_equal(exact.code_towards(facet.inner, inward), [side])


def test_needles():
    """Two lines that cross at an angle down to 1e-300, and two across them: all 11 regions."""
    for angle in (1e-3, 1e-6, 1e-8, 1e-11, 1e-16, 1e-300):
        normals = [[1.0, 0.0], [1.0, angle], [0.0, 1.0], [1.0, 1.0]]
        assert partition(arrangement(normals, [0.3, 0.3, -0.4, 0.2])).n_regions == 11


def test_regions_of_very_different_sizes():
    """A grid whose spacings span hundreds of orders of magnitude: every cell is found."""
    ticks = np.array([0.0, 1e-300, 1e-9, 1.0, 1e250])
    normals = np.repeat(np.eye(2), 5, axis=0)
    found = partition(arrangement(normals, -np.tile(ticks, 2)))
    assert (found.n_regions, n_bounded(found)) == (36, 16)


def test_thin_wedges():
    """Lines through one point, at angles down to 1e-300: every wedge is found, and no more."""
    slopes = np.array([1e-300, 2.0**-60, 0.0, 2.0**-26, 0.125, 2.0])
    normals = np.column_stack([np.ones(6), slopes])
    assert partition(arrangement(normals, np.zeros(6))).n_regions == 12
    # Beside 0.25 no double is 2^-60: that line and the first leave the others' point.
    assert partition(arrangement(normals[2:], -normals[2:] @ [0.25, -2.0])).n_regions == 8


@pytest.mark.parametrize("widths", [[2, 4, 3, 2], [3, 3, 2, 2]], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_every_point_lies_in_its_region(widths, activation):
    """At random z of all sizes: locate names the region with the network's code, its half-spaces
    hold there and no other region's do, and A_ω z + b_ω = g(z)."""
    network = Network.random(widths, activation, 12)
    found = partition(network)
    rng = np.random.default_rng(12)
    Z = rng.standard_normal((150, widths[0])) * 10.0 ** rng.uniform(-3, 3, (150, 1))
    regions = found.locate(Z)
    for r in range(found.n_regions):
        normals, offsets = found.halfspaces(r)
        inside = np.all(normals @ Z.T + offsets[:, None] > 0, axis=0)
        np.testing.assert_array_equal(inside, regions == r)
    exact, directions = ExactNetwork(network), axes(widths[0])
    for point, region in zip(rows_of(Z, np.ones(150)), regions, strict=True):
        code = exact.code_towards(point, directions)
        np.testing.assert_array_equal(code, found.codes[region])
    affine = np.einsum("mds,ms->md", found.slopes[regions], Z) + found.offsets[regions]
    np.testing.assert_allclose(affine, network(Z), rtol=0, atol=1e-12 * (1 + np.abs(Z).max()))


def test_points_on_facets_and_vertices():
    """They go where a step along (1, δ) leads: of a network whose corners are doubles."""
    rows = np.array([[1.0, 0.0], [1.0, 2.0], [-1.0, 1.0]])
    second = Dense([[1.0, -2.0, 4.0], [-1.0, 0.5, 1.0]], [1.0, -0.5])
    layers = [Dense(rows, [0.5, 1.0, 0.25]), LeakyReLU(0.25), second, ReLU()]
    network = Network([*layers, Dense([[1.0, 1.0]], [0.0])])
    found = partition(network)
    vectors = [facet.inner for visit in walk(network, 1000) for facet in visit.facets]
    vectors += [vector for p in found.polyhedra for vector in p.generators if vector[-1]]
    points = {v for v in vectors if all(Fraction(x, v[-1]) == x / v[-1] for x in v)}
    assert len(points) > 12
    Z = np.array([rounded_point(point) for point in points])
    step = 1e-7 * np.array([1.0, 1e-3])
    np.testing.assert_array_equal(found.locate(Z), found.locate(Z + step))


def test_points_on_the_lines_of_a_grid():
    """With lines z_i = 0, 1 a point goes to the cell above it in every coordinate."""
    found = partition(arrangement(np.repeat(np.eye(2), 2, axis=0), [0.0, -1.0, 0.0, -1.0]))
    for z in itertools.product([-1.0, 0.0, 0.5, 1.0], repeat=2):
        (region,) = found.locate([z])
        expected = [1 if c >= tick else -1 for c in z for tick in (0.0, 1.0)]
        np.testing.assert_array_equal(found.codes[region], expected)
    braid = partition(arrangement(differences(3), np.zeros(3)))
    # From the common line, z_1 rises first, then z_2.
    np.testing.assert_array_equal(braid.codes[braid.locate(np.ones((1, 3)))], [[1, 1, 1]])


def test_order_and_shapes():
    """Sorted by code; arrays as documented; no breakpoints for S > 1."""
    found = partition(Network.random([3, 4, 2], ReLU(), 14))
    codes = [tuple(code) for code in found.codes]
    assert codes == sorted(set(codes))
    assert found.codes.dtype == np.int8
    assert found.slopes.shape == (found.n_regions, 2, 3)
    assert found.offsets.shape == (found.n_regions, 2)
    assert found.breakpoints.shape == (0,)
    assert found.locate(np.zeros((0, 3))).shape == (0,)


# Limits and errors


def test_max_regions_is_inclusive():
    """A limit of exactly R regions is enough, R - 1 is not; the message names the argument."""
    network = arrangement(*random_arrangement(2, 4, 15))
    assert partition(network, max_regions=11).n_regions == 11
    with pytest.raises(ValueError, match=r"^max_regions:.*larger max_regions"):
        partition(network, max_regions=10)


def test_a_code_that_no_point_has_is_an_error():
    """z_1 > 0 and z_1 < -1: the polyhedron is empty, and the error names the code."""
    exact = ExactNetwork(arrangement([[1.0, 0.0], [1.0, 0.0]], [0.0, 1.0]))
    with pytest.raises(PartitionError, match=r"no point has the code \[1, -1\]"):
        region_facets(exact, np.array([1, -1], dtype=np.int8))


@pytest.mark.parametrize("region", [-1, 4, 1.5])
@pytest.mark.parametrize("method", ["halfspaces", "vertices", "rays", "lines"])
def test_there_is_no_such_region(method, region):
    """Regions are counted from 0, in every method alike."""
    found = partition(arrangement(np.eye(2), np.zeros(2)))
    with pytest.raises(ValueError, match=r"^region: expected"):
        getattr(found, method)(region)


def one_fewer(code, polyhedron, facets):
    """Without the first facet of one region."""
    return polyhedron, facets[int(np.all(code == 1)) :]


def at_corners(polyhedron, facets):
    """Every facet with a corner for its point."""
    corners = [polyhedron.generators[min(side.on)] for side in polyhedron.sides]
    return polyhedron, [replace(f, inner=c) for f, c in zip(facets, corners, strict=True)]


BREAKAGES = {
    "the neighbour's direction turned round": (
        "code_beyond",
        lambda f: lambda exact, facet: f(exact, replace(facet, row=negative(facet.row))),
    ),
    "a facet forgotten in one region": (
        "region_facets",
        lambda f: lambda exact, code: one_fewer(code, *f(exact, code)),
    ),
    "a facet's point at a corner": (
        "region_facets",
        lambda f: lambda exact, code: at_corners(*f(exact, code)),
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_walk_is_an_error(name, monkeypatch):
    """The walk checks itself: nothing wrong passes in silence."""
    attribute, breakage = BREAKAGES[name]
    monkeypatch.setattr(
        reference.partition.walk, attribute, breakage(getattr(reference.partition.walk, attribute))
    )
    with pytest.raises(PartitionError):
        walk(arrangement(*random_arrangement(2, 5, 16)), 1000)


# What has to wait


def test_what_needs_few_latent_dimensions_says_so():
    """Everything but partition(), rvs() and zero_noise_latent() names the latent dimension."""
    dgn, X = DGN(Network.random([4, 3, 2], ReLU(), 0), 1.0), np.zeros((1, 2))
    calls = [
        lambda: dgn.logpdf(X),
        lambda: dgn.posterior(X),
        lambda: dgn.mean(),
        lambda: dgn.cov(),
        lambda: dgn.statistics(X),
        lambda: dgn.expected_complete_loglik(X),
        lambda: dgn.elbo(X, np.zeros((1, 4)), np.ones((1, 4))),
        lambda: dgn.kl(X, np.zeros((1, 4)), np.ones((1, 4))),
        lambda: dgn.gradient(X),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError, match=r"latent dimensions 1 to 3.* 4"):
            call()
    assert dgn.rvs(3, 0).shape == (3, 2)
