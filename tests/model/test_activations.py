"""Activations of any knots and slopes: against their definition as interpolation, and all that is
made of them: maps, cuts, partitions, files."""

import itertools
import re
from fractions import Fraction

import numpy as np
import pytest
from shared_models import codes_of

import fast
import reference
from oracle.exact.layers import layers_of
from oracle.exact.regions import exact_regions
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.trial import applied
from reference import (
    Abs,
    Conv1d,
    Dense,
    Flatten,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    Network,
    PiecewiseAffine,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
)
from reference.model import ExactNetwork, dyadic
from reference.model.layer_protocol import Surroundings
from reference.model.residual import beside

EPS = np.finfo(float).eps


def drawn(seed, channels=None):
    """Knots, slopes and a value at 0, of all units or of channels."""
    rng = np.random.default_rng([95, seed])
    rows = channels or 1
    knots = np.sort(rng.standard_normal((rows, 1 + seed % 4)), axis=1)
    slopes = rng.standard_normal((rows, knots.shape[1] + 1))
    if seed % 3 == 0:
        slopes = np.round(slopes)
    value = rng.standard_normal(rows) * (seed % 2)
    return (knots, slopes, value) if channels else (knots[0], slopes[0], value[0])


def exactly(knots, slopes, value, h):
    """f(h) in rational arithmetic: from 0, piece by piece."""
    ends = [-(10**9), *map(Fraction, knots), 10**9]
    total = Fraction(value)
    for low, high, slope in zip(ends, ends[1:], slopes, strict=False):
        start, stop = (min(max(Fraction(x), Fraction(low)), Fraction(high)) for x in (0, h))
        total += Fraction(slope) * (stop - start)
    return total


@pytest.mark.parametrize("seed", range(24))
def test_forward_is_its_definition(seed):
    """The integral of the slopes from 0, to rounding; at the knots too."""
    knots, slopes, value = drawn(seed)
    layer = PiecewiseAffine(knots, slopes, value).placed((1,))
    for h in [0.0, *knots, *np.random.default_rng(seed).normal(0, 2, 10), -50.0, 1e6]:
        expected = exactly(knots, slopes, value, h)
        terms = np.abs(slopes).max() * (abs(h) + 6 * np.abs(knots).max()) + abs(value)
        assert layer.apply(np.array([h]))[0] == pytest.approx(float(expected), abs=2 * EPS * terms)


