"""The regions as polyhedra: facets, vertices, rays and lines [Corollary 1]."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fast.complex import Indices, Mask
from reference.network import Array

# Rows of length one nearer to dependent than this count as dependent.
_DEPENDENT = 1e-12
# Equations with such rows are solved to within this over their smallest singular value.
_SOLVED = 256 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
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

    def __post_init__(self) -> None:
        for array in (self.starts, self.normals, self.offsets):
            array.flags.writeable = False

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
    return np.asarray(basis[int(np.sum(values > _DEPENDENT)) :])


def _points(normals: Array, offsets: Array) -> Array:
    """Every vertex: the solution of `rank` of the facets' equations that violates none. Cost: one
    decomposition for each choice of facets."""
    lengths = np.linalg.norm(normals, axis=1)
    normals, offsets = normals / lengths[:, None], offsets / lengths
    rank = normals.shape[1] - len(_lines(normals))
    found: list[tuple[Array, float]] = []
    for chosen in map(list, combinations(range(len(normals)), rank)):
        least = np.linalg.svd(normals[chosen], compute_uv=False)[-1] if rank else 1.0
        if least < _DEPENDENT:
            continue
        point = -np.linalg.pinv(normals[chosen], rcond=0.0) @ offsets[chosen]
        size = max(np.max(np.abs(point)), np.max(np.abs(offsets[chosen]), initial=0.0))
        error = float(_SOLVED * size / least)
        if np.all(normals @ point + offsets >= -error):
            found.append((point, error))
    return _distinct(found, normals.shape[1])


def _directions(normals: Array) -> Array:
    """Every extreme ray: on `rank` - 1 independent facets, and inside all."""
    normals, lines = _unit(normals), _lines(normals)
    rank = normals.shape[1] - len(lines)
    found: list[tuple[Array, float]] = []
    for chosen in map(list, combinations(range(len(normals)), max(rank - 1, 0))):
        rows = np.concatenate([normals[chosen], lines])
        free = _lines(rows)
        if len(free) != 1:
            continue
        least = np.linalg.svd(rows, compute_uv=False)[-1] if len(rows) else 1.0
        error = float(_SOLVED / least)
        found += [(d, error) for d in (free[0], -free[0]) if np.all(normals @ d >= -error)]
    return _distinct(found, normals.shape[1])


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1)[:, None])


def _distinct(found: list[tuple[Array, float]], dimension: int) -> Array:
    """The rows of a list with their errors, those that coincide within them once."""
    kept: list[tuple[Array, float]] = []
    for row, error in found:
        if all(np.max(np.abs(row - other)) > 4.0 * (error + its) for other, its in kept):
            kept.append((row, error))
    return np.array([row for row, _ in kept]).reshape(-1, dimension)
