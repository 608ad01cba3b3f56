"""Gaussians on any polyhedron, for use by itself [Lemma 4, Appendix B]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fast.integration.apex import choose_apex
from fast.integration.far import FarGaussian, far_means
from fast.integration.interval import LOG_2PI, OnInterval, interval
from fast.integration.simplex_draws import draw_within
from fast.integration.truncated import ACCURACY, MOST_DIMENSIONS, Truncated, truncate_with_error
from fast.integration.truncated_moments import (
    TruncatedMoments,
    joined,
    no_moments,
    refuse_what_is_no_double,
)
from fast.integration.whitened import Whitened
from fast.polyhedra.chunks import chunks
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.from_halfspaces import kind_of_set, lattice_of_halfspaces
from fast.polyhedra.rational_rows import Rows, dot, exactly
from reference.model import (
    Array,
    Indices,
    Mask,
    check_array,
    check_bounds,
    check_covariance,
    check_points,
)

# Numbers held at once for the simplices of a batch of means.
_BATCH = 1 << 18
# A factor of this condition number or more, in whatever units, is refused: rounding of its entries
# may have made it out of a singular one.
_SINGULAR = 1e15
# Standard deviations whose squares, added up, do not overflow: the square of 1e154 does nearly.
# Where a corner is farther, the polyhedron is cut off at the other.
_FARTHEST = 1e153
_REACH = 1e100
_NO_DOUBLE = (
    "normals, offsets: the polyhedron is farther away than a distance whose square is a double"
)


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
        As the normals; inf where a half-space holds everywhere, -inf where it holds nowhere.
    means : array_like, shape (M, S)
        One Gaussian a row.
    cov : array_like, shape (S, S), (S,) or (), optional
        The covariance, variances, or one variance; shared by all Gaussians.
    factor : array_like, shape (S, S), optional
        In place of cov: an invertible matrix with cov = factor factorᵀ. Given cov, its Cholesky
        factor costs ε cond(cov) |log mass|. A factor of condition c costs moments ε c, far out too.

    Returns
    -------
    TruncatedMoments
        log_mass (M,), mean (M, S) and cov (M, S, S), `entropy` and `rvs`. Without an interior,
        which is decided exactly, the log mass is -inf and moments are NaN; `kind` says whether it
        is empty or flat. A far polyhedron too thin for double precision gives the same, with an
        infinite log_mass_error.

    Raises
    ------
    ValueError
        If an argument is not of its kind or shape, or an offset is NaN.
    ArithmeticError
        If a result is beyond the range of doubles: a log mass some 1e154 standard deviations out,
        or a variance below 2.2e-308; or if half-spaces that all are near meet only 1e100 standard
        deviations away.

    Notes
    -----
    Accuracy at any distance for S = 1, 2, 3: log mass relative to max(1, |log mass|) 3e-14, 1e-12,
    1e-10; moments in truncated standard deviations 1e-13, 1e-10, 1e-8. For S = 4 to 6 rules are
    coarser, and log_mass_error is estimated for each mean. So it is for boundaries that are
    parallel, or meet in one place, but for as little as doubles can tell, and wherever corners are.
    Guarded by tests/integration/test_gaussian.py, tests/integration/test_polyhedra.py,
    tests/integration/test_far_corners.py and, far out, tests/integration/test_far.py. Cost: a mean
    more than 1e5 standard deviations outside takes 5 to 130 ms, as its nearest point is found in
    rational numbers; others share one triangulation.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import gaussian_on_polyhedron
    >>> log_mass, mean, cov = gaussian_on_polyhedron(np.eye(2), np.zeros(2), np.zeros((1, 2)), 1.0)
    >>> print(f"{np.exp(log_mass[0]):.6f} {mean[0, 0]:.6f} {cov[0, 0, 0]:.6f}")
    0.250000 0.797885 0.363380
    """
    rows, levels, centres = _checked(normals, offsets, means)
    spread = _Spread.of(cov, factor, centres.shape[1])
    return _moments(rows, levels, centres, spread, np.arange(len(centres)))


