"""EM from many random starts, every one of them kept [Sec. 4.3]."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from tqdm import tqdm

from fast import DGN, ConvergenceWarning, FitResult, Network, fit_em
from paper_figures.options import Numbers, Record
from paper_figures.starts import best_line, matched_network
from reference.network import Array


@dataclass(frozen=True)
class Training:
    """One architecture and how it is trained: guarded EM with isotropic Σx, Σz starting at I."""

    widths: tuple[int, ...]
    slope: float
    start_deviation: float
    max_iter: int
    tolerance: float

    @property
    def name(self) -> str:
        """The architecture as it names arrays and files: "1-8-2"."""
        return "-".join(map(str, self.widths))

    def record(self) -> Record:
        """Its fields, ready for JSON."""
        return asdict(self) | {"widths": list(self.widths)}


@dataclass(frozen=True)
class Run:
    """One start: how training ended, and what `watch` measured on the way, the start included."""

    fit: FitResult
    watched: Array


def train(
    training: Training,
    X: Array,
    seeds: Sequence[int],
    watch: Callable[[DGN], float],
    label: str,
) -> list[Run]:
    """Train from the matched random network of each seed; `watch` is measured at every iteration.

    Progress goes to stderr, and is silent when that is no terminal.
    """
    bar = tqdm(seeds, desc=f"{label} [{training.name}]", unit="start", disable=None, leave=False)
    line = best_line(X)
    networks = (matched_network(training.widths, training.slope, seed, line) for seed in bar)
    return [_train_once(training, network, X, watch) for network in networks]


def _train_once(
    training: Training, network: Network, X: Array, watch: Callable[[DGN], float]
) -> Run:
    variance = training.start_deviation**2
    watched = [watch(DGN(network, variance))]
    with warnings.catch_warnings():
        # How many starts ended at the limit is in the results.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = fit_em(
            network,
            X,
            cov_x=variance,
            m_step="guarded",
            max_iter=training.max_iter,
            tol=training.tolerance,
            callback=lambda iteration, dgn, loss: watched.append(watch(dgn)),
        )
    return Run(fit, np.array(watched))


def histories(training: Training, runs: Sequence[Run]) -> Numbers:
    """The runs' curves as arrays (starts, max_iter + 1), NaN after a run has stopped.

    nll: mean negative log-likelihood of the training data, nats. watched: likewise. outcome: why
    each run stopped.
    """
    shape = (len(runs), training.max_iter + 1)
    loss, watched = np.full(shape, np.nan), np.full(shape, np.nan)
    for i, run in enumerate(runs):
        loss[i, : len(run.fit.history)] = run.fit.history
        watched[i, : len(run.watched)] = run.watched
    return {
        f"{training.name}_nll": loss,
        f"{training.name}_watched": watched,
        f"{training.name}_outcome": np.array([run.fit.outcome for run in runs]),
        f"{training.name}_noise": np.array([np.sqrt(float(run.fit.dgn.cov_x)) for run in runs]),
    }


def mean_nll(X: Array) -> Callable[[DGN], float]:
    """The mean negative log-likelihood of X as a function of the model, nats."""
    return lambda dgn: -float(np.mean(dgn.logpdf(X)))


def latent_points(dgn: DGN, standard: Array) -> Array:
    """Standard normal scores (M,) as latent points z ~ N(0, Σz) of a model with S = 1, (M, 1)."""
    return np.asarray(standard * np.sqrt(dgn.cov_z[0, 0]))[:, None]
