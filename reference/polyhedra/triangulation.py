"""T(ω): a polyhedron as a union of simplices, bounded or not [eq. 9].

A polyhedron with vertices v and rays r is {conv(v) + cone(r)}; seen from one dimension higher it is
the cone over (v, 1) and (r, 0), and its simplices are the simplicial cones of a triangulation of
that: conv(points) + cone(rays), S+1 generators in all. No bounding box. The lines of a region
without vertices are left out: everything happens in the k dimensions orthogonal to them, and
half-spaces there are half-spaces of R^S.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.model.arrays import Array
from reference.polyhedra.integer_vectors import (
    Vector,
    dot,
    negative,
    orthogonal,
    rounded_point,
    unit,
    unit_halfspace,
)
from reference.polyhedra.polyhedron import Polyhedron

Generators = frozenset[int]


@dataclass(frozen=True, eq=False)
class Simplex:
    """conv(points) + cone(rays), plus the polyhedron's lines: k+1 generators in all.

    It is {z : normals z + offsets > 0}, m = k+1 half-spaces, row i opposite to generator i, the
    points first. With only one point, nothing is opposite to it, and m = k. Which generators these
    are, and on which side of a hyperplane, is exact; the numbers are rounded.

    Attributes
    ----------
    points : ndarray, shape (p, S)
        Points.
    rays : ndarray, shape (q, S)
        Directions; p + q = k+1.
    normals : ndarray, shape (m, S)
        Normals of the half-spaces, of length 1.
    offsets : ndarray, shape (m,)
        Their offsets.
    names : tuple of str
        Names of the half-spaces. Simplices that share a hyperplane share it bit for bit.
    """

    points: Array
    rays: Array
    normals: Array
    offsets: Array
    names: tuple[str, ...]


def triangulation(polyhedron: Polyhedron) -> list[Simplex]:
    """T(ω) for a polyhedron ω: disjoint simplices that fill it [eq. 9].

    Redundant half-spaces do no harm, and faces need not be simple. The paper takes the Delaunay
    triangulation, which unbounded regions do not have. Any triangulation serves: Lemma 4 asks that
    the simplices fill ω without overlap, whatever their shape. This one pulls the generators in
    turn: every face that does not hold the first of them is joined to it. Guarded by
    tests/polyhedra/test_reference_triangulation.py.
    """
    everything = frozenset(range(len(polyhedron.generators)))
    size = polyhedron.latent - len(polyhedron.orthogonal_lines) + 1
    on = [*(side.on for side in polyhedron.sides), polyhedron.at_infinity]
    return [_simplex(polyhedron, sorted(members)) for members in pulled(everything, on, size)]


def pulled(face: Generators, on: list[Generators], size: int) -> list[Generators]:
    """The simplices, `size` generators each, of a face with these generators [eq. 9].

    Its own facets are the largest of its proper parts on a half-space.
    """
    if len(face) == size:
        return [face]
    apex = min(face)
    parts = {face & held for held in on if not face <= held}
    facets = [part for part in parts if not any(part < other for other in parts)]
    return [
        simplex | {apex}
        for facet in sorted(facets, key=sorted)
        if apex not in facet
        for simplex in pulled(facet, on, size - 1)
    ]


def _simplex(polyhedron: Polyhedron, members: list[int]) -> Simplex:
    """The simplex with these generators, its half-spaces opposite to each."""
    latent, vectors = polyhedron.latent, [polyhedron.generators[m] for m in members]
    normals, offsets, names = [], [], []
    for member, vector in zip(members, vectors, strict=True):
        rest = [m for m in members if m != member]
        if polyhedron.at_infinity.issuperset(rest):
            continue  # at infinity: beyond it there is nothing
        row, name = _hyperplane(polyhedron, rest)
        above = dot(row, vector) > 0
        normal, offset = unit_halfspace(row if above else negative(row))
        normals.append(normal)
        offsets.append(offset)
        names.append(("+" if above else "-") + name)
    return Simplex(
        np.reshape([rounded_point(v) for v in vectors if v[-1]], (-1, latent)),
        np.reshape([unit(v[:-1]) for v in vectors if not v[-1]], (-1, latent)),
        np.reshape(normals, (-1, latent)),
        np.array(offsets, dtype=np.float64),
        tuple(names),
    )


def _hyperplane(polyhedron: Polyhedron, members: list[int]) -> tuple[Vector, str]:
    """The hyperplane through these generators and all lines, with a name that identifies it.

    It is the polyhedron's own where it is one of its facets.
    """
    for side in polyhedron.sides:
        if side.on.issuperset(members):
            return side.row, f"facet {side.number}"
    vectors = [polyhedron.generators[m] for m in members]
    return orthogonal([*vectors, *polyhedron.orthogonal_lines]), f"through {members}"
