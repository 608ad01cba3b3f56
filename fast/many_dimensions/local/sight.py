"""Boxes seen through the noise: how near to a datum the images in a box can be."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fast.integration.whitened import dots
from fast.many_dimensions.local.setting import Points, Setting
from fast.partition.layer_maps import Maps
from fast.partition.local.folding import Folded, Slots
from reference.model import Array, Indices

# What rounding may make of a distance, over the size of its terms: thousands of times ε.
_ROUNDING = 1e-12
_EPS = float(np.finfo(np.float64).eps)


class BoxPairs(NamedTuple):
    """Pairs of a datum and a box, sorted by box."""

    datum: Indices  # (P,)
    box: Indices  # (P,)

    def at(self, some: Indices) -> BoxPairs:
        """Some of them."""
        return BoxPairs(self.datum[some], self.box[some])

    def by_box(self, count: int) -> list[slice]:
        """The pairs of each of so many boxes."""
        ends = np.searchsorted(self.box, np.arange(count + 1)).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]


class Aligned(NamedTuple):
    """Boxes in coordinates of their own, as many as the images in them span, from the middle of
    each; and pairs of a datum and a box."""

    maps: Maps  # (B, m, S + K) and (B, m): to these coordinates
    rows: Array  # (P, m): the data
    bases: Array  # (P, m): the images of the data's places
    beside: Array  # (P,): what of log p(x, z) less that at x's place is orthogonal to all of these
    doubts: Array  # (P,): what rounding may make of that
    rest: Array  # (P,): the squared length of what of the data is orthogonal to them


@dataclass(frozen=True, eq=False)
class Sight:
    """B boxes seen through the noise. Images are measured from one in the middle of each box."""

    slots: Slots
    slopes: Array  # (B, r + S, S + K): the image by u and by the slots' outputs less their middles
    middles: Array  # (B, r + S)
    doubts: Array  # (B, r + S): how far off it is at most

    @staticmethod
    def of(setting: Setting, folded: Folded) -> Sight:
        """See some boxes."""
        latent, slots = setting.latent, folded.slots
        slopes, offsets = setting.coordinates.of_maps(folded.maps)
        used = slopes.shape[2] - latent
        by_slots = slopes[:, :, latent:] @ slots.bands.offsets[:, :used, None]
        prior = np.zeros((len(slopes), latent, slopes.shape[2]))
        prior[:, :, :latent] = setting.prior_root * folded.boxes.halves[:, None]
        doubts = setting.coordinates.of_doubts(folded.doubts)
        return Sight(
            slots=slots,
            slopes=np.concatenate([slopes, prior], axis=1),
            middles=np.concatenate(
                [offsets + by_slots[:, :, 0], folded.boxes.centres @ setting.prior_root.T], axis=1
            ),
            doubts=np.pad(doubts, ((0, 0), (0, latent))),
        )

    @property
    def sizes(self) -> Array:
        """How far images are from the middle at most, (B,)."""
        latent, used = self._columns
        lengths = np.linalg.norm(self.slopes, axis=1)
        bands = np.abs(self.slots.bands.slopes[:, :used]).sum(axis=2)
        by_slots = (lengths[:, latent:] * bands).sum(axis=1)
        return np.asarray(lengths[:, :latent].sum(axis=1) + by_slots)

    def at(self, some: Indices, slots: Slots) -> Sight:
        """Some of the boxes, with their slots, which may be fewer."""
        used = self.slopes.shape[2] - self.slots.functions.shape[1] + slots.functions.shape[1]
        return Sight(slots, self.slopes[some][:, :, :used], self.middles[some], self.doubts[some])

    @property
    def _columns(self) -> tuple[int, int]:
        """S, and how many slots there are."""
        count = self.slots.functions.shape[1]
        return self.slopes.shape[2] - count, count

    def squares(self, points: Points, pairs: BoxPairs) -> Array:
        """At most |row - image|² anywhere in the box, for pairs, (P,).

        The distance along the way from the middle of the box to the datum.
        """
        result = np.empty(len(pairs.datum))
        latent, used = self._columns
        for box, mine in enumerate(pairs.by_box(len(self.slopes))):
            if mine.start == mine.stop:
                continue
            rows = points.rows[pairs.datum[mine]]
            away = rows - self.middles[box]
            length = np.sqrt(dots(away, away))
            along = away @ self.slopes[box]
            bands = self.slots.bands.slopes[box, :used, : self.slopes.shape[2]]
            by_bands = along[:, latent:] @ bands
            by_bands[:, :latent] += along[:, :latent]
            reach = np.abs(by_bands).sum(axis=1) + np.abs(away) @ self.doubts[box]
            safe = np.where(length > 0, length, 1.0)
            lost = _ROUNDING * (
                np.sqrt(dots(rows, rows)) + np.linalg.norm(self.middles[box]) + reach / safe
            )
            least = np.where(length > 0, length - reach / safe - lost, 0.0)
            result[mine] = np.maximum(least, 0.0) ** 2
        return result

    def aligned(self, points: Points, pairs: BoxPairs) -> Aligned:
        """The boxes, and pairs with them, in the coordinates of each box."""
        basis, roots = np.linalg.qr(self.slopes)
        shape = len(pairs.datum), roots.shape[1]
        rows, bases = np.empty(shape), np.empty(shape)
        beside, doubts, rest = np.empty((3, len(pairs.datum)))
        for box, mine in enumerate(pairs.by_box(len(self.slopes))):
            if mine.start == mine.stop:
                continue
            own, middle, axes = points.at(pairs.datum[mine]), self.middles[box], basis[box]
            rows[mine], left = _split(own.rows - middle, axes)
            bases[mine], off = _split(own.images - middle, axes)
            beside[mine] = -0.5 * dots(off, 2.0 * left - off)
            sizes = np.linalg.norm(off, axis=1) * np.linalg.norm(2.0 * left - off, axis=1)
            doubts[mine], rest[mine] = _EPS * sizes, dots(left, left)
        latent, used = self._columns
        shifts = roots[:, :, latent:] @ self.slots.bands.offsets[:, :used, None]
        return Aligned(Maps(roots, -shifts[:, :, 0]), rows, bases, beside, doubts, rest)


def _split(vectors: Array, axes: Array) -> tuple[Array, Array]:
    """Vectors (n, r) along orthonormal axes (r, m), and what of them is orthogonal to these."""
    along = vectors @ axes
    return along, vectors - along @ axes.T
