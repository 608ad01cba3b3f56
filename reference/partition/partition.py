"""The latent partition Ω with the affine map of every region [eq. 1, 2, 8, Lemma 3, Corollary 1].

The regions are found by walking over facets: see `reference.partition.walk`, and
`reference.partition.region` for what makes one region.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.model.arrays import Array, Codes, Indices, ReadOnly, freeze
from reference.model.errors import PartitionError
from reference.model.exact import ExactNetwork
from reference.model.network import Network
from reference.model.observed.outputs import outputs_of
from reference.model.validation import check_array, check_count
from reference.partition.region import (
    OUT_OF_RANGE,
    code_halfspaces,
    layer_derivatives,
    region_map,
    up_to_layer_map,
)
from reference.partition.walk import Visit, walk
from reference.polyhedra.inclusion_exclusion import SignedCones, signed_cones
from reference.polyhedra.integer_vectors import quotient, rows_of
from reference.polyhedra.polyhedron import Polyhedron

__all__ = [
    "Partition",
    "PartitionError",
    "code_halfspaces",
    "layer_derivatives",
    "partition",
    "region_map",
    "up_to_layer_map",
]

# Ends nearer than this share of their size: their difference has lost six digits or more.
_NARROW = 1e-6
# What a partition keeps once it is found, and which does not depend on the maps.
_OF_REGIONS = ("signed_cones", "left_ends", "_exact", "_regions")


@dataclass(frozen=True, eq=False)
class Partition(ReadOnly):
    """The regions of a network [Lemma 3]: from left to right for S = 1, else sorted by code.

    Made by `DGN.partition`. Which regions there are, their facets and what these have in common is
    exact; positions and maps are rounded.

    Parameters
    ----------
    network : Network
        The network.
    codes : ndarray of int8, shape (R, U)
        The code of every region: signs of pre-activations, and positions of max-pooling's winners.
    slopes : ndarray, shape (R, D, S)
        A_ω [eq. 2].
    offsets : ndarray, shape (R, D)
        b_ω [eq. 2].
    breakpoints : ndarray, shape (R - 1,)
        For S = 1 the ends of the intervals, in latent units, in order; each is the double nearest
        to it, so two of them may be equal. Empty for S > 1.
    polyhedra : tuple of Polyhedron
        The regions exactly.
    facets : tuple of (ndarray, ndarray)
        For S > 1 each region's half-spaces (F, S) and (F,): those rows q ⊙ A^{1→l}, q ⊙ b^{1→l} of
        Corollary 1 that bound it. Empty for S = 1.

    Notes
    -----
    Guarded by tests/partition/test_partition.py, tests/partition/test_walk.py,
    tests/partition/test_exact_walk.py and `python -m oracle`.

    Examples
    --------
    >>> from reference import DGN, Dense, Network, ReLU
    >>> hidden = Dense([[1.0], [-1.0]], [-1.0, -1.0])
    >>> network = Network([hidden, ReLU(), Dense([[1.0, 1.0]], [0.0])])
    >>> partition = DGN(network, 1.0).partition()
    >>> print(partition.breakpoints, partition.slopes.ravel())
    [-1.  1.] [-1.  0.  1.]
    >>> partition.locate([[0.0], [2.0]]).tolist()
    [1, 2]
    """

    network: Network
    codes: Codes
    slopes: Array
    offsets: Array
    breakpoints: Array
    polyhedra: tuple[Polyhedron, ...]
    facets: tuple[tuple[Array, Array], ...] = ()

    def __post_init__(self) -> None:
        freeze(self.codes, self.slopes, self.offsets, self.breakpoints, self.facets)

    @property
    def n_regions(self) -> int:
        """R = Card(Ω)."""
        return len(self.codes)

    def halfspaces(self, region: int) -> tuple[Array, Array]:
        """Return the facets of a region [Corollary 1].

        Parameters
        ----------
        region : int
            Its index, below n_regions.

        Returns
        -------
        normals : ndarray, shape (F, S)
            The region is {z : normals z + offsets > 0}. None of the half-spaces is redundant.
        offsets : ndarray, shape (F,)
            Their offsets.

        Raises
        ------
        ValueError
            If there is no such region.
        """
        self._check(region)
        if self.facets:
            normals, offsets = self.facets[region]
            return normals.copy(), offsets.copy()
        return _ends(self.breakpoints, region)

    def vertices(self, region: int) -> Array:
        """Return the vertices of a region.

        Parameters
        ----------
        region : int
            Its index, below n_regions.

        Returns
        -------
        ndarray, shape (V, S)
            The region is conv(vertices) + cone(rays) + span(lines). One with lines has no vertex;
            then these are the points of its smallest faces that are orthogonal to the lines.

        Notes
        -----
        Each coordinate is the double nearest to the exact one. So two vertices that are closer
        together than rounding may be equal here, and are two all the same.
        """
        self._check(region)
        return self.polyhedra[region].vertices()

    def rays(self, region: int) -> Array:
        """Return the extreme directions of a region.

        Parameters
        ----------
        region : int
            Its index, below n_regions.

        Returns
        -------
        ndarray, shape (W, S)
            Vectors of length 1; none if the region is bounded.
        """
        self._check(region)
        return self.polyhedra[region].rays()

    def lines(self, region: int) -> Array:
        """Return a basis of the directions that a region contains both ways.

        Parameters
        ----------
        region : int
            Its index, below n_regions.

        Returns
        -------
        ndarray, shape (n, S)
            Orthonormal vectors; none if the region has a vertex.
        """
        self._check(region)
        return self.polyhedra[region].lines()

    def _check(self, region: int) -> None:
        """Raise ValueError if there is no such region."""
        if check_count(region, "region", 0) >= self.n_regions:
            raise ValueError(f"region: expected an index below {self.n_regions}, got {region}")

    @cached_property
    def signed_cones(self) -> list[SignedCones]:
        """Each region as a signed sum of polyhedra of at most S half-spaces [Lemma 4]."""
        return [signed_cones(polyhedron) for polyhedron in self.polyhedra]

    def locate(self, Z: ArrayLike) -> NDArray[np.intp]:
        """Return the index of the region of each point.

        Parameters
        ----------
        Z : array_like, shape (M, S)
            Latent points.

        Returns
        -------
        ndarray of int, shape (M,)
            Indices of regions.

        Notes
        -----
        Decided exactly. A point on a boundary goes to the region that is entered by increasing z_1,
        or along the boundary z_2, and so on; for S = 1 to the one on its right.
        """
        latent = self.slopes.shape[2]
        points = check_array(Z, "Z", (None, latent))
        if latent == 1:
            found = [bisect_right(self.left_ends, Fraction(z)) for z in points[:, 0].tolist()]
        else:
            rows = np.array(rows_of(points, np.ones(len(points))), dtype=object)  # as (z, t)
            codes = self._exact.codes(rows.reshape(-1, latent + 1))
            found = [self._regions[code.tobytes()] for code in codes]
        return np.array(found, dtype=np.intp)

    @cached_property
    def left_ends(self) -> list[Fraction]:
        """Where all intervals but the first begin, S = 1."""
        return [_left_end(polyhedron) for polyhedron in self.polyhedra[1:]]

    @cached_property
    def _exact(self) -> ExactNetwork:
        return ExactNetwork(self.network)

    @cached_property
    def _regions(self) -> dict[bytes, int]:
        """The index of the region of every code."""
        return {code.tobytes(): region for region, code in enumerate(self.codes)}


def _ends(breakpoints: Array, region: int) -> tuple[Array, Array]:
    """The half-spaces of an interval, S = 1: normals (F, 1), offsets (F,)."""
    normals, offsets = [], []
    if region > 0:
        normals.append([1.0])
        offsets.append(-breakpoints[region - 1])
    if region < len(breakpoints):
        normals.append([-1.0])
        offsets.append(breakpoints[region])
    return np.reshape(normals, (-1, 1)), np.array(offsets, dtype=np.float64)


def interval(partition: Partition, region: int) -> tuple[float, float, float]:
    """The ends of a region, infinite where there is none, and their distance; S = 1.

    Of ends that are nearly the same the difference has few digits: their distance is then that of
    the fractions they are.
    """
    ends = [-np.inf, *partition.breakpoints.tolist(), np.inf]
    lower, upper = ends[region], ends[region + 1]
    width = upper - lower
    if width < _NARROW * max(abs(lower), abs(upper)) < np.inf:
        width = float(partition.left_ends[region] - partition.left_ends[region - 1])
    return lower, upper, width


def of_outputs(partition: Partition, indices: Indices) -> Partition:
    """The same regions with the maps to some entries of x; of none, to a constant 0."""
    keep = indices if len(indices) else slice(0, 1)
    scale = 1.0 if len(indices) else 0.0
    found = replace(
        partition,
        network=outputs_of(partition.network, indices),
        slopes=scale * partition.slopes[:, keep],
        offsets=scale * partition.offsets[:, keep],
    )
    if partition.slopes.shape[2] in (2, 3):
        assert partition.signed_cones  # once for all of them
    known = vars(partition)
    vars(found).update({name: known[name] for name in _OF_REGIONS if name in known})
    return found


def partition(network: Network, max_regions: int) -> Partition:
    """Enumerate every region by walking over facets from z = 0 [Lemma 3, Appendix A].

    Raises TooManyRegionsError if there are more than `max_regions`. Raises PartitionError where
    values of units or maps are no doubles.
    """
    visits = walk(network, max_regions)
    if network.latent_dimension == 1:
        visits = sorted(visits, key=_place)
        return _assembled(network, visits, _breakpoints(visits), ())
    visits = sorted(visits, key=lambda visit: tuple(visit.code))
    return _assembled(network, visits, np.empty(0), tuple(map(_facets, visits)))


def _place(visit: Visit) -> Fraction:
    """Where an interval is, S = 1: a point of it."""
    return Fraction(*visit.polyhedron.inner_point())


def _left_end(polyhedron: Polyhedron) -> Fraction:
    """Where an interval begins, S = 1; it has an end, and not on its right alone."""
    return min(Fraction(*vector) for vector in polyhedron.generators if vector[-1])


def _breakpoints(visits: list[Visit]) -> Array:
    """The ends between intervals from left to right, S = 1."""
    ends = [_left_end(visit.polyhedron) for visit in visits[1:]]
    return np.array([quotient(end.numerator, end.denominator) for end in ends], dtype=np.float64)


def _facets(visit: Visit) -> tuple[Array, Array]:
    """The facets of a region: normals (F, S) and offsets (F,)."""
    normals = np.reshape([f.normal for f in visit.facets], (-1, visit.polyhedron.latent))
    return normals, np.array([f.offset for f in visit.facets], dtype=np.float64)


def _assembled(
    network: Network,
    visits: list[Visit],
    breakpoints: Array,
    facets: tuple[tuple[Array, Array], ...],
) -> Partition:
    """The partition of these regions, with A_ω (R, D, S) and b_ω (R, D) [eq. 2]."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused by name
        maps = [region_map(network, visit.code) for visit in visits]
    slopes, offsets = (np.array(parts) for parts in zip(*maps, strict=True))
    if not (np.all(np.isfinite(slopes)) and np.all(np.isfinite(offsets))):
        raise PartitionError(OUT_OF_RANGE)
    codes = np.array([visit.code for visit in visits], dtype=np.int8).reshape(len(visits), -1)
    polyhedra = tuple(visit.polyhedron for visit in visits)
    return Partition(
        network=network,
        codes=codes,
        slopes=slopes,
        offsets=offsets,
        breakpoints=breakpoints,
        polyhedra=polyhedra,
        facets=facets,
    )
