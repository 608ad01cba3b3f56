"""What convergence is told by, from the oracle's own gradients: the norm of the gradient in the
Fisher information of x, and the smallest curvature of the loss; for S = 1 and variances of their
own.

The Hessian is made of differences of gradients that are themselves of high precision. Guarded by
tests/oracle/test_oracle_small_checks.py.
"""

from __future__ import annotations

import numpy as np
from mpmath import mp, mpf

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array
from oracle.learning.finite_differences import gradient
from oracle.learning.m_step_surrogate import surrogate
from oracle.learning.sums_over_data import DIGITS, reals, sums

#: A model: its layers, Σx (() or (D,)) and Σz (1, 1).
Inputs = tuple[tuple[LayerSpec, ...], Array, Array]
_STEP = 2.0**-13
_GAUGE = 1e-20


def by_coordinates(inputs: Inputs, X: Array) -> Array:
    """The gradient of the mean log p(x), (P,), by weights, biases and the logarithms of variances:
    layer by layer, then Σx and Σz."""
    found = gradient(*inputs, X)
    for name, cov in zip(("cov_x", "cov_z"), inputs[1:], strict=True):
        found[name] = found[name] * cov
    names = [name for name in found if not name.startswith("cov")]
    return np.concatenate([np.ravel(found[name]) for name in (*names, "cov_x", "cov_z")])


def gradient_norm(inputs: Inputs, X: Array) -> float:
    """√(gᵀ F⁺ g), with the eigenvalues of F in 50 digits."""
    rows = np.array([by_coordinates(inputs, x[None]) for x in X])
    rows = rows / np.sqrt(np.square(rows).mean(axis=0))
    with mp.workdps(DIGITS):
        exact = reals(rows)
        values, vectors = mp.eigsy(mp.matrix((exact.T @ exact / len(X)).tolist()))
        slope = mp.matrix([list(exact.sum(axis=0) / len(X))])
        square = mpf(0)
        for k, value in enumerate(values):
            # The gauge's are the squares of the rounding of doubles.
            if value > _GAUGE:
                square += (slope * vectors[:, k])[0] ** 2 / value
        return float(mp.sqrt(square))


def moved(inputs: Inputs, step: Array) -> Inputs:
    """The model at coordinates (P,)."""
    layers, cov_x, cov_z = inputs
    result: list[LayerSpec] = []
    for kind, *values in layers:
        if kind == "dense":
            weight, bias = (np.asarray(value, float) for value in values)
            sizes = [weight.size, bias.size]
            by_weight, by_bias, step = np.split(step, np.cumsum(sizes))
            result.append((kind, weight + by_weight.reshape(weight.shape), bias + by_bias))
        else:
            result.append((kind, *values))
    cov_x = np.asarray(cov_x * np.exp(step[: np.size(cov_x)].reshape(np.shape(cov_x))))
    return tuple(result), cov_x, np.asarray(cov_z * np.exp(step[-1]))


def em_curvature(inputs: Inputs, X: Array) -> Array:
    """The curvature of what the M-step maximises, a datum, by each coordinate, (P,)."""
    layers, cov_x, _ = inputs
    found, parts = sums(*inputs, X), []
    for index, (kind, *values) in enumerate(layers):
        if kind != "dense":
            continue
        inner = np.diag(np.array(surrogate(layers, cov_x, found, index).curvature, dtype=float))
        rows, columns = np.shape(values[0])
        inner = inner.reshape(rows, columns + 1) / len(X)
        parts += [inner[:, :-1].ravel(), inner[:, -1]]
    dimension = found.scatter.shape[0]
    parts += [np.full(np.size(cov_x), 0.5 * dimension / np.size(cov_x)), np.array([0.5])]
    return np.concatenate(parts)


def smallest_curvature(inputs: Inputs, X: Array) -> float:
    """The smallest eigenvalue of the Hessian of the loss, in units of EM's curvature."""
    scales = np.sqrt(em_curvature(inputs, X))
    rows = []
    for p, scale in enumerate(scales):
        step = np.zeros(len(scales))
        step[p] = _STEP / scale
        ends = [by_coordinates(moved(inputs, side), X) for side in (step, -step)]
        rows.append((ends[1] - ends[0]) / (2 * _STEP) / scales)
    hessian = np.array(rows)
    with mp.workdps(DIGITS):
        return float(
            min(mp.eigsy(mp.matrix((hessian + hessian.T).tolist()), eigvals_only=True)) / 2
        )
