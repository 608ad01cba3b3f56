"""Which figures there are, and what each of them can be asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paper_figures.claims import Claim
from paper_figures.options import Numbers, Options, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


#: Packages whose modules have another name than they have on the package index.
IMPORTED = {"scikit-learn": "sklearn"}
#: What the numbers or the picture of every figure are made with.
_COMMON = ("numpy", "scipy", "matplotlib", "tqdm")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the paper, or one beyond it.

    Its modules are imported only when they are needed. They are in a folder of their own:
    `compute`, `claims` and `draw`, each with functions that are described here.

    Attributes
    ----------
    number : str
        As the paper and the command call it: "3b".
    title : str
        What it shows.
    topic : str
        How its folder's name ends: "figure_3b_density_2d" ends with "density_2d".
    extra : tuple of str
        Packages that it needs beside those that all figures need.
    shares : str
        The number of the figure whose folder and picture it shares; its own number if none. Its
        other modules are then named after it: `compute_4b`, `claims_4b`.
    """

    number: str
    title: str
    topic: str
    extra: tuple[str, ...] = ()
    shares: str = ""

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"figure_{self.number}"

    @property
    def packages(self) -> tuple[str, ...]:
        """All that its numbers and its picture are made with."""
        return _COMMON + self.extra

    def command(self, options: Options) -> str:
        """What makes it again, as typed in a shell."""
        seeds = "" if options.n_seeds is None else f" --seeds {options.n_seeds}"
        full = " --full" if options.full else ""
        return f"python -m paper_figures {self.number}{full}{seeds}"

    @property
    def compute_module(self) -> str:
        """The module that makes its numbers: `parameters`, `compute` and `summary`."""
        return self._module("compute")

    @property
    def draw_module(self) -> str:
        """The module that makes its picture: `draw`."""
        return f"{self._folder}.draw"

    def parameters(self, options: Options) -> Record:
        """Everything that determines its numbers, beside the code.

        Parameters
        ----------
        options : Options
            What the user asked for.

        Returns
        -------
        Record
            Ready for JSON. Numbers that are kept are found again by it.
        """
        function: Callable[[Options], Record] = _function(self.compute_module, "parameters")
        return function(options)

    def compute(self, options: Options) -> Numbers:
        """Its numbers.

        Parameters
        ----------
        options : Options
            What the user asked for.

        Returns
        -------
        Numbers
            Named arrays, all that is drawn. The docstring of the figure's `compute` says which.

        Raises
        ------
        ArithmeticError, PartitionError, SingularCovarianceError
            If the computation fails numerically; a single start that fails is recorded instead.
        """
        function: Callable[[Options], Numbers] = _function(self.compute_module, "compute")
        return function(options)

    def summary(self, numbers: Numbers) -> Record:
        """The results in short, for the JSON file beside the arrays.

        Parameters
        ----------
        numbers : Numbers
            What `compute` returned.

        Returns
        -------
        Record
            Ready for JSON, losses in nats.
        """
        function: Callable[[Numbers], Record] = _function(self.compute_module, "summary")
        return function(numbers)

    def claims(self, numbers: Numbers) -> list[Claim]:
        """The paper's claims that it tests, each with what was measured and a verdict.

        Parameters
        ----------
        numbers : Numbers
            What `compute` returned.

        Returns
        -------
        list of Claim
            In the order in which the pages of results show them.
        """
        function: Callable[[Numbers], list[Claim]] = _function(self._module("claims"), "claims")
        return function(numbers)

    def draw(self, numbers: Numbers) -> Picture:
        """A picture of its numbers.

        Parameters
        ----------
        numbers : Numbers
            What `compute` returned.

        Returns
        -------
        matplotlib.figure.Figure
            Not saved yet; to be drawn within `style.applied`.
        """
        function: Callable[[Numbers], Picture] = _function(self.draw_module, "draw")
        return function(numbers)

    @property
    def _folder(self) -> str:
        return f"paper_figures.figures.figure_{self.shares or self.number}_{self.topic}"

    def _module(self, what: str) -> str:
        return f"{self._folder}.{what}_{self.number}" if self.shares else f"{self._folder}.{what}"


def _function(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


#: The autoencoder and its optimiser.
_VAE = ("jax", "optax")
_ALL = (
    Figure(
        number="1",
        topic="walk",
        title="partition discovery by walking over facets, S = 2, step by step",
    ),
    Figure(
        number="2",
        topic="cones",
        title="triangulation of a region, and a triangle as a sum of signed cones",
    ),
    Figure(
        number="3",
        topic="density",
        title="samples, marginal p(x) and posterior p(z|x) of a random DGN",
    ),
    Figure(
        number="3b",
        topic="density_2d",
        title="the same in two latent dimensions: the posterior over the polygons of the partition",
    ),
    Figure(
        number="4",
        topic="circle",
        title="noisy circle: EM, exact likelihood and VAEs from the same weights",
        extra=_VAE,
    ),
    Figure(
        number="4b",
        topic="circle",
        shares="4",
        title="the same with another hidden layer",
        extra=_VAE,
    ),
    Figure(
        number="5",
        topic="divergence",
        title="KL(q || p(z|x)) of the VAEs on the circle, and what it explains",
        extra=_VAE,
    ),
    Figure(
        number="6",
        topic="cosine",
        title="localised cosine: curves learned by EM, exact likelihood and VAEs",
        extra=_VAE,
    ),
    Figure(
        number="7",
        topic="digits",
        title="MNIST digit 4: images learned by EM, exact likelihood and VAEs",
        extra=_VAE,
    ),
    Figure(
        number="8",
        topic="surfaces",
        title="beyond the paper: two and three latent dimensions, sphere, swiss roll, digits",
    ),
    Figure(
        number="9",
        topic="better_q",
        title="beyond the paper: what a better q(z|x) recovers",
        extra=_VAE,
    ),
    Figure(
        number="10",
        topic="vae_tuning",
        title="beyond the paper: how the VAE was tuned",
        extra=_VAE,
    ),
    Figure(
        number="11",
        topic="printed_m_step",
        title="beyond the paper: how often the printed M-step raises the NLL",
    ),
    Figure(
        number="12",
        topic="digit_plane",
        title="beyond the paper: a two-dimensional latent space learned on the digit 4",
    ),
    Figure(
        number="13",
        topic="tails",
        title="beyond the paper: accuracy in the tails, the published approach and ours",
        extra=("mpmath",),
    ),
    Figure(
        number="14",
        topic="selection",
        title="beyond the paper: how often cv, BIC and AIC find the latent dimension and the width",
        extra=("scikit-learn",),
    ),
    Figure(
        number="15",
        topic="anomalies",
        title="beyond the paper: anomalies among real data, by exact log p(x) and by others",
        extra=("scikit-learn",),
    ),
    Figure(
        number="16",
        topic="imputation",
        title="beyond the paper: imputation, digits with a hole and entries held back",
        extra=("scikit-learn",),
    ),
    Figure(
        number="18",
        topic="polishing",
        title="beyond the paper: trained VAEs polished by exact EM, or trained longer",
        extra=(*_VAE, "scikit-learn"),
    ),
    Figure(
        number="19",
        topic="scale",
        title="beyond the paper: what exactness costs on trained decoders",
    ),
)

#: By number, in the order in which the command draws them.
FIGURES: dict[str, Figure] = {figure.number: figure for figure in _ALL}
