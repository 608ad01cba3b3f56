"""What a described network computes with: its layers as matrices and windows, without building it.

A description is (name of a layer, the arguments it is made with), as in
oracle.models.architectures.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from oracle.exact.layer_specs import LayerSpec, Shape
from oracle.exact.layers import specs_of_layer
from oracle.exact.skip import all_beside, fork, join

Description = tuple[str, dict[str, Any]]

#: What activations have where nothing is said.
_ACTIVATIONS: dict[str, dict[str, Any]] = {
    "LeakyReLU": {"slope": 0.01},
    "Hardtanh": {"lower": -1.0, "upper": 1.0},
    "Hardsigmoid": {"slope": 1 / 6, "value": 0.5},
    "PiecewiseAffine": {"value": 0.0},
}


def specs_of(layers: tuple[Description, ...]) -> tuple[LayerSpec, ...]:
    """The layers as oracle.exact.layers.layers_of has them. Guarded by
    tests/oracle/test_architectures.py: the same as of the network the implementations build."""
    return tuple(_specs_from(layers, latent_shape(*layers[0])))


def _specs_from(layers: Iterable[Description], shape: Shape) -> list[LayerSpec]:
    """The specs of layers that follow one another, the first on inputs of this shape."""
    specs: list[LayerSpec] = []
    for kind, settings in layers:
        if kind == "Residual":
            specs += _block(settings, shape)
        else:
            given = SimpleNamespace(**_settled(kind, settings), input_shape=shape)
            specs += specs_of_layer(kind, given)
        shape = output_shape(kind, settings, shape)
    return specs


def _block(settings: dict[str, Any], shape: Shape) -> list[LayerSpec]:
    """The specs of a block with a skip connection."""
    size = prod(shape)
    out = prod(output_shape("Residual", settings, shape))
    skip = settings.get("projection", [])
    return [
        fork(size),
        *all_beside(_specs_from(settings["layers"], shape), 0, size, size),
        *all_beside(_specs_from(skip, shape), out, 0, size),
        join(out),
    ]


def latent_shape(kind: str, settings: dict[str, Any]) -> Shape:
    """The shape of z, as the first layer tells it, which is of this kind."""
    if kind == "Residual":
        return latent_shape(*settings["layers"][0])
    if kind == "Reshape":
        return (prod(settings["shape"]),)
    return (int(np.shape(settings["weight"])[1]),)


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(int(n) for n in value)


def _settled(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with what is left out filled in, and pairs for single numbers."""
    defaults: dict[str, Any] = {}
    if kind.startswith("Conv"):
        defaults = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
    elif kind == "Upsample":
        defaults = {"mode": "nearest", "align_corners": False}
    elif kind in ("AvgPool", "MaxPool"):
        kernel = settings.get("kernel_size", 1)
        defaults = {"kernel_size": kernel, "stride": kernel, "padding": 0, "channels": 1}
    else:
        defaults = _ACTIVATIONS.get(kind, {})
    merged = {**defaults, **settings}
    if kind in ("PixelShuffle", "ZeroPad"):
        return merged
    pairs = {
        "kernel_size",
        "stride",
        "padding",
        "output_padding",
        "dilation",
        "factor",
        "output_size",
    }
    axes = 1 if kind.endswith("1d") else 2
    return {name: _sizes(value, axes) if name in pairs else value for name, value in merged.items()}


def output_shape(kind: str, settings: dict[str, Any], shape: Shape) -> Shape:
    """The shape of a described layer's output."""
    if kind == "Residual":
        for inner, own in settings["layers"]:
            shape = output_shape(inner, own, shape)
        return shape
    full = _settled(kind, settings)
    if kind == "Dense":
        return (len(full["bias"]),)
    if kind == "Reshape":
        return tuple(full["shape"])
    if kind == "Flatten":
        return (prod(shape),)
    if kind == "Upsample":
        return (shape[0], shape[1] * full["factor"][0], shape[2] * full["factor"][1])
    if kind == "PixelShuffle":
        larger = full["factor"]
        return (shape[0] // larger**2, shape[1] * larger, shape[2] * larger)
    if kind == "ZeroPad":
        left, right, above, below = full["padding"]
        return (shape[0], shape[1] + above + below, shape[2] + left + right)
    if kind == "AdaptiveAvgPool":
        return (shape[0], *full["output_size"])
    if kind.startswith("Conv"):
        return (len(full["bias"]), *_convolved(kind, full, shape[1:]))
    if kind not in ("AvgPool", "MaxPool"):
        return shape
    channels, kernel = shape[0] // full.get("channels", 1), full["kernel_size"]
    return (
        channels,
        *(
            (n + 2 * full["padding"][i] - kernel[i]) // full["stride"][i] + 1
            for i, n in enumerate(shape[1:])
        ),
    )


def _convolved(kind: str, full: dict[str, Any], size: Shape) -> Shape:
    """Height and width, or length, of the output of a convolution."""
    result = []
    for i, n in enumerate(size):
        reach = full["dilation"][i] * (np.shape(full["weight"])[2 + i] - 1)
        stride, padding = full["stride"][i], full["padding"][i]
        if "Transpose" in kind:
            result.append((n - 1) * stride - 2 * padding + reach + full["output_padding"][i] + 1)
        else:
            result.append((n + 2 * padding - reach - 1) // stride + 1)
    return tuple(result)
