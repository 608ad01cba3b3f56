"""Points of a polyhedron that minimise a convex quadratic, exactly, by trying every face."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from reference.model.arrays import Array
from reference.polyhedra import polyhedron
from reference.polyhedra.validity import OutsideValidity

# Rounding of what is solved for here, relative to its terms and over the smallest singular value.
_SOLVED = 256 * np.finfo(np.float64).eps
_DEPENDENT = 1e-12
# A direction that a matrix shortens to less than this times its norm counts as mapped to 0.
_FLAT = 64 * np.finfo(np.float64).eps


def minimiser(
    normals: Array, offsets: Array, matrix: Array, target: Array, tie: Array | None = None
) -> Array:
    """The z (S,) of {z : normals z + offsets >= 0} that minimises ‖matrix z - target‖.

    Where many do, it is the one of them that minimises ‖tie z‖, tie (S, S) invertible. The
    minimiser lies within some face. As the problem is convex, it is also the minimiser over the
    whole affine hull of that face. So the minimiser is computed over the intersection of every set
    of at most S independent facets (F of them, normals (F, S) non-zero, offsets (F,)), and the best
    that is in the polyhedron is returned. Accuracy: rounding over the smallest singular value of
    those normals, and of matrix on the face. Raises OutsideValidity if rounding leaves no candidate
    in the polyhedron. Guarded by tests/polyhedra/test_reference_nearest.py.
    """
    latent = matrix.shape[1]
    normals, offsets = polyhedron.unit_rows(normals, offsets)
    # Leave out the part of the target that no z can change: in the far tail it is nearly all of it,
    # and its rounding would dominate.
    axes, matrix = np.linalg.qr(matrix)
    target = axes.T @ target
    shortest = _FLAT * float(np.linalg.norm(matrix))
    best: Array | None = None
    for size in range(min(latent, len(normals)) + 1):
        for subset in map(list, combinations(range(len(normals)), size)):
            hull = _affine_hull(normals[subset], offsets[subset])
            if hull is None:
                continue
            point, basis, independence = hull
            step, flat = _least_squares(matrix @ basis, target - matrix @ point, shortest)
            z = point + basis @ step
            if tie is not None:
                # Among the directions in which nothing changes, the best.
                z = z - basis @ flat @ _least_squares(tie @ basis @ flat, tie @ z, 0.0)[0]
            # Rounding of z, and of each slack: a boundary far away blurs only its own slack.
            solved = np.linalg.norm(z) + np.linalg.norm(offsets[subset])
            blur = _SOLVED * (solved / independence + np.linalg.norm(z) + np.abs(offsets))
            feasible = np.all(np.delete(normals @ z + offsets + blur, subset) >= 0)
            if feasible and (best is None or _is_better(z, best, matrix, target, tie)):
                best = z
    if best is None:
        raise OutsideValidity("no face of the polyhedron holds its nearest point, to rounding")
    return best


def _is_better(z: Array, other: Array, matrix: Array, target: Array, tie: Array | None) -> bool:
    """Whether ‖matrix z - target‖ is below that of another z, or, where rounding cannot tell,
    ‖tie z‖ is."""
    images = matrix @ z, matrix @ other
    size = sum(float(np.linalg.norm(np.abs(matrix) @ np.abs(point))) for point in (z, other))
    excess, blur = compared(images[0], images[1], target, size)
    if tie is None or abs(excess) > blur:
        return excess < 0
    return float(np.linalg.norm(tie @ z)) < float(np.linalg.norm(tie @ other))


def compared(image: Array, other: Array, target: Array, size: float) -> tuple[float, float]:
    """‖target - image‖² - ‖target - other‖², and a bound on its rounding.

    size is that of the terms whose sums the two images are. A difference of squares is (a - b) · (a
    + b). Here a - b is the difference of the images and does not involve the target, so it keeps
    its digits however far away the target is. An error of an image counts times a + b; one of the
    target, or of the products, times a - b.
    """
    apart, both = other - image, (target - image) + (target - other)
    blur = _SOLVED * size
    slack = blur * (np.linalg.norm(both) + blur)
    slack += _SOLVED * np.linalg.norm(apart) * (np.linalg.norm(target) + size)
    return float(apart @ both), float(slack)


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


def _least_squares(matrix: Array, target: Array, tolerance: float) -> tuple[Array, Array]:
    """The shortest minimiser (n,) of ‖matrix w - target‖, and an orthonormal basis (n, n-r) of the
    directions in which that does not change: those that the matrix (m, n) shortens to less than the
    tolerance."""
    left, values, right = np.linalg.svd(matrix)
    rank = int(np.sum(values > tolerance))
    return right[:rank].T @ ((left.T @ target)[:rank] / values[:rank]), right[rank:].T
