"""What a user may ask of a figure, and the types that its numbers travel in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What a figure computes: named arrays.
Numbers = dict[str, NDArray[Any]]

#: Ready for a JSON file: what determines a figure's numbers, or their summary.
Record = dict[str, Any]

#: Seeds the data of every figure. More random starts do not change the data.
DATA_SEED = 20200707

#: Random starts in the paper, and of every comparison in full mode.
FULL_STARTS = 20


@dataclass(frozen=True)
class Options:
    """What a user may ask of every figure.

    Attributes
    ----------
    full : bool
        More random starts and more iterations.
    n_seeds : int or None
        How many random starts; None for as many as the figure takes in its mode.
    folder : Path or None
        Where the runs of single starts are kept; None to keep none.
    """

    full: bool = False
    n_seeds: int | None = None
    folder: Path | None = None

    @property
    def mode(self) -> str:
        """The name of the mode, for the record."""
        return "full" if self.full else "quick"

    def seeds(self, quick: int, full: int = FULL_STARTS) -> list[int]:
        """The seeds of the random starts: 0, 1, 2 and so on, none ever left out.

        Parameters
        ----------
        quick, full : int
            How many a figure takes in each mode, if the user has not asked for a number.

        Returns
        -------
        list of int
            In order.

        Examples
        --------
        >>> Options().seeds(quick=3)
        [0, 1, 2]
        >>> Options(full=True, n_seeds=2).seeds(quick=3)
        [0, 1]
        """
        default = full if self.full else quick
        return list(range(default if self.n_seeds is None else self.n_seeds))


def data_generator(purpose: int) -> np.random.Generator:
    """The random generator of one data set.

    Parameters
    ----------
    purpose : int
        Another number for every data set; by convention the number of the figure.

    Returns
    -------
    numpy.random.Generator
        In the same state in every run.
    """
    return np.random.default_rng([DATA_SEED, purpose])
