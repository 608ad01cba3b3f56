"""The truncated Gaussian by itself: log mass, mean and covariance on any polyhedron, S <= 3.

Accuracy. For S = 1, log masses to 3e-14 relative to max(1, |log mass|) and moments to 1e-13 of the
truncated standard deviation, at any distance. For S = 2 and 3 a mass is a sum of 1 to 200 terms
that cancel. It is accurate to 5e-16 plus 1.5e-16 a term, in absolute value. OutsideValidity is
raised where that leaves less than 1e-6: relative in the mass, of the truncated standard deviation
in the mean, or of the smallest truncated variance in the covariance (where cov is the identity).

Valid for S = 2 and 3 are, in standard deviations: half-spaces up to 4.5 from the mean, with mass
3e-6; boxes of side 1 up to 4 (S = 2) or 3.5 (S = 3) away; near the mean, slabs of width 5e-3 and
boxes of side 0.03 (S = 2) or 0.1 (S = 3). Everything past 5, or thinner than 3e-3, raises. `fast`
has no such limit. Guarded by tests/integration/test_gaussian.py and
tests/integration/test_reference_gaussian.py.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from reference.integration.interval import log_normal, truncated_gaussian
from reference.integration.signed_sum import ACCURACY, integrate
from reference.model.arrays import Array
from reference.model.validation import check_array, check_covariance, check_points
from reference.polyhedra.feasibility import is_empty
from reference.polyhedra.inclusion_exclusion import signed_cones
from reference.polyhedra.validity import OutsideValidity

# For S = 1, relative to max(1, |log mass|): see tests/integration/test_gaussian.py.
_INTERVAL_ERROR = 3e-14


class _Moments(NamedTuple):
    log_mass: Array
    mean: Array
    cov: Array


class TruncatedMoments(_Moments):
    """Moments of truncated Gaussians: a tuple of log_mass, mean and cov, with one attribute more.

    Parameters
    ----------
    log_mass : ndarray, shape (M,)
        The log of the Gaussian's mass on the polyhedron, nats; -inf if that is empty.
    mean : ndarray, shape (M, S)
        The mean of the truncated Gaussian; NaN if the polyhedron is empty.
    cov : ndarray, shape (M, S, S)
        Its covariance; NaN if the polyhedron is empty.
    log_mass_error : ndarray, shape (M,)
        A bound on the absolute error of log_mass; 0 where that is -inf. Not one of the tuple's
        three.
    """

    log_mass_error: Array

    def __new__(cls, log_mass: Array, mean: Array, cov: Array, log_mass_error: Array) -> Self:
        """Make a tuple of three with an attribute."""
        moments = super().__new__(cls, log_mass, mean, cov)
        moments.log_mass_error = log_mass_error
        return moments

    def __getnewargs__(self) -> tuple[Array, Array, Array, Array]:
        """What pickles and copies are made from."""
        return *self, self.log_mass_error


def gaussian_on_polyhedron(
    normals: ArrayLike,
    offsets: ArrayLike,
    means: ArrayLike,
    cov: ArrayLike | None = None,
    *,
    factor: ArrayLike | None = None,
) -> TruncatedMoments:
    """Return log mass, mean and covariance of N(means, cov) on a polyhedron [Lemma 4].

    Parameters
    ----------
    normals : array_like, shape (F, S)
        The polyhedron is {z : normals z + offsets > 0}; for F = 0 the whole space.
    offsets : array_like, shape (F,)
        Offsets of the half-spaces.
    means : array_like, shape (M, S)
        The means of the Gaussians.
    cov : array_like, shape (S, S), (S,) or ()
        Their covariance; either this or factor.
    factor : array_like, shape (S, S)
        An invertible factor of their covariance, cov = factor factorᵀ.

    Returns
    -------
    TruncatedMoments
        One row for each mean. An empty polyhedron, and no other, has log mass -inf and NaN moments;
        for S > 1 emptiness is decided exactly.

    Raises
    ------
    ValueError
        On bad input.
    NotImplementedError
        For S > 3.
    OutsideValidity
        For S > 1, where the accuracy would be worse than 1e-6: see this module's docstring.

    Examples
    --------
    >>> from reference import gaussian_on_polyhedron
    >>> half = gaussian_on_polyhedron([[1.0]], [0.0], [[0.0]], 1.0)
    >>> print(half.log_mass.round(6), half.mean.round(6))
    [-0.693147] [[0.797885]]
    """
    normal_rows = check_array(normals, "normals", (None, None))
    dimension = normal_rows.shape[1]
    if dimension == 0:
        raise ValueError("normals: expected at least one column (S >= 1), got none")
    offset_values = check_array(offsets, "offsets", (normal_rows.shape[0],))
    centres = check_points(means, "means", dimension)
    root = _factor(cov, factor, dimension)
    if dimension > 3:
        raise NotImplementedError(
            f"normals: expected at most 3 columns (S <= 3), got {dimension}; `fast` integrates in "
            "more dimensions"
        )
    if dimension == 1:
        return _on_interval(normal_rows, offset_values, centres, _covariance(cov, root))
    return _by_cones(normal_rows, offset_values, centres, root)


def _factor(cov: ArrayLike | None, factor: ArrayLike | None, dimension: int) -> Array:
    """A factor of the covariance, whichever form was given; ValueError unless one was."""
    if (cov is None) == (factor is None):
        raise ValueError("cov: expected either cov or factor, and not both")
    if cov is not None:
        covariance = check_covariance(cov, "cov", dimension)
        if covariance.ndim == 2:
            return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        return np.asarray(np.sqrt(covariance) * np.eye(dimension))
    root = check_array([] if factor is None else factor, "factor", (dimension, dimension))
    sizes = np.linalg.svd(root, compute_uv=False)
    if not sizes[-1] > dimension * np.finfo(np.float64).eps * sizes[0]:
        raise ValueError("factor: expected an invertible matrix")
    return root


def _covariance(cov: ArrayLike | None, root: Array) -> Array:
    """The covariance (1, 1) for S = 1, exactly as it was given if it was."""
    return root @ root.T if cov is None else np.reshape(np.asarray(cov, np.float64), (1, 1))


def _on_interval(normals: Array, offsets: Array, centres: Array, cov: Array) -> TruncatedMoments:
    """S = 1: accurate in any tail. Raises ArithmeticError where a log mass is not finite."""
    result = _nothing(len(centres), 1)
    log_mass, mean, covs = result
    for i, centre in enumerate(centres):
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows shows in the result
                t = truncated_gaussian(normals, offsets, centre, cov)
                if t is None:
                    continue
                log_mass[i] = t.log_ratio + log_normal(t.nearest, centre, cov)
                mean[i], covs[i] = t.mean, t.cov
        except ZeroDivisionError:  # the squared distance overflows: no mass is left
            log_mass[i] = np.nan
        if not np.isfinite(log_mass[i]):
            raise ArithmeticError(f"means: the moments for row {i} are beyond the range of doubles")
        result.log_mass_error[i] = _INTERVAL_ERROR * max(1.0, abs(log_mass[i]))
    return result


def _by_cones(normals: Array, offsets: Array, centres: Array, factor: Array) -> TruncatedMoments:
    """S = 2, 3: by Lemma 4."""
    result = _nothing(len(centres), normals.shape[1])
    log_mass, mean, cov = result
    if is_empty(normals, offsets):
        return result
    cones = signed_cones(*_bounding(normals, offsets))
    for i, centre in enumerate(centres):
        found = integrate(cones, centre, factor)
        if not found.resolved:
            raise OutsideValidity(
                f"means: on the polyhedron row {i} has mass {found.mass:.3g} with an error of up "
                f"to {found.mass_error:.3g}, too much for {ACCURACY:g} in mass and moments"
            )
        log_mass[i], mean[i], cov[i] = np.log(found.mass), found.mean, found.cov
        result.log_mass_error[i] = found.mass_error / found.mass
    return result


def _bounding(normals: Array, offsets: Array) -> tuple[Array, Array]:
    """The half-spaces that do not hold everywhere, with normals scaled to a size of about 1.

    They are scaled by powers of 2, which is exact.
    """
    largest = np.max(np.abs(normals), axis=1)
    normals, offsets, largest = (a[largest > 0] for a in (normals, offsets, largest))
    exponents = np.frexp(largest)[1]
    with np.errstate(over="ignore"):
        distances = np.ldexp(offsets, -exponents)
    if np.any(distances == -np.inf):
        raise OutsideValidity("offsets: a half-space is farther away than the largest double")
    near = distances < np.inf
    return np.ldexp(normals, -exponents[:, None])[near], distances[near]


def _nothing(count: int, dimension: int) -> TruncatedMoments:
    """What an empty polyhedron gives."""
    return TruncatedMoments(
        np.full(count, -np.inf),
        np.full((count, dimension), np.nan),
        np.full((count, dimension, dimension), np.nan),
        np.zeros(count),
    )
