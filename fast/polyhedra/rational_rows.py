"""Matrices of rational numbers, which doubles are: products, echelon forms, solutions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fast.polyhedra.integer_rows import quotient
from reference.model import Array

Rows = list[list[Fraction]]


def exactly(values: Array) -> Rows:
    """A matrix of doubles, or of integers, as the rational numbers they are."""
    return [[Fraction(value) for value in row] for row in np.asarray(values).tolist()]


def dot(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    """The inner product."""
    return sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0))


def reduced(rows: Rows) -> tuple[Rows, list[int]]:
    """The rows in reduced echelon form, without those of zeros, and the columns of their leading
    ones."""
    rows, pivots = [list(row) for row in rows], list[int]()
    for column in range(len(rows[0]) if rows else 0):
        place = len(pivots)
        found = next((r for r in range(place, len(rows)) if rows[r][column]), None)
        if found is None:
            continue
        rows[place], rows[found] = rows[found], rows[place]
        leading = rows[place][column]
        rows[place] = [value / leading for value in rows[place]]
        for r, row in enumerate(rows):
            if r != place and row[column]:
                factor = row[column]
                rows[r] = [a - factor * b for a, b in zip(row, rows[place], strict=True)]
        pivots.append(column)
    return rows[: len(pivots)], pivots


def solution(matrix: Rows, target: Sequence[Fraction]) -> list[Fraction] | None:
    """The solution of a square system, or None if it is singular."""
    found, pivots = reduced([[*row, value] for row, value in zip(matrix, target, strict=True)])
    return [row[-1] for row in found] if pivots == list(range(len(matrix))) else None


def inverse(matrix: Rows) -> Rows:
    """The inverse of a square matrix that has one."""
    size = len(matrix)
    unit = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    found, _ = reduced([[*row, *more] for row, more in zip(matrix, unit, strict=True)])
    return [row[size:] for row in found]


def double(value: Fraction) -> float:
    """A rational number as a double; infinite beyond the largest."""
    return quotient(*value.as_integer_ratio())
