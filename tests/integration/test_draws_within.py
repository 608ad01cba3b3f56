"""Draws inside one interval, one simplex, one polyhedron: every sampler by itself, exact laws.

Errors that a whole posterior hides show here. The comparisons raise a false alarm in 4e-8 of runs
(see draw_checks).
"""

import mpmath
import numpy as np
import pytest
from draw_checks import (
    Z_SCORE,
    check_draws,
    check_independent,
    check_mean,
    check_pairs,
    check_shares,
    detectable,
    false_alarms,
    uncounted,
)
from laws import (
    interval,
    normal,
    polyhedron_marginal,
    simplex_marginal,
    simplex_mass,
    simplex_product,
)
from scipy.optimize import nnls

from fast.integration.draws import _one_sided, _truncated_exponential, sample_interval
from fast.integration.simplex_draws import _chosen, _independent, sample_simplices
from fast.integration.simplex_moments import simplex_moments
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied
from reference.integration import draws as sampling
from reference.integration.draws import draw_on_interval, draw_on_polyhedron
from reference.polyhedra.polyhedron import polyhedron_of
from reference.polyhedra.validity import OutsideValidity

INF = np.inf


@pytest.fixture(scope="module", autouse=True)
def _rare_false_alarms():
    with false_alarms(4e-8):
        yield


def best_width(distance):
    """Where the sampler changes its proposal."""
    return 0.5 * (np.sqrt(distance * distance + 4) - distance)


#: (distance, below, above): the density exp(-distance |s| - s²/2) on [-below, above].
INTERVALS = [
    (0.0, INF, INF),
    (0.0, 0.0, INF),
    (0.0, INF, 0.0),
    (0.0, 0.3, 2.0),
    (0.0, 1e-3, INF),
    (0.0, 3.0, 1e-2),
    (0.0, 7.0, 0.99),
    (0.0, 1e-60, 3e-60),
    (1e-250, 0.0, 1e-60),
    (1e-230, 0.0, 1e-60),
    (1e-12, 0.0, INF),
    (1e-12, 0.5, 0.0),
    (0.7, 0.0, INF),
    (0.7, INF, 0.0),
    (0.7, 0.0, best_width(0.7) * 0.999),
    (0.7, 0.0, best_width(0.7) * 1.001),
    (0.7, 0.0, 3.0),
    (2.0, 0.1, 0.0),
    (5.0, 0.0, INF),
    (5.0, INF, 0.0),
    (5.0, 0.0, 0.05),
    (10.0, 0.0, INF),
    (10.0, 0.0, 0.1),
    (40.0, 0.0, INF),
    (40.0, 0.0, best_width(40.0) * 0.999),
    (40.0, 0.0, best_width(40.0) * 1.001),
    (40.0, 0.2, 0.0),
    (1e4, 0.0, INF),
    (1e8, 0.0, 1e-9),
    (1e8, INF, 0.0),
    (1e60, 0.0, INF),
]


