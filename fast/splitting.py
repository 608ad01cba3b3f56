"""A polyhedron split into simplices that meet at its apex [eq. 9].

One for every chain of faces, facet ⊃ ... ⊃ corner: its corners are the apex and the points of these
faces nearest to it. Corners may be at infinity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.apex import Apex
from fast.compensated import heights
from fast.complex import Indices, Mask
from fast.nearest import Level, nearest_points
from fast.whitened import Whitened, dots
from reference.network import Array


class Simplices(NamedTuple):
    """The simplices of all items: item (K,), corners (K, k, k) from the apex, whitened, finite
    (K, k), volume (K,): |det| of the corners; slopes (K, k) and gram (K, k, k) of the exponent."""

    item: Indices
    corners: Array
    finite: Mask
    volume: Array
    slopes: Array
    gram: Array


def split(items: Whitened, apex: Apex) -> Simplices:
    """Split every item's polyhedron at its apex [eq. 9]."""
    lattice = items.lattice
    if not lattice.dimension:
        nothing = np.empty((0, 0, 0))
        return Simplices(
            np.empty(0, dtype=np.intp),
            nothing,
            np.empty((0, 0), dtype=bool),
            np.empty(0),
            np.empty((0, 0)),
            nothing,
        )
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
    if lattice.dimension == 1:
        volume = np.abs(corners[:, 0, 0])
    elif lattice.dimension == 2:
        volume = _areas(items, apex, item, corners, faces, places)
    else:
        volume = np.abs(np.linalg.det(corners))
    kept = volume > 0
    item, corners, finite = item[kept], corners[kept], finite[kept]
    slopes = np.einsum("nij,nj->ni", corners, apex.whitened[item])
    gram = corners @ np.swapaxes(corners, 1, 2)
    return Simplices(item, corners, finite, volume[kept], slopes, gram)


def _areas(
    items: Whitened,
    apex: Apex,
    item: Indices,
    corners: Array,
    faces: list[Level],
    places: list[Indices],
) -> Array:
    """For k = 2: the apex's distance from the edge times the length along it, both accurate for
    needles and slabs; from the corners where the edge is at infinity."""
    facet_entries, owner = items.lattice.facets.entries(items.cells)
    normals = np.einsum("nsk,ns->nk", items.inverses[owner], items.lattice.normals[facet_entries])
    lengths = np.sqrt(dots(normals, normals))
    edge, corner = places
    height = apex.heights[edge] / np.where(lengths > 0, lengths, 1.0)[edge]
    bounded = items.lattice.points[faces[0].other[edge]]
    end = faces[1].corner[corner]
    share = faces[0].share[edge]
    share = np.where(end == faces[0].corner[edge], share, 1.0 - share)
    length = np.where(faces[1].finite[corner], share * faces[0].lengths[edge], 1.0)
    at_corner = ~bounded & (end == faces[0].corner[edge])
    length = np.where(at_corner, (faces[0].share * faces[0].lengths)[edge], length)
    return np.where(
        faces[0].finite[edge],
        height * length,
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
