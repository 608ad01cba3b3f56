"""The point of every face of a polyhedron that is nearest an origin.

Any point of a face serves to split a polyhedron at the origin; the nearest makes no angle there
obtuse: of every other point of the face the inner product with it is at least its own square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from fast.integration.whitened import Origin, Whitened, apply, dots, expanded, relative
from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask

# A corner this many times as far as a point found from it leaves that less than 13 digits.
_FAR_CORNER = 1e3


class Level(NamedTuple):
    """The points nearest an origin on all n faces of one dimension, item after item.

    The point is at corner + share (other - corner), or at corner + share other if `other` is a
    direction.
    """

    starts: Indices  # (I + 1,): where an item's faces begin
    vectors: Array  # (n, k): from the origin; a direction for a face at infinity
    finite: Mask  # (n,): whether the face has a point
    corner: Indices  # (n,): -1 where the point lies inside a face of dimension 2 or more
    other: Indices  # (n,)
    share: Array  # (n,)
    lengths: Array  # (n,): of edges, whitened; 0 otherwise
    far: Mask  # (n,): whether the point is known from its facets, as that corner is far away


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
    near = np.zeros(len(corners), dtype=bool)
    return Level(
        starts=starts,
        vectors=vectors / lengths[:, None],
        finite=finite,
        corner=corners,
        other=corners,
        share=none,
        lengths=none,
        far=near,
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
    share = -dots(start, along) / square
    # From the nearer end: it may be a tiny part of a long edge.
    turn = bounded & (share > 0.5)
    start[turn] = relative(items, origin, other[turn], owner[turn])
    along[turn] *= -1.0
    share[turn] = -dots(start[turn], along[turn]) / square[turn]
    corner, other = np.where(turn, other, corner), np.where(turn, corner, other)
    share = np.maximum(share, 0.0)
    vectors = start + share[:, None] * along
    far = np.flatnonzero(finite & (share > 0) & _is_far(start, vectors))
    vectors[far] = _by_facets(items, origin, 1, faces[far], owner[far])
    # Between two directions: one that makes no obtuse angle with either.
    one = start[~finite] / np.sqrt(dots(start[~finite], start[~finite]))[:, None]
    two = along[~finite] / np.sqrt(square[~finite])[:, None]
    vectors[~finite] = np.where(dots(one, two)[:, None] >= 0, one, one + two)
    by_facets = np.zeros(len(faces), dtype=bool)
    by_facets[far] = True
    return Level(
        starts=starts,
        vectors=vectors,
        finite=finite,
        corner=corner,
        other=other,
        share=share,
        lengths=np.sqrt(square),
        far=by_facets,
    )


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
    vectors, corner = below.vectors[best].copy(), below.corner[best].copy()
    other, share, far = below.other[best].copy(), below.share[best].copy(), below.far[best].copy()
    projected, inside = _projections(items, origin, m, faces, owner, finite)
    vectors[inside], corner[inside] = projected[inside], -1
    for i in np.flatnonzero(~finite):
        vectors[i] = _acute_direction(items, faces[i], owner[i], m)
        corner[i] = -1
    return Level(
        starts=starts,
        vectors=vectors,
        finite=finite,
        corner=corner,
        other=other,
        share=share,
        lengths=np.zeros(len(faces)),
        far=far,
    )


def _projections(
    items: Whitened, origin: Origin, m: int, faces: Indices, owner: Indices, finite: Mask
) -> tuple[Array, Mask]:
    """The origin's projection on the span of each face, and whether it lies in the face."""
    lattice = items.lattice
    k = lattice.dimension
    span = lattice.spanning(m)[faces]
    vectors, inside = np.zeros((len(faces), k)), finite.copy()
    mine = np.flatnonzero(finite)
    item = owner[mine]
    first = span[mine, 0]
    start = relative(items, origin, first, item)
    first_corner = start
    columns = []
    for j in range(1, m + 1):
        other = span[mine, j]
        away = lattice.positions[other] - np.where(
            lattice.points[other][:, None], lattice.positions[first], 0.0
        )
        along = apply(items.maps[item], away)
        columns.append(along / np.sqrt(dots(along, along))[:, None])
    basis, _ = np.linalg.qr(np.stack(columns, axis=2))
    for _ in range(2):
        start = start - apply(basis, apply(np.swapaxes(basis, 1, 2), start))
    far = np.flatnonzero(_is_far(first_corner, start))
    start[far] = _by_facets(items, origin, m, faces[mine[far]], item[far])
    vectors[mine] = start
    # Inside every facet that does not hold the face.
    places = origin.base[item] + apply(items.inverses[item], start + origin.step[item])
    facet_entries, row = lattice.facets.entries(items.cells[item])
    levels = dots(lattice.normals[facet_entries], places[row]) + lattice.offsets[facet_entries]
    holding = _holds(lattice, m, faces[mine][row], lattice.facets.values[facet_entries])
    outside = np.bincount(row, weights=(levels < 0) & ~holding, minlength=len(mine)) > 0
    inside[mine] = ~outside
    return vectors, inside


