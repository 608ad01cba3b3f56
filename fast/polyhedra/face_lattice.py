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
from scipy.sparse import csr_array

from fast.polyhedra.compensated_sums import heights
from reference.model import Array, Indices, Mask


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths: row i is values[starts[i]:starts[i + 1]]."""

    starts: Indices
    values: Indices

    @staticmethod
    def of(matrix: csr_array) -> Ragged:
        """The columns of the entries of every row of a sparse matrix, in order."""
        matrix = csr_array(matrix)
        matrix.sort_indices()
        return Ragged(matrix.indptr.astype(np.intp), matrix.indices.astype(np.intp))

    @staticmethod
    def stacked(parts: list[Ragged], shifts: Indices) -> Ragged:
        """The rows of several, with a number added to the values of each."""
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        values = [part.values + shift for part, shift in zip(parts, shifts, strict=True)]
        return Ragged(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate(values))

    @property
    def counts(self) -> Indices:
        """How long each row is."""
        return np.diff(self.starts)

    @property
    def owners(self) -> Indices:
        """The row of each value."""
        return np.repeat(np.arange(len(self.starts) - 1), self.counts)

    def entries(self, rows: Indices) -> tuple[Indices, Indices]:
        """The places in `values` of the entries of the given rows, one row after another; and for
        each the place in `rows` of its row."""
        counts = self.counts[rows]
        owner = np.repeat(np.arange(len(rows)), counts)
        first = np.cumsum(counts) - counts
        return self.starts[rows[owner]] + np.arange(len(owner)) - first[owner], owner


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one dimension m.

    of_cells: those of every polyhedron. corners: those of every face. finite (n,): whether it has a
    point. boundary: its faces of dimension m - 1.
    """

    of_cells: Ragged
    corners: Ragged
    finite: Mask
    boundary: Ragged


@dataclass(frozen=True, eq=False)
class Lattice:
    """Pointed polyhedra of dimension k >= 1 in R^S, times their lines.

    positions (C, S), points (C,): the corners, directions where not a point; small (C, S): what
    rounding left off the positions. lines (P, S-k, S): orthonormal, of every polyhedron. faces[m],
    m < k. normals (n, S), offsets (n,): of the facets of every polyhedron, in the order of
    faces[k-1].of_cells; 0 and 1 for a facet at infinity.
    """

    dimension: int
    positions: Array
    small: Array
    points: Mask
    lines: Array
    faces: tuple[Faces, ...]
    normals: Array
    offsets: Array

    @property
    def facets(self) -> Ragged:
        """The facets of every polyhedron."""
        return self.faces[-1].of_cells

    @property
    def corners(self) -> Ragged:
        """The corners of every polyhedron."""
        return self.faces[0].of_cells

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
            links.append(places(self.faces[m].of_cells, owner, faces))
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

    def spanning(self, m: int) -> Indices:
        """For faces of dimension m, m + 1 affinely independent corners each (n, m + 1), a point
        first; of no meaning for faces at infinity of dimension 2 or more."""
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
        rows = self.positions[corners] - self.points[corners, None] * self.positions[first]
        chosen = [first]
        for _ in range(count - 1):
            best = int(np.argmax(np.einsum("ij,ij->i", rows, rows)))
            chosen.append(corners[best])
            axis = rows[best] / np.linalg.norm(rows[best])
            rows = rows - np.outer(rows @ axis, axis)
        return np.array(chosen)


def places(of_cells: Ragged, owner: Indices, faces: Indices) -> Indices:
    """The place of each face among those of its polyhedron."""
    count = 1 + int(of_cells.values.max(initial=0))
    keys = of_cells.owners * count + of_cells.values
    return np.searchsorted(keys, owner * count + faces) - of_cells.starts[owner]


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
        k,
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.small for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.lines for part in parts]),
        faces,
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.offsets for part in parts]),
    )
