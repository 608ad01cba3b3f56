"""The exact partition: counts known from combinatorics, and degenerate networks."""

import itertools
import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from oracle.checks.implementations import network_from
from oracle.exact.layer_specs import unit_slopes
from oracle.exact.layers import layers_of
from oracle.exact.line import exact_partition
from oracle.exact.regions import certify, code_at, exact_regions
from oracle.models.architectures import random_case, random_network
from reference import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    Upsample,
)


def folding(k):
    """x -> |x| - 2^-l, k times."""
    layers = [("dense", [[1.0]], [0.0])]
    for level in range(1, k + 1):
        layers += [("slope", -1.0), ("dense", [[1.0]], [-(2.0**-level)])]
    return tuple(layers)


@pytest.mark.parametrize("k", range(1, 9))
def test_folding_net(k):
    """k folds give 2^k regions, their ends at the multiples of 2^{1-k} in (-1, 1)."""
    partition = exact_partition(folding(k))
    step = Fraction(2, 2**k)
    assert partition.breakpoints == [step * i - 1 for i in range(1, 2**k)]
    assert len(set(partition.codes)) == len(partition.codes) == 2**k


def zigzag(positions, scale):
    """A layer of units scale |h - t|, and the row that sums them to slopes of scale, in turn -, +.

    With an odd number of units every piece of the sum crosses the range between its bends.
    """
    bend = ("dense", [[scale]] * len(positions), [-scale * t for t in positions])
    row = [[1.0 if i % 2 == 0 else -1.0 for i in range(len(positions))]]
    return bend, row


def test_most_regions_a_depth_allows():
    """Widths 3, 5 and 2 with every piece crossing every bend: (3+1)(5+1)(2+1) regions."""
    first, sum_first = zigzag([0.0, 1.0, 2.0], 1.0)  # bends at heights 1 and 2
    second, sum_second = zigzag([1.125, 1.25, 1.375, 1.5, 1.625], 8.0)  # bends at 2 and 3
    layers = (
        first,
        ("slope", -1.0),
        ("dense", sum_first, [0.0]),
        second,
        ("slope", -1.0),
        ("dense", sum_second, [0.0]),
        ("dense", [[1.0], [1.0]], [-2.25, -2.5]),
        ("slope", 0.0),
    )
    partition = exact_partition(layers)
    assert len(partition.codes) == len(set(partition.codes)) == 4 * 6 * 3
    assert partition.breakpoints == sorted(set(partition.breakpoints))


def test_dead_units():
    """Zero weight and bias: code 0 everywhere, no cut. Always negative: code -1, no cut."""
    layers = (
        ("dense", [[0.0], [0.0], [1.0]], [0.0, -1.0, 0.5]),
        ("slope", 0.0),
        ("dense", [[1.0, 1.0, 0.0]], [0.0]),
        ("slope", 0.0),
    )
    partition = exact_partition(layers)
    assert partition.breakpoints == [Fraction(-1, 2)]
    assert partition.codes == [(0, -1, -1, 0), (0, -1, 1, 0)]


def test_zero_biases():
    """Without biases everything happens at 0, and units that vanish on a side have code 0 there."""
    layers = (
        ("dense", [[1.0], [2.0]], [0.0, 0.0]),
        ("slope", 0.0),
        ("dense", [[1.0, -3.0], [0.1, 0.7]], [0.0, 0.0]),
        ("slope", 0.0),
        ("dense", [[1.0, 1.0]], [0.5]),
    )
    partition = exact_partition(layers)
    assert partition.breakpoints == [Fraction(0)]
    assert partition.codes == [(-1, -1, 0, 0), (1, 1, -1, 1)]


def test_coincident_neurons():
    """Copies, opposites and doubles of a neuron cut where it does; a dead one never."""
    layers = (
        ("dense", [[0.3], [0.3], [-0.3], [0.6], [0.0]], [0.1, 0.1, -0.1, 0.2, -1.0]),
        ("slope", 0.1),
    )
    partition = exact_partition(layers)
    assert partition.breakpoints == [-Fraction(0.1) / Fraction(0.3)]
    assert partition.codes == [(-1, -1, 1, -1, -1), (1, 1, -1, 1, -1)]


def test_nearly_coincident_neurons_are_told_apart():
    """3 * 0.3 is not 0.9 in doubles: exact arithmetic sees the sliver between the two kinks."""
    weights, biases = [[0.3], [0.3 * 3.3]], [0.1, 0.1 * 3.3]
    partition = exact_partition((("dense", weights, biases), ("slope", 0.0)))
    assert len(partition.breakpoints) == 2
    assert 0 < partition.breakpoints[1] - partition.breakpoints[0] < Fraction(1, 10**15)


