"""Where the windows of convolutions and pools lie on an image, or on a signal of one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.model.arrays import Indices
from reference.model.layer_protocol import Shape
from reference.model.validation import check_count

Pair = tuple[int, int]


def check_sizes(value: Any, name: str, minimum: int, axes: int) -> tuple[int, ...]:
    """Return one integer for each axis, from one integer or as many; ValueError otherwise."""
    if isinstance(value, tuple | list):
        if len(value) != axes:
            expected = "an integer" if axes == 1 else "an integer or two"
            raise ValueError(f"{name}: expected {expected}, got {value!r}")
        return tuple(check_count(v, name, minimum) for v in value)
    return (check_count(value, name, minimum),) * axes


def check_pair(value: Any, name: str, minimum: int) -> Pair:
    """Return (height, width) from one integer or two; ValueError otherwise."""
    height, width = check_sizes(value, name, minimum, 2)
    return height, width


def check_image(input_shape: Shape, name: str) -> tuple[int, int, int]:
    """Return (channels, height, width); ValueError if the shape is not an image's."""
    if len(input_shape) != 3:
        raise ValueError(
            f"layers: {name} expects images (channels, height, width), got shape {input_shape}; "
            "put Reshape((channels, height, width)) before it"
        )
    channels, height, width = input_shape
    return channels, height, width


def check_signal(input_shape: Shape, name: str) -> tuple[int, int]:
    """Return (channels, length); ValueError if the shape is not a signal's."""
    if len(input_shape) != 2:
        raise ValueError(
            f"layers: {name} expects signals (channels, length), got shape {input_shape}; "
            "put Reshape((channels, length)) before it"
        )
    channels, length = input_shape
    return channels, length


def check_pool_padding(value: Any, kernel: Pair) -> Pair:
    """Return a pool's padding as a pair; ValueError if a window could lie in it alone."""
    padding = check_pair(value, "padding", 0)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding: expected at most half of the kernel {kernel}, got {value!r}")
    return padding


def sliding(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> Indices:
    """Along one axis, the input under each place of a kernel that slides over it.

    (places, kernel), -1 in the padding. No places where the axis, with its padding, is shorter than
    the kernel.
    """
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    at = np.arange(max(count, 0))[:, None] * stride + np.arange(kernel) * dilation - padding
    return np.where((at >= 0) & (at < size), at, -1)


def spreading(
    size: int, kernel: int, stride: int, padding: int, output_padding: int, dilation: int
) -> Indices:
    """Along one axis, the input that each entry of a kernel brings to each output, where each input
    is spread by the kernel: the transpose of `sliding`.

    (outputs, kernel), -1 where there is none.
    """
    count = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
    reach = np.arange(max(count, 0))[:, None] + padding - np.arange(kernel) * dilation
    at = reach // stride
    return np.where((reach % stride == 0) & (at >= 0) & (at < size), at, -1)


def joint_windows(channels: int, size: Pair, rows: Indices, columns: Indices) -> Indices:
    """Windows on images from those along either axis, (outputs, kernel) each.

    (channels, outputs, kernel pixels): indices of the flat input, -1 where either is.
    """
    down, across = rows[:, None, :, None], columns[None, :, None, :]
    planes = np.arange(channels).reshape(-1, 1, 1, 1, 1)
    inputs = (planes * size[0] + down) * size[1] + across
    inputs = np.where((down >= 0) & (across >= 0), inputs, -1)
    return inputs.reshape(channels, len(rows) * len(columns), -1)


def sliding_windows(
    input_shape: Shape, kernel: Pair, stride: Pair, padding: Pair, name: str
) -> tuple[Indices, Pair]:
    """The inputs under each window of a sliding kernel, and the rows and columns of windows.

    (channels, windows, kernel pixels): indices of the flat input, -1 in the padding. Raises
    ValueError if the shape is not an image's, or smaller with its padding than the kernel.
    """
    channels, *size = check_image(input_shape, name)
    rows, columns = map(sliding, size, kernel, stride, padding)
    if not len(rows) or not len(columns):
        raise ValueError(
            f"layers: {name} with kernel {kernel} and padding {padding} expects larger images, "
            f"got shape {input_shape}"
        )
    windows = joint_windows(channels, (size[0], size[1]), rows, columns)
    return windows, (len(rows), len(columns))
