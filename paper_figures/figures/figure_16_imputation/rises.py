"""Does EM with gaps ever raise the loss? Small networks and data of all kinds.

The guard of `fit_em` refuses what would raise it. So the closed forms of the output layer and of
both covariances, which are exact EM by theory, are also taken by themselves, without a guard, from
where `fit_em` ended: there an iteration gains least.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN, ConvergenceWarning, LeakyReLU, Network, fit_em, m_step
from paper_figures.options import DATA_SEED, Numbers, Record
from reference.model import Array

_NOISES = ("scalar", "diagonal", "full")


@dataclass(frozen=True, kw_only=True)
class Rises:
    """How many networks for each seed, and how long each is trained.

    Attributes
    ----------
    networks : int
        With S = 1 and 2 and every structure of Σx in turn.
    iterations, further : int
        Of `fit_em`, and of closed forms alone from its end.
    rows : int
        Of data.
    missing : tuple of float
        The shares of entries that are missing; a run for each.
    """

    networks: int
    iterations: int = 15
    further: int = 10
    rows: int = 20
    missing: tuple[float, ...] = (0.0, 0.1, 0.5)

    @property
    def name(self) -> str:
        """As it names files."""
        return "rises"

    def record(self) -> Record:
        """Its fields, ready for JSON."""
        return asdict(self)


def run(job: Rises, seed: int) -> Numbers:
    """Train every network on its data with gaps, guarded and by closed forms alone.

    Parameters
    ----------
    job : Rises
        How many.
    seed : int
        Of networks and data.

    Returns
    -------
    Numbers
        rise (networks, missing, 2): the largest rise of the mean loss from one iteration to the
        next, in roundings: units of ε max(1, |loss|); of `fit_em`, and of closed forms alone.
        gain (networks, missing, 2): from the start to the end of each, nats.
    """
    rises, gains = [], []
    for k in range(job.networks):
        losses = [_losses(job, share, [DATA_SEED, 16, seed, k]) for share in job.missing]
        rises.append([[in_roundings(row) for row in pair] for pair in losses])
        gains.append([[row[0] - row[-1] for row in pair] for pair in losses])
    return {"rise": np.array(rises), "gain": np.array(gains)}


def in_roundings(losses: Array) -> float:
    """The largest rise from one loss to the next, in units of ε max(1, |loss|)."""
    scale = np.finfo(float).eps * np.maximum(1.0, np.abs(losses[:-1]))
    return float(np.max(np.diff(losses) / scale))


def _losses(job: Rises, share: float, seed: list[int]) -> tuple[Array, Array]:
    """Of one network and its data, by `fit_em` and by closed forms alone."""
    rng, number = np.random.default_rng(seed), seed[-1]
    latent, noise = 1 + number % 2, _NOISES[(number // 2) % 3]
    dimension = int(rng.integers(2, 5))
    widths = [latent, int(rng.integers(3, 6)), dimension]
    truth, start = (Network.random(widths, LeakyReLU(0.1), rng) for _ in range(2))
    X = DGN(truth, 0.1).rvs(job.rows, rng)
    X[rng.random(X.shape) < share] = np.nan
    # Every column has an entry, or there is nothing to learn of it.
    X[0] = np.where(np.isnan(X[0]), 0.0, X[0])
    factor = rng.normal(size=(dimension, dimension))
    cov_x = {
        "scalar": np.array(0.5),
        "diagonal": rng.uniform(0.2, 1.0, dimension),
        "full": 0.3 * np.eye(dimension) + 0.1 * factor @ factor.T,
    }[noise]
    model = DGN(start, cov_x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        guarded = fit_em(model, X, max_iter=job.iterations, tol=0.0)
    return np.asarray(guarded.history), _closed_forms(guarded.dgn, X, job.further)


def _closed_forms(dgn: DGN, X: Array, iterations: int) -> Array:
    """Losses under the exact M-step of the output layer and both covariances, and no guard."""
    seen = X[~np.all(np.isnan(X), axis=1)]
    losses = [-np.mean(dgn.logpdf(seen))]
    for _ in range(iterations):
        names = [str(len(dgn.network.layers) - 1), "cov_x", "cov_z"]
        dgn = m_step(dgn, dgn.statistics(seen), names)
        losses.append(-np.mean(dgn.logpdf(seen)))
    return np.array(losses)
