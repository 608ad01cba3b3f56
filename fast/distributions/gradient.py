"""The exact gradient of the log-likelihood, by Fisher's identity.

∇ log p(x; θ) = E[∇ log p(x, z; θ) | x]: g is continuous, so moving boundaries contribute nothing.
"""

from __future__ import annotations

import numpy as np

from fast.distributions.observation import Noise
from fast.distributions.statistics import Statistics
from fast.partition.layer_maps import Maps, input_maps, pulled_back
from fast.polyhedra.chunks import chunks
from reference.model import Array, Convolution, Dense, Network, learnable_layers, weighted

# Numbers held at once while the inputs under the windows of a convolution are laid out.
_BATCH = 1 << 22


def gradient(
    network: Network, noise: Noise, cov_z: Array, statistics: Statistics
) -> dict[str, Array]:
    """Gradient of the mean log-likelihood by every parameter, shaped as the parameters are.

    Guarded by tests/distributions/test_gradient.py against finite differences of the oracle, to
    1e-7, and by tests/contract/test_structures.py.
    """
    codes, n = statistics.codes, statistics.n
    maps = input_maps(network, codes)
    # d/dx of the expected complete log-likelihood on each region, times 1 and times z.
    along_z = np.swapaxes(statistics.residual1, 1, 2)
    rows = noise.solve(np.concatenate([statistics.residual0[:, None, :], along_z], axis=1)) / n
    result: dict[str, Array] = {}
    for index in learnable_layers(network):
        layer, inputs, outputs = weighted(network.layers[index])
        back = pulled_back(network, codes, index, rows)[:, :, outputs]  # (R, 1 + S, n_out)
        seen = Maps(maps[index].slopes[:, inputs], maps[index].offsets[:, inputs])
        if isinstance(layer, Dense):
            slopes, offsets = seen
            result[f"{index}.weight"] = np.einsum("rso,ris->oi", back[:, 1:], slopes) + np.einsum(
                "ro,ri->oi", back[:, 0], offsets
            )
            result[f"{index}.bias"] = back[:, 0].sum(axis=0)
        else:
            result[f"{index}.weight"] = by_kernels(layer, back, seen)
            result[f"{index}.bias"] = layer.on_bias(back[:, 0].sum(axis=0))
    result["cov_x"] = by_noise(noise, statistics.scatter / n)
    inverse = np.linalg.inv(cov_z)
    result["cov_z"] = 0.5 * (inverse @ (statistics.e2.sum(axis=0) / n) @ inverse - inverse)
    return result


def by_kernels(layer: Convolution, back: Array, maps: Maps) -> Array:
    """The gradient by the kernels: every window's inputs times the gradient by its outputs.

    back (R, 1 + S, n_out): the gradients by the outputs, times 1 and times z.
    """
    windows = layer.windows  # (G, P, K)
    groups, places, size = windows.shape
    total = np.zeros((groups, len(layer.bias) // groups, size))
    for some in chunks(len(back), _BATCH, windows.size * back.shape[1]):
        slopes, offsets = maps.slopes[some], maps.offsets[some]
        # (r, 1 + S, n_in + 1): the inputs' maps, and a zero that stands for the padding, -1.
        inputs = np.concatenate([offsets[:, None], np.swapaxes(slopes, 1, 2)], axis=1)
        seen = np.pad(inputs, ((0, 0), (0, 0), (0, 1)))[:, :, windows]
        by_window = back[some].reshape(*seen.shape[:2], groups, -1, places)
        for group in range(groups):
            total[group] += np.tensordot(
                by_window[:, :, group], seen[:, :, group], axes=((0, 1, 3), (0, 1, 2))
            )
    return layer.weight_of(total.reshape(-1, size))


def by_noise(noise: Noise, scatter: Array) -> Array:
    """½ (Σx^-1 C Σx^-1 - Σx^-1) for one or more mean scatters C, in the structure of Σx."""
    if noise.cov.ndim == 2:
        inverse = noise.solve(np.eye(noise.dimension))
        return 0.5 * (noise.solve(np.swapaxes(noise.solve(scatter), -1, -2)) - inverse)
    count = noise.dimension if noise.cov.ndim == 0 else 1
    return np.asarray(0.5 * (scatter / noise.cov - count) / noise.cov)
