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


class Base(NamedTuple):
    """A point of each of N data from which log p(x, z) is counted."""

    image: Array  # (N, r): y(g(z)) there
    white: Array  # (N, S): z in deviations of the prior

    @staticmethod
    def of(geometry: PolyhedralGeometry, region: Indices, place: Array) -> Base:
        """The points place (N, S) of regions (N,)."""
        return Base(geometry.images(region, place), place @ geometry.prior_root.T)

    def relative(
        self, geometry: PolyhedralGeometry, points: Points, at: tuple[Indices, Indices, Array]
    ) -> Array:
        """log p(x, z) less that at the datum's point, for datum (P,), region (P,), z (P, S)."""
        datum, region, places = at
        image, white = geometry.images(region, places), places @ geometry.prior_root.T
        return self.less(points.y[datum], datum, image, white)

    def less(self, y: Array, datum: Indices, image: Array, white: Array) -> Array:
        """The same for pairs of a datum, y (P, r), and a z whose image and deviations are known.

        As differences of squares, (a - b)(a + b), in which a - b does not involve x.
        """
        base, start = self.image[datum], self.white[datum]
        by_image = dots(base - image, 2 * y - image - base)
        return np.asarray(-0.5 * (by_image + dots(white - start, white + start)))


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
        """The same in doubles."""
        return Base.of(geometry, self.region, self.place).relative(geometry, points, at)
