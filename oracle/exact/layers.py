"""What a network's layers are, as data the oracle computes with: matrices and windows.

Layers that are linear become one matrix, written out entry by entry from the definition of the
operation; so nothing of how the implementations compute them is shared.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil, floor
from types import SimpleNamespace
from typing import Any

import numpy as np

from oracle.exact.layer_specs import LayerSpec, Shape
from oracle.exact.number_types import Array
from oracle.exact.pieces import activation
from oracle.exact.skip import all_beside, fork, join


def layers_of(network: Any) -> tuple[LayerSpec, ...]:
    """The layers of a network, as the oracle computes with them.

    Parameters
    ----------
    network : reference.Network
        Any object with `layers`. Layers are known by the names of their classes and attributes.

    Returns
    -------
    tuple of LayerSpec
        One for each layer that is not only a change of shape.

    Raises
    ------
    ValueError
        If a layer is of a kind that the oracle does not know.

    Notes
    -----
    Guarded by tests/oracle/test_oracle_partition.py.
    """
    specs: list[LayerSpec] = []
    for i, layer in enumerate(network.layers):
        try:
            specs += specs_of_layer(type(layer).__name__, layer)
        except ValueError as error:
            raise ValueError(f"network: layer {i} {error}: {layer!r}") from None
    return tuple(specs)


def specs_of_layer(kind: str, layer: Any) -> list[LayerSpec]:
    """Return one layer of this kind, with its settings as attributes, as specs.

    Parameters
    ----------
    kind : str
        The name of the layer's class.
    layer : object
        Its settings as attributes, and `input_shape`. `surroundings`, if it has them, are the shape
        of the entries that it is applied to, and how many others come before and after.

    Returns
    -------
    list of LayerSpec
        None of a layer that changes only the shape.

    Raises
    ------
    ValueError
        For a kind that the oracle does not know.
    """
    surroundings = getattr(layer, "surroundings", None)
    if surroundings is not None:
        shape, before, after = surroundings
        inner = getattr(layer, "layer", layer)
        own = _settings(inner, tuple(shape))
        name = kind if inner is layer else type(inner).__name__
        specs = specs_of_layer(name, own)
        return all_beside(specs, before, after, int(np.prod(shape)))
    if kind == "Fork":
        return [fork(int(np.prod(layer.input_shape)))]
    if kind == "Join":
        return [join(int(np.prod(layer.shape)))]
    found = activation(kind, layer)
    if found is not None:
        return found
    spec = spec_of(kind, layer)
    return [] if spec is None else [spec]


def _settings(layer: Any, shape: Shape) -> Any:
    """What a layer was made with, and the shape of its own input."""
    own = {name: value for name, value in vars(layer).items() if name != "surroundings"}
    slope = getattr(layer, "slope", None)
    return SimpleNamespace(**{"slope": slope, **own, "input_shape": shape})


def spec_of(kind: str, layer: Any) -> LayerSpec | None:
    """One layer of this kind, with its settings as attributes; None if it changes only the shape.

    Raises ValueError for a kind the oracle does not know.
    """
    if kind in ("Conv2d", "Conv1d"):
        return ("dense", *_convolution(_of_images(layer)))
    if kind in ("ConvTranspose2d", "ConvTranspose1d"):
        return ("dense", *_transposed(_of_images(layer)))
    if kind in _RESAMPLING:
        matrix = _RESAMPLING[kind](layer)
        return ("dense", matrix, np.zeros(len(matrix)))
    if kind == "MaxPool":
        return ("max", _windows(layer))
    if kind in ("Flatten", "Reshape"):
        return None
    if hasattr(layer, "weight"):
        return ("dense", np.array(layer.weight), np.array(layer.bias))
    raise ValueError("is of a kind the oracle does not know")


def _flat(shape: Shape, channel: int, row: int, column: int) -> int:
    return (channel * shape[1] + row) * shape[2] + column


def _inside(shape: Shape, row: int, column: int) -> bool:
    return 0 <= row < shape[1] and 0 <= column < shape[2]


def _of_images(layer: Any) -> Any:
    """A convolution of signals as one of images of one row; others as they are."""
    if len(layer.input_shape) == 3:
        return layer
    names = ("padding", "output_padding")
    wide = {name: (0, *getattr(layer, name)) for name in names if hasattr(layer, name)}
    far = {name: (1, *getattr(layer, name)) for name in ("stride", "dilation")}
    channels, length = layer.input_shape
    return SimpleNamespace(
        weight=np.array(layer.weight)[:, :, None],
        bias=layer.bias,
        groups=layer.groups,
        input_shape=(channels, 1, length),
        **wide,
        **far,
    )


def _windows_of(layer: Any, kernel: tuple[int, int], shape: Shape) -> tuple[list[Any], int, int]:
    """For each place of a sliding kernel the (row, column, kernel row, kernel column) under it that
    are not padding; and the number of places down and across."""
    gaps = getattr(layer, "dilation", (1, 1))
    down, across = (
        (shape[1 + axis] + 2 * layer.padding[axis] - gaps[axis] * (kernel[axis] - 1) - 1)
        // layer.stride[axis]
        + 1
        for axis in (0, 1)
    )
    places = []
    for y, x in product(range(down), range(across)):
        top, left = y * layer.stride[0] - layer.padding[0], x * layer.stride[1] - layer.padding[1]
        under = product(range(kernel[0]), range(kernel[1]))
        pixels = [(top + gaps[0] * i, left + gaps[1] * j, i, j) for i, j in under]
        places.append([pixel for pixel in pixels if _inside(shape, pixel[0], pixel[1])])
    return places, down, across


def _convolution(layer: Any) -> tuple[Array, Array]:
    """The matrix and offset of a convolution: a row for every output channel and place."""
    shape, weight = layer.input_shape, np.array(layer.weight)
    outputs, channels, *kernel = weight.shape
    places, down, across = _windows_of(layer, (kernel[0], kernel[1]), shape)
    matrix = np.zeros((outputs * down * across, int(np.prod(shape))))
    for o, (p, under), c in product(range(outputs), enumerate(places), range(channels)):
        # Of the input, the channels of the output channel's own group.
        channel = o // (outputs // layer.groups) * channels + c
        for row, column, i, j in under:
            matrix[o * down * across + p, _flat(shape, channel, row, column)] = weight[o, c, i, j]
    return matrix, np.repeat(np.array(layer.bias), down * across)


def _transposed(layer: Any) -> tuple[Array, Array]:
    """The matrix and offset of a transposed convolution: every pixel adds its kernel to what is
    around where it is spread to."""
    shape, weight = layer.input_shape, np.array(layer.weight)
    inputs, outputs, *kernel = weight.shape
    size = tuple(
        (shape[1 + axis] - 1) * layer.stride[axis]
        - 2 * layer.padding[axis]
        + layer.dilation[axis] * (kernel[axis] - 1)
        + layer.output_padding[axis]
        + 1
        for axis in (0, 1)
    )
    full = (outputs * layer.groups, *size)
    matrix = np.zeros((int(np.prod(full)), int(np.prod(shape))))
    pixels = product(range(inputs), range(shape[1]), range(shape[2]))
    for c, y, x in pixels:
        group = c // (inputs // layer.groups)
        for o, i, j in product(range(outputs), range(kernel[0]), range(kernel[1])):
            row = y * layer.stride[0] + i * layer.dilation[0] - layer.padding[0]
            column = x * layer.stride[1] + j * layer.dilation[1] - layer.padding[1]
            if _inside(full, row, column):
                place = _flat(full, group * outputs + o, row, column)
                matrix[place, _flat(shape, c, y, x)] += weight[c, o, i, j]
    return matrix, np.repeat(np.array(layer.bias), size[0] * size[1])


def _upsampling(layer: Any) -> Array:
    """The matrix that repeats every pixel of every channel, or interpolates between them."""
    if layer.mode == "bilinear":
        return _interpolation(layer)
    shape, (down, across) = layer.input_shape, layer.factor
    pixels = product(range(shape[0]), range(shape[1] * down), range(shape[2] * across))
    rows = [_flat(shape, c, y // down, x // across) for c, y, x in pixels]
    return np.eye(int(np.prod(shape)))[rows]


def _interpolation(layer: Any) -> Array:
    """The matrix of bilinear interpolation: a pixel counts by how near it is along both axes."""
    shape, factor = layer.input_shape, layer.factor

    def place(axis: int, new: int) -> Fraction:
        size = int(shape[1 + axis])
        if layer.align_corners:
            return Fraction(new * (size - 1), max(size * factor[axis] - 1, 1))
        middle = (new + Fraction(1, 2)) / int(factor[axis]) - Fraction(1, 2)
        return min(max(middle, Fraction(0)), Fraction(size - 1))

    large = (shape[0], shape[1] * factor[0], shape[2] * factor[1])
    matrix = np.zeros((int(np.prod(large)), int(np.prod(shape))))
    pixels = product(range(large[0]), range(large[1]), range(large[2]))
    for c, y, x in pixels:
        at = place(0, y), place(1, x)
        for i, j in product(range(shape[1]), range(shape[2])):
            near = [max(1 - abs(p - n), Fraction(0)) for p, n in zip(at, (i, j), strict=True)]
            matrix[_flat(large, c, y, x), _flat(shape, c, i, j)] = float(near[0] * near[1])
    return matrix


def _parts(layer: Any) -> Array:
    """The matrix of the means of nearly equal parts of every channel."""
    shape, size = layer.input_shape, layer.output_size
    small = (shape[0], *size)
    matrix = np.zeros((int(np.prod(small)), int(np.prod(shape))))
    for c, y, x in product(range(shape[0]), range(size[0]), range(size[1])):
        rows, columns = (
            range(floor(Fraction(k * n, m)), ceil(Fraction((k + 1) * n, m)))
            for k, n, m in zip((y, x), shape[1:], size, strict=True)
        )
        for i, j in product(rows, columns):
            share = float(Fraction(1, len(rows) * len(columns)))
            matrix[_flat(small, c, y, x), _flat(shape, c, i, j)] = share
    return matrix


def _padded(layer: Any) -> Array:
    """The matrix that puts zeros around every channel."""
    shape, (left, right, above, below) = layer.input_shape, layer.padding
    large = (shape[0], shape[1] + above + below, shape[2] + left + right)
    matrix = np.zeros((int(np.prod(large)), int(np.prod(shape))))
    for c, i, j in product(*map(range, shape)):
        matrix[_flat(large, c, i + above, j + left), _flat(shape, c, i, j)] = 1.0
    return matrix


def _shuffled(layer: Any) -> Array:
    """The matrix that makes blocks of pixels of groups of channels."""
    shape, factor = layer.input_shape, layer.factor
    large = (shape[0] // factor**2, shape[1] * factor, shape[2] * factor)
    matrix = np.zeros((int(np.prod(large)), int(np.prod(shape))))
    for c, y, x in product(*map(range, large)):
        source = c * factor**2 + (y % factor) * factor + x % factor
        pixel = _flat(shape, source, y // factor, x // factor)
        matrix[_flat(large, c, y, x), pixel] = 1.0
    return matrix


def _averages(layer: Any) -> Array:
    """The matrix of means over windows; padding counts as zeros."""
    shape, kernel = layer.input_shape, tuple(layer.kernel_size)
    places, down, across = _windows_of(layer, kernel, shape)
    matrix = np.zeros((shape[0] * down * across, int(np.prod(shape))))
    for c, (p, under) in product(range(shape[0]), enumerate(places)):
        for row, column, _, _ in under:
            matrix[c * down * across + p, _flat(shape, c, row, column)] = 1.0 / np.prod(kernel)
    return matrix


_RESAMPLING = {
    "Upsample": _upsampling,
    "AvgPool": _averages,
    "AdaptiveAvgPool": _parts,
    "ZeroPad": _padded,
    "PixelShuffle": _shuffled,
}


def _windows(layer: Any) -> list[list[int]]:
    """The candidates of every window of a max-pooling layer."""
    shape = tuple(layer.input_shape)
    shape = (*shape, 1, 1) if len(shape) == 1 else shape
    places, _, _ = _windows_of(layer, tuple(layer.kernel_size), shape)
    return [
        [
            _flat(shape, group * layer.channels + member, row, column)
            for member in range(layer.channels)
            for row, column, _, _ in under
        ]
        for group in range(shape[0] // layer.channels)
        for under in places
    ]
