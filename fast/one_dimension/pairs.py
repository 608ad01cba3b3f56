"""p(x, z in ω) and the truncated Gaussian of every (datum, region) pair [Theorem 1, Proposition 2].

On a region log p(x, z) is a concave quadratic in z. Everything is computed from its value and its
slope at the region's ends, where neighbouring regions share g(z): with e = y(x) - y(g(a)) at a
breakpoint a, the slope is A_ωᵀ e - a/σz², and the end's position relative to μ_ω(x), in units of
the region's standard deviation σ_ω = (1/σz² + A_ωᵀ A_ω)^{-1/2}, is minus σ_ω times that slope. No
large numbers are subtracted, so log p(x) = -1e6 costs no digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fast.distributions.observation import Coordinates, Noise
from fast.integration.interval import LOG_2PI, interval_moments
from fast.one_dimension.far_tail import relative_peaks
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from reference.model import Array, Network

# Twice -log p(x, z) past which plain differences of it would cost more than 1e-14 in a share.
_FAR = 20.0
# Pairs per chunk: the widest temporary (26 nodes a pair) takes 7 MB.
_PAIRS_PER_CHUNK = 1 << 15
# A region from beyond this many deviations of the prior on both sides of 0 is measured from 0.
_WIDE = 8.0
# Squares of more than this are no doubles.
_FARTHEST = 1e150


@dataclass(frozen=True)
class Geometry:
    """A partition seen through the noise, for latent dimension 1.

    anchors (K,): the breakpoints, or 0 if there are none. images (K, r): y(g(anchor)). slopes (R,
    r): Qᵀ Σx^{-1/2} A_ω. scales (R,): σ_ω [eq. 7]. log_constant: of log p(x, z) at its largest.
    """

    partition: Partition
    coordinates: Coordinates
    anchors: Array
    images: Array
    slopes: Array
    scales: Array
    prior_precision: float
    log_constant: float

    @staticmethod
    def of(network: Network, partition: Partition, noise: Noise, cov_z: Array) -> Geometry:
        """Precompute what does not depend on the data. cov_z: (1, 1).

        Raises ArithmeticError where squares of distances are no doubles.
        """
        coordinates = Coordinates.of(network, noise)
        anchors = partition.breakpoints if partition.breakpoints.size else np.zeros(1)
        unit = min(1.0, float(np.sqrt(cov_z[0, 0])))
        if not np.all(np.abs(anchors) < _FARTHEST * unit):
            raise ArithmeticError(
                "a region ends too far away for its squared distance from 0 to be a double"
            )
        images = _images(partition, anchors) - coordinates.origin
        slopes = coordinates.directions(partition.slopes[:, :, 0])
        precision = 1.0 / float(cov_z[0, 0])
        scales = 1.0 / np.sqrt(precision + np.einsum("rd,rd->r", slopes, slopes))
        log_constant = -0.5 * ((1 + noise.dimension) * LOG_2PI + noise.log_det - np.log(precision))
        return Geometry(
            partition,
            coordinates,
            anchors,
            coordinates.directions(images),
            slopes,
            scales,
            precision,
            float(log_constant),
        )

    @cached_property
    def wide(self) -> int | None:
        """The region that holds 0 and all of the prior's mass near it, if one does."""
        breaks = self.partition.breakpoints
        middle = int(np.searchsorted(breaks, 0.0))
        near = breaks[max(middle - 1, 0) : middle + 1]
        return None if np.any(near * near * self.prior_precision <= _WIDE**2) else middle

    @cached_property
    def bases(self) -> tuple[Array, Array]:
        """A point of each region to measure from (R,), and its image (R, r): of its two anchors the
        one nearer 0, or 0 itself in a wide one. Measured from far away, places where the prior's
        mass is have no digits."""
        last = len(self.anchors) - 1
        left = np.maximum(np.arange(len(self.scales)) - 1, 0)
        right = np.minimum(np.arange(len(self.scales)), last)
        nearer = np.where(np.abs(self.anchors[left]) <= np.abs(self.anchors[right]), left, right)
        points, images = self.anchors[nearer], self.images[nearer]
        if self.wide is not None:
            points[self.wide] = 0.0
            offset = self.partition.offsets[self.wide] - self.coordinates.origin
            images[self.wide] = self.coordinates.directions(offset[None])[0]
        return points, images

    def chunks(self, n: int) -> Iterator[slice]:
        """Slices of n data whose pairs fit in memory whatever R is."""
        return chunks(n, _PAIRS_PER_CHUNK, max(len(self.scales), self.images.shape[1]))

    def residual(self, y: Array, regions: NDArray[np.intp], Z: Array) -> Array:
        """y - y(g(z)) for z (...) in its region; y broadcasts against (..., r)."""
        points, images = self.bases
        return y - images[regions] - self.slopes[regions] * (Z - points[regions])[..., None]

    def log_joint(self, y: Array, rest: Array, regions: NDArray[np.intp], Z: Array) -> Array:
        """log p(x, z) for z in its region [eq. 4]."""
        error = self.residual(y, regions, Z)
        square = np.einsum("...d,...d->...", error, error)
        return np.asarray(self.log_constant - 0.5 * (square + rest + self.prior_precision * Z * Z))


def _images(partition: Partition, anchors: Array) -> Array:
    """g(anchor), (K, D): of the two maps that meet there, by the one whose terms cancel less."""
    left = np.arange(len(anchors))
    right = np.minimum(left + 1, partition.n_regions - 1)
    slopes = partition.slopes[:, :, 0]
    size = [
        np.linalg.norm(slopes[side] * anchors[:, None], axis=1)
        + np.linalg.norm(partition.offsets[side], axis=1)
        for side in (left, right)
    ]
    region = np.where(size[0] <= size[1], left, right)
    return np.asarray(slopes[region] * anchors[:, None] + partition.offsets[region])


