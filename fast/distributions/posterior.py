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

    log_e0 (N, R): log E[1{z in ω} | x]. region_mean (N, R, S), region_cov (N, R, S, S): of z given
    x and z in ω. skipped (N,): for S >= 2, pairs of a datum and a region that cannot matter are
    left out, their log_e0 -inf and their moments NaN; together they are at most this share of p(x).
    error (N,): for S >= 4, how far the integration may have left log p(x) off. Latent units, nats.
    Accuracy, S = 1: e0 1e-12, region moments 1e-11 of the region's standard deviation; S = 2, 3:
    1e-10 and 1e-8; or the problem's condition number times 2e-16. Guarded by `python -m oracle`,
    tests/distributions/test_posterior.py, tests/distributions/test_many_dimensions.py and, for
    draws, tests/distributions/test_draws.py.
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
        """E[1{z in ω} | x], (N, R)."""
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
        """E[z | x], (N, S)."""
        return np.asarray(self.e1.sum(axis=1))

    def cov(self) -> Array:
        """Cov[z | x], (N, S, S): within regions plus between them, no cancellation."""
        spread = self._kept_mean - self.mean()[:, None, :]
        outer = spread[:, :, :, None] * spread[:, :, None, :]
        return np.asarray((self.e0[:, :, None, None] * (self._kept_cov + outer)).sum(axis=1))

    def entropy(self) -> Array:
        """Differential entropy of p(z | x), (N,), nats."""
        each = np.where(np.isneginf(self.log_e0), 0.0, self._region_entropy - self.log_e0)
        return np.asarray((self.e0 * each).sum(axis=1))

    @abstractmethod
    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions, (N, S)."""

    @abstractmethod
    def _log_joint(self, regions: Indices, points: Array) -> Array:
        """log p(x, z) for points (N, M, S) in regions (N, M)."""

    @abstractmethod
    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        """One draw (P, S) from each (datum, region) pair's truncated Gaussian."""

    def logpdf(self, Z: ArrayLike) -> Array:
        """log p(z | x) [eq. 6], nats: Z (M, S) for every datum, or (N, M, S) -> (N, M)."""
        count, latent = len(self.log_e0), self.region_mean.shape[2]
        points = check_array(Z, "Z", (None, latent), (count, None, latent))
        points = np.broadcast_to(points, (count, *points.shape[-2:]))
        regions = self._partition.locate(points.reshape(-1, latent)).reshape(points.shape[:2])
        return self._log_joint(regions, points) - self._log_evidence[:, None]

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws from p(z | x), (N, size, S): a region, then z within it."""
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
