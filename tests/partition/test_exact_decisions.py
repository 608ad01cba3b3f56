"""`fast` decides as exact arithmetic does, however nearly boundaries coincide; and says how often
doubles left a decision open."""

from fractions import Fraction

import numpy as np
import pytest
from shared_models import codes_of
from tests_support import deep

import fast
from fast.partition.cut_vertices import Vertices
from fast.partition.exact_vertices import ExactVertices
from fast.partition.first_vertices import starting_functions
from oracle import exact_partition, exact_regions, layers_of
from oracle.checks.implementations import network_from
from oracle.exact.regions import code_at
from oracle.models.architectures import degenerate_network
from reference.model import Abs, Dense, ExactNetwork, LeakyReLU, Network, ReLU

BLOCKS = [*range(4), *deep(*range(4, 40))]


def partition_of(network):
    """The partition by `fast`."""
    return fast.DGN(network, 1.0).partition()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("latent", [1, 2, 3, 4])
def test_codes_are_those_of_exact_arithmetic(latent, block):
    """Nearly degenerate networks of every kind: the same codes, and in the same order."""
    count = {1: 12, 2: 12, 3: 8, 4: 2}[latent]
    for seed in range(10_000 + count * block, 10_000 + count * (block + 1)):
        network = network_from(degenerate_network(seed, latent).layers)
        layers = layers_of(network)
        if latent == 1:
            exact = [tuple(code) for code in exact_partition(layers).codes]
        else:
            exact = [region.code for region in exact_regions(layers)]
        assert codes_of(partition_of(network)) == exact, seed


def nearly_parallel(seed, latent, digits):
    """Pairs of units in two layers that differ by 10^-digits of their size, and units of the second
    that are such differences."""
    rng = np.random.default_rng([91, seed, latent, digits])
    small = 10.0**-digits
    weight, bias = rng.standard_normal((2, latent)), rng.standard_normal(2)
    near = weight + small * rng.standard_normal((2, latent))
    first = Dense(np.concatenate([weight, near]), np.tile(bias, 2))
    weight, bias = rng.standard_normal((2, 4)), rng.standard_normal(2)
    near = weight + small * rng.standard_normal((2, 4))
    difference = np.array([[1.0, 0.5, -1.0, -0.5]]) + small * rng.standard_normal((1, 4))
    rows = np.concatenate([weight, near, difference])
    second = Dense(rows, [*bias, *bias, small * rng.standard_normal()])
    activation = [ReLU(), Abs(), LeakyReLU(0.1)][seed % 3]
    last = Dense(rng.standard_normal((2, 5)), np.zeros(2))
    return Network([first, activation, second, activation, last])


@pytest.mark.parametrize("digits", [4, 8, 12, 15])
@pytest.mark.parametrize("seed", range(6))
def test_breakpoints_are_right_however_ill_conditioned(seed, digits):
    """For S = 1 in order, and to 1e-12 of their size at least where the bound on their error says
    nothing of the kind."""
    network = nearly_parallel(seed, 1, digits)
    found, exact = partition_of(network), exact_partition(layers_of(network))
    places = np.array([float(place) for place in exact.breakpoints])
    assert np.all(np.diff(found.breakpoints) >= 0)
    np.testing.assert_allclose(found.breakpoints, places, rtol=1e-12)


@pytest.mark.parametrize("digits", [4, 8, 12, 15])
@pytest.mark.parametrize("latent", [2, 3])
def test_vertices_are_right_however_far(latent, digits):
    """Every vertex of a region is one of exact arithmetic, to 1e-9 of its size; those beyond 1e5
    rounded once."""
    network = nearly_parallel(latent, latent, digits)
    found = partition_of(network)
    exact = {
        region.code: np.array(
            [
                [float(Fraction(x, ray.vector[-1])) for x in ray.vector[:-1]]
                for ray in region.cone.rays
                if ray.vector[-1]
            ]
        ).reshape(-1, latent)
        for region in exact_regions(layers_of(network))
    }
    for region, code in enumerate(codes_of(found)):
        vertices, places = found.vertices(region), exact[code]
        assert len(vertices) == len(places)
        for place in places:
            size = np.max(np.abs(place))
            off = np.min(np.max(np.abs(vertices - place), axis=1))
            assert off <= (2.0**-52 if size > 1e5 else 1e-9) * size


