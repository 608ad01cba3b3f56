"""How much of a hyperplane of projective space a facet takes."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from reference.model import Array

# Directions in which a facet is measured from a point of it, by how many dimensions it has.
_DIRECTIONS = {0: 1, 1: 1, 2: 16}
_MANY_DIRECTIONS = 128


def shares(walls: Array, facets: Array, points: Array) -> Array:
    """What share of a facet's hyperplane the facet is, (n,), in projective space.

    walls (n, m, S + 1): half-spaces that bound it, rows of zeros for none; facets (n, S + 1): its
    hyperplane; points (n, S + 1), of length one: on it. The facet is measured from the point: it is
    the mean over all directions of the share of a ball of the radius that it has that way. Exact
    for S = 1 and 2; 32 directions for S = 3, 256 beyond. Cost: n m times the directions.
    """
    dimension = points.shape[1] - 2
    if not dimension:
        return np.ones(len(points))
    # Rows of length one in the order in which they become orthogonal to those before.
    both = np.stack([points, facets / np.linalg.norm(facets, axis=1, keepdims=True)], axis=1)
    basis = np.linalg.svd(both)[2][:, 2:]
    level = np.einsum("nms,ns->nm", walls, points)
    along = walls @ basis.swapaxes(1, 2)
    radius = np.pi
    found = []
    for direction in _directions(dimension):
        slope = along @ direction
        # What does not bound it, or passes through the point, is no end of it.
        ends = np.where(level > 0, np.arctan2(level, -slope), radius)
        opposite = np.where(level > 0, np.arctan2(level, slope), radius)
        found += [ends.min(axis=1, initial=radius), opposite.min(axis=1, initial=radius)]
    return np.asarray(_share_of_ball(np.stack(found), dimension).mean(axis=0))


def _directions(dimension: int) -> Array:
    """Unit vectors of half a sphere, (n, dimension): for two dimensions evenly spaced."""
    count = _DIRECTIONS.get(dimension, _MANY_DIRECTIONS)
    if dimension == 1:
        return np.ones((1, 1))
    if dimension == 2:
        angles = np.pi * (np.arange(count) + 0.5) / count
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = np.random.default_rng(0).standard_normal((count, dimension))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _share_of_ball(radius: Array, dimension: int) -> Array:
    """The volume of a ball on the sphere of so many dimensions over that of half the sphere."""
    half = 0.5 * betainc(0.5 * dimension, 0.5, np.sin(radius) ** 2)
    return np.asarray(2.0 * np.where(radius > 0.5 * np.pi, 1.0 - half, half))
