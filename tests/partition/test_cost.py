"""What a partition costs, estimated before it is found; and memory refused before it is taken."""

import tracemalloc
from itertools import islice
from math import comb

import numpy as np
import pytest
from tests_support import deep

import fast
import fast.partition.cost.sampled_facets
import fast.partition.cost.seconds
import fast.partition.cut_space
import fast.partitioned
from fast import Abs, Dense, LeakyReLU, MaxPool, Network, ReLU, ReLU6, Residual
from fast.partition.cost.facet_shares import shares
from fast.partition.cost.memory import LEAST, TooMuchMemory, predicted_memory
from fast.partition.cost.partition_cost import partition_cost
from fast.partition.cost.regions import regions_after_layers
from fast.partition.cost.sampled_facets import sampled_facets
from fast.partition.cost.seconds import predicted_seconds
from paper_figures.data_sets.decoders import decoder, pixels

#: Regions of trained decoders, from paper_figures/data/decoders/README.md and docs/partition.md.
DECODERS = {
    "dense_2-64-784": 2_081,
    "dense_3-32-784": 5_489,
    "dense_2-256-784": 32_897,
    "dense_2-256-256-784": 110_010,
    "upsample_4": 388_955,
    "conv_8_4": 463_632,
}


def regions(network):
    return fast.DGN(network, 1.0, partition="full").partition().n_regions


@pytest.mark.parametrize("name", DECODERS)
def test_regions_of_decoders(name):
    """Within a fifth and more, where three times is promised: 0.8 to 1.1 were seen."""
    found = regions_after_layers(decoder(name).network)[-1]
    assert DECODERS[name] / 1.5 < found < 1.5 * DECODERS[name]


