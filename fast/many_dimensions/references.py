"""log p(x, z) less its value at one point of each datum's posterior, for S >= 2.

Far from the manifold both are huge, and only the difference counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.distributions.integers import minus, rounded
from fast.integration.whitened import dots
from fast.many_dimensions.geometry import Points, PolyhedralGeometry
from reference.model import Array, Dyadic, Indices, Mask, dyadic

_EPS = float(np.finfo(np.float64).eps)


class Doubts(NamedTuple):
    """What rounding may do, for N data."""

    place: Array  # (N,): to the place where p(x, z) is largest, in standard deviations
    difference: Array  # (N,): to differences of log p(x, z) between given places, nats


@dataclass(frozen=True, eq=False)
class References:
    """One point of N data each, where p(x, z) is large."""

    region: Indices  # (N,)
    place: Array  # (N, S)
    square: NDArray[
        np.object_
    ]  # (N,): -2 log p(x, place) as a Dyadic, for far data; None for others

    @property
    def far(self) -> Mask:
        """Which data are far, (N,)."""
        return np.array([square is not None for square in self.square], dtype=bool)

    @staticmethod
    def joined(parts: list[References]) -> References:
        """Chunks of data, one after another."""
        return References(
            np.concatenate([part.region for part in parts]),
            np.concatenate([part.place for part in parts]),
            np.concatenate([part.square for part in parts]),
        )

    def doubts(self, geometry: PolyhedralGeometry, points: Points) -> Doubts:
        """What rounding may do in doubles: ε times the size of the terms."""
        residual = geometry.residual(points.y, self.region, self.place)
        white = np.linalg.norm(self.place @ geometry.prior_root.T, axis=1)
        slopes = np.linalg.norm(geometry.slopes[self.region], axis=(1, 2))
        size = np.linalg.norm(points.y, axis=1) + np.sqrt(points.rest) + white
        size += np.linalg.norm(geometry.offsets[self.region], axis=1)
        size += slopes * np.linalg.norm(self.place, axis=1)
        distance = 1.0 + np.linalg.norm(residual, axis=1) + white
        return Doubts(_EPS * size, _EPS * distance * size)

    def relative(
        self, geometry: PolyhedralGeometry, points: Points, at: tuple[Indices, Indices, Array]
    ) -> Array:
        """log p(x, z) less that of the datum's reference, for datum (P,), region (P,), z (P, S)."""
        datum, region, places = at
        result = self.in_doubles(geometry, points, at)
        mine = np.flatnonzero(self.far[datum])
        quadratics = geometry.quadratics(points, datum[mine], region[mine])
        for i, quadratic in zip(mine, quadratics, strict=True):
            square: Dyadic = self.square[datum[i]]
            result[i] = -0.5 * float(rounded(minus(quadratic.at(dyadic(places[i])), square)))
        return result

    def in_doubles(
        self, geometry: PolyhedralGeometry, points: Points, at: tuple[Indices, Indices, Array]
    ) -> Array:
        """The same as differences of squares, (a - b)(a + b), in which a - b does not involve x."""
        datum, region, places = at
        image = geometry.images(region, places)
        base = geometry.images(self.region, self.place)[datum]
        relative = dots(base - image, 2 * points.y[datum] - image - base)
        white, start = places @ geometry.prior_root.T, self.place[datum] @ geometry.prior_root.T
        return np.asarray(-0.5 * (relative + dots(white - start, white + start)))
