"""Layers that resample images: upsampling, averages, padding, and pixels made of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from reference.model.arrays import Array, Indices
from reference.model.images.linear import SparseLinear
from reference.model.images.windows import (
    check_image,
    check_pair,
    check_pool_padding,
    sliding_windows,
)
from reference.model.layer_protocol import Shape
from reference.model.validation import check_count, check_flag


class Upsample(SparseLinear):
    """Images made larger by a whole factor, by repetition or by interpolation.

    Parameters
    ----------
    factor : int or (int, int)
        How many times as large, vertically and horizontally.
    mode : {"nearest", "bilinear"}, default "nearest"
        "nearest" repeats every pixel; "bilinear" interpolates, which is linear as well.
    align_corners : bool, default False
        Of "bilinear": whether the centres of the corner pixels keep their places, rather than the
        corners of the images.

    Raises
    ------
    ValueError
        If an argument is none of these, and when placed on a shape that is not an image's.

    Notes
    -----
    The modes are those of torch.nn.Upsample. Shares of pixels are rounded once. Guarded by
    tests/model/test_resampling.py.

    Examples
    --------
    >>> from reference import Upsample
    >>> Upsample(2)
    Upsample((2, 2))
    """

    def __init__(self, factor: Any, mode: Any = "nearest", align_corners: Any = False) -> None:
        self.factor = check_pair(factor, "factor", 1)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f'mode: expected "nearest" or "bilinear", got {mode!r}')
        self.mode = str(mode)
        self.align_corners = check_flag(align_corners, "align_corners")
        if self.align_corners and self.mode == "nearest":
            raise ValueError('align_corners: expected False where mode is "nearest", got True')

    def __repr__(self) -> str:
        if self.mode == "nearest":
            return f"Upsample({self.factor})"
        return f"Upsample({self.factor}, {self.mode!r}, align_corners={self.align_corners})"

    def placed(self, input_shape: Shape) -> Upsample:
        channels, *size = check_image(input_shape, "Upsample")
        shares = _repeated if self.mode == "nearest" else self._interpolated
        along = [shares(n, factor) for n, factor in zip(size, self.factor, strict=True)]
        return self._with_matrix(input_shape, *_separable(channels, size, along))

    def _interpolated(self, size: int, factor: int) -> Shares:
        """The shares of the two pixels between which each new one lies."""
        count = size * factor
        if self.align_corners:
            places = [Fraction(i * (size - 1), max(count - 1, 1)) for i in range(count)]
        else:
            # Beyond the centre of the first pixel there is nothing to interpolate with.
            places = [
                max(Fraction(2 * i + 1, 2 * factor) - Fraction(1, 2), Fraction(0))
                for i in range(count)
            ]
        result = []
        for place in places:
            below = min(int(place), size - 1)
            above, share = min(below + 1, size - 1), place - below
            result.append(
                {below: Fraction(1)} if above == below else {below: 1 - share, above: share}
            )
        return result


#: For every new pixel along an axis, the shares that old ones have in it.
Shares = list[dict[int, Fraction]]


def _repeated(size: int, factor: int) -> Shares:
    """Every pixel so many times."""
    return [{i // factor: Fraction(1)} for i in range(size * factor)]


def _averaged(size: int, count: int) -> Shares:
    """The mean of each of so many nearly equal parts, which overlap where they do not divide."""
    ends = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    return [{i: Fraction(1, last - first) for i in range(first, last)} for first, last in ends]


def _separable(
    channels: int, size: Sequence[int], along: list[Shares]
) -> tuple[Shape, Array, Indices, Indices]:
    """The output's shape and the matrix (entries, rows, columns) that takes shares along both axes
    of every channel. A product of shares is rounded once."""
    (height, width), (rows, columns) = size, along
    one = [
        (y * len(columns) + x, i * width + j, float(a * b))
        for y, down in enumerate(rows)
        for x, across in enumerate(columns)
        for i, a in down.items()
        for j, b in across.items()
        if a * b
    ]
    row, column, entries = (np.array(part) for part in zip(*one, strict=True))
    planes = np.arange(channels)[:, None]
    row = (planes * (len(rows) * len(columns)) + row).ravel()
    column = (planes * (height * width) + column).ravel()
    return (channels, len(rows), len(columns)), np.tile(entries, channels), row, column


class AvgPool(SparseLinear):
    """The mean over windows of each channel; as torch.nn.AvgPool2d.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Height and width of a window, in pixels.
    stride : int or (int, int), optional
        Vertical and horizontal stride; kernel_size by default.
    padding : int or (int, int), default 0
        Rows and columns of zeros on each side of the image. They count in the mean.

    Raises
    ------
    ValueError
        On bad numbers, and when placed on a shape that does not fit.

    Examples
    --------
    >>> from reference import AvgPool
    >>> AvgPool(2)
    AvgPool((2, 2), (2, 2), (0, 0))
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        self.kernel_size = check_pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else check_pair(stride, "stride", 1)
        self.padding = check_pool_padding(padding, self.kernel_size)

    def __repr__(self) -> str:
        return f"AvgPool({self.kernel_size}, {self.stride}, {self.padding})"

    def placed(self, input_shape: Shape) -> AvgPool:
        windows, size = sliding_windows(
            input_shape, self.kernel_size, self.stride, self.padding, "AvgPool"
        )
        windows = windows.reshape(-1, math.prod(self.kernel_size))
        row, place = np.nonzero(windows >= 0)
        entries = np.full(len(row), 1.0 / windows.shape[1])
        output_shape = (input_shape[0], *size)
        return self._with_matrix(input_shape, output_shape, entries, row, windows[row, place])


