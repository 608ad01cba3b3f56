"""Tests that hold exactly for exact draws: ranks and signs, judged by binomial tails alone.

Each is a set of counts of independent events of known probability. Their tails are exact at any
sample size, so a false-alarm rate of 1e-12 means what it says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from oracle.exact.number_types import Array

#: Draws against which a rank is taken.
DRAWS = 19


def p_value_of_ranks(ranks: NDArray[np.int64], levels: int) -> float:
    """That ranks (M,) are uniform on 0 .. levels - 1: each cumulative count is binomial; the
    smallest of their two-sided tails, times how many there are."""
    total = len(ranks)
    tails = [_two_sided(int(np.sum(ranks < k)), total, k / levels) for k in range(1, levels)]
    return float(min(1.0, (levels - 1) * min(tails)))


def p_value_of_signs(one: Array, other: Array) -> float:
    """That independent pairs (M,) have one distribution: each is larger half of the time; ties
    count for neither."""
    more, less = int(np.sum(one > other)), int(np.sum(one < other))
    return _two_sided(more, more + less, 0.5) if more + less else 1.0


def _two_sided(count: int, total: int, probability: float) -> float:
    """Twice the smaller tail of a binomial count, 1 at most."""
    low = stats.binom.cdf(count, total, probability)
    high = stats.binom.sf(count - 1, total, probability)
    return float(min(1.0, 2 * min(low, high)))


def ranks_of(value: Array, draws: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """The rank of each value (M,) among its draws (M, L), ties broken at random."""
    below = np.sum(draws < value[:, None], axis=1)
    ties = np.sum(draws == value[:, None], axis=1)
    return np.asarray(below + rng.integers(0, ties + 1))


def detectable_shift(total: int, rate: float) -> float:
    """The difference of a probability from 1/2 that `p_value_of_signs` finds nine times in ten at
    this rate."""
    needed = stats.binom.isf(rate / 2, total, 0.5)
    shifts = np.linspace(0.0, 0.5, 501)
    found = stats.binom.sf(needed, total, 0.5 + shifts) >= 0.9
    return float(shifts[np.argmax(found)]) if found.any() else 0.5
