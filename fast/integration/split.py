"""A polyhedron split into simplices that meet at its apex [eq. 9].

One for every chain of faces, facet ⊃ ... ⊃ corner: its corners are the apex and the points of these
faces nearest to it. Corners may be at infinity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fast.integration.apex import SNAP, Apex
from fast.integration.between_corners import perpendicular
from fast.integration.nearest_points import Level, nearest_points, placed
from fast.integration.whitened import Whitened, apply, dots, expanded
from fast.polyhedra.chunks import uneven_chunks
from fast.polyhedra.compensated_sums import determinants, doubled_difference
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask

LOG_2 = np.log(2.0)
# Polyhedra smaller than this have their volumes in units of their own size: the sixth power of it
# is still a double.
_TINY = 1e-30
# Corners farther than this are taken for directions: the Gaussian has fallen to exp(-41) at a
# distance of 9, and the sixth power of this is still a double.
_AT_INFINITY = 1e30


class Simplices(NamedTuple):
    """The simplices of all items.

    Volumes have units of their own, so that those of tiny polyhedra do not underflow.
    """

    item: Indices  # (K,): whose it is
    corners: Array  # (K, k, k): from the apex, whitened; a direction where not finite
    steps: Array  # (K, k, S): the same in z, across the lines
    finite: Mask  # (K, k): whether a corner is a point
    volume: Array  # (K,): |det| of the corners over exp(log_unit) of the item
    log_unit: Array  # (I,)
    slopes: Array  # (K, k): α of the exponent (fast.integration.simplex_moments)
    gram: Array  # (K, k, k): Γ of the exponent
    chain: Indices  # (K,): which of the lattice's chains of faces it is


def split(items: Whitened, apex: Apex) -> Simplices:
    """Split every item's polyhedron, which is not all of space, at its apex [eq. 9]."""
    lattice = items.lattice
    seen = apex.seen
    levels = nearest_points(items, apex.origin) if seen is None else seen.levels
    chains, links = lattice.chains
    entries, item = chains.entries(items.cells)
    links = links[chains.values[entries]]
    faces = levels[lattice.dimension - 1 :: -1]
    places = [face.starts[item] + link for face, link in zip(faces, links.T, strict=True)]
    rows: list[FacePoints] = []
    if seen is None:
        rows = [
            face_points(items, apex, level, lattice.dimension - 1 - j)
            for j, level in enumerate(faces)
        ]
        corners = _stacked([row.vectors for row in rows], places)
        steps = _stacked([row.steps for row in rows], places)
        slopes = np.einsum("nij,nj->ni", corners, apex.whitened[item])
    else:
        corners = _stacked([face.vectors for face in faces], places)
        steps = _stacked(seen.steps[::-1], places)
        slopes = _stacked(seen.falls[::-1], places)
    finite = _stacked([face.finite for face in faces], places).astype(bool)
    lengths = _far_corners_to_infinity(corners, finite)
    slopes, steps = slopes / lengths, steps / lengths[:, :, None]
    if seen is None:
        slopes = _hardly_sinking(slopes, corners)
    scaled, unit, fewest = _in_units(corners, finite, item, len(items.cells))
    if seen is not None:
        volume = seen.volumes(places) / lengths.prod(axis=1)
        volume = np.ldexp(volume, -unit[item] * finite.sum(axis=1))
    elif lattice.dimension == 2:
        volume = _areas(items, apex, item, scaled, unit[item], faces, places)
        volume /= lengths.prod(axis=1)
        # Normals do not have the precision that corners may have, nor heights over them.
        refined = lattice.refined[items.cells[item]]
        fine = np.flatnonzero(refined & finite.any(axis=1))
        if len(fine):
            shrunk = np.ldexp(lengths, np.where(finite, unit[item, None], 0))[fine]
            own = [at[fine] for at in places]
            volume[fine] = _volumes(items, item[fine], shrunk, rows, own)
    else:
        shrunk = np.ldexp(lengths, np.where(finite, unit[item, None], 0))
        volume = _volumes(items, item, shrunk, rows, places)
    volume = np.ldexp(volume, unit[item] * (finite.sum(axis=1) - fewest[item]))
    kept = volume > 0
    item, corners, finite, slopes = item[kept], corners[kept], finite[kept], slopes[kept]
    gram = corners @ np.swapaxes(corners, 1, 2)
    return Simplices(
        item=item,
        corners=corners,
        steps=steps[kept],
        finite=finite,
        volume=volume[kept],
        log_unit=LOG_2 * (unit * fewest),
        slopes=slopes,
        gram=gram,
        chain=chains.values[entries][kept],
    )


