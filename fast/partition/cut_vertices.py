"""What is known at the vertices of a subdivision: places, and a layer's values with their errors.

On the cells of the layers before, a layer's pre-activations are affine; so their values at the
vertices are all that is needed to cut the cells, and at a new vertex they follow from those at the
ends of its edge.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fast.partition.cell_complex import Cut
from fast.partition.growing_arrays import Columns, Rows
from reference.model import Array, Indices, Layer, Mask

# A sum of n rounded terms errs by about sqrt(n) ε times the sum of their magnitudes; 16 covers
# widths of hundreds. Below it a number cannot be told from zero.
ROUNDING = 16 * np.finfo(np.float64).eps


# Values beyond 10^±280 leave no room for what is computed from them.
_DECADES = 280.0


class OutOfRange(Exception):
    """A network's values leave the range of double precision."""


class Vertices:
    """Points, and directions at infinity, with the values of a layer's units at each.

    The value at a direction is the derivative that way, far out. Arrays are views, valid until the
    next `add`. The units in turn to cut are kept aside, unit by unit, between `open` and `close`:
    a column of a large matrix is slow to read.
    """

    def __init__(self, points: Mask, positions: Array) -> None:
        """points (V,): False for a direction; positions (V, S)."""
        self._points, self._positions = Columns(points), Rows(positions)
        self._sizes = Columns(np.max(np.abs(positions), axis=1))
        self._gains = np.ones(positions.shape[1])
        self._offsets = np.zeros(positions.shape[1])
        self.set_values(positions.copy(), np.zeros(positions.shape))

    def set_values(self, values: Array, errors: Array) -> None:
        """Replace the units' values, and how far from true they may be, (V, n) each."""
        self._values, self._errors = Rows(values), Rows(errors)
        self._first = 0

    @property
    def points(self) -> Mask:
        """Which vertices are points, (V,)."""
        return self._points.array

    @property
    def positions(self) -> Array:
        """Coordinates of the points, and directions, (V, S)."""
        return self._positions.array

    @property
    def values(self) -> Array:
        """The values of the layer's units, (V, n)."""
        return self._values.array

    @property
    def errors(self) -> Array:
        """How far from true rounding may have left the values, (V, n)."""
        return self._errors.array

    def open(self, units: Indices, last: bool) -> None:
        """Set some units aside for cutting. last: no unit before the first of them, nor any layer
        after this, needs the values: they are not kept up any longer."""
        self._units = units
        self._open_values = Columns(self.values[:, units].T.copy())
        self._open_errors = Columns(self.errors[:, units].T.copy())
        self._first = int(units[0]) if last else 0

    def close(self) -> None:
        """Put the units back."""
        self.values[:, self._units] = self._open_values.array.T
        self.errors[:, self._units] = self._open_errors.array.T

    @property
    def open_values(self) -> Array:
        """The values of the units set aside, (units, V); to be changed in place."""
        return self._open_values.array

    @property
    def open_errors(self) -> Array:
        """Their errors, (units, V)."""
        return self._open_errors.array

    def tolerance(self, unit: int) -> Array:
        """What rounding alone makes of one unit's values in the last layer, (V,)."""
        sizes = self._gains[unit] * self._sizes.array + self._offsets[unit] * self.points
        return np.asarray(ROUNDING * sizes)

    def pass_affine(self, layer: Layer) -> None:
        """Go on to the values after a layer without codes; directions do without its bias."""
        code, origin = np.empty(0, dtype=np.int8), np.zeros(self.values.shape[1])
        gains, offset_bounds = layer.bound(code, np.ones((len(origin), 1)), origin)
        # |W h + v| <= |W| 1 max |h| + |v|
        self._gains, self._offsets = gains[:, 0], offset_bounds
        self._sizes = Columns(np.max(np.abs(self.values), axis=1))
        _check_range(self._sizes.array, self._gains)
        values, offsets = layer.propagate(code, self.values.T, origin)
        magnitudes, _ = layer.bound(code, np.abs(self.values.T), origin)
        carried, _ = layer.bound(code, self.errors.T, origin)
        values, magnitudes = np.ascontiguousarray(values.T), magnitudes.T
        values[self.points] += offsets
        errors = magnitudes + offset_bounds * self.points[:, None]
        errors *= ROUNDING
        errors += carried.T
        self.set_values(values, errors)

    def pass_windows(self, windows: Indices) -> None:
        """Go on to the largest value of each window, (n_out, K)."""
        # The largest of several is off by no more than the worst of them.
        self._gains = self._gains[windows].max(axis=1)
        self._offsets = self._offsets[windows].max(axis=1)
        self.set_values(self.values[:, windows].max(axis=2), self.errors[:, windows].max(axis=2))

    def add(self, cut: Cut, function: Array, tolerance: Array) -> None:
        """Append the vertices of a cut, at the zeros of the function with these values (V,).

        tolerance (V,): the function's own rounding, which blurs a new vertex along its edge.
        """
        high, low = function[cut.above], -function[cut.below]
        above_is_point, below_is_point = self.points[cut.above], self.points[cut.below]
        # Between two points or two directions the weights sum to one; a point that goes off in a
        # direction keeps weight one.
        alike = above_is_point == below_is_point
        a = np.where(alike, low / (high + low), np.where(above_is_point, 1.0, low / high))
        b = np.where(alike, high / (high + low), np.where(above_is_point, high / low, 1.0))
        points = above_is_point | below_is_point
        places = _Pair(self.positions[cut.above], self.positions[cut.below])
        positions = _mix(_Pair(a, b), places)
        scale = np.where(points, 1.0, np.max(np.abs(positions), axis=1))
        a, b = a / scale, b / scale
        # The values change along the edge as the function does; it falls by so much.
        moves = _Pair(alike | ~above_is_point, alike | ~below_is_point)
        fall = moves.above * high + moves.below * low
        blur = (a * tolerance[cut.above] + b * tolerance[cut.below]) / fall
        step = _Pair(blur * moves.above, -blur * moves.below)

        def between(values: Array, errors: Array) -> tuple[Array, Array]:
            ends = _Pair(values[cut.above], values[cut.below])
            blurred = _mix(_Pair(a, b), _Pair(errors[cut.above], errors[cut.below]))
            return _mix(_Pair(a, b), ends), blurred + np.abs(_mix(step, ends))

        kept, own = slice(self._first, None), (self.open_values.T, self.open_errors.T)
        values, errors = between(self.values[:, kept], self.errors[:, kept])
        own_values, own_errors = between(*own)
        self._values.append(values)
        self._errors.append(errors)
        self._open_values.append(own_values.T)
        self._open_errors.append(own_errors.T)
        self._sizes.append(a * self._sizes.array[cut.above] + b * self._sizes.array[cut.below])
        self._points.append(points)
        self._positions.append(positions / scale[:, None])


def _check_range(inputs: Array, gains: Array) -> None:
    """Raise OutOfRange if products of weights and inputs leave the range of double precision."""
    largest, gain = np.max(inputs), np.max(gains)
    if largest > 0 and gain > 0 and not abs(np.log10(largest) + np.log10(gain)) < _DECADES:
        raise OutOfRange


class _Pair(NamedTuple):
    """What belongs to the upper and the lower end of each cut edge."""

    above: Any
    below: Any


def _mix(weights: _Pair, rows: _Pair) -> Array:
    """Weighted sums of pairs of rows."""
    mixed: Array = weights.above[:, None] * rows.above
    mixed += weights.below[:, None] * rows.below
    return mixed
