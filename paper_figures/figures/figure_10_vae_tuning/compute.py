"""Numbers of figure 10: how the autoencoder was tuned, every setting that was tried."""

from __future__ import annotations

import numpy as np

from paper_figures.comparison import experiments
from paper_figures.comparison.summary import spread
from paper_figures.figures.figure_10_vae_tuning.one_start import OTHER_SEEDS, Search, of, run
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import named_runs

_QUICK_STARTS, _FULL_STARTS = 2, 8
_NOISE = (0.55, 0.3, 0.2, 0.1)
QUICK = [of(experiments.CIRCLE[0], (0.55, 0.2))]
FULL = [
    of(experiments.CIRCLE[0], _NOISE),
    of(experiments.DEEPER_CIRCLE[0], _NOISE),
    of(experiments.COSINE[0], (experiments.COSINE[0].start_deviation,)),
    of(experiments.DIGITS[0], (experiments.DIGITS[0].start_deviation,)),
]


def _searches(options: Options) -> list[Search]:
    """In quick mode one network, and the two starts of figure 4."""
    return FULL if options.full else QUICK


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, _FULL_STARTS),
        "added_to_the_seeds": OTHER_SEEDS,
        "searches": {one.name: one.record() for one in _searches(options)},
    }


def compute(options: Options) -> Numbers:
    """Every recipe of every search from every start.

    The arrays of `one_start.run` are called "search|what" and have a row a start. starts, recipes:
    of each search where the noise starts, and the recipes' names. searches, data, architectures:
    the searches' names, data sets, and widths in words.
    """
    searches, seeds = _searches(options), options.seeds(_QUICK_STARTS, _FULL_STARTS)
    numbers = named_runs(run, searches, seeds, options.folder) | {
        "searches": np.array([one.name for one in searches]),
        "data": np.array([one.experiment.data for one in searches]),
        "architectures": np.array([one.experiment.architecture for one in searches]),
        "seeds": np.array(seeds),
    }
    for one in searches:
        numbers[f"{one.name}|starts"] = np.array(one.starts)
        numbers[f"{one.name}|recipes"] = np.array([recipe.name for recipe in one.recipes])
    return numbers


def summary(numbers: Numbers) -> Record:
    """Where every start of every setting ended: NLL, and KL of autoencoders, nats."""
    return {
        name: {
            f"noise from {start:g}": _ends(numbers, name, i)
            for i, start in enumerate(numbers[f"{name}|starts"].tolist())
        }
        for name in numbers["searches"].tolist()
    }


def _ends(numbers: Numbers, name: str, i: int) -> Record:
    return {
        "em": spread(numbers[f"{name}|em"][:, i]),
        "mle": spread(numbers[f"{name}|mle"][:, i]),
        "autoencoders": {
            recipe: {
                "nll": spread(numbers[f"{name}|train"][:, i, j]),
                "kl": spread(numbers[f"{name}|kl"][:, i, j]),
            }
            for j, recipe in enumerate(numbers[f"{name}|recipes"].tolist())
        },
    }
