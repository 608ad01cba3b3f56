"""A subdivision of space into convex cells, cut by one function after another.

The complex holds faces of every dimension once: vertices, edges, ..., cells. Space is taken with
its points at infinity, so a ray is a vertex like any other and an unbounded cell a cell like any
other. A cut is decided by the signs of its function at the vertices alone: neighbours share their
vertices, so they cannot disagree about where it passes.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fast.partition.growing_arrays import Columns
from reference.model import Indices, Mask


class InconsistentSigns(Exception):
    """The signs at the vertices are those of no function that is affine on every cell."""


class TooManyCells(Exception):
    """There would be more cells than allowed, `cells` of them or more."""

    def __init__(self, cells: int) -> None:
        super().__init__(f"{cells} cells or more")
        self.cells = cells


class Cut(NamedTuple):
    """What a cut by a function made.

    above, below: new vertex i lies on the edge between vertices above[i] and below[i], where the
    function is positive and negative. sides (cells,): the sign of the function on each cell after
    the cut, 0 where it vanishes. parents: the cells that the new cells, the last ones, come from.
    """

    above: Indices
    below: Indices
    sides: NDArray[np.int8]
    parents: Indices


class _Split(NamedTuple):
    """The faces of one dimension that a cut splits: face `whole[i]` keeps its part above, its part
    below is the new face `below[i]`, and between them lies the face `between[i]`, one dimension
    lower."""

    whole: Indices
    below: Indices
    between: Indices


class Complex:
    """The faces of a subdivision of R^k and its sphere at infinity, k >= 1.

    It starts as the 2^k orthants: vertex 0 is their apex, vertex 1 + 2 i and 2 + 2 i the ends of
    axis i. edges (2, E): vertices. faces[m - 2] (2, n), m = 2..k: pairs of a face of dimension m
    and a face of dimension m - 1 on its boundary, in no order.
    """

    def __init__(self, dimension: int) -> None:
        simplices = _orthants(dimension)
        index = [{simplex: i for i, simplex in enumerate(level)} for level in simplices]
        ends = [sorted(simplex) for simplex in simplices[1]]
        faces = [
            [
                (i, index[m - 1][simplex - {vertex}])
                for i, simplex in enumerate(simplices[m])
                for vertex in simplex
            ]
            for m in range(2, dimension + 1)
        ]
        counts = [len(level) for level in simplices]
        self._begin(counts, *(np.array(pairs, dtype=np.intp).T for pairs in (ends, *faces)))

    def _begin(self, counts: list[int], edges: Indices, *faces: Indices) -> None:
        self.dimension, self.counts = len(counts) - 1, counts
        self._edges, self._faces = Columns(edges), [Columns(pairs) for pairs in faces]

    @staticmethod
    def cubes(dimension: int, count: int) -> Complex:
        """So many cubes, none of which touches another; cube c has the vertices 2^k c + i, the bits
        of i saying on which end of each axis it lies, the first axis' first."""
        faces = _of_cube(dimension)
        index = [{face: i for i, face in enumerate(level)} for level in faces]
        pairs = []
        for m in range(1, dimension + 1):
            own = [(i, index[m - 1][end]) for i, f in enumerate(faces[m]) for end in _ends(f)]
            sizes = np.array([len(faces[m]), len(faces[m - 1])])
            every = np.arange(count)[:, None, None] * sizes + np.array(own)
            pairs.append(every.reshape(-1, 2).T)
        edges = pairs[0][1].reshape(-1, 2).T
        result = Complex.__new__(Complex)
        result._begin([count * len(level) for level in faces], edges, *pairs[1:])
        return result

    @property
    def n_cells(self) -> int:
        """Faces of the highest dimension."""
        return self.counts[-1]

    def nbytes(self, growth: float) -> float:
        """The memory that is taken once there are so many times as many faces."""
        return sum(columns.nbytes(growth) for columns in (self._edges, *self._faces))

    @property
    def edges(self) -> Indices:
        """The two vertices of each edge, (2, E)."""
        return self._edges.array

    def boundary(self, dimension: int) -> csr_array:
        """The faces one dimension lower on the boundary of each face: a 0/1 matrix."""
        if dimension == 1:
            faces, subfaces = np.repeat(np.arange(self.counts[1]), 2), self.edges.T.ravel()
        else:
            faces, subfaces = self._faces[dimension - 2].array
        shape = self.counts[dimension], self.counts[dimension - 1]
        return csr_array((np.ones(len(faces), dtype=np.int32), (faces, subfaces)), shape=shape)

    def vertices_of(self, dimension: int) -> csr_array:
        """The vertices of each face of a dimension: a matrix that is positive where it has them."""
        result = self.boundary(1)
        for m in range(2, dimension + 1):
            result = self.boundary(m) @ result
        return result

    def cut(self, signs: NDArray[np.int8], max_cells: int) -> Cut:
        """Split every face on which a function changes sign, from its signs at the vertices.

        signs (V,) in {-1, 0, 1}. The new vertices, in the order of the result, and the new cells,
        the parts below, come last. Raises TooManyCells before anything is changed, and
        InconsistentSigns, the complex then unusable, when the signs are impossible.
        """
        above, below = self._sides(signs)
        count = self.n_cells + int(np.count_nonzero(above[-1] & below[-1]))
        if count > max_cells:
            raise TooManyCells(count)
        zero = signs == 0
        split, upper, lower = self._cut_edges(signs)
        for m in range(2, self.dimension + 1):
            split, zero = self._cut_faces(m, split, zero, above, below)
        sides = above[-1].astype(np.int8) - (below[-1] & ~above[-1])
        sides = np.concatenate([sides, np.full(len(split.whole), -1, dtype=np.int8)])
        return Cut(upper, lower, sides, split.whole)

    def _sides(self, signs: NDArray[np.int8]) -> tuple[list[Mask], list[Mask]]:
        """For every dimension, which faces have a vertex above, and which one below."""
        above, below = [signs > 0], [signs < 0]
        first, second = self.edges
        for sides in (above, below):
            sides.append(sides[0][first] | sides[0][second])
        for pairs in self._faces:
            faces, subfaces = pairs.array
            count = self.counts[len(above)]
            for sides in (above, below):
                touched = np.zeros(count, dtype=bool)
                touched[faces[sides[-1][subfaces]]] = True
                sides.append(touched)
        return above, below

    def _cut_edges(self, signs: NDArray[np.int8]) -> tuple[_Split, Indices, Indices]:
        """Split the edges; the vertices above and below each that was."""
        first, second = self.edges
        whole = np.flatnonzero(signs[first] * signs[second] < 0)
        first, second = first[whole], second[whole]
        swap = signs[first] < 0
        above, below = np.where(swap, second, first), np.where(swap, first, second)
        between = self.counts[0] + np.arange(len(whole))
        split = _Split(whole, self.counts[1] + np.arange(len(whole)), between)
        self.edges[:, whole] = above, between
        self._edges.append(np.stack([below, between]))
        self.counts[0] += len(whole)
        self.counts[1] += len(whole)
        return split, above, below

    def _cut_faces(
        self, m: int, lower: _Split, zero: Mask, above: list[Mask], below: list[Mask]
    ) -> tuple[_Split, Mask]:
        """Split the faces of dimension m, given what was split of dimension m - 1.

        zero: the faces of dimension m - 2, as they were before the cut, that lie in it. Returned:
        the same for dimension m - 1.
        """
        pairs = self._faces[m - 2]
        cut_here = above[m] & below[m]
        whole = np.flatnonzero(cut_here)
        count = np.arange(len(whole))
        split = _Split(whole, self.counts[m] + count, self.counts[m - 1] + count)
        position = np.full(len(cut_here), -1)
        position[whole] = count
        part = np.full(len(above[m - 1]), -1)
        part[lower.whole] = np.arange(len(lower.whole))

        faces, subfaces = pairs.array
        touched = np.flatnonzero(cut_here[faces])
        owner, subface = position[faces[touched]], subfaces[touched]
        half = part[subface]
        halved = half >= 0
        moved = ~halved & below[m - 1][subface]
        faces[touched[moved]] = split.below[owner[moved]]
        # The boundary of the new face between: what the cut made of the halved subfaces, and the
        # faces two dimensions lower that already lay in it.
        rim_owner, rim = owner[halved], lower.between[half[halved]]
        if zero.any():
            more = self._lying_in_the_cut(m, owner[~halved], subface[~halved], zero)
            rim_owner, rim = np.concatenate([[rim_owner, rim], more], axis=1)
        pairs.append(np.stack([split.below[owner[halved]], lower.below[half[halved]]]))
        pairs.append(np.stack([whole, split.between]))
        pairs.append(np.stack([split.below, split.between]))
        if m == 2:
            order = np.argsort(rim_owner, kind="stable")
            if not np.array_equal(rim_owner[order], np.repeat(count, 2)):
                raise InconsistentSigns
            self._edges.append(rim[order].reshape(-1, 2).T)
        else:
            self._faces[m - 3].append(np.stack([split.between[rim_owner], rim]))
        self.counts[m] += len(whole)
        self.counts[m - 1] += len(whole)
        return split, ~above[m - 1] & ~below[m - 1]

    def _lying_in_the_cut(self, m: int, owner: Indices, subfaces: Indices, zero: Mask) -> Indices:
        """Pairs (owner, face of dimension m - 2 in the cut) of the split faces of dimension m,
        found through their subfaces that were not split."""
        if m == 2:
            pairs = np.stack([np.repeat(np.arange(self.counts[1]), 2), self.edges.T.ravel()])
        else:
            pairs = self._faces[m - 3].array
        pairs = pairs[:, pairs[1] < len(zero)]  # the others are of this cut's own making
        pairs = pairs[:, zero[pairs[1]]]
        n = self.counts[m - 1]
        of_owner = csr_array((np.ones(len(owner)), (owner, subfaces)), shape=(self.counts[m], n))
        of_subface = csr_array((np.ones(pairs.shape[1]), tuple(pairs)), shape=(n, len(zero)))
        return np.stack((of_owner @ of_subface).nonzero())


