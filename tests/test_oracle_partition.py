"""The exact partition: counts known from combinatorics, and degenerate networks."""

from fractions import Fraction

import numpy as np
import pytest

from oracle.architectures import random_case
from oracle.exact_partition import exact_partition, layers_of
from reference import Abs, Dense, LeakyReLU, Network, ReLU


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


@pytest.mark.parametrize("seed", range(30))
def test_maps_equal_the_forward_pass(seed):
    """On every region the map is the network itself, in exact rational arithmetic."""
    layers = random_case(seed).layers
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
                sum(Fraction(float(w)) * h for w, h in zip(row, hidden, strict=True))
                + Fraction(float(v))
                for row, v in zip(*values, strict=True)
            ]
        else:
            hidden = [h if h > 0 else Fraction(values[0]) * h for h in hidden]
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
