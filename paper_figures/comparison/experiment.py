"""An experiment of Sec. 4.3: data, a network, where training starts, and how each method trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import ndtri

from fast import DGN, LeakyReLU, Network
from paper_figures.data_sets import circle, cosine, digits
from paper_figures.methods.matched_start import matched_network
from paper_figures.methods.ppca import best_line
from paper_figures.methods.recipe import Recipe
from paper_figures.options import DATA_SEED, Record, data_generator
from reference.model import Array

#: The slope of leaky ReLU below 0, of all hidden layers, in the published code and here.
SLOPE = 0.1

#: What seeds the generator of each data set; see `data_generator`.
PURPOSES = {"circle": 4, "cosine": 6, "digits": 7}
#: Standard normal scores of z at which a learned curve is kept.
_SCORES = np.linspace(-3.0, 3.0, 401)
#: Images are kept at the middles of ten equally probable latent intervals.
LEVELS = (np.arange(10) + 0.5) / 10


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Data, a network, where training starts, and how each method trains.

    Attributes
    ----------
    data : str
        "circle", "cosine" or "digits".
    widths : tuple of int
        Of the network's layers, from the latent space to the data.
    n : int
        How many data are learned from.
    n_held_out : int
        How many data are held out.
    start : str
        "random" for plain random weights; "matched" for an output layer that is shifted and scaled
        to the data.
    start_deviation : float
        Of the noise, data units.
    em_iterations : int
        EM's limit.
    mle_iterations : int
        The limit of exact likelihood by L-BFGS.
    continued_iterations : int
        The limit of exact likelihood from where an autoencoder ended.
    recipes : tuple of Recipe
        The autoencoders.
    checked : int
        At the first so many data log p = ELBO + KL is confirmed, at every record.
    """

    data: str
    widths: tuple[int, ...]
    n: int
    n_held_out: int
    start: str
    start_deviation: float
    em_iterations: int
    mle_iterations: int
    continued_iterations: int
    recipes: tuple[Recipe, ...]
    checked: int

    @property
    def name(self) -> str:
        """As it names arrays and files: "circle_1-8-2_0.55"."""
        return f"{self.data}_{'-'.join(map(str, self.widths))}_{self.start_deviation:g}"

    @property
    def architecture(self) -> str:
        """The widths in words: "[1, 8, 2]"."""
        return f"[{', '.join(map(str, self.widths))}]"

    @property
    def methods(self) -> list[str]:
        """All that is compared, as it names arrays."""
        return ["em", "mle", *(recipe.name for recipe in self.recipes)]

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        known = {"data_seed": [DATA_SEED, PURPOSES[self.data]], "leaky_slope": SLOPE}
        if self.data == "digits":
            known |= {"data_sha256": digits.checksum(), "noise": digits.NOISE}
        else:
            known |= {"noise": circle.NOISE if self.data == "circle" else cosine.NOISE}
        return asdict(self) | known

    def samples(self) -> tuple[Array, Array]:
        """The data, the same in every run.

        Returns
        -------
        train : Array, shape (n, D)
            Data units.
        held_out : Array, shape (n_held_out, D)
            Drawn after them.
        """
        rng = data_generator(PURPOSES[self.data])
        if self.data == "digits":
            train, test = digits.images("train_4")[: self.n], digits.images("test_4")
            return digits.noisy(train, rng), digits.noisy(test[: self.n_held_out], rng)
        draw = circle.sample if self.data == "circle" else cosine.sample
        return draw(self.n, rng), draw(self.n_held_out, rng)

    def network(self, seed: int, X: Array) -> Network:
        """The weights that every method starts from.

        Parameters
        ----------
        seed : int
            Of the random start.
        X : Array, shape (n, D)
            The training data, to which a "matched" start is fitted.

        Returns
        -------
        Network
            With leaky ReLU of `SLOPE`.
        """
        if self.start == "random":
            return Network.random(self.widths, LeakyReLU(SLOPE), seed)
        return matched_network(self.widths, SLOPE, seed, best_line(X))

    def curve(self, dgn: DGN) -> Array:
        """What a model has learned.

        Parameters
        ----------
        dgn : DGN
            With one latent dimension.

        Returns
        -------
        Array, shape (401, D) or (10, 784)
            g(z) for z from -3 to 3 standard deviations of the prior; of digits, ten images at
            `LEVELS` of the prior.
        """
        scores = ndtri(LEVELS) if self.data == "digits" else _SCORES
        return np.asarray(dgn.network((scores * np.sqrt(dgn.cov_z[0, 0]))[:, None]))

    def records(self) -> list[int]:
        """Updates after which an autoencoder is measured.

        Returns
        -------
        list of int
            0, then multiples of 100, about evenly spaced on a logarithmic axis.
        """
        updates = self.recipes[0].updates
        wanted = np.concatenate([[0], np.geomspace(100, updates, 24)])
        return sorted({int(100 * round(update / 100)) for update in wanted})
