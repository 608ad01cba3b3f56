"""Polyhedra {z : normals z + offsets > 0}: balls inside them and inside their facets, by linear
programs, and their vertices, rays and lines, by trying every set of facets.

There is no bounding box: unbounded polyhedra are taken as they are.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.optimize import linprog

from reference.model.arrays import Array
from reference.model.errors import PartitionError

# The smallest tolerance of HiGHS: a program's answer may violate its constraints by so much.
_FEASIBLE = 1e-10
# If a program's centre is farther away than this, in its unit, a nearer one is looked for.
_FAR = 1e7
# A program's ball exists for certain if its radius is above this, in the unit of the program.
# There is none for certain if the radius is below minus this. In between, the program is solved
# again at a smaller scale.
_SEEN = 1e-6
_ENLARGEMENT = 1e-4
_ENLARGEMENTS = 5
# The sine of an angle between hyperplanes below which rounding decides where they meet.
_PARALLEL = 1e-12
# Rows whose matrix has a smaller singular value count as dependent.
_DEPENDENT = 1e-9
# Solutions of linear equations with well-scaled rows err by this over the smallest singular value.
_SOLVED = 256 * np.finfo(np.float64).eps


def unit_rows(normals: Array, offsets: Array) -> tuple[Array, Array]:
    """The same half-spaces with normals of length 1, so that offsets are distances."""
    lengths = np.linalg.norm(normals, axis=1)
    return normals / lengths[:, None], offsets / lengths


def largest_ball(normals: Array, slacks: Array) -> tuple[Array, float]:
    """The largest ball, of radius 1 at most, in {y : normals y + slacks >= 0}: centre (k,), radius.

    normals (m, k) of length 1, slacks (m,). A negative radius says how far outside every point is.
    If several balls are largest, one that is not very far away is preferred: there rounding would
    leave no digits. Raises PartitionError if the linear program is not solved. Accuracy: 1e-10.
    """
    centre, radius = _ball(normals, slacks, None)
    if radius > _SEEN and np.max(np.abs(centre), initial=0.0) > _FAR:
        nearer, its_radius = _ball(normals, slacks, _FAR)
        if its_radius >= 0.99 * radius:
            return nearer, its_radius
    return centre, radius


def _ball(normals: Array, slacks: Array, reach: float | None) -> tuple[Array, float]:
    """The same, with no coordinate of the centre beyond `reach`."""
    k = normals.shape[1]
    sides = (None, None) if reach is None else (-reach, reach)
    for presolve in (True, False):
        found = linprog(
            np.append(np.zeros(k), -1.0),
            A_ub=np.column_stack([-normals, np.ones(len(normals))]),
            b_ub=slacks,
            bounds=[sides] * k + [(None, 1.0)],
            method="highs",
            options={
                "presolve": presolve,
                "primal_feasibility_tolerance": _FEASIBLE,
                "dual_feasibility_tolerance": _FEASIBLE,
            },
        )
        if found.status == 0:
            return found.x[:k], float(found.x[k])
    raise PartitionError(f"linear program not solved: {found.message}")


def inner_ball(
    normals: Array, offsets: Array, near: Array, scale: float
) -> tuple[Array, float] | None:
    """A ball in a polyhedron: centre (S,), radius; None if there is none.

    normals (m, S) of length 1, offsets (m,); near (S,), a point of the closure. The radius is the
    largest there is, or `scale` if that is smaller. Accuracy: where no ball can be told from none
    at this scale, the program is solved again at smaller ones, around `near`, down to 1e-16 of it.
    """
    for _ in range(_ENLARGEMENTS):
        step, radius = largest_ball(normals, (normals @ near + offsets) / scale)
        if radius < -_SEEN:
            return None
        if radius > _SEEN:
            return near + scale * step, scale * radius
        scale *= _ENLARGEMENT
    return None


def ball_on_plane(
    normals: Array, offsets: Array, foot: Array, scale: float, plane: Array
) -> tuple[Array, float] | None:
    """A ball in the intersection of a polyhedron and foot + span(plane); None if there is none.

    As `inner_ball`, with plane (S, k) orthonormal and foot (S,) anywhere; smaller scales are tried
    around the point that was least outside at the scale before. A half-space parallel to the plane
    holds for all of it or for nothing.
    """
    rows = normals @ plane
    lengths = np.linalg.norm(rows, axis=1)
    parallel = lengths < _PARALLEL
    if np.any((normals @ foot + offsets)[parallel] < 0):
        return None
    normals, offsets, rows, lengths = (a[~parallel] for a in (normals, offsets, rows, lengths))
    centre = foot
    for _ in range(_ENLARGEMENTS):
        slacks = (normals @ centre + offsets) / lengths
        step, radius = largest_ball(rows / lengths[:, None], slacks / scale)
        if radius < -_SEEN:
            return None
        centre = centre + scale * (plane @ step)
        if radius > _SEEN:
            return centre, scale * radius
        scale *= _ENLARGEMENT
    return None


def within(normal: Array) -> Array:
    """An orthonormal basis (S, S-1) of the hyperplane through 0 with this normal (S,)."""
    return np.linalg.svd(normal[None, :])[2][1:].T


def lines(normals: Array) -> Array:
    """An orthonormal basis (S-k, S) of the directions a polyhedron contains both ways; k is the
    rank of its facets' normals (F, S)."""
    return np.linalg.svd(normals)[2][_rank(normals) :]


