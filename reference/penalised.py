"""Least squares with a prior on the unknowns [Appendix H]: maximise rightᵀ w - ½ wᵀ normal w plus
the log prior of those unknowns that are weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from reference.priors import GaussianPrior, LaplacePrior, UniformPrior, WeightPrior
from reference.validation import Array

Mask = NDArray[np.bool_]

# Eigenvalues of a normal matrix below this share of the largest are rounding: about 1e5 ε.
RANK_TOLERANCE = 1e-11
# Rounding of a gradient, over the size of its terms.
_ROUNDING = 1e-13
# What a solution may leave of one.
_LEFT = 1e-9
_MOST_SWEEPS = 10_000


class NotSolvedError(ArithmeticError):
    """A penalised least squares did not reach its optimum."""


def solve_nearest(matrix: Array, right: Array, current: Array) -> Array:
    """The solution of a symmetric positive semi-definite system that is nearest to `current`."""
    inverse = np.linalg.pinv(matrix, rcond=RANK_TOLERANCE, hermitian=True)
    return current + inverse @ (right - matrix @ current)


def solve_with_prior(
    normal: Array, right: Array, current: Array, prior: WeightPrior | None, is_weight: Mask
) -> Array:
    """The maximiser, from and as near to `current` as may be; is_weight: which unknowns have the
    prior."""
    if isinstance(prior, GaussianPrior):
        return ridge(normal, right, current, is_weight / prior.scale**2)
    if isinstance(prior, LaplacePrior):
        return lasso(normal, right, current, is_weight / prior.scale)
    if isinstance(prior, UniformPrior):
        return box(normal, right, current, np.where(is_weight, prior.bound, np.inf))
    return solve_nearest(normal, right, current)


def ridge(normal: Array, right: Array, current: Array, precisions: Array) -> Array:
    """Minus ½ Σ precisions w²."""
    return solve_nearest(normal + np.diag(precisions), right, current)


def lasso(normal: Array, right: Array, current: Array, rates: Array) -> Array:
    """Minus Σ rates |w|: each unknown in turn to its own optimum given the others, which is a soft
    threshold (Friedman, Hastie, Tibshirani 2010), until it is clear which are zero; then the others
    solve a linear system. Raises NotSolvedError if that never comes to be."""
    w = current.copy()
    diagonal = np.diag(normal)
    alive = diagonal > RANK_TOLERANCE * diagonal.max()
    # An unknown that nothing depends on stays, unless its prior draws it to zero.
    w[~alive & (rates > 0)] = 0.0
    for _ in range(_MOST_SWEEPS):
        for i in np.flatnonzero(alive):
            pull = right[i] - normal[i] @ w + diagonal[i] * w[i]
            w[i] = np.sign(pull) * max(abs(pull) - rates[i], 0.0) / diagonal[i]
        w = _slid(normal, right, w, rates)
        found = _on_support(normal, right, w, rates)
        if found is not None:
            return found
    raise NotSolvedError("lasso: the unknowns that are zero did not settle")


def _slid(normal: Array, right: Array, w: Array, rates: Array) -> Array:
    """w moved along the direction in which the matrix of the unknowns that are not zero is singular
    but the penalty pulls (as when two unknowns do the same), until one of them is zero; w itself if
    there is none. The sweeps alone would take as many steps as the penalty is small."""
    free = (w != 0) | (rates == 0)
    pull = np.where(free, right - normal @ w - rates * np.sign(w), 0.0)
    among = np.where(np.outer(free, free), normal, 0.0)
    left = pull - among @ np.linalg.pinv(among, rcond=RANK_TOLERANCE, hermitian=True) @ pull
    size = np.max(np.abs(normal) @ np.abs(w) + np.abs(right) + rates)
    left[np.diag(normal) <= RANK_TOLERANCE * np.max(np.diag(normal))] = 0.0
    towards_zero = (rates > 0) & (w * left < 0)
    if np.max(np.abs(left)) <= _LEFT * size or not np.any(towards_zero):
        return w
    shares = np.full(len(w), np.inf)
    shares[towards_zero] = -w[towards_zero] / left[towards_zero]
    first = int(np.argmin(shares))
    if shares[first] * (left @ normal @ left) > left @ left:
        return w  # it bends before: not singular after all
    moved = np.asarray(w + shares[first] * left)
    moved[first] = 0.0
    return moved


def _on_support(normal: Array, right: Array, w: Array, rates: Array) -> Array | None:
    """The optimum if the zeros and signs of w are the optimum's, else None."""
    free = (w != 0) | (rates == 0)
    signs = np.sign(w[free])
    result = w.copy()
    target = right[free] - rates[free] * signs
    result[free] = solve_nearest(normal[np.ix_(free, free)], target, w[free])
    kept = (np.sign(result[free]) == signs) | (rates[free] == 0)
    left = target - normal[np.ix_(free, free)] @ result[free]
    size = np.max(np.abs(normal) @ np.abs(result) + np.abs(right) + rates)
    kept &= np.abs(left) <= _LEFT * size
    slack = np.abs(right - normal @ result) - rates
    rounding = _ROUNDING * (np.abs(normal) @ np.abs(result) + np.abs(right) + rates)
    return result if np.all(kept) and np.all(slack[~free] <= rounding[~free]) else None


def box(normal: Array, right: Array, current: Array, bounds: Array) -> Array:
    """Subject to |w| <= bounds: a bounded least squares in the roots of the normal matrix
    (Stark and Parker 1995). Raises NotSolvedError if that ends without."""
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
