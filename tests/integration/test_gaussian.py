"""Gaussian on a polyhedron, S = 1: mass and moments against quadrature at 50 digits."""

import itertools

import mpmath
import numpy as np
import pytest

# Inputs are doubles and the truth uses exactly those doubles, so nothing is ill-conditioned by
# representation. With d the distance of the near end from the mean in standard deviations, the
# computed d has a relative error of 2 ε (one subtraction, a square root, a division): it moves
# log m by 2 ε d² ≈ 4 ε |log m|, and the moments, in units of the truncated deviation, by a few ε.
# The rest is the implementations' quadrature, documented as 3e-14 and 1e-13; measured on the cases
# below it is at most 3e-15 in log m, 4e-15 in the mean and 6e-15 in the variance.
LOG_MASS = 3e-14  # in units of max(1, |log m|)
MEAN = 1e-13  # in truncated standard deviations, beside the rounding of the mean itself
VARIANCE = 1e-13  # relative


# The truth

DIGITS = 50
# The integrand is followed down to e^-120 of its peak: 1e-52 of the whole is left out.
FALL = 120


def legendre(n):
    """Gauss-Legendre nodes and weights on [0, 1], at the working precision."""
    nodes, weights = [], []
    for i in range(n):
        x = mpmath.cos(mpmath.pi * (i + 0.75) / (n + 0.5))
        for _ in range(8):  # Newton doubles the digits: 1e-3 -> below 1e-100
            p, before = x, mpmath.mpf(1)
            for k in range(2, n + 1):
                p, before = ((2 * k - 1) * x * p - (k - 1) * before) / k, p
            slope = n * (x * p - before) / (x * x - 1)
            x -= p / slope
        nodes.append((1 + x) / 2)
        weights.append(1 / ((1 - x * x) * slope * slope))
    return nodes, weights


@pytest.fixture(scope="module")
def rule():
    """30 nodes: on a panel where the exponent changes by 12 the error is below 1e-50."""
    with mpmath.workdps(DIGITS):
        return legendre(30)


def piece(rule, distance, width):
    """∫_0^width s^k exp(-distance s - s²/2) ds for k = 0, 1, 2, by panels of equal exponent."""
    reach = 2 * FALL / (distance + mpmath.sqrt(distance**2 + 2 * FALL))
    reach = min(reach, width)
    drop = distance * reach + reach**2 / 2
    panels = int(drop / 12) + 1
    edges = [
        2 * (drop * k / panels) / (distance + mpmath.sqrt(distance**2 + 2 * drop * k / panels))
        for k in range(1, panels)
    ]
    edges = [mpmath.mpf(0), *edges, reach]
    totals = [mpmath.mpf(0)] * 3
    for left, right in itertools.pairwise(edges):
        for node, weight in zip(*rule, strict=True):
            s = left + (right - left) * node
            term = (right - left) * weight * mpmath.exp(-s * (distance + s / 2))
            totals = [totals[0] + term, totals[1] + term * s, totals[2] + term * s * s]
    return totals


def truth(rule, lower, upper, mean, variance):
    """Log mass, mean, variance of N(mean, variance) on (lower, upper), as mpmath numbers."""
    lower, upper, mean, variance = (mpmath.mpf(float(v)) for v in (lower, upper, mean, variance))
    scale = mpmath.sqrt(variance)
    low, high = (lower - mean) / scale, (upper - mean) / scale
    if low < 0 < high:
        start, left, right = mpmath.mpf(0), piece(rule, 0, -low), piece(rule, 0, high)
        mass, first, second = left[0] + right[0], right[1] - left[1], right[2] + left[2]
    else:
        sign, start = (1, low) if low >= 0 else (-1, high)
        mass, first, second = piece(rule, abs(start), high - low)
        first *= sign
    shift = first / mass
    log_mass = mpmath.log(mass) - start**2 / 2 - mpmath.log(2 * mpmath.pi) / 2
    return log_mass, mean + scale * (start + shift), variance * (second / mass - shift**2)


