"""The corners of a polyhedron, in integers where doubles do not decide."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from fast.polyhedra.chunks import chunks
from fast.polyhedra.integer_rows import as_doubles
from fast.polyhedra.minors import bounded_products, cross_products
from reference.model import Indices, Integers, Mask

# Sets of hyperplanes tried at once in doubles, and in integers.
_BATCH = 1 << 14
_CHUNK = 1 << 6


class ExactCorners(NamedTuple):
    """The corners of a polyhedron: points (y, t) that stand for y / t, and rays with t = 0."""

    corners: Integers  # (C, k + 1): t is not negative
    on_it: Mask  # (F + 1, C): which of them lie on each hyperplane; the last is that at infinity


def exact_corners(rows: Integers) -> ExactCorners:
    """The corners of {y : normals y + offsets >= 0}, which contains no line; none if it is empty.

    rows (F, k + 1): normals and offsets, k > 0. With the hyperplane at infinity, t >= 0, the
    half-spaces are a cone in one dimension more, and corners are its extreme rays: k independent
    hyperplanes meet there, and none is violated. Doubles leave out the sets of k whose ray violates
    some both ways, beyond a proven bound; the others are tried in integers. Cost: a few µs for
    every such corner beside 0.3 µs for every choice of k. Guarded by
    tests/polyhedra/test_exact_corners.py.
    """
    infinity = np.zeros((1, rows.shape[1]), dtype=object)
    infinity[0, -1] = 1
    rows = np.concatenate([rows, infinity])
    found: list[Integers] = []
    on_it = np.zeros((0, len(rows)), dtype=bool)
    left = _not_excluded(rows)
    for some in chunks(len(left), _CHUNK):
        # Hyperplanes that share a known corner meet there alone, or in more than a point.
        mine = left[some]
        mine = mine[~np.any(np.all(on_it[:, mine], axis=2), axis=0)]
        for corner, on in _tried(rows, mine):
            if not np.any(np.all(on_it == on, axis=1)):
                found.append(corner)
                on_it = np.concatenate([on_it, on[None]])
    corners = np.array(found, dtype=object).reshape(-1, rows.shape[1])
    return ExactCorners(corners, on_it.T)


def _not_excluded(rows: Integers) -> Indices:
    """The sets of k hyperplanes (m, k) whose common ray may satisfy all, one way or the other."""
    count, dimension = len(rows), rows.shape[1] - 1
    rounded = as_doubles(rows)
    chosen = np.array(list(combinations(range(count), dimension)), dtype=np.intp)
    chosen = chosen.reshape(-1, dimension)
    kept = np.empty(len(chosen), dtype=bool)
    for some in chunks(len(chosen), _BATCH):
        values, bounds = bounded_products(rounded, chosen[some])
        kept[some] = ~(np.any(values > bounds, axis=1) & np.any(values < -bounds, axis=1))
    return chosen[kept]


def _tried(rows: Integers, chosen: Indices) -> list[tuple[Integers, Mask]]:
    """The corners among where the chosen hyperplanes (m, k) meet, and on which each of them lies;
    equal ones may be there twice."""
    corners = cross_products(rows, chosen)
    values = corners @ rows.T
    above, below = values > 0, values < 0
    good = np.any(corners != 0, axis=1) & ~(np.any(above, axis=1) & np.any(below, axis=1))
    return [
        (-corners[i] if np.any(below[i]) else corners[i], ~(above[i] | below[i]))
        for i in np.flatnonzero(good)
    ]