class AdaptiveAvgPool(SparseLinear):
    """The means of as many nearly equal parts of an image as asked for.

    Parameters
    ----------
    output_size : int or (int, int)
        Height and width of the output.

    Raises
    ------
    ValueError
        On bad numbers, and when placed on a shape that is not an image's.

    Notes
    -----
    As torch.nn.AdaptiveAvgPool2d: part i of n of an axis of length L is from floor(i L / n) up to
    ceil((i + 1) L / n). Guarded by tests/model/test_resampling.py.

    Examples
    --------
    >>> from reference import AdaptiveAvgPool
    >>> AdaptiveAvgPool(1).placed((3, 5, 4)).output_shape((3, 5, 4))
    (3, 1, 1)
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = check_pair(output_size, "output_size", 1)

    def __repr__(self) -> str:
        return f"AdaptiveAvgPool({self.output_size})"

    def placed(self, input_shape: Shape) -> AdaptiveAvgPool:
        channels, *size = check_image(input_shape, "AdaptiveAvgPool")
        along = [_averaged(n, count) for n, count in zip(size, self.output_size, strict=True)]
        return self._with_matrix(input_shape, *_separable(channels, size, along))


class ZeroPad(SparseLinear):
    """Images with rows and columns of zeros around them.

    Parameters
    ----------
    padding : int or (int, int, int, int)
        Columns on the left and right, rows above and below; one number for all.

    Raises
    ------
    ValueError
        On bad numbers, and when placed on a shape that is not an image's.

    Notes
    -----
    As torch.nn.ZeroPad2d, but that nothing is cut off. Guarded by tests/model/test_resampling.py.

    Examples
    --------
    >>> from reference import ZeroPad
    >>> ZeroPad((0, 1, 2, 0)).placed((1, 4, 4)).output_shape((1, 4, 4))
    (1, 6, 5)
    """

    def __init__(self, padding: Any) -> None:
        if isinstance(padding, tuple | list) and len(padding) != 4:
            raise ValueError(f"padding: expected an integer or four, got {padding!r}")
        sides = padding if isinstance(padding, tuple | list) else (padding,) * 4
        self.padding = tuple(check_count(n, "padding", 0) for n in sides)

    def __repr__(self) -> str:
        return f"ZeroPad({self.padding})"

    def placed(self, input_shape: Shape) -> ZeroPad:
        channels, height, width = check_image(input_shape, "ZeroPad")
        left, right, above, below = self.padding
        size = (channels, height + above + below, width + left + right)
        pixels = np.arange(math.prod(size)).reshape(size)
        row = pixels[:, above : above + height, left : left + width].ravel()
        return self._with_matrix(input_shape, size, np.ones(len(row)), row, np.arange(len(row)))


class PixelShuffle(SparseLinear):
    """Larger images of fewer channels: groups of channels become blocks of pixels.

    Parameters
    ----------
    factor : int
        How many times as high and wide; every factor² channels become one.

    Raises
    ------
    ValueError
        If the factor is not positive, and when placed on a shape whose channels it does not divide.

    Notes
    -----
    As torch.nn.PixelShuffle. Guarded by tests/model/test_resampling.py.

    Examples
    --------
    >>> from reference import PixelShuffle
    >>> PixelShuffle(2).placed((8, 3, 5)).output_shape((8, 3, 5))
    (2, 6, 10)
    """

    def __init__(self, factor: Any) -> None:
        self.factor = check_count(factor, "factor", 1)

    def __repr__(self) -> str:
        return f"PixelShuffle({self.factor})"

    def placed(self, input_shape: Shape) -> PixelShuffle:
        channels, height, width = check_image(input_shape, "PixelShuffle")
        if channels % self.factor**2:
            raise ValueError(
                f"layers: PixelShuffle expects a multiple of {self.factor**2} channels, got shape "
                f"{input_shape}"
            )
        pixels = np.arange(math.prod(input_shape))
        blocks = pixels.reshape(-1, self.factor, self.factor, height, width)
        sources = blocks.transpose(0, 3, 1, 4, 2).ravel()
        size = (channels // self.factor**2, height * self.factor, width * self.factor)
        return self._with_matrix(input_shape, size, np.ones(len(sources)), pixels, sources)
