"""Posterior expectations summed over data, and Gaussian variational bounds, for S >= 2 [Sec. 4.1,
eq. 3]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.many_dimensions.gaussians import Worth, gaussians_on_regions
from fast.many_dimensions.geometry import Points, PolyhedralGeometry
from fast.many_dimensions.pairs import Terms, pairs_of
from reference.model import Array, Indices


def statistics(geometry: PolyhedralGeometry, X: Array, counts: Array) -> Statistics:
    """The E-step's sums over X (N, D), in chunks: memory O(R D), independent of N.

    counts (N,): how often each datum counts.
    """
    sums = _Sums(geometry)
    for part in geometry.chunks(len(X)):
        points = geometry.points(X[part])
        y, terms, often = points.y, pairs_of(geometry, points), counts[part]
        orthogonal = X[part] - geometry.coordinates.origin - geometry.coordinates.lift(y)
        expected = sums.add_inside(terms, y, often)
        sums.add_outside(terms, orthogonal, often)
        sums.add_scatter(points.rest, orthogonal, expected, often)
    return sums.statistics(float(counts.sum()))


class _Sums:
    """The sums so far. Of x - g(z), its part along the basis of the coordinates y (inside) and what
    is orthogonal to that (outside) are summed by themselves."""

    def __init__(self, geometry: PolyhedralGeometry) -> None:
        self._geometry, self._coordinates = geometry, geometry.coordinates
        n_regions, rank, latent = geometry.n_regions, geometry.rank, geometry.latent
        dimension = self._coordinates.noise.dimension
        self._loglik = 0.0
        self._e0, self._e1 = np.zeros(n_regions), np.zeros((n_regions, latent))
        self._e2 = np.zeros((n_regions, latent, latent))
        self._inside0 = np.zeros((n_regions, rank))
        self._inside1 = np.zeros((n_regions, rank, latent))
        self._outside0 = np.zeros((n_regions, dimension))
        self._outside1 = np.zeros((n_regions, dimension, latent))
        self._spread = np.zeros((rank, rank))
        self._scatter = np.zeros((dimension,) * self._coordinates.noise.cov.ndim)

    def add_inside(self, terms: Terms, y: Array, counts: Array) -> Array:
        """Add moments of z and of what lies along the basis; y - E[y(g(z)) | x] as often as each
        datum counts, (N, r)."""
        pairs = terms.pairs
        weights = counts[pairs.datum] * np.exp(terms.log_e0)
        n_regions = len(self._e0)
        self._loglik += float((counts * terms.log_evidence).sum())
        by_region = csr_array(
            (np.ones(len(weights)), (pairs.region, np.arange(len(weights)))),
            shape=(n_regions, len(weights)),
        )

        def summed(rows: Array) -> Array:
            flat = by_region @ rows.reshape(len(rows), -1)
            return np.asarray(flat).reshape(n_regions, *rows.shape[1:])

        mean, cov = pairs.mean, pairs.cov
        self._e0 += summed(weights)
        self._e1 += summed(weights[:, None] * mean)
        outer = mean[:, :, None] * mean[:, None, :]
        self._e2 += summed(weights[:, None, None] * (cov + outer))
        slopes = self._geometry.slopes[pairs.region]
        residual = self._geometry.residual(y[pairs.datum], pairs.region, mean)
        weighted = weights[:, None] * residual
        self._inside0 += summed(weighted)
        # E[(x - g) zᵀ] = r mᵀ - A Cov: x - g(z) = r - A (z - m) on the region.
        carried = slopes @ cov
        self._inside1 += summed(
            weighted[:, :, None] * mean[:, None, :] - weights[:, None, None] * carried
        )
        self._spread += weighted.T @ residual
        self._spread += np.einsum("p,pds,pes->de", weights, carried, slopes)
        by_datum = csr_array(
            (np.ones(len(weights)), (pairs.datum, np.arange(len(weights)))),
            shape=(len(y), len(weights)),
        )
        return np.asarray(by_datum @ weighted)

    def add_outside(self, terms: Terms, orthogonal: Array, counts: Array) -> None:
        """Add what of the data, (N, D), is orthogonal to the basis, times 1 and times z."""
        pairs = terms.pairs
        weights = counts[pairs.datum] * np.exp(terms.log_e0)
        shape = len(self._e0), len(orthogonal)
        of_datum = csr_array((weights, (pairs.region, pairs.datum)), shape=shape)
        self._outside0 += of_datum @ orthogonal
        for s in range(pairs.mean.shape[1]):
            of_datum = csr_array(
                (weights * pairs.mean[:, s], (pairs.region, pairs.datum)), shape=shape
            )
            self._outside1[:, :, s] += of_datum @ orthogonal

    def add_scatter(self, rest: Array, orthogonal: Array, expected: Array, counts: Array) -> None:
        """Add to the scatter what involves the orthogonal part, (N, D), of squared length rest
        (N,); expected (N, r): the residual along the basis, as often as each datum counts."""
        noise = self._coordinates.noise
        if noise.cov.ndim == 0:
            self._scatter += noise.cov * (counts * rest).sum()
            return
        lifted = self._coordinates.lift(expected)
        if noise.cov.ndim == 2:
            cross = orthogonal.T @ lifted
            weighted = np.sqrt(counts)[:, None] * orthogonal
            self._scatter += weighted.T @ weighted + cross + cross.T
        else:
            twice = counts[:, None] * orthogonal + 2 * lifted
            self._scatter += (orthogonal * twice).sum(axis=0)

    def statistics(self, n: float) -> Statistics:
        """All sums, of n data, back in the units of the data."""
        coordinates = self._coordinates
        lifted1 = np.swapaxes(coordinates.lift(np.swapaxes(self._inside1, 1, 2)), 1, 2)
        return Statistics(
            n=n,
            loglik=self._loglik,
            codes=self._geometry.partition.codes,
            e0=self._e0,
            e1=self._e1,
            e2=self._e2,
            residual0=self._outside0 + coordinates.lift(self._inside0),
            residual1=self._outside1 + lifted1,
            scatter=np.asarray(self._scatter + coordinates.lifted_cov(self._spread)),
        )


def entropies(terms: Terms) -> Array:
    """Differential entropy of p(z | x), (N,), nats: of the choice of region, and within regions."""
    shares = np.exp(terms.log_e0) * (terms.pairs.entropy - terms.log_e0)
    return np.bincount(terms.pairs.datum, shares, len(terms.log_evidence)).astype(np.float64)


def expected_complete_loglik(geometry: PolyhedralGeometry, X: Array) -> Array:
    """log p(x) less the entropy of p(z | x), which is E[log p(x, z) | x], (N,), nats."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        terms = pairs_of(geometry, geometry.points(X[part]))
        result[part] = terms.log_evidence - entropies(terms)
    return result


