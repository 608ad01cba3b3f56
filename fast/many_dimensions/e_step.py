"""Posterior expectations summed over data, and Gaussian variational bounds, for S >= 2 [Sec. 4.1,
eq. 3]."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.many_dimensions.geometry import Mixture
from fast.many_dimensions.pairs import Terms
from reference.model import Array


def statistics(mixture: Mixture, X: Array) -> Statistics:
    """The E-step's sums over X (N, D), in chunks: memory O(R D), independent of N."""
    coordinates = mixture.coordinates
    n_regions, rank, latent = mixture.slopes.shape
    dimension, structure = X.shape[1], coordinates.noise.cov.ndim
    loglik = 0.0
    e0, e1 = np.zeros(n_regions), np.zeros((n_regions, latent))
    e2 = np.zeros((n_regions, latent, latent))
    # Of x - g(z): its part along the basis of the coordinates y, and what is orthogonal.
    inside0, inside1 = np.zeros((n_regions, rank)), np.zeros((n_regions, rank, latent))
    outside0, outside1 = np.zeros((n_regions, dimension)), np.zeros((n_regions, dimension, latent))
    spread = np.zeros((rank, rank))
    scatter = np.zeros((dimension,) * structure)
    for part in mixture.chunks(len(X)):
        y, rest = coordinates.points(X[part])
        terms = mixture.terms(y, rest)
        pairs, weights = terms.pairs, np.exp(terms.log_e0)
        loglik += float(terms.log_evidence.sum())
        by_region = csr_array(
            (np.ones(len(weights)), (pairs.region, np.arange(len(weights)))),
            shape=(n_regions, len(weights)),
        )

        def summed(rows: Array, by_region: csr_array = by_region) -> Array:
            flat = by_region @ rows.reshape(len(rows), -1)
            return np.asarray(flat).reshape(n_regions, *rows.shape[1:])

        mean, cov = pairs.mean, pairs.cov
        e0 += summed(weights)
        e1 += summed(weights[:, None] * mean)
        outer = mean[:, :, None] * mean[:, None, :]
        e2 += summed(weights[:, None, None] * (cov + outer))
        slopes = mixture.slopes[pairs.region]
        residual = mixture.residual(y[pairs.datum], pairs.region, mean)
        weighted = weights[:, None] * residual
        inside0 += summed(weighted)
        # E[(x - g) zᵀ] = r mᵀ - A Cov: x - g(z) = r - A (z - m) on the region.
        carried = slopes @ cov
        inside1 += summed(
            weighted[:, :, None] * mean[:, None, :] - weights[:, None, None] * carried
        )
        spread += weighted.T @ residual
        spread += np.einsum("p,pds,pes->de", weights, carried, slopes)

        of_datum = csr_array((weights, (pairs.region, pairs.datum)), shape=(n_regions, len(y)))
        orthogonal = X[part] - coordinates.origin - coordinates.lift(y)
        outside0 += of_datum @ orthogonal
        for s in range(latent):
            of_datum = csr_array(
                (weights * mean[:, s], (pairs.region, pairs.datum)), shape=(n_regions, len(y))
            )
            outside1[:, :, s] += of_datum @ orthogonal
        if structure == 0:
            scatter += coordinates.noise.cov * rest.sum()
        else:
            by_datum = csr_array(
                (np.ones(len(weights)), (pairs.datum, np.arange(len(weights)))),
                shape=(len(y), len(weights)),
            )
            expected = coordinates.lift(by_datum @ weighted)
            if structure == 2:
                cross = orthogonal.T @ expected
                scatter += orthogonal.T @ orthogonal + cross + cross.T
            else:
                scatter += (orthogonal * (orthogonal + 2 * expected)).sum(axis=0)
    lifted1 = np.swapaxes(coordinates.lift(np.swapaxes(inside1, 1, 2)), 1, 2)
    return Statistics(
        n=len(X),
        loglik=loglik,
        e0=e0,
        e1=e1,
        e2=e2,
        residual0=outside0 + coordinates.lift(inside0),
        residual1=outside1 + lifted1,
        scatter=np.asarray(scatter + coordinates.lifted_cov(spread)),
    )


def entropies(terms: Terms) -> Array:
    """Differential entropy of p(z | x), (N,), nats: of the choice of region, and within regions."""
    shares = np.exp(terms.log_e0) * (terms.pairs.entropy - terms.log_e0)
    return np.bincount(terms.pairs.datum, shares, len(terms.log_evidence)).astype(np.float64)


def expected_complete_loglik(mixture: Mixture, X: Array) -> Array:
    """E[log p(x, z) | x] [Sec. 4.1, the E-step with its bracket inside the -1/2], (N,), nats."""
    result = np.empty(len(X))
    for part in mixture.chunks(len(X)):
        terms = mixture.terms(*mixture.coordinates.points(X[part]))
        # E[log p(x, z) | x] = log p(x) - H(p(z | x)).
        result[part] = terms.log_evidence - entropies(terms)
    return result


def elbo(mixture: Mixture, X: Array, q_mean: Array, q_cov: Array) -> Array:
    """E_q[log p(x, z)] + H(q) for q = N(q_mean (N, S), q_cov (N, S, S)), exact [eq. 3], (N,)."""
    y, rest = mixture.coordinates.points(X)
    latent = q_mean.shape[1]
    log_det = np.linalg.slogdet(q_cov)[1]
    result = 0.5 * (latent * (LOG_2PI + 1.0) + log_det)
    for datum, region, log_mass, mean, cov in mixture.gaussians(q_mean, q_cov):
        # Of log p(x, z) on a region: its value at q's mean there, and its curvature.
        at_mean = mixture.log_joint(y[datum], rest[datum], region, mean)
        roots = mixture.roots[region]
        curvature = np.einsum("pij,pjk,pik->p", roots, cov, roots)
        expected = at_mean - 0.5 * curvature
        result += np.bincount(datum, np.exp(log_mass) * expected, len(X))
    return np.asarray(result)


def prior_on_regions(mixture: Mixture, cov_z: Array) -> tuple[Array, Array, Array]:
    """Φ_ω(0, Σz) [Proposition 1] (R,), mean (R, S) and covariance (R, S, S) of z on each region;
    0 where less than exp(-80)."""
    n_regions, latent = len(mixture.slopes), len(cov_z)
    mass, mean = np.zeros(n_regions), np.zeros((n_regions, latent))
    cov = np.zeros((n_regions, latent, latent))
    origin = np.zeros((1, latent))
    for _, region, log_mass, means, covs in mixture.gaussians(origin, cov_z[None]):
        mass[region], mean[region], cov[region] = np.exp(log_mass), means, covs
    return mass, mean, cov