@dataclass(frozen=True)
class Pairs:
    """What the posterior is made of, one row a datum, one column a region, each (N, R) but the
    first.

    log_evidence (N,): log p(x). log_e0: log P(z in ω | x). peak: the point of the closed region
    where p(x, z) is largest. relative_peak: log p(x, z) there, minus the largest over regions.
    mean, variance: of z given x and z in ω. entropy: of the same, nats.
    """

    log_evidence: Array
    log_e0: Array
    peak: Array
    relative_peak: Array
    mean: Array
    variance: Array
    entropy: Array

    @staticmethod
    def joined(parts: list[Pairs]) -> Pairs:
        """Chunks of data, one after another."""
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(Pairs)]
        return Pairs(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def pairs(geometry: Geometry, y: Array, rest: Array) -> Pairs:
    """All (datum, region) pairs of one chunk [eq. 5, 6, 7]. y (N, r), rest (N,)."""
    count, n_regions = len(y), len(geometry.scales)
    anchors, slopes, scales = geometry.anchors, geometry.slopes, geometry.scales
    error = y[:, None, :] - geometry.images  # (N, K, r)
    pull = geometry.prior_precision * anchors
    at_anchor = np.einsum("nkd,nkd->nk", error, error)
    at_anchor += geometry.prior_precision * anchors**2 + rest[:, None]

    # Ends of the regions relative to μ_ω(x), in units of σ_ω.
    lower = np.full((count, n_regions), -np.inf)
    upper = np.full((count, n_regions), np.inf)
    widths = np.full(n_regions, np.inf)
    if n_regions > 1:
        lower[:, 1:] = scales[1:] * (pull - np.einsum("nkd,kd->nk", error, slopes[1:]))
        upper[:, :-1] = scales[:-1] * (pull - np.einsum("nkd,kd->nk", error, slopes[:-1]))
        widths[1:-1] = np.diff(anchors) / scales[1:-1]
    moments = interval_moments(
        lower.ravel(), upper.ravel(), np.broadcast_to(widths, lower.shape).ravel()
    )
    nearest, log_mass, shift, variance = (m.reshape(lower.shape) for m in moments)

    # The peak is an end, or μ_ω(x) where the region holds it.
    last = len(anchors) - 1
    from_left = np.maximum(np.arange(n_regions) - 1, 0)
    from_right = np.minimum(np.arange(n_regions), last)
    anchor = np.where(lower >= 0, from_left, from_right)
    rise = np.zeros_like(lower)
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
    peak, square = anchors[anchor], np.take_along_axis(at_anchor, anchor, axis=1)
    inner = anchors[near] + step
    inner_error = error[datum, near] - step[:, None] * slopes[region]
    wide = geometry.wide
    if wide is not None:
        mine = np.flatnonzero(region == wide)
        away = y[datum[mine]] - geometry.bases[1][wide]
        inner[mine] = scales[wide] ** 2 * (away @ slopes[wide])
        inner_error[mine] = away - inner[mine][:, None] * slopes[wide]
    peak[datum, region] = inner
    square[datum, region] = (
        np.einsum("pd,pd->p", inner_error, inner_error)
        + geometry.prior_precision * inner * inner
        + rest[datum]
    )

    least = square.min(axis=1)
    relative = 0.5 * (least[:, None] - square)
    far = np.nonzero(least > _FAR)[0] if n_regions > 1 else ()
    if len(far):
        relative[far] = relative_peaks(
            lower[far], upper[far], widths, anchor[far], rise[far], 0.5 * square[far]
        )
    log_volume = log_mass + np.log(scales)
    log_total, log_e0 = normalised(relative + log_volume)
    return Pairs(
        log_evidence=geometry.log_constant - 0.5 * least + log_total,
        log_e0=log_e0,
        peak=peak,
        relative_peak=relative,
        mean=peak + scales * shift,
        variance=scales * scales * variance,
        entropy=log_volume + np.abs(nearest * shift) + 0.5 * (shift * shift + variance),
    )


def normalised(log_terms: Array) -> tuple[Array, Array]:
    """log Σ_r exp(log_terms) (N,), and log of each term's share (N, R), from log_terms (N, R).

    Shares are taken relative to the largest term: relative to the sum itself they would carry its
    rounding, and no longer add up to 1.
    """
    top = log_terms.max(axis=-1, keepdims=True)
    relative = log_terms - top
    log_total = np.log(np.exp(relative).sum(axis=-1, keepdims=True))
    return (top + log_total)[:, 0], relative - log_total


def gaussian_on_regions(
    geometry: Geometry, centres: Array, deviations: Array
) -> tuple[Array, Array, Array]:
    """N(centre, deviation²) on every region: log mass, mean and variance of z there, each (N, R).

    centres, deviations (N,). With centre 0 and Σz it is Φ_ω(0, Σz) of [Proposition 1].
    """
    breaks = geometry.partition.breakpoints
    ends = np.concatenate([[-np.inf], breaks, [np.inf]])
    limits = (ends - centres[:, None]) / deviations[:, None]
    widths = np.diff(ends) / deviations[:, None]
    lower, upper = limits[:, :-1], limits[:, 1:]
    moments = interval_moments(lower.ravel(), upper.ravel(), widths.ravel())
    nearest, log_mass, shift, variance = (m.reshape(lower.shape) for m in moments)
    start = np.clip(centres[:, None], ends[:-1], ends[1:])
    scale = deviations[:, None]
    return (
        log_mass - 0.5 * nearest**2 - 0.5 * LOG_2PI,
        start + scale * shift,
        scale * scale * variance,
    )
