"""One region ω of the latent partition: its code q, its affine maps and its half-spaces
[eq. 1, 2, 8, Corollary 1].

A code of a region holds the sign of every unit's pre-activation on it: +1 or -1, and 0 for a unit
whose pre-activation vanishes on the whole region (it cuts nothing there). For max-pooling it holds
the position of the winner in each window.
"""

from __future__ import annotations

import numpy as np

from reference.model.arrays import Array, Codes
from reference.model.network import Network

# Rounding errs by a few ε times the magnitude of what was summed; below 16 ε of it a number cannot
# be told from zero.
ROUNDING = 16 * np.finfo(np.float64).eps


def layer_derivatives(network: Network, code: Codes) -> list[Array]:
    """The matrix W^l or D^l_ω of every layer on the region with this code [Sec. 2]."""
    parts = network.split_code(code)
    return [layer.derivative(part) for layer, part in zip(network.layers, parts, strict=True)]


def up_to_layer_map(network: Network, code: Codes, layer: int) -> tuple[Array, Array]:
    """A^{1→l}_ω (n, S) and b^{1→l}_ω (n,), the map from z to the output of `layer` [eq. 8].

    A = M^l ... M^1 and b = Σ_i M^l ... M^{i+1} v^i over the layers i <= l, with M^i = W^i or D^i_ω.
    `layer` = -1 is the identity; the last layer gives A_ω and b_ω of [eq. 2].
    """
    matrices = layer_derivatives(network, code)
    latent = network.latent_dimension
    slope, offset = np.eye(latent), np.zeros(latent)
    for i in range(layer + 1):
        slope = matrices[i] @ slope
        offset = matrices[i] @ offset + network.layers[i].offset(network.sizes[i])
    return slope, offset


def up_to_layer_bound(network: Network, code: Codes, layer: int) -> tuple[Array, Array]:
    """Bounds (n, S) and (n,) on the terms summed in A^{1→l}_ω and b^{1→l}_ω.

    Those maps err by a few ε times these bounds.
    """
    latent = network.latent_dimension
    slope, offset = np.eye(latent), np.zeros(latent)
    parts = network.split_code(code)
    for i in range(layer + 1):
        slope, offset = network.layers[i].bound(parts[i], slope, offset)
    return slope, offset


def region_map(network: Network, code: Codes) -> tuple[Array, Array]:
    """A_ω (D, S) and b_ω (D,) of the region with this code [eq. 2]."""
    return up_to_layer_map(network, code, len(network.layers) - 1)


def code_halfspaces(network: Network, code: Codes) -> tuple[Array, Array]:
    """Every half-space of the region with this code [Corollary 1, corrected].

    The region is {z : q ⊙ (A^{1→l} z + b^{1→l}) > 0 for all l}; returns normals q ⊙ A (m, S) and
    offsets q ⊙ b (m,). With max-pooling they are the winner's input minus each candidate's. Zero
    rows bound nothing: units that vanish on the region, and a winner minus itself.
    The paper prints A z < -q ⊙ b, which is wrong where q = +1: see tests/contract/test_errata.py.
    """
    normals, offsets = [np.empty((0, network.latent_dimension))], [np.empty(0)]
    for i, (layer, part) in enumerate(zip(network.layers, network.split_code(code), strict=True)):
        if part.size:
            normal, offset = layer.halfspaces(part, *up_to_layer_map(network, code, i - 1))
            normals.append(normal)
            offsets.append(offset)
    return np.concatenate(normals), np.concatenate(offsets)


def halfspace_bounds(network: Network, code: Codes) -> tuple[Array, Array]:
    """Bounds (m, S), (m,) on the terms summed in each of `code_halfspaces`."""
    normals, offsets = [np.empty((0, network.latent_dimension))], [np.empty(0)]
    for i, (layer, part) in enumerate(zip(network.layers, network.split_code(code), strict=True)):
        if part.size:
            slope, offset = up_to_layer_bound(network, code, i - 1)
            # A half-space is a signed sum of the layer's inputs; its bound is the plain sum.
            inputs = np.eye(network.sizes[i])
            signs, _ = layer.halfspaces(part, inputs, np.zeros(len(inputs)))
            normals.append(np.abs(signs) @ slope)
            offsets.append(np.abs(signs) @ offset)
    return np.concatenate(normals), np.concatenate(offsets)


def code_towards(network: Network, z: Array, direction: Array) -> Codes:
    """The code of the region entered from the point z (S,) along `direction` (S,).

    A cut that is zero at z takes the sign it has just beyond, where it follows the directional
    derivative. So a facet on which several units vanish, of one layer or of several, is crossed by
    all of them at once.
    """
    value, slope = z[None, :], direction[None, :, None]
    # A point of a hyperplane is off it by the rounding of its largest coordinate.
    value_bound = np.full(value.shape, np.max(np.abs(value)))
    slope_bound = np.full(slope.shape, np.max(np.abs(slope)))
    code: list[Codes] = []
    for layer, size in zip(network.layers, network.sizes, strict=False):
        part = np.empty((1, 0), dtype=np.int8)
        if layer.n_codes(size) > 0:
            cut_slope, cut_value = layer.cuts(slope, value)
            slope_size, value_size = layer.cut_bounds(slope_bound, value_bound)
            sign = np.sign(np.where(np.abs(cut_value) > ROUNDING * value_size, cut_value, 0.0))
            moving = np.where(np.abs(cut_slope) > ROUNDING * slope_size, cut_slope, 0.0)[:, :, 0]
            part = layer.code(np.where(sign != 0, sign, np.sign(moving)).astype(np.int8))
            code.append(part[0])
        slope, value = layer.propagate(part, slope, value)
        slope_bound, value_bound = layer.bound(part, slope_bound, value_bound)
    return np.concatenate(code) if code else np.empty(0, dtype=np.int8)
