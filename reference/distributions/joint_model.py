"""The joint distribution p(x, z) as a user gives it: checked, drawn from, parameters replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions import noise
from reference.model.arrays import Array, RandomState, ReadOnly, freeze
from reference.model.images.data import check_data
from reference.model.layer_protocol import Shape
from reference.model.network import Network
from reference.model.validation import (
    check_array,
    check_count,
    check_covariance,
    check_covariances,
    check_mapping,
    check_random_state,
)


class JointModel(ReadOnly):
    """z ~ N(0, Σz), x | z ~ N(g(z), Σx) [eq. 4].

    The arguments are those of `DGN`, which is this with its exact quantities.
    """

    def __init__(
        self,
        network: Network,
        cov_x: ArrayLike,
        cov_z: ArrayLike | None = None,
        *,
        max_regions: int = 1_000_000,
    ) -> None:
        if not isinstance(network, Network):
            raise ValueError(f"network: expected a reference.Network, got {network!r}")
        self.network = network
        self.cov_x: Array = check_covariance(cov_x, "cov_x", network.observed_dimension)
        latent = network.latent_dimension
        given = check_covariance(1.0 if cov_z is None else cov_z, "cov_z", latent)
        self.cov_z: Array = given if given.ndim == 2 else given * np.eye(latent)
        freeze(self.cov_x, self.cov_z)
        self.max_regions = check_count(max_regions, "max_regions", 1)

    def __repr__(self) -> str:
        return f"DGN({self.network!r}, cov_x of shape {self.cov_x.shape})"

    def _data(self, X: ArrayLike) -> Array:
        """Data as rows, (N, D); NaN where an entry is not observed."""
        return self._given(X)[0]

    def _given(self, X: ArrayLike) -> tuple[Array, Shape]:
        """The same, and the shape that each of them came in."""
        return check_data(X, "X", self.network.observed_dimension, missing=True)

    def _gaussians(self, n: int, q_mean: ArrayLike, q_cov: ArrayLike) -> tuple[Array, Array]:
        latent = self.network.latent_dimension
        means = check_array(q_mean, "q_mean", (n, latent))
        covs = check_array(q_cov, "q_cov", (n, latent), (n, latent, latent))
        return means, check_covariances(covs, "q_cov")

    def parameters(self) -> dict[str, Array]:
        """Return every parameter by name.

        Returns
        -------
        dict of str to ndarray
            The network's parameters, "cov_x" and "cov_z".
        """
        return {**self.network.parameters(), "cov_x": self.cov_x, "cov_z": self.cov_z}

    def with_parameters(self, values: Mapping[str, ArrayLike]) -> Self:
        """Return a model with the named parameters replaced and the others kept.

        Parameters
        ----------
        values : mapping of str to array_like
            New values, by the names that `parameters` has.

        Returns
        -------
        DGN
            The new model.

        Raises
        ------
        ValueError
            On an unknown name, and on a value that does not fit.
        """
        check_mapping(values, "values")
        if values.get("cov_z", self.cov_z) is None:
            raise ValueError("cov_z: expected a covariance in place of the model's, got None")
        covs = [values.get(name, getattr(self, name)) for name in ("cov_x", "cov_z")]
        mine = {name: value for name, value in values.items() if name not in ("cov_x", "cov_z")}
        network = self.network.with_parameters(mine)
        return type(self)(network, *covs, max_regions=self.max_regions)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Draw independently from p(x) [eq. 4].

        Parameters
        ----------
        size : int, default 1
            How many draws.
        random_state : int, Generator or None
            The same seed gives the same draws.

        Returns
        -------
        ndarray, shape (size, D)
            The draws, each in the shape of the network's output.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        latent = rng.standard_normal((size, self.network.latent_dimension))
        standard = rng.standard_normal((size, self.network.observed_dimension))
        images = self.network(latent @ np.linalg.cholesky(self.cov_z).T)
        draws = images + noise.draw(self.cov_x, standard)
        return draws.reshape(size, *self.network.shapes[-1])
