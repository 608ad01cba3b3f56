"""One random start of the question what a better q(z|x) recovers [Sec. 3.1, 4.3]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN, LeakyReLU, Network
from paper_figures.comparison.experiment import PURPOSES, SLOPE
from paper_figures.data_sets import circle, surfaces
from paper_figures.methods.autoencoder import Snapshot, train
from paper_figures.methods.best_q import nearest
from paper_figures.methods.endings import loss_and_divergence, model_of
from paper_figures.methods.exact_fits import TROUBLE, em, end, mle, nll
from paper_figures.methods.recipe import Recipe
from paper_figures.options import DATA_SEED, Numbers, Record, data_generator
from reference.model import Array

_PURPOSE_OF_SPHERE = 9
#: Models whose posterior is approximated, as they name arrays.
MODELS = ("mle", "em", "vae")


@dataclass(frozen=True, kw_only=True)
class Question:
    """The noisy circle, S = 1, and a sphere, S = 2, learned with autoencoders that differ in q.

    Attributes
    ----------
    widths : tuple of int
        Of the network's layers, for the circle.
    surface_widths : tuple of int
        The same for the sphere.
    n : int
        How many points of each are learned from.
    start_deviation : float
        Of the noise, data units.
    em_iterations : int
        EM's limit.
    mle_iterations : int
        The limit of exact likelihood.
    continued_iterations : int
        The limit of exact likelihood from where the sphere's last autoencoder ended.
    most : int
        At most so many Gaussians in the mixtures that are found for every datum.
    recipes : tuple of Recipe
        Autoencoders on the circle. They differ in q alone, and draw as many z a datum: a mixture
        draws one a component.
    surface_recipes : tuple of Recipe
        The same on the sphere.
    """

    widths: tuple[int, ...]
    surface_widths: tuple[int, ...]
    n: int
    start_deviation: float
    em_iterations: int
    mle_iterations: int
    continued_iterations: int
    most: int
    recipes: tuple[Recipe, ...]
    surface_recipes: tuple[Recipe, ...]

    @property
    def name(self) -> str:
        """As it names files."""
        return f"circle_{'-'.join(map(str, self.widths))}"

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        seeds = [[DATA_SEED, PURPOSES["circle"]], [DATA_SEED, _PURPOSE_OF_SPHERE]]
        noise = {"circle": circle.NOISE, "sphere": surfaces.NOISE}
        return asdict(self) | {"data_seeds": seeds, "noise": noise}


def run(question: Question, seed: int) -> Numbers:
    """Train with every q from one random start, and find the nearest q of the models.

    Parameters
    ----------
    question : Question
        Data, networks and limits.
    seed : int
        Of the random start.

    Returns
    -------
    Numbers
        "circle.train", "circle.kl" (L,): where the autoencoder with each q ended, mean NLL and KL
        over the training data, nats. Of each model in `MODELS`, "model.train" () its NLL, and
        "model.gaussian", "model.mixture" (N,) the KL of every datum's nearest q, see `nearest`.
        "sphere.train", "sphere.kl" (F,): as the circle's. "sphere.continued" (): the NLL that the
        exact likelihood reaches from the end of the last of these.
    """
    X = circle.sample(question.n, data_generator(PURPOSES["circle"]))
    network, deviation = _network(question.widths, seed), question.start_deviation
    ends = _ends(network, deviation, X, question.recipes, seed)
    numbers = _measured("circle", ends, X)
    start = DGN(network, deviation**2)
    models: dict[str, Callable[[], DGN]] = {
        "mle": lambda: mle(start, X, question.mle_iterations).dgn,
        "em": lambda: em(start, X, question.em_iterations).dgn,
        "vae": lambda: model_of(ends[0]),
    }
    for name, model in models.items():
        numbers |= _nearest(name, model, X, question.most)
    return numbers | _surface(question, seed)


def _nearest(name: str, model: Callable[[], DGN], X: Array, most: int) -> Numbers:
    """NaN where training ended in trouble."""
    try:
        dgn = model()
        loss, (gaussian, mixture) = nll(dgn, X), nearest(dgn, X, most)
    except TROUBLE:
        loss, gaussian, mixture = np.nan, *np.full((2, len(X)), np.nan)
    return {
        f"{name}.train": np.array(loss),
        f"{name}.gaussian": gaussian,
        f"{name}.mixture": mixture,
    }


def _surface(question: Question, seed: int) -> Numbers:
    """The sphere, two latent dimensions: q with a diagonal and with a full covariance."""
    X = surfaces.sphere(question.n, data_generator(_PURPOSE_OF_SPHERE))
    network = _network(question.surface_widths, seed)
    ends = _ends(network, question.start_deviation, X, question.surface_recipes, seed)
    further = end(lambda: mle(model_of(ends[-1]), X, question.continued_iterations))
    return _measured("sphere", ends, X) | {"sphere.continued": np.array(further)}


def _network(widths: tuple[int, ...], seed: int) -> Network:
    return Network.random(widths, LeakyReLU(SLOPE), seed)


def _ends(
    network: Network, deviation: float, X: Array, recipes: tuple[Recipe, ...], seed: int
) -> list[Snapshot]:
    """What training ends with, a recipe each; all recipes have the same number of updates."""
    return list(train(network, deviation, X, recipes, seed, [recipes[0].updates]))


def _measured(name: str, ends: list[Snapshot], X: Array) -> Numbers:
    losses, divergences = np.array([loss_and_divergence(last, X) for last in ends]).T
    return {f"{name}.train": losses, f"{name}.kl": divergences}
