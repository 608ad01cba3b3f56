"""Reading the curves of many starts: their ends, order and median."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paper_figures.options import Numbers, Record
from reference.network import Array


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


def ranking(curves: Array) -> NDArray[np.intp]:
    """The starts from the best end of training to the worst: judged on training data only."""
    return np.argsort(last_values(curves), kind="stable")


def describe(numbers: Numbers, name: str) -> Record:
    """How the starts of one architecture ended, for the record: nats per datum, data units."""
    train, test = last_values(numbers[f"{name}_nll"]), last_values(numbers[f"{name}_watched"])
    best = int(np.argmin(train))
    stops, counts = np.unique(numbers[f"{name}_outcome"], return_counts=True)
    rises = np.diff(numbers[f"{name}_nll"], axis=1)
    return {
        "train_nll": _spread(train),
        "held_out_nll": _spread(test),
        "best_start": {
            "seed": int(numbers["seeds"][best]),
            "train_nll": train[best],
            "held_out_nll": test[best],
        },
        "largest_rise_in_one_iteration": float(max(0.0, np.nanmax(rises, initial=0.0))),
        "noise_deviation": _spread(numbers[f"{name}_noise"]),
        "outcomes": dict(zip(stops.tolist(), counts.tolist(), strict=True)),
    }


def _spread(values: Array) -> Record:
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "max": float(values.max()),
        "all": values.tolist(),
    }