def test_the_laws_are_exact():
    """Quadrature against mpmath's error function: 1e-12, where statistics resolve 1e-5."""
    mpmath.mp.dps = 40

    def upper(t):
        return mpmath.erfc(mpmath.mpf(t) / mpmath.sqrt(2))

    for distance, below, above in INTERVALS:
        if below == 0.0 and 1e-100 < distance < 1e50:
            law = interval(distance, below, above)
            for point in law.quantiles([1e-4, 0.03, 0.5, 0.97, 1 - 1e-4]):
                start = mpmath.mpf(distance)
                whole = upper(start) - (upper(start + above) if above < INF else 0)
                exact = (upper(start) - upper(start + point)) / whole
                assert float(abs(law.share(point) - exact)) < 1e-12, distance
    slopes, finite = np.array([0.3, 0.1, 1.0]), np.array([True, True, False])
    gram = np.array([[1.0, 0.5, 0.4], [0.5, 1.2, 0.6], [0.4, 0.6, 2.0]])
    moments = simplex_moments(slopes[None], gram[None], finite[None], np.ones((1, 3)))[0]
    assert simplex_mass(slopes, gram, finite) == pytest.approx(moments[0, 0], rel=1e-10)
    product, _ = simplex_product(slopes, gram, finite, 0, 2)
    assert product == pytest.approx(moments[1, 3] / moments[0, 0], rel=1e-7)
    mean, variance, fourth = normal(3.0, 0.5).moments
    assert [mean, variance, fourth] == pytest.approx([3.0, 0.25, 3 / 16], rel=1e-12)
    # A wedge of the plane, in space: what is drawn beside it is a Gaussian by itself.
    wedge, slacks = np.array([[1.0, 0.5], [-0.2, 1.0]]), np.array([-6.0, -5.0])
    mean, variance, _ = polyhedron_marginal(wedge, slacks, [0.6, 0.8]).moments
    thick = polyhedron_marginal(np.pad(wedge, ((0, 0), (0, 1))), slacks, [0.48, 0.64, 0.6])
    assert thick.moments[0] == pytest.approx(0.8 * mean, abs=1e-4)
    assert thick.moments[1] == pytest.approx(0.64 * variance + 0.36, abs=1e-4)


# Intervals


def check_intervals(sample, cases, n):
    """Draws of all cases, interleaved in one call. Returns the power of the weakest."""
    arguments = [np.tile(column, n) for column in np.array(cases).T]
    draws = sample(*arguments, np.random.default_rng(1)).reshape(n, len(cases))
    powers, every = [], []
    for i, (distance, below, above) in enumerate(cases):
        law, what = interval(distance, below, above), f"interval {cases[i]}"
        every.append(law)
        assert draws[:, i].min() >= -below, what
        assert draws[:, i].max() <= above, what
        # Of n uniforms of 53 bits three pairs coincide once in 10^17 runs.
        assert n - len(np.unique(draws[:, i])) <= 2, what
        powers.append(check_draws(draws[:, i], law, what))
        check_independent(draws[:, i], law, what)
        if i:
            check_pairs(draws[:, i - 1], draws[:, i], every[-2:], what)
    return [max(values) for values in zip(*powers, strict=True)]


def test_intervals():
    """sample_interval, 10^5 draws a case: sees shares wrong by 0.0165 and means by 0.033."""
    share, _, mean = check_intervals(sample_interval, INTERVALS, 100_000)
    assert share < 0.0165
    assert mean < 0.033


def test_tails_of_intervals():
    """10^6 draws: sees the outermost 10^-4 of each side wrong by a factor of 2.4, or
    of 5 too small."""
    cases = [INTERVALS[0], (5.0, 0.0, INF), (0.7, 0.0, 3.0)]
    share, tail, mean = check_intervals(sample_interval, cases, 1_000_000)
    assert share < 0.0052
    assert tail < 2.4
    assert detectable(1_000_000, 1e-4)[1] > 1e-4 / 5
    assert mean < 0.0103


def test_one_side():
    """_one_sided, which takes the distance and a width."""

    def sample(distance, below, above, rng):
        return _one_sided(distance, above, rng)

    cases = [case for case in INTERVALS if case[1] == 0.0]
    share, _, mean = check_intervals(sample, cases, 100_000)
    assert share < 0.0165
    assert mean < 0.033


