"""Mass and first two moments of a Gaussian on an interval, in the log domain, however far out
[eq. 7, Lemma 4, Appendix B, for S = 1].

Method. Let t0 be the point of the interval nearest the mean (whitened units). The integrand
relative to its value at t0 is exp(-d s - s²/2), with d = |t0| and s the distance from t0. That has
no scale but its own, so one Gauss-Legendre rule on [0, min(width, reach)] resolves it, where reach
= 2T / (d + sqrt(d² + 2T)) is where it has fallen to exp(-T). With T = 41 the part left out is below
2e-18 of the whole, and 26 nodes leave less than 1e-14, fewer where the width lets it fall less
(measured against 40-digit quadrature over d in 0..1e4 and widths in 1e-8..inf; guarded by
tests/integration/test_gaussian.py). Nothing is subtracted, so nothing cancels: differences of
log-CDFs lose up to 3e-6 on narrow intervals, this does not. An interval that holds the mean is the
union of two such pieces with d = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fast.integration.draws import sample_interval
from fast.integration.gauss_legendre import legendre_rule
from fast.polyhedra.chunks import chunks
from reference.model import Array, Mask

LOG_2PI = float(np.log(2 * np.pi))
# The integrand is followed until it has fallen to exp(-41) = 2e-18 of its largest value.
_FALL = 41.0
# 260 kB of them stay in the processor's cache.
_EXPONENTS_PER_CHUNK = 1 << 15
# An integrand that falls by exp(-2) or exp(-8) at most is resolved by 11 or 15 nodes (4e-16),
# which most intervals of a network are; any other by 26 (7e-15).
_FALLS = (2.0, 8.0)
_NODES = (11, 15, 26)


class _Rule(NamedTuple):
    """A Gauss-Legendre rule of n nodes s on [0, 1]."""

    exponents: Array  # (2, n): of exp(-distance s - s²/2), for lengths 1
    powers: Array  # (3, n): weights times s^k, k = 0, 1, 2


def _rule(n: int) -> _Rule:
    """That of n nodes."""
    nodes, weights = legendre_rule(n)
    return _Rule(
        exponents=np.stack([-nodes, -0.5 * nodes**2]),
        powers=weights * np.stack([np.ones(n), nodes, nodes**2]),
    )


_RULES = tuple(_rule(n) for n in _NODES)


class IntervalMoments(NamedTuple):
    """A standard normal restricted to intervals, all in whitened units.

    nearest: the point t0 of the interval nearest 0. log_mass: log ∫ exp((t0² - t²)/2) dt. shift:
    mean minus t0. variance: of the restricted distribution.
    """

    nearest: Array
    log_mass: Array
    shift: Array
    variance: Array


def _pieces(distance: Array, width: Array) -> tuple[Array, Array]:
    """∫_0^r (s/r)^k exp(-distance s - s²/2) ds / r for k = 0, 1, 2, (3, n), and r (n,): how far the
    integrand reaches within the width. distance >= 0, width > 0."""
    reach = 2 * _FALL / (distance + np.sqrt(distance * distance + 2 * _FALL))
    reach = np.minimum(reach, width)
    scales = np.stack([distance * reach, reach * reach])
    rules = np.searchsorted(_FALLS, scales[0] + 0.5 * scales[1])
    sums = np.empty((3, len(reach)))
    for i, rule in enumerate(_RULES):
        mine = np.flatnonzero(rules == i)
        for part in chunks(len(mine), _EXPONENTS_PER_CHUNK, _NODES[i]):
            rows = mine[part]
            exponents = scales[:, rows].T @ rule.exponents
            sums[:, rows] = rule.powers @ np.exp(exponents, out=exponents).T
    return sums, reach


def interval_moments(lower: Array, upper: Array, width: Array) -> IntervalMoments:
    """Mass and moments of N(0, 1) on [lower, upper], flat arrays of one length [Appendix B].

    width: upper - lower, computed by the caller without the cancellation that difference would
    suffer on narrow intervals; not negative. lower may be -inf, upper inf. An interval of width 0
    has a log_mass of -inf, a shift of 0 and a variance of 0. Accuracy: 1e-14 (log_mass absolute,
    shift in standard deviations, variance relative). Guarded by
    tests/integration/test_gaussian.py and, for width 0, tests/distributions/test_thin_regions.py.
    """
    nearest = np.where(lower >= 0, lower, np.minimum(upper, 0.0))
    both = np.nonzero((lower < 0) & (upper > 0))[0]
    low, high = -lower[both], upper[both]
    # Of an interval that holds 0, the distance to the nearer end is accurate; the width gives the
    # other (the two would not add up to a narrow width).
    near = np.minimum(np.minimum(low, high), width[both])
    far = np.full_like(near, np.inf)
    np.subtract(width[both], near, out=far, where=near < np.inf)
    below, above = np.where(low <= high, [near, far], [far, near])
    one_width = width.copy()
    one_width[both] = above
    sums, unit = _pieces(np.abs(nearest), one_width)
    np.negative(sums[1], out=sums[1], where=upper <= 0)
    if both.size:
        # Add the piece below, in units of the longer of the two (squares of lengths underflow).
        sums_below, reach_below = _pieces(np.zeros_like(below), below)
        longer = np.maximum(unit[both], reach_below)
        scale = np.where(longer > 0, longer, 1.0)  # of no width, both are 0
        powers, signs = np.arange(1, 4)[:, None], np.array([[1.0], [-1.0], [1.0]])
        sums[:, both] *= np.where(longer > 0, unit[both] / scale, 1.0) ** powers
        sums[:, both] += signs * sums_below * (reach_below / scale) ** powers
        unit[both] = longer
    mass = sums[0]
    shift = sums[1] / mass
    variance = sums[2] / mass - shift * shift
    with np.errstate(divide="ignore"):
        log_mass = np.log(mass * unit)
    return IntervalMoments(nearest, log_mass, unit * shift, unit * unit * variance)


@dataclass(frozen=True, eq=False)
class OnInterval:
    """N(centres (M,), scale²) on an interval with an interior, whose ends may be infinite."""

    lower: float
    upper: float
    width: float  # known better than from the ends
    centres: Array
    scale: float

    def moments(self) -> tuple[Array, Array, Array, Array]:
        """Log mass, mean, variance and entropy (M,). Accuracy: 3e-14 of the log mass and 1e-13 of
        the others, in truncated standard deviations."""
        lower, upper, scale = self.lower, self.upper, self.scale
        found = interval_moments(
            (lower - self.centres) / scale,
            (upper - self.centres) / scale,
            np.full(len(self.centres), self.width / scale),
        )
        log_mass = found.log_mass - 0.5 * found.nearest**2 - 0.5 * LOG_2PI
        entropy = found.log_mass + np.log(scale) + np.abs(found.nearest * found.shift)
        entropy += 0.5 * (found.shift**2 + found.variance)
        # Start from the end itself where that is nearest: subtracting the mean to add it back
        # rounds.
        mean = self._peaks() + scale * found.shift
        return log_mass, mean, scale * scale * found.variance, entropy

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """So many independent draws from each, (M, size, 1)."""
        peak, centre = (np.repeat(z, size) for z in (self._peaks(), self.centres))
        distance = np.abs(peak - centre) / self.scale
        below, above = (peak - self.lower) / self.scale, (self.upper - peak) / self.scale
        draws = peak + self.scale * sample_interval(distance, below, above, rng)
        return np.clip(draws, self.lower, self.upper).reshape(-1, size, 1)

    def _peaks(self) -> Array:
        """Where each density is largest."""
        return np.clip(self.centres, self.lower, self.upper)


def interval(normals: Array, offsets: Array) -> tuple[float, float, float]:
    """Ends and width of {z : normals z + offsets > 0}, all (F,), each rounded once.

    The ends of a narrow one may be the same double. Without an interior the width is 0 or less.
    Raises ArithmeticError where the interval lies beyond the largest double.
    """
    flat = normals == 0
    if np.any(offsets[flat] <= 0):
        return np.inf, -np.inf, -np.inf
    normals, offsets = normals[~flat], offsets[~flat]
    with np.errstate(over="ignore"):
        ends = -offsets / normals
    rising = normals > 0
    lower = float(np.max(ends[rising], initial=-np.inf))
    upper = float(np.min(ends[~rising], initial=np.inf))
    if lower == upper and np.isinf(lower):
        raise ArithmeticError("offsets: a half-space is farther away than the largest double")
    if np.isinf(lower) or np.isinf(upper):
        return lower, upper, upper - lower
    # Rounding keeps the order: the largest end is one of those that round to the largest.
    exact = max(_quotients(offsets, normals, rising & (ends == lower)))
    width = min(_quotients(offsets, normals, ~rising & (ends == upper))) - exact
    return lower, upper, float(min(width, Fraction(np.finfo(np.float64).max)))


def _quotients(offsets: Array, normals: Array, chosen: Mask) -> list[Fraction]:
    """The ends of these half-spaces as rational numbers."""
    return [
        -Fraction(offset) / Fraction(normal)
        for offset, normal in zip(offsets[chosen].tolist(), normals[chosen].tolist(), strict=True)
    ]
