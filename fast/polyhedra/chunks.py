"""How much is worked on at once: rows in chunks that fit in memory, whatever their number.

Every loop over chunks in `fast` takes its slices from here, so that one test can make all of them
short: tests/contract/test_chunks.py asserts that no result depends on where the chunks end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray


def chunks(count: int, budget: int, width: int = 1) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers each, the budget being the numbers held at once."""
    rows = budget // max(1, width)
    return _successive(count, lambda _: rows)


def uneven_chunks(widths: NDArray[np.number], budget: int) -> Iterator[slice]:
    """Slices of rows that have a width each, (n,), the budget being the numbers held at once."""
    ends = np.cumsum(widths)

    def fitting(start: int) -> int:
        before = ends[start - 1] if start else 0
        return int(np.searchsorted(ends, before + budget)) - start

    return _successive(len(widths), fitting)


def rows_at_once(fitting: int) -> int:
    """How many rows a chunk has where so many fit in its budget: at least one, however wide."""
    return max(1, fitting)


def _successive(count: int, fitting: Callable[[int], int]) -> Iterator[slice]:
    """Slices of `count` rows, each as long as fits from where the one before it ends."""
    start = 0
    while start < count:
        stop = min(start + rows_at_once(fitting(start)), count)
        yield slice(start, stop)
        start = stop
