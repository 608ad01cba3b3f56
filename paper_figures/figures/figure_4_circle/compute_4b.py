"""Numbers of figure 4b: as figure 4 with another hidden layer, [1, 8, 8, 2]."""

from __future__ import annotations

from paper_figures.comparison import experiments
from paper_figures.comparison.baselines import with_truth
from paper_figures.comparison.numbers import compared, parameters_of
from paper_figures.comparison.summary import summary_of
from paper_figures.data_sets import circle
from paper_figures.options import Numbers, Options, Record

_QUICK_STARTS = 2


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return parameters_of(experiments.DEEPER_CIRCLE, options.seeds(_QUICK_STARTS))


def compute(options: Options) -> Numbers:
    """Every start of every method, see `compared`; and what the true density scores."""
    shown = experiments.DEEPER_CIRCLE
    numbers = compared(shown, options.seeds(_QUICK_STARTS), options.folder)
    return numbers | with_truth(shown[0], circle.log_density, circle.entropy())


def summary(numbers: Numbers) -> Record:
    """Where every start ended."""
    return summary_of(numbers)