def interval(lower, upper):
    """Half-spaces (normals, offsets) of an interval; an infinite end has none."""
    ends = [(1.0, -lower), (-1.0, upper)]
    kept = [(normal, offset) for normal, offset in ends if np.isfinite(offset)]
    return np.array([n for n, _ in kept]).reshape(-1, 1), np.array([o for _, o in kept])


def cases(count=600):
    """(lower, upper, mean, variance): linear and logarithmic spacing over every magnitude.

    Standard deviations 1e-6 to 1e6; the near end from 1e-3 to 1414 deviations from the mean (log
    mass -1e6), the mean at an end, or inside; widths from 1e-10 deviations to infinite.
    """
    rng = np.random.default_rng(11)
    found = []
    while len(found) < count:
        kind = len(found) % 4
        variance = 10.0 ** rng.uniform(-12, 12)
        scale = np.sqrt(variance)
        mean = rng.choice([0.0, rng.uniform(-5, 5), scale * rng.uniform(-5, 5)])
        far = 10.0 ** rng.uniform(-3, np.log10(1414)) if rng.random() < 0.7 else rng.uniform(0, 40)
        width = 10.0 ** rng.uniform(-10, 2) if rng.random() < 0.6 else rng.uniform(0, 10)
        if kind == 0:
            low, high = far, far + width
        elif kind == 1:
            low, high = -width * rng.random(), width
        elif kind == 2:
            low, high = 0.0, width
        else:
            low, high = far * rng.choice([-1.0, 1.0]), np.inf
        lower, upper = mean + scale * low, mean + scale * high
        if rng.random() < 0.5:
            lower, upper = 2 * mean - upper, 2 * mean - lower
        if lower < upper:
            found.append((lower, upper, mean, variance))
    corners = [*worst_cases(), *steepest_cases()]
    return [*found, (-np.inf, np.inf, 0.3, 2.0), (-np.inf, 0.3, 0.3, 2.0), *corners]


def worst_cases():
    """Corners: next to each other as doubles, ends around the mean, both ends far, deep tails."""
    one = np.nextafter(1.0, 2.0)
    return [
        (1.0, one, 0.0, 1.0),
        (1.0, one, 1.0, 1e12),
        (-1e-10, 1e-10, 0.0, 1.0),
        (-1e-300, 1.0, 0.0, 1.0),
        (-8.0, 9.0, 0.0, 1.0),
        (-40.0, 1e-9, 0.0, 1.0),
        (1414.2, np.inf, 0.0, 1.0),
        (-np.inf, -1414.2, 0.0, 1.0),
        (1414.2, 1414.2 + 1e-9, 0.0, 1.0),
        (1.0, 2.0, 0.0, 1e-12 * 0.5e6),
        (9.0, 9.1, 9.05, 1e-12),
        (1e6, 1e6 + 1e-4, 1e6, 1e-8),
    ]


def steepest_cases():
    """Intervals on which the density falls by as much as a rule of few nodes is used for."""
    falls, distances = (1.999, 7.999, 40.9), (0.0, 0.5, 3.0, 30.0, 1000.0)
    return [
        (near, near + 2 * fall / (near + np.sqrt(near**2 + 2 * fall)), 0.0, 1.0)
        for fall, near in itertools.product(falls, distances)
    ]


@pytest.fixture(scope="module")
def table(rule):
    """Every case with its true log mass, mean and variance."""
    with mpmath.workdps(DIGITS):
        return [(case, truth(rule, *case)) for case in cases()]


