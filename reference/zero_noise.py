"""The zero-noise limit of the posterior [Lemma 2, Proposition 3], corrected."""

from __future__ import annotations

import numpy as np

from reference import noise
from reference.nearest import minimiser
from reference.partition import Partition
from reference.validation import Array

# Distances that differ by less than this, relative to their terms, are equal to rounding.
_EQUAL = 256 * np.finfo(np.float64).eps


def zero_noise_latent(x: Array, partition: Partition, cov_x: Array, cov_z: Array) -> Array:
    """argmin (x - g(z))ᵀ Σx^-1 (x - g(z)) over all z, of smallest zᵀ Σz^-1 z among equals, (S,).

    The mode of p(z | x) for Σx -> σ² Σx, σ -> 0 [Lemma 2]. Where it is the only minimiser and A_ω
    has full column rank, the posterior goes to a Dirac there; elsewhere not: it spreads over all
    minimisers. The paper prints ‖x - g(z)‖² + zᵀ Σz z, with a weight that does not vanish, which
    is not the limit, and in which Σz^-1 belongs. With an uninformative prior it is what GLO infers
    [Proposition 3]. One convex quadratic program a region, by trying all its faces. Guarded by
    tests/test_errata.py and tests/test_reference_zero_noise.py.
    """
    root = np.linalg.inv(np.linalg.cholesky(cov_z))
    found = []
    for region in range(partition.n_regions):
        matrix = noise.whiten(cov_x, partition.slopes[region])
        target = noise.whiten(cov_x, x - partition.offsets[region])
        z = minimiser(*partition.halfspaces(region), matrix, target, root)
        distance = float(np.linalg.norm(target - matrix @ z))
        rounding = float(np.linalg.norm(noise.whiten(cov_x, np.abs(x))))
        rounding += float(np.linalg.norm(noise.whiten(cov_x, np.abs(partition.offsets[region]))))
        rounding += float(np.linalg.norm(np.abs(matrix) @ np.abs(z)))
        found.append((distance, _EQUAL * rounding, float(np.linalg.norm(root @ z)), z))
    least, blur, _, _ = min(found, key=lambda candidate: candidate[0])
    equals = [one for one in found if one[0] <= least + blur + one[1]]
    return min(equals, key=lambda candidate: candidate[2])[3]
