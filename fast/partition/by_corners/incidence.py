"""Which corners of polyhedra lie on which cuts, as matrices of many polyhedra at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.polyhedra.chunks import chunks
from fast.polyhedra.ragged import Ragged
from reference.model import Indices, Mask

# Numbers held at once while corners are compared.
_BATCH = 1 << 18

# Lists are filled up to lengths in steps of this factor, so that many have the same.
_STEP = 1.25

#: What fills up lists of corners: the place of a last row.
NO_CORNER = -1


class Group(NamedTuple):
    """Some polyhedra, and one or two lists of corners of each, filled up with NO_CORNER."""

    polyhedra: Indices  # (n,)
    lists: tuple[Indices, ...]  # (n, length) each


def groups(lists: tuple[Ragged, ...], cuts: int) -> Iterator[Group]:
    """All polyhedra, those with lists of similar lengths together, as many as fit in memory: with
    which of so many cuts their corners are on, and for two lists all pairs of their corners."""
    steps = np.stack([_step(own.counts) for own in lists])
    kind = np.ravel_multi_index(tuple(steps), tuple(steps.max(axis=1, initial=0) + 1))
    order = np.argsort(kind)
    _, starts = np.unique(kind[order], return_index=True)
    for mine in np.split(order, starts[1:]):
        lengths = [int(own.counts[mine].max(initial=0)) for own in lists]
        pairs = lengths[0] * lengths[-1] if len(lists) > 1 else 0
        for some in chunks(len(mine), _BATCH, sum(lengths) * cuts + pairs):
            chosen = mine[some]
            filled = (_filled(own, chosen, n) for own, n in zip(lists, lengths, strict=True))
            yield Group(chosen, tuple(filled))


def _step(counts: Indices) -> Indices:
    """Which step a length is filled up to."""
    steps = np.ceil(np.log(np.maximum(counts, 1)) / np.log(_STEP))
    return np.asarray(steps.astype(np.intp))


def _filled(lists: Ragged, rows: Indices, length: int) -> Indices:
    """Some rows as a matrix."""
    inside = np.arange(length) < lists.counts[rows, None]
    places = np.where(inside, lists.starts[rows, None] + np.arange(length), 0)
    return np.asarray(np.where(inside, lists.values[places], NO_CORNER))


def rows_of(on_cuts: Mask) -> NDArray[np.float32]:
    """1 where a corner is on a cut, to be multiplied: (V + 1, cuts). The last row is NO_CORNER's,
    which is on none."""
    rows = np.zeros((len(on_cuts) + 1, on_cuts.shape[1]), dtype=np.float32)
    rows[:-1] = on_cuts
    return rows


def by_owner(owners: Indices, values: Indices, count: int) -> Ragged:
    """The values of each of so many owners, in their order."""
    order = np.argsort(owners, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=count))])
    return Ragged(starts, values[order])
