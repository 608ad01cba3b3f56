"""The model a user holds: a network with its two covariances, and every exact quantity of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from fast.distributions.gradient import gradient
from fast.distributions.observation import Noise
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.distributions.zero_noise import zero_noise_latent
from fast.integration.truncated import MOST_DIMENSIONS
from fast.many_dimensions.model import ManyDimensions
from fast.one_dimension.model import OneDimension
from fast.partition import partition as partitioning
from fast.partition.cut_space import Progress
from fast.partition.partition import Partition
from reference.model import (
    Array,
    Network,
    RandomState,
    ReadOnly,
    check_array,
    check_count,
    check_covariance,
    check_covariances,
    check_mapping,
    check_number,
    check_points,
    check_random_state,
    freeze,
)


class DGN(ReadOnly):
    """A deep generative network z ~ N(0, Σz), x | z ~ N(g(z), Σx) [eq. 4], exactly.

    network: g. cov_x: Σx as (D, D), (D,) variances, or one scalar variance; its structure is kept,
    and no D x D matrix is formed unless it is full. cov_z: Σz, (S, S), (S,) or scalar; the identity
    by default. max_regions: the largest partition that may be enumerated. negligible, in [0, 1e-3]:
    for S >= 2, at most this share s of p(x) may be left out, where a bound says that regions cannot
    matter (it changes an entropy by up to s log 1/s); 0: nothing is. Raises ValueError on bad
    input; probabilities exist for S <= 6. Immutable: learning makes new models.
    """

    def __init__(
        self,
        network: Network,
        cov_x: ArrayLike,
        cov_z: ArrayLike | None = None,
        *,
        max_regions: int = 1_000_000,
        negligible: float = 1e-15,
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
        self._found: Partition | None = None

    def __repr__(self) -> str:
        return f"DGN({self.network!r}, cov_x of shape {self.cov_x.shape})"

    @property
    def _partition(self) -> Partition:
        return self.partition()

    @cached_property
    def _model(self) -> OneDimension | ManyDimensions:
        latent = self.network.latent_dimension
        if latent > MOST_DIMENSIONS:
            raise ValueError(
                f"network: integration for at most {MOST_DIMENSIONS} latent dimensions, it has "
                f"{latent}"
            )
        noise = Noise.of(self.cov_x, self.network.observed_dimension)
        if latent == 1:
            return OneDimension(self.network, self._partition, noise, self.cov_z)
        return ManyDimensions(self.network, self._partition, noise, self.cov_z, self.negligible)

    def _data(self, X: ArrayLike) -> Array:
        return check_points(X, "X", self.network.observed_dimension)

    def parameters(self) -> dict[str, Array]:
        """Every parameter by name: the network's, cov_x and cov_z."""
        return {**self.network.parameters(), "cov_x": self.cov_x, "cov_z": self.cov_z}

    def with_parameters(self, values: Mapping[str, ArrayLike]) -> DGN:
        """A model with the named parameters replaced. Raises ValueError on an unknown name."""
        check_mapping(values, "values")
        if values.get("cov_z", self.cov_z) is None:
            raise ValueError("cov_z: expected a covariance in place of the model's, got None")
        mine = {name: value for name, value in values.items() if name not in ("cov_x", "cov_z")}
        model = DGN(
            self.network.with_parameters(mine) if mine else self.network,
            values.get("cov_x", self.cov_x),
            values.get("cov_z", self.cov_z),
            max_regions=self.max_regions,
            negligible=self.negligible,
        )
        if not mine:  # covariances leave the regions alone
            model._found = self._found
        return model

    def partition(self, callback: Progress | None = None) -> Partition:
        """The latent partition Ω with A_ω, b_ω [Lemma 3, Corollary 1, eq. 2], any S; found once.

        callback: for S > 1, called after every unit's cut with the units done, the units in all and
        the regions so far, from the first unit again should rounding force another attempt; an
        exception it raises ends the enumeration. Raises ValueError when
        there are more than max_regions, PartitionError when rounding cannot tell regions apart.
        """
        if callback is not None and not callable(callback):
            raise ValueError(f"callback: expected a function, got {callback!r}")
        if self._found is None:
            self._found = partitioning.partition(self.network, self.max_regions, callback)
        return self._found

    def logpdf(self, X: ArrayLike) -> Array:
        """log p(x) [eq. 5], X (N, D) -> (N,), nats.

        Relative accuracy in max(1, |log p|): 1e-12 for S = 1, 1e-10 for S = 2, 1e-8 for S = 3; for
        S = 4 to 6 see `posterior(X).error`.
        """
        data = self._data(X)
        return self._model.logpdf(data)

    def posterior(self, X: ArrayLike) -> Posterior:
        """p(z | x) for each row of X (N, D) [eq. 6, Proposition 2]. Memory O(N R)."""
        data = self._data(X)
        return self._model.posterior(data)

    def zero_noise_latent(self, X: ArrayLike) -> Array:
        """Where p(z | x) concentrates as Σx -> 0 in proportion, (N, S) [Lemma 2, Proposition 3,
        corrected]: the minimiser of (x - g(z))ᵀ Σx^-1 (x - g(z)), and of zᵀ Σz^-1 z among several.
        """
        data, noise = self._data(X), Noise.of(self.cov_x, self.network.observed_dimension)
        return zero_noise_latent(self.network, self._partition, noise, self.cov_z, data)

    def mean(self) -> Array:
        """E[x] of the marginal p(x), (D,)."""
        mass, centre, _ = self._model.prior_on_regions()
        return np.asarray(mass @ self._images(centre))

    def cov(self) -> Array:
        """Cov[x] of the marginal p(x), (D, D): Σx + Cov[g(z)]."""
        mass, centre, spread = self._model.prior_on_regions()
        slopes, images = self._partition.slopes, self._images(centre)
        departure = images - mass @ images
        total = (departure * mass[:, None]).T @ departure
        values, vectors = np.linalg.eigh(spread)
        half = slopes @ (vectors * np.sqrt(np.maximum(values, 0.0) * mass[:, None])[:, None, :])
        total += np.tensordot(half, half, axes=((0, 2), (0, 2)))
        noise = self.cov_x if self.cov_x.ndim == 2 else np.diag(self._variances())
        return np.asarray(total + noise)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Independent draws from p(x), (size, D) [eq. 4]."""
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        latent = rng.standard_normal((size, self.network.latent_dimension))
        noise = rng.standard_normal((size, self.network.observed_dimension))
        images = self.network(latent @ np.linalg.cholesky(self.cov_z).T)
        return images + Noise.of(self.cov_x, self.network.observed_dimension).unwhiten(noise)

    def statistics(self, X: ArrayLike) -> Statistics:
        """Sums over data that the M-step needs, in memory independent of N [Sec. 4.1]."""
        data = self._data(X)
        return self._model.statistics(data)

    def expected_complete_loglik(self, X: ArrayLike) -> Array:
        """E[log p(x, z) | x] per datum [Sec. 4.1], (N,), nats."""
        data = self._data(X)
        return self._model.expected_complete_loglik(data)

    def elbo(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """The evidence lower bound of q = N(q_mean, q_cov) per datum [eq. 3], exact, (N,), nats.

        q_mean (N, S); q_cov (N, S, S), symmetric positive definite, or (N, S) variances. Raises
        ArithmeticError where q is so far away, or so narrow, that its ELBO is no double.
        """
        data = self._data(X)
        q = self._gaussians(len(data), q_mean, q_cov)
        # Distances in deviations of q may overflow where q has no mass, which does no harm.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            bound = self._model.elbo(data, *q)
        if not np.all(np.isfinite(bound)):
            datum = int(np.flatnonzero(~np.isfinite(bound))[0])
            raise ArithmeticError(f"q_mean, q_cov: the ELBO of datum {datum} is no double")
        return bound

    def kl(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """KL(q ‖ p(z | x)) = log p(x) - ELBO per datum [eq. 3], exact, (N,), nats."""
        self._gaussians(len(self._data(X)), q_mean, q_cov)  # bad input is refused before any work
        return self.logpdf(X) - self.elbo(X, q_mean, q_cov)

    def gradient(self, X: ArrayLike) -> dict[str, Array]:
        """Gradient of the mean log-likelihood, by Fisher's identity: one entry per parameter name.

        A full covariance counts as a symmetric matrix: d log p = Σ_ij gradient_ij dΣ_ij.
        """
        sums = self.statistics(X)
        return gradient(self.network, self._partition, self.cov_x, self.cov_z, sums)

    def _images(self, Z: Array) -> Array:
        """A_ω z_ω + b_ω, (R, D), for one z a region (R, S)."""
        slopes, offsets = self._partition.slopes, self._partition.offsets
        return np.asarray(np.einsum("rds,rs->rd", slopes, Z) + offsets)

    def _variances(self) -> Array:
        return np.broadcast_to(self.cov_x, (self.network.observed_dimension,))

    def _gaussians(self, n: int, q_mean: ArrayLike, q_cov: ArrayLike) -> tuple[Array, Array]:
        latent = self.network.latent_dimension
        mean = check_array(q_mean, "q_mean", (n, latent))
        cov = check_array(q_cov, "q_cov", (n, latent), (n, latent, latent))
        return mean, check_covariances(cov, "q_cov")
