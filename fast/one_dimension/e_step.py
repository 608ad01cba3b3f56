"""Posterior expectations summed over data, and Gaussian variational bounds [Sec. 4.1, eq. 3]."""

from __future__ import annotations

import numpy as np

from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.one_dimension.pairs import Geometry, gaussian_on_regions, pairs
from reference.model import Array


def statistics(geometry: Geometry, X: Array) -> Statistics:
    """The E-step's sums over X (N, D), in chunks: memory O(R D), independent of N."""
    partition, coordinates = geometry.partition, geometry.coordinates
    n_regions, dimension = partition.offsets.shape
    structure = coordinates.noise.cov.ndim
    rank = geometry.images.shape[1]
    loglik = 0.0
    # Sums of 1, ζ, ζ² and x, xζ on each region, with ζ = z - (the region's anchor).
    moments = np.zeros((3, n_regions))
    crossed = np.zeros((2, n_regions, dimension))
    spread = np.zeros((rank, rank))
    slack = np.zeros(n_regions)
    scatter = np.zeros((dimension,) * structure)
    anchors, images = geometry.bases

    for part in geometry.chunks(len(X)):
        x = X[part]
        y, rest = coordinates.points(x)
        terms = pairs(geometry, y, rest)
        loglik += float(terms.log_evidence.sum())
        e0 = np.exp(terms.log_e0)
        offset = terms.mean - anchors
        weighted = e0 * offset
        moments[0] += e0.sum(axis=0)
        moments[1] += weighted.sum(axis=0)
        variance = (e0 * terms.variance).sum(axis=0)
        moments[2] += variance + (weighted * offset).sum(axis=0)
        centred = x - coordinates.origin
        crossed[0] += e0.T @ centred
        crossed[1] += weighted.T @ centred

        # E[(x - g)(x - g)ᵀ | x] = (x - ĝ)(x - ĝ)ᵀ + Cov[g | x], with ĝ = E[g(z) | x].
        expected = e0 @ images + weighted @ geometry.slopes
        departure = images + offset[:, :, None] * geometry.slopes - expected[:, None, :]
        flat = departure.reshape(-1, rank)
        spread += (flat * e0.reshape(-1, 1)).T @ flat
        slack += variance
        if structure == 0:
            scatter += geometry.coordinates.noise.cov * (rest.sum() + np.square(y - expected).sum())
        else:
            error = centred - coordinates.lift(expected)
            scatter += error.T @ error if structure == 2 else np.square(error).sum(axis=0)

    spread += (geometry.slopes * slack[:, None]).T @ geometry.slopes
    slopes = partition.slopes[:, :, 0]
    at_anchor = slopes * anchors[:, None] + partition.offsets - coordinates.origin
    residual0 = crossed[0] - at_anchor * moments[0][:, None] - slopes * moments[1][:, None]
    about_anchor = crossed[1] - at_anchor * moments[1][:, None] - slopes * moments[2][:, None]
    e1 = moments[1] + anchors * moments[0]
    e2 = moments[2] + anchors * (2 * moments[1] + anchors * moments[0])
    return Statistics(
        n=len(X),
        loglik=loglik,
        e0=moments[0],
        e1=e1[:, None],
        e2=e2[:, None, None],
        residual0=residual0,
        residual1=(about_anchor + anchors[:, None] * residual0)[:, :, None],
        scatter=np.asarray(scatter + coordinates.lifted_cov(spread)),
    )


def expected_complete_loglik(geometry: Geometry, X: Array) -> Array:
    """E[log p(x, z) | x] [Sec. 4.1, the E-step with its bracket inside the -1/2], (N,), nats."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        terms = pairs(geometry, *geometry.coordinates.points(X[part]))
        # E[log p(x, z) | x] = log p(x) - H(p(z | x)), the entropy region by region.
        entropy = (np.exp(terms.log_e0) * (terms.entropy - terms.log_e0)).sum(axis=1)
        result[part] = terms.log_evidence - entropy
    return result


def elbo(geometry: Geometry, X: Array, q_mean: Array, q_variance: Array) -> Array:
    """E_q[log p(x, z)] + H(q) for q = N(q_mean, q_variance), exact [eq. 3], (N,), nats."""
    result = np.empty(len(X))
    for part in geometry.chunks(len(X)):
        y, rest = geometry.coordinates.points(X[part])
        deviation = np.sqrt(q_variance[part])
        log_mass, mean, variance = gaussian_on_regions(geometry, q_mean[part], deviation)
        # Of log p(x, z) on a region: its value at q's mean there, and its curvature.
        regions = np.broadcast_to(np.arange(log_mass.shape[1]), log_mass.shape)
        at_mean = geometry.log_joint(y[:, None], rest[:, None], regions, mean)
        expected = at_mean - 0.5 * variance / geometry.scales**2
        entropy = 0.5 * (LOG_2PI + 1.0) + np.log(deviation)
        result[part] = (np.exp(log_mass) * expected).sum(axis=1) + entropy
    return result
