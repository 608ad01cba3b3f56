"""Regions as polygons to draw, cut off at a window."""

from __future__ import annotations

import numpy as np

from fast import DGN
from paper_figures.options import Numbers
from reference.model import Array


def cut_off(normals: Array, offsets: Array, window: float) -> Array:
    """The part of a polyhedron in the plane that is in a square window.

    Parameters
    ----------
    normals : Array, shape (H, 2)
        The polyhedron is {z : normals z + offsets > 0}.
    offsets : Array, shape (H,)
        Of its half-planes.
    window : float
        The window is |z_i| <= window.

    Returns
    -------
    Array, shape (C, 2)
        The corners in order; none if the polyhedron is outside the window.

    Examples
    --------
    >>> cut_off(np.array([[1.0, 0.0]]), np.array([0.0]), 2.0)
    array([[ 0., -2.],
           [ 2., -2.],
           [ 2.,  2.],
           [ 0.,  2.]])
    """
    polygon = window * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    for normal, offset in zip(normals, offsets, strict=True):
        heights = polygon @ normal + offset
        following, next_heights = np.roll(polygon, -1, axis=0), np.roll(heights, -1)
        corners = []
        for a, b, height, after in zip(polygon, following, heights, next_heights, strict=True):
            if height >= 0:
                corners.append(a)
            if (height >= 0) != (after >= 0):
                corners.append(a + height / (height - after) * (b - a))
        polygon = np.reshape(corners, (-1, 2))
    return polygon


def polygons_of(dgn: DGN, window: float) -> Numbers:
    """The regions of a latent plane, cut off at a window.

    Parameters
    ----------
    dgn : DGN
        With two latent dimensions and R regions.
    window : float
        In standard deviations of the prior.

    Returns
    -------
    Numbers
        corners (C, 2): of all regions one after another, standard deviations of the prior. images
        (C, D): g of the corners, data units. ends (R,): where in them each region's corners end.
    """
    root = np.linalg.cholesky(dgn.cov_z)
    partition = dgn.partition()
    polygons, images, ends = [], [], []
    for region in range(partition.n_regions):
        normals, offsets = partition.halfspaces(region)
        corners = cut_off(normals @ root, offsets, window)
        polygons.append(corners)
        slope, offset = partition.slopes[region] @ root, partition.offsets[region]
        images.append(corners @ slope.T + offset)
        ends.append(len(corners))
    return {
        "corners": np.concatenate(polygons),
        "images": np.concatenate(images),
        "ends": np.cumsum(ends),
    }


def polygons_kept(numbers: Numbers) -> Numbers:
    """The polygons of one start, without the NaN that were added when starts were stacked.

    Parameters
    ----------
    numbers : Numbers
        One row of what `polygons_of` returned for several starts, and any other arrays.

    Returns
    -------
    Numbers
        The same names; corners, images and ends shortened.
    """
    if "ends" not in numbers:
        return numbers
    ends = numbers["ends"][~np.isnan(numbers["ends"])].astype(int)
    corners = {name: numbers[name][: ends[-1]] for name in ("corners", "images") if name in numbers}
    return numbers | corners | {"ends": ends}
