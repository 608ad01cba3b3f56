"""T(ω) and H(Δ): indicator functions at random points, volumes, and what is degenerate."""

import itertools
from math import comb, factorial

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from reference.polyhedra import inclusion_exclusion as lemma_4
from reference.polyhedra.inclusion_exclusion import inclusion_exclusion, signed_cones
from reference.polyhedra.polyhedron import polyhedron_of
from reference.polyhedra.triangulation import triangulation

KINDS = ["generic", "with lines", "cube", "integer", "unbounded", "prism", "cross-polytope"]


def polyhedron(kind, dimension, seed):
    """Half-spaces of a polyhedron with an interior point near 0, and that point."""
    rng = np.random.default_rng([KINDS.index(kind), dimension, seed])
    count = int(rng.integers(0, 10))
    normals = rng.standard_normal((count, dimension))
    offsets = rng.uniform(0.2, 1.0, count) * 10.0 ** rng.uniform(-2, 1)
    if kind == "with lines" and dimension > 1:  # turned by integers, so that lines stay lines
        normals = np.round(2.0**20 * normals) / 2.0**20
        normals[:, 0] = 0.0
        normals = normals @ rng.integers(-3, 4, (dimension, dimension)).astype(float)
        normals, offsets = (a[np.any(normals != 0, axis=1)] for a in (normals, offsets))
    if kind == "cube":
        normals = np.vstack([np.eye(dimension), -np.eye(dimension)])
        offsets = np.ones(2 * dimension)
    if kind == "integer":  # several hyperplanes through one point, redundant and equal ones
        normals = np.round(1.5 * normals)
        normals = normals[np.any(normals != 0, axis=1)]
        offsets = rng.integers(1, 3, len(normals)).astype(float)
    if kind == "unbounded":
        normals[:, -1] = np.abs(normals[:, -1])
    if kind == "prism":  # a simplex in the other coordinates, cut off at one end
        base = np.vstack([np.eye(dimension - 1), -np.ones((1, dimension - 1))])
        sides = np.hstack([base, np.zeros((dimension, 1))]) if dimension > 1 else np.empty((0, 1))
        normals = np.vstack([sides, np.eye(dimension)[-1:]])
        offsets = np.ones(len(normals))
    if kind == "cross-polytope":  # 2^(S-1) facets at every vertex
        normals = np.array(list(itertools.product([1.0, -1.0], repeat=dimension)))
        offsets = np.ones(len(normals))
    shift = rng.standard_normal(dimension) if kind not in ("integer", "cross-polytope") else 0.0
    shift = shift * np.ones(dimension)
    return normals, offsets - normals @ shift, shift


CASES = [(k, s, i) for k in KINDS for s in (1, 2, 3) for i in range(4)]


def inside(normals, offsets, points):
    """Indicator function of {z : normals z + offsets > 0} at points (M, S)."""
    return np.all(points @ normals.T + offsets > 0, axis=1).astype(int)


def points_near(shift, rng, count=300):
    """Random points at three scales."""
    scales = rng.choice([0.3, 2.0, 30.0], (count, 1))
    return shift + scales * rng.standard_normal((count, len(shift)))


@pytest.mark.parametrize(("kind", "dimension", "seed"), CASES)
def test_simplices_fill_the_polyhedron_without_overlap(kind, dimension, seed):
    """Every point inside is in one simplex, every point outside in none, and each simplex is a
    simplex: k+1 corners in k dimensions, half-spaces that contain them."""
    normals, offsets, shift = polyhedron(kind, dimension, seed)
    points = points_near(shift, np.random.default_rng(seed))
    found = triangulation(polyhedron_of(normals, offsets))
    counted = sum(inside(s.normals, s.offsets, points) for s in found)
    np.testing.assert_array_equal(counted, inside(normals, offsets, points))
    rank = np.linalg.matrix_rank(normals) if len(normals) else 0
    for simplex in found:
        assert len(simplex.points) + len(simplex.rays) == rank + 1
        size = 1 + np.abs(simplex.points).max()
        assert np.all(simplex.points @ simplex.normals.T + simplex.offsets > -1e-9 * size)
        assert np.all(simplex.rays @ simplex.normals.T > -1e-9)


@pytest.mark.parametrize(("kind", "dimension", "seed"), CASES)
def test_lemma_4(kind, dimension, seed):
    """1_Δ = Σ s 1_V for every simplex, and 1_ω = Σ s 1_V over all; every V has at most S
    half-spaces, with independent normals."""
    normals, offsets, shift = polyhedron(kind, dimension, seed)
    points = points_near(shift, np.random.default_rng(seed))
    for simplex in triangulation(polyhedron_of(normals, offsets)):
        signed = sum(
            sign * inside(simplex.normals[rows], simplex.offsets[rows], points)
            for sign, rows in inclusion_exclusion(simplex)
        )
        np.testing.assert_array_equal(signed, inside(simplex.normals, simplex.offsets, points))
    cones = signed_cones(polyhedron_of(normals, offsets))
    signed = sum(s * inside(cones.normals[v], cones.offsets[v], points) for s, v in cones.terms)
    np.testing.assert_array_equal(signed, inside(normals, offsets, points))
    for _, rows in cones.terms:
        assert len(rows) <= dimension
        assert np.linalg.matrix_rank(cones.normals[rows]) == len(rows)


