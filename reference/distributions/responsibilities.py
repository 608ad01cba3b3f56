"""P(z in ω | x) of every region, however far x is from the manifold [eq. 5, 6]."""

from __future__ import annotations

import numpy as np

from reference.distributions import noise
from reference.distributions.marginal import RegionTerm, log_marginal
from reference.model.arrays import Array
from reference.partition.partition import Partition


def log_joint_step(
    x: Array,
    start: Array,
    end: Array,
    region: int,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> float:
    """log p(x, end) - log p(x, start) for two points z (S,) of one region [eq. 4].

    A difference of two quadratics, so exactly the gradient half-way times the step: no large
    numbers are subtracted, however small p(x, z) is.
    """
    slope, step, middle = partition.slopes[region], end - start, 0.5 * (start + end)
    residual = x - slope @ middle - partition.offsets[region]
    along_x = noise.whiten(cov_x, slope @ step) @ noise.whiten(cov_x, residual)
    return float(along_x - step @ np.linalg.solve(cov_z, middle))


def log_relative_peaks(
    x: Array, terms: list[RegionTerm], partition: Partition, cov_x: Array, cov_z: Array
) -> Array:
    """log p(x, z°_ω) of every region minus the largest of them, (R,), for S = 1.

    Far from the manifold these are small differences of large numbers. There are two ways to
    compute one. At once, it errs by ε times the size of the terms of the difference. In steps along
    the line, from breakpoint to breakpoint, it errs by ε times all that was climbed and descended
    on the way. The way with the smaller error is taken.
    """
    logs = np.array([term.log_peak for term in terms])
    best = int(np.argmax(logs))
    result = np.zeros(len(terms))
    for direction in (1, -1):
        z, region, height, travel = terms[best].peak, best, 0.0, 0.0
        while 0 <= region + direction < len(terms):
            end = partition.breakpoints[max(region, region + direction) - 1 :][:1]
            step = log_joint_step(x, z, end, region, partition, cov_x, cov_z)
            z, region, height, travel = end, region + direction, height + step, travel + abs(step)
            last = log_joint_step(x, z, terms[region].peak, region, partition, cov_x, cov_z)
            at_once, size = log_joint_difference(
                x, terms[best].peak, best, terms[region].peak, region, partition, cov_x, cov_z
            )
            result[region] = height + last if travel + abs(last) < size else at_once
    return result


def log_joint_difference(
    x: Array,
    start: Array,
    start_region: int,
    end: Array,
    end_region: int,
    partition: Partition,
    cov_x: Array,
    cov_z: Array,
) -> tuple[float, float]:
    """log p(x, end) - log p(x, start) for two points z (S,) [eq. 4], and the size of its terms.

    The points may be of two regions. Computed as |a|² - |b|² = (a - b) · (a + b), where a - b is
    exact however far away x is.
    """
    images = [
        partition.slopes[r] @ z + partition.offsets[r]
        for z, r in ((start, start_region), (end, end_region))
    ]
    change = noise.whiten(cov_x, images[1] - images[0])
    middle = noise.whiten(cov_x, x - 0.5 * (images[0] + images[1]))
    prior = float((end - start) @ np.linalg.solve(cov_z, 0.5 * (start + end)))
    return float(change @ middle) - prior, float(np.abs(change) @ np.abs(middle)) + abs(prior)


def log_responsibilities(
    x: Array, terms: list[RegionTerm], partition: Partition, cov_x: Array, cov_z: Array
) -> Array:
    """log e0_ω = log P(z in ω | x), (R,), each region's share of [eq. 5]."""
    if len(cov_z) > 1:
        return np.array([term.log_mass for term in terms]) - log_marginal(terms)
    relative = log_relative_peaks(x, terms, partition, cov_x, cov_z)
    relative += [term.log_ratio for term in terms]
    relative -= relative.max()
    return np.asarray(relative - np.log(np.sum(np.exp(relative))))
