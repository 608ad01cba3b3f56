"""How often data count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array
from reference.model.validation import check_array

# Sums over as many data as there may be, times squares of them, are doubles with all their digits.
_LEAST, _MOST = 1e-100, 1e100


def counted(X: Array, sample_weight: ArrayLike | None) -> tuple[Array, Array]:
    """Return the data that count, and how often each does.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        Data; NaN where an entry is not observed.
    sample_weight : array_like, shape (N,), optional
        Numbers of 0 or more; 1 each by default.

    Returns
    -------
    data : ndarray, shape (n, D)
        The rows of which something is observed, and whose weight is not 0.
    weights : ndarray, shape (n,)
        Their weights.

    Raises
    ------
    ValueError
        If a weight is negative, no number, or neither 0 nor of a size whose sums are doubles; or
        if nothing counts.
    """
    weights = np.ones(len(X))
    if sample_weight is not None:
        weights = check_array(sample_weight, "sample_weight", (len(X),))
        some = weights[weights != 0]
        if np.any(weights < 0) or not len(some):
            raise ValueError(
                "sample_weight: expected numbers of 0 or more, and not all of them zero"
            )
        if np.min(some) < _LEAST or np.max(some) > _MOST:
            raise ValueError(
                f"sample_weight: expected 0, or numbers from {_LEAST:g} to {_MOST:g}; divide them "
                "by their mean"
            )
    counts = (weights > 0) & ~np.all(np.isnan(X), axis=1)
    if np.all(counts):
        return X, weights
    if not np.any(counts):
        raise ValueError("X: expected a row that counts, of which something is observed")
    return X[counts], weights[counts]


def counted_for_fit(X: Array, sample_weight: ArrayLike | None) -> tuple[Array, Array | None]:
    """Return the data that a fit learns from, and how often each counts.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        Data; NaN where an entry is not observed.
    sample_weight : array_like, shape (N,), optional
        Numbers of 0 or more.

    Returns
    -------
    data : ndarray, shape (n, D)
        The rows that count.
    weights : ndarray, shape (n,), or None
        Their weights; None where all count once.

    Raises
    ------
    ValueError
        As `counted`; and if in some column nothing is observed, which no fit can learn.
    """
    data, weights = counted(X, sample_weight)
    empty = np.flatnonzero(np.all(np.isnan(data), axis=0))
    if len(empty):
        raise ValueError(
            f"X: expected an observed entry in every column, got none in {empty.tolist()}; leave "
            "them out of the data, and of the network where one is given"
        )
    return data, None if sample_weight is None else weights


def of_columns(X: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return the means and variances of what is observed of every column.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        Data, with something observed in every column.
    weights : ndarray, shape (N,), or None
        How often each row counts; None for once.

    Returns
    -------
    means, variances : ndarray, shape (D,)
        Of the entries that are there.
    """
    seen = ~np.isnan(X)
    if weights is None and np.all(seen):
        return X.mean(axis=0), X.var(axis=0)
    shares = seen * (np.ones(len(X)) if weights is None else weights)[:, None]
    shares = shares / shares.sum(axis=0)
    means = (shares * np.where(seen, X, 0.0)).sum(axis=0)
    return means, (shares * np.where(seen, X - means, 0.0) ** 2).sum(axis=0)
