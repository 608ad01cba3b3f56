"""The faces of one polyhedron, from its facets."""

from __future__ import annotations

import numpy as np

from fast.polyhedra.face_lattice import Faces
from fast.polyhedra.ragged import Ragged
from reference.model import Mask


def faces_of_facets(on_facet: Mask, points: Mask, dimension: int) -> tuple[Faces, ...]:
    """The faces of one polyhedron of the given dimension >= 1, from which corner is on which facet
    (F, C).

    The facets of a face are its largest intersections with facets that do not contain it.
    """
    facets = [frozenset(np.flatnonzero(row).tolist()) for row in on_facet]
    levels: list[list[frozenset[int]]] = [facets]
    boundaries: list[list[list[int]]] = []
    for _ in range(dimension - 1):
        index: dict[frozenset[int], int] = {}
        boundaries.insert(0, [])
        for face in levels[0]:
            meets = {face & facet for facet in facets if not face <= facet} - {frozenset()}
            largest = [meet for meet in meets if not any(meet < other for other in meets)]
            rows = sorted(index.setdefault(meet, len(index)) for meet in largest)
            boundaries[0].append(rows)
        levels.insert(0, list(index))
    # The lowest level lists the corners themselves, in their own order.
    order = [next(iter(face)) for face in levels[0]]
    levels[0] = [frozenset([i]) for i in range(len(points))]
    if boundaries:
        boundaries[0] = [sorted(order[i] for i in row) for row in boundaries[0]]
    boundaries.insert(0, [[] for _ in levels[0]])
    result = []
    for level, boundary in zip(levels, boundaries, strict=True):
        of_cell = Ragged(np.array([0, len(level)]), np.arange(len(level)))
        corners = _ragged([sorted(face) for face in level])
        finite = np.array([bool(np.any(points[sorted(face)])) for face in level])
        result.append(Faces(of_cell, corners, finite, _ragged(boundary)))
    return tuple(result)


def _ragged(rows: list[list[int]]) -> Ragged:
    lengths = [len(row) for row in rows]
    values = np.array([v for row in rows for v in row], dtype=np.intp)
    return Ragged(np.concatenate([[0], np.cumsum(lengths, dtype=np.intp)]), values)
