"""A partition seen through the noise, for S = 1: all that does not depend on the data.

Images of the regions' ends are computed once, since neighbouring regions share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fast.distributions.observation import Coordinates, refuse_far_ends, refuse_steep
from fast.distributions.progress import told
from fast.distributions.reconstruction import Images
from fast.integration.interval import LOG_2PI
from fast.partition.layer_maps import maps_to
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices

# Pairs per chunk: a temporary takes 260 kB.
_PAIRS_PER_CHUNK = 1 << 15
# A region from beyond this many deviations of the prior on both sides of 0 is measured from 0.
_WIDE = 8.0


@dataclass(frozen=True)
class IntervalGeometry:
    """A partition seen through the noise, for latent dimension 1."""

    partition: Partition
    coordinates: Coordinates
    anchors: Array  # (K,): the breakpoints, or 0 if there are none
    images: Array  # (K, r): y(g(anchor))
    image_errors: Array  # (K,): how far off rounding may leave these, in ε
    slopes: Array  # (R, r): Qᵀ Σx^{-1/2} A_ω
    scales: Array  # (R,): σ_ω [eq. 7]
    prior_precision: float  # 1/σz²
    log_constant: float  # log p(x, z) where it is largest
    progress: bool  # whether how many data are done is told

    @staticmethod
    def of(
        partition: Partition, coordinates: Coordinates, cov_z: Array, progress: bool
    ) -> IntervalGeometry:
        """Precompute what does not depend on the data. cov_z: (1, 1).

        Raises ArithmeticError where a squared distance from 0, or a squared slope, overflows.
        """
        noise = coordinates.noise
        anchors = partition.breakpoints if partition.breakpoints.size else np.zeros(1)
        refuse_far_ends(anchors, cov_z)
        slopes = coordinates.directions(partition.slopes[:, :, 0])
        refuse_steep(slopes)
        images, terms = _images(partition, anchors)
        precision = 1.0 / float(cov_z[0, 0])
        log_constant = -0.5 * ((1 + noise.dimension) * LOG_2PI + noise.log_det - np.log(precision))
        return IntervalGeometry(
            partition=partition,
            coordinates=coordinates,
            anchors=anchors,
            images=coordinates.directions(images - coordinates.origin),
            image_errors=sum(np.linalg.norm(noise.whiten(term), axis=1) for term in terms),
            slopes=slopes,
            scales=1.0 / np.sqrt(precision + np.einsum("rd,rd->r", slopes, slopes)),
            prior_precision=precision,
            log_constant=float(log_constant),
            progress=progress,
        )

    @cached_property
    def ends(self) -> Array:
        """Where the regions end, (R + 1,): region r lies between numbers r and r + 1."""
        return np.concatenate([[-np.inf], self.partition.breakpoints, [np.inf]])

    @property
    def widths(self) -> Array:
        """How long the regions are, (R,)."""
        known = self.partition.widths
        return np.diff(self.ends) if known is None else known

    @cached_property
    def loose(self) -> Array:
        """How far off the widths are, in units of σ_ω ε, (R,): of ends rounded to doubles, where
        integers have not been asked; inf for unbounded regions."""
        ends, widths = self.ends, self.widths
        rounded = np.abs(ends[:-1]) + np.abs(ends[1:])
        return np.asarray(np.where(widths == np.diff(ends), rounded, widths) / self.scales)

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
        parts = chunks(n, _PAIRS_PER_CHUNK, max(len(self.scales), self.images.shape[1]))
        return iter(told(parts, n, self.progress))

    @cached_property
    def images_in_two(self) -> Images:
        """The network up to where it is affine, and on."""
        return Images(self.partition.network, self.coordinates)

    @cached_property
    def _hidden_maps(self) -> tuple[Array, Array]:
        """h at the points of `bases`, and its slope, of each region, (R, width)."""
        network, codes = self.partition.network, self.partition.codes
        slopes = maps_to(network, codes, self.coordinates.index).slopes[:, :, 0]
        return self.images_in_two.hidden(self.bases[0][:, None]), slopes

    def hidden(self, regions: Indices, Z: Array) -> Array:
        """h of z (p,) in its region, (p, width), the input of the layer from which on the network
        is affine."""
        at_base, slopes = self._hidden_maps
        return at_base[regions] + slopes[regions] * (Z - self.bases[0][regions])[:, None]

    def expected_hidden(self, e0: Array, mean: Array) -> Array:
        """E[h | x], (N, width), from P(z in ω | x) and the mean of z in ω, (N, R)."""
        at_base, slopes = self._hidden_maps
        return np.asarray(e0 @ at_base + (e0 * (mean - self.bases[0])) @ slopes)

    def residual(self, y: Array, regions: Indices, Z: Array) -> Array:
        """y - y(g(z)) for z (...) in its region; y broadcasts against (..., r)."""
        points, images = self.bases
        return y - images[regions] - self.slopes[regions] * (Z - points[regions])[..., None]

    def relative(
        self, y: Array, at: tuple[Indices, Array], reference: tuple[Indices, Array]
    ) -> Array:
        """log p(x, z) less that of another z, both (...) in their regions (...), of which only
        differences of images meet y: far away both are huge."""
        points, images = self.bases
        (region, place), (other, base) = at, reference
        there = images[region] + self.slopes[region] * (place - points[region])[..., None]
        here = images[other] + self.slopes[other] * (base - points[other])[..., None]
        squares = np.einsum("...d,...d->...", here - there, 2 * y - there - here)
        prior = self.prior_precision * (place - base) * (place + base)
        return np.asarray(-0.5 * (squares + prior))

    def log_joint(self, y: Array, rest: Array, regions: Indices, Z: Array) -> Array:
        """log p(x, z) for z in its region [eq. 4]."""
        error = self.residual(y, regions, Z)
        square = np.einsum("...d,...d->...", error, error)
        return np.asarray(self.log_constant - 0.5 * (square + rest + self.prior_precision * Z * Z))


def _images(partition: Partition, anchors: Array) -> tuple[Array, tuple[Array, Array]]:
    """g(anchor), (K, D): of the two maps that meet there, by the one whose terms cancel less; and
    these terms."""
    left = np.arange(len(anchors))
    right = np.minimum(left + 1, partition.n_regions - 1)
    slopes = partition.slopes[:, :, 0]
    size = [
        np.linalg.norm(slopes[side] * anchors[:, None], axis=1)
        + np.linalg.norm(partition.offsets[side], axis=1)
        for side in (left, right)
    ]
    region = np.where(size[0] <= size[1], left, right)
    terms = slopes[region] * anchors[:, None], partition.offsets[region]
    return np.asarray(terms[0] + terms[1]), terms