def _checked(
    normals: ArrayLike, offsets: ArrayLike, means: ArrayLike
) -> tuple[Array, Array, Array]:
    """The half-spaces and the means as arrays, checked."""
    rows = check_array(normals, "normals", (None, None))
    check_dimension(rows.shape[1], "normals")
    levels = check_bounds(offsets, "offsets", (rows.shape[0],))
    return rows, levels, check_points(means, "means", rows.shape[1])


def check_dimension(dimension: int, name: str) -> None:
    """Raise ValueError that names the argument unless there are rules for S, its columns."""
    if not 1 <= dimension <= MOST_DIMENSIONS:
        raise ValueError(
            f"{name}: expected from 1 to {MOST_DIMENSIONS} columns (S), got {dimension}"
        )


@dataclass(frozen=True, eq=False)
class _Spread:
    """The covariance of the Gaussians: root rootᵀ, and what it was made from if that was given."""

    root: Array  # (S, S)
    given: Array | None  # (S, S)

    @staticmethod
    def of(cov: ArrayLike | None, factor: ArrayLike | None, dimension: int) -> _Spread:
        """From whichever of the two is given, checked."""
        if (cov is None) == (factor is None):
            raise ValueError("cov: expected either cov or factor, and not both")
        if factor is not None:
            root = check_array(factor, "factor", (dimension, dimension))
            # Units of the coordinates are no matter.
            sizes = np.linalg.norm(root, axis=1)[:, None]
            if not (np.all(sizes > 0) and np.linalg.cond(root / sizes) < _SINGULAR):
                raise ValueError("factor: expected an invertible matrix")
            return _Spread(root, None)
        covariance = check_covariance(cov, "cov", dimension)  # type: ignore[arg-type]
        if covariance.ndim == 2:
            return _Spread(np.asarray(np.linalg.cholesky(covariance)), covariance)
        eye = np.eye(dimension)
        return _Spread(np.sqrt(covariance) * eye, covariance * eye)

    @property
    def exact(self) -> Rows:
        """The covariance in rational numbers."""
        if self.given is not None:
            return exactly(self.given)
        rows = exactly(self.root)
        return [[dot(row, other) for other in rows] for row in rows]

    @property
    def log_scale(self) -> float:
        """log |det root|."""
        return float(np.linalg.slogdet(self.root)[1])

    @property
    def error(self) -> float:
        """What a covariance may lose on the way to its factor, over max(1, |log mass|)."""
        root = self.root
        if self.given is None or not np.count_nonzero(root - np.diag(np.diag(root))):
            return 0.0
        return float(np.finfo(np.float64).eps * np.linalg.cond(root) ** 2)


def _moments(
    normals: Array, offsets: Array, centres: Array, spread: _Spread, rows: Indices
) -> TruncatedMoments:
    """The moments of the Gaussians with these means, which are these rows of what was given."""
    count, dimension = centres.shape
    if np.any(offsets == -np.inf):
        return no_moments(count, dimension, "empty")
    normals, offsets = normals[offsets < np.inf], offsets[offsets < np.inf]
    if dimension == 1:
        return _on_interval(normals, offsets, centres[:, 0], float(abs(spread.root[0, 0])))
    far = far_means(normals, offsets, centres, spread.root)
    if np.any(far):
        return _with_far_means(normals, offsets, centres, spread, rows, far)
    try:
        lattice = lattice_of_halfspaces(normals, offsets)
        beyond = lattice is not None and _has_far_corners(lattice, spread.root)
    except OverflowError:
        lattice, beyond = None, True
    if beyond:
        lattice = _within_reach(normals, offsets, centres, spread.root)
    elif lattice is None:
        return no_moments(count, dimension, kind_of_set(normals, offsets))
    found = _finished(_OnLattice(lattice, centres, spread.root), spread, rows)
    # Nothing was lost where the nearest point is well within reach, and it is if the log mass is
    # not as low as at the end.
    if beyond and not np.all(found.log_mass > -(_REACH**2) / 8):
        raise ArithmeticError(_NO_DOUBLE)
    return found