def random_networks():
    """Fifty of them, with S from 2 to 4 and one to three hidden layers."""
    rng = np.random.default_rng(0)
    for k in range(50):
        latent = 2 + k % 3
        most, units = {2: (40, 100), 3: (16, 28), 4: (10, 18)}[latent]
        widths = rng.integers(4, most, size=1 + k % 3).tolist()
        while sum(widths) > units:
            widths = rng.integers(4, most, size=1 + k % 3).tolist()
        activation = [ReLU(), LeakyReLU(0.2), Abs()][k // 3 % 3]
        yield Network.random([latent, *widths, 3], activation, int(rng.integers(10**6)))


@pytest.mark.parametrize("every", [3, *deep(1)])
def test_regions_of_random_networks(every):
    """Within a factor of 3; 0.53 to 1.1 were seen."""
    some = islice(random_networks(), 0, None, every)
    found = [regions_after_layers(n)[-1] / regions(n) for n in some]
    assert len(found) == -(-50 // every)
    assert min(found) > 1 / 3
    assert max(found) < 3.0


def special_networks():
    normal = np.random.default_rng(3).standard_normal
    last = [Dense(normal((2, 12)), normal(2))]
    yield "one dimension", Network.random([1, 20, 20, 2], ReLU(), 0)
    pools = [Dense(normal((24, 2)), normal(24)), MaxPool(channels=3)]
    pools += [Dense(normal((12, 8)), normal(12)), MaxPool(channels=2)]
    yield "max-pooling", Network([*pools, Dense(normal((2, 6)), normal(2))])
    first = Dense(normal((12, 2)), normal(12))
    middle = [ReLU(), Dense(normal((12, 12)), normal(12)), ReLU6()]
    yield "several knots", Network([first, *middle, *last])
    yield "no biases", Network([Dense(normal((12, 2)), np.zeros(12)), ReLU(), *last])
    far = Dense(normal((12, 2)), 1e6 * normal(12))
    yield "far away", Network([far, *middle, *last])
    off = Dense(normal((12, 2)), normal(12) + 100.0)
    yield "beside the origin", Network([off, *middle, *last])
    thin = Dense(normal((12, 2)) * [1e-3, 1e3], normal(12))
    yield "scales far apart", Network([thin, *middle, *last])
    grid = Dense(np.repeat(np.eye(2), 6, axis=0), np.tile(np.arange(6.0), 2))
    yield "grid", Network([grid, ReLU(), *last])
    block = Residual([Dense(normal((12, 12)), normal(12)), ReLU()])
    yield "residual", Network([first, block, ReLU(), *last])
    folds = [layer for _ in range(5) for layer in (Dense(1.5 * normal((2, 2)), normal(2)), Abs())]
    yield "folds", Network(folds)
    yield "no units", Network([Dense(normal((2, 2)), normal(2))])
    flat = Dense(np.outer(np.arange(1.0, 13.0), [1.0, 2.0]), normal(12))
    yield "lines", Network([flat, ReLU(), *last])


@pytest.mark.parametrize(("name", "network"), [*special_networks()], ids=lambda v: str(v)[:20])
def test_regions_of_special_networks(name, network):
    """0.8 to 1.1 were seen."""
    found, truth = regions_after_layers(network)[-1], regions(network)
    assert truth / 1.5 <= found <= 1.5 * truth


@pytest.mark.parametrize(("latent", "units"), [(2, 30), (3, 12), (4, 9)])
def test_facets_of_an_arrangement(latent, units):
    """Of hyperplanes in general position: of unit k those that k - 1 others cut it into, summed;
    the sample's mean within six of its standard errors, which are those of some hundred pieces."""
    network = Network.random([latent, units, 3], ReLU(), 1)
    found = sampled_facets(network, 2).sum(axis=1)
    truth = sum(comb(units, k) for k in range(1, latent + 1))
    assert abs(found.mean() - truth) < 6.0 * found.std() / np.sqrt(len(found))
    # What facets would be in the end: those of the last units, all of them cut by all others.
    wrong = units * sum(comb(units - 1, k) for k in range(latent))
    assert abs(found.mean() - wrong) > 6.0 * found.std() / np.sqrt(len(found))


def test_pieces_that_end_early_stand_for_what_is_not_looked_at(monkeypatch):
    """Long pieces that end after ten facets, of some forty: the same mean, but for a sixth that is
    made of ends where facets are; without their weights it is a quarter of it."""
    network = Network.random([2, 40, 3], ReLU(), 1)
    monkeypatch.setattr(fast.partition.cost.sampled_facets, "_FACETS", 40)
    monkeypatch.setattr(fast.partition.cost.sampled_facets, "_MOST_FACETS", 10)
    found = sampled_facets(network, 2).sum(axis=1)
    truth = sum(comb(40, k) for k in (1, 2))
    assert found.mean() == pytest.approx(truth, rel=0.25)


def test_maps_on_a_line_are_found_with_its_intervals(monkeypatch):
    """Their time does not count a second time; in the plane it does."""
    monkeypatch.setattr(fast.partition.cost.seconds, "seconds_of_maps", lambda *_: 1e9)
    for latent, most in ((1, True), (2, False)):
        network = Network.random([latent, 20, 3], ReLU(), 0)
        after = regions_after_layers(network)
        assert (predicted_seconds(network, after) < 1e3) == most


def test_no_more_than_units_allow():
    """Where small facets are many the mean may be far too large."""
    network = Network.random([10, 14, 3], ReLU(), 3)
    assert regions_after_layers(network)[-1] <= sum(comb(14, k) for k in range(11)) * (1 + 1e-12)


def test_shares_are_exact_where_they_can_be():
    """An arc's share of its great circle, by its ends' angles; a spherical octant's of half a
    sphere, by rays in 32 directions that do not know of it; all of a ball cut by nothing."""
    angles = np.array([0.3, 1.0])
    point, facet = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 2.0]])
    walls = [
        [[np.sin(angles[0]), np.cos(angles[0]), 0], [np.sin(angles[1]), -np.cos(angles[1]), 0]]
    ]
    np.testing.assert_allclose(shares(np.array(walls), facet, point), angles.sum() / np.pi)
    point = np.full((1, 4), 1 / np.sqrt(3.0)) * [1.0, 1.0, 1.0, 0.0]
    facet, walls = np.array([[0.0, 0.0, 0.0, 1.0]]), np.eye(4)[None, :3]
    np.testing.assert_allclose(shares(walls, facet, point), 1 / 4, rtol=0.02)
    walls = np.zeros((1, 2, 6))
    walls[0, 1, 0] = 1.0
    point, facet = np.eye(1, 6), np.eye(1, 6, 5)
    np.testing.assert_allclose(shares(walls, facet, point), 1.0)


@pytest.mark.parametrize("widths", [[2, 200, 2], [3, 32, 32, 3], [4, 16, 16, 2], [8, 13, 2]])
def test_memory_is_predicted(widths):
    """Of what enumeration took, from its own counts and from the number of regions alone, within
    1.3 times; and what is refused is so before it is taken."""
    network = Network.random(widths, ReLU(), 3)
    after = regions_after_layers(network)
    tracemalloc.start()
    try:
        truth = regions(network)
        peak = tracemalloc.get_traced_memory()[1]
        enough, little = (fast.DGN(network, 1.0, max_memory=x * peak) for x in (1.3, 1 / 1.3))
        assert predicted_memory(network, after * (truth / after[-1])) == pytest.approx(
            peak, rel=0.3
        )
        tracemalloc.reset_peak()
        with pytest.raises(
            fast.TooMuchMemoryError, match=r"^max_memory: .*GB for its next step \(by es"
        ):
            little.partition()
        assert tracemalloc.get_traced_memory()[1] < 1.05 * peak / 1.3
    finally:
        tracemalloc.stop()
    assert enough.partition().n_regions == truth


