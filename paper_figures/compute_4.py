"""Numbers of figure 4: EM, exact likelihood and autoencoders on the noisy circle, [1, 8, 2]."""

from __future__ import annotations

from paper_figures import circle
from paper_figures.comparison import compared, parameters_of, summary_of
from paper_figures.experiment import circle_experiments
from paper_figures.options import Numbers, Options, Record
from paper_figures.references import with_truth

EXPERIMENTS = circle_experiments((1, 8, 2), 300)
QUICK_STARTS = 3


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return parameters_of(EXPERIMENTS, options.seeds(QUICK_STARTS))


def compute(options: Options) -> Numbers:
    """Every start of every method, see `comparison.compared`; and what the true density scores."""
    numbers = compared(EXPERIMENTS, options.seeds(QUICK_STARTS), options.folder)
    return numbers | with_truth(EXPERIMENTS[0], circle.log_density, circle.entropy())


def summary(numbers: Numbers) -> Record:
    """Where every start ended."""
    return summary_of(numbers)