def vertices(normals: Array, offsets: Array) -> Array:
    """The vertices of a polyhedron from its facets: normals (F, S), offsets (F,) -> (V, S).

    Any k facets with independent normals meet in one point of the space orthogonal to the lines; it
    is a vertex if no other facet excludes it. Accuracy: rounding over the smallest singular value
    of those normals; points closer together than that are one.
    """
    return _points(vertices_with_blur(normals, offsets), normals.shape[1])


def vertices_with_blur(normals: Array, offsets: Array) -> list[tuple[Array, float]]:
    """The vertices, each with a bound on its rounding; facets that miss it by less contain it."""
    normals, offsets = unit_rows(normals, offsets)
    across = across_lines(normals)
    found: list[tuple[Array, float]] = []
    for subset in map(list, combinations(range(len(normals)), len(across))):
        matrix = normals[subset] @ across.T
        independence = _smallest_singular_value(matrix)
        if independence > _DEPENDENT:
            point = across.T @ np.linalg.solve(matrix, -offsets[subset])
            size = np.linalg.norm(point) + np.max(np.abs(offsets[subset]), initial=0.0)
            blur = float(_SOLVED * size / independence)
            if np.all(normals @ point + offsets >= -blur):
                _add(found, point, blur)
    return found


def rays(normals: Array) -> Array:
    """The extreme directions of a polyhedron from its facets' normals (F, S), of length 1: (W, S).

    Any k-1 facets with independent normals share one direction orthogonal to the lines; it is a ray
    if no other facet stops it, one way or the other.
    """
    return _points(rays_with_blur(normals), normals.shape[1])


def rays_with_blur(normals: Array) -> list[tuple[Array, float]]:
    """The rays, each with a bound on its rounding; facets it leaves by less contain it."""
    normals, _ = unit_rows(normals, np.zeros(len(normals)))
    across = across_lines(normals)
    if not len(across):
        return []
    found: list[tuple[Array, float]] = []
    for subset in map(list, combinations(range(len(normals)), len(across) - 1)):
        matrix = normals[subset] @ across.T
        independence = _smallest_singular_value(matrix)
        if independence > _DEPENDENT:
            blur = float(_SOLVED / independence)
            direction = across.T @ np.linalg.svd(matrix)[2][-1]
            for candidate in (direction, -direction):
                if np.all(normals @ candidate >= -blur):
                    _add(found, candidate, blur)
    return found


def _points(found: list[tuple[Array, float]], latent: int) -> Array:
    return np.array([point for point, _ in found]).reshape(-1, latent)


def across_lines(normals: Array) -> Array:
    """An orthonormal basis (k, S) of the space orthogonal to the lines, the axes if it is R^S."""
    rank, latent = _rank(normals), normals.shape[1]
    return np.eye(latent) if rank == latent else np.linalg.svd(normals)[2][:rank]


def _rank(normals: Array) -> int:
    unit, _ = unit_rows(normals, np.zeros(len(normals)))
    return int(np.sum(np.linalg.svd(unit, compute_uv=False) > _DEPENDENT))


def _smallest_singular_value(matrix: Array) -> float:
    return float(np.min(np.linalg.svd(matrix, compute_uv=False), initial=np.inf))


def _add(found: list[tuple[Array, float]], point: Array, blur: float) -> None:
    """Add a point unless it is there already, within rounding."""
    if all(np.linalg.norm(point - other) > blur + error for other, error in found):
        found.append((point, blur))
