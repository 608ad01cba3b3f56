"""A Gaussian on a polyhedron as the signed sum of Lemma 4, S = 2 or 3, with bounds on its errors.

The terms have masses of order 1, and they cancel where the polyhedron's mass is small. So the mass
is accurate in absolute terms, and the errors returned here say how accurate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr

from reference.integration import cone_moments
from reference.integration.interval import LOG_2PI
from reference.integration.parallel_normals import PARALLEL, Part, parallel, separated
from reference.model.arrays import Array
from reference.polyhedra.inclusion_exclusion import SignedCones

# A sum of terms, and their moments about μ in standard deviations, err by at most the first of
# these plus the second for each term. tests/integration/test_reference_integration.py measures at
# most half.
_SUM_ERROR, _TERM_ERROR = 5e-16, 1.5e-16
# Relative error of a slack n · μ + b of at most four terms, in units of their absolute sum.
_SLACK_ERROR = 2 * np.finfo(np.float64).eps
# The least accuracy of a result that a user gets: relative for masses, in truncated standard
# deviations for means, in truncated variances for covariances.
ACCURACY = 1e-6
# Half-spaces farther away than this are taken to be at this distance: its square is still a double,
# and the mass beyond it is 0 either way.
_FARTHEST = 1e150
# A mass below this many times its error bound counts as lost to cancellation.
_LOST = 10.0


class Integral(NamedTuple):
    """N(μ, Σ) on a polyhedron.

    Where a result is not resolved, mass * mean and mass * (cov + mean meanᵀ) are still within
    exp(log_error). If the mass is lost to cancellation, it is 0 and its moments mean nothing.

    Attributes
    ----------
    mass : float
        The Gaussian's mass on the polyhedron.
    mass_error : float
        A bound on the absolute error of mass.
    log_error : float
        The log of a bound on the errors of the integrals of 1, w and w wᵀ, where w = z - μ in
        standard deviations.
    mean : ndarray, shape (S,)
        The mean of the truncated Gaussian.
    root : ndarray, shape (S, S)
        A root of its covariance: cov = root rootᵀ.
    entropy : float
        Its differential entropy, nats.
    resolved : bool
        Whether mass, mean, cov and entropy are all as accurate as ACCURACY.
    """

    mass: float
    mass_error: float
    log_error: float
    mean: Array
    root: Array
    entropy: float
    resolved: bool

    @property
    def cov(self) -> Array:
        """The covariance (S, S): root rootᵀ."""
        return self.root @ self.root.T


def integrate(cones: SignedCones, centre: Array, factor: Array) -> Integral:
    """N(centre (S,), factor factorᵀ) on a polyhedron: mass and moments [Lemma 4, Appendix B]."""
    latent = len(centre)
    normals = cones.normals @ factor
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals / lengths[:, None]
    distances = np.clip(cones.offsets, -_FARTHEST, _FARTHEST)
    offsets = (cones.normals @ centre + distances) / lengths
    # A half-space alone holds Φ(b), an upper bound; second moments on it are below (2 + b²) Φ(b)
    # where b < 0.
    worst = max(float(np.min(offsets[: cones.facets], initial=np.inf)), -_FARTHEST)
    most = float(ndtr(worst))
    log_most = float(log_ndtr(worst) + np.log(latent + min(worst, 0.0) ** 2))
    parts, rounding = _parts(cones, normals, offsets)
    lost = Integral(
        mass=0.0,
        mass_error=most,
        log_error=log_most,
        mean=centre,
        root=np.zeros((latent, latent)),
        entropy=0.0,
        resolved=False,
    )
    if log_most <= np.log(rounding):
        return lost
    mass, first, second = 0.0, np.zeros(latent), np.zeros((latent, latent))
    for sign, rows, levels in parts:
        cone = normals[rows], np.array(levels)
        mass += sign * cone_moments.mass(*cone)
        first += sign * cone_moments.first_moment(*cone)
        second += sign * cone_moments.second_moment(*cone)
    # Rounding moves each facet a little. Moving it by a unit changes the mass by φ(b).
    blur = np.abs(cones.normals) @ np.abs(centre) + np.abs(distances)
    blur = (_SLACK_ERROR * blur / lengths)[: cones.facets]
    nearest = np.maximum(np.abs(offsets[: cones.facets]) - blur, 0.0)
    moved = blur * np.exp(-0.5 * np.minimum(nearest, 40.0) ** 2)
    error = rounding + float(np.sum(moved))
    # First and second moments change by |z| and z² times as much, where |z| <= 1 + nearest.
    error_first = rounding + float(np.sum(moved * (1 + nearest)))
    error_second = rounding + float(np.sum(moved * (1 + nearest) ** 2))
    if mass <= _LOST * error:
        within = max(mass, 0.0) + error, float(np.max(np.abs(second))) + error_second
        return lost._replace(mass_error=min(most, within[0]), log_error=float(np.log(max(within))))
    return _truncated(centre, factor, (mass, first, second), (error, error_first, error_second))


def _parts(cones: SignedCones, normals: Array, offsets: Array) -> tuple[list[Part], float]:
    """The terms of the sum, without parallel normals, and a bound on its rounding."""
    signs, offsets_of = parallel(normals), offsets.tolist()
    parts: list[Part] = []
    rounding = _SUM_ERROR
    for sign, rows in cones.terms:
        found = separated(rows, [offsets_of[row] for row in rows], signs)
        parts += [(sign * s, r, levels) for s, r, levels in found]
        rounding += _TERM_ERROR * abs(sign) * max(len(found), 1)
        if [r for _, r, _ in found] != [rows]:
            # At most two hyperplanes were moved. Of the moments up to the second, a strip whose
            # width is w times the distance from 0 holds less than w.
            rounding += 2 * PARALLEL * abs(sign)
    return parts, rounding


def _truncated(
    centre: Array,
    factor: Array,
    moments: tuple[float, Array, Array],
    errors: tuple[float, float, float],
) -> Integral:
    """Mean, covariance and entropy from the unnormalised moments of the whitened Gaussian."""
    mass, first, second = moments
    mean = first / mass
    variances, axes = np.linalg.eigh(second / mass - np.outer(mean, mean))
    away = float(np.linalg.norm(mean))
    error, error_mean = errors[0] / mass, (errors[1] + away * errors[0]) / mass
    error_cov = (errors[2] + away**2 * errors[0]) / mass + 2 * away * error_mean
    least = float(variances[0])
    resolved = (
        error <= ACCURACY
        and least > 0
        and error_mean <= ACCURACY * np.sqrt(least)
        and error_cov <= ACCURACY * least
    )
    # A negative eigenvalue is rounding, and below the errors.
    root = factor @ axes * np.sqrt(np.maximum(variances, 0.0))
    entropy = float(np.log(mass)) + 0.5 * (
        len(centre) * LOG_2PI + 2 * np.linalg.slogdet(factor)[1] + np.trace(second) / mass
    )
    return Integral(
        mass=mass,
        mass_error=errors[0],
        log_error=float(np.log(max(errors))),
        mean=centre + factor @ mean,
        root=root,
        entropy=float(entropy),
        resolved=bool(resolved),
    )
