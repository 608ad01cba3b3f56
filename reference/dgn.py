"""The model a reader holds: a network with its two covariances, and every exact quantity of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions import e_step, noise
from reference.distributions.gradient import gradient
from reference.distributions.marginal import (
    log_marginal,
    marginal_cov,
    marginal_mean,
    terms_of_data,
)
from reference.distributions.posterior import Posterior
from reference.distributions.zero_noise import zero_noise_latent
from reference.model.arrays import Array, RandomState
from reference.model.network import Network
from reference.model.read_only import ReadOnly, freeze
from reference.model.validation import (
    check_array,
    check_count,
    check_covariance,
    check_covariances,
    check_mapping,
    check_points,
    check_random_state,
)
from reference.partition import partition as partitioning
from reference.partition.partition import Partition


class DGN(ReadOnly):
    """A deep generative network z ~ N(0, Σz), x | z ~ N(g(z), Σx) [eq. 4], exactly.

    network: g. cov_x: Σx as (D, D), (D,) variances, or one scalar variance; its structure is kept,
    and no D x D matrix is formed unless it is full. cov_z: Σz, (S, S), (S,) or scalar; the identity
    by default. max_regions: the largest partition that may be enumerated. Raises ValueError on bad
    input. Immutable: learning makes new models.

    For S = 2, 3 the regions' masses are sums that cancel in the tail [Lemma 4], accurate only in
    absolute terms. Where their errors may exceed 1e-9 of p(x), or of a sum over the prior or over
    q, methods raise OutsideValidity; S = 1 and `fast` are accurate in any tail. More dimensions
    raise NotImplementedError, but for partition, rvs and zero_noise_latent.
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

    @cached_property
    def _partition(self) -> Partition:
        return partitioning.partition(self.network, self.max_regions)

    @property
    def _model(self) -> tuple[Partition, Array, Array]:
        """What every probability is computed from; NotImplementedError for S > 3."""
        if self.network.latent_dimension > 3:
            raise NotImplementedError(
                "DGN: latent dimensions 1 to 3 only (but for partition, rvs and zero_noise_latent),"
                f" the network has {self.network.latent_dimension}; `fast` goes further"
            )
        return self._partition, self.cov_x, self.cov_z

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
        return DGN(
            self.network.with_parameters(mine),
            values.get("cov_x", self.cov_x),
            values.get("cov_z", self.cov_z),
            max_regions=self.max_regions,
        )

    def partition(self) -> Partition:
        """The latent partition Ω with A_ω, b_ω [Lemma 3, Corollary 1, eq. 2], for any S."""
        return self._partition

    def logpdf(self, X: ArrayLike) -> Array:
        """log p(x) [eq. 5], X (N, D) -> (N,), nats.

        Relative accuracy 1e-12 in max(1, |log p|) for S = 1, else absolute 1e-9 at worst.
        """
        data = self._data(X)
        return np.array([log_marginal(t) for t in terms_of_data(data, *self._model)])

    def posterior(self, X: ArrayLike) -> Posterior:
        """p(z | x) for each row of X (N, D) [eq. 6, Proposition 2]."""
        data = self._data(X)
        return Posterior(data, *self._model)

    def mean(self) -> Array:
        """E[x] of the marginal p(x), (D,)."""
        return marginal_mean(*self._model)

    def cov(self) -> Array:
        """Cov[x] of the marginal p(x), (D, D): Σx + Cov[g(z)]."""
        return marginal_cov(*self._model)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Independent draws from p(x), (size, D) [eq. 4]."""
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        latent = rng.standard_normal((size, self.network.latent_dimension))
        standard = rng.standard_normal((size, self.network.observed_dimension))
        images = self.network(latent @ np.linalg.cholesky(self.cov_z).T)
        return images + noise.draw(self.cov_x, standard)

    def statistics(self, X: ArrayLike) -> e_step.Statistics:
        """Sums over data that the M-step needs [Sec. 4.1]."""
        data = self._data(X)
        return e_step.statistics(data, *self._model)

    def expected_complete_loglik(self, X: ArrayLike) -> Array:
        """E[log p(x, z) | x] per datum [Sec. 4.1], (N,), nats."""
        data = self._data(X)
        rows = zip(terms_of_data(data, *self._model), data, strict=True)
        return np.array([e_step.expected_complete_loglik(t, x, *self._model) for t, x in rows])

    def elbo(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """The evidence lower bound of q = N(q_mean, q_cov) per datum [eq. 3], exact, (N,), nats.

        q_mean (N, S); q_cov (N, S, S), symmetric positive definite, or (N, S) variances. Raises
        ArithmeticError where q is so far away, or so narrow, that its ELBO is no double.
        """
        data = self._data(X)
        means, covs = self._gaussians(len(data), q_mean, q_cov)
        bounds = np.empty(len(data))
        for i, (x, mean, cov) in enumerate(zip(data, means, covs, strict=True)):
            try:
                with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                    bounds[i] = e_step.elbo(x, mean, cov, *self._model)
            except (OverflowError, ZeroDivisionError):
                bounds[i] = np.nan
            if not np.isfinite(bounds[i]):
                raise ArithmeticError(
                    f"q_mean, q_cov: the ELBO of datum {i} is not finite in double precision"
                )
        return bounds

    def kl(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """KL(q ‖ p(z | x)) = log p(x) - ELBO per datum [eq. 3], exact, (N,), nats."""
        self._gaussians(len(self._data(X)), q_mean, q_cov)  # bad input is refused before any work
        return self.logpdf(X) - self.elbo(X, q_mean, q_cov)

    def zero_noise_latent(self, X: ArrayLike) -> Array:
        """Where the posterior goes as the noise vanishes, X (N, D) -> (N, S), for any S [Lemma 2,
        Proposition 3, corrected].

        The z that minimises (x - g(z))ᵀ Σx^-1 (x - g(z)) over all regions, and of several such the
        one of smallest zᵀ Σz^-1 z. See `zero_noise.zero_noise_latent`.
        """
        data = self._data(X)
        model = self._partition, self.cov_x, self.cov_z
        return np.array([zero_noise_latent(x, *model) for x in data])

    def gradient(self, X: ArrayLike) -> dict[str, Array]:
        """Gradient of the mean log-likelihood, by Fisher's identity: one entry per parameter name.

        A full covariance counts as a symmetric matrix: d log p = Σ_ij gradient_ij dΣ_ij.
        """
        sums = self.statistics(X)
        return gradient(self.network, *self._model, sums)

    def _gaussians(self, n: int, q_mean: ArrayLike, q_cov: ArrayLike) -> tuple[Array, Array]:
        latent = self.network.latent_dimension
        means = check_array(q_mean, "q_mean", (n, latent))
        covs = check_array(q_cov, "q_cov", (n, latent), (n, latent, latent))
        return means, check_covariances(covs, "q_cov")
