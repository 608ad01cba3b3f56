"""Which figures there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from paper_figures.options import Numbers, Options, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


@dataclass(frozen=True)
class Figure:
    """A figure of the paper. Its two modules are imported only when they are needed."""

    number: str
    title: str

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"figure_{self.number}"

    @property
    def compute_module(self) -> str:
        """The module that makes its numbers: `parameters`, `compute` and `summary`."""
        return f"paper_figures.compute_{self.number}"

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

    def draw(self, numbers: Numbers) -> Picture:
        """A picture of its numbers."""
        function = importlib.import_module(f"paper_figures.draw_{self.number}").draw
        return cast("Callable[[Numbers], Picture]", function)(numbers)


_TITLES = {
    "1": "partition discovery by walking over facets, S = 2, step by step",
    "2": "triangulation of a region, and a triangle as a sum of signed cones",
    "3": "samples, marginal p(x) and posterior p(z|x) of a random DGN",
    "3b": "the same in two latent dimensions: the posterior over the polygons of the partition",
    "6": "EM on a localised cosine in 2-D (EM side only)",
    "7": "EM on MNIST digit 4 (EM side only)",
    "8": "two and three latent dimensions learned: sphere, swiss roll, digits (beyond the paper)",
}

FIGURES: dict[str, Figure] = {number: Figure(number, title) for number, title in _TITLES.items()}
