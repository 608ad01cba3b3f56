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

    def scales(self, parameters: Mapping[str, Array], curvatures: Mapping[str, Array]) -> Array:
        """The root of EM's curvature by every number of the vector, (size,).

        curvatures: as `em_curvature` has them. Of a full covariance's factor it is the Fisher
        information of a Gaussian.
        """
        result = np.empty(self.size)
        for name, place in self.places.items():
            value = parameters[name]
            if _is_full(name, value.shape):
                root = np.linalg.cholesky(value)
                inverse = np.linalg.inv(root)
                squares = np.square(inverse).sum(axis=0)[:, None] + np.square(inverse.T)
                squares = squares * np.where(np.eye(len(root)) > 0, np.square(np.diag(root)), 1.0)
                result[place] = squares[np.tril_indices(len(root))]
            else:
                result[place] = np.ravel(curvatures[name])
        return np.sqrt(result)

    def gradient(self, vector: Array, by_parameter: Mapping[str, Array]) -> Array:
        """Gradients (..., size) by the vector, from those by every parameter.

        vector: where they are taken. by_parameter: as `DGN.gradient` has it, or `scores`.
        """
        parts = []
        for name, place in self.places.items():
            shape, slope = self._shapes[name], by_parameter[name]
            if _is_full(name, shape):
                root = _root(vector[place], shape[0])
                by_root = (slope + np.swapaxes(slope, -1, -2)) @ root
                by_root *= np.where(np.eye(len(root)) > 0, np.diag(root), 1.0)
                parts.append(by_root[..., *np.tril_indices(len(root))])
                continue
            flat = slope.reshape(*slope.shape[: slope.ndim - len(shape)], -1)
            parts.append(flat * np.exp(vector[place]) if name in _COVARIANCES else flat)
        return np.concatenate(parts, axis=-1)


def _is_full(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter is a full covariance."""
    return name in _COVARIANCES and len(shape) == 2


def _root(part: Array, size: int) -> Array:
    """The Cholesky factor (size, size) that a part of a vector stands for."""
    root = np.zeros((size, size))
    root[np.tril_indices(size)] = part
    np.fill_diagonal(root, np.exp(np.diag(root)))
    return root
