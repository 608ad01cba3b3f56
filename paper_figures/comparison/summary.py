"""Where every start of every method ended, for the JSON file beside a figure's arrays."""

from __future__ import annotations

import numpy as np

from paper_figures.comparison.curves import last_values
from paper_figures.comparison.numbers import Comparison
from paper_figures.options import Numbers, Record
from reference.model import Array


def summary_of(numbers: Numbers) -> Record:
    """Where every start of every method ended, and how.

    Parameters
    ----------
    numbers : Numbers
        A figure's, as `compared` makes them.

    Returns
    -------
    Record
        By experiment and method; losses in nats, times in seconds of one core.
    """
    return {
        "experiments": {one.name: _summary(one) for one in Comparison.all_of(numbers)},
    }


def _summary(one: Comparison) -> Record:
    return {
        method: {
            "train_nll": spread(one.final(method)),
            "held_out_nll": spread(one.final(method, "held_out")),
            "seconds": spread(last_values(one.of(method, "seconds"))),
            "noise_deviation": spread(one.of(method, "noise")),
            "largest_rise": float(max(0.0, np.nanmax(np.diff(one.of(method, "train"))))),
            "outcomes": _counted(one.of(method, "outcome")),
        }
        | (
            {
                "kl": spread(one.final(method, "kl")),
                "minus_elbo": spread(-one.final(method, "elbo")),
            }
            if method in one.autoencoders
            else {}
        )
        for method in one.methods
    } | {"worst_disagreement_of_log_p_and_elbo_plus_kl": one.worst_disagreement}


def _counted(values: Array) -> Record:
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def spread(values: Array) -> Record:
    """The smallest, the median, the largest and all of some values.

    Parameters
    ----------
    values : Array, shape (starts,)
        NaN where unknown, infinite where a run diverged.

    Returns
    -------
    Record
        Ready for JSON: None where unknown, "diverged" where infinite.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return {"min": None, "median": None, "max": None, "all": [None] * len(values)}
    return {
        "min": _plain(known.min()),
        "median": _plain(np.median(known)),
        "max": _plain(known.max()),
        "all": [_plain(value) for value in values],
    }


def _plain(value: float) -> float | str | None:
    """Ready for JSON, which knows no infinity."""
    if np.isnan(value):
        return None
    return float(value) if np.isfinite(value) else "diverged"
