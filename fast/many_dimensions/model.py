"""Every quantity of a model whose latent dimension is 2 to 6: what `DGN` hands its work to."""

from __future__ import annotations

import numpy as np

from fast.distributions.observation import Noise
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.integration.apex import choose_apex
from fast.integration.simplex_draws import sample_simplices
from fast.integration.simplex_moments import simplex_moments
from fast.integration.split import split
from fast.many_dimensions import e_step as mixture_e_step
from fast.many_dimensions.geometry import Mixture
from fast.many_dimensions.pairs import Terms
from fast.partition.partition import Partition
from reference.model import Array, Indices, Network


class ManyDimensions:
    """Theorem 1 and what follows from it, on polyhedra."""

    def __init__(
        self,
        network: Network,
        partition: Partition,
        noise: Noise,
        cov_z: Array,
        negligible: float,
    ) -> None:
        self.mixture = Mixture.of(network, partition, noise, cov_z, negligible)
        self._cov_z = cov_z

    def logpdf(self, X: Array) -> Array:
        """log p(x), (N,)."""
        mixture, result = self.mixture, np.empty(len(X))
        for part in mixture.chunks(len(X)):
            result[part] = mixture.terms(*mixture.coordinates.points(X[part])).log_evidence
        return result

    def posterior(self, X: Array) -> Posterior:
        """p(z | x) of each datum."""
        mixture = self.mixture
        y, rest = mixture.coordinates.points(X)
        parts = [mixture.terms(y[part], rest[part]) for part in mixture.chunks(len(X))]
        return PolyhedralPosterior(mixture, y, rest, parts)

    def statistics(self, X: Array) -> Statistics:
        """Sums over data."""
        return mixture_e_step.statistics(self.mixture, X)

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], (N,)."""
        return mixture_e_step.expected_complete_loglik(self.mixture, X)

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q), (N,), for q_mean (N, S), q_cov (N, S, S)."""
        return mixture_e_step.elbo(self.mixture, X, q_mean, q_cov)

    def prior_on_regions(self) -> tuple[Array, Array, Array]:
        """Φ_ω(0, Σz) (R,), mean (R, S) and covariance (R, S, S) of z on each region."""
        return mixture_e_step.prior_on_regions(self.mixture, self._cov_z)


class PolyhedralPosterior(Posterior):
    """The posterior on polyhedra."""

    def __init__(self, mixture: Mixture, y: Array, rest: Array, parts: list[Terms]) -> None:
        self._mixture, self._y, self._rest = mixture, y, rest
        shape, latent = (len(y), len(mixture.slopes)), mixture.slopes.shape[2]
        log_e0, entropy = np.full(shape, -np.inf), np.full(shape, np.nan)
        mean = np.full((*shape, latent), np.nan)
        cov = np.full((*shape, latent, latent), np.nan)
        start = 0
        for terms in parts:
            at = terms.pairs.datum + start, terms.pairs.region
            log_e0[at], entropy[at] = terms.log_e0, terms.pairs.entropy
            mean[at], cov[at] = terms.pairs.mean, terms.pairs.cov
            start += len(terms.log_evidence)
        evidence, skipped, error = (
            np.concatenate([getattr(terms, name) for terms in parts])
            for name in ("log_evidence", "skipped", "error")
        )
        super().__init__(mixture.partition, evidence, log_e0, mean, cov, entropy, skipped, error)

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions, (N, S): on each region that may hold
        it, the nearest point of the polyhedron to its Gaussian's mean."""
        mixture, every = self._mixture, np.arange(len(self._y))
        result, value = np.empty((len(self._y), mixture.slopes.shape[2])), np.empty(len(self._y))
        for part in mixture.chunks(len(self._y)):
            datum = every[part]
            _, bound = mixture.bounds(self._y[part], self._rest[part])
            bound[:, mixture.group < 0] = -np.inf
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
        mixture = self._mixture
        peaks = np.empty((len(datum), mixture.slopes.shape[2]))
        for mine, items in mixture.items(self._y, datum, region):
            peaks[mine] = choose_apex(items, exact=True).place
        return peaks, mixture.log_joint(self._y[datum], self._rest[datum], region, peaks)

    def _log_joint(self, regions: Indices, points: Array) -> Array:
        return self._mixture.log_joint(self._y[:, None], self._rest[:, None], regions, points)

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        pairs, which = np.unique(np.stack([datum, region]), axis=1, return_inverse=True)
        draws = np.empty((len(datum), self._mixture.slopes.shape[2]))
        for mine, items in self._mixture.items(self._y, *pairs):
            place = np.full(pairs.shape[1], -1)
            place[mine] = np.arange(len(mine))
            chosen = np.flatnonzero(place[which] >= 0)
            item = place[which[chosen]]
            if items.lattice.dimension:
                apex = choose_apex(items)
                parts = split(items, apex)
                masses = (
                    parts.volume * simplex_moments(parts.slopes, parts.gram, parts.finite)[:, 0, 0]
                )
                # Shares of each item: sums over items of any size would round the small ones off.
                masses /= np.bincount(parts.item, masses, len(mine))[parts.item]
                simplex = _chosen(masses, parts.item, item, rng)
                weights = sample_simplices(
                    parts.slopes[simplex], parts.gram[simplex], parts.finite[simplex], rng
                )
                away = np.einsum("pi,pij->pj", weights, parts.corners[simplex])
                step = np.einsum("psk,pk->ps", items.inverses[item], away)
                draws[chosen] = apex.place[item] + step
            else:
                draws[chosen] = items.means[item]
            along = rng.standard_normal((len(chosen), items.free.shape[2]))
            draws[chosen] += np.einsum("psl,pl->ps", items.free[item], along)
        return draws


def _chosen(masses: Array, owner: Indices, item: Indices, rng: np.random.Generator) -> Indices:
    """For each item asked for, one of its simplices, drawn by mass."""
    order = np.argsort(owner, kind="stable")
    total = np.cumsum(masses[order])
    ends = np.searchsorted(owner[order], item, side="right")
    starts = np.searchsorted(owner[order], item, side="left")
    before = np.where(starts > 0, total[starts - 1], 0.0)
    sought = before + rng.random(len(item)) * (total[ends - 1] - before)
    return order[np.clip(np.searchsorted(total, sought, side="right"), starts, ends - 1)]
