"""Posterior expectations: the E-step, its sums over data, and Gaussian bounds [Sec. 4.1, eq. 3]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.distributions import noise
from reference.distributions.marginal import (
    RegionTerm,
    gaussian_on_region,
    log_conditional,
    log_marginal,
    log_prior,
    log_responsibilities,
    terms_of_data,
)
from reference.integration.interval import LOG_2PI
from reference.model.arrays import Array
from reference.partition.partition import Partition
from reference.polyhedra.validity import TOLERANCE, OutsideValidity


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
    for x, terms in zip(X, terms_of_data(X, partition, cov_x, cov_z), strict=True):
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
            for column in (slope @ term.root).T:
                scatter += weight * noise.outer(cov_x, column, column)
    return Statistics(len(X), loglik, e0, e1, e2, residual0, residual1, scatter)


def square_root(cov: Array) -> Array:
    """A matrix C with C Cᵀ = cov (S, S), which may be singular."""
    variances, axes = np.linalg.eigh(cov)
    return np.asarray(axes * np.sqrt(np.maximum(variances, 0.0)))


def expected_complete_loglik(
    terms: list[RegionTerm], x: Array, partition: Partition, cov_x: Array, cov_z: Array
) -> float:
    """E[log p(x, z) | x] of one datum [Sec. 4.1, corrected: the last bracket is inside the -1/2].

    With e0, e1 = e0 m, E2 = e0 (C + m mᵀ), the printed terms of a region are e0 times
    (x - A m - b)ᵀ Σx^-1 (x - A m - b) + Tr(Aᵀ Σx^-1 A C), which is summed here: multiplied out they
    cancel. tests/contract/test_errata.py compares both, and shows that the printed signs fail.
    """
    log_e0s = log_responsibilities(x, terms, partition, cov_x, cov_z)
    total = 0.0
    for r, (log_e0, term) in enumerate(zip(log_e0s, terms, strict=True)):
        mean, root = term.mean, term.root
        total += np.exp(log_e0) * expected_log_joint(x, mean, root, r, partition, cov_x, cov_z)
    return float(total)


def expected_log_joint(
    x: Array,
    mean: Array,
    root: Array,
    region: int,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> float:
    """E[log p(x, z)] for z of mean (S,) and covariance root rootᵀ (S, S) on a region [eq. 4].

    Tr(Aᵀ Σx^-1 A C) = ‖Σx^{-1/2} A C^{1/2}‖², and so with the prior: a sum of squares.
    """
    at_mean = log_conditional(x, mean, region, partition, cov_x) + log_prior(mean, cov_z)
    along_x = noise.whiten(cov_x, partition.slopes[region] @ root)
    along_z = np.linalg.solve(np.linalg.cholesky(cov_z), root)
    return float(at_mean - 0.5 * (np.sum(along_x**2) + np.sum(along_z**2)))


def elbo(
    x: Array, q_mean: Array, q_cov: Array, partition: Partition, cov_x: Array, cov_z: Array
) -> float:
    """E_q[log p(x, z)] + H(q) for q = N(q_mean (S,), q_cov (S, S)), exact [eq. 3], nats.

    For S > 1 raises OutsideValidity where the errors of q's masses and moments on the regions may
    add up to more than 1e-9 of it, or of 1 nat.
    """
    latent = len(q_mean)
    expected = error = 0.0
    for r in range(partition.n_regions):
        q = gaussian_on_region(r, partition, q_mean, q_cov)
        value = expected_log_joint(x, q.mean, q.root, r, partition, cov_x, cov_z)
        expected += q.mass * value
        error += np.exp(q.log_error) * log_joint_size(x, q_mean, q_cov, r, partition, cov_x, cov_z)
    entropy = 0.5 * (latent * (LOG_2PI + 1) + np.linalg.slogdet(q_cov)[1])
    if error > TOLERANCE * max(1.0, abs(expected + entropy)):
        raise OutsideValidity(f"the ELBO of {expected + entropy:.6g} may err by {error:.3g}")
    return float(expected + entropy)


def log_joint_size(
    x: Array,
    mean: Array,
    cov: Array,
    region: int,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> float:
    """The sum of the absolute coefficients of log p(x, z), the quadratic it is on one region, in
    w = z - mean in units of cov's standard deviations."""
    slope, root = partition.slopes[region], square_root(cov)
    residual = x - slope @ mean - partition.offsets[region]
    at_mean = log_conditional(x, mean, region, partition, cov_x) + log_prior(mean, cov_z)
    linear = root.T @ (slope.T @ noise.solve(cov_x, residual) - np.linalg.solve(cov_z, mean))
    precision = slope.T @ noise.solve(cov_x, slope) + np.linalg.inv(cov_z)
    quadratic = 0.5 * root.T @ precision @ root
    return float(abs(at_mean) + np.abs(linear).sum() + np.abs(quadratic).sum())