def _is_far(corners: Array, vectors: Array) -> Mask:
    """Whether corners are so much farther than points found from them that these lost digits."""
    return dots(corners, corners) > _FAR_CORNER**2 * np.maximum(1.0, dots(vectors, vectors))


def _by_facets(items: Whitened, origin: Origin, m: int, faces: Indices, owner: Indices) -> Array:
    """The origin's projection on the span of each face, from the facets that hold it.

    From a corner at distance L it would be known to ε L only.
    """
    lattice = items.lattice
    entries, row = lattice.facets.entries(items.cells[owner])
    kept = _holds(lattice, m, faces[row], lattice.facets.values[entries])
    entries, row = entries[kept], row[kept]
    item = owner[row]
    normals = np.einsum("nsk,ns->nk", items.inverses[item], lattice.normals[entries])
    step = origin.small[item] + apply(items.inverses[item], origin.step[item])
    away = heights(lattice.normals[entries], lattice.offsets[entries], origin.base[item], step)
    lengths = np.sqrt(dots(normals, normals))
    normals, away = normals / lengths[:, None], away / lengths
    result = np.empty((len(faces), lattice.dimension))
    counts = np.bincount(row, minlength=len(faces))
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts):
        mine = np.flatnonzero(counts == count)
        together = starts[mine][:, None] + np.arange(count)
        result[mine] = -apply(np.linalg.pinv(normals[together]), away[together])
    return result


def _holds(lattice: Lattice, m: int, faces: Indices, facets: Indices) -> Mask:
    """Whether each facet holds all corners of each face."""
    on_facet = lattice.faces[-1].corners
    count = len(lattice.points)
    keys = on_facet.owners * count + on_facet.values
    corners = lattice.faces[m].corners
    entries, row = corners.entries(faces)
    mine = facets[row] * count + corners.values[entries]
    place = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
    missing = np.bincount(row, weights=keys[place] != mine, minlength=len(faces))
    return np.asarray(missing == 0)


def _acute_direction(items: Whitened, face: int, item: int, m: int) -> Array:
    """A direction inside a face at infinity that makes no obtuse angle with any of its rays: the
    point of their convex hull nearest 0."""
    lattice = items.lattice
    corners = lattice.faces[m].corners
    mine = corners.values[corners.starts[face] : corners.starts[face + 1]]
    rays = apply(items.maps[item], lattice.positions[mine])
    rays = rays / np.sqrt(dots(rays, rays))[:, None]
    weights, _ = nnls(
        np.concatenate([rays.T, np.ones((1, len(rays)))]), np.eye(rays.shape[1] + 1)[-1]
    )
    direction = weights @ rays
    return np.asarray(direction / np.linalg.norm(direction))
