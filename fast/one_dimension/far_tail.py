"""Differences of log p(x, z) between regions, accurate in the far tail.

Far from the manifold every region's log p(x, z) is a large negative number, and what decides the
regions' shares is a small difference of two. Along the latent line the difference is a sum of small
terms instead: log p(x, z) is quadratic on a region, so between its ends, at l and u in units of σ_ω
from μ_ω(x), it changes by -(u - l)(u + l)/2. The rounding is then ε times what was climbed and
descended on the way, not ε |log p(x, z)|.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference.model import Array


def relative_peaks(
    lower: Array, upper: Array, widths: Array, anchor: NDArray[np.intp], rise: Array, fall: Array
) -> Array:
    """Each region's log p(x, peak) minus the largest of them, (n, R), rows of at least two regions.

    lower, upper (n, R): the regions' ends, widths (R,) their distance, in units of σ_ω from μ_ω(x).
    anchor (n, R): the breakpoint next to the region's peak; rise (n, R): log p(x, peak) above that
    breakpoint's. fall (n, R): -log p(x, peak) up to a constant, from residuals, at least 0: its
    plain differences are used where they are the more accurate. Guarded by
    tests/distributions/test_far_tails.py.
    """
    steps = -0.5 * widths[1:-1] * (lower[:, 1:-1] + upper[:, 1:-1])
    best = fall.argmin(axis=1)[:, None]
    start = np.take_along_axis(anchor, best, axis=1)
    ahead = np.arange(steps.shape[1]) >= start
    height = _outwards(steps, ahead, -1.0)
    travel = _outwards(np.abs(steps), ahead, 1.0)
    climbed = np.take_along_axis(height, anchor, axis=1) + rise
    climbed -= np.take_along_axis(climbed, best, axis=1)
    travelled = np.take_along_axis(travel, anchor, axis=1) + rise
    travelled += np.take_along_axis(rise, best, axis=1)
    least = np.take_along_axis(fall, best, axis=1)
    return np.where(travelled < fall + least, climbed, least - fall)


def _outwards(steps: Array, ahead: NDArray[np.bool_], sign: float) -> Array:
    """Sums of the steps between breakpoints from a row's start, (n, K): to the right where `ahead`,
    to the left, times `sign`, elsewhere."""
    total = np.zeros((len(steps), steps.shape[1] + 1))
    total[:, 1:] = np.where(ahead, steps, 0.0).cumsum(axis=1)
    total[:, :-1] += sign * np.where(ahead, 0.0, steps)[:, ::-1].cumsum(axis=1)[:, ::-1]
    return total
