"""Cones with normals that are parallel to rounding, as signed sums of cones without.

Half-spaces may be different, exactly, and their normals the same doubles, or opposite ones. Two
such are one half-space, or a slab: a difference of two. Formulas that divide by their angle would
divide rounding by rounding.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from reference.model.arrays import Array

# Normals of length 1, rounded, that are no farther apart. From 1e-15 on the masses of cones are
# right to 4e-16, and below they are wrong by up to 0.4: see
# tests/integration/test_reference_parallel_normals.py.
PARALLEL = 8 * np.finfo(np.float64).eps

#: (s, rows, offsets): s times the indicator of the rows' half-spaces, at these offsets.
Part = tuple[int, list[int], list[float]]


def parallel(normals: Array) -> NDArray[np.int_]:
    """For every two normals (m, S) of length 1: 1 if they are parallel, -1 if opposite, else 0."""
    found = np.zeros((len(normals), len(normals)), dtype=int)
    for sign in (1, -1):
        apart = np.linalg.norm(normals[:, None] - sign * normals[None], axis=2)
        found[apart <= PARALLEL] = sign
    return found


def separated(rows: list[int], offsets: list[float], signs: NDArray[np.int_]) -> list[Part]:
    """The cone of these half-spaces as a signed sum of cones without parallel normals.

    signs is what `parallel` says of all normals. Of two parallel half-spaces the smaller is kept.
    Of opposite ones, n z + b > 0 and -n z + c > 0, the slab is the first without n z - c > 0, or
    empty. Every step moves a hyperplane by at most PARALLEL times the distance from the point of it
    nearest 0.
    """
    for i, j in combinations(range(len(rows)), 2):
        sign = signs[rows[i], rows[j]]
        if sign:
            looser = j if sign < 0 or offsets[j] >= offsets[i] else i
            rest = rows[:looser] + rows[looser + 1 :]
            levels = offsets[:looser] + offsets[looser + 1 :]
            whole = separated(rest, levels, signs)
            if sign > 0:
                return whole
            if offsets[i] + offsets[j] <= 0:
                return []
            beyond = [*levels[:i], -offsets[j], *levels[i + 1 :]]
            return whole + [(-s, r, b) for s, r, b in separated(rest, beyond, signs)]
    return [(1, rows, offsets)]
