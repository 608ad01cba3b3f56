"""Vectors of Python's integers: what exact geometry computes with, and what is rounded of it.

A half-space n · z + b > 0 is the vector (n, b), and a point z / t is (z, t): its height is their
product. Doubles are integers over a power of two, and a positive factor changes no half-space and
no point. So every question of geometry about doubles is one about such vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from reference.model.arrays import Array
from reference.model.exact import dyadic

#: Python's integers, of any size: a half-space (n, b), a point (z, t), or a direction (z, 0).
Vector = tuple[int, ...]


def rows_of(normals: Array, offsets: Array) -> list[Vector]:
    """The half-spaces normals z + offsets > 0 as vectors; normals (F, S), offsets (F,), doubles."""
    return [
        primitive(dyadic([*normal, offset]).numbers.tolist())
        for normal, offset in zip(normals.tolist(), offsets.tolist(), strict=True)
    ]


def dot(one: Vector, other: Vector) -> int:
    """The product of two vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def primitive(vector: Iterable[int]) -> Vector:
    """The same direction without the entries' common divisor, which keeps integers short."""
    entries = tuple(vector)
    divisor = math.gcd(*entries)
    return tuple(entry // divisor for entry in entries) if divisor > 1 else entries


def combined(a: int, one: Vector, b: int, other: Vector) -> Vector:
    """The direction of a one + b other."""
    return primitive(a * x + b * y for x, y in zip(one, other, strict=True))


def negative(vector: Vector) -> Vector:
    """The opposite direction."""
    return tuple(-entry for entry in vector)


def orthogonal_to(directions: list[Vector], vector: Vector) -> Vector:
    """A point or direction moved along orthogonal directions to where it is orthogonal to them."""
    for direction in directions:
        vector = combined(dot(direction, direction), vector, -dot(direction, vector), direction)
    return vector


def orthogonalised(directions: list[Vector]) -> list[Vector]:
    """An orthogonal basis of what the directions span (Gram and Schmidt)."""
    found: list[Vector] = []
    for direction in directions:
        rest = orthogonal_to(found, direction)
        if any(rest):
            found.append(rest)
    return found


def orthogonal(vectors: list[Vector]) -> Vector:
    """A vector orthogonal to n - 1 vectors of length n, 0 if these are dependent.

    Its entries are the minors of their matrix, with alternating signs: a determinant that has one
    row twice is 0.
    """
    columns = range(len(vectors) + 1)
    minors = [_determinant([_without(vector, column) for vector in vectors]) for column in columns]
    return primitive(minor if column % 2 == 0 else -minor for column, minor in enumerate(minors))


def _determinant(rows: list[Vector]) -> int:
    """By Laplace's expansion along the first row: of at most four rows here."""
    if not rows:
        return 1
    return sum(
        (-1) ** column * entry * _determinant([_without(row, column) for row in rows[1:]])
        for column, entry in enumerate(rows[0])
        if entry
    )


def _without(vector: Vector, column: int) -> Vector:
    return vector[:column] + vector[column + 1 :]


def central(vectors: list[Vector]) -> Vector:
    """A point well inside the hull of points (z, t), t > 0, and directions (z, 0), one or more.

    It is the mean of the points, and from there along the directions, with weights that differ by
    less than two: powers of two, which keep the integers short.
    """
    sizes = [(vector[-1] or max(map(abs, vector))).bit_length() for vector in vectors]
    largest = max(sizes)
    scaled = (
        [entry << (largest - size) for entry in vector]
        for vector, size in zip(vectors, sizes, strict=True)
    )
    return primitive(map(sum, zip(*scaled, strict=True)))


def quotient(numerator: int, denominator: int) -> float:
    """The double nearest to a fraction, denominator > 0; infinite where there is none so large."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def rounded_point(point: Vector) -> list[float]:
    """The point z / t, every coordinate the double nearest to it."""
    return [quotient(entry, point[-1]) for entry in point[:-1]]


def unit(vector: Vector) -> list[float]:
    """The direction of a vector, not 0, in doubles: of length 1 to a few ε."""
    largest = max(map(abs, vector))
    parts = [quotient(entry, largest) for entry in vector]
    length = math.hypot(*parts)
    return [part / length for part in parts]


def unit_halfspace(row: Vector) -> tuple[list[float], float]:
    """The half-space (n, b), n not 0, with a normal of length 1, so that b is a distance."""
    largest = max(map(abs, row[:-1]))
    length = math.hypot(*(quotient(entry, largest) for entry in row[:-1]))
    return unit(row[:-1]), quotient(row[-1], largest) / length
