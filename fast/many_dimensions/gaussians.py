"""Any Gaussian of z on the regions, for S >= 2: a variational q [eq. 3], or the prior [Proposition
1]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from fast.distributions.model import PriorOnRegions
from fast.integration.interval import LOG_2PI
from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened, dots
from fast.many_dimensions.geometry import PolyhedralGeometry
from fast.polyhedra.chunks import chunks
from fast.polyhedra.ragged import ranges
from reference.model import Array, Indices, Mask

# Numbers held at once: of all pairs of a chunk of Gaussians and a region or a facet.
_CHUNK = 1 << 20
# The same in standard deviations: at this distance a half-space holds less than exp(-80).
_FARTHEST = 13.0
# A region of which q holds less than exp(-80) is left out of an expectation under q.
_LEAST_LOG_MASS = -80.0
# What the apex may lie farther out than the nearest point, in terms of log masses.
_NEARLY = 1.0


class GaussiansOnRegions(NamedTuple):
    """Gaussians restricted to regions: a batch of pairs of a Gaussian and a region."""

    datum: Indices  # (P,): which of the Gaussians
    region: Indices  # (P,)
    log_mass: Array  # (P,): log of the Gaussian's mass in the region
    mean: Array  # (P, S): of the Gaussian restricted to the region
    cov: Array  # (P, S, S): of the same


def gaussians_on_regions(
    geometry: PolyhedralGeometry, means: Array, covs: Array
) -> Iterator[GaussiansOnRegions]:
    """N(means (N, S), covs (N, S, S)) on the regions that may hold more than exp(-80) of them and
    have any mass, in batches."""
    roots: Array = np.asarray(np.linalg.cholesky(covs), dtype=np.float64)
    maps: Array = np.asarray(np.linalg.inv(roots), dtype=np.float64)
    log_scales = np.linalg.slogdet(roots)[1]
    latent = means.shape[1]
    for some in chunks(len(means), _CHUNK, latent * geometry.search.width):
        datum, region = _near(geometry, means[some], roots[some], maps[some])
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


def _near(
    geometry: PolyhedralGeometry, means: Array, roots: Array, maps: Array
) -> tuple[Indices, Indices]:
    """The pairs of a Gaussian and a region that may hold more than exp(-80) of it, sorted.

    By the mean's distance outside the facet that it is farthest outside of.
    """
    search, count = geometry.search, len(means)
    datum = np.repeat(np.arange(count), len(search.others))
    region = np.tile(search.others, count)
    if search.tree is not None:
        root = geometry.prior_root
        some, leaf = search.tree.within(means @ root.T, maps @ np.linalg.inv(root), _FARTHEST)
        datum, region = np.append(datum, some), np.append(region, search.inner[leaf])
    outside = _outside(geometry, means, roots, (datum, region))
    kept = log_ndtr(-outside) > _LEAST_LOG_MASS
    datum, region = datum[kept], region[kept]
    order = np.lexsort((region, datum))
    return datum[order], region[order]


def _outside(
    geometry: PolyhedralGeometry, means: Array, roots: Array, pairs: tuple[Indices, Indices]
) -> Array:
    """How many standard deviations of the Gaussian its mean is outside of the facet of the region
    that it is farthest outside of, for pairs (P,)."""
    shapes, (datum, region) = geometry.partition.polyhedra, pairs
    entries, owner = ranges(shapes.starts[region], shapes.starts[region + 1])
    normals, own = shapes.normals[entries], datum[owner]
    heights = dots(normals, means[own]) + shapes.offsets[entries]
    lengths = np.linalg.norm(np.einsum("fs,fst->ft", normals, roots[own]), axis=1)
    least = np.full(len(datum), np.inf)
    np.minimum.at(least, owner, heights / np.where(lengths > 0, lengths, np.inf))
    return np.asarray(np.maximum(-least, 0.0))


def prior_on_regions(geometry: PolyhedralGeometry, cov_z: Array) -> PriorOnRegions:
    """The prior N(0, cov_z) on every region; 0 where it holds less than exp(-80)."""
    n_regions, latent = geometry.n_regions, len(cov_z)
    mass, mean = np.zeros(n_regions), np.zeros((n_regions, latent))
    cov = np.zeros((n_regions, latent, latent))
    origin = np.zeros((1, latent))
    for found in gaussians_on_regions(geometry, origin, cov_z[None]):
        region = found.region
        mass[region], mean[region], cov[region] = np.exp(found.log_mass), found.mean, found.cov
    return PriorOnRegions(mass, mean, cov)
