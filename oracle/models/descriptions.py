"""What a described network computes with: its layers as matrices and windows, without building it.

A description is (name of a layer, the arguments it is made with), as in
oracle.models.architectures.
"""

from __future__ import annotations

from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from oracle.exact.layers import LayerSpec, Shape, spec_of

Description = tuple[str, dict[str, Any]]

_SLOPES = {"ReLU": 0.0, "Abs": -1.0}


def specs_of(layers: tuple[Description, ...]) -> tuple[LayerSpec, ...]:
    """The layers as oracle.exact.layers.layers_of has them. Guarded by
    tests/oracle/test_architectures.py: the same as of the network the implementations build."""
    specs: list[LayerSpec] = []
    shape: Shape = (int(np.shape(layers[0][1]["weight"])[1]),)
    for kind, settings in layers:
        spec = spec_of(kind, SimpleNamespace(**_settled(kind, settings), input_shape=shape))
        if spec is not None:
            specs.append(spec)
        shape = _output_shape(kind, settings, shape)
    return tuple(specs)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _settled(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with what is left out filled in, and pairs for single numbers."""
    if kind == "Conv2d":
        defaults: dict[str, Any] = {"stride": 1, "padding": 0}
    elif kind in ("AvgPool", "MaxPool"):
        kernel = settings.get("kernel_size", 1)
        defaults = {"kernel_size": kernel, "stride": kernel, "padding": 0, "channels": 1}
    else:
        defaults = {"slope": _SLOPES[kind]} if kind in _SLOPES else {}
    merged = {**defaults, **settings}
    pairs = ("kernel_size", "stride", "padding", "factor")
    return {name: _pair(v) if name in pairs else v for name, v in merged.items()}


def _output_shape(kind: str, settings: dict[str, Any], shape: Shape) -> Shape:
    """The shape of a layer's output."""
    full = _settled(kind, settings)
    if kind == "Dense":
        return (len(full["bias"]),)
    if kind == "Reshape":
        return tuple(full["shape"])
    if kind == "Flatten":
        return (prod(shape),)
    if kind == "Upsample":
        return (shape[0], shape[1] * full["factor"][0], shape[2] * full["factor"][1])
    if kind not in ("Conv2d", "AvgPool", "MaxPool"):
        return shape
    kernel = np.shape(full["weight"])[2:] if kind == "Conv2d" else full["kernel_size"]
    channels = len(full["bias"]) if kind == "Conv2d" else shape[0] // full.get("channels", 1)
    if len(shape) == 1:
        return (channels,)
    down, across = (
        (n + 2 * full["padding"][i] - kernel[i]) // full["stride"][i] + 1
        for i, n in enumerate(shape[1:])
    )
    return (channels, down, across)
