"""The latent prior z ~ N(0, Σz): its density, and its mass and moments on every region."""

from __future__ import annotations

import numpy as np

from reference.integration.interval import log_normal, truncated_gaussian
from reference.integration.signed_sum import Integral, integrate
from reference.model.arrays import Array
from reference.partition.partition import Partition, interval
from reference.polyhedra.validity import TOLERANCE, OutsideValidity


def log_prior(z: Array, cov_z: Array) -> float:
    """log p(z) = log φ(z; 0, Σz) [eq. 4]."""
    return log_normal(z, np.zeros_like(z), cov_z)


def gaussian_on_region(region: int, partition: Partition, mean: Array, cov: Array) -> Integral:
    """Mass and moments of N(mean (S,), cov (S, S)) on a region ω [Lemma 4, Appendix B].

    S = 1: at full accuracy in any tail. S = 2, 3: a mass accurate in absolute terms, with bounds.
    """
    if len(mean) > 1:
        return integrate(partition.signed_cones[region], mean, np.asarray(np.linalg.cholesky(cov)))
    t = truncated_gaussian(*interval(partition, region), mean, cov)
    mass = float(np.exp(t.log_ratio + log_normal(t.nearest, mean, cov)))
    return Integral(
        mass=mass,
        mass_error=0.0,
        log_error=-np.inf,
        mean=t.mean,
        root=np.sqrt(t.cov),
        entropy=t.entropy,
        resolved=True,
    )


def region_weight(region: int, partition: Partition, cov_z: Array) -> float:
    """p(t = r) = Φ_ω(0, Σz), the prior mass of a region [Proposition 1].

    The weights of all regions sum to 1. But given t = r, z is N(0, Σz) truncated to ω_r, and not
    N(0, Σz) as in an MPPCA: t and z are dependent (tests/contract/test_errata.py). Accuracy:
    relative 3e-14 for S = 1. For S = 2, 3 it is absolute, about 1e-14, and a smaller weight is 0.
    """
    return gaussian_on_region(region, partition, np.zeros(len(cov_z)), cov_z).mass


def prior_on_regions(partition: Partition, cov_z: Array) -> list[Integral]:
    """z ~ N(0, Σz) on each region: its mass [Proposition 1], mean and covariance.

    Raises OutsideValidity if the masses and moments err by more than 1e-9 in total.
    """
    zero = np.zeros(len(cov_z))
    found = [gaussian_on_region(r, partition, zero, cov_z) for r in range(partition.n_regions)]
    error = float(np.sum(np.exp([part.log_error for part in found])))
    if error > TOLERANCE:
        raise OutsideValidity(f"cov_z: the regions' masses may err by {error:.3g} in total")
    return found