def _finished(law: _OnLattice | FarGaussian, spread: _Spread, rows: Indices) -> TruncatedMoments:
    """The moments of Gaussians that are these rows of what was given."""
    # What overflows shows in the result.
    with np.errstate(all="ignore"):
        found, error = law.truncated()
        dimension = found.mean.shape[1]
        log_mass = log_masses(found, dimension, spread.log_scale)
        error = error + (ACCURACY[dimension] + spread.error) * np.maximum(1.0, np.abs(log_mass))
    refuse_what_is_no_double(log_mass, found.mean, found.cov, rows)
    return TruncatedMoments(log_mass, found.mean, found.cov, error, "full", found.entropy, law)


def _within_reach(normals: Array, offsets: Array, centres: Array, root: Array) -> Lattice:
    """The polyhedron cut off where corners are so far that their squares overflow.

    Of a Gaussian on a convex set a share of at most Γ(S, r²/2) / Γ(S) lies farther than r standard
    deviations from the set's point nearest the mean: from there the exponent is convex along every
    ray, and has risen by r²/2. So nothing is lost where that point is well within reach. Were it
    half as far, the log mass of what is within reach would be below -reach²/8.
    """
    sides = np.linalg.inv(root)
    white = centres @ sides.T
    reach = _REACH + 4 * np.max(np.abs(white - white[0]))
    sides = np.concatenate([sides, -sides])
    levels = reach - sides @ centres[0]
    near = lattice_of_halfspaces(np.concatenate([normals, sides]), np.append(offsets, levels))
    if near is None:
        raise ArithmeticError(_NO_DOUBLE)
    return near


def _with_far_means(
    normals: Array, offsets: Array, centres: Array, spread: _Spread, rows: Indices, far: Mask
) -> TruncatedMoments:
    """The moments where some means are far: each of these by itself."""
    dimension = centres.shape[1]
    kind = kind_of_set(normals, offsets)
    if kind != "full":
        return no_moments(len(centres), dimension, kind)
    covariance, parts = spread.exact, []
    for row in np.flatnonzero(far):
        # What overflows shows in the result.
        with np.errstate(all="ignore"):
            law = FarGaussian.of(normals, offsets, centres[row], spread.root, covariance)
        thin = no_moments(1, dimension, "full")
        mine = thin if law is None else _finished(law, spread, rows[[row]])
        parts.append((np.array([row]), mine))
    near = np.flatnonzero(~far)
    if len(near):
        parts.append((near, _moments(normals, offsets, centres[near], spread, rows[near])))
    return joined(parts)


def _on_interval(normals: Array, offsets: Array, centres: Array, scale: float) -> TruncatedMoments:
    """The moments for S = 1: normals (F, 1), offsets (F,), centres (M,)."""
    lower, upper, width = interval(normals[:, 0], offsets)
    if not width > 0:
        return no_moments(len(centres), 1, kind_of_set(normals, offsets))
    law = OnInterval(lower, upper, width, centres, scale)
    # What overflows shows in the result.
    with np.errstate(all="ignore"):
        log_mass, mean, variance, entropies = law.moments()
    mean, cov = mean[:, None], variance[:, None, None]
    refuse_what_is_no_double(log_mass, mean, cov, np.arange(len(centres)))
    error = ACCURACY[1] * np.maximum(1.0, np.abs(log_mass))
    return TruncatedMoments(log_mass, mean, cov, error, "full", entropies, law)


@dataclass(frozen=True, eq=False)
class _OnLattice:
    """N(centres (M, S), root rootᵀ) on a polyhedron whose faces are known."""

    lattice: Lattice
    centres: Array
    root: Array

    def truncated(self) -> tuple[Truncated, Array]:
        """The truncated Gaussians, and what coarse rules leave their log masses off by."""
        parts = [
            truncate_with_error(_batch(self.lattice, self.centres[part], self.root))
            for part in chunks(len(self.centres), _BATCH, _width(self.lattice))
        ]
        found, errors = zip(*parts, strict=True)
        return Truncated(*map(np.concatenate, zip(*found, strict=True))), np.concatenate(errors)

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """So many independent draws from each, (M, size, S)."""
        parts = []
        with np.errstate(all="ignore"):
            for part in chunks(len(self.centres), _BATCH, _width(self.lattice)):
                means = self.centres[part]
                item = np.repeat(np.arange(len(means)), size)
                batch = _batch(self.lattice, means, self.root)
                parts.append(draw_within(batch, choose_apex(batch), item, rng))
        return np.concatenate(parts).reshape(len(self.centres), size, -1)


