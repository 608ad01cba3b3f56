"""Random covariances and points for a network with two or three latent dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.exact_layers import LayerSpec

Array = NDArray[np.float64]
#: Where points are put, in turn.
PLACES = ("manifold", "sample", "far")


@dataclass(frozen=True)
class LatentCase:
    """A model, points to evaluate it at, and a Gaussian q for each point.

    layers: as in oracle.exact_layers. cov_x (), (D,) or (D, D); cov_z (S, S); X (N, D); q_mean
    (N, S); q_cov (N, S, S).
    """

    seed: int
    label: str
    layers: tuple[LayerSpec, ...]
    cov_x: Array
    cov_z: Array
    X: Array
    q_mean: Array
    q_cov: Array


def latent_case(seed: int, label: str, layers: tuple[LayerSpec, ...], points: int) -> LatentCase:
    """The case of a seed and a network. Points: on the manifold, drawn from the model, and up to
    300 σ away, in turn from a place that depends on the seed."""
    rng = np.random.default_rng([715, seed])
    latent = np.shape(layers[0][1])[1]
    factor_z = _factor(rng, latent) if rng.random() < 0.5 else np.eye(latent)
    z = rng.standard_normal((points, latent)) @ factor_z.T
    images = np.array([forward(layers, row) for row in z])
    cov_x, factor_x, structure = _noise(rng, images.shape[1])
    X = np.empty_like(images)
    for n, image in enumerate(images):
        place = PLACES[(seed + n) % len(PLACES)]
        direction = rng.standard_normal(len(image))
        if place == "far":
            direction *= 10 ** rng.uniform(0, 2.5) / np.sqrt(np.sum(direction**2))
        X[n] = image + (factor_x @ direction if place != "manifold" else 0.0)
    factors = [_factor(rng, latent) * 10 ** rng.uniform(-2, 0.5) for _ in range(points)]
    return LatentCase(
        seed,
        f"{label}, {structure} cov_x",
        layers,
        cov_x,
        _symmetric(factor_z),
        X,
        q_mean=z + 0.1 * rng.standard_normal(z.shape),
        q_cov=np.array([_symmetric(f) for f in factors]),
    )


def forward(layers: tuple[LayerSpec, ...], z: Array) -> Array:
    """g(z) in doubles: only where a point is put, never a value that is compared."""
    hidden = z
    for kind, *values in layers:
        if kind == "dense":
            hidden = np.asarray(values[0]) @ hidden + np.asarray(values[1])
        elif kind == "slope":
            hidden = np.where(hidden > 0, hidden, values[0] * hidden)
        else:
            hidden = np.array([max(hidden[c] for c in window) for window in values[0]])
    return hidden


def _noise(rng: np.random.Generator, dimension: int) -> tuple[Array, Array, str]:
    """Σx between 1e-4 and 1, scalar, diagonal or full; a root of it; and which it is."""
    size = 10 ** rng.uniform(-4, 0)
    structure = str(rng.choice(["scalar", "diagonal", "full"]))
    if structure == "scalar":
        return np.array(size), np.sqrt(size) * np.eye(dimension), structure
    if structure == "diagonal":
        variances = size * 10 ** rng.uniform(-1, 1, dimension)
        return variances, np.diag(np.sqrt(variances)), structure
    factor = _factor(rng, dimension) * np.sqrt(size)
    return _symmetric(factor), factor, structure


def _factor(rng: np.random.Generator, size: int) -> Array:
    """A lower triangular factor of a covariance of moderate condition."""
    factor = np.tril(0.5 * rng.standard_normal((size, size)), -1)
    return np.asarray(factor + np.diag(10 ** rng.uniform(-0.5, 0.5, size)))


def _symmetric(factor: Array) -> Array:
    """Factor times its transpose, symmetric to the last bit."""
    product = factor @ factor.T
    return np.asarray(0.5 * (product + product.T))