def test_truth_by_closed_form(rule):
    """The quadrature agrees with erfc at 80 digits to 40: the rule, the panels and the cut-off."""
    with mpmath.workdps(80):
        for low, high in [(0.5, 0.5000001), (-0.3, 2.0), (30.0, 31.0), (1000.0, mpmath.inf)]:
            low, high = mpmath.mpf(low), mpmath.mpf(high)
            mass = (mpmath.erfc(low / mpmath.sqrt(2)) - mpmath.erfc(high / mpmath.sqrt(2))) / 2
            phi = [mpmath.npdf(t) if t < mpmath.inf else mpmath.mpf(0) for t in (low, high)]
            mean = (phi[0] - phi[1]) / mass
            edge = high * phi[1] if high < mpmath.inf else 0
            variance = 1 + (low * phi[0] - edge) / mass - mean**2
            got = truth(rule, low, high, 0.0, 1.0)
            # `truth` rounds its arguments to doubles, so that is what both are given.
            assert (float(low), float(high)) == (low, high)
            for value, exact in zip(got, (mpmath.log(mass), mean, variance), strict=True):
                assert abs(value - exact) < mpmath.mpf(10) ** -30 * abs(exact)


def test_cases_cover_what_they_claim(table):
    """The cases reach log mass -1e6, widths of 1e-10 deviations, and both ends of the scales."""
    logs = np.array([float(exact[0]) for _, exact in table])
    lower, upper, _, variance = np.array([case for case, _ in table]).T
    assert logs.min() < -9e5
    assert np.sum(logs < -1e4) > 10
    assert np.sum((upper - lower) / np.sqrt(variance) < 1e-8) > 10
    assert variance.min() < 1e-11
    assert variance.max() > 1e11


def worst(errors, table):
    """The largest error and the case that has it, for the message of a failure."""
    index = int(np.argmax(errors))
    return f"{errors[index]:.2e} at (lower, upper, mean, variance) = {table[index][0]}"


def test_against_quadrature(impl, table):
    """Log mass, mean and variance on 600 intervals of every magnitude."""
    log_errors, mean_errors, variance_errors = [], [], []
    for (lower, upper, mean, variance), (log_mass, exact_mean, exact_variance) in table:
        halfspaces = interval(lower, upper)
        got = impl.gaussian_on_polyhedron(*halfspaces, [[mean]], [[variance]])
        log_error = abs(mpmath.mpf(float(got[0][0])) - log_mass)
        log_errors.append(float(log_error / max(1, abs(log_mass))))
        deviation = mpmath.sqrt(exact_variance)
        mean_error = abs(mpmath.mpf(float(got[1][0, 0])) - exact_mean)
        # The mean is a sum of two doubles: half a unit in the last place, and the same again where
        # the sum is formed of a rounded product.
        rounding = np.spacing(abs(float(exact_mean)))
        mean_errors.append(float(max(0, mean_error - rounding) / deviation))
        variance_errors.append(float(abs(got[2][0, 0, 0] / exact_variance - 1)))
    assert max(log_errors) <= LOG_MASS, worst(log_errors, table)
    assert max(mean_errors) <= MEAN, worst(mean_errors, table)
    assert max(variance_errors) <= VARIANCE, worst(variance_errors, table)


def test_whole_space(impl):
    """Without half-spaces: mass 1, the Gaussian's own moments."""
    log_mass, mean, cov = impl.gaussian_on_polyhedron(
        np.empty((0, 1)), np.empty(0), [[3.0], [-1e8]], [[4.0]]
    )
    assert (log_mass.shape, mean.shape, cov.shape) == ((2,), (2, 1), (2, 1, 1))
    np.testing.assert_allclose(log_mass, 0.0, atol=LOG_MASS)
    np.testing.assert_allclose(mean, [[3.0], [-1e8]], rtol=MEAN)
    np.testing.assert_allclose(cov, [[[4.0]], [[4.0]]], rtol=VARIANCE)


REDUNDANT = {
    "weaker": ([[1.0], [-1.0]], [5.0, 7.0]),
    "duplicate": ([[1.0], [-1.0]], [-0.5, 2.0]),
    "scaled duplicate": ([[4.0], [-0.5]], [-2.0, 1.0]),
    "zero normal, satisfied": ([[0.0]], [1e-300]),
    "negative zero normal, satisfied": ([[-0.0]], [1.0]),
}


