"""The least noise that a model may have, a share of the data's variance.

Without it the likelihood has no maximum where a feature is constant or data are few. With it the
M-step keeps its closed form: the likeliest Σx above φ is the likeliest of all with its variances
(its eigenvalues, if it is full) raised to φ.
"""

from __future__ import annotations

import numpy as np

from reference.distributions.e_step import Statistics
from reference.model.arrays import Array
from reference.model.observed.weights import of_columns

# A variance below this share of the mean square is what rounding leaves of a constant.
_ROUNDING = 1e-26
# What it leaves where a variance is a difference of sums.
_CANCELLED = 1e-13


def floor_of_data(X: Array, cov_x: Array, share: float, counts: Array | None = None) -> Array:
    """φ for data X (N, D): (D,) for a diagonal Σx, else one number. Of cov_x only the structure.

    Of what is observed; each row as often as it counts, (N,).
    """
    variances = of_columns(X, counts)[1]
    return _floor(variances, of_columns(np.square(X), counts)[0], cov_x, share)


def floor_of_sums(
    statistics: Statistics, slopes: Array, offsets: Array, cov_x: Array, share: float
) -> Array:
    """The same from an E-step's sums: x = g(z) + (x - g(z)), with slopes (R, D, S) and offsets
    (R, D) of g."""
    n, mean = statistics.n, np.zeros(slopes.shape[1])
    for r, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
        mean += slope @ statistics.e1[r] + offset * statistics.e0[r] + statistics.residual0[r]
    mean /= n
    # Σ_x E[g² + 2 (x - g) g] for every column, about the mean, to which the scatter adds (x - g)².
    square = np.zeros_like(mean)
    for r, (slope, offset) in enumerate(zip(slopes, offsets - mean, strict=True)):
        square += np.sum((slope @ statistics.e2[r]) * slope, axis=1)
        square += 2 * (slope @ statistics.e1[r]) * offset + statistics.e0[r] * offset**2
        square += 2 * np.sum(statistics.residual1[r] * slope, axis=1)
        square += 2 * statistics.residual0[r] * offset
    if statistics.scatter.ndim == 2:
        spread = np.diag(statistics.scatter)
    else:  # of one variance for all only the trace is known, and only the mean is asked for
        spread = statistics.scatter / (len(mean) if statistics.scatter.ndim == 0 else 1)
        spread = spread * np.ones_like(mean)
    variances, squares = (square + spread) / n, mean**2 + spread / n
    if cov_x.ndim != 1:
        variances, squares = np.array([variances.mean()]), np.array([squares.mean()])
    # Terms of the size of the residuals have cancelled in it.
    variances = np.where(variances > _CANCELLED * squares, variances, 0.0)
    return _floor(variances, squares, cov_x, share)


def _floor(variances: Array, squares: Array, cov_x: Array, share: float) -> Array:
    if cov_x.ndim != 1:
        variances, squares = np.array([variances.mean()]), np.array([squares.mean()])
    variances = np.where(variances > _ROUNDING * squares, variances, 0.0)
    # Of a constant column nothing tells the scale but the others, and of constant data the size.
    typical = next((v for v in (variances.mean(), squares.mean()) if v > 0), 1.0)
    floor = share * np.where(variances > 0, variances, typical)
    return np.asarray(floor if cov_x.ndim == 1 else floor[0])


def raised(cov_x: Array, floor: Array) -> Array:
    """Σx with its variances or eigenvalues raised to the floor."""
    if cov_x.ndim < 2:
        return np.asarray(np.maximum(cov_x, floor))
    values, vectors = np.linalg.eigh(cov_x)
    if floor == 0 or values[0] >= floor:
        return cov_x
    result = vectors @ np.diag(np.maximum(values, floor)) @ vectors.T
    return np.asarray(0.5 * (result + result.T))
