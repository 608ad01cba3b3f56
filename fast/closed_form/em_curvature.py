"""The curvature of what the M-step maximises, in each parameter by itself.

It is the Fisher information of x and z together, and scales with a parameter as the likelihood's
own curvature does: whatever the units of x and z, changes that are 1 over its root are alike.
"""

from __future__ import annotations

import numpy as np

from fast.closed_form.convolution_update import kernel_system
from fast.closed_form.m_step import residuals, second_moments
from fast.dgn import DGN
from fast.distributions.statistics import Statistics
from fast.partition.layer_maps import Maps, input_maps, output_diagonal, output_rows
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Convolution, Indices, learnable_layers, weighted

# Numbers held at once for the derivatives of x by a layer's outputs.
_BATCH = 1 << 21


def em_curvature(dgn: DGN, statistics: Statistics) -> dict[str, Array]:
    """-∂² E[log p(x, z) | x] / ∂θ² of a datum in the mean, by every weight and bias, and by
    the logarithms of variances; the regions and slopes D_ω are held.

    Full covariances are not in it.
    """
    network, codes, n = dgn.network, statistics.codes, statistics.n
    maps, second = input_maps(network, codes), second_moments(statistics)
    result: dict[str, Array] = {}
    if dgn.cov_x.ndim < 2:
        variances = dgn.cov_x.size
        result["cov_x"] = np.full(dgn.cov_x.shape, 0.5 * network.observed_dimension / variances)
    for index in learnable_layers(network):
        layer, inputs, outputs = weighted(network.layers[index])
        seen = Maps(maps[index].slopes[:, inputs], maps[index].offsets[:, inputs])
        if isinstance(layer, Convolution):
            normal, _ = kernel_system(
                network, codes, index, seen, dgn.noise, second, residuals(statistics)
            )
            diagonal = np.maximum(np.diag(normal), 0.0) / n
            split = layer.rows.size
            result[f"{index}.weight"] = layer.weight_of(diagonal[:split].reshape(layer.rows.shape))
            result[f"{index}.bias"] = diagonal[split:]
            continue
        reach = _precisions(dgn, codes, index, outputs)  # (R, n_out)
        lift = np.concatenate([seen.slopes, seen.offsets[:, :, None]], axis=2)
        squares = np.einsum("ris,rst,rit->ri", lift, second, lift)  # (R, n_in)
        result[f"{index}.weight"] = np.maximum(reach.T @ squares, 0.0) / n
        result[f"{index}.bias"] = reach.T @ statistics.e0 / n
    return result


def _precisions(dgn: DGN, codes: Codes, index: int, outputs: slice | Indices) -> Array:
    """(B D^l)ᵀ Σx^-1 (B D^l) of each output of a layer by itself, (R, n_out)."""
    found = []
    width = dgn.network.observed_dimension * max(dgn.network.sizes[index + 1 :])
    for some in chunks(len(codes), _BATCH, width):
        rows = output_rows(dgn.network, codes[some], index)
        if rows is None:
            break
        white = dgn.noise.whiten(np.swapaxes(rows[:, :, outputs], 1, 2))
        found.append(np.square(white).sum(axis=2))
    if found:
        return np.concatenate(found)
    diagonal = output_diagonal(dgn.network, codes, index)
    if dgn.cov_x.ndim == 2:
        return np.asarray(
            np.square(diagonal) * np.diag(dgn.noise.solve(np.eye(dgn.noise.dimension)))
        )
    return np.asarray(np.square(diagonal) / dgn.cov_x)