@pytest.mark.parametrize("extra", REDUNDANT.values(), ids=REDUNDANT)
def test_redundant_halfspaces_change_nothing(impl, extra):
    """Half-spaces that contain (0.5, 2) leave every result bit for bit, in any order."""
    normals, offsets = interval(0.5, 2.0)
    plain = impl.gaussian_on_polyhedron(normals, offsets, [[0.3]], [[2.0]])
    more_normals = np.concatenate([normals, extra[0]])
    more_offsets = np.concatenate([offsets, extra[1]])
    for order in (slice(None), slice(None, None, -1)):
        got = impl.gaussian_on_polyhedron(
            more_normals[order], more_offsets[order], [[0.3]], [[2.0]]
        )
        for value, expected in zip(got, plain, strict=True):
            np.testing.assert_array_equal(value, expected)


EMPTY = {
    "crossed": ([[1.0], [-1.0]], [-2.0, 1.0]),
    "a point": ([[1.0], [-1.0]], [-1.0, 1.0]),
    "zero normal, offset 0": ([[1.0], [0.0]], [0.0, 0.0]),
    "zero normal, violated": ([[0.0]], [-1.0]),
    "third half-space": ([[1.0], [-1.0], [1.0]], [0.0, 1.0, -3.0]),
}


@pytest.mark.parametrize("halfspaces", EMPTY.values(), ids=EMPTY)
def test_empty_polyhedron(impl, halfspaces):
    """Log mass -inf and NaN moments, for every mean."""
    log_mass, mean, cov = impl.gaussian_on_polyhedron(*halfspaces, [[0.0], [5.0]], [[1.0]])
    np.testing.assert_array_equal(log_mass, [-np.inf, -np.inf])
    assert (mean.shape, cov.shape) == ((2, 1), (2, 1, 1))
    assert np.all(np.isnan(mean))
    assert np.all(np.isnan(cov))


def test_only_the_empty_polyhedron_has_no_mass(impl):
    """At 1e150 deviations the log mass is still a number, and the moments lie in the interval."""
    log_mass, mean, cov = impl.gaussian_on_polyhedron(*interval(1e150, np.inf), [[0.0]], [[1.0]])
    np.testing.assert_allclose(log_mass, -0.5e300, rtol=LOG_MASS)
    assert mean[0, 0] >= 1e150
    np.testing.assert_allclose(cov, 1e-300, rtol=VARIANCE)


def test_normals_of_any_length(impl):
    """A half-space is unchanged by a positive factor: exactly by powers of 2, else to rounding."""
    normals, offsets = interval(0.5, 2.0)
    plain = impl.gaussian_on_polyhedron(normals, offsets, [[0.3]], [[2.0]])
    for factor, tolerance in [(2.0**-30, 0.0), (2.0**40, 0.0), (3.3, 1e-14), (1e-7, 1e-14)]:
        got = impl.gaussian_on_polyhedron(factor * normals, factor * offsets, [[0.3]], [[2.0]])
        for value, expected in zip(got, plain, strict=True):
            np.testing.assert_allclose(value, expected, rtol=tolerance)


def test_covariance_forms(impl):
    """A scalar, a vector of variances and a matrix mean the same."""
    halfspaces = interval(0.5, 2.0)
    full = impl.gaussian_on_polyhedron(*halfspaces, [[0.3]], [[2.0]])
    for cov in (2.0, [2.0]):
        got = impl.gaussian_on_polyhedron(*halfspaces, [[0.3]], cov)
        for value, expected in zip(got, full, strict=True):
            np.testing.assert_array_equal(value, expected)


