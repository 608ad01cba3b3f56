"""A subdivision of space into convex cells that are known by their corners.

In many dimensions cells have few corners and many faces: so only corners are held, and on which
cuts each of them is. Two corners of a cell span an edge iff no third one is on all cuts that both
are on; which of its edges a cut meets, and its faces when they are asked for, follow from that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fast.partition.by_corners.edges import Edges, edges_across
from fast.partition.by_corners.facets import FacetsOf, corners_of_faces, facets_of
from fast.partition.by_corners.incidence import by_owner
from fast.partition.cell_complex import Cut, InconsistentSigns, TooManyCells
from fast.polyhedra.ragged import Ragged
from reference.model import Indices, Mask


class CornerCells:
    """The cells of a subdivision of R^k and its sphere at infinity, k >= 2.

    It starts as the 2^k orthants, and answers as a Complex does: vertex 0 is their apex, vertex
    1 + 2 i and 2 + 2 i the ends of axis i. on_cuts (V, cuts): which vertices are on the walls of
    the orthants, at infinity, and on the cuts that split a cell. corners: those of every cell.
    """

    def __init__(self, dimension: int) -> None:
        k = self.dimension = dimension
        ends = (np.arange(2**k)[:, None] >> np.arange(k)) & 1
        members = np.column_stack([np.zeros(2**k, dtype=np.intp), 1 + 2 * np.arange(k) + ends])
        self.corners = Ragged(np.arange(2**k + 1) * (k + 1), members.ravel())
        self.on_cuts = np.ones((1 + 2 * k, k + 1), dtype=bool)
        self.on_cuts[0, k] = False
        self.on_cuts[1 + np.arange(2 * k), np.arange(2 * k) // 2] = False
        self._facets: dict[int, FacetsOf] = {}
        self._corners: dict[int, Ragged] = {}

    @property
    def n_cells(self) -> int:
        """Polyhedra of the highest dimension."""
        return len(self.corners.starts) - 1

    def nbytes(self, growth: float) -> float:
        """The memory that is taken once there are so many times as many cells and corners."""
        held = self.on_cuts.nbytes + self.corners.values.nbytes + self.corners.starts.nbytes
        return growth * held

    def cut(self, signs: NDArray[np.int8], max_cells: int) -> Cut:
        """Split every cell on which a function changes sign, as `Complex.cut` does."""
        own = signs[self.corners.values]
        above = np.maximum.reduceat(own, self.corners.starts[:-1]) > 0
        below = np.minimum.reduceat(own, self.corners.starts[:-1]) < 0
        whole = np.flatnonzero(above & below)
        if self.n_cells + len(whole) > max_cells:
            raise TooManyCells(self.n_cells + len(whole))
        sides = above.astype(np.int8) - (below & ~above)
        if not len(whole):
            return Cut(whole, whole, sides, whole)
        entries, owners = self.corners.entries(whole)
        corners, its = self.corners.values[entries], own[entries]
        parts = (its > 0, its < 0, slice(None))
        upper, lower, all_ = (by_owner(owners[p], corners[p], len(whole)) for p in parts)
        edges = edges_across(self.dimension, self.on_cuts, all_, upper, lower)
        high, low, new = self._add_vertices(signs, edges)
        self._halve(whole, own >= 0, by_owner(edges.cells, new, len(whole)))
        down = its <= 0
        owners = np.concatenate([owners[down], edges.cells])
        self._append(by_owner(owners, np.concatenate([corners[down], new]), len(whole)))
        return Cut(high, low, np.append(sides, np.full(len(whole), -1, dtype=np.int8)), whole)

    def _halve(self, whole: Indices, kept: Mask, new: Ragged) -> None:
        """Leave some cells those of their corners that are kept, (entries,), and add new ones."""
        corners, is_whole = self.corners, np.zeros(self.n_cells, dtype=bool)
        is_whole[whole] = True
        kept = kept | ~np.repeat(is_whole, corners.counts)
        counts = np.add.reduceat(kept, corners.starts[:-1], dtype=np.intp)
        ends = np.cumsum(counts)
        counts[whole] += new.counts
        values = np.insert(corners.values[kept], ends[whole][new.owners], new.values)
        self.corners = Ragged(np.concatenate([[0], np.cumsum(counts)]), values)

    def _append(self, cells: Ragged) -> None:
        """Add cells, by their corners."""
        starts = np.concatenate([self.corners.starts, self.corners.starts[-1] + cells.starts[1:]])
        self.corners = Ragged(starts, np.concatenate([self.corners.values, cells.values]))

    def _add_vertices(
        self, signs: NDArray[np.int8], edges: Edges
    ) -> tuple[Indices, Indices, Indices]:
        """A vertex on every edge across the cut: its ends above and below, for each of the new
        vertices, and which vertex is on each edge as it is given."""
        count = len(signs)
        keys, which = np.unique(edges.above * count + edges.below, return_inverse=True)
        above, below = np.divmod(keys, count)
        old = np.column_stack([self.on_cuts, signs == 0])
        both = self.on_cuts[above] & self.on_cuts[below]
        new = np.column_stack([both, np.ones(len(keys), dtype=bool)])
        self.on_cuts = np.concatenate([old, new])
        return above, below, count + which.ravel()

    def facets(self, dimension: int) -> FacetsOf:
        """The facets of all faces of a dimension above 1; kept.

        Raises InconsistentSigns if one of a cell's is not that of a cell on its other side too, as
        all but those at infinity are.
        """
        if dimension not in self._facets:
            rows = self.on_cuts, self.corners_of(dimension)
            found = self._facets[dimension] = facets_of(*rows, dimension, self.dimension)
            sides = 1 + (found.cuts != self.dimension)
            if dimension == self.dimension and np.any(np.bincount(found.faces) != sides):
                raise InconsistentSigns
        return self._facets[dimension]

    def corners_of(self, dimension: int) -> Ragged:
        """The corners of all faces of a dimension."""
        if dimension == self.dimension:
            return self.corners
        if not dimension:
            return Ragged(np.arange(len(self.on_cuts) + 1), np.arange(len(self.on_cuts)))
        if dimension not in self._corners:
            above = dimension + 1
            rows = self.on_cuts, self.corners_of(above), self.facets(above)
            self._corners[dimension] = corners_of_faces(*rows)
        return self._corners[dimension]

    def boundary(self, dimension: int) -> csr_array:
        """The faces one dimension lower on the boundary of each face: a 0/1 matrix."""
        if dimension == 1:
            return self.vertices_of(1)
        found = self.facets(dimension)
        ones = np.ones(len(found.owners), dtype=np.int32)
        shape = len(self.corners_of(dimension).counts), len(found.cuts)
        return csr_array((ones, (found.owners, found.faces)), shape=shape)

    def vertices_of(self, dimension: int) -> csr_array:
        """The vertices of each face of a dimension: a 0/1 matrix."""
        rows = self.corners_of(dimension)
        ones = np.ones(len(rows.values), dtype=np.int32)
        shape = len(rows.counts), len(self.on_cuts)
        return csr_array((ones, rows.values, rows.starts), shape=shape)
