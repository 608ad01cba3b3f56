"""The regions as polyhedra: facets, vertices, rays and lines [Corollary 1]."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fast.complex import Indices, Mask
from reference.network import Array

# A slack below this, relative to the terms it is the difference of, counts as zero where vertices
# are found from facets: what remains of solving S equations that are not nearly dependent.
_TIGHT = 1e-9


@dataclass(frozen=True)
class Corners:
    """Vertices and rays of every region, shared between neighbours.

    positions (V, S): points, and directions of length 1 where `points` is False. Region r has those
    with the numbers members[starts[r]:starts[r + 1]].
    """

    positions: Array
    points: Mask
    starts: Indices
    members: Indices

    def of(self, region: int, points: bool) -> Array:
        """The vertices of a region, or its rays."""
        members = self.members[self.starts[region] : self.starts[region + 1]]
        return np.asarray(self.positions[members[self.points[members] == points]])


@dataclass(frozen=True)
class Polyhedra:
    """Every region as {z : normals z + offsets > 0}, none of it redundant, and what spans it.

    Region r has the facets starts[r]:starts[r + 1] of normals (F, S) and offsets (F,). corners is
    None where several cells made one region (max-pooling): vertices and rays are then found from
    the facets when asked for.
    """

    starts: Indices
    normals: Array
    offsets: Array
    corners: Corners | None

    def halfspaces(self, region: int) -> tuple[Array, Array]:
        """The facets of a region: normals (F, S), offsets (F,)."""
        mine = slice(self.starts[region], self.starts[region + 1])
        return self.normals[mine], self.offsets[mine]

    def lines(self, region: int) -> Array:
        """An orthonormal basis of the directions the region contains both ways, (n, S)."""
        return _lines(self.halfspaces(region)[0])

    def vertices(self, region: int) -> Array:
        """Vertices (V, S); of a region with lines, the points of its smallest faces that are
        orthogonal to them."""
        if self.corners is not None:
            return self.corners.of(region, points=True)
        return _points(*self.halfspaces(region))

    def rays(self, region: int) -> Array:
        """Extreme directions (W, S) of length 1, orthogonal to the region's lines."""
        if self.corners is not None:
            return self.corners.of(region, points=False)
        return _directions(self.halfspaces(region)[0])


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
        np.concatenate([breakpoints, [-1.0, 1.0]])[:, None],
        np.arange(count + 2) < count,
        np.arange(count + 2) * 2,
        np.concatenate([[count], both, [count + 1]]),
    )
    return Polyhedra(
        np.searchsorted(regions, np.arange(count + 2)),
        signs[:, None],
        -signs * breakpoints[both],
        corners,
    )


def everything(dimension: int) -> Polyhedra:
    """One region, all of R^S."""
    return Polyhedra(np.zeros(2, dtype=np.intp), np.empty((0, dimension)), np.empty(0), None)


def _lines(normals: Array) -> Array:
    """The null space of the normals."""
    _, values, basis = np.linalg.svd(_unit(normals), full_matrices=True)
    return np.asarray(basis[int(np.sum(values > _TIGHT)) :])


def _points(normals: Array, offsets: Array) -> Array:
    """Every vertex: the solution of `rank` of the facets' equations that violates none."""
    lengths = np.linalg.norm(normals, axis=1)
    normals, offsets = normals / lengths[:, None], offsets / lengths
    rank = normals.shape[1] - len(_lines(normals))
    found: list[Array] = []
    for chosen in combinations(range(len(normals)), rank):
        rows = normals[list(chosen)]
        if rank and np.linalg.svd(rows, compute_uv=False)[-1] < _TIGHT:
            continue
        point = -np.linalg.pinv(rows) @ offsets[list(chosen)]
        size = 1.0 + np.max(np.abs(point), initial=0.0)
        if np.all(normals @ point + offsets >= -_TIGHT * size):
            found.append(point)
    return _distinct(found, normals.shape[1])


def _directions(normals: Array) -> Array:
    """Every extreme ray: on `rank` - 1 independent facets, and inside all."""
    normals, lines = _unit(normals), _lines(normals)
    rank = normals.shape[1] - len(lines)
    found: list[Array] = []
    for chosen in combinations(range(len(normals)), max(rank - 1, 0)):
        free = _lines(np.concatenate([normals[list(chosen)], lines]))
        for direction in (*free, *-free) if len(free) == 1 else ():
            if np.all(normals @ direction >= -_TIGHT):
                found.append(direction)
    return _distinct(found, normals.shape[1])


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1)[:, None])


def _distinct(found: list[Array], dimension: int) -> Array:
    """The rows of a list, those that coincide within rounding once."""
    kept: list[Array] = []
    for row in found:
        if all(np.max(np.abs(row - k)) > _TIGHT * (1.0 + np.max(np.abs(k))) for k in kept):
            kept.append(row)
    return np.array(kept).reshape(-1, dimension)
