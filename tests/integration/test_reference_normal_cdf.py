"""Normal CDFs in one to three dimensions against mpmath, at any angles between the variables."""

import itertools

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy.special import ndtr

from reference.integration import normal_cdf as module
from reference.integration.normal_cdf import conditional, normal_cdf

# The documented accuracy; measured here: 2e-16 (two variables), 3e-16 (three).
TOLERANCE = 1e-14


def unit(rows):
    """Rows of length 1, as doubles."""
    rows = np.asarray(rows, dtype=float)
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def exact_units(rows):
    """The same directions of length 1 at the working precision."""
    exact = [[mpf(float(v)) for v in row] for row in rows]
    return [[v / mpmath.sqrt(sum(t * t for t in row)) for v in row] for row in exact]


def cosine_and_sine(u, v):
    """Of the angle between two unit vectors."""
    cosine = sum(a * b for a, b in zip(u, v, strict=True))
    return cosine, mpmath.sqrt(1 - cosine * cosine)


def true_bivariate(h, k, cosine, sine):
    """Plackett: ∂Φ_2/∂ρ is the bivariate density, integrated over the angle from ρ = 0."""
    end = mpmath.atan2(cosine, sine)

    def density(t):
        return mpmath.exp(-(h * h + k * k - 2 * h * k * mpmath.sin(t)) / (2 * mpmath.cos(t) ** 2))

    # The integrand varies fastest where the variables are nearly the same.
    ends = [end * (1 - mpf(10) ** -j) for j in range(int(-mpmath.log10(sine + mpf(10) ** -13)) + 2)]
    return mpmath.ncdf(h) * mpmath.ncdf(k) + mpmath.quad(density, [*ends, end]) / (2 * mpmath.pi)


def true_trivariate(limits, units):
    """∫ φ(t) Φ_2(given the first is t) dt, split where the conditional limits pass 0 ± 6."""
    (c1, s1), (c2, s2) = (cosine_and_sine(units[0], units[j]) for j in (1, 2))
    c12, _ = cosine_and_sine(units[1], units[2])
    given = (c12 - c1 * c2) / (s1 * s2)
    across = mpmath.sqrt(1 - given * given)

    def inner(t):
        h, k = (limits[1] - c1 * t) / s1, (limits[2] - c2 * t) / s2
        return mpmath.npdf(t) * true_bivariate(h, k, given, across)

    cuts = [(limits[j] + w * s) / c for j, c, s in ((1, c1, s1), (2, c2, s2)) for w in (-6, 0, 6)]
    ends = [mpf(-9), *sorted(t for t in cuts if -9 < t < limits[0]), limits[0]]
    return mpmath.quad(inner, ends)


def pairs(count=120):
    """Two limits and directions: generic, far, nearly parallel or opposite down to 1e-9."""
    rng = np.random.default_rng(3)
    for n in range(count):
        directions, limits = rng.standard_normal((2, 2)), rng.standard_normal(2)
        if n % 4 == 1:
            limits *= 5
        if n % 4 >= 2:
            sign = 1 if n % 4 == 2 else -1
            angle = 10.0 ** rng.uniform(-9, 0)
            directions[1] = sign * directions[0] + angle * rng.standard_normal(2)
            limits[1] = sign * limits[0] + 10.0 ** rng.uniform(-10, 0) * rng.standard_normal()
        yield limits, unit(directions)


def test_two_variables():
    """Owen's T against Plackett's integral at 30 digits, of exactly these directions."""
    with mpmath.workdps(30):
        for limits, directions in pairs():
            truth = true_bivariate(
                *(mpf(float(h)) for h in limits), *cosine_and_sine(*exact_units(directions))
            )
            error = abs(mpf(normal_cdf(limits, directions)) - truth)
            assert error < TOLERANCE, (limits, directions)


@pytest.mark.parametrize("seed", range(6))
def test_three_variables(seed):
    """Against a double integral at 18 digits: generic, far, and two variables nearly equal."""
    rng = np.random.default_rng([4, seed])
    directions = rng.standard_normal((3, 3))
    limits = rng.standard_normal(3) * [0.5, 2.0, 1.0][seed % 3]
    if seed % 3 == 2:
        directions[1] = rng.choice([-1, 1]) * directions[0] + 0.03 * rng.standard_normal(3)
    directions = unit(directions)
    with mpmath.workdps(18):
        truth = true_trivariate([mpf(float(h)) for h in limits], exact_units(directions))
        assert abs(mpf(normal_cdf(limits, directions)) - truth) < TOLERANCE


def degenerate_triples(count=120):
    """Three variables, pairs nearly equal or opposite and triples nearly dependent, to 1e-10."""
    rng = np.random.default_rng(5)
    for n in range(count):
        directions, limits = rng.standard_normal((3, 3)), 3 * rng.standard_normal(3)
        size = 10.0 ** rng.uniform(-10, 0)
        if n % 3 == 1:
            sign = rng.choice([-1, 1])
            directions[1] = sign * directions[0] + size * rng.standard_normal(3)
            limits[1] = sign * limits[0] + 10.0 ** rng.uniform(-10, 0) * rng.standard_normal()
        if n % 3 == 2:
            directions[2] = rng.standard_normal(2) @ directions[:2]
            directions[2] += size * rng.standard_normal(3)
        yield limits, unit(directions)


