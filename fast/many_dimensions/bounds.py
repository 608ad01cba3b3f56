"""Bounds on what a region holds of p(x, z), without an integral: the certified skip for S >= 2.

A pair of a datum and a region is integrated unless these bounds prove that it cannot matter.
`fast.many_dimensions.pairs` decides by them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from fast.integration.whitened import dots
from fast.many_dimensions.geometry import PolyhedralGeometry
from reference.model import Array, Indices, Mask

# Bounds are loosened by what rounding may have made of them, so that they hold as computed: of a
# squared distance, and of a height over a facet, each over the size of its terms. That is thousands
# of times ε, for sums of up to millions of terms.
_SQUARE_ROUNDING = 1e-12
_HEIGHT_ROUNDING = 1e-12


class Bounds(NamedTuple):
    """For every pair of a datum and a region, what its logarithms cannot exceed, in nats."""

    log_mass: Array  # (N, R): at least log p(x, z in ω)
    log_peak: Array  # (N, R): at least log p(x, z) anywhere on ω


def bounds(geometry: PolyhedralGeometry, y: Array, rest: Array) -> Bounds:
    """The bounds for data y (N, r), rest (N,).

    log φ(x; b, Σx + A Σz Aᵀ) + log Φ(-h), h the distance of μ_ω(x) outside the facet that it is
    farthest outside of. Both are a little larger than computed, for rounding.
    """
    count, n_regions = len(y), len(geometry.slopes)
    flat = np.swapaxes(geometry.pulls, 0, 1).reshape(geometry.pulls.shape[1], -1)
    shift = np.einsum("rds,rd->rs", geometry.pulls, geometry.offsets)
    centres = (y @ flat).reshape(count, n_regions, -1) - shift
    square = dots(centres, centres)
    terms = dots(y, y)[:, None] + dots(geometry.offsets, geometry.offsets)
    residual = terms - 2 * (y @ geometry.offsets.T) - square - _SQUARE_ROUNDING * (terms + square)
    density = geometry.log_constant - 0.5 * (np.maximum(residual, 0.0) + rest[:, None])
    outside = np.zeros((count, n_regions))
    if len(geometry.walls):
        shapes = geometry.partition.polyhedra
        owners = np.repeat(np.arange(n_regions), np.diff(shapes.starts))
        heights = np.einsum("nfs,fs->nf", centres[:, owners], geometry.walls) + geometry.levels
        least = np.minimum.reduceat(heights, shapes.starts[:-1], axis=1)
        sizes = np.sqrt(square) + np.maximum.reduceat(np.abs(geometry.levels), shapes.starts[:-1])
        outside = np.maximum(-least - _HEIGHT_ROUNDING * sizes, 0.0)
    # Inside, all of the mass may be there.
    share = np.where(outside > 0, log_ndtr(-outside), 0.0)
    # What is in no lattice is thinner than rounding.
    density[:, geometry.group < 0] = -np.inf
    return Bounds(density + geometry.log_volumes + share, density - 0.5 * outside**2)


def selected(
    geometry: PolyhedralGeometry, bound: Array, best: Indices, known: Array
) -> tuple[Mask, Array]:
    """Which pairs to integrate, (N, R), and what share of p(x) the others hold at most, (N,).

    bound (N, R): of log p(x, z in ω). best (N,): the region of each datum that is integrated
    already; known (N,): log of what it holds, -inf if nothing. A pair is left out while all that
    are left out hold no more than `negligible` of p(x).
    """
    rows = np.arange(len(bound))[:, None]
    bound = bound.copy()
    bound[rows[:, 0], best] = -np.inf
    order = np.argsort(bound, axis=1)
    shares = np.exp(np.minimum(bound[rows, order] - known[:, None], 0.0))
    shares[np.isneginf(bound[rows, order])] = 0.0
    total = np.cumsum(shares, axis=1)
    out = total <= geometry.negligible
    if not geometry.negligible:
        out &= np.isneginf(bound[rows, order])
    skipped = np.max(np.where(out, total, 0.0), axis=1)
    kept = np.empty(bound.shape, dtype=bool)
    kept[rows, order] = ~out
    return kept & ~np.isneginf(bound), skipped
