"""One random start of a two-dimensional latent space learned on digits: EM, then the gradient.

The weights have a Gaussian prior [Appendix H]. Without it, a quarter to a third of the mass of p(z)
lay where the posterior of no datum is. There g(z) was free, and drew noise many times as bright as
the digits. With it, held-out fours became more likely, by about 1 nat.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN, GaussianPrior, LeakyReLU, Network, fit_em, fit_mle, initial_network
from paper_figures.comparison.experiment import SLOPE
from paper_figures.data_sets import digits
from paper_figures.methods.exact_fits import nll, quietly
from paper_figures.options import DATA_SEED, Numbers, Record, data_generator
from paper_figures.polygons import polygons_of
from reference.model import Array

_PURPOSE = 12
#: Standard deviations of z to which the plane is drawn, and those at which images are.
WINDOW = 3.0
LEVELS = np.linspace(-2.4, 2.4, 9)
_SAMPLES = 10


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Images, a network with two latent dimensions, and how it is trained.

    Attributes
    ----------
    widths : tuple of int
        Of the network's layers, from the latent space to the pixels.
    n : int
        How many fours are learned from.
    n_held_out : int
        How many fours are held out, and how many nines are shown.
    start_deviation : float
        Of the noise, data units.
    prior_scale : float
        The standard deviation of the weights under their prior.
    em_iterations : int
        EM's limit.
    mle_iterations : int
        The limit of exact likelihood, which goes on from there.
    """

    widths: tuple[int, ...]
    n: int
    n_held_out: int
    start_deviation: float
    prior_scale: float
    em_iterations: int
    mle_iterations: int

    @property
    def name(self) -> str:
        """As it names files."""
        return "-".join(map(str, self.widths))

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        data = {"data_seed": [DATA_SEED, _PURPOSE], "data_sha256": digits.checksum()}
        return asdict(self) | data | {"noise": digits.NOISE, "leaky_slope": SLOPE}

    def samples(self) -> tuple[Array, Array, Array]:
        """Fours to learn from, fours held out, and nines, all with noise."""
        rng = data_generator(_PURPOSE)
        train = digits.noisy(digits.images("train_4")[: self.n], rng)
        shown = slice(self.n_held_out)
        fours = digits.noisy(digits.images("test_4")[shown], rng)
        return train, fours, digits.noisy(digits.images("test_9")[shown], rng)


def run(plane: Plane, seed: int) -> Numbers:
    """EM from weights placed on the data, then the gradient of the exact likelihood.

    Parameters
    ----------
    plane : Plane
        Data, network and limits.
    seed : int
        Of the random start.

    Returns
    -------
    Numbers
        em, mle (2,): NLL of training and held-out data after each, nats. fours, nines
        (n_held_out,): log p(x) of held-out fours and of nines. noise, outcome, regions: the
        deviation of the noise, why it ended, and how many regions. corners, ends: see
        `polygons_of`. means (n, 2): E[z | x], standard deviations of the prior. generated
        (81, 784): g on the grid of `LEVELS`. samples (10, 784): g of latents drawn from the prior.
    """
    train, fours, nines = plane.samples()
    plain = Network.random(plane.widths, LeakyReLU(SLOPE), seed)
    start = DGN(initial_network(plain, train, random_state=seed), plane.start_deviation**2)
    prior = GaussianPrior(plane.prior_scale)
    by_em = quietly(
        lambda: fit_em(start, train, max_iter=plane.em_iterations, tol=0.0, weight_prior=prior)
    ).dgn
    ended = quietly(
        lambda: fit_mle(by_em, train, max_iter=plane.mle_iterations, weight_prior=prior)
    )
    dgn = ended.dgn
    root = np.linalg.cholesky(dgn.cov_z)
    grid = np.stack(np.meshgrid(LEVELS, LEVELS), axis=-1).reshape(-1, 2)
    drawn = np.random.default_rng(seed).standard_normal((_SAMPLES, 2))
    polygons = polygons_of(dgn, WINDOW)
    return {
        "em": np.array([nll(by_em, train), nll(by_em, fours)]),
        "mle": np.array([nll(dgn, train), nll(dgn, fours)]),
        "fours": dgn.logpdf(fours),
        "nines": dgn.logpdf(nines),
        "noise": np.sqrt(dgn.cov_x),
        "outcome": np.array(ended.outcome),
        "regions": np.array(dgn.partition().n_regions),
        "corners": polygons["corners"],
        "ends": polygons["ends"],
        "means": np.linalg.solve(root, dgn.posterior(train).mean().T).T,
        "generated": dgn.network(grid @ root.T),
        "samples": dgn.network(drawn @ root.T),
    }
