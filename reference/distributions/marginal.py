"""Conditional, marginal and posterior of one datum [eq. 4-7, Lemma 1, Theorem 1, Proposition 2].

Every function takes one x (D,) or z (S,), and the partition where it needs the regions. All is in
the log domain, in nats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.distributions import noise
from reference.distributions.observed import Datum
from reference.distributions.prior import log_prior, prior_on_regions
from reference.integration.interval import LOG_2PI, truncated_gaussian
from reference.integration.signed_sum import integrate
from reference.model.arrays import Array
from reference.partition.partition import Partition, interval
from reference.polyhedra.quadratic_programs import minimiser
from reference.polyhedra.validity import TOLERANCE, OutsideValidity


def log_conditional(x: Array, z: Array, region: int, partition: Partition, cov_x: Array) -> float:
    """log p(x | z) = log φ(x; A_ω z + b_ω, Σx) for z in region ω [Lemma 1]."""
    residual = x - partition.slopes[region] @ z - partition.offsets[region]
    quadratic = noise.quadratic(cov_x, residual)
    return float(-0.5 * (len(x) * LOG_2PI + noise.log_det(cov_x, len(x)) + quadratic))


def posterior_factor(slope: Array, cov_x: Array, cov_z: Array) -> Array:
    """A matrix C (S, S) with C Cᵀ = Σ_ω [eq. 7].

    Σ_ω^-1 = Σz^-1 + A_ωᵀ Σx^-1 A_ω = MᵀM for M = (Σx^{-1/2} A_ω; Σz^{-1/2}), so with M = Q R it is
    C = R^-1: without forming MᵀM, which has the square of M's condition number.
    """
    stacked = _stacked(slope, cov_x, cov_z)
    return np.asarray(np.linalg.inv(np.linalg.qr(stacked[_by_size(stacked)])[1]))


def _stacked(slope: Array, cov_x: Array, cov_z: Array) -> Array:
    """(Σx^{-1/2} A_ω; Σz^{-1/2}), (D + S, S)."""
    return np.vstack([noise.whiten(cov_x, slope), np.linalg.inv(np.linalg.cholesky(cov_z))])


def _by_size(matrix: Array) -> NDArray[np.intp]:
    """The rows in order, the largest first.

    In that order, elimination leaves in a small row errors as small as the row; in any other order
    they are as large as in the largest [Cox and Higham 1998]. Rows of Σx^{-1/2} A_ω differ by 1e8
    where Σx is nearly singular.
    """
    return np.argsort(-np.abs(matrix).max(axis=1), kind="stable")


def posterior_cov(slope: Array, cov_x: Array, cov_z: Array) -> Array:
    """Σ_ω = (Σz^-1 + A_ωᵀ Σx^-1 A_ω)^-1 [eq. 7]."""
    factor = posterior_factor(slope, cov_x, cov_z)
    return factor @ factor.T


def posterior_mean(x: Array, slope: Array, offset: Array, cov_x: Array, cov_z: Array) -> Array:
    """μ_ω(x) = Σ_ω A_ωᵀ Σx^-1 (x - b_ω) [eq. 7].

    It is the least squares solution of M μ = (Σx^{-1/2} (x - b_ω); 0), M as in `posterior_factor`.
    """
    target = np.append(noise.whiten(cov_x, x - offset), np.zeros(len(cov_z)))
    stacked = _stacked(slope, cov_x, cov_z)
    order = _by_size(stacked)
    q, r = np.linalg.qr(stacked[order])
    return np.asarray(np.linalg.solve(r, q.T @ target[order]))


def log_region_marginal(x: Array, slope: Array, offset: Array, cov_x: Array, cov_z: Array) -> float:
    """log φ(x; b_ω, Σx + A_ω Σz A_ωᵀ), the Gaussian factor of [eq. 5].

    With r = x - b - A μ the quadratic form is rᵀ Σx^-1 r + μᵀ Σz^-1 μ, and the determinant is |Σx|
    |Σz| / |Σ_ω|: no D x D matrix, and none of the cancellation of (x-b)ᵀΣx^-1(x-b) - μᵀΣ_ω^-1 μ.
    """
    mean = posterior_mean(x, slope, offset, cov_x, cov_z)
    residual = x - offset - slope @ mean
    quadratic = noise.quadratic(cov_x, residual) + mean @ np.linalg.solve(cov_z, mean)
    log_det = noise.log_det(cov_x, len(x)) + np.linalg.slogdet(cov_z)[1]
    log_det -= 2 * np.linalg.slogdet(posterior_factor(slope, cov_x, cov_z))[1]
    return float(-0.5 * (len(x) * LOG_2PI + log_det + quadratic))


class RegionTerm(NamedTuple):
    """One region's part of [eq. 5, 6] for one x; the summand is φ(x; b, ...) Φ_ω(μ_ω(x), Σ_ω).

    Attributes
    ----------
    peak : ndarray, shape (S,)
        S = 1: z°, the point of the region where p(x, z) is largest. S > 1: μ_ω(x).
    log_peak : float
        S = 1: log p(x, z°). S > 1: log φ(x; b, ...).
    log_ratio : float
        The log of the summand, minus log_peak. S > 1: log Φ_ω, or -inf if that is lost to
        cancellation.
    mean : ndarray, shape (S,)
        E[z | x, z in ω].
    root : ndarray, shape (S, S)
        A root of Cov[z | x, z in ω]: cov = root rootᵀ.
    entropy : float
        The entropy of z given x and z in ω.
    log_error : float
        The log of a bound on the absolute error of the summand, and of its moments in units of Σ_ω.
    resolved : bool
        Whether mean, cov and entropy have the accuracy `signed_sum.ACCURACY`. If not, only their
        products with the summand are accurate, within log_error.
    """

    peak: Array
    log_peak: float
    log_ratio: float
    mean: Array
    root: Array
    entropy: float
    log_error: float = -np.inf
    resolved: bool = True

    @property
    def cov(self) -> Array:
        """The covariance (S, S): root rootᵀ.

        Where it is far narrower in one direction than in others, its entries lose that; the root
        keeps it.
        """
        return self.root @ self.root.T

    @property
    def log_mass(self) -> float:
        """log of the summand, log p(x, z in ω)."""
        return self.log_peak + self.log_ratio


def region_term(
    x: Array, region: int, partition: Partition, cov_x: Array, cov_z: Array
) -> RegionTerm:
    """The summand of [eq. 5] and the truncated Gaussian of [Proposition 2] on one region.

    log φ(x; b, Σx + A Σz Aᵀ) Φ_ω(μ, Σ_ω), as printed, is `log_region_marginal` plus a log mass; far
    out these are large numbers that cancel. For S = 1 therefore: on ω p(x, z) = φ(x; b, ...) φ(z;
    μ, Σ_ω), so at the point z° of ω nearest μ the summand is p(x, z°) times the ratio of the
    region's mass to φ(z°; μ, Σ_ω). tests/distributions/test_distributions.py shows that both are
    equal.
    """
    slope, offset = partition.slopes[region], partition.offsets[region]
    centre = posterior_mean(x, slope, offset, cov_x, cov_z)
    if len(centre) > 1:
        factor = posterior_factor(slope, cov_x, cov_z)
        found = integrate(partition.signed_cones[region], centre, factor)
        log_factor = log_region_marginal(x, slope, offset, cov_x, cov_z)
        return RegionTerm(
            peak=centre,
            log_peak=log_factor,
            log_ratio=float(np.log(found.mass)) if found.mass > 0 else -np.inf,
            mean=found.mean,
            root=found.root,
            entropy=found.entropy,
            log_error=log_factor + found.log_error,
            resolved=found.resolved,
        )
    cov = posterior_cov(slope, cov_x, cov_z)
    t = truncated_gaussian(*interval(partition, region), centre, cov)
    joint = log_conditional(x, t.nearest, region, partition, cov_x) + log_prior(t.nearest, cov_z)
    return RegionTerm(
        peak=t.nearest,
        log_peak=joint,
        log_ratio=t.log_ratio,
        mean=t.mean,
        root=np.sqrt(t.cov),
        entropy=t.entropy,
    )


def region_terms(x: Array, partition: Partition, cov_x: Array, cov_z: Array) -> list[RegionTerm]:
    """The terms of all regions for one x."""
    return [region_term(x, r, partition, cov_x, cov_z) for r in range(partition.n_regions)]


def terms_of_data(data: list[Datum]) -> Iterator[list[RegionTerm]]:
    """The terms of all regions, for each x in turn.

    Raises OutsideValidity naming the first x whose terms err by more than 1e-9 of p(x) in total.
    """
    for n, datum in enumerate(data):
        terms = region_terms(datum.x, *datum.model)
        log_errors = np.array([term.log_error for term in terms])
        largest = max(log_errors.max(), max(term.log_mass for term in terms))
        error = float(np.sum(np.exp(log_errors - largest)))
        evidence = float(np.sum(np.exp([term.log_mass - largest for term in terms])))
        if not error <= TOLERANCE * evidence:
            raise OutsideValidity(
                f"X: row {n} has p(x) = exp({largest:.6g}) times {evidence:.3g}, with an error of "
                f"up to {error:.3g} in that"
            )
        yield terms


def log_marginal(terms: list[RegionTerm]) -> float:
    """log p(x) = log Σ_ω φ(x; b_ω, Σx + A_ω Σz A_ωᵀ) Φ_ω(μ_ω(x), Σ_ω) [eq. 5]."""
    logs = np.array([term.log_mass for term in terms])
    return float(logs.max() + np.log(np.sum(np.exp(logs - logs.max()))))


def log_posterior(
    z: Array, x: Array, log_evidence: float, partition: Partition, cov_x: Array, cov_z: Array
) -> float:
    """log p(z | x) [eq. 6], by Bayes' rule from [Lemma 1]; log_evidence = log p(x)."""
    region = int(partition.locate(z[None, :])[0])
    joint = log_conditional(x, z, region, partition, cov_x) + log_prior(z, cov_z)
    return joint - log_evidence


