"""The exact gradient of the log-likelihood, by Fisher's identity.

∇ log p(x; θ) = E[∇ log p(x, z; θ) | x]: g is continuous, so moving boundaries contribute nothing.
"""

from __future__ import annotations

import numpy as np

from fast.e_step import Statistics
from fast.layer_maps import input_maps, pulled_back
from fast.observation import Noise
from fast.partition import Partition
from reference.network import Array, Dense, Network


def gradient(
    network: Network, partition: Partition, cov_x: Array, cov_z: Array, statistics: Statistics
) -> dict[str, Array]:
    """Gradient of the mean log-likelihood by every parameter, shaped as the parameters are.

    Guarded by tests/test_gradient.py against finite differences of the oracle, to 1e-7.
    """
    noise = Noise.of(cov_x, network.observed_dimension)
    codes, n = partition.codes, statistics.n
    maps = input_maps(network, codes)
    # d/dx of the expected complete log-likelihood on each region, times 1 and times z.
    along_z = np.swapaxes(statistics.residual1, 1, 2)
    rows = noise.solve(np.concatenate([statistics.residual0[:, None, :], along_z], axis=1)) / n
    result: dict[str, Array] = {}
    for index, layer in enumerate(network.layers):
        if isinstance(layer, Dense):
            back = pulled_back(network, codes, index, rows)  # (R, 1 + S, n_out)
            slopes, offsets = maps[index]
            result[f"{index}.weight"] = np.einsum("rso,ris->oi", back[:, 1:], slopes) + np.einsum(
                "ro,ri->oi", back[:, 0], offsets
            )
            result[f"{index}.bias"] = back[:, 0].sum(axis=0)
    result["cov_x"] = _by_noise(noise, statistics.scatter / n)
    inverse = np.linalg.inv(cov_z)
    result["cov_z"] = 0.5 * (inverse @ (statistics.e2.sum(axis=0) / n) @ inverse - inverse)
    return result


def _by_noise(noise: Noise, scatter: Array) -> Array:
    """½ (Σx^-1 C Σx^-1 - Σx^-1) for the mean scatter C, in the structure of Σx."""
    if noise.cov.ndim == 2:
        inverse = noise.solve(np.eye(noise.dimension))
        return 0.5 * (noise.solve(noise.solve(scatter).T) - inverse)
    count = noise.dimension if noise.cov.ndim == 0 else 1
    return np.asarray(0.5 * (scatter / noise.cov - count) / noise.cov)
