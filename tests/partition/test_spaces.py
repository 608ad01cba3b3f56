"""The partition in two and more latent dimensions: its regions, their facets and their corners."""

import tracemalloc
from functools import cache

import numpy as np
import pytest
from scipy.special import owens_t
from tests_support import inside, points_inside

import fast
import fast.partition.location
import fast.partition.region_polyhedra
import reference
from oracle import exact_regions, layers_of
from reference.model import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    Upsample,
)


@cache
def partition(impl, network, **options):
    """The regions of a network."""
    return impl.DGN(network, 1.0, **options).partition()


def convolutional(rng, latent, side=2):
    """Dense, 1 x side x side images, upsampled, two convolutions, average and maximum pooling."""
    pixels = side**2
    return Network(
        [
            Dense(rng.standard_normal((pixels, latent)), rng.standard_normal(pixels)),
            Reshape((1, side, side)),
            Upsample(2),
            Conv2d(rng.standard_normal((1, 1, 3, 3)), rng.standard_normal(1), 2, 1),
            LeakyReLU(0.1),
            Conv2d(rng.standard_normal((2, 1, 2, 2)), rng.standard_normal(2)),
            MaxPool(1, channels=2),
            AvgPool(side - 1),
            Flatten(),
            Dense(rng.standard_normal((3, 1)), rng.standard_normal(3)),
            ReLU(),
        ]
    )


def maxout(rng, latent):
    """Two maxout layers, the first on the inputs themselves."""
    return Network(
        [
            Dense(rng.standard_normal((6, latent)), rng.standard_normal(6)),
            MaxPool(channels=3),
            Dense(rng.standard_normal((4, 2)), rng.standard_normal(4)),
            MaxPool(channels=2),
            Dense(rng.standard_normal((2, 2)), rng.standard_normal(2)),
        ]
    )


def small_networks():
    """Networks small enough for the reference: (name, network)."""
    rng = np.random.default_rng(41)
    yield "relu", Network.random([2, 5, 4, 3], ReLU(), 1)
    yield "leaky", Network.random([3, 4, 3, 2], LeakyReLU(0.1), 2)
    yield "abs", Network.random([2, 4, 2, 3], Abs(), 3)
    yield "convolutional", convolutional(rng, 2)
    yield "maxout", maxout(rng, 2)
    low_rank = Network.random([3, 5, 4, 3], ReLU(), 4)
    weight = low_rank.parameters()["0.weight"]
    yield "rank 2 of 3", low_rank.with_parameters({"0.weight": weight * [1.0, 1.0, 0.0]})
    line = np.outer(weight[:, 0], [0.5, 0.0, 1.0])  # products without rounding
    yield "rank 1 of 3", low_rank.with_parameters({"0.weight": line})
    yield "rank 0", low_rank.with_parameters({"0.weight": 0.0 * weight})
    zero = Network.random([2, 4, 4, 2], ReLU(), 5)
    biases = {name: 0.0 * v for name, v in zero.parameters().items() if name.endswith("bias")}
    yield "zero biases", zero.with_parameters(biases)
    yield "no units", Network([Dense(rng.standard_normal((3, 2)), rng.standard_normal(3))])


SMALL = dict(small_networks())
LARGER = {
    "relu": Network.random([2, 24, 24, 4], ReLU(), 6),
    "abs": Network.random([3, 10, 8, 2], Abs(), 7),
    "leaky": Network.random([4, 8, 6, 2], LeakyReLU(0.2), 8),
    "convolutional": convolutional(np.random.default_rng(42), 3, side=3),
    "maxout": maxout(np.random.default_rng(43), 3),
}


@pytest.fixture(params=list(SMALL), scope="module")
def small(request):
    """Each small network in turn."""
    return SMALL[request.param]


def test_corners_span_the_region(impl, small):
    """Mixtures of vertices, rays and lines lie in every half-space of their region and of no other,
    and have its code and map."""
    rng = np.random.default_rng(51)
    found = partition(impl, small)
    for region in range(found.n_regions):
        for z in points_inside(found, region, rng, 5):
            assert inside(found, region, z) > 0
            others = [inside(found, r, z) for r in range(found.n_regions) if r != region]
            assert not any(slack > 1e-12 for slack in others)
            image = small(z[None])[0]
            affine = found.slopes[region] @ z + found.offsets[region]
            np.testing.assert_allclose(affine, image, rtol=1e-12, atol=1e-12 * (1 + abs(z).max()))