def printed(simplex, dimension):
    """H(Δ) as printed, for a simplex of S+1 half-spaces: every J of at most S, (-1)^(|J| + S)."""
    return [
        ((-1) ** (size + dimension), list(rows))
        for size in range(dimension + 1)
        for rows in itertools.combinations(range(dimension + 1), size)
    ]


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_the_printed_signs_are_right(dimension):
    """Lemma 4 as printed holds for bounded simplices, where ours is the same list, and for the
    unbounded ones of S+1 half-spaces; with the opposite sign it fails."""
    rng = np.random.default_rng(dimension)
    normals = np.vstack([np.eye(dimension), -np.ones((1, dimension))])
    offsets = np.append(np.zeros(dimension), 1.0)
    strip = normals.copy()
    strip[-1] = -np.eye(dimension)[0]  # parallel to the first: unbounded
    points = points_near(np.full(dimension, 0.2), rng, 2000)
    for rows in (normals, strip):
        (simplex,) = triangulation(polyhedron_of(rows, offsets))
        truth = inside(rows, offsets, points)
        assert truth.any()
        values = [
            sign * inside(simplex.normals[chosen], simplex.offsets[chosen], points)
            for sign, chosen in printed(simplex, dimension)
        ]
        np.testing.assert_array_equal(sum(values), truth)
        assert np.any(-sum(values) != truth)
    (simplex,) = triangulation(polyhedron_of(normals, offsets))
    ours = sorted((sign, sorted(chosen)) for sign, chosen in inclusion_exclusion(simplex))
    assert ours == sorted(printed(simplex, dimension))
    assert len(ours) == sum(comb(dimension + 1, size) for size in range(dimension + 1))


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_volumes(dimension, seed):
    """The volumes of the simplices sum to that of the convex hull of all corners."""
    rng = np.random.default_rng([seed, dimension])
    normals = np.vstack(
        [rng.standard_normal((6, dimension)), np.eye(dimension), -np.eye(dimension)]
    )
    offsets = rng.uniform(0.3, 1.0, len(normals))
    found = triangulation(polyhedron_of(normals, offsets))
    corners = np.unique(np.round(np.vstack([s.points for s in found]), 12), axis=0)
    volumes = [abs(np.linalg.det(s.points[1:] - s.points[0])) / factorial(dimension) for s in found]
    assert len(found) > 1
    assert sum(volumes) == pytest.approx(ConvexHull(corners).volume, rel=1e-9)


def triangulated(normals, offsets):
    """T(ω) of a polyhedron given in doubles."""
    return triangulation(polyhedron_of(normals, offsets))


def test_known_shapes():
    """Half-space, wedge and octant are simplices; a cube and a cross-polytope are several."""
    assert len(triangulated(np.empty((0, 2)), np.empty(0))) == 1
    assert len(triangulated(np.array([[0.3, 0.4]]), np.zeros(1))) == 1
    for dimension in (1, 2, 3):
        (octant,) = triangulated(np.eye(dimension), np.zeros(dimension))
        assert inclusion_exclusion(octant) == [(1, list(range(dimension)))]
    cube = np.vstack([np.eye(3), -np.eye(3)])
    assert 5 <= len(triangulated(cube, np.ones(6))) <= 6
    octahedron = np.array(list(itertools.product([1.0, -1.0], repeat=3)))
    assert len(triangulated(octahedron, np.ones(8))) == 4


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_an_apex_at_0(dimension):
    """As of a network without biases: the apex lies on its facets, once, however many they are."""
    (only,) = triangulated(np.eye(dimension), np.zeros(dimension))
    np.testing.assert_array_equal(only.points, np.zeros((1, dimension)))
    assert len(only.rays) == dimension
    assert sorted(only.names) == [f"+facet {i}" for i in range(dimension)]
    if dimension == 3:  # four facets, in two simplices
        pyramid = np.array([[1.0, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]])
        assert [len(s.rays) for s in triangulated(pyramid, np.zeros(4))] == [3, 3]


@pytest.mark.parametrize("width", [5e-324, 1e-200, 1e-16, 1e-3])
@pytest.mark.parametrize("dimension", [2, 3])
def test_slabs_of_any_width(dimension, width):
    """A box as thin as doubles go has the simplices of a box, and what is rounded agrees with what
    is exact: every generator lies on all half-spaces but the one opposite to it."""
    normals = np.vstack([np.eye(dimension), -np.eye(dimension)])
    offsets = np.concatenate([[0.0], np.ones(dimension - 1), [width], np.ones(dimension - 1)])
    found = triangulated(normals, offsets)
    assert len(found) in {2: [2], 3: [5, 6]}[dimension]
    for simplex in found:
        assert len(simplex.points) == dimension + 1
        heights = simplex.points @ simplex.normals.T + simplex.offsets
        assert np.all(np.abs(heights[~np.eye(dimension + 1, dtype=bool)]) < 1e-15)
        assert np.all(np.diag(heights) > -1e-15)


def test_a_wrong_sign_is_caught(monkeypatch):
    """Lemma 4 with (-1)^|J| for odd S fails here."""

    def wrong(simplex):
        return [(abs(sign), rows) for sign, rows in inclusion_exclusion(simplex)]

    monkeypatch.setattr(lemma_4, "inclusion_exclusion", wrong)
    with pytest.raises(AssertionError):
        test_lemma_4("cube", 3, 0)
