"""An experiment of Sec. 4.3: data, a network, where training starts, and how each method trains."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.special import ndtri

from fast import DGN, LeakyReLU, Network
from paper_figures import circle, cosine, digits
from paper_figures.options import DATA_SEED, Record, data_generator
from paper_figures.recipe import Recipe
from paper_figures.starts import best_line, matched_network
from reference.model import Array

#: Of all hidden layers, in the published code and here.
SLOPE = 0.1
#: The published code's learning rates and updates: 100 epochs, as it calls them, of 500.
RATES = (0.005, 0.001, 0.0001)
UPDATES = 50_000

PURPOSES = {"circle": 4, "cosine": 6, "digits": 7}
#: Standard normal scores of z at which a learned curve is kept.
_SCORES = np.linspace(-3.0, 3.0, 401)
#: Images are kept at the middles of ten equally probable latent intervals.
LEVELS = (np.arange(10) + 0.5) / 10


@dataclass(frozen=True)
class Experiment:
    """data: "circle", "cosine" or "digits". n, n_held_out: how many data. start: "random" for plain
    random weights, "matched" for an output layer that is shifted and scaled to the data.
    start_deviation: of the noise. continued_iterations: of exact likelihood from where an
    autoencoder ended. checked: at so many data ELBO + KL = log p is confirmed, at every record."""

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
        """Training and held-out data, (n, D) and (n_held_out, D): the same in every run."""
        rng = data_generator(PURPOSES[self.data])
        if self.data == "digits":
            train, test = digits.images("train_4")[: self.n], digits.images("test_4")
            return digits.noisy(train, rng), digits.noisy(test[: self.n_held_out], rng)
        draw = circle.sample if self.data == "circle" else cosine.sample
        return draw(self.n, rng), draw(self.n_held_out, rng)

    def network(self, seed: int, X: Array) -> Network:
        """The weights that every method starts from."""
        if self.start == "random":
            return Network.random(self.widths, LeakyReLU(SLOPE), seed)
        return matched_network(self.widths, SLOPE, seed, best_line(X))

    def curve(self, dgn: DGN) -> Array:
        """What a model has learned: g at scores of the prior, (401, D), or ten images (10, 784)."""
        scores = ndtri(LEVELS) if self.data == "digits" else _SCORES
        return np.asarray(dgn.network((scores * np.sqrt(dgn.cov_z[0, 0]))[:, None]))

    def records(self) -> list[int]:
        """Updates after which an autoencoder is measured: about as dense as a logarithmic axis
        shows."""
        updates = self.recipes[0].updates
        wanted = np.concatenate([[0], np.geomspace(100, updates, 24)])
        return sorted({int(100 * round(update / 100)) for update in wanted})


def published_rates(updates: int = UPDATES) -> tuple[Recipe, ...]:
    """Adam at the published learning rates, which stay as they are."""
    return tuple(Recipe(f"vae {rate:g}", rate, updates) for rate in RATES)


def circle_experiments(
    widths: tuple[int, ...], continued_iterations: int
) -> tuple[Experiment, ...]:
    """The noisy circle with 500 points, from the paper's noise and from one near the data's.

    The tuned autoencoder is what figure 10 found best for each: far from the data's noise a KL
    whose weight rises, near it eight draws of z.
    """
    falling = Recipe("vae tuned", 0.01, UPDATES, falling=True)
    tuned = {0.55: replace(falling, warm_up=0.25), 0.2: replace(falling, samples=8)}
    return tuple(
        Experiment(
            data="circle",
            widths=widths,
            n=500,
            n_held_out=500,
            start="random",
            start_deviation=deviation,
            em_iterations=300,
            mle_iterations=1000,
            continued_iterations=continued_iterations,
            recipes=(*published_rates(), recipe),
            checked=20,
        )
        for deviation, recipe in tuned.items()
    )