def test_no_facet_is_redundant(impl, small):
    """On every facet there are corners enough to span it; every corner lies on facets enough."""
    found = partition(impl, small)
    for region in range(found.n_regions):
        normals, offsets = found.halfspaces(region)
        vertices, rays, lines = found.vertices(region), found.rays(region), found.lines(region)
        rank = small.latent_dimension - len(lines)
        ends = np.concatenate([vertices, rays])
        points = np.arange(len(ends)) < len(vertices)
        heights = ends @ normals.T + np.outer(points, offsets)
        lengths = np.linalg.norm(normals, axis=1)
        tight = np.abs(heights) <= 1e-9 * lengths * (1 + np.linalg.norm(ends, axis=1))[:, None]
        assert np.all(heights[~tight] > 0)
        homogeneous = np.column_stack([ends, points])
        for facet in range(len(normals)):
            assert np.linalg.matrix_rank(homogeneous[tight[:, facet]], tol=1e-9) == rank
        for end, on in enumerate(tight):
            wanted = rank if points[end] else rank - 1
            on_it = (normals / lengths[:, None])[on]
            assert (np.linalg.matrix_rank(on_it, tol=1e-9) if on.any() else 0) == wanted
        np.testing.assert_allclose(lines @ lines.T, np.eye(len(lines)), atol=1e-14)
        assert np.all(np.abs(normals @ lines.T) <= 1e-12 * lengths[:, None])


def test_implementations_agree_region_by_region(small):
    """The same codes in the same order, the same maps, the same facets, vertices and rays."""
    mine, other = partition(fast, small), partition(reference, small)
    np.testing.assert_array_equal(mine.codes, other.codes)
    np.testing.assert_allclose(mine.slopes, other.slopes, rtol=0, atol=1e-13)
    np.testing.assert_allclose(mine.offsets, other.offsets, rtol=0, atol=1e-13)
    for region in range(mine.n_regions):
        for name in ("vertices", "rays"):
            assert_same_rows(getattr(mine, name)(region), getattr(other, name)(region))
        sides = (np.column_stack(found.halfspaces(region)) for found in (mine, other))
        assert_same_rows(*(side / np.linalg.norm(side, axis=1)[:, None] for side in sides))


def assert_same_rows(mine, other):
    """Two sets of rows are the same, in any order, to 1e-8."""
    assert mine.shape == other.shape
    gaps = np.max(np.abs(mine[:, None] - other[None]), axis=2, initial=0.0)
    sizes = 1.0 + np.max(np.abs(other), axis=1, initial=0.0)
    assert np.all(np.min(gaps / sizes, axis=1, initial=np.inf) <= 1e-8)


def standard_mass(found, region):
    """P(z in the region) for z ~ N(0, I) in two dimensions, from its facets and corners.

    In polar coordinates it is the integral of (1 - exp(-ρ²/2)) dθ / 2π along the boundary; an edge
    at distance h has ρ = h / cos θ, which makes it a difference of Owen's T; infinity has ρ = ∞.
    """
    normals, offsets = found.halfspaces(region)
    vertices, rays, lines = found.vertices(region), found.rays(region), found.lines(region)
    mass = 0.0
    for normal, offset in zip(normals, offsets, strict=True):
        unit, distance = normal / np.linalg.norm(normal), offset / np.linalg.norm(normal)
        along = np.array([-unit[1], unit[0]])
        size = 1 + np.max(np.abs(vertices))
        on = vertices[np.abs(vertices @ unit + distance) < 1e-9 * size] @ along
        away = rays[np.abs(rays @ unit) < 1e-9] @ along
        ends = edge_ends(on, away, lines @ along)
        if distance == 0:
            continue  # seen from 0 the edge is a point
        tangents = ends / abs(distance)
        wedge = np.arctan(tangents) / (2 * np.pi) - owens_t(abs(distance), tangents)
        mass += np.sign(distance) * (wedge[1] - wedge[0])
    return mass + share_of_infinity(normals, rays, lines)


def edge_ends(vertices, rays, lines):
    """Where an edge begins and ends, as coordinates along it: a line, a ray or a segment."""
    if len(lines):
        return np.array([-np.inf, np.inf])
    places = [*vertices, *(np.inf * np.sign(rays))]
    return np.array([min(places), max(places)])


def share_of_infinity(normals, rays, lines):
    """The share of directions in which a region goes on for ever."""
    if len(lines):
        return {0: 1.0, 1: 0.5, 2: 0.0}[len(normals)]
    if len(rays) < 2:
        return 0.0
    return np.arccos(np.clip(rays[0] @ rays[1], -1, 1)) / (2 * np.pi)


PLANES = [name for name, network in SMALL.items() if network.latent_dimension == 2]


