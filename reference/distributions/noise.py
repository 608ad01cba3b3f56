"""The observation covariance Σx in the structure it was given in: (D, D), (D,) or scalar.

With these functions the equations read as printed, and no D x D matrix is formed unless Σx is full.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from reference.model.arrays import Array


def solve(cov_x: Array, matrix: Array) -> Array:
    """Σx^-1 times a vector (D,) or a matrix (D, k).

    For a full Σx by its Cholesky factor. A nearly singular Σx still has one, where elimination may
    meet a pivot of zero.
    """
    if cov_x.ndim == 2:
        return np.asarray(cho_solve((np.linalg.cholesky(cov_x), True), matrix), dtype=np.float64)
    return (matrix.T / cov_x).T


def whiten(cov_x: Array, matrix: Array) -> Array:
    """Σx^{-1/2} times a vector (D,) or a matrix (D, k); for a full Σx, C^-1 with C Cᵀ = Σx."""
    if cov_x.ndim == 2:
        return np.asarray(solve_triangular(np.linalg.cholesky(cov_x), matrix, lower=True))
    return (matrix.T / np.sqrt(cov_x)).T


def amplification(cov_x: Array) -> float:
    """By how much Σx^{-1/2} may enlarge a relative error: as much as the factor C of a full Σx is
    long in one direction over another."""
    return float(np.linalg.cond(np.linalg.cholesky(cov_x))) if cov_x.ndim == 2 else 1.0


def quadratic(cov_x: Array, vector: Array) -> float:
    """vᵀ Σx^-1 v as the squared length of Σx^{-1/2} v.

    One factor serves all v. So its own rounding is common to all of them, and drops out of the
    ratios between regions.
    """
    white = whiten(cov_x, vector)
    return float(white @ white)


def log_det(cov_x: Array, dimension: int) -> float:
    """log |Σx|.

    Of a full Σx from its Cholesky factor: elimination that ignores the symmetry loses several times
    as much if Σx is nearly singular.
    """
    if cov_x.ndim == 2:
        return float(2 * np.sum(np.log(np.diag(np.linalg.cholesky(cov_x)))))
    return float(np.sum(np.log(np.broadcast_to(cov_x, (dimension,)))))


def outer(cov_x: Array, left: Array, right: Array) -> Array:
    """What Σx keeps of left rightᵀ: all of it (D, D), its diagonal (D,), or its trace ()."""
    if cov_x.ndim == 2:
        return np.outer(left, right)
    return left * right if cov_x.ndim == 1 else np.asarray(left @ right)


def kept(cov_x: Array, matrix: Array) -> Array:
    """What Σx keeps of a matrix (D, D): all of it, its diagonal (D,), or its trace ()."""
    if cov_x.ndim == 2:
        return matrix
    return np.diag(matrix) if cov_x.ndim == 1 else np.asarray(np.trace(matrix))


def draw(cov_x: Array, standard: Array) -> Array:
    """Σx^{1/2} times each row of standard normal draws (size, D)."""
    return standard @ np.linalg.cholesky(cov_x).T if cov_x.ndim == 2 else standard * np.sqrt(cov_x)


def matrix(cov_x: Array, dimension: int) -> Array:
    """Σx as a (D, D) matrix, for results that are one."""
    return cov_x if cov_x.ndim == 2 else np.diag(np.broadcast_to(cov_x, (dimension,)))
