"""p(z | x) of several data, with its per-region moments [eq. 6, Proposition 2, Sec. 4.1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions.marginal import (
    log_marginal,
    log_posterior,
    log_responsibilities,
    posterior_cov,
    posterior_mean,
    posterior_mode,
    terms_of_data,
)
from reference.integration.draws import draw_on_interval, draw_on_polyhedron
from reference.model.arrays import Array, RandomState
from reference.model.validation import check_array, check_count, check_random_state
from reference.partition.partition import Partition


class Posterior:
    """The exact posterior of N data [eq. 6]; made by `DGN.posterior`.

    log_e0 (N, R): log E[1{z in ω} | x]. region_mean (N, R, S), region_cov (N, R, S, S): of z given
    x and z in ω. Latent units, nats. For S > 1 the errors of e0, e1 and e2 (the latter in units of
    Σ_ω's standard deviations from μ_ω) add up to less than 1e-9; a region whose mass is lost below
    that has log_e0 = -inf. Where a region's own mass and moments are less accurate than 1e-6,
    region_mean and region_cov are NaN, which e1, e2, mean and cov never are. Guarded by `python -m
    oracle`, tests/distributions/test_posterior.py, tests/distributions/test_reference_dgn.py; draws
    by tests/distributions/test_draws.py.
    """

    def __init__(self, X: Array, partition: Partition, cov_x: Array, cov_z: Array) -> None:
        self._X, self._partition, self._cov_x, self._cov_z = X, partition, cov_x, cov_z
        terms = list(terms_of_data(X, partition, cov_x, cov_z))
        self._log_evidence = np.array([log_marginal(row) for row in terms])
        self.log_e0: Array = np.array(
            [
                log_responsibilities(x, row, partition, cov_x, cov_z)
                for x, row in zip(X, terms, strict=True)
            ]
        )
        # Accurate times e0 in any case, by themselves only where resolved.
        self._mean = np.array([[t.mean for t in row] for row in terms])
        self._cov = np.array([[t.cov for t in row] for row in terms])
        resolved = np.array([[t.resolved for t in row] for row in terms])
        self.region_mean: Array = np.where(resolved[:, :, None], self._mean, np.nan)
        self.region_cov: Array = np.where(resolved[:, :, None, None], self._cov, np.nan)
        self._region_entropy = np.array([[t.entropy for t in row] for row in terms])

    @property
    def e0(self) -> Array:
        """E[1{z in ω} | x], (N, R)."""
        return np.exp(self.log_e0)

    @property
    def e1(self) -> Array:
        """E[z 1{z in ω} | x], (N, R, S)."""
        return np.asarray(self.e0[:, :, None] * self._mean)

    @property
    def e2(self) -> Array:
        """E[z zᵀ 1{z in ω} | x], (N, R, S, S)."""
        outer = np.einsum("nri,nrj->nrij", self._mean, self._mean)
        return np.asarray(self.e0[:, :, None, None] * (self._cov + outer))

    def mean(self) -> Array:
        """E[z | x] = Σ_ω e1_ω, (N, S)."""
        return np.asarray(self.e1.sum(axis=1))

    def cov(self) -> Array:
        """Cov[z | x] (N, S, S), within regions plus between them: Σ e2 - mean meanᵀ cancels."""
        away = self._mean - self.mean()[:, None, :]
        between = np.einsum("nri,nrj->nrij", away, away)
        return np.asarray(np.einsum("nr,nrij->nij", self.e0, self._cov + between))

    def entropy(self) -> Array:
        """Differential entropy of p(z | x), (N,): of the choice of region, and within regions."""
        log_e0 = np.where(self.e0 > 0, self.log_e0, 0.0)
        return np.asarray((self.e0 * (self._region_entropy - log_e0)).sum(axis=1))

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
        """z from N(μ_ω(x), Σ_ω) truncated to ω."""
        slope, offset = self._partition.slopes[region], self._partition.offsets[region]
        centre = posterior_mean(x, slope, offset, self._cov_x, self._cov_z)
        cov = posterior_cov(slope, self._cov_x, self._cov_z)
        if len(centre) > 1:
            return draw_on_polyhedron(*self._partition.halfspaces(region), centre, cov, rng)
        ends = np.concatenate([[-np.inf], self._partition.breakpoints, [np.inf]])
        scale = np.sqrt(cov[0, 0])
        return draw_on_interval(ends[region], ends[region + 1], centre[0], scale, rng)
