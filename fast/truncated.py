"""Gaussians truncated to polyhedra: mass, mean, covariance and entropy, however far in the tail
[Lemma 4, Appendix B].

A polyhedron is split into simplices that meet at its apex, near where the density is largest. All
are added, none subtracted [eq. 9]: Lemma 4's inclusion-exclusion, which cancels in the tail, is not
needed. Relative to the density at the apex nothing is large or small.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.complex import Indices, Mask
from fast.gaussian import LOG_2PI
from fast.nearest import Apex, Level, Whitened, choose_apex, dots, nearest_points
from fast.simplices import Rule, simplex_moments
from reference.network import Array

#: Beyond, the simplices of a polyhedron are too many for any of the rules.
MOST_DIMENSIONS = 6
# For every k >= 4 a rule coarser than the one used: the difference tells the error.
_COARSER = {4: Rule(12, 12, 35.0), 5: Rule(8, 8, 25.0), 6: Rule(6, 6, 20.0)}
#: Accuracy of log masses by dimension, in max(1, |log mass|), beside what coarse rules add.
ACCURACY = (1e-15, 3e-14, 1e-12, 1e-10, 1e-10, 1e-10, 1e-10)


class Truncated(NamedTuple):
    """One Gaussian on one polyhedron an item.

    peak (I, S): the apex, a point of the polyhedron at or near its largest density. square (I,):
    |u|² there. log_volume (I,): log of the mass over the density at the peak, by z. mean (I, S),
    cov (I, S, S), entropy (I,) of the truncated Gaussian.
    """

    peak: Array
    square: Array
    log_volume: Array
    mean: Array
    cov: Array
    entropy: Array


class Simplices(NamedTuple):
    """The simplices of all items: item (K,), corners (K, k, k) from the apex, whitened, finite
    (K, k), volume (K,): |det| of the corners; slopes (K, k) and gram (K, k, k) of the exponent."""

    item: Indices
    corners: Array
    finite: Mask
    volume: Array
    slopes: Array
    gram: Array


def split(items: Whitened, apex: Apex) -> Simplices:
    """Split every item's polyhedron at its apex [eq. 9]."""
    lattice = items.lattice
    if not lattice.dimension:
        nothing = np.empty((0, 0, 0))
        return Simplices(
            np.empty(0, dtype=np.intp),
            nothing,
            np.empty((0, 0), dtype=bool),
            np.empty(0),
            np.empty((0, 0)),
            nothing,
        )
    levels = nearest_points(items, apex.origin)
    chains, links = lattice.chains
    entries, item = chains.entries(items.cells)
    links = links[chains.values[entries]]
    places = [
        levels[m].starts[item] + links[:, lattice.dimension - 1 - m]
        for m in range(lattice.dimension - 1, -1, -1)
    ]
    faces = [levels[m] for m in range(lattice.dimension - 1, -1, -1)]
    corners = np.stack([f.vectors[at] for f, at in zip(faces, places, strict=True)], axis=1)
    finite = np.stack([f.finite[at] for f, at in zip(faces, places, strict=True)], axis=1)
    if lattice.dimension == 1:
        volume = np.abs(corners[:, 0, 0])
    elif lattice.dimension == 2:
        volume = _areas(items, apex, item, corners, faces, places)
    else:
        volume = np.abs(np.linalg.det(corners))
    kept = volume > 0
    item, corners, finite = item[kept], corners[kept], finite[kept]
    slopes = np.einsum("nij,nj->ni", corners, apex.whitened[item])
    gram = corners @ np.swapaxes(corners, 1, 2)
    return Simplices(item, corners, finite, volume[kept], slopes, gram)


