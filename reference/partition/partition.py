"""The latent partition Ω with the affine map of every region [eq. 1, 2, 8, Lemma 3, Corollary 1].

The regions are found by walking over facets: see `reference.partition.walk`, and
`reference.partition.region` for what makes one region.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.model.arrays import Array, Codes
from reference.model.errors import PartitionError
from reference.model.network import Network
from reference.model.read_only import ReadOnly, freeze
from reference.model.validation import check_array, check_count
from reference.partition.region import (
    ROUNDING,
    code_halfspaces,
    code_towards,
    layer_derivatives,
    region_map,
    up_to_layer_map,
)
from reference.partition.walk import check_limit, check_range, walk, walk_line
from reference.polyhedra import polyhedron
from reference.polyhedra.inclusion_exclusion import SignedCones, signed_cones
from reference.polyhedra.validity import OutsideValidity

__all__ = [
    "Partition",
    "PartitionError",
    "code_halfspaces",
    "code_towards",
    "layer_derivatives",
    "partition",
    "region_map",
    "up_to_layer_map",
]


@dataclass(frozen=True, eq=False)
class Partition(ReadOnly):
    """The regions of a network [Lemma 3]: from left to right for S = 1, else sorted by code.

    Made by `DGN.partition`.

    Parameters
    ----------
    codes : ndarray of int8, shape (R, U)
        The code of every region: signs of pre-activations, and positions of max-pooling's winners.
    slopes : ndarray, shape (R, D, S)
        A_ω [eq. 2].
    offsets : ndarray, shape (R, D)
        b_ω [eq. 2].
    breakpoints : ndarray, shape (R - 1,)
        For S = 1 the ends of the intervals, in latent units, increasing. Empty for S > 1.
    facets : tuple of (ndarray, ndarray)
        For S > 1 each region's half-spaces (F, S) and (F,): those rows q ⊙ A^{1→l}, q ⊙ b^{1→l} of
        Corollary 1 that bound it. Empty for S = 1.

    Notes
    -----
    Guarded by tests/partition/test_partition.py, tests/partition/test_walk.py and `python -m
    oracle`.

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

    codes: Codes
    slopes: Array
    offsets: Array
    breakpoints: Array
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
        if check_count(region, "region", 0) >= self.n_regions:
            raise ValueError(f"region: expected an index below {self.n_regions}, got {region}")
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
        Accuracy: see `polyhedra.polyhedron.vertices`.
        """
        return polyhedron.vertices(*self.halfspaces(region))

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
        return polyhedron.rays(self.halfspaces(region)[0])

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
        return polyhedron.lines(self.halfspaces(region)[0])

    @cached_property
    def signed_cones(self) -> list[SignedCones]:
        """Each region as a signed sum of polyhedra of at most S half-spaces [Lemma 4].

        A region whose corners are too close together to be told apart has no terms.
        """
        return [_signed_cones(*self.halfspaces(region)) for region in range(self.n_regions)]

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
        A point on a facet, within rounding, goes to the region that is entered by increasing z_1,
        or along the facet z_2, and so on. A breakpoint goes to the region on its right.
        """
        latent = self.slopes.shape[2]
        points = check_array(Z, "Z", (None, latent))
        if latent == 1:
            return np.array([np.sum(self.breakpoints <= z[0]) for z in points], dtype=np.intp)
        return np.array([self._region_of(z) for z in points], dtype=np.intp)

    def _region_of(self, z: Array) -> int:
        """The region of one point (S,), for S > 1."""
        depths = np.empty(self.n_regions)
        for region, (normals, offsets) in enumerate(self.facets):
            lengths = np.linalg.norm(normals, axis=1)
            heights = normals @ z + offsets
            blur = ROUNDING * (lengths * np.linalg.norm(z) + np.abs(offsets))
            inside = np.where(np.abs(heights) <= blur, _entered(normals, lengths), heights > 0)
            if np.all(inside):
                return region
            depths[region] = np.min(heights / lengths)
        # Rounding left the point in no region: the one it is least outside of.
        return int(np.argmax(depths))


def _signed_cones(normals: Array, offsets: Array) -> SignedCones:
    try:
        return signed_cones(normals, offsets)
    except OutsideValidity:
        return SignedCones(len(normals), *polyhedron.unit_rows(normals, offsets), [])


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


def _entered(normals: Array, lengths: Array) -> NDArray[np.bool_]:
    """Which half-spaces one enters from their boundary along (1, δ, δ², ...), δ -> 0.

    They are those whose first entry that is not zero is positive.
    """
    entries = np.where(np.abs(normals) > ROUNDING * lengths[:, None], normals, 0.0)
    first = np.argmax(entries != 0, axis=1)
    return np.asarray(entries[np.arange(len(entries)), first] > 0)


def partition(network: Network, max_regions: int) -> Partition:
    """Enumerate every region by walking over facets from z = 0 [Lemma 3, Appendix A].

    Raises TooManyRegionsError if there are more than `max_regions`. Raises PartitionError where
    double precision cannot tell the regions apart, or where their maps are not finite.
    """
    # What overflows shows in the half-spaces or the maps, and is refused by name.
    with np.errstate(over="ignore", invalid="ignore"):
        if network.latent_dimension == 1:
            return _partition_of_line(network, max_regions)
        return _partition_of_space(network, max_regions)


def _partition_of_space(network: Network, max_regions: int) -> Partition:
    """The partition for S > 1."""
    visits = sorted(walk(network, max_regions), key=lambda visit: tuple(visit.code))
    facets = []
    for visit in visits:
        normals = [facet.normal for facet in visit.facets]
        offsets = [facet.offset for facet in visit.facets]
        facets.append(
            (np.reshape(normals, (-1, network.latent_dimension)), np.array(offsets, np.float64))
        )
    codes = [visit.code for visit in visits]
    return Partition(*_codes_and_maps(network, codes), np.empty(0), tuple(facets))


def _partition_of_line(network: Network, max_regions: int) -> Partition:
    """The partition for S = 1."""
    right = walk_line(network, 0.0, 1.0, max_regions)
    left = walk_line(network, 0.0, -1.0, max_regions)
    middle = [0.0] if _is_facet(network, 0.0) else []
    breakpoints = np.array([*reversed(left), *middle, *right])
    check_limit(len(breakpoints) + 1, max_regions)
    codes = [code_towards(network, np.array([z]), np.ones(1)) for z in breakpoints]
    far_left = breakpoints[0] if breakpoints.size else 0.0
    codes.insert(0, code_towards(network, np.array([far_left]), -np.ones(1)))
    return Partition(*_codes_and_maps(network, codes), breakpoints)


def _codes_and_maps(network: Network, codes: list[Codes]) -> tuple[Codes, Array, Array]:
    """Region codes (R, U) with A_ω (R, D, S) and b_ω (R, D) [eq. 2]."""
    maps = [region_map(network, code) for code in codes]
    slopes, offsets = (np.array(parts) for parts in zip(*maps, strict=True))
    check_range(slopes, offsets)
    return np.array(codes, dtype=np.int8).reshape(len(codes), -1), slopes, offsets


def _is_facet(network: Network, z: float) -> bool:
    """Whether the code changes at the point z, S = 1."""
    point, ahead = np.array([z]), np.ones(1)
    return not np.array_equal(
        code_towards(network, point, ahead), code_towards(network, point, -ahead)
    )
