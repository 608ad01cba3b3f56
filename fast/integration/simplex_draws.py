"""Exact draws from Gaussians on polyhedra: a simplex by mass, and a point of it by rejection."""

from __future__ import annotations

import numpy as np

from fast.integration.apex import Apex
from fast.integration.draws import sample_interval
from fast.integration.simplex_moments import own_units, simplex_moments
from fast.integration.split import Simplices, split
from fast.integration.truncated import simplex_masses
from fast.integration.whitened import Whitened
from reference.model import Array, Indices, Mask

# A corner no farther than this from the apex leaves the density as it is there.
_LEAST = 1e-300


def draw_within(items: Whitened, apex: Apex, item: Indices, rng: np.random.Generator) -> Array:
    """A draw (P, S) from the truncated Gaussian that each entry of item (P,) names."""
    if not items.lattice.dimension:
        return np.asarray(apex.place[item] + _along(items, item, rng))
    return draw_from(items, apex, split(items, apex), item, rng)


def draw_from(
    items: Whitened, apex: Apex, parts: Simplices, item: Indices, rng: np.random.Generator
) -> Array:
    """The same of items that are split already, each into one simplex at least."""
    shape = parts.slopes, parts.gram, parts.finite
    units = own_units(*shape)
    # Of one size for every item: sums over items of any size would round the small ones off.
    masses, _ = simplex_masses(parts, units, simplex_moments(*shape, units))
    simplex = _chosen(masses, parts.item, item, rng)
    weights = sample_simplices(
        parts.slopes[simplex], parts.gram[simplex], parts.finite[simplex], rng
    )
    draws = apex.place[item] + np.einsum("pi,pis->ps", weights, parts.steps[simplex])
    return np.asarray(draws + _along(items, item, rng))


def _along(items: Whitened, item: Indices, rng: np.random.Generator) -> Array:
    """Draws along the lines of the polyhedra."""
    along = rng.standard_normal((len(item), items.free.shape[2]))
    return np.asarray(np.einsum("psl,pl->ps", items.free[item], along))


def _chosen(masses: Array, owner: Indices, item: Indices, rng: np.random.Generator) -> Indices:
    """For each item asked for, one of its simplices, drawn by mass."""
    order = np.argsort(owner, kind="stable")
    total = np.cumsum(masses[order])
    ends = np.searchsorted(owner[order], item, side="right")
    starts = np.searchsorted(owner[order], item, side="left")
    before = np.where(starts > 0, total[starts - 1], 0.0)
    sought = before + rng.random(len(item)) * (total[ends - 1] - before)
    return order[np.clip(np.searchsorted(total, sought, side="right"), starts, ends - 1)]


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
    # Of a polyhedron thinner than rounding a corner may be the apex.
    scale = np.maximum(np.sqrt(np.einsum("kii->ki", gram)), _LEAST)
    distance = slopes / scale
    top = np.where(finite, scale, np.inf)
    # The apex may lie a little off the largest density: then some slopes are negative.
    peak = np.clip(-distance, 0.0, top)
    beyond = np.abs(distance + peak)
    draws = sample_interval(beyond.ravel(), peak.ravel(), (top - peak).ravel(), rng)
    return np.asarray((peak + draws.reshape(peak.shape)) / scale)
