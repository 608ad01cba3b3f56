"""From half-spaces to the polyhedron: what of them matters, its corners, its faces, its lines."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from fast.compensated import heights
from fast.complex import Mask
from fast.faces import faces_of_facets
from fast.lattice import Lattice
from reference.network import Array

# A corner this near to a hyperplane, over the size of the terms, lies on it.
_ON_IT = 64 * np.finfo(np.float64).eps
# Rows of length one nearer to dependent than this count as dependent: no sooner, or the corner far
# away where two hyperplanes meet would be missing, and no later, or one at infinity would be there
# too.
_DEPENDENT = _ON_IT
# Corrections of a corner: each leaves a share of its error, the condition number times ε.
_ROUNDS = 8
# Sets of half-spaces solved at once.
_BATCH = 1 << 14


def lattice_of_halfspaces(
    normals: Array, offsets: Array, at_most: int | None = None
) -> Lattice | None:
    """The polyhedron {z : normals z + offsets > 0}; None where it has no interior.

    normals (F, S), offsets (F,), any of them redundant; zero normals say that all or nothing is
    inside. at_most: what the rank of the normals is known not to exceed. Corners solve their
    facets' equations in twice the working precision. Cost: one small system for every choice of as
    many half-spaces as there are dimensions. Guarded by tests/test_lattice.py.
    """
    sizes = np.max(np.abs(normals), axis=1, initial=0.0)
    if np.any(offsets[sizes == 0] <= 0):
        return None
    normals, offsets = _scaled(normals[sizes > 0], offsets[sizes > 0])
    basis, lines = row_space(normals, at_most)
    if not len(basis):
        nothing = np.empty((0, normals.shape[1]))
        none = np.empty(0, dtype=bool)
        return Lattice(0, nothing, nothing, none, lines[None], (), nothing, np.empty(0))
    vertices, vertices_left = _corners(normals, offsets, basis, at_infinity=False)
    rays, rays_left = _corners(normals, offsets, basis, at_infinity=True)
    positions = np.concatenate([vertices, rays])
    small = np.concatenate([vertices_left, rays_left])
    points = np.arange(len(positions)) < len(vertices)
    values, tolerances = _values(normals, offsets * points[:, None], positions, small)
    on_it = (np.abs(values) <= tolerances).T
    if not len(vertices) or np.any(np.all(on_it, axis=1)):
        return None
    on_it = np.concatenate([on_it, ~points[None]])
    facets = _largest(on_it)
    # The last is the facet at infinity.
    normals = np.concatenate([normals, np.zeros((1, normals.shape[1]))])[facets]
    offsets = np.append(offsets, 1.0)[facets]
    faces = faces_of_facets(on_it[facets], points, len(basis))
    return Lattice(len(basis), positions, small, points, lines[None], faces, normals, offsets)


def _scaled(normals: Array, offsets: Array) -> tuple[Array, Array]:
    """The half-spaces with normals of a size near one; exactly, by powers of two."""
    _, exponents = np.frexp(np.max(np.abs(normals), axis=1, initial=0.0))
    return np.ldexp(normals, -exponents[:, None]), np.ldexp(offsets, -exponents)


def row_space(normals: Array, at_most: int | None = None) -> tuple[Array, Array]:
    """Orthonormal bases (k, S), (S-k, S) of the span of the normals, of a rank known not to exceed
    at_most, and of what is orthogonal."""
    if not len(normals):
        return normals, np.eye(normals.shape[1])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    _, values, basis = np.linalg.svd(normals / lengths, full_matrices=True)
    rank = int(np.sum(values[:at_most] > _DEPENDENT))
    if rank == normals.shape[1]:
        return np.eye(rank), basis[rank:]
    return basis[:rank], basis[rank:]


def _corners(
    normals: Array, offsets: Array, basis: Array, *, at_infinity: bool
) -> tuple[Array, Array]:
    """Every vertex, or every extreme ray, as positions and what rounding left off them (n, S).

    A vertex solves k of the equations and violates none; a ray solves k - 1 of those without
    offsets. Of those on the same half-spaces within rounding, one is kept.
    """
    count, needed = len(normals), len(basis) - at_infinity
    choices = list(combinations(range(count), needed))
    chosen = np.array(choices, dtype=np.intp).reshape(len(choices), needed)
    levels = np.zeros(count) if at_infinity else offsets
    found: dict[bytes, tuple[Array, Array]] = {}
    masks: list[Mask] = []
    for i in range(0, len(chosen), _BATCH):
        rows = normals[chosen[i : i + _BATCH]]
        if at_infinity:
            positions, small = _rays(rows, basis)
        else:
            positions, small = _points(rows, offsets[chosen[i : i + _BATCH]], basis)
        values, tolerances = _values(normals, levels, positions, small)
        on_it = np.abs(values) <= tolerances
        for j in np.flatnonzero(np.all(values >= -tolerances, axis=1)):
            key = on_it[j].tobytes()
            if key not in found:
                found[key] = positions[j], small[j]
                masks.append(on_it[j])
    entries = list(found.values())
    kept = [entries[i] for i in _largest(np.array(masks).reshape(-1, count))]
    shape = len(kept), normals.shape[1]
    return np.reshape([p for p, _ in kept], shape), np.reshape([left for _, left in kept], shape)


def _values(normals: Array, offsets: Array, positions: Array, small: Array) -> tuple[Array, Array]:
    """Heights over every hyperplane, (n, F), offsets (F,) or (n, F); and what of them is
    rounding."""
    offsets = np.broadcast_to(offsets, (len(positions), len(normals)))
    values = heights(normals[None], offsets, positions[:, None], small[:, None])
    sizes = np.abs(normals).T
    tolerances = _ON_IT * (np.abs(positions) @ sizes + np.abs(offsets))
    # A coordinate that is zero has terms of size zero, and is known to rounding of twice the
    # working precision of the others.
    reach = np.max(np.abs(positions), axis=1, initial=0.0)
    return values, tolerances + _ON_IT**2 * reach[:, None] * sizes.sum(axis=0)


def _largest(masks: Mask) -> list[int]:
    """The rows that are in no other row; of equal rows the first."""
    sets = [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]
    return [
        i
        for i, mine in enumerate(sets)
        if not any(mine < other or (mine == other and j < i) for j, other in enumerate(sets))
    ]


def _independent(rows: Array) -> Mask:
    """Which of the matrices (n, m, S), with rows of any length, have independent rows."""
    unit = rows / np.linalg.norm(rows, axis=2, keepdims=True)
    least = np.linalg.svd(unit, compute_uv=False)[:, -1] if rows.shape[1] else np.ones(len(rows))
    return np.asarray(least > _DEPENDENT)


def _points(rows: Array, offsets: Array, basis: Array) -> tuple[Array, Array]:
    """The points of the span of the basis where rows z + offsets = 0; rows (n, k, S)."""
    good = _independent(rows @ basis.T) if len(basis) else np.ones(len(rows), dtype=bool)
    rows, offsets = rows[good], offsets[good]
    reduced = rows @ basis.T
    positions = -np.linalg.solve(reduced, offsets[..., None])[..., 0] @ basis
    small = np.zeros_like(positions)
    for _ in range(_ROUNDS):
        left = heights(rows, offsets, positions[:, None], small[:, None])
        small = small - np.linalg.solve(reduced, left[..., None])[..., 0] @ basis
        positions, small = positions + small, small - ((positions + small) - positions)
    return positions, small


def _rays(rows: Array, basis: Array) -> tuple[Array, Array]:
    """Both unit directions within the span of the basis on which rows (n, k-1, S) vanish."""
    reduced = rows @ basis.T
    good = _independent(reduced) if reduced.shape[1] else np.ones(len(rows), dtype=bool)
    rows, reduced = rows[good], reduced[good]
    _, _, spaces = np.linalg.svd(reduced, full_matrices=True)
    directions = spaces[:, -1:, :]
    square = np.concatenate([reduced, directions], axis=1)
    positions = directions[:, 0] @ basis
    small = np.zeros_like(positions)
    left = np.zeros(square.shape[:2])
    left[:, :-1] = heights(rows, np.zeros(rows.shape[:2]), positions[:, None], small[:, None])
    small = -np.linalg.solve(square, left[..., None])[..., 0] @ basis
    return np.concatenate([positions, -positions]), np.concatenate([small, -small])
