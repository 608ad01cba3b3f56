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
from reference.polyhedra import polyhedron
from reference.polyhedra.validity import OutsideValidity

Generators = frozenset[int]


@dataclass(frozen=True, eq=False)
class Simplex:
    """conv(points) + cone(rays), plus the polyhedron's lines: k+1 generators in all.

    It is {z : normals z + offsets > 0}, m = k+1 half-spaces, row i opposite to generator i, the
    points first. With only one point, nothing is opposite to it, and m = k.

    Attributes
    ----------
    points : ndarray, shape (p, S)
        Points.
    rays : ndarray, shape (q, S)
        Directions; p + q = k+1.
    normals : ndarray, shape (m, S)
        Normals of the half-spaces.
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


@dataclass(frozen=True, eq=False)
class Corners:
    """A polyhedron's facets and what they contain.

    Attributes
    ----------
    normals : ndarray, shape (F, S)
        Normals of the half-spaces.
    offsets : ndarray, shape (F,)
        Their offsets.
    points : ndarray, shape (V, S)
        Vertices v.
    rays : ndarray, shape (W, S)
        Rays r.
    across : ndarray, shape (k, S)
        A basis of the space orthogonal to the lines.
    generators : ndarray, shape (V + W, k + 1)
        (v, 1) and (r, 0) in coordinates of that basis.
    on : list of frozenset of int
        The generators on each half-space, and last, those at infinity.
    """

    normals: Array
    offsets: Array
    points: Array
    rays: Array
    across: Array
    generators: Array
    on: list[Generators]


def corners(normals: Array, offsets: Array) -> Corners:
    """Vertices and rays with the half-spaces they lie on, normals (F, S) non-zero, offsets (F,)."""
    normals, offsets = polyhedron.unit_rows(normals, offsets)
    points = polyhedron.vertices_with_blur(normals, offsets)
    rays = polyhedron.rays_with_blur(normals)
    across = polyhedron.across_lines(normals)
    on = []
    for normal, offset in zip(normals, offsets, strict=True):
        held = [i for i, (v, blur) in enumerate(points) if abs(normal @ v + offset) <= blur]
        held += [len(points) + i for i, (r, blur) in enumerate(rays) if abs(normal @ r) <= blur]
        on.append(frozenset(held))
    on.append(frozenset(range(len(points), len(points) + len(rays))))
    lifted = [np.append(across @ v, 1.0) for v, _ in points]
    lifted += [np.append(across @ r, 0.0) for r, _ in rays]
    return Corners(
        normals=normals,
        offsets=offsets,
        points=np.array([v for v, _ in points]).reshape(-1, normals.shape[1]),
        rays=np.array([r for r, _ in rays]).reshape(-1, normals.shape[1]),
        across=across,
        generators=np.reshape(lifted, (-1, len(across) + 1)),
        on=on,
    )


def triangulation(normals: Array, offsets: Array) -> list[Simplex]:
    """T(ω) for ω = {z : normals z + offsets > 0}: disjoint simplices that fill it [eq. 9].

    normals (F, S) non-zero, offsets (F,). Redundant half-spaces do no harm, and faces need not be
    simple. The paper takes the Delaunay triangulation, which unbounded regions do not have. Any
    triangulation serves: Lemma 4 asks that the simplices fill ω without overlap, whatever their
    shape. This one pulls the generators in turn: every face that does not hold the first of them is
    joined to it. Raises OutsideValidity where rounding leaves no interior, or inconsistent corners.
    Guarded by tests/polyhedra/test_reference_triangulation.py.
    """
    found = corners(normals, offsets)
    everything = frozenset(range(len(found.generators)))
    return [_simplex(found, sorted(s)) for s in pulled(everything, found.on, len(found.across) + 1)]


def pulled(face: Generators, on: list[Generators], size: int) -> list[Generators]:
    """The simplices, `size` generators each, of a face with these generators [eq. 9].

    Its own facets are the largest of its proper parts on a half-space.
    """
    if len(face) < size or (size == 1 and len(face) > 1):
        raise OutsideValidity("the polyhedron's corners are too close together to be told apart")
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


def _simplex(found: Corners, members: list[int]) -> Simplex:
    """The simplex with these generators, its half-spaces opposite to each."""
    count = len(found.points)
    normals, offsets, names = [], [], []
    for member in members:
        rest = [m for m in members if m != member]
        if all(m >= count for m in rest):
            continue  # at infinity: beyond it there is nothing
        normal, offset, name = _hyperplane(found, rest)
        height = _height(found, member, normal, offset)
        if height == 0:
            raise OutsideValidity("a simplex of the polyhedron is flat to rounding")
        normals.append(np.sign(height) * normal)
        offsets.append(np.sign(height) * offset)
        names.append(("+" if height > 0 else "-") + name)
    return Simplex(
        found.points[[m for m in members if m < count]],
        found.rays[[m - count for m in members if m >= count]],
        np.reshape(normals, (-1, found.normals.shape[1])),
        np.array(offsets, dtype=np.float64),
        tuple(names),
    )


def _hyperplane(found: Corners, members: list[int]) -> tuple[Array, float, str]:
    """The hyperplane through these generators, with a name that identifies it.

    It is the polyhedron's own where it is one of its facets, else computed from their coordinates.
    """
    for facet, held in enumerate(found.on[:-1]):
        if held.issuperset(members):
            return found.normals[facet], float(found.offsets[facet]), f"facet {facet}"
    rows = found.generators[members]
    rows = rows / np.linalg.norm(rows, axis=1)[:, None]
    lifted = np.linalg.svd(rows)[2][-1]
    length = np.linalg.norm(lifted[:-1])
    return (lifted[:-1] / length) @ found.across, float(lifted[-1] / length), f"through {members}"


def _height(found: Corners, member: int, normal: Array, offset: float) -> float:
    """How far a generator is above a hyperplane; for a ray, how fast it leaves it."""
    if member < len(found.points):
        return float(normal @ found.points[member] + offset)
    return float(normal @ found.rays[member - len(found.points)])
