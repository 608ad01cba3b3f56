"""One random start of models with two and three latent dimensions: EM, then exact likelihood."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN, LeakyReLU, Network, initial_network
from paper_figures.data_sets import digits, surfaces
from paper_figures.methods.exact_fits import em, mle, nll
from paper_figures.options import DATA_SEED, Numbers, Record, data_generator
from paper_figures.polygons import polygons_of
from reference.model import Array

_PURPOSE = 8
_SLOPE = 0.1
#: Principal components that the digits are reduced to.
COMPONENTS = 8
#: Standard deviations of z to which a surface is drawn.
_WINDOW = 2.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A data set and a network with two or three latent dimensions.

    Attributes
    ----------
    name : str
        "sphere", "roll", or a name that begins with "digits".
    widths : tuple of int
        Of the network's layers, from the latent space to the data.
    points : int
        How many data are learned from.
    held_out : int
        How many data are held out.
    em_iterations : int
        EM's limit.
    mle_iterations : int
        The limit of exact likelihood, which goes on from there.
    """

    name: str
    widths: tuple[int, ...]
    points: int
    held_out: int
    em_iterations: int
    mle_iterations: int

    @property
    def latent(self) -> int:
        """The number of latent dimensions, S."""
        return self.widths[0]

    def record(self) -> Record:
        """Its fields and its data's, ready for JSON."""
        data = {"data_seed": [DATA_SEED, _PURPOSE], "data_sha256": digits.checksum()}
        return asdict(self) | data | {"noise": surfaces.NOISE}

    def samples(self) -> tuple[Array, Array]:
        """Training and held-out data."""
        rng = data_generator(_PURPOSE)
        if self.name.startswith("digits"):
            clean = digits.images("train_4")
            mean, components = principal(clean)
            fresh = digits.images("test_4")[: self.held_out]
            reduced = (clean - mean) @ components.T
            return reduced[: self.points], (fresh - mean) @ components.T
        draw = surfaces.sphere if self.name == "sphere" else surfaces.swiss_roll
        return draw(self.points, rng), draw(self.held_out, rng)


def principal(images: Array) -> tuple[Array, Array]:
    """The mean (784,) of images and their first principal directions (COMPONENTS, 784)."""
    mean = images.mean(axis=0)
    _, _, directions = np.linalg.svd(images - mean, full_matrices=False)
    return mean, directions[:COMPONENTS]


def run(case: Case, seed: int) -> Numbers:
    """EM from weights placed on the data, then the gradient of the exact likelihood.

    Parameters
    ----------
    case : Case
        Data, network and limits.
    seed : int
        Of the random start.

    Returns
    -------
    Numbers
        nll: of the training data at every iteration, nats; NaN between the iteration at which a
        search stopped and its limit. em, mle (2,): NLL of training and held-out data after each.
        outcome, regions, noise: why it ended, how many regions, and the deviation of the noise. For
        S = 2 also what `polygons_of` returns.
    """
    train, test = case.samples()
    plain = Network.random(case.widths, LeakyReLU(_SLOPE), seed)
    variance = 0.5 * float(np.mean(np.var(train, axis=0)))
    start = DGN(initial_network(plain, train, random_state=seed), variance)
    by_em = em(start, train, case.em_iterations)
    by_mle = mle(by_em.dgn, train, case.mle_iterations)
    curve = np.full(case.em_iterations + case.mle_iterations + 1, np.nan)
    curve[: len(by_em.history)] = by_em.history
    after = curve[case.em_iterations + 1 :]
    after[: len(by_mle.history) - 1] = by_mle.history[1:]
    numbers: Numbers = {
        "nll": curve,
        "em": np.array([by_em.history[-1], nll(by_em.dgn, test)]),
        "mle": np.array([by_mle.history[-1], nll(by_mle.dgn, test)]),
        "outcome": np.array(by_mle.outcome),
        "regions": np.array(by_mle.dgn.partition().n_regions),
        "noise": np.sqrt(by_mle.dgn.cov_x),
    }
    return numbers | polygons_of(by_mle.dgn, _WINDOW) if case.latent == 2 else numbers