NAMED = {
    "ReLU": (ReLU(), lambda h: max(h, 0.0)),
    "Abs": (Abs(), abs),
    "LeakyReLU above 1": (LeakyReLU(2.5), lambda h: h if h > 0 else 2.5 * h),
    "LeakyReLU below 0": (LeakyReLU(-0.5), lambda h: h if h > 0 else -0.5 * h),
    "PReLU": (PReLU([0.25]), lambda h: h if h > 0 else 0.25 * h),
    "ReLU6": (ReLU6(), lambda h: min(max(h, 0.0), 6.0)),
    "Hardtanh": (Hardtanh(), lambda h: min(max(h, -1.0), 1.0)),
    "Hardtanh above 0": (Hardtanh(0.5, 2.0), lambda h: min(max(h, 0.5), 2.0)),
    "Hardtanh below 0": (Hardtanh(-3.0, -1.0), lambda h: min(max(h, -3.0), -1.0)),
    "clipped below": (Hardtanh(-1.0, np.inf), lambda h: max(h, -1.0)),
    "clipped above": (Hardtanh(-np.inf, 0.25), lambda h: min(h, 0.25)),
    "Hardsigmoid": (Hardsigmoid(), lambda h: min(max(h / 6 + 0.5, 0.0), 1.0)),
    "Hardsigmoid as ONNX has it": (
        Hardsigmoid(0.2, 0.5),
        lambda h: min(max(0.2 * h + 0.5, 0.0), 1.0),
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_ones_are_what_they_are_called(name):
    layer, definition = NAMED[name]
    values = np.array([-8.0, -3.0, -1.0, -0.4, 0.0, 0.25, 0.5, 1.0, 2.9, 3.0, 6.0, 7.0])
    found = layer.placed((1,)).apply(values[:, None])[:, 0]
    np.testing.assert_allclose(found, [definition(h) for h in values], atol=4 * EPS)


ALIKE = {
    "ReLU": (ReLU(), PiecewiseAffine([0.0], [0.0, 1.0])),
    "Abs": (Abs(), PiecewiseAffine([0.0], [-1.0, 1.0])),
    "LeakyReLU": (LeakyReLU(0.1), PiecewiseAffine([0.0], [0.1, 1.0])),
    "PReLU": (PReLU([0.1] * 5), PiecewiseAffine([0.0], [0.1, 1.0])),
    "Hardtanh": (Hardtanh(-1.0, 2.0), PiecewiseAffine([-1.0, 2.0], [0.0, 1.0, 0.0])),
    "ReLU6": (ReLU6(), Hardtanh(0.0, 6.0)),
}


@pytest.mark.parametrize("name", ALIKE)
@pytest.mark.parametrize("latent", [1, 2])
def test_cases_of_the_general_one_are_the_same_to_the_last_bit(impl, name, latent):
    """The partition, and the likelihood."""
    rng = np.random.default_rng([96, latent])
    arrays = [rng.standard_normal(s) for s in ((5, latent), (5,), (2, 5), (2,))]
    one, other = (
        impl.DGN(Network([Dense(*arrays[:2]), act, Dense(*arrays[2:])]), 0.3) for act in ALIKE[name]
    )
    for part in ("codes", "slopes", "offsets"):
        np.testing.assert_array_equal(
            getattr(one.partition(), part), getattr(other.partition(), part)
        )
    X = rng.standard_normal((3, 2))
    np.testing.assert_array_equal(one.logpdf(X), other.logpdf(X))


def sawtooth(teeth):
    """[0, 1] onto itself, so many times; outside it goes on."""
    knots = np.arange(1, teeth) / teeth
    return PiecewiseAffine(knots, [teeth * (-1.0) ** i for i in range(teeth)])


@pytest.mark.parametrize(("teeth", "times"), [(2, 5), (4, 3), (8, 2), (16, 1)])
def test_sawteeth_have_as_many_regions_as_they_should(impl, teeth, times):
    """k pieces for k teeth, k^m for the m-fold composition; the teeth are powers of two, and so is
    all that is computed."""
    identity = Dense([[1.0]], [0.0])
    layers = [identity, *itertools.chain(*[(sawtooth(teeth), identity)] * times)]
    partition = impl.DGN(Network(layers), 1.0).partition()
    assert partition.n_regions == teeth**times
    np.testing.assert_array_equal(partition.breakpoints, np.arange(1, teeth**times) / teeth**times)
    np.testing.assert_array_equal(np.abs(partition.slopes), float(teeth) ** times)


def network(seed, latent, shaped=False):
    """Two activations of several knots; of signals with a function for each channel, if shaped."""
    rng = np.random.default_rng([97, seed])
    layers = [Dense(rng.standard_normal((4, latent)), rng.standard_normal(4))]
    if shaped:
        layers += [
            Reshape((2, 2)),
            PiecewiseAffine(*drawn(seed, 2)),
            Conv1d(rng.standard_normal((2, 2, 1)), rng.standard_normal(2)),
            PReLU([0.3, -0.4]),
            Flatten(),
        ]
    else:
        layers += [PiecewiseAffine(*drawn(seed)), Dense(rng.standard_normal((3, 4)), np.ones(3))]
        layers.append(Hardtanh(-0.5, 1.5))
    width = 4 if shaped else 3
    return Network([*layers, Dense(rng.standard_normal((2, width)), rng.standard_normal(2))])


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_partitions_are_those_of_exact_arithmetic(impl, latent, shaped):
    """Code for code, by the oracle, which writes an activation as a sum of ramps."""
    for seed in range(4 if latent < 3 else 2):
        net = network(seed, latent, shaped)
        expected = {region.code for region in exact_regions(layers_of(net))}
        assert set(codes_of(impl.DGN(net, 0.3).partition())) == expected


@pytest.mark.parametrize("shaped", [False, True])
@pytest.mark.parametrize("latent", [1, 2])
def test_maps_of_regions_are_the_network(impl, latent, shaped):
    """At points drawn, and located: A z + b = g(z) to rounding."""
    for seed in range(3):
        net = network(seed, latent, shaped)
        Z = np.random.default_rng(seed).normal(0, 2, (50, latent))
        partition = impl.DGN(net, 0.3).partition()
        region = partition.locate(Z)
        found = np.einsum("nds,ns->nd", partition.slopes[region], Z) + partition.offsets[region]
        np.testing.assert_allclose(found, net(Z), atol=1e-12)


def test_integers_and_doubles_agree():
    """The network in integers is g to rounding, at points and at the knots themselves."""
    for seed, latent in itertools.product(range(4), (1, 2)):
        net = network(seed, latent, seed % 2 == 1)
        Z = np.random.default_rng(seed).integers(-8, 9, (20, latent)) / 4
        numbers, exponent = dyadic(Z)
        points = np.column_stack([numbers, np.full(len(Z), 1 << exponent, dtype=object)])
        values, shift = ExactNetwork(net).inputs(points, len(net.layers))
        found = (values / (points[:, -1:] << shift)).astype(float)
        np.testing.assert_allclose(found, net(Z), atol=1e-13)


def test_pieces_meet_exactly():
    """The offsets of the pieces are exact numbers: at a knot both sides are equal."""
    for seed in range(12):
        knots, slopes, value = drawn(seed)
        layer = PiecewiseAffine(knots, slopes, value)
        (offsets,) = layer.exact_offsets
        for j, knot in enumerate(knots):
            sides = [Fraction(slopes[j + i]) * Fraction(knot) + offsets[j + i] for i in (0, 1)]
            assert sides[0] == sides[1]


LAYERS = [PiecewiseAffine(*drawn(seed)).placed((4,)) for seed in range(4)]
LAYERS += [PiecewiseAffine(*drawn(seed, 2)).placed((2, 2)) for seed in range(4)]
LAYERS += [PReLU([0.1, -2.0]).placed((2, 2)), Hardtanh().placed((4,)), ReLU().placed((4,))]
LAYERS += [beside(PiecewiseAffine(*drawn(5, 2)), Surroundings((2, 1), 1, 1))]
LAYERS += [beside(Abs(), Surroundings((2,), 2, 0)), beside(ReLU6(), Surroundings((1,), 0, 3))]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_maps_and_their_bounds(layer):
    """propagate = derivative(code) @ (.) + offset(code); pull_back is its transpose; bound is in
    absolute values; what the cuts say makes apply affine; and cut bounds bound."""
    rng = np.random.default_rng(6)
    slopes, offsets = rng.standard_normal((30, 4, 2)), 2 * rng.standard_normal((30, 4))
    _, cuts = layer.cuts(slopes, offsets)
    codes = np.sign(cuts).astype(np.int8)
    assert codes.shape == (30, layer.n_codes(4))
    got, bound = (
        layer.propagate(codes, slopes, offsets),
        layer.bound(codes, np.abs(slopes), np.abs(offsets)),
    )
    rows = rng.standard_normal((30, 3, 4))
    pulled, shifts = layer.pull_back(codes, rows), layer.offset(codes, 4)
    image = layer.apply(offsets)
    for r, code in enumerate(codes):
        matrix, shift = layer.derivative(code), layer.offset(code, 4)
        np.testing.assert_array_equal(shift, shifts[r])
        np.testing.assert_allclose(got[0][r], matrix @ slopes[r], atol=1e-13)
        np.testing.assert_allclose(got[1][r], matrix @ offsets[r] + shift, atol=1e-13)
        np.testing.assert_allclose(image[r], matrix @ offsets[r] + shift, atol=1e-13)
        np.testing.assert_allclose(pulled[r], rows[r] @ matrix, atol=1e-13)
        size = np.abs(matrix)
        np.testing.assert_allclose(bound[0][r], size @ np.abs(slopes[r]), atol=1e-13)
        expected = size @ np.abs(offsets[r]) + np.abs(shift)
        np.testing.assert_allclose(bound[1][r], expected, atol=1e-13)
        # Differences, away from the knots: the derivative and nothing else.
        if np.min(np.abs(cuts[r])) > 1e-3:
            for unit in range(4):
                step = np.zeros(4)
                step[unit] = 1e-4
                ends = [layer.apply(offsets[r] + sign * step) for sign in (1, -1)]
                np.testing.assert_allclose((ends[0] - ends[1]) / 2e-4, matrix[:, unit], atol=1e-10)
    limits = layer.cut_bounds(np.abs(slopes), np.abs(offsets))
    for cut, limit in zip(layer.cuts(slopes, offsets), limits, strict=True):
        assert cut.shape == limit.shape
        assert np.all(np.abs(cut) <= limit)


@pytest.mark.parametrize("knot", [0.3, -1.7])
def test_units_that_stay_at_a_knot(impl, knot):
    """On a region where a unit is at a knot throughout, its sign there is 0."""
    layers = [Dense([[1.0], [0.0]], [0.0, knot]), PiecewiseAffine([knot], [0.5, 2.0], 0.1)]
    net = Network([*layers, Dense([[1.0, 1.0]], [0.0])])
    partition = impl.DGN(net, 0.3).partition()
    assert set(codes_of(partition)) == {(-1, 0), (1, 0)}
    assert set(codes_of(partition)) == {r.code for r in exact_regions(layers_of(net))}


def test_far_knots_and_nearly_equal_ones(impl):
    """Knots one rounding apart, and at 1e12, have their regions; the masses say how small."""
    near = np.nextafter(1.0, 2.0)
    net = Network([Dense([[1.0]], [0.0]), PiecewiseAffine([1.0, near, 1e12], [0.0, 1.0, 0.0, 1.0])])
    partition = impl.DGN(net, 1.0).partition()
    assert partition.n_regions == 4
    np.testing.assert_array_equal(partition.breakpoints, [1.0, near, 1e12])


@pytest.mark.parametrize("layer", [*LAYERS[:10], PReLU([0.1]), Hardsigmoid(0.3, 0.2)], ids=repr)
def test_files(layer, tmp_path):
    """Saved and loaded bit for bit."""
    shape = layer.input_shape or (1,)
    size = int(np.prod(shape))
    Network([Dense(np.ones((size, 1)), np.zeros(size)), Reshape(shape), layer]).save(
        tmp_path / "net.npz"
    )
    other = Network.load(tmp_path / "net.npz").layers[-1]
    assert type(other) is type(layer)
    assert repr(other) == repr(layer)
    for name in ("knots", "slopes", "value"):
        np.testing.assert_array_equal(getattr(other, name), getattr(layer, name))


REFUSED = {
    "knots: expected one or more in increasing order": lambda: PiecewiseAffine([], [1.0]),
    "knots: expected one or more in increasing order, got [1.0, 1.0]": lambda: PiecewiseAffine(
        [1.0, 1.0], [0.0, 1.0, 0.0]
    ),
    "slopes: expected shape (2)": lambda: PiecewiseAffine([0.0], [0.0, 1.0, 2.0]),
    "knots, slopes: expected as many channels of each": lambda: PiecewiseAffine(
        [[0.0], [1.0]], [[0.0, 1.0]] * 3
    ),
    "slopes: expected finite numbers, got NaN": lambda: PiecewiseAffine([0.0], [0.0, np.nan]),
    "slopes: expected pieces whose offsets are doubles": lambda: PiecewiseAffine(
        [1e300], [0.0, 1e300]
    ),
    "layers: PReLU of 2 channels got shape (3,)": lambda: PReLU([0.1, 0.2]).placed((3,)),
    "layers: PiecewiseAffine of 2 channels got shape ()": lambda: PiecewiseAffine(
        [1.0], [0.0, 1.0], [1.0, 2.0]
    ).placed(()),
    "slope: expected finite numbers": lambda: LeakyReLU(np.inf),
    "lower: expected less than upper": lambda: Hardtanh(1.0, 1.0),
    "lower, upper: expected one that is finite": lambda: Hardtanh(-np.inf, np.inf),
    "value: expected a number in [0, 1], got 1.5": lambda: Hardsigmoid(1.0, 1.5),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_function_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        REFUSED[text]()


DEFECTS = [
    "η for every slope",
    "pieces that do not meet",
    "every channel has the first one's knots",
    "knots on the other side of 0",
    "half-spaces at 0 for those at the knots",
    "far out, pieces as near 0",
]


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_seen(name):
    (mutant,) = [m for m in MUTANTS if m.name == name]

    def check():
        for impl, latent, shaped in itertools.product((reference, fast), (1, 2, 3), (False, True)):
            test_partitions_are_those_of_exact_arithmetic(impl, latent, shaped)
            if latent < 3:
                test_maps_of_regions_are_the_network(impl, latent, shaped)
                masses_are_one(latent, shaped)
        for layer in LAYERS:
            test_maps_and_their_bounds(layer)
        for seed in range(24):
            test_forward_is_its_definition(seed)

    with applied(mutant), pytest.raises((AssertionError, ValueError, IndexError)):
        check()


def test_learning_without_weights(impl):
    """The covariances alone are learnt."""
    start = impl.DGN(Network([Reshape((1,)), ReLU()]), 0.5)
    X = [[0.3], [1.0], [2.5]]
    result = impl.fit_em(start.network, X, cov_x=0.5, max_iter=200)
    assert result.dgn.logpdf(X).sum() > start.logpdf(X).sum()


def masses_are_one(latent, shaped):
    """The prior's masses on the regions of `fast`, by integrals of their own half-spaces."""
    for seed in range(3):
        partition = fast.DGN(network(seed, latent, shaped), 0.3).partition()
        found = [
            fast.gaussian_on_polyhedron(*partition.halfspaces(r), np.zeros(latent), np.eye(latent))
            for r in range(partition.n_regions)
        ]
        assert np.exp([part.log_mass for part in found]).sum() == pytest.approx(1.0, abs=1e-12)
