"""Tables whose rows differ in length, in two flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from reference.model import Indices


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths: row i is values[starts[i]:starts[i + 1]]."""

    starts: Indices
    values: Indices

    @staticmethod
    def of(matrix: csr_array) -> Ragged:
        """The columns of the entries of every row of a sparse matrix, in order."""
        matrix = csr_array(matrix)
        matrix.sort_indices()
        return Ragged(matrix.indptr.astype(np.intp), matrix.indices.astype(np.intp))

    @staticmethod
    def stacked(parts: list[Ragged], shifts: Indices) -> Ragged:
        """The rows of several, with a number added to the values of each."""
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        values = [part.values + shift for part, shift in zip(parts, shifts, strict=True)]
        return Ragged(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate(values))

    @property
    def counts(self) -> Indices:
        """How long each row is."""
        return np.diff(self.starts)

    @cached_property
    def owners(self) -> Indices:
        """The row of each value."""
        return np.repeat(np.arange(len(self.starts) - 1), self.counts)

    @cached_property
    def _keys(self) -> tuple[int, Indices]:
        """A number that is above all values, and rows times it plus values."""
        above = 1 + int(self.values.max(initial=0))
        return above, self.owners * above + self.values

    def places(self, rows: Indices, values: Indices) -> Indices:
        """The place of each value in its row, (n,) each; rows have their values in order."""
        above, keys = self._keys
        return np.searchsorted(keys, rows * above + values) - self.starts[rows]

    def entries(self, rows: Indices) -> tuple[Indices, Indices]:
        """The places in `values` of the entries of the given rows, one row after another; and for
        each the place in `rows` of its row."""
        return ranges(self.starts[rows], self.starts[rows + 1])


def ranges(starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
    """All places from starts to stops, (n,) each, one range after another; and for each place which
    of the ranges it is of."""
    counts = stops - starts
    owner = np.repeat(np.arange(len(starts)), counts)
    first = np.cumsum(counts) - counts
    return starts[owner] + np.arange(len(owner)) - first[owner], owner
