"""The point of a polyhedron that is nearest a mean, in rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import combinations

import numpy as np

from reference.model import Array

Rows = list[list[Fraction]]


class NearestPoint:
    """The point of {z : normals z + offsets >= 0} nearest a mean, as a covariance measures.

    It is the mean plus cov normalsᵀ ν, where ν >= 0 are the multipliers of the half-spaces that end
    there. All is in terms of heights at the mean and of normals cov normalsᵀ. The polyhedron has
    points. Guarded by tests/integration/test_far.py.
    """

    def __init__(self, normals: Array, offsets: Array, mean: Array, cov: Rows) -> None:
        """normals (F, S), offsets (F,), mean (S,): doubles, taken as the rationals they are."""
        self._mean, self._rows = exactly(mean[None])[0], exactly(normals)
        self._spread = [[dot(row, column) for column in cov] for row in self._rows]
        self._levels = [
            dot(row, self._mean) + Fraction(b)
            for row, b in zip(self._rows, offsets.tolist(), strict=True)
        ]
        self._crossed: dict[tuple[int, int], Fraction] = {}
        self._tight, self._weights = self._nearest(len(self._rows), [])

    def cross(self, i: int, j: int) -> Fraction:
        """normals[i] cov normals[j]."""
        key = min(i, j), max(i, j)
        if key not in self._crossed:
            self._crossed[key] = dot(self._spread[key[0]], self._rows[key[1]])
        return self._crossed[key]

    @cached_property
    def place(self) -> list[Fraction]:
        """The point."""
        pairs = list(zip(self._weights, self._tight, strict=True))
        return [
            centre + sum((w * self._spread[i][s] for w, i in pairs), Fraction(0))
            for s, centre in enumerate(self._mean)
        ]

    @cached_property
    def square(self) -> Fraction:
        """Its squared distance, in standard deviations."""
        return self._square(self._tight, self._weights)

    def height(self, i: int) -> Fraction:
        """How far the point lies inside half-space i, in units of its normal."""
        return self._height(i, self._tight, self._weights)

    def multipliers(self, among: Sequence[int]) -> dict[int, Fraction]:
        """Positive multipliers of some of these half-spaces; none where they do not hold the point
        back."""
        ends = [i for i in among if self.height(i) == 0]
        for size in range(1, len(self._mean) + 1):
            for tight in map(list, combinations(ends, size)):
                weights = self._projected(tight)
                if weights is None or min(weights) <= 0:
                    continue
                if self._square(tight, weights) == self.square:
                    return dict(zip(tight, weights, strict=True))
        return {}

    def _square(self, tight: list[int], weights: list[Fraction]) -> Fraction:
        pairs = zip(weights, tight, strict=True)
        return -sum((w * self._levels[i] for w, i in pairs), Fraction(0))

    def _height(self, i: int, tight: list[int], weights: list[Fraction]) -> Fraction:
        pairs = zip(weights, tight, strict=True)
        return self._levels[i] + sum((w * self.cross(i, j) for w, j in pairs), Fraction(0))

    def _nearest(self, count: int, tight: list[int]) -> tuple[list[int], list[Fraction]]:
        """The nearest point of the first half-spaces on the boundaries of the tight ones: its own
        tight ones, and their multipliers.

        One that the nearest point so far is outside of ends the next one's search [Seidel 1991].
        """
        weights = self._projected(tight)
        assert weights is not None  # a point outside does not depend on the boundaries it is on
        ends = tight
        for i in range(count):
            if i not in ends and self._height(i, ends, weights) < 0:
                ends, weights = self._nearest(i, [*tight, i])
        return ends, weights

    def _projected(self, tight: list[int]) -> list[Fraction] | None:
        """The multipliers of the mean's projection on these boundaries; None if dependent."""
        return solution(
            [[self.cross(i, j) for j in tight] for i in tight], [-self._levels[i] for i in tight]
        )


def exactly(values: Array) -> Rows:
    """A matrix of doubles as the rational numbers they are."""
    return [[Fraction(value) for value in row] for row in np.asarray(values).tolist()]


def dot(one: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    """The inner product."""
    return sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0))


def solution(matrix: Rows, target: list[Fraction]) -> list[Fraction] | None:
    """The solution of a square system, or None if it is singular."""
    rows = [[*row, value] for row, value in zip(matrix, target, strict=True)]
    count = len(rows)
    for i in range(count):
        found = next((r for r in range(i, count) if rows[r][i] != 0), None)
        if found is None:
            return None
        rows[i], rows[found] = rows[found], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for r in range(count):
            if r != i and rows[r][i] != 0:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [row[-1] for row in rows]


def null_space(rows: Rows, count: int) -> Array:
    """A basis (count, n) of what is orthogonal to independent rows (m, count), n = count - m, each
    entry rounded once: one that is 0 stays 0."""
    rows, pivots = [list(row) for row in rows], []
    for i in range(len(rows)):
        pivots.append(next(c for c, value in enumerate(rows[i]) if value != 0))
        rows[i] = [value / rows[i][pivots[i]] for value in rows[i]]
        for r in range(len(rows)):
            factor = rows[r][pivots[i]]
            if r != i:
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    free = [c for c in range(count) if c not in pivots]
    basis = np.zeros((count, len(free)))
    for n, c in enumerate(free):
        basis[c, n] = 1.0
        for row, pivot in zip(rows, pivots, strict=True):
            basis[pivot, n] = double(-row[c])
    return basis


def double(value: Fraction) -> float:
    """A rational number as a double; infinite beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