@pytest.mark.parametrize("width", [1e-200, 1e-9, 0.3, 2.0, 50.0, INF])
@pytest.mark.parametrize("rate", [0.0, 1e-250, 1e-12, 1.0, 37.0, 1e9])
def test_truncated_exponential(rate, width):
    """The quantile function against mpmath, uniforms from 0 to 1 - 2^-53: rounding of
    1 - u (1 - exp(-depth)), two units, over what is left of it."""
    if rate == 0 and width == INF:
        return
    mpmath.mp.dps = 60
    uniforms = np.concatenate([[0.0, 2.0**-53, 1e-9, 1 - 2.0**-53], np.linspace(0.01, 0.99, 13)])
    got = _truncated_exponential(np.full(17, rate), np.full(17, width), uniforms)
    for u, s in zip(uniforms, got, strict=True):
        fallen = -mpmath.expm1(-mpmath.mpf(rate) * width) if width < INF else mpmath.mpf(1)
        gone = mpmath.mpf(u) * fallen
        exact = -mpmath.log1p(-gone) / rate if rate else mpmath.mpf(u) * width
        rounding = 1e-15 * float(exact)
        rounding += 4e-16 * float(gone / (1 - gone) / rate) if rate else 0.0
        assert abs(s - float(exact)) <= rounding, u


class Counting(np.random.Generator):
    """A generator that counts the uniforms it is asked for."""

    asked = 0

    def random(self, size=None):
        self.asked += int(size)
        return super().random(size)


@pytest.mark.parametrize("case", INTERVALS, ids=str)
def test_intervals_accept_often(case):
    """More than 0.6 of all proposals, as promised: one uniform for the side, two a proposal."""
    n, rng = 4000, Counting(np.random.PCG64(2))
    sample_interval(*(np.full(n, value) for value in case), rng)
    proposals = (rng.asked - n) / 2
    assert n > 0.6 * proposals - Z_SCORE * np.sqrt(0.24 * proposals)


# Simplices


def corners(*rows):
    """Γ of corners with these coordinates."""
    return np.array(rows) @ np.array(rows).T


#: By k: (α, Γ, finite).
SIMPLICES = {
    1: [
        ([-0.25], corners([1.0]), [True]),
        ([3.0], corners([1.4]), [False]),
        ([-0.3], corners([1.0]), [False]),
        ([1e-6], corners([1e-3]), [True]),
        ([50.0], corners([10.0]), [True]),
        ([1e3], corners([0.1]), [True]),
        ([40.0], corners([1.0]), [False]),
    ],
    2: [
        ([0.5, 0.2], corners([1.0, 0.0], [1.0, 0.7]), [True, True]),
        ([0.0, 6.0], corners([1.0, 0.0], [0.8, 0.6]), [False, False]),
        ([-0.2, 0.1], corners([1.0, 0.0], [0.5, 1.5]), [True, False]),
        ([0.3, -0.25], corners([2.0, 0.0], [2.0, 3.0]), [True, True]),
        ([0.0, 0.0], corners([1.0, 0.0], [1.0, 1e-3]), [False, False]),
        ([1e-9, 1e-9], corners([1e-9, 0.0], [1e-9, 1e-9]), [True, True]),
        ([300.0, 200.0], corners([30.0, 0.0], [20.0, 20.0]), [True, True]),
    ],
    3: [
        ([0.3, 0.1, 0.6], corners([1.0, 0, 0], [1.0, 0.7, 0], [1.0, 0.7, 1.1]), [True] * 3),
        ([0.5, -0.1, 0.0], corners([1.0, 0, 0], [0.8, 0.9, 0], [0.1, 0.5, 0.8]), [True, True, 0]),
        ([7.0, 2.0, 0.5], corners([1.0, 0, 0], [0.6, 0.8, 0], [0.5, 0.5, 0.7]), [False] * 3),
        ([0.0, 0.0, 0.0], 1e-16 * np.eye(3), [True] * 3),
    ],
    4: [
        (
            [0.3, 0.1, 0.6, 0.0],
            corners([1.0, 0, 0, 0], [1.0, 0.7, 0, 0], [1.0, 0.7, 0.9, 0], [1.0, 0.7, 0.9, 0.5]),
            [True] * 4,
        ),
        (
            [2.0, 0.1, 0.6, -0.1],
            corners([1.0, 0, 0, 0], [0.3, 1.0, 0, 0], [0.4, 0.2, 1.3, 0], [0.2, 0, 0.3, 0.6]),
            [True, False, True, False],
        ),
    ],
}
NODES = {1: 24, 2: 40, 3: 20, 4: 10}


