"""Boxes cut into pieces, on each of which p(x, z) is a Gaussian in u, the place in the box."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fast.integration.interval import LOG_2PI
from fast.integration.split import batches
from fast.integration.whitened import Whitened, dots, triangular
from fast.many_dimensions.local.descent import Leaf
from fast.many_dimensions.region_gaussians import Gaussians
from fast.many_dimensions.skipping.bounds import Bounds, RegionBounds
from fast.many_dimensions.skipping.outlines import most_log_volumes
from fast.many_dimensions.skipping.region_tree import Seen
from fast.partition.layer_maps import Maps
from fast.partition.local.bends import Bends
from fast.partition.local.pieces import Pieces, cut
from fast.partition.region_polyhedra import Polyhedra
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.ragged import ranges
from reference.model import Array, Indices

_EPS = float(np.finfo(np.float64).eps)


class PiecePairs(NamedTuple):
    """Pairs of a datum and a piece of a leaf, as which of the leaf's pairs they belong to."""

    pair: Indices  # (Q,): of a datum and a box
    piece: Indices  # (Q,)

    def at(self, some: Indices) -> PiecePairs:
        """Some of them."""
        return PiecePairs(self.pair[some], self.piece[some])


@dataclass(frozen=True, eq=False)
class SeenPieces:
    """The pieces of a leaf's boxes, in each box's own coordinates."""

    leaf: Leaf
    pieces: Pieces
    lattice: Lattice
    gaussians: Gaussians  # of pieces: image = slopes u + offsets
    bounds: RegionBounds

    @staticmethod
    def of(leaf: Leaf, bends: Bends, most: int = sys.maxsize) -> SeenPieces:
        """Cut the boxes of a leaf. Raises TooManyCells where that makes more than most pieces."""
        pieces = cut(leaf.boxes, leaf.slots, bends, most)
        lattice = pieces.lattice()
        gaussians = _gaussians(pieces.maps(leaf.aligned.maps))
        facets, corners = lattice.facets, lattice.corners
        every = np.arange(pieces.count)
        walls = Polyhedra(facets.starts, lattice.normals, lattice.offsets, None, lattice.dimension)
        volumes = most_log_volumes(lattice.positions, corners.values, corners.owners, pieces.count)
        bounds = RegionBounds.of(gaussians, walls, every, volumes, np.zeros(pieces.count))
        return SeenPieces(leaf, pieces, lattice, gaussians, bounds)

    @property
    def log_scales(self) -> Array:
        """log of a piece's volume in z for one in u, (P,)."""
        return np.asarray(np.log(self.leaf.boxes.halves).sum(axis=1)[self.pieces.box])

    def pairs(self) -> PiecePairs:
        """Every pair of a datum and a piece of a box that can matter for it."""
        box = self.leaf.pairs.box
        starts = np.searchsorted(self.pieces.box, np.arange(self.leaf.boxes.number + 1))
        piece, pair = ranges(starts[box], starts[box + 1])
        return PiecePairs(pair, piece)

    def bounds_of(self, pairs: PiecePairs) -> Bounds:
        """What pairs cannot exceed, less what does not depend on u, in volumes of u."""
        seen = Seen(self.leaf.aligned.rows[pairs.pair], np.zeros(len(pairs.pair)))
        return self.bounds.of_pairs(seen, pairs.piece)

    def away(self, pairs: PiecePairs) -> Array:
        """Rows less the offsets of the pieces, (Q, m)."""
        return np.asarray(self.leaf.aligned.rows[pairs.pair] - self.gaussians.offsets[pairs.piece])

    def relative(self, pairs: PiecePairs, u: Array) -> tuple[Array, Array]:
        """log p(x, z) at places u (Q, S), less that at x's place, and what rounding may make of it,
        (Q,)."""
        slopes, offsets = self.gaussians.slopes[pairs.piece], self.gaussians.offsets[pairs.piece]
        images = (slopes @ u[:, :, None])[:, :, 0] + offsets
        aligned = self.leaf.aligned
        rows, bases = aligned.rows[pairs.pair], aligned.bases[pairs.pair]
        # A difference of squares, (a - b)(a + b), in which a - b does not involve x.
        step, whole = images - bases, 2.0 * rows - images - bases
        values = aligned.beside[pairs.pair] + 0.5 * dots(step, whole)
        sizes = np.linalg.norm(images, axis=1) + np.linalg.norm(bases, axis=1)
        doubts = _EPS * sizes * np.linalg.norm(whole, axis=1)
        return values, aligned.doubts[pairs.pair] + doubts

    def batches(self, pairs: PiecePairs) -> Iterator[Indices]:
        """Which of the pairs to integrate over together."""
        for some in batches(self.lattice, pairs.piece):
            yield np.arange(len(pairs.piece))[some]

    def items(self, pairs: PiecePairs) -> Iterator[tuple[Indices, Whitened]]:
        """The pairs' posteriors as whitened Gaussians in u, in batches: which of them, and they."""
        for some in self.batches(pairs):
            mine = pairs.at(some)
            roots, pulls = self.gaussians.roots[mine.piece], self.gaussians.pulls[mine.piece]
            away = self.away(mine)
            yield some, Whitened.of_posteriors(self.lattice, mine.piece, roots, pulls, away)

    def places(self, piece: Indices, u: Array) -> Array:
        """z of points u (n, S) of pieces (n,)."""
        return self.leaf.boxes.places(self.pieces.box[piece], u)


def _gaussians(maps: Maps) -> Gaussians:
    """From maps of u to images that have the prior's coordinates among theirs."""
    basis, roots = triangular(maps.slopes)
    diagonals = np.abs(np.einsum("rss->rs", roots))
    latent = roots.shape[1]
    return Gaussians(
        slopes=maps.slopes,
        offsets=maps.offsets,
        roots=roots,
        pulls=basis,
        log_volumes=0.5 * latent * LOG_2PI - np.log(diagonals).sum(axis=1),
    )
