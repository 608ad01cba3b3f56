"""A model seen without its partition: what does not depend on the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fast.distributions.observation import Coordinates
from fast.distributions.reconstruction import Images
from fast.integration.interval import LOG_2PI
from fast.integration.whitened import dots
from fast.partition.layer_maps import Maps, maps_to
from fast.partition.location import codes_at
from reference.model import Array, Indices, Network


class Rows(NamedTuple):
    """Data with the prior's mean as coordinates of their own: y and S zeros, (N, r + S), and rest
    (N,), the squared length of what of x is orthogonal to y."""

    rows: Array
    rest: Array


class Points(NamedTuple):
    """N data, and for each a place where p(x, z) is large, from which its logarithm is counted: far
    from the manifold it is huge, and only differences tell one place from another."""

    rows: Array  # (N, r + S), as of `Rows`
    rest: Array  # (N,)
    places: Array  # (N, S)
    images: Array  # (N, r + S): of the places
    log_base: Array  # (N,): log p(x, z) there
    guess: Array  # (N,): log p(x) if p(x, z) were a Gaussian around the place

    @property
    def number(self) -> int:
        """N."""
        return len(self.rows)

    def at(self, some: Indices | slice) -> Points:
        """Some of them."""
        return Points(*(field[some] for field in self))


@dataclass(frozen=True, eq=False)
class Setting:
    """A model: p(x, z) is exp(log_constant - (|row - image(z)|² + rest) / 2), the image of z being
    y(g(z)) and z in deviations of the prior."""

    network: Network
    coordinates: Coordinates
    cov_z: Array
    prior_root: Array  # (S, S): Σz^{-1/2}
    log_noise: float  # log p(x | z) where it is largest
    log_prior: float  # log p(z) where it is largest
    negligible: float

    @staticmethod
    def of(network: Network, coordinates: Coordinates, cov_z: Array, negligible: float) -> Setting:
        """Precompute what does not depend on the data."""
        noise, latent = coordinates.noise, len(cov_z)
        root_z = np.linalg.cholesky(cov_z)
        log_det = 2.0 * float(np.sum(np.log(np.diag(root_z))))
        return Setting(
            network=network,
            coordinates=coordinates,
            cov_z=cov_z,
            prior_root=np.linalg.inv(root_z),
            log_noise=-0.5 * (noise.dimension * LOG_2PI + noise.log_det),
            log_prior=-0.5 * (latent * LOG_2PI + log_det),
            negligible=negligible,
        )

    @property
    def images_in_two(self) -> Images:
        """The network up to where it is affine, and on."""
        return Images(self.network, self.coordinates)

    @property
    def latent(self) -> int:
        """S."""
        return len(self.cov_z)

    @property
    def log_constant(self) -> float:
        """log p(x, z) where it is largest."""
        return self.log_noise + self.log_prior

    @property
    def rank(self) -> int:
        """r + S, how many coordinates images have."""
        return self.coordinates.rank + self.latent

    def rows(self, X: Array) -> Rows:
        """Data X (N, D).

        Raises ArithmeticError where a square overflows.
        """
        y, rest = self.coordinates.points(X)
        return Rows(np.concatenate([y, np.zeros((len(X), self.latent))], axis=1), rest)

    def images(self, Z: Array) -> Array:
        """Of latents (n, S), (n, r + S), by a pass through the network."""
        hidden = Z
        for layer in self.network.layers[: self.coordinates.index]:
            hidden = layer.apply(hidden)
        return np.concatenate([self.coordinates.of_inputs(hidden), Z @ self.prior_root.T], axis=1)

    def maps_at(self, places: Array) -> Maps:
        """y(g(z)) on the regions that places (n, S) are in: slopes (n, r, S), offsets (n, r)."""
        codes = codes_at(self.network, places)
        return self.coordinates.of_maps(maps_to(self.network, codes, self.coordinates.index))

    def log_joint(self, rows: Rows, images: Array) -> Array:
        """log p(x, z) of data and images (N, r + S), row by row [eq. 4]."""
        away = rows.rows - images
        return np.asarray(self.log_constant - 0.5 * (dots(away, away) + rows.rest))


def relative(points: Points, images: Array) -> Array:
    """log p(x, z) of data and images (N, r + S), row by row, less that at the data's places."""
    # A difference of squares, (a - b)(a + b), in which a - b does not involve x.
    step = images - points.images
    return 0.5 * dots(step, 2.0 * points.rows - images - points.images)
