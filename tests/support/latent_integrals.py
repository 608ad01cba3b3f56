"""Integrals over the regions of latent space by nested Gauss-Legendre quadrature, for tests.

Nothing of the implementations is used: they sum closed forms over simplices or cones, here the
density is evaluated at points. All summands are positive, so that nothing cancels.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

#: Beyond so many standard deviations of the nearest point a Gaussian has no mass: exp(-32).
REACH = 8.0
#: How wide panels of the outer coordinates are at most, in standard deviations, and how many nodes
#: they have: smaller ones change no result of the table by more than 1e-10.
WIDTH, NODES = 2.0, 10
#: Where along a face, in standard deviations from its nearest point, panels end if it is steep.
_ALONG = np.arange(-6.0, 7.0, 2.0)
_NEAR = np.outer([-1.0, 1.0], 2.0 ** np.arange(-5, 1)).ravel()
_INNER = np.polynomial.legendre.leggauss(40)


class Moments(NamedTuple):
    """Of exp(-(z - mean)ᵀ cov^-1 (z - mean) / 2) on a polyhedron: the log of its integral, the mean
    (S,) and covariance (S, S) of z, and where it is largest (S,)."""

    log_mass: float
    mean: np.ndarray
    cov: np.ndarray
    peak: np.ndarray


def nearest(normals, offsets):
    """The point of {u : normals u + offsets >= 0} nearest to 0, by least-distance programming
    (Lawson and Hanson 1974, chapter 23); None if it is beyond 1000."""
    latent = normals.shape[1]
    if not len(normals):
        return np.zeros(latent)
    system = np.vstack([normals.T, -offsets])
    target = np.append(np.zeros(latent), 1.0)
    residual = system @ nnls(system, target)[0] - target
    # The last entry is -1 / (1 + distance²).
    return -residual[:-1] / residual[-1] if residual[-1] < -1e-6 else None


class Whitened(NamedTuple):
    """A Gaussian on a polyhedron in coordinates in which it is standard: z = mean + root u, the
    polyhedron {u : sides u + heights > 0}, its point nearest to 0, and the log of the largest value
    of the density, times that of the change of volume."""

    mean: np.ndarray
    root: np.ndarray
    sides: np.ndarray
    heights: np.ndarray
    peak: np.ndarray
    log_size: float


def whitened(normals, offsets, mean, cov):
    """N(mean, cov) on {z : normals z + offsets > 0}; None if that is 1000 deviations away."""
    root = np.linalg.cholesky(cov)
    sides, heights = normals @ root, normals @ mean + offsets
    lengths = np.linalg.norm(sides, axis=1)
    sides, heights = sides / lengths[:, None], heights / lengths
    peak = nearest(sides, heights)
    if peak is None:
        return None
    log_size = np.log(np.diag(root)).sum() - 0.5 * peak @ peak
    return Whitened(mean, root, sides, heights, peak, log_size)


def moments(on, width=WIDTH, count=NODES):
    """Of exp(-(z - mean)ᵀ cov^-1 (z - mean) / 2) on the polyhedron."""
    points, weights = np.zeros((1, 0)), np.ones(1)
    for size in range(len(on.mean), 1, -1):
        # points holds the coordinates from u_size+1 on.
        ends = _panels(on, points, size, width)
        slices, panel = np.nonzero(np.diff(ends, axis=1) > 1e-12)
        start, stop = ends[slices, panel], ends[slices, panel + 1]
        nodes, shares = np.polynomial.legendre.leggauss(count)
        place = 0.5 * (start + stop)[:, None] + 0.5 * (stop - start)[:, None] * nodes
        share = 0.5 * (stop - start)[:, None] * shares * weights[slices, None]
        points = np.column_stack([place.ravel(), np.repeat(points[slices], count, axis=0)])
        weights = share.ravel()
    total, first, second = _along_lines(on.sides, on.heights, points, weights, on.peak @ on.peak)
    centre = first / total
    spread = second / total - np.outer(centre, centre)
    return Moments(
        np.log(total) + on.log_size,
        on.mean + on.root @ centre,
        on.root @ spread @ on.root.T,
        on.mean + on.root @ on.peak,
    )


def _panels(on, points, size, width):
    """Where panels of u_size end, for every slice (a row of points) that the later coordinates
    make: evenly, at the corners of the slice, and where u_size goes along a face of it so steeply
    that the slice beneath changes faster than the Gaussian does."""
    known = on.heights + points @ on.sides[:, size:].T  # (M, F)
    low, high = on.peak[size - 1] - REACH, on.peak[size - 1] + REACH
    even = np.linspace(low, high, int(np.ceil(2 * REACH / width)) + 1)
    # Where the peak is at a boundary the density falls off it as fast as it is far from the mean.
    steep = on.peak @ on.peak > REACH**2
    even = np.concatenate([even, on.peak[size - 1] + _NEAR]) if steep else even
    breaks = [np.broadcast_to(even, (len(points), len(even)))]
    for number in range(1, size + 1):
        for chosen in map(list, combinations(range(len(on.sides)), number)):
            face = on.sides[chosen, :size]
            if np.linalg.svd(face, compute_uv=False)[-1] < 1e-10:
                continue
            inverse = np.linalg.pinv(face)
            # Of the points on the face the nearest to the peak, and how fast u_size rises along it.
            away = known[:, chosen] + face @ on.peak[:size]
            foot = on.peak[size - 1] - away @ inverse[-1]
            rise = np.sqrt(max(0.0, 1.0 - inverse[-1] @ face[:, -1]))
            if number == size:
                breaks.append(foot[:, None])
            elif rise < 0.5:
                breaks.append(foot[:, None] + rise * _ALONG)
    return np.sort(np.clip(np.concatenate(breaks, axis=1), low, high), axis=1)


def _along_lines(sides, heights, points, weights, least):
    """∫ exp((least - |u|²) / 2) times 1, u and u uᵀ, over the last coordinate on every line."""
    known = heights + points @ sides[:, 1:].T
    along = sides[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = -known / along
    low = np.max(np.where(along > 1e-14, at, -np.inf), axis=1, initial=-np.inf)
    high = np.min(np.where(along < -1e-14, at, np.inf), axis=1, initial=np.inf)
    level = np.abs(along) <= 1e-14
    meets = (low < high) & np.all(known[:, level] >= 0, axis=1)
    middle = np.clip(0.0, low, high)
    outer = np.einsum("mk,mk->m", points, points)
    meets &= outer + np.where(meets, middle, 0.0) ** 2 < least + REACH**2
    points, weights, low, high = points[meets], weights[meets], low[meets], high[meets]
    middle, outer = middle[meets], outer[meets]
    # From an end that is far from the mean the density falls as exp(-distance × how far).
    reach = np.minimum(REACH, 45.0 / np.maximum(np.abs(middle), 1e-3))
    low, high = np.maximum(low, middle - reach), np.minimum(high, middle + reach)
    nodes, shares = _INNER
    place = 0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * nodes
    density = np.exp(0.5 * (least - outer[:, None] - place**2))
    density *= 0.5 * ((high - low) * weights)[:, None] * shares
    mass, once = density.sum(axis=1), (density * place).sum(axis=1)
    twice = (density * place**2).sum()
    total = mass.sum()
    first = np.append(once.sum(), mass @ points)
    second = np.empty((len(first), len(first)))
    second[0, 0], second[0, 1:] = twice, once @ points
    second[1:, 0], second[1:, 1:] = second[0, 1:], (points * mass[:, None]).T @ points
    return total, first, second
