"""Arrays that grow at one end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# What is taken when more is needed, over what is needed.
_SPARE = 1.5


def _nbytes(store: NDArray[Any], size: int, room: int, growth: float) -> float:
    """The memory of a store with `size` of `room` places in use once these are so many times as
    many."""
    needed = size * growth
    return float(store.nbytes if needed <= room else store.nbytes / room * _SPARE * needed)


class Columns:
    """An array that grows along its last axis, in place."""

    def __init__(self, columns: NDArray[Any]) -> None:
        self._store = columns
        self.size = columns.shape[-1]

    @property
    def array(self) -> NDArray[Any]:
        """The columns so far; a view, valid until the next append."""
        return self._store[..., : self.size]

    def nbytes(self, growth: float) -> float:
        """The memory that is taken once there are so many times as many columns."""
        return _nbytes(self._store, self.size, self._store.shape[-1], growth)

    def append(self, columns: NDArray[Any]) -> None:
        """Add columns at the end."""
        needed = self.size + columns.shape[-1]
        if needed > self._store.shape[-1]:
            shape = (*self._store.shape[:-1], int(_SPARE * needed))
            larger = np.empty(shape, self._store.dtype)
            larger[..., : self.size] = self.array
            self._store = larger
        self._store[..., self.size : needed] = columns
        self.size = needed


class Rows:
    """A matrix that grows along its first axis, in place.

    It loses columns on the left, where new rows come without them: `lost` says how many are gone.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        self._store = rows
        self.size, self.lost = len(rows), 0

    @property
    def array(self) -> NDArray[Any]:
        """The rows so far; a view, valid until the next append."""
        return self._store[: self.size]

    def nbytes(self, growth: float, width: int) -> float:
        """The memory that is taken once there are so many times as many rows, of this width."""
        now = self._store.nbytes
        then = _nbytes(self._store, self.size, len(self._store), growth)
        return then * width / self._store.shape[1] if then > now else now

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end; what narrower ones lack on the left is undefined in them, and is
        lost in all when memory is next taken."""
        needed, width = self.size + len(rows), rows.shape[1]
        if needed > len(self._store):
            larger = np.empty((int(_SPARE * needed), width), self._store.dtype)
            larger[: self.size] = self.array[:, self._store.shape[1] - width :]
            self.lost += self._store.shape[1] - width
            self._store = larger
        self._store[self.size : needed, self._store.shape[1] - width :] = rows
        self.size = needed
