"""The latent partition Ω: region codes, half-spaces and affine maps, found by walking over facets
[eq. 1, 2, 8, Lemma 3, Corollary 1, Appendix A].

A code q of a region holds the sign of every unit's pre-activation on it: +1 or -1, and 0 for a unit
whose pre-activation vanishes on the whole region (it cuts nothing there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.network import Array, Codes, Network, check_array, check_count

# Rounding errs by a few ε times the magnitude of what was summed; below 16 ε of it a number cannot
# be told from zero.
ROUNDING = 16 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Partition:
    """The regions of a network, from left to right for S = 1 [Lemma 3].

    codes (R, U), slopes (R, D, S) = A_ω, offsets (R, D) = b_ω [eq. 2]; breakpoints (R-1,): the ends
    of the intervals, latent units. Guarded by tests/test_partition.py and `python -m oracle`.
    """

    codes: Codes
    slopes: Array
    offsets: Array
    breakpoints: Array

    @property
    def n_regions(self) -> int:
        """R = Card(Ω)."""
        return len(self.codes)

    def halfspaces(self, region: int) -> tuple[Array, Array]:
        """The facets of a region [Corollary 1]: normals (F, S), offsets (F,), the region being
        {z : normals z + offsets > 0}; none redundant."""
        if check_count(region, "region", 0) >= self.n_regions:
            raise ValueError(f"region: expected an index below {self.n_regions}, got {region}")
        normals, offsets = [], []
        if region > 0:
            normals.append([1.0])
            offsets.append(-self.breakpoints[region - 1])
        if region < self.n_regions - 1:
            normals.append([-1.0])
            offsets.append(self.breakpoints[region])
        return np.reshape(normals, (-1, 1)), np.array(offsets, dtype=np.float64)

    def locate(self, Z: ArrayLike) -> NDArray[np.intp]:
        """Index of the region of each point: Z (M, S) -> (M,); a breakpoint goes to its right."""
        points = check_array(Z, "Z", (None, self.slopes.shape[2]))
        return np.array([np.sum(self.breakpoints <= z[0]) for z in points], dtype=np.intp)


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


def region_map(network: Network, code: Codes) -> tuple[Array, Array]:
    """A_ω (D, S) and b_ω (D,) of the region with this code [eq. 2]."""
    return up_to_layer_map(network, code, len(network.layers) - 1)


def code_halfspaces(network: Network, code: Codes) -> tuple[Array, Array]:
    """Every half-space of the region with this code [Corollary 1, corrected].

    The region is {z : q ⊙ (A^{1→l} z + b^{1→l}) > 0 for all l}; returns normals q ⊙ A (U, S) and
    offsets q ⊙ b (U,). Units that vanish on the region (code 0) have zero rows and bound nothing.
    The paper prints A z < -q ⊙ b, which is wrong where q = +1: see tests/test_errata.py.
    """
    normals, offsets = [], []
    for i, (layer, part) in enumerate(zip(network.layers, network.split_code(code), strict=True)):
        if part.size:
            cut_slope, cut_offset = layer.cuts(*up_to_layer_map(network, code, i - 1))
            normals.append(part[:, None] * cut_slope)
            offsets.append(part * cut_offset)
    if not normals:
        return np.empty((0, network.latent_dimension)), np.empty(0)
    return np.concatenate(normals), np.concatenate(offsets)


def code_towards(network: Network, z: Array, direction: Array) -> Codes:
    """The code of the region entered from the point z (S,) along `direction` (S,).

    A unit that is zero at z takes the sign it has just beyond, where its pre-activation follows the
    directional derivative. So a facet on which several units vanish, of one layer or of several, is
    crossed by all of them at once.
    """
    value, slope = z[None, :], direction[None, :, None]
    value_bound, slope_bound = np.abs(value), np.abs(slope)
    code: list[Codes] = []
    for layer, size in zip(network.layers, network.sizes, strict=False):
        part = np.empty((1, 0), dtype=np.int8)
        if layer.n_codes(size) > 0:
            cut_slope, cut_value = layer.cuts(slope, value)
            sign = np.sign(np.where(np.abs(cut_value) > ROUNDING * value_bound, cut_value, 0.0))
            moving = np.where(np.abs(cut_slope) > ROUNDING * slope_bound, cut_slope, 0.0)[:, :, 0]
            part = np.where(sign != 0, sign, np.sign(moving)).astype(np.int8)
            code.append(part[0])
        slope, value = layer.propagate(part, slope, value)
        slope_bound, value_bound = layer.bound(slope_bound, value_bound)
    return np.concatenate(code) if code else np.empty(0, dtype=np.int8)


def walk(network: Network, start: float, direction: float, max_regions: int) -> list[float]:
    """The breakpoints met from `start` along the line, in order [Appendix A, for S = 1].

    From each region its nearest half-space ahead is the facet; beyond it the code comes from the
    network itself, not from flipping one sign. Raises ValueError past `max_regions`.
    """
    z, found = start, list[float]()
    while True:
        code = code_towards(network, np.array([z]), np.array([direction]))
        step = _distance_to_facet(network, code, z, direction)
        if not np.isfinite(step):
            return found
        z = z + direction * step
        found.append(z)
        if len(found) >= max_regions:
            raise ValueError(
                f"max_regions: the network has more than {max_regions} regions; "
                "pass a larger max_regions to DGN"
            )


def _distance_to_facet(network: Network, code: Codes, z: float, direction: float) -> float:
    """How far ahead of z the region with this code ends; infinity if it does not."""
    normals, offsets = code_halfspaces(network, code)
    nearest = np.inf
    for normal, offset in zip(normals[:, 0], offsets, strict=True):
        # Positive inside the region; it falls along the direction where the facet lies ahead. A
        # unit that is already zero at z, within rounding, was crossed on the way in.
        fall = -normal * direction
        height = normal * z + offset
        if fall > 0 and height > ROUNDING * (abs(normal * z) + abs(offset)):
            nearest = min(nearest, height / fall)
    return nearest


def partition(network: Network, max_regions: int) -> Partition:
    """Enumerate every region by walking over facets from z = 0 [Lemma 3, Appendix A].

    Raises ValueError when there are more than `max_regions`, NotImplementedError for S > 1.
    """
    if network.latent_dimension != 1:
        raise NotImplementedError(
            f"partition: latent dimension 1 only so far, the network has {network.latent_dimension}"
        )
    right = walk(network, 0.0, 1.0, max_regions)
    left = walk(network, 0.0, -1.0, max_regions)
    middle = [0.0] if _is_facet(network, 0.0) else []
    breakpoints = np.array([*reversed(left), *middle, *right])
    if len(breakpoints) + 1 > max_regions:
        raise ValueError(
            f"max_regions: the network has more than {max_regions} regions; "
            "pass a larger max_regions to DGN"
        )
    codes = [code_towards(network, np.array([z]), np.ones(1)) for z in breakpoints]
    far_left = breakpoints[0] if breakpoints.size else 0.0
    codes.insert(0, code_towards(network, np.array([far_left]), -np.ones(1)))
    maps = [region_map(network, code) for code in codes]
    return Partition(
        np.array(codes, dtype=np.int8).reshape(len(codes), -1),
        np.array([slope for slope, _ in maps]),
        np.array([offset for _, offset in maps]),
        breakpoints,
    )


def _is_facet(network: Network, z: float) -> bool:
    """Whether the code changes at the point z."""
    point, ahead = np.array([z]), np.ones(1)
    return not np.array_equal(
        code_towards(network, point, ahead), code_towards(network, point, -ahead)
    )
