"""The regions of a network with one latent dimension: intervals, cut layer by layer [Lemma 3].

On each interval every unit's pre-activation is affine, so its root, if it falls inside, is a new
breakpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.partition.cell_complex import TooManyCells
from fast.partition.cut_vertices import ROUNDING, OutOfRange
from reference.model import Array, Codes, Layer, Network


class Intervals(NamedTuple):
    """From left to right: codes (R, U), slopes (R, D, 1), offsets (R, D), breakpoints (R-1,)."""

    codes: Codes
    slopes: Array
    offsets: Array
    breakpoints: Array


@dataclass(frozen=True)
class _Maps:
    """Up-to-layer maps on the intervals found so far [eq. 8], with bounds on their terms."""

    breakpoints: Array  # (R-1,)
    slopes: Array  # (R, n, 1)
    offsets: Array  # (R, n)
    slope_bounds: Array  # (R, n, 1)
    offset_bounds: Array  # (R, n)

    def at(self, kept: NDArray[np.intp]) -> _Maps:
        """The maps of some intervals, each of which reaches to where the next begins."""
        return _Maps(
            self.breakpoints[kept[1:] - 1],
            self.slopes[kept],
            self.offsets[kept],
            self.slope_bounds[kept],
            self.offset_bounds[kept],
        )


def enumerate_intervals(network: Network, max_regions: int) -> Intervals:
    """Enumerate every region of a network with S = 1 [Lemma 3, Corollary 1, eq. 2].

    Raises TooManyCells when there are more than `max_regions`, before their memory is spent, and
    OutOfRange where the maps are no doubles. Cost: O(R U). Units that vanish within rounding of the
    same point share one breakpoint.
    """
    line = np.ones((1, 1, 1)), np.zeros((1, 1))
    maps = _Maps(np.empty(0), *line, *line)
    codes = np.empty((1, 0), dtype=np.int8)
    for layer, size in zip(network.layers, network.sizes, strict=False):
        layer_codes = np.empty((len(codes), 0), dtype=np.int8)
        if layer.n_codes(size) > 0:
            maps, signs, parents = _cut(layer, maps, max_regions)
            layer_codes = layer.code(signs)
            kept = _first_of_each(parents, layer_codes)
            maps, layer_codes = maps.at(kept), layer_codes[kept]
            codes = np.concatenate([codes[parents[kept]], layer_codes], axis=1)
        maps = _Maps(
            maps.breakpoints,
            *layer.propagate(layer_codes, maps.slopes, maps.offsets),
            *layer.bound(layer_codes, maps.slope_bounds, maps.offset_bounds),
        )
        # The bounds are no smaller than the maps.
        if not (np.all(np.isfinite(maps.slope_bounds)) and np.all(np.isfinite(maps.offset_bounds))):
            raise OutOfRange
    return Intervals(codes, maps.slopes, maps.offsets, maps.breakpoints)


def _first_of_each(parents: NDArray[np.intp], codes: Codes) -> NDArray[np.intp]:
    """Of neighbouring intervals that a layer did not tell apart after all, the leftmost: where two
    candidates of a max-pooling window cross below a third, nothing changes."""
    same = (parents[1:] == parents[:-1]) & np.all(codes[1:] == codes[:-1], axis=1)
    return np.flatnonzero(np.append(True, ~same))


def _cut(layer: Layer, maps: _Maps, max_regions: int) -> tuple[_Maps, Codes, NDArray[np.intp]]:
    """Split every interval at the roots of the layer's cuts: the maps of the parts, the signs of
    the cuts on them, and the intervals they are parts of."""
    slopes, offsets = (
        m[..., 0] if m.ndim == 3 else m for m in layer.cuts(maps.slopes, maps.offsets)
    )
    slope_bounds, offset_bounds = (
        m[..., 0] if m.ndim == 3 else m
        for m in layer.cut_bounds(maps.slope_bounds, maps.offset_bounds)
    )
    slope_signs = np.where(np.abs(slopes) > ROUNDING * slope_bounds, np.sign(slopes), 0.0)
    offset_signs = np.where(np.abs(offsets) > ROUNDING * offset_bounds, np.sign(offsets), 0.0)
    crossing = slope_signs != 0
    safe = np.where(crossing, slopes, 1.0)
    roots = np.where(crossing, 0.0 - offsets / safe, np.nan)
    blur = ROUNDING * (offset_bounds + slope_bounds * np.abs(roots)) / np.abs(safe)

    lower = np.concatenate([[-np.inf], maps.breakpoints])[:, None]
    upper = np.concatenate([maps.breakpoints, [np.inf]])[:, None]
    inside = crossing & (roots > lower + blur) & (roots < upper - blur)
    found = _merge(roots[inside], blur[inside], np.nonzero(inside)[0])
    if len(slopes) + len(found) > max_regions:
        raise TooManyCells
    breakpoints = np.sort(np.concatenate([maps.breakpoints, found]))
    # The parent of an interval is the old interval its left end falls in.
    left = np.concatenate([[-np.inf], breakpoints])
    parents = np.searchsorted(maps.breakpoints, left, side="right")

    # The sign at an interval's middle; on half-lines, at infinity. No root lies inside, so the
    # comparison with the root is decided by more than the root's own error.
    middle = np.concatenate([left, [np.inf]])[1:]
    middle[:-1] = 0.5 * (left[:-1] + breakpoints)
    middle[0] = -np.inf
    side = np.sign(middle[:, None] - roots[parents])
    signs = np.where(crossing[parents], slope_signs[parents] * side, offset_signs[parents])
    cut = _Maps(
        breakpoints,
        maps.slopes[parents],
        maps.offsets[parents],
        maps.slope_bounds[parents],
        maps.offset_bounds[parents],
    )
    return cut, signs.astype(np.int8), parents


def _merge(roots: Array, blur: Array, regions: NDArray[np.intp]) -> Array:
    """Sorted roots with those that coincide within rounding, in the same interval, kept once."""
    order = np.argsort(roots, kind="stable")
    roots, blur, regions = roots[order], blur[order], regions[order]
    kept = np.ones(len(roots), dtype=bool)
    last = 0
    for i in range(1, len(roots)):
        same = regions[i] == regions[last] and roots[i] - roots[last] <= blur[i] + blur[last]
        kept[i] = not same
        last = last if same else i
    return roots[kept]
