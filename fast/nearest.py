"""Where on a polyhedron, and on each of its faces, a Gaussian is largest.

Whitened coordinates: u = M z - m, in which the Gaussian is standard; M (k, S) maps the polyhedron's
lines to 0. The apex of a polyhedron is its point nearest 0 or, where a face of lower dimension is
nearly as near, that face's: then everything about thin shapes is a product of small numbers known
accurately. Any point of a face serves to split it; the nearest to the apex makes no angle there
obtuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from fast.complex import Indices, Mask
from fast.lattice import Lattice, places
from reference.network import Array

# -log of the density may grow by so much from the nearest point to an apex on a lower face.
_SNAP = 0.05


@dataclass(frozen=True, eq=False)
class Whitened:
    """Gaussians on polyhedra of a lattice, one an item.

    cells (I,): the polyhedron. maps (I, k, S) = M, centres (I, k) = m. means (I, S): the Gaussian's
    mean. inverses (I, S, k), free (I, S, S-k): z = mean + inverses u + free v, v standard normal
    along the lines. log_scale (I,): log of the volume of z for one of (u, v).
    """

    lattice: Lattice
    cells: Indices
    maps: Array
    centres: Array
    means: Array
    inverses: Array
    free: Array
    log_scale: Array

    @staticmethod
    def of(lattice: Lattice, cells: Indices, maps: Array, centres: Array, means: Array) -> Whitened:
        """From maps (I, S, S), centres (I, S) of all of z: its lines are turned to the end."""
        inverses = np.linalg.inv(maps).astype(np.float64)
        log_scale = np.asarray(-np.linalg.slogdet(maps)[1], dtype=np.float64)
        k, latent = lattice.dimension, maps.shape[-1]
        free = np.empty((len(cells), latent, 0))
        if k < latent:
            along = maps @ np.swapaxes(lattice.lines[cells], 1, 2)
            turned, _ = np.linalg.qr(along, mode="complete")
            across, along = turned[:, :, latent - k :], turned[:, :, : latent - k]
            free = inverses @ along
            maps, inverses = np.swapaxes(across, 1, 2) @ maps, inverses @ across
            centres = np.einsum("nij,ni->nj", across, centres)
        return Whitened(lattice, cells, maps, centres, means, inverses, free, log_scale)

    def part(self, chosen: slice | Indices) -> Whitened:
        """Some of the items."""
        return Whitened(
            self.lattice,
            self.cells[chosen],
            self.maps[chosen],
            self.centres[chosen],
            self.means[chosen],
            self.inverses[chosen],
            self.free[chosen],
            self.log_scale[chosen],
        )


class Origin(NamedTuple):
    """One point of each item's polyhedron that others are measured from: u(z) - u(origin) =
    M (z - base) - step. base (I, S), step (I, k)."""

    base: Array
    step: Array


class Level(NamedTuple):
    """The points nearest an origin on all faces of one dimension, item after item.

    starts (I + 1,): where an item's faces begin. vectors (n, k): from the origin, or a direction
    where `finite` is False. corner, other, share (n,): the point is at corner + share (other -
    corner), or corner + share other if that is a direction; corner is -1 where the point lies
    inside a face of dimension 2 or more. lengths (n,): of edges, whitened; 0 otherwise.
    """

    starts: Indices
    vectors: Array
    finite: Mask
    corner: Indices
    other: Indices
    share: Array
    lengths: Array


class Apex(NamedTuple):
    """The chosen point of every item: its origin, where it is (I, S), u there (I, k), and how high
    it is over each of the item's facets, in units of their normals (item after item). level, face
    (I,): the face that it lies inside, by dimension and number; k and -1 in the interior."""

    origin: Origin
    place: Array
    whitened: Array
    heights: Array
    level: Indices
    face: Indices


def dots(a: Array, b: Array) -> Array:
    """Inner products of rows."""
    return np.asarray(np.einsum("...i,...i->...", a, b))


def _apply(maps: Array, vectors: Array) -> Array:
    return np.asarray(np.einsum("...ij,...j->...i", maps, vectors))


def nearest_points(items: Whitened, origin: Origin) -> list[Level]:
    """For every dimension m < k, the point of every face nearest the origin."""
    levels = [_corners(items, origin)]
    if items.lattice.dimension > 1:
        levels.append(_edges(items, origin))
    for m in range(2, items.lattice.dimension):
        levels.append(_larger(items, origin, m, levels[-1]))
    return levels


def _expanded(items: Whitened, m: int) -> tuple[Indices, Indices, Indices]:
    """Every item's faces of dimension m: which, of which item, and where each item's begin."""
    of_cells = items.lattice.faces[m].of_cells
    entries, owner = of_cells.entries(items.cells)
    starts = np.concatenate([[0], np.cumsum(of_cells.counts[items.cells])])
    return of_cells.values[entries], owner, starts


def _relative(items: Whitened, origin: Origin, corners: Indices, owner: Indices) -> Array:
    """Corners of items measured from their origin; directions as they are."""
    lattice = items.lattice
    points = lattice.points[corners][:, None]
    away = lattice.positions[corners] - np.where(points, origin.base[owner], 0.0)
    away = away + lattice.small[corners]
    return _apply(items.maps[owner], away) - np.where(points, origin.step[owner], 0.0)


def _corners(items: Whitened, origin: Origin) -> Level:
    corners, owner, starts = _expanded(items, 0)
    vectors = _relative(items, origin, corners, owner)
    finite = items.lattice.points[corners]
    lengths = np.where(finite, 1.0, np.sqrt(dots(vectors, vectors)))
    none = np.zeros(len(corners))
    return Level(starts, vectors / lengths[:, None], finite, corners, corners, none, none)


def _edges(items: Whitened, origin: Origin) -> Level:
    lattice = items.lattice
    faces, owner, starts = _expanded(items, 1)
    corner, other = lattice.spanning(1)[faces].T
    finite = lattice.faces[1].finite[faces]
    bounded = lattice.points[other]
    start = _relative(items, origin, corner, owner)
    from_corner = bounded[:, None]
    span = lattice.positions[other] - np.where(from_corner, lattice.positions[corner], 0.0)
    span += lattice.small[other] - np.where(from_corner, lattice.small[corner], 0.0)
    along = _apply(items.maps[owner], span)
    square = dots(along, along)
    share = -dots(start, along) / square
    # From the nearer end: it may be a tiny part of a long edge.
    turn = bounded & (share > 0.5)
    start[turn] = _relative(items, origin, other[turn], owner[turn])
    along[turn] *= -1.0
    share[turn] = -dots(start[turn], along[turn]) / square[turn]
    corner, other = np.where(turn, other, corner), np.where(turn, corner, other)
    share = np.maximum(share, 0.0)
    vectors = start + share[:, None] * along
    # Between two directions: one that makes no obtuse angle with either.
    one = start[~finite] / np.sqrt(dots(start[~finite], start[~finite]))[:, None]
    two = along[~finite] / np.sqrt(square[~finite])[:, None]
    vectors[~finite] = np.where(dots(one, two)[:, None] >= 0, one, one + two)
    return Level(starts, vectors, finite, corner, other, share, np.sqrt(square))


def _larger(items: Whitened, origin: Origin, m: int, below: Level) -> Level:
    """Faces of dimension m >= 2: the projection of the origin if it is inside, else the nearest of
    the points of their own faces."""
    lattice = items.lattice
    faces, owner, starts = _expanded(items, m)
    finite = lattice.faces[m].finite[faces]
    boundary = lattice.faces[m].boundary
    entries, parent = boundary.entries(faces)
    keys_count = 1 + len(lattice.faces[m - 1].finite)
    own, own_owner, _ = _expanded(items, m - 1)
    keys = own_owner * keys_count + own
    place = np.searchsorted(keys, owner[parent] * keys_count + boundary.values[entries])
    size = np.where(below.finite[place], dots(below.vectors[place], below.vectors[place]), np.inf)
    order = np.lexsort((size, parent))
    first = np.searchsorted(parent[order], np.arange(len(faces)))
    best = place[order[first]]
    vectors, corner = below.vectors[best].copy(), below.corner[best].copy()
    other, share = below.other[best].copy(), below.share[best].copy()
    projected, inside = _projections(items, origin, m, faces, owner, finite)
    vectors[inside], corner[inside] = projected[inside], -1
    for i in np.flatnonzero(~finite):
        vectors[i] = _acute_direction(items, faces[i], owner[i], m)
        corner[i] = -1
    return Level(starts, vectors, finite, corner, other, share, np.zeros(len(faces)))


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
    start = _relative(items, origin, first, item)
    columns = []
    for j in range(1, m + 1):
        other = span[mine, j]
        away = lattice.positions[other] - np.where(
            lattice.points[other][:, None], lattice.positions[first], 0.0
        )
        along = _apply(items.maps[item], away)
        columns.append(along / np.sqrt(dots(along, along))[:, None])
    basis, _ = np.linalg.qr(np.stack(columns, axis=2))
    for _ in range(2):
        start = start - _apply(basis, _apply(np.swapaxes(basis, 1, 2), start))
    vectors[mine] = start
    # Inside every facet that does not hold the face.
    places = origin.base[item] + _apply(items.inverses[item], start + origin.step[item])
    facet_entries, row = lattice.facets.entries(items.cells[item])
    levels = dots(lattice.normals[facet_entries], places[row]) + lattice.offsets[facet_entries]
    holding = _holds(lattice, m, faces[mine][row], lattice.facets.values[facet_entries])
    outside = np.bincount(row, weights=(levels < 0) & ~holding, minlength=len(mine)) > 0
    inside[mine] = ~outside
    return vectors, inside


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
    rays = _apply(items.maps[item], lattice.positions[mine])
    rays = rays / np.sqrt(dots(rays, rays))[:, None]
    weights, _ = nnls(
        np.concatenate([rays.T, np.ones((1, len(rays)))]), np.eye(rays.shape[1] + 1)[-1]
    )
    direction = weights @ rays
    return np.asarray(direction / np.linalg.norm(direction))


def choose_apex(items: Whitened, *, exact: bool = False) -> Apex:
    """The apex of each item; exact: the point nearest 0 itself."""
    lattice, count = items.lattice, len(items.cells)
    start = Origin(np.zeros_like(items.means), items.centres)
    if not lattice.dimension:
        nowhere = np.full(count, -1)
        return Apex(start, items.means, items.centres, np.empty(0), nowhere + 1, nowhere)
    levels = nearest_points(items, start)
    entries, owner = lattice.facets.entries(items.cells)
    at_mean = dots(lattice.normals[entries], items.means[owner]) + lattice.offsets[entries]
    inside = np.bincount(owner, weights=at_mean < 0, minlength=count) == 0
    found = [
        _least(np.where(f.finite, dots(f.vectors, f.vectors), np.inf), f.starts) for f in levels
    ]
    nearest = np.where(inside, 0.0, np.min([square for square, _ in found], axis=0))
    allowed = nearest if exact else nearest + 2 * _SNAP

    apex = Apex(
        Origin(start.base.copy(), start.step.copy()),
        items.means.copy(),
        np.zeros_like(items.centres),
        np.maximum(at_mean, 0.0),
        np.full(count, lattice.dimension),
        np.full(count, -1),
    )
    open_items = np.ones(count, dtype=bool)
    for m, (level, (square, place)) in enumerate(zip(levels, found, strict=True)):
        chosen = np.flatnonzero(open_items & (square <= allowed))
        open_items[chosen] = False
        apex.level[chosen], apex.face[chosen] = m, _expanded(items, m)[0][place[chosen]]
        apex.whitened[chosen] = level.vectors[place[chosen]]
        between = level.corner[place[chosen]] >= 0
        _put_inside(items, apex, chosen[~between], entries, owner)
        chosen = chosen[between]
        at = place[chosen]
        _put_between(items, apex, chosen, level.corner[at], level.other[at], level.share[at])
    return apex


def free_directions(items: Whitened, apex: Apex) -> Array:
    """Directions (I, S, S), a column each and zeros, that do not leave the face of the apex."""
    lattice = items.lattice
    latent = items.maps.shape[2]
    result = np.zeros((len(items.cells), latent, latent))
    result[:, :, lattice.dimension :] = np.swapaxes(lattice.lines[items.cells], 1, 2)
    for m in range(1, lattice.dimension + 1):
        mine = np.flatnonzero(apex.level == m)
        if m == lattice.dimension:
            across = np.swapaxes(items.inverses[mine], 1, 2)
        else:
            span = lattice.spanning(m)[apex.face[mine]]
            first = lattice.positions[span[:, :1]] * lattice.points[span[:, 1:], None]
            across = lattice.positions[span[:, 1:]] - first
        result[mine, :, :m] = np.linalg.qr(np.swapaxes(across, 1, 2))[0]
    return result


def _put_inside(
    items: Whitened, apex: Apex, chosen: Indices, entries: Indices, owner: Indices
) -> None:
    """Place apexes that are known by u alone."""
    lattice = items.lattice
    apex.origin.step[chosen] = items.centres[chosen] + apex.whitened[chosen]
    apex.place[chosen] += _apply(items.inverses[chosen], apex.whitened[chosen])
    mine = np.isin(owner, chosen)
    levels = dots(lattice.normals[entries[mine]], apex.place[owner[mine]])
    apex.heights[mine] = np.maximum(levels + lattice.offsets[entries[mine]], 0.0)


def _put_between(
    items: Whitened, apex: Apex, chosen: Indices, corner: Indices, other: Indices, share: Array
) -> None:
    """Place apexes at corners, or between two."""
    lattice, cells = items.lattice, items.cells[chosen]
    bounded = lattice.points[other][:, None]
    span = lattice.positions[other] - np.where(bounded, lattice.positions[corner], 0.0)
    move = share[:, None] * span
    apex.origin.base[chosen] = lattice.positions[corner]
    apex.origin.step[chosen] = _apply(items.maps[chosen], move)
    apex.place[chosen] = lattice.positions[corner] + move
    if items.free.shape[2]:
        # Along the lines, where the Gaussian is largest.
        back = _apply(items.inverses[chosen], apex.whitened[chosen])
        apex.place[chosen] = items.means[chosen] + back

    starts, table = lattice.heights
    counts = lattice.facets.counts[cells]
    row = np.repeat(np.arange(len(chosen)), counts)
    facet = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = starts[cells][row] + facet * lattice.corners.counts[cells][row]
    near = table[first + places(lattice.corners, cells, corner)[row]]
    far = table[first + places(lattice.corners, cells, other)[row]]
    kept = np.where(bounded[:, 0], 1.0 - share, 1.0)[row]
    ends = np.cumsum(lattice.facets.counts[items.cells])
    target = np.repeat(ends[chosen] - counts, counts) + facet
    apex.heights[target] = kept * near + share[row] * far


def _least(values: Array, starts: Indices) -> tuple[Array, Indices]:
    """The least value of each item's faces, and where it is; inf and 0 where it has none."""
    count = len(starts) - 1
    least, place = np.full(count, np.inf), np.zeros(count, dtype=np.intp)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        order = np.lexsort((values, np.repeat(np.arange(count), np.diff(starts))))
        place[filled] = order[starts[filled]]
        least[filled] = values[place[filled]]
    return least, place
