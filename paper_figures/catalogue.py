"""Which figures there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from paper_figures.claims import Claim
from paper_figures.options import Numbers, Options, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


_COMMON = ("numpy", "scipy", "matplotlib", "tqdm")


@dataclass(frozen=True)
class Figure:
    """A figure of the paper. Its modules are imported only when they are needed. extra: packages
    that it needs beside those that all need."""

    number: str
    title: str
    extra: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"figure_{self.number}"

    @property
    def packages(self) -> tuple[str, ...]:
        """All that its numbers and its picture are made with."""
        return _COMMON + self.extra

    def command(self, options: Options) -> str:
        """What makes it again."""
        seeds = "" if options.n_seeds is None else f" --seeds {options.n_seeds}"
        full = " --full" if options.full else ""
        return f"python -m paper_figures {self.number}{full}{seeds}"

    @property
    def compute_module(self) -> str:
        """The module that makes its numbers: `parameters`, `compute` and `summary`."""
        return f"paper_figures.compute_{self.number}"

    @property
    def draw_module(self) -> str:
        """The module that makes its picture: `draw`."""
        return f"paper_figures.draw_{self.number}"

    def parameters(self, options: Options) -> Record:
        """Everything that determines its numbers, beside the code."""
        function = importlib.import_module(self.compute_module).parameters
        return cast(Callable[[Options], Record], function)(options)

    def compute(self, options: Options) -> Numbers:
        """Its numbers."""
        function = importlib.import_module(self.compute_module).compute
        return cast(Callable[[Options], Numbers], function)(options)

    def summary(self, numbers: Numbers) -> Record:
        """What its numbers amount to, for the record."""
        function = importlib.import_module(self.compute_module).summary
        return cast(Callable[[Numbers], Record], function)(numbers)

    def claims(self, numbers: Numbers) -> list[Claim]:
        """The paper's claims that it tests, with what it says of them."""
        function = importlib.import_module(f"paper_figures.claims_{self.number}").claims
        return cast(Callable[[Numbers], list[Claim]], function)(numbers)

    def draw(self, numbers: Numbers) -> Picture:
        """A picture of its numbers."""
        function = importlib.import_module(self.draw_module).draw
        return cast("Callable[[Numbers], Picture]", function)(numbers)


_TITLES = {
    "1": "partition discovery by walking over facets, S = 2, step by step",
    "2": "triangulation of a region, and a triangle as a sum of signed cones",
    "3": "samples, marginal p(x) and posterior p(z|x) of a random DGN",
    "3b": "the same in two latent dimensions: the posterior over the polygons of the partition",
    "4": "noisy circle: EM, exact likelihood and VAEs from the same weights",
    "4b": "the same with another hidden layer",
    "5": "KL(q || p(z|x)) of the VAEs on the circle, and what it explains",
    "6": "localised cosine: curves learned by EM, exact likelihood and VAEs",
    "7": "MNIST digit 4: images learned by EM, exact likelihood and VAEs",
    "8": "beyond the paper: two and three latent dimensions, sphere, swiss roll, digits",
    "9": "beyond the paper: what a better q(z|x) recovers",
    "10": "beyond the paper: how the VAE was tuned",
    "11": "beyond the paper: how often the printed M-step raises the NLL",
    "12": "beyond the paper: a two-dimensional latent space learned on the digit 4",
    "13": "beyond the paper: accuracy in the tails, the published approach and ours",
}

_VAE = ("jax", "optax")
_EXTRA = {
    **dict.fromkeys(("4", "4b", "5", "6", "7", "9", "10"), _VAE),
    "13": ("mpmath",),
}

FIGURES: dict[str, Figure] = {
    number: Figure(number, title, _EXTRA.get(number, ())) for number, title in _TITLES.items()
}
