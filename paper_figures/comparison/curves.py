"""Reading the curves of many starts: their ends and median."""

from __future__ import annotations

import numpy as np

from reference.model import Array


def last_values(curves: Array) -> Array:
    """The last number of each row that is not NaN: (starts, iterations) -> (starts,)."""
    return held(curves)[:, -1]


def held(curves: Array) -> Array:
    """The curves with the value a run stopped at carried on to the end."""
    indices = np.where(np.isnan(curves), 0, np.arange(curves.shape[1]))
    latest = np.maximum.accumulate(indices, axis=1)
    return np.take_along_axis(curves, latest, axis=1)


def median_curve(curves: Array) -> Array:
    """The median over starts at each iteration, stopped runs counted at the value they reached."""
    return np.asarray(np.median(held(curves), axis=0))
