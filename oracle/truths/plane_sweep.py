"""The plane of a network with two latent dimensions, cut into trapezoids by tracing vertical lines.

On the line z1 = a the network is one-dimensional: its pieces follow from each other as the line
crosses units' zeros, all in exact arithmetic. Between two events, values of z1 at which the order
of the pieces changes, every piece is a trapezoid. The next event after a is where, along an end of
a piece, some unit of the piece first vanishes. No polyhedron is ever formed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import Any

import numpy as np

from oracle.exact.layer_specs import LayerSpec, unit_slopes
from oracle.exact.regions import Code, dyadic, unit_factors

Line = tuple[int, int, int]  # n1 z1 + n2 z2 + n0 = 0


@dataclass(frozen=True)
class Piece:
    """Part of a vertical line: its code; the lines that end it below and above, None at infinity;
    the map to the output, rows (slope, offset) / 2^exponent; every unit's row on the way."""

    code: Code
    low: Line | None
    high: Line | None
    rows: tuple[Line, ...]
    exponent: int
    units: frozenset[Line]


@dataclass(frozen=True)
class Strip:
    """Where the pieces keep their order: left < z1 < right, None at infinity."""

    left: Fraction | None
    right: Fraction | None
    pieces: list[Piece]


def strips(layers: tuple[LayerSpec, ...]) -> list[Strip]:
    """All strips of a network from R² to R^D, from left to right.

    layers as in oracle.exact.layers. Guarded by tests/oracle/test_oracle_two_dimensions.py.
    """
    place = Fraction(3, 64)
    while place in (events := _events(pieces := trace(layers, place))):
        place += Fraction(1, 1 << 20)
    result = [_strip(place, events, pieces)]
    while (right := result[-1].right) is not None:
        result.append(_beside(layers, right, 1))
    while (left := result[0].left) is not None:
        result.insert(0, _beside(layers, left, -1))
    return result


def _strip(place: Fraction, events: set[Fraction], pieces: list[Piece]) -> Strip:
    """The strip of a place that is no event itself."""
    before = max((e for e in events if e < place), default=None)
    after = min((e for e in events if e > place), default=None)
    return Strip(before, after, pieces)


def _beside(layers: tuple[LayerSpec, ...], event: Fraction, direction: int) -> Strip:
    """The strip that begins at an event, on its right (1) or left (-1)."""
    step = Fraction(1, 4)
    while True:
        place = _rounded(event, step, direction)
        pieces = trace(layers, place)
        events = _events(pieces)
        between = [e for e in events if 0 < (e - event) * direction <= (place - event) * direction]
        if not between:
            return _strip(place, events, pieces)
        nearest = min(abs(e - event) for e in between)
        step = min(step / 2, nearest / 2)