def _areas(
    items: Whitened,
    apex: Apex,
    item: Indices,
    corners: Array,
    faces: list[Level],
    places: list[Indices],
) -> Array:
    """For k = 2: the apex's distance from the edge times the length along it, both accurate for
    needles and slabs; from the corners where the edge is at infinity."""
    facet_entries, owner = items.lattice.facets.entries(items.cells)
    normals = np.einsum("nsk,ns->nk", items.inverses[owner], items.lattice.normals[facet_entries])
    lengths = np.sqrt(dots(normals, normals))
    edge, corner = places
    height = apex.heights[edge] / np.where(lengths > 0, lengths, 1.0)[edge]
    bounded = items.lattice.points[faces[0].other[edge]]
    end = faces[1].corner[corner]
    share = faces[0].share[edge]
    share = np.where(end == faces[0].corner[edge], share, 1.0 - share)
    length = np.where(faces[1].finite[corner], share * faces[0].lengths[edge], 1.0)
    at_corner = ~bounded & (end == faces[0].corner[edge])
    length = np.where(at_corner, (faces[0].share * faces[0].lengths)[edge], length)
    crossed = corners[:, 0, 0] * corners[:, 1, 1] - corners[:, 0, 1] * corners[:, 1, 0]
    return np.where(faces[0].finite[edge], height * length, np.abs(crossed))


def truncate(items: Whitened) -> Truncated:
    """The truncated Gaussian of every item. Accuracy: tests/test_polyhedra.py."""
    return truncate_with_error(items)[0]


def truncate_with_error(items: Whitened) -> tuple[Truncated, Array]:
    """The same, and what a coarse rule adds to the error of log_volume, (I,): 0 for k <= 3, where
    all digits are there, else the difference to a coarser one."""
    k = items.lattice.dimension
    if k == 0:
        return _everywhere(items), np.zeros(len(items.cells))
    apex = choose_apex(items)
    parts = split(items, apex)
    moments = simplex_moments(parts.slopes, parts.gram, parts.finite)
    found = assemble(items, apex, parts, moments)
    if k not in _COARSER:
        return found, np.zeros(len(items.cells))
    moments = simplex_moments(parts.slopes, parts.gram, parts.finite, _COARSER[k])
    coarse = assemble(items, apex, parts, moments)
    return found, np.abs(found.log_volume - coarse.log_volume)


def _everywhere(items: Whitened) -> Truncated:
    """Gaussians on all of space."""
    count, _, n_free = items.free.shape
    log_volume = 0.5 * n_free * LOG_2PI + items.log_scale
    cov = items.free @ np.swapaxes(items.free, 1, 2)
    entropy = log_volume + 0.5 * n_free
    return Truncated(items.means, np.zeros(count), log_volume, items.means, cov, entropy)


def assemble(items: Whitened, apex: Apex, parts: Simplices, moments: Array) -> Truncated:
    """The moments of the items from those of their simplices (K, k+1, k+1)."""
    count, k = len(items.cells), items.maps.shape[1]
    masses = parts.volume * moments[:, 0, 0]
    total = np.bincount(parts.item, weights=masses, minlength=count)
    share = masses / total[parts.item]
    within = moments[:, 1:, 1:] / moments[:, :1, :1]
    weights = moments[:, 0, 1:] / moments[:, 0, :1]
    mean = np.einsum("ni,nij->nj", weights, parts.corners)
    expected = dots(parts.slopes, weights) + 0.5 * np.einsum("nij,nij->n", parts.gram, within)
    shift = _sums(share[:, None] * mean, parts.item, count)
    spread = within - weights[:, :, None] * weights[:, None, :]
    inner = np.swapaxes(parts.corners, 1, 2) @ spread @ parts.corners
    away = mean - shift[parts.item]
    inner += away[:, :, None] * away[:, None, :]
    cov = _sums((share[:, None, None] * inner).reshape(-1, k * k), parts.item, count)
    cov = cov.reshape(-1, k, k)

    free = items.free
    back = items.inverses @ cov @ np.swapaxes(items.inverses, 1, 2)
    back = back + free @ np.swapaxes(free, 1, 2)
    n_free = free.shape[2]
    log_volume = np.log(total) + 0.5 * n_free * LOG_2PI + items.log_scale
    return Truncated(
        peak=apex.place,
        square=dots(apex.whitened, apex.whitened),
        log_volume=log_volume,
        mean=apex.place + np.einsum("nsk,nk->ns", items.inverses, shift),
        cov=0.5 * (back + np.swapaxes(back, 1, 2)),
        entropy=log_volume + np.bincount(parts.item, share * expected, count) + 0.5 * n_free,
    )


def _sums(rows: Array, item: Indices, count: int) -> Array:
    return np.stack([np.bincount(item, weights=c, minlength=count) for c in rows.T], axis=1)
