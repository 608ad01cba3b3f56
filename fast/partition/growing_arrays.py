"""Arrays that grow at one end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Columns:
    """An array that grows along its last axis, in place."""

    def __init__(self, columns: NDArray[Any]) -> None:
        self._store = columns
        self.size = columns.shape[-1]

    @property
    def array(self) -> NDArray[Any]:
        """The columns so far; a view, valid until the next append."""
        return self._store[..., : self.size]

    def append(self, columns: NDArray[Any]) -> None:
        """Add columns at the end."""
        needed = self.size + columns.shape[-1]
        if needed > self._store.shape[-1]:
            shape = (*self._store.shape[:-1], needed + needed // 2)
            larger = np.empty(shape, self._store.dtype)
            larger[..., : self.size] = self.array
            self._store = larger
        self._store[..., self.size : needed] = columns
        self.size = needed


class Rows:
    """A matrix that grows along its first axis, in place."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self._store = rows
        self.size = len(rows)

    @property
    def array(self) -> NDArray[Any]:
        """The rows so far; a view, valid until the next append."""
        return self._store[: self.size]

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end; of narrower ones, the entries missing on the left are undefined."""
        needed = self.size + len(rows)
        if needed > len(self._store):
            larger = np.empty((needed + needed // 2, self._store.shape[1]), self._store.dtype)
            larger[: self.size] = self.array
            self._store = larger
        self._store[self.size : needed, self._store.shape[1] - rows.shape[1] :] = rows
        self.size = needed
