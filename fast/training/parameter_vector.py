"""A model's parameters as one vector without constraints, and gradients by that vector.

Weights and biases stand in it as they are, variances by their logarithms. A full covariance stands
in it by its Cholesky factor, with the logarithms of the factor's diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reference.model import Array

_COVARIANCES = ("cov_x", "cov_z")


class Packing:
    """Converts named parameters to one vector and back.

    Parameters
    ----------
    parameters : mapping of str to array
        A model's, as ``DGN.parameters()`` has them. Their shapes are those of every model that is
        converted.
    names : sequence of str
        Which of them are in the vector, in this order.
    """

    def __init__(self, parameters: Mapping[str, Array], names: Sequence[str]) -> None:
        self.names = list(names)
        self._shapes: dict[str, tuple[int, ...]] = {n: parameters[n].shape for n in names}
        sizes = [self._size(name) for name in names]
        ends = np.cumsum(sizes)
        self.places = {
            name: slice(end - size, end) for name, size, end in zip(names, sizes, ends, strict=True)
        }
        self.size = int(ends[-1])

    def _size(self, name: str) -> int:
        shape = self._shapes[name]
        if _is_full(name, shape):
            return shape[0] * (shape[0] + 1) // 2
        return int(math.prod(shape))

    def packed(self, parameters: Mapping[str, Array]) -> Array:
        """The vector (size,) of a model's parameters."""
        result = np.empty(self.size)
        for name, place in self.places.items():
            value = parameters[name]
            if _is_full(name, value.shape):
                root = np.linalg.cholesky(value)
                np.fill_diagonal(root, np.log(np.diag(root)))
                result[place] = root[np.tril_indices(len(root))]
            else:
                result[place] = np.ravel(np.log(value) if name in _COVARIANCES else value)
        return result

    def unpacked(self, vector: Array) -> dict[str, Array]:
        """The parameters, by name, that a vector (size,) stands for."""
        result = {}
        for name, place in self.places.items():
            shape, part = self._shapes[name], vector[place]
            if _is_full(name, shape):
                root = _root(part, shape[0])
                result[name] = root @ root.T
            else:
                value = part.reshape(shape)
                result[name] = np.exp(value) if name in _COVARIANCES else value
        return result

    def gradient(self, vector: Array, by_parameter: Mapping[str, Array]) -> Array:
        """The gradient by the vector (size,), from the gradient by every parameter.

        vector: where the gradient is taken. by_parameter: as `DGN.gradient` has it.
        """
        result = np.empty(self.size)
        for name, place in self.places.items():
            shape, slope = self._shapes[name], by_parameter[name]
            if _is_full(name, shape):
                root = _root(vector[place], shape[0])
                by_root = (slope + slope.T) @ root
                by_root[np.diag_indices(len(root))] *= np.diag(root)
                result[place] = by_root[np.tril_indices(len(root))]
            elif name in _COVARIANCES:
                result[place] = np.ravel(slope) * np.exp(vector[place])
            else:
                result[place] = np.ravel(slope)
        return result


def _is_full(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter is a full covariance."""
    return name in _COVARIANCES and len(shape) == 2


def _root(part: Array, size: int) -> Array:
    """The Cholesky factor (size, size) that a part of a vector stands for."""
    root = np.zeros((size, size))
    root[np.tril_indices(size)] = part
    np.fill_diagonal(root, np.exp(np.diag(root)))
    return root
