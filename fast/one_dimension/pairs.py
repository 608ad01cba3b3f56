"""The truncated Gaussian of every (datum, region) pair, for S = 1 [Theorem 1, Proposition 2, eq. 5,
6, 7].

On a region log p(x, z) is a concave quadratic in z. Everything is computed from its value and its
slope at the region's ends, where neighbouring regions share g(z): with e = y(x) - y(g(a)) at a
breakpoint a, the slope is A_ωᵀ e - a/σz². The end's position relative to μ_ω(x), in units of the
region's standard deviation σ_ω = (1/σz² + A_ωᵀ A_ω)^{-1/2}, is minus σ_ω times that slope. No large
numbers are subtracted, so log p(x) = -1e6 costs no digits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from fast.distributions.observation import refuse_above_ceiling
from fast.integration.interval import interval_moments
from fast.one_dimension.far_tail import Direct, Line, relative_peaks
from fast.one_dimension.geometry import IntervalGeometry
from reference.model import Array, Indices

# Twice -log p(x, z) past which plain differences of it would cost more than 1e-14 in a share.
_FAR_TAIL = 20.0


@dataclass(frozen=True)
class PairTable:
    """What the posterior of N data is made of: one row a datum, one column a region."""

    log_evidence: Array  # (N,): log p(x)
    above: Array  # (N,): log p(x) less the largest log p(x, z)
    log_e0: Array  # (N, R): log P(z in ω | x)
    peak: Array  # (N, R): the point of the closed region where p(x, z) is largest
    relative_peak: Array  # (N, R): log p(x, z) there, minus the largest over regions
    mean: Array  # (N, R): of z given x and z in ω
    variance: Array  # (N, R): of the same
    entropy: Array  # (N, R): of the same, nats

    @staticmethod
    def joined(parts: list[PairTable]) -> PairTable:
        """Chunks of data, one after another."""
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(PairTable)]
        return PairTable(
            **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        )

    @property
    def reference(self) -> tuple[Indices, Array]:
        """Where p(x, z) is largest: in which region and at which z, (N, 1)."""
        best = self.relative_peak.argmax(axis=1)[:, None]
        return best, np.take_along_axis(self.peak, best, axis=1)


class _Ends(NamedTuple):
    """The regions' ends relative to μ_ω(x), in units of σ_ω."""

    lower: Array  # (N, R): -inf for the first region
    upper: Array  # (N, R): inf for the last region
    widths: Array  # (R,): upper - lower, computed without that difference


class _Peaks(NamedTuple):
    """Where p(x, z) is largest on each closed region: at an end, or at μ_ω(x) inside."""

    place: Array  # (N, R): z there
    square: Array  # (N, R): twice -log p(x, z) there, up to a constant
    anchor: Indices  # (N, R): the anchor next to it
    rise: Array  # (N, R): log p(x, z) there above that at the anchor
    step: Array  # (N, R): z there less the anchor; in a wide region, inside it, z itself

    def at(self, rows: Indices) -> _Peaks:
        """Some data."""
        return _Peaks(
            place=self.place[rows],
            square=self.square[rows],
            anchor=self.anchor[rows],
            rise=self.rise[rows],
            step=self.step[rows],
        )


def pairs_of(geometry: IntervalGeometry, y: Array, rest: Array) -> PairTable:
    """All (datum, region) pairs of one chunk, y (N, r), rest (N,)."""
    scales, n_regions = geometry.scales, len(geometry.scales)
    error = y[:, None, :] - geometry.images  # (N, K, r)
    ends = _ends(geometry, error)
    lower = ends.lower
    widths = np.broadcast_to(ends.widths, lower.shape).ravel()
    moments = interval_moments(lower.ravel(), ends.upper.ravel(), widths)
    nearest, log_mass, shift, variance = (m.reshape(lower.shape) for m in moments)
    peaks = _peaks(geometry, y, rest, error, ends)

    square = peaks.square
    least = square.min(axis=1)
    relative = 0.5 * (least[:, None] - square)
    far = np.flatnonzero(least > _FAR_TAIL)
    if n_regions > 1 and len(far):
        at = peaks.at(far)
        distance = np.sqrt(np.maximum(at.square - rest[far, None], 0.0))
        relative[far] = relative_peaks(
            Line(
                lower=lower[far],
                upper=ends.upper[far],
                widths=ends.widths,
                loose=geometry.loose,
                errors=geometry.image_errors,
            ),
            anchor=at.anchor,
            rise=at.rise,
            fall=0.5 * at.square,
            direct=_direct(geometry, y[far], at, distance),
        )
    log_volume = log_mass + np.log(scales)  # -inf where a region has no width
    log_total, log_e0 = normalised(relative + log_volume)
    log_evidence = geometry.log_constant - 0.5 * least + log_total
    refuse_above_ceiling(log_evidence, geometry.coordinates.noise)
    return PairTable(
        log_evidence=log_evidence,
        above=log_total,
        log_e0=log_e0,
        peak=peaks.place,
        relative_peak=relative,
        mean=peaks.place + scales * shift,
        variance=scales * scales * variance,
        entropy=log_volume + np.abs(nearest * shift) + 0.5 * (shift * shift + variance),
    )


