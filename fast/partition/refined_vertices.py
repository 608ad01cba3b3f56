"""Vertices put where their facets meet, to the last digits.

A vertex found along an edge from one that is far away, at 1e16 say, may be off by its neighbour's
last digit. Far out that is nothing, but edges from it pass where the prior's mass is.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from fast.polyhedra.compensated_sums import heights
from reference.model import Array, Mask

# A vertex this far off a facet, over the size of the terms, is moved.
_OFF = 8 * np.finfo(np.float64).eps
# Corrections of a vertex: each leaves a share of its error, the condition number times ε.
_ROUNDS = 3
# A direction that a correction makes shorter than this has been projected away.
_LEAST = 0.5


def refined(
    positions: Array, points: Mask, facets: csr_array, normals: Array, offsets: Array
) -> tuple[Array, Array]:
    """Positions (V, S) and what rounding left off them, of points and of directions.

    facets (F, V): which vertices are on each of the facets {z : normals z + offsets = 0}. Vertices
    that lie on all of theirs within rounding stay as they are, and so does one that no place suits
    better. Guarded by tests/partition/test_refinement.py.
    """
    facet, vertex = facets.nonzero()
    positions, small = positions.copy(), np.zeros_like(positions)
    levels = np.where(points[vertex], offsets[facet], 0.0)
    rows, lengths = _unit(normals[facet], levels)
    levels = levels / lengths
    off = _share_off(rows, levels, positions[vertex], small[vertex])
    moved = np.zeros(len(positions), dtype=bool)
    moved[vertex[off > _OFF]] = True
    chosen = np.flatnonzero(moved[vertex])
    chosen = chosen[np.argsort(vertex[chosen], kind="stable")]
    which, starts, counts = np.unique(vertex[chosen], return_index=True, return_counts=True)
    for count in np.unique(counts):
        mine = np.flatnonzero(counts == count)
        entries = chosen[starts[mine][:, None] + np.arange(count)]
        at = which[mine]
        place, left = _met(rows[entries], levels[entries], positions[at], points[at])
        positions[at], small[at] = place, left
    return positions, small


def _unit(rows: Array, levels: Array) -> tuple[Array, Array]:
    """Rows of length one, and their lengths."""
    lengths = np.linalg.norm(rows, axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    return rows / lengths[:, None], lengths


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
