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
    """Moments of truncated Gaussians: a tuple of three, with an error beside.

    Made by `gaussian_on_polyhedron`.

    Parameters
    ----------
    log_mass : ndarray, shape (M,)
        Log of each Gaussian's mass on the polyhedron, nats.
    mean : ndarray, shape (M, S)
        Of the truncated Gaussian.
    cov : ndarray, shape (M, S, S)
        Of the truncated Gaussian.
    log_mass_error : ndarray, shape (M,)
        How far log_mass may be off; 0 where it is exactly -inf. An attribute: the tuple has three
        entries.
    """

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

    Parameters
    ----------
    normals : array_like, shape (F, S)
        One half-space a row, possibly redundant; S from 1 to 6. F = 0 means the whole space. The
        polyhedron may be unbounded and contain lines.
    offsets : array_like, shape (F,)
        As the normals.
    means : array_like, shape (M, S)
        One Gaussian a row.
    cov : array_like, shape (S, S), (S,) or (), optional
        The covariance, variances, or one variance; shared by all Gaussians.
    factor : array_like, shape (S, S), optional
        In place of cov: an invertible matrix with cov = factor factorᵀ. Given cov, its Cholesky
        factor costs ε cond(cov) |log mass|.

    Returns
    -------
    TruncatedMoments
        log_mass (M,), mean (M, S) and cov (M, S, S). Without an interior the log mass is -inf and
        moments are NaN. A polyhedron too thin for double precision gives the same, with an infinite
        log_mass_error unless it is proven empty.

    Raises
    ------
    ValueError
        If an argument is not of its kind or shape.
    ArithmeticError
        If a result overflows.

    Notes
    -----
    Accuracy at any distance for S = 1, 2, 3: log mass relative to max(1, |log mass|) 3e-14, 1e-12,
    1e-10; moments in truncated standard deviations 1e-13, 1e-10, 1e-8. For S = 4 to 6 rules are
    coarser, and log_mass_error is estimated for each mean. Guarded by
    tests/integration/test_gaussian.py and tests/integration/test_polyhedra.py.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import gaussian_on_polyhedron
    >>> log_mass, mean, cov = gaussian_on_polyhedron(np.eye(2), np.zeros(2), np.zeros((1, 2)), 1.0)
    >>> print(f"{np.exp(log_mass[0]):.6f} {mean[0, 0]:.6f} {cov[0, 0, 0]:.6f}")
    0.250000 0.797885 0.363380
    """
    rows, levels, centres = _checked(normals, offsets, means)
    root = covariance_factor(cov, factor, centres.shape[1])
    return _moments(rows, levels, centres, root, by_cholesky=factor is None)


def _checked(
    normals: ArrayLike, offsets: ArrayLike, means: ArrayLike
) -> tuple[Array, Array, Array]:
    """The half-spaces and the means as arrays, checked."""
    rows = check_array(normals, "normals", (None, None))
    dimension = rows.shape[1]
    if not 1 <= dimension <= MOST_DIMENSIONS:
        raise ValueError(
            f"normals: expected from 1 to {MOST_DIMENSIONS} columns (S), got {dimension}"
        )
    levels = check_array(offsets, "offsets", (rows.shape[0],))
    return rows, levels, check_points(means, "means", dimension)


def _moments(
    normals: Array, offsets: Array, centres: Array, root: Array, *, by_cholesky: bool
) -> TruncatedMoments:
    """The moments of N(centres, root rootᵀ); by_cholesky: root was made from a covariance."""
    dimension = centres.shape[1]
    if dimension == 1:
        return _on_interval(normals[:, 0], offsets, centres[:, 0], root)
    lattice = lattice_of_halfspaces(normals, offsets)
    if lattice is None:
        unknown = 0.0 if proven_empty(normals, offsets) else np.inf
        return _on_nothing(len(centres), dimension, unknown)
    if _has_far_corners(lattice, centres, root):
        found = _without_far_corners(normals, offsets, centres, root)
        if found is not None:
            return found
    moments = _on_lattice(lattice, centres, root)
    if by_cholesky:
        size = np.maximum(1.0, np.abs(moments.log_mass))
        moments.log_mass_error += _cholesky_error(root) * size
    return moments


def _on_interval(normals: Array, offsets: Array, centres: Array, root: Array) -> TruncatedMoments:
    """The moments for S = 1: normals, offsets (F,), centres (M,), root (1, 1)."""
    log_mass, mean, variance = gaussian_on_interval(
        normals, offsets, centres, float(abs(root[0, 0]))
    )
    size = np.where(np.isinf(log_mass), 0.0, np.maximum(1.0, np.abs(log_mass)))
    return TruncatedMoments(log_mass, mean[:, None], variance[:, None, None], ACCURACY[1] * size)


def _on_nothing(count: int, dimension: int, error: float) -> TruncatedMoments:
    """No mass and no moments of so many Gaussians, the log mass known to this error."""
    return TruncatedMoments(
        np.full(count, -np.inf),
        np.full((count, dimension), np.nan),
        np.full((count, dimension, dimension), np.nan),
        np.full(count, error),
    )


def _without_far_corners(
    normals: Array, offsets: Array, centres: Array, root: Array
) -> TruncatedMoments | None:
    """The moments without the half-spaces that matter only far from all means; None where none can
    be left out, or where the mass is so small that they might matter."""
    near = needed_within(
        normals @ root,
        normals @ centres.mean(axis=0) + offsets,
        _NEAR + np.ptp(centres @ np.linalg.inv(root).T, axis=0).max(),
    )
    if near is None or len(near) == len(normals):
        return None
    found = gaussian_on_polyhedron(normals[near], offsets[near], centres, factor=root)
    return found if np.all(found.log_mass > -_NEAR) else None


def _on_lattice(lattice: Lattice, centres: Array, root: Array) -> TruncatedMoments:
    """The moments on a polyhedron whose faces are known."""
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
