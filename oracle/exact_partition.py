"""The partition of a network with one latent dimension, in exact arithmetic [Lemma 3].

Weights are doubles, that is integers times a power of two. So on an interval every pre-activation
is A z + b with A and b integers over a common power of two, every breakpoint -b / A is a rational
number, and every sign is decided exactly. There is no tolerance anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: ("dense", weight, bias), or ("slope", η) for an activation max(h, 0) + η min(h, 0).
LayerSpec = tuple[Any, ...]
Integers = NDArray[np.object_]


@dataclass(frozen=True)
class ExactMap:
    """z -> (slope z + offset) / 2^exponent, all integers."""

    slope: Integers
    offset: Integers
    exponent: int


@dataclass(frozen=True)
class ExactPartition:
    """Regions from left to right: breakpoints between them, codes (+1, -1, 0), maps to the output.

    A code holds the sign of every activation unit's input; 0 where it vanishes on the whole region.
    """

    breakpoints: list[Fraction]
    codes: list[tuple[int, ...]]
    maps: list[ExactMap]


def layers_of(network: Any) -> tuple[LayerSpec, ...]:
    """The weights of any object with `.layers` that have `.weight` and `.bias`, or `.slope`."""
    specs: list[LayerSpec] = []
    for i, layer in enumerate(network.layers):
        if hasattr(layer, "weight"):
            specs.append(("dense", np.array(layer.weight), np.array(layer.bias)))
        elif hasattr(layer, "slope"):
            specs.append(("slope", float(layer.slope)))
        else:
            raise ValueError(f"network: layer {i} has neither a weight nor a slope: {layer!r}")
    return tuple(specs)


def exact_partition(layers: tuple[LayerSpec, ...]) -> ExactPartition:
    """Enumerate all regions of a network from R to R^D, layer by layer.

    Raises ValueError on a network whose first layer does not take one input. Guarded by
    tests/test_oracle_partition.py.
    """
    if not layers or layers[0][0] != "dense" or np.shape(layers[0][1])[1] != 1:
        raise ValueError("layers: expected a first dense layer with one input")
    one, zero = np.array([1], dtype=object), np.array([0], dtype=object)
    state = ExactPartition([], [()], [ExactMap(one, zero, 0)])
    for kind, *values in layers:
        if kind == "dense":
            state = _after_dense(state, *values)
        elif kind == "slope":
            state = _after_activation(state, float(values[0]))
        else:
            raise ValueError(f"layers: unknown kind {kind!r}")
    return state


def _dyadic(values: ArrayLike) -> tuple[Integers, int]:
    """Integers n and one exponent k with values = n / 2^k exactly."""
    array = np.asarray(values, dtype=np.float64)
    ratios = [float(v).as_integer_ratio() for v in array.ravel()]
    exponent = max((den.bit_length() - 1 for _, den in ratios), default=0)
    numbers = [num << (exponent - den.bit_length() + 1) for num, den in ratios]
    return np.array(numbers, dtype=object).reshape(array.shape), exponent


def _after_dense(state: ExactPartition, weight: ArrayLike, bias: ArrayLike) -> ExactPartition:
    """W (A z + b) + v on every region."""
    numbers, weight_exponent = _dyadic(weight)
    constants, bias_exponent = _dyadic(bias)
    maps = []
    for m in state.maps:
        exponent = max(m.exponent + weight_exponent, bias_exponent)
        lift = 1 << (exponent - m.exponent - weight_exponent)
        offset = numbers.dot(m.offset) * lift + constants * (1 << (exponent - bias_exponent))
        maps.append(ExactMap(numbers.dot(m.slope) * lift, offset, exponent))
    return ExactPartition(state.breakpoints, state.codes, maps)


def _after_activation(state: ExactPartition, eta: float) -> ExactPartition:
    """Split every region at the units' roots, then scale each unit by 1 or η."""
    numerator, denominator = eta.as_integer_ratio()
    exponent = denominator.bit_length() - 1
    breakpoints: list[Fraction] = []
    codes: list[tuple[int, ...]] = []
    maps: list[ExactMap] = []
    ends = [None, *state.breakpoints, None]
    for code, m, low, high in zip(state.codes, state.maps, ends[:-1], ends[1:], strict=True):
        roots = _roots_inside(m, low, high)
        for left, right in zip([low, *roots], [*roots, high], strict=True):
            signs = _signs_at(m, _point_between(left, right))
            factors = np.array([denominator if s > 0 else numerator for s in signs], dtype=object)
            codes.append((*code, *signs))
            maps.append(ExactMap(m.slope * factors, m.offset * factors, m.exponent + exponent))
            if right is not None:
                breakpoints.append(right)
    return ExactPartition(breakpoints, codes, maps)


def _roots_inside(m: ExactMap, low: Fraction | None, high: Fraction | None) -> list[Fraction]:
    """The distinct roots of the entries of a map in the open interval, sorted."""
    pairs = zip(m.slope, m.offset, strict=True)
    roots = {Fraction(-int(b), int(a)) for a, b in pairs if a != 0}
    return sorted(t for t in roots if (low is None or t > low) and (high is None or t < high))


def _point_between(left: Fraction | None, right: Fraction | None) -> Fraction:
    """A point inside an interval; None is the infinite end."""
    if left is not None and right is not None:
        return (left + right) / 2
    if left is not None:
        return left + 1
    return Fraction(0) if right is None else right - 1


def _signs_at(m: ExactMap, z: Fraction) -> tuple[int, ...]:
    """The exact signs of a map's entries at z."""
    values = m.slope * z.numerator + m.offset * z.denominator
    return tuple(int(v > 0) - int(v < 0) for v in values)
