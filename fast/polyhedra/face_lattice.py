"""The faces of polyhedra, from facets down to corners, and the chains of faces that split them.

A corner is a vertex, or an extreme ray: a vertex at infinity. A face all of whose corners are at
infinity lies there itself. Every polyhedron here is pointed: the directions that it contains both
ways, its lines, are left out. A chain facet ⊃ ... ⊃ edge ⊃ corner stands for one simplex of the
triangulation that takes one point of each face [eq. 9].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.ragged import Ragged
from reference.model import Array, Indices, Mask


@dataclass(frozen=True, eq=False)
class Faces:
    """The n faces of one dimension m."""

    of_cells: Ragged  # the faces of every polyhedron
    corners: Ragged  # the corners of every face
    finite: Mask  # (n,): whether a face has a point
    boundary: Ragged  # the faces of dimension m - 1 of every face


@dataclass(frozen=True, eq=False)
class Lattice:
    """P pointed polyhedra of dimension k >= 1 in R^S, times their lines."""

    dimension: int  # k
    positions: Array  # (C, S): the corners; directions where they are at infinity
    small: Array  # (C, S): what rounding left off the positions
    points: Mask  # (C,): whether a corner is a point
    lines: Array  # (P, S-k, S): orthonormal, of every polyhedron
    faces: tuple[Faces, ...]  # of dimension 0, ..., k-1
    normals: Array  # (n, S): of every polyhedron's facets, as faces[k-1].of_cells; 0 at infinity
    offsets: Array  # (n,): as the normals; 1 for a facet at infinity

    @property
    def facets(self) -> Ragged:
        """The facets of every polyhedron."""
        return self.faces[-1].of_cells

    @property
    def corners(self) -> Ragged:
        """The corners of every polyhedron."""
        return self.faces[0].of_cells

    @cached_property
    def refined(self) -> Mask:
        """Which polyhedra have corners in twice the precision, (P,)."""
        told = np.any(self.small[self.corners.values] != 0, axis=1)
        counts = np.bincount(self.corners.owners, weights=told, minlength=len(self.corners.counts))
        return np.asarray(counts > 0)

    @cached_property
    def chains(self) -> tuple[Ragged, Indices]:
        """Every chain facet ⊃ ... ⊃ corner of every polyhedron, as rows of (n, k): places among the
        polyhedron's own faces of dimension k-1, ..., 0."""
        links = [np.arange(len(self.facets.values)) - self.facets.starts[self.facets.owners]]
        owner, faces = self.facets.owners, self.facets.values
        for m in range(self.dimension - 2, -1, -1):
            boundary = self.faces[m + 1].boundary
            entries, parent = boundary.entries(faces)
            faces, owner = boundary.values[entries], owner[parent]
            links = [link[parent] for link in links]
            links.append(self.faces[m].of_cells.places(owner, faces))
        starts = np.searchsorted(owner, np.arange(len(self.facets.starts)))
        return Ragged(starts, np.arange(len(owner))), np.stack(links, axis=1)

    @cached_property
    def heights(self) -> tuple[Indices, Array]:
        """How far every corner lies inside every facet of its polyhedron, in units of the normals:
        polyhedron p has rows (a facet each) of as many values as it has corners, from place
        starts[p] on. Exactly 0 where it lies on it."""
        counts = self.facets.counts * self.corners.counts
        starts = np.cumsum(counts) - counts
        corner_entries, facet = self.corners.entries(self.facets.owners)
        corner, face = self.corners.values[corner_entries], self.facets.values[facet]
        values = heights(
            self.normals[facet],
            np.where(self.points[corner], self.offsets[facet], 0.0),
            self.positions[corner],
            self.small[corner],
        )
        on_it = self.faces[-1].corners
        keys = on_it.owners * len(self.points) + on_it.values
        mine = face * len(self.points) + corner
        place = np.minimum(np.searchsorted(keys, mine), len(keys) - 1)
        return starts, np.where(keys[place] == mine, 0.0, np.maximum(values, 0.0))

    @cached_property
    def _spans(self) -> dict[int, Indices]:
        return {}

    def spanning(self, m: int) -> Indices:
        """For faces of dimension m, m + 1 affinely independent corners each (n, m + 1), a point
        first; of no meaning for faces at infinity of dimension 2 or more."""
        if m not in self._spans:
            self._spans[m] = self._spanning(m)
        return self._spans[m]

    def _spanning(self, m: int) -> Indices:
        faces = self.faces[m]
        if m == 0:
            return faces.corners.values[:, None]
        if m == 1:
            pairs = faces.corners.values.reshape(-1, 2)
            swap = ~self.points[pairs[:, 0]] & self.points[pairs[:, 1]]
            return np.where(swap[:, None], pairs[:, ::-1], pairs)
        result = np.zeros((len(faces.finite), m + 1), dtype=np.intp)
        for i in np.flatnonzero(faces.finite):
            corners = faces.corners.values[faces.corners.starts[i] : faces.corners.starts[i + 1]]
            result[i] = self._independent(corners, m + 1)
        return result

    def _independent(self, corners: Indices, count: int) -> Indices:
        """So many of a face's corners, each the farthest from the span of those before."""
        first = corners[np.argmax(self.points[corners])]
        from_first = self.points[corners, None]
        rows = self.positions[corners] - from_first * self.positions[first]
        # Corners of a small face differ in what rounding left off them.
        rows += self.small[corners] - from_first * self.small[first]
        chosen = [first]
        for _ in range(count - 1):
            best = int(np.argmax(np.einsum("ij,ij->i", rows, rows)))
            chosen.append(corners[best])
            length = np.linalg.norm(rows[best])
            axis = rows[best] / (length if length > 0 else 1.0)
            rows = rows - np.outer(rows @ axis, axis)
        return np.array(chosen)


def joined(parts: list[Lattice]) -> Lattice:
    """Several lattices of one dimension as one."""
    k = parts[0].dimension
    sizes = np.array([[len(part.faces[m].finite) for m in range(k)] for part in parts])
    before = np.cumsum(sizes, axis=0) - sizes
    faces = tuple(
        Faces(
            Ragged.stacked([part.faces[m].of_cells for part in parts], before[:, m]),
            Ragged.stacked([part.faces[m].corners for part in parts], before[:, 0]),
            np.concatenate([part.faces[m].finite for part in parts]),
            Ragged.stacked([part.faces[m].boundary for part in parts], before[:, max(m - 1, 0)]),
        )
        for m in range(k)
    )
    return Lattice(
        dimension=k,
        positions=np.concatenate([part.positions for part in parts]),
        small=np.concatenate([part.small for part in parts]),
        points=np.concatenate([part.points for part in parts]),
        lines=np.concatenate([part.lines for part in parts]),
        faces=faces,
        normals=np.concatenate([part.normals for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
    )
