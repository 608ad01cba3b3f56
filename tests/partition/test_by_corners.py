"""Partitions in many dimensions, where cells are known by their corners: beside those found with
all faces, beside the oracle, and what is refused before it is made."""

import tracemalloc
from math import comb

import numpy as np
import pytest
from scipy.sparse import csr_array
from shared_models import arrangement, codes_of
from tests_support import deep

import fast
import fast.partition.by_corners.corner_cells
import fast.partition.by_corners.facets
import fast.partition.cut_space
from fast.partition.by_corners.cells_to_come import cells_at_least
from fast.partition.by_corners.close_corners import close_points, nearly_parallel
from fast.partition.by_corners.corner_cells import CornerCells
from fast.partition.by_corners.edges import edges_across
from fast.partition.cell_complex import Complex, TooManyCells
from fast.polyhedra.ragged import Ragged
from oracle import exact_regions, layers_of
from reference.model import Abs, Dense, Hardtanh, LeakyReLU, MaxPool, Network, PiecewiseAffine, ReLU

#: Between the knots of several units whose hyperplanes are parallel.
KNOTTED = (Hardtanh(-0.5, 1.0), PiecewiseAffine([-1.0, 0.25], [-0.5, 1.0, 0.5]))


def drawn(seed, latent):
    """A network of one layer or two: half of them are degenerate in one way or several."""
    rng = np.random.default_rng([93, seed, latent])
    n = int(rng.integers(2, latent + 3))
    weight, bias = rng.standard_normal((n, latent)), rng.standard_normal(n)
    activation = (ReLU(), LeakyReLU(0.1), Abs(), *KNOTTED)[rng.integers(5)]
    if activation in KNOTTED:
        n = min(n, 4)
        weight, bias = weight[:n], bias[:n]
    if rng.random() < 0.3:
        bias[:] = 0.0
    if rng.random() < 0.25:
        rank = int(rng.integers(1, latent))
        few = rng.integers(-3, 4, (n, rank)), rng.integers(-2, 3, (rank, latent))
        weight = (few[0] @ few[1]).astype(float)
    if rng.random() < 0.3:
        weight[-1], bias[-1] = weight[0], bias[0]
    if rng.random() < 0.3:
        weight[n // 2] = -2.0 * weight[0]
    if rng.random() < 0.3:
        near = 10.0 ** -rng.integers(6, 16) * rng.standard_normal(latent)
        weight[1], bias[1] = weight[0] + near, bias[0]
    if rng.random() < 0.2:
        weight[n // 2] = 0.0
    if rng.random() < 0.2:
        activation, width = MaxPool(channels=n), 1
    else:
        width = n
    inner = int(rng.integers(1, 4))
    second = rng.standard_normal((inner, width)), rng.integers(0, 2) * rng.standard_normal(inner)
    last = [(ReLU(), LeakyReLU(0.3), Abs(), Hardtanh(-1.0, 1.0))[rng.integers(4)]]
    return Network([Dense(weight, bias), activation, Dense(*second), *last[: rng.integers(2)]])


def partition(network, monkeypatch, by_corners):
    """The regions of a network, found with corners alone, or with faces of all dimensions."""
    monkeypatch.setattr(fast.partition.cut_space, "BY_CORNERS", 2 if by_corners else 99)
    return fast.DGN(network, 1.0).partition()


def assert_same_rows(mine, other):
    """The same rows in some order, to 1e-8 of their size."""
    assert mine.shape == other.shape
    apart = np.max(np.abs(mine[:, None] - other), axis=2, initial=0.0)
    sizes = 1.0 + np.max(np.abs(other), axis=1, initial=0.0)
    assert np.all(np.min(apart / sizes, axis=1, initial=np.inf) <= 1e-8)


def shape_of(lattice):
    """How many faces of each dimension a lattice has, and how many pairs of what lies on what."""
    parts = [(f.of_cells, f.corners, f.boundary) for f in lattice.faces]
    return [tuple(len(rows.values) for rows in part) for part in parts], [
        np.count_nonzero(face.finite) for face in lattice.faces
    ]


CASES = [(s, n) for s in (2, 3, 4, 5, 6, 7) for n in range(20 if s < 6 else 8)]
MORE = [(s, n) for s in (3, 5, 6, 7, 8) for n in range(20, 60)]


@pytest.mark.parametrize("case", [*CASES, *deep(*MORE)], ids=str)
def test_as_with_all_faces(monkeypatch, case):
    """Codes, facets, vertices, rays and the lattices of all faces are those of the complex that
    holds faces of every dimension."""
    latent, seed = case
    network = drawn(seed, latent)
    mine = partition(network, monkeypatch, by_corners=True)
    other = partition(network, monkeypatch, by_corners=False)
    np.testing.assert_array_equal(mine.codes, other.codes)
    np.testing.assert_array_equal(mine.polyhedra.starts, other.polyhedra.starts)
    pooled = isinstance(network.layers[1], MaxPool)
    for region in range(0, mine.n_regions, 1 + mine.n_regions // 20):
        sides = [np.column_stack(one.halfspaces(region)) for one in (mine, other)]
        assert_same_rows(*(rows / np.linalg.norm(rows[:, :-1], axis=1)[:, None] for rows in sides))
        # Those of joined cells are found from the facets, in the same way.
        if not pooled:
            assert_same_rows(mine.vertices(region), other.vertices(region))
            assert_same_rows(mine.rays(region), other.rays(region))
    if latent <= 6 and not pooled:
        pairs = zip(mine.polyhedra.lattices, other.polyhedra.lattices, strict=True)
        for (regions, one), (same, another) in pairs:
            np.testing.assert_array_equal(regions, same)
            assert shape_of(one) == shape_of(another)


@pytest.mark.parametrize("seed", range(12))
def test_codes_are_the_oracle_s(seed):
    """In five dimensions, degenerate networks among them."""
    network = drawn(seed, 5)
    exact = [region.code for region in exact_regions(layers_of(network))]
    assert codes_of(fast.DGN(network, 1.0).partition()) == exact


@pytest.mark.parametrize("latent", [5, *deep(6)])
def test_likelihood_is_the_same(monkeypatch, latent):
    """log p(x) and posterior means to 1e-10, from lattices of either kind."""
    network = Network.random([latent, 2, 3], LeakyReLU(0.2), 3)
    X = fast.DGN(network, 0.3).rvs(2, 0)
    found = []
    for threshold in (2, 99):
        monkeypatch.setattr(fast.partition.cut_space, "BY_CORNERS", threshold)
        dgn = fast.DGN(network, 0.3)
        found.append((dgn.logpdf(X), dgn.posterior(X).mean()))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [(8, 12), *deep((10, 14), (12, 14))], ids=str)
def test_many_dimensions_take_little_memory(size):
    """[8, 12, 2] has Σ_{i<=8} C(12, i) = 3,797 regions; with faces of all dimensions it takes a
    gigabyte and a half."""
    latent, n = size
    network = Network.random([latent, n, 2], ReLU(), 0)
    tracemalloc.start()
    found = fast.DGN(network, 1.0).partition()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.n_regions == sum(comb(n, i) for i in range(latent + 1))
    assert peak < (1e8 if latent == 8 else 4e8)
    points = np.random.default_rng(0).standard_normal((1000, latent))
    regions = found.locate(points)
    for z, region in zip(points[:50], regions[:50], strict=True):
        normals, offsets = found.halfspaces(region)
        assert np.all(normals @ z + offsets > 0)
    # Bounded or not, a region is spanned by its vertices and rays.
    normals, offsets = found.halfspaces(regions[0])
    assert np.all(found.vertices(regions[0]) @ normals.T + offsets > -1e-9)
    assert np.all(found.rays(regions[0]) @ normals.T > -1e-9)


def test_far_too_many_are_not_begun():
    """[6, 20, 20, 1] has some four million regions. Of its first layer's 60,460 it is seen."""
    network = Network.random([6, 20, 20, 1], ReLU(), 0)
    seen = []
    with pytest.raises(fast.TooManyRegionsError, match=r"1000000 regions, 1\d{6} at the least"):
        fast.DGN(network, 1.0).partition(lambda *now: seen.append(now))
    assert max(cells for *_, cells in seen) < 100_000


@pytest.mark.parametrize("seed", range(30))
def test_none_that_fits_is_refused(seed):
    """With just as many regions as allowed, and one more."""
    network = drawn(seed, 5 + seed % 2)
    if isinstance(network.layers[1], MaxPool):
        return
    regions = fast.DGN(network, 1.0).partition().n_regions
    found = fast.DGN(network, 1.0, max_regions=regions).partition()
    assert found.n_regions == regions
    with pytest.raises(fast.TooManyRegionsError, match=rf"more than {regions - 1} regions"):
        fast.DGN(network, 1.0, max_regions=regions - 1).partition()


@pytest.mark.parametrize("cells", [CornerCells, Complex])
def test_a_cut_that_makes_too_many_is_refused_before_it_is_made(cells):
    halved = cells(5)
    # Positive at the apex and at one end of every axis: all orthants but one are cut.
    signs = np.array([1, *[1, -1] * 5], dtype=np.int8)
    with pytest.raises(TooManyCells) as refused:
        halved.cut(signs, 62)
    assert (refused.value.cells, halved.n_cells) == (63, 32)
    halved.cut(signs, 63)
    assert halved.n_cells == 63


def test_parts_are_counted_by_the_signs_at_corners():
    """A square cut by both axes and by a line beyond it; a triangle of which a sign is not
    known."""
    corners = Ragged(np.array([0, 4, 7]), np.array([0, 1, 2, 3, 0, 1, 4]))
    signs = np.ones((3, 12), dtype=np.int8)
    signs[0, :5], signs[1, :5] = [1, 1, -1, -1, 0], [1, -1, -1, 1, 1]
    assert cells_at_least(corners, signs, 100) == 4 + 2
    assert cells_at_least(corners, -signs, 100) == 4 + 2
    assert cells_at_least(corners, 0 * signs, 100) == 2


def test_ranks_beyond_all_limits():
    with pytest.raises(fast.TooManyRegionsError, match="1048576 at the least"):
        fast.DGN(Network.random([20, 20, 1], ReLU(), 0), 1.0).partition()


@pytest.mark.parametrize("which", [0, 50, -1])
def test_cells_that_do_not_fit_together_are_refused(monkeypatch, which):
    """Where one cell misses an edge that its neighbours have: named as a fault."""

    def lost(*given):
        edges = edges_across(*given)
        kept = np.delete(np.arange(len(edges.cells)), which if len(edges.cells) > 50 else [])
        return edges.at(kept)

    monkeypatch.setattr(fast.partition.by_corners.corner_cells, "edges_across", lost)
    with pytest.raises(fast.PartitionError, match="a fault of the program"):
        fast.DGN(Network.random([5, 8, 1], ReLU(), 0), 1.0).partition()


def test_numbers_of_faces_do_not_depend_on_luck(monkeypatch):
    """Where sums of labels that differ are the same in a word, both of them decide."""
    network = Network.random([5, 7, 2], ReLU(), 1)
    expected = fast.DGN(network, 1.0).partition()
    monkeypatch.setattr(fast.partition.by_corners.facets, "_ODD", np.zeros(2, dtype=np.uint64))
    found = fast.DGN(network, 1.0).partition()
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.polyhedra.normals, expected.polyhedra.normals)


def test_close_points_are_found():
    """As by looking at every pair: near a power of two, far out, and at 0."""
    rng = np.random.default_rng(0)
    places = rng.standard_normal((40, 3)) * 10.0 ** rng.integers(-3, 9, (40, 1))
    places[::4] = places[1::4] * (1.0 + 1e-7 * rng.standard_normal((10, 3)))
    edge = np.array([[2.0, 0.1, 0.3], [2.0 - 1e-7, 0.1, 0.3], [4.0 - 1e-7, 4.0, 0], [4.0, 4.0, 0]])
    places = np.concatenate([places, edge, np.zeros((2, 3))])
    apart = np.max(np.abs(places[:, None] - places), axis=2)
    np.fill_diagonal(apart, np.inf)
    sizes = np.max(np.abs(places), axis=1)
    expected = np.flatnonzero(np.min(apart, axis=1) < 1e-6 * sizes)
    np.testing.assert_array_equal(close_points(places, 1e-6), expected)
    assert len(expected) == 24


def test_nearly_parallel_rays_are_found():
    """Those close to another, and opposite ones of one region; not opposite ones of two."""
    rays = np.eye(4)[[0, 1, 2, 3, 0, 1, 2]] * np.array([1, 1, 1, 1, 1, -1, -1])[:, None]
    rays[4, 3] = 1e-8
    of_regions = csr_array(np.array([[1, 1, 0, 1, 0, 1, 0], [0, 0, 1, 0, 1, 0, 0], [0] * 6 + [1]]))
    np.testing.assert_array_equal(nearly_parallel(rays, of_regions, 1e-6), [0, 1, 4, 5])
    assert len(nearly_parallel(rays[:0], of_regions[:, :0], 1e-6)) == 0


@pytest.mark.parametrize("latent", [6, 7])
def test_central_and_parallel_arrangements(latent):
    """Through one point, 2 Σ_{i<S} C(n - 1, i); pairs of parallels along each axis, 3^S."""
    rng = np.random.default_rng(latent)
    n = latent + 2
    central = arrangement(rng.standard_normal((n, latent)), np.zeros(n))
    expected = 2 * sum(comb(n - 1, i) for i in range(latent))
    assert fast.DGN(central, 1.0).partition().n_regions == expected
    frame = rng.standard_normal((latent, latent))
    grid = arrangement(np.repeat(frame, 2, axis=0), np.tile([-1.0, 0.5], latent))
    found = fast.DGN(grid, 1.0).partition()
    assert found.n_regions == 3**latent
    assert sum(len(found.rays(r)) == 0 for r in range(found.n_regions)) == 1