def _rounded(event: Fraction, step: Fraction, direction: int) -> Fraction:
    """A number of few bits beyond an event, at most a step away."""
    bits = max(0, (step.denominator // step.numerator).bit_length() + 2)
    scaled = event * (1 << bits)
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole + 2 if direction > 0 else whole - 1, 1 << bits)


def _events(pieces: list[Piece]) -> set[Fraction]:
    """Where along z1 a unit vanishes on an end of its piece, or, if vertical, in all of it."""
    found = set()
    for piece in pieces:
        ends = [end for end in (piece.low, piece.high) if end is not None]
        for unit in piece.units:
            if unit[1] == 0 and unit[0]:
                found.add(Fraction(-unit[2], unit[0]))
            for end in ends:
                below = unit[0] * end[1] - unit[1] * end[0]
                if below:
                    found.add(Fraction(unit[1] * end[2] - unit[2] * end[1], below))
    return found


def trace(layers: tuple[LayerSpec, ...], place: Fraction) -> list[Piece]:
    """The pieces of the line z1 = place, from below."""
    pieces = [
        Piece(
            code=(), low=None, high=None, rows=((1, 0, 0), (0, 1, 0)), exponent=0, units=frozenset()
        )
    ]
    for kind, *values in layers:
        if kind == "dense":
            pieces = [_after_dense(piece, *values) for piece in pieces]
        elif kind == "slope":
            pieces = [part for piece in pieces for part in _after_units(piece, values[0], place)]
        else:
            pieces = [part for piece in pieces for part in _after_windows(piece, values[0], place)]
    return pieces


def _after_dense(piece: Piece, weight: Any, bias: Any) -> Piece:
    numbers, weight_exponent = dyadic(weight)
    constants, bias_exponent = dyadic(bias)
    exponent = max(piece.exponent + weight_exponent, bias_exponent)
    rows = numbers.dot(np.array(piece.rows, dtype=object))
    rows = rows * (1 << (exponent - piece.exponent - weight_exponent))
    rows[:, -1] = rows[:, -1] + constants * (1 << (exponent - bias_exponent))
    return replace(piece, rows=tuple(map(tuple, rows)), exponent=exponent)


def _after_units(piece: Piece, eta: Any, place: Fraction) -> list[Piece]:
    """Cut where an acting unit vanishes, then scale each unit by 1 or η."""
    _, acting = unit_slopes(eta, len(piece.rows))
    cutting = [piece.rows[unit] for unit in acting]
    result = []
    for part in _cut(piece, cutting, place):
        sample = _inside(part, place)
        signs = [_sign(_value(row, place, sample)) for row in cutting]
        factors, more = unit_factors(eta, len(piece.rows), signs)
        scaled = [_scaled(row, int(f)) for row, f in zip(piece.rows, factors, strict=True)]
        code = (*piece.code, *signs)
        found = replace(part, code=code, rows=tuple(scaled), exponent=piece.exponent + more)
        result.append(found)
    return result


def _after_windows(piece: Piece, windows: list[list[int]], place: Fraction) -> list[Piece]:
    """Cut where the winner of a window changes, then only the winners."""
    rows = piece.rows
    leads = {
        window: {_difference(rows[a], rows[b]) for a in window for b in window if a < b}
        for window in map(tuple, windows)
    }
    result: list[Piece] = []
    for part in _cut(piece, [lead for found in leads.values() for lead in found], place):
        sample = _inside(part, place)
        winners = []
        for window in windows:
            values = [_value(rows[c], place, sample) for c in window]
            winners.append(values.index(max(values)))
        chosen = [window[p] for window, p in zip(windows, winners, strict=True)]
        units = {
            _reduced(_difference(rows[w], rows[c]))
            for w, window in zip(chosen, windows, strict=True)
            for c in window
        }
        code = (*piece.code, *winners)
        if result and result[-1].code == code:  # cut where two losers are equal
            result[-1] = replace(result[-1], high=part.high)
        else:
            own = piece.units | units - {(0, 0, 0)}
            result.append(replace(part, code=code, rows=tuple(rows[c] for c in chosen), units=own))
    return result


def _cut(piece: Piece, functions: Any, place: Fraction) -> list[Piece]:
    """The parts of a piece between the zeros of some functions."""
    units = {_reduced(row) for row in functions} - {(0, 0, 0)}
    low = None if piece.low is None else _height(piece.low, place)
    high = None if piece.high is None else _height(piece.high, place)
    heights = {}
    for unit in sorted(units):
        if unit[1]:
            height = _height(unit, place)
            if (low is None or height > low) and (high is None or height < high):
                heights[height] = unit
    lines = [piece.low, *(heights[h] for h in sorted(heights)), piece.high]
    everything = piece.units | units
    return [replace(piece, low=a, high=b, units=everything) for a, b in pairwise(lines)]


def _inside(piece: Piece, place: Fraction) -> Fraction:
    """The height of a point inside a piece."""
    ends = [None if end is None else _height(end, place) for end in (piece.low, piece.high)]
    if ends[0] is None:
        return Fraction(0) if ends[1] is None else ends[1] - 1
    return ends[0] + 1 if ends[1] is None else (ends[0] + ends[1]) / 2


def _height(line: Line, place: Fraction) -> Fraction:
    """z2 on a line that is not vertical."""
    return -(line[0] * place + line[2]) / line[1]


def _value(line: Line, place: Fraction, height: Fraction) -> Fraction:
    return line[0] * place + line[1] * height + line[2]


def _scaled(line: Line, factor: int) -> Line:
    return line[0] * factor, line[1] * factor, line[2] * factor


def _difference(one: Line, other: Line) -> Line:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def _reduced(line: Line) -> Line:
    """The line's smallest integers, the first that is not zero positive."""
    divisor = gcd(*line) * (1 if next((v for v in line if v), 1) > 0 else -1)
    return (line[0] // divisor, line[1] // divisor, line[2] // divisor) if divisor else line


def _sign(value: Fraction) -> int:
    return int(value > 0) - int(value < 0)
