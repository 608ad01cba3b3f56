"""Where cutting begins: independent functions of z and the orthants between them, in integers."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

import numpy as np
from scipy.linalg import qr

from reference.model import Array, ExactNetwork, Indices, Integers

# The share of their length that the inputs of the first cuts have beside the cuts themselves in the
# choice of where to start: pivoting takes them where the cuts do not suffice.
_INPUTS_LAST = 0.01


class Start(NamedTuple):
    """k independent affine functions of z, the first cuts, and the vertices of the 2^k orthants."""

    rows: Integers  # (k, S + 1): slopes and an offset of each, up to a positive factor
    vertices: Integers  # (1 + 2k, S + 1): the apex as (z, t), t > 0; both ends of each axis, t = 0


def starting_functions(exact: ExactNetwork) -> Start:
    """As many independent functions as the network's first choices depend on, k <= S.

    The best conditioned of the first cuts; where they do not suffice (max-pooling) the inputs they
    compare. No region depends on z but through them.
    """
    network = exact.network
    width = network.latent_dimension + 1
    counts = [layer.n_codes(n) for layer, n in zip(network.layers, network.sizes, strict=False)]
    if not any(counts):
        return Start(np.empty((0, width), dtype=object), np.empty((0, width), dtype=object))
    first = int(np.flatnonzero(counts)[0])
    code = np.zeros(sum(counts), dtype=np.int8)
    own, inputs = exact.cuts(code, first), exact.maps(code, first).numbers
    # Pivoting takes the longest row first: the layer's own cuts before the rest.
    unit = np.concatenate([_unit_rows(own), _INPUTS_LAST * _unit_rows(inputs)])
    _, order = qr(unit.T, mode="r", pivoting=True)
    candidates = np.concatenate([own, inputs])
    rows = candidates[_independent(candidates[:, :-1], order)]
    return Start(rows, _vertices(rows))


def _unit_rows(rows: Integers) -> Array:
    """The slopes of rows as doubles, of length one; zeros stay."""
    result = np.zeros((len(rows), rows.shape[1] - 1))
    for row, numbers in zip(result, rows[:, :-1].tolist(), strict=True):
        largest = max(map(abs, numbers))
        if largest:
            row[:] = [number / largest for number in numbers]
            row /= np.linalg.norm(row)
    return result


def _independent(rows: Integers, order: Indices) -> list[int]:
    """Which rows are independent of those before them in the order."""
    found: list[int] = []
    reduced: list[tuple[int, Integers]] = []
    for i in order.tolist():
        row = rows[i]
        for column, other in reduced:
            if row[column]:
                row = primitive(row * other[column] - other * row[column])
        left = np.flatnonzero(row)
        if len(left):
            found.append(i)
            reduced.append((int(left[0]), row))
            if len(found) == rows.shape[1]:
                break
    return found


def primitive(vector: Integers) -> Integers:
    """A vector of integers over their greatest common divisor."""
    divisor = gcd(*vector.tolist())
    return vector // divisor if divisor > 1 else vector


def _vertices(rows: Integers) -> Integers:
    """The apex, where all functions vanish, and both ends of each axis through it, on which all but
    one do. With k < S they lie in the span of the normals."""
    if not len(rows):
        return rows
    normals = [[Fraction(n) for n in row] for row in rows[:, :-1].tolist()]
    square = normals + _orthogonal(normals)
    size = len(square)
    joined = [row + [Fraction(int(i == j)) for j in range(size)] for i, row in enumerate(square)]
    inverse = [row[size:] for row in _reduced(joined)[0]]
    axes = [[row[i] for row in inverse] for i in range(len(normals))]
    offsets = rows[:, -1].tolist()
    apex = [
        -sum((c * x for c, x in zip(offsets, xs, strict=True)), Fraction(0))
        for xs in zip(*axes, strict=True)
    ]
    found = [_whole([*apex, Fraction(1)])]
    for axis in axes:
        end = _whole([*axis, Fraction(0)])
        found += [end, -end]
    return np.stack(found)


def _whole(vector: list[Fraction]) -> Integers:
    """A vector of integers in the direction of one of fractions."""
    common = lcm(*(x.denominator for x in vector))
    return primitive(np.array([int(x * common) for x in vector], dtype=object))


def _orthogonal(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """A basis of what is orthogonal to independent rows."""
    reduced, pivots = _reduced(rows)
    size = len(rows[0])
    basis = []
    for free in sorted(set(range(size)) - set(pivots)):
        vector = [Fraction(int(i == free)) for i in range(size)]
        for row, pivot in zip(reduced, pivots, strict=True):
            vector[pivot] = -row[free]
        basis.append(vector)
    return basis


def _reduced(rows: list[list[Fraction]]) -> tuple[list[list[Fraction]], list[int]]:
    """Independent rows in reduced echelon form, and the columns of their leading ones."""
    rows, pivots = [list(row) for row in rows], list[int]()
    for i in range(len(rows)):
        j, column = next(
            (j, c) for c in range(len(rows[0])) for j in range(i, len(rows)) if rows[j][c]
        )
        rows[i], rows[j] = rows[j], rows[i]
        rows[i] = [x / rows[i][column] for x in rows[i]]
        for other in range(len(rows)):
            factor = rows[other][column]
            if other != i and factor:
                rows[other] = [x - factor * y for x, y in zip(rows[other], rows[i], strict=True)]
        pivots.append(column)
    return rows, pivots
