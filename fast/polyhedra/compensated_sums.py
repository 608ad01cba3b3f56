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
    total, error = np.broadcast_arrays(offsets, np.zeros(()))
    for i in range(normals.shape[-1]):
        product, lost = _product(normals[..., i], positions[..., i])
        total, rounded = _sum(total, product)
        error = error + (lost + rounded + normals[..., i] * small[..., i])
    return np.asarray(total + error)


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
