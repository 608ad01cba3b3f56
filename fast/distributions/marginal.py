"""Mean and covariance of the marginal p(x) [eq. 5]: those of g(z) under the prior, region by
region."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fast.distributions.model import PriorOnRegions
from fast.distributions.observation import Noise
from fast.partition.layer_maps import Maps, maps_in_turn
from fast.partition.partition import Partition
from reference.model import Array


def marginal_mean(partition: Partition, prior: PriorOnRegions) -> Array:
    """E[x] = E[g(z)], (D,)."""
    total = np.zeros(partition.network.observed_dimension)
    for some, maps in _maps(partition):
        total += prior.mass[some] @ _images(maps, prior.mean[some])
    return total


def marginal_cov(partition: Partition, noise: Noise, prior: PriorOnRegions) -> Array:
    """Cov[x] = Σx + Cov[g(z)], (D, D): within regions plus between them."""
    centre = marginal_mean(partition, prior)
    total = np.zeros((len(centre), len(centre)))
    for some, maps in _maps(partition):
        mass, spread = prior.mass[some], prior.cov[some]
        departure = _images(maps, prior.mean[some]) - centre
        total += (departure * mass[:, None]).T @ departure
        values, vectors = np.linalg.eigh(spread)
        half = vectors * np.sqrt(np.maximum(values, 0.0) * mass[:, None])[:, None, :]
        half = maps.slopes @ half
        total += np.tensordot(half, half, axes=((0, 2), (0, 2)))
    return np.asarray(total + noise.full())


def _maps(partition: Partition) -> Iterator[tuple[slice, Maps]]:
    """The affine maps of all regions, some at a time."""
    if partition.found is not None:
        yield slice(None), partition.found
    else:
        network = partition.network
        yield from maps_in_turn(network, partition.codes, len(network.layers))


def _images(maps: Maps, Z: Array) -> Array:
    """A_ω z_ω + b_ω, (n, D), for one z a region (n, S)."""
    return np.asarray(np.einsum("rds,rs->rd", maps.slopes, Z) + maps.offsets)
