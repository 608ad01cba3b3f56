"""log p(x, z) on regions in integers, where x is so far away that doubles do not hold it.

On a region -2 log p(x, z) is a quadratic function of z up to a constant. Its coefficients are sums
and products of doubles, and so are dyadic numbers, but for the inverses of Σx and Σz: those are
taken to as many bits as the distance of x asks for, and the same for all regions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.distributions.integers import minus, plus, rounded, solved, times
from fast.distributions.observation import Noise
from fast.partition.partition import Partition
from reference.model import Array, Dyadic, ExactNetwork, Indices, dyadic

# Bits beyond those of the squared distance.
_MORE_BITS = 160
# A unit's boundary and a facet that differ by more than this share are not the same.
_SAME = 1e-6


class ExactMap(NamedTuple):
    """A region's map in integers: what does not depend on the data."""

    joint: Dyadic  # (D, S + 1): A and b, side by side
    solved: Dyadic  # (D, S + 1): Σx^-1 times the same
    gram: Dyadic  # (S + 1, S + 1): both multiplied, and Σz^-1 added


class Quadratic(NamedTuple):
    """-2 log p(x, z) = constant - 2 linear · (z, 1) + (z, 1)ᵀ gram (z, 1), up to what does not
    depend on z, x or the region."""

    constant: Dyadic  # (): xᵀ Σx^-1 x
    linear: Dyadic  # (S + 1,)
    gram: Dyadic  # (S + 1, S + 1)

    def at(self, place: Dyadic) -> Dyadic:
        """The value at one z (S,)."""
        point = _with_one(place)
        inner = minus(
            times(self.gram, point), Dyadic(2 * self.linear.numbers, self.linear.exponent)
        )
        return plus(self.constant, times(point, inner))

    def rise(self, place: Dyadic) -> Dyadic:
        """The gradient of log p(x, z) at one z, (S,)."""
        pull = minus(self.linear, times(self.gram, _with_one(place)))
        return Dyadic(pull.numbers[:-1], pull.exponent)


class ExactJoint:
    """log p(x, z) of one model in integers, region by region, as they are asked for."""

    def __init__(self, partition: Partition, noise: Noise, cov_z: Array) -> None:
        assert partition.network is not None  # as S > 1
        self._exact, self._codes = ExactNetwork(partition.network), partition.codes
        self._noise = noise
        self._prior = Noise.of(cov_z, len(cov_z))
        self._maps: dict[tuple[int, int], ExactMap] = {}

    def quadratics(self, x: Array, size: float, regions: Indices) -> list[Quadratic]:
        """log p(x, z) of one datum x (D,), size standard deviations away, on some regions."""
        bits, datum = _bits(size), dyadic(x)
        pulled = solved(self._noise, Dyadic(datum.numbers[:, None], datum.exponent), bits)
        pulled = Dyadic(pulled.numbers[:, 0], pulled.exponent)
        constant, result = times(datum, pulled), []
        for region in regions.tolist():
            known = self._map(region, bits)
            transposed = Dyadic(known.joint.numbers.T, known.joint.exponent)
            result.append(Quadratic(constant, times(transposed, pulled), known.gram))
        return result

    def square(self, x: Array, size: float, place: Array) -> Dyadic:
        """-2 log p(x, z) at one z (S,) as `Quadratic.at`, from the network itself: beside a kink
        it does not matter which region z is said to be in."""
        bits, z = _bits(size), dyadic(place)
        layers = len(self._exact.network.layers)
        image = self._exact.inputs(_with_one(z).numbers[None], layers)
        residual = minus(dyadic(x), Dyadic(image.numbers[0], image.exponent + z.exponent))
        parts = []
        for noise, vector in ((self._noise, residual), (self._prior, z)):
            column = Dyadic(vector.numbers[:, None], vector.exponent)
            found = times(Dyadic(column.numbers.T, column.exponent), solved(noise, column, bits))
            parts.append(Dyadic(found.numbers[0, 0], found.exponent))
        return plus(*parts)

    def _map(self, region: int, bits: int) -> ExactMap:
        key = region, bits
        if key not in self._maps:
            layers = len(self._exact.network.layers)
            joint = self._exact.maps(self._codes[region], layers)
            columns = solved(self._noise, joint, bits)
            gram = times(Dyadic(joint.numbers.T, joint.exponent), columns)
            latent = self._prior.dimension
            identity = np.zeros((latent, latent), dtype=object)
            identity[range(latent), range(latent)] = 1
            inverse = solved(self._prior, Dyadic(identity, 0), bits)
            prior = np.zeros((latent + 1, latent + 1), dtype=object)
            prior[:-1, :-1] = inverse.numbers
            gram = plus(gram, Dyadic(prior, inverse.exponent))
            self._maps[key] = ExactMap(joint, columns, gram)
        return self._maps[key]

    def facets(self, region: int, normals: Array, offsets: Array) -> Dyadic:
        """The functions (F, S + 1) whose zeros are these facets of a region, before rounding.

        normals (F, S), offsets (F,) in doubles, to any positive scale; the result is in the scale
        of the unit that bends there. What is no unit's boundary is taken as it is given.
        """
        found = dyadic(np.column_stack([normals, offsets]))
        cuts = self._boundaries(region)
        rows, given = rounded(cuts), np.column_stack([normals, offsets])
        lengths = np.linalg.norm(rows[:, :-1], axis=1)
        rows = rows / np.where(lengths > 0, lengths, 1.0)[:, None]
        sizes = np.linalg.norm(normals, axis=1)
        given = given / np.where(sizes > 0, sizes, 1.0)[:, None]
        numbers, exponent = found.numbers * (1 << cuts.exponent), found.exponent + cuts.exponent
        for i in np.flatnonzero(sizes > 0):
            apart = np.linalg.norm(rows - given[i], axis=1) if len(rows) else np.array([np.inf])
            best = int(np.argmin(apart))
            if apart[best] <= _SAME * np.linalg.norm(given[i]):
                numbers[i] = cuts.numbers[best] * (1 << found.exponent)
        return Dyadic(numbers, exponent)

    def _boundaries(self, region: int) -> Dyadic:
        """The affine functions of all choices on a region, positive there, (n, S + 1)."""
        layers = list(self._exact.halfspaces(self._codes[region]))
        exponent = max(part.exponent for part in layers)
        both = [part.numbers * (1 << exponent - part.exponent) for part in layers]
        return Dyadic(np.concatenate(both), exponent)


def _bits(size: float) -> int:
    """How many for data so many standard deviations away: few different numbers, so that regions
    are used again."""
    return 64 * (1 + (_MORE_BITS + 2 * max(0, int(np.frexp(size)[1]))) // 64)


def _with_one(place: Dyadic) -> Dyadic:
    return Dyadic(
        np.append(place.numbers, np.array([1 << place.exponent], dtype=object)), place.exponent
    )
