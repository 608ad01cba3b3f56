"""The vertices of a subdivision in integers, found when they are asked for.

A new vertex lies on an edge, where a function that is affine along it vanishes. So its place is a
sum of the edge's ends with the function's values there as weights, and all of them are integers.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from fast.partition.cell_complex import Cut
from fast.polyhedra.integer_rows import in_lowest_terms
from reference.model import Array, Dyadic, ExactNetwork, Indices, Integers

# A value that is not 0 is not rounded to less than this.
LEAST = 1e-300


class OutOfRange(Exception):
    """A network's values leave the range of double precision."""


class Function(NamedTuple):
    """By how much an input of a layer is more than a knot, or than the largest of some others."""

    layer: int
    unit: int
    rivals: tuple[int, ...] = ()
    knot: float = 0.0

    def of(self, inputs: Dyadic, weights: Integers) -> Dyadic:
        """Its values (V,), times t, from the layer's inputs times t, (V, n_in), and t, (V,)."""
        numbers, exponent = inputs
        own = numbers[:, self.unit]
        if self.rivals:
            return Dyadic(own - numbers[:, list(self.rivals)].max(axis=1), exponent)
        if not self.knot:
            return Dyadic(own, exponent)
        numerator, denominator = self.knot.as_integer_ratio()
        return Dyadic(
            own * denominator - (weights << exponent) * numerator,
            exponent + denominator.bit_length() - 1,
        )


class _Edges(NamedTuple):
    """The ends of the edges that a cut split, and the function that vanishes on it."""

    above: Indices
    below: Indices
    function: Function


class ExactVertices:
    """Where the vertices of a subdivision are, and a network's values there, without rounding.

    A vertex is (z, t) in integers: the point z / t, or the direction z where t = 0. Only those
    asked for are computed, and the ends of the edges they came from. Cost: a pass through the
    network in integers for each.
    """

    def __init__(self, exact: ExactNetwork, first: Integers) -> None:
        self._exact = exact
        self._places: dict[int, Integers] = dict(enumerate(first))
        # The number of the first vertex of every cut, and one more.
        self._starts = [len(first)]
        self._cuts: list[_Edges] = []

    def add(self, cut: Cut, function: Function) -> None:
        """Note the new vertices of a cut."""
        self._cuts.append(_Edges(cut.above, cut.below, function))
        self._starts.append(self._starts[-1] + len(cut.above))

    def places(self, vertices: Indices) -> Integers:
        """Vertices as (z, t), (n, S + 1)."""
        missing = self._unknown(vertices)
        makers = np.searchsorted(self._starts, missing, side="right") - 1
        for maker in np.unique(makers).tolist():
            self._place(missing[makers == maker], maker)
        return np.stack([self._places[v] for v in vertices.tolist()])

    def inputs(self, vertices: Indices, layer: int) -> Dyadic:
        """The inputs of a layer at vertices, times their t, (n, n_in)."""
        return self._exact.inputs(self.places(vertices), layer)

    def _unknown(self, vertices: Indices) -> Indices:
        """The vertices, and all they came from, whose places are not known; in order."""
        found: set[int] = set()
        here = set(vertices.tolist()) - self._places.keys()
        while here:
            found |= here
            here = {end for vertex in here for end in self._ends(vertex)}
            here -= found | self._places.keys()
        return np.array(sorted(found), dtype=np.intp)

    def _ends(self, vertex: int) -> tuple[int, int]:
        """The ends of the edge that a vertex was made on."""
        maker = bisect_right(self._starts, vertex) - 1
        cut, place = self._cuts[maker], vertex - self._starts[maker]
        return int(cut.above[place]), int(cut.below[place])

    def _place(self, vertices: Indices, maker: int) -> None:
        """Place vertices that one cut made, whose edges' ends are known."""
        cut = self._cuts[maker]
        function = cut.function
        mine = vertices - self._starts[maker]
        ends = np.concatenate([cut.above[mine], cut.below[mine]])
        places = np.stack([self._places[v] for v in ends.tolist()])
        inputs = self._exact.inputs(places, function.layer)
        values = function.of(inputs, places[:, -1]).numbers
        high, low = values[: len(mine)], -values[len(mine) :]
        mixed = high[:, None] * places[len(mine) :] + low[:, None] * places[: len(mine)]
        self._places.update(zip(vertices.tolist(), in_lowest_terms(mixed), strict=True))


def rounded_once(numbers: Integers, weights: Integers, shift: int) -> Array:
    """numbers / (weights 2^shift), rounded once; 0 only where it is. Raises OutOfRange."""
    try:
        above, below = (0, shift) if shift >= 0 else (-shift, 0)
        quotients = (numbers << above) / (weights << below)
    except OverflowError:
        raise OutOfRange from None
    result = np.asarray(quotients, dtype=np.float64)
    lost = (np.abs(result) < LEAST) & (numbers != 0)
    result[lost] = np.where(numbers[lost] > 0, LEAST, -LEAST)
    return result
