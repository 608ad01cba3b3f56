"""Mean and covariance of the marginal p(x) [eq. 5]: those of g(z) under the prior, region by
region."""

from __future__ import annotations

import numpy as np

from fast.distributions.model import PriorOnRegions
from fast.distributions.observation import Noise
from fast.partition.partition import Partition
from reference.model import Array


def marginal_mean(partition: Partition, prior: PriorOnRegions) -> Array:
    """E[x] = E[g(z)], (D,)."""
    return np.asarray(prior.mass @ _images(partition, prior.mean))


def marginal_cov(partition: Partition, noise: Noise, prior: PriorOnRegions) -> Array:
    """Cov[x] = Σx + Cov[g(z)], (D, D): within regions plus between them."""
    mass, centre, spread = prior
    slopes, images = partition.slopes, _images(partition, centre)
    departure = images - mass @ images
    total = (departure * mass[:, None]).T @ departure
    values, vectors = np.linalg.eigh(spread)
    half = slopes @ (vectors * np.sqrt(np.maximum(values, 0.0) * mass[:, None])[:, None, :])
    total += np.tensordot(half, half, axes=((0, 2), (0, 2)))
    return np.asarray(total + noise.full())


def _images(partition: Partition, Z: Array) -> Array:
    """A_ω z_ω + b_ω, (R, D), for one z a region (R, S)."""
    return np.asarray(np.einsum("rds,rs->rd", partition.slopes, Z) + partition.offsets)
