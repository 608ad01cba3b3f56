"""Normalisation with fixed statistics, as a layer of its own or within the one before it."""

from __future__ import annotations

import numpy as np

from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.images.convolutions import Conv1d, Conv2d
from reference.model.images.kernels import Convolution
from reference.model.layer_protocol import Layer


def scale_and_shift(
    mean: Array, variance: Array, eps: float, weight: Array | None, bias: Array | None
) -> tuple[Array, Array]:
    """scale and shift (C,) of a normalisation: h -> (h - mean) / sqrt(variance + eps), times a
    weight and plus a bias, as h -> scale h + shift."""
    spread = variance + eps
    if not np.all(spread > 0):
        raise ValueError("not supported: running_var + eps that is not positive")
    scale = 1.0 / np.sqrt(spread)
    if weight is not None:
        scale = scale * weight
    return scale, (0.0 if bias is None else bias) - mean * scale


def scaled(layer: Dense | Convolution, scale: Array, shift: Array) -> Layer:
    """The layer followed by h -> scale h + shift, channel by channel, as one layer."""
    if len(scale) != len(layer.bias):
        raise ValueError(f"expects {len(scale)} features, got {len(layer.bias)}")
    if isinstance(layer, Convolution):
        return layer.scaled(scale, shift)
    weight = layer.weight * scale[:, None]
    return layer.with_parameters({"weight": weight, "bias": layer.bias * scale + shift})


def scaling(scale: Array, shift: Array, axes: int) -> Layer:
    """h -> scale h + shift on vectors, signals or images, channel by channel."""
    if axes <= 1:
        return Dense(np.diag(scale), shift)
    # Every channel has a kernel of its own, so that learned kernels scale as well.
    kind = Conv1d if axes == 2 else Conv2d
    return kind(scale.reshape(-1, *[1] * axes), shift, groups=len(scale))
