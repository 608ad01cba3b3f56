"""Numbers of figure 6: EM, exact likelihood and autoencoders on the localised cosine."""

from __future__ import annotations

from paper_figures.comparison import experiments
from paper_figures.comparison.baselines import with_truth
from paper_figures.comparison.numbers import compared, parameters_of
from paper_figures.comparison.summary import summary_of
from paper_figures.data_sets import cosine
from paper_figures.options import Numbers, Options, Record

_QUICK_STARTS = 4


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return parameters_of(experiments.COSINE, options.seeds(_QUICK_STARTS))


def compute(options: Options) -> Numbers:
    """Every start of every method, see `compared`; and what the true density scores."""
    shown = experiments.COSINE
    numbers = compared(shown, options.seeds(_QUICK_STARTS), options.folder)
    return numbers | with_truth(shown[0], cosine.log_density, cosine.entropy())


def summary(numbers: Numbers) -> Record:
    """Where every start ended."""
    return summary_of(numbers)
