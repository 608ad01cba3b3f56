"""The latent partition Ω and the affine map of every region, all regions at once [eq. 1, 2, 8].

S = 1: regions are intervals. The line is cut layer by layer: on each interval every unit's
pre-activation is affine, so its root, if it falls inside, is a new breakpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.network import Array, Codes, Layer, Network, check_array, check_count

# A sum of n rounded terms errs by about sqrt(n) ε times the sum of their magnitudes; 16 covers
# widths of hundreds. Below it a number cannot be told from zero.
ROUNDING = 16 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Partition:
    """The regions of a network, from left to right [Lemma 3].

    codes (R, U): sign of every unit on the region, 0 where its pre-activation vanishes on all of
    it. slopes (R, D, S) = A_ω, offsets (R, D) = b_ω [eq. 2]. breakpoints (R-1,): the ends of the
    intervals, in latent units. Accuracy: a breakpoint is off by rounding only; units that vanish
    within rounding of the same point share one breakpoint. Guarded by tests/test_partition.py.
    """

    codes: Codes
    slopes: Array
    offsets: Array
    breakpoints: Array

    @property
    def n_regions(self) -> int:
        """R = Card(Ω)."""
        return len(self.codes)

    def halfspaces(self, region: int) -> tuple[Array, Array]:
        """The facets of a region [Corollary 1]: normals (F, S), offsets (F,), the region being
        {z : normals z + offsets > 0}; none redundant."""
        if check_count(region, "region", 0) >= self.n_regions:
            raise ValueError(f"region: expected an index below {self.n_regions}, got {region}")
        lower = self.breakpoints[region - 1 : region] if region > 0 else np.empty(0)
        upper = self.breakpoints[region : region + 1]
        normals = np.concatenate([np.ones(lower.size), -np.ones(upper.size)])
        return normals[:, None], np.concatenate([-lower, upper])

    def locate(self, Z: ArrayLike) -> NDArray[np.intp]:
        """Index of the region of each point: Z (M, S) -> (M,); a breakpoint goes to its right."""
        points = check_array(Z, "Z", (None, self.slopes.shape[2]))
        return np.searchsorted(self.breakpoints, points[:, 0], side="right")


@dataclass(frozen=True)
class _Maps:
    """Up-to-layer maps on the intervals found so far [eq. 8], with bounds on their terms."""

    breakpoints: Array  # (R-1,)
    slopes: Array  # (R, n, 1)
    offsets: Array  # (R, n)
    slope_bounds: Array  # (R, n, 1)
    offset_bounds: Array  # (R, n)


def partition(network: Network, max_regions: int) -> Partition:
    """Enumerate every region of the network [Lemma 3, Corollary 1, eq. 2].

    Raises ValueError when there are more than `max_regions`, before their memory is spent, and
    NotImplementedError for S > 1. Cost: O(R U).
    """
    if network.latent_dimension != 1:
        raise NotImplementedError(
            f"partition: latent dimension 1 only so far, the network has {network.latent_dimension}"
        )
    line = np.ones((1, 1, 1)), np.zeros((1, 1))
    maps = _Maps(np.empty(0), *line, *line)
    codes = np.empty((1, 0), dtype=np.int8)
    for layer, size in zip(network.layers, network.sizes, strict=False):
        layer_codes = np.empty((len(codes), 0), dtype=np.int8)
        if layer.n_codes(size) > 0:
            maps, layer_codes, parents = _cut(layer, maps, max_regions)
            codes = np.concatenate([codes[parents], layer_codes], axis=1)
        maps = _Maps(
            maps.breakpoints,
            *layer.propagate(layer_codes, maps.slopes, maps.offsets),
            *layer.bound(maps.slope_bounds, maps.offset_bounds),
        )
    return Partition(codes, maps.slopes, maps.offsets, maps.breakpoints)


def _cut(layer: Layer, maps: _Maps, max_regions: int) -> tuple[_Maps, Codes, NDArray[np.intp]]:
    """Split every interval at the roots of the layer's cuts; the maps, codes and parents after."""
    slopes, offsets = (
        m[..., 0] if m.ndim == 3 else m for m in layer.cuts(maps.slopes, maps.offsets)
    )
    slope_bounds, offset_bounds = maps.slope_bounds[..., 0], maps.offset_bounds
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
        raise ValueError(
            f"max_regions: the network has more than {max_regions} regions; "
            "pass a larger max_regions to DGN"
        )
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
