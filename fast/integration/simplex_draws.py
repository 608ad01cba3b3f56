"""Exact draws from exp(-quadratic) on simplices, by rejection."""

from __future__ import annotations

import numpy as np

from fast.integration.draws import sample_interval
from reference.model import Array, Mask


def sample_simplices(slopes: Array, gram: Array, finite: Mask, rng: np.random.Generator) -> Array:
    """One λ (K, k) from the density proportional to exp(-E) on each simplex (see
    fast.integration.simplex_moments).

    Proposal: every λ by itself, from exp(-α λ - Γ λ²/2) up to 1 or infinity. Accepted with
    probability exp(-Σ_{i<j} Γ_ij λ_i λ_j) where the finite ones sum to at most 1: exact, as no
    Γ_ij is negative; in at least about one of k! trials. Guarded by
    tests/integration/test_draws_within.py.
    """
    result = np.empty(slopes.shape)
    todo = np.arange(len(slopes))
    while todo.size:
        draws = _independent(slopes[todo], gram[todo], finite[todo], rng)
        cross = np.einsum("ki,kij,kj->k", draws, gram[todo], draws)
        cross -= np.einsum("ki,kii->k", draws * draws, gram[todo])
        fits = np.where(finite[todo], draws, 0.0).sum(axis=1) <= 1.0
        accepted = fits & (rng.random(todo.size) < np.exp(-0.5 * cross))
        result[todo[accepted]] = draws[accepted]
        todo = todo[~accepted]
    return result


def _independent(slopes: Array, gram: Array, finite: Mask, rng: np.random.Generator) -> Array:
    """Every λ from exp(-α λ - Γ λ²/2) on [0, 1] or [0, ∞)."""
    scale = np.sqrt(np.einsum("kii->ki", gram))
    distance = slopes / scale
    top = np.where(finite, scale, np.inf)
    # The apex may lie a little off the largest density: then some slopes are negative.
    peak = np.clip(-distance, 0.0, top)
    beyond = np.abs(distance + peak)
    draws = sample_interval(beyond.ravel(), peak.ravel(), (top - peak).ravel(), rng)
    return np.asarray((peak + draws.reshape(peak.shape)) / scale)
