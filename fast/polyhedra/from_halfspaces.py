"""From half-spaces to the polyhedron: what of them matters, its corners, its faces, its lines."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from scipy.linalg import qr

from fast.polyhedra.exact_corners import ExactCorners, exact_corners
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.face_tables import faces_of_facets
from fast.polyhedra.integer_rows import (
    direction_in_doubles,
    in_doubles,
    in_lowest_terms,
    independent_rows,
    integer_rows,
    orthogonal_complement,
    tightest,
)
from reference.model import Array, Integers, Mask

Kind = Literal["full", "flat", "empty"]
_NO_CORNERS = ExactCorners(np.empty((0, 1), dtype=object), np.empty((1, 0), dtype=bool))


class _Solved(NamedTuple):
    """What bounds a polyhedron, and its corners in the span of its normals."""

    normals: Array  # (F, S), of a size near one
    offsets: Array
    basis: Integers  # (k, S): a point (y, t) of the corners is at yᵀ basis / t
    lines: Array  # (S-k, S)
    exact: ExactCorners


def lattice_of_halfspaces(
    normals: Array,
    offsets: Array,
    at_most: int | None = None,
    rows: Integers | None = None,
) -> Lattice | None:
    """The polyhedron {z : normals z + offsets > 0}; None where it has no interior.

    normals (F, S), offsets (F,), any of them redundant; zero normals say that all or nothing is
    inside. at_most: what the rank of the normals is known not to exceed, though rounding may have
    raised it: then what is orthogonal to the span of so many of them counts as lines. rows
    (F, S + 1): normals and offsets in integers, each up to a positive factor, where the doubles are
    rounded: then these decide. Which corners
    there are and on which boundaries is decided exactly, for the doubles as they are; positions
    have twice the precision of a double. Cost: that of `exact_corners`. Raises ArithmeticError
    where a corner is farther away than any double. Guarded by tests/polyhedra/test_lattice.py and
    tests/polyhedra/test_exact_corners.py.
    """
    holds_nowhere, _ = _without_normal(normals, offsets)
    if holds_nowhere:
        return None
    if rows is None:
        rows = integer_rows(np.column_stack([normals, offsets]))
    solved = _solved(normals, offsets, rows, at_most)
    if not len(solved.basis):
        return _everything(solved.lines)
    corners, on_it = solved.exact
    points = np.array([t > 0 for t in corners[:, -1].tolist()], dtype=bool)
    if not np.any(points) or np.any(np.all(on_it, axis=1)):
        return None
    order = np.argsort(~points, kind="stable")
    points, on_it = points[order], on_it[:, order]
    places = np.column_stack([corners[:, :-1] @ solved.basis, corners[:, -1]])
    positions, small = in_doubles(places[order])
    facets = _largest(on_it)
    # The last is the facet at infinity.
    own = np.concatenate([solved.normals, np.zeros((1, normals.shape[1]))])[facets]
    return Lattice(
        dimension=len(solved.basis),
        positions=positions,
        small=small,
        points=points,
        lines=solved.lines[None],
        faces=faces_of_facets(on_it[facets], points, len(solved.basis)),
        normals=own,
        offsets=np.append(solved.offsets, 1.0)[facets],
    )


def kind_of_set(normals: Array, offsets: Array) -> Kind:
    """Whether {z : normals z + offsets > 0} has points; where it has none, whether the closed
    half-spaces have some in common, "flat", or none, "empty"; exactly.

    normals (F, S), offsets (F,). Cost: that of `exact_corners`. Guarded by
    tests/polyhedra/test_exact_corners.py and tests/integration/test_kinds_of_sets.py.
    """
    no_interior, no_points = _without_normal(normals, offsets)
    if no_points:
        return "empty"
    bounding = np.any(normals, axis=1)
    basis, _ = row_space(normals[bounding], integer_rows(normals[bounding]))
    if len(basis):
        rows = integer_rows(np.column_stack([normals, offsets])[bounding])
        _, on_it = exact_corners(_in_span(rows[tightest(rows)], basis))
        # No corner is a point; or one hyperplane has all of them.
        if np.all(on_it[-1]):
            return "empty"
        no_interior |= bool(np.any(np.all(on_it, axis=1)))
    return "flat" if no_interior else "full"


def row_space(normals: Array, rows: Integers, at_most: int | None = None) -> tuple[Integers, Array]:
    """Independent rows that span the normals (F, S), (k, S), of the same in integers, rows (F, S);
    and an orthonormal basis of what is orthogonal to them, (S-k, S). k is the exact rank, or
    at_most if that is less: then the rows are those farthest from dependent."""
    dimension = normals.shape[1]
    chosen = independent_rows(rows)
    if len(chosen) == dimension and (at_most is None or at_most >= dimension):
        return integer_rows(np.eye(dimension)), np.empty((0, dimension))
    if at_most is not None and at_most < len(chosen):
        lengths = np.linalg.norm(normals, axis=1)
        _, order = qr((normals / lengths[:, None]).T, mode="r", pivoting=True)
        chosen = order[independent_rows(rows[order])[:at_most]].tolist()
    basis = rows[chosen]
    lines = [direction_in_doubles(line)[0] for line in orthogonal_complement(basis).tolist()]
    return basis, np.array(lines).reshape(-1, dimension)


def _without_normal(normals: Array, offsets: Array) -> tuple[bool, bool]:
    """Whether half-spaces with a normal of 0 leave nothing, and whether nothing if closed."""
    levels = offsets[~np.any(normals, axis=1)]
    return bool(np.any(levels <= 0)), bool(np.any(levels < 0))


def _solved(normals: Array, offsets: Array, rows: Integers, at_most: int | None) -> _Solved:
    """The half-spaces that may bound something, of those with a normal, and where they meet.

    rows: the same in integers, of before they are scaled: then an offset may underflow.
    """
    bounding = np.any(normals, axis=1)
    normals, offsets, near = _scaled(normals[bounding], offsets[bounding])
    rows = rows[bounding][near]
    basis, lines = row_space(normals, rows[:, :-1], at_most)
    kept = tightest(rows)
    exact = exact_corners(_in_span(rows[kept], basis)) if len(basis) else _NO_CORNERS
    return _Solved(normals[kept], offsets[kept], basis, lines, exact)


def _in_span(rows: Integers, basis: Integers) -> Integers:
    """Half-spaces (normal, offset) in coordinates of which these rows (k, S) are the axes."""
    if len(basis) == basis.shape[1]:
        return rows
    return in_lowest_terms(np.column_stack([rows[:, :-1] @ basis.T, rows[:, -1:]]))


def _scaled(normals: Array, offsets: Array) -> tuple[Array, Array, Mask]:
    """The half-spaces with normals of a size near one, by powers of two, without those that hold
    wherever a double reaches; and which are left."""
    _, exponents = np.frexp(np.max(np.abs(normals), axis=1, initial=0.0))
    with np.errstate(over="ignore"):
        distances = np.ldexp(offsets, -exponents)
    if np.any(distances == -np.inf):
        raise ArithmeticError("offsets: a half-space is farther away than the largest double")
    near = distances < np.inf
    return np.ldexp(normals, -exponents[:, None])[near], distances[near], near


def _everything(lines: Array) -> Lattice:
    """All of space."""
    nothing = np.empty((0, lines.shape[1]))
    return Lattice(
        dimension=0,
        positions=nothing,
        small=nothing,
        points=np.empty(0, dtype=bool),
        lines=lines[None],
        faces=(),
        normals=nothing,
        offsets=np.empty(0),
    )


def _largest(masks: Mask) -> list[int]:
    """The rows that are in no other row; of equal rows the first."""
    sets = [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]
    return [
        i
        for i, mine in enumerate(sets)
        if not any(mine < other or (mine == other and j < i) for j, other in enumerate(sets))
    ]
