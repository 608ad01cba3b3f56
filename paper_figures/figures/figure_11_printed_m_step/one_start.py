"""One random start of the question whether the M-step as printed raises the NLL [Sec. 4.2]."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from fast import DGN, FitResult, fit_em
from paper_figures.comparison.experiment import Experiment
from paper_figures.methods.exact_fits import quietly
from paper_figures.options import Numbers, Record
from reference.model import Array


@dataclass(frozen=True)
class Trial:
    """The printed M-step with several dampings, and the guarded one as a control.

    Attributes
    ----------
    experiment : Experiment
        Data, network and where training starts.
    dampings : tuple of float
        Shares of the printed step that are taken.
    iterations : int
        Of EM.
    """

    experiment: Experiment
    dampings: tuple[float, ...]
    iterations: int

    @property
    def name(self) -> str:
        """The experiment's."""
        return self.experiment.name

    def record(self) -> Record:
        """Its fields, ready for JSON."""
        return asdict(self) | {"experiment": self.experiment.record()}


def run(trial: Trial, seed: int) -> Numbers:
    """Run EM with every setting from one random start.

    Parameters
    ----------
    trial : Trial
        Data and settings.
    seed : int
        Of the random start.

    Returns
    -------
    Numbers
        nll (1 + dampings, iterations + 1): of the training data, nats, the guarded step first; NaN
        after a run has stopped. outcome (1 + dampings,): why it stopped.
    """
    X, _ = trial.experiment.samples()
    start = DGN(trial.experiment.network(seed, X), trial.experiment.start_deviation**2)
    settings = [("guarded", 1.0), *(("paper", damping) for damping in trial.dampings)]
    fits = [_fit(start, X, m_step, damping, trial.iterations) for m_step, damping in settings]
    curves = np.full((len(fits), trial.iterations + 1), np.nan)
    for row, fit in zip(curves, fits, strict=True):
        row[: len(fit.history)] = fit.history
    return {"nll": curves, "outcome": np.array([fit.outcome for fit in fits])}


def _fit(start: DGN, X: Array, m_step: str, damping: float, iterations: int) -> FitResult:
    return quietly(
        lambda: fit_em(start, X, m_step=m_step, damping=damping, max_iter=iterations, tol=0.0)
    )