def _orthants(k: int) -> list[list[frozenset[int]]]:
    """The simplices of each dimension of the 2^k orthants, closed at infinity, as vertex sets."""
    levels: list[list[frozenset[int]]] = [[] for _ in range(k + 1)]
    for size in range(k + 1):
        for axes in combinations(range(k), size):
            for ends in product((1, 2), repeat=size):
                rays = frozenset(2 * axis + end for axis, end in zip(axes, ends, strict=True))
                levels[size].append(rays | {0})
                if size:
                    levels[size - 1].append(rays)
    levels[0].sort(key=min)
    return levels


#: A face of the cube [-1, 1]^k: of every axis the end that it lies on, or 0 if it runs along it.
_Face = tuple[int, ...]


def _of_cube(k: int) -> list[list[_Face]]:
    """The faces of each dimension of a cube; vertices in the order of `product`."""
    levels: list[list[_Face]] = [[] for _ in range(k + 1)]
    for face in product((-1, 1, 0), repeat=k):
        levels[face.count(0)].append(face)
    levels[0].sort()
    return levels


def _ends(face: _Face) -> list[_Face]:
    """The faces of one dimension less on the boundary of a face."""
    along = [axis for axis, end in enumerate(face) if not end]
    return [(*face[:axis], end, *face[axis + 1 :]) for axis in along for end in (-1, 1)]
