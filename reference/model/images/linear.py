"""What linear layers on images have in common: a sparse matrix, once they are placed."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from reference.model.arrays import Array, Codes, Indices, freeze
from reference.model.layer_protocol import Affine, Layer, Shape

# The code of a layer without a choice to make.
_NO_CODE = np.empty(0, dtype=np.int8)


class SparseLinear(Affine):
    """A layer h -> M h + v. It has its sparse matrix M once it is placed on a shape."""

    input_shape: Shape
    matrix: csr_array
    _output_shape: Shape

    def _with_matrix(
        self, input_shape: Shape, output_shape: Shape, entries: Array, row: Indices, column: Indices
    ) -> Self:
        """A placed copy whose matrix holds the entries at (row, column)."""
        layer = copy.copy(self)
        layer.input_shape, layer._output_shape = input_shape, output_shape
        size = math.prod(output_shape), math.prod(input_shape)
        layer.matrix = csr_array((entries, (row, column)), shape=size)
        freeze(layer.matrix.data)
        return layer

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "matrix" in state:
            freeze(self.matrix.data)

    def output_shape(self, input_shape: Shape) -> Shape:
        return self._output_shape

    def offset(self, code: Codes, input_size: int) -> Array:
        return np.zeros(self.matrix.shape[0])

    def apply(self, inputs: Array) -> Array:
        flat = inputs.reshape(-1, inputs.shape[-1])
        result = (self.matrix @ flat.T).T + self.offset(_NO_CODE, inputs.shape[-1])
        return np.asarray(result).reshape(*inputs.shape[:-1], -1)

    def derivative(self, code: Codes) -> Array:
        return np.asarray(self.matrix.toarray())

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _pushed(self.matrix, slopes, offsets, self.offset(codes, offsets.shape[-1]))

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _pushed(
            abs(self.matrix), slopes, offsets, np.abs(self.offset(codes, offsets.shape[-1]))
        )

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        flat = rows.reshape(-1, rows.shape[-1])
        return np.asarray((self.matrix.T @ flat.T).T).reshape(*rows.shape[:-1], -1)

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Layer:
        return self  # type: ignore[return-value]


def _pushed(matrix: csr_array, slopes: Array, offsets: Array, shift: Array) -> tuple[Array, Array]:
    """matrix @ slopes (..., n_in, S) and matrix @ offsets (..., n_in) + shift."""
    columns = np.moveaxis(slopes, -2, 0)
    rest = columns.shape[1:]
    pushed = np.asarray(matrix @ columns.reshape(len(columns), math.prod(rest)))
    slopes = np.moveaxis(pushed.reshape(len(pushed), *rest), 0, -2)
    flat = offsets.reshape(-1, offsets.shape[-1])
    return slopes, np.asarray((matrix @ flat.T).T).reshape(*offsets.shape[:-1], -1) + shift
