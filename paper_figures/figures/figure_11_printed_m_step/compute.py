"""Numbers of figure 11: on how many runs the printed M-step raises the NLL."""

from __future__ import annotations

import numpy as np

from paper_figures.comparison import experiments
from paper_figures.comparison.curves import last_values
from paper_figures.figures.figure_11_printed_m_step.one_start import Trial, run
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import named_runs
from reference.model import Array

_QUICK_STARTS, _FULL_STARTS = 6, 50
_DAMPINGS = (1.0, 0.5, 0.2)
_ITERATIONS = 60
TRIALS = [
    Trial(experiment, _DAMPINGS, _ITERATIONS)
    for experiment in (
        experiments.CIRCLE[0],
        experiments.DEEPER_CIRCLE[0],
        experiments.COSINE[0],
        experiments.DIGITS[0],
    )
]
#: Rounding: a rise of less than this of max(1, |NLL|) counts as none.
ROUNDING = 1e-12


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "trials": {one.name: one.record() for one in TRIALS},
    }


def compute(options: Options) -> Numbers:
    """Every setting of the M-step on every data set from every start.

    The arrays of `one_start.run` are called "trial|what" and have a row a start. settings (K,): 0
    for the guarded step, then the dampings of the printed one. trials, data, architectures: the
    trials' names, data sets, and widths in words.
    """
    seeds = options.seeds(_QUICK_STARTS, _FULL_STARTS)
    return named_runs(run, TRIALS, seeds, options.folder) | {
        "trials": np.array([one.name for one in TRIALS]),
        "data": np.array([one.experiment.data for one in TRIALS]),
        "architectures": np.array([one.experiment.architecture for one in TRIALS]),
        "settings": np.array([0.0, *TRIALS[0].dampings]),
        "seeds": np.array(seeds),
    }


def largest_rises(curves: Array) -> Array:
    """The largest rise of the NLL in one iteration.

    Parameters
    ----------
    curves : Array, shape (..., iterations + 1)
        The NLL, nats.

    Returns
    -------
    Array, shape (...,)
        Nats; 0 if there is no rise beyond `ROUNDING`.
    """
    rises = np.diff(curves, axis=-1)
    size = np.maximum(1.0, np.abs(curves[..., :-1]))
    counted = np.where(rises > ROUNDING * size, rises, 0.0)
    return np.asarray(np.max(counted, axis=-1))


def summary(numbers: Numbers) -> Record:
    """On how many starts the NLL rose, by how much at most, and where it ended."""
    return {
        name: {
            _setting(damping): {
                "starts": len(numbers["seeds"]),
                "starts_on_which_the_nll_rose": int((rises[:, i] > 0).sum()),
                "largest_rise": float(rises[:, i].max()),
                "final_nll": last_values(numbers[f"{name}|nll"][:, i]).tolist(),
            }
            for i, damping in enumerate(numbers["settings"].tolist())
        }
        for name in numbers["trials"].tolist()
        for rises in [largest_rises(numbers[f"{name}|nll"])]
    }


def _setting(damping: float) -> str:
    return f"printed, damping {damping:g}" if damping else "guarded"
