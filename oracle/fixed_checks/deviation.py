"""What a check says: a quantity, its error, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Deviation:
    """A comparison: a quantity, how far off its truth it was, and how far off it may be."""

    quantity: str
    error: float
    allowed: float

    @property
    def passes(self) -> bool:
        """Whether the error is within what is allowed; NaN is not."""
        return self.error <= self.allowed

    @property
    def excess(self) -> float:
        """The error in units of what is allowed; infinite for NaN, and where nothing is."""
        if not self.allowed or np.isnan(self.error):
            return np.inf
        return self.error / self.allowed


#: Compares an implementation, which is one of the two packages, with the oracle.
Check = Callable[[Any], Iterator[Deviation]]


def error_of(value: Any, truth: Any) -> float:
    """The largest difference over max(1, |truth|); infinite for NaN or another shape."""
    value, truth = np.asarray(value, dtype=float), np.asarray(truth, dtype=float)
    if value.shape != truth.shape:
        return np.inf
    error = float(np.max(np.abs(value - truth), initial=0.0))
    return error / max(1.0, float(np.max(np.abs(truth), initial=0.0))) if error >= 0 else np.inf
