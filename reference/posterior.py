"""p(z | x) of several data, with its per-region moments [eq. 6, Proposition 2, Sec. 4.1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions import (
    log_marginal,
    log_posterior,
    log_responsibilities,
    posterior_cov,
    posterior_mean,
    posterior_mode,
    region_terms,
)
from reference.partition import Partition
from reference.validation import Array, RandomState, check_array, check_count, check_random_state


class Posterior:
    """The exact posterior of N data [eq. 6]; made by `DGN.posterior`.

    log_e0 (N, R): log E[1{z in ω} | x]. region_mean (N, R, S), region_cov (N, R, S, S): of z given
    x and z in ω. Latent units, nats. Guarded by `python -m oracle` and tests/test_posterior.py.
    """

    def __init__(self, X: Array, partition: Partition, cov_x: Array, cov_z: Array) -> None:
        self._X, self._partition, self._cov_x, self._cov_z = X, partition, cov_x, cov_z
        terms = [region_terms(x, partition, cov_x, cov_z) for x in X]
        self._log_evidence = np.array([log_marginal(row) for row in terms])
        self.log_e0: Array = np.array(
            [
                log_responsibilities(x, row, partition, cov_x, cov_z)
                for x, row in zip(X, terms, strict=True)
            ]
        )
        self.region_mean: Array = np.array([[t.mean for t in row] for row in terms])
        self.region_cov: Array = np.array([[t.cov for t in row] for row in terms])
        self._region_entropy = np.array([[t.entropy for t in row] for row in terms])

    @property
    def e0(self) -> Array:
        """E[1{z in ω} | x], (N, R)."""
        return np.exp(self.log_e0)

    @property
    def e1(self) -> Array:
        """E[z 1{z in ω} | x], (N, R, S)."""
        return self.e0[:, :, None] * self.region_mean

    @property
    def e2(self) -> Array:
        """E[z zᵀ 1{z in ω} | x], (N, R, S, S)."""
        outer = np.einsum("nri,nrj->nrij", self.region_mean, self.region_mean)
        return np.asarray(self.e0[:, :, None, None] * (self.region_cov + outer))

    def mean(self) -> Array:
        """E[z | x] = Σ_ω e1_ω, (N, S)."""
        return np.asarray(self.e1.sum(axis=1))

    def cov(self) -> Array:
        """Cov[z | x] (N, S, S), within regions plus between them: Σ e2 - mean meanᵀ cancels."""
        away = self.region_mean - self.mean()[:, None, :]
        between = np.einsum("nri,nrj->nrij", away, away)
        return np.asarray(np.einsum("nr,nrij->nij", self.e0, self.region_cov + between))

    def entropy(self) -> Array:
        """Differential entropy of p(z | x), (N,): of the choice of region, and within regions."""
        return np.asarray((self.e0 * (self._region_entropy - self.log_e0)).sum(axis=1))

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions, (N, S)."""
        return np.array(
            [posterior_mode(x, self._partition, self._cov_x, self._cov_z) for x in self._X]
        )

    def logpdf(self, Z: ArrayLike) -> Array:
        """log p(z | x) [eq. 6], nats: Z (M, S) for every datum, or (N, M, S) -> (N, M)."""
        latent, count = len(self._cov_z), len(self._X)
        points = check_array(Z, "Z", (None, latent), (count, None, latent))
        if points.ndim == 2:
            points = np.broadcast_to(points, (count, *points.shape))
        model = (self._partition, self._cov_x, self._cov_z)
        return np.array(
            [
                [log_posterior(z, x, evidence, *model) for z in row]
                for x, evidence, row in zip(self._X, self._log_evidence, points, strict=True)
            ]
        )

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws from p(z | x), (N, size, S): a region, then z within it."""
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        draws = np.empty((len(self._X), size, len(self._cov_z)))
        for n, x in enumerate(self._X):
            weights = self.e0[n] / self.e0[n].sum()
            for i in range(size):
                region = int(rng.choice(len(weights), p=weights))
                draws[n, i] = self._draw(x, region, rng)
        return draws

    def _draw(self, x: Array, region: int, rng: np.random.Generator) -> Array:
        """z from N(μ_ω(x), Σ_ω) truncated to ω, by rejection from the uniform distribution.

        The proposal covers the interval as far as the density stays above exp(-41) of its peak.
        """
        slope, offset = self._partition.slopes[region], self._partition.offsets[region]
        centre = posterior_mean(x, slope, offset, self._cov_x, self._cov_z)[0]
        scale = np.sqrt(posterior_cov(slope, self._cov_x, self._cov_z)[0, 0])
        ends = np.concatenate([[-np.inf], self._partition.breakpoints, [np.inf]])
        lower, upper = (ends[region] - centre) / scale, (ends[region + 1] - centre) / scale
        nearest = min(max(0.0, lower), upper)
        reach = 82.0 / (abs(nearest) + np.sqrt(nearest**2 + 82.0))
        below, above = min(reach, nearest - lower), min(reach, upper - nearest)
        start = min(max(centre, ends[region]), ends[region + 1])
        while True:
            s = rng.uniform(-below, above)
            if np.log(rng.random()) < -abs(nearest * s) - 0.5 * s**2:
                return np.array([start + scale * s])
