"""The partition of a network with one latent dimension, from left to right, exactly [Lemma 3]."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.regions import ExactRegion, Integers, exact_regions


@dataclass(frozen=True)
class ExactMap:
    """z -> (slope z + offset) / 2^exponent, all integers."""

    slope: Integers
    offset: Integers
    exponent: int


@dataclass(frozen=True)
class ExactPartition:
    """Regions from left to right: breakpoints between them, codes, maps to the output.

    A code holds the sign of every activation unit's input, 0 where it vanishes on the whole region,
    and the position of every window's winner.
    """

    breakpoints: list[Fraction]
    codes: list[tuple[int, ...]]
    maps: list[ExactMap]


def exact_partition(layers: tuple[LayerSpec, ...]) -> ExactPartition:
    """All regions of a network from R to R^D, from left to right [Lemma 3].

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.

    Returns
    -------
    ExactPartition
        Breakpoints as fractions, codes, and maps of integers.

    Raises
    ------
    ValueError
        If the first layer does not take one input, or a layer is of an unknown kind.

    Notes
    -----
    No rounding at all. Guarded by tests/oracle/test_oracle_partition.py.

    Examples
    --------
    >>> layers = (("dense", [[1.0], [2.0]], [0.0, -1.0]), ("slope", 0.0))
    >>> [str(point) for point in exact_partition(layers).breakpoints]
    ['0', '1/2']
    """
    if not layers or layers[0][0] != "dense" or np.shape(layers[0][1])[1] != 1:
        raise ValueError("layers: expected a first dense layer with one input")
    placed = sorted(
        ((_left_end(region), region) for region in exact_regions(layers)), key=_by_place
    )
    return ExactPartition(
        [end for end, _ in placed if end is not None],
        [region.code for _, region in placed],
        [ExactMap(r.rows[:, 0], r.rows[:, 1], r.exponent) for _, r in placed],
    )


def _left_end(region: ExactRegion) -> Fraction | None:
    """The left end of an interval; None if it has none."""
    directions = [ray.vector[0] for ray in region.cone.rays if ray.vector[1] == 0]
    if region.cone.lines or any(direction < 0 for direction in directions):
        return None
    return min(Fraction(*ray.vector) for ray in region.cone.rays if ray.vector[1])


def _by_place(item: tuple[Fraction | None, ExactRegion]) -> tuple[int, Fraction]:
    end, _ = item
    return (0, Fraction(0)) if end is None else (1, end)
