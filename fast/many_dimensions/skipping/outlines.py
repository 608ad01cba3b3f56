"""Where the regions of a partition lie, and where their images do: what the tree is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fast.distributions.observation import Coordinates, pushed
from fast.integration.whitened import dots
from fast.many_dimensions.skipping.region_tree import Balls, Seen
from fast.partition.layer_maps import Maps
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask, Network

# Numbers held at once while vertices are pushed through the layers, and compared with their middle.
_BATCH = 1 << 22
# How far off corners and their images may be, over their size: a million times ε, for corners are
# known to most of their digits, and what they are bounds for is known to a deviation.
_DOUBT = 1e-9
# Draws of the prior in whose images the axes of the projection are found, with this seed.
_DRAWS, _SEED = 1024, 0
# The axes: as many coordinates tell of y what matters.
_AXES = 64


@dataclass(frozen=True, eq=False)
class Projection:
    """y -> axesᵀ (y - middle), (r,) -> (K,), with axes (r, K) orthonormal; for r <= K the identity,
    without axes."""

    axes: Array | None
    middle: Array  # (r,)

    @staticmethod
    def of(network: Network, coordinates: Coordinates, prior_root: Array) -> Projection:
        """Onto the directions in which images of draws from the prior differ most."""
        if coordinates.rank <= _AXES:
            return Projection(None, np.zeros(coordinates.rank))
        normal = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(prior_root)))
        places = np.asarray(np.linalg.solve(prior_root, normal.T).T, dtype=np.float64)
        images = coordinates.of_inputs(_hidden(network, coordinates, places))
        middle = images.mean(axis=0)
        _, _, right = np.linalg.svd(images - middle, full_matrices=False)
        return Projection(np.ascontiguousarray(right[:_AXES].T), middle)

    @property
    def rank(self) -> int:
        """K."""
        return len(self.middle) if self.axes is None else int(self.axes.shape[1])

    def seen(self, y: Array) -> Seen:
        """Data, y (N, r)."""
        return Seen(self.along(y), self.beyond(y))

    def along(self, y: Array) -> Array:
        """axesᵀ (y - middle) of every row."""
        return y if self.axes is None else np.asarray((y - self.middle) @ self.axes)

    def beyond(self, y: Array) -> Array:
        """The length of what is orthogonal to the axes."""
        if self.axes is None:
            return np.zeros(len(y))
        away = y - self.middle
        return np.asarray(np.linalg.norm(away - (away @ self.axes) @ self.axes.T, axis=1))

    def of_maps(self, coordinates: Coordinates, maps: Maps) -> Maps:
        """axesᵀ (y(g(z)) - middle) on regions, from the maps of z to the input of the layer that
        the coordinates start from."""
        if self.axes is None:
            return coordinates.of_maps(maps)
        slopes, offsets = pushed(coordinates.along(self.axes), maps)
        return Maps(slopes, offsets - self.middle @ self.axes)


class Outlines(NamedTuple):
    """Of n bounded regions."""

    regions: Indices  # (n,)
    balls: Balls

    def where(self, kept: Mask) -> Outlines:
        """Some of them."""
        return Outlines(self.regions[kept], self.balls.at(np.flatnonzero(kept)))


def outlines(
    partition: Partition, coordinates: Coordinates, prior_root: Array, projection: Projection
) -> Outlines:
    """Balls around all bounded regions, with their images."""
    parts = [
        _of_lattice(partition.network, coordinates, prior_root, projection, *pair)
        for pair in partition.polyhedra.lattices
        if pair[1].dimension == len(prior_root)
    ]
    empty = np.empty(0)
    none, nowhere = np.empty((0, projection.rank)), np.empty((0, len(prior_root)))
    nothing = Balls(none, empty, empty, nowhere, *[empty] * 4)
    balls = zip(nothing, *(found.balls for found in parts), strict=True)
    regions = [np.empty(0, dtype=np.intp), *(found.regions for found in parts)]
    return Outlines(np.concatenate(regions), Balls(*map(np.concatenate, balls)))


def _hidden(network: Network, coordinates: Coordinates, Z: Array) -> Array:
    """What goes into the layer that the coordinates start from, of points (n, S)."""
    for layer in network.layers[: coordinates.index]:
        Z = layer.apply(Z)
    return Z


def _of_lattice(
    network: Network,
    coordinates: Coordinates,
    prior_root: Array,
    projection: Projection,
    regions: Indices,
    lattice: Lattice,
) -> Outlines:
    """Balls around the bounded ones of a lattice's polyhedra."""
    cells = _bounded(lattice)
    entries, owner = lattice.corners.entries(cells)
    corners = lattice.corners.values[entries]
    along, beyond, sizes = _seen_corners(network, coordinates, projection, lattice)
    rows = corners, owner, len(cells)
    centres, radii = _balls(along, *rows)
    doubt = _DOUBT * _largest(sizes, *rows)
    white = lattice.positions @ prior_root.T
    places, reach = _balls(white, *rows)
    reach += _DOUBT * _largest(np.linalg.norm(white, axis=1), *rows)
    log_unit = np.linalg.slogdet(prior_root)[1]
    balls = Balls(
        centres=centres,
        radii=radii + doubt,
        beyond=_largest(beyond, *rows) + doubt,
        places=places,
        reach=reach,
        least=np.maximum(np.linalg.norm(places, axis=1) - reach, 0.0) ** 2,
        log_volumes=most_log_volumes(white, *rows) - log_unit,
        number=np.ones(len(cells)),
    )
    return Outlines(regions[cells], balls)


