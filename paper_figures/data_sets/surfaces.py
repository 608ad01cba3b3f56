"""Surfaces in three dimensions to learn: a sphere, a rolled-up sheet, each with noise."""

from __future__ import annotations

import numpy as np

from reference.model import Array

NOISE = 0.05


def sphere(count: int, rng: np.random.Generator) -> Array:
    """Draw points uniformly on the unit sphere, and add noise N(0, NOISE² I).

    Parameters
    ----------
    count : int
        How many.
    rng : numpy.random.Generator
        Of the draws.

    Returns
    -------
    Array, shape (count, 3)
        Data units.
    """
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions + NOISE * rng.standard_normal((count, 3))


def swiss_roll(count: int, rng: np.random.Generator) -> Array:
    """Draw points on a rolled-up sheet, and add noise N(0, NOISE² I).

    Parameters
    ----------
    count : int
        How many.
    rng : numpy.random.Generator
        Of the draws.

    Returns
    -------
    Array, shape (count, 3)
        Data units. The sheet makes one and a half turns, from radius 0.5 to 1.5, and is two wide;
        points are uniform in angle and width.
    """
    share, width = rng.uniform(size=(2, count))
    angle, radius = 3.0 * np.pi * share, 0.5 + share
    sheet = [radius * np.cos(angle), 2.0 * width - 1.0, radius * np.sin(angle)]
    return np.stack(sheet, axis=1) + NOISE * rng.standard_normal((count, 3))
