"""One random start of the search for the autoencoder's best settings, exact training beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fast import DGN, LeakyReLU, Network
from paper_figures import circle
from paper_figures.autoencoder import train
from paper_figures.ended import loss_and_divergence
from paper_figures.exact_fits import em, end, mle
from paper_figures.experiment import PURPOSES, RATES, SLOPE
from paper_figures.options import DATA_SEED, Numbers, Record, data_generator
from paper_figures.recipe import Recipe
from reference.network import Array

#: Seeds of the search are those of the figures plus this: what is chosen is not chosen on what
#: is shown.
OTHER_SEEDS = 100


@dataclass(frozen=True)
class Search:
    """Settings tried on the noisy circle: deviations of the noise to start from, and recipes."""

    widths: tuple[int, ...]
    n: int
    starts: tuple[float, ...]
    recipes: tuple[Recipe, ...]
    em_iterations: int
    mle_iterations: int

    @property
    def name(self) -> str:
        """As it names arrays and files."""
        return f"circle_{'-'.join(map(str, self.widths))}"

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        return asdict(self) | {"data_seed": [DATA_SEED, PURPOSES["circle"]], "noise": circle.NOISE}


def recipes_tried(updates: int) -> tuple[Recipe, ...]:
    """The published rates; falling rates, without and with a rising weight of the KL; eight draws
    of z instead of one."""
    constant = [Recipe(f"constant {rate:g}", rate, updates) for rate in RATES]
    variants: tuple[tuple[str, dict[str, Any]], ...] = (
        ("", {}),
        (", warm-up", {"warm_up": 0.25}),
        (", 8 draws", {"samples": 8}),
    )
    falling = [
        Recipe(f"falling {rate:g}{suffix}", rate, updates, falling=True, **extra)
        for suffix, extra in variants
        for rate in (0.005, 0.01, 0.02)
    ]
    return *constant, *falling


def run(search: Search, seed: int) -> Numbers:
    """train, elbo, kl (starts, recipes): final means over the training data, nats; NaN where
    training diverged. em, mle (starts,): where exact training from the same weights ends."""
    X = circle.sample(search.n, data_generator(PURPOSES["circle"]))
    network = Network.random(search.widths, LeakyReLU(SLOPE), seed + OTHER_SEEDS)
    rows = [_measured(search, network, X, start, seed + OTHER_SEEDS) for start in search.starts]
    exact = [_exact(search, network, X, start) for start in search.starts]
    losses, bounds, kl = np.moveaxis(np.array(rows), 2, 0)
    by_em, by_mle = np.array(exact).T
    return {"train": losses, "elbo": bounds, "kl": kl, "em": by_em, "mle": by_mle}


def _measured(
    search: Search, network: Network, X: Array, start: float, seed: int
) -> list[tuple[float, float, float]]:
    """For every recipe, in order."""
    ends = train(network, start, X, search.recipes, seed, [search.recipes[0].updates])
    found = [loss_and_divergence(end, X) for end in ends]
    return [(loss, -loss - divergence, divergence) for loss, divergence in found]


def _exact(search: Search, network: Network, X: Array, start: float) -> tuple[float, float]:
    begin = DGN(network, start**2)
    return end(lambda: em(begin, X, search.em_iterations)), end(
        lambda: mle(begin, X, search.mle_iterations)
    )