def _bounded(lattice: Lattice) -> Indices:
    """Which of the polyhedra of a lattice have no corner at infinity."""
    ends = ~lattice.points[lattice.corners.values]
    return np.flatnonzero(
        np.bincount(lattice.corners.owners, ends, len(lattice.corners.counts)) == 0
    )


def _seen_corners(
    network: Network, coordinates: Coordinates, projection: Projection, lattice: Lattice
) -> tuple[Array, Array, Array]:
    """The images of corners in the projection, (C, K), how far from its axes they lie, (C,), and
    how large the terms of images are, (C,); 0 for corners at infinity."""
    count = len(lattice.points)
    along, (beyond, sizes) = np.zeros((count, projection.rank)), np.zeros((2, count))
    mine = np.flatnonzero(lattice.points)
    for some in chunks(len(mine), _BATCH, max(network.sizes)):
        hidden = _hidden(network, coordinates, lattice.positions[mine[some]])
        images = coordinates.of_inputs(hidden)
        along[mine[some]], beyond[mine[some]] = projection.along(images), projection.beyond(images)
        sizes[mine[some]] = coordinates.norm * np.linalg.norm(hidden, axis=1)
    return along, beyond, sizes


def _balls(places: Array, corners: Indices, owner: Indices, count: int) -> tuple[Array, Array]:
    """A ball around some of the places (C, K) for each of n owners: centres (n, K), radii (n,)."""
    number = np.maximum(np.bincount(owner, minlength=count), 1)
    shares = csr_array((1.0 / number[owner], (owner, corners)), shape=(count, len(places)))
    centres, radii = np.asarray(shares @ places), np.zeros(count)
    for some in chunks(len(corners), _BATCH, places.shape[1]):
        away = np.linalg.norm(places[corners[some]] - centres[owner[some]], axis=1)
        np.maximum.at(radii, owner[some], away)
    return centres, radii


def _largest(values: Array, corners: Indices, owner: Indices, count: int) -> Array:
    """The largest of the corners' values (C,) of every owner."""
    result = np.zeros(count)
    np.maximum.at(result, owner, values[corners])
    return result


def most_log_volumes(white: Array, corners: Indices, owner: Indices, count: int) -> Array:
    """Log of at most the volume of each polyhedron, from its corners (C, S): of a polygon its area,
    of others that of a box."""
    places = white[corners]
    low, high = np.full((2, count, white.shape[1]), np.inf)
    np.minimum.at(low, owner, places)
    np.minimum.at(high, owner, -places)
    sides = -high - low + _DOUBT * (np.abs(low) + np.abs(high))
    boxes = np.log(sides).sum(axis=1)
    if white.shape[1] != 2 or not count:
        return np.asarray(boxes)
    away = places - (0.5 * (low - high))[owner]
    order = np.lexsort((np.arctan2(away[:, 1], away[:, 0]), owner))
    first = np.searchsorted(owner, np.arange(count))
    after = np.arange(1, len(order) + 1)
    after[np.append(first[1:], len(order)) - 1] = first
    one, other = away[order], away[order[after]]
    crossed = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    # The middle of the box may lie outside: then the area is that of a larger polygon.
    areas = 0.5 * np.bincount(owner, np.abs(crossed), count)
    return np.asarray(np.minimum(boxes, np.log(areas + _DOUBT * dots(sides, sides))))
