"""Any Gaussian of z on the regions, for S = 1: a variational q [eq. 3], or the prior [Proposition
1]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.distributions.model import PriorOnRegions
from fast.integration.interval import LOG_2PI, interval_moments
from fast.one_dimension.geometry import IntervalGeometry
from reference.model import Array


class GaussiansOnRegions(NamedTuple):
    """Gaussians restricted to every region, one row a Gaussian, one column a region."""

    log_mass: Array  # (N, R): log of the Gaussian's mass in the region
    mean: Array  # (N, R): of the Gaussian restricted to the region
    variance: Array  # (N, R): of the same


def shares_of_gaussians(
    geometry: IntervalGeometry, centres: Array, deviations: Array
) -> GaussiansOnRegions:
    """N(centres, deviations²) on every region; centres, deviations (N,)."""
    ends = geometry.ends
    limits = (ends - centres[:, None]) / deviations[:, None]
    widths = geometry.widths / deviations[:, None]
    lower, upper = limits[:, :-1], limits[:, 1:]
    moments = interval_moments(lower.ravel(), upper.ravel(), widths.ravel())
    nearest, log_mass, shift, variance = (m.reshape(lower.shape) for m in moments)
    start = np.clip(centres[:, None], ends[:-1], ends[1:])
    scale = deviations[:, None]
    return GaussiansOnRegions(
        log_mass - 0.5 * nearest**2 - 0.5 * LOG_2PI,
        start + scale * shift,
        scale * scale * variance,
    )


def prior_on_regions(geometry: IntervalGeometry, cov_z: Array) -> PriorOnRegions:
    """The prior N(0, cov_z) on every region; cov_z (1, 1)."""
    found = shares_of_gaussians(geometry, np.zeros(1), np.sqrt(cov_z[0]))
    return PriorOnRegions(
        np.exp(found.log_mass[0]), found.mean[0, :, None], found.variance[0, :, None, None]
    )