def check_simplices(k, n):
    """Draws on all simplices of a kind, interleaved in one call. Returns the weakest power."""
    cases = SIMPLICES[k]
    slopes, gram, finite = (
        np.tile(np.array(part, kind), (n,) + (1,) * (np.ndim(part) - 1))
        for part, kind in zip(zip(*cases, strict=True), (float, float, bool), strict=True)
    )
    draws = sample_simplices(slopes, gram, finite, np.random.default_rng(3))
    draws, powers, first = draws.reshape(n, len(cases), k), [], []
    for c, (alpha, gamma, ends) in enumerate(cases):
        mine, what = draws[:, c], f"simplex {k}, case {c}"
        assert mine.min() >= 0.0
        assert np.where(ends, mine, 0.0).sum(axis=1).max() <= 1.0
        for i in range(k):
            law = simplex_marginal(alpha, gamma, ends, i, NODES[k])
            powers.append(check_draws(mine[:, i], law, f"{what}, λ_{i}"))
            for j in range(i):
                mean, variance = simplex_product(alpha, gamma, ends, i, j, NODES[k])
                check_mean(mine[:, i] * mine[:, j], mean, np.sqrt(variance), f"{what}, λ_{i} λ_{j}")
        check_independent(mine[:, k - 1], law, what)
        first.append(law)
        if c:
            check_pairs(draws[:, c - 1, k - 1], mine[:, k - 1], first[-2:], what)
    return [max(values) for values in zip(*powers, strict=True)]


@pytest.mark.parametrize("k", SIMPLICES)
def test_simplices(k):
    """sample_simplices, 10^5 draws a case: sees shares wrong by 0.0165 and means by 0.033."""
    share, _, mean = check_simplices(k, 100_000)
    assert share < 0.0165
    assert mean < 0.033


def test_independent_proposals():
    """_independent, each λ by itself: simplices of one dimension side by side, no cross terms."""
    n, cases = 100_000, [c for c in SIMPLICES[1] if c[0][0] < 100]
    slopes = np.tile([c[0][0] for c in cases], (n, 1))
    gram = np.full((n, len(cases), len(cases)), 9.0)
    gram[:, np.arange(len(cases)), np.arange(len(cases))] = [c[1][0, 0] for c in cases]
    finite = np.tile([c[2][0] for c in cases], (n, 1))
    draws = _independent(slopes, gram, finite, np.random.default_rng(4))
    law = [simplex_marginal(*case, 0) for case in cases]
    for i, case in enumerate(cases):
        check_draws(draws[:, i], law[i], f"proposal {case}")
        check_independent(draws[:, i], law[i], f"proposal {case}")
        if i:
            check_pairs(draws[:, i - 1], draws[:, i], law[i - 1 : i + 1], f"proposal {case}")


@pytest.mark.parametrize("k", SIMPLICES)
def test_simplices_accept_often(k):
    """About one of k! trials, as promised: of each trial one uniform decides."""
    n, factorial = 2000, np.prod(np.arange(1, k + 1))
    for alpha, gamma, ends in SIMPLICES[k]:
        rng = Counting(np.random.PCG64(2))
        arguments = (np.array([part] * n) for part in (alpha, gamma, ends))
        sample_simplices(*arguments, rng)
        # A trial takes one uniform, and for each λ one for its side and two a proposal.
        assert rng.asked < 1.2 * n * factorial * (1 + k * (1 + 2 / 0.6))


class Grid:
    """Uniforms that fill [0, 1) evenly, in a random order."""

    def random(self, n):
        return np.random.default_rng(5).permutation((np.arange(n) + 0.5) / n)


class Ends:
    """The two outermost uniforms that a generator gives."""

    def random(self, n):
        return np.where(np.arange(n) % 2, 1 - 2.0**-53, 0.0)


