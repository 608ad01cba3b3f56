"""The edges of cells between their corners above a cut and those below."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.partition.by_corners.incidence import groups, rows_of
from fast.polyhedra.chunks import uneven_chunks
from fast.polyhedra.ragged import Ragged
from reference.model import Indices, Mask

# Corners looked at at once for what two others have in common.
_BATCH = 1 << 18

# Bits of a word.
_WORD = 64


class Edges(NamedTuple):
    """Edges of cells, each once for every cell that has it: (n,) each."""

    cells: Indices
    above: Indices
    below: Indices

    def at(self, which: Indices) -> Edges:
        """Some of them."""
        return Edges(self.cells[which], self.above[which], self.below[which])


def edges_across(
    dimension: int, on_cuts: Mask, corners: Ragged, above: Ragged, below: Ragged
) -> Edges:
    """The edges of every cell from its corners above to those below.

    on_cuts (V, cuts): which corners are on which cuts; no cell is on both sides of one. corners:
    all corners of every cell. Two of them span an edge iff no third one is on all cuts that both
    are on [Fukuda and Prodon 1996, double description].
    """
    # A corner on no more cuts than make one: these are independent, so all but one meet in a line.
    simple = np.count_nonzero(on_cuts, axis=1) == dimension
    rows, words = rows_of(on_cuts), _words(on_cuts)
    found = [Edges(*np.empty((3, 0), dtype=np.intp))]
    for cells, (upper, lower) in groups((above, below), on_cuts.shape[1]):
        shared = rows[upper] @ rows[lower].swapaxes(1, 2)
        places = np.flatnonzero(shared >= dimension - 1)
        cell, one, other = np.unravel_index(places, shared.shape)
        pairs = Edges(cells[cell], upper[cell, one], lower[cell, other])
        known = simple[pairs.above] | simple[pairs.below]
        open_ = np.flatnonzero(~known)
        if len(open_):
            kept = known.copy()
            kept[open_] = _alone(pairs.at(open_), words, corners)
            pairs = pairs.at(np.flatnonzero(kept))
        found.append(pairs)
    return Edges(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _words(bits: Mask) -> NDArray[np.uint64]:
    """Rows of bits, 64 to a word."""
    filled = np.zeros((len(bits), -(-bits.shape[1] // _WORD) * _WORD), dtype=bool)
    filled[:, : bits.shape[1]] = bits
    return np.packbits(filled, axis=1).view(np.uint64)


def _alone(pairs: Edges, words: NDArray[np.uint64], corners: Ragged) -> Mask:
    """For each pair of corners, whether no third one of the cell is on all cuts that both are
    on."""
    alone = np.empty(len(pairs.cells), dtype=bool)
    for some in uneven_chunks(corners.counts[pairs.cells], _BATCH):
        cells, above, below = (part[some] for part in pairs)
        common = words[above] & words[below]
        entries, pair = corners.entries(cells)
        on_all = np.ones(len(entries), dtype=bool)
        for word, own in zip(words.T, common.T, strict=True):
            on_all &= (own[pair] & ~word[corners.values[entries]]) == 0
        alone[some] = np.bincount(pair[on_all], minlength=len(cells)) == 2
    return alone
