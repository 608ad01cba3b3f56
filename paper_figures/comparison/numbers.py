"""The numbers of experiments in which methods are compared, and how to read them.

In a figure's file, which is flat, an array is called "experiment|method.what". `array_name` puts
such a name together and nothing takes one apart: what is read of an experiment is in `Comparison`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paper_figures.comparison.curves import last_values
from paper_figures.comparison.experiment import Experiment
from paper_figures.comparison.one_start import run
from paper_figures.options import Numbers, Record
from paper_figures.records.runs_by_seed import named_runs
from reference.model import Array, Mask

#: Losses closer than this count as one, nats.
NEAR = 0.05


def parameters_of(experiments: Sequence[Experiment], seeds: Sequence[int]) -> Record:
    """What determines the numbers of experiments.

    Parameters
    ----------
    experiments : sequence of Experiment
        Those of one figure.
    seeds : sequence of int
        Of the random starts.

    Returns
    -------
    Record
        Ready for JSON.
    """
    return {
        "seeds": list(seeds),
        "experiments": {one.name: one.record() for one in experiments},
    }


def compared(
    experiments: Sequence[Experiment], seeds: Sequence[int], folder: Path | None
) -> Numbers:
    """Every method on every experiment from every random start.

    Parameters
    ----------
    experiments : sequence of Experiment
        Those of one figure, all with the same methods.
    seeds : sequence of int
        Of the random starts.
    folder : Path or None
        Where runs are kept and found again; None to keep none.

    Returns
    -------
    Numbers
        The arrays of `one_start.run` by `array_name`, a row a start, shorter curves continued with
        NaN. experiments, architectures, hidden_layers, start_deviations: of each experiment the
        name, the widths in words, the number of hidden layers and the deviation of the noise at the
        start. methods: their names. seeds.
    """
    return named_runs(run, experiments, seeds, folder) | {
        "experiments": np.array([one.name for one in experiments]),
        "architectures": np.array([one.architecture for one in experiments]),
        "hidden_layers": np.array([len(one.widths) - 2 for one in experiments]),
        "start_deviations": np.array([one.start_deviation for one in experiments]),
        "methods": np.array(experiments[0].methods),
        "seeds": np.array(seeds),
    }


def array_name(experiment: str, method: str, what: str) -> str:
    """What an array of a method is called among a figure's numbers."""
    return f"{experiment}|{method}.{what}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One experiment of a figure, a row a start.

    Attributes
    ----------
    numbers : Numbers
        The figure's, as `compared` makes them.
    name : str
        The experiment's.
    widths : str
        The architecture in words: "[1, 8, 2]".
    hidden_layers : int
        How many there are.
    start : str
        The deviation of the noise at the start, data units: "0.55".
    """

    numbers: Numbers
    name: str
    widths: str
    hidden_layers: int
    start: str

    @staticmethod
    def all_of(numbers: Numbers) -> list[Comparison]:
        """Those of a figure, in order."""
        names = ("experiments", "architectures", "hidden_layers", "start_deviations")
        return [
            Comparison(
                numbers=numbers,
                name=name,
                widths=widths,
                hidden_layers=hidden,
                start=f"{deviation:g}",
            )
            for name, widths, hidden, deviation in zip(
                *(numbers[name].tolist() for name in names), strict=True
            )
        ]

    @property
    def methods(self) -> list[str]:
        """em, mle, then the autoencoders."""
        return list(self.numbers["methods"].tolist())

    @property
    def autoencoders(self) -> list[str]:
        """Those of the methods that are autoencoders."""
        return [method for method in self.methods if method.startswith("vae")]

    def of(self, method: str, what: str) -> NDArray[Any]:
        """One array of one method, (starts, ...); see `one_start.run` for what there is."""
        return np.asarray(self.numbers[array_name(self.name, method, what)])

    def final(self, method: str, what: str = "train") -> Array:
        """Where every start of a method ended.

        Parameters
        ----------
        method : str
            Its name.
        what : str
            The name of a curve: "train", "held_out", "elbo" or "kl".

        Returns
        -------
        Array, shape (starts,)
            Nats; infinite where a start diverged.

        Notes
        -----
        EM and exact likelihood end at the last value that is known. An autoencoder is measured at
        every record, and ends at the last: if its q has diverged by then, the bound is unknown
        (NaN), and an earlier one is not taken instead.
        """
        curves = self.of(method, what)
        ends = curves[:, -1] if method in self.autoencoders else last_values(curves)
        return np.where(self.diverged(method), np.inf, ends)

    def diverged(self, method: str) -> Mask:
        """Which starts ended with parameters, or a likelihood, that are not finite."""
        outcomes = self.of(method, "outcome")
        return np.asarray(np.char.startswith(outcomes.astype(str), "diverged"))

    def best_autoencoder(self, what: str = "train") -> Array:
        """For every start the end of the autoencoder with the lowest final training NLL.

        Parameters
        ----------
        what : str
            The curve whose end is returned; the training NLL chooses whatever it is.

        Returns
        -------
        Array, shape (starts,)
            Nats.
        """
        ends = np.array([self.final(method) for method in self.autoencoders])
        which = ends.argmin(axis=0)
        values = np.array([self.final(method, what) for method in self.autoencoders])
        return np.asarray(values[which, np.arange(len(which))])

    def lowest_autoencoder(self) -> tuple[Array, Array]:
        """The lowest training NLL of all autoencoders at each record.

        Returns
        -------
        updates : Array, shape (K,)
            At the records.
        lowest : Array, shape (starts, K)
            Nats.
        """
        curves = [self.of(method, "train") for method in self.autoencoders]
        steps = self.of(self.autoencoders[0], "step")[0]
        return steps, np.asarray(np.fmin.reduce(curves))

    def first_within(self, method: str, target: Array, of: str) -> Array:
        """When the training NLL first was at most a target.

        Parameters
        ----------
        method : str
            Its name.
        target : Array, shape (starts,)
            Nats.
        of : str
            "step" or "seconds": in what the answer is counted.

        Returns
        -------
        Array, shape (starts,)
            Infinite where the target was never reached.
        """
        reached = self.of(method, "train") <= target[:, None]
        when = np.take_along_axis(self.of(method, of), reached.argmax(axis=1)[:, None], axis=1)
        return np.where(reached.any(axis=1), when[:, 0], np.inf)

    @property
    def worst_disagreement(self) -> float:
        """The largest |log p - ELBO - KL| of all records, relative; see `bound_check`."""
        found = [self.of(method, "disagreement").ravel() for method in self.autoencoders]
        return float(np.fmax.reduce(np.concatenate(found)))

    @property
    def records(self) -> tuple[int, int]:
        """At how many records log p and ELBO + KL were compared, and at how many they were not.

        They cannot be compared where an autoencoder's model, or its q, has diverged.
        """
        found = [np.isfinite(self.of(method, "disagreement")) for method in self.autoencoders]
        checked = sum(int(one.sum()) for one in found)
        return checked, sum(one.size for one in found) - checked

    def collapsed(self, method: str) -> Mask:
        """On which starts an autoencoder ended no better than a straight line, within `NEAR`.

        Its generator has then not learned to bend.
        """
        return np.asarray(self.final(method) > float(self.numbers["line_train"]) - NEAR)

    def still_falling(self, method: str) -> Mask:
        """On which starts the training NLL fell by more than `NEAR` before the last record."""
        curves = self.of(method, "train")
        return np.asarray(curves[:, -2] - curves[:, -1] > NEAR)
