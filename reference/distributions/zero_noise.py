"""The zero-noise limit of the posterior [Lemma 2, Proposition 3], corrected."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.distributions import noise
from reference.model.arrays import Array
from reference.partition.partition import Partition
from reference.polyhedra.quadratic_programs import compared, minimiser


class _Candidate(NamedTuple):
    """The z of a region.

    Attributes
    ----------
    z : ndarray, shape (S,)
        The point of the region whose image is nearest x.
    image : ndarray, shape (D,)
        Its image, whitened.
    size : float
        The size of the terms that were summed in the image.
    prior : float
        (zᵀ Σz^-1 z)^½.
    """

    z: Array
    image: Array
    size: float
    prior: float


def _excess(one: _Candidate, other: _Candidate, target: Array) -> tuple[float, float]:
    """The squared distance of one image less that of another, and its rounding."""
    return compared(one.image, other.image, target, one.size + other.size)


def _is_as_near(one: _Candidate, best: _Candidate, target: Array) -> bool:
    """Whether one image is as near as the best, to rounding."""
    excess, rounding = _excess(one, best, target)
    return excess <= rounding


def zero_noise_latent(x: Array, partition: Partition, cov_x: Array, cov_z: Array) -> Array:
    """argmin (x - g(z))ᵀ Σx^-1 (x - g(z)) over all z, of smallest zᵀ Σz^-1 z among equals, (S,).

    It is the mode of p(z | x) for Σx -> σ² Σx, σ -> 0 [Lemma 2]. Where it is the only minimiser and
    A_ω has full column rank, the posterior goes to a Dirac there. Elsewhere it spreads over all
    minimisers. The paper prints ‖x - g(z)‖² + zᵀ Σz z, with a weight that does not vanish. That is
    not the limit, and Σz should be Σz^-1. With an uninformative prior the limit is what GLO infers
    [Proposition 3]. One convex quadratic program a region, by trying all its faces. Guarded by
    tests/contract/test_errata.py and tests/distributions/test_reference_zero_noise.py.
    """
    root = np.linalg.inv(np.linalg.cholesky(cov_z))
    target = noise.whiten(cov_x, x)
    found = []
    for region in range(partition.n_regions):
        matrix = noise.whiten(cov_x, partition.slopes[region])
        offset = noise.whiten(cov_x, partition.offsets[region])
        z = minimiser(partition.polyhedra[region], matrix, target - offset, root)
        size = float(np.linalg.norm(offset) + np.linalg.norm(np.abs(matrix) @ np.abs(z)))
        found.append(_Candidate(z, matrix @ z + offset, size, float(np.linalg.norm(root @ z))))
    best = found[0]
    # Compare again from each winner: the nearer a candidate is to the best, the less is rounded.
    for _ in range(3):
        excess = [_excess(candidate, best, target)[0] for candidate in found]
        best = found[int(np.argmin(excess))]
    equals = [candidate for candidate in found if _is_as_near(candidate, best, target)]
    return min(equals, key=lambda candidate: candidate.prior).z
