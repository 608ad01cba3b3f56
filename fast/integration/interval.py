"""Mass and first two moments of a Gaussian on an interval, in the log domain, however far out
[eq. 7, Lemma 4, Appendix B, for S = 1].

Method. Let t0 be the point of the interval nearest the mean (whitened units). The integrand
relative to its value at t0 is exp(-d s - s²/2), with d = |t0| and s the distance from t0. That has
no scale but its own, so one Gauss-Legendre rule on [0, min(width, reach)] resolves it, where reach
= 2T / (d + sqrt(d² + 2T)) is where it has fallen to exp(-T). With T = 41 the part left out is below
2e-18 of the whole, and 26 nodes leave less than 1e-14 (measured against 40-digit quadrature over d
in 0..1e4 and widths in 1e-8..inf; guarded by tests/integration/test_gaussian.py). Nothing is
subtracted, so nothing cancels: differences of log-CDFs lose up to 3e-6 on narrow intervals, this
does not. An interval that holds the mean is the union of two such pieces with d = 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.integration.gauss_legendre import legendre_rule
from reference.model import Array

LOG_2PI = float(np.log(2 * np.pi))
# The integrand is followed until it has fallen to exp(-41) = 2e-18 of its largest value.
_FALL = 41.0
_NODES, _WEIGHTS = legendre_rule(26)
_EXPONENTS = np.stack([-_NODES, -0.5 * _NODES**2])
_POWERS = _WEIGHTS * np.stack([np.ones(26), _NODES, _NODES**2])


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
    exponents = np.stack([distance * reach, reach * reach]).T @ _EXPONENTS
    return _POWERS @ np.exp(exponents, out=exponents).T, reach


def interval_moments(lower: Array, upper: Array, width: Array) -> IntervalMoments:
    """Mass and moments of N(0, 1) on [lower, upper], flat arrays of one length [Appendix B].

    width: upper - lower, computed by the caller without the cancellation that difference would
    suffer on narrow intervals; positive. lower may be -inf, upper inf. Accuracy: 1e-14 (log_mass
    absolute, shift in standard deviations, variance relative).
    """
    nearest = np.where(lower >= 0, lower, np.minimum(upper, 0.0))
    both = np.nonzero((lower < 0) & (upper > 0))[0]
    low, high = -lower[both], upper[both]
    # Of an interval that holds 0, the distance to the nearer end is accurate; the width gives the
    # other (the two would not add up to a narrow width).
    near = np.minimum(low, high)
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
        powers, signs = np.arange(1, 4)[:, None], np.array([[1.0], [-1.0], [1.0]])
        sums[:, both] *= (unit[both] / longer) ** powers
        sums[:, both] += signs * sums_below * (reach_below / longer) ** powers
        unit[both] = longer
    mass = sums[0]
    shift = sums[1] / mass
    variance = sums[2] / mass - shift * shift
    return IntervalMoments(nearest, np.log(mass * unit), unit * shift, unit * unit * variance)


def gaussian_on_interval(
    normals: Array, offsets: Array, centres: Array, scale: float
) -> tuple[Array, Array, Array]:
    """Log mass, mean and variance (M,) of N(centres, scale²) where normals z + offsets > 0, all
    (F,). Raises ArithmeticError where a result is no double."""
    lower, upper = _interval(normals, offsets)
    count = len(centres)
    if lower == upper and np.isinf(lower):
        raise ArithmeticError("offsets: a half-space is farther away than the largest double")
    if not lower < upper:
        return np.full(count, -np.inf), np.full(count, np.nan), np.full(count, np.nan)
    # What overflows shows in the result.
    with np.errstate(all="ignore"):
        moments = interval_moments(
            (lower - centres) / scale,
            (upper - centres) / scale,
            np.full(count, (upper - lower) / scale),
        )
        log_mass = moments.log_mass - 0.5 * moments.nearest**2 - 0.5 * LOG_2PI
        # Start from the end itself where that is nearest: subtracting the mean to add it back
        # rounds.
        mean = np.clip(centres, lower, upper) + scale * moments.shift
        variance = scale * scale * moments.variance
    finite = np.isfinite(log_mass) & np.isfinite(mean) & np.isfinite(variance)
    if not np.all(finite):
        raise ArithmeticError(
            f"means: the moments for row {np.argmin(finite)} are beyond the range of doubles"
        )
    return log_mass, mean, variance


def _interval(normals: Array, offsets: Array) -> tuple[float, float]:
    """The interval {z : normals z + offsets > 0}; lower >= upper where it is empty."""
    flat = normals == 0
    if np.any(offsets[flat] <= 0):
        return np.inf, -np.inf
    with np.errstate(over="ignore"):
        ends = -offsets[~flat] / normals[~flat]
    rising = normals[~flat] > 0
    return float(np.max(ends[rising], initial=-np.inf)), float(
        np.min(ends[~rising], initial=np.inf)
    )
