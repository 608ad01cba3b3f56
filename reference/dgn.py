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
from reference.model.arrays import Array, RandomState, ReadOnly, freeze
from reference.model.images.data import check_data
from reference.model.network import Network
from reference.model.validation import (
    check_array,
    check_count,
    check_covariance,
    check_covariances,
    check_mapping,
    check_random_state,
)
from reference.partition import partition as partitioning
from reference.partition.partition import Partition


class DGN(ReadOnly):
    """A deep generative network z ~ N(0, Σz), x | z ~ N(g(z), Σx) [eq. 4], exactly; immutable.

    Parameters
    ----------
    network : Network
        g: R^S -> R^D.
    cov_x : array_like, shape (D, D), (D,) or ()
        Σx, its diagonal, or one variance. The structure is kept, and no D x D matrix is formed
        unless Σx is full.
    cov_z : array_like, shape (S, S), (S,) or (), optional
        Σz; the identity by default.
    max_regions : int, default 1_000_000
        The largest partition that may be enumerated.

    Raises
    ------
    ValueError
        On bad input.

    Notes
    -----
    For S = 2 and 3 the regions' masses are sums that cancel in the tail [Lemma 4]. They are
    accurate only in absolute terms. Where their errors may exceed 1e-9 of p(x), or of a sum over
    the prior or over q, methods raise OutsideValidity. S = 1 and `fast` are accurate in any tail.
    For S > 3 only partition, rvs and zero_noise_latent are available; the others raise
    NotImplementedError.

    Examples
    --------
    >>> from reference import DGN, Dense, Network
    >>> dgn = DGN(Network([Dense([[1.0]], [0.0])]), cov_x=1.0)
    >>> print(dgn.cov())
    [[2.]]
    >>> print(dgn.posterior([[1.0]]).mean().round(12))
    [[0.5]]
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
        return check_data(X, "X", self.network.observed_dimension)[0]

    def parameters(self) -> dict[str, Array]:
        """Return every parameter by name.

        Returns
        -------
        dict of str to ndarray
            The network's parameters, "cov_x" and "cov_z".
        """
        return {**self.network.parameters(), "cov_x": self.cov_x, "cov_z": self.cov_z}

    def with_parameters(self, values: Mapping[str, ArrayLike]) -> DGN:
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
        return DGN(network, *covs, max_regions=self.max_regions)

    def partition(self) -> Partition:
        """Return the latent partition Ω with A_ω and b_ω of every region, for any S.

        Returns
        -------
        Partition
            The regions [Lemma 3, Corollary 1, eq. 2].

        Raises
        ------
        TooManyRegionsError
            If there are more than max_regions.
        PartitionError
            If values of units or maps are beyond the range of doubles.
        """
        return self._partition

    def logpdf(self, X: ArrayLike) -> Array:
        """Return the log-likelihood of each datum [eq. 5].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.

        Returns
        -------
        ndarray, shape (N,)
            log p(x), nats.

        Notes
        -----
        Accuracy: 1e-12 relative to max(1, |log p|) for S = 1; absolute 1e-9 at worst for S = 2, 3.
        Guarded by tests/distributions/test_distributions.py, test_reference_dgn.py.
        """
        terms = terms_of_data(self._data(X), *self._model)
        return np.array([log_marginal(t) for t in terms])

    def posterior(self, X: ArrayLike) -> Posterior:
        """Return the posterior p(z | x) of each datum [eq. 6, Proposition 2].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; rows, or images of any shape with D entries.

        Returns
        -------
        Posterior
            The posteriors of all N data.
        """
        data, shape = check_data(X, "X", self.network.observed_dimension)
        return Posterior(data, *self._model)._of_shape(shape)

    def score(self, X: ArrayLike) -> Array:
        """Return ∇_x log p(x) = Σx^-1 (E[g(z) | x] - x), by Fisher's identity.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.

        Returns
        -------
        ndarray, shape (N, D)
            The gradient by each x, nats for each data unit, in the shape of the data.

        Notes
        -----
        x + Σx ∇ log p(x) = E[g(z) | x] denoises. See tests/distributions/test_reconstruction.py.
        """
        data, shape = check_data(X, "X", self.network.observed_dimension)
        away = Posterior(data, *self._model).reconstruction() - data
        return noise.solve(self.cov_x, away.T).T.reshape(len(data), *shape)

    def mean(self) -> Array:
        """Return the mean of the marginal p(x).

        Returns
        -------
        ndarray, shape (D,)
            E[x] = E[g(z)], in the shape of the network's output.
        """
        return marginal_mean(*self._model).reshape(self.network.shapes[-1])

    def cov(self) -> Array:
        """Return the covariance of the marginal p(x).

        Returns
        -------
        ndarray, shape (D, D)
            Cov[x] = Σx + Cov[g(z)].
        """
        return marginal_cov(*self._model)

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

    def statistics(self, X: ArrayLike) -> e_step.Statistics:
        """Return the sums over data that the M-step and the gradient need [Sec. 4.1].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.

        Returns
        -------
        Statistics
            Sums of posterior expectations over the rows of X.
        """
        return e_step.statistics(self._data(X), *self._model)

    def expected_complete_loglik(self, X: ArrayLike) -> Array:
        """Return E[log p(x, z) | x] of each datum [Sec. 4.1, corrected].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.

        Returns
        -------
        ndarray, shape (N,)
            Expected complete log-likelihoods, nats.

        Notes
        -----
        The correction: the last bracket of the printed formula is inside the -1/2. Guarded by
        tests/contract/test_errata.py.
        """
        data = self._data(X)
        rows = zip(terms_of_data(data, *self._model), data, strict=True)
        return np.array([e_step.expected_complete_loglik(t, x, *self._model) for t, x in rows])

    def elbo(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """Return the evidence lower bound of q = N(q_mean, q_cov) for each datum [eq. 3].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.
        q_mean : array_like, shape (N, S)
            The mean of q for each datum.
        q_cov : array_like, shape (N, S, S) or (N, S)
            Its covariance, positive definite, or its variances.

        Returns
        -------
        ndarray, shape (N,)
            E_q[log p(x, z)] + H(q), exact, nats.

        Raises
        ------
        ArithmeticError
            If q is so far away, or so narrow, that its ELBO is not finite in double precision.
        """
        data = self._data(X)
        means, covs = self._gaussians(len(data), q_mean, q_cov)
        rows = enumerate(zip(data, means, covs, strict=True))
        return np.array([e_step.finite_elbo(i, *row, *self._model) for i, row in rows])

    def kl(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """Return KL(q ‖ p(z | x)) = log p(x) - ELBO for each datum [eq. 3].

        Parameters
        ----------
        X, q_mean, q_cov : array_like
            As of `elbo`.

        Returns
        -------
        ndarray, shape (N,)
            Divergences, exact, nats.

        Raises
        ------
        ArithmeticError
            As `elbo`.
        """
        self._gaussians(len(self._data(X)), q_mean, q_cov)  # bad input is refused before any work
        return self.logpdf(X) - self.elbo(X, q_mean, q_cov)

    def zero_noise_latent(self, X: ArrayLike) -> Array:
        """Return where the posterior goes as the noise vanishes, for any S [Lemma 2, corrected].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.

        Returns
        -------
        ndarray, shape (N, S)
            The z that minimises (x - g(z))ᵀ Σx^-1 (x - g(z)); of several, zᵀ Σz^-1 z as well.

        Notes
        -----
        What is corrected: see `distributions.zero_noise.zero_noise_latent` [Proposition 3].
        Guarded by tests/contract/test_errata.py, tests/distributions/test_reference_zero_noise.py.
        """
        data = self._data(X)
        model = self._partition, self.cov_x, self.cov_z
        return np.array([zero_noise_latent(x, *model) for x in data])

    def gradient(self, X: ArrayLike) -> dict[str, Array]:
        """Return the gradient of the mean log-likelihood, by Fisher's identity.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data.

        Returns
        -------
        dict of str to ndarray
            One for each of `parameters`, of its shape; nats a datum for a unit of the parameter.

        Notes
        -----
        Of a full covariance d log p = Σ_ij gradient_ij dΣ_ij. Accuracy: 1e-7 against finite
        differences of the oracle, see tests/distributions/test_gradient.py.
        """
        sums = self.statistics(X)
        return gradient(self.network, *self._model, sums)

    def _gaussians(self, n: int, q_mean: ArrayLike, q_cov: ArrayLike) -> tuple[Array, Array]:
        latent = self.network.latent_dimension
        means = check_array(q_mean, "q_mean", (n, latent))
        covs = check_array(q_cov, "q_cov", (n, latent), (n, latent, latent))
        return means, check_covariances(covs, "q_cov")
