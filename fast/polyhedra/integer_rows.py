"""Half-spaces as rows of integers: a double is an integer over a power of two, so that every sign
has an answer."""

from __future__ import annotations

from math import gcd, isqrt

import numpy as np

from reference.model import Array, Indices, Integers, dyadic

# Bits of the length that a direction is divided by: more than two doubles hold.
_DIRECTION_BITS = 128


def integer_rows(rows: Array) -> Integers:
    """Each row of finite doubles times a positive number that makes integers of it, the smallest
    there are."""
    return in_lowest_terms(dyadic(rows).numbers)


def in_lowest_terms(rows: Integers) -> Integers:
    """Each row over the greatest number that divides all of it; rows of zeros as they are."""
    divisors = np.empty((len(rows), 1), dtype=object)
    divisors[:, 0] = [gcd(*row) or 1 for row in rows.tolist()]
    return np.asarray(rows // divisors)


def as_doubles(rows: Integers) -> Array:
    """The rows over a power of two each, so that the largest entry is between a half and one;
    entries are rounded once."""
    result = np.empty(rows.shape)
    for place, row in enumerate(rows.tolist()):
        unit = 1 << max(abs(entry) for entry in row).bit_length()
        result[place] = [entry / unit for entry in row]
    return result


def tightest(rows: Integers) -> Indices:
    """Which half-spaces (normal, offset), integers (F, n + 1), are left without those that lie in
    another of the same normal: in order, and of equal ones the first."""
    kept: dict[tuple[int, ...], tuple[int, int, int]] = {}
    for place, row in enumerate(rows.tolist()):
        *normal, offset = row
        length = gcd(*normal)
        direction = tuple(entry // length for entry in normal)
        if direction in kept:
            _, other_offset, other_length = kept[direction]
            if offset * other_length >= other_offset * length:
                continue
        kept[direction] = place, offset, length
    return np.array(sorted(place for place, _, _ in kept.values()), dtype=np.intp)


def independent_rows(rows: Integers) -> list[int]:
    """Which rows are independent of those before them; as many as the rank."""
    found: list[int] = []
    pivots: list[tuple[int, list[int]]] = []
    for place, row in enumerate(rows.tolist()):
        for column, pivot in pivots:
            row = [pivot[column] * a - row[column] * b for a, b in zip(row, pivot, strict=True)]
        if not any(row):
            continue
        divisor = gcd(*row)
        column = next(c for c, entry in enumerate(row) if entry)
        pivots.append((column, [entry // divisor for entry in row]))
        found.append(place)
        if len(found) == rows.shape[1]:
            break
    return found


def orthogonal_complement(rows: Integers) -> Integers:
    """Vectors orthogonal to independent rows (k, n) and to each other, (n - k, n): unit vectors
    without their parts along the rows and those before [Gram-Schmidt], times what makes integers of
    them."""
    found: list[list[int]] = []
    for row in [*rows.tolist(), *np.eye(rows.shape[1], dtype=int).tolist()]:
        for other in found:
            along = sum(a * b for a, b in zip(row, other, strict=True))
            square = sum(b * b for b in other)
            row = [square * a - along * b for a, b in zip(row, other, strict=True)]
        divisor = gcd(*row)
        if divisor:
            found.append([entry // divisor for entry in row])
    return np.array(found[len(rows) :], dtype=object).reshape(-1, rows.shape[1])


def in_doubles(corners: Integers) -> tuple[Array, Array]:
    """Points z / t and, where t = 0, directions z of length one, from rows (z, t), (n, S + 1): as
    doubles and what rounding left off them, (n, S) each."""
    both = np.array(
        [
            point_in_doubles(place, t) if t else direction_in_doubles(place)
            for *place, t in corners.tolist()
        ]
    )
    return both[:, 0], both[:, 1]


def direction_in_doubles(entries: list[int]) -> tuple[list[float], list[float]]:
    """The direction of an integer vector, of length one, as `point_in_doubles`."""
    bits = max(abs(entry) for entry in entries).bit_length()
    longer = [entry << max(0, _DIRECTION_BITS - bits) for entry in entries]
    return point_in_doubles(longer, isqrt(sum(entry * entry for entry in longer)))


def quotient(numerator: int, denominator: int) -> float:
    """The nearest double; infinite beyond the largest."""
    try:
        return numerator / denominator
    except OverflowError:
        return np.inf if numerator > 0 else -np.inf


def point_in_doubles(numerators: list[int], denominator: int) -> tuple[list[float], list[float]]:
    """Rational numbers as doubles, and what rounding left off them, rounded in turn. Raises
    OverflowError where one is larger than any double."""
    positions, small = [], []
    for numerator in numerators:
        try:
            nearest = numerator / denominator
        except OverflowError:
            raise OverflowError("a corner is farther away than the largest double") from None
        above, below = nearest.as_integer_ratio()
        positions.append(nearest)
        small.append((numerator * below - above * denominator) / (denominator * below))
    return positions, small
