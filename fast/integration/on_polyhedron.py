"""Gaussians on any polyhedron, for use by itself [Lemma 4, Appendix B]."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from fast.integration.interval import LOG_2PI, gaussian_on_interval
from fast.integration.truncated import ACCURACY, MOST_DIMENSIONS, Truncated, truncate_with_error
from fast.integration.whitened import Whitened
from fast.polyhedra.chunks import chunks
from fast.polyhedra.emptiness import needed_within, proven_empty
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces
from reference.model import Array, check_array, check_covariance, check_points

# Numbers held at once for the simplices of a batch of means.
_BATCH = 1 << 18
# Standard deviations within which all that matters lies, if the mass is not below exp(-1e6).
_NEAR = 1e6
# A factor of this condition number or more is refused: rounding of its entries may have made it out
# of a singular one.
_SINGULAR = 1e15
# Standard deviations whose squares, added up, do not overflow: the square of 1e154 does.
_FARTHEST = 1e150


class _Moments(NamedTuple):
    log_mass: Array
    mean: Array
    cov: Array


class TruncatedMoments(_Moments):
    """log_mass (M,), mean (M, S), cov (M, S, S) as a tuple of three; and log_mass_error (M,): how
    far log_mass may be off, 0 where it is exactly -inf."""

    log_mass_error: Array

    def __new__(cls, log_mass: Array, mean: Array, cov: Array, log_mass_error: Array) -> Self:
        """A tuple of three with an attribute."""
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
    """Log mass, mean and covariance of N(means, cov) on {z : normals z + offsets > 0} [Lemma 4].

    normals (F, S), offsets (F,), F = 0 meaning the whole space; means (M, S). Either cov: (S, S),
    (S,) or scalar; or factor (S, S), invertible, with cov = factor factorᵀ: a Cholesky factor costs
    ε cond(cov) |log mass|. Returns log_mass (M,), mean (M, S), cov (M, S, S) of the truncated
    Gaussian, unpacked as a tuple of three; `.log_mass_error` (M,) is how far log_mass may be off.
    Half-spaces may be redundant, unbounded, contain lines. A polyhedron without interior gives log
    mass -inf and NaN moments; so does one too thin for double precision, with log_mass_error inf
    unless it is proven empty.

    Accuracy, at any distance: log mass relative to max(1, |log mass|) 3e-14 (S = 1), 1e-12 (2),
    1e-10 (3); moments in truncated standard deviations 1e-13, 1e-10, 1e-8; S = 4..6 by coarser
    rules, log_mass_error estimated for each mean. Raises ValueError on bad input, and for S > 6;
    ArithmeticError where results overflow. Guarded by tests/integration/test_gaussian.py and
    tests/integration/test_polyhedra.py.
    """
    normal_rows = check_array(normals, "normals", (None, None))
    dimension = normal_rows.shape[1]
    if not 1 <= dimension <= MOST_DIMENSIONS:
        raise ValueError(
            f"normals: expected from 1 to {MOST_DIMENSIONS} columns (S), got {dimension}"
        )
    offset_values = check_array(offsets, "offsets", (normal_rows.shape[0],))
    centres = check_points(means, "means", dimension)
    root = covariance_factor(cov, factor, dimension)
    if dimension == 1:
        log_mass, mean, variance = gaussian_on_interval(
            normal_rows[:, 0], offset_values, centres[:, 0], float(abs(root[0, 0]))
        )
        size = np.where(np.isinf(log_mass), 0.0, np.maximum(1.0, np.abs(log_mass)))
        error = ACCURACY[1] * size
        return TruncatedMoments(log_mass, mean[:, None], variance[:, None, None], error)
    lattice = lattice_of_halfspaces(normal_rows, offset_values)
    if lattice is not None and _has_far_corners(lattice, centres, root):
        near = needed_within(
            normal_rows @ root,
            normal_rows @ centres.mean(axis=0) + offset_values,
            _NEAR + np.ptp(centres @ np.linalg.inv(root).T, axis=0).max(),
        )
        if near is not None and len(near) < len(normal_rows):
            found = gaussian_on_polyhedron(
                normal_rows[near], offset_values[near], centres, factor=root
            )
            if np.all(found.log_mass > -_NEAR):
                return found
    if lattice is None:
        count = len(centres)
        nothing = np.full((count, dimension), np.nan)
        empty = np.full(count, -np.inf), nothing, np.full((count, dimension, dimension), np.nan)
        unknown = 0.0 if proven_empty(normal_rows, offset_values) else np.inf
        return TruncatedMoments(*empty, np.full(count, unknown))
    # What overflows shows in the result.
    with np.errstate(all="ignore"):
        parts = [
            _batch(lattice, centres[part], root)
            for part in chunks(len(centres), _BATCH, _width(lattice))
        ]
    log_mass, mean, covs, error = (np.concatenate(values) for values in zip(*parts, strict=True))
    finite = (
        np.isfinite(log_mass) & np.all(np.isfinite(mean), 1) & np.all(np.isfinite(covs), (1, 2))
    )
    if not np.all(finite):
        raise ArithmeticError(
            f"means: the moments for row {np.argmin(finite)} are beyond the range of doubles"
        )
    if factor is None:
        error += _cholesky_error(root) * np.maximum(1.0, np.abs(log_mass))
    return TruncatedMoments(log_mass, mean, covs, error)


def _has_far_corners(lattice: Lattice, centres: Array, root: Array) -> bool:
    """Whether corners are so far away that rounding no longer tells facets apart there."""
    corners = lattice.positions[lattice.points] - centres[0]
    return bool(np.any(np.abs(corners @ np.linalg.inv(root).T) > _NEAR**2))


def covariance_factor(cov: ArrayLike | None, factor: ArrayLike | None, dimension: int) -> Array:
    """A checked factor (S, S) of the covariance, of whichever of the two is given."""
    if (cov is None) == (factor is None):
        raise ValueError("cov: expected either cov or factor, and not both")
    if factor is not None:
        root = check_array(factor, "factor", (dimension, dimension))
        if not np.linalg.cond(root) < _SINGULAR:
            raise ValueError("factor: expected an invertible matrix")
        return root
    covariance = check_covariance(cov, "cov", dimension)  # type: ignore[arg-type]
    if covariance.ndim == 2:
        return np.asarray(np.linalg.cholesky(covariance))
    return np.asarray(np.sqrt(covariance) * np.eye(dimension))


def _cholesky_error(root: Array) -> float:
    """What a covariance may lose on the way to its factor, over max(1, |log mass|)."""
    if not np.count_nonzero(root - np.diag(np.diag(root))):
        return 0.0
    return float(np.finfo(np.float64).eps * np.linalg.cond(root) ** 2)


def _width(lattice: Lattice) -> int:
    """How many numbers the simplices of one mean have."""
    return len(lattice.chains[1]) * lattice.dimension**2 if lattice.dimension else 0


def _batch(lattice: Lattice, means: Array, root: Array) -> tuple[Array, Array, Array, Array]:
    """Log mass, mean, covariance and error for some of the means."""
    count, dimension = means.shape
    maps = np.broadcast_to(np.linalg.inv(root), (count, dimension, dimension))
    vertices = lattice.positions[lattice.points]
    if not np.all(np.abs(vertices @ maps[0].T) < _FARTHEST):
        raise ArithmeticError(
            "normals, offsets: a vertex is farther away than a distance whose square is a double"
        )
    centres = means @ maps[0].T
    cells = np.zeros(count, dtype=np.intp)
    found, error = truncate_with_error(Whitened.of(lattice, cells, maps, centres, means))
    log_mass = log_masses(found, dimension, float(np.linalg.slogdet(root)[1]))
    error = error + ACCURACY[dimension] * np.maximum(1.0, np.abs(log_mass))
    return log_mass, found.mean, found.cov, error


def log_masses(found: Truncated, dimension: int, log_scale: float) -> Array:
    """Log masses from volumes relative to the density at the peaks; log_scale: log |factor|."""
    return np.asarray(found.log_volume - 0.5 * found.square - 0.5 * dimension * LOG_2PI - log_scale)
