"""How many cells there will be at least, before they are made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fast.polyhedra.chunks import uneven_chunks
from fast.polyhedra.ragged import Ragged

# Corners looked at at once.
_BATCH = 1 << 18

# A function that is 0 at more than this share of the corners tells little.
_OFTEN = 0.1


def cells_at_least(corners: Ragged, signs: NDArray[np.int8], most: int) -> int:
    """How many parts some functions cut cells into at least; no matter how many beyond `most`.

    corners: those of every cell. signs (n, V): of the functions at all corners, 0 where one
    vanishes or its sign is not known; affine on every cell. In a cell near a corner they have the
    corner's signs: so a cell has as many parts at least as its corners have different signs.
    """
    zero = signs == 0
    telling = np.mean(zero, axis=1) < _OFTEN
    known = ~np.any(zero[telling], axis=0)
    # Corners with different numbers differ in their signs; others may do so too.
    rng = np.random.default_rng(0)
    numbers = rng.integers(1 << 62, size=(2, np.count_nonzero(telling) + 1), dtype=np.uint64)
    words = numbers[0, 1:] @ (signs[telling] > 0)
    count = len(corners.counts)
    for some in uneven_chunks(corners.counts, _BATCH):
        entries, cell = corners.entries(np.arange(some.start, some.stop))
        its = corners.values[entries]
        met = words[its] + cell.astype(np.uint64) * numbers[1, 0]
        met = np.sort(met[known[its]])
        parts = np.count_nonzero(met[1:] != met[:-1]) + min(1, len(met))
        count += max(0, parts - (some.stop - some.start))
        if count > most:
            break
    return count
