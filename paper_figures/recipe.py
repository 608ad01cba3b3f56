"""How an autoencoder is trained: all that its settings are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from paper_figures.options import Record


class Form(NamedTuple):
    """What a training loop is compiled for; see `Recipe`."""

    samples: int
    components: int
    full: bool


@dataclass(frozen=True)
class Recipe:
    """How an autoencoder is trained.

    falling: the rate falls to 0 over training, as half a cosine; otherwise it is constant. warm_up:
    the share of training over which the weight of the ELBO's KL to the prior rises from 0 to 1.
    samples: draws of z per datum and component. components: Gaussians in q. full: with a full
    covariance instead of a diagonal one. start_deviation: of the noise, if not the given one.
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

    def record(self) -> Record:
        """Its fields, ready for JSON."""
        return asdict(self)

    @property
    def form(self) -> Form:
        """What recipes trained in one loop have in common, beside the number of updates."""
        return Form(self.samples, self.components, self.full)
