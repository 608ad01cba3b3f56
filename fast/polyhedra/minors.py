"""Determinants of many matrices at once, of doubles with a proven bound, or of integers exactly."""

from __future__ import annotations

from itertools import combinations
from typing import cast

import numpy as np

from reference.model import Array, Indices, Integers

_EPSILON = np.finfo(np.float64).eps
# Entries of at most 1 that underflow, and products of them, move a determinant by less.
_UNDERFLOW = np.finfo(np.float64).tiny


def cross_products(rows: Array | Integers, chosen: Indices) -> Array | Integers:
    """The vector orthogonal to n - 1 of the rows, (m, n), for each choice of them.

    rows (F, n), chosen (m, n - 1): which rows. Its inner product with another row is the
    determinant of all n, that row last. Expanded row by row, so of integers exact.
    """
    return _expanded(rows, chosen, signed=True)


def bounded_products(rows: Array, chosen: Indices) -> tuple[Array, Array]:
    """Cross products of doubles of at most 1 with all rows, (m, F), and how far off each may be.

    Every term of a determinant of order n is a product of n entries, rounded at most once for each
    entry, once for each product and once for each sum on its way: n (n + 3) / 2 times. So the error
    is at most as many half ε times the permanent of the absolute values, which sums the terms'
    sizes. Twice that covers the rounding of the permanent too. Guarded by
    tests/polyhedra/test_exact_corners.py.
    """
    order = rows.shape[1]
    values = _expanded(rows, chosen, signed=True) @ rows.T
    sizes = _expanded(np.abs(rows), chosen, signed=False) @ np.abs(rows).T
    return values, order * (order + 3) / 2 * _EPSILON * sizes + _UNDERFLOW


def _expanded(rows: Array | Integers, chosen: Indices, *, signed: bool) -> Array | Integers:
    """The minors of the chosen rows without one column each, with the signs of a cross product; or
    the permanents in their place."""
    order = rows.shape[1]
    entries = rows.T[:, chosen.T]
    minors: dict[tuple[int, ...], Array | Integers]
    minors = {(column,): entries[column, 0] for column in range(order)}
    for i in range(1, order - 1):
        larger = {}
        for columns in combinations(range(order), i + 1):
            total = entries[columns[-1], i] * minors[columns[:-1]]
            for place in range(i):
                rest = columns[:place] + columns[place + 1 :]
                term = entries[columns[place], i] * minors[rest]
                total = total - term if signed and (i - place) % 2 else total + term
            larger[columns] = total
        minors = larger
    result = np.empty((len(chosen), order), dtype=rows.dtype)
    for left_out in range(order):
        minor = minors[tuple(c for c in range(order) if c != left_out)]
        result[:, left_out] = -minor if signed and (order - 1 - left_out) % 2 else minor
    return cast("Array | Integers", result)
