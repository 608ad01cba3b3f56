"""Posterior expectations: the E-step, its sums over data, and Gaussian bounds [Sec. 4.1, eq. 3]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.distributions import noise
from reference.distributions.marginal import (
    RegionTerm,
    log_conditional,
    log_marginal,
    terms_of_data,
)
from reference.distributions.observed import as_observed, noise_given
from reference.distributions.prior import gaussian_on_region, log_prior
from reference.distributions.responsibilities import log_responsibilities
from reference.integration.interval import LOG_2PI
from reference.model.arrays import Array
from reference.partition.partition import Partition
from reference.polyhedra.validity import TOLERANCE, OutsideValidity


@dataclass(frozen=True)
class Statistics:
    """Sums over data of posterior expectations: all that the M-step and the gradient need.

    Made by `DGN.statistics`. The sums run over the data x; E[.; ω] is E[. 1{z in ω} | x].

    Parameters
    ----------
    n : float
        How many data: the sum of their weights.
    loglik : float
        Σ log p(x), nats.
    e0 : ndarray, shape (R,)
        Σ E[1; ω].
    e1 : ndarray, shape (R, S)
        Σ E[z; ω], latent units.
    e2 : ndarray, shape (R, S, S)
        Σ E[z zᵀ; ω], latent units squared.
    residual0 : ndarray, shape (R, D)
        Σ E[x - g(z); ω], units of x.
    residual1 : ndarray, shape (R, D, S)
        Σ E[(x - g(z)) zᵀ; ω].
    scatter : ndarray, shape (D, D), (D,) or ()
        Σ E[(x - g(z))(x - g(z))ᵀ | x] in the structure of Σx: all of it, its diagonal, or its
        trace.
    """

    n: float
    loglik: float
    e0: Array
    e1: Array
    e2: Array
    residual0: Array
    residual1: Array
    scatter: Array


def statistics(
    X: Array, weights: Array, partition: Partition, cov_x: Array, cov_z: Array
) -> Statistics:
    """The E-step's sums over X (N, D), one (datum, region) pair at a time.

    Each datum counts as often as its weight (N,) says. Of entries that are not observed, NaN, the
    residual x - g(z) given z is N(L r, C), with r that of the observed ones [`noise_given`].
    """
    n_regions, dimension, latent = partition.slopes.shape
    loglik = 0.0
    e0, e1 = np.zeros(n_regions), np.zeros((n_regions, latent))
    e2 = np.zeros((n_regions, latent, latent))
    residual0 = np.zeros((n_regions, dimension))
    residual1 = np.zeros((n_regions, dimension, latent))
    scatter = np.zeros((dimension,) * cov_x.ndim)
    data = as_observed(X, partition, cov_x, cov_z)
    for datum, count, terms in zip(data, weights, terms_of_data(data), strict=True):
        loglik += count * log_marginal(terms)
        some = len(datum.observed) < dimension
        given = noise_given(cov_x, datum.observed, dimension) if some else None
        shares = np.exp(log_responsibilities(datum.x, terms, *datum.model))
        for r, (share, term) in enumerate(zip(shares, terms, strict=True)):
            weight, mean, cov = count * share, term.mean, term.cov
            slope = datum.partition.slopes[r]
            residual = datum.x - slope @ mean - datum.partition.offsets[r]
            if given is not None:
                slope, residual = given[0] @ slope, given[0] @ residual
            e0[r] += weight
            e1[r] += weight * mean
            e2[r] += weight * (cov + np.outer(mean, mean))
            residual0[r] += weight * residual
            # E[(x - g) zᵀ] = r mᵀ - A Cov: x - g(z) = r - A (z - m) on the region.
            residual1[r] += weight * (np.outer(residual, mean) - slope @ cov)
            scatter += weight * noise.outer(cov_x, residual, residual)
            for column in (slope @ term.root).T:
                scatter += weight * noise.outer(cov_x, column, column)
        if given is not None:
            scatter += count * noise.kept(cov_x, given[1])
    return Statistics(
        n=float(weights.sum()),
        loglik=loglik,
        e0=e0,
        e1=e1,
        e2=e2,
        residual0=residual0,
        residual1=residual1,
        scatter=scatter,
    )


def square_root(cov: Array) -> Array:
    """A matrix C with C Cᵀ = cov (S, S), which may be singular."""
    variances, axes = np.linalg.eigh(cov)
    return np.asarray(axes * np.sqrt(np.maximum(variances, 0.0)))


def expected_complete_loglik(
    terms: list[RegionTerm], x: Array, partition: Partition, cov_x: Array, cov_z: Array
) -> float:
    """E[log p(x, z) | x] of one datum [Sec. 4.1, corrected: the last bracket is inside the -1/2].

    With e0, e1 = e0 m and E2 = e0 (C + m mᵀ), the printed terms of a region are e0 times (x - A m -
    b)ᵀ Σx^-1 (x - A m - b) + Tr(Aᵀ Σx^-1 A C). That is what is summed here: multiplied out, the
    terms cancel. tests/contract/test_errata.py compares both, and shows that the printed signs
    fail.
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

    For S > 1 the errors of q's masses and moments on the regions add up. Raises OutsideValidity
    where the sum may exceed 1e-9 of the result, or 1e-9 nats if that is more.
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


def finite_elbo(
    row: int,
    x: Array,
    q_mean: Array,
    q_cov: Array,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> float:
    """The same of datum number `row`. Raises ArithmeticError where it is no double."""
    try:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            bound = elbo(x, q_mean, q_cov, partition, cov_x, cov_z)
    except (OverflowError, ZeroDivisionError):
        bound = np.nan
    if not np.isfinite(bound):
        raise ArithmeticError(
            f"q_mean, q_cov: the ELBO of datum {row} is not finite in double precision"
        )
    return bound


def log_joint_size(
    x: Array,
    mean: Array,
    cov: Array,
    region: int,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> float:
    """The sum of the absolute coefficients of log p(x, z) on one region.

    There log p(x, z) is a quadratic in w = z - mean, taken in units of cov's standard deviations.
    """
    slope, root = partition.slopes[region], square_root(cov)
    residual = x - slope @ mean - partition.offsets[region]
    at_mean = log_conditional(x, mean, region, partition, cov_x) + log_prior(mean, cov_z)
    linear = root.T @ (slope.T @ noise.solve(cov_x, residual) - np.linalg.solve(cov_z, mean))
    precision = slope.T @ noise.solve(cov_x, slope) + np.linalg.inv(cov_z)
    quadratic = 0.5 * root.T @ precision @ root
    return float(abs(at_mean) + np.abs(linear).sum() + np.abs(quadratic).sum())
