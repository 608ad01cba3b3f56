"""The joint distribution p(x, z) as a user gives it: checked, with parameters replaced, drawn from,
and kept in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fast.distributions.observation import Coordinates, Noise
from fast.partition.partition import Partition
from reference.model import (
    Array,
    Network,
    RandomState,
    ReadOnly,
    Shape,
    check_array,
    check_count,
    check_covariance,
    check_covariances,
    check_data,
    check_flag,
    check_mapping,
    check_number,
    check_path,
    check_random_state,
    freeze,
    load_model,
    save_model,
)

#: Latent dimensions in which partitions may be local.
LOCAL_DIMENSIONS = (2, 3)


class JointModel(ReadOnly):
    """z ~ N(0, Σz), x | z ~ N(g(z), Σx) [eq. 4], with what governs how it is computed with.

    The arguments are those of `DGN`, which is this with its exact quantities.
    """

    def __init__(
        self,
        network: Network,
        cov_x: ArrayLike,
        cov_z: ArrayLike | None = None,
        *,
        max_regions: int = 1_000_000,
        negligible: float = 1e-15,
        partition: str = "auto",
        max_memory: float = 4e9,
        progress: bool = False,
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
        self.negligible = check_number(negligible, "negligible", 0.0, 1e-3)
        self.partition_choice = checked_partition(partition, latent)
        _refuse_nothing_left_out(partition, self.negligible)
        self.max_memory = check_number(max_memory, "max_memory", 0.0, np.inf)
        self.progress = check_flag(progress, "progress")
        self._found: Partition | None = None

    def __repr__(self) -> str:
        """The network and the structure of Σx."""
        return f"DGN({self.network!r}, cov_x of shape {self.cov_x.shape})"

    @cached_property
    def noise(self) -> Noise:
        """Σx with its factor, which learning and inference share."""
        return Noise.of(self.cov_x, self.network.observed_dimension)

    @cached_property
    def _coordinates(self) -> Coordinates:
        return Coordinates.of(self.network, self.noise)

    def _data(self, X: ArrayLike) -> Array:
        """Data as rows, (N, D); NaN where an entry is not observed."""
        return self._given(X)[0]

    def _given(self, X: ArrayLike) -> tuple[Array, Shape]:
        """Data as rows, (N, D), and the shape that each of them came in."""
        return check_data(X, "X", self.network.observed_dimension, missing=True)

    def _gaussians(self, n: int, q_mean: ArrayLike, q_cov: ArrayLike) -> tuple[Array, Array]:
        latent = self.network.latent_dimension
        mean = check_array(q_mean, "q_mean", (n, latent))
        cov = check_array(q_cov, "q_cov", (n, latent), (n, latent, latent))
        return mean, check_covariances(cov, "q_cov")

    def parameters(self) -> dict[str, Array]:
        """Every parameter by name.

        Returns
        -------
        dict of str to ndarray
            The network's parameters ("0.weight", "0.bias", ...), "cov_x" and "cov_z"; read-only.
        """
        return {**self.network.parameters(), "cov_x": self.cov_x, "cov_z": self.cov_z}

    def with_parameters(self, values: Mapping[str, ArrayLike]) -> Self:
        """A new model with the named parameters replaced.

        Parameters
        ----------
        values : mapping of str to array_like
            New values under the names of `parameters`, in the same shapes; a covariance may have
            any structure.

        Returns
        -------
        DGN
            The new model. Where only covariances change it shares this model's partition.

        Raises
        ------
        ValueError
            If a name is unknown or a value does not fit.
        """
        check_mapping(values, "values")
        if values.get("cov_z", self.cov_z) is None:
            raise ValueError("cov_z: expected a covariance in place of the model's, got None")
        mine = {name: value for name, value in values.items() if name not in ("cov_x", "cov_z")}
        model = type(self)(
            self.network.with_parameters(mine) if mine else self.network,
            values.get("cov_x", self.cov_x),
            values.get("cov_z", self.cov_z),
            **self._settings(),
        )
        return model if mine else model._sharing(self)

    def _settings(self) -> dict[str, Any]:
        """The other arguments it was made from."""
        return {
            "max_regions": self.max_regions,
            "negligible": self.negligible,
            "partition": self.partition_choice,
            "max_memory": self.max_memory,
            "progress": self.progress,
        }

    def _sharing(self, other: JointModel) -> Self:
        """Return this new model with the partition that `other`, of the same network, has found."""
        self._found = other._found
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a .npz file, bit for bit: network, Σx, Σz and its settings.

        Parameters
        ----------
        path : str or path-like
            The file's name, taken as it is. The file appears whole or not at all: it is renamed
            once it is written.

        Raises
        ------
        ValueError
            If path is none, or a layer is of a class that this package does not define.

        Notes
        -----
        The partition is not kept: it is found again when it is asked for. `Network.load` reads the
        network of such a file. Guarded by tests/distributions/test_saved_models.py.
        """
        covariances = {"cov_x": self.cov_x, "cov_z": self.cov_z}
        arguments = {**covariances, **self._settings()}
        save_model(check_path(path, "path"), self.network.layers, arguments)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model written by `save`.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        DGN
            The model, bit for bit as it was saved.

        Raises
        ------
        ValueError
            If the file holds no model, or a later version wrote it. A file of `Network.save` holds
            a network alone: read it with `Network.load`, and pass cov_x to DGN.
        """
        layers, arguments = load_model(path)
        return cls(Network(layers), **arguments)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Independent draws from p(x) [eq. 4].

        Parameters
        ----------
        size : int, default 1
            How many.
        random_state : None, int or numpy.random.Generator, optional
            A seed, or where random numbers come from.

        Returns
        -------
        ndarray, shape (size, D)
            Data units; where the network's output is an image, (size, channels, height, width).
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        latent = rng.standard_normal((size, self.network.latent_dimension))
        noise = rng.standard_normal((size, self.network.observed_dimension))
        images = self.network(latent @ np.linalg.cholesky(self.cov_z).T)
        draws = images + self.noise.unwhiten(noise)
        return draws.reshape(size, *self.network.shapes[-1])


def checked_partition(partition: str, latent: int) -> str:
    """Which regions are to be found. Raises ValueError."""
    if not isinstance(partition, str) or partition not in ("auto", "full", "local"):
        raise ValueError(f"partition: expected 'auto', 'full' or 'local', got {partition!r}")
    if partition == "local" and latent not in LOCAL_DIMENSIONS:
        raise ValueError(
            f"partition: expected 'auto' or 'full' for {latent} latent dimensions; 'local' is for "
            "two and three"
        )
    return partition


def _refuse_nothing_left_out(partition: str, negligible: float) -> None:
    """Raise ValueError where a local partition could leave out nothing."""
    if partition == "local" and not negligible:
        raise ValueError(
            "negligible: expected more than 0 with partition='local', which leaves out what is "
            "proven not to matter"
        )
