"""How an autoencoder is trained: all that its settings are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from paper_figures.options import Record

#: The published code's learning rates and updates: 100 epochs, as it calls them, of 500.
RATES = (0.005, 0.001, 0.0001)
UPDATES = 50_000


class Form(NamedTuple):
    """What a training loop is compiled for; see `Recipe`."""

    samples: int
    components: int
    full: bool
    hidden: tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """How an autoencoder is trained.

    Attributes
    ----------
    name : str
        What figures call it.
    learning_rate : float
        Adam's, at the start.
    updates : int
        How many minibatches training takes.
    falling : bool
        The rate falls to 0 over training, as half a cosine; otherwise it is constant.
    warm_up : float
        The share of training over which the weight of the ELBO's KL to the prior rises from 0 to 1.
    samples : int
        Draws of z per datum and component.
    components : int
        Gaussians in q(z | x).
    full : bool
        Each of them has a full covariance instead of a diagonal one.
    start_deviation : float or None
        Of the noise, data units; None for the one that the other methods start from.
    hidden : tuple of int
        The widths of the encoder's hidden layers.
    """

    name: str
    learning_rate: float
    updates: int
    falling: bool = False
    warm_up: float = 0.0
    samples: int = 1
    components: int = 1
    full: bool = False
    start_deviation: float | None = None
    hidden: tuple[int, ...] = (32, 32)

    def record(self) -> Record:
        """Its fields, ready for JSON."""
        return asdict(self)

    @property
    def form(self) -> Form:
        """What recipes trained in one loop have in common, beside the number of updates."""
        return Form(self.samples, self.components, self.full, self.hidden)


def published_rates(updates: int = UPDATES) -> tuple[Recipe, ...]:
    """Adam at each of the published learning rates, which stay as they are.

    Parameters
    ----------
    updates : int
        How many minibatches training takes.

    Returns
    -------
    tuple of Recipe
        Named "vae 0.005", "vae 0.001" and "vae 0.0001".
    """
    return tuple(Recipe(f"vae {rate:g}", rate, updates) for rate in RATES)
