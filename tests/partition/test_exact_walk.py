"""The walk of `reference` finds the regions of exact arithmetic, all of them and no other.

Networks whose boundaries nearly coincide, or nearly meet in a point or a line, to any number of
digits. The truth is the oracle's, in integers.
"""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from shared_models import arrangement, codes_of

import fast
import reference
from oracle import certify, exact_regions, layers_of, random_network
from oracle.checks.implementations import network_from
from oracle.exact.line import exact_partition
from oracle.exact.regions import code_at
from reference.model import Abs, Dense, LeakyReLU, MaxPool, Network, ReLU
from reference.polyhedra import double_description

IMPLEMENTATIONS = [reference]
ACTIVATIONS = [ReLU(), LeakyReLU(0.1), Abs()]


def check(impl, network):
    """The regions are the oracle's; returns how many."""
    exact = [region.code for region in exact_regions(layers_of(network))]
    assert sorted(codes_of(impl.DGN(network, 1.0).partition())) == exact
    return len(exact)


def float32(values):
    """Doubles that are floats of single precision."""
    return np.float64(np.float32(values))


def planes(dimension, seed, count=3):
    """Normals and offsets of hyperplanes near 0."""
    rng = np.random.default_rng([dimension, seed])
    return rng.standard_normal((count, dimension)), rng.standard_normal(count), rng


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("digits", range(3, 16))
def test_rows_equal_to_some_digits(impl, dimension, digits):
    """Every unit twice, the second rounded: boundaries that are nearly parallel and near."""
    for seed in range(2):
        normals, offsets, _ = planes(dimension, [digits, seed])
        rows = np.vstack([normals, np.round(normals, digits)])
        levels = np.append(offsets, np.round(offsets, digits))
        network = arrangement(rows, levels, ACTIVATIONS[(digits + seed) % 3])
        assert check(impl, network) > 2 ** min(3, dimension)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_collinear_rows_in_single_precision(impl, dimension, seed):
    """Two directions, three multiples of each as float32: with offsets of their own, or multiples
    too; and these as the first layer of two, the second pooled."""
    normals, offsets, rng = planes(dimension, [50, seed], 2)
    scales = [1.0, 1.3, -0.7]
    rows = float32(np.vstack([scale * normals for scale in scales]))
    same = float32(np.concatenate([scale * offsets for scale in scales]))
    check(impl, arrangement(rows, rng.standard_normal(6), ACTIVATIONS[seed % 3]))
    check(impl, arrangement(rows, same, ACTIVATIONS[seed % 3]))
    second = Dense(float32(rng.standard_normal((4, 6))), np.zeros(4))
    layers = [Dense(rows, same), ACTIVATIONS[seed % 3], second, MaxPool(channels=2)]
    check(impl, Network(layers))


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("power", [-7, -8, -10, -12, -15])
def test_pairs_of_planes_at_small_angles(impl, dimension, power):
    """Three pairs, the second of each the first plus so little noise: they meet very far away."""
    normals, _, rng = planes(dimension, [60, -power])
    noise = 10.0**power * rng.standard_normal(normals.shape)
    rows = np.vstack([normals, normals + noise])
    check(impl, arrangement(rows, rng.standard_normal(6), ACTIVATIONS[power % 3]))


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("dimension", [2, 3, 4])
@pytest.mark.parametrize("digits", [3, 6, 9, 12, 15])
def test_planes_through_a_point_to_some_digits(impl, dimension, digits):
    """S + 2 of them, with a few cells of a tiny size; and through a line, in three dimensions."""
    normals, _, rng = planes(dimension, [70, digits], dimension + 2)
    point = rng.standard_normal(dimension)
    check(impl, arrangement(normals, np.round(-normals @ point, digits), ACTIVATIONS[digits % 3]))
    if dimension == 3:
        along = np.cross(*rng.standard_normal((2, 3)))
        across = normals - np.outer(normals @ along, along) / (along @ along)
        around = np.round(across, digits)
        check(impl, arrangement(around, np.round(-around @ point, digits), Abs()))


