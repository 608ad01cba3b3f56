"""What spans a polyhedron, from its half-spaces: the double description method.

Seen from one dimension higher a polyhedron is the part at t = 1 of a cone of vectors (z, t),
t >= 0. Half-space after half-space cuts off what spans the cone on its negative side, and something
new arises where the boundary crosses an edge [Motzkin et al. 1953]. All of it is in integers, so
that on which side something lies is never in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from reference.polyhedra.integer_vectors import Vector, combined, dot, negative

#: The number of the half-space t >= 0, on whose boundary the rays lie.
INFINITY = -1


@dataclass(frozen=True)
class Generator:
    """A vertex or a ray of a polyhedron.

    Attributes
    ----------
    vector : tuple of int
        (z, t): the vertex z / t if t > 0, the ray along z if t = 0.
    on : frozenset of int
        The numbers of the half-spaces on whose boundary it lies, redundant ones too.
    """

    vector: Vector
    on: frozenset[int]


@dataclass(frozen=True)
class Span:
    """conv(vertices) + cone(rays) + span(lines).

    Attributes
    ----------
    generators : list of Generator
        The vertices and rays; along the lines each may be anywhere.
    lines : list of tuple of int
        Independent directions (z, 0) that are contained both ways.
    """

    generators: list[Generator]
    lines: list[Vector]


def axes(latent: int) -> list[Vector]:
    """The directions (z, 0) along z_1, z_2, ..., S of them."""
    return [tuple(int(i == j) for j in range(latent + 1)) for i in range(latent)]


def span(rows: Sequence[Vector], latent: int) -> Span | None:
    """What spans {z in R^S : n · z + b > 0 for all rows (n, b)}; None if that has no point."""
    found = Span([Generator((*[0] * latent, 1), frozenset())], axes(latent))
    for number, row in enumerate(rows):
        across = next((line for line in found.lines if dot(row, line)), None)
        if across is not None:
            found = _cut_across(found, row, number, across)
        else:
            found = Span(_cut(found.generators, row, number), found.lines)
        if not found.generators:
            return None
    return found


def _cut(generators: list[Generator], row: Vector, number: int) -> list[Generator]:
    """What spans the positive side of a half-space; nothing if that has no interior."""
    heights = [dot(row, generator.vector) for generator in generators]
    if max(heights) <= 0:
        return []
    on = frozenset([number])
    pairs = list(zip(generators, heights, strict=True))
    kept = [g if height else Generator(g.vector, g.on | on) for g, height in pairs if height >= 0]
    above = [pair for pair in pairs if pair[1] > 0]
    below = [pair for pair in pairs if pair[1] < 0]
    for (up, height), (down, depth) in product(above, below):
        shared = up.on & down.on
        # Two generators span an edge if no third lies on all the boundaries that they share.
        if not any(shared <= g.on for g in generators if g is not up and g is not down):
            vector = combined(height, down.vector, -depth, up.vector)
            kept.append(Generator(vector, shared | on))
    return kept


def _cut_across(found: Span, row: Vector, number: int, across: Vector) -> Span:
    """The same where a line crosses the boundary.

    Half of the line stays, as a ray that lies on all boundaries so far. All else is moved along it
    to the new boundary.
    """
    inward = across if dot(row, across) > 0 else negative(across)
    height = dot(row, inward)

    def moved(vector: Vector) -> Vector:
        return combined(height, vector, -dot(row, vector), inward)

    kept = [Generator(moved(g.vector), g.on | {number}) for g in found.generators]
    ray = Generator(inward, frozenset([INFINITY, *range(number)]))
    return Span([*kept, ray], [moved(line) for line in found.lines if line is not across])