@pytest.mark.parametrize("widths", [[2, 500, 500, 3], [20, 32, 2], [4, 100, 100, 3]])
def test_an_estimate_takes_little_memory(widths):
    """However many regions there are."""
    network = Network.random(widths, ReLU(), 10)
    tracemalloc.start()
    partition_cost(network)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LEAST


def test_memory_of_intervals_is_refused():
    network = Network.random([1, 300, 300, 300, 1], ReLU(), 0)
    found = regions(network)
    with pytest.raises(fast.TooMuchMemoryError, match=r"^max_memory: .* pass a larger max_memory"):
        fast.DGN(network, 1.0, max_memory=2e7).partition()
    assert fast.DGN(network, 1.0, max_memory=2e8).partition().n_regions == found


def test_what_is_refused_says_what_it_would_cost():
    """The regions that follow, the limit, and by estimate what all of them would take."""
    network = Network.random([3, 20, 20, 3], ReLU(), 3)
    said = (
        r"^max_regions: .* more than 1000 regions, \d+ at the least \(by estimate .* regions, in "
    )
    with pytest.raises(
        fast.TooManyRegionsError, match=said + r".* s and .* GB\); pass a larger max"
    ):
        fast.DGN(network, 1.0, max_regions=1000, partition="full").partition()


@pytest.mark.parametrize("widths", [[15, 16, 2], [8, 12, 12, 2], [6, 20, 20, 1]])
def test_cases_of_sizes_are_refused_with_their_cost(widths):
    """[15, 12, 2] and its like were answered after minutes, and [8, 12, 12, 2] not at all."""
    network = Network.random(widths, ReLU(), 0)
    refused = (fast.TooManyRegionsError, fast.TooMuchMemoryError)
    with pytest.raises(refused, match="by estimate"):
        fast.DGN(network, 1.0, max_regions=50_000, max_memory=3e8).partition()


def test_auto_gives_up_early(monkeypatch):
    """Where all regions are far beyond the limits by estimate, few of them are found; and where
    they are not, all are."""
    monkeypatch.setattr(fast.partitioned, "_MANY_REGIONS", 1_000)
    network, seen = Network.random([2, 128, 3], ReLU(), 0), []
    few = fast.DGN(network, 1.0, max_regions=2_000)
    look = few._unless_far_beyond()

    def both(done, units, found):
        seen.append(found)
        look(done, units, found)

    with pytest.raises(fast.TooManyRegionsError, match="by estimate"):
        few.partition(both)
    assert 1_000 <= max(seen) < 1_200
    assert few.is_local
    assert fast.DGN(network, 1.0, max_regions=4_000).is_local
    assert fast.DGN(network, 1.0, max_regions=9_000).partition().n_regions == 8_257


def test_an_estimate_enumerates_nothing(monkeypatch):
    dgn, X = decoder("dense_2-64-784"), pixels("test_4")[:100]
    monkeypatch.setattr(fast.partition.cut_space, "enumerate_cells", None)
    cost = dgn.estimate_cost(X)
    assert dgn._found is None
    assert 2_081 / 3 < cost.regions < 3 * 2_081
    # 36 for a hundred of the digits.
    assert 36 / 4 < cost.regions_of_a_datum < 4 * 36
    assert "regions; partition" in str(cost)


def test_seconds_are_in_proportion(monkeypatch):
    """On a machine as that of the constants, with maps that take no time: of cuts and of cells."""
    module = fast.partition.cost.seconds
    monkeypatch.setattr(module, "slowness", lambda: 2.0)
    monkeypatch.setattr(module, "seconds_of_maps", lambda network, index: 0.0)
    network = Network.random([2, 100, 2], ReLU(), 0)
    after = np.array([1.0, 10_000.0, 10_000.0])
    cells = np.sum((1 + np.arange(1, 101) / 100 * 99.0) ** 2)
    own = 100 * module._CUT + cells * module._CELL[2] + 2 * 10_000 * module._REGION
    assert predicted_seconds(network, after) == pytest.approx(2.0 * own)
    monkeypatch.setattr(module, "seconds_of_maps", lambda network, index: 1.0)
    assert predicted_seconds(network, after) == pytest.approx(2.0 * own + 1e4 * module._MAPS)


def test_a_network_out_of_range():
    """Its values are no doubles: no estimate is made up."""
    network = Network([Dense([[1e200], [1.0]], [0.0, 1e200]), ReLU(), Dense([[1e200, 1.0]], [0.0])])
    deep = Network(
        [*network.layers, ReLU(), Dense([[1e200]], [0.0]), ReLU(), Dense([[1.0]], [0.0])]
    )
    with pytest.raises(fast.PartitionError, match="range of double precision"):
        fast.DGN(deep, 1.0).estimate_cost([[0.0]])
    assert partition_cost(Network.random([2, 4, 2], ReLU(), 0))[0] > 1.0
    assert issubclass(TooMuchMemory, Exception)
