"""How long z is, as a network's first layer tells it."""

from __future__ import annotations

import math

from reference.model.dense import Dense
from reference.model.images.reshaping import Reshape
from reference.model.layer_protocol import Layer
from reference.model.residual import Fork, Residual


def latent_size(first: Layer | Residual) -> int | None:
    """Return S: the width of a Dense layer, or the entries of a Reshape, also as the first of a
    block; None for other layers, which take inputs of any size."""
    if isinstance(first, Dense):
        return int(first.weight.shape[1])
    if isinstance(first, Reshape | Fork):
        return math.prod(first.shape)
    if isinstance(first, Residual):
        return latent_size(first.layers[0])
    return None
