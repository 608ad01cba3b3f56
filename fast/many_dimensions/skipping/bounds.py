"""Bounds on what a region holds of p(x, z), without an integral: the certified skip for S >= 2.

A pair of a datum and a region is integrated unless these bounds prove that it cannot matter.
`fast.many_dimensions.pairs` decides by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from fast.integration.whitened import dots
from fast.many_dimensions.region_gaussians import Gaussians
from fast.many_dimensions.skipping.region_tree import Seen, farther
from fast.partition.region_polyhedra import Polyhedra
from fast.polyhedra.ragged import ranges
from reference.model import Array, Indices

# Bounds are loosened by what rounding may have made of them, so that they hold as computed: of a
# squared distance, and of a height over a facet, each over the size of its terms. That is thousands
# of times ε, for sums of up to millions of terms.
_SQUARE_ROUNDING = 1e-12
_HEIGHT_ROUNDING = 1e-12


class Bounds(NamedTuple):
    """For pairs of a datum and a region, what their logarithms cannot exceed, in nats.

    All are less what does not depend on z: log p(x, z) where it is largest, and the square of what
    of x is orthogonal to y. Beside that, differences would be lost for data far away.
    """

    log_mass: Array  # at least log p(x, z in ω)
    log_peak: Array  # at least log p(x, z) anywhere on ω


class Walls(NamedTuple):
    """The facets of n regions in the coordinates u in which their Gaussians are standard."""

    normals: Array  # (F, S): of length 1, or 0 for what is no facet; region after region
    levels: Array  # (F,): the offsets that belong to them
    starts: Indices  # (n + 1,)

    @staticmethod
    def of(polyhedra: Polyhedra, regions: Indices, roots: Array) -> Walls:
        """Of some regions, (n,), with R_ω (n, S, S)."""
        counts = np.diff(polyhedra.starts)[regions]
        entries, owners = ranges(polyhedra.starts[regions], polyhedra.starts[regions + 1])
        walls = np.einsum("fsk,fs->fk", np.linalg.inv(roots)[owners], polyhedra.normals[entries])
        lengths = np.linalg.norm(walls, axis=1)
        lengths[lengths == 0] = np.inf  # what is no facet keeps nothing out
        return Walls(
            walls / lengths[:, None],
            polyhedra.offsets[entries] / lengths,
            np.concatenate([[0], np.cumsum(counts)]),
        )


@dataclass(frozen=True, eq=False)
class RegionBounds:
    """Bounds on n regions, from their `Gaussians` or from those that are seen in a projection of
    y: what is left out of a square makes p(x, z) larger."""

    offsets: Array  # (n, K)
    pulls: Array  # (n, K, S)
    log_volumes: Array  # (n,)
    walls: Walls
    areas: Array  # (n,): log of at most the volume
    beyond: Array  # (n,): how far from the axes of the projection an image lies at most

    @staticmethod
    def of(
        gaussians: Gaussians, polyhedra: Polyhedra, regions: Indices, areas: Array, beyond: Array
    ) -> RegionBounds:
        """Of some regions, (n,)."""
        walls = Walls.of(polyhedra, regions, gaussians.roots)
        return RegionBounds(
            gaussians.offsets, gaussians.pulls, gaussians.log_volumes, walls, areas, beyond
        )

    @property
    def count(self) -> int:
        """n."""
        return len(self.areas)

    @cached_property
    def _flat(self) -> tuple[Array, Array]:
        """All pulls as one matrix, (K, n S), and what they make of the offsets, (n, S)."""
        flat = np.swapaxes(self.pulls, 0, 1).reshape(self.pulls.shape[1], -1)
        return flat, np.einsum("rds,rd->rs", self.pulls, self.offsets)

    def of_all(self, rows: Array) -> Bounds:
        """For every pair of data, rows (N, K), and a region, (N, n).

        log φ(x; b, Σx + A Σz Aᵀ) + log Φ(-h), h the distance of μ_ω(x) outside the facet that it is
        farthest outside of.
        """
        count = len(rows)
        flat, shift = self._flat
        centres = (rows @ flat).reshape(count, self.count, -1) - shift
        square = dots(centres, centres)
        terms = dots(rows, rows)[:, None] + dots(self.offsets, self.offsets)
        residual = terms - 2 * (rows @ self.offsets.T) - square
        residual -= _SQUARE_ROUNDING * (terms + square)
        outside = np.zeros((count, self.count))
        mine = np.flatnonzero(np.diff(self.walls.starts))
        if len(mine):
            owners = np.repeat(np.arange(self.count), np.diff(self.walls.starts))
            heights = np.einsum("nfs,fs->nf", centres[:, owners], self.walls.normals)
            heights += self.walls.levels
            at = self.walls.starts[mine]
            least = np.minimum.reduceat(heights, at, axis=1)
            sizes = np.sqrt(square[:, mine])
            sizes += np.maximum.reduceat(np.abs(self.walls.levels), at)
            outside[:, mine] = np.maximum(-least - _HEIGHT_ROUNDING * sizes, 0.0)
        density = -0.5 * np.maximum(residual, 0.0)
        return _bounds(density, outside, self.log_volumes, self.areas)

    def of_pairs(self, seen: Seen, region: Indices) -> Bounds:
        """The same for pairs of data in the projection and regions, both (P,)."""
        away = seen.rows - self.offsets[region]
        centres = (away[:, None] @ self.pulls[region])[:, 0]
        square, terms = dots(centres, centres), dots(away, away)
        residual = terms - square - _SQUARE_ROUNDING * (terms + square)
        off = farther(seen.beyond, self.beyond[region])
        starts = self.walls.starts
        entries, owner = ranges(starts[region], starts[region + 1])
        levels = self.walls.levels[entries]
        least, largest = np.full(len(region), np.inf), np.zeros(len(region))
        np.minimum.at(least, owner, dots(centres[owner], self.walls.normals[entries]) + levels)
        np.maximum.at(largest, owner, np.abs(levels))
        sizes = np.sqrt(square) + largest
        outside = np.maximum(-least - _HEIGHT_ROUNDING * sizes, 0.0)
        density = -0.5 * (np.maximum(residual, 0.0) + off)
        return _bounds(density, outside, self.log_volumes[region], self.areas[region])


def _bounds(density: Array, outside: Array, log_volumes: Array, areas: Array) -> Bounds:
    """From the log of the density where it is largest, and how far outside the regions that is."""
    # Inside, all of the mass may be there.
    share = np.where(outside > 0, log_ndtr(-outside), 0.0)
    peak = density - 0.5 * outside**2
    return Bounds(np.minimum(density + log_volumes + share, peak + areas), peak)
