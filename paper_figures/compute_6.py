"""Numbers of figure 6: EM, exact likelihood and autoencoders on the localised cosine."""

from __future__ import annotations

from paper_figures import cosine
from paper_figures.comparison import compared, parameters_of, summary_of
from paper_figures.experiment import UPDATES, Experiment, published_rates
from paper_figures.options import Numbers, Options, Record
from paper_figures.recipe import Recipe
from paper_figures.references import with_truth

_START = 0.55
EXPERIMENTS = (
    Experiment(
        data="cosine",
        widths=(1, 8, 8, 2),
        n=500,
        n_held_out=500,
        start="matched",
        start_deviation=_START,
        em_iterations=300,
        mle_iterations=1000,
        continued_iterations=0,
        recipes=(
            *published_rates(),
            Recipe("vae tuned", 0.01, UPDATES, falling=True, warm_up=0.25),
        ),
        checked=20,
    ),
)
QUICK_STARTS = 4


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return parameters_of(EXPERIMENTS, options.seeds(QUICK_STARTS))


def compute(options: Options) -> Numbers:
    """Every start of every method, see `comparison.compared`; and what the true density scores."""
    numbers = compared(EXPERIMENTS, options.seeds(QUICK_STARTS), options.folder)
    return numbers | with_truth(EXPERIMENTS[0], cosine.log_density, cosine.entropy())


def summary(numbers: Numbers) -> Record:
    """Where every start ended."""
    return summary_of(numbers)
