"""Draws against exact laws: binomial tests of shares, moments with exact variances, independence.

Every comparison raises a false alarm with probability ALARM, and `false_alarms` asserts what those
of a file add up to. Binomial limits are exact. Means are compared as Gaussians, whose tail at 7
deviations is out by a factor of exp(γ 7³ / (6 √n)) for a skewness γ: with 10^5 draws 1.5 for the
means here, and 4 for the squares, in less than a tenth of all comparisons.
"""

from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special, stats

#: Probability that a correct sampler fails one comparison, and that a discrepancy of the size that
#: is called detectable is missed.
ALARM, MISS = 2e-12, 1e-3
Z_SCORE = -special.ndtri(ALARM / 2)
#: What a mean may be off by in standard errors before it is seen for all but MISS.
Z_POWER = Z_SCORE - special.ndtri(MISS)
_TAIL = [1e-4, 1e-3, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.4, 0.47]
LEVELS = np.array(_TAIL + [1 - level for level in reversed(_TAIL)])
QUARTILES = np.array([0.25, 0.5, 0.75])

_made = [0]


@contextmanager
def false_alarms(most):
    """Asserts that what is compared inside raises a false alarm with at most this probability."""
    before = _made[0]
    yield
    assert (_made[0] - before) * ALARM <= most


@contextmanager
def uncounted():
    """For deliberate defects: what they fail is no false alarm."""
    before = _made[0]
    yield
    _made[0] = before


class Power(NamedTuple):
    """The smallest discrepancies that are missed with probability MISS at most: of any share, of
    the outermost shares as multiples of them, and of the mean in standard deviations."""

    share: float
    tail: float
    mean: float


@cache
def _limits(trials, share):
    """The least and the largest count that pass."""
    return stats.binom.ppf(ALARM / 2, trials, share), stats.binom.isf(ALARM / 2, trials, share)


@cache
def detectable(trials, share):
    """The nearest shares above and below that are told from `share` for all but MISS; 0 where even
    none at all would not be seen."""
    low, high = _limits(trials, share)
    above = special.betaincinv(high + 1, trials - high, 1 - MISS) if high < trials else 1.0
    below = special.betaincinv(low, trials - low + 1, MISS) if low > 0 else 0.0
    return above, below


def check_shares(counts, trials, shares, what):
    """Counts of independent trials against exact probabilities, each a binomial test."""
    counts, shares = np.broadcast_arrays(counts, np.clip(shares, 0.0, 1.0))
    _made[0] += counts.size
    for place in np.ndindex(counts.shape):
        low, high = _limits(trials, float(shares[place]))
        expected = trials * shares[place]
        assert low <= counts[place] <= high, f"{what}: {counts[place]} of {expected:.6g} at {place}"


def check_mean(values, mean, deviation, what):
    """The mean of independent values (n,) against the exact one, with the exact deviation."""
    _made[0] += 1
    score = (values.mean() - mean) / deviation * np.sqrt(len(values))
    assert abs(score) < Z_SCORE, f"{what}: the mean of draws is {score:.1f} standard errors off"


def check_draws(draws, law, what, levels=LEVELS):
    """Shares below quantiles, mean and variance of draws (n,). Returns the power."""
    n = len(draws)
    points = law.quantiles(levels)
    shares = law.share(points)
    cells = np.bincount(np.searchsorted(points, draws), minlength=len(points) + 1)
    check_shares(np.cumsum(cells)[:-1], n, shares, f"{what}, draws below a quantile")
    mean, variance, fourth = law.moments
    check_mean(draws, mean, np.sqrt(variance), what)
    deviation = np.sqrt(fourth - variance**2)
    check_mean((draws - mean) ** 2, variance, deviation, f"{what}, squares")
    found = [detectable(n, float(p)) for p in shares]
    outermost = max(found[0][0] / shares[0], (1 - found[-1][1]) / (1 - shares[-1]))
    return Power(
        max(max(a - p, p - b) for p, (a, b) in zip(shares, found, strict=True)),
        outermost,
        Z_POWER / np.sqrt(n),
    )


def check_pairs(one, other, laws, what):
    """Draws (n,) of two independent numbers: all 16 pairs of quartiles, each a binomial test."""
    cells, shares = [], []
    for draws, law in zip((one, other), laws, strict=True):
        points = law.quantiles(QUARTILES)
        cells.append(np.searchsorted(points, draws))
        shares.append(np.diff(law.share(points), prepend=0.0, append=1.0))
    counts = np.bincount(4 * cells[0] + cells[1], minlength=16).reshape(4, 4)
    check_shares(counts, len(one), np.outer(*shares), f"{what}, pairs of draws")


def check_independent(draws, law, what):
    """Each draw (n,) and the next one, and the one half of all further on."""
    half = len(draws) // 2
    for lag in (1, half):
        start = 2 * np.arange((len(draws) - lag) // 2) if lag == 1 else np.arange(half)
        pairs = draws[start], draws[start + lag]
        check_pairs(*pairs, (law, law), f"{what}, {lag} apart")
