"""The exact gradient of the log-likelihood, by Fisher's identity.

∇ log p(x; θ) = E[∇ log p(x, z; θ) | x]: g is continuous, so moving boundaries contribute nothing.
"""

from __future__ import annotations

import numpy as np

from reference.distributions import noise
from reference.distributions.e_step import Statistics
from reference.model.arrays import Array, Codes
from reference.model.images.kernels import Convolution
from reference.model.network import Network, learnable_layers
from reference.model.residual import weighted
from reference.partition.partition import Partition, layer_derivatives, up_to_layer_map


def back_propagation(network: Network, code: Codes, layer: int) -> Array:
    """B D^l = W^L D^{L-1} ... D^l (D, n_out): the derivative of x by the output of `layer`.

    Not for the last layer, where it is the identity, which is never formed.
    """
    matrices = layer_derivatives(network, code)
    result = matrices[layer + 1]
    for matrix in matrices[layer + 2 :]:
        result = matrix @ result
    return result


def back_propagated(network: Network, code: Codes, layer: int, column: Array) -> Array:
    """(B D^l)ᵀ times a gradient by x, (D,) or (D, k): the gradient by the output of `layer`."""
    if layer == len(network.layers) - 1:
        return column
    own = weighted(network.layers[layer])
    return (back_propagation(network, code, layer).T @ column)[own.outputs]


def residual_times_input(
    network: Network, code: Codes, layer: int, residual0: Array, residual1: Array
) -> Array:
    """Σ_x E[(x - g(z)) hᵀ 1{z in ω} | x] (D, n_in), h = C z + d the input of `layer` on ω."""
    slope, offset = up_to_layer_map(network, code, layer - 1)
    own = weighted(network.layers[layer]).inputs
    return residual1 @ slope[own].T + np.outer(residual0, offset[own])


def gradient(
    network: Network, partition: Partition, cov_x: Array, cov_z: Array, statistics: Statistics
) -> dict[str, Array]:
    """Gradient of the mean log-likelihood by every parameter, shaped as the parameters are.

    Guarded by tests/distributions/test_gradient.py against finite differences of the oracle, to
    1e-7, and by tests/contract/test_structures.py.
    """
    n, dimension = statistics.n, network.observed_dimension
    result = {name: np.zeros_like(value) for name, value in network.parameters().items()}
    for index in learnable_layers(network):
        layer = weighted(network.layers[index]).layer
        for r, code in enumerate(partition.codes):
            residuals = statistics.residual0[r], statistics.residual1[r]
            cross = residual_times_input(network, code, index, *residuals)
            by_weight, by_bias = noise.solve(cov_x, cross), noise.solve(cov_x, residuals[0])
            by_weight = back_propagated(network, code, index, by_weight) / n
            by_bias = back_propagated(network, code, index, by_bias) / n
            if isinstance(layer, Convolution):
                # The layer's matrix and offset hold the kernels and the bias once for every window.
                by_weight, by_bias = layer.on_kernels(by_weight), layer.on_bias(by_bias)
            result[f"{index}.weight"] += by_weight
            result[f"{index}.bias"] += by_bias
    result["cov_x"] = gradient_cov_x(cov_x, statistics.scatter / n, dimension)
    inverse = np.linalg.inv(cov_z)
    result["cov_z"] = 0.5 * (inverse @ (statistics.e2.sum(axis=0) / n) @ inverse - inverse)
    return result


def gradient_cov_x(cov_x: Array, scatter: Array, dimension: int) -> Array:
    """½ (Σx^-1 C Σx^-1 - Σx^-1), C = mean of E[(x - g)(x - g)ᵀ | x], in the structure of Σx."""
    if cov_x.ndim == 2:
        inverse = np.linalg.inv(cov_x)
        return np.asarray(0.5 * (inverse @ scatter @ inverse - inverse))
    count = dimension if cov_x.ndim == 0 else 1
    return np.asarray(0.5 * (scatter / cov_x**2 - count / cov_x))
