"""Vertices put where their facets meet, to the last digits.

A vertex found along an edge from one that is far away, at 1e16 say, may be off by its neighbour's
last digit. Far out that is nothing, but edges from it pass where the prior's mass is.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from fast.polyhedra.chunks import chunks
from fast.polyhedra.compensated_sums import heights
from reference.model import Array, Indices, Mask

# A vertex this far off a facet, over the size of the terms, is moved.
_OFF = 8 * np.finfo(np.float64).eps
# Corrections of a vertex: each leaves a share of its error, the condition number times ε.
_ROUNDS = 3
# A direction that a correction makes shorter than this has been projected away.
_LEAST = 0.5
# Numbers held at once.
_BATCH = 1 << 18


def refined(
    positions: Array, points: Mask, facets: csr_array, normals: Array, offsets: Array
) -> tuple[Array, Array]:
    """Positions (V, S) and what rounding left off them, of points and of directions.

    facets (F, V): which vertices are on each of the facets {z : normals z + offsets = 0}. Vertices
    that lie on all of theirs within rounding stay as they are, and so does one that no place suits
    better. Guarded by tests/partition/test_refinement.py.
    """
    incident = _Incident(facets, points, normals, offsets)
    positions, small = positions.copy(), np.zeros_like(positions)
    chosen = np.flatnonzero(_moved(incident, positions)[incident.vertex])
    chosen = chosen[np.argsort(incident.vertex[chosen], kind="stable")]
    which, starts, counts = np.unique(
        incident.vertex[chosen], return_index=True, return_counts=True
    )
    for count in np.unique(counts).tolist():
        alike = np.flatnonzero(counts == count)
        for some in chunks(len(alike), _BATCH, count * positions.shape[1]):
            mine = alike[some]
            entries, at = chosen[starts[mine][:, None] + np.arange(count)], which[mine]
            place, left = _met(*incident.planes(entries), positions[at], points[at])
            positions[at], small[at] = place, left
    return positions, small


class _Incident:
    """Pairs of a facet and a vertex on it."""

    def __init__(self, facets: csr_array, points: Mask, normals: Array, offsets: Array) -> None:
        self.facet, self.vertex = facets.nonzero()
        self._points, self._normals, self._offsets = points, normals, offsets

    def planes(self, pairs: Indices | slice) -> tuple[Array, Array]:
        """The facets of some pairs: normals (..., S) of length one, and levels (...)."""
        facet, vertex = self.facet[pairs], self.vertex[pairs]
        levels = np.where(self._points[vertex], self._offsets[facet], 0.0)
        return _unit(self._normals[facet], levels)


def _moved(incident: _Incident, positions: Array) -> Mask:
    """Which vertices are off one of their facets by more than rounding."""
    found = np.zeros(len(positions), dtype=bool)
    for some in chunks(len(incident.vertex), _BATCH, positions.shape[1]):
        its = positions[incident.vertex[some]]
        off = _share_off(*incident.planes(some), its, np.zeros_like(its))
        found[incident.vertex[some][off > _OFF]] = True
    return found


def _unit(rows: Array, levels: Array) -> tuple[Array, Array]:
    """Rows (..., S) of length one, and their levels (...)."""
    lengths = np.linalg.norm(rows, axis=-1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    return rows / lengths[..., None], levels / lengths


def _share_off(rows: Array, levels: Array, positions: Array, small: Array) -> Array:
    """How far from a facet a vertex is, over the size of the terms."""
    away = np.abs(heights(rows, levels, positions, small))
    sizes = np.einsum("...s,...s->...", np.abs(rows), np.abs(positions)) + np.abs(levels)
    return np.asarray(away / np.where(sizes > 0, sizes, 1.0))


def _met(rows: Array, levels: Array, positions: Array, points: Mask) -> tuple[Array, Array]:
    """Where facets (n, c, S) meet, by least squares near positions (n, S), and what rounding left
    off; directions keep length one."""
    inverses = np.linalg.pinv(rows)
    place, small = positions, np.zeros_like(positions)
    best, best_small = place, small
    least = _share_off(rows, levels, place[:, None], small[:, None]).max(axis=1)
    for _ in range(_ROUNDS):
        away = heights(rows, levels, place[:, None], small[:, None])
        small = small - np.einsum("nsc,nc->ns", inverses, away)
        place, small = place + small, small - ((place + small) - place)
        size = np.where(points, 1.0, np.linalg.norm(place, axis=1))
        # Facets that leave next to nothing of a direction do not have it in common.
        shrunk = size < _LEAST
        size = np.where(shrunk, 1.0, size)[:, None]
        place, small = place / size, small / size
        share = _share_off(rows, levels, place[:, None], small[:, None]).max(axis=1)
        better = (share < least) & ~shrunk
        best = np.where(better[:, None], place, best)
        best_small = np.where(better[:, None], small, best_small)
        least = np.where(better, share, least)
    return best, best_small
