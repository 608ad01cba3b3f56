"""The walk over facets that finds every region of a latent partition [Sec. 3.2, Appendix A].

`walk` is for any latent dimension. For S = 1 the facets of a region are the nearest half-spaces to
its left and right, so `walk_line` needs no linear program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference.model.arrays import Array, Codes
from reference.model.errors import PartitionError, TooManyRegionsError
from reference.model.network import Network
from reference.partition.region import ROUNDING, code_halfspaces, code_towards, halfspace_bounds
from reference.polyhedra.polyhedron import ball_on_plane, inner_ball, unit_rows, within

# How far from a facet's edges a point of it is looked for, in widths of the region. The larger
# distances are for hyperplanes at so small an angle to the facet that rounding hides them nearby.
_SIZES = np.array([1.0, 1e3, 1e6])
# If a facet is farther from 0 than this, a sample of points near 0 is checked as well.
_FAR = 1e6
_SAMPLE = 1000


@dataclass(frozen=True)
class Facet:
    """A facet of a region.

    Attributes
    ----------
    normal : ndarray, shape (S,)
        Its normal, a row of Corollary 1; the region is on the positive side.
    offset : float
        Its offset.
    point : ndarray, shape (S,)
        A point in its relative interior.
    """

    normal: Array
    offset: float
    point: Array


@dataclass(frozen=True)
class Visit:
    """A region as the walk met it.

    Attributes
    ----------
    code : ndarray of int8, shape (U,)
        The region's code.
    ring : int
        The least number of facets between it and the start.
    parent : int
        The region it was entered from, by order of discovery; -1 for the start.
    facets : list of Facet
        Its facets.
    neighbours : list of int
        The region beyond each facet, by order of discovery.
    centre : ndarray, shape (S,)
        The centre of a ball inside: see `region_ball`.
    radius : float
        The radius of that ball.
    """

    code: Codes
    ring: int
    parent: int
    facets: list[Facet]
    neighbours: list[int]
    centre: Array
    radius: float


@dataclass(frozen=True)
class _Seen:
    """A region that is known only from outside: entered from `parent` at the point `entry` (S,)."""

    code: Codes
    ring: int
    parent: int
    entry: Array


def walk(network: Network, max_regions: int) -> list[Visit]:
    """Every region in order of discovery, breadth first, for any S [Sec. 3.2, Appendix A].

    Start from the region at z = 0, and cross each facet of each region found. The code beyond a
    facet comes from the network itself, not from flipping one sign. Facets and regions thinner than
    rounding are absent. Raises TooManyRegionsError past `max_regions`, and PartitionError where
    double precision cannot decide. Guarded by tests/partition/test_walk.py.
    """
    start = np.zeros(network.latent_dimension)
    code = code_towards(network, start, generic_direction(network.latent_dimension))
    seen, index = [_Seen(code, 0, -1, start)], {code.tobytes(): 0}
    visits: list[Visit] = []
    while len(visits) < len(seen):
        here, region = seen[len(visits)], len(visits)
        centre, radius = region_ball(network, here.code, here.entry)
        facets: dict[int, Facet] = {}
        for facet in region_facets(network, here.code, centre, radius):
            beyond = code_towards(network, facet.point, -facet.normal)
            neighbour = index.setdefault(beyond.tobytes(), len(seen))
            if neighbour == region:
                raise PartitionError(f"walk: nothing changes at a facet, at z = {facet.point}")
            if neighbour == len(seen):
                seen.append(_Seen(beyond, here.ring + 1, region, facet.point))
                check_limit(len(seen), max_regions)
            facets.setdefault(neighbour, facet)  # should rounding have kept a facet twice
        visits.append(
            Visit(
                code=here.code,
                ring=here.ring,
                parent=here.parent,
                facets=list(facets.values()),
                neighbours=list(facets),
                centre=centre,
                radius=radius,
            )
        )
    _check_symmetry(visits)
    _check_points_near(network, visits)
    return visits


def walk_line(network: Network, start: float, direction: float, max_regions: int) -> list[float]:
    """The breakpoints met from `start` along the line, in order, S = 1 [Sec. 3.2, Appendix A].

    From each region its nearest half-space ahead is the facet; beyond it the code comes from the
    network itself, not from flipping one sign. Raises TooManyRegionsError past `max_regions`.
    """
    z, found = start, list[float]()
    while True:
        code = code_towards(network, np.array([z]), np.array([direction]))
        step = _distance_to_facet(network, code, z, direction)
        if not np.isfinite(step):
            return found
        z = z + direction * step
        found.append(z)
        check_limit(len(found) + 1, max_regions)


def _distance_to_facet(network: Network, code: Codes, z: float, direction: float) -> float:
    """How far ahead of z the region with this code ends, S = 1; infinity if it does not."""
    half = bounding_halfspaces(network, code)
    nearest = np.inf
    for normal, offset in zip(half.normals[:, 0], half.offsets, strict=True):
        # Positive inside the region; it falls along the direction where the facet lies ahead. A
        # unit that is already zero at z, within rounding, was crossed on the way in.
        fall = -normal * direction
        height = normal * z + offset
        if fall > 0 and height > ROUNDING * (abs(normal * z) + abs(offset)):
            nearest = min(nearest, height / fall)
    return nearest


def generic_direction(dimension: int) -> Array:
    """A fixed direction (S,) that no hyperplane contains, unless it is made to."""
    direction: Array = np.sqrt(np.arange(dimension) + np.pi) - 1.0
    return direction


def check_limit(n_regions: int, max_regions: int) -> None:
    """Raise TooManyRegionsError when there are more regions than allowed."""
    if n_regions > max_regions:
        raise TooManyRegionsError(
            f"max_regions: the network has more than {max_regions} regions; "
            "pass a larger max_regions to DGN"
        )


def check_range(*values: Array) -> None:
    """Raise PartitionError unless all of these are finite."""
    if not all(np.all(np.isfinite(value)) for value in values):
        raise PartitionError(
            "partition: the values of the network's units leave the range of double precision"
        )


def region_ball(network: Network, code: Codes, near: Array) -> tuple[Array, float]:
    """Centre (S,) and radius of a ball in the region with this code, found from the point `near`.

    It is the largest in the region, unless that is larger than the median distance of the
    hyperplanes from z = 0; then its radius is that distance. Raises PartitionError if there is no
    ball.
    """
    half = bounding_halfspaces(network, code)
    normals, offsets = unit_rows(half.normals, half.offsets)
    distances = np.abs(offsets)[offsets != 0]
    scale = float(np.median(distances)) if distances.size else 1.0
    found = inner_ball(normals, offsets, near, scale)
    if found is None:
        raise PartitionError(f"walk: the region entered at z = {near} has no interior")
    return found


@dataclass(frozen=True)
class _HalfSpaces:
    """Half-spaces normals z + offsets > 0, (m, S) and (m,), with bounds on the terms summed in
    them."""

    normals: Array
    offsets: Array
    normal_bounds: Array
    offset_bounds: Array

    def __getitem__(self, kept: NDArray[np.bool_]) -> _HalfSpaces:
        return _HalfSpaces(
            self.normals[kept],
            self.offsets[kept],
            self.normal_bounds[kept],
            self.offset_bounds[kept],
        )

    def heights(self, point: Array) -> Array:
        """normals z + offsets at a point (S,), positive inside: (m,)."""
        heights: Array = self.normals @ point + self.offsets
        return heights

    def rounding(self, point: Array) -> Array:
        """What rounding may do to the heights of a point (S,): (m,)."""
        size = np.max(np.abs(point))
        terms: Array = size * np.sum(self.normal_bounds, axis=1) + self.offset_bounds
        return ROUNDING * terms


def bounding_halfspaces(network: Network, code: Codes) -> _HalfSpaces:
    """`code_halfspaces` without those whose normals are zero within rounding.

    Raises PartitionError unless all are finite.
    """
    normals, offsets = code_halfspaces(network, code)
    normal_bounds, offset_bounds = halfspace_bounds(network, code)
    check_range(normal_bounds, offset_bounds)  # no smaller than the half-spaces
    real = np.any(np.abs(normals) > ROUNDING * normal_bounds, axis=1)
    return _HalfSpaces(normals, offsets, normal_bounds, offset_bounds)[real]


def region_facets(network: Network, code: Codes, centre: Array, radius: float) -> list[Facet]:
    """The facets of the region with this code, from a ball in it [Corollary 1].

    A half-space is redundant if its hyperplane meets the region in an edge, in a corner or not at
    all. Once found redundant, it is left out of the programs that follow; so of several half-spaces
    on one hyperplane the last is kept. Raises PartitionError if the network has another code beside
    a facet.
    """
    half = bounding_halfspaces(network, code)
    facets: list[Facet] = []
    kept = np.ones(len(half.normals), dtype=bool)
    for j, (normal, offset) in enumerate(zip(half.normals, half.offsets, strict=True)):
        kept[j] = False  # not against itself
        point = facet_point(half[kept], normal, float(offset), centre, radius)
        if point is None:
            continue
        kept[j] = True
        facets.append(Facet(normal, float(offset), point))
        if not np.array_equal(code_towards(network, point, normal), code):
            raise PartitionError(f"walk: a facet has another region inside, at z = {point}")
    return facets


def facet_point(
    others: _HalfSpaces, normal: Array, offset: float, centre: Array, radius: float
) -> Array | None:
    """A point (S,) of the hyperplane normal z + offset = 0 inside all other half-spaces, or None.

    centre (S,) and radius are those of a ball in the region.
    """
    length = float(np.linalg.norm(normal))
    normal, offset = normal / length, offset / length
    plane = within(normal)
    foot = onto_hyperplane(centre, normal, offset)
    halfspaces = unit_rows(others.normals, others.offsets)
    for size in radius * _SIZES:
        found = ball_on_plane(*halfspaces, foot, size, plane)
        if found is None:
            return None
        point = found[0]
        if np.max(np.abs(point)) < ROUNDING * (np.max(np.abs(centre)) + radius):
            # 0 is meant; what rounding left of it is not on the hyperplane against its own size.
            point = np.zeros_like(point)
        point = onto_hyperplane(point, normal, offset)
        if np.all(others.heights(point) > others.rounding(point)):
            return point
        if found[1] < 0.5 * size:
            return None
    return None


def onto_hyperplane(point: Array, normal: Array, distance: float) -> Array:
    """The nearest point (S,) of {z : normal z + distance = 0}, normal (S,) of length 1."""
    nearest: Array = point
    for _ in range(2):  # the second step takes away the rounding of the first
        nearest = nearest - (normal @ nearest + distance) * normal
    return nearest


def _check_points_near(network: Network, visits: list[Visit]) -> None:
    """Check that points near 0 lie in regions that were found.

    Where hyperplanes are very far away, the programs resolve little of what is near.
    """
    distances = [abs(f.offset) / np.linalg.norm(f.normal) for visit in visits for f in visit.facets]
    if max(distances, default=0.0) < _FAR:
        return
    known = {visit.code.tobytes() for visit in visits}
    rng = np.random.default_rng(0)
    latent = network.latent_dimension
    for point in rng.standard_normal((_SAMPLE, latent)) * 10.0 ** rng.uniform(-1, 1, (_SAMPLE, 1)):
        if code_towards(network, point, generic_direction(latent)).tobytes() not in known:
            raise PartitionError(f"walk: the region at z = {point} was not reached")


def _check_symmetry(visits: list[Visit]) -> None:
    """Check that every region is its neighbours' neighbour."""
    for region, visit in enumerate(visits):
        for neighbour, facet in zip(visit.neighbours, visit.facets, strict=True):
            if region not in visits[neighbour].neighbours:
                raise PartitionError(f"walk: a facet has one side only, at z = {facet.point}")
