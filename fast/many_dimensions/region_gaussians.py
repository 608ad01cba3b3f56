"""p(x, z) on regions as Gaussians in z [Theorem 1]: formed when first asked for, and kept.

The maps of all regions together may take more memory than there is, and data have their posteriors
on some of them. Regions are formed in blocks of such as lie near each other. A block is always
formed as a whole, so that what is computed of a region does not depend on what was asked before.
"""

from __future__ import annotations

from threading import RLock
from typing import NamedTuple

import numpy as np

from fast.distributions.observation import Coordinates, refuse_steep
from fast.integration.interval import LOG_2PI
from fast.integration.whitened import triangular
from fast.partition.layer_maps import Maps, maps_to
from fast.partition.partition import Partition
from reference.model import Array, Indices

# Regions formed at once.
_BLOCK = 32
# Numbers that are kept, unless more are asked for at once: three quarters of a gigabyte.
_KEPT = 11 << 23


class Gaussians(NamedTuple):
    """p(x, z) on n regions: y(g(z)) = slopes z + offsets, and in u = R_ω z - Q_ωᵀ (y - offsets) it
    is standard, with Q_ω R_ω the QR factors of A_ω over Σz^{-1/2}."""

    slopes: Array  # (n, r, S)
    offsets: Array  # (n, r)
    roots: Array  # (n, S, S): R_ω
    pulls: Array  # (n, r, S): the upper part of Q_ω
    log_volumes: Array  # (n,): log of the integral of the standard Gaussian over z


class RegionGaussians:
    """Those of a partition, by region; order (R,): all regions, near ones one after another."""

    def __init__(
        self, partition: Partition, coordinates: Coordinates, prior_root: Array, order: Indices
    ) -> None:
        self.partition, self.coordinates, self.prior_root = partition, coordinates, prior_root
        self._order, self._place = order, np.argsort(order)
        self._slot_of = np.full(-(-len(order) // _BLOCK), -1)
        self._used = 0
        self._known = self._room(0)
        self._lock = RLock()

    def __reduce__(self) -> tuple[object, ...]:
        """All but what is kept, which is found again."""
        return RegionGaussians, (self.partition, self.coordinates, self.prior_root, self._order)

    def form(self, regions: Indices) -> Gaussians:
        """The Gaussians of some regions, (n,), which are not kept.

        Raises ArithmeticError where a squared slope overflows.
        """
        network, codes = self.partition.network, self.partition.codes[regions]
        return self.of_maps(maps_to(network, codes, self.coordinates.index))

    def of_maps(self, maps: Maps) -> Gaussians:
        """From the maps of z to the input of the layer from which the coordinates start.

        Raises ArithmeticError where a squared slope overflows.
        """
        slopes, offsets = self.coordinates.of_maps(maps)
        refuse_steep(slopes)
        return gaussians(slopes, offsets, self.prior_root)

    def take(self, name: str, regions: Indices | int) -> Array:
        """One of the fields of `Gaussians`, for regions of any shape."""
        with self._lock:
            places = self._place[regions]
            blocks = np.unique(places // _BLOCK)
            missing = blocks[self._slot_of[blocks] < 0]
            if len(missing):
                self._make_room(blocks, missing)
                for block in blocks[self._slot_of[blocks] < 0].tolist():
                    self._add(block)
            slots = self._slot_of[places // _BLOCK] * _BLOCK + places % _BLOCK
            return np.asarray(getattr(self._known, name)[slots])

    def _make_room(self, blocks: Indices, missing: Indices) -> None:
        """Memory for missing blocks among some, which is taken as it is written to."""
        room = len(self._known.offsets) // _BLOCK
        if self._used + len(missing) <= room:
            return
        # All is given up, rather than what was used least: what is asked for next is near it.
        self._slot_of[:], self._used = -1, 0
        rank, latent, count = self.coordinates.rank, len(self.prior_root), len(self._slot_of)
        most = _KEPT // (_BLOCK * (rank * (2 * latent + 1) + latent**2 + 1))
        if len(blocks) > room or not room:
            self._known = self._room(max(len(blocks), min(most, count)))

    def _room(self, blocks: int) -> Gaussians:
        rank, latent, count = self.coordinates.rank, len(self.prior_root), blocks * _BLOCK
        return Gaussians(
            slopes=np.empty((count, rank, latent)),
            offsets=np.empty((count, rank)),
            roots=np.empty((count, latent, latent)),
            pulls=np.empty((count, rank, latent)),
            log_volumes=np.empty(count),
        )

    def _add(self, block: int) -> None:
        found = self.form(self._order[block * _BLOCK : (block + 1) * _BLOCK])
        start = self._used * _BLOCK
        for old, new in zip(self._known, found, strict=True):
            old[start : start + len(new)] = new
        # In this order: ended by Ctrl-C in between, a slot is lost and none is used twice.
        slot, self._used = self._used, self._used + 1
        self._slot_of[block] = slot


class Column:
    """One of the fields of `Gaussians`, which is read as an array with a row for each region."""

    def __init__(self, gaussians: RegionGaussians, name: str) -> None:
        self._gaussians, self._name = gaussians, name

    def __getitem__(self, regions: Indices | int) -> Array:
        """The rows of regions, of any shape."""
        return self._gaussians.take(self._name, regions)


def gaussians(slopes: Array, offsets: Array, prior_root: Array) -> Gaussians:
    """From maps to y, slopes (n, r, S) and offsets (n, r), and Σz^{-1/2}."""
    count, _, latent = slopes.shape
    prior = np.broadcast_to(prior_root, (count, latent, latent))
    basis, roots = triangular(np.concatenate([slopes, prior], axis=1))
    diagonals = np.abs(np.einsum("rss->rs", roots))
    return Gaussians(
        slopes=slopes,
        offsets=offsets,
        roots=roots,
        pulls=np.ascontiguousarray(basis[:, :-latent]),
        log_volumes=0.5 * latent * LOG_2PI - np.log(diagonals).sum(axis=1),
    )
