"""The limit of the posterior without noise [Lemma 2, Proposition 3, corrected].

As Σx -> 0 in proportion, p(z | x) concentrates where (x - g(z))ᵀ Σx^-1 (x - g(z)) is least, and
where that leaves a choice (flat regions, several regions), where zᵀ Σz^-1 z is. The printed
regulariser zᵀ Σz z has the wrong matrix, and its weight vanishes in the limit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.distributions.observation import Coordinates
from fast.integration.apex import Apex, choose_apex, free_directions
from fast.integration.split import batches
from fast.integration.whitened import Whitened, dots
from fast.partition.layer_maps import Maps, maps_in_turn
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices

# The prior beside the data, in the search for the face that holds the minimiser.
_FAINT = 1e-6
# Singular values below this share of the largest are rounding.
_FLAT = 1e-12
# Singular values of the prior's root on what leaves x alone, below this share of its largest, are
# rounding: that of the directions themselves, _FLAT, with a margin.
_FLAT_PRIOR = 1e-10
# Rounding of the bounds on squared distances, over the size of their terms.
_BOUND = 1e-12
# Rounding of an image A z + b, and of inner products, over the size of their terms.
_EQUAL = 256 * np.finfo(np.float64).eps
# Minimisers farther from a face's corners than this are not moved onto it.
_FAR_FROM_CORNERS = 1e6
# Numbers held at once.
_CHUNK = 1 << 20


class _Candidates(NamedTuple):
    """For pairs of a datum and a region: the minimiser z on the closed region, its image A z + b,
    the size of the terms of that, ‖y - image‖² and zᵀ Σz^-1 z."""

    place: Array
    image: Array
    size: Array
    square: Array
    prior: Array


def zero_noise_latent(
    partition: Partition, coordinates: Coordinates, cov_z: Array, X: Array
) -> Array:
    """The minimiser for each row of X (N, D), (N, S)."""
    y, _ = coordinates.points(X)
    slopes, offsets = _images_of_regions(partition, coordinates)
    search = _Search(partition, slopes, offsets, np.linalg.inv(np.linalg.cholesky(cov_z)))
    result = np.empty((len(X), slopes.shape[2]))
    for part in chunks(len(X), _CHUNK, len(slopes) * max(slopes.shape[1:])):
        result[part] = search.minimisers(y[part])
    return result


def _images_of_regions(partition: Partition, coordinates: Coordinates) -> Maps:
    """y(g(z)) on every region."""
    count, latent = partition.n_regions, partition.network.latent_dimension
    result = Maps(np.empty((count, coordinates.rank, latent)), np.empty((count, coordinates.rank)))
    for some, maps in maps_in_turn(partition.network, partition.codes, coordinates.index):
        result.slopes[some], result.offsets[some] = coordinates.of_maps(maps)
    return result


class _Search:
    """The search over all regions, in coordinates in which the noise is standard."""

    def __init__(
        self, partition: Partition, slopes: Array, offsets: Array, prior_root: Array
    ) -> None:
        self._slopes, self._offsets, self._prior_root = slopes, offsets, prior_root
        count, latent = len(slopes), slopes.shape[2]
        left, values, _ = np.linalg.svd(slopes, full_matrices=False)
        largest = values.max(axis=1, initial=0.0)
        self._range = left * (values > _FLAT * largest[:, None])[:, None, :]
        scale = _FAINT * np.where(largest > 0, largest, 1.0) / np.linalg.norm(prior_root, 2)
        stacked = [slopes, scale[:, None, None] * prior_root]
        basis, self._roots = np.linalg.qr(np.concatenate(stacked, axis=1))
        self._pulls = basis[:, :-latent]
        self._lattices = partition.polyhedra.lattices
        self._group, self._cell = np.full((2, count), -1)
        for i, (regions, _) in enumerate(self._lattices):
            self._group[regions], self._cell[regions] = i, np.arange(len(regions))

    def minimisers(self, y: Array) -> Array:
        """The minimiser for each of y (N, r): on every region that a bound does not rule out."""
        length = dots(y, y)
        terms = length[:, None] + dots(self._offsets, self._offsets)
        away = y[:, None, :] - self._offsets
        along = np.einsum("nrd,rdk->nrk", away, self._range)
        least = np.maximum(dots(away, away) - dots(along, along), 0.0) - _BOUND * terms
        least[:, self._group < 0] = np.inf
        every, best = np.arange(len(y)), least.argmin(axis=1)
        # Of a region thinner than rounding the minimiser is no number.
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._least(y, (every, best), least, length)

    def _least(self, y: Array, best: tuple[Indices, Indices], least: Array, length: Array) -> Array:
        """The minimiser for each of y (N, r), of squared length (N,): on the best regions, and on
        those whose bounds `least` (N, R) they do not rule out."""
        every = best[0]
        first = self._on_regions(y, *best)
        known = first.square + _BOUND * (length + first.size**2)
        # Where a region is too thin for a minimiser nothing is known.
        datum, region = np.nonzero(~(least > known[:, None]) & np.isfinite(least))
        found, starts = self._on_regions(y, datum, region), np.searchsorted(datum, every)
        excess = found.square
        # From one candidate after another: the nearer it is to the best, the less rounds.
        for _ in range(3):
            top = np.lexsort((np.where(np.isnan(excess), np.inf, excess), datum))[starts]
            excess, slack = _excess(y, datum, found, top)
        order = np.lexsort((found.prior, ~(excess <= slack), datum))
        return np.asarray(found.place[order[starts]])

    def _on_regions(self, y: Array, datum: Indices, region: Indices) -> _Candidates:
        """The minimiser of each pair: the face it lies on by a faint prior, then exactly there."""
        latent = self._slopes.shape[2]
        place = np.empty((len(datum), latent))
        for group, (_, lattice) in enumerate(self._lattices):
            mine = np.flatnonzero(self._group[region] == group)
            for batch in batches(lattice, self._cell[region[mine]]):
                chosen = mine[batch]
                r, pull = region[chosen], y[datum[chosen]] - self._offsets[region[chosen]]
                centres = np.einsum("pds,pd->ps", self._pulls[r], pull)
                means = np.linalg.solve(self._roots[r], centres[..., None])[..., 0]
                cells = self._cell[r]
                if lattice.dimension:
                    items = Whitened.of(lattice, cells, self._roots[r], centres, means)
                    apex = choose_apex(items, exact=True)
                    free = free_directions(items, apex)
                    start = _onto_face(items, apex, free)
                else:
                    free = np.broadcast_to(np.eye(latent), (len(chosen), latent, latent))
                    start = means
                place[chosen] = self._polished(start, free, r, pull)
        slopes, offsets = self._slopes[region], self._offsets[region]
        image = np.einsum("pds,ps->pd", slopes, place) + offsets
        size = np.linalg.norm(offsets, axis=1)
        size += np.linalg.norm(np.einsum("pds,ps->pd", np.abs(slopes), np.abs(place)), axis=1)
        residual = y[datum] - image
        white = place @ self._prior_root.T
        return _Candidates(place, image, size, dots(residual, residual), dots(white, white))

    def _polished(self, start: Array, free: Array, regions: Indices, pull: Array) -> Array:
        """The exact minimiser over start + span(free), free (P, S, S) with columns of zeros: first
        of ‖pull - A z‖², then, among its minimisers, of zᵀ Σz^-1 z."""
        slopes = self._slopes[regions] @ free
        away = pull - np.einsum("pds,ps->pd", self._slopes[regions], start)
        left, values, right = np.linalg.svd(slopes, full_matrices=False)
        largest = np.linalg.norm(self._slopes[regions], axis=(1, 2))
        kept = values > _FLAT * largest[:, None]
        inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
        step = np.einsum("pks,pk,pdk,pd->ps", right, inverse, left, away)
        z = start + np.einsum("pst,pt->ps", free, step)
        # What leaves A z alone: the rest of the span.
        flat = free - free @ np.swapaxes(right, 1, 2) @ (kept[:, :, None] * right)
        left, values, right = np.linalg.svd(self._prior_root @ flat)
        kept = values > _FLAT_PRIOR * np.linalg.norm(self._prior_root, 2)
        inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
        back = np.einsum("pku,pk,psk,ps->pu", right, inverse, left, z @ self._prior_root.T)
        return np.asarray(z - np.einsum("pst,pt->ps", flat, back))


def _onto_face(items: Whitened, apex: Apex, free: Array) -> Array:
    """The apexes moved onto the faces they lie in, from which the coordinates of a faint prior left
    them a millionth of a millionth: a point outside its region may be nearer than any inside."""
    lattice, place = items.lattice, apex.place.copy()
    for m in range(lattice.dimension):
        mine = np.flatnonzero(apex.level == m)
        span = lattice.spanning(m)[apex.face[mine]]
        corners = lattice.positions[span] + lattice.small[span]
        away = corners - place[mine, None]
        far = np.where(lattice.points[span], dots(away, away), np.inf)
        off = away[np.arange(len(mine)), far.argmin(axis=1)]
        within = np.einsum("pst,ps->pt", free[mine], off)
        shift = off - np.einsum("pst,pt->ps", free[mine], within)
        # So far from all corners that the shift would be rounding, they stay.
        near = dots(off, off) < _FAR_FROM_CORNERS**2
        place[mine[near]] += shift[near]
    return place


def _excess(y: Array, datum: Indices, found: _Candidates, top: Indices) -> tuple[Array, Array]:
    """‖y - image‖² less that of the candidate `top` (N,) of the same datum, and what rounding may
    have changed it by.

    A difference of squares, (a - b)(a + b): a - b is one of images and does not involve y, so that
    it keeps its digits however far y is. An error of an image counts times a + b, one of y, or of
    the products, times a - b.
    """
    other = top[datum]
    apart = found.image[other] - found.image
    both = 2 * y[datum] - found.image - found.image[other]
    size = found.size + found.size[other]
    blur = _EQUAL * size
    slack = blur * (np.linalg.norm(both, axis=1) + blur)
    far = np.linalg.norm(y, axis=1)[datum] + size
    slack += _EQUAL * np.linalg.norm(apart, axis=1) * far
    return dots(apart, both), slack
