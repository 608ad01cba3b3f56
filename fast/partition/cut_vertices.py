"""What is known at the vertices of a subdivision: places, and a layer's values with their errors.

On the cells of the layers before, a layer's pre-activations are affine; so their values at the
vertices are all that is needed to cut the cells, and at a new vertex they follow from those at the
ends of its edge. Each value has a proven bound on its error. Where that leaves a sign open, the
vertex is computed in integers, and all its values are then known to the last digit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fast.partition.cell_complex import Cut
from fast.partition.exact_vertices import LEAST, ExactVertices, Function, OutOfRange, rounded_once
from fast.partition.growing_arrays import Columns, Rows
from fast.polyhedra.chunks import chunks
from reference.model import Array, Dyadic, Indices, Integers, Layer, Mask, PiecewiseAffine

EPS = float(np.finfo(np.float64).eps)

# Terms added to those of a sum in the bound on its rounding: see `rounding_of_sum`.
_MORE_TERMS = 8

# Values are held in units in which the largest are near 1. Where they, or their errors, are below
# this, doubles may have lost a product of them: what is so small is left to integers.
FLOOR = 1e-150

# Numbers held at once while values are found at new vertices.
_BATCH = 1 << 15

# Units of values are changed where they are off by more than two to this power.
_UNITS_KEPT = 64

# Positions farther than this from 0 leave no room for what is computed from them.
_FARTHEST = 1e290


def rounding_of_sum(count: int) -> float:
    """What rounding makes at most of a sum of so many products, over that of their magnitudes.

    It is n ε/2 (1 + n ε) at most [Higham 2002, sec. 3.1]. ε for each, and some more of them, covers
    that, and the rounding of the magnitudes and errors themselves.
    """
    return (count + _MORE_TERMS) * EPS


class _Exactly(NamedTuple):
    """Inputs of a layer at vertices (z, t), times t, (n, n_in); t (n,); and what vertices are
    divided by, (n,)."""

    inputs: Dyadic
    ts: Integers
    weights: Integers


class Vertices:
    """Points, and directions at infinity, with the values of a layer's units at each.

    The value at a direction is the derivative that way, far out. Arrays are views, valid until the
    next `add`. The units in turn to cut are kept aside, unit by unit, between `open` and `close`:
    a column of a large matrix is slow to read.
    """

    def __init__(self, exact: ExactVertices, places: Integers) -> None:
        """places (V, S + 1): the first vertices."""
        self.exact, self.layer = exact, 0
        #: How many signs were left to integers.
        self.exact_signs = 0
        # Values are those of the network over two to this power.
        self._unit = 0
        self._points = Columns(places[:, -1] != 0)
        positions = rounded_once(places[:, :-1], _weights(places)[:, None], 0)
        self._positions = Rows(positions)
        sizes = np.max(np.abs(positions), axis=1)
        # The size of the largest coordinate, and how far from true one may be.
        self._extents = Columns(np.stack([sizes, EPS * sizes]))
        self.set_values(positions.copy(), _doubt(positions))

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
    def position_errors(self) -> Array:
        """How far from true the positions' coordinates may be, (V,)."""
        return np.asarray(self._extents.array[1])

    @property
    def values(self) -> Array:
        """The values of the layer's units, (V, n), but for the first that are lost."""
        return self._values.array

    @property
    def errors(self) -> Array:
        """How far from true the values may be, (V, n)."""
        return self._errors.array

    def of_units(self, units: Indices) -> tuple[Array, Array]:
        """The values of some units and their errors, unit by unit, (units, V) each."""
        columns = units - self._values.lost
        return self.values[:, columns].T, self.errors[:, columns].T

    def nbytes(self, growth: float) -> float:
        """The memory that is taken once there are so many times as many vertices."""
        left = max(1, self.values.shape[1] + self._values.lost - self._first)
        own = self._points.nbytes(growth) + self._extents.nbytes(growth)
        own += self._positions.nbytes(growth, self.positions.shape[1])
        return own + sum(rows.nbytes(growth, left) for rows in (self._values, self._errors))

    def open(self, units: Indices, last: bool) -> None:
        """Set some units aside for cutting. last: no unit before the first of them, nor any layer
        after this, needs the values: they are not kept up any longer."""
        self._units = units
        values, errors = self.of_units(units)
        self._open_values, self._open_errors = Columns(values.copy()), Columns(errors.copy())
        self._first = int(units[0]) if last else 0

    def close(self) -> None:
        """Put the units back."""
        columns = self._units - self._values.lost
        self.values[:, columns] = self._open_values.array.T
        self.errors[:, columns] = self._open_errors.array.T

    @property
    def open_values(self) -> Array:
        """The values of the units set aside, (units, V); to be changed in place."""
        return self._open_values.array

    @property
    def open_errors(self) -> Array:
        """Their errors, (units, V)."""
        return self._open_errors.array

    def settle(self, function: Function, values: Array, errors: Array) -> tuple[Array, Array]:
        """Values of a function of open units and their errors, (V,), with signs that are certain.

        Where an error leaves the sign open, the vertex is computed in integers, and so are all its
        values. A value of 0 with an error of 0 is 0.
        """
        # An error may be infinite, or unknown.
        doubtful = np.flatnonzero(~(np.abs(values) > errors) & (errors != 0))
        if len(doubtful):
            self.exact_signs += len(doubtful)
            exactly = self._make_exact(doubtful)
            numbers, exponent = function.of(exactly.inputs, exactly.ts)
            exact = rounded_once(numbers, exactly.weights, exponent + self._unit)
            values[doubtful] = exact
            errors[doubtful] = np.where(np.abs(exact) > LEAST, EPS, 1.0) * np.abs(exact)
        return values, errors

    def place_exactly(self) -> None:
        """Compute all vertices in integers. Where the first units to cut are 0 at the first
        vertices, this is then known, and so at all vertices between them."""
        values, _ = self._exactly(np.arange(len(self.points)))
        self.set_values(values, _doubt(values))

    def _make_exact(self, which: Indices) -> _Exactly:
        """Compute vertices in integers, and round their values and positions once."""
        values, exactly = self._exactly(which)
        errors = _doubt(values)
        lost = self._values.lost
        self.values[which], self.errors[which] = values[:, lost:], errors[:, lost:]
        self.open_values[:, which] = values[:, self._units].T
        self.open_errors[:, which] = errors[:, self._units].T
        return exactly

    def _exactly(self, which: Indices) -> tuple[Array, _Exactly]:
        """The layer's inputs at vertices, rounded once and in integers; positions are put right."""
        inputs = self.exact.inputs(which, self.layer)
        places = self.exact.places(which)
        weights = _weights(places)
        positions = rounded_once(places[:, :-1], weights[:, None], 0)
        self.positions[which] = positions
        sizes = np.max(np.abs(positions), axis=1)
        self._extents.array[:, which] = sizes, EPS * sizes
        values = rounded_once(inputs.numbers, weights[:, None], inputs.exponent + self._unit)
        return values, _Exactly(inputs, places[:, -1], weights)

    def pass_affine(self, layer: Layer) -> None:
        """Go on to the values after a layer without codes; directions do without its bias."""
        code, origin = np.empty(0, dtype=np.int8), np.zeros(self.values.shape[1])
        gains, biases = layer.bound(code, np.ones((len(origin), 1)), origin)
        self._change_units(gains[:, 0], biases)
        offsets = self.in_units(layer.offset(code, len(origin)))
        inputs = self.values.T
        values, _ = layer.propagate(code, inputs, origin)
        magnitudes, _ = layer.bound(code, np.abs(inputs), origin)
        errors, _ = layer.bound(code, self.errors.T, origin)
        values = np.ascontiguousarray(values.T)
        values[self.points] += offsets
        magnitudes += np.abs(offsets)[:, None] * self.points
        rounding = rounding_of_sum(len(origin))
        magnitudes *= rounding
        errors *= 1.0 + rounding
        errors += magnitudes
        errors[(errors < FLOOR) & (magnitudes > 0)] = FLOOR
        del magnitudes  # for its memory
        if _may_underflow(layer, inputs):
            errors += FLOOR
        self.layer += 1
        self.set_values(values, np.ascontiguousarray(errors.T))

    def _change_units(self, gains: Array, biases: Array) -> None:
        """Hold the values in units in which what a layer with these gains and biases makes of them
        is near 1 at most. Raises OutOfRange where its weights allow none."""
        largest = np.max(gains), np.max(biases)
        if not all(np.isfinite(largest)):
            raise OutOfRange
        sizes = []
        if largest[0] and self.values.any():
            sizes.append(int(np.frexp(largest[0])[1] + np.frexp(np.max(np.abs(self.values)))[1]))
        if largest[1]:
            sizes.append(int(np.frexp(largest[1])[1]) - self._unit)
        shift = max(sizes, default=0)
        if abs(shift) > _UNITS_KEPT:
            self._unit += shift
            was = self.errors > 0
            np.ldexp(self.values, -shift, out=self.values)
            np.ldexp(self.errors, -shift, out=self.errors)
            self.errors[was & (self.errors < FLOOR)] = FLOOR

    def in_units(self, constants: ArrayLike) -> Array:
        """Constants in the units of the values, to FLOOR. Raises OutOfRange if one is no double."""
        scaled = np.asarray(np.ldexp(constants, -self._unit))
        if not np.all(np.isfinite(scaled)):
            raise OutOfRange
        return scaled

    def pass_activation(self, layer: PiecewiseAffine) -> None:
        """Go on to an activation's output; the signs of its cuts are certain.

        Far out in a direction an input that grows is beyond all knots, and one that falls before.
        """
        size = self.values.shape[1]
        if layer.bends_at_zero:
            lead = self.values[:, layer.units]
        else:
            lead = self.values[:, layer.units, None] - np.where(
                self.points[:, None, None], self.in_units(layer.unit_knots), 0.0
            )
            lead = lead.reshape(len(lead), -1)
        sides = np.where(lead < 0, -1, 1).astype(np.int8)
        diagonal = layer.diagonal(sides, size)
        values, errors = diagonal * self.values, np.abs(diagonal) * self.errors
        errors += EPS * np.abs(values)
        offsets = layer.offset(sides, size)
        if np.any(offsets):
            added = np.where(self.points[:, None], self.in_units(offsets), 0.0)
            values += added
            errors += EPS * (np.abs(values) + np.abs(added))
            errors += FLOOR * ((np.abs(added) < FLOOR) & (offsets != 0))
        self.layer += 1
        self.set_values(values, errors)

    def pass_windows(self, windows: Indices) -> None:
        """Go on to the largest value of each window, (n_out, K)."""
        # The largest of several is off by no more than the worst of them.
        self.layer += 1
        self.set_values(self.values[:, windows].max(axis=2), self.errors[:, windows].max(axis=2))

    def add(self, cut: Cut, made_by: Function, function: Array, errors: Array) -> None:
        """Append the vertices of a cut, at the zeros of the function with these values and errors
        (V,), whose signs are certain."""
        high, low = function[cut.above], -function[cut.below]
        above_is_point, below_is_point = self.points[cut.above], self.points[cut.below]
        points = above_is_point | below_is_point
        # Between two points or two directions the weights sum to one; a point that goes off in a
        # direction keeps weight one.
        moves = _Pair(above_is_point <= below_is_point, below_is_point <= above_is_point)
        fall = moves.above * high + moves.below * low
        weights = _Pair(low / fall, high / fall)
        ends = _Pair(self.positions[cut.above], self.positions[cut.below])
        positions = _mix(weights, ends)
        sizes = np.max(np.abs(positions), axis=1)
        if not np.all(sizes < _FARTHEST):
            raise OutOfRange
        # What the function's errors move a vertex along its edge, as a share of it: the values
        # change along the edge as the function does.
        doubt = _Pair(errors[cut.above], errors[cut.below])
        least = fall - (moves.above * doubt.above + moves.below * doubt.below)
        # Where even that is unknown, so are the values: integers will say.
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (weights.above * doubt.above + weights.below * doubt.below) / least
        step = _Pair(share * moves.above, -share * moves.below)
        if not np.all(points):
            # Directions are brought to size one. Of opposite ones nothing may be left in doubles.
            lost = sizes == 0
            step = _Pair(*(np.where(lost & ~points, np.inf, s) for s in step))
            scale = np.where(points | lost, 1.0, sizes)
            positions /= scale[:, None]
            weights, step = _Pair(*(w / scale for w in weights)), _Pair(*(w / scale for w in step))
            sizes = np.where(points, sizes, 1.0)

        kept = slice(self._first - self._values.lost, None)
        values, off = _between(cut, weights, step, self.values[:, kept], self.errors[:, kept])
        own = self.open_values.T, self.open_errors.T
        own_values, own_off = _between(cut, weights, step, *own)
        self.exact.add(cut, made_by)
        self._values.append(values)
        self._errors.append(off)
        self._open_values.append(own_values.T)
        self._open_errors.append(own_off.T)
        moved = np.abs(_mix(step, ends)).max(axis=1)
        self._extents.append(np.stack([sizes, moved + self._position_doubt(cut, weights)]))
        self._points.append(points)
        self._positions.append(positions)

    def _position_doubt(self, cut: Cut, weights: _Pair) -> Array:
        """How far from true the positions of new vertices may be for those of the edges' ends."""
        result: Array = np.zeros(len(cut.above))
        for weight, vertices in zip(weights, (cut.above, cut.below), strict=True):
            size, error = self._extents.array[:, vertices]
            result += weight * (error + 8.0 * EPS * size)
        return result


