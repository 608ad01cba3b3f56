"""Whether an open polyhedron is empty, decided in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from reference.model.arrays import Array


def is_empty(normals: Array, offsets: Array) -> bool:
    """Whether {z : normals z + offsets > 0} has no point; normals (F, S), offsets (F,), any values.

    The doubles are taken as the rational numbers they are, so a polyhedron of lower dimension is
    empty and a sliver is not, exactly. It is empty if and only if some combination λ >= 0, not 0,
    of the half-spaces has Σ λ n = 0 and Σ λ b <= 0 (Motzkin); one with the fewest terms has at most
    S+1 and is unique up to its length. Guarded by tests/integration/test_reference_gaussian.py.
    """
    rows = [
        [*map(Fraction, normal), Fraction(offset)]
        for normal, offset in zip(normals.tolist(), offsets.tolist(), strict=True)
    ]
    latent = normals.shape[1]
    return any(
        _contradict(list(subset))
        for size in range(1, latent + 2)
        for subset in combinations(rows, size)
    )


def _contradict(rows: list[list[Fraction]]) -> bool:
    """Whether the normals have one dependency Σ λ n = 0, all λ > 0, and Σ λ b <= 0."""
    weights = _dependency([row[:-1] for row in rows])
    if weights is None or any(weight <= 0 for weight in weights):
        return False
    return sum(weight * row[-1] for weight, row in zip(weights, rows, strict=True)) <= 0


def _dependency(vectors: list[list[Fraction]]) -> list[Fraction] | None:
    """λ with Σ λ_i v_i = 0 and λ = 1 for the last, if the others are independent; else None."""
    count = len(vectors)
    # Columns are the vectors: reduced row by row, the last column is minus the other λ.
    matrix = [list(column) for column in zip(*vectors, strict=True)]
    for pivot in range(count - 1):
        found = next((r for r in range(pivot, len(matrix)) if matrix[r][pivot] != 0), None)
        if found is None:
            return None
        matrix[pivot], matrix[found] = matrix[found], matrix[pivot]
        scale = matrix[pivot][pivot]
        matrix[pivot] = [entry / scale for entry in matrix[pivot]]
        for r, row in enumerate(matrix):
            if r != pivot and row[pivot] != 0:
                factor = row[pivot]
                matrix[r] = [a - factor * b for a, b in zip(row, matrix[pivot], strict=True)]
    if any(row[-1] != 0 for row in matrix[count - 1 :]):
        return None
    return [*(-matrix[i][-1] for i in range(count - 1)), Fraction(1)]
