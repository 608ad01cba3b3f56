"""Arithmetic on arrays of integers over a power of two: sums and products that lose nothing.

Far from all images log p(x, z) is a huge number, of which only differences count. In integers they
are differences like any others.
"""

from __future__ import annotations

import numpy as np

from fast.distributions.observation import Noise
from fast.polyhedra.integer_rows import quotient
from reference.model import Array, Dyadic, Integers, dyadic


def times(one: Dyadic, other: Dyadic) -> Dyadic:
    """The product of two matrices."""
    product = np.array(one.numbers @ other.numbers, dtype=object)
    return Dyadic(product, one.exponent + other.exponent)


def plus(one: Dyadic, other: Dyadic) -> Dyadic:
    """The sum of two arrays, which broadcast."""
    exponent = max(one.exponent, other.exponent)
    total = _over(one, exponent) + _over(other, exponent)
    return Dyadic(np.array(total, dtype=object), exponent)


def minus(one: Dyadic, other: Dyadic) -> Dyadic:
    """The difference of two arrays, which broadcast."""
    return plus(one, Dyadic(-other.numbers, other.exponent))


def _over(value: Dyadic, exponent: int) -> Integers:
    """The numbers over a higher power of two."""
    shift = exponent - value.exponent
    return np.asarray(value.numbers * (1 << shift))


def rounded(value: Dyadic) -> Array:
    """The nearest doubles; infinite beyond their range."""
    denominator = 1 << value.exponent
    flat = [quotient(number, denominator) for number in value.numbers.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(value.numbers.shape)


def determinant(rows: list[Dyadic]) -> float:
    """Of a square matrix given row by row, rounded once [Bareiss 1968]."""
    matrix = [row.numbers.tolist() for row in rows]
    sign, before = 1, 1
    for k in range(len(matrix) - 1):
        pivot = next((i for i in range(k, len(matrix)) if matrix[i][k]), None)
        if pivot is None:
            return 0.0
        if pivot != k:
            matrix[k], matrix[pivot], sign = matrix[pivot], matrix[k], -sign
        for row in matrix[k + 1 :]:
            for j in range(k + 1, len(matrix)):
                row[j] = (row[j] * matrix[k][k] - row[k] * matrix[k][j]) // before
        before = matrix[k][k]
    return quotient(sign * matrix[-1][-1], 1 << sum(row.exponent for row in rows))


def solved(noise: Noise, columns: Dyadic, bits: int) -> Dyadic:
    """Σ^-1 times columns (D, n), to so many bits of the largest entry of Σ times the result.

    Exact in structure: what is left is that of a covariance which differs from Σ in those bits.
    Raises ArithmeticError where a full Σ is too near a singular one.
    """
    if noise.cov.ndim == 2:
        return _refined(noise, columns, bits)
    numbers, exponent = dyadic(np.broadcast_to(noise.cov, (noise.dimension,)))
    length = max(int(number).bit_length() for number in numbers)
    inverses = np.array([(1 << bits + length) // number for number in numbers], dtype=object)
    return _scaled(columns.numbers * inverses[:, None], columns.exponent + bits + length - exponent)


def _refined(noise: Noise, columns: Dyadic, bits: int) -> Dyadic:
    """Solutions with a full Σ, corrected by what each leaves."""
    matrix = dyadic(noise.cov)
    result, left = Dyadic(columns.numbers * 0, 0), columns
    least = _magnitude(left) - bits
    while np.any(left.numbers) and _magnitude(left) > least:
        size = _magnitude(left)
        scaled = rounded(_scaled(left.numbers, left.exponent + size))
        step, shift = dyadic(noise.solve(scaled.T).T)
        result = plus(result, _scaled(step, shift - size))
        left = minus(columns, times(matrix, result))
        if np.any(left.numbers) and _magnitude(left) >= size:
            raise ArithmeticError(
                "cov_x, cov_z: too near a singular matrix to tell apart what data hold that are as "
                "far away as these"
            )
    return result


def _magnitude(value: Dyadic) -> int:
    """The largest number is below two to this power."""
    lengths = [int(abs(number)).bit_length() for number in value.numbers.ravel().tolist()]
    return max(lengths) - value.exponent


def _scaled(numbers: Integers, exponent: int) -> Dyadic:
    """Numbers over 2^exponent, which may be negative."""
    return Dyadic(numbers * (1 << -exponent), 0) if exponent < 0 else Dyadic(numbers, exponent)
