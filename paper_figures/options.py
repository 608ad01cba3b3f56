"""What a user may ask of a figure, and the types that its numbers travel in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What a figure computes: named arrays.
Numbers = dict[str, NDArray[Any]]

#: Ready for a JSON file: what determines a figure's numbers, or what they amount to.
Record = dict[str, Any]

#: One random generator a purpose, so that more starts do not change the data.
DATA_SEED = 20200707

#: Random starts in the paper, and of every comparison in full mode.
FULL_STARTS = 20


@dataclass(frozen=True)
class Options:
    """full: more random starts and more iterations. n_seeds: how many starts, if given. folder:
    where the runs of single starts are kept; they are not if it is None."""

    full: bool = False
    n_seeds: int | None = None
    folder: Path | None = None

    @property
    def mode(self) -> str:
        """The name of the mode, for the record."""
        return "full" if self.full else "quick"

    def seeds(self, quick: int, full: int = FULL_STARTS) -> list[int]:
        """The seeds of the random starts, 0, 1, 2, ..., none ever skipped: as many as was asked
        for, else as many as a figure takes in each mode."""
        default = full if self.full else quick
        return list(range(default if self.n_seeds is None else self.n_seeds))


def data_generator(purpose: int) -> np.random.Generator:
    """The generator of the data of one purpose: the same in every run."""
    return np.random.default_rng([DATA_SEED, purpose])
