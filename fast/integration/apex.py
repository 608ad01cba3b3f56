"""The point of a polyhedron at which it is split: where a Gaussian is largest on it, or nearly so.

It is the point nearest the mean or, where a face of lower dimension is nearly as near, that face's:
then everything about thin shapes is a product of small numbers known accurately.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fast.integration.nearest_points import Level, nearest_points, placed
from fast.integration.whitened import Origin, Whitened, apply, dots, expanded
from fast.polyhedra.compensated_sums import heights
from reference.model import Array, Indices

#: -log of the density may grow by so much from the nearest point to an apex on a lower face.
SNAP = 0.05


class Seen(NamedTuple):
    """The points of all faces nearest to apexes, where they are known better than in doubles."""

    levels: list[Level]
    falls: list[Array]  # of every level: how -log of the density grows towards each to first order
    steps: list[Array]  # of every level: from the apex, in z
    # |det| of points seen from their apex, by their places in levels k-1, ..., 0, each (K,).
    volumes: Callable[[list[Indices]], Array]


class Apex(NamedTuple):
    """The chosen point of every item."""

    origin: Origin
    place: Array  # (I, S): where it is
    whitened: Array  # (I, k): u there
    heights: Array  # over each of the item's facets, in units of their normals, item after item
    level: Indices  # (I,): the dimension of the face that it lies inside; k in the interior
    face: Indices  # (I,): the number of that face; -1 in the interior
    seen: Seen | None = None  # the faces from there; None where `whitened` says enough


def choose_apex(items: Whitened, *, exact: bool = False) -> Apex:
    """The apex of each item; exact: the point nearest 0 itself."""
    lattice, count = items.lattice, len(items.cells)
    start = Origin(items.base, np.zeros_like(items.base), items.centres)
    if not lattice.dimension:
        none = np.full(count, -1)
        return Apex(
            origin=start,
            place=items.means,
            whitened=items.centres,
            heights=np.empty(0),
            level=none + 1,
            face=none,
        )
    levels = nearest_points(items, start)
    entries, owner = lattice.facets.entries(items.cells)
    at_mean = dots(lattice.normals[entries], items.means[owner]) + lattice.offsets[entries]
    inside = np.bincount(owner, weights=at_mean < 0, minlength=count) == 0
    found = [
        _least(np.where(f.finite, dots(f.vectors, f.vectors), np.inf), f.starts) for f in levels
    ]
    nearest = np.where(inside, 0.0, np.min([square for square, _ in found], axis=0))
    allowed = nearest if exact else nearest + 2 * SNAP

    apex = Apex(
        origin=Origin(start.base.copy(), start.small.copy(), start.step.copy()),
        place=items.means.copy(),
        whitened=np.zeros_like(items.centres),
        heights=np.maximum(at_mean, 0.0),
        level=np.full(count, lattice.dimension),
        face=np.full(count, -1),
    )
    open_items = np.ones(count, dtype=bool)
    best = levels[-1].vectors[found[-1][1]]
    for m, (level, (square, place)) in enumerate(zip(levels, found, strict=True)):
        # Squares of far points are equal to rounding where their difference is not small.
        mine = level.vectors[place]
        farther = ~inside & (dots(mine - best, mine + best) > 2 * SNAP)
        chosen = np.flatnonzero(open_items & (square <= allowed) & ~farther)
        at = place[chosen]
        open_items[chosen] = False
        apex.level[chosen], apex.face[chosen] = m, expanded(items, m)[0][at]
        apex.whitened[chosen] = level.vectors[at]
        _put(items, apex, chosen, placed(lattice, level, at))
        apart = level.apart[at]
        _heights_inside(items, apex, chosen[apart], entries, owner)
        chosen, at = chosen[~apart], at[~apart]
        _heights_between(items, apex, chosen, level.corner[at], level.other[at], level.share[at])
    # A polyhedron thinner than rounding may have no point that is told.
    apex.place[open_items & ~inside] = np.nan
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


def _put(items: Whitened, apex: Apex, chosen: Indices, places: tuple[Array, Array]) -> None:
    """Place apexes that lie on faces, known in two parts."""
    high, low = places
    apex.origin.base[chosen], apex.origin.small[chosen] = high, low
    apex.origin.step[chosen] = 0.0
    apex.place[chosen] = high + low
    if items.free.shape[2]:
        # Along the lines, where the Gaussian is largest.
        back = apply(items.along[chosen], items.means[chosen] - apex.place[chosen])
        apex.place[chosen] += apply(items.free[chosen], back)


def _heights_inside(
    items: Whitened, apex: Apex, chosen: Indices, entries: Indices, owner: Indices
) -> None:
    """Heights of apexes that lie inside a face, from where they are."""
    lattice = items.lattice
    mine = np.isin(owner, chosen)
    entries, owner = entries[mine], owner[mine]
    levels = heights(
        lattice.normals[entries],
        lattice.offsets[entries],
        apex.origin.base[owner],
        apex.origin.small[owner],
    )
    apex.heights[mine] = np.maximum(levels, 0.0)


def _heights_between(
    items: Whitened, apex: Apex, chosen: Indices, corner: Indices, other: Indices, share: Array
) -> None:
    """Heights of apexes at corners, or between two."""
    lattice, cells = items.lattice, items.cells[chosen]
    bounded = lattice.points[other][:, None]
    starts, table = lattice.heights
    counts = lattice.facets.counts[cells]
    row = np.repeat(np.arange(len(chosen)), counts)
    facet = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = starts[cells][row] + facet * lattice.corners.counts[cells][row]
    near = table[first + lattice.corners.places(cells, corner)[row]]
    far = table[first + lattice.corners.places(cells, other)[row]]
    kept = np.where(bounded[:, 0], 1.0 - share, 1.0)[row]
    ends = np.cumsum(lattice.facets.counts[items.cells])
    target = np.repeat(ends[chosen] - counts, counts) + facet
    apex.heights[target] = kept * near + share[row] * far


def _least(values: Array, starts: Indices) -> tuple[Array, Indices]:
    """The least value of each item's faces, and where it is; inf and 0 where it has none."""
    count = len(starts) - 1
    least, place = np.full(count, np.inf), np.zeros(count, dtype=np.intp)
    filled = np.flatnonzero(np.diff(starts))
    order = np.lexsort((values, np.repeat(np.arange(count), np.diff(starts))))
    place[filled] = order[starts[filled]]
    least[filled] = values[place[filled]]
    return least, place
