"""Activations of any knots and slopes, as sums of ramps max(h - t, 0)."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.exact.layer_specs import LayerSpec, fixed


def activation(kind: str, layer: Any) -> list[LayerSpec] | None:
    """An activation of this kind as specs; None for another layer."""
    size = int(np.prod(layer.input_shape)) if kind in _SHAPES or kind == "PReLU" else 0
    if kind in _SHAPES:
        return _pieces(*_SHAPES[kind](layer), size)
    if kind == "PReLU":
        slopes = np.asarray(layer.slope, dtype=float)
        return [("slope", np.repeat(slopes, size // len(slopes)))]
    if kind in _AT_ZERO:
        return [("slope", _AT_ZERO[kind])]
    return [("slope", float(layer.slope))] if kind == "LeakyReLU" else None


def _clip(layer: Any) -> tuple[list[float], list[float], float]:
    """Knots, slopes and the value at 0 of h clipped."""
    lower, upper = float(layer.lower), float(layer.upper)
    finite = [knot for knot in (lower, upper) if abs(knot) < float("inf")]
    slopes = [1.0] if lower == -float("inf") else [0.0, 1.0]
    return finite, slopes if upper == float("inf") else [*slopes, 0.0], sorted((lower, 0, upper))[1]


def _hard_sigmoid(layer: Any) -> tuple[list[float], list[float], float]:
    """The same of slope h + value, clipped to 0 and 1."""
    slope, value = float(layer.slope), float(layer.value)
    return [-value / slope, (1 - value) / slope], [0.0, slope, 0.0], value


_AT_ZERO = {"ReLU": 0.0, "Abs": -1.0}
_SHAPES = {
    "PiecewiseAffine": lambda layer: (layer.knots, layer.slopes, layer.value),
    "Hardtanh": _clip,
    "ReLU6": lambda layer: ([0.0, 6.0], [0.0, 1.0, 0.0], 0.0),
    "Hardsigmoid": _hard_sigmoid,
}


def _pieces(knots: Any, slopes: Any, value: Any, size: int) -> list[LayerSpec]:
    """A function of each of `size` units with knots t and slopes s, as sums of max(h - t, 0).

    With s* the slope at 0, f(h) is f(0) + s* h, plus (s_j - s_j-1) max(h - t_j, 0) for knots from 0
    on, plus (s_j - s_j-1) (max(h - t_j, 0) - (h - t_j)) for those below. No difference is rounded:
    s_j and -s_j-1 are entries of their own.
    """
    rows = max(len(np.atleast_2d(knots)), len(np.atleast_2d(slopes)), np.size(value))
    each = [
        np.repeat(np.broadcast_to(table, (rows, np.shape(table)[-1])), size // rows, axis=0)
        for table in (np.atleast_2d(knots), np.atleast_2d(slopes), np.reshape(value, (-1, 1)))
    ]
    t, s, start = (np.asarray(table, dtype=float) for table in each)
    if rows == 1:
        t, s, start = (np.broadcast_to(one, (size, one.shape[1])) for one in (t, s, start))
    count = t.shape[1]
    # Of each unit: h - t for every knot, and again; and h.
    places = 2 * count + 1
    spread, levels = np.zeros((size * places, size)), np.zeros(size * places)
    etas: list[float | None] = [None] * (size * places)
    combined = np.zeros((size, size * places * 2))
    for unit in range(size):
        base = unit * places
        spread[base : base + places, unit] = 1.0
        levels[base : base + 2 * count] = -np.tile(t[unit], 2)
        etas[base : base + count] = [0.0] * count
        at_zero = int(np.sum(t[unit] < 0))
        combined[unit, 2 * (base + 2 * count)] = s[unit, at_zero]
        for j in range(count):
            for copy, slope in enumerate((s[unit, j + 1], -s[unit, j])):
                combined[unit, 2 * (base + j) + copy] = slope
                if t[unit, j] < 0:
                    combined[unit, 2 * (base + count + j) + copy] = -slope
    twice = np.repeat(np.eye(size * places), 2, axis=0)
    return [
        ("dense", fixed(spread), fixed(levels)),
        ("slope", etas),
        ("dense", fixed(twice), fixed(np.zeros(len(twice)))),
        ("dense", fixed(combined), fixed(start[:, 0])),
    ]
