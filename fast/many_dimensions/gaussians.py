"""Any Gaussian of z on the regions, for S >= 2: a variational q [eq. 3], or the prior [Proposition
1]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import gammainccinv, log_ndtr

from fast.distributions.model import PriorOnRegions
from fast.integration.interval import LOG_2PI
from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened, dots
from fast.many_dimensions.geometry import PolyhedralGeometry
from fast.many_dimensions.skipping.region_tree import RegionTree
from fast.polyhedra.chunks import chunks
from fast.polyhedra.ragged import ranges
from reference.model import Array, Indices, Mask

# Numbers held at once: of all pairs of a chunk of Gaussians and a region or a facet.
_CHUNK = 1 << 20
# The same in standard deviations: at this distance a half-space holds less than exp(-80).
_FARTHEST = 13.0
# A region of which q holds less than exp(-80) is left out of an expectation under q.
_LEAST_LOG_MASS = -80.0
_LOG_4 = float(np.log(4.0))
# A sum of parts this large, but for rounding of as many as there are, is below 1.
_NEARLY_ALL = 0.999
# What the apex may lie farther out than the nearest point, in terms of log masses.
_NEARLY = 1.0


class GaussiansOnRegions(NamedTuple):
    """Gaussians restricted to regions: a batch of pairs of a Gaussian and a region."""

    datum: Indices  # (P,): which of the Gaussians
    region: Indices  # (P,)
    log_mass: Array  # (P,): log of the Gaussian's mass in the region
    mean: Array  # (P, S): of the Gaussian restricted to the region
    cov: Array  # (P, S, S): of the same


class Worth(NamedTuple):
    """How much what is left out of an expectation under N Gaussians may matter: less than 1 in
    all.

    log_tree: log of the largest value in any region of the tree. log_others: of the mean size of
    the values in a region beyond a facet, for pairs of a Gaussian and a region, each (P,), and how
    many standard deviations the facet is away.
    """

    log_tree: Array  # (N,)
    log_others: Callable[[Indices, Indices, Array], Array]


def gaussians_on_regions(
    geometry: PolyhedralGeometry, means: Array, covs: Array, worth: Worth | None
) -> Iterator[GaussiansOnRegions]:
    """N(means (N, S), covs (N, S, S)) on the regions that may hold more than exp(-80) of them and
    have any mass, in batches; but for regions that do not matter, where it is told what does."""
    roots: Array = np.asarray(np.linalg.cholesky(covs), dtype=np.float64)
    maps: Array = np.asarray(np.linalg.inv(roots), dtype=np.float64)
    log_scales = np.linalg.slogdet(roots)[1]
    latent = means.shape[1]
    for some in chunks(len(means), _CHUNK, latent * geometry.search.width):
        given = _Given(some.start, means[some], roots[some], maps[some], log_scales[some])
        datum, region = _near(geometry, given, worth)
        datum += some.start
        for lattice, batch in geometry.batches(region):
            d, r = datum[batch], region[batch]
            own = maps[d]
            centres: Array = np.einsum("pij,pj->pi", own, means[d])
            items = Whitened.of(lattice, geometry.cell[r], own, centres, means[d])
            # Of a region thinner than rounding the moments are no numbers.
            with np.errstate(all="ignore"):
                found, _ = truncate_with_error(items)
            log_mass = found.log_volume - 0.5 * (found.square + latent * LOG_2PI) - log_scales[d]
            # A region thinner than rounding has no mass, and no moments. One that lies behind
            # several facets may be farther than any of them.
            held = np.flatnonzero(~np.isneginf(log_mass) & _within_reach(found.square))
            yield GaussiansOnRegions(
                d[held], r[held], log_mass[held], found.mean[held], found.cov[held]
            )


def _within_reach(square: Array) -> Mask:
    """Whether regions may hold more than exp(-80), by |u|² at their apexes, which are nearly the
    nearest points. A convex set holds no more of a Gaussian than a half-space at its distance."""
    return np.asarray(log_ndtr(-np.sqrt(square)) > _LEAST_LOG_MASS - _NEARLY)


class _Given(NamedTuple):
    """N Gaussians: which the first of them is; their means, roots L of their covariances, L^-1, and
    log det L."""

    start: int
    means: Array  # (N, S)
    roots: Array  # (N, S, S)
    maps: Array  # (N, S, S)
    log_scales: Array  # (N,)


def _near(
    geometry: PolyhedralGeometry, given: _Given, worth: Worth | None
) -> tuple[Indices, Indices]:
    """The pairs of a Gaussian and a region that may hold more than exp(-80) of it, sorted, but for
    those that do not matter."""
    search = geometry.search
    datum, region = _near_one_by_one(geometry, given, worth)
    if search.tree is not None:
        some, leaf = _near_in_tree(geometry, search.tree, given, worth)
        datum, region = np.append(datum, some), np.append(region, search.inner[leaf])
    order = np.lexsort((region, datum))
    return datum[order], region[order]


def _near_one_by_one(
    geometry: PolyhedralGeometry, given: _Given, worth: Worth | None
) -> tuple[Indices, Indices]:
    """Those with regions that are in no tree: a quarter of what may be left out lies in those of
    them that hold the least."""
    others, count = geometry.search.others, len(given.means)
    datum, region = np.repeat(np.arange(count), len(others)), np.tile(others, count)
    kept, outside = _not_far(geometry, given, datum, region)
    datum, region = datum[kept], region[kept]
    if worth is None:
        return datum, region
    size = worth.log_others(datum + given.start, region, outside)
    worthy = ~_least_of_all(datum, log_ndtr(-outside) + size + _LOG_4)
    return datum[worthy], region[worthy]


def _near_in_tree(
    geometry: PolyhedralGeometry, tree: RegionTree, given: _Given, worth: Worth | None
) -> tuple[Indices, Indices]:
    """Those with regions in the tree, as its leaves: a quarter of what may be left out lies beyond
    all of a ball, another in those of them that hold the least."""
    root, reach = geometry.prior_root, np.full(len(given.means), _FARTHEST)
    if worth is not None:
        quarter = -_LOG_4 - worth.log_tree[given.start : given.start + len(reach)]
        beyond = np.sqrt(2.0 * gammainccinv(0.5 * geometry.latent, np.exp(quarter)))
        reach = np.minimum(reach, beyond)
    datum, leaf = tree.within(given.means @ root.T, given.maps @ np.linalg.inv(root), reach)
    kept, outside = _not_far(geometry, given, datum, geometry.search.inner[leaf])
    datum, leaf = datum[kept], leaf[kept]
    if worth is None:
        return datum, leaf
    # No region holds more than a half-space does, or than its volume at the largest density.
    thin = tree.levels[-1].log_volumes[leaf] - given.log_scales[datum]
    thin -= 0.5 * (outside**2 + geometry.latent * LOG_2PI)
    bound = np.minimum(log_ndtr(-outside), thin)
    worthy = ~_least_of_all(datum, bound - quarter[datum])
    return datum[worthy], leaf[worthy]


def _least_of_all(datum: Indices, log_parts: Array) -> Mask:
    """Which pairs (P,), sorted by datum, have the smallest parts of their datum, in sum below 1."""
    order = np.lexsort((log_parts, datum))
    # What is above 1 does not matter by how much.
    parts = np.exp(np.minimum(log_parts[order], 1.0))
    sums, (first,) = np.cumsum(parts), np.nonzero(np.diff(datum, prepend=-1))
    before = np.append(0.0, sums)[first]
    result = np.empty(len(datum), dtype=bool)
    lengths = np.diff(np.append(first, len(datum)))
    result[order] = sums - np.repeat(before, lengths) < _NEARLY_ALL
    return result


def _not_far(
    geometry: PolyhedralGeometry, given: _Given, datum: Indices, region: Indices
) -> tuple[Indices, Array]:
    """Which of the pairs (P,) may hold more than exp(-80); and how many standard deviations of the
    Gaussian its mean is outside of the facet of these regions that it is farthest outside of."""
    shapes = geometry.partition.polyhedra
    entries, owner = ranges(shapes.starts[region], shapes.starts[region + 1])
    normals, own = shapes.normals[entries], datum[owner]
    heights = dots(normals, given.means[own]) + shapes.offsets[entries]
    lengths = np.linalg.norm(np.einsum("fs,fst->ft", normals, given.roots[own]), axis=1)
    least = np.full(len(datum), np.inf)
    np.minimum.at(least, owner, heights / np.where(lengths > 0, lengths, np.inf))
    outside = np.maximum(-least, 0.0)
    kept = np.flatnonzero(log_ndtr(-outside) > _LEAST_LOG_MASS)
    return kept, outside[kept]


def prior_on_regions(geometry: PolyhedralGeometry, cov_z: Array) -> PriorOnRegions:
    """The prior N(0, cov_z) on every region; 0 where it holds less than exp(-80)."""
    n_regions, latent = geometry.n_regions, len(cov_z)
    mass, mean = np.zeros(n_regions), np.zeros((n_regions, latent))
    cov = np.zeros((n_regions, latent, latent))
    origin = np.zeros((1, latent))
    for found in gaussians_on_regions(geometry, origin, cov_z[None], None):
        region = found.region
        mass[region], mean[region], cov[region] = np.exp(found.log_mass), found.mean, found.cov
    return PriorOnRegions(mass, mean, cov)