def _ends(geometry: IntervalGeometry, error: Array) -> _Ends:
    """The ends of every region for every datum; error (N, K, r): y - y(g(anchor))."""
    anchors, slopes, scales = geometry.anchors, geometry.slopes, geometry.scales
    count, n_regions = len(error), len(scales)
    pull = geometry.prior_precision * anchors
    lower = np.full((count, n_regions), -np.inf)
    upper = np.full((count, n_regions), np.inf)
    widths = np.full(n_regions, np.inf)
    if n_regions > 1:
        lower[:, 1:] = scales[1:] * (pull - np.einsum("nkd,kd->nk", error, slopes[1:]))
        upper[:, :-1] = scales[:-1] * (pull - np.einsum("nkd,kd->nk", error, slopes[:-1]))
        widths[1:-1] = geometry.widths[1:-1] / scales[1:-1]
    return _Ends(lower, upper, widths)


def _peaks(geometry: IntervalGeometry, y: Array, rest: Array, error: Array, ends: _Ends) -> _Peaks:
    """The peak of every pair: an end, or μ_ω(x) where the region holds it."""
    anchors, slopes, scales = geometry.anchors, geometry.slopes, geometry.scales
    lower, upper, n_regions = ends.lower, ends.upper, len(scales)
    at_anchor = np.einsum("nkd,nkd->nk", error, error)
    at_anchor += geometry.prior_precision * anchors**2 + rest[:, None]
    last = len(anchors) - 1
    from_left = np.maximum(np.arange(n_regions) - 1, 0)
    from_right = np.minimum(np.arange(n_regions), last)
    anchor = np.where(lower >= 0, from_left, from_right)
    rise, steps = np.zeros_like(lower), np.zeros_like(lower)
    datum, region = np.nonzero((lower < 0) & (upper > 0))
    if n_regions == 1:
        step = scales[0] ** 2 * (error[:, 0] @ slopes[0])
    else:
        low, high = lower[datum, region], upper[datum, region]
        left_nearer = -low <= high
        anchor[datum, region] = np.where(left_nearer, region - 1, region)
        end = np.where(left_nearer, low, high)
        rise[datum, region] = 0.5 * end * end
        step = -scales[region] * end
    near = anchor[datum, region]
    place, square = anchors[anchor], np.take_along_axis(at_anchor, anchor, axis=1)
    inner = anchors[near] + step
    inner_error = error[datum, near] - step[:, None] * slopes[region]
    wide = geometry.wide
    if wide is not None:
        mine = np.flatnonzero(region == wide)
        away = y[datum[mine]] - geometry.bases[1][wide]
        inner[mine] = scales[wide] ** 2 * (away @ slopes[wide])
        inner_error[mine] = away - inner[mine][:, None] * slopes[wide]
        step[mine] = inner[mine]
    place[datum, region], steps[datum, region] = inner, step
    square[datum, region] = (
        np.einsum("pd,pd->p", inner_error, inner_error)
        + geometry.prior_precision * inner * inner
        + rest[datum]
    )
    return _Peaks(place=place, square=square, anchor=anchor, rise=rise, step=steps)


def _direct(geometry: IntervalGeometry, y: Array, peaks: _Peaks, distance: Array) -> Direct:
    """Differences of log p(x, z) between peaks as differences of squares, (a - b)(a + b), in which
    a - b does not involve y; distance (n, R): of their images from it."""
    precision = geometry.prior_precision

    def less(row: Indices, region: Indices, other: Indices) -> Array:
        there = _peak_images(geometry, peaks, row, region)
        here = _peak_images(geometry, peaks, row, other)
        squares = np.einsum("pd,pd->p", here - there, 2 * y[row] - there - here)
        place, base = peaks.place[row, region], peaks.place[row, other]
        return np.asarray(-0.5 * (squares + precision * (place - base) * (place + base)))

    errors = geometry.image_errors[peaks.anchor] + np.sqrt(2 * peaks.rise)
    wide = geometry.wide
    if wide is not None:
        # Measured from 0, not from its breakpoints.
        slope, offset = geometry.slopes[wide], geometry.bases[1][wide]
        errors[:, wide] = np.linalg.norm(offset)
        errors[:, wide] += np.linalg.norm(slope) * np.abs(peaks.place[:, wide])
    best = peaks.square.argmin(axis=1)[:, None]
    doubts = distance + np.take_along_axis(distance, best, axis=1)
    doubts *= errors + np.take_along_axis(errors, best, axis=1)
    return Direct(less, doubts)


def _peak_images(geometry: IntervalGeometry, peaks: _Peaks, row: Indices, region: Indices) -> Array:
    """y(g(z)) at the peaks of pairs, (p, r)."""
    start = geometry.images[peaks.anchor[row, region]]
    if geometry.wide is not None:
        inside = (region == geometry.wide) & (peaks.rise[row, region] > 0)
        start[inside] = geometry.bases[1][geometry.wide]
    return np.asarray(start + peaks.step[row, region, None] * geometry.slopes[region])


def normalised(log_terms: Array) -> tuple[Array, Array]:
    """log Σ_r exp(log_terms) (N,), and log of each term's share (N, R), from log_terms (N, R).

    Shares are taken relative to the largest term: relative to the sum itself they would carry its
    rounding, and no longer add up to 1.
    """
    top = log_terms.max(axis=-1, keepdims=True)
    relative = log_terms - top
    log_total = np.log(np.exp(relative).sum(axis=-1, keepdims=True))
    return (top + log_total)[:, 0], relative - log_total
