"""A Gaussian on a polyhedron as the signed sum of Lemma 4, S = 2 or 3, with bounds on its errors.

The terms have masses of order 1 and cancel where the polyhedron's mass is small: what is accurate
is the mass itself, in absolute terms, and the errors here say how much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr

from reference.integration import cone_moments
from reference.integration.interval import LOG_2PI
from reference.model.arrays import Array
from reference.polyhedra.inclusion_exclusion import SignedCones

# Errors of a sum of terms, and of their moments about μ in standard deviations: this, and this a
# term. Measured by tests/integration/test_reference_integration.py, which finds at most half of it.
_SUM_ERROR, _TERM_ERROR = 5e-16, 1.5e-16
# Relative error of a slack n · μ + b of at most four terms, in units of their absolute sum.
_SLACK_ERROR = 2 * np.finfo(np.float64).eps
# The accuracy that a result which leaves this project has: relative for masses, in truncated
# standard deviations for means, in truncated variances for covariances.
ACCURACY = 1e-6
# Half-spaces farther than this hold no more than one that is so far, whose square is a double.
_FARTHEST = 1e150
# A mass below this many times its error bound says no more than the bound.
_LOST = 10.0


class Integral(NamedTuple):
    """N(μ, Σ) on a polyhedron. mass, and mass_error, a bound on its absolute error; log_error: log
    of one on the errors of the integrals of 1, w and w wᵀ, w = z - μ in standard deviations; mean
    (S,), a root (S, S) of the covariance and entropy, nats, of the truncated Gaussian. resolved:
    whether all are as accurate as ACCURACY. Else mass * mean and mass * (cov + mean meanᵀ) are
    still within exp(log_error). A mass lost to cancellation is 0, its moments mean nothing."""

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
    offsets = (cones.normals @ centre + cones.offsets) / lengths
    # A half-space alone holds Φ(b), an upper bound; second moments on it are below (2 + b²) Φ(b)
    # where b < 0.
    worst = max(float(np.min(offsets[: cones.facets], initial=np.inf)), -_FARTHEST)
    most = float(ndtr(worst))
    log_most = float(log_ndtr(worst) + np.log(latent + min(worst, 0.0) ** 2))
    rounding = _SUM_ERROR + _TERM_ERROR * sum(abs(sign) for sign, _ in cones.terms)
    lost = Integral(0.0, most, log_most, centre, np.zeros((latent, latent)), 0.0, False)
    if not cones.terms or log_most <= np.log(rounding):
        return lost
    mass, first, second = 0.0, np.zeros(latent), np.zeros((latent, latent))
    for sign, rows in cones.terms:
        cone = normals[rows], offsets[rows]
        mass += sign * cone_moments.mass(*cone)
        first += sign * cone_moments.first_moment(*cone)
        second += sign * cone_moments.second_moment(*cone)
    # Each facet is where it is to rounding: moved by it, it changes the mass by φ(b) a unit.
    blur = np.abs(cones.normals) @ np.abs(centre) + np.abs(cones.offsets)
    blur = (_SLACK_ERROR * blur / lengths)[: cones.facets]
    nearest = np.maximum(np.abs(offsets[: cones.facets]) - blur, 0.0)
    moved = blur * np.exp(-0.5 * np.minimum(nearest, 40.0) ** 2)
    error = rounding + float(np.sum(moved))
    # z and z² are that much larger on the facet, at most, where φ is not negligible.
    error_first = rounding + float(np.sum(moved * (1 + nearest)))
    error_second = rounding + float(np.sum(moved * (1 + nearest) ** 2))
    if mass <= _LOST * error:
        within = max(mass, 0.0) + error, float(np.max(np.abs(second))) + error_second
        return lost._replace(mass_error=min(most, within[0]), log_error=float(np.log(max(within))))
    return _truncated(centre, factor, (mass, first, second), (error, error_first, error_second))


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
    # No covariance has a negative eigenvalue; one that rounding left is below the errors.
    root = factor @ axes * np.sqrt(np.maximum(variances, 0.0))
    entropy = float(np.log(mass)) + 0.5 * (
        len(centre) * LOG_2PI + 2 * np.linalg.slogdet(factor)[1] + np.trace(second) / mass
    )
    return Integral(
        mass,
        errors[0],
        float(np.log(max(errors))),
        centre + factor @ mean,
        root,
        float(entropy),
        bool(resolved),
    )
