"""Which regions of a datum may matter, in the order of their bounds.

Bounded regions whose images are small are in a tree, and those that its balls do not rule out are
bounded once more, by their Gaussians in the projection. All others, which are few (the unbounded
ones, and those far from 0), are bounded one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fast.distributions.observation import Coordinates, may_be_squared
from fast.integration.interval import LOG_2PI
from fast.many_dimensions.region_gaussians import Gaussians, RegionGaussians, gaussians
from fast.many_dimensions.skipping.bounds import Bounds, RegionBounds
from fast.many_dimensions.skipping.outlines import Projection, outlines
from fast.many_dimensions.skipping.region_tree import RegionTree, Seen
from fast.partition.layer_maps import Maps, maps_in_turn
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices

# Fewer regions than this are no tree.
_FEWEST = 2
# A ball of more standard deviations of the noise rules out next to nothing. But no more than this
# part of all regions is looked at one by one for it.
_LARGEST = 8.0
# Images of corners farther out, in standard deviations of the prior, are not known to within one of
# the noise: what layers add there may cancel. Such regions are as good as unbounded.
_FARTHEST = 1e6
_MOST_OUT = 1.0 / 16.0
# Numbers held at once: of pairs of a datum and a region.
_BATCH = 1 << 20


class Listed(NamedTuple):
    """Pairs of a datum and a region that are not ruled out, by datum, the largest bounds first; and
    for N data the sum of the bounds on what the others hold, over exp(floor)."""

    datum: Indices  # (P,)
    region: Indices  # (P,)
    bound: Array  # (P,)
    out: Array  # (N,)

    @property
    def starts(self) -> Indices:
        """Where the pairs of every datum start, (N,)."""
        return np.searchsorted(self.datum, np.arange(len(self.out)))

    @property
    def ends(self) -> Indices:
        """Where they end, (N,)."""
        return np.searchsorted(self.datum, np.arange(len(self.out)), side="right")

    def without(self, datum: Indices, region: Indices, n_regions: int) -> Listed:
        """All but some pairs; n_regions: R."""
        kept = ~np.isin(self.datum * n_regions + self.region, datum * n_regions + region)
        return Listed(self.datum[kept], self.region[kept], self.bound[kept], self.out)

    def log_out(self, floor: Array) -> Array:
        """Log of the sum of the bounds on what is in no pair, (N,)."""
        with np.errstate(divide="ignore"):
            return np.where(self.out > 0, floor + np.log(self.out), -np.inf)

    def sums(self, floor: Array) -> Array:
        """For every pair log of the sum of its bound, of those after it of the same datum, and of
        those that are in no pair, (P,)."""
        result, out = np.empty(len(self.bound)), self.log_out(floor)
        for start, end, beyond in zip(self.starts, self.ends, out, strict=True):
            backwards = np.append(beyond, self.bound[start:end][::-1])
            result[start:end] = np.logaddexp.accumulate(backwards)[:0:-1]
        return result


@dataclass(frozen=True, eq=False)
class RegionSearch:
    """The regions of a partition that have any volume, arranged for the search."""

    projection: Projection
    tree: RegionTree | None
    inner: Indices  # (n,): the regions in the tree, as its leaves
    inner_bounds: RegionBounds | None  # theirs in the projection
    others: Indices  # (m,)
    other_bounds: RegionBounds  # theirs in y
    regions: RegionGaussians

    @staticmethod
    def of(
        partition: Partition, coordinates: Coordinates, prior_root: Array, with_volume: Indices
    ) -> RegionSearch:
        """For the regions with_volume.

        Raises ArithmeticError where a squared slope overflows.
        """
        projection = Projection.of(partition.network, coordinates, prior_root)
        found = outlines(partition, coordinates, prior_root, projection)
        volumes = np.full(partition.n_regions, np.inf)
        volumes[found.regions] = found.balls.log_volumes
        farthest = np.linalg.norm(found.balls.places, axis=1) + found.balls.reach
        found = found.where(farthest <= _FARTHEST)
        found = found.where(found.balls.radii <= _limit(found.balls.radii))
        tree, inner = None, np.empty(0, dtype=np.intp)
        if len(found.regions) >= _FEWEST:
            log_volume = 0.5 * len(prior_root) * LOG_2PI - np.linalg.slogdet(prior_root)[1]
            tree = RegionTree.of(found.balls, float(log_volume))
            inner = found.regions[tree.order]
        rest = np.setdiff1d(np.arange(partition.n_regions), inner)
        order = np.concatenate([inner, rest])
        regions = RegionGaussians(partition, coordinates, prior_root, order)
        inner_bounds = None
        if tree is not None:
            inner_bounds = RegionBounds.of(
                _seen(regions, projection, inner),
                partition.polyhedra,
                inner,
                volumes[inner],
                tree.levels[-1].beyond,
            )
        others = np.setdiff1d(with_volume, inner)
        return RegionSearch(
            projection=projection,
            tree=tree,
            inner=inner,
            inner_bounds=inner_bounds,
            others=others,
            other_bounds=RegionBounds.of(
                _formed(regions, others),
                partition.polyhedra,
                others,
                volumes[others],
                np.zeros(len(others)),
            ),
            regions=regions,
        )

    @property
    def width(self) -> int:
        """Numbers that a datum takes."""
        return max(len(self.other_bounds.walls.levels), len(self.others), len(self.inner) // 4)

    @property
    def latent(self) -> int:
        """S."""
        return len(self.regions.prior_root)

    def at(self, y: Array) -> Look:
        """The search for data y (N, r)."""
        return Look(self, self.projection.seen(y), self.other_bounds.of_all(y))


@dataclass(frozen=True, eq=False)
class Look:
    """The search for some data."""

    search: RegionSearch
    seen: Seen
    others: Bounds  # (N, m)

    def first(self) -> tuple[Indices, Indices]:
        """A datum and a region in which it may have much of its mass, pair after pair: one or two
        of every datum."""
        count, search = len(self.seen.rows), self.search
        pairs = []
        if len(search.others):
            pairs.append(search.others[self.others.log_mass.argmax(axis=1)])
        if search.tree is not None:
            pairs.append(search.inner[search.tree.nearest(self.seen)])
        return np.tile(np.arange(count), len(pairs)), np.concatenate(pairs)

    def candidates(self, floor: Array, *, by_mass: bool) -> Listed:
        """The pairs whose bounds are above `floor` (N,), nats, as `Bounds`. by_mass: bounds on
        masses; those of what is left out may add up to exp(floor). Else on the largest p(x, z)."""
        bound = self.others.log_mass if by_mass else self.others.log_peak
        # All of what is above nothing is there.
        datum, place = np.nonzero(bound > -np.inf)
        region, bound = self.search.others[place], bound[datum, place]
        out = np.zeros(len(floor))
        if self.search.tree is not None:
            inner = self._inner(floor, by_mass)
            datum, region = np.append(datum, inner.datum), np.append(region, inner.region)
            bound, out = np.append(bound, inner.bound), inner.out
        if not by_mass:
            kept = bound > floor[datum]
            datum, region, bound = datum[kept], region[kept], bound[kept]
        order = np.lexsort((-bound, datum))
        return Listed(datum[order], region[order], bound[order], out)

    def _inner(self, floor: Array, by_mass: bool) -> Listed:
        """Those in the tree, in no order."""
        search = self.search
        assert search.tree is not None
        assert search.inner_bounds is not None
        left = search.tree.left(self.seen, floor, by_mass=by_mass)
        bound = left.log_mass if by_mass else left.log_peak
        for some in chunks(len(bound), _BATCH, search.projection.rank * search.latent):
            d = left.datum[some]
            seen = Seen(*(field[d] for field in self.seen))
            found = search.inner_bounds.of_pairs(seen, left.region[some])
            bound[some] = np.minimum(bound[some], found.log_mass if by_mass else found.log_peak)
        return Listed(left.datum, search.inner[left.region], bound, left.out)


def _limit(radii: Array) -> float:
    """The largest ball that is in the tree, of those with these radii."""
    return max(_LARGEST, float(np.quantile(radii, 1.0 - _MOST_OUT))) if len(radii) else _LARGEST


def _formed(regions: RegionGaussians, some: Indices) -> Gaussians:
    """The Gaussians of some regions."""
    return _joined(regions, [regions.of_maps(maps) for maps in _inputs(regions, some)])


def _seen(regions: RegionGaussians, projection: Projection, some: Indices) -> Gaussians:
    """The Gaussians of some regions as they are seen in the projection: without the squares of
    what is orthogonal to its axes.

    Raises ArithmeticError where a squared slope overflows.
    """
    parts, steepest = [], 0.0
    for maps in _inputs(regions, some):
        steepest = max(steepest, float(np.max(np.abs(maps.slopes), initial=0.0)))
        seen = projection.of_maps(regions.coordinates, maps)
        parts.append(gaussians(*seen, regions.prior_root))
    sizes = regions.partition.network.sizes[regions.coordinates.index]
    if not may_be_squared(steepest * np.sqrt(sizes) * regions.coordinates.norm):
        _formed(regions, some)
    return _joined(regions, parts)


def _inputs(regions: RegionGaussians, some: Indices) -> Iterator[Maps]:
    """The maps of z to the input of the layer from which the coordinates start, of some regions."""
    partition, index = regions.partition, regions.coordinates.index
    for _, maps in maps_in_turn(partition.network, partition.codes[some], index):
        yield maps


def _joined(regions: RegionGaussians, parts: list[Gaussians]) -> Gaussians:
    """The Gaussians of regions, part after part; of none where there is none."""
    parts = parts or [regions.form(np.empty(0, dtype=np.intp))]
    return Gaussians(*map(np.concatenate, zip(*parts, strict=True)))
