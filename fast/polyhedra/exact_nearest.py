"""The point of a polyhedron that is nearest a mean, in rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import combinations

from fast.polyhedra.rational_rows import Rows, dot, exactly, solution
from reference.model import Array


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
