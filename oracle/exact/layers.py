"""What a network's layers are, as data the oracle computes with: matrices and windows.

Layers that are linear become one matrix, written out entry by entry from the definition of the
operation; so nothing of how the implementations compute them is shared.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from oracle.exact.number_types import Array

#: ("dense", weight, bias); ("slope", η) for an activation max(h, 0) + η min(h, 0); ("max", windows)
#: for max-pooling, each window the flat indices of its candidates by channel, row, column.
LayerSpec = tuple[Any, ...]
Shape = tuple[int, ...]


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
            spec = spec_of(type(layer).__name__, layer)
        except ValueError as error:
            raise ValueError(f"network: layer {i} {error}: {layer!r}") from None
        if spec is not None:
            specs.append(spec)
    return tuple(specs)


def spec_of(kind: str, layer: Any) -> LayerSpec | None:
    """One layer of this kind, with its settings as attributes; None if it changes only the shape.

    Raises ValueError for a kind the oracle does not know.
    """
    if kind == "Conv2d":
        return ("dense", *_convolution(layer))
    if kind in ("Upsample", "AvgPool"):
        matrix = _upsampling(layer) if kind == "Upsample" else _averages(layer)
        return ("dense", matrix, np.zeros(len(matrix)))
    if kind == "MaxPool":
        return ("max", _windows(layer))
    if kind in ("Flatten", "Reshape"):
        return None
    if hasattr(layer, "weight"):
        return ("dense", np.array(layer.weight), np.array(layer.bias))
    if hasattr(layer, "slope"):
        return ("slope", float(layer.slope))
    raise ValueError("is of a kind the oracle does not know")


def _flat(shape: Shape, channel: int, row: int, column: int) -> int:
    return (channel * shape[1] + row) * shape[2] + column


def _inside(shape: Shape, row: int, column: int) -> bool:
    return 0 <= row < shape[1] and 0 <= column < shape[2]


def _windows_of(layer: Any, kernel: tuple[int, int], shape: Shape) -> tuple[list[Any], int, int]:
    """For each place of a sliding kernel the (row, column, kernel row, kernel column) under it that
    are not padding; and the number of places down and across."""
    down, across = (
        (shape[1 + axis] + 2 * layer.padding[axis] - kernel[axis]) // layer.stride[axis] + 1
        for axis in (0, 1)
    )
    places = []
    for y, x in product(range(down), range(across)):
        top, left = y * layer.stride[0] - layer.padding[0], x * layer.stride[1] - layer.padding[1]
        under = product(range(kernel[0]), range(kernel[1]))
        pixels = [(top + i, left + j, i, j) for i, j in under]
        places.append([pixel for pixel in pixels if _inside(shape, pixel[0], pixel[1])])
    return places, down, across


def _convolution(layer: Any) -> tuple[Array, Array]:
    """The matrix and offset of a convolution: a row for every output channel and place."""
    shape, weight = layer.input_shape, np.array(layer.weight)
    outputs, channels, *kernel = weight.shape
    places, down, across = _windows_of(layer, (kernel[0], kernel[1]), shape)
    matrix = np.zeros((outputs * down * across, int(np.prod(shape))))
    for o, (p, under), c in product(range(outputs), enumerate(places), range(channels)):
        for row, column, i, j in under:
            matrix[o * down * across + p, _flat(shape, c, row, column)] = weight[o, c, i, j]
    return matrix, np.repeat(np.array(layer.bias), down * across)


def _upsampling(layer: Any) -> Array:
    """The matrix that repeats every pixel of every channel."""
    shape, (down, across) = layer.input_shape, layer.factor
    pixels = product(range(shape[0]), range(shape[1] * down), range(shape[2] * across))
    rows = [_flat(shape, c, y // down, x // across) for c, y, x in pixels]
    return np.eye(int(np.prod(shape)))[rows]


def _averages(layer: Any) -> Array:
    """The matrix of means over windows; padding counts as zeros."""
    shape, kernel = layer.input_shape, tuple(layer.kernel_size)
    places, down, across = _windows_of(layer, kernel, shape)
    matrix = np.zeros((shape[0] * down * across, int(np.prod(shape))))
    for c, (p, under) in product(range(shape[0]), enumerate(places)):
        for row, column, _, _ in under:
            matrix[c * down * across + p, _flat(shape, c, row, column)] = 1.0 / np.prod(kernel)
    return matrix


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
