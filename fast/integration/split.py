"""A polyhedron split into simplices that meet at its apex [eq. 9].

One for every chain of faces, facet ⊃ ... ⊃ corner: its corners are the apex and the points of these
faces nearest to it. Corners may be at infinity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fast.integration.apex import Apex
from fast.integration.nearest_points import Level, nearest_points
from fast.integration.whitened import Whitened, dots
from fast.polyhedra.chunks import uneven_chunks
from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask

_LOG_2 = np.log(2.0)
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
    finite: Mask  # (K, k): whether a corner is a point
    volume: Array  # (K,): |det| of the corners over exp(log_unit) of the item
    log_unit: Array  # (I,)
    slopes: Array  # (K, k): α of the exponent (fast.integration.simplex_moments)
    gram: Array  # (K, k, k): Γ of the exponent


def split(items: Whitened, apex: Apex) -> Simplices:
    """Split every item's polyhedron, which is not all of space, at its apex [eq. 9]."""
    lattice = items.lattice
    levels = nearest_points(items, apex.origin)
    chains, links = lattice.chains
    entries, item = chains.entries(items.cells)
    links = links[chains.values[entries]]
    places = [
        levels[m].starts[item] + links[:, lattice.dimension - 1 - m]
        for m in range(lattice.dimension - 1, -1, -1)
    ]
    faces = [levels[m] for m in range(lattice.dimension - 1, -1, -1)]
    corners = np.stack([f.vectors[at] for f, at in zip(faces, places, strict=True)], axis=1)
    finite = np.stack([f.finite[at] for f, at in zip(faces, places, strict=True)], axis=1)
    lengths = _far_corners_to_infinity(corners, finite)
    scaled, unit, fewest = _in_units(corners, finite, item, len(items.cells))
    if lattice.dimension == 2:
        volume = _areas(items, apex, item, scaled, unit[item], faces, places)
        volume /= lengths.prod(axis=1)
    else:
        volume = np.abs(np.linalg.det(scaled))
    volume = np.ldexp(volume, unit[item] * (finite.sum(axis=1) - fewest[item]))
    kept = volume > 0
    item, corners, finite = item[kept], corners[kept], finite[kept]
    slopes = np.einsum("nij,nj->ni", corners, apex.whitened[item])
    gram = corners @ np.swapaxes(corners, 1, 2)
    return Simplices(
        item=item,
        corners=corners,
        finite=finite,
        volume=volume[kept],
        log_unit=_LOG_2 * (unit * fewest),
        slopes=slopes,
        gram=gram,
    )


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
        _between_directions(items, item, corners, faces, edge),
    )


def _between_directions(
    items: Whitened, item: Indices, corners: Array, faces: list[Level], edge: Indices
) -> Array:
    """|det| of the corners of simplices with two corners at infinity, accurate for needles too."""
    lattice = items.lattice
    crossed = corners[:, 0, 0] * corners[:, 1, 1] - corners[:, 0, 1] * corners[:, 1, 0]
    mine = np.flatnonzero(~faces[0].finite[edge] & (crossed != 0))
    if items.maps.shape[2] > 2:
        return np.abs(crossed)
    # The direction between two of length one, or one of them, crossed with one: as the two.
    one, other = faces[0].corner[edge[mine]], faces[0].other[edge[mine]]
    sides = np.stack([lattice.positions[one, 0], -lattice.positions[one, 1]], axis=1)
    left = np.stack([lattice.small[one, 0], -lattice.small[one, 1]], axis=1)
    turned, small = lattice.positions[other, ::-1], lattice.small[other, ::-1]
    area = heights(sides, dots(left, turned), turned, small)
    maps = items.maps[item[mine]]
    lengths = [
        np.linalg.norm(np.einsum("nij,nj->ni", maps, lattice.positions[i]), axis=1)
        for i in (one, other)
    ]
    crossed[mine] = area * np.linalg.det(maps) / (lengths[0] * lengths[1])
    return np.abs(crossed)


_BATCH = 1 << 18


def batches(lattice: Lattice, cells: Indices) -> Iterator[slice]:
    """Slices of items on these polyhedra whose simplices fit in memory."""
    if lattice.dimension:
        widths = lattice.chains[0].counts[cells] * lattice.dimension**2
    else:
        widths = np.ones(len(cells), dtype=np.intp)
    return uneven_chunks(widths, _BATCH)
