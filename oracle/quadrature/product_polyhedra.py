"""Polyhedra of any dimension on which a Gaussian's moments are known: images of products.

Intervals, polygons and polyhedra of dimension 3 side by side, the Gaussian independent between
them: mass and moments are products and blocks. An integer map of determinant one then mixes the
coordinates of all, polyhedron and Gaussian together, in doubles without any rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

from oracle.exact.number_types import Array, Real
from oracle.quadrature.interval import FINER, Quadratic, integrate
from oracle.quadrature.moments import Moments
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments


class Product(NamedTuple):
    """normals (F, S), offsets (F,), mean (S,), cov (S, S), and the truth."""

    normals: Array
    offsets: Array
    mean: Array
    cov: Array
    moments: Moments


def random_product(seed: int, dimensions: tuple[int, ...], distance: float) -> Product:
    """A random polyhedron of any dimension with a Gaussian whose moments on it are known.

    Parameters
    ----------
    seed : int
        Which polyhedron.
    dimensions : tuple[int, ...]
        The dimension of each part, 1 to 3; the polyhedron has their sum.
    distance : float
        The parts lie around points that are a random part of this away from the mean.

    Returns
    -------
    Product
        The same polyhedron every time, the Gaussian, and the truth.

    Notes
    -----
    Accurate as oracle.quadrature.polygon.polygon_moments. Guarded by
    tests/oracle/test_oracle_polyhedron.py.
    """
    rng = np.random.default_rng([714, seed])
    total = sum(dimensions)
    normals, offsets = np.zeros((0, total)), np.zeros(0)
    mean, cov = np.zeros(total), np.zeros((total, total))
    parts, start = [], 0
    for size in dimensions:
        own = slice(start, start + size)
        rows, slacks, centre, spread = _part(rng, size, distance)
        block = np.zeros((len(rows), total))
        block[:, own], mean[own], cov[own, own] = rows, centre, spread
        normals, offsets = np.vstack([normals, block]), np.concatenate([offsets, slacks])
        parts.append(_moments(rows, slacks, centre, spread))
        start += size
    matrix, inverse = _mixing(rng, total)
    return Product(
        normals @ inverse,
        offsets,
        matrix @ mean,
        matrix @ cov @ matrix.T,
        _mixed(matrix, parts),
    )


def _dyadic(rng: np.random.Generator, shape: int | tuple[int, ...], size: float = 1.0) -> Array:
    """Random numbers of few bits, so that products and sums of some are exact in doubles."""
    return np.asarray(np.round(rng.normal(size=shape) * size * 256) / 256)


def _part(
    rng: np.random.Generator, size: int, distance: float
) -> tuple[Array, Array, Array, Array]:
    """Half-spaces around a point, from none to three more than dimensions, and a Gaussian."""
    normals = _dyadic(rng, (int(rng.integers(0, size + 4)), size))
    centre = _dyadic(rng, size, distance * float(rng.uniform()))
    offsets = -normals @ centre + np.abs(_dyadic(rng, len(normals))) + 2.0**-8
    factor = np.eye(size) + np.tril(_dyadic(rng, (size, size), 0.5), -1)
    return normals, offsets, _dyadic(rng, size), factor @ factor.T


def _moments(normals: Array, offsets: Array, mean: Array, cov: Array) -> Moments:
    """The truth about one part."""
    if len(mean) > 1:
        calculate = {2: polygon_moments, 3: polyhedron_moments}[len(mean)]
        return calculate(normals, offsets, mean, cov)
    with mp.workdps(FINER.working):
        pairs = zip(normals[:, 0], offsets, strict=True)
        ends = [(n, -mpf(float(b)) / mpf(float(n))) for n, b in pairs if n]
        low = max((end for n, end in ends if n > 0), default=-mp.inf)
        high = min((end for n, end in ends if n < 0), default=mp.inf)
        variance = mpf(float(cov[0, 0]))
        scale = -mp.log(2 * mp.pi * variance) / 2
        density = Quadratic(mpf(float(mean[0])), scale, mpf(0), -1 / (2 * variance))
        part = integrate(density, low, high, FINER)
        return Moments(part.log_mass, [part.mean], [[part.variance]])


def _mixing(rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    """A small integer matrix of determinant one, and its inverse."""
    matrix, inverse = np.eye(size), np.eye(size)
    for _ in range(2 * size if size > 1 else 0):
        i, j = rng.choice(size, 2, replace=False)
        times = float(rng.choice([-1, 1]))
        matrix[i] += times * matrix[j]
        inverse[:, j] -= times * inverse[:, i]
    return matrix, inverse


def _mixed(matrix: Array, parts: list[Moments]) -> Moments:
    """The moments of the image of a product."""
    with mp.workdps(FINER.working):
        rows = [[mpf(float(v)) for v in row] for row in matrix]
        axes = range(len(rows))
        mean = [v for part in parts for v in part.mean]
        cov = [[mpf(0)] * len(rows) for _ in axes]
        start = 0
        for part in parts:
            for i, row in enumerate(part.cov):
                cov[start + i][start : start + len(row)] = row
            start += len(part.mean)

        def across(i: int, j: int) -> Real:
            return sum(rows[i][k] * cov[k][m] * rows[j][m] for k in axes for m in axes)

        return Moments(
            sum(part.log_mass for part in parts),
            [sum(row[k] * mean[k] for k in axes) for row in rows],
            [[across(i, j) for j in axes] for i in axes],
        )
