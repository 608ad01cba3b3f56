"""One region ω of the latent partition: its code q, its affine maps and its half-spaces
[eq. 1, 2, 8, Corollary 1].

A code of a region holds the sign of every unit's pre-activation on it: +1 or -1, and 0 for a unit
whose pre-activation vanishes on the whole region (it cuts nothing there). For max-pooling it holds
the position of the winner in each window. Codes and half-spaces are exact: weights are doubles,
which are integers over a power of two, and so is all that is compared here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from reference.model.arrays import Array, Codes
from reference.model.errors import PartitionError
from reference.model.exact import ExactNetwork, Integers
from reference.model.network import Network
from reference.polyhedra.integer_vectors import Vector, primitive

# Doubles are below 2^1024; a factor of two is left for rounding.
_MOST = 1023


def layer_derivatives(network: Network, code: Codes) -> list[Array]:
    """The matrix W^l or D^l_ω of every layer on the region with this code [Sec. 2]."""
    parts = network.split_code(code)
    return [layer.derivative(part) for layer, part in zip(network.layers, parts, strict=True)]


def up_to_layer_map(network: Network, code: Codes, layer: int) -> tuple[Array, Array]:
    """A^{1→l}_ω (n, S) and b^{1→l}_ω (n,), the map from z to the output of `layer` [eq. 8].

    A = M^l ... M^1 and b = Σ_i M^l ... M^{i+1} v^i over the layers i <= l, with M^i = W^i or D^i_ω.
    `layer` = -1 is the identity; the last layer gives A_ω and b_ω of [eq. 2].
    """
    matrices, parts = layer_derivatives(network, code), network.split_code(code)
    latent = network.latent_dimension
    slope, offset = np.eye(latent), np.zeros(latent)
    for i in range(layer + 1):
        slope = matrices[i] @ slope
        offset = matrices[i] @ offset + network.layers[i].offset(parts[i], network.sizes[i])
    return slope, offset


def region_map(network: Network, code: Codes) -> tuple[Array, Array]:
    """A_ω (D, S) and b_ω (D,) of the region with this code [eq. 2]."""
    return up_to_layer_map(network, code, len(network.layers) - 1)


class HalfSpaces(NamedTuple):
    """The half-spaces of a region in integers: numbers[j] / 2^exponents[j] is the row (n, b).

    Attributes
    ----------
    numbers : ndarray of int, shape (m, S + 1)
        Normals, and offsets last.
    exponents : list of int
        One for each row, not negative.
    """

    numbers: Integers
    exponents: list[int]

    def rows(self) -> list[Vector]:
        """The rows without their scale, which no geometry needs."""
        return [primitive(row) for row in self.numbers.tolist()]

    def rounded(self, numbers: list[int]) -> tuple[Array, Array]:
        """Normals (k, S) and offsets (k,) of the rows with these numbers, rounded once.

        Raises PartitionError where a normal is too short to have a double's digits.
        """
        found = np.empty((len(numbers), self.numbers.shape[1]))
        for i, j in enumerate(numbers):
            row, scale = self.numbers[j].tolist(), 1 << self.exponents[j]
            found[i] = [entry / scale for entry in row]
            if np.max(np.abs(found[i, :-1])) < np.finfo(np.float64).tiny and any(
                Fraction(value) * scale != entry
                for value, entry in zip(found[i, :-1].tolist(), row, strict=False)
            ):
                raise PartitionError(OUT_OF_RANGE)
        return found[:, :-1], found[:, -1]


#: What is said of a network whose values are no doubles.
OUT_OF_RANGE = "partition: the values of the network's units leave the range of double precision"


def exact_halfspaces(exact: ExactNetwork, code: Codes) -> HalfSpaces:
    """Every half-space of the region with this code, in integers [Corollary 1, corrected].

    Those of `code_halfspaces`, but for rows that are 0. Raises PartitionError where their numbers
    are too large for doubles.
    """
    numbers = [np.empty((0, exact.network.latent_dimension + 1), dtype=object)]
    exponents: list[int] = []
    for joint, exponent in exact.halfspaces(code):
        if np.any(np.abs(joint) >= 1 << (exponent + _MOST)):
            raise PartitionError(OUT_OF_RANGE)
        joint = joint[np.any(joint != 0, axis=1)]
        numbers.append(joint)
        exponents += [exponent] * len(joint)
    return HalfSpaces(np.concatenate(numbers), exponents)


def code_halfspaces(network: Network, code: Codes) -> tuple[Array, Array]:
    """Every half-space of the region with this code [Corollary 1, corrected].

    The region is {z : q ⊙ (A^{1→l} z + b^{1→l}) > 0 for all l}; returns normals q ⊙ A (m, S) and
    offsets q ⊙ b (m,), rounded once. With max-pooling they are the winner's input minus each
    candidate's. Left out are rows of zeros, which bound nothing: units that vanish on the region,
    and a winner minus itself. The paper prints A z < -q ⊙ b, which is wrong where q = +1: see
    tests/contract/test_errata.py.
    """
    half = exact_halfspaces(ExactNetwork(network), code)
    return half.rounded(list(range(len(half.exponents))))
