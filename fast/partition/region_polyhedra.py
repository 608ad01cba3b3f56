"""The regions as polyhedra: facets, vertices, rays and lines [Corollary 1]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fast.partition.cell_faces import Subdivision, faces_of_cells
from fast.partition.region_maps import ExactFacets
from fast.polyhedra.face_lattice import Lattice, joined
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces, row_space
from fast.polyhedra.integer_rows import integer_rows
from reference.model import Array, Indices, Mask


class Source(NamedTuple):
    """Where regions come from: the cells of a complex in this order, and for each facet, region
    after region, the face of the complex."""

    complex: Subdivision
    cells: Indices
    facets: Indices


@dataclass(frozen=True, eq=False)
class Corners:
    """Vertices and rays of every region, shared between neighbours.

    Region r has those with the numbers members[starts[r]:starts[r + 1]].
    """

    positions: Array  # (V, S): points, and directions of length 1
    small: Array  # (V, S): what rounding left off the positions, where that is known
    points: Mask  # (V,): whether it is a point
    starts: Indices  # (R + 1,)
    members: Indices
    source: Source | None = None

    def of(self, region: int, points: bool) -> Array:
        """The vertices of a region, or its rays."""
        members = self.members[self.starts[region] : self.starts[region + 1]]
        return np.asarray(self.positions[members[self.points[members] == points]])


@dataclass(frozen=True, eq=False)
class Polyhedra:
    """Every region as {z : normals z + offsets > 0}, none of it redundant, and what spans it.

    Region r has the facets starts[r]:starts[r + 1]. Where several cells made one region
    (max-pooling), corners are found from the facets when they are asked for.
    """

    starts: Indices  # (R + 1,)
    normals: Array  # (F, S)
    offsets: Array  # (F,)
    corners: Corners | None
    dimension: int  # the rank of all cuts together, which that of a region's normals cannot exceed
    exact: ExactFacets | None = None  # where corners are found from the facets

    def __post_init__(self) -> None:
        for array in (self.starts, self.normals, self.offsets):
            array.flags.writeable = False

    def halfspaces(self, region: int) -> tuple[Array, Array]:
        """The facets of a region: normals (F, S), offsets (F,)."""
        mine = slice(self.starts[region], self.starts[region + 1])
        return self.normals[mine], self.offsets[mine]

    def lines(self, region: int) -> Array:
        """An orthonormal basis of the directions the region contains both ways, (n, S)."""
        normals, _ = self.halfspaces(region)
        if self.exact is not None:
            return row_space(normals, self.exact.rows(region)[:, :-1])[1]
        return row_space(normals, integer_rows(normals), self.dimension)[1]

    def vertices(self, region: int) -> Array:
        """Vertices (V, S); of a region with lines, the points of its smallest faces that are
        orthogonal to them."""
        return self._corners(region, points=True)

    def rays(self, region: int) -> Array:
        """Extreme directions (W, S) of length 1, orthogonal to the region's lines."""
        return self._corners(region, points=False)

    def _corners(self, region: int, points: bool) -> Array:
        if self.corners is not None:
            return self.corners.of(region, points)
        lattice = self._lattice(region)
        if lattice is None or not lattice.dimension:
            return np.zeros((int(points), self.normals.shape[1]))
        return np.asarray(lattice.positions[lattice.points == points])

    def _lattice(self, region: int) -> Lattice | None:
        if self.exact is None:
            return lattice_of_halfspaces(*self.halfspaces(region), at_most=self.dimension)
        return lattice_of_halfspaces(*self.halfspaces(region), rows=self.exact.rows(region))

    @cached_property
    def lattices(self) -> list[tuple[Indices, Lattice]]:
        """The faces of all regions: for every dimension that regions have across their lines, which
        regions have it, and their lattice. A region as thin as rounding may be in none."""
        count = len(self.starts) - 1
        if self.corners is not None and self.corners.source is not None:
            return [(np.arange(count), self._lattice_of_cells(self.corners, self.corners.source))]
        found = [(region, self._lattice(region)) for region in range(count)]
        result = []
        for dimension in range(self.normals.shape[1] + 1):
            mine = [(r, lattice) for r, lattice in found if lattice is not None]
            mine = [(r, lattice) for r, lattice in mine if lattice.dimension == dimension]
            if mine:
                regions = np.array([r for r, _ in mine])
                result.append((regions, joined([lattice for _, lattice in mine])))
        return result

    def _lattice_of_cells(self, corners: Corners, source: Source) -> Lattice:
        faces = faces_of_cells(source.complex, corners.points, source.cells)
        # The facets in the order of the faces; those at infinity have none of the half-spaces.
        own, count = faces[-1].of_cells, len(faces[-1].finite)
        regions = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        place = np.searchsorted(own.owners * count + own.values, regions * count + source.facets)
        normals = np.zeros((len(own.values), self.normals.shape[1]))
        offsets = np.ones(len(own.values))
        normals[place], offsets[place] = self.normals, self.offsets
        lines = self.lines(0)
        return Lattice(
            dimension=source.complex.dimension,
            positions=corners.positions,
            small=corners.small,
            points=corners.points,
            lines=np.broadcast_to(lines, (len(self.starts) - 1, *lines.shape)),
            faces=faces,
            normals=normals,
            offsets=offsets,
        )


def polyhedra_of_intervals(breakpoints: Array) -> Polyhedra:
    """The intervals between sorted breakpoints, as polyhedra with S = 1."""
    count = len(breakpoints)
    if not count:
        return everything(1)
    both = np.repeat(np.arange(count), 2)
    # Breakpoint i bounds region i on its right and region i + 1 on its left.
    regions = both + np.tile([0, 1], count)
    signs = np.tile([-1.0, 1.0], count)
    corners = Corners(
        positions=np.concatenate([breakpoints, [-1.0, 1.0]])[:, None],
        small=np.zeros((count + 2, 1)),
        points=np.arange(count + 2) < count,
        starts=np.arange(count + 2) * 2,
        members=np.concatenate([[count], both, [count + 1]]),
    )
    return Polyhedra(
        np.searchsorted(regions, np.arange(count + 2)),
        signs[:, None],
        -signs * breakpoints[both],
        corners,
        1,
    )


def everything(dimension: int) -> Polyhedra:
    """One region, all of R^S."""
    return Polyhedra(np.zeros(2, dtype=np.intp), np.empty((0, dimension)), np.empty(0), None, 0)