def posterior_mode(x: Array, partition: Partition, cov_x: Array, cov_z: Array) -> Array:
    """The global maximiser of p(z | x): the best over regions of the maximiser on each."""
    best, best_value = np.zeros(len(cov_z)), -np.inf
    for region in range(partition.n_regions):
        z = region_mode(x, region, partition, cov_x, cov_z)
        value = log_conditional(x, z, region, partition, cov_x) + log_prior(z, cov_z)
        if value <= best_value:
            continue
        # Off a sliver by rounding over its angle, z is far out of it: there another map holds.
        own = int(partition.locate(z[None])[0])
        value = log_conditional(x, z, own, partition, cov_x) + log_prior(z, cov_z)
        if value > best_value:
            best, best_value = z, value
    return best


def region_mode(x: Array, region: int, partition: Partition, cov_x: Array, cov_z: Array) -> Array:
    """The maximiser of p(x, z) on one region.

    For S = 1 it is μ_ω(x) clipped to the region. Else it is the minimiser of
    ‖Σx^{-1/2} (x - A z - b)‖² + ‖Σz^{-1/2} z‖², by convex quadratic programming.
    """
    slope, offset = partition.slopes[region], partition.offsets[region]
    if len(cov_z) == 1:
        lower = partition.breakpoints[region - 1] if region > 0 else -np.inf
        upper = partition.breakpoints[region] if region < partition.n_regions - 1 else np.inf
        return np.clip(posterior_mean(x, slope, offset, cov_x, cov_z), lower, upper)
    matrix = _stacked(slope, cov_x, cov_z)
    target = np.append(noise.whiten(cov_x, x - offset), np.zeros(len(cov_z)))
    return minimiser(partition.polyhedra[region], matrix, target)


def marginal_mean(partition: Partition, cov_x: Array, cov_z: Array) -> Array:
    """E[x] = Σ_ω Φ_ω (A_ω m_ω + b_ω), m_ω the prior mean of z on ω, (D,)."""
    total = np.zeros(partition.offsets.shape[1])
    for region, prior in enumerate(prior_on_regions(partition, cov_z)):
        image = partition.slopes[region] @ prior.mean + partition.offsets[region]
        total += prior.mass * image
    return total


def marginal_cov(partition: Partition, cov_x: Array, cov_z: Array) -> Array:
    """Cov[x] = Σx + Cov[g(z)], within regions plus between them, (D, D)."""
    total = noise.matrix(cov_x, partition.offsets.shape[1]).copy()
    centre = marginal_mean(partition, cov_x, cov_z)
    for region, prior in enumerate(prior_on_regions(partition, cov_z)):
        slope = partition.slopes[region]
        away = slope @ prior.mean + partition.offsets[region] - centre
        total += prior.mass * (slope @ prior.cov @ slope.T + np.outer(away, away))
    return total
