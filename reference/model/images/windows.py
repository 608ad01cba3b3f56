"""Where the windows of convolutions and pools lie on an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.model.arrays import Indices
from reference.model.layer_protocol import Shape
from reference.model.validation import check_count

Pair = tuple[int, int]


def check_pair(value: Any, name: str, minimum: int) -> Pair:
    """Return (height, width) from one integer or two; ValueError otherwise."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{name}: expected an integer or two, got {value!r}")
        height, width = (check_count(v, name, minimum) for v in value)
        return height, width
    return (check_count(value, name, minimum),) * 2


def check_image(input_shape: Shape, name: str) -> tuple[int, int, int]:
    """Return (channels, height, width); ValueError if the shape is not an image's."""
    if len(input_shape) != 3:
        raise ValueError(
            f"layers: {name} expects images (channels, height, width), got shape {input_shape}; "
            "put Reshape((channels, height, width)) before it"
        )
    channels, height, width = input_shape
    return channels, height, width


def check_pool_padding(value: Any, kernel: Pair) -> Pair:
    """Return a pool's padding as a pair; ValueError if a window could lie in it alone."""
    padding = check_pair(value, "padding", 0)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding: expected at most half of the kernel {kernel}, got {value!r}")
    return padding


def sliding_windows(
    input_shape: Shape, kernel: Pair, stride: Pair, padding: Pair, name: str
) -> tuple[Indices, Pair]:
    """The inputs under each window of a sliding kernel, and the rows and columns of windows.

    (channels, windows, kernel pixels): indices of the flat input, -1 in the padding. Raises
    ValueError if the shape is not an image's, or smaller with its padding than the kernel.
    """
    channels, *size = check_image(input_shape, name)
    lengths = [n + 2 * p - k for n, p, k in zip(size, padding, kernel, strict=True)]
    if min(lengths) < 0:
        raise ValueError(
            f"layers: {name} with kernel {kernel} and padding {padding} expects larger images, "
            f"got shape {input_shape}"
        )
    counts = lengths[0] // stride[0] + 1, lengths[1] // stride[1] + 1
    rows, columns = (
        np.arange(n)[:, None] * step + np.arange(k) - pad
        for n, k, step, pad in zip(counts, kernel, stride, padding, strict=True)
    )
    rows, columns = rows[:, None, :, None], columns[None, :, None, :]
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    planes = np.arange(channels).reshape(-1, 1, 1, 1, 1)
    inputs = np.where(inside, (planes * size[0] + rows) * size[1] + columns, -1)
    return inputs.reshape(channels, counts[0] * counts[1], -1), counts