def test_three_variables_add_up_to_two():
    """P(A and B and C) + P(A and B and not C) = P(A and B), for each C: no probability is missing
    or counted twice, and none is negative."""
    for limits, directions in degenerate_triples():
        for j, flip in itertools.product(range(3), (np.ones(3), -np.ones(3))):
            one, other = flip.copy(), flip.copy()
            other[j] *= -1
            rest = [i for i in range(3) if i != j]
            parts = [normal_cdf(s * limits, s[:, None] * directions) for s in (one, other)]
            whole = normal_cdf((flip * limits)[rest], (flip[:, None] * directions)[rest])
            assert abs(sum(parts) - whole) < TOLERANCE
            assert min(parts) > -TOLERANCE


def test_orthants():
    """At limits 0 the probability is an angle: ¼ + asin(ρ) / 2π, ⅛ + Σ asin(ρ) / 4π."""
    for seed in range(20):
        directions = unit(np.random.default_rng([6, seed]).standard_normal((3, 3)))
        angles = np.arcsin([(directions @ directions.T)[i, j] for i, j in ((0, 1), (0, 2), (1, 2))])
        two = normal_cdf(np.zeros(2), directions[:2])
        assert two == pytest.approx(0.25 + angles[0] / (2 * np.pi), abs=1e-15)
        three = normal_cdf(np.zeros(3), directions)
        assert three == pytest.approx(0.125 + angles.sum() / (4 * np.pi), abs=1e-15)


@pytest.mark.parametrize("zeros", [[0], [1], [2], [0, 1], [0, 2], [1, 2]], ids=str)
def test_three_variables_with_limits_of_zero(zeros):
    """A facet through 0 has no part in the integral, and those after it do: independent variables,
    whose probabilities multiply, and a dependent one, whose two sides add up."""
    limits = np.array([0.7, -0.4, 1.3])
    limits[zeros] = 0.0
    turned = np.linalg.qr(np.random.default_rng(8).standard_normal((3, 3)))[0]
    assert normal_cdf(limits, turned) == pytest.approx(np.prod(ndtr(limits)), abs=TOLERANCE)
    skewed = unit(turned + np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.2], [-0.3, 0.1, 0.0]]))
    for flip in np.where(np.eye(3, dtype=bool), -1.0, 1.0):
        parts = [normal_cdf(limits, skewed), normal_cdf(flip * limits, flip[:, None] * skewed)]
        rest = flip > 0
        assert sum(parts) == pytest.approx(normal_cdf(limits[rest], skewed[rest]), abs=TOLERANCE)


def test_infinite_limits():
    """+∞ asks nothing of its variable, -∞ cannot be."""
    directions = unit([[1.0, 0.0, 0.2], [0.3, 1.0, 0.0], [0.0, -0.4, 1.0]])
    limits = np.array([0.3, -0.2, 0.9])
    for j in range(3):
        rest = [i for i in range(3) if i != j]
        with_infinity = limits.copy()
        with_infinity[j] = np.inf
        assert normal_cdf(with_infinity, directions) == normal_cdf(limits[rest], directions[rest])
        with_infinity[j] = -np.inf
        assert normal_cdf(with_infinity, directions) == 0.0
    assert normal_cdf(np.full(3, np.inf), directions) == 1.0
    assert normal_cdf(np.array([8.0, 1e200, 40.0]), directions) == pytest.approx(1.0, abs=1e-14)


def test_equal_and_opposite_variables():
    """Correlation ±1 exactly: the smaller limit, or what is between."""
    u = unit([[0.6, 0.8]])[0]
    for h, k in [(0.3, 0.5), (0.5, 0.3), (-1.0, -1.0), (0.0, 0.0), (0.0, 1.0)]:
        low = normal_cdf(np.array([min(h, k)]), u[None])
        same = normal_cdf(np.array([h, k]), np.array([u, u]))
        assert same == pytest.approx(low, abs=TOLERANCE)
        between = normal_cdf(np.array([h]), u[None]) - normal_cdf(np.array([-k]), u[None])
        opposite = normal_cdf(np.array([h, k]), np.array([u, -u]))
        assert opposite == pytest.approx(max(between, 0.0), abs=TOLERANCE)


def test_more_variables_are_refused():
    with pytest.raises(ValueError, match="limits"):
        normal_cdf(np.zeros(4), np.eye(4))


def test_conditionals_from_correlations_would_not_do(monkeypatch):
    """(h_j - c h_i) / s with s = √(1 - c²) loses the angle: the tests here see it."""

    def plain(limits, directions, i):
        _, across = conditional(limits, directions, i)
        others = np.arange(len(limits)) != i
        cosine = directions[others] @ directions[i]
        sine = np.sqrt(np.maximum(1 - cosine**2, 1e-300))
        return (limits[others] - cosine * limits[i]) / sine, across

    monkeypatch.setattr(module, "conditional", plain)
    with pytest.raises(AssertionError):
        test_two_variables()


def test_what_is_left_of_a_direction_is_orthogonal():
    """Also where two directions differ in their last place alone, and what is left is rounding:
    1.4e-16 where it is made orthogonal twice, 2e-14 where once."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        u = rng.standard_normal(3)
        u /= np.linalg.norm(u)
        _, across = conditional(np.array([0.3, 0.3]), np.array([u, u * (1 + 2.0**-51)]), 0)
        assert abs(across[0] @ u) < 1e-15