@pytest.mark.parametrize("name", PLANES)
def test_masses_sum_to_one(impl, name):
    """Σ_ω P(z in ω) = 1 in two dimensions: nothing is missing, nothing double."""
    found = partition(impl, SMALL[name])
    masses = [standard_mass(found, region) for region in range(found.n_regions)]
    assert min(masses) > -1e-14  # differences of numbers up to 1
    assert abs(sum(masses) - 1) < 1e-12


@pytest.mark.parametrize("widths", [[2, 40, 2], [2, 24, 24, 2], [2, 8, 8, 8, 8, 2]])
def test_masses_sum_to_one_with_many_regions(widths):
    """The same with hundreds of regions, moved by the scale of the prior."""
    network = Network.random(widths, LeakyReLU(0.1), 12)
    for scale in (0.1, 1.0, 10.0):
        first = scale * network.parameters()["0.weight"]
        found = partition(fast, network.with_parameters({"0.weight": first}))
        masses = [standard_mass(found, region) for region in range(found.n_regions)]
        assert min(masses) > -1e-13
        assert abs(sum(masses) - 1) < 1e-12


@pytest.mark.parametrize("name", list(LARGER))
def test_every_point_has_its_region(name):
    """10^5 points, near and far: each in an enumerated region, whose map is the forward pass to
    1e-12 of the largest term of the sum."""
    network = LARGER[name]
    rng = np.random.default_rng(52)
    found = partition(fast, network)
    z = rng.standard_normal((100_000, network.latent_dimension))
    z *= 10.0 ** rng.uniform(-1, 2, (len(z), 1))
    regions = found.locate(z)
    affine = np.einsum("nds,ns->nd", found.slopes[regions], z) + found.offsets[regions]
    sizes = np.abs(z)
    for layer, part in zip(network.layers, network.split_code(found.codes[regions]), strict=True):
        _, sizes = layer.bound(part, np.empty((*sizes.shape, 0)), sizes)
    assert np.all(np.abs(affine - network(z)) <= 1e-12 * sizes)
    for i in range(0, len(z), 997):
        assert inside(found, regions[i], z[i]) > -1e-12


def test_points_on_facets_and_vertices(impl, small):
    """A point on a boundary goes to a region whose closure holds it."""
    found = partition(impl, small)
    for region in range(min(found.n_regions, 12)):
        vertices, rays = found.vertices(region), found.rays(region)
        on = np.concatenate([vertices, vertices[:1] + rays])
        for z, there in zip(on, found.locate(on), strict=True):
            assert inside(found, there, z) >= -1e-12


def exact_networks():
    """Networks whose vertices are small integers over powers of two."""
    eye = np.eye(2)
    fold = [Dense(eye, [0.0, 0.0]), Abs(), Dense(eye, [-0.5, -0.5]), Abs(), Dense(eye, [0.0, 0.0])]
    yield "folding", Network(fold)
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]])
    yield "maxout", Network([Dense(rows, [0.0, 1.0, 0.5, -1.0]), MaxPool(channels=4)])
    yield "relu", Network([Dense(rows, [0.0, 1.0, 0.5, -1.0]), ReLU(), Dense(rows.T, [-1.0, 0.0])])


@pytest.mark.parametrize("name", ["folding", "maxout", "relu"])
def test_a_boundary_point_goes_to_the_right(impl, name):
    """To the region entered by increasing z_1, or along z_1 by increasing z_2."""
    network = dict(exact_networks())[name]
    found = partition(impl, network)
    for region in range(found.n_regions):
        vertices, rays = found.vertices(region), np.sign(found.rays(region))
        between = 0.5 * (vertices[:, None] + vertices[None]).reshape(-1, 2)
        on = np.concatenate([between, (vertices[:, None] + rays[None]).reshape(-1, 2)])
        beside = found.locate(on + np.array([1e-5, 1e-10]))
        np.testing.assert_array_equal(found.locate(on), beside)


def test_max_regions_holds(impl):
    """Exactly R regions are allowed, R - 1 are not."""
    network = Network.random([2, 4, 3, 2], ReLU(), 9)
    count = partition(impl, network).n_regions
    assert partition(impl, network, max_regions=count).n_regions == count
    with pytest.raises(ValueError, match=r"^max_regions:.*larger max_regions"):
        partition(impl, network, max_regions=count - 1)


