"""Sums of products in twice the working precision, for numbers that nearly cancel."""

from __future__ import annotations

import numpy as np

from reference.model import Array

# Splits a double into two halves whose products are exact [Dekker 1971].
_SPLITTER = 2.0**27 + 1.0


def heights(normals: Array, offsets: Array, positions: Array, small: Array) -> Array:
    """normals · (positions + small) + offsets over the last axis, rounded once.

    normals, positions, small (..., S), offsets (...), broadcast. As accurate as in twice the
    working precision [Ogita, Rump, Oishi 2005]. Guarded by tests/polyhedra/test_lattice.py.
    """
    total, error = doubled_heights(normals, offsets, np.zeros(()), positions, small)
    return np.asarray(total + error)


def doubled_heights(
    normals: Array, offsets: Array, offsets_small: Array, positions: Array, small: Array
) -> tuple[Array, Array]:
    """normals · (positions + small) + offsets + offsets_small as two numbers to be added, (...)
    each, in twice the working precision: the second is what rounding left off the first."""
    total, error = np.broadcast_arrays(offsets, offsets_small)
    for i in range(normals.shape[-1]):
        product, lost = _product(normals[..., i], positions[..., i])
        total, rounded = _sum(total, product)
        error = error + (lost + rounded + normals[..., i] * small[..., i])
    return _sum(total, error)


def doubled_difference(
    high: Array, low: Array, other: Array, other_low: Array
) -> tuple[Array, Array]:
    """(high + low) - (other + other_low) as two numbers to be added, in twice the precision."""
    total, error = _sum(high, -other)
    return _sum(total, error + (low - other_low))


def determinants(high: Array, low: Array) -> Array:
    """|det| of matrices (n, k, k) whose entries are high + low, rounded once: by elimination in
    twice the working precision, so that what is left of nearly dependent rows has all its digits.

    Guarded by tests/polyhedra/test_compensated_sums.py.
    """
    high, low = high.copy(), low.copy()
    count, size, _ = high.shape
    item, result = np.arange(count), np.ones(count)
    for i in range(size):
        place = np.argmax(np.abs(high[:, i:, i:]).reshape(count, -1), axis=1)
        row, column = np.divmod(place, size - i)
        for part in (high, low):
            part[item, i], part[item, i + row] = part[item, i + row], part[item, i].copy()
            across = part[item, :, i].copy()
            part[item, :, i] = part[item, :, i + column]
            part[item, :, i + column] = across
        pivot = high[:, i, i]
        result = result * np.abs(pivot + low[:, i, i])
        # Where nothing is left, the determinant is 0 whatever is taken off the rest.
        pivot = np.where(pivot == 0, 1.0, pivot)[:, None]
        share, share_low = _quotient(
            high[:, i + 1 :, i], low[:, i + 1 :, i], pivot, low[:, i, i, None]
        )
        taken, taken_low = _doubled_product(
            share[:, :, None],
            share_low[:, :, None],
            high[:, i, None, i + 1 :],
            low[:, i, None, i + 1 :],
        )
        rest = (slice(None), slice(i + 1, None), slice(i + 1, None))
        high[rest], low[rest] = doubled_difference(high[rest], low[rest], taken, taken_low)
    return result


def _doubled_product(a: Array, a_low: Array, b: Array, b_low: Array) -> tuple[Array, Array]:
    product, lost = _product(a, b)
    return _sum(product, lost + (a * b_low + a_low * b))


def _quotient(a: Array, a_low: Array, b: Array, b_low: Array) -> tuple[Array, Array]:
    """(a + a_low) / (b + b_low), b not 0, in twice the precision."""
    share = a / b
    back, lost = _product(share, b)
    left = (a - back) - lost + a_low - share * b_low
    return _sum(share, left / b)


def _sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b rounded, and what the rounding lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b rounded, and what the rounding lost; for factors below 1e290."""
    product = a * b
    high_a, low_a = _halves(a)
    high_b, low_b = _halves(b)
    lost = low_a * low_b - (((product - high_a * high_b) - low_a * high_b) - high_a * low_b)
    return product, lost


def _halves(a: Array) -> tuple[Array, Array]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high
