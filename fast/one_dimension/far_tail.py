"""Differences of log p(x, z) between regions, accurate in the far tail.

Far from the manifold every region's log p(x, z) is a large negative number, and what decides the
regions' shares is a small difference of two. Along the latent line the difference is a sum of small
terms instead: log p(x, z) is quadratic on a region, so between its ends, at l and u in units of σ_ω
from μ_ω(x), it changes by -(u - l)(u + l)/2. The rounding is then ε times what was climbed and
descended on the way, not ε |log p(x, z)|.

But where the image is so steep that a double hardly tells where it bends, a region's width has few
digits, and regions beyond it are compared better without what lies between: by their own images, of
which the difference does not involve x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.model import Array, Indices


class Line(NamedTuple):
    """The regions from left to right, lengths in units of σ_ω, and what rounding does, in ε."""

    lower: Array  # (n, R): the regions' ends from μ_ω(x)
    upper: Array  # (n, R)
    widths: Array  # (R,)
    loose: Array  # (R,): how far off the widths are
    errors: Array  # (R-1,): how far off the images of the breakpoints are, whitened


class Direct(NamedTuple):
    """Differences of log p(x, peak) that know nothing of the regions between."""

    less: Callable[[Indices, Indices, Indices], Array]  # of rows, a region and another, (k,) each
    doubts: Array  # (n, R): what rounding does to each, less the row's largest, in ε


def relative_peaks(
    line: Line, anchor: NDArray[np.intp], rise: Array, fall: Array, direct: Direct
) -> Array:
    """Each region's log p(x, peak) minus the largest of them, (n, R), rows of at least two regions.

    anchor (n, R): the breakpoint next to the region's peak; rise (n, R): log p(x, peak) above that
    breakpoint's. fall (n, R): -log p(x, peak) up to a constant, from residuals, at least 0. Of the
    ways the one on which rounding does least; plain differences of `fall` do where images decide.
    Guarded by tests/distributions/test_far_tails.py.
    """
    inner, top = slice(1, -1), fall.argmin(axis=1)[:, None]
    slopes = 0.5 * (line.lower[:, inner] + line.upper[:, inner])
    steps = -slopes * line.widths[inner]
    start = np.take_along_axis(anchor, top, axis=1)
    ahead = np.arange(steps.shape[1]) >= start
    height = _outwards(steps, ahead, -1.0)
    climbed = np.take_along_axis(height, anchor, axis=1) + rise
    climbed -= np.take_along_axis(climbed, top, axis=1)
    # What rounding does to ends cancels in part between neighbours: of these the largest counts.
    ends = np.maximum(line.errors[:-1], line.errors[1:]) * line.widths[inner]
    with np.errstate(over="ignore"):
        off = np.maximum(np.abs(slopes) * line.loose[inner], ends)
    doubts = _outwards(np.abs(steps), ahead, 1.0) + _outwards(off, ahead, 1.0, np.maximum)
    doubts = np.take_along_axis(doubts, anchor, axis=1) + rise
    doubts += np.take_along_axis(rise, top, axis=1)
    apart, least = doubts > direct.doubts, np.take_along_axis(fall, top, axis=1)
    relative = np.where(apart, least - fall, climbed)
    row, region = np.nonzero(apart & (fall + least > direct.doubts))
    relative[row, region] = direct.less(row, region, top[row, 0])
    return relative


def _outwards(
    steps: Array, ahead: NDArray[np.bool_], sign: float, together: np.ufunc = np.add
) -> Array:
    """Sums, or what else is made of them `together`, of the steps between breakpoints from a row's
    start, (n, K): to the right where `ahead`, to the left, times `sign`, elsewhere."""
    total = np.zeros((len(steps), steps.shape[1] + 1))
    total[:, 1:] = together.accumulate(np.where(ahead, steps, 0.0), axis=1)
    before = np.where(ahead, 0.0, steps)[:, ::-1]
    total[:, :-1] += sign * together.accumulate(before, axis=1)[:, ::-1]
    return total
