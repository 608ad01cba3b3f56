"""Polyhedra {z : normals z + offsets > 0}, exactly: facets, vertices, rays and lines.

There is no bounding box: unbounded polyhedra are taken as they are. What a polyhedron has, and what
meets where, is decided in integers; positions are rounded once, when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reference.model.arrays import Array, Mask
from reference.polyhedra.double_description import INFINITY, Generator, span
from reference.polyhedra.integer_vectors import (
    Vector,
    central,
    combined,
    orthogonal_to,
    orthogonalised,
    rounded_point,
    rows_of,
    unit,
)


@dataclass(frozen=True)
class Side:
    """A half-space that bounds a polyhedron, and what lies on the facet.

    Attributes
    ----------
    number : int
        Its place among the half-spaces that were given.
    row : tuple of int
        The half-space (n, b).
    on : frozenset of int
        The generators on its boundary, by their place in `Polyhedron.generators`.
    """

    number: int
    row: Vector
    on: frozenset[int]


@dataclass(frozen=True, eq=False)
class Hull:
    """The affine hull of a face, foot + span(basis).

    Attributes
    ----------
    foot : ndarray, shape (S,)
        Its point nearest 0, every coordinate the double nearest to it.
    basis : ndarray, shape (S, d)
        Orthonormal directions, to a few ε.
    within : ndarray of bool, shape (F,)
        On which of the polyhedron's facets it lies.
    """

    foot: Array
    basis: Array
    within: Mask


@dataclass(frozen=True)
class Polyhedron:
    """A polyhedron with an interior: conv(vertices) + cone(rays) + span(lines).

    Made by `polyhedron_of` and `from_rows`. One with lines has no vertex; then points of its
    smallest faces that are orthogonal to the lines take their place.

    Attributes
    ----------
    sides : tuple of Side
        Its half-spaces without redundant ones, in the order given.
    generators : tuple of tuple of int
        Its vertices (z, t), the nearest to 0 first, and its rays (z, 0).
    orthogonal_lines : tuple of tuple of int
        Orthogonal directions (z, 0) that it contains both ways.
    """

    sides: tuple[Side, ...]
    generators: tuple[Vector, ...]
    orthogonal_lines: tuple[Vector, ...]

    @property
    def latent(self) -> int:
        """S."""
        return len(self.generators[0]) - 1

    @property
    def at_infinity(self) -> frozenset[int]:
        """Which of the generators are rays."""
        return frozenset(i for i, vector in enumerate(self.generators) if not vector[-1])

    @cached_property
    def hulls(self) -> list[Hull]:
        """The affine hulls of all faces, the polyhedron itself first."""
        everything = frozenset(range(len(self.generators)))
        faces = {everything: None}  # in order
        for side in self.sides:
            faces |= {face & side.on: None for face in faces}
        return [self._hull(sorted(face)) for face in faces if not face <= self.at_infinity]

    def _hull(self, face: list[int]) -> Hull:
        """The affine hull of the face of these generators, a vertex first."""
        vertex, *others = (self.generators[i] for i in face)
        # The differences of vertices, as directions (z, 0).
        steps = [combined(vertex[-1], other, -other[-1], vertex) for other in others]
        basis = orthogonalised([*self.orthogonal_lines, *steps])
        return Hull(
            np.array(rounded_point(orthogonal_to(basis, vertex))),
            np.reshape([unit(vector[:-1]) for vector in basis], (-1, self.latent)).T,
            np.array([side.on.issuperset(face) for side in self.sides], dtype=bool),
        )

    def inner_point(self) -> Vector:
        """A point (z, t) well inside."""
        return central(list(self.generators))

    def inner_point_of(self, side: Side) -> Vector:
        """A point (z, t) well inside the facet of one of its sides."""
        return central([self.generators[i] for i in side.on])

    def vertices(self) -> Array:
        """The vertices (V, S), every coordinate the double nearest to it."""
        points = [rounded_point(vector) for vector in self.generators if vector[-1]]
        return np.reshape(points, (-1, self.latent))

    def rays(self) -> Array:
        """The extreme directions (W, S), of length 1 to a few ε."""
        rays = [unit(vector[:-1]) for vector in self.generators if not vector[-1]]
        return np.reshape(rays, (-1, self.latent))

    def lines(self) -> Array:
        """An orthonormal basis (n, S) of the directions contained both ways, to a few ε."""
        lines = [unit(line[:-1]) for line in self.orthogonal_lines]
        return np.reshape(lines, (-1, self.latent))


def polyhedron_of(normals: Array, offsets: Array) -> Polyhedron | None:
    """The polyhedron {z : normals z + offsets > 0}; None if it has no point.

    normals (F, S), offsets (F,), any finite values. The doubles are taken as the rational numbers
    they are, so a polyhedron of lower dimension is empty and a sliver is not, exactly. Guarded by
    tests/polyhedra/test_reference_polyhedron.py.
    """
    return from_rows(rows_of(normals, offsets), normals.shape[1])


def from_rows(rows: Sequence[Vector], latent: int) -> Polyhedron | None:
    """The polyhedron of half-spaces (n, b) in R^S; None if it has no point."""
    found = span(rows, latent)
    if found is None:
        return None
    lines = orthogonalised(found.lines)
    moved = [Generator(orthogonal_to(lines, g.vector), g.on) for g in found.generators]
    generators = sorted(moved, key=_distance)
    sides = tuple(
        Side(number, rows[number], on) for on, number in _facets(generators, len(rows)).items()
    )
    return Polyhedron(sides, tuple(g.vector for g in generators), tuple(lines))


def _facets(generators: list[Generator], count: int) -> dict[frozenset[int], int]:
    """What lies on each facet, with the number of its half-space, the first of several equal ones.

    Every face lies in a facet. So facets are the boundaries whose generators are no proper part of
    another's. The face at infinity is one of these boundaries, though no facet of the polyhedron.
    """
    boundaries: dict[frozenset[int], int] = {}
    for number in (INFINITY, *range(count)):
        held = frozenset(i for i, generator in enumerate(generators) if number in generator.on)
        boundaries.setdefault(held, number)
    return {
        held: number
        for held, number in boundaries.items()
        if number != INFINITY and not any(held < other for other in boundaries)
    }


def _distance(generator: Generator) -> tuple[bool, float]:
    """How far from 0 a generator is, in its largest coordinate; rays come after all vertices."""
    vector = generator.vector
    is_ray = not vector[-1]
    return is_ray, 0.0 if is_ray else max(map(abs, rounded_point(vector)))
