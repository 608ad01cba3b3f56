"""Regions as polygons to draw, cut off at a window."""

from __future__ import annotations

import numpy as np

from reference.model import Array


def cut_off(normals: Array, offsets: Array, window: float) -> Array:
    """The part of {z : normals z + offsets > 0} in |z_i| <= window: corners (C, 2) in order, none
    if there is no such part."""
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