def _weights(places: Integers) -> Integers:
    """What vertices (z, t) are divided by: points by t, directions by their largest entry."""
    return np.array([row[-1] or max(map(abs, row[:-1])) for row in places.tolist()], dtype=object)


def _doubt(values: Array) -> Array:
    """How far values rounded once may be off."""
    errors = EPS * np.abs(values)
    errors[(errors < FLOOR) & (values != 0)] = FLOOR
    return np.asarray(errors)


def _may_underflow(layer: Layer, inputs: Array) -> bool:
    """Whether a product of a layer's weights with its inputs may be too small for a double."""
    sizes = np.abs(inputs)
    least = float(np.min(sizes, where=sizes > 0, initial=np.inf))
    weight = np.abs(layer.parameters().get("weight", np.ones(1)))
    return bool(least * np.min(weight, where=weight > 0, initial=np.inf) < FLOOR**1.8)


class _Pair(NamedTuple):
    """What belongs to the upper and the lower end of each cut edge."""

    above: Any
    below: Any


def _mix(weights: _Pair, rows: _Pair) -> Array:
    """Weighted sums of pairs of rows."""
    mixed: Array = weights.above[:, None] * rows.above
    mixed += weights.below[:, None] * rows.below
    return mixed


def _between(
    cut: Cut, weights: _Pair, step: _Pair, values: Array, errors: Array
) -> tuple[Array, Array]:
    """Values and errors at the vertices of a cut, from those (V, n) at the ends of their edges.

    step: the change of the weights that the errors of the cut's own function allow.
    """
    shape = len(cut.above), values.shape[1]
    found, off = np.empty(shape), np.empty(shape)
    for some in chunks(shape[0], _BATCH, shape[1]):
        upper, lower = cut.above[some], cut.below[some]
        above, below = values[upper], values[lower]
        moved = step.above[some, None] * above
        moved += step.below[some, None] * below
        above *= weights.above[some, None]
        below *= weights.below[some, None]
        np.add(above, below, out=found[some])
        rounded = np.abs(above, out=above)
        rounded += np.abs(below, out=below)
        rounded *= 8.0 * EPS
        rounded += np.abs(moved, out=moved)
        rounded += weights.above[some, None] * errors[upper]
        rounded += weights.below[some, None] * errors[lower]
        off[some] = rounded
    return found, off
