"""The facets of polyhedra that are known by their corners, and by which cuts these are on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.partition.by_corners.incidence import groups, rows_of
from fast.polyhedra.chunks import uneven_chunks
from fast.polyhedra.ragged import Ragged
from reference.model import Array, Indices, Mask

# Numbers held at once while the corners of faces are found.
_BATCH = 1 << 20

# Sums of so many bits are exact in doubles.
_BITS = 53
# What two sums are multiplied by in one word.
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)


class FacetsOf(NamedTuple):
    """The facets of polyhedra, one polyhedron after another, each facet once for every polyhedron
    that has it; and what the F faces are that these are."""

    owners: Indices  # (n,)
    faces: Indices  # (n,): below F
    cuts: Indices  # (F,): the first cut that a face is on
    whose: Indices  # (F,): one polyhedron that has it


def facets_of(on_cuts: Mask, corners: Ragged, dimension: int, rank: int) -> FacetsOf:
    """The facets of polyhedra of one dimension, from the corners of each.

    on_cuts (V, cuts): which corners are on which cuts; no polyhedron is on both sides of one. rank:
    on how many cuts a corner is at least.
    """
    simple = np.append(np.count_nonzero(on_cuts, axis=1) == rank, False)
    labels = _labels(len(on_cuts), int(corners.counts.max(initial=1)))
    rows, parts = rows_of(on_cuts), []
    for polyhedra, (own,) in groups((corners,), on_cuts.shape[1]):
        of_own = rows[own]
        which = _facet_cuts(of_own, simple[own], corners.counts[polyhedra], dimension)
        sums = of_own.swapaxes(1, 2).astype(np.float64) @ labels[own]
        place, cut = np.unravel_index(np.flatnonzero(which), which.shape)
        parts.append((polyhedra[place], cut, sums[place, cut]))
    owners, cuts, sums = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(owners)
    owners, cuts, sums = owners[order], cuts[order], sums[order]
    faces, first = _numbered(sums)
    return FacetsOf(owners, faces, cuts[first], owners[first])


def corners_of_faces(on_cuts: Mask, corners: Ragged, facets: FacetsOf) -> Ragged:
    """The corners of every face, which are those of a polyhedron that are on its cut."""
    counts, values = [np.zeros(1, dtype=np.intp)], []
    for some in uneven_chunks(corners.counts[facets.whose], _BATCH):
        entries, face = corners.entries(facets.whose[some])
        its = corners.values[entries]
        on_it = on_cuts[its, facets.cuts[some][face]]
        counts.append(np.bincount(face[on_it], minlength=len(facets.cuts[some])))
        values.append(its[on_it])
    return Ragged(np.cumsum(np.concatenate(counts)), np.concatenate(values))


def _labels(count: int, most: int) -> Array:
    """Two random numbers for each corner, with exact sums of as many as `most`."""
    bits = _BITS - most.bit_length()
    return np.random.default_rng(0).integers(1 << bits, size=(count, 2)).astype(np.float64)


def _numbered(sums: Array) -> tuple[Indices, Indices]:
    """Numbers of faces, the same for the same sums of labels; and where each face is first.

    One word of both orders them quickly; where it is the same for two faces, both sums do. In these
    two faces agree with a probability of 2^-80 or so; cells' facets would then be refused.
    """
    words = sums.astype(np.uint64) * _ODD
    order = np.argsort(words[:, 0] + words[:, 1])
    faces, first = _runs(order, (words[:, 0] + words[:, 1])[order])
    if not np.array_equal(sums[first][faces], sums):
        order = np.lexsort(sums.T)
        faces, first = _runs(order, sums[order])
    return faces, first


def _runs(order: Indices, ordered: NDArray[Any]) -> tuple[Indices, Indices]:
    """A number for each run of equal rows of what is in order, where each row came from; and where
    each run is first."""
    new = np.ones(len(order), dtype=bool)
    differ = ordered[1:] != ordered[:-1]
    new[1:] = differ if differ.ndim == 1 else np.any(differ, axis=1)
    faces = np.empty(len(order), dtype=np.intp)
    faces[order] = np.cumsum(new) - 1
    return faces, order[new]


def _facet_cuts(rows: NDArray[np.float32], simple: Mask, sizes: Indices, dimension: int) -> Mask:
    """On which cuts polyhedra have a facet, (n, cuts), and of equal cuts on the first.

    rows (n, C, cuts): which of their corners are on which; sizes (n,): how many they have.
    """
    counts = rows.sum(axis=1)
    proper = counts < sizes[:, None]
    # Where no more cuts meet than make a corner, each of them has a facet.
    found = proper & (simple[:, None, :].astype(np.float32) @ rows > 0)[:, 0]
    open_ = proper & ~found & (counts >= dimension)
    some = np.flatnonzero(np.any(open_, axis=1))
    if len(some):
        # Others have one iff no larger set of corners is on a cut.
        shared = rows[some].swapaxes(1, 2) @ rows[some]
        own, other = counts[some, :, None], counts[some, None, :]
        inside = (shared == own) & proper[some, None, :]
        earlier = np.tri(rows.shape[2], k=-1, dtype=bool)
        hidden = np.any(inside & ((other > own) | earlier), axis=2)
        found[some] |= open_[some] & ~hidden
    return np.asarray(found)
