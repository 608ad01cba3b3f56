"""Polyhedra held exactly, in integers, by the double description method.

A polyhedron of R^S is the part at t = 1 of a cone in (z, t), t >= 0. The cone is kept both by what
bounds it and by what spans it: lines and rays. A ray with t > 0 is a vertex of the polyhedron.
Sources: Motzkin et al. 1953; Fukuda and Prodon 1996.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import gcd

Vector = tuple[int, ...]


@dataclass(frozen=True)
class Ray:
    """An extreme ray, and the numbers of the bounds it lies on."""

    vector: Vector
    tight: frozenset[int]


@dataclass(frozen=True)
class Cone:
    """A full-dimensional cone {v : bounds v >= 0} = span(lines) + cone(rays), v = (z, t)."""

    bounds: tuple[Vector, ...]
    lines: tuple[Vector, ...]
    rays: tuple[Ray, ...]

    def sign(self, function: Vector) -> int | None:
        """The sign of a linear function inside the cone: 1, -1, 0 if it vanishes; None if both."""
        values = [_dot(function, ray.vector) for ray in self.rays]
        both = any(_dot(function, line) for line in self.lines)
        if both or (any(v > 0 for v in values) and any(v < 0 for v in values)):
            return None
        return int(any(v > 0 for v in values)) - int(any(v < 0 for v in values))

    def part(self, function: Vector) -> Cone:
        """The part on which a function that takes both signs is not negative."""
        new = len(self.bounds)
        bounds = (*self.bounds, _reduced(function))
        through = next((line for line in self.lines if _dot(function, line)), None)
        if through is not None:
            return self._part_of_line(bounds, function, through)
        values = {ray: _dot(function, ray.vector) for ray in self.rays}
        kept = [
            Ray(ray.vector, ray.tight | {new}) if value == 0 else ray
            for ray, value in values.items()
            if value >= 0
        ]
        for up in (r for r in self.rays if values[r] > 0):
            for down in (r for r in self.rays if values[r] < 0):
                shared = up.tight & down.tight
                if not any(shared <= r.tight for r in self.rays if r is not up and r is not down):
                    vector = _combined(values[up], down.vector, -values[down], up.vector)
                    kept.append(Ray(vector, shared | {new}))
        return Cone(bounds, self.lines, tuple(kept))

    def _part_of_line(self, bounds: tuple[Vector, ...], function: Vector, line: Vector) -> Cone:
        """As `part`, where a line crosses the function: half of it stays, the rest is moved along
        it to where the function is zero."""
        if _dot(function, line) < 0:
            line = tuple(-x for x in line)
        height, new = _dot(function, line), len(bounds) - 1

        def moved(vector: Vector) -> Vector:
            return _combined(height, vector, -_dot(function, vector), line)

        lines = tuple(moved(other) for other in self.lines if _parallel(other, line) is False)
        rays = [Ray(moved(ray.vector), ray.tight | {new}) for ray in self.rays]
        return Cone(bounds, lines, (*rays, Ray(_reduced(line), frozenset(range(new)))))

    def inner_point(self) -> tuple[Fraction, ...]:
        """A point of the open polyhedron, (S,)."""
        return _point(_total([ray.vector for ray in self.rays]))

    def facets(self) -> list[tuple[Vector, Vector]]:
        """The bounds that are not redundant, t >= 0 apart, each with a vector inside its facet.

        The facet's point is (z, t) up to scale; t = 0 cannot happen.
        """
        wanted = len(self.bounds[0]) - 1
        found: dict[frozenset[Ray], tuple[Vector, Vector]] = {}
        for number, bound in enumerate(self.bounds):
            on = [ray for ray in self.rays if number in ray.tight]
            if number and _rank([*self.lines, *(ray.vector for ray in on)]) == wanted:
                found.setdefault(frozenset(on), (bound, _total([ray.vector for ray in on])))
        return list(found.values())

    def ridges(self) -> list[tuple[Vector, Vector, list[Vector]]]:
        """The bounds of every two facets that meet in a face of dimension S - 2, and the rays on
        it."""
        wanted, found = len(self.bounds[0]) - 2, []
        for (one, _), (other, _) in combinations(self.facets(), 2):
            on = [r.vector for r in self.rays if not _dot(one, r.vector) | _dot(other, r.vector)]
            if any(v[-1] for v in on) and _rank([*self.lines, *on]) == wanted:
                found.append((one, other, on))
        return found

    def thickness(self) -> float:
        """How thin the polyhedron is: the smallest distance of a central point from a facet, in
        units of 1 plus the point's distance from 0."""
        points = [_point(ray.vector) for ray in self.rays if ray.vector[-1]]
        centre = [float(sum(axis) / len(points)) for axis in zip(*points, strict=True)]
        size = 1.0 + max(map(abs, centre))
        for ray in self.rays:
            if not ray.vector[-1]:
                length = max(map(abs, ray.vector))
                centre = [
                    c + size * float(Fraction(x, length))
                    for c, x in zip(centre, ray.vector[:-1], strict=True)
                ]
        exact = [Fraction(c) for c in centre]
        size, thinnest = 1.0 + max(map(abs, centre)), float("inf")
        for bound, _ in self.facets():
            terms = (n * c for n, c in zip(bound[:-1], exact, strict=True))
            slack = sum(terms, Fraction(bound[-1]))
            length = max(map(abs, bound[:-1]))
            thinnest = min(thinnest, float(abs(slack) / length) / size)
        return thinnest


def whole_space(dimension: int) -> Cone:
    """All of R^S: every z a line, and t >= 0."""
    unit = [tuple(int(i == j) for j in range(dimension + 1)) for i in range(dimension + 1)]
    return Cone((unit[-1],), tuple(unit[:-1]), (Ray(unit[-1], frozenset()),))


def _dot(one: Vector, other: Vector) -> int:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _reduced(vector: Vector) -> Vector:
    divisor = gcd(*vector)
    return tuple(x // divisor for x in vector) if divisor > 1 else tuple(vector)


def _combined(a: int, one: Vector, b: int, other: Vector) -> Vector:
    return _reduced(tuple(a * x + b * y for x, y in zip(one, other, strict=True)))


def _total(vectors: list[Vector]) -> Vector:
    return _reduced(tuple(map(sum, zip(*vectors, strict=True))))


def _parallel(one: Vector, other: Vector) -> bool:
    return _reduced(one) in (_reduced(other), _reduced(tuple(-x for x in other)))


def _point(vector: Vector) -> tuple[Fraction, ...]:
    return tuple(Fraction(x, vector[-1]) for x in vector[:-1])


def _rank(vectors: list[Vector]) -> int:
    """The rank of integer vectors, by elimination without fractions."""
    rows, rank = [list(v) for v in vectors], 0
    for column in range(len(vectors[0]) if vectors else 0):
        pivot = next((r for r in range(rank, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for r in range(rank + 1, len(rows)):
            if factor := rows[r][column]:
                top = rows[rank][column]
                pairs = zip(rows[r], rows[rank], strict=True)
                rows[r] = list(_reduced(tuple(top * x - factor * y for x, y in pairs)))
        rank += 1
    return rank
