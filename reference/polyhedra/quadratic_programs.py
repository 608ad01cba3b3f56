"""Points of a polyhedron that minimise a convex quadratic, exactly, by trying every face."""

from __future__ import annotations

import numpy as np

from reference.model.arrays import Array
from reference.polyhedra.integer_vectors import unit_halfspace
from reference.polyhedra.polyhedron import Polyhedron
from reference.polyhedra.validity import OutsideValidity

# Rounding of what is solved for here, relative to its terms.
_SOLVED = 256 * np.finfo(np.float64).eps
# A direction that a matrix shortens to less than this times its norm counts as mapped to 0.
_FLAT = 64 * np.finfo(np.float64).eps


def minimiser(
    polyhedron: Polyhedron, matrix: Array, target: Array, tie: Array | None = None
) -> Array:
    """The z (S,) of the closed polyhedron that minimises ‖matrix z - target‖.

    Where many do, it is the one of them that minimises ‖tie z‖, tie (S, S) invertible. The
    minimiser lies within some face. As the problem is convex, it is also the minimiser over the
    whole affine hull of that face. So the minimiser is computed over the affine hull of every face,
    and the best that is in the polyhedron is returned. Which faces there are is exact, and hulls
    are rounded once, however small their angles. Accuracy: rounding over the smallest singular
    value of matrix on the face. Raises OutsideValidity if no point of the polyhedron is near enough
    for doubles. Guarded by tests/polyhedra/test_reference_nearest.py.
    """
    rows = [unit_halfspace(side.row) for side in polyhedron.sides]
    normals = np.reshape([normal for normal, _ in rows], (-1, polyhedron.latent))
    # Half-spaces beyond the largest double are taken to be there.
    offsets = np.nan_to_num([offset for _, offset in rows])
    # Leave out the part of the target that no z can change: in the far tail it is nearly all of it,
    # and its rounding would dominate.
    axes, matrix = np.linalg.qr(matrix)
    target = axes.T @ target
    shortest = _FLAT * float(np.linalg.norm(matrix))
    best: Array | None = None
    for hull in polyhedron.hulls:
        if not np.all(np.isfinite(hull.foot)):
            continue
        step, flat = _least_squares(matrix @ hull.basis, target - matrix @ hull.foot, shortest)
        z = hull.foot + hull.basis @ step
        if tie is not None:
            # Among the directions in which nothing changes, the best.
            free = hull.basis @ flat
            z = z - free @ _least_squares(tie @ free, tie @ z, 0.0)[0]
        # Rounding of z, and of each slack: a boundary far away blurs only its own slack.
        blur = _SOLVED * (np.linalg.norm(z) + np.linalg.norm(hull.foot) + np.abs(offsets))
        feasible = np.all((normals @ z + offsets + blur)[~hull.within] >= 0)
        if feasible and (best is None or _is_better(z, best, matrix, target, tie)):
            best = z
    if best is None:
        raise OutsideValidity("the polyhedron is farther away than the largest double")
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


def _least_squares(matrix: Array, target: Array, tolerance: float) -> tuple[Array, Array]:
    """The shortest minimiser (n,) of ‖matrix w - target‖, and an orthonormal basis (n, n-r) of the
    directions in which that does not change: those that the matrix (m, n) shortens to less than the
    tolerance."""
    left, values, right = np.linalg.svd(matrix)
    rank = int(np.sum(values > tolerance))
    return right[:rank].T @ ((left.T @ target)[:rank] / values[:rank]), right[rank:].T
