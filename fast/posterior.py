"""p(z | x), a mixture of Gaussians truncated to the regions [eq. 6, Proposition 2]."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fast.distributions import Geometry, Pairs
from fast.sampling import sample_interval
from reference.network import Array, RandomState, check_array, check_count, check_random_state


class Posterior:
    """The exact posterior of N data [eq. 6]; made by `DGN.posterior`.

    log_e0 (N, R): log E[1{z in ω} | x]. region_mean (N, R, S), region_cov (N, R, S, S): of z given
    x and z in ω, also where e0 underflows. Latent units, nats. Accuracy: e0 1e-12, region moments
    1e-11 of the region's standard deviation, or the problem's condition number times 2e-16. Guarded
    by `python -m oracle` and tests/test_posterior.py.
    """

    def __init__(self, geometry: Geometry, y: Array, rest: Array, terms: Pairs) -> None:
        self._geometry, self._y, self._rest, self._terms = geometry, y, rest, terms
        self._log_evidence = terms.log_evidence
        self.log_e0: Array = terms.log_e0
        self.region_mean: Array = terms.mean[:, :, None]
        self.region_cov: Array = terms.variance[:, :, None, None]

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
        outer = self.region_mean[:, :, :, None] * self.region_mean[:, :, None, :]
        return self.e0[:, :, None, None] * (self.region_cov + outer)

    def mean(self) -> Array:
        """E[z | x], (N, S)."""
        return np.asarray(self.e1.sum(axis=1))

    def cov(self) -> Array:
        """Cov[z | x], (N, S, S): within regions plus between them, no cancellation."""
        spread = self.region_mean - self.mean()[:, None, :]
        outer = spread[:, :, :, None] * spread[:, :, None, :]
        return np.asarray((self.e0[:, :, None, None] * (self.region_cov + outer)).sum(axis=1))

    def entropy(self) -> Array:
        """Differential entropy of p(z | x), (N,), nats."""
        return np.asarray((self.e0 * (self._terms.entropy - self.log_e0)).sum(axis=1))

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions, (N, S)."""
        best = self._terms.relative_peak.argmax(axis=1)[:, None]
        return np.take_along_axis(self._terms.peak, best, axis=1)

    def logpdf(self, Z: ArrayLike) -> Array:
        """log p(z | x) [eq. 6], nats: Z (M, S) for every datum, or (N, M, S) -> (N, M)."""
        count = len(self.log_e0)
        points = check_array(Z, "Z", (None, 1), (count, None, 1))[..., 0]
        points = np.broadcast_to(points, (count, points.shape[-1]))
        regions = self._geometry.partition.locate(points.reshape(-1, 1)).reshape(points.shape)
        joint = self._geometry.log_joint(self._y[:, None], self._rest[:, None], regions, points)
        return joint - self._log_evidence[:, None]

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws from p(z | x), (N, size, S): a region, then z within it."""
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        count, n_regions = self.log_e0.shape
        cumulative = np.cumsum(self.e0, axis=1)
        cumulative /= cumulative[:, -1:]
        uniforms = rng.random((count, size))
        regions = np.stack(
            [np.searchsorted(c, u, side="right") for c, u in zip(cumulative, uniforms, strict=True)]
        )
        regions = np.minimum(regions, n_regions - 1)
        datum = np.repeat(np.arange(count), size)
        draws = self._draw(datum, regions.ravel(), rng)
        return draws.reshape(count, size, 1)

    def _draw(
        self, datum: NDArray[np.intp], region: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        """One draw from each (datum, region) pair's truncated Gaussian."""
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
