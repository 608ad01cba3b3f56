"""Every quantity of a model whose latent dimension is 1: what `DGN` hands its work to."""

from __future__ import annotations

import numpy as np

from fast.distributions.observation import Noise
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.integration.draws import sample_interval
from fast.one_dimension import e_step
from fast.one_dimension.pairs import Geometry, Pairs, gaussian_on_regions, pairs
from fast.partition.partition import Partition
from reference.model import Array, Indices, Network


class OneDimension:
    """Theorem 1 and what follows from it, on intervals."""

    def __init__(self, network: Network, partition: Partition, noise: Noise, cov_z: Array) -> None:
        self.geometry = Geometry.of(network, partition, noise, cov_z)
        self._cov_z = cov_z

    def logpdf(self, X: Array) -> Array:
        """log p(x), (N,)."""
        geometry, result = self.geometry, np.empty(len(X))
        for part in geometry.chunks(len(X)):
            y, rest = geometry.coordinates.points(X[part])
            result[part] = pairs(geometry, y, rest).log_evidence
        return result

    def posterior(self, X: Array) -> Posterior:
        """p(z | x) of each datum."""
        geometry = self.geometry
        y, rest = geometry.coordinates.points(X)
        parts = [pairs(geometry, y[part], rest[part]) for part in geometry.chunks(len(X))]
        return IntervalPosterior(geometry, y, rest, Pairs.joined(parts))

    def statistics(self, X: Array) -> Statistics:
        """Sums over data."""
        return e_step.statistics(self.geometry, X)

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], (N,)."""
        return e_step.expected_complete_loglik(self.geometry, X)

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q), (N,), for q_mean (N, 1), q_cov (N, 1, 1)."""
        return e_step.elbo(self.geometry, X, q_mean[:, 0], q_cov[:, 0, 0])

    def prior_on_regions(self) -> tuple[Array, Array, Array]:
        """Φ_ω(0, Σz) (R,), mean (R, 1) and covariance (R, 1, 1) of z on each region."""
        deviation = np.sqrt(self._cov_z[0])
        log_mass, mean, variance = gaussian_on_regions(self.geometry, np.zeros(1), deviation)
        return np.exp(log_mass[0]), mean[0, :, None], variance[0, :, None, None]


class IntervalPosterior(Posterior):
    """The posterior on intervals."""

    def __init__(self, geometry: Geometry, y: Array, rest: Array, terms: Pairs) -> None:
        self._geometry, self._y, self._rest, self._terms = geometry, y, rest, terms
        nothing = np.zeros(len(y))
        super().__init__(
            geometry.partition,
            terms.log_evidence,
            terms.log_e0,
            terms.mean[:, :, None],
            terms.variance[:, :, None, None],
            terms.entropy,
            nothing,
            nothing,
        )

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions, (N, 1)."""
        best = self._terms.relative_peak.argmax(axis=1)[:, None]
        return np.take_along_axis(self._terms.peak, best, axis=1)

    def _log_joint(self, regions: Indices, points: Array) -> Array:
        return self._geometry.log_joint(
            self._y[:, None], self._rest[:, None], regions, points[..., 0]
        )

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        geometry = self._geometry
        ends = np.concatenate([[-np.inf], geometry.partition.breakpoints, [np.inf]])
        scale, peak = geometry.scales[region], self._terms.peak[datum, region]
        # How fast log p falls at the peak, inwards: zero where the peak is inside the region.
        error = geometry.residual(self._y[datum], region, peak)
        slope = np.einsum("pd,pd->p", error, geometry.slopes[region])
        slope -= geometry.prior_precision * peak
        lower, upper = ends[region], ends[region + 1]
        at_end = (peak <= lower) | (peak >= upper)
        distance = np.where(at_end, np.abs(slope) * scale, 0.0)
        below, above = (peak - lower) / scale, (upper - peak) / scale
        return np.clip(peak + scale * sample_interval(distance, below, above, rng), lower, upper)