@pytest.mark.parametrize("seed", [s for s in range(30) if s not in (2, 13)])
def test_maps_equal_the_forward_pass(seed):
    """On every region the map is the network itself, in exact rational arithmetic."""
    layers = random_case(seed).specs
    partition = exact_partition(layers)
    ends = [None, *partition.breakpoints, None]
    for m, low, high in zip(partition.maps, ends[:-1], ends[1:], strict=True):
        for z in [end for end in (low, high) if end is not None] or [Fraction(1, 3)]:
            expected = forward(layers, z)
            scale = Fraction(2) ** m.exponent
            assert [
                (int(a) * z + int(b)) / scale for a, b in zip(m.slope, m.offset, strict=True)
            ] == expected


def forward(layers, z):
    """g(z) in rational arithmetic, by definition."""
    hidden = [Fraction(z)]
    for kind, *values in layers:
        if kind == "dense":
            hidden = [
                sum(Fraction(float(w)) * h for w, h in zip(row, hidden, strict=True) if w)
                + Fraction(float(v))
                for row, v in zip(*values, strict=True)
            ]
        elif kind == "max":
            hidden = [max(hidden[c] for c in window) for window in values[0]]
        else:
            etas, _ = unit_slopes(values[0], len(hidden))
            hidden = [h if h > 0 else Fraction(e) * h for h, e in zip(hidden, etas, strict=True)]
    return hidden


def test_layers_of_reads_any_network():
    """Weights and slopes come out of the project's network without importing it."""
    network = Network(
        [
            Dense([[2.0]], [1.0]),
            ReLU(),
            Dense([[1.0]], [0.0]),
            Abs(),
            Dense([[3.0]], [0.0]),
            LeakyReLU(0.3),
        ]
    )
    specs = layers_of(network)
    assert [spec[0] for spec in specs] == ["dense", "slope"] * 3
    assert [spec[1] for spec in specs if spec[0] == "slope"] == [0.0, -1.0, 0.3]
    np.testing.assert_array_equal(specs[0][1], [[2.0]])


@pytest.mark.parametrize(
    "layers",
    [
        (),
        (("slope", 0.0),),
        (("dense", [[1.0, 2.0]], [0.0]),),
        (("dense", [[1.0]], [0.0]), ("pool", 2)),
    ],
    ids=["empty", "activation first", "two inputs", "unknown kind"],
)
def test_bad_layers(layers):
    """Layers the oracle cannot read are named."""
    with pytest.raises(ValueError, match="layers"):
        exact_partition(layers)


# Any latent dimension


def plain(normals, offsets, eta=0.0):
    """Layers with one arrangement of hyperplanes."""
    return (("dense", np.array(normals, float), np.array(offsets, float)), ("slope", eta))


def differences(n):
    """z_i - z_j for all i < j."""
    return [np.eye(n)[i] - np.eye(n)[j] for i, j in itertools.combinations(range(n), 2)]


@pytest.mark.parametrize(("dimension", "n"), [(1, 6), (2, 3), (2, 8), (3, 2), (3, 7), (4, 6)])
def test_generic_and_central_arrangements(dimension, n):
    """Σ_{i<=S} C(n, i) regions; through one point 2 Σ_{i<S} C(n - 1, i)."""
    rng = np.random.default_rng([61, dimension, n])
    normals = rng.standard_normal((n, dimension))
    found = exact_regions(plain(normals, rng.standard_normal(n)))
    assert len(found) == sum(comb(n, i) for i in range(dimension + 1))
    central = exact_regions(plain(normals, np.zeros(n)))
    assert len(central) == 2 * sum(comb(n - 1, i) for i in range(dimension))


def test_braid_shi_and_catalan_arrangements():
    """n!, (n + 1)^(n - 1) and n! C_n regions, with and without the line they all contain."""
    for n in (2, 3, 4):
        rows = differences(n)
        for kept in (np.eye(n), np.eye(n)[:, 1:]):  # all of R^n, or z_1 = 0
            normals = np.array(rows) @ kept
            shi = np.repeat([0.0, -1.0], len(rows))
            catalan = np.repeat([0.0, -1.0, 1.0], len(rows))
            braid = exact_regions(plain(normals, np.zeros(len(rows))))
            assert len(braid) == math.factorial(n)
            assert len(exact_regions(plain(np.tile(normals, (2, 1)), shi))) == (n + 1) ** (n - 1)
            count = math.factorial(n) * comb(2 * n, n) // (n + 1)
            assert len(exact_regions(plain(np.tile(normals, (3, 1)), catalan))) == count


