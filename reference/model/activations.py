"""Continuous piecewise affine functions of one number, applied to every unit [Sec. 2]."""

from __future__ import annotations

import copy
import math
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, Indices, ReadOnly, freeze
from reference.model.layer_protocol import Documented, Shape, Surroundings
from reference.model.validation import check_array

# More numbers than these are too many for a layer's text.
_MOST_TOLD = 12


class PiecewiseAffine(Documented, ReadOnly):
    """A continuous piecewise affine function f of each unit, given by its knots and slopes.

    Parameters
    ----------
    knots : array_like, shape (k,) or (C, k)
        Where f bends, in increasing order; of each channel, if there are several rows.
    slopes : array_like, shape (k + 1,) or (C, k + 1)
        The slope left of the first knot, between every two, and right of the last.
    value : float or array_like of shape (C,), default 0.0
        f(0).

    Raises
    ------
    ValueError
        On wrong shapes, on knots that do not increase, on NaN or infinity, and on offsets that are
        no doubles; when placed on a shape of another number of channels.

    Notes
    -----
    The doubles given are the function, without rounding: its offsets on the pieces are the exact
    numbers that make it continuous. They are rounded once where doubles are computed with.

    A code holds the signs of h - t for each unit's input h and each of its knots t, unit by unit:
    +1, -1, or 0 for a unit that is at the knot on the whole region. Such a unit makes no cut there,
    and its derivative is taken as the slope left of the knot. Guarded by
    tests/model/test_activations.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import PiecewiseAffine
    >>> PiecewiseAffine([-1.0, 1.0], [0.0, 1.0, 0.0]).apply(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """

    #: Where its units are among others; None if it is applied to all.
    surroundings: Surroundings | None = None

    def __init__(self, knots: ArrayLike, slopes: ArrayLike, value: ArrayLike = 0.0) -> None:
        self.knots = check_array(knots, "knots", (None,), (None, None))
        count = self.knots.shape[-1]
        if not self.knots.size or np.any(np.diff(self.knots) <= 0):
            raise ValueError(f"knots: expected one or more in increasing order, got {knots!r}")
        self.slopes = check_array(slopes, "slopes", (count + 1,), (None, count + 1))
        self.value = check_array(value, "value", (), (None,))
        given = (self.knots, "knots", 2), (self.slopes, "slopes", 2), (self.value, "value", 1)
        rows = {name: len(array) for array, name, axes in given if array.ndim == axes}
        if len(set(rows.values())) > 1 or 0 in rows.values():
            raise ValueError(f"{', '.join(rows)}: expected as many channels of each, got {rows}")
        #: How many channels have a function of their own; None if all units have the same.
        self.channels = next(iter(rows.values()), None)
        #: The offset of each piece of each channel's function, exactly: (C or 1) rows of k + 1.
        self.exact_offsets = self._continuous()
        try:
            self._offsets = np.array([[float(c) for c in row] for row in self.exact_offsets])
        except OverflowError:
            raise ValueError("slopes: expected pieces whose offsets are doubles") from None
        self.input_shape: Shape = ()
        self._of_unit: Indices = np.zeros(1, dtype=np.intp)
        freeze(self.knots, self.slopes, self.value, self._offsets, self._of_unit)

    def _continuous(self) -> tuple[tuple[Fraction, ...], ...]:
        rows = self.channels or 1
        knots = np.broadcast_to(self.knots, (rows, self.knots.shape[-1]))
        slopes = np.broadcast_to(self.slopes, (rows, self.slopes.shape[-1]))
        values = np.broadcast_to(self.value, (rows,))
        triples = zip(knots.tolist(), slopes.tolist(), values.tolist(), strict=True)
        return tuple(_continuous_offsets(*triple) for triple in triples)

    def __repr__(self) -> str:
        given = ", ".join(map(in_words, (self.knots, self.slopes, self.value)))
        return f"PiecewiseAffine({given})"

    def placed(self, input_shape: Shape) -> Self:
        if self.surroundings is None:
            return self._on(input_shape)
        self.surroundings.check(self, input_shape)
        return self

    def beside(self, around: Surroundings) -> Self:
        """Return the layer for some units of a vector; it leaves the others as they are.

        Parameters
        ----------
        around : Surroundings
            Where its units are.

        Returns
        -------
        PiecewiseAffine
            A layer for vectors.
        """
        layer = self._on(around.shape)
        layer.surroundings, layer.input_shape = around, (around.size,)
        return layer

    def _on(self, shape: Shape) -> Self:
        """The layer for units of this shape."""
        if self.channels is not None and shape[:1] != (self.channels,):
            raise ValueError(
                f"layers: {type(self).__name__} of {self.channels} channels got shape {shape}"
            )
        layer = copy.copy(self)
        layer.input_shape = shape
        if self.channels is not None:
            layer._of_unit = np.repeat(np.arange(self.channels), math.prod(shape[1:]))
            freeze(layer._of_unit)
        return layer

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    @property
    def units(self) -> slice:
        """Which entries of the flat input it is applied to."""
        return slice(None) if self.surroundings is None else self.surroundings.own

    @property
    def unit_knots(self) -> Array:
        """The knots of the units it is applied to, (n, k); (1, k) where all have the same."""
        return self._rows(self.knots)

    @property
    def unit_slopes(self) -> Array:
        """The slopes of those units, (n, k + 1); (1, k + 1) where all have the same."""
        return self._rows(self.slopes)

    @property
    def unit_offsets(self) -> tuple[tuple[Fraction, ...], ...]:
        """The offsets of their pieces, exactly: (n, k + 1), or (1, k + 1)."""
        if len(self.exact_offsets) == 1:
            return self.exact_offsets
        return tuple(self.exact_offsets[row] for row in self._of_unit.tolist())

    @property
    def bends_at_zero(self) -> bool:
        """Whether every unit has one knot, 0: then cuts are the inputs themselves."""
        return self.knots.shape[-1] == 1 and not np.any(self.knots)

    def _rows(self, table: Array) -> Array:
        """What belongs to each unit, (n, ...), or (1, ...), of a table for channels or for all."""
        return table[self._of_unit] if table.ndim == 2 and len(table) > 1 else np.atleast_2d(table)

    def n_codes(self, input_size: int) -> int:
        return len(range(input_size)[self.units]) * int(self.knots.shape[-1])

    def apply(self, inputs: Array) -> Array:
        return self._mapped(self._cuts_of(inputs), inputs)

    def _cuts_of(self, offsets: Array) -> Array:
        """h - t for inputs (..., n) and each knot, (..., n k)."""
        own = offsets[..., self.units]
        if self.bends_at_zero:
            return own
        return (own[..., None] - self.unit_knots).reshape(*own.shape[:-1], -1)

    def _for_knots(self, slopes: Array) -> Array:
        """Slopes (..., n, S) of the inputs as those of the cuts, (..., n k, S)."""
        own = slopes[..., self.units, :]
        count = self.knots.shape[-1]
        return own if count == 1 else np.repeat(own, count, axis=-2)

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return self._for_knots(slopes), self._cuts_of(offsets)

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        own = offsets[..., self.units]
        if not self.bends_at_zero:
            own = (own[..., None] + np.abs(self.unit_knots)).reshape(*own.shape[:-1], -1)
        return self._for_knots(slopes), own

    def code(self, signs: Codes) -> Codes:
        return signs

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        slopes, offsets = self.cuts(slopes, offsets)
        return codes[..., None] * slopes, codes * offsets

    def unit_and_knot(self, cuts: Indices) -> tuple[Indices, Array]:
        """Return the input and the knot that cuts of this layer are of.

        Parameters
        ----------
        cuts : ndarray of int, shape (m,)
            Numbers of cuts, which are those of the entries of the layer's code.

        Returns
        -------
        units : ndarray of int, shape (m,)
            Indices of the flat input.
        knots : ndarray, shape (m,)
            Their knots.
        """
        among, which = np.divmod(cuts, self.knots.shape[-1])
        knots = self.unit_knots
        own = knots[among if len(knots) > 1 else np.zeros_like(among), which]
        return among + (self.units.start or 0), own

    def _of_pieces(self, signs: Codes | Array, table: Array, elsewhere: float, size: int) -> Array:
        """The entries of a table (C or 1, k + 1), or (k + 1,), for the piece that every unit is on;
        a constant for units that the layer leaves as they are. signs: codes, or what they are the
        signs of."""
        rows, count = self._rows(table), self.knots.shape[-1]
        signs = signs.reshape(*signs.shape[:-1], -1, count)
        found = np.broadcast_to(rows[:, 0], signs.shape[:-1])
        for knot in range(count):
            found = np.where(signs[..., knot] > 0, rows[:, knot + 1], found)
        if size == found.shape[-1]:
            return found
        whole = np.full((*found.shape[:-1], size), elsewhere)
        whole[..., self.units] = found
        return whole

    def diagonal(self, codes: Codes | Array, size: int) -> Array:
        """Return the diagonal of D^l_ω, whose entries are slopes of f.

        Parameters
        ----------
        codes : ndarray, shape (..., n k)
            Codes of this layer, or the values of its cuts.
        size : int
            The length of the flat input.

        Returns
        -------
        ndarray, shape (..., size)
            The derivative of each unit.
        """
        return self._of_pieces(codes, self.slopes, 1.0, size)

    def offset(self, code: Codes | Array, input_size: int) -> Array:
        if not np.any(self._offsets):
            return np.zeros((*code.shape[:-1], input_size))
        return self._of_pieces(code, self._offsets, 0.0, input_size)

    def derivative(self, code: Codes) -> Array:
        return np.diag(self.diagonal(code, self._size(code)))

    def _size(self, code: Codes) -> int:
        """The length of the flat input, from a code."""
        if self.surroundings is not None:
            return self.surroundings.size
        return int(code.shape[-1] // self.knots.shape[-1])

    def _mapped(self, codes: Codes | Array, offsets: Array) -> Array:
        size = offsets.shape[-1]
        scaled = self.diagonal(codes, size) * offsets
        return scaled + self.offset(codes, size) if np.any(self._offsets) else scaled

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        diagonal = self.diagonal(codes, offsets.shape[-1])
        return diagonal[..., None] * slopes, self._mapped(codes, offsets)

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        size = offsets.shape[-1]
        diagonal = np.abs(self.diagonal(codes, size))
        terms = diagonal * offsets
        if np.any(self._offsets):
            terms = terms + np.abs(self.offset(codes, size))
        return diagonal[..., None] * slopes, terms

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        return rows * self.diagonal(codes, rows.shape[-1])[..., None, :]

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Self:
        return self


def in_words(numbers: Array) -> str:
    """Numbers as they are, or how many they are where that would be long."""
    return str(numbers.tolist()) if numbers.size <= _MOST_TOLD else f"{numbers.shape} numbers"


def _continuous_offsets(
    knots: list[float], slopes: list[float], value: float
) -> tuple[Fraction, ...]:
    """The offset of each piece of the continuous function with these slopes and this value at 0."""
    exact = [Fraction(slope) for slope in slopes]
    offsets = [Fraction(0)]
    for knot, left, right in zip(knots, exact, exact[1:], strict=False):
        offsets.append(offsets[-1] + (left - right) * Fraction(knot))
    # 0 is on the piece right of as many knots as are below it.
    at_zero = offsets[sum(knot < 0 for knot in knots)]
    return tuple(offset - at_zero + Fraction(value) for offset in offsets)
