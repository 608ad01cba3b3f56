"""p(z | x) on intervals, for S = 1 [eq. 6, Proposition 2]: its mode and its draws."""

from __future__ import annotations

import numpy as np

from fast.distributions.posterior import Posterior, Shares
from fast.integration.draws import sample_interval
from fast.one_dimension.geometry import IntervalGeometry
from fast.one_dimension.pairs import PairTable
from reference.model import Array, Codes, Indices


class IntervalPosterior(Posterior):
    """The posterior on intervals."""

    def __init__(
        self,
        geometry: IntervalGeometry,
        y: Array,
        rest: Array,
        terms: PairTable,
        max_memory: float,
    ) -> None:
        self._geometry, self._y, self._rest, self._terms = geometry, y, rest, terms
        nothing = np.zeros(len(y))
        held = terms.log_e0 > -np.inf
        datum, region = np.nonzero(held)
        super().__init__(
            n_regions=geometry.partition.n_regions,
            images=geometry.images_in_two,
            log_evidence=terms.log_evidence,
            shares=Shares(
                datum=datum,
                region=region,
                log_e0=terms.log_e0[held],
                mean=terms.mean[held][:, None],
                cov=terms.variance[held][:, None, None],
                entropy=terms.entropy[held],
            ),
            skipped=nothing,
            error=nothing,
            max_memory=max_memory,
        )

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, 1)
            Latent units.
        """
        return self._terms.reference[1]

    def _hidden(self, pairs: slice) -> Array:
        return self._geometry.hidden(self.shares.region[pairs], self.shares.mean[pairs, 0])

    def _slopes(self, pairs: slice) -> Array:
        return self._geometry.slopes[self.shares.region[pairs], :, None]

    def _codes(self, pairs: slice | Indices) -> Codes:
        return self._geometry.partition.codes[self.shares.region[pairs]]

    def _log_density(self, points: Array) -> Array:
        regions = self._geometry.partition.locate(points.reshape(-1, 1)).reshape(points.shape[:2])
        at = regions, points[..., 0]
        relative = self._geometry.relative(self._y[:, None], at, self._terms.reference)
        return relative - self._terms.above[:, None]

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        geometry = self._geometry
        ends = geometry.ends
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
