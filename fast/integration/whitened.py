"""Gaussians on polyhedra in coordinates in which they are standard, and where things lie there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices


@dataclass(frozen=True, eq=False)
class Whitened:
    """Gaussians on polyhedra of a lattice, one an item.

    u = M (z - base) - m is standard normal, and z = mean + inverses u + free v with v standard
    normal along the polyhedron's lines: of a step in z, v is along times it.
    """

    lattice: Lattice
    cells: Indices  # (I,): the polyhedron of each item
    maps: Array  # (I, k, S): M
    base: Array  # (I, S): where the mean is a double itself, it; else 0
    centres: Array  # (I, k): m
    means: Array  # (I, S): the Gaussian's mean
    inverses: Array  # (I, S, k)
    free: Array  # (I, S, S-k)
    along: Array  # (I, S-k, S)
    log_scale: Array  # (I,): log of the volume of z for one of (u, v)

    @staticmethod
    def of(
        lattice: Lattice, cells: Indices, maps: Array, centres: Array | None, means: Array
    ) -> Whitened:
        """From maps (I, S, S), centres (I, S) of all of z: its lines are turned to the end. Without
        centres the means are doubles, from which all is measured."""
        base = means if centres is None else np.zeros_like(means)
        centres = np.zeros_like(means) if centres is None else centres
        inverses = np.linalg.inv(maps).astype(np.float64)
        log_scale = np.asarray(-np.linalg.slogdet(maps)[1], dtype=np.float64)
        k, latent = lattice.dimension, maps.shape[-1]
        free, along = np.empty((len(cells), latent, 0)), np.empty((len(cells), 0, latent))
        if k < latent:
            lines = np.swapaxes(lattice.lines[cells], 1, 2)
            turned, sizes = np.linalg.qr(maps @ lines, mode="complete")
            across, sizes = turned[:, :, latent - k :], sizes[:, : latent - k]
            along = np.swapaxes(turned[:, :, : latent - k], 1, 2) @ maps
            # Not by the inverses: what rounding would leave of a line across the polyhedron may be
            # as large as all that lies across.
            free = lines @ np.linalg.inv(sizes)
            maps, inverses = np.swapaxes(across, 1, 2) @ maps, inverses @ across
            centres = np.einsum("nij,ni->nj", across, centres)
        return Whitened(
            lattice=lattice,
            cells=cells,
            maps=maps,
            base=base,
            centres=centres,
            means=means,
            inverses=inverses,
            free=free,
            along=along,
            log_scale=log_scale,
        )

    def across(self, steps: Array, owner: Indices) -> Array:
        """Steps in z (n, S) of items (n,) without what of them is along the lines."""
        if not self.free.shape[2]:
            return steps
        return steps - apply(self.free[owner], apply(self.along[owner], steps))


class Origin(NamedTuple):
    """One point of each item's polyhedron that others are measured from: u(z) - u(origin) =
    M (z - base - small) - step. base, small (I, S): the point in two parts, or 0; step (I, k):
    u there in the latter case, else 0."""

    base: Array
    small: Array
    step: Array


def dots(a: Array, b: Array) -> Array:
    """Inner products of rows."""
    return np.asarray(np.einsum("...i,...i->...", a, b))


def apply(maps: Array, vectors: Array) -> Array:
    """Each matrix times its vector."""
    return np.asarray(np.einsum("...ij,...j->...i", maps, vectors))


def expanded(items: Whitened, m: int) -> tuple[Indices, Indices, Indices]:
    """Every item's faces of dimension m: which, of which item, and where each item's begin."""
    of_cells = items.lattice.faces[m].of_cells
    entries, owner = of_cells.entries(items.cells)
    starts = np.concatenate([[0], np.cumsum(of_cells.counts[items.cells])])
    return of_cells.values[entries], owner, starts


def relative(items: Whitened, origin: Origin, corners: Indices, owner: Indices) -> Array:
    """Corners of items measured from their origin; directions as they are."""
    lattice = items.lattice
    points = lattice.points[corners][:, None]
    away = lattice.positions[corners] - np.where(points, origin.base[owner], 0.0)
    away += lattice.small[corners] - np.where(points, origin.small[owner], 0.0)
    return apply(items.maps[owner], away) - np.where(points, origin.step[owner], 0.0)
