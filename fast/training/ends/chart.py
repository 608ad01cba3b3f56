"""Coordinates around a model, without constraints, in which the ends of training are measured.

Weights and biases are coordinates as they are, variances by their logarithms. A full covariance is
B exp(E) Bᵀ with E symmetric, 0 at the model. Its axes B are its own: what holds an eigenvalue at
the noise floor then holds coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fast.dgn import DGN
from reference.model import (
    Array,
    GaussianPrior,
    LaplacePrior,
    Mask,
    UniformPrior,
    WeightPrior,
    rise,
)

# A variance this close to its floor, relative to it, is at it.
_AT_FLOOR = 1e-9
# Where EM's curvature tells of no change by 1e7, or by as many times a parameter's own size.
_REACH = 1e-7


@dataclass(frozen=True)
class Chart:
    """The coordinates (P,) around a model.

    names: of the parameters that learn, in the order of the coordinates. axes: B of those
    covariances that are full. floor: of Σx. prior, n: of the weights, and the number of data.
    """

    dgn: DGN
    names: tuple[str, ...]
    axes: Mapping[str, Array]
    floor: Array
    prior: WeightPrior | None
    n: float

    @staticmethod
    def of(
        dgn: DGN, names: Sequence[str] | None, floor: Array, prior: WeightPrior | None, n: float
    ) -> Chart:
        """Around a model, by all parameters unless some are named."""
        values = dgn.parameters()
        chosen = tuple(values if names is None else names)
        axes = {}
        for name in chosen:
            if _is_covariance(name) and values[name].ndim == 2:
                eigenvalues, vectors = np.linalg.eigh(values[name])
                axes[name] = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
        return Chart(dgn=dgn, names=chosen, axes=axes, floor=floor, prior=prior, n=n)

    def pulled(self, slopes: Mapping[str, Array]) -> Array:
        """Gradients (..., shape of the parameter) by the parameters as gradients (..., P) by the
        coordinates, at the model."""
        values, parts = self.dgn.parameters(), []
        for name in self.names:
            value, slope = values[name], slopes[name]
            if name in self.axes:
                turned = self.axes[name].T @ slope @ self.axes[name]
                parts.append(_entries(turned))
            else:
                own = slope * value if _is_covariance(name) else slope
                parts.append(own.reshape(*own.shape[: own.ndim - value.ndim], -1))
        return np.concatenate(parts, axis=-1)

    def rises(self, slopes: Mapping[str, Array]) -> Array:
        """The gradient (P,) of the objective by the coordinates, from that of the log-likelihood by
        the parameters; 0 where a prior holds a weight."""
        values = self.dgn.parameters()
        own = {
            name: rise(slopes[name], values[name], self._prior_of(name), self.n)
            for name in self.names
        }
        return self.pulled(own)

    def free(self, slopes: Mapping[str, Array]) -> Mask:
        """Which coordinates (P,) are held neither by the floor of Σx nor by the prior."""
        values, parts = self.dgn.parameters(), []
        for name in self.names:
            value, slope = values[name], slopes[name]
            if name == "cov_x":
                parts.append(self._above_floor(value, slope))
                continue
            prior = self._prior_of(name)
            held = np.zeros(value.shape, dtype=bool)
            if isinstance(prior, LaplacePrior):
                held = value == 0
            elif isinstance(prior, UniformPrior):
                held = np.abs(value) >= prior.bound
            if np.any(held):
                held &= rise(slope, value, prior, self.n) == 0
            parts.append(_upper(~held) if name in self.axes else ~held.ravel())
        return np.concatenate(parts)

    def _above_floor(self, value: Array, slope: Array) -> Mask:
        """Which coordinates of Σx do not stand at its floor with the likelihood rising below."""
        least = self.floor * (1.0 + _AT_FLOOR)
        if "cov_x" not in self.axes:
            return np.asarray(~((value <= least) & (slope < 0)).ravel())
        axes = self.axes["cov_x"]
        at = np.square(axes).sum(axis=0) <= least
        held = np.outer(at, at)
        turned = axes.T @ slope @ axes
        if np.any(at) and np.linalg.eigvalsh(turned[np.ix_(at, at)])[-1] > 0:
            held[:] = False
        return _upper(~held)

    def _prior_of(self, name: str) -> WeightPrior | None:
        return self.prior if name.endswith(".weight") else None

    def scales(self, curvatures: Mapping[str, Array]) -> Array:
        """The root of EM's curvature by every coordinate, (P,), from `em_curvature`."""
        parts = []
        for name in self.names:
            if name in self.axes:
                eye = np.eye(len(self.axes[name]))
                parts.append(np.where(_entries(eye) > 0, 0.5, 1.0))
            else:
                parts.append(curvatures[name].ravel())
        return np.asarray(np.sqrt(np.concatenate(parts)))

    def alive(self, scales: Array) -> Mask:
        """Which coordinates (P,) do anything within reach: weights of a unit without data do not.

        In units in which data are about 1.
        """
        values, parts = self.dgn.parameters(), []
        for name in self.names:
            covariance = _is_covariance(name)
            parts.append(np.full(self._size(name), np.inf) if covariance else values[name].ravel())
        return scales * (1.0 + np.abs(np.concatenate(parts))) > _REACH

    def prior_precisions(self) -> Array:
        """What the prior adds to the information of a datum on every coordinate, (P,): the inverse
        of its variance over N. A uniform one adds nothing."""
        parts, variance = [], np.inf
        if isinstance(self.prior, GaussianPrior):
            variance = self.prior.scale**2
        elif isinstance(self.prior, LaplacePrior):
            variance = 2 * self.prior.scale**2
        for name in self.names:
            weight = self._prior_of(name) is not None
            parts.append(np.full(self._size(name), 1.0 / (variance * self.n) if weight else 0.0))
        return np.concatenate(parts)

    def moved(self, step: Array) -> dict[str, Array]:
        """The parameters at coordinates (P,)."""
        values, result, start = self.dgn.parameters(), {}, 0
        for name in self.names:
            value, size = values[name], self._size(name)
            if name in self.axes:
                exponent = _symmetric(step[start : start + size], len(value))
                rates, vectors = np.linalg.eigh(exponent)
                root = self.axes[name] @ (vectors * np.exp(0.5 * rates))
                result[name] = root @ root.T
            else:
                change = step[start : start + size].reshape(value.shape)
                result[name] = value * np.exp(change) if _is_covariance(name) else value + change
            start += size
        return result

    def rises_at(self, step: Array, moved: DGN, slopes: Mapping[str, Array]) -> Array:
        """The gradient by the coordinates (P,) at a small step, where the model is `moved`.

        Of a full covariance to the first order in the step.
        """
        result, start = replace(self, dgn=moved).rises(slopes), 0
        for name in self.names:
            size = self._size(name)
            if name in self.axes:
                turned = self.axes[name].T @ slopes[name] @ self.axes[name]
                exponent = _symmetric(step[start : start + size], len(turned))
                product = exponent @ turned
                result[start : start + size] += _entries(0.5 * (product + product.T))
            start += size
        return result

    def _size(self, name: str) -> int:
        return _count(name, self.dgn.parameters()[name])


