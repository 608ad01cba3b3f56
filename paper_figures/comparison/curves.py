"""Reading the curves of many starts: their ends and median."""

from __future__ import annotations

import numpy as np

from reference.model import Array


def last_values(curves: Array) -> Array:
    """The last number of each row that is not NaN.

    Parameters
    ----------
    curves : Array, shape (starts, iterations)
        NaN after a run has stopped.

    Returns
    -------
    Array, shape (starts,)
        NaN for a row of nothing but NaN.
    """
    return held(curves)[:, -1]


def held(curves: Array) -> Array:
    """The curves, each continued with the last value that is known.

    Parameters
    ----------
    curves : Array, shape (starts, iterations)
        NaN after a run has stopped.

    Returns
    -------
    Array, shape (starts, iterations)
        Without NaN after a known value.
    """
    indices = np.where(np.isnan(curves), 0, np.arange(curves.shape[1]))
    latest = np.maximum.accumulate(indices, axis=1)
    return np.take_along_axis(curves, latest, axis=1)


def median_curve(curves: Array) -> Array:
    """The median over starts at each iteration.

    Parameters
    ----------
    curves : Array, shape (starts, iterations)
        NaN after a run has stopped: it counts with the last value that is known.

    Returns
    -------
    Array, shape (iterations,)
        The medians.
    """
    return np.asarray(np.median(held(curves), axis=0))
