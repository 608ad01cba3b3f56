"""Exact independent draws from truncated Gaussians, by rejection [Proposition 2]."""

from __future__ import annotations

import numpy as np

from reference.model.arrays import Array
from reference.polyhedra.polyhedron import polyhedron_of
from reference.polyhedra.quadratic_programs import minimiser
from reference.polyhedra.validity import OutsideValidity

# Proposals made at once, and how often: ten million, a few seconds.
_PROPOSALS = 256
_MOST_ROUNDS = 40_000


def draw_on_interval(
    lower: float, upper: float, mean: float, scale: float, rng: np.random.Generator
) -> Array:
    """z (1,) from N(mean, scale²) truncated to (lower, upper), by rejection from the uniform.

    The proposal covers the interval as far as the density stays above exp(-41) of its peak.
    """
    low, high = (lower - mean) / scale, (upper - mean) / scale
    nearest = min(max(0.0, low), high)
    reach = 82.0 / (abs(nearest) + np.sqrt(nearest**2 + 82.0))
    below, above = min(reach, nearest - low), min(reach, high - nearest)
    start = min(max(mean, lower), upper)
    while True:
        s = rng.uniform(-below, above)
        if np.log(rng.random()) < -abs(nearest * s) - 0.5 * s**2:
            return np.array([start + scale * s])


def draw_on_polyhedron(
    normals: Array, offsets: Array, mean: Array, cov: Array, rng: np.random.Generator
) -> Array:
    """z (S,) from N(mean, cov) truncated to {z : normals z + offsets > 0}, by rejection.

    In whitened coordinates w the proposal is N(w°, I) about the nearest point w° of the polyhedron.
    The target is smaller by the factor exp(-w° · (w - w°)), which is at most 1 on the polyhedron
    since w° is nearest. The time is inversely proportional to the mass of the proposal on the
    polyhedron, so that slivers are slow. Raises OutsideValidity where none of ten million proposals
    is on it.
    """
    factor = np.linalg.cholesky(cov)
    white, slacks = normals @ factor, normals @ mean + offsets
    size = len(mean)
    polyhedron = polyhedron_of(white, slacks)
    if polyhedron is None:
        raise OutsideValidity("draws: in standard deviations rounding leaves no polyhedron")
    nearest = minimiser(polyhedron, np.eye(size), np.zeros(size))
    for _ in range(_MOST_ROUNDS):
        steps = rng.standard_normal((_PROPOSALS, size))
        logs = np.log(rng.random(_PROPOSALS))
        inside = np.all((nearest + steps) @ white.T + slacks > 0, axis=1)
        accepted = np.nonzero(inside & (logs < -steps @ nearest))[0]
        if accepted.size:
            return np.asarray(mean + factor @ (nearest + steps[accepted[0]]))
    raise OutsideValidity("draws: no proposal of ten million fell on the polyhedron; use fast")
