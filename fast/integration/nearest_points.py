"""The point of every face of a polyhedron that is nearest an origin.

Any point of a face serves to split a polyhedron at the origin; the nearest makes no angle there
obtuse: of every other point of the face the inner product with it is at least its own square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.integration.between_corners import acute_direction, perpendicular
from fast.integration.meeting_facets import holds, projected
from fast.integration.whitened import Origin, Whitened, apply, dots, expanded, relative
from fast.polyhedra.compensated_sums import doubled_heights, heights
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask

# A corner this many times as far as a point found from it leaves that less than 13 digits.
_FAR_CORNER = 1e3


class Level(NamedTuple):
    """The points nearest an origin on all n faces of one dimension, item after item.

    The point is at corner + share (other - corner), or at corner + share other if `other` is a
    direction; where it is `apart` it is at high + low.
    """

    starts: Indices  # (I + 1,): where an item's faces begin
    vectors: Array  # (n, k): from the origin; a direction for a face at infinity
    finite: Mask  # (n,): whether the face has a point
    corner: Indices  # (n,)
    other: Indices  # (n,)
    share: Array  # (n,)
    lengths: Array  # (n,): of edges, whitened; 0 otherwise
    apart: Mask  # (n,): inside a face of dimension 2 or more, far from its corners, or between rays
    high: Array  # (n, S): where it is then, or a direction of any length; 0 elsewhere
    low: Array  # (n, S)

    def of_item(self, item: int) -> Level:
        """The points of one item."""
        mine = slice(self.starts[item], self.starts[item + 1])
        return Level(
            starts=self.starts[item : item + 2] - self.starts[item],
            vectors=self.vectors[mine],
            finite=self.finite[mine],
            corner=self.corner[mine],
            other=self.other[mine],
            share=self.share[mine],
            lengths=self.lengths[mine],
            apart=self.apart[mine],
            high=self.high[mine],
            low=self.low[mine],
        )


def nearest_points(items: Whitened, origin: Origin) -> list[Level]:
    """For every dimension m < k, the point of every face nearest the origin."""
    levels = [_corners(items, origin)]
    if items.lattice.dimension > 1:
        levels.append(_edges(items, origin))
    for m in range(2, items.lattice.dimension):
        levels.append(_larger(items, origin, m, levels[-1]))
    return levels


def _corners(items: Whitened, origin: Origin) -> Level:
    corners, owner, starts = expanded(items, 0)
    vectors = relative(items, origin, corners, owner)
    finite = items.lattice.points[corners]
    lengths = np.where(finite, 1.0, np.sqrt(dots(vectors, vectors)))
    none = np.zeros(len(corners))
    nowhere = np.zeros((len(corners), items.maps.shape[2]))
    return Level(
        starts=starts,
        vectors=vectors / lengths[:, None],
        finite=finite,
        corner=corners,
        other=corners,
        share=none,
        lengths=none,
        apart=np.zeros(len(corners), dtype=bool),
        high=nowhere,
        low=nowhere,
    )


def _edges(items: Whitened, origin: Origin) -> Level:
    lattice = items.lattice
    faces, owner, starts = expanded(items, 1)
    corner, other = lattice.spanning(1)[faces].T
    finite = lattice.faces[1].finite[faces]
    bounded = lattice.points[other]
    start = relative(items, origin, corner, owner)
    from_corner = bounded[:, None]
    span = lattice.positions[other] - np.where(from_corner, lattice.positions[corner], 0.0)
    span += lattice.small[other] - np.where(from_corner, lattice.small[corner], 0.0)
    along = apply(items.maps[owner], span)
    square = dots(along, along)
    lengths = np.sqrt(square)
    # Corners may be so near each other that they are one in twice the precision.
    square = np.where(square > 0, square, 1.0)
    share = -dots(start, along) / square
    # From the nearer end: it may be a tiny part of a long edge.
    turn = bounded & (share > 0.5)
    start[turn] = relative(items, origin, other[turn], owner[turn])
    along[turn] *= -1.0
    share[turn] = -dots(start[turn], along[turn]) / square[turn]
    corner, other = np.where(turn, other, corner), np.where(turn, corner, other)
    share = np.maximum(share, 0.0)
    vectors = start + share[:, None] * along
    high, low = np.zeros((2, len(faces), items.maps.shape[2]))
    far = np.flatnonzero(finite & (share > 0) & _is_far(start, vectors))
    vectors[far], high[far], low[far] = projected(items, origin, 1, faces[far], owner[far])
    # Between two directions: one that makes no obtuse angle with either.
    vectors[~finite] = start[~finite]
    obtuse = np.flatnonzero(~finite & (share > 0))
    one, two, mine = corner[obtuse], other[obtuse], owner[obtuse]
    vectors[obtuse], high[obtuse], low[obtuse] = perpendicular(items, one, two, mine)
    length = np.sqrt(dots(vectors[~finite], vectors[~finite]))
    vectors[~finite] /= length[:, None]
    apart = np.zeros(len(faces), dtype=bool)
    apart[far] = apart[obtuse] = True
    return Level(
        starts=starts,
        vectors=vectors,
        finite=finite,
        corner=corner,
        other=other,
        share=share,
        lengths=lengths,
        apart=apart,
        high=high,
        low=low,
    )


def placed(lattice: Lattice, level: Level, rows: Indices) -> tuple[Array, Array]:
    """Where some of the points are, or in what direction, in two parts to be added, (n, S)."""
    corner, apart = level.corner[rows], level.apart[rows]
    high, low = lattice.positions[corner], lattice.small[corner]
    high[apart], low[apart] = level.high[rows[apart]], level.low[rows[apart]]
    between = np.flatnonzero(level.finite[rows] & (level.share[rows] > 0) & ~apart)
    if len(between):
        corner, other = corner[between], level.other[rows[between]]
        share = level.share[rows[between]]
        share = np.stack([share, np.where(lattice.points[other], -share, 0.0)], axis=1)
        both = np.stack([other, corner], axis=1)
        high[between], low[between] = doubled_heights(
            share[:, None],
            lattice.positions[corner],
            lattice.small[corner],
            np.swapaxes(lattice.positions[both], 1, 2),
            np.swapaxes(lattice.small[both], 1, 2),
        )
    return high, low


def _larger(items: Whitened, origin: Origin, m: int, below: Level) -> Level:
    """Faces of dimension m >= 2: the projection of the origin if it is inside, else the nearest of
    the points of their own faces."""
    lattice = items.lattice
    faces, owner, starts = expanded(items, m)
    finite = lattice.faces[m].finite[faces]
    boundary = lattice.faces[m].boundary
    entries, parent = boundary.entries(faces)
    keys_count = len(lattice.faces[m - 1].finite)
    own, own_owner, _ = expanded(items, m - 1)
    keys = own_owner * keys_count + own
    place = np.searchsorted(keys, owner[parent] * keys_count + boundary.values[entries])
    size = np.where(below.finite[place], dots(below.vectors[place], below.vectors[place]), np.inf)
    order = np.lexsort((size, parent))
    first = np.searchsorted(parent[order], np.arange(len(faces)))
    best = place[order[first]]
    vectors, apart = below.vectors[best].copy(), below.apart[best].copy()
    high, low = below.high[best].copy(), below.low[best].copy()
    mine = np.flatnonzero(finite)
    found, inside = _projections(items, origin, m, faces[mine], owner[mine])
    for part, values in zip((vectors, high, low), found, strict=True):
        part[mine[inside]] = values[inside]
    apart[mine[inside]], apart[~finite] = True, True
    for i in np.flatnonzero(~finite):
        vectors[i], high[i], low[i] = acute_direction(items, faces[i], owner[i], m)
    return Level(
        starts=starts,
        vectors=vectors,
        finite=finite,
        corner=below.corner[best],
        other=below.other[best],
        share=below.share[best],
        lengths=np.zeros(len(faces)),
        apart=apart,
        high=high,
        low=low,
    )


def _projections(
    items: Whitened, origin: Origin, m: int, faces: Indices, owner: Indices
) -> tuple[tuple[Array, Array, Array], Mask]:
    """The origin's projection on the span of each face, and whether it lies in the face."""
    lattice = items.lattice
    vectors, high, low = projected(items, origin, m, faces, owner)
    # Inside every facet that does not hold the face.
    entries, row = lattice.facets.entries(items.cells[owner])
    levels = heights(lattice.normals[entries], lattice.offsets[entries], high[row], low[row])
    holding = holds(lattice, m, faces[row], lattice.facets.values[entries])
    outside = np.bincount(row, weights=(levels < 0) & ~holding, minlength=len(faces)) > 0
    return (vectors, high, low), ~outside


def _is_far(corners: Array, vectors: Array) -> Mask:
    """Whether corners are so much farther than points found from them that these lost digits."""
    return dots(corners, corners) > _FAR_CORNER**2 * np.maximum(1.0, dots(vectors, vectors))