#: Shares of the simplices of each item: one, equal ones, none, tiny ones.
MASSES = [[1.0], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0], [1 - 1e-4, 1e-4], [0.125] * 8]


@pytest.mark.parametrize("repeats", [1, 50])
def test_chosen(repeats):
    """Each item gets its own simplices in proportion to their masses, whatever the order of both:
    of evenly spread uniforms a simplex gets its share to one. Beside 250 items as well as 5."""
    rng = np.random.default_rng(6)
    shares = MASSES * repeats
    masses = np.concatenate(shares)
    owner = np.repeat(np.arange(len(shares)), [len(part) for part in shares])
    shuffle = rng.permutation(len(masses))
    masses, owner = masses[shuffle], owner[shuffle]
    n = 40_000 // len(shares)
    for asked in range(len(shares)):
        chosen = _chosen(masses, owner, np.full(n, asked), Grid())
        assert np.all(owner[chosen] == asked)
        counts = np.bincount(chosen, minlength=len(masses))
        assert np.all(np.abs(counts - n * masses)[owner == asked] <= 1.0)
        # Beside many items rounding may go one simplex too far, once in 10^14 draws.
        if repeats == 1:
            assert np.all(masses[_chosen(masses, owner, np.full(2, asked), Ends())] > 0)
    items = rng.permutation(np.repeat(np.arange(len(shares)), n))
    chosen = _chosen(masses, owner, items, rng)
    np.testing.assert_array_equal(owner[chosen], items)
    for item in range(len(MASSES)):
        places = np.flatnonzero(owner == item)
        counts = [np.sum(chosen[items == item] == place) for place in places]
        check_shares(counts, n, masses[owner == item], f"simplices of item {item}")


