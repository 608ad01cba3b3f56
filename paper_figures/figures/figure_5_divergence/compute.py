"""Numbers of figure 5: KL(q ‖ p(z|x)) of figure 4's autoencoders, and what it explains."""

from __future__ import annotations

from paper_figures.comparison import experiments
from paper_figures.comparison.numbers import Comparison, compared, parameters_of
from paper_figures.comparison.summary import spread
from paper_figures.options import Numbers, Options, Record


def parameters(options: Options) -> Record:
    """What determines the numbers: what determines figure 4's."""
    return parameters_of(experiments.CIRCLE, options.seeds(experiments.CIRCLE_QUICK_STARTS))


def compute(options: Options) -> Numbers:
    """Figure 4's, from the runs that are kept if it was drawn before."""
    seeds = options.seeds(experiments.CIRCLE_QUICK_STARTS)
    return compared(experiments.CIRCLE, seeds, options.folder)


def summary(numbers: Numbers) -> Record:
    """At the end of every autoencoder its KL, and what the exact likelihood gains from there."""
    return {one.name: _summary(one) for one in Comparison.all_of(numbers)}


def _summary(one: Comparison) -> Record:
    return {
        method: {
            "kl": spread(one.final(method, "kl")),
            "nll": spread(one.final(method)),
            "nll_when_the_exact_likelihood_goes_on": spread(one.of(method, "continued")),
        }
        for method in one.autoencoders
    }
