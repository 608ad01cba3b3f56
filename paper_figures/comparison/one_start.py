"""One random start of an experiment: EM, maximum likelihood and autoencoders, compared [Sec. 4.3].

All start from the same weights and learn from the same data. All curves are exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fast import DGN, FitResult, Network
from paper_figures.comparison.experiment import Experiment
from paper_figures.methods.autoencoder import Snapshot, train
from paper_figures.methods.bound_check import disagreement
from paper_figures.methods.endings import DIVERGED, model_of
from paper_figures.methods.exact_bound import elbo
from paper_figures.methods.exact_fits import TROUBLE, Watch, em, end, mle, nll
from paper_figures.options import Numbers
from reference.model import Array


def run(experiment: Experiment, seed: int) -> Numbers:
    """Train every method from one random start.

    Parameters
    ----------
    experiment : Experiment
        Data, network and limits.
    seed : int
        Of the random start.

    Returns
    -------
    Numbers
        Of every method, named "method.what".

        step, seconds, train, held_out (K,): at each record, the start included, the iterations or
        updates so far, the processor time they took, and the mean NLL of training and held-out
        data, nats. noise: the deviation at the end. outcome: why it ended. curve: what the model
        generates at the end, see `Experiment.curve`.

        Of an autoencoder besides: elbo, kl (K,): means over the training data, exact, nats.
        disagreement (K,): of log p and ELBO + KL, see `bound_check`. continued: the training NLL
        that the exact likelihood reaches from its end.
    """
    X, fresh = experiment.samples()
    network = experiment.network(seed, X)
    numbers: Numbers = {}
    for method, fit, iterations in (
        ("em", em, experiment.em_iterations),
        ("mle", mle, experiment.mle_iterations),
    ):
        numbers |= _named(method, _exact(experiment, network, X, fresh, fit, iterations))
    start = DGN(network, experiment.start_deviation**2)
    tracks = {recipe.name: _Track(experiment, start, X, fresh) for recipe in experiment.recipes}
    deviation, records = experiment.start_deviation, experiment.records()
    for snapshot in train(network, deviation, X, experiment.recipes, seed, records):
        tracks[snapshot.recipe.name].add(snapshot)
    for name, track in tracks.items():
        numbers |= _named(name, track.numbers())
    return numbers


def _named(method: str, numbers: Numbers) -> Numbers:
    return {f"{method}.{what}": value for what, value in numbers.items()}


def _exact(
    experiment: Experiment,
    network: Network,
    X: Array,
    fresh: Array,
    fit: Callable[[DGN, Array, int, Watch], FitResult],
    iterations: int,
) -> Numbers:
    """Train by EM or by exact likelihood; looking at held-out data does not count as its time."""
    start = DGN(network, experiment.start_deviation**2)
    losses, held_out, seconds, looking = [nll(start, X)], [nll(start, fresh)], [0.0], 0.0
    began = time.process_time()

    def watch(iteration: int, dgn: DGN, loss: float) -> None:
        nonlocal looking
        now = time.process_time()
        seconds.append(now - began - looking)
        losses.append(loss)
        held_out.append(nll(dgn, fresh))
        looking += time.process_time() - now

    try:
        found = fit(start, X, iterations, watch)
        last, outcome = _end_of(experiment, found.dgn), found.outcome
    except TROUBLE as error:
        last, outcome = _no_end_of(experiment, start), f"diverged: {error}"
    return last | {
        "step": np.arange(len(losses), dtype=float),
        "seconds": np.array(seconds),
        "train": np.array(losses),
        "held_out": np.array(held_out),
        "outcome": np.array(outcome),
    }


def _end_of(experiment: Experiment, dgn: DGN) -> Numbers:
    return {"noise": np.sqrt(dgn.cov_x), "curve": experiment.curve(dgn)}


def _no_end_of(experiment: Experiment, start: DGN) -> Numbers:
    """Arrays as of `_end_of`, all NaN: the end is not known."""
    return {name: np.full_like(value, np.nan) for name, value in _end_of(experiment, start).items()}


@dataclass
class _Track:
    """The records of one autoencoder, measured as they come."""

    experiment: Experiment
    start: DGN
    X: Array
    fresh: Array
    rows: list[list[float]] = field(default_factory=list)
    last: DGN | None = None
    outcome: str = ""

    def add(self, snapshot: Snapshot) -> None:
        """Measure a record.

        If the model has diverged, all values are NaN. If only its q has, they are those that depend
        on q: the ELBO, the KL and their disagreement with log p.
        """
        row = [snapshot.update, snapshot.seconds]
        self.last = None
        try:
            dgn = model_of(snapshot)
            log_p, held_out = dgn.logpdf(self.X), nll(dgn, self.fresh)
            self.last, self.outcome = dgn, "all updates made"
        except DIVERGED as error:
            self.rows.append([*row, *[np.nan] * 5])
            self.outcome = f"diverged: {error}"
            return
        try:
            q = snapshot.posterior(self.X)
            bound = elbo(dgn, self.X, q)
            checked = slice(self.experiment.checked)
            apart = float(disagreement(dgn, self.X[checked], q.of(checked)).max())
            measured = [bound.mean(), (log_p - bound).mean(), apart]
        except DIVERGED:
            measured = [np.nan] * 3
        self.rows.append([*row, -log_p.mean(), held_out, *measured])

    def numbers(self) -> Numbers:
        """As `run` describes them."""
        names = ("step", "seconds", "train", "held_out", "elbo", "kl", "disagreement")
        found: Numbers = dict(zip(names, np.array(self.rows).T, strict=True))
        found["outcome"] = np.array(self.outcome)
        if self.last is None:
            unknown = {"continued": np.array(np.nan)}
            return found | _no_end_of(self.experiment, self.start) | unknown
        return (
            found | _end_of(self.experiment, self.last) | {"continued": self._continued(self.last)}
        )

    def _continued(self, dgn: DGN) -> Array:
        """The loss that the exact likelihood reaches from there; NaN if it fails numerically."""
        return np.array(end(lambda: mle(dgn, self.X, self.experiment.continued_iterations)))
