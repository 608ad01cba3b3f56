"""p(z | x) on polyhedra, for S >= 2 [eq. 6, Proposition 2]: its mode and its draws."""

from __future__ import annotations

import numpy as np

from fast.distributions.posterior import Posterior
from fast.integration.apex import choose_apex
from fast.integration.simplex_draws import sample_simplices
from fast.integration.simplex_moments import simplex_moments
from fast.integration.split import split
from fast.integration.whitened import Whitened
from fast.many_dimensions.bounds import bounds
from fast.many_dimensions.geometry import PolyhedralGeometry
from fast.many_dimensions.pairs import Terms
from reference.model import Array, Indices


class PolyhedralPosterior(Posterior):
    """The posterior on polyhedra."""

    def __init__(
        self, geometry: PolyhedralGeometry, y: Array, rest: Array, parts: list[Terms]
    ) -> None:
        self._geometry, self._y, self._rest = geometry, y, rest
        shape, latent = (len(y), len(geometry.slopes)), geometry.slopes.shape[2]
        log_e0, entropy = np.full(shape, -np.inf), np.full(shape, np.nan)
        mean = np.full((*shape, latent), np.nan)
        cov = np.full((*shape, latent, latent), np.nan)
        start = 0
        for terms in parts:
            at = terms.pairs.datum + start, terms.pairs.region
            log_e0[at], entropy[at] = terms.log_e0, terms.pairs.entropy
            mean[at], cov[at] = terms.pairs.mean, terms.pairs.cov
            start += len(terms.log_evidence)
        super().__init__(
            partition=geometry.partition,
            log_evidence=np.concatenate([terms.log_evidence for terms in parts]),
            log_e0=log_e0,
            region_mean=mean,
            region_cov=cov,
            region_entropy=entropy,
            skipped=np.concatenate([terms.skipped for terms in parts]),
            error=np.concatenate([terms.error for terms in parts]),
        )

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """
        # On each region that may hold it, the nearest point of the polyhedron to its Gaussian's
        # mean. The region of the largest bound comes first: most others are then ruled out.
        geometry, every = self._geometry, np.arange(len(self._y))
        result, value = np.empty((len(self._y), geometry.slopes.shape[2])), np.empty(len(self._y))
        for part in geometry.chunks(len(self._y)):
            datum = every[part]
            bound = bounds(geometry, self._y[part], self._rest[part]).log_peak
            bound[:, geometry.group < 0] = -np.inf
            best = bound.argmax(axis=1)
            result[datum], value[datum] = self._peaks(datum, best)
            bound[np.arange(len(best)), best] = -np.inf
            row, region = np.nonzero(bound > value[datum, None])
            peaks, values = self._peaks(datum[row], region)
            order = np.lexsort((values, row))
            last = order[np.searchsorted(row[order], np.unique(row), side="right") - 1]
            better = last[values[last] > value[datum[row[last]]]]
            result[datum[row[better]]] = peaks[better]
        return result

    def _peaks(self, datum: Indices, region: Indices) -> tuple[Array, Array]:
        """Where on a region p(x, z) is largest, (P, S), and its log there, (P,)."""
        geometry = self._geometry
        peaks = np.empty((len(datum), geometry.slopes.shape[2]))
        for mine, items in geometry.items(self._y, datum, region):
            peaks[mine] = choose_apex(items, exact=True).place
        return peaks, geometry.log_joint(self._y[datum], self._rest[datum], region, peaks)

    def _log_joint(self, regions: Indices, points: Array) -> Array:
        return self._geometry.log_joint(self._y[:, None], self._rest[:, None], regions, points)

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        pairs, which = np.unique(np.stack([datum, region]), axis=1, return_inverse=True)
        draws = np.empty((len(datum), self._geometry.slopes.shape[2]))
        for mine, items in self._geometry.items(self._y, *pairs):
            place = np.full(pairs.shape[1], -1)
            place[mine] = np.arange(len(mine))
            chosen = np.flatnonzero(place[which] >= 0)
            draws[chosen] = _drawn(items, place[which[chosen]], rng)
        return draws


def _drawn(items: Whitened, item: Indices, rng: np.random.Generator) -> Array:
    """A draw (P, S) from the item that each entry of item (P,) names."""
    if items.lattice.dimension:
        apex = choose_apex(items)
        parts = split(items, apex)
        masses = parts.volume * simplex_moments(parts.slopes, parts.gram, parts.finite)[:, 0, 0]
        # Shares of each item: sums over items of any size would round the small ones off.
        masses /= np.bincount(parts.item, masses, len(items.cells))[parts.item]
        simplex = _chosen(masses, parts.item, item, rng)
        weights = sample_simplices(
            parts.slopes[simplex], parts.gram[simplex], parts.finite[simplex], rng
        )
        away = np.einsum("pi,pij->pj", weights, parts.corners[simplex])
        draws = apex.place[item] + np.einsum("psk,pk->ps", items.inverses[item], away)
    else:
        draws = items.means[item]
    along = rng.standard_normal((len(item), items.free.shape[2]))
    draws += np.einsum("psl,pl->ps", items.free[item], along)
    return np.asarray(draws)


def _chosen(masses: Array, owner: Indices, item: Indices, rng: np.random.Generator) -> Indices:
    """For each item asked for, one of its simplices, drawn by mass."""
    order = np.argsort(owner, kind="stable")
    total = np.cumsum(masses[order])
    ends = np.searchsorted(owner[order], item, side="right")
    starts = np.searchsorted(owner[order], item, side="left")
    before = np.where(starts > 0, total[starts - 1], 0.0)
    sought = before + rng.random(len(item)) * (total[ends - 1] - before)
    return order[np.clip(np.searchsorted(total, sought, side="right"), starts, ends - 1)]
