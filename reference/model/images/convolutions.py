"""Linear layers on images: convolution, upsampling, average pooling, and changes of shape."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from reference.model.arrays import Array, Codes, Indices, freeze
from reference.model.layer_protocol import Affine, Layer, Shape
from reference.model.validation import check_array, check_count
from reference.model.windows import check_image, check_pair, check_pool_padding, sliding_windows


class _Linear(Affine):
    """A layer h -> M h + v. It has its sparse matrix M once it is placed on a shape."""

    input_shape: Shape
    matrix: csr_array
    _output_shape: Shape

    def _with_matrix(
        self, input_shape: Shape, output_shape: Shape, entries: Array, row: Indices, column: Indices
    ) -> Self:
        """A placed copy whose matrix holds the entries at (row, column)."""
        layer = copy.copy(self)
        layer.input_shape, layer._output_shape = input_shape, output_shape
        size = math.prod(output_shape), math.prod(input_shape)
        layer.matrix = csr_array((entries, (row, column)), shape=size)
        freeze(layer.matrix.data)
        return layer

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "matrix" in state:
            freeze(self.matrix.data)

    def output_shape(self, input_shape: Shape) -> Shape:
        return self._output_shape

    def offset(self, input_size: int) -> Array:
        return np.zeros(self.matrix.shape[0])

    def apply(self, inputs: Array) -> Array:
        flat = inputs.reshape(-1, inputs.shape[-1])
        result = (self.matrix @ flat.T).T + self.offset(inputs.shape[-1])
        return np.asarray(result).reshape(*inputs.shape[:-1], -1)

    def derivative(self, code: Codes) -> Array:
        return np.asarray(self.matrix.toarray())

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _pushed(self.matrix, slopes, offsets, self.offset(offsets.shape[-1]))

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _pushed(abs(self.matrix), slopes, offsets, np.abs(self.offset(offsets.shape[-1])))

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        flat = rows.reshape(-1, rows.shape[-1])
        return np.asarray((self.matrix.T @ flat.T).T).reshape(*rows.shape[:-1], -1)

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Layer:
        return self  # type: ignore[return-value]


def _pushed(matrix: csr_array, slopes: Array, offsets: Array, shift: Array) -> tuple[Array, Array]:
    """matrix @ slopes (..., n_in, S) and matrix @ offsets (..., n_in) + shift."""
    columns = np.moveaxis(slopes, -2, 0)
    rest = columns.shape[1:]
    pushed = np.asarray(matrix @ columns.reshape(len(columns), math.prod(rest)))
    slopes = np.moveaxis(pushed.reshape(len(pushed), *rest), 0, -2)
    flat = offsets.reshape(-1, offsets.shape[-1])
    return slopes, np.asarray((matrix @ flat.T).T).reshape(*offsets.shape[:-1], -1) + shift


class Conv2d(_Linear):
    """Cross-correlation of images with kernels, plus a bias per kernel [Sec. 2].

    Parameters
    ----------
    weight : array_like, shape (C_out, C_in, height, width)
        The kernels.
    bias : array_like, shape (C_out,)
        One constant a kernel.
    stride : int or (int, int), default 1
        Vertical and horizontal stride, in pixels.
    padding : int or (int, int), default 0
        Rows and columns of zeros on each side of the image.

    Raises
    ------
    ValueError
        On bad arrays or numbers, and when placed on a shape that does not fit.

    Notes
    -----
    The arguments are those of torch.nn.Conv2d. Guarded by tests/model/test_layers.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Conv2d
    >>> Conv2d(np.ones((4, 1, 3, 3)), np.zeros(4), padding=1)
    Conv2d(4 x 1 x 3 x 3, stride (1, 1), padding (1, 1))
    """

    #: The inputs under each window once placed (windows, C_in height width): indices of the flat
    #: input, -1 in the padding.
    windows: Indices

    def __init__(
        self, weight: ArrayLike, bias: ArrayLike, stride: Any = 1, padding: Any = 0
    ) -> None:
        self.weight = check_array(weight, "weight", (None, None, None, None))
        if 0 in self.weight.shape:
            raise ValueError(f"weight: expected no empty axis, got {self.weight.shape}")
        self.bias = check_array(bias, "bias", (len(self.weight),))
        freeze(self.weight, self.bias)
        self.stride = check_pair(stride, "stride", 1)
        self.padding = check_pair(padding, "padding", 0)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.weight.shape))
        return f"Conv2d({shape}, stride {self.stride}, padding {self.padding})"

    def placed(self, input_shape: Shape) -> Conv2d:
        count, channels, height, width = self.weight.shape
        if check_image(input_shape, "Conv2d")[0] != channels:
            raise ValueError(
                f"layers: Conv2d expects images of {channels} channels, got shape {input_shape}"
            )
        windows, size = sliding_windows(
            input_shape, (height, width), self.stride, self.padding, "Conv2d"
        )
        windows = windows.transpose(1, 0, 2).reshape(size[0] * size[1], -1)
        window, place = np.nonzero(windows >= 0)
        row = (np.arange(count)[:, None] * len(windows) + window).ravel()
        column = np.tile(windows[window, place], count)
        entries = self.weight.reshape(count, -1)[:, place].ravel()
        layer = self._with_matrix(input_shape, (count, *size), entries, row, column)
        layer.windows = windows
        freeze(windows)
        return layer

    def offset(self, input_size: int) -> Array:
        return np.asarray(np.repeat(self.bias, math.prod(self._output_shape[1:])), np.float64)

    def parameters(self) -> dict[str, Array]:
        return {"weight": self.weight, "bias": self.bias}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Conv2d:
        weight, bias = values.get("weight", self.weight), values.get("bias", self.bias)
        return Conv2d(weight, bias, self.stride, self.padding)

    def on_kernels(self, by_matrix: Array) -> Array:
        """Return a gradient by the kernels, from that by the entries of the matrix.

        Parameters
        ----------
        by_matrix : ndarray, shape (n_out, n_in)
            The gradient by the layer's matrix, in which a kernel occurs once a window.

        Returns
        -------
        ndarray, shape (C_out, C_in, height, width)
            The gradient by `weight`.
        """
        by_row = by_matrix.reshape(len(self.bias), len(self.windows), -1)
        place = np.arange(len(self.windows))[:, None]
        by_place = np.where(self.windows >= 0, by_row[:, place, self.windows], 0.0)
        return np.asarray(by_place.sum(axis=1).reshape(self.weight.shape))

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


class Upsample(_Linear):
    """Every pixel repeated along both axes: nearest-neighbour upsampling.

    Parameters
    ----------
    factor : int or (int, int)
        How often a pixel is repeated, vertically and horizontally.

    Raises
    ------
    ValueError
        If the factor is not positive, and when placed on a shape that is not an image's.

    Examples
    --------
    >>> from reference import Upsample
    >>> Upsample(2)
    Upsample((2, 2))
    """

    def __init__(self, factor: Any) -> None:
        self.factor = check_pair(factor, "factor", 1)

    def __repr__(self) -> str:
        return f"Upsample({self.factor})"

    def placed(self, input_shape: Shape) -> Upsample:
        channels, height, width = check_image(input_shape, "Upsample")
        pixels = np.arange(math.prod(input_shape)).reshape(input_shape)
        sources = pixels.repeat(self.factor[0], axis=1).repeat(self.factor[1], axis=2).ravel()
        size = height * self.factor[0], width * self.factor[1]
        entries, row = np.ones(len(sources)), np.arange(len(sources))
        return self._with_matrix(input_shape, (channels, *size), entries, row, sources)


class AvgPool(_Linear):
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


class _Reshaping(Affine):
    """A layer that changes only the shape: the identity on flat vectors."""

    input_shape: Shape

    def offset(self, input_size: int) -> Array:
        return np.zeros(input_size)

    def apply(self, inputs: Array) -> Array:
        return inputs

    def derivative(self, code: Codes) -> Array:
        return np.eye(math.prod(self.input_shape))

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes, offsets

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes, offsets

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        return rows

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Self:
        return self


class Flatten(_Reshaping):
    """Images to vectors, channel by channel, row by row.

    Examples
    --------
    >>> from reference import Flatten
    >>> Flatten().output_shape((3, 4, 5))
    (60,)
    """

    def __repr__(self) -> str:
        return "Flatten()"

    def placed(self, input_shape: Shape) -> Flatten:
        layer = copy.copy(self)
        layer.input_shape = input_shape
        return layer

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


class Reshape(_Reshaping):
    """Vectors to images, or to any shape with the same number of entries.

    Parameters
    ----------
    shape : tuple of int
        One to three positive integers: (channels, height, width) for images.

    Raises
    ------
    ValueError
        If the shape is not one to three positive integers, and when placed on a shape with another
        number of entries.

    Examples
    --------
    >>> from reference import Reshape
    >>> Reshape((3, 4, 5))
    Reshape((3, 4, 5))
    """

    def __init__(self, shape: Any) -> None:
        if not isinstance(shape, tuple | list) or not 1 <= len(shape) <= 3:
            raise ValueError(f"shape: expected one to three integers, got {shape!r}")
        self.shape: Shape = tuple(check_count(n, f"shape[{i}]", 1) for i, n in enumerate(shape))

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"

    def placed(self, input_shape: Shape) -> Reshape:
        if math.prod(input_shape) != math.prod(self.shape):
            raise ValueError(
                f"layers: Reshape to {self.shape} expects {math.prod(self.shape)} entries, got "
                f"shape {input_shape}"
            )
        layer = copy.copy(self)
        layer.input_shape = input_shape
        return layer

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.shape
