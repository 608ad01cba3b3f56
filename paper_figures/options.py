"""What a user may ask of a figure, and the types that its numbers travel in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What a figure computes: named arrays.
Numbers = dict[str, NDArray[Any]]

#: Ready for a JSON file: what determines a figure's numbers, or what they amount to.
Record = dict[str, Any]

#: One random generator a purpose, so that more starts do not change the data.
DATA_SEED = 20200707

_QUICK_SEEDS, _FULL_SEEDS = 8, 20


@dataclass(frozen=True)
class Options:
    """full: more random starts and more iterations. n_seeds: how many starts, if given."""

    full: bool = False
    n_seeds: int | None = None

    @property
    def mode(self) -> str:
        """The name of the mode, for the record."""
        return "full" if self.full else "quick"

    @property
    def seeds(self) -> list[int]:
        """The seeds of the random starts: 0, 1, 2, ...; none is ever skipped."""
        default = _FULL_SEEDS if self.full else _QUICK_SEEDS
        return list(range(default if self.n_seeds is None else self.n_seeds))


def data_generator(purpose: int) -> np.random.Generator:
    """The generator of the data of one purpose: the same in every run."""
    return np.random.default_rng([DATA_SEED, purpose])
