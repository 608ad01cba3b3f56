"""Posterior expectations: the E-step, its sums over data, and Gaussian bounds [Sec. 4.1, eq. 3]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference import noise
from reference.distributions import (
    RegionTerm,
    log_conditional,
    log_marginal,
    log_prior,
    log_responsibilities,
    region_terms,
)
from reference.gaussian import LOG_2PI, gaussian_on_polyhedron
from reference.partition import Partition
from reference.validation import Array


@dataclass(frozen=True)
class Statistics:
    """Sums over data of posterior expectations: all that the M-step and the gradient need.

    n: how many data. loglik: Σ_x log p(x). e0 (R,), e1 (R, S), e2 (R, S, S): Σ_x E[1 | x], E[z |
    x], E[z zᵀ | x] on each region. residual0 (R, D): Σ_x E[(x - g(z)) 1{z in ω} | x]. residual1 (R,
    D, S): Σ_x E[(x - g(z)) zᵀ 1{z in ω} | x]. scatter: Σ_x E[(x - g(z))(x - g(z))ᵀ | x], in the
    structure of Σx: (D, D), its diagonal (D,), or its trace ().
    """

    n: int
    loglik: float
    e0: Array
    e1: Array
    e2: Array
    residual0: Array
    residual1: Array
    scatter: Array


def statistics(X: Array, partition: Partition, cov_x: Array, cov_z: Array) -> Statistics:
    """The E-step's sums over X (N, D), one (datum, region) pair at a time."""
    n_regions, dimension, latent = partition.slopes.shape
    loglik = 0.0
    e0, e1 = np.zeros(n_regions), np.zeros((n_regions, latent))
    e2 = np.zeros((n_regions, latent, latent))
    residual0 = np.zeros((n_regions, dimension))
    residual1 = np.zeros((n_regions, dimension, latent))
    scatter = np.zeros((dimension,) * cov_x.ndim)
    for x in X:
        terms = region_terms(x, partition, cov_x, cov_z)
        loglik += log_marginal(terms)
        weights = np.exp(log_responsibilities(x, terms, partition, cov_x, cov_z))
        for r, (weight, term) in enumerate(zip(weights, terms, strict=True)):
            mean, cov = term.mean, term.cov
            slope = partition.slopes[r]
            residual = x - slope @ mean - partition.offsets[r]
            e0[r] += weight
            e1[r] += weight * mean
            e2[r] += weight * (cov + np.outer(mean, mean))
            residual0[r] += weight * residual
            # E[(x - g) zᵀ] = r mᵀ - A Cov: x - g(z) = r - A (z - m) on the region.
            residual1[r] += weight * (np.outer(residual, mean) - slope @ cov)
            scatter += weight * noise.outer(cov_x, residual, residual)
            for column in (slope @ np.linalg.cholesky(cov)).T:
                scatter += weight * noise.outer(cov_x, column, column)
    return Statistics(len(X), loglik, e0, e1, e2, residual0, residual1, scatter)


def expected_complete_loglik(
    terms: list[RegionTerm], x: Array, partition: Partition, cov_x: Array, cov_z: Array
) -> float:
    """E[log p(x, z) | x] of one datum [Sec. 4.1, corrected: the last bracket is inside the -1/2].

    With e0, e1 = e0 m, E2 = e0 (C + m mᵀ), the printed terms of a region are e0 times
    (x - A m - b)ᵀ Σx^-1 (x - A m - b) + Tr(Aᵀ Σx^-1 A C), which is summed here: multiplied out they
    cancel. tests/test_errata.py compares both, and shows that the printed signs fail.
    """
    log_e0s = log_responsibilities(x, terms, partition, cov_x, cov_z)
    total = 0.0
    for r, (log_e0, term) in enumerate(zip(log_e0s, terms, strict=True)):
        mean, cov = term.mean, term.cov
        total += np.exp(log_e0) * expected_log_joint(x, mean, cov, r, partition, cov_x, cov_z)
    return float(total)


def expected_log_joint(
    x: Array,
    mean: Array,
    cov: Array,
    region: int,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> float:
    """E[log p(x, z)] for z of this mean (S,) and covariance (S, S) on one region [eq. 4]."""
    slope = partition.slopes[region]
    at_mean = log_conditional(x, mean, region, partition, cov_x) + log_prior(mean, cov_z)
    precision = slope.T @ noise.solve(cov_x, slope) + np.linalg.inv(cov_z)
    return float(at_mean - 0.5 * np.trace(precision @ cov))


def elbo(
    x: Array, q_mean: Array, q_cov: Array, partition: Partition, cov_x: Array, cov_z: Array
) -> float:
    """E_q[log p(x, z)] + H(q) for q = N(q_mean (S,), q_cov (S, S)), exact [eq. 3], nats."""
    latent = len(q_mean)
    expected = 0.0
    for r in range(partition.n_regions):
        log_mass, mean, cov = gaussian_on_polyhedron(
            *partition.halfspaces(r), q_mean[None, :], q_cov
        )
        value = expected_log_joint(x, mean[0], cov[0], r, partition, cov_x, cov_z)
        expected += np.exp(log_mass[0]) * value
    entropy = 0.5 * (latent * (LOG_2PI + 1) + np.linalg.slogdet(q_cov)[1])
    return float(expected + entropy)
