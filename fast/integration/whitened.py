"""Gaussians on polyhedra in coordinates in which they are standard, and where things lie there."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
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
            count = latent - k
            others = np.linalg.qr(lines, mode="complete")[0][:, :, count:]
            turned, sizes = _lines_first(maps @ np.concatenate([lines, others], axis=2), count)
            along = np.swapaxes(turned[:, :, :count], 1, 2) @ maps
            # Not by the inverses: what rounding would leave of a line across the polyhedron may be
            # as large as all that lies across.
            free = lines @ np.linalg.inv(sizes[:, :count, :count])
            # Nor turned: a row as large as the largest would lose what lies across that.
            maps = sizes[:, count:, count:] @ np.swapaxes(others, 1, 2)
            inverses = others - free @ sizes[:, :count, count:]
            inverses = inverses @ np.linalg.inv(sizes[:, count:, count:])
            centres = np.einsum("nij,ni->nj", turned[:, :, count:], centres)
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

    @staticmethod
    def of_posteriors(
        lattice: Lattice, cells: Indices, roots: Array, pulls: Array, away: Array
    ) -> Whitened:
        """Gaussians of z that are standard in R z - Qᵀ (y - b): roots (I, S, S) = R, pulls
        (I, r, S) = Q, away (I, r) = y - b."""
        centres: Array = (away[:, None] @ pulls)[:, 0]
        means = np.asarray(np.linalg.solve(roots, centres[..., None])[..., 0], dtype=np.float64)
        return Whitened.of(lattice, cells, roots, centres, means)

    def at(self, rows: Indices) -> Whitened:
        """Some of the items."""
        names = [field.name for field in fields(Whitened) if field.name != "lattice"]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def across(self, steps: Array, owner: Indices) -> Array:
        """Steps in z (n, S) of items (n,) without what of them is along the lines."""
        if not self.free.shape[2]:
            return steps
        return steps - apply(self.free[owner], apply(self.along[owner], steps))


def triangular(matrices: Array) -> tuple[Array, Array]:
    """Q (R, m, n) and R (R, n, n) of matrices (R, m, n), m >= n.

    The largest rows first: then an error in a small row is as small as the row (Cox and Higham
    1998), where in any order it may be ε times the largest. Rows of Σx^{-1/2} A_ω differ by 1e8 if
    Σx is nearly singular.
    """
    # Column by column: numpy is slow along so short an axis.
    sizes = np.abs(matrices[:, :, 0])
    for column in np.moveaxis(matrices, 2, 0)[1:]:
        np.maximum(sizes, np.abs(column), out=sizes)
    order = np.argsort(-sizes, axis=1, kind="stable")
    every = np.arange(len(matrices))[:, None]
    basis, roots = np.linalg.qr(matrices[every, order])
    unsorted = np.empty_like(basis)
    unsorted[every, order] = basis
    return unsorted, roots


def _lines_first(matrices: Array, count: int) -> tuple[Array, Array]:
    """Q and R of matrices (n, S, S) of which the first columns, so many, are the polyhedra's lines.

    Each line by the row in which it is largest. Rows across the lines may be larger by 1e8: mixed
    into the others, as by a reflection on any of them, they would leave these no digits.
    """
    size, every = matrices.shape[1], np.arange(len(matrices))
    rows, basis = matrices.copy(), np.broadcast_to(np.eye(size), matrices.shape).copy()
    for j in range(count):
        mirror = rows[:, :, j].copy()
        mirror[:, :j] = 0.0
        pivot = np.argmax(np.abs(mirror), axis=1)
        mirror[every, pivot] += np.copysign(np.linalg.norm(mirror, axis=1), mirror[every, pivot])
        mirror /= np.linalg.norm(mirror, axis=1)[:, None]
        rows -= 2.0 * mirror[:, :, None] * np.einsum("ni,nij->nj", mirror, rows)[:, None]
        basis -= 2.0 * np.einsum("nij,nj->ni", basis, mirror)[:, :, None] * mirror[:, None]
        order = np.tile(np.arange(size), (len(rows), 1))
        order[every, pivot], order[:, j] = j, pivot
        rows = np.take_along_axis(rows, order[:, :, None], axis=1)
        basis = np.take_along_axis(basis, order[:, None], axis=2)
    if count == size:
        return basis, rows
    turn, rows[:, count:, count:] = triangular(rows[:, count:, count:])
    basis[:, :, count:] = basis[:, :, count:] @ turn
    return basis, rows


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
