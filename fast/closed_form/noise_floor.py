"""The least noise that a model may have: a share of the data's variance.

Where a feature is constant, or there are fewer data than dimensions, the likelihood grows without
bound as Σx becomes singular. With a floor it has a maximum, which the M-step still reaches in
closed form: Σx with its variances (its eigenvalues, if it is full) raised to the floor.
"""

from __future__ import annotations

import numpy as np

from fast.distributions.statistics import Statistics
from fast.partition.layer_maps import Maps
from reference.model import Array, of_columns

# A variance below this share of the mean square is what rounding leaves of a constant.
_ROUNDING = 1e-26
# What it leaves where a variance is a difference of sums.
_CANCELLED = 1e-13


def floor_of_data(X: Array, cov_x: Array, share: float, counts: Array | None = None) -> Array:
    """The floor of Σx for data (N, D), (D,) for a diagonal Σx, else ().

    share: of the variance of what is observed; cov_x tells the structure alone. counts (N,): how
    often each row counts.
    """
    with np.errstate(over="ignore"):  # in variances of squares, which nobody asks for
        squares = of_columns(np.square(X), counts)[0]
    variances = of_columns(X, counts)[1]
    if cov_x.ndim != 1:
        squares, variances = squares.mean(keepdims=True), variances.mean(keepdims=True)
    return _floor(variances, squares, cov_x, share)


def floor_of_sums(statistics: Statistics, maps: Maps, share: float) -> Array:
    """The same from an E-step's sums.

    maps (R, D, S), (R, D): of its model, from z to x. x is its image plus the residual.
    """
    n, cov_x = statistics.n, statistics.scatter
    slopes, offsets = maps
    images = np.einsum("rds,rs->d", slopes, statistics.e1) + statistics.e0 @ offsets
    mean = (images + statistics.residual0.sum(axis=0)) / n
    # About the mean, so that nothing cancels.
    offsets = offsets - mean
    square = np.einsum("rds,rst,rdt->d", slopes, statistics.e2, slopes)
    square += 2 * np.einsum("rds,rs,rd->d", slopes, statistics.e1, offsets)
    square += statistics.e0 @ np.square(offsets)
    square += 2 * np.einsum("rds,rds->d", statistics.residual1, slopes)
    square += 2 * (statistics.residual0 * offsets).sum(axis=0)
    spread = np.diag(cov_x) if cov_x.ndim == 2 else cov_x
    if cov_x.ndim != 1:
        columns = len(mean)
        square, spread = (np.sum(v).reshape(1) / columns for v in (square, spread))
        mean = np.sqrt(np.square(mean).mean(keepdims=True))
    variances, squares = (square + spread) / n, np.square(mean) + spread / n
    # Terms of the size of the residuals have cancelled in it.
    variances = np.where(variances > _CANCELLED * squares, variances, 0.0)
    return _floor(variances, squares, cov_x, share)


def _floor(variances: Array, squares: Array, cov_x: Array, share: float) -> Array:
    """From the variances and mean squares of each column, or of all together."""
    variances = np.where(variances > _ROUNDING * squares, variances, 0.0)
    # Of a constant column nothing tells the scale but the others, and of constant data the size.
    typical = next((v for v in (variances.mean(), squares.mean()) if v > 0), 1.0)
    floor = share * np.where(variances > 0, variances, typical)
    return np.asarray(floor if cov_x.ndim == 1 else floor[0])


def raised(cov_x: Array, floor: Array) -> Array:
    """Σx raised to its floor: the likeliest of those above it, if Σx is the likeliest of all."""
    if cov_x.ndim < 2:
        return np.asarray(np.maximum(cov_x, floor))
    if floor == 0:
        return cov_x
    values, vectors = np.linalg.eigh(cov_x)
    if values[0] >= floor:
        return cov_x
    result = (vectors * np.maximum(values, floor)) @ vectors.T
    return np.asarray(0.5 * (result + result.T))


def through_floor(cov_x: Array, floor: Array, slope: Array) -> Array:
    """The gradient by Σx, from the gradient by what `raised` makes of it.

    Of a full one by divided differences of the eigenvalues (Daleckii and Krein 1965).
    """
    if cov_x.ndim < 2:
        return np.where(cov_x >= floor, slope, 0.0)
    values, vectors = np.linalg.eigh(cov_x)
    above = np.maximum(values, floor)
    gaps = values[:, None] - values[None, :]
    alike = np.abs(gaps) <= 1e-12 * np.abs(values).max()
    same = (values[:, None] >= floor) & (values[None, :] >= floor)
    shares = np.where(alike, same, (above[:, None] - above[None, :]) / np.where(alike, 1.0, gaps))
    return np.asarray(vectors @ ((vectors.T @ slope @ vectors) * shares) @ vectors.T)
