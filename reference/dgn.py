"""The model a reader holds: a network with its two covariances, and every exact quantity of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions import e_step, noise
from reference.distributions.conditional import Conditional
from reference.distributions.gradient import gradient
from reference.distributions.joint_model import JointModel
from reference.distributions.marginal import (
    log_marginal,
    marginal_cov,
    marginal_mean,
    terms_of_data,
)
from reference.distributions.observed import as_observed
from reference.distributions.posterior import Posterior
from reference.distributions.zero_noise import zero_noise_latent
from reference.model.arrays import Array, Indices
from reference.model.observed.outputs import cov_of_outputs, outputs_of
from reference.model.observed.patterns import check_indices, patterns
from reference.model.observed.weights import counted
from reference.partition import partition as partitioning
from reference.partition.partition import Partition, of_outputs


class DGN(JointModel):
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
    For S > 3 only partition, marginal, rvs and zero_noise_latent are available; the others raise
    NotImplementedError.
    NaN in data X stands for an entry that is not observed: p(x) is then that of the others, and
    p(z | x) is given them. See docs/missing_data.md and tests/distributions/test_missing_data.py.

    Examples
    --------
    >>> from reference import DGN, Dense, Network
    >>> dgn = DGN(Network([Dense([[1.0]], [0.0])]), cov_x=1.0)
    >>> print(dgn.cov())
    [[2.]]
    >>> print(dgn.posterior([[1.0]]).mean().round(12))
    [[0.5]]
    """

    # The model that this is a marginal of, if it is one, and which entries of x it has.
    _part_of: tuple[DGN, Indices] | None = None

    @cached_property
    def _partition(self) -> Partition:
        if self._part_of is not None:
            whole, indices = self._part_of
            return of_outputs(whole._partition, indices)
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
            The data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N,)
            log p(x), nats.

        Notes
        -----
        Accuracy: 1e-12 relative to max(1, |log p|) for S = 1; absolute 1e-9 at worst for S = 2, 3.
        Guarded by tests/distributions/test_distributions.py, test_reference_dgn.py.
        """
        data = as_observed(self._data(X), *self._model)
        rows = zip(data, terms_of_data(data), strict=True)
        return np.array([log_marginal(terms) if len(x.observed) else 0.0 for x, terms in rows])

    def marginal(self, indices: Sequence[int]) -> DGN:
        """Return the model of some entries of x, the others left out.

        Parameters
        ----------
        indices : sequence of int
            Distinct places from 0 to D - 1, in the order that the marginal has.

        Returns
        -------
        DGN
            Of as many observed dimensions. It shares this model's regions.

        Notes
        -----
        ∫ p(x) dx_m: rows of the last layer are left out, and rows and columns of Σx. Guarded by
        tests/distributions/test_missing_data.py.
        """
        chosen = check_indices(indices, "indices", self.network.observed_dimension)
        network = outputs_of(self.network, chosen)
        noise_of_chosen = cov_of_outputs(self.cov_x, chosen)
        part = DGN(network, noise_of_chosen, self.cov_z, max_regions=self.max_regions)
        part._part_of = self, chosen
        return part

    def posterior(self, X: ArrayLike) -> Posterior:
        """Return the posterior p(z | x) of each datum [eq. 6, Proposition 2].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; rows, or images of any shape with D entries; NaN where one is not observed.

        Returns
        -------
        Posterior
            The posteriors of all N data.
        """
        data, shape = self._given(X)
        return Posterior(data, *self._model)._of_shape(shape)

    def conditional(self, X: ArrayLike) -> Conditional:
        """Return p(x_missing | x_observed) of each datum.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; NaN where an entry is not observed.

        Returns
        -------
        Conditional
            What NaN stands for, given the other entries.
        """
        data, shape = self._given(X)
        posterior = Posterior(data, *self._model)
        return Conditional(data, shape, self.network, self.cov_x, posterior, self.logpdf)

    def score(self, X: ArrayLike) -> Array:
        """Return ∇_x log p(x) = Σx^-1 (E[g(z) | x] - x), by Fisher's identity.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N, D)
            The gradient by each x, nats for each data unit, in the shape of the data; 0 by an entry
            that is not observed.

        Notes
        -----
        x + Σx ∇ log p(x) = E[g(z) | x] denoises. See tests/distributions/test_reconstruction.py.
        """
        data, shape = self._given(X)
        away, result = Posterior(data, *self._model).reconstruction() - data, np.zeros(data.shape)
        for pattern in patterns(data):
            if len(pattern.observed):
                cov = cov_of_outputs(self.cov_x, pattern.observed)
                found = noise.solve(cov, pattern.of(away).T).T
                result[np.ix_(pattern.rows, pattern.observed)] = found
        return result.reshape(len(data), *shape)

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

    def statistics(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> e_step.Statistics:
        """Return the sums over data that the M-step and the gradient need [Sec. 4.1].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; NaN where an entry is not observed.

        sample_weight : array_like, shape (N,), optional
            How often each datum counts, 0 or more; once by default.

        Returns
        -------
        Statistics
            Sums of posterior expectations over the rows of X. Where entries are not observed, these
            too have their expectations. A row of which nothing is observed does not count.
        """
        data, weights = counted(self._data(X), sample_weight)
        return e_step.statistics(data, weights, *self._model)

    def expected_complete_loglik(self, X: ArrayLike) -> Array:
        """Return E[log p(x, z) | x] of each datum [Sec. 4.1, corrected].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N,)
            Expected complete log-likelihoods of z and what is observed of x, nats.

        Notes
        -----
        The correction: the last bracket of the printed formula is inside the -1/2. Guarded by
        tests/contract/test_errata.py.
        """
        data = as_observed(self._data(X), *self._model)
        rows = zip(terms_of_data(data), data, strict=True)
        return np.array([e_step.expected_complete_loglik(t, x.x, *x.model) for t, x in rows])

    def elbo(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """Return the evidence lower bound of q = N(q_mean, q_cov) for each datum [eq. 3].

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; NaN where an entry is not observed.
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
        rows = zip(as_observed(data, *self._model), means, covs, strict=True)
        found = [
            e_step.finite_elbo(i, x.x, mean, cov, *x.model) for i, (x, mean, cov) in enumerate(rows)
        ]
        return np.array(found)

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
            The data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N, S)
            The z that minimises (x - g(z))ᵀ Σx^-1 (x - g(z)); of several, zᵀ Σz^-1 z as well.

        Notes
        -----
        What is corrected: see `distributions.zero_noise.zero_noise_latent` [Proposition 3].
        Guarded by tests/contract/test_errata.py, tests/distributions/test_reference_zero_noise.py.
        """
        data = as_observed(self._data(X), self._partition, self.cov_x, self.cov_z)
        return np.array([zero_noise_latent(x.x, *x.model) for x in data])

    def gradient(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> dict[str, Array]:
        """Return the gradient of the mean log-likelihood, by Fisher's identity.

        Parameters
        ----------
        X : array_like, shape (N, D)
            The data; NaN where an entry is not observed.

        sample_weight : array_like, shape (N,), optional
            How often each datum counts in the mean, 0 or more; once by default.

        Returns
        -------
        dict of str to ndarray
            One for each of `parameters`, of its shape; nats a datum for a unit of the parameter.

        Notes
        -----
        Of a full covariance d log p = Σ_ij gradient_ij dΣ_ij. Accuracy: 1e-7 against finite
        differences of the oracle, see tests/distributions/test_gradient.py.
        """
        sums = self.statistics(X, sample_weight)
        return gradient(self.network, *self._model, sums)