def test_max_regions_raises_before_memory_is_spent():
    """Some 10^7 regions are refused with a few kB per allowed region spent."""
    network, limit = Network.random([4, 60, 60, 2], ReLU(), 10), 20_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="max_regions"):
        partition(fast, network, max_regions=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000 * limit


@pytest.mark.parametrize(("latent", "memory"), [(16, 2e8), (20, 1e6)])
def test_high_dimensions_are_refused_early(latent, memory, monkeypatch):
    """The first 2^20 regions are too many; of the first 2^16 it is seen that more will follow. What
    the estimate in the text takes is measured in test_cost.py."""
    monkeypatch.setattr(fast.partition.partition, "_estimate", lambda network: "")
    network = Network.random([latent, 32, 2], ReLU(), 10)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^max_regions: .*larger max_regions"):
        partition(fast, network)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < memory


def test_many_dimensions_and_few_units():
    few = Network.random([16, 3, 2], ReLU(), 10)
    assert partition(fast, few).n_regions == 8


def test_progress_is_reported():
    """The callback hears of every unit once, and of regions that only become more."""
    network, calls = Network.random([2, 5, 4, 3], ReLU(), 11), []
    found = fast.DGN(network, 1.0).partition(lambda *call: calls.append(call))
    assert [done for done, _, _ in calls] == list(range(1, 10))
    assert {total for _, total, _ in calls} == {9}
    assert np.all(np.diff([regions for _, _, regions in calls]) >= 0)
    assert calls[-1][2] == found.n_regions


def test_an_exception_in_the_callback_ends_the_enumeration():
    """And the model can be asked again."""
    dgn = fast.DGN(Network.random([2, 5, 4, 3], ReLU(), 11), 1.0)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dgn.partition(stop)
    assert dgn.partition().n_regions > 1


def test_a_partition_cannot_be_spoiled(impl):
    """Its arrays are read-only, it compares by identity, and it prints in one line."""
    found = partition(impl, SMALL["relu"])
    if impl is fast:
        for array in (found.codes, found.slopes, found.halfspaces(0)[0]):
            with pytest.raises(ValueError, match="read-only"):
                array[0, 0] = 0
        assert len(repr(found)) < 80
    assert found == found
    assert len({found}) == 1


def test_a_bad_callback_is_refused():
    """Before work starts, for every S."""
    for latent in (1, 2):
        dgn = fast.DGN(Network.random([latent, 3, 2], ReLU(), 0), 1.0)
        with pytest.raises(ValueError, match=r"^callback: expected a function"):
            dgn.partition(3)


def scaled(scale):
    """A network with three layers of weights of this scale."""
    network = Network.random([2, 5, 4, 2], ReLU(), 3)
    moved = {name: value * scale for name, value in network.parameters().items()}
    return network.with_parameters(moved)


def test_values_out_of_range_are_named():
    """Weights whose products are no doubles: an error that says so, not some partition."""
    with pytest.raises(fast.PartitionError, match="leave the range of double precision"):
        partition(fast, scaled(1e160))


@pytest.mark.parametrize("scale", [1e-200, 1e-60, 1e60])
def test_values_on_the_way_may_be_of_any_size(scale):
    """Where products of weights are too small for doubles, the regions are still those of exact
    arithmetic."""
    network = scaled(scale)
    codes = [tuple(code) for code in partition(fast, network).codes.tolist()]
    assert codes == [region.code for region in exact_regions(layers_of(network))]


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("hidden", [[], [3]], ids=str)
def test_maps_out_of_range_are_named(impl, latent, hidden):
    """Weights after the last choice count as well, and so do those of a network without any, and
    of one latent dimension; warnings are errors here."""
    *layers, last = Network.random([latent, *hidden, 2], ReLU(), 4).layers
    huge = Dense(np.full((2, 2), 1e200), np.zeros(2))
    steep = Network([*layers, Dense(1e200 * last.weight, last.bias), huge])
    with pytest.raises(impl.PartitionError, match="leave the range of double precision"):
        partition(impl, steep)


@pytest.mark.parametrize("latent", [1, 2])
def test_choices_out_of_range_are_named(impl, latent):
    """Half-spaces that are no doubles, whatever the maps are."""
    first = Dense(1e200 * np.eye(2)[:, :latent], [0.0, 1.0])
    second = Dense([[1e200, 1e200]], [1.0])
    steep = Network([first, ReLU(), second, ReLU(), Dense([[0.0]], [1.0])])
    with pytest.raises(impl.PartitionError, match="leave the range of double precision"):
        partition(impl, steep)


def test_a_new_covariance_keeps_the_regions():
    """They do not depend on it; with other weights they are found anew."""
    dgn = fast.DGN(Network.random([2, 4, 3], ReLU(), 11), 1.0)
    found = dgn.partition()
    assert dgn.with_parameters({"cov_x": 2.0}).partition() is found
    other = dgn.with_parameters({"0.bias": np.zeros(4)}).partition()
    assert other.n_regions != found.n_regions
