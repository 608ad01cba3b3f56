"""The localised cosine: t ~ N(0, 1), x = (t, cos 1.4 t) + noise, and its exact density.

The density is a one-dimensional integral over t. Its integrand is analytic and decays like a
Gaussian, for which the trapezoidal rule converges faster than any power of the step.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from reference.model import Array

FREQUENCY = 1.4
NOISE = 0.05

_REACH = 9.0  # in standard deviations: beyond it a Gaussian holds less than 3e-19


def sample(size: int, rng: np.random.Generator) -> Array:
    """Draw independent points.

    Parameters
    ----------
    size : int
        How many.
    rng : numpy.random.Generator
        Of the draws.

    Returns
    -------
    Array, shape (size, 2)
        Data units.
    """
    t = rng.standard_normal(size)
    return np.stack([t, np.cos(FREQUENCY * t)], axis=1) + NOISE * rng.standard_normal((size, 2))


def log_density(X: Array) -> Array:
    """The log density of the sampled distribution.

    Parameters
    ----------
    X : Array, shape (N, 2)
        Data units.

    Returns
    -------
    Array, shape (N,)
        log p(x), nats.

    Notes
    -----
    Agrees with adaptive quadrature to 1e-11 relative: tests/paper_figures/test_paper_figures.py.

    With s = `NOISE`, φ(t) N(x₁; t, s²) = N(x₁; 0, 1 + s²) N(t; m, v) with m = x₁ / (1 + s²), v = s²
    / (1 + s²); what remains is the mean of N(x₂; cos 1.4 t, s²) over t ~ N(m, v), here with a step
    of √v / 12.
    """
    total = 1.0 + NOISE**2
    scores = np.linspace(-_REACH, _REACH, 217)
    t = X[:, :1] / total + scores * NOISE / np.sqrt(total)
    weights = _log_normal(scores, 1.0) + np.log(scores[1] - scores[0])
    mean = logsumexp(weights + _log_normal(X[:, 1:] - np.cos(FREQUENCY * t), NOISE), axis=1)
    return np.asarray(_log_normal(X[:, 0], np.sqrt(total)) + mean)


def entropy(steps_per_noise: int = 2) -> float:
    """The entropy -∫ p log p dx, by the trapezoidal rule on a grid of the plane.

    Parameters
    ----------
    steps_per_noise : int
        The grid's step is NOISE / steps_per_noise; with 3 the value is the same to 1e-12.

    Returns
    -------
    float
        Nats. Under no model is the expected mean negative log-likelihood of fresh data lower.
    """
    step = NOISE / steps_per_noise
    across = np.arange(-1.0 - _REACH * NOISE, 1.0 + _REACH * NOISE, step)
    total = 0.0
    for first in np.arange(-_REACH, _REACH, step):
        log_p = log_density(np.stack([np.full(across.size, first), across], axis=1))
        total -= float(np.sum(np.exp(log_p) * log_p))
    return total * step**2


def _log_normal(x: Array, deviation: float | np.floating) -> Array:
    return np.asarray(-0.5 * (x / deviation) ** 2 - np.log(deviation * np.sqrt(2.0 * np.pi)))
