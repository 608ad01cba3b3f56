"""The latent partition Ω and the affine map of every region, all regions at once [eq. 1, 2, 8]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fast.partition.cell_complex import InconsistentSigns, TooManyCells
from fast.partition.cost.memory import LEAST, TooMuchMemory, of_an_interval
from fast.partition.cost.partition_cost import partition_cost
from fast.partition.cut_line import Intervals, enumerate_intervals
from fast.partition.cut_space import Progress, enumerate_cells
from fast.partition.exact_vertices import OutOfRange
from fast.partition.first_vertices import starting_functions
from fast.partition.layer_maps import Maps, maps_in_turn, maps_to
from fast.partition.location import locate
from fast.partition.region_polyhedra import Polyhedra, polyhedra_of_intervals
from fast.partition.regions import Regions, regions_of_cells, single_region
from reference.model import (
    Array,
    Codes,
    ExactNetwork,
    Indices,
    Network,
    PartitionError,
    ReadOnly,
    TooManyRegionsError,
    TooMuchMemoryError,
    check_array,
    check_count,
    freeze,
    outputs_of,
)

#: What is said where it happens.
OUT_OF_RANGE = (
    "partition: the values of the network's units, or a vertex of its regions, leave the range of "
    "double precision"
)


@dataclass(frozen=True, eq=False)
class Partition(ReadOnly):
    """The regions of a network [Lemma 3]: from left to right for S = 1, else sorted by code.

    Made by `DGN.partition`.

    Parameters
    ----------
    codes : ndarray of int8, shape (R, U)
        The sign of every unit's pre-activation on each region, 0 where it vanishes on all of it.
        For max-pooling, the winner's position in its window.
    network : Network
        The network whose regions they are.
    breakpoints : ndarray, shape (R - 1,)
        For S = 1 the ends of the intervals, in latent units; empty for S > 1.
    shapes : Polyhedra, optional
        For S > 1 the regions as polyhedra.
    found : Maps, optional
        A_ω and b_ω, where they were found with the regions: for S = 1.
    widths : ndarray, shape (R,), optional
        For S = 1 the lengths of the intervals, which ends that are rounded do not tell; inf for
        the first and the last.
    exact_decisions : int, default 0
        How many signs and comparisons doubles left open, so that integers decided them.

    Notes
    -----
    The regions are those of exact arithmetic, however thin: the float64 weights are taken as the
    rational numbers they are. A facet is off by rounding only. Guarded by
    tests/partition/test_partition.py, tests/partition/test_arrangements.py,
    tests/partition/test_partition_agreement.py and `python -m oracle`.

    Examples
    --------
    >>> from fast import DGN, Dense, Network, ReLU
    >>> network = Network([Dense([[1.0], [-1.0]], [0.0, 2.0]), ReLU(), Dense([[1.0, 1.0]], [0.0])])
    >>> partition = DGN(network, 1.0).partition()
    >>> partition.breakpoints
    array([0., 2.])
    >>> partition.slopes[:, 0, 0]
    array([-1.,  0.,  1.])
    """

    codes: Codes
    network: Network
    breakpoints: Array
    shapes: Polyhedra | None = None
    found: Maps | None = None
    widths: Array | None = None
    exact_decisions: int = 0

    def __post_init__(self) -> None:
        freeze(self.codes, self.breakpoints, self.found, self.widths)

    def __repr__(self) -> str:
        return f"Partition({self.n_regions} regions, S = {self.network.latent_dimension})"

    @property
    def n_regions(self) -> int:
        """R = Card(Ω)."""
        return len(self.codes)

    @property
    def slopes(self) -> Array:
        """A_ω of all regions [eq. 2], (R, D, S): for S > 1 formed when first asked for, and kept.

        They take 8 R D (S + 1) bytes with the offsets; `maps` forms those of some regions.
        """
        return self._all_maps.slopes

    @property
    def offsets(self) -> Array:
        """b_ω of all regions [eq. 2], (R, D): formed and kept with the slopes."""
        return self._all_maps.offsets

    @cached_property
    def _all_maps(self) -> Maps:
        if self.found is not None:
            return self.found
        count, latent = self.n_regions, self.network.latent_dimension
        observed = self.network.observed_dimension
        result = Maps(np.empty((count, observed, latent)), np.empty((count, observed)))
        for some, maps in maps_in_turn(self.network, self.codes, len(self.network.layers)):
            result.slopes[some], result.offsets[some] = maps
        freeze(result)
        return result

    def maps(self, regions: ArrayLike) -> Maps:
        """The affine maps of some regions [eq. 2]: x = A_ω z + b_ω there without noise.

        Parameters
        ----------
        regions : array_like of int, shape (n,)
            Indices below R.

        Returns
        -------
        slopes : ndarray, shape (n, D, S)
            A_ω.
        offsets : ndarray, shape (n, D)
            b_ω.
        """
        mine = self._all_checked(regions)
        if self.found is not None:
            return Maps(self.found.slopes[mine], self.found.offsets[mine])
        if not len(mine):
            observed = self.network.observed_dimension
            return Maps(
                np.empty((0, observed, self.network.latent_dimension)), np.empty((0, observed))
            )
        return maps_to(self.network, self.codes[mine], len(self.network.layers))

    @cached_property
    def polyhedra(self) -> Polyhedra:
        """Facets, vertices and rays of all regions in flat arrays."""
        return polyhedra_of_intervals(self.breakpoints) if self.shapes is None else self.shapes

    def halfspaces(self, region: int) -> tuple[Array, Array]:
        """The facets of a region [Corollary 1]: it is {z : normals z + offsets > 0}.

        Parameters
        ----------
        region : int
            Index below R.

        Returns
        -------
        normals : ndarray, shape (F, S)
            One row a facet; none is redundant.
        offsets : ndarray, shape (F,)
            As the normals.
        """
        return self.polyhedra.halfspaces(self._checked(region))

    def vertices(self, region: int) -> Array:
        """The vertices of a region, which is conv(vertices) + cone(rays) + span(lines).

        Parameters
        ----------
        region : int
            Index below R.

        Returns
        -------
        ndarray, shape (V, S)
            Latent units. A region with lines has no vertex in the strict sense: these are then the
            points of its smallest faces that are orthogonal to the lines.
        """
        return self.polyhedra.vertices(self._checked(region))

    def rays(self, region: int) -> Array:
        """The extreme directions of a region.

        Parameters
        ----------
        region : int
            Index below R.

        Returns
        -------
        ndarray, shape (W, S)
            Of length 1; none if the region is bounded.
        """
        return self.polyhedra.rays(self._checked(region))

    def lines(self, region: int) -> Array:
        """The directions that a region contains both ways.

        Parameters
        ----------
        region : int
            Index below R.

        Returns
        -------
        ndarray, shape (n, S)
            An orthonormal basis.
        """
        return self.polyhedra.lines(self._checked(region))

    def locate(self, Z: ArrayLike) -> NDArray[np.intp]:
        """The region of each point.

        Parameters
        ----------
        Z : array_like, shape (M, S)
            Points, latent units.

        Returns
        -------
        ndarray of int, shape (M,)
            Indices of regions. A point on a facet goes to the region entered by increasing z_1;
            where the facet runs along z_1, by increasing z_2, and so on. Exact, for S > 1.
        """
        points = check_array(Z, "Z", (None, self.network.latent_dimension))
        if self.shapes is None:
            return np.searchsorted(self.breakpoints, points[:, 0], side="right")
        # What overflows is left open, and decided in integers.
        with np.errstate(over="ignore", invalid="ignore"):
            return locate(self.network, self.codes, points)

    def _all_checked(self, regions: ArrayLike) -> Indices:
        found = np.asarray(regions)
        if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
            raise ValueError(f"regions: expected a list of indices, got {regions!r}")
        if np.any(found < 0) or np.any(found >= self.n_regions):
            raise ValueError(f"regions: expected indices from 0 to {self.n_regions - 1}")
        return found.astype(np.intp)

    def _checked(self, region: int) -> int:
        if check_count(region, "region", 0) >= self.n_regions:
            raise ValueError(f"region: expected an index below {self.n_regions}, got {region}")
        return region


def of_outputs(partition: Partition, indices: Indices) -> Partition:
    """The same regions with the maps to some entries of x; of none, to a constant 0."""
    found = partition.found
    if found is not None:
        keep, scale = (indices, 1.0) if len(indices) else (slice(0, 1), 0.0)
        found = Maps(scale * found.slopes[:, keep], scale * found.offsets[:, keep])
    return replace(partition, network=outputs_of(partition.network, indices), found=found)


def partition(
    network: Network,
    max_regions: int,
    callback: Progress | None = None,
    max_memory: float = np.inf,
) -> Partition:
    """Enumerate every region of the network [Lemma 3, Corollary 1, eq. 2].

    callback: for S > 1, called after every unit's cut with the units done, the units there are and
    the regions so far. Raises TooManyRegionsError when there are more than `max_regions` (with
    max-pooling, cells before those of one code are joined), TooMuchMemoryError where finding them
    takes more than `max_memory` bytes, both before their memory is spent, and PartitionError where
    a vertex or a map is beyond the range of doubles.
    Cost: proportional to R U.
    """
    try:
        # What overflows shows in the maps, and is refused by name.
        with np.errstate(over="ignore", invalid="ignore"):
            if network.latent_dimension == 1:
                return _on_intervals(network, _intervals(network, max_regions, max_memory))
            regions = _enumerate_regions(network, max_regions, callback, max_memory)
    except OutOfRange:
        raise PartitionError(OUT_OF_RANGE) from None
    except InconsistentSigns:
        raise PartitionError(
            "partition: signs at vertices contradict each other, though each is certain: a fault "
            "of the program, to be reported with the network"
        ) from None
    except TooManyCells as found:
        raise TooManyRegionsError(
            f"max_regions: the network has more than {max_regions} regions, {found.cells} at the "
            f"least{_estimate(network)}; pass a larger max_regions to DGN"
        ) from None
    except TooMuchMemory as found:
        raise TooMuchMemoryError(
            f"max_memory: finding the partition may take more than {max_memory / 1e9:.3g} GB, "
            f"up to {found.needed / 1e9:.3g} GB for its next step{_estimate(network)}; pass a "
            "larger max_memory to DGN"
        ) from None
    return Partition(
        codes=regions.codes,
        network=network,
        breakpoints=np.empty(0),
        shapes=regions.polyhedra,
        exact_decisions=regions.exact_decisions,
    )


def _estimate(network: Network) -> str:
    """What the partition would cost, as part of a sentence; nothing where that is not known."""
    try:
        regions, spent = partition_cost(network)
    except OutOfRange:
        return ""
    return (
        f" (by estimate {regions:.2g} regions, in {spent.seconds:.2g} s and "
        f"{spent.memory / 1e9:.2g} GB)"
    )


def _intervals(network: Network, max_regions: int, max_memory: float) -> Intervals:
    each = of_an_interval(network)
    most = max(max_memory, LEAST) / each
    try:
        return enumerate_intervals(network, int(min(max_regions, most)))
    except TooManyCells as found:
        if found.cells > max_regions:
            raise
        raise TooMuchMemory(found.cells * each) from None


def _on_intervals(network: Network, found: Intervals) -> Partition:
    return Partition(
        codes=found.codes,
        network=network,
        breakpoints=found.breakpoints,
        found=Maps(found.slopes, found.offsets),
        widths=found.widths,
        exact_decisions=found.exact_decisions,
    )


def _enumerate_regions(
    network: Network, max_regions: int, callback: Progress | None, max_memory: float
) -> Regions:
    exact = ExactNetwork(network)
    start = starting_functions(exact)
    if not len(start.rows):
        return single_region(exact)
    cells = enumerate_cells(exact, start, max_regions, callback, max_memory)
    return regions_of_cells(exact, cells)
