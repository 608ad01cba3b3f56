"""Losses to read curves against: of the true density, and of the simplest model, a line."""

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
    """The losses of the density that the data were drawn from, and of the most likely line.

    Parameters
    ----------
    experiment : Experiment
        Its data are used.
    log_density : callable
        X (N, D) -> log p(x) (N,), nats, of the density they were drawn from.
    entropy : float
        Of that density, nats. No model's expected loss on fresh data is lower.

    Returns
    -------
    Numbers
        data: the training data. entropy. truth_train, truth_held_out: the mean NLL of the training
        and the held-out data under the density. line_train, line_held_out: the same under the most
        likely straight line, see `best_line`.
    """
    train, held_out = experiment.samples()
    return {
        "data": train,
        "entropy": np.array(entropy),
        "truth_train": np.array(-log_density(train).mean()),
        "truth_held_out": np.array(-log_density(held_out).mean()),
    } | _line(train, held_out)


def with_line(experiment: Experiment) -> Numbers:
    """The losses of the most likely line, and the entropy of the noise that was added to digits.

    Parameters
    ----------
    experiment : Experiment
        On digits.

    Returns
    -------
    Numbers
        noise_entropy: nats. line_train, line_held_out: as of `with_truth`.
    """
    return {"noise_entropy": np.array(digits.noise_entropy())} | _line(*experiment.samples())


def _line(train: Array, held_out: Array) -> Numbers:
    line = best_line(train)
    return {
        "line_train": np.array(nll(line, train)),
        "line_held_out": np.array(nll(line, held_out)),
    }
