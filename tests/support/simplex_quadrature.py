"""Gaussian integrals over bounded polyhedra in two and three dimensions, for several tests.

Nothing is shared with what is tested: vertices by trying every set of half-spaces, Delaunay
simplices by SciPy, and Gauss-Legendre nodes mapped onto each (Duffy). Moments are centred, so that
thin polyhedra lose nothing.
"""

from itertools import combinations

import numpy as np
from scipy.spatial import Delaunay


def rule(dimension, count=24):
    """Nodes (barycentric, (K, S+1)) and weights of the standard simplex, summing to 1/S!."""
    t, w = np.polynomial.legendre.leggauss(count)
    t, w = 0.5 * (t + 1), 0.5 * w
    grids = np.meshgrid(*[t] * dimension, indexing="ij")
    weights = np.ones_like(grids[0])
    left = np.ones_like(grids[0])
    coordinates = []
    for axis, grid in enumerate(grids):
        shape = [1] * dimension
        shape[axis] = count
        weights = weights * w.reshape(shape) * left
        coordinates.append(left * grid)
        left = left * (1 - grid)
    # The Jacobian is the product of what is left before every coordinate but the first.
    return np.stack([*coordinates, left], axis=-1).reshape(-1, dimension + 1), weights.ravel()


def vertices(normals, offsets):
    """The vertices of a bounded simple polyhedron."""
    found = []
    for subset in map(list, combinations(range(len(normals)), normals.shape[1])):
        matrix = normals[subset]
        if abs(np.linalg.det(matrix)) < 1e-13:
            continue
        point = np.linalg.solve(matrix, -offsets[subset])
        if np.all(np.delete(normals @ point + offsets, subset) > -1e-12):
            found.append(point)
    return np.array(found)


def standard_moments(normals, offsets, count=24):
    """Mass, mean and covariance of N(0, I) on a bounded polyhedron, of size a few at most."""
    corners = vertices(normals, offsets)
    dimension = normals.shape[1]
    barycentric, weights = rule(dimension, count)
    # Brought to one scale: slabs as thin as 1e-4 are triangulated as well as cubes.
    centred = corners - corners.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred)
    simplices = corners[None]
    if len(corners) > dimension + 1:
        simplices = corners[Delaunay(centred @ axes.T / sizes, qhull_options="QJ Pp").simplices]
    points, masses = [], []
    for simplex in simplices:
        volume = abs(np.linalg.det(simplex[1:] - simplex[0]))
        points.append(barycentric @ simplex)
        density = np.exp(-0.5 * (points[-1] ** 2).sum(axis=1)) / (2 * np.pi) ** (dimension / 2)
        masses.append(volume * weights * density)
    points, masses = np.concatenate(points), np.concatenate(masses)
    mass = masses.sum()
    centre = corners.mean(axis=0)
    mean = centre + masses @ (points - centre) / mass
    away = points - mean
    return mass, mean, (masses[:, None] * away).T @ away / mass
