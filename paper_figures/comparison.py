"""Experiments in which methods are compared: their numbers, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paper_figures.curves import last_values
from paper_figures.experiment import Experiment
from paper_figures.learning_run import run
from paper_figures.options import Numbers, Record
from paper_figures.seed_runs import named_runs
from reference.model import Array


def parameters_of(experiments: Sequence[Experiment], seeds: Sequence[int]) -> Record:
    """What determines the numbers of experiments."""
    return {
        "seeds": list(seeds),
        "experiments": {one.name: one.record() for one in experiments},
    }


def compared(
    experiments: Sequence[Experiment], seeds: Sequence[int], folder: Path | None
) -> Numbers:
    """Of every experiment, named "experiment|method.what": the arrays of `learning_run.run` with a
    row a start, shorter curves continued with NaN. experiments, methods: their names."""
    return named_runs(run, experiments, seeds, folder) | {
        "experiments": np.array([one.name for one in experiments]),
        "methods": np.array(experiments[0].methods),
        "seeds": np.array(seeds),
    }


#: Nats: losses closer than this count as one.
NEAR = 0.05


@dataclass(frozen=True)
class Comparison:
    """One experiment's numbers, a row a start."""

    numbers: Numbers
    name: str

    @staticmethod
    def all_of(numbers: Numbers) -> list[Comparison]:
        """Those of a figure, in order."""
        return [Comparison(numbers, name) for name in numbers["experiments"].tolist()]

    @property
    def methods(self) -> list[str]:
        """em, mle, then the autoencoders."""
        return list(self.numbers["methods"].tolist())

    @property
    def autoencoders(self) -> list[str]:
        """The methods that are."""
        return [method for method in self.methods if method.startswith("vae")]

    @property
    def widths(self) -> str:
        """The architecture in words: "[1, 8, 2]"."""
        return f"[{self.name.split('_')[1].replace('-', ', ')}]"

    @property
    def start(self) -> str:
        """The deviation of the noise at the start."""
        return self.name.split("_")[2]

    def of(self, method: str, what: str) -> Array:
        """The array of one method, (starts, ...)."""
        return np.asarray(self.numbers[f"{self.name}|{method}.{what}"])

    def final(self, method: str, what: str = "train") -> Array:
        """Where every start ended, (starts,): infinite if it diverged. An autoencoder has all
        records: of a q that is no Gaussian any more the bound is unknown, not an earlier one."""
        curves = self.of(method, what)
        ends = curves[:, -1] if method in self.autoencoders else last_values(curves)
        return np.where(self.diverged(method), np.inf, ends)

    def diverged(self, method: str) -> NDArray[np.bool_]:
        """Which starts led to parameters, or a likelihood, that are no numbers."""
        outcomes = self.numbers[f"{self.name}|{method}.outcome"]
        return np.asarray(np.char.startswith(outcomes.astype(str), "diverged"))

    def best_autoencoder(self, what: str = "train") -> Array:
        """For every start the end of the autoencoder that its training NLL calls the best: at a
        published learning rate, or tuned."""
        ends = np.array([self.final(method) for method in self.autoencoders])
        which = ends.argmin(axis=0)
        values = np.array([self.final(method, what) for method in self.autoencoders])
        return np.asarray(values[which, np.arange(len(which))])

    def lowest_autoencoder(self) -> tuple[Array, Array]:
        """Updates (K,), and the lowest training NLL of all autoencoders at each (starts, K)."""
        curves = [self.of(method, "train") for method in self.autoencoders]
        steps = self.of(self.autoencoders[0], "step")[0]
        return steps, np.asarray(np.fmin.reduce(curves))

    def first_within(self, method: str, target: Array, of: str) -> Array:
        """The step, or the seconds, at which the training NLL first was at most target (starts,);
        infinite if it never was."""
        reached = self.of(method, "train") <= target[:, None]
        when = np.take_along_axis(self.of(method, of), reached.argmax(axis=1)[:, None], axis=1)
        return np.where(reached.any(axis=1), when[:, 0], np.inf)

    @property
    def worst_disagreement(self) -> float:
        """The largest of all records' |log p - ELBO - KL|; see `bound_check`."""
        found = [self.of(method, "disagreement").ravel() for method in self.autoencoders]
        return float(np.fmax.reduce(np.concatenate(found)))

    @property
    def records(self) -> tuple[int, int]:
        """At how many records of autoencoders log p and ELBO + KL were compared, and how many there
        are besides: of a model or a q that has diverged."""
        found = [np.isfinite(self.of(method, "disagreement")) for method in self.autoencoders]
        checked = sum(int(one.sum()) for one in found)
        return checked, sum(one.size for one in found) - checked

    def collapsed(self, method: str) -> NDArray[np.bool_]:
        """On which starts an autoencoder ended no better than a straight line does, to 0.05 nats:
        it has not learned to bend."""
        return np.asarray(self.final(method) > float(self.numbers["line_train"]) - NEAR)

    def still_falling(self, method: str) -> NDArray[np.bool_]:
        """On which starts the training NLL fell by more than 0.05 nats between the last two
        records."""
        curves = self.of(method, "train")
        return np.asarray(curves[:, -2] - curves[:, -1] > NEAR)


def summary_of(numbers: Numbers) -> Record:
    """Where every start of every method ended, and how."""
    return {
        "experiments": {one.name: _summary(one) for one in Comparison.all_of(numbers)},
    }


def _summary(one: Comparison) -> Record:
    return {
        method: {
            "train_nll": spread(one.final(method)),
            "held_out_nll": spread(one.final(method, "held_out")),
            "seconds": spread(last_values(one.of(method, "seconds"))),
            "noise_deviation": spread(one.of(method, "noise")),
            "largest_rise": float(max(0.0, np.nanmax(np.diff(one.of(method, "train"))))),
            "outcomes": _counted(one.of(method, "outcome")),
        }
        | (
            {
                "kl": spread(one.final(method, "kl")),
                "minus_elbo": spread(-one.final(method, "elbo")),
            }
            if method.startswith("vae")
            else {}
        )
        for method in one.methods
    } | {"worst_disagreement_of_log_p_and_elbo_plus_kl": one.worst_disagreement}


def _counted(values: Array) -> Record:
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def spread(values: Array) -> Record:
    """Smallest, median, largest and all; None for what is no number."""
    known = values[~np.isnan(values)]
    if not len(known):
        return {"min": None, "median": None, "max": None, "all": [None] * len(values)}
    return {
        "min": _plain(known.min()),
        "median": _plain(np.median(known)),
        "max": _plain(known.max()),
        "all": [_plain(value) for value in values],
    }


def _plain(value: float) -> float | str | None:
    """Ready for JSON, which knows no infinity."""
    if np.isnan(value):
        return None
    return float(value) if np.isfinite(value) else "diverged"
