"""p(z | x) on polyhedra, for S >= 2 [eq. 6, Proposition 2]: its mode and its draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fast.distributions.integers import minus, rounded
from fast.distributions.posterior import Posterior, Shares
from fast.integration.apex import Apex, choose_apex
from fast.integration.simplex_draws import draw_within
from fast.integration.whitened import Whitened
from fast.many_dimensions.far_data import far_gaussians, slack
from fast.many_dimensions.far_pairs import far_apex
from fast.many_dimensions.geometry import Points, PolyhedralGeometry
from fast.many_dimensions.pairs import Terms
from fast.many_dimensions.references import References
from reference.model import Array, Codes, Indices, Mask


class Candidates(NamedTuple):
    """Points of regions, one a row."""

    datum: Indices  # (P,)
    region: Indices  # (P,)
    place: Array  # (P, S)

    def joined(self, other: Candidates) -> Candidates:
        """Both, one after another."""
        return Candidates(
            np.concatenate([self.datum, other.datum]),
            np.concatenate([self.region, other.region]),
            np.concatenate([self.place, other.place]),
        )

    def where(self, kept: Mask) -> Candidates:
        """Some of them."""
        return Candidates(self.datum[kept], self.region[kept], self.place[kept])


class PolyhedralPosterior(Posterior):
    """The posterior on polyhedra."""

    def __init__(
        self,
        geometry: PolyhedralGeometry,
        points: Points,
        parts: list[Terms],
        max_memory: float,
    ) -> None:
        self._geometry, self._points = geometry, points
        self._references = References.joined([terms.references for terms in parts])
        self._above = np.concatenate([terms.above for terms in parts])
        starts = np.cumsum([0, *(len(terms.log_evidence) for terms in parts)])
        shifted = [terms.pairs.datum + start for terms, start in zip(parts, starts, strict=False)]
        shares = Shares(
            datum=np.concatenate(shifted),
            region=np.concatenate([terms.pairs.region for terms in parts]),
            log_e0=np.concatenate([terms.log_e0 for terms in parts]),
            mean=np.concatenate([terms.pairs.mean for terms in parts]),
            cov=np.concatenate([terms.pairs.cov for terms in parts]),
            entropy=np.concatenate([terms.pairs.entropy for terms in parts]),
        )
        super().__init__(
            n_regions=geometry.n_regions,
            images=geometry.images_in_two,
            log_evidence=np.concatenate([terms.log_evidence for terms in parts]),
            shares=shares,
            skipped=np.concatenate([terms.skipped for terms in parts]),
            error=np.concatenate([terms.error for terms in parts]),
            max_memory=max_memory,
        )

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """
        # On each region that may hold it, the nearest point of the polyhedron to its Gaussian's
        # mean. A region that holds much of p(x) comes first: most others are then ruled out.
        geometry, points = self._geometry, self._points
        result = np.empty((len(points.y), geometry.latent))
        for part in geometry.chunks(len(points.y)):
            datum, some = np.arange(len(points.y))[part], points.at(part)
            first = self._peaks(datum, self._references.region[part])
            value = geometry.log_inner(some.y, first.region, first.place)
            value[np.isnan(value)] = -np.inf
            look = geometry.search.at(some.y)
            found = look.candidates(value, by_mass=False)
            known = np.arange(len(datum)), first.region
            found = found.without(*known, geometry.n_regions)
            more = self._peaks(datum[found.datum], found.region)
            result[datum] = self._highest(first.joined(more))
        return result

    def _peaks(self, datum: Indices, region: Indices) -> Candidates:
        """Where on each region p(x, z) is largest."""
        geometry = self._geometry
        place = np.empty((len(datum), geometry.latent))
        # A region thinner than rounding may have no such place.
        with np.errstate(all="ignore"):
            for mine, items in geometry.items(self._points.y, datum, region):
                place[mine] = choose_apex(items, exact=True).place
        return Candidates(datum, region, place)

    def _highest(self, found: Candidates) -> Array:
        """The candidate at which p(x, z) is largest, of every datum that has any, (n, S)."""
        geometry, points = self._geometry, self._points
        values = self._references.in_doubles(geometry, points, found)
        far = self._references.far[found.datum]
        loose = slack(geometry, self._references.doubts(geometry, points))[found.datum]
        lowest = np.full(len(points.y), -np.inf)
        np.fmax.at(lowest, found.datum, values - loose)
        kept = ~far | ~(values + loose < lowest[found.datum])
        found, values, rows = found.where(kept), values[kept], np.flatnonzero(far[kept])
        pairs = found.datum[rows], found.region[rows]
        for chosen, gaussians in far_gaussians(geometry, points, *pairs):
            apex, tops = far_apex(gaussians, exact=True)
            mine = rows[chosen]
            found.place[mine] = apex.place
            squares = [q.at(top.place) for q, top in zip(gaussians.quadratics, tops, strict=True)]
            references = self._references.square[found.datum[mine]]
            values[mine] = [
                -0.5 * float(rounded(minus(square, reference)))
                for square, reference in zip(squares, references, strict=True)
            ]
        order = np.lexsort((-values, found.datum))
        first = np.searchsorted(found.datum[order], np.unique(found.datum))
        return np.asarray(found.place[order[first]])

    def _slopes(self, pairs: slice) -> Array:
        return self._geometry.slopes[self.shares.region[pairs]]

    def _codes(self, pairs: slice | Indices) -> Codes:
        return self._geometry.partition.codes[self.shares.region[pairs]]

    def _log_density(self, points: Array) -> Array:
        datum = np.repeat(np.arange(len(points)), points.shape[1])
        places = points.reshape(-1, points.shape[2])
        at = datum, self._geometry.partition.locate(places), places
        relative = self._references.in_doubles(self._geometry, self._points, at)
        for row in np.flatnonzero(self._references.far[datum]):
            n = datum[row]
            length = self._points.length(n)
            square = self._geometry.exact.square(self._points.x[n], length, places[row])
            apart = minus(square, self._references.square[n])
            relative[row] = -0.5 * float(rounded(apart))
        return np.asarray(relative.reshape(points.shape[:2]) - self._above[:, None])

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        pairs, which = np.unique(np.stack([datum, region]), axis=1, return_inverse=True)
        draws = np.empty((len(datum), self._geometry.latent))
        is_far = self._references.far[pairs[0]]
        for far in (False, True):
            some = np.flatnonzero(is_far == far)
            for mine, items, apex in self._with_apexes(*pairs[:, some], far=far):
                place = np.full(pairs.shape[1], -1)
                place[some[mine]] = np.arange(len(mine))
                chosen = np.flatnonzero(place[which] >= 0)
                draws[chosen] = draw_within(items, apex, place[which[chosen]], rng)
        return draws

    def _with_apexes(
        self, datum: Indices, region: Indices, *, far: bool
    ) -> Iterator[tuple[Indices, Whitened, Apex]]:
        """The pairs' posteriors with their apexes, in batches: which of the pairs, and they."""
        if not far:
            for chosen, items in self._geometry.items(self._points.y, datum, region):
                yield chosen, items, choose_apex(items)
            return
        for chosen, gaussians in far_gaussians(self._geometry, self._points, datum, region):
            yield chosen, gaussians.items, far_apex(gaussians)[0]
