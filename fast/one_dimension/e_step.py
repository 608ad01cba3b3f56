"""Posterior expectations summed over data, and Gaussian variational bounds, for S = 1 [Sec. 4.1,
eq. 3]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.one_dimension.gaussians import shares_of_gaussians
from fast.one_dimension.geometry import IntervalGeometry
from fast.one_dimension.pairs import PairTable, pairs_of
from reference.model import Array, Indices


def statistics(geometry: IntervalGeometry, X: Array, counts: Array) -> Statistics:
    """The E-step's sums over X (N, D), in chunks: memory O(R D), independent of N.

    counts (N,): how often each datum counts.
    """
    sums = _Sums(geometry)
    for part in geometry.chunks(len(X)):
        sums.add(X[part], counts[part])
    return sums.statistics(float(counts.sum()))


class _Sums:
    """The sums so far: on each region of 1, ζ, ζ² and of x, xζ, with ζ = z - (the region's anchor);
    and what the scatter is made of."""

    def __init__(self, geometry: IntervalGeometry) -> None:
        self._geometry, self._coordinates = geometry, geometry.coordinates
        n_regions, dimension = geometry.partition.offsets.shape
        rank = geometry.images.shape[1]
        self._loglik = 0.0
        self._moments = np.zeros((3, n_regions))
        self._crossed = np.zeros((2, n_regions, dimension))
        self._spread = np.zeros((rank, rank))
        self._slack = np.zeros(n_regions)
        self._scatter = np.zeros((dimension,) * self._coordinates.noise.cov.ndim)

    def add(self, x: Array, counts: Array) -> None:
        """Add a chunk of data (N, D), each as often as it counts, (N,)."""
        geometry, coordinates = self._geometry, self._coordinates
        anchors, images = geometry.bases
        y, rest = coordinates.points(x)
        terms = pairs_of(geometry, y, rest)
        self._loglik += float((counts * terms.log_evidence).sum())
        shares = np.exp(terms.log_e0)
        e0 = counts[:, None] * shares
        offset = terms.mean - anchors
        weighted = e0 * offset
        self._moments[0] += e0.sum(axis=0)
        self._moments[1] += weighted.sum(axis=0)
        variance = (e0 * terms.variance).sum(axis=0)
        self._moments[2] += variance + (weighted * offset).sum(axis=0)
        centred = x - coordinates.origin
        self._crossed[0] += e0.T @ centred
        self._crossed[1] += weighted.T @ centred

        # E[(x - g)(x - g)ᵀ | x] = (x - ĝ)(x - ĝ)ᵀ + Cov[g | x], with ĝ = E[g(z) | x].
        expected = shares @ images + (shares * offset) @ geometry.slopes
        departure = images + offset[:, :, None] * geometry.slopes - expected[:, None, :]
        flat = departure.reshape(-1, len(self._spread))
        self._spread += (flat * e0.reshape(-1, 1)).T @ flat
        self._slack += variance
        structure = coordinates.noise.cov.ndim
        if structure == 0:
            squares = (counts * rest).sum() + (counts[:, None] * np.square(y - expected)).sum()
            self._scatter += coordinates.noise.cov * squares
        else:
            error = np.sqrt(counts)[:, None] * (centred - coordinates.lift(expected))
            self._scatter += error.T @ error if structure == 2 else np.square(error).sum(axis=0)

    def statistics(self, n: float) -> Statistics:
        """All sums, of n data, of z itself."""
        partition, coordinates = self._geometry.partition, self._coordinates
        anchors, _ = self._geometry.bases
        moments, crossed = self._moments, self._crossed
        scaled = self._geometry.slopes * self._slack[:, None]
        spread = self._spread + scaled.T @ self._geometry.slopes
        slopes = partition.slopes[:, :, 0]
        at_anchor = slopes * anchors[:, None] + partition.offsets - coordinates.origin
        residual0 = crossed[0] - at_anchor * moments[0][:, None] - slopes * moments[1][:, None]
        about_anchor = crossed[1] - at_anchor * moments[1][:, None] - slopes * moments[2][:, None]
        e1 = moments[1] + anchors * moments[0]
        e2 = moments[2] + anchors * (2 * moments[1] + anchors * moments[0])
        return Statistics(
            n=n,
            loglik=self._loglik,
            codes=partition.codes,
            e0=moments[0],
            e1=e1[:, None],
            e2=e2[:, None, None],
            residual0=residual0,
            residual1=(about_anchor + anchors[:, None] * residual0)[:, :, None],
            scatter=np.asarray(self._scatter + coordinates.lifted_cov(spread)),
        )


def expected_complete_loglik(geometry: IntervalGeometry, X: Array) -> Array:
    """log p(x) less the entropy of p(z | x), which is E[log p(x, z) | x], (N,), nats."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        terms = pairs_of(geometry, *geometry.coordinates.points(X[part]))
        held = ~np.isneginf(terms.log_e0)
        surprise = np.subtract(terms.entropy, terms.log_e0, where=held, out=np.zeros(held.shape))
        entropy = (np.exp(terms.log_e0) * surprise).sum(axis=1)
        result[part] = terms.log_evidence - entropy
    return result


def elbo(geometry: IntervalGeometry, X: Array, q_mean: Array, q_variance: Array) -> Array:
    """E_q[log p(x, z)] + H(q), (N,), nats, for q_mean (N,) and q_variance (N,): the expectation
    region by region."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        y, rest = geometry.coordinates.points(X[part])

        def values(at: tuple[Indices, Array], y: Array = y, rest: Array = rest) -> Array:
            return geometry.log_joint(y[:, None], rest[:, None], *at)

        result[part] = _with_entropy(geometry, values, q_mean[part], q_variance[part])
    return result


def kl(geometry: IntervalGeometry, X: Array, q_mean: Array, q_variance: Array) -> Array:
    """KL(q ‖ p(z | x)), (N,), nats: both log p(x) and the ELBO less log p(x, z) at one z, so that
    far away no huge numbers are subtracted."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        y, rest = geometry.coordinates.points(X[part])
        terms = pairs_of(geometry, y, rest)

        def values(at: tuple[Indices, Array], y: Array = y, terms: PairTable = terms) -> Array:
            return geometry.relative(y[:, None], at, terms.reference)

        bound = _with_entropy(geometry, values, q_mean[part], q_variance[part])
        result[part] = terms.above - bound
    return result


def _with_entropy(
    geometry: IntervalGeometry,
    values: Callable[[tuple[Indices, Array]], Array],
    q_mean: Array,
    q_variance: Array,
) -> Array:
    """The expectation under q of log p(x, z), whose values at z (N, R) in regions (N, R) are given,
    and q's entropy, (N,)."""
    deviation = np.sqrt(q_variance)
    log_mass, mean, variance = shares_of_gaussians(geometry, q_mean, deviation)
    # Of log p(x, z) on a region: its value at q's mean there, and its curvature.
    regions = np.broadcast_to(np.arange(log_mass.shape[1]), log_mass.shape)
    expected = values((regions, mean)) - 0.5 * variance / geometry.scales**2
    entropy = 0.5 * (LOG_2PI + 1.0) + np.log(deviation)
    return np.asarray((np.exp(log_mass) * expected).sum(axis=1) + entropy)