def _hardly_sinking(slopes: Array, corners: Array) -> Array:
    """Slopes (n, k) of the exponent from the apex to corners, where it sinks by SNAP at most: far
    out rounding leaves any slope."""
    squares = np.einsum("nij,nij->ni", corners, corners)
    least: Array = np.maximum(slopes, -2 * SNAP - np.sqrt(2 * SNAP * squares))
    return least


def _in_units(
    corners: Array, finite: Mask, item: Indices, count: int
) -> tuple[Array, Indices, Indices]:
    """The finite corners over a power of two for each item, exponents (I,) of that, and how many
    corners are finite in each item's simplex that has fewest."""
    sizes, fewest = np.zeros(count), np.full(count, corners.shape[1])
    reach = np.where(finite, np.max(np.abs(corners), axis=2), 0.0).max(axis=1)
    np.maximum.at(sizes, item, reach)
    np.minimum.at(fewest, item, finite.sum(axis=1))
    unit = np.where(sizes < _TINY, np.frexp(sizes)[1], 0)
    shift = np.where(finite, -unit[item, None], 0)
    return np.ldexp(corners, shift[:, :, None]), unit, fewest


def _far_corners_to_infinity(corners: Array, finite: Mask) -> Array:
    """Turn corners that are too far for their squares into directions, in place: the Gaussian has
    long ended there. Returns what they were divided by (K, k)."""
    lengths = np.max(np.abs(corners), axis=2)
    far = finite & (lengths > _AT_INFINITY)
    lengths = np.where(far, lengths, 1.0)
    corners /= lengths[:, :, None]
    finite[far] = False
    return lengths


def _areas(
    items: Whitened,
    apex: Apex,
    item: Indices,
    corners: Array,
    unit: Indices,
    faces: list[Level],
    places: list[Indices],
) -> Array:
    """For k = 2, in units of two to the power of `unit`: the apex's distance from the edge times
    the length along it, both accurate for needles and slabs; from the corners where the edge is at
    infinity."""
    facet_entries, owner = items.lattice.facets.entries(items.cells)
    normals = np.einsum("nsk,ns->nk", items.inverses[owner], items.lattice.normals[facet_entries])
    sizes = np.sqrt(dots(normals, normals))
    edge, corner = places
    height = apex.heights[edge] / np.where(sizes > 0, sizes, 1.0)[edge]
    bounded = items.lattice.points[faces[0].other[edge]]
    end = faces[1].corner[corner]
    share = faces[0].share[edge]
    share = np.where(end == faces[0].corner[edge], share, 1.0 - share)
    lengths = np.ldexp(faces[0].lengths[edge], -unit)
    length = np.where(faces[1].finite[corner], share * lengths, 1.0)
    at_corner = ~bounded & (end == faces[0].corner[edge])
    length = np.where(at_corner, faces[0].share[edge] * lengths, length)
    return np.where(
        faces[0].finite[edge],
        np.ldexp(height, -unit) * length,
        _between_directions(items, item, corners, faces[0], edge, end),
    )


