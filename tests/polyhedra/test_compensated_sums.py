"""Sums, differences and determinants in twice the working precision, against fractions."""

from fractions import Fraction

import numpy as np
import pytest

from fast.polyhedra.compensated_sums import determinants, doubled_difference, doubled_heights

EPSILON = np.finfo(float).eps


def exactly(high, low):
    """The sum of two parts."""
    return Fraction(float(high)) + Fraction(float(low))


def determinant(rows):
    """Of a matrix of fractions, by elimination."""
    rows, result = [list(row) for row in rows], Fraction(1)
    for i in range(len(rows)):
        place = next((j for j in range(i, len(rows)) if rows[j][i]), None)
        if place is None:
            return Fraction(0)
        rows[i], rows[place] = rows[place], rows[i]
        result *= rows[i][i] * (1 if place == i else -1)
        for j in range(i + 1, len(rows)):
            share = rows[j][i] / rows[i][i]
            rows[j] = [a - share * b for a, b in zip(rows[j], rows[i], strict=True)]
    return result


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("e", [1.0, 1e-8, 1e-15])
def test_determinants_of_nearly_dependent_rows(size, e):
    """Two rows that differ by a share e: the determinant is as small, and has all its digits."""
    rng = np.random.default_rng(size)
    high = rng.standard_normal((30, size, size))
    low = 1e-17 * rng.standard_normal(high.shape)
    if size > 1:
        high[:, -1] = high[:, 0] + e * high[:, -1]
    found = determinants(high, low)
    for i, value in enumerate(found):
        entries = [
            [exactly(a, b) for a, b in zip(row, rest, strict=True)]
            for row, rest in zip(high[i], low[i], strict=True)
        ]
        exact = abs(determinant(entries))
        assert abs(Fraction(value) / exact - 1) <= 1e-12


def test_determinants_of_dependent_rows():
    """None, and no division by what is not there."""
    rows = np.array([[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]], np.zeros((3, 3))])
    assert determinants(rows, np.zeros(rows.shape)).tolist() == [0.0, 0.0]


def test_what_two_parts_differ_by():
    rng = np.random.default_rng(1)
    high, low = rng.standard_normal(300), 1e-17 * rng.standard_normal(300)
    other, other_low = high + 1e-13 * rng.standard_normal(300), 1e-17 * rng.standard_normal(300)
    found = doubled_difference(high, low, other, other_low)
    for i, (difference, rest) in enumerate(zip(*found, strict=True)):
        exact = exactly(high[i], low[i]) - exactly(other[i], other_low[i])
        assert abs(exactly(difference, rest) - exact) <= 8 * EPSILON**2
        assert difference + rest == difference


def test_heights_in_two_parts():
    """What is left where nearly all cancels, and the offset's own second part counts."""
    rng = np.random.default_rng(2)
    normals, positions = rng.standard_normal((2, 200, 3))
    small = 1e-17 * rng.standard_normal((200, 3))
    offsets = -np.einsum("ns,ns->n", normals, positions)
    rest = 1e-17 * rng.standard_normal(200)
    found = doubled_heights(normals, offsets, rest, positions, small)
    for i, (height, left) in enumerate(zip(*found, strict=True)):
        exact = exactly(offsets[i], rest[i]) + sum(
            Fraction(n) * exactly(p, s)
            for n, p, s in zip(normals[i].tolist(), positions[i], small[i], strict=True)
        )
        assert abs(exactly(height, left) - exact) <= 16 * EPSILON**2
        assert height + left == height