def test_choices_are_independent():
    """Each and the next: a uniform for each of them."""
    n = 100_000
    chosen = _chosen(np.full(4, 0.25), np.zeros(4, int), np.zeros(n, int), np.random.default_rng(6))
    counts = np.bincount(4 * chosen[::2] + chosen[1::2], minlength=16)
    check_shares(counts, n // 2, 1 / 16, "pairs of simplices")


# The readable implementation


class Scripted:
    """A generator of given uniforms, one at a time; and of a batch of given normals, the first of
    which meets the first uniform and the others a tiny one."""

    def __init__(self, uniforms, first=None, others=None):
        self.uniforms, self.first, self.others, self.range = list(uniforms), first, others, None

    def uniform(self, low, high):
        self.range = low, high
        return low + (high - low) * self.uniforms.pop(0)

    def random(self, n=None):
        return (
            self.uniforms.pop(0) if n is None else np.append(self.uniforms, np.full(n - 1, 1e-300))
        )

    def standard_normal(self, shape):
        return np.vstack([self.first, np.tile(self.others, (shape[0] - 1, 1))])


def threshold(accepts):
    """The largest uniform with which a proposal is accepted."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if accepts(middle) else (low, middle)
    return low


#: (lower, upper, mean, deviation).
ENDS = [
    (-INF, INF, 0.3, 2.0),
    (-1.0, 3.0, 0.5, 0.7),
    (5.0, INF, 0.0, 1.0),
    (-INF, -19.0, 1.0, 2.0),
    (4.0, 4.01, 0.0, 0.1),
    (40.0, INF, 0.0, 1.0),
]


@pytest.mark.parametrize("case", ENDS, ids=str)
def test_reference_accepts_in_proportion_to_the_density(case):
    """draw_on_interval, without chance: a uniform proposal on a range outside which the density is
    below exp(-40) of its peak, accepted with probability density / peak, 1e-12."""
    lower, upper, mean, deviation = case
    peak = min(max(mean, lower), upper)
    for u in np.linspace(0.003, 0.997, 23):
        proposals = []

        def draw(v, u=u, found=proposals):
            # If not accepted the second is, whose place is the peak's, or nearly.
            rng = Scripted([u, v, 1e-9, 0.0 + 1e-300, 0.5, 1e-300])
            place = draw_on_interval(lower, upper, mean, deviation, rng)[0]
            found.append(rng.range)
            return place

        z = draw(1e-300)
        v = threshold(lambda v, z=z: draw(v) == z)
        exponent = 0.5 * (z - peak) * (z + peak - 2 * mean) / deviation**2
        assert v == pytest.approx(np.exp(-exponent), rel=1e-12, abs=1e-16)
        low, high = proposals[0]
        assert z == pytest.approx(peak + deviation * (low + (high - low) * u), rel=1e-14)
        assert lower <= z <= upper
    for end, outermost in ((low, lower), (high, upper)):
        z = peak + deviation * end
        fallen = 0.5 * (z - peak) * (z + peak - 2 * mean) / deviation**2
        assert fallen > 40 or z == pytest.approx(outermost, rel=1e-14)


def check_reference_intervals(n):
    """draw_on_interval against the laws. Returns the weakest power."""
    powers = []
    for lower, upper, mean, deviation in ENDS:
        rng = np.random.default_rng(7)
        draws = np.array(
            [draw_on_interval(lower, upper, mean, deviation, rng)[0] for _ in range(n)]
        )
        peak = min(max(mean, lower), upper)
        law = interval(
            abs(peak - mean) / deviation, (peak - lower) / deviation, (upper - peak) / deviation
        )
        what = f"reference, interval {lower, upper, mean, deviation}"
        powers.append(check_draws((draws - peak) / deviation, law, what))
        check_independent((draws - peak) / deviation, law, what)
        assert lower <= draws.min() <= draws.max() <= upper
    return [max(values) for values in zip(*powers, strict=True)]


def test_reference_intervals():
    """2,000 draws: sees shares wrong by 0.12; the test before this one sees 1e-12."""
    assert check_reference_intervals(2_000)[0] < 0.12


@pytest.mark.deep
def test_reference_intervals_long():
    assert check_reference_intervals(100_000)[0] < 0.0165


#: (normals, offsets): a half-space, acute and obtuse wedges, a triangle, a tetrahedron and a wedge
#: in space, some of them beyond 5 and 10 deviations; S by their shape.
POLYHEDRA = {
    "half-plane": ([[0.6, 0.8]], [-2.0]),
    "half-plane at 10": ([[0.6, 0.8]], [-10.0]),
    "acute wedge at 6": ([[1.0, 0.0], [-0.8, 0.6]], [-6.0, 3.0]),
    "obtuse wedge at 5": ([[1.0, 0.0], [0.6, 0.8]], [-5.0, -5.0]),
    "triangle": ([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.5, 0.5, 0.7]),
    "wedge in space": ([[1.0, 0.0, 0.3], [0.2, 1.0, 0.0]], [-3.0, -1.0]),
    "corner in space": ([[1.0, 0.2, 0.0], [0.0, 1.0, 0.2], [-0.3, 0.0, 1.0]], [-2.0, 0.0, 0.5]),
}


def polyhedron(name):
    """Normals, offsets, mean and covariance, and the same half-spaces in standard coordinates."""
    white, slacks = (np.array(part) for part in POLYHEDRA[name])
    size = white.shape[1]
    factor = np.tril(np.array([[0.5, 0.0, 0.0], [1.5, 2.0, 0.0], [-0.7, 0.3, 1.2]])[:size, :size])
    mean = np.array([3.0, -1.0, 0.4])[:size]
    normals = white @ np.linalg.inv(factor)
    return normals, slacks - normals @ mean, mean, factor, white, slacks


def nearest_to_zero(white, slacks):
    """The point of {white w + slacks >= 0} nearest 0, by least squares without negative signs
    [Lawson and Hanson 1974, LDP]."""
    size = white.shape[1]
    matrix, target = np.vstack([white.T, -slacks]), np.append(np.zeros(size), 1.0)
    left = matrix @ nnls(matrix, target)[0] - target
    return -left[:size] / left[size]


@pytest.mark.parametrize("name", POLYHEDRA)
def test_reference_accepts_on_polyhedra(name):
    """draw_on_polyhedron, without chance: proposals from N(w°, I), w° the nearest point, accepted
    inside with probability proportional to N(w; 0, I) / N(w; w°, I), 1e-9, and never outside."""
    normals, offsets, mean, factor, white, slacks = polyhedron(name)
    start = nearest_to_zero(white, slacks)
    steps = 1.5 * np.random.default_rng(8).standard_normal((400, len(mean)))
    inside = np.all(white @ (start + steps).T + slacks[:, None] > 0, axis=0)
    assert np.sum(inside) >= 10
    safe = steps[inside][0]
    places = mean + (start + steps) @ factor.T

    def accepted(i, v):
        drawn = draw_on_polyhedron(
            normals, offsets, mean, factor @ factor.T, Scripted([v], steps[i], safe)
        )
        first = np.allclose(drawn, places[i], rtol=0, atol=1e-8)
        assert first or np.allclose(drawn, mean + factor @ (start + safe), rtol=0, atol=1e-8)
        return first

    for i in np.flatnonzero(inside)[1:8]:
        ratio = np.exp(-start @ steps[i])
        assert threshold(lambda v, i=i: accepted(i, v)) == pytest.approx(ratio, rel=1e-7, abs=1e-16)
    for i in np.flatnonzero(~inside)[:50]:
        assert not accepted(i, 1e-300)


def test_reference_gives_up_where_nothing_lands(monkeypatch):
    """Between planes 1e-30 apart: named, and not for ever."""
    monkeypatch.setattr(sampling, "_MOST_ROUNDS", 20)
    rng = np.random.default_rng(3)
    planes, apart = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.0, 1e-30])
    with pytest.raises(OutsideValidity, match="no proposal of ten million fell on the polyhedron"):
        draw_on_polyhedron(planes, apart, np.zeros(2), np.eye(2), rng)


def check_reference_polyhedron(name, n):
    """draw_on_polyhedron along every axis and across. Returns the weakest power."""
    normals, offsets, mean, factor, white, slacks = polyhedron(name)
    rng, cov = np.random.default_rng(9), factor @ factor.T
    draws = np.array([draw_on_polyhedron(normals, offsets, mean, cov, rng) for _ in range(n)])
    standard = np.linalg.solve(factor, (draws - mean).T).T
    assert np.all(standard @ white.T + slacks > -1e-9)
    size, powers = len(mean), []
    for direction in (*np.eye(size), np.ones(size) / np.sqrt(size)):
        law, what = polyhedron_marginal(white, slacks, direction), f"reference, {name}"
        powers.append(check_draws(standard @ direction, law, what))
        check_independent(standard @ direction, law, what)
    return [max(values) for values in zip(*powers, strict=True)]


def test_a_sliver_that_rounding_closes():
    """Seen from the mean, at 1, the slab between 0 and 1e-20 is empty: it is refused."""
    slab = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.0, 1e-20])
    with pytest.raises(OutsideValidity, match="draws: in standard deviations rounding leaves no"):
        sampling.draw_on_polyhedron(*slab, np.array([1.0, 0.0]), np.eye(2), None)


@pytest.mark.parametrize("name", POLYHEDRA)
def test_reference_polyhedra(name, monkeypatch):
    """1,000 draws: sees shares wrong by 0.16; the test before this one sees 1e-7. The nearest point
    is the same for all of them: looked for once."""
    normals, _, mean, factor, _, slacks = polyhedron(name)
    size = len(mean)
    white = polyhedron_of(normals @ factor, slacks)
    once = sampling.minimiser(white, np.eye(size), np.zeros(size))
    monkeypatch.setattr(sampling, "minimiser", lambda *_: once)
    assert check_reference_polyhedron(name, 1_000)[0] < 0.16


@pytest.mark.deep
@pytest.mark.parametrize("name", POLYHEDRA)
def test_reference_polyhedra_long(name):
    assert check_reference_polyhedron(name, 100_000)[0] < 0.0165


# Deliberate defects, and the tests that see them


def _sampling(function, replaced, by):
    return Mutant(f"{replaced} -> {by}", "fast", "integration.draws", function, replaced, by, "")


def _simplex(function, replaced, by):
    return Mutant(
        f"{replaced} -> {by}", "fast", "integration.simplex_draws", function, replaced, by, ""
    )


def _reference(function, replaced, by):
    return Mutant(
        f"{replaced} -> {by}", "reference", "integration.draws", function, replaced, by, ""
    )


def only(*wanted):
    """Some intervals by few draws."""
    return lambda: check_intervals(sample_interval, list(wanted), 50_000)


def plane():
    check_simplices(2, 20_000)


def exactly():
    test_reference_accepts_in_proportion_to_the_density(ENDS[0])


WHOLE, FAR, LONG = (0.0, INF, INF), (5.0, 0.0, INF), (0.7, 0.0, 9.0)
#: (where, what, by what, the check that must fail).
DEFECTS = [
    (_sampling, "_one_sided", "(rate - distance)[todo] * s", "0.9 * s", only(WHOLE)),
    (_sampling, "_one_sided", "- 0.5 * s * s", "- 0.47 * s * s", only(WHOLE)),
    (_sampling, "_one_sided", "- ceiling[todo]", "", only(WHOLE)),
    (_sampling, "_one_sided", "np.minimum(rate - distance, width)", "width", only(LONG)),
    (_sampling, "_one_sided", "< np.exp(log_ratio)", "< 2", only(FAR)),
    (_sampling, "sample_interval", "< mass_below", "> mass_below", only((0.0, 0.3, 2.0))),
    (_sampling, "sample_interval", "np.where(downwards, -draws, draws)", "draws", only(WHOLE)),
    (
        _sampling,
        "sample_interval",
        "rng.random(len(distance))",
        "np.repeat(rng.random(len(distance) // 2), 2)",
        only(WHOLE),
    ),
    (
        _sampling,
        "_truncated_exponential",
        "depth < _FLAT",
        "depth < 1e-2",
        lambda: test_truncated_exponential(1e-12, 0.3),
    ),
    (_simplex, "sample_simplices", "-0.5 * cross", "-0.45 * cross", plane),
    (_simplex, "sample_simplices", "<= 1.0", "<= 0.99", plane),
    (_simplex, "sample_simplices", "rng.random(todo.size)", "draws[:, 0] % 1", plane),
    (
        _simplex,
        "_independent",
        "np.abs(distance + peak)",
        "np.abs(distance)",
        lambda: check_simplices(1, 50_000),
    ),
    (_reference, "draw_on_interval", "0.5 * s**2", "0.49 * s**2", exactly),
    (_reference, "draw_on_interval", "82.0 / (", "40.0 / (", exactly),
    (
        _reference,
        "draw_on_polyhedron",
        "-steps @ nearest",
        "-0.99 * steps @ nearest",
        lambda: test_reference_accepts_on_polyhedra("half-plane at 10"),
    ),
]


@pytest.mark.parametrize(
    ("kind", "function", "replaced", "by", "check"), DEFECTS, ids=[d[2] for d in DEFECTS]
)
def test_defects_are_seen(kind, function, replaced, by, check):
    """In force, each makes its check fail; the checks pass without it, above."""
    with uncounted(), applied(kind(function, replaced, by)), pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("by", ["starts - 1, ends - 2", "starts, ends"])
def test_a_simplex_beside_the_chosen_one_is_seen(by):
    defect = Mutant(by, "fast", "integration.simplex_draws", "_chosen", "starts, ends - 1", by, "")
    with uncounted(), applied(defect), pytest.raises((AssertionError, IndexError)):
        test_chosen(1)
