"""p(z | x), a mixture of Gaussians truncated to the regions [eq. 6, Proposition 2]."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from fast.partition.partition import Partition
from reference.model import (
    Array,
    Indices,
    RandomState,
    check_array,
    check_count,
    check_random_state,
)


class Posterior(ABC):
    """The exact posterior of N data [eq. 6]; made by `DGN.posterior`.

    Attributes
    ----------
    log_e0 : ndarray, shape (N, R)
        log E[1{z in ω} | x], the log probability of each region.
    region_mean : ndarray, shape (N, R, S)
        Mean of z given x and z in ω, latent units.
    region_cov : ndarray, shape (N, R, S, S)
        Covariance of z given x and z in ω.
    skipped : ndarray, shape (N,)
        What was left out, as a share of p(x), at most. For S >= 2 pairs of a datum and a region
        that cannot matter are left out: their log_e0 is -inf, their moments are NaN. So are those
        of regions thinner than rounding.
    error : ndarray, shape (N,)
        How far the integration may have left log p(x) off, nats; 0 for S <= 3.

    Notes
    -----
    Accuracy for S = 1: e0 to 1e-12, region moments to 1e-11 of the region's standard deviation. For
    S = 2 and 3: 1e-10 and 1e-8. Where the problem's condition number times 2e-16 is larger, that.
    Guarded by `python -m oracle`,
    tests/distributions/test_posterior.py, tests/distributions/test_many_dimensions.py,
    tests/distributions/test_far_data.py, tests/distributions/test_thin_regions.py and, for draws,
    tests/distributions/test_draws.py.

    Examples
    --------
    >>> from fast import DGN, Dense, Network
    >>> dgn = DGN(Network([Dense([[1.0]], [0.0])]), cov_x=1.0)
    >>> posterior = dgn.posterior([[3.0]])
    >>> print(f"{posterior.mean()[0, 0]:.6f} {posterior.cov()[0, 0, 0]:.6f}")
    1.500000 0.500000
    """

    def __init__(
        self,
        partition: Partition,
        log_evidence: Array,
        log_e0: Array,
        region_mean: Array,
        region_cov: Array,
        region_entropy: Array,
        skipped: Array,
        error: Array,
    ) -> None:
        self._partition, self._log_evidence = partition, log_evidence
        self.log_e0, self.region_mean, self.region_cov = log_e0, region_mean, region_cov
        self._region_entropy = region_entropy
        self.skipped, self.error = skipped, error

    @property
    def e0(self) -> Array:
        """E[1{z in ω} | x], the probability of each region, (N, R)."""
        return np.exp(self.log_e0)

    @property
    def _kept_mean(self) -> Array:
        """The means, 0 for what was left out."""
        return np.where(np.isneginf(self.log_e0)[:, :, None], 0.0, self.region_mean)

    @property
    def _kept_cov(self) -> Array:
        return np.where(np.isneginf(self.log_e0)[:, :, None, None], 0.0, self.region_cov)

    @property
    def e1(self) -> Array:
        """E[z 1{z in ω} | x], (N, R, S)."""
        return self.e0[:, :, None] * self._kept_mean

    @property
    def e2(self) -> Array:
        """E[z zᵀ 1{z in ω} | x], (N, R, S, S)."""
        mean = self._kept_mean
        outer = mean[:, :, :, None] * mean[:, :, None, :]
        return self.e0[:, :, None, None] * (self._kept_cov + outer)

    def mean(self) -> Array:
        """E[z | x].

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """
        return np.asarray(self.e1.sum(axis=1))

    def cov(self) -> Array:
        """Cov[z | x], within regions plus between them: nothing cancels.

        Returns
        -------
        ndarray, shape (N, S, S)
            Squared latent units.
        """
        spread = self._kept_mean - self.mean()[:, None, :]
        outer = spread[:, :, :, None] * spread[:, :, None, :]
        return np.asarray((self.e0[:, :, None, None] * (self._kept_cov + outer)).sum(axis=1))

    def entropy(self) -> Array:
        """Differential entropy of p(z | x).

        Returns
        -------
        ndarray, shape (N,)
            Nats.
        """
        # What holds nothing adds nothing: its own entropy may be -inf, or unknown.
        own = np.where(np.isneginf(self.log_e0), 0.0, self._region_entropy)
        choice = np.where(np.isneginf(self.log_e0), 0.0, self.log_e0)
        return np.asarray((self.e0 * (own - choice)).sum(axis=1))

    @abstractmethod
    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """

    @abstractmethod
    def _log_density(self, regions: Indices, points: Array) -> Array:
        """log p(z | x) for points (N, M, S) in regions (N, M)."""

    @abstractmethod
    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        """One draw (P, S) from each (datum, region) pair's truncated Gaussian."""

    def logpdf(self, Z: ArrayLike) -> Array:
        """log p(z | x) [eq. 6].

        Parameters
        ----------
        Z : array_like, shape (M, S) or (N, M, S)
            Latents, the same for every datum or its own.

        Returns
        -------
        ndarray, shape (N, M)
            Nats.
        """
        count, latent = len(self.log_e0), self.region_mean.shape[2]
        points = check_array(Z, "Z", (None, latent), (count, None, latent))
        points = np.broadcast_to(points, (count, *points.shape[-2:]))
        regions = self._partition.locate(points.reshape(-1, latent)).reshape(points.shape[:2])
        return self._log_density(regions, points)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws from p(z | x): a region, then z within it.

        Parameters
        ----------
        size : int, default 1
            How many for each datum.
        random_state : None, int or numpy.random.Generator, optional
            A seed, or where random numbers come from.

        Returns
        -------
        ndarray, shape (N, size, S)
            Latent units.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        count = len(self.log_e0)
        cumulative = np.cumsum(self.e0, axis=1)
        cumulative /= cumulative[:, -1:]
        uniforms = rng.random((count, size))
        regions = np.stack(
            [np.searchsorted(c, u, side="right") for c, u in zip(cumulative, uniforms, strict=True)]
        )
        datum = np.repeat(np.arange(count), size)
        return self._draw(datum, regions.ravel(), rng).reshape(count, size, -1)
