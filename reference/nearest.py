"""Points of a polyhedron that minimise a convex quadratic, exactly, by trying every face."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from reference import polyhedron
from reference.validation import Array
from reference.validity import OutsideValidity

# Rounding of what is solved for here, relative to its terms and over the smallest singular value.
_SOLVED = 256 * np.finfo(np.float64).eps
_DEPENDENT = 1e-12


def minimiser(
    normals: Array, offsets: Array, matrix: Array, target: Array, tie: Array | None = None
) -> Array:
    """The z (S,) of {z : normals z + offsets >= 0} that minimises ‖matrix z - target‖, and where
    those are many, the one of them that minimises ‖tie z‖, tie (S, S) invertible.

    The minimiser lies within some face, and as the problem is convex it is the minimiser over the
    whole affine hull of that face: so of every set of at most S independent facets (F of them,
    normals (F, S) non-zero, offsets (F,)) the minimiser over their intersection is computed, and
    the best that is in the polyhedron is it. Accuracy: rounding over the smallest singular value of
    those normals, and of matrix on the face. Raises OutsideValidity if rounding leaves no candidate
    in the polyhedron. Guarded by tests/test_reference_nearest.py.
    """
    latent = matrix.shape[1]
    normals, offsets = polyhedron.unit_rows(normals, offsets)
    # Without what no z can change, which in the far tail is nearly all, and rounds.
    axes, matrix = np.linalg.qr(matrix)
    target = axes.T @ target
    best: Array | None = None
    for size in range(min(latent, len(normals)) + 1):
        for subset in map(list, combinations(range(len(normals)), size)):
            hull = _affine_hull(normals[subset], offsets[subset])
            if hull is None:
                continue
            point, basis, independence = hull
            z = point + basis @ _least_squares(matrix @ basis, target - matrix @ point)
            if tie is not None:
                # The directions in which nothing changes, and the best of them.
                flat = basis @ _null_space(matrix @ basis)
                z = z - flat @ _least_squares(tie @ flat, tie @ z)
            blur = _SOLVED * (np.linalg.norm(z) + np.max(np.abs(offsets), initial=0.0))
            slacks = np.delete(normals @ z + offsets, subset)
            feasible = np.all(slacks >= -blur / independence)
            if feasible and (best is None or _is_better(z, best, matrix, target, tie)):
                best = z
    if best is None:
        raise OutsideValidity("no face of the polyhedron holds its nearest point, to rounding")
    return best


def _is_better(z: Array, other: Array, matrix: Array, target: Array, tie: Array | None) -> bool:
    """Whether ‖matrix z - target‖ is below that of another z, or, where rounding cannot tell,
    ‖tie z‖ is."""
    value, least = (float(np.linalg.norm(matrix @ point - target)) for point in (z, other))
    if tie is None:
        return value < least
    terms = np.linalg.norm(target) + np.linalg.norm(np.abs(matrix) @ np.abs(z))
    if abs(value - least) > _SOLVED * terms:
        return value < least
    return float(np.linalg.norm(tie @ z)) < float(np.linalg.norm(tie @ other))


def _affine_hull(normals: Array, offsets: Array) -> tuple[Array, Array, float] | None:
    """{z : normals z + offsets = 0} as a point (S,) and an orthonormal basis (S, S-k), with the
    smallest singular value of the normals; None if they are dependent."""
    latent = normals.shape[1]
    if not len(normals):
        return np.zeros(latent), np.eye(latent), 1.0
    left, values, right = np.linalg.svd(normals)
    if values[-1] < _DEPENDENT:
        return None
    rank = len(normals)
    return right[:rank].T @ ((left.T @ -offsets) / values), right[rank:].T, float(values[-1])


def _least_squares(matrix: Array, target: Array) -> Array:
    if matrix.shape[1] == 0:
        return np.zeros(0)
    return np.asarray(np.linalg.lstsq(matrix, target, rcond=None)[0], dtype=np.float64)


def _null_space(matrix: Array) -> Array:
    """An orthonormal basis (n, n-r) of the directions a matrix (m, n) takes to 0, to rounding."""
    if matrix.shape[1] == 0:
        return np.zeros((0, 0))
    _, values, right = np.linalg.svd(matrix)
    tolerance = max(matrix.shape) * np.finfo(np.float64).eps * np.max(values, initial=0.0)
    return right[int(np.sum(values > tolerance)) :].T
