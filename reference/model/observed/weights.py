"""How often data count."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array
from reference.model.validation import check_array


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
        If a weight is negative or no number, or nothing counts.
    """
    weights = np.ones(len(X))
    if sample_weight is not None:
        weights = check_array(sample_weight, "sample_weight", (len(X),))
        if np.any(weights < 0) or not np.any(weights > 0):
            raise ValueError("sample_weight: expected numbers of 0 or more, and not all of them 0")
    counts = (weights > 0) & ~np.all(np.isnan(X), axis=1)
    if np.all(counts):
        return X, weights
    if not np.any(counts):
        raise ValueError("X: expected a row that counts, of which something is observed")
    return X[counts], weights[counts]
