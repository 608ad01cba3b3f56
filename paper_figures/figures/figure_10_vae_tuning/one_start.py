"""One random start of the search for the autoencoder's best settings, exact training beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fast import DGN, Network
from paper_figures.comparison.experiment import Experiment
from paper_figures.methods.autoencoder import train
from paper_figures.methods.endings import loss_and_divergence
from paper_figures.methods.exact_fits import em, end, mle
from paper_figures.methods.recipe import RATES, Recipe
from paper_figures.options import Numbers, Record
from reference.model import Array

#: Seeds of the search are those of the figures plus this: what is chosen is not chosen on what
#: is shown.
OTHER_SEEDS = 100


@dataclass(frozen=True)
class Search:
    """What is tried on an experiment's data and network.

    Attributes
    ----------
    experiment : Experiment
        Data, network and limits.
    starts : tuple of float
        The deviations of the noise at the start, each tried with every recipe, data units.
    recipes : tuple of Recipe
        The settings that are tried, all with as many updates.
    """

    experiment: Experiment
    starts: tuple[float, ...]
    recipes: tuple[Recipe, ...]

    @property
    def name(self) -> str:
        """As it names arrays and files: "circle_1-8-2"."""
        widths = "-".join(map(str, self.experiment.widths))
        return f"{self.experiment.data}_{widths}"

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        recipes = [recipe.record() for recipe in self.recipes]
        return self.experiment.record() | {"starts": list(self.starts), "recipes": recipes}


def recipes_tried(updates: int) -> tuple[Recipe, ...]:
    """The settings that are tried on points in the plane.

    The published rates; falling rates, plain, with a rising weight of the KL, and with eight draws
    of z instead of one.
    """
    variants: tuple[tuple[str, dict[str, Any]], ...] = (
        ("", {}),
        (", warm-up", {"warm_up": 0.25}),
        (", 8 draws", {"samples": 8}),
    )
    falling = [
        _falling(rate, updates, suffix, **extra)
        for suffix, extra in variants
        for rate in (0.005, 0.01, 0.02)
    ]
    return *_constant(updates), *falling


def recipes_of_images(updates: int) -> tuple[Recipe, ...]:
    """The settings that are tried on images.

    The published rates; falling rates, lower than for points, plain and from a noise near the
    data's; one of them with a rising weight of the KL, and with eight draws of z instead of one.
    """
    plain = [_falling(rate, updates, "") for rate in (0.001, 0.002, 0.005)]
    near = [
        _falling(rate, updates, ", noise from 0.12", start_deviation=0.12)
        for rate in (0.001, 0.002, 0.005)
    ]
    others = [
        _falling(0.002, updates, ", warm-up", warm_up=0.25),
        _falling(0.002, updates, ", 8 draws", samples=8),
    ]
    return *_constant(updates), *plain, *near, *others


def _constant(updates: int) -> list[Recipe]:
    return [Recipe(f"constant {rate:g}", rate, updates) for rate in RATES]


def _falling(rate: float, updates: int, suffix: str, **extra: Any) -> Recipe:
    return Recipe(f"falling {rate:g}{suffix}", rate, updates, falling=True, **extra)


def run(search: Search, seed: int) -> Numbers:
    """Train with every setting, and exactly, from one random start.

    Parameters
    ----------
    search : Search
        What is tried.
    seed : int
        Of the random start, before `OTHER_SEEDS` is added.

    Returns
    -------
    Numbers
        train, kl (starts, recipes): NLL and KL of the training data at the end, means, nats; NaN
        where training diverged. em, mle (starts,): the NLL at which exact training from the same
        weights ends.
    """
    X, _ = search.experiment.samples()
    network = search.experiment.network(seed + OTHER_SEEDS, X)
    rows = [_measured(search, network, X, start, seed + OTHER_SEEDS) for start in search.starts]
    exact = [_exact(search.experiment, network, X, start) for start in search.starts]
    losses, kl = np.moveaxis(np.array(rows), 2, 0)
    by_em, by_mle = np.array(exact).T
    return {"train": losses, "kl": kl, "em": by_em, "mle": by_mle}


def _measured(
    search: Search, network: Network, X: Array, start: float, seed: int
) -> list[tuple[float, float]]:
    """For every recipe, in order."""
    ends = train(network, start, X, search.recipes, seed, [search.recipes[0].updates])
    return [loss_and_divergence(last, X) for last in ends]


def _exact(experiment: Experiment, network: Network, X: Array, start: float) -> tuple[float, float]:
    begin = DGN(network, start**2)
    return (
        end(lambda: em(begin, X, experiment.em_iterations)),
        end(lambda: mle(begin, X, experiment.mle_iterations)),
    )


def of(experiment: Experiment, starts: tuple[float, ...]) -> Search:
    """What is tried on an experiment, for as many updates as it makes."""
    updates = experiment.recipes[0].updates
    tried = recipes_of_images if experiment.data == "digits" else recipes_tried
    return Search(replace(experiment, recipes=()), starts, tried(updates))
