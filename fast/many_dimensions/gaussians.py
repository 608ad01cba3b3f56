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
from fast.integration.whitened import Whitened
from fast.many_dimensions.geometry import PolyhedralGeometry
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices, Mask

# Numbers held at once: of all pairs of a chunk of Gaussians and a region or a facet.
_CHUNK = 1 << 20
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
    maps = np.linalg.inv(roots)
    log_scales = np.linalg.slogdet(roots)[1]
    latent = means.shape[1]
    width = latent * max(len(geometry.partition.polyhedra.normals), len(geometry.slopes))
    for some in chunks(len(means), _CHUNK, width):
        datum, region = np.nonzero(_near(geometry, means[some], roots[some]))
        datum += some.start
        for lattice, batch in geometry.batches(region):
            d, r = datum[batch], region[batch]
            own: Array = np.asarray(maps[d], dtype=np.float64)
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


def _near(geometry: PolyhedralGeometry, means: Array, roots: Array) -> Mask:
    """Which regions may hold more than exp(-80) of each Gaussian, (N, R).

    By the mean's distance outside the facet that it is farthest outside of.
    """
    shapes = geometry.partition.polyhedra
    outside = np.zeros((len(means), len(geometry.slopes)))
    if len(shapes.normals):
        heights = means @ shapes.normals.T + shapes.offsets
        lengths = np.linalg.norm(shapes.normals @ roots, axis=2)
        heights /= np.where(lengths > 0, lengths, np.inf)
        least = np.minimum.reduceat(heights, shapes.starts[:-1], axis=1)
        outside = np.maximum(-least, 0.0)
    return np.asarray((log_ndtr(-outside) > _LEAST_LOG_MASS) & (geometry.group >= 0))


def prior_on_regions(geometry: PolyhedralGeometry, cov_z: Array) -> PriorOnRegions:
    """The prior N(0, cov_z) on every region; 0 where it holds less than exp(-80)."""
    n_regions, latent = len(geometry.slopes), len(cov_z)
    mass, mean = np.zeros(n_regions), np.zeros((n_regions, latent))
    cov = np.zeros((n_regions, latent, latent))
    origin = np.zeros((1, latent))
    for found in gaussians_on_regions(geometry, origin, cov_z[None]):
        region = found.region
        mass[region], mean[region], cov[region] = np.exp(found.log_mass), found.mean, found.cov
    return PriorOnRegions(mass, mean, cov)