def test_many_means_are_one_at_a_time(impl):
    """A vector of means gives what each gives alone: inside, at the ends, and far on each side.

    Products of different shapes may round differently, by less than the accuracy claimed.
    """
    means = np.array([[-1000.0], [-3.0], [0.5], [1.0], [2.0], [2.5], [1e5]])
    halfspaces = interval(0.5, 2.0)
    together = impl.gaussian_on_polyhedron(*halfspaces, means, [[0.7]])
    for i in range(len(means)):
        alone = impl.gaussian_on_polyhedron(*halfspaces, means[i : i + 1], [[0.7]])
        for value, expected in zip(together, alone, strict=True):
            np.testing.assert_allclose(value[i], expected[0], rtol=1e-14)


def test_reflection(impl, table):
    """z -> -z leaves mass and variance and negates the mean, to a few roundings."""
    for (lower, upper, mean, variance), _ in table[::5]:
        here = impl.gaussian_on_polyhedron(*interval(lower, upper), [[mean]], [[variance]])
        there = impl.gaussian_on_polyhedron(*interval(-upper, -lower), [[-mean]], [[variance]])
        np.testing.assert_allclose(there[0], here[0], rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(there[1], -here[1], rtol=1e-14, atol=MEAN * np.sqrt(variance))
        np.testing.assert_allclose(there[2], here[2], rtol=VARIANCE)


@pytest.mark.parametrize("distance", [0.0, 3.0, 40.0, 1000.0])
def test_additivity(impl, distance):
    """The masses of adjacent intervals sum to that of their union, and so do first moments."""
    ends = distance + np.array([-0.5, -1e-9, 0.0, 1e-6, 0.01, 1.0, 7.0, np.inf])
    whole = impl.gaussian_on_polyhedron(*interval(ends[0], ends[-1]), [[0.0]], [[1.0]])
    logs, means = [], []
    for lower, upper in itertools.pairwise(ends):
        part = impl.gaussian_on_polyhedron(*interval(lower, upper), [[0.0]], [[1.0]])
        logs.append(part[0][0])
        means.append(part[1][0, 0])
    shares = np.exp(np.array(logs) - whole[0][0])
    # Each log mass may err by 3e-14 of its magnitude, 5e5 at a distance of 1000.
    tolerance = 2 * LOG_MASS * max(1.0, abs(whole[0][0]))
    assert abs(shares.sum() - 1) <= tolerance
    deviation = np.sqrt(whole[2][0, 0, 0])
    centred = np.array(means) - whole[1][0, 0]
    assert abs(shares @ centred) <= tolerance * deviation + 1e-15 * distance


@pytest.mark.parametrize("dimension", [1, 2])
def test_half_spaces_beyond_doubles(impl, dimension):
    """One whose distance is no double is refused by name, in a direction where nothing is, and
    changes nothing in the other; warnings are errors here."""
    normals, means = 1e-10 * np.eye(dimension)[:1], np.zeros((1, dimension))
    with pytest.raises(ArithmeticError, match="offsets: a half-space is farther away than"):
        impl.gaussian_on_polyhedron(normals, [-1e308], means, 1.0)
    beside = np.vstack([normals, -np.ones((1, dimension))])
    plain = impl.gaussian_on_polyhedron(beside[1:], [0.5], means, 1.0)
    for value, expected in zip(
        impl.gaussian_on_polyhedron(beside, [1e308, 0.5], means, 1.0), plain, strict=True
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-14)


@pytest.mark.parametrize("dimension", [1, 2])
def test_means_beyond_doubles(impl, dimension):
    """Where the square of the distance is no double, an error says which mean."""
    half_space, means = (np.eye(dimension)[:1], [0.0]), np.zeros((3, dimension))
    assert np.all(np.isfinite(impl.gaussian_on_polyhedron(*half_space, means, 1.0)[0]))
    means[1, 0] = -1e200
    with pytest.raises(ArithmeticError, match=r"means: .*row 1 "):
        impl.gaussian_on_polyhedron(*half_space, means, 1.0)