def test_two_lines_that_meet_very_far_away():
    """At an angle of 1e-11, 1e10 away: the region beyond the crossing is there."""
    for angle in (1e-11, 1e-15, 1e-200):
        network = arrangement([[1.0, 0.0], [1.0, angle], [0.0, 1.0]], [0.1, 0.2, 0.3])
        assert check(reference, network) == 7


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("scale", [1e-60, 1e-12, 1e12, 1e60])
@pytest.mark.parametrize("seed", range(3))
def test_weights_of_any_scale(impl, scale, seed):
    """Three layers, with biases of the weights' size or none."""
    rng = np.random.default_rng([81, seed])
    widths = [[2, 4, 3, 1], [3, 3, 2, 1], [1, 5, 4, 1]][seed]
    layers = []
    for n_in, n_out in pairwise(widths):
        bias = rng.standard_normal(n_out) * (scale if rng.random() < 0.7 else 0.0)
        layers += [Dense(scale * rng.standard_normal((n_out, n_in)), bias), ACTIVATIONS[seed]]
    check(impl, Network(layers[:-1]))


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("block", range(6))
def test_random_networks(impl, block):
    """Ordinary and ugly ones, with images and pooling: those of up to 80 regions."""
    counted = 0
    for seed in range(2000 + 20 * block, 2020 + 20 * block):
        network = network_from(random_network(seed).layers)
        exact = [region.code for region in exact_regions(layers_of(network))]
        if len(exact) <= 80:
            assert sorted(codes_of(impl.DGN(network, 1.0).partition())) == exact, seed
            counted += 1
    assert counted > 8


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("digits", [3, 7, 9, 12, 15, 16])
def test_candidates_that_nearly_tie(impl, digits):
    """Max-pooling of three candidates, equal but for their last digits: ties are what is equal."""
    for seed in range(2):
        rng = np.random.default_rng([90, digits, seed])
        rows = np.repeat(rng.standard_normal((2, 2)), 3, axis=0)
        rows = np.vstack([np.round(rows, digits)[::2], rows])
        first = Dense(rows, np.round(rng.standard_normal(9), 1))
        second = Dense(np.round(rng.standard_normal((4, 3)), digits), np.zeros(4))
        check(impl, Network([first, MaxPool(channels=3), second, MaxPool(channels=2)]))


@pytest.mark.parametrize("seed", [3, 4, 7, 11])
def test_the_walk_is_certified(seed):
    """By an argument that knows nothing of how regions were found."""
    normals, offsets, rng = planes(1 + seed % 3, [40, seed], 2)
    rows = float32(np.vstack([normals, 1.3 * normals]))
    first = Dense(rows, float32(np.append(offsets, 1.3 * offsets)))
    second = Dense(rng.standard_normal((3, 4)), rng.standard_normal(3))
    network = Network([first, ReLU(), second, Abs()])
    codes = codes_of(reference.DGN(network, 1.0).partition())
    assert certify(layers_of(network), sorted(codes)).holds


# One latent dimension


def test_breakpoints_are_the_nearest_doubles():
    """To the oracle's fractions, one for one, in order; two may round to the same double."""
    equal = 0
    for seed in range(12):
        normals, offsets, rng = planes(1, [30, seed])
        scales = np.array([3.3, -0.1, 7.0])[:, None]
        rows = np.vstack([normals, *(scale * normals for scale in scales)])
        levels = np.concatenate([offsets, *(scale * offsets for scale in scales)])
        second = Dense(rng.standard_normal((3, 12)), rng.standard_normal(3))
        network = Network([Dense(rows, levels), ACTIVATIONS[seed % 3], second, ReLU()])
        exact = exact_partition(layers_of(network))
        found = reference.DGN(network, 1.0).partition()
        assert list(map(tuple, found.codes.tolist())) == exact.codes
        assert found.breakpoints.tolist() == [float(point) for point in exact.breakpoints]
        equal += np.sum(np.diff(found.breakpoints) == 0)
    assert equal > 3


def slivers():
    """A network of breakpoints a third apart to rounding, and the one in which they are one."""
    weights, biases = np.array([[3.0], [3.3], [-0.1], [1.0]]), np.array([1.0, 1.1, -1 / 30, 2.0])
    out = np.array([[1.0, 0.5, -2.0, 0.3], [0.2, -1.0, 3.0, 1.0]])
    network = Network([Dense(weights, biases), ReLU(), Dense(out, [0.0, 0.1])])
    same = np.array([[3.0], [3.0], [-3.0], [1.0]]), np.array([1.0, 1.0, -1.0, 2.0])
    factors = np.array([1.0, 1.1, 0.1 / 3, 1.0])
    return network, Network([Dense(*same), ReLU(), Dense(out * factors, [0.0, 0.1])])


