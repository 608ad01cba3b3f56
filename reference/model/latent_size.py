"""How long z is, as a network's first layer tells it."""

from __future__ import annotations

import math

from reference.model.images.reshaping import Reshape
from reference.model.layer_protocol import Layer
from reference.model.layers import Dense


def latent_size(first: Layer) -> int | None:
    """Return S: the width of a Dense layer, or the entries of a Reshape; None for other layers,
    which take inputs of any size."""
    if isinstance(first, Dense):
        return int(first.weight.shape[1])
    if isinstance(first, Reshape):
        return math.prod(first.shape)
    return None
