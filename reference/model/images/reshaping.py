"""Layers that change only the shape."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes
from reference.model.layer_protocol import Affine, Shape
from reference.model.validation import check_count


class _Reshaping(Affine):
    """A layer that changes only the shape: the identity on flat vectors."""

    input_shape: Shape

    def offset(self, code: Codes, input_size: int) -> Array:
        return np.zeros(input_size)

    def apply(self, inputs: Array) -> Array:
        return inputs

    def derivative(self, code: Codes) -> Array:
        return np.eye(math.prod(self.input_shape))

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes, offsets

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes, offsets

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        return rows

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Self:
        return self


class Flatten(_Reshaping):
    """Images to vectors, channel by channel, row by row.

    Examples
    --------
    >>> from reference import Flatten
    >>> Flatten().output_shape((3, 4, 5))
    (60,)
    """

    def __repr__(self) -> str:
        return "Flatten()"

    def placed(self, input_shape: Shape) -> Flatten:
        layer = copy.copy(self)
        layer.input_shape = input_shape
        return layer

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


class Reshape(_Reshaping):
    """Vectors to images, or to any shape with the same number of entries.

    Parameters
    ----------
    shape : tuple of int
        One to three positive integers: (channels, height, width) for images.

    Raises
    ------
    ValueError
        If the shape is not one to three positive integers, and when placed on a shape with another
        number of entries.

    Examples
    --------
    >>> from reference import Reshape
    >>> Reshape((3, 4, 5))
    Reshape((3, 4, 5))
    """

    def __init__(self, shape: Any) -> None:
        if not isinstance(shape, tuple | list) or not 1 <= len(shape) <= 3:
            raise ValueError(f"shape: expected one to three integers, got {shape!r}")
        self.shape: Shape = tuple(check_count(n, f"shape[{i}]", 1) for i, n in enumerate(shape))

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"

    def placed(self, input_shape: Shape) -> Reshape:
        if math.prod(input_shape) != math.prod(self.shape):
            raise ValueError(
                f"layers: Reshape to {self.shape} expects {math.prod(self.shape)} entries, got "
                f"shape {input_shape}"
            )
        layer = copy.copy(self)
        layer.input_shape = input_shape
        return layer

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.shape