def test_max_pooling_against_evaluation():
    """Every code seen at a rational point of a grid is there, and every region has its own."""
    rng = np.random.default_rng(62)
    layers = (
        ("dense", rng.integers(-3, 4, (6, 2)).astype(float), rng.integers(-3, 4, 6).astype(float)),
        ("max", [[0, 1, 2], [3, 4, 5], [0, 5]]),
        ("dense", rng.integers(-3, 4, (2, 3)).astype(float), np.array([0.5, -1.0])),
        ("max", [[0, 1]]),
    )
    codes = {region.code for region in exact_regions(layers)}
    grid = [Fraction(2 * i + 1, 7) for i in range(-40, 40)]
    # A step along a generic direction keeps off the boundaries.
    step = [Fraction(1), Fraction(1, 1000003)]
    seen = {code_at(layers, (x, y), step) for x in grid for y in grid}
    assert seen <= codes
    assert len(seen) > 0.7 * len(codes)
    assert all(code_at(layers, r.cone.inner_point(), None) == r.code for r in exact_regions(layers))


@pytest.mark.parametrize("seed", range(12))
def test_recursion_is_certified(seed):
    """What the recursion finds, the argument by facets accepts; without one region, it does not."""
    layers = layers_of(network_from(random_network(200 + seed).layers))
    regions = exact_regions(layers)
    codes = [region.code for region in regions]
    assert certify(layers, codes).holds
    if len(codes) > 1:
        lost = codes[len(codes) // 2]
        assert certify(layers, [code for code in codes if code != lost]).missing == [lost]


def test_maps_are_the_network_exactly():
    """A_ω z + b_ω is what the network computes, as fractions."""
    layers = (
        ("dense", np.array([[0.1, 0.7], [-0.3, 0.2], [1.1, -0.9]]), np.array([0.1, 0.2, 0.3])),
        ("slope", 0.1),
        ("dense", np.array([[0.3, 0.1, -0.7], [0.9, 0.4, 0.2]]), np.array([0.7, -0.1])),
        ("max", [[0, 1]]),
    )
    for region in exact_regions(layers):
        z = list(region.cone.inner_point())
        first = [
            sum((Fraction(float(w)) * x for w, x in zip(row, z, strict=True)), Fraction(float(b)))
            for row, b in zip(layers[0][1], layers[0][2], strict=True)
        ]
        hidden = [h if h > 0 else Fraction(0.1) * h for h in first]
        outputs = [
            sum((Fraction(float(w)) * h for w, h in zip(row, hidden, strict=True)), Fraction(b))
            for row, b in zip(layers[2][1], map(float, layers[2][2]), strict=True)
        ]
        assert region.map_at(z) == [max(outputs)]


def test_thickness():
    """A strip 2^-50 wide is that thin; a quadrant is not thin."""
    strip = plain([[1.0, 0.0], [1.0, 0.0]], [0.0, -(2.0**-50)])
    thin = sorted(region.cone.thickness() for region in exact_regions(strip))
    assert 0 < thin[0] < 2.0**-50
    assert thin[1] > 0.1
    assert all(r.cone.thickness() > 0.3 for r in exact_regions(plain(np.eye(2), [0.0, 0.0])))


def test_spatial_layers_are_read_from_their_definition():
    """Matrices written out by the oracle compute what the layers compute."""
    normal = np.random.default_rng(63).standard_normal
    network = Network(
        [
            Dense(normal((12, 2)), normal(12)),
            Reshape((2, 2, 3)),
            Conv2d(normal((3, 2, 2, 3)), normal(3), (1, 2), (1, 1)),
            Upsample((1, 2)),
            AvgPool((2, 2), 1, 1),
            MaxPool((2, 3), 2, 1),
            MaxPool(channels=3),
        ]
    )
    layers = layers_of(network)
    z = np.array([0.3, -1.2])
    values = z
    for kind, *parts in layers:
        if kind == "dense":
            values = parts[0] @ values + parts[1]
        else:
            values = np.array([max(values[c] for c in window) for window in parts[0]])
    np.testing.assert_allclose(values, network(z[None])[0], rtol=1e-13)
