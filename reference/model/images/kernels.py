"""What convolutions have in common: kernels that windows share, sliding or spreading."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, Indices, freeze
from reference.model.images.linear import SparseLinear
from reference.model.images.windows import (
    check_image,
    check_signal,
    check_sizes,
    joint_windows,
    sliding,
    spreading,
)
from reference.model.layer_protocol import Shape
from reference.model.validation import check_array, check_count


class Convolution(SparseLinear):
    """A layer each of whose outputs is a kernel times the inputs under a window, plus a bias.

    Parameters
    ----------
    weight : array_like
        The kernels, as torch has them for the class.
    bias : array_like, shape (C_out,)
        One constant an output channel.
    stride, padding, dilation : int or tuple of int
        As torch has them.
    groups : int
        Channels are cut into so many groups, each with kernels of its own.

    Attributes
    ----------
    windows : ndarray of int, shape (groups, P, K)
        Once placed, the inputs under each of P windows: indices of the flat input, -1 where there
        is none. Output channel c at place p is `rows[c]` times those of its group, plus a bias.

    Notes
    -----
    Its subclasses say what the windows are. All else is the same for convolutions and transposed
    ones, of images and of signals: gradients, and closed-form updates of the kernels [Appendix G].
    """

    #: How many axes images have: 2, or 1 for signals.
    axes: ClassVar[int]
    #: The axes of `weight` that hold output and input channels.
    channel_axes: ClassVar[tuple[int, int]]
    #: The arguments beside weight and bias, which the layer holds under the same names.
    settings: ClassVar[tuple[str, ...]]

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    windows: Indices

    def __init__(
        self, weight: ArrayLike, bias: ArrayLike, groups: Any = 1, **settings: Any
    ) -> None:
        self.weight = check_array(weight, "weight", (None,) * (self.axes + 2))
        if 0 in self.weight.shape:
            raise ValueError(f"weight: expected no empty axis, got {self.weight.shape}")
        self.groups = check_count(groups, "groups", 1)
        first = len(self.weight)
        if first % self.groups:
            raise ValueError(f"groups: expected a divisor of {first}, got {self.groups}")
        self.bias = check_array(bias, "bias", (self.out_channels,))
        freeze(self.weight, self.bias)
        for name, value in settings.items():
            least = 0 if "padding" in name else 1
            setattr(self, name, check_sizes(value, name, least, self.axes))

    @property
    def out_channels(self) -> int:
        """How many channels the output has."""
        axis = self.channel_axes[0]
        return int(self.weight.shape[axis]) * (self.groups if axis else 1)

    @property
    def in_channels(self) -> int:
        """How many channels the input has."""
        axis = self.channel_axes[1]
        return int(self.weight.shape[axis]) * (self.groups if axis else 1)

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Height and width of the kernels, or their length."""
        return tuple(self.weight.shape[2:])

    @property
    def rows(self) -> Array:
        """The kernels as rows (C_out, K): output channel c is rows[c] times a window, plus a bias.

        Their columns are input channels of the group, then pixels of the kernel.
        """
        if self.channel_axes == (0, 1):
            return self.weight.reshape(self.out_channels, -1)
        parts = self.weight.reshape(self.groups, -1, self.weight.shape[1], self._pixels)
        return parts.swapaxes(1, 2).reshape(self.out_channels, -1)

    def weight_of(self, rows: Array) -> Array:
        """Return the kernels as the layer's argument has them, from rows.

        Parameters
        ----------
        rows : ndarray, shape (C_out, K)
            As `rows`.

        Returns
        -------
        ndarray
            In the shape of `weight`.
        """
        if self.channel_axes == (0, 1):
            return rows.reshape(self.weight.shape)
        parts = rows.reshape(self.groups, self.weight.shape[1], -1, self._pixels)
        return parts.swapaxes(1, 2).reshape(self.weight.shape)

    @property
    def _pixels(self) -> int:
        return math.prod(self.weight.shape[2:])

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.weight.shape))
        usual = {"output_padding": (0,) * self.axes, "dilation": (1,) * self.axes, "groups": 1}
        told = [n for n in self.settings if n not in usual or getattr(self, n) != usual[n]]
        values = ", ".join(f"{name} {getattr(self, name)}" for name in told)
        return f"{type(self).__name__}({shape}, {values})"

    def placed(self, input_shape: Shape) -> Self:
        name, two = type(self).__name__, self.axes == 2
        kind = "images" if two else "signals"
        channels, *size = (check_image if two else check_signal)(input_shape, name)
        if channels != self.in_channels:
            raise ValueError(
                f"layers: {name} expects {kind} of {self.in_channels} channels, got shape "
                f"{input_shape}"
            )
        along = [self._along(axis, length) for axis, length in enumerate(size)]
        if not all(map(len, along)):
            raise ValueError(
                f"layers: {name} with kernel {self.kernel_size} and padding {self.padding} expects "
                f"larger {kind}, got shape {input_shape}"
            )
        # A signal is an image of one row.
        rows, columns = along if two else (np.zeros((1, 1), dtype=np.intp), *along)
        height, width = size if two else (1, *size)
        windows = joint_windows(channels, (height, width), rows, columns)
        count = windows.shape[1]
        windows = windows.reshape(self.groups, -1, *windows.shape[1:]).swapaxes(1, 2)
        windows = windows.reshape(self.groups, count, -1)
        window, place = np.nonzero(windows[0] >= 0)
        row = (np.arange(self.out_channels)[:, None] * count + window).ravel()
        column = np.repeat(windows, self.out_channels // self.groups, axis=0)[:, window, place]
        entries = self.rows[:, place].ravel()
        output_shape = (self.out_channels, *map(len, along))
        layer = self._with_matrix(input_shape, output_shape, entries, row, column.ravel())
        layer.windows = windows
        freeze(windows)
        return layer

    def _along(self, axis: int, size: int) -> Indices:
        """The windows along an axis of this length, (outputs, kernel): see `sliding`."""
        raise NotImplementedError

    def offset(self, code: Codes, input_size: int) -> Array:
        return np.asarray(np.repeat(self.bias, math.prod(self._output_shape[1:])), np.float64)

    def parameters(self) -> dict[str, Array]:
        return {"weight": self.weight, "bias": self.bias}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Self:
        weight, bias = values.get("weight", self.weight), values.get("bias", self.bias)
        return type(self)(weight, bias, **{n: getattr(self, n) for n in self.settings})

    def scaled(self, scale: Array, shift: Array) -> Self:
        """Return the layer followed by h -> scale h + shift, channel by channel.

        Parameters
        ----------
        scale, shift : ndarray, shape (C_out,)
            Of each output channel.

        Returns
        -------
        Convolution
            One layer that does the same, but for rounding its weights once.
        """
        weight = self.weight_of(self.rows * scale[:, None])
        return self.with_parameters({"weight": weight, "bias": self.bias * scale + shift})

    def on_kernels(self, by_matrix: Array) -> Array:
        """Return a gradient by the kernels, from that by the entries of the matrix.

        Parameters
        ----------
        by_matrix : ndarray, shape (n_out, n_in)
            The gradient by the layer's matrix, in which a kernel occurs once a window.

        Returns
        -------
        ndarray
            The gradient by `weight`, in its shape.
        """
        groups, count, _ = self.windows.shape
        by_row = by_matrix.reshape(groups, -1, count, by_matrix.shape[1])
        place = np.arange(count)[:, None]
        parts = [
            np.where(own >= 0, rows[:, place, own], 0.0).sum(axis=1)
            for own, rows in zip(self.windows, by_row, strict=True)
        ]
        return self.weight_of(np.concatenate(parts))

    def on_bias(self, by_offset: Array) -> Array:
        """Return a gradient by the bias, from that by the layer's offset.

        Parameters
        ----------
        by_offset : ndarray, shape (n_out,)
            The gradient by the layer's offset, in which a bias occurs once a window.

        Returns
        -------
        ndarray, shape (C_out,)
            The gradient by `bias`.
        """
        return np.asarray(by_offset.reshape(len(self.bias), -1).sum(axis=1))


class Sliding(Convolution):
    """Kernels that slide over the input."""

    channel_axes = (0, 1)
    settings = ("stride", "padding", "dilation", "groups")

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
    ) -> None:
        super().__init__(weight, bias, groups, stride=stride, padding=padding, dilation=dilation)

    def _along(self, axis: int, size: int) -> Indices:
        return sliding(
            size,
            self.kernel_size[axis],
            self.stride[axis],
            self.padding[axis],
            self.dilation[axis],
        )


class Spreading(Convolution):
    """Kernels that spread every input over the output."""

    channel_axes = (1, 0)
    settings = ("stride", "padding", "output_padding", "dilation", "groups")

    output_padding: tuple[int, ...]

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
    ) -> None:
        super().__init__(
            weight,
            bias,
            groups,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
        )
        for more, step, gap in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if more >= max(step, gap):
                raise ValueError(
                    "output_padding: expected less than the stride or the dilation, got "
                    f"{self.output_padding}"
                )

    def _along(self, axis: int, size: int) -> Indices:
        return spreading(
            size,
            self.kernel_size[axis],
            self.stride[axis],
            self.padding[axis],
            self.output_padding[axis],
            self.dilation[axis],
        )
