"""Where cutting begins: independent functions of z and the orthants between them, in integers."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np
from scipy.linalg import qr

from fast.polyhedra.integer_rows import in_lowest_terms, independent_rows, orthogonal_complement
from fast.polyhedra.rational_rows import Rows, dot, exactly, inverse
from reference.model import Array, ExactNetwork, Integers

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
    counts = network.code_lengths
    if not any(counts):
        return Start(np.empty((0, width), dtype=object), np.empty((0, width), dtype=object))
    first = int(np.flatnonzero(counts)[0])
    code = np.zeros(sum(counts), dtype=np.int8)
    own, inputs = exact.cuts(code, first), exact.maps(code, first).numbers
    # Pivoting takes the longest row first: the layer's own cuts before the rest.
    unit = np.concatenate([_unit_rows(own), _INPUTS_LAST * _unit_rows(inputs)])
    _, order = qr(unit.T, mode="r", pivoting=True)
    candidates = np.concatenate([own, inputs])[order]
    rows = candidates[independent_rows(candidates[:, :-1])]
    return Start(rows, _vertices(rows) if len(rows) else rows)


def _unit_rows(rows: Integers) -> Array:
    """The slopes of rows as doubles, of length one; zeros stay."""
    result = np.zeros((len(rows), rows.shape[1] - 1))
    for row, numbers in zip(result, rows[:, :-1].tolist(), strict=True):
        largest = max(map(abs, numbers))
        if largest:
            row[:] = [number / largest for number in numbers]
            row /= np.linalg.norm(row)
    return result


def _vertices(rows: Integers) -> Integers:
    """The apex, where all functions vanish, and both ends of each axis through it, on which all but
    one do. With k < S they lie in the span of the normals."""
    normals = rows[:, :-1]
    square = np.concatenate([normals, orthogonal_complement(normals)])
    axes = [list(axis) for axis in zip(*inverse(exactly(square)), strict=True)][: len(rows)]
    offsets = rows[:, -1].tolist()
    apex = [-dot(offsets, entries) for entries in zip(*axes, strict=True)]
    ends = _whole([[*axis, Fraction(0)] for axis in axes])
    both = np.stack([ends, -ends], axis=1).reshape(-1, rows.shape[1])
    return np.concatenate([_whole([[*apex, Fraction(1)]]), both])


def _whole(rows: Rows) -> Integers:
    """Each row times a positive number that makes integers of it, the smallest there are."""
    common = [lcm(*(x.denominator for x in row)) for row in rows]
    whole = [[int(x * c) for x in row] for row, c in zip(rows, common, strict=True)]
    return in_lowest_terms(np.array(whole, dtype=object))
