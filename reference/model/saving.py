"""Networks in files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.images.convolutions import CONVOLUTIONS
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import (
    AdaptiveAvgPool,
    AvgPool,
    PixelShuffle,
    Upsample,
    ZeroPad,
)
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.layer_protocol import Layer, Surroundings
from reference.model.named_activations import (
    Abs,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
)
from reference.model.residual import Beside, Fork, Join, beside
from reference.model.whole_files import check_path, load_arrays, save_arrays

# The arguments each layer is made from, which it holds under the same names: what a file stores.
ARGUMENTS: dict[type[Any], tuple[str, ...]] = {
    Dense: ("weight", "bias"),
    ReLU: (),
    LeakyReLU: ("slope",),
    Abs: (),
    PReLU: ("slope",),
    ReLU6: (),
    Hardtanh: ("lower", "upper"),
    Hardsigmoid: ("slope", "value"),
    PiecewiseAffine: ("knots", "slopes", "value"),
    **{kind: ("weight", "bias", *kind.settings) for kind in CONVOLUTIONS},
    Upsample: ("factor", "mode", "align_corners"),
    AvgPool: ("kernel_size", "stride", "padding"),
    AdaptiveAvgPool: ("output_size",),
    ZeroPad: ("padding",),
    PixelShuffle: ("factor",),
    MaxPool: ("kernel_size", "stride", "padding", "channels"),
    Flatten: (),
    Reshape: ("shape",),
    Fork: ("shape",),
    Join: ("shape",),
}
# Arguments that files of 0.1.0 lack: then they are as they are by default.
_LATER = ("dilation", "groups", "mode", "align_corners")


# What files of a whole model hold beside the network, each under its own name.
_OF_MODEL = "model."


def save_layers(path: Path, layers: Sequence[Layer]) -> None:
    """Write layers to a .npz file: see `Network.save`."""
    save_model(path, layers, {})


def save_model(path: Path, layers: Sequence[Layer], arguments: Mapping[str, Any]) -> None:
    """Write layers, and the other arguments that a model is made from, to a .npz file."""
    own = [layer.layer if isinstance(layer, Beside) else layer for layer in layers]
    arrays = {"kinds": np.array([type(layer).__name__ for layer in own])}
    for i, layer in enumerate(own):
        if type(layer) not in ARGUMENTS:
            raise ValueError(f"layers[{i}]: cannot save a layer of type {type(layer).__name__}")
        for name in ARGUMENTS[type(layer)]:
            arrays[f"{i}.{name}"] = np.asarray(getattr(layer, name))
        surroundings = getattr(layers[i], "surroundings", None)
        if surroundings is not None:
            shape, before, after = surroundings
            arrays[f"{i}.surroundings"] = np.array([before, after, *shape])
    arrays |= {f"{_OF_MODEL}{name}": np.asarray(value) for name, value in arguments.items()}
    save_arrays(path, arrays)


def load_layers(path: str | os.PathLike[str]) -> list[Layer]:
    """The layers of a file written by `save_layers` or `save_model`: see `Network.load`."""
    return _read(path, "Network")[0]


def load_model(path: str | os.PathLike[str]) -> tuple[list[Layer], dict[str, Any]]:
    """The layers of a file written by `save_model`, and the other arguments of the model."""
    layers, arguments = _read(path, "DGN")
    if not arguments:
        raise ValueError(
            f"path: {path!r} holds a network alone; read it with Network.load, and pass cov_x to "
            "DGN"
        )
    return layers, arguments


def _read(path: str | os.PathLike[str], what: str) -> tuple[list[Layer], dict[str, Any]]:
    source = check_path(path, "path")
    try:
        arrays = load_arrays(source)
        arguments = {
            name.removeprefix(_OF_MODEL): _stored(value)
            for name, value in arrays.items()
            if name.startswith(_OF_MODEL)
        }
        return _layers_of(arrays), arguments
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"path: {path!r} holds no saved {what} ({error})") from error


def _layers_of(arrays: Mapping[str, Array]) -> list[Layer]:
    by_name = {kind.__name__: kind for kind in ARGUMENTS}
    layers: list[Layer] = []
    for i, name in enumerate(map(str, arrays["kinds"])):
        kind = by_name[name]
        there = [k for k in ARGUMENTS[kind] if k not in _LATER or f"{i}.{k}" in arrays]
        values = {key: _stored(arrays[f"{i}.{key}"]) for key in there}
        layer = kind(**values)
        if f"{i}.surroundings" in arrays:
            before, after, *shape = arrays[f"{i}.surroundings"].tolist()
            layer = beside(layer, Surroundings(tuple(shape), before, after))
        layers.append(layer)
    return layers


def _stored(value: Array) -> Any:
    """An argument as it was before it became an array: integers, a flag, a text, or an array of
    doubles."""
    return value.tolist() if value.dtype.kind in "ibU" else value
