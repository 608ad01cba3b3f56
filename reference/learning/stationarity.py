"""Whether a model is a maximum, by measures that do not depend on its parametrisation.

z can be rotated and rescaled against the first layer, and a unit against the next, and the model
stays. The Fisher information F = E[s sᵀ], s = ∇ log p(x; θ), knows that: gᵀ F⁺ g is the same for
all parameters of one model, and half of it is what a step of Fisher scoring gains, nats a datum.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from reference.dgn import DGN
from reference.distributions import noise
from reference.learning.m_step import (
    input_lift,
    kernel_maps,
    latent_moments,
    output_derivative,
)
from reference.learning.objective import State
from reference.model.arrays import Array, Mask
from reference.model.images.kernels import Convolution
from reference.model.network import learnable_layers
from reference.model.residual import weighted
from reference.model.weight_priors import GaussianPrior, LaplacePrior, UniformPrior, rise

# Scores below this in units of EM's curvature are rounding; so are their singular values below the
# first of the second pair for S = 1, and below the second for more latent dimensions.
_UNSEEN, _GAUGE = 1e-7, (1e-9, 1e-6)
# With fewer data than twice the coordinates F has this share of its diagonal added.
_DAMPING = 1e-3
# The step of central differences, in units of EM's curvature.
_DIFFERENCE = 1e-3
# A variance this close to its floor, relative to it, is at it.
_AT_FLOOR = 1e-9


def axes_of(dgn: DGN) -> dict[str, Array]:
    """B of each full covariance B Bᵀ, with orthogonal columns."""
    found = {}
    for name in ("cov_x", "cov_z"):
        value = dgn.parameters()[name]
        if value.ndim == 2:
            values, vectors = np.linalg.eigh(value)
            found[name] = vectors * np.sqrt(np.maximum(values, 0.0))
    return found


def coordinates(dgn: DGN, slopes: dict[str, Array]) -> Array:
    """A gradient by the parameters as one by coordinates (P,).

    These are weights and biases, logarithms of variances, and of a full covariance B exp(E) Bᵀ the
    entries of E on and above the diagonal.
    """
    axes, parts = axes_of(dgn), []
    for name, value in dgn.parameters().items():
        if name in axes:
            turned = axes[name].T @ slopes[name] @ axes[name]
            above = np.triu_indices(len(turned))
            parts.append(turned[above] * np.where(above[0] == above[1], 1.0, 2.0))
        elif name == "cov_x":
            parts.append(np.ravel(slopes[name] * value))
        else:
            parts.append(np.ravel(slopes[name]))
    return np.concatenate(parts)


def moved(dgn: DGN, step: Array) -> DGN:
    """The model at coordinates (P,)."""
    axes, values, start = axes_of(dgn), {}, 0
    for name, value in dgn.parameters().items():
        above = np.triu_indices(len(value)) if name in axes else None
        size = value.size if above is None else len(above[0])
        part, start = step[start : start + size], start + size
        if above is not None:
            exponent = np.zeros_like(value)
            exponent[above] = part
            rates, vectors = np.linalg.eigh(np.triu(exponent) + np.triu(exponent, 1).T)
            root = axes[name] @ vectors @ np.diag(np.exp(0.5 * rates))
            values[name] = root @ root.T
        elif name == "cov_x":
            values[name] = value * np.exp(part.reshape(value.shape))
        else:
            values[name] = value + part.reshape(value.shape)
    return dgn.with_parameters(values)


def rises(state: State) -> Array:
    """The gradient of the objective by the coordinates, (P,)."""
    return coordinates(state.dgn, _objective_slopes(state))


def _objective_slopes(state: State) -> dict[str, Array]:
    """The gradient of the objective by the parameters; 0 where a prior holds a weight."""
    slopes, values = state.gradient(), state.dgn.parameters()
    for name in slopes:
        if name.endswith(".weight"):
            slopes[name] = rise(slopes[name], values[name], state.prior, state.statistics.n)
    return slopes


def free_coordinates(state: State, floor: Array) -> Mask:
    """Which coordinates (P,) neither the prior nor the noise floor holds."""
    slopes, parts, axes = state.gradient(), [], axes_of(state.dgn)
    for name, value in state.dgn.parameters().items():
        held = np.zeros(value.shape, dtype=bool)
        if name.endswith(".weight"):
            prior, up = state.prior, rise(slopes[name], value, state.prior, state.statistics.n)
            if isinstance(prior, LaplacePrior):
                held = (value == 0) & (up == 0)
            elif isinstance(prior, UniformPrior):
                held = (np.abs(value) >= prior.bound) & (up == 0)
        elif name == "cov_x" and value.ndim < 2:
            held = (value <= floor * (1 + _AT_FLOOR)) & (slopes[name] < 0)
        elif name == "cov_x":
            at = np.square(axes[name]).sum(axis=0) <= floor * (1 + _AT_FLOOR)
            turned = (axes[name].T @ slopes[name] @ axes[name])[np.ix_(at, at)]
            if np.any(at) and np.linalg.eigvalsh(turned)[-1] <= 0:
                held = np.outer(at, at)
        parts.append(~held[np.triu_indices(len(held))] if name in axes else ~np.ravel(held))
    return np.concatenate(parts)


def em_curvature(state: State) -> Array:
    """The curvature (P,) of what the M-step maximises, a datum, by each coordinate by itself."""
    dgn, statistics, n = state.dgn, state.statistics, state.statistics.n
    found = {name: np.zeros(value.shape) for name, value in dgn.parameters().items()}
    for index in learnable_layers(dgn.network):
        layer = weighted(dgn.network.layers[index]).layer
        kernels = np.zeros(layer.parameters()["weight"].size + len(layer.parameters()["bias"]))
        for r, code in enumerate(dgn.partition().codes):
            moments = latent_moments(statistics, r)
            if isinstance(layer, Convolution):
                for p, one in enumerate(kernel_maps(dgn.network, code, index)):
                    white = noise.solve(dgn.cov_x, one)
                    kernels[p] += np.einsum("ds,dt,st->", white, one, moments)
                continue
            back = output_derivative(dgn.network, code, index)
            reach = np.diag(back.T @ noise.solve(dgn.cov_x, back))
            lift = input_lift(dgn.network, code, index)
            squares = np.diag(lift @ moments @ lift.T)
            found[f"{index}.weight"] += np.outer(reach, squares[:-1])
            found[f"{index}.bias"] += reach * squares[-1]
        if isinstance(layer, Convolution):
            size = layer.rows.size
            found[f"{index}.weight"] = layer.weight_of(kernels[:size].reshape(layer.rows.shape))
            found[f"{index}.bias"] = kernels[size:]
    parts = []
    for name, value in found.items():
        if name not in ("cov_x", "cov_z"):
            parts.append(np.ravel(value) / n)
        elif value.ndim == 2:
            row, column = np.triu_indices(len(value))
            parts.append(np.where(row == column, 0.5, 1.0))
        else:
            parts.append(np.full(value.size, 0.5 * dgn.network.observed_dimension / value.size))
    return np.asarray(np.concatenate(parts))


def scores(dgn: DGN, X: Array) -> Array:
    """∇ log p(x) of each datum by the coordinates, (N, P)."""
    return np.array([coordinates(dgn, dgn.gradient(x[None])) for x in X])


def fisher_information(dgn: DGN, X: Array) -> Array:
    """F (P, P): the mean over the data of s sᵀ, s the exact score of a datum."""
    found = scores(dgn, X)
    return np.asarray(found.T @ found / len(X))


def gradient_norm(state: State, floor: Array, X: Array) -> float:
    """√(gᵀ F⁺ g), g the gradient of the objective; F with the precision of the prior added."""
    scales = np.sqrt(em_curvature(state))
    free = free_coordinates(state, floor) & _alive(state.dgn, scales)
    scales = scales[free]
    slope = rises(state)[free] / scales
    added = _prior_precisions(state)[free] / scales**2
    shares = np.ones(len(X)) if state.counts is None else state.counts
    shares = np.sqrt(shares / shares.sum())
    rows = shares[:, None] * scores(state.dgn, X)[:, free] / scales
    size = np.sqrt(np.sum(rows**2, axis=0) + added)
    seen = size > _UNSEEN
    rows, along, added = rows[:, seen] / size[seen], slope[seen] / size[seen], added[seen]
    own = added / size[seen] ** 2
    if len(X) < 2 * free.sum():
        return _norm_of_few(along, own + _DAMPING, rows)
    # F = Rᵀ R, by the singular values of R: F's own eigenvalues have half the digits.
    rows = np.vstack([rows, np.diag(np.sqrt(own))])
    _, values, vectors = scipy.linalg.svd(rows, full_matrices=False, lapack_driver="gesvd")
    kept = values > (_GAUGE[0] if state.dgn.network.latent_dimension == 1 else _GAUGE[1])
    return float(np.sqrt(np.sum((vectors[kept] @ along / values[kept]) ** 2)))


def _norm_of_few(slope: Array, own: Array, rows: Array) -> float:
    """√(gᵀ F^-1 g) for F = diag(own) + Rᵀ R, R with few rows: the inverse of a sum [Woodbury]."""
    pull = rows @ (slope / own)
    inner = np.eye(len(rows)) + (rows / own) @ rows.T
    square = float(slope @ (slope / own) - pull @ np.linalg.solve(inner, pull))
    return float(np.sqrt(max(square, 0.0)))


def _count(name: str, value: Array) -> int:
    """How many coordinates a parameter has."""
    full = name in ("cov_x", "cov_z") and value.ndim == 2
    return len(value) * (len(value) + 1) // 2 if full else value.size


def _alive(dgn: DGN, scales: Array) -> Mask:
    """Which coordinates do anything within 1e7, or as many times their own size."""
    parts = []
    for name, value in dgn.parameters().items():
        covariance = name in ("cov_x", "cov_z")
        far = np.full(_count(name, value), np.inf)
        parts.append(far if covariance else np.abs(np.ravel(value)))
    return np.asarray(scales * (1.0 + np.concatenate(parts)) > _UNSEEN)


def _prior_precisions(state: State) -> Array:
    """The inverse variance of the prior of every coordinate over N, (P,)."""
    variance = np.inf
    if isinstance(state.prior, GaussianPrior):
        variance = state.prior.scale**2
    elif isinstance(state.prior, LaplacePrior):
        variance = 2 * state.prior.scale**2
    added = 1.0 / (variance * state.statistics.n)
    parts = []
    for name, value in state.dgn.parameters().items():
        parts.append(np.full(_count(name, value), added if name.endswith(".weight") else 0.0))
    return np.concatenate(parts)


def smallest_curvature(state: State, floor: Array, X: Array) -> float:
    """The smallest eigenvalue of the Hessian of the loss, by central differences of the gradient.

    In units of EM's curvature: at a maximum it is between 0, along the gauge, and 1; at a saddle it
    is negative.
    """
    scales = np.sqrt(em_curvature(state))
    free = np.flatnonzero(free_coordinates(state, floor) & _alive(state.dgn, scales))
    hessian = np.zeros((len(free), len(free)))
    for row, p in enumerate(free):
        ends = []
        for side in (_DIFFERENCE, -_DIFFERENCE):
            step = np.zeros(len(scales))
            step[p] = side / scales[p]
            there = state.moved(moved(state.dgn, step), X)
            ends.append(-rises_seen_from(state.dgn, step, there)[free] / scales[free])
        hessian[row] = (ends[0] - ends[1]) / (2 * _DIFFERENCE)
    return float(np.linalg.eigvalsh(0.5 * (hessian + hessian.T))[0]) if len(free) else 0.0


def rises_seen_from(dgn: DGN, step: Array, there: State) -> Array:
    """The gradient of the objective at coordinates `step` of a model, by the model's coordinates.

    E of a full covariance is small: d exp(E) = dE + ½ (E dE + dE E) up to its square.
    """
    slopes = _objective_slopes(there)
    axes, start, result = axes_of(dgn), 0, coordinates(dgn, slopes)
    for name, value in dgn.parameters().items():
        above = np.triu_indices(len(value)) if name in axes else None
        size = value.size if above is None else len(above[0])
        place, start = slice(start, start + size), start + size
        if above is not None:
            exponent = np.zeros_like(value)
            exponent[above] = step[place]
            exponent = np.triu(exponent) + np.triu(exponent, 1).T
            product = exponent @ axes[name].T @ slopes[name] @ axes[name]
            double = np.where(above[0] == above[1], 1.0, 2.0)
            result[place] += 0.5 * (product + product.T)[above] * double
        elif name == "cov_x":
            result[place] *= np.exp(step[place])
    return result
