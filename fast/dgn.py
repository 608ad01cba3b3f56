"""The model a user holds: a network with its two covariances, and every exact quantity of it.

Arguments are checked here, once. The quantities are defined in fast.distributions.model.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from fast.distributions.gradient import gradient
from fast.distributions.marginal import marginal_cov, marginal_mean
from fast.distributions.missing.by_pattern import by_pattern, solved
from fast.distributions.missing.conditional import Conditional, Law
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.distributions.variational import finite
from fast.distributions.zero_noise import zero_noise_latent
from fast.partitioned import Partitioned
from reference.model import Array, counted, is_whole


class DGN(Partitioned):
    """A deep generative network z ~ N(0, Σz), x | z ~ N(g(z), Σx) [eq. 4], exactly; immutable.

    Parameters
    ----------
    network : Network
        The generator g, from S latent to D observed dimensions.
    cov_x : array_like, shape (D, D), (D,) or ()
        Σx in squared data units: full, one variance a dimension, or one variance for all. The
        structure is kept, and no D x D matrix is formed unless Σx is full.
    cov_z : array_like, shape (S, S), (S,) or (), optional
        Σz in squared latent units; the identity by default.
    max_regions : int, default 1_000_000
        The largest partition that may be enumerated.
    negligible : float in [0, 1e-3], default 1e-15
        For S >= 2, at most this share s of p(x) may be left out, where a bound proves that regions
        cannot matter. It changes an entropy by up to s log 1/s. With 0 nothing is left out.
    partition : {"auto", "full", "local"}, default "auto"
        Which regions are found. "full": all, once. "local", for S = 2 and 3: those that can matter
        for given data, with a proven bound on all others, of which at most `negligible` is left
        out; `mean`, `cov` and `zero_noise_latent` need all regions. "auto": all, unless they are
        more than max_regions or take more than max_memory, or are 250,000 and more by an estimate
        on the way [estimate_cost].
    max_memory : float, default 4e9
        Bytes that finding the partition, a posterior's tables of all data and regions, or the
        statistics of data (and so a gradient), may take. What would take more is refused before its
        memory is spent; of the partition, what takes less than 20 MB never is.
    progress : bool, default False
        Whether how far it has come is told on stderr, of what takes more than two seconds: units
        that have cut, and data that are done. As a bar if tqdm is installed.

    Raises
    ------
    ValueError
        If an argument does not fit; by probabilities, though not by the partition, if S > 6.

    Notes
    -----
    Data X may be rows, (N, D), or images of any shape with D entries each, such as (N, 28, 28) or
    (N, 1, 28, 28), also tensors. What is about x of given data has their shape: `score`,
    `Posterior.reconstruction`. What is about x without data, `mean` and `rvs`, has the shape of the
    network's output, `network.shapes[-1]`: put `Reshape((1, 28, 28))` last for images. Guarded by
    tests/distributions/test_image_shapes.py.

    NaN in data stands for an entry that is not observed: p(x) is then that of the others, and
    p(z | x) is given them. Rows that observe the same entries are computed together, at the cost of
    a model for each such pattern. See docs/missing_data.md; guarded by
    tests/distributions/test_missing_data.py.

    Examples
    --------
    >>> from fast import DGN, Dense, Network
    >>> dgn = DGN(Network([Dense([[1.0], [2.0]], [0.0, 0.0])]), cov_x=0.5)
    >>> print(dgn.cov().tolist())
    [[1.5, 2.0], [2.0, 4.5]]
    """

    def logpdf(self, X: ArrayLike) -> Array:
        """log p(x) [eq. 5].

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N,)
            Nats.

        Notes
        -----
        Accuracy relative to max(1, |log p|): 1e-12 for S = 1, 1e-10 for S = 2, 1e-8 for S = 3; for
        S = 4 to 6 see `Posterior.error`. Guarded by tests/contract/test_accuracy.py.
        """
        data = self._data(X)
        return self._of(data).logpdf(data)

    def posterior(self, X: ArrayLike) -> Posterior:
        """p(z | x) for each datum [eq. 6, Proposition 2].

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        Posterior
            Of all data together. Memory O(P S²) for P pairs of a datum and a region that matters.
        """
        data, shape = self._given(X)
        return self._of(data).posterior(data, self.max_memory)._of_shape(shape)

    def conditional(self, X: ArrayLike) -> Conditional:
        """p(x_missing | x_observed) of each datum: what NaN stands for, given the other entries.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        Conditional
            Of all data together: mean, covariance, density, exact draws, and of single entries
            their CDF and intervals.

        Notes
        -----
        A mixture over regions of images of truncated Gaussians, and noise. Costs what `posterior`
        does. Guarded by tests/distributions/test_conditional.py.
        """
        data, shape = self._given(X)
        posterior = self._of(data).posterior(data, self.max_memory)
        law = Law(
            network=self.network,
            noise=self.noise,
            posterior=posterior,
            log_density=self.logpdf,
            marginal=lambda observed: self._part(observed)._model,
            max_memory=self.max_memory,
        )
        return Conditional(data, shape, law)

    def score(self, X: ArrayLike) -> Array:
        """∇_x log p(x), the gradient of the log density by x itself.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N, D)
            Nats for each data unit, in the shape of the data; 0 by an entry that is not observed.

        Notes
        -----
        Σx^-1 (E[g(z) | x] - x), by Fisher's identity. Its use is Tweedie's formula: the mean of the
        noiseless g(z) given x, the best denoiser in mean square, is x + Σx ∇ log p(x), which
        `Posterior.reconstruction` gives as well. Costs what `logpdf` does, in memory O(N D); needs
        no derivative by z. Accuracy: 1e-11 for S = 1 and 2, 1e-9 for S = 3, relative to the score
        or one over the noise's deviation, whichever is larger. Guarded by `python -m oracle` and
        tests/distributions/test_reconstruction.py.

        Examples
        --------
        >>> from fast import DGN, Dense, Network
        >>> dgn = DGN(Network([Dense([[1.0]], [0.0])]), cov_x=1.0)
        >>> print(dgn.score([[3.0]]))
        [[-1.5]]
        """
        data, shape = self._given(X)
        result = solved(self.noise, self._of(data).reconstruction(data) - data)
        return result.reshape(len(data), *shape)

    def zero_noise_latent(self, X: ArrayLike) -> Array:
        """Where p(z | x) concentrates as Σx -> 0 in proportion [Lemma 2, Proposition 3, corrected].

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N, S)
            The minimiser of (x - g(z))ᵀ Σx^-1 (x - g(z)); among several, of zᵀ Σz^-1 z.
        """
        data = self._data(X)
        partition = self._all_regions("zero_noise_latent")
        if not is_whole(data):
            return by_pattern(data, self._part, lambda part, x, _: part.zero_noise_latent(x))
        return zero_noise_latent(partition, self._coordinates, self.cov_z, data)

    def mean(self) -> Array:
        """E[x] of the marginal p(x).

        Returns
        -------
        ndarray, shape (D,)
            Data units; where the network's output is an image, (channels, height, width).
        """
        mean = marginal_mean(self._all_regions("mean"), self._whole.prior_on_regions())
        return mean.reshape(self.network.shapes[-1])

    def cov(self) -> Array:
        """Cov[x] of the marginal p(x): Σx + Cov[g(z)].

        Returns
        -------
        ndarray, shape (D, D)
            Squared data units.
        """
        partition = self._all_regions("cov")
        return marginal_cov(partition, self.noise, self._whole.prior_on_regions())

    def statistics(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Statistics:
        """Sums over data that the M-step needs [Sec. 4.1], in memory independent of N.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.
        sample_weight : array_like, shape (N,), optional
            How often each datum counts, 0 or more; once by default.

        Returns
        -------
        Statistics
            Posterior expectations summed over the rows of X, of what is not observed of them too. A
            row of which nothing is observed does not count.

        Raises
        ------
        ValueError
            If they take more than max_memory: 24 R D (S + 1) bytes while they are summed.
        """
        data, weights = counted(self._data(X), sample_weight)
        return summed(self, data, weights)

    def expected_complete_loglik(self, X: ArrayLike) -> Array:
        """E[log p(x, z) | x] of each datum [Sec. 4.1].

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        ndarray, shape (N,)
            Nats.
        """
        data = self._data(X)
        return self._of(data).expected_complete_loglik(data)

    def elbo(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """The evidence lower bound of q = N(q_mean, q_cov) for each datum [eq. 3], exact.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.
        q_mean : array_like, shape (N, S)
            Latent units.
        q_cov : array_like, shape (N, S, S) or (N, S)
            Symmetric positive definite matrices, or variances.

        Returns
        -------
        ndarray, shape (N,)
            Nats.

        Raises
        ------
        ArithmeticError
            If q is so far away, or so narrow, that its bound is not finite in double precision.
        """
        data = self._data(X)
        q = self._gaussians(len(data), q_mean, q_cov)
        return finite(lambda: self._of(data).elbo(data, *q), "ELBO")

    def kl(self, X: ArrayLike, q_mean: ArrayLike, q_cov: ArrayLike) -> Array:
        """KL(q ‖ p(z | x)) = log p(x) - ELBO for each datum [eq. 3], exact.

        Parameters
        ----------
        X, q_mean, q_cov : array_like
            As of `elbo`.

        Returns
        -------
        ndarray, shape (N,)
            Nats; 0 where q is the posterior.

        Notes
        -----
        Not from `logpdf` and `elbo`, which are huge far from the manifold. Guarded by
        tests/distributions/test_far_data.py.
        """
        data = self._data(X)
        q = self._gaussians(len(data), q_mean, q_cov)
        return finite(lambda: self._of(data).kl(data, *q), "KL divergence")

    def gradient(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> dict[str, Array]:
        """Gradient of the mean log-likelihood by every parameter, by Fisher's identity.

        Parameters
        ----------
        X : array_like, shape (N, D)
            Data; NaN where an entry is not observed.
        sample_weight : array_like, shape (N,), optional
            How often each datum counts, 0 or more; once by default.

        Returns
        -------
        dict of str to ndarray
            Shaped as `parameters`; for a full covariance d log p = Σ_ij gradient_ij dΣ_ij.
        """
        sums = self.statistics(X, sample_weight)
        return gradient(self.network, self.noise, self.cov_z, sums)


def summed(dgn: DGN, data: Array, weights: Array) -> Statistics:
    """`DGN.statistics` of rows, (N, D), that were checked, each with a weight, (N,), that counts.

    Fits check their data once, and take this at every trial step.
    """
    return dgn._of(data).statistics(data, weights, dgn.max_memory)
