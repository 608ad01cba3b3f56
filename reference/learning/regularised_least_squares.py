"""Least squares with a prior on the unknowns [Appendix H].

Maximises rightᵀ w - ½ wᵀ normal w plus the log prior of those unknowns that are weights.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

from reference.model.arrays import Array, Mask
from reference.model.errors import NotSolvedError
from reference.model.weight_priors import GaussianPrior, LaplacePrior, UniformPrior, WeightPrior

# Eigenvalues of a normal matrix below this share of the largest are rounding: about 1e5 ε.
RANK_TOLERANCE = 1e-11
# Rounding of a gradient, over the size of its terms.
_ROUNDING = 1e-13
# How much of its gradient, over the size of its terms, a solution may leave.
_LEFT = 1e-9
_MOST_SWEEPS = 10_000


def solve_nearest(matrix: Array, right: Array, current: Array) -> Array:
    """The solution of a symmetric positive semi-definite system that is nearest to `current`."""
    return current + _smallest_solution(matrix, right - matrix @ current)


def _smallest_solution(matrix: Array, right: Array) -> Array:
    """The least-norm solution.

    Not by the inverse written out: its entries are large where the smallest eigenvalue is small,
    and their rounding would enter every other direction.
    """
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=RANK_TOLERANCE)[0])


def solve_with_prior(
    normal: Array, right: Array, current: Array, prior: WeightPrior | None, is_weight: Mask
) -> Array:
    """The maximiser, computed from `current` and as near to it as possible.

    is_weight says which unknowns have the prior.
    """
    if isinstance(prior, GaussianPrior):
        return ridge(normal, right, current, is_weight / prior.scale**2)
    if isinstance(prior, LaplacePrior):
        return lasso(normal, right, current, is_weight / prior.scale)
    if isinstance(prior, UniformPrior):
        return box(normal, right, current, np.where(is_weight, prior.bound, np.inf))
    return solve_nearest(normal, right, current)


def ridge(normal: Array, right: Array, current: Array, precisions: Array) -> Array:
    """Maximise the quadratic minus ½ Σ precisions w²."""
    return solve_nearest(normal + np.diag(precisions), right, current)


def lasso(normal: Array, right: Array, current: Array, rates: Array) -> Array:
    """Maximise the quadratic minus Σ rates |w|.

    Each unknown in turn moves to its own optimum given the others. That is a soft threshold
    (Friedman, Hastie, Tibshirani 2010), and decides which unknowns are zero. Then the others move
    to their common optimum. The objective rises in both steps. Raises NotSolvedError where that is
    not seen to end at an optimum. This happens where unknowns do nearly the same, to 1e-5, and the
    rates are small beside `right`: directions then count as singular in which `right` still pulls
    by more than rounding.
    """
    w = current.copy()
    diagonal = np.diag(normal)
    alive = diagonal > RANK_TOLERANCE * diagonal.max()
    # An unknown that nothing depends on stays, unless its prior draws it to zero.
    w[~alive & (rates > 0)] = 0.0
    for _ in range(_MOST_SWEEPS):
        for i in np.flatnonzero(alive):
            pull = right[i] - normal[i] @ w + diagonal[i] * w[i]
            w[i] = np.sign(pull) * max(abs(pull) - rates[i], 0.0) / diagonal[i]
        w = _common_optimum(normal, right, w, rates)
        if _is_optimum(normal, right, w, rates):
            return w
    raise NotSolvedError("lasso: the unknowns that are zero did not settle")


def _common_optimum(normal: Array, right: Array, w: Array, rates: Array) -> Array:
    """w with the unknowns that are not zero moved to their common optimum.

    One that would change its sign on the way stays at zero, and the others go on. Where the matrix
    is singular but the penalty pulls (as when two unknowns have the same effect), w slides in that
    direction until one of them is zero.
    """
    while True:
        free = (w != 0) | (rates == 0)
        pull = np.where(free, right - normal @ w - rates * np.sign(w), 0.0)
        among = np.where(np.outer(free, free), normal, 0.0)
        step = np.where(free, _smallest_solution(among, pull), 0.0)
        left = pull - among @ step
        left[np.diag(normal) <= RANK_TOLERANCE * np.max(np.diag(normal))] = 0.0
        first, share = _first_zero(w, left, rates)
        pulls = np.max(np.abs(left)) > _LEFT * _size(normal, right, w, rates)
        # If the matrix is not singular in that direction after all, the objective turns first.
        if pulls and share < np.inf and share * (left @ normal @ left) <= left @ left:
            step = left
        else:
            first, share = _first_zero(w, step, rates)
            if share >= 1:
                return np.asarray(w + step)
        w = np.asarray(w + share * step)
        w[first] = 0.0


def _first_zero(w: Array, step: Array, rates: Array) -> tuple[int, float]:
    """Which penalised unknown becomes zero first on the way from w, and after how many steps."""
    shares = np.full(len(w), np.inf)
    crosses = (rates > 0) & (w * step < 0)
    shares[crosses] = -w[crosses] / step[crosses]
    first = int(np.argmin(shares))
    return first, float(shares[first])


def _is_optimum(normal: Array, right: Array, w: Array, rates: Array) -> bool:
    """Whether the gradient vanishes for free unknowns, and is too small to move the others."""
    pull = right - normal @ w
    size = _size(normal, right, w, rates)
    off_zero = np.abs(pull) - rates <= _ROUNDING * size
    nowhere = np.abs(pull - rates * np.sign(w)) <= _LEFT * size
    return bool(np.all(np.where((w != 0) | (rates == 0), nowhere, off_zero)))


def _size(normal: Array, right: Array, w: Array, rates: Array) -> float:
    """The largest sum of the sizes of a gradient's terms."""
    return float(np.max(np.abs(normal) @ np.abs(w) + np.abs(right) + rates))


def box(normal: Array, right: Array, current: Array, bounds: Array) -> Array:
    """Maximise the quadratic subject to |w| <= bounds.

    By a bounded least squares in the roots of the normal matrix (Stark and Parker 1995). Raises
    NotSolvedError if that ends without a solution.
    """
    values, vectors = np.linalg.eigh(normal)
    kept = values > RANK_TOLERANCE * values[-1]
    if not np.any(kept):
        return np.asarray(np.clip(current, -bounds, bounds))
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    target = (vectors[:, kept] / np.sqrt(values[kept])).T @ (right - normal @ current)
    found = lsq_linear(
        root,
        target,
        (-bounds - current, bounds - current),
        method="bvls",
        tol=1e-15,
        max_iter=_MOST_SWEEPS,
    )
    if not found.success:
        raise NotSolvedError(f"box: {found.message}")
    within = np.clip(current + found.x, -bounds, bounds)
    at_bounds = np.copysign(bounds, found.active_mask)
    return np.asarray(np.where(found.active_mask == 0, within, at_bounds))
