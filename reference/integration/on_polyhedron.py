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

import numpy as np
from numpy.typing import ArrayLike

from reference.integration.interval import exact_width, gaussian_between, interval, log_normal
from reference.integration.signed_sum import ACCURACY, integrate
from reference.integration.truncated_moments import Given, TruncatedMoments, no_moments
from reference.model.arrays import Array
from reference.model.validation import (
    check_array,
    check_bounds,
    check_covariance,
    check_points,
)
from reference.polyhedra.inclusion_exclusion import signed_cones
from reference.polyhedra.kind_of_set import kind_of_set
from reference.polyhedra.polyhedron import polyhedron_of
from reference.polyhedra.validity import OutsideValidity

# For S = 1, relative to max(1, |log mass|): see tests/integration/test_gaussian.py.
_INTERVAL_ERROR = 3e-14


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
        Offsets of the half-spaces; inf where one holds everywhere, -inf where it holds nowhere.
    means : array_like, shape (M, S)
        The means of the Gaussians.
    cov : array_like, shape (S, S), (S,) or ()
        Their covariance; either this or factor.
    factor : array_like, shape (S, S)
        An invertible factor of their covariance, cov = factor factorᵀ.

    Returns
    -------
    TruncatedMoments
        One row for each mean, with `entropy` and `rvs`. A polyhedron without interior, and no
        other, has log mass -inf and NaN moments; `kind` says whether it is empty or flat, exactly.

    Raises
    ------
    ValueError
        On bad input, of which an offset that is NaN.
    ArithmeticError
        If a result is beyond the range of doubles.
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
    check_dimension(dimension, "normals")
    offset_values = check_bounds(offsets, "offsets", (normal_rows.shape[0],))
    centres = check_points(means, "means", dimension)
    root = _factor(cov, factor, dimension)
    nowhere, bounding = offset_values == -np.inf, offset_values < np.inf
    half_spaces = normal_rows[bounding], offset_values[bounding]
    kind = "empty" if np.any(nowhere) else kind_of_set(*half_spaces)
    covariance = _covariance(cov, root)
    result = no_moments(kind, Given(*half_spaces, centres, covariance))
    if kind == "full" and dimension == 1:
        _on_interval(result, *half_spaces, centres, covariance)
    elif kind == "full":
        _by_cones(result, *half_spaces, centres, root)
    return result


def check_dimension(dimension: int, name: str) -> None:
    """Raise an error that names the argument unless S, the number of its columns, is 1, 2 or 3."""
    if dimension == 0:
        raise ValueError(f"{name}: expected at least one column (S >= 1), got none")
    if dimension > 3:
        raise NotImplementedError(
            f"{name}: expected at most 3 columns (S <= 3), got {dimension}; `fast` integrates in "
            "more dimensions"
        )


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
    """The covariance (S, S); for S = 1 exactly as it was given if it was."""
    if cov is None or len(root) > 1:
        return np.asarray(root @ root.T)
    return np.reshape(np.asarray(cov, np.float64), (1, 1))


def _on_interval(
    result: TruncatedMoments, normals: Array, offsets: Array, centres: Array, cov: Array
) -> None:
    """S = 1: accurate in any tail. Raises ArithmeticError where a moment is no double."""
    log_mass, mean, covs = result
    lower, upper = interval(normals, offsets)
    width = exact_width(normals, offsets)
    if lower == upper and np.isinf(lower):
        raise ArithmeticError("offsets: a half-space is farther away than the largest double")
    for i, centre in enumerate(centres):
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows shows in the result
                t = gaussian_between(lower, upper, width, centre, cov)
                log_mass[i] = t.log_ratio + log_normal(t.nearest, centre, cov)
                mean[i], covs[i], result.entropies[i] = t.mean, t.cov, t.entropy
        except ZeroDivisionError:  # the squared distance overflows: no mass is left
            log_mass[i] = np.nan
        # A variance below the least normal number has not all of its digits.
        if not (np.isfinite(log_mass[i]) and covs[i, 0, 0] >= np.finfo(np.float64).tiny):
            raise ArithmeticError(f"means: the moments for row {i} are beyond the range of doubles")
        result.log_mass_error[i] = _INTERVAL_ERROR * max(1.0, abs(log_mass[i]))


def _by_cones(
    result: TruncatedMoments, normals: Array, offsets: Array, centres: Array, factor: Array
) -> None:
    """S = 2, 3: by Lemma 4."""
    log_mass, mean, cov = result
    polyhedron = polyhedron_of(normals, offsets)
    assert polyhedron is not None  # its kind is full
    cones = signed_cones(polyhedron)
    if np.any(cones.offsets[: cones.facets] == -np.inf):
        raise OutsideValidity("offsets: a half-space is farther away than the largest double")
    for i, centre in enumerate(centres):
        found = integrate(cones, centre, factor)
        if not found.resolved:
            raise OutsideValidity(
                f"means: on the polyhedron row {i} has mass {found.mass:.3g} with an error of up "
                f"to {found.mass_error:.3g}, too much for {ACCURACY:g} in mass and moments"
            )
        log_mass[i], mean[i], cov[i] = np.log(found.mass), found.mean, found.cov
        result.log_mass_error[i] = found.mass_error / found.mass
        result.entropies[i] = found.entropy
