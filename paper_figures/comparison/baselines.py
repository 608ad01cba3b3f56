"""What no model can beat, and what the simplest one reaches: lines to read curves against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paper_figures.comparison.experiment import Experiment
from paper_figures.data_sets import digits
from paper_figures.methods.exact_fits import nll
from paper_figures.methods.ppca import best_line
from paper_figures.options import Numbers
from reference.model import Array


def with_truth(
    experiment: Experiment, log_density: Callable[[Array], Array], entropy: float
) -> Numbers:
    """Training and held-out data's mean NLL under the density they were drawn from, and its
    entropy, below which no model's mean NLL of fresh data is in expectation; and under the most
    likely straight line."""
    train, held_out = experiment.samples()
    return {
        "data": train,
        "entropy": np.array(entropy),
        "truth_train": np.array(-log_density(train).mean()),
        "truth_held_out": np.array(-log_density(held_out).mean()),
    } | _line(train, held_out)


def with_line(experiment: Experiment) -> Numbers:
    """The same of the most likely straight line, and the entropy of the noise that was added to the
    digits."""
    return {"noise_entropy": np.array(digits.noise_entropy())} | _line(*experiment.samples())


def _line(train: Array, held_out: Array) -> Numbers:
    line = best_line(train)
    return {
        "line_train": np.array(nll(line, train)),
        "line_held_out": np.array(nll(line, held_out)),
    }
