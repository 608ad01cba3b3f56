"""From half-spaces to the polyhedron: what of them matters, its corners, its faces, its lines."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

from fast.polyhedra.chunks import chunks
from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.face_tables import faces_of_facets
from reference.model import Array, Mask

# A corner this near to a hyperplane, over the size of the terms, lies on it.
_ON_IT = 64 * np.finfo(np.float64).eps
# Rows of length one nearer to dependent than this count as dependent: no sooner, or the corner far
# away where two hyperplanes meet would be missing, and no later, or one at infinity would be there
# too.
_DEPENDENT = _ON_IT
# Corrections of a corner: each leaves a share of its error, the condition number times ε.
_ROUNDS = 8
# What is left of a number kept in twice the working precision, over its size.
_DOUBLED = np.finfo(np.float64).eps ** 2
# What is known of a coordinate no better than so many times this does not tell it from 0.
_MARGIN = 4.0
# Sets of half-spaces solved at once.
_BATCH = 1 << 14


class _Corners(NamedTuple):
    """Vertices or rays: positions and what rounding left off them (n, S), and how far off the sum
    of both may still be, by coordinate: where one is 0 that is all there is to tell it by."""

    positions: Array
    small: Array
    doubt: Array


def lattice_of_halfspaces(
    normals: Array, offsets: Array, at_most: int | None = None
) -> Lattice | None:
    """The polyhedron {z : normals z + offsets > 0}; None where it has no interior.

    normals (F, S), offsets (F,), any of them redundant; zero normals say that all or nothing is
    inside. at_most: what the rank of the normals is known not to exceed. Corners solve their
    facets' equations in twice the working precision. Cost: one small system for every choice of as
    many half-spaces as there are dimensions. Raises ArithmeticError where one is farther away than
    any double. Guarded by tests/polyhedra/test_lattice.py.
    """
    sizes = np.max(np.abs(normals), axis=1, initial=0.0)
    if np.any(offsets[sizes == 0] <= 0):
        return None
    normals, offsets = _scaled(normals[sizes > 0], offsets[sizes > 0])
    basis, lines = row_space(normals, at_most)
    if not len(basis):
        nothing = np.empty((0, normals.shape[1]))
        none = np.empty(0, dtype=bool)
        return Lattice(
            dimension=0,
            positions=nothing,
            small=nothing,
            points=none,
            lines=lines[None],
            faces=(),
            normals=nothing,
            offsets=np.empty(0),
        )
    vertices = _corners(normals, offsets, basis, at_infinity=False)
    rays = _corners(normals, offsets, basis, at_infinity=True)
    corners = _Corners(*(np.concatenate(pair) for pair in zip(vertices, rays, strict=True)))
    points = np.arange(len(corners.positions)) < len(vertices.positions)
    values, tolerances = _values(normals, offsets * points[:, None], corners)
    on_it = (np.abs(values) <= tolerances).T
    if not np.any(points) or np.any(np.all(on_it, axis=1)):
        return None
    on_it = np.concatenate([on_it, ~points[None]])
    facets = _largest(on_it)
    # The last is the facet at infinity.
    normals = np.concatenate([normals, np.zeros((1, normals.shape[1]))])[facets]
    offsets = np.append(offsets, 1.0)[facets]
    faces = faces_of_facets(on_it[facets], points, len(basis))
    return Lattice(
        dimension=len(basis),
        positions=corners.positions,
        small=corners.small,
        points=points,
        lines=lines[None],
        faces=faces,
        normals=normals,
        offsets=offsets,
    )


def _scaled(normals: Array, offsets: Array) -> tuple[Array, Array]:
    """The half-spaces with normals of a size near one; exactly, by powers of two. Without those
    that hold wherever a double reaches."""
    _, exponents = np.frexp(np.max(np.abs(normals), axis=1, initial=0.0))
    with np.errstate(over="ignore"):
        distances = np.ldexp(offsets, -exponents)
    if np.any(distances == -np.inf):
        raise ArithmeticError("offsets: a half-space is farther away than the largest double")
    near = distances < np.inf
    return np.ldexp(normals, -exponents[:, None])[near], distances[near]


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


def _corners(normals: Array, offsets: Array, basis: Array, *, at_infinity: bool) -> _Corners:
    """Every vertex, or every extreme ray.

    A vertex solves k of the equations and violates none; a ray solves k - 1 of those without
    offsets. Of those on the same half-spaces within rounding, one is kept.
    """
    count, needed = len(normals), len(basis) - at_infinity
    choices = list(combinations(range(count), needed))
    chosen = np.array(choices, dtype=np.intp).reshape(len(choices), needed)
    levels = np.zeros(count) if at_infinity else offsets
    found: dict[bytes, tuple[Array, Array, Array]] = {}
    masks: list[Mask] = []
    for some in chunks(len(chosen), _BATCH):
        rows = normals[chosen[some]]
        corners = _rays(rows, basis) if at_infinity else _points(rows, offsets[chosen[some]], basis)
        values, tolerances = _values(normals, levels, corners)
        on_it = np.abs(values) <= tolerances
        for j in np.flatnonzero(np.all(values >= -tolerances, axis=1)):
            key = on_it[j].tobytes()
            if key not in found:
                found[key] = corners.positions[j], corners.small[j], corners.doubt[j]
                masks.append(on_it[j])
    entries = list(found.values())
    kept = [entries[i] for i in _largest(np.array(masks).reshape(-1, count))]
    return _Corners(*np.reshape(kept, (len(kept), 3, normals.shape[1])).swapaxes(0, 1))


def _values(normals: Array, offsets: Array, corners: _Corners) -> tuple[Array, Array]:
    """Heights over every hyperplane, (n, F), offsets (F,) or (n, F); and what of them is
    rounding."""
    positions, small, doubt = corners
    offsets, sizes = np.broadcast_to(offsets, (len(positions), len(normals))), np.abs(normals).T
    values = heights(normals[None], offsets, positions[:, None], small[:, None])
    rounding = _ON_IT * (np.abs(positions) @ sizes + np.abs(offsets))
    return values, rounding + _MARGIN * (doubt @ sizes)


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


def _points(rows: Array, offsets: Array, basis: Array) -> _Corners:
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
    return _with_doubt(rows, offsets, reduced, basis, positions, small)


def _rays(rows: Array, basis: Array) -> _Corners:
    """Both unit directions within the span of the basis on which rows (n, k-1, S) vanish, side by
    side: the order of what is found then does not depend on how many are solved for at once."""
    reduced = rows @ basis.T
    good = _independent(reduced) if reduced.shape[1] else np.ones(len(rows), dtype=bool)
    rows, reduced = rows[good], reduced[good]
    _, _, spaces = np.linalg.svd(reduced, full_matrices=True)
    directions = spaces[:, -1:, :]
    square = np.concatenate([reduced, directions], axis=1)
    positions = directions[:, 0] @ basis
    small = np.zeros_like(positions)
    none, left = np.zeros(rows.shape[:2]), np.zeros(square.shape[:2])
    left[:, :-1] = heights(rows, none, positions[:, None], small[:, None])
    small = -np.linalg.solve(square, left[..., None])[..., 0] @ basis
    rays = _with_doubt(rows, none, square, basis, positions, small)
    return _Corners(
        _with_opposites(rays.positions),
        _with_opposites(rays.small),
        np.repeat(rays.doubt, 2, axis=0),
    )


def _with_opposites(directions: Array) -> Array:
    """Each direction (n, S) and its opposite after it, (2n, S)."""
    return np.stack([directions, -directions], axis=1).reshape(-1, directions.shape[1])


def _with_doubt(
    rows: Array, offsets: Array, reduced: Array, basis: Array, positions: Array, small: Array
) -> _Corners:
    """Solutions of rows z + offsets = 0 with how far off they are: by what is left of the
    equations, and by what does not show in it. reduced (n, k, k): the matrices solved, whose first
    rows these are."""
    left = np.zeros(reduced.shape[:2])
    sizes = np.einsum("nfs,ns->nf", np.abs(rows), np.abs(positions)) + np.abs(offsets)
    seen = np.abs(heights(rows, offsets, positions[:, None], small[:, None]))
    left[:, : rows.shape[1]] = seen + _DOUBLED * sizes
    doubt = np.einsum("nij,nj->ni", np.abs(np.linalg.inv(reduced)), left) @ np.abs(basis)
    return _Corners(positions, small, doubt)