def _has_far_corners(lattice: Lattice, root: Array) -> bool:
    """Whether squares of corners overflow, in standard deviations."""
    corners = lattice.positions[lattice.points]
    return bool(np.any(np.abs(corners @ np.linalg.inv(root).T) > _FARTHEST))


def _width(lattice: Lattice) -> int:
    """How many numbers the simplices of one mean have."""
    return len(lattice.chains[1]) * lattice.dimension**2 if lattice.dimension else 0


def _batch(lattice: Lattice, means: Array, root: Array) -> Whitened:
    """Some of the Gaussians, in coordinates in which they are standard."""
    count, dimension = means.shape
    maps = np.broadcast_to(np.linalg.inv(root), (count, dimension, dimension))
    return Whitened.of(lattice, np.zeros(count, dtype=np.intp), maps, None, means)


def log_masses(found: Truncated, dimension: int, log_scale: float) -> Array:
    """Log masses from volumes relative to the density at the peaks; log_scale: log |factor|."""
    return np.asarray(found.log_volume - 0.5 * found.square - 0.5 * dimension * LOG_2PI - log_scale)


def gaussian_on_box(
    lower: ArrayLike,
    upper: ArrayLike,
    means: ArrayLike,
    cov: ArrayLike | None = None,
    *,
    factor: ArrayLike | None = None,
) -> TruncatedMoments:
    """Log mass, mean and covariance of N(means, cov) on {z : lower < z < upper}.

    Parameters
    ----------
    lower : array_like, shape (S,) or ()
        The lower bounds, -inf where there is none; one number for all coordinates.
    upper : array_like, shape (S,) or ()
        The upper bounds, inf where there is none; one number for all coordinates.
    means : array_like, shape (M, S)
        One Gaussian a row; S from 1 to 6.
    cov : array_like, shape (S, S), (S,) or (), optional
        The covariance, variances, or one variance; shared by all Gaussians.
    factor : array_like, shape (S, S), optional
        In place of cov: an invertible matrix with cov = factor factorᵀ.

    Returns
    -------
    TruncatedMoments
        As of `gaussian_on_polyhedron`. A box with an upper bound below its lower one is empty, with
        equal finite ones it is flat.

    Raises
    ------
    ValueError
        If an argument is not of its kind or shape, or a bound is NaN.
    ArithmeticError
        If a result is beyond the range of doubles.

    Notes
    -----
    This is `gaussian_on_polyhedron` of the box's 2 S sides, and as accurate. It is a function of
    its own, since a box has other arguments than half-spaces, none of which can be left out; for a
    box cut by half-spaces give that function all of them, where infinite offsets mean the same.
    Guarded by tests/integration/test_boxes.py.

    Examples
    --------
    >>> import numpy as np
    >>> from fast import gaussian_on_box
    >>> box = gaussian_on_box([0.0, -np.inf], [np.inf, 0.0], np.zeros((1, 2)), 1.0)
    >>> print(f"{np.exp(box.log_mass[0]):.6f} {box.mean[0, 0]:.6f} {box.mean[0, 1]:.6f}")
    0.250000 0.797885 -0.797885
    """
    centres = check_array(means, "means", (None, None))
    dimension = centres.shape[1]
    check_dimension(dimension, "means")
    low, high = (
        np.broadcast_to(check_bounds(bound, name, (dimension,), ()), dimension)
        for bound, name in ((lower, "lower"), (upper, "upper"))
    )
    sides = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    return gaussian_on_polyhedron(sides, np.concatenate([-low, high]), centres, cov, factor=factor)
