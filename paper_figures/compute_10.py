"""Numbers of figure 10: how the autoencoder was tuned, every setting that was tried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paper_figures.comparison import spread
from paper_figures.experiment import UPDATES
from paper_figures.options import Numbers, Options, Record
from paper_figures.seed_runs import SECONDS, runs_of
from paper_figures.tuning_run import OTHER_SEEDS, Search, recipes_tried, run

_QUICK_STARTS = 2
_FULL = Search((1, 8, 2), 500, (0.55, 0.3, 0.2, 0.1), recipes_tried(UPDATES), 300, 1000)


def _searches(options: Options) -> list[Search]:
    """In quick mode one network, and the two starts of figure 4."""
    if options.full:
        return [_FULL, replace(_FULL, widths=(1, 8, 8, 2))]
    return [replace(_FULL, starts=(0.55, 0.2))]


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {
        "seeds": options.seeds(_QUICK_STARTS, 8),
        "added_to_the_seeds": OTHER_SEEDS,
        "searches": {one.name: one.record() for one in _searches(options)},
    }


def compute(options: Options) -> Numbers:
    """Of every search, named "search|what", the arrays of `tuning_run.run`, a row a start."""
    searches, seeds = _searches(options), options.seeds(_QUICK_STARTS, 8)
    numbers: Numbers = {
        "searches": np.array([one.name for one in searches]),
        "starts": np.array(searches[0].starts),
        "recipes": np.array([recipe.name for recipe in searches[0].recipes]),
        "seeds": np.array(seeds),
    }
    total = np.zeros(len(seeds))
    for one, runs in zip(searches, runs_of(run, searches, seeds, options.folder), strict=True):
        total += runs.pop(SECONDS)
        numbers |= {f"{one.name}|{name}": values for name, values in runs.items()}
    return numbers | {SECONDS: total}


def summary(numbers: Numbers) -> Record:
    """Where every start of every setting ended: NLL, and KL of autoencoders, nats."""
    return {
        name: {
            f"noise from {start:g}": {
                "em": spread(numbers[f"{name}|em"][:, i]),
                "mle": spread(numbers[f"{name}|mle"][:, i]),
                "autoencoders": {
                    recipe: {
                        "nll": spread(numbers[f"{name}|train"][:, i, j]),
                        "kl": spread(numbers[f"{name}|kl"][:, i, j]),
                    }
                    for j, recipe in enumerate(numbers["recipes"].tolist())
                },
            }
            for i, start in enumerate(numbers["starts"].tolist())
        }
        for name in numbers["searches"].tolist()
    }