def coordinate_count(dgn: DGN, names: Sequence[str] | None) -> int:
    """How many coordinates a chart has, by all parameters unless some are named."""
    values = dgn.parameters()
    return sum(_count(name, values[name]) for name in (values if names is None else names))


def _count(name: str, value: Array) -> int:
    """The coordinates of a parameter."""
    full = _is_covariance(name) and value.ndim == 2
    return len(value) * (len(value) + 1) // 2 if full else int(value.size)


def _is_covariance(name: str) -> bool:
    return name in ("cov_x", "cov_z")


def _entries(matrix: Array) -> Array:
    """The entries of symmetric matrices (..., n, n) on and above the diagonal, those above twice: a
    coordinate above the diagonal stands in two entries."""
    above = np.triu_indices(matrix.shape[-1])
    return np.asarray(matrix[..., *above] * np.where(above[0] == above[1], 1.0, 2.0))


def _upper(mask: Mask) -> Mask:
    """The entries of a symmetric mask on and above its diagonal."""
    return mask[np.triu_indices(len(mask))]


def _symmetric(entries: Array, size: int) -> Array:
    """The symmetric matrix that has these entries on and above its diagonal."""
    result = np.zeros((size, size))
    result[np.triu_indices(size)] = entries
    return np.triu(result) + np.triu(result, 1).T
