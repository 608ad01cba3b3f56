"""Numbers of figure 9: what a better q(z|x) recovers."""

from __future__ import annotations

import numpy as np

from paper_figures.comparison.summary import spread
from paper_figures.figures.figure_9_better_q.one_start import MODELS, Question, run
from paper_figures.methods.recipe import UPDATES, Recipe
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.runs_by_seed import runs_of

_QUICK_STARTS = 3
_GAUSSIAN = Recipe("Gaussian", 0.01, UPDATES, falling=True, samples=3)
_MIXTURE = Recipe("mixture of 3", 0.01, UPDATES, falling=True, components=3)
QUESTION = Question(
    widths=(1, 8, 2),
    surface_widths=(2, 8, 3),
    n=500,
    start_deviation=0.2,
    em_iterations=300,
    mle_iterations=1000,
    continued_iterations=40,
    most=3,
    recipes=(_GAUSSIAN, _MIXTURE),
    surface_recipes=(
        Recipe("diagonal", 0.01, UPDATES, falling=True),
        Recipe("full", 0.01, UPDATES, falling=True, full=True),
    ),
)


def parameters(options: Options) -> Record:
    """What determines the numbers."""
    return {"seeds": options.seeds(_QUICK_STARTS), "question": QUESTION.record()}


def compute(options: Options) -> Numbers:
    """The arrays of `one_start.run`, a row a start."""
    seeds = options.seeds(_QUICK_STARTS)
    (numbers,) = runs_of(run, [QUESTION], seeds, options.folder)
    return numbers | {
        "seeds": np.array(seeds),
        "recipes": np.array([recipe.name for recipe in QUESTION.recipes]),
        "surface_recipes": np.array([recipe.name for recipe in QUESTION.surface_recipes]),
    }


def summary(numbers: Numbers) -> Record:
    """Mean NLL and KL of every start, nats."""
    learned = {
        data: {
            name: {
                "nll": spread(numbers[f"{data}.train"][:, i]),
                "kl": spread(numbers[f"{data}.kl"][:, i]),
            }
            for i, name in enumerate(numbers[key].tolist())
        }
        for data, key in (("circle", "recipes"), ("sphere", "surface_recipes"))
    }
    fixed = {
        model: {
            "nll": spread(numbers[f"{model}.train"]),
            "kl_of_the_nearest_gaussians": spread(numbers[f"{model}.gaussian"].mean(axis=1)),
            "kl_of_mixtures_found": spread(numbers[f"{model}.mixture"].mean(axis=1)),
            "largest_kl_of_a_nearest_gaussian": spread(numbers[f"{model}.gaussian"].max(axis=1)),
        }
        for model in MODELS
    }
    return {
        "autoencoders_that_differ_in_q": learned,
        "nearest_q_of_fixed_models": fixed,
        "sphere_when_the_exact_likelihood_goes_on": spread(numbers["sphere.continued"]),
    }
