"""Where facets of a polyhedron meet, next to an origin: from the half-spaces, not from corners."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.integration.between_corners import on_span
from fast.integration.whitened import Origin, Whitened, apply, dots
from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask

# Corrections of a place: each leaves a share of its error, the condition number times ε.
_ROUNDS = 3
# Half way between one precision and two: what is off its facets by a larger share of the terms was
# not corrected, for they are as good as dependent.
_SETTLED = np.finfo(np.float64).eps ** 1.5


class _Met(NamedTuple):
    """Where facets meet, next to an origin."""

    vectors: Array  # (n, k): from the origin
    high: Array  # (n, S): where it is, in two parts
    low: Array
    settled: Mask  # (n,): whether it is there to more than one precision


def projected(
    items: Whitened, origin: Origin, m: int, faces: Indices, owner: Indices
) -> tuple[Array, Array, Array]:
    """The origin's projection on the span of each face: from the origin (n, k), and where it is in
    two parts (n, S).

    From the facets that hold the face: from a corner at distance L it would be known to ε L only,
    or in twice the precision. That is done where facets are as good as dependent.
    """
    vectors, high, low, settled = _met_by_facets(items, origin, m, faces, owner)
    lost = np.flatnonzero(~settled)
    if len(lost):
        span = items.lattice.spanning(m)[faces[lost]]
        vectors[lost], high[lost], low[lost] = on_span(items, origin, span, owner[lost])
    return vectors, high, low


def _met_by_facets(items: Whitened, origin: Origin, m: int, faces: Indices, owner: Indices) -> _Met:
    """The origin's projection on the span of each face, from the facets that hold it."""
    lattice = items.lattice
    entries, row = lattice.facets.entries(items.cells[owner])
    kept = holds(lattice, m, faces[row], lattice.facets.values[entries])
    entries, row = entries[kept], row[kept]
    counts = np.bincount(row, minlength=len(faces))
    starts = np.cumsum(counts) - counts
    places = (len(faces), items.maps.shape[2])
    result = _Met(
        vectors=np.empty((len(faces), lattice.dimension)),
        high=np.empty(places),
        low=np.empty(places),
        settled=np.empty(len(faces), dtype=bool),
    )
    for count in np.unique(counts):
        mine = np.flatnonzero(counts == count)
        together = entries[starts[mine][:, None] + np.arange(count)]
        found = _met(items, origin, owner[mine], together, few=bool(count == lattice.dimension - m))
        for part, values in zip(result, found, strict=True):
            part[mine] = values
    return result


def _met(items: Whitened, origin: Origin, item: Indices, facets: Indices, *, few: bool) -> _Met:
    """The origin's projection on where the facets of each row (n, c) meet; few: no more of them
    than are needed, so that none may be left out for being nearly dependent."""
    normals, offsets = items.lattice.normals[facets], items.lattice.offsets[facets]
    rows = normals @ items.inverses[item]
    lengths = np.sqrt(dots(rows, rows))
    unit = rows / lengths[:, :, None]
    inverted = np.linalg.pinv(unit, rcond=0.0) if few else np.linalg.pinv(unit)
    back = np.asarray(inverted, dtype=np.float64)
    vectors = np.zeros((len(facets), rows.shape[2]))
    high = origin.base[item]
    low = origin.small[item] + apply(items.inverses[item], origin.step[item])
    for _ in range(_ROUNDS):
        away = heights(normals, offsets, high[:, None], low[:, None])
        move = -apply(back, away / lengths)
        vectors = vectors + move
        low = low + apply(items.inverses[item], move)
        high, low = high + low, low - ((high + low) - high)
    away = heights(normals, offsets, high[:, None], low[:, None])
    sizes = np.einsum("nfs,ns->nf", np.abs(normals), np.abs(high)) + np.abs(offsets)
    return _Met(vectors, high, low, np.all(np.abs(away) <= _SETTLED * sizes, axis=1))


def holds(lattice: Lattice, m: int, faces: Indices, facets: Indices) -> Mask:
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
