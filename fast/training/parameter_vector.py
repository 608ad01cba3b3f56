"""A model's parameters as one vector without constraints, and gradients by it.

Weights and biases as they are; variances by their logarithm; a full covariance by its Cholesky
factor, the diagonal of that by its logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reference.model import Array


class Packing:
    """Of the named parameters of models shaped like one."""

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
        """The vector of a model's parameters."""
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
        """The parameters at a vector."""
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
        """A gradient by the vector, from that by every parameter (as DGN.gradient's)."""
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


_COVARIANCES = ("cov_x", "cov_z")


def _is_full(name: str, shape: tuple[int, ...]) -> bool:
    return name in _COVARIANCES and len(shape) == 2


def _root(part: Array, size: int) -> Array:
    """The Cholesky factor."""
    root = np.zeros((size, size))
    root[np.tril_indices(size)] = part
    np.fill_diagonal(root, np.exp(np.diag(root)))
    return root
