"""The fully connected layer [Sec. 2]."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, freeze
from reference.model.layer_protocol import Affine, Shape
from reference.model.validation import check_array


class Dense(Affine):
    """Affine layer h -> W h + v [Sec. 2, the fully connected operator].

    Parameters
    ----------
    weight : array_like, shape (n_out, n_in)
        W; copied, and read-only afterwards.
    bias : array_like, shape (n_out,)
        v; copied, and read-only afterwards.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity.

    Examples
    --------
    >>> from reference import Dense
    >>> Dense([[1.0], [2.0]], [0.0, -1.0])
    Dense(1 -> 2)
    """

    def __init__(self, weight: ArrayLike, bias: ArrayLike) -> None:
        self.weight = check_array(weight, "weight", (None, None))
        if 0 in self.weight.shape:
            raise ValueError(
                f"weight: expected at least one row and column, got {self.weight.shape}"
            )
        self.bias = check_array(bias, "bias", (self.weight.shape[0],))
        freeze(self.weight, self.bias)

    def __repr__(self) -> str:
        return f"Dense({self.weight.shape[1]} -> {self.weight.shape[0]})"

    def placed(self, input_shape: Shape) -> Dense:
        if len(input_shape) != 1:
            raise ValueError(
                f"layers: Dense expects a vector, got shape {input_shape}; put Flatten() before it"
            )
        if input_shape[0] != self.weight.shape[1]:
            raise ValueError(
                f"layers: Dense expects an input of length {self.weight.shape[1]}, "
                f"got {input_shape[0]}"
            )
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        return (int(self.weight.shape[0]),)

    def apply(self, inputs: Array) -> Array:
        return inputs @ self.weight.T + self.bias

    def derivative(self, code: Codes) -> Array:
        return self.weight

    def offset(self, code: Codes, input_size: int) -> Array:
        return self.bias

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _times(self.weight, slopes), offsets @ self.weight.T + self.bias

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        weight = np.abs(self.weight)
        return _times(weight, slopes), offsets @ weight.T + np.abs(self.bias)

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        return rows @ self.weight

    def parameters(self) -> dict[str, Array]:
        return {"weight": self.weight, "bias": self.bias}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Dense:
        return Dense(values.get("weight", self.weight), values.get("bias", self.bias))


def _times(weight: Array, slopes: Array) -> Array:
    """weight @ slopes (..., n_in, S) as one product, rather than one for each leading index."""
    rows = np.swapaxes(slopes, -1, -2)
    product = rows.reshape(math.prod(rows.shape[:-1]), rows.shape[-1]) @ weight.T
    return np.swapaxes(product.reshape(*rows.shape[:-1], len(weight)), -1, -2)
