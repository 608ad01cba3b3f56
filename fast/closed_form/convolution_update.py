"""The closed-form update of a convolution's kernels and biases [Appendix G].

A kernel entry or bias p reaches x from all windows at once. The map z -> x of a region is linear in
it, with the derivative G_p = ∂(A_ω, b_ω)/∂p. The update is linear least squares in these G_p.
"""

from __future__ import annotations

import numpy as np

from fast.distributions.observation import Noise
from fast.partition.layer_maps import Maps, pulled_back
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Convolution, Network, weighted

# Numbers held at once for the derivatives G_p of a batch of regions.
_BATCH = 1 << 23


def kernel_system(
    network: Network,
    codes: Codes,
    index: int,
    maps: Maps,
    noise: Noise,
    second: Array,
    residual: Array,
) -> tuple[Array, Array]:
    """The normal matrix (P, P) and the gradient (P,) of the surrogate of a convolution.

    Both are by the entries of its kernels, row by row, and then by its biases. index: of the layer.
    maps: from z to its input. second (R, S+1, S+1): Σ_x E[(z, 1)(z, 1)ᵀ 1]. residual (R, D, S+1):
    Σ_x E[(x - g)(z, 1)ᵀ 1].
    """
    layer, _, outputs = weighted(network.layers[index])
    assert isinstance(layer, Convolution)
    dimension, width = network.observed_dimension, second.shape[1]
    kernels, windows = len(layer.bias), layer.windows  # (G, P, K)
    groups, places, size = windows.shape
    unknowns = kernels * (size + 1)
    normal, gradient = np.zeros((unknowns, unknowns)), np.zeros(unknowns)
    white_residual = np.swapaxes(noise.whiten(np.swapaxes(residual, 1, 2)), 1, 2)
    numbers = dimension * max(unknowns * width, network.sizes[index + 1])
    for some in chunks(len(codes), _BATCH, numbers):
        count = len(codes[some])
        eye = np.broadcast_to(np.eye(dimension), (count, dimension, dimension))
        back = pulled_back(network, codes[some], index, eye)[:, :, outputs]  # (r, D, n_out)
        white = noise.whiten(np.swapaxes(back, 1, 2)).reshape(count, groups, -1, places, dimension)
        # The inputs' maps (r, n_in + 1, S + 1). The last is zero: -1, for the padding, finds it.
        inputs = np.concatenate([maps.slopes[some], maps.offsets[some][:, :, None]], axis=2)
        seen = np.pad(inputs, ((0, 0), (0, 1), (0, 0)))[:, windows]
        added = np.zeros((count, unknowns, dimension, width))
        entries = np.einsum("rgcpd,rgpjs->rgcjds", white, seen, optimize=True)
        added[:, : -len(layer.bias)] = entries.reshape(count, -1, dimension, width)
        added[:, -len(layer.bias) :, :, -1] = white.sum(axis=3).reshape(count, kernels, dimension)
        by_moments = added @ second[some, None]
        normal += np.tensordot(by_moments, added, axes=((0, 2, 3), (0, 2, 3)))
        gradient += np.einsum("rpds,rds->p", added, white_residual[some])
    return normal, gradient
