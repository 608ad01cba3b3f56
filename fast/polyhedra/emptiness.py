"""Whether half-spaces have a point in common, and which of them bound it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

from reference.model import Array, Indices


def proven_empty(normals: Array, offsets: Array) -> bool:
    """Whether no z has normals z + offsets > 0, normals (F, S), offsets (F,); False if unproven.

    The proof is λ >= 0, not 0, with λᵀ normals = 0 and λᵀ offsets <= 0 (Motzkin). At most S + 1 of
    the half-spaces take part (Helly): a linear program says which, rational arithmetic decides.
    """
    sizes = np.max(np.abs(normals), axis=1, initial=0.0)
    if np.any(offsets[sizes == 0] <= 0):
        return True
    bounding = np.flatnonzero(sizes > 0)
    if not len(bounding):
        return False
    rows, levels = normals[bounding], offsets[bounding]
    lengths = np.linalg.norm(rows / sizes[bounding, None], axis=1) * sizes[bounding]
    found = linprog(
        levels / lengths,
        A_eq=np.vstack([(rows / lengths[:, None]).T, np.ones(len(rows))]),
        b_eq=np.append(np.zeros(rows.shape[1]), 1.0),
        method="highs-ds",
    )
    if found.x is None:
        return False
    part = np.flatnonzero(found.x > 0)
    weights = _dependence([[Fraction(value) for value in row] for row in rows[part].tolist()])
    if weights is None or min(weights) < 0:
        return False
    return sum(w * Fraction(b) for w, b in zip(weights, levels[part].tolist(), strict=True)) <= 0


def needed_within(normals: Array, offsets: Array, radius: float) -> Indices | None:
    """Which half-spaces normals z + offsets > 0 bound something of the others' intersection where
    |z_i| <= radius, each by a linear program; None where one finds no answer. What is left out
    changes the intersection outside of that box alone, or by rounding."""
    lengths = np.linalg.norm(normals, axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    rows, levels = normals / lengths[:, None], offsets / lengths
    kept = list(range(len(rows)))
    for i in range(len(rows)):
        others = [j for j in kept if j != i]
        found = linprog(
            rows[i],
            A_ub=-rows[others] if others else None,
            b_ub=levels[others] if others else None,
            bounds=(-radius, radius),
            method="highs",
        )
        if found.fun is None:
            return None
        if found.fun + levels[i] > 0:
            kept = others
    return np.array(kept, dtype=np.intp)


def _dependence(rows: list[list[Fraction]]) -> list[Fraction] | None:
    """The weights, up to a positive factor and of a positive sum, of which the rows add up to zero;
    None unless there is one such choice."""
    count = len(rows)
    work = [
        [*row, *(Fraction(int(i == j)) for j in range(count))]  # beside the rows, what they are of
        for i, row in enumerate(rows)
    ]
    rank = 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(rank, count) if work[i][column]), None)
        if pivot is None:
            continue
        work[rank], work[pivot] = work[pivot], work[rank]
        for i in range(rank + 1, count):
            factor = work[i][column] / work[rank][column]
            work[i] = [a - factor * b for a, b in zip(work[i], work[rank], strict=True)]
        rank += 1
    if rank != count - 1:
        return None
    weights = work[-1][len(rows[0]) :]
    return weights if sum(weights) > 0 else [-w for w in weights]