def elbo(geometry: PolyhedralGeometry, X: Array, q_mean: Array, q_cov: Array) -> Array:
    """E_q[log p(x, z)] + H(q), (N,), nats: the expectation region by region."""
    points = geometry.points(X)

    def values(datum: Indices, region: Indices, places: Array) -> Array:
        return geometry.log_joint(points.y[datum], points.rest[datum], region, places)

    worth = _worth(geometry, points, np.zeros(len(X)), q_mean, q_cov)
    return _with_entropy(geometry, values, q_mean, q_cov, worth)


def kl(geometry: PolyhedralGeometry, X: Array, q_mean: Array, q_cov: Array) -> Array:
    """KL(q ‖ p(z | x)), (N,), nats: both log p(x) and the ELBO less log p(x, z) at one z, so that
    far away no huge numbers are subtracted."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        points = geometry.points(X[part])
        terms = pairs_of(geometry, points)

        def values(
            *at: *tuple[Indices, Indices, Array], points: Points = points, terms: Terms = terms
        ) -> Array:
            return terms.references.relative(geometry, points, at)

        base = terms.log_evidence - terms.above
        worth = _worth(geometry, points, base, q_mean[part], q_cov[part])
        bound = _with_entropy(geometry, values, q_mean[part], q_cov[part], worth)
        result[part] = terms.above - bound
    return result


def _worth(
    geometry: PolyhedralGeometry, points: Points, base: Array, q_mean: Array, q_cov: Array
) -> Worth | None:
    """What log p(x, z) - base is at most where q may be left out, for its expectation to miss less
    than `negligible` nats; None where nothing may."""
    tree = geometry.search.tree
    if tree is None or not geometry.negligible:
        return None
    log_negligible = np.log(geometry.negligible)
    constant = np.abs(geometry.log_constant - 0.5 * points.rest - base)
    most = constant + tree.farthest(geometry.search.projection.seen(points.y))

    def log_others(datum: Indices, region: Indices, outside: Array) -> Array:
        # On a region log p(x, z) = constant - ½ |a + B u|² for u = L^-1 (z - q's mean), which is at
        # most |a|² + |B|² |u|² off; and of |u|² the mean beyond a facet is at most S + 1 + its own.
        # |B|² is taken as the sum of its squares.
        with np.errstate(over="ignore"):  # what is too large for a double is not left out
            at_mean = -2.0 * geometry.log_inner(points.y[datum], region, q_mean[datum])
            spread = _curvatures(geometry, region, q_cov[datum])
            size = at_mean + spread * (geometry.latent + 1 + outside**2) + constant[datum]
        return np.asarray(np.log(np.maximum(size, 1.0)) - log_negligible)

    return Worth(np.log(np.maximum(most, 1.0)) - log_negligible, log_others)


def _with_entropy(
    geometry: PolyhedralGeometry,
    values: Callable[[Indices, Indices, Array], Array],
    q_mean: Array,
    q_cov: Array,
    worth: Worth | None,
) -> Array:
    """The expectation under q of log p(x, z), whose values at z (P, S) for datum (P,) and region
    (P,) are given, but for what is not worth it, and q's entropy, (N,)."""
    result = 0.5 * (q_mean.shape[1] * (LOG_2PI + 1.0) + np.linalg.slogdet(q_cov)[1])
    found = gaussians_on_regions(geometry, q_mean, q_cov, worth)
    for datum, region, log_mass, mean, cov in found:
        # Of log p(x, z) on a region: its value at q's mean there, and its curvature.
        expected = values(datum, region, mean) - 0.5 * _curvatures(geometry, region, cov)
        result += np.bincount(datum, np.exp(log_mass) * expected, len(q_mean))
    return np.asarray(result)


def _curvatures(geometry: PolyhedralGeometry, region: Indices, cov: Array) -> Array:
    """How curved log p(x, z) is on regions (P,) over covariances of z, (P, S, S): tr R Cov Rᵀ."""
    roots = geometry.roots[region]
    return np.asarray(np.einsum("pij,pjk,pik->p", roots, cov, roots))
