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
) -> tuple[float, float, float]:
    """log p(x, end) - log p(x, start) for two points z (S,) of one region [eq. 4], the size of its
    terms as the noise may enlarge it, and what ε is multiplied by where the ends and the image are
    rounded.

    A difference of two quadratics, so exactly the gradient half-way times the step: no large
    numbers are subtracted, however small p(x, z) is.
    """
    slope, step, middle = partition.slopes[region], end - start, 0.5 * (start + end)
    change = noise.whiten(cov_x, slope @ step)
    residual = noise.whiten(cov_x, x - slope @ middle - partition.offsets[region])
    along_x, prior = float(change @ residual), float(step @ np.linalg.solve(cov_z, middle))
    if not np.any(step):
        return 0.0, 0.0, 0.0
    by_ends = np.linalg.norm(noise.whiten(cov_x, slope @ (np.abs(start) + np.abs(end))))
    off = by_ends * np.linalg.norm(residual)
    off += np.linalg.norm(change) * image_terms(middle, region, partition, cov_x)
    size = noise.amplification(cov_x) * abs(along_x) + abs(prior)
    return along_x - prior, size, float(off)


def image_terms(z: Array, region: int, partition: Partition, cov_x: Array) -> float:
    """The size of what g(z) = A z + b is the sum of, in standard deviations of the noise."""
    terms = partition.slopes[region] @ z, partition.offsets[region]
    return sum(float(np.linalg.norm(noise.whiten(cov_x, term))) for term in terms)


def steadier(z: Array, region: int, partition: Partition, cov_x: Array) -> int:
    """The region, or for a point where it ends the one beyond, if g(z) is a sum of less there."""
    ends = np.flatnonzero(partition.breakpoints == z[0])
    beyond = [int(end) + side for end in ends for side in (0, 1)]
    return min([region, *beyond], key=lambda r: image_terms(z, r, partition, cov_x))


def log_relative_peaks(
    x: Array, terms: list[RegionTerm], partition: Partition, cov_x: Array, cov_z: Array
) -> Array:
    """log p(x, z°_ω) of every region minus that of one of the highest, (R,), for S = 1.

    Far from the manifold these are small differences of large numbers. There are two ways to
    compute one. At once, it errs by ε times the size of the terms of the difference, as a full Σx
    may enlarge it, and of the images. In steps along the line, from breakpoint to breakpoint, it
    errs by ε times all that was climbed and descended on the way, enlarged alike, and by what
    rounding of the breakpoints does: where the image is steep, that is more. Between neighbours it
    cancels in part; the largest counts. The way with the smaller error is taken.
    """
    logs = np.array([term.log_peak for term in terms])
    # All are counted from one: of those nearly as high as any the one whose image is known best.
    high = np.flatnonzero(logs >= logs.max() - 1.0).tolist()
    best = min(high, key=lambda r: image_terms(terms[r].peak, r, partition, cov_x))
    result = np.zeros(len(terms))
    for direction in (1, -1):
        z, region, height, travel, off = terms[best].peak, best, 0.0, 0.0, 0.0
        while 0 <= region + direction < len(terms):
            end = partition.breakpoints[max(region, region + direction) - 1 :][:1]
            step, size, more = log_joint_step(x, z, end, region, partition, cov_x, cov_z)
            z, region, height, travel = end, region + direction, height + step, travel + size
            off = max(off, more)
            last, size, more = log_joint_step(
                x, z, terms[region].peak, region, partition, cov_x, cov_z
            )
            at_once, direct = log_joint_difference(
                x, terms[best].peak, best, terms[region].peak, region, partition, cov_x, cov_z
            )
            in_steps = travel + size + max(off, more)
            result[region] = height + last if in_steps < direct else at_once
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
    """log p(x, end) - log p(x, start) for two points z (S,) [eq. 4], and what ε is multiplied by in
    its rounding.

    The points may be of two regions. Computed as |a|² - |b|² = (a - b) · (a + b), where a - b is
    exact however far away x is.
    """
    points = [
        (z, steadier(z, region, partition, cov_x))
        for z, region in ((start, start_region), (end, end_region))
    ]
    images = [partition.slopes[r] @ z + partition.offsets[r] for z, r in points]
    change = noise.whiten(cov_x, images[1] - images[0])
    middle = noise.whiten(cov_x, x - 0.5 * (images[0] + images[1]))
    prior = float((end - start) @ np.linalg.solve(cov_z, 0.5 * (start + end)))
    size = noise.amplification(cov_x) * float(np.abs(change) @ np.abs(middle)) + abs(prior)
    sizes = [image_terms(z, r, partition, cov_x) for z, r in points]
    return float(change @ middle) - prior, size + 2.0 * float(np.linalg.norm(middle)) * sum(sizes)


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
