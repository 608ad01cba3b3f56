"""The walk over facets that finds every region of a latent partition [Sec. 3.2, Appendix A].

Which half-spaces are facets, and which region lies beyond one, is decided in integers: weights are
doubles, which are integers over a power of two. So no region is too thin to be found, and none is
found twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reference.model.arrays import Array, Codes
from reference.model.errors import PartitionError, TooManyRegionsError
from reference.model.exact import ExactNetwork
from reference.model.network import Network
from reference.partition.region import exact_halfspaces
from reference.polyhedra.double_description import axes
from reference.polyhedra.integer_vectors import Vector, negative, rounded_point
from reference.polyhedra.polyhedron import Polyhedron, from_rows


@dataclass(frozen=True)
class Facet:
    """A facet of a region.

    Attributes
    ----------
    normal : ndarray, shape (S,)
        Its normal, a row of Corollary 1; the region is on the positive side.
    offset : float
        Its offset.
    row : tuple of int
        Both exactly, but for their scale.
    inner : tuple of int
        A point (z, t) in its relative interior.
    """

    normal: Array
    offset: float
    row: Vector
    inner: Vector

    @cached_property
    def point(self) -> Array:
        """The point of its relative interior in doubles, (S,)."""
        return np.array(rounded_point(self.inner))


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
    polyhedron : Polyhedron
        The region itself, exactly.
    facets : list of Facet
        Its facets.
    neighbours : list of int
        The region beyond each facet, by order of discovery.
    """

    code: Codes
    ring: int
    parent: int
    polyhedron: Polyhedron
    facets: list[Facet]
    neighbours: list[int]


@dataclass(frozen=True)
class _Seen:
    """A region that is known only from outside, by a facet of `parent`."""

    code: Codes
    ring: int
    parent: int


def walk(network: Network, max_regions: int) -> list[Visit]:
    """Every region in order of discovery, breadth first, for any S [Sec. 3.2, Appendix A].

    Start from the region at z = 0, and cross each facet of each region found. The code beyond a
    facet comes from the network itself, not from flipping one sign. What is left unconnected has
    dimension S - 2 at most and cannot separate R^S: so every region is reached, however thin it is.
    Raises TooManyRegionsError past `max_regions`, and PartitionError where values are no doubles.
    Guarded by tests/partition/test_walk.py and tests/partition/test_exact_walk.py.
    """
    exact, latent = ExactNetwork(network), network.latent_dimension
    origin = tuple([0] * latent + [1])
    seen = [_Seen(exact.code_towards(origin, axes(latent)), 0, -1)]
    index = {seen[0].code.tobytes(): 0}
    visits: list[Visit] = []
    while len(visits) < len(seen):
        here, region = seen[len(visits)], len(visits)
        polyhedron, facets = region_facets(exact, here.code)
        neighbours = []
        for facet in facets:
            beyond = code_beyond(exact, facet)
            neighbour = index.setdefault(beyond.tobytes(), len(seen))
            if neighbour == len(seen):
                seen.append(_Seen(beyond, here.ring + 1, region))
                check_limit(len(seen), max_regions)
            neighbours.append(neighbour)
        visits.append(Visit(here.code, here.ring, here.parent, polyhedron, facets, neighbours))
    _check_symmetry(visits)
    return visits


def region_facets(exact: ExactNetwork, code: Codes) -> tuple[Polyhedron, list[Facet]]:
    """The region with this code, and its facets [Corollary 1].

    A half-space is redundant if its hyperplane meets the region in an edge, in a corner or not at
    all; of several half-spaces on one hyperplane the first is kept. Raises PartitionError if no
    point has this code.
    """
    half = exact_halfspaces(exact, code)
    polyhedron = from_rows(half.rows(), exact.network.latent_dimension)
    if polyhedron is None:
        raise PartitionError(f"walk: no point has the code {code.tolist()}")
    rounded = half.rounded([side.number for side in polyhedron.sides])
    facets = [
        Facet(normal, float(offset), side.row, polyhedron.inner_point_of(side))
        for side, normal, offset in zip(polyhedron.sides, *rounded, strict=True)
    ]
    return polyhedron, facets


def code_beyond(exact: ExactNetwork, facet: Facet) -> Codes:
    """The code of the region on the other side of a facet."""
    return exact.code_towards(facet.inner, [(*negative(facet.row[:-1]), 0)])


def check_limit(n_regions: int, max_regions: int) -> None:
    """Raise TooManyRegionsError when there are more regions than allowed."""
    if n_regions > max_regions:
        raise TooManyRegionsError(
            f"max_regions: the network has more than {max_regions} regions; "
            "pass a larger max_regions to DGN"
        )


def _check_symmetry(visits: list[Visit]) -> None:
    """Check that every region is its neighbours' neighbour, and not its own."""
    for region, visit in enumerate(visits):
        for neighbour, facet in zip(visit.neighbours, visit.facets, strict=True):
            if neighbour == region or region not in visits[neighbour].neighbours:
                raise PartitionError(f"walk: a facet has one side only, at z = {facet.point}")