def _volumes(
    items: Whitened, item: Indices, shrunk: Array, rows: list[FacePoints], places: list[Indices]
) -> Array:
    """From where the corners are in twice the precision: accurate for slabs, needles and slivers
    too. shrunk (K, k): what the corners are divided by."""
    lattice, latent = items.lattice, items.maps.shape[2]
    high, low = np.zeros((2, len(item), latent, latent))
    _, triangles = np.linalg.qr(np.swapaxes(items.maps, 1, 2))
    factors = np.abs(np.linalg.det(triangles))[item]
    for j, (row, at) in enumerate(zip(rows, places, strict=True)):
        _, exponent = np.frexp(np.max(np.abs(row.high), axis=1))
        high[:, j] = np.ldexp(row.high, -exponent[:, None])[at]
        low[:, j] = np.ldexp(row.low, -exponent[:, None])[at]
        factors *= np.ldexp(1 / row.lengths, exponent)[at] / shrunk[:, j]
    high[:, lattice.dimension :] = lattice.lines[items.cells[item]]
    return np.asarray(factors * determinants(high, low))


def _stacked(values: Sequence[Array | Mask], places: list[Indices]) -> Array:
    """What is known of the points of faces, for the corners of the simplices (K, k, ...)."""
    return np.stack([value[at] for value, at in zip(values, places, strict=True)], axis=1)


class FacePoints(NamedTuple):
    """The points of all items' faces of one dimension from the apex, and directions.

    In z and whitened: rounding would make of either for the other, of a long step, as much in
    directions in which it is 0, and the polyhedron may be thin there.
    """

    high: Array  # (n, S): in two parts
    low: Array
    lengths: Array  # (n,): of directions, whitened; 1
    steps: Array  # (n, S): in one part, across the lines; directions over their lengths
    vectors: Array  # (n, k): whitened; directions over their lengths


def face_points(items: Whitened, apex: Apex, level: Level, m: int) -> FacePoints:
    """The points of all items' faces of dimension m, and directions."""
    owner = expanded(items, m)[1]
    high, low = placed(items.lattice, level, np.arange(len(owner)))
    inside = apex.level == items.lattice.dimension
    base = np.where(inside[:, None], items.means, apex.origin.base)[owner]
    away, away_low = doubled_difference(high, low, base, apex.origin.small[owner])
    high = np.where(level.finite[:, None], away, high)
    low = np.where(level.finite[:, None], away_low, low)
    steps = high + low
    vectors = apply(items.maps[owner], steps)
    length = np.where(level.finite, 1.0, np.sqrt(dots(vectors, vectors)))
    return FacePoints(
        high=high,
        low=low,
        lengths=length,
        steps=items.across(steps / length[:, None], owner),
        vectors=vectors / length[:, None],
    )


def _between_directions(
    items: Whitened, item: Indices, corners: Array, edges: Level, edge: Indices, end: Indices
) -> Array:
    """|det| of the corners of simplices with two corners at infinity, accurate for needles too;
    end (K,): which corner the second of them is."""
    crossed = np.abs(corners[:, 0, 0] * corners[:, 1, 1] - corners[:, 0, 1] * corners[:, 1, 0])
    # At an obtuse angle the direction between two has a right angle to one of them.
    mine = np.flatnonzero(~edges.finite[edge] & (edges.share[edge] == 0))
    # At any other it is one of them: crossed with the other, as the two.
    one, other, owner = edges.corner[edge[mine]], edges.other[edge[mine]], item[mine]
    height, _, _ = perpendicular(items, one, other, owner)
    along = apply(items.maps[owner], items.lattice.positions[other])
    area = np.sqrt(dots(height, height) / dots(along, along))
    crossed[mine] = np.where(end[mine] == one, 0.0, area)
    return crossed


_BATCH = 1 << 18


def batches(lattice: Lattice, cells: Indices) -> Iterator[slice]:
    """Slices of items on these polyhedra whose simplices fit in memory."""
    if lattice.dimension:
        widths = lattice.chains[0].counts[cells] * lattice.dimension**2
    else:
        widths = np.ones(len(cells), dtype=np.intp)
    return uneven_chunks(widths, _BATCH)
