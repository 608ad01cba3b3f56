"""Weights whose boundaries nearly coincide, are nearly parallel or nearly meet in one place.

Networks come by them: collinear units stored in single precision, quantised weights, polyhedra
typed with a few digits. An arrangement is drawn first, which would be degenerate without rounding;
then its numbers are rounded to a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from oracle.exact.number_types import Array
from oracle.models.random_choices import Choices
from oracle.models.solids import facets

#: How boundaries lie before rounding.
ARRANGEMENTS = ("collinear", "equal to digits", "common flat", "solid", "generic")
#: What numbers are rounded to: double precision alone, decimal digits, single precision, the upper
#: half of that, and multiples of a scale by integers of eight bits.
GRIDS = ("float64", "digits", "float32", "bfloat16", "int8")
#: Fewest and most decimal digits: with fewer nothing is nearly anything, more are float64.
DIGITS = (3, 15)


class NearDegeneracy(NamedTuple):
    """An arrangement, a grid, and the digits of whichever of the two has some."""

    arrangement: str
    grid: str
    digits: int

    @property
    def label(self) -> str:
        """In words."""
        return f"{self.arrangement} on {self.grid}, {self.digits} digits"


#: Every pair that is near degenerate: arbitrary doubles are not.
PAIRS = tuple(pair for pair in product(ARRANGEMENTS, GRIDS) if pair != ("generic", "float64"))


def draw_near_degeneracy(choices: Choices) -> NearDegeneracy:
    """One of PAIRS."""
    return NearDegeneracy(*choices.pick(PAIRS), choices.whole(DIGITS[0], DIGITS[1] + 1))


def near_degenerate(
    choices: Choices, kind: NearDegeneracy, rows: int, columns: int, first: bool
) -> tuple[Array, Array]:
    """Weights (rows, columns) and biases (rows,).

    first: whether the columns are latent dimensions; solids are there alone.
    """
    weight = choices.normals((rows, columns)) * np.sqrt(2 / columns)
    bias = choices.normals(rows)
    arrange = _ARRANGED.get(kind.arrangement)
    if kind.arrangement == "solid" and first:
        weight, bias = _solid(choices, rows, columns)
    elif arrange is not None:
        weight, bias = arrange(choices, weight, bias, 10.0**-kind.digits)
    return _ROUNDED[kind.grid](weight, kind.digits), _ROUNDED[kind.grid](bias, kind.digits)


def _collinear(choices: Choices, weight: Array, bias: Array, size: float) -> tuple[Array, Array]:
    """Rows that are multiples of a few; at times with their biases, so that planes coincide."""
    directions = choices.whole(1, len(weight) // 2 + 2)
    source = np.arange(len(weight)) % directions
    multiples = choices.normals(len(weight))
    multiples[:directions] = 1.0
    coincide = choices.chance(0.3)
    return multiples[:, None] * weight[source], multiples * bias[source] if coincide else bias


def _equal_to_digits(
    choices: Choices, weight: Array, bias: Array, size: float
) -> tuple[Array, Array]:
    """The second half of the rows is the first, or its opposite, up to a relative change."""
    half = len(weight) // 2
    if not half:
        return weight, bias
    sign = choices.pick([1.0, -1.0])
    weight[-half:] = sign * weight[:half] * (1 + size * choices.normals((half, weight.shape[1])))
    if choices.chance(0.5):
        bias[-half:] = sign * bias[:half] * (1 + size * choices.normals(half))
    return weight, bias


def _common_flat(choices: Choices, weight: Array, bias: Array, size: float) -> tuple[Array, Array]:
    """All boundaries pass a point within a small distance; and are as nearly parallel to some of
    the axes, which makes it a line or more."""
    axes = choices.whole(0, max(1, weight.shape[1] - 1))
    weight[:, :axes] = size * choices.normals((len(weight), axes))
    point, mirror = choices.normals(weight.shape[1]), choices.normals(weight.shape[1])
    weight = _reflected(weight, mirror)
    return weight, size * choices.normals(len(weight)) - weight @ point


def _solid(choices: Choices, rows: int, columns: int) -> tuple[Array, Array]:
    """Facets of a regular body, and of larger ones around it if there are not enough."""
    normals, distances = choices.pick(facets(columns))
    if choices.chance(0.7):
        normals = _reflected(normals, choices.normals(columns))
    order = np.argsort(choices.normals(len(normals)))
    number = np.arange(rows)
    place = order[number % len(normals)]
    return normals[place], distances[place] * (1 + number // len(normals))


def _reflected(rows: Array, mirror: Array) -> Array:
    """Rows mirrored at the plane of a normal: a rotation of a body that is its own mirror image."""
    return np.asarray(rows - np.outer(rows @ mirror, mirror) * (2 / float(mirror @ mirror)))


Arrange = Callable[[Choices, Array, Array, float], tuple[Array, Array]]
_ARRANGED: dict[str, Arrange] = {
    "collinear": _collinear,
    "equal to digits": _equal_to_digits,
    "common flat": _common_flat,
}


def _upper_half(values: Array) -> Array:
    """The sixteen leading bits of single precision."""
    bits = values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def _eight_bits(values: Array) -> Array:
    """Integers from -127 to 127 times a scale in single precision."""
    scale = float(np.float32(np.max(np.abs(values), initial=0.0) / 127))
    return np.clip(np.round(values / scale), -127, 127) * scale if scale else 0.0 * values


_ROUNDED: dict[str, Callable[[Array, int], Array]] = {
    "float64": lambda values, _: values,
    "digits": np.round,
    "float32": lambda values, _: values.astype(np.float32).astype(np.float64),
    "bfloat16": lambda values, _: _upper_half(values),
    "int8": lambda values, _: _eight_bits(values),
}