@pytest.mark.parametrize("impl", [fast, reference], ids=["fast", "reference"])
def test_intervals_between_equal_doubles(impl):
    """Two breakpoints that round to one double: a region all the same, whose mass is its width in
    exact arithmetic times a density; every value is that of the network in which they are one."""
    network, merged = slivers()
    dgn, other = impl.DGN(network, 0.3), impl.DGN(merged, 0.3)
    partition = dgn.partition()
    assert (partition.n_regions, other.partition().n_regions) == (check(impl, network), 3)
    flat = np.flatnonzero(np.diff(partition.breakpoints) == 0) + 1
    assert len(flat) >= 1
    X = np.array([[0.4, -0.2], [3.0, 1.0], [-1.0, 40.0]])
    mine, theirs = dgn.posterior(X), other.posterior(X)
    ends = exact_partition(layers_of(network)).breakpoints
    for region in flat:
        end = partition.breakpoints[region : region + 1]
        width = float(ends[region] - ends[region - 1])
        density = np.exp(mine.logpdf(np.broadcast_to(end, (3, 1, 1))))[:, 0]
        np.testing.assert_allclose(mine.e0[:, region], width * density, rtol=1e-12)
        np.testing.assert_allclose(mine.region_mean[:, region, 0], end[0], rtol=1e-15)
    pairs = [
        (dgn.logpdf(X), other.logpdf(X)),
        (mine.mean(), theirs.mean()),
        (mine.cov(), theirs.cov()),
        (mine.entropy(), theirs.entropy()),
        (mine.mode(), theirs.mode()),
        (dgn.mean(), other.mean()),
        (dgn.cov(), other.cov()),
        (dgn.expected_complete_loglik(X), other.expected_complete_loglik(X)),
        (dgn.zero_noise_latent(X), other.zero_noise_latent(X)),
    ]
    pairs.append([d.elbo(X, np.zeros((3, 1)), np.ones((3, 1))) for d in (dgn, other)])
    pairs.append([d.statistics(X).scatter for d in (dgn, other)])
    for value, truth in pairs:
        np.testing.assert_allclose(value, truth, rtol=1e-12, atol=1e-13)
    assert mine.rvs(5, 0).shape == (3, 5, 1)
    assert np.all(np.isfinite(dgn.gradient(X)["0.weight"]))


# Location


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_points_beside_boundaries_are_located(dimension, seed):
    """At corners rounded to doubles, and one unit in the last place beside them: the region is that
    of the network's own code, in fractions."""
    normals, offsets, rng = planes(dimension, [20, seed], 3)
    second = Dense(rng.standard_normal((3, 3)), rng.standard_normal(3))
    network = Network([Dense(normals, offsets), ACTIVATIONS[seed], second, MaxPool(channels=3)])
    layers, found = layers_of(network), reference.DGN(network, 1.0).partition()
    points = np.vstack([found.vertices(r) for r in range(found.n_regions)])
    points = np.vstack([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    points = np.unique(points, axis=0)[:120]
    for z, region in zip(points, found.locate(points), strict=True):
        # A step so small that it decides ties alone, and along each axis alone.
        step = [Fraction(1, 10 ** (400 * (axis + 1))) for axis in range(dimension)]
        nearby = [Fraction(c) + s for c, s in zip(z.tolist(), step, strict=True)]
        assert code_at(layers, nearby, None) == tuple(found.codes[region].tolist())


def test_points_on_boundaries_are_located():
    """On lines and their crossings, where values are exactly 0, they go up in z_1, then in z_2."""
    rows = [[1.0, 1.0], [1.0, -1.0], [0.0, 1.0], [2.0, 2.0]]
    network = arrangement(rows, [0.0, 0.0, -1.0, 0.0])
    found = reference.DGN(network, 1.0).partition()
    codes = found.codes[found.locate([[0.0, 0.0], [-1.0, 1.0], [1.0, 1.0], [-2.0, 1.0]])]
    np.testing.assert_array_equal(
        codes, [[1, 1, -1, 1], [1, -1, 1, 1], [1, 1, 1, 1], [-1, -1, 1, -1]]
    )


# What is not decided exactly is seen


def test_a_decision_in_doubles_is_seen(monkeypatch):
    """Signs of heights rounded to 50 bits lose or invent regions here."""
    exact = double_description.dot

    def rounded(one, other):
        terms = [a * b for a, b in zip(one, other, strict=True)]
        size = max(map(abs, terms), default=0)
        height = exact(one, other)
        return 0 if abs(height) * 2**50 < size else height

    monkeypatch.setattr(double_description, "dot", rounded)
    with pytest.raises((AssertionError, reference.PartitionError)):
        test_rows_equal_to_some_digits(reference, 3, 15)


def test_weights_that_are_hardly_doubles():
    """The smallest there are, 5e-324: regions that begin farther away than the largest double."""
    for latent in (1, 2):
        rows = np.vstack([np.eye(latent), 5e-324 * np.ones((1, latent))])
        network = arrangement(rows, np.append(np.full(latent, 0.25), 1.0))
        assert check(reference, network) == [3, 7][latent - 1]
        found = reference.DGN(network, 1.0).partition()
        ends = [found.vertices(r) for r in range(found.n_regions)]
        assert np.max(np.abs(np.concatenate(ends))) == np.inf
        assert found.locate(np.zeros((1, latent))).shape == (1,)


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("scale", [1e-200, 1e160])
def test_values_out_of_range_are_named(latent, scale):
    """Weights whose products are no doubles: an error that says so."""
    network = Network.random([latent, 5, 4, 2], ReLU(), 3)
    moved = {name: value * scale for name, value in network.parameters().items()}
    with pytest.raises(reference.PartitionError, match="leave the range of double precision"):
        reference.DGN(network.with_parameters(moved), 1.0).partition()
