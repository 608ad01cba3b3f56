"""A network in integers: its values at rational points and its maps on regions, without rounding.

Weights are doubles, and a double is an integer over a power of two. So every value of a network at
a rational point is one as well, and every sign has an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array, Codes
from reference.model.images.max_pool import MaxPool
from reference.model.layer_protocol import Layer
from reference.model.network import Network

#: Python's integers, of any size, in an array.
Integers = NDArray[np.object_]


class Dyadic(NamedTuple):
    """The numbers `numbers` / 2^exponent."""

    numbers: Integers
    exponent: int


def dyadic(values: ArrayLike) -> Dyadic:
    """Doubles as integers over one power of two, exactly.

    Parameters
    ----------
    values : array_like
        Finite doubles.

    Returns
    -------
    Dyadic
        Integers of the same shape, and the exponent, which is not negative.
    """
    array = np.asarray(values, dtype=np.float64)
    mantissas, exponents = np.frexp(array)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    # Without the zeros at the end: float32 weights and small integers stay short.
    ends = np.where(whole != 0, whole & -whole, 1)
    shifts = exponents - 53 + np.frexp(ends.astype(np.float64))[1] - 1
    exponent = max(0, -int(shifts.min(initial=0, where=whole != 0)))
    numbers = np.empty(array.shape, dtype=object)
    flat = numbers.reshape(-1)
    pairs = zip((whole // ends).ravel().tolist(), (shifts + exponent).ravel().tolist(), strict=True)
    flat[:] = [n << s if n else 0 for n, s in pairs]
    return Dyadic(numbers, exponent)


# The code of a layer without a choice to make.
_NO_CODE = np.empty(0, dtype=np.int8)


class _AffineInIntegers(NamedTuple):
    """h -> (matrix h + offset) / 2^exponent, in whole rows or, if most entries are 0, in sparse."""

    rows: list[tuple[NDArray[np.intp], Integers]] | Integers
    offset: Integers
    exponent: int


def _affine_in_integers(layer: Layer, n_in: int) -> _AffineInIntegers:
    matrix = layer.derivative(_NO_CODE)
    offset = layer.offset(_NO_CODE, n_in)
    joint = dyadic(np.column_stack([matrix, offset]))
    whole, constants = joint.numbers[:, :-1], joint.numbers[:, -1]
    if 2 * np.count_nonzero(matrix) > matrix.size:
        return _AffineInIntegers(whole, constants, joint.exponent)
    places = [np.flatnonzero(row) for row in matrix]
    rows = [(at, row[at]) for at, row in zip(places, whole, strict=True)]
    return _AffineInIntegers(rows, constants, joint.exponent)


class _PiecesInIntegers:
    """An activation in integers, for inputs (V, n_in) of points (z, t), times their t.

    Of a direction, t = 0, an input that grows is beyond all knots far out, and one that falls is
    before them; one that stays is 0 here, and whichever piece it is on leaves it so.
    """

    def __init__(self, layer: PiecewiseAffine, n_in: int) -> None:
        self._units, self._n_in = np.arange(n_in)[layer.units], n_in
        self._bends_at_zero = layer.bends_at_zero
        self._knots = dyadic(layer.unit_knots)  # (n or 1, k)
        self._slopes = dyadic(layer.unit_slopes)  # (n or 1, k + 1)
        self._offsets = _dyadic_fractions(layer.unit_offsets)  # (n or 1, k + 1)

    def cuts(self, values: Integers, weights: Integers, exponent: int) -> Dyadic:
        """h - t for every unit and knot, (V, n k), of inputs values / 2^exponent."""
        own, (knots, shift) = values[:, self._units], self._knots
        if self._bends_at_zero:
            return Dyadic(own, exponent)
        scaled = (weights << exponent)[:, :, None] * knots
        lead = (own << shift)[:, :, None] - scaled
        return Dyadic(lead.reshape(len(values), -1), exponent + shift)

    def output(
        self, signs: Codes, values: Integers, weights: Integers, exponent: int
    ) -> tuple[Integers, int]:
        """The output for inputs values / 2^exponent whose cuts have these signs, as such a pair."""
        count = self._knots.numbers.shape[1]
        signs = signs.reshape(*signs.shape[:-1], -1, count)
        pieces = np.count_nonzero(signs > 0, axis=-1)
        which = np.arange(signs.shape[-2]) if len(self._slopes.numbers) > 1 else 0
        own = values[:, self._units] * self._slopes.numbers[which, pieces]
        after = exponent + self._slopes.exponent
        if np.any(self._offsets.numbers):
            which = np.arange(signs.shape[-2]) if len(self._offsets.numbers) > 1 else 0
            more = max(0, self._offsets.exponent - after)
            scale = weights << (after + more - self._offsets.exponent)
            own = (own << more) + scale * self._offsets.numbers[which, pieces]
            after += more
        if len(self._units) == self._n_in:
            return own, after
        whole = values << (after - exponent)
        whole[:, self._units] = own
        return whole, after


def _dyadic_fractions(rows: tuple[tuple[Fraction, ...], ...]) -> Dyadic:
    """Fractions whose denominators are powers of two, as integers over one of them."""
    exponent = max(one.denominator.bit_length() - 1 for row in rows for one in row)
    numbers = [[int(one * (1 << exponent)) for one in row] for row in rows]
    return Dyadic(np.array(numbers, dtype=object), exponent)


class ExactNetwork:
    """The layers of a network in integers [eq. 1].

    Parameters
    ----------
    network : Network
        Any network. Its float64 weights are taken as the rational numbers they are.

    Notes
    -----
    A point (z, t) of integers stands for z / t, and a direction z has t = 0: the network without
    its biases is what g is far out in that direction, to first order. Cost: a multiplication of
    integers for every weight, some 0.1 µs. Guarded by tests/model/test_exact.py, against
    oracle.exact, which shares nothing with it.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._affine: dict[int, _AffineInIntegers] = {}
        self._pieces: dict[int, _PiecesInIntegers] = {}

    def inputs(self, points: Integers, layer: int) -> Dyadic:
        """The inputs of a layer at points, times their t.

        Parameters
        ----------
        points : ndarray of int, shape (V, S + 1)
            Points (z, t) with t > 0, and directions with t = 0.
        layer : int
            Index of the layer; as many as there are for the network's output.

        Returns
        -------
        Dyadic
            Inputs times t, (V, n_in); of a direction, what an input gains along it far out.
        """
        values, weights, exponent = points[:, :-1], points[:, -1:], 0
        for index, each in enumerate(self.network.layers[:layer]):
            values, exponent = self._pushed(index, each, values, weights, exponent)
        return Dyadic(values, exponent)

    def maps(self, code: Codes, layer: int) -> Dyadic:
        """The affine map from z to the input of a layer on the region of a code [eq. 8].

        Parameters
        ----------
        code : ndarray of int8, shape (U,)
            The code of a region.
        layer : int
            Index of the layer; as many as there are for the network's output.

        Returns
        -------
        Dyadic
            Slopes and the offset of every input, (n_in, S + 1).
        """
        return next(islice(self.maps_in_turn(code), layer, None))

    def maps_in_turn(self, code: Codes) -> Iterator[Dyadic]:
        """The maps to the inputs of all layers, one after another, and to the output.

        Parameters
        ----------
        code : ndarray of int8, shape (U,)
            The code of a region. A layer's part of it is read when the next map is asked for: it
            may be written once the layer's own map is known.

        Yields
        ------
        Dyadic
            As of `maps`, for every layer.
        """
        latent = self.network.latent_dimension
        values, exponent = np.zeros((latent + 1, latent), dtype=object), 0
        values[range(latent), range(latent)] = 1
        weights = _of_columns(latent)
        parts = self.network.split_code(code)
        for index, each in enumerate(self.network.layers):
            yield Dyadic(values.T, exponent)
            if isinstance(each, MaxPool):
                values = values[:, each.winners(parts[index])]
            elif isinstance(each, PiecewiseAffine):
                on_pieces = self._pieces_of(index, each)
                values, exponent = on_pieces.output(parts[index], values, weights, exponent)
            else:
                values, exponent = self._pushed(index, each, values, weights, exponent)
        yield Dyadic(values.T, exponent)

    def cuts(self, code: Codes, layer: int) -> Integers:
        """The functions of z whose signs decide a layer's code, on the region of a code.

        Parameters
        ----------
        code : ndarray of int8, shape (U,)
            The code of a region; that of the layers before is enough.
        layer : int
            Index of the layer.

        Returns
        -------
        ndarray of int, shape (n_cuts, S + 1)
            Slopes and an offset of each, all of them times one power of two.
        """
        return self._cuts(layer, self.maps(code, layer)).numbers

    def halfspaces(self, code: Codes) -> Iterator[Dyadic]:
        """The half-spaces that give each layer its part of a code, one layer after another.

        Parameters
        ----------
        code : ndarray of int8, shape (U,)
            The code of a region.

        Yields
        ------
        Dyadic
            Normals and an offset of each, (m, S + 1), positive on the region, as the layer has
            them; none of a layer without a choice.
        """
        parts = self.network.split_code(code)
        for index, maps in enumerate(islice(self.maps_in_turn(code), len(parts))):
            layer, part = self.network.layers[index], parts[index]
            if isinstance(layer, PiecewiseAffine):
                numbers, exponent = self._cuts(index, maps)
                yield Dyadic(numbers * part.astype(object)[:, None], exponent)
            else:
                rows = layer.halfspaces(part, *_slopes_and_offsets(maps.numbers))
                yield Dyadic(_joint(rows), maps.exponent)

    def code_towards(self, point: Sequence[int], directions: Sequence[Sequence[int]]) -> Codes:
        """The code of the region entered from a point along directions.

        Parameters
        ----------
        point : sequence of int, length S + 1
            The point (z, t), t > 0.
        directions : sequence of (sequence of int, length S + 1)
            Directions (d, 0). The step along each is infinitely smaller than along the one before.

        Returns
        -------
        ndarray of int8, shape (U,)
            A cut that is zero at the point has the sign of its slope along the first direction that
            changes it, and 0 if none does. So a facet on which several units vanish, of one layer
            or of several, is crossed by all of them at once.
        """
        place = np.array([point, *directions], dtype=object).T
        lengths = self.network.code_lengths
        code, start = np.zeros(sum(lengths), dtype=np.int8), 0
        for index, maps in enumerate(islice(self.maps_in_turn(code), len(lengths))):
            layer, length = self.network.layers[index], lengths[index]
            if length:
                heights = self._cuts(index, maps).numbers @ place
                first = np.argmax(heights != 0, axis=1)
                signs = np.sign(heights[np.arange(len(heights)), first])
                code[start : start + length] = layer.code(signs.astype(np.int8))
                start += length
        return code

    def codes(self, points: Integers) -> Codes:
        """The code of the region that each point is in.

        Parameters
        ----------
        points : ndarray of int, shape (M, S + 1)
            Points (z, t) with t > 0.

        Returns
        -------
        ndarray of int8, shape (M, U)
            A point on a facet is taken to be in the region entered by increasing z_1; where the
            facet runs along z_1, by increasing z_2, and so on.
        """
        latent = self.network.latent_dimension
        axes = np.eye(latent, latent + 1, dtype=np.intp).tolist()
        found = [self.code_towards(point, axes) for point in points.tolist()]
        return np.array(found, dtype=np.int8).reshape(len(points), sum(self.network.code_lengths))

    def _cuts(self, index: int, maps: Dyadic) -> Dyadic:
        """A layer's cuts from the map to its input, (n_in, S + 1) -> (n_cuts, S + 1)."""
        layer = self.network.layers[index]
        if isinstance(layer, PiecewiseAffine):
            columns, weights = maps.numbers.T, _of_columns(self.network.latent_dimension)
            cuts, exponent = self._pieces_of(index, layer).cuts(columns, weights, maps.exponent)
            return Dyadic(cuts.T, exponent)
        return Dyadic(_joint(layer.cuts(*_slopes_and_offsets(maps.numbers))), maps.exponent)

    def _pieces_of(self, index: int, layer: PiecewiseAffine) -> _PiecesInIntegers:
        if index not in self._pieces:
            self._pieces[index] = _PiecesInIntegers(layer, self.network.sizes[index])
        return self._pieces[index]

    def _pushed(
        self, index: int, layer: Layer, values: Integers, weights: Integers, exponent: int
    ) -> tuple[Integers, int]:
        """The layer's output for inputs values / 2^exponent, as such a pair."""
        if isinstance(layer, MaxPool):
            return cast(Integers, values[:, layer.windows].max(axis=2)), exponent
        if isinstance(layer, PiecewiseAffine):
            on_pieces = self._pieces_of(index, layer)
            cuts, _ = on_pieces.cuts(values, weights, exponent)
            signs = np.where(cuts > 0, 1, -1).astype(np.int8)
            return on_pieces.output(signs, values, weights, exponent)
        if index not in self._affine:
            self._affine[index] = _affine_in_integers(layer, self.network.sizes[index])
        rows, offset, more = self._affine[index]
        if isinstance(rows, list):
            pushed = np.empty((len(values), len(rows)), dtype=object)
            for i, (places, numbers) in enumerate(rows):
                pushed[:, i] = values[:, places] @ numbers if len(places) else 0
        else:
            pushed = values @ rows.T
        return pushed + (weights << exponent) * offset, exponent + more


def _of_columns(latent: int) -> Integers:
    """t of the columns of a map, (S + 1, 1): what it makes of each axis without offsets, and of 0
    with them."""
    weights = np.zeros((latent + 1, 1), dtype=object)
    weights[-1] = 1
    return weights


def _slopes_and_offsets(rows: Integers) -> tuple[Array, Array]:
    """Rows (n, S + 1) apart. Layers are written for doubles, but cuts and half-spaces add, subtract
    and multiply by signs alone: of integers they make integers."""
    return cast(Array, rows[:, :-1]), cast(Array, rows[:, -1])


def _joint(parts: tuple[Array, Array]) -> Integers:
    """Slopes (n, S) and offsets (n,) side by side."""
    return np.column_stack(cast(tuple[Integers, Integers], parts)).astype(object)