def test_decisions_in_integers_are_counted():
    """Few where weights are any doubles, some where boundaries nearly coincide, for S = 1 too."""
    for latent in (1, 2, 3):
        network = Network.random([latent, 8, 8, 2], ReLU(), 5)
        assert partition_of(network).exact_decisions <= 2
        assert partition_of(nearly_parallel(0, latent, 15)).exact_decisions > 0


def of_small_integers(seed, latent):
    """Boundaries of two layers that meet exactly, many at a time."""
    rng = np.random.default_rng([92, seed, latent])
    first = Dense(rng.integers(-2, 3, (4, latent)), rng.integers(-2, 3, 4))
    second = Dense(rng.integers(-2, 3, (3, 4)), rng.integers(-2, 3, 3))
    last = Dense(rng.integers(-2, 3, (1, 3)), [0.0])
    return Network([first, ReLU(), second, [ReLU(), Abs()][seed % 2], last])


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_boundaries_that_meet_exactly_are_one(latent):
    for seed in range(40):
        network = of_small_integers(seed, latent)
        exact = {region.code for region in exact_regions(layers_of(network))}
        codes = codes_of(partition_of(network))
        assert len(codes) == len(exact)
        assert set(codes) == exact


@pytest.mark.parametrize("where", ["on boundaries", "as near as doubles can be"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("latent", [2, 3])
def test_points_are_located_exactly(latent, seed, where):
    """Points on boundaries of integer weights, and vertices of others rounded to doubles: each in
    the region that the oracle enters from there."""
    rng = np.random.default_rng([93, seed, latent])
    if where == "on boundaries":
        network = of_small_integers(seed, latent)
        found = partition_of(network)
        points = rng.integers(-3, 4, (40, latent)) / 2.0
    else:
        network = Network.random([latent, 4, 4, 2], LeakyReLU(0.1), seed)
        found = partition_of(network)
        vertices = [found.vertices(region) for region in range(found.n_regions)]
        points = np.concatenate(vertices)[:40]
    regions, layers = found.locate(points), layers_of(network)
    # Far below all differences of slopes, which are integers: the order of the axes decides.
    axes = [Fraction(1, 10 ** (9 * i)) for i in range(latent)]
    for point, region in zip(points.tolist(), regions.tolist(), strict=True):
        code = code_at(layers, [Fraction(x) for x in point], axes)
        assert codes_of(found)[region] == code


def test_bounds_on_errors_hold():
    """At the vertices of ordinary networks no value is off by more than its bound, and bounds are
    no more than 1e6 times what the worst is off by."""
    for latent, seed in ((2, 0), (3, 1)):
        network = Network.random([latent, 7, 7, 7, 2], LeakyReLU(0.1), seed)
        worst = 0.0
        for values, errors, true in values_at_vertices(network):
            off = np.abs(values - true)
            assert np.all(off <= errors)
            worst = max(worst, float(np.max(off / np.where(errors > 0, errors, 1.0))))
        assert 1e-6 < worst < 1.0


def values_at_vertices(network):
    """The values of every activation's inputs at all vertices, their bounds, and what is true."""
    seen = []

    class Watched(Vertices):
        def pass_activation(self, layer):
            numbers, exponent = self.exact.inputs(np.arange(len(self.points)), self.layer)
            places = self.exact.places(np.arange(len(self.points)))
            # Directions have a length of their own in doubles: their largest coordinate is 1.
            weights = [row[-1] or max(map(abs, row[:-1])) for row in places.tolist()]
            true = [
                [float(Fraction(n, w << exponent)) for n in row]
                for row, w in zip(numbers.tolist(), weights, strict=True)
            ]
            seen.append((self.values.copy(), self.errors.copy(), np.array(true)))
            super().pass_activation(layer)

    exact = ExactNetwork(network)
    start = starting_functions(exact)
    vertices = Watched(ExactVertices(exact, start.vertices), start.vertices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast.partition.cut_space, "Vertices", lambda *_: vertices)
        fast.partition.cut_space.enumerate_cells(exact, start, 10**6, None)
    return seen
