"""Inputs of layers on both sides of each of their choices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array
from reference.model.layer_protocol import Layer

# Inputs at each of these distances from a knot, and so many of each.
_SCALES, _EACH = (0.1, 1.0, 10.0, 100.0), 8


def around_knots(layers: Sequence[Layer], size: int, random_state: np.random.Generator) -> Array:
    """Draw inputs around each knot of the layers, and far beyond them all.

    Parameters
    ----------
    layers : sequence of Layer
        Layers that follow one another.
    size : int
        The length of the input.
    random_state : Generator
        Draws the inputs.

    Returns
    -------
    ndarray, shape (N, size)
        The inputs.
    """
    levels = [0.0]
    for layer in layers:
        if isinstance(layer, PiecewiseAffine):
            levels += np.unique(layer.knots).tolist()
    far = 1.0 + max(map(abs, levels))
    scales = np.repeat([*_SCALES, far, 3.0 * far], _EACH)[:, None]
    around = random_state.choice(levels, (len(scales), size))
    return np.asarray(around + scales * random_state.standard_normal((len(scales), size)))
