"""Max-pooling over windows of an image and over groups of channels: a choice among candidates."""

from __future__ import annotations

import copy
import math
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, Indices, ReadOnly, freeze
from reference.model.images.windows import check_pair, check_pool_padding, sliding_windows
from reference.model.layer_protocol import Documented, Layer, Shape, Surroundings
from reference.model.validation import check_count

# A code is one byte: 127 is the largest position it can hold.
_MOST_CANDIDATES = 127


class MaxPool(Documented, ReadOnly):
    """The largest of each window's candidates: D is a 0/1 selection matrix [Sec. 2].

    Parameters
    ----------
    kernel_size : int or (int, int), default 1
        Height and width of a window on an image, in pixels.
    stride : int or (int, int), optional
        Vertical and horizontal stride; kernel_size by default.
    padding : int or (int, int), default 0
        Rows and columns on each side of the image. Their pixels are never the largest.
    channels : int, default 1
        The size of the groups of consecutive channels that compete as well (maxout). The entries of
        a vector are its channels.

    Raises
    ------
    ValueError
        On bad numbers, and when placed on a shape that does not fit, or with more than 127
        candidates a window.

    Notes
    -----
    A code is the position of the winner among the candidates of its window, ordered by channel, row
    and column. Where several are largest on a whole region, it is the first of them. Guarded by
    tests/model/test_layers.py.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import MaxPool
    >>> MaxPool(channels=2).placed((4,)).apply(np.array([1.0, 3.0, 2.0, 0.0]))
    array([3., 2.])
    """

    #: Where its entries are among others; None if it is applied to all.
    surroundings: Surroundings | None = None

    def __init__(
        self,
        kernel_size: Any = 1,
        stride: Any = None,
        padding: Any = 0,
        *,
        channels: int = 1,
    ) -> None:
        self.kernel_size = check_pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else check_pair(stride, "stride", 1)
        self.padding = check_pool_padding(padding, self.kernel_size)
        self.channels = check_count(channels, "channels", 1)
        self.input_shape: Shape = ()
        #: The candidates of each window (n_out, K), as indices of the flat input; short windows are
        #: filled up with their first candidate, which cannot beat itself.
        self.windows: Indices = np.empty((0, 1), dtype=np.intp)
        self._output_shape: Shape = ()

    def __repr__(self) -> str:
        groups = f", channels={self.channels}" if self.channels > 1 else ""
        return f"MaxPool({self.kernel_size}, {self.stride}, {self.padding}{groups})"

    def placed(self, input_shape: Shape) -> MaxPool:
        if self.surroundings is not None:
            self.surroundings.check(self, input_shape)
            return self
        on_vector = len(input_shape) == 1 and self.kernel_size == self.stride == (1, 1)
        image = (*input_shape, 1, 1) if on_vector else input_shape
        pixels, size = sliding_windows(
            image, self.kernel_size, self.stride, self.padding, "MaxPool"
        )
        if len(pixels) % self.channels:
            raise ValueError(
                f"layers: MaxPool expects a multiple of {self.channels} channels, got shape "
                f"{input_shape}"
            )
        groups = len(pixels) // self.channels
        candidates = pixels.reshape(groups, self.channels, *pixels.shape[1:]).swapaxes(1, 2)
        layer = copy.copy(self)
        layer.input_shape = input_shape
        layer.windows = _filled_up(candidates.reshape(groups * pixels.shape[1], -1))
        freeze(layer.windows)
        layer._output_shape = (groups,) if on_vector else (groups, *size)
        return layer

    def beside(self, around: Surroundings) -> MaxPool:
        """Return the layer for some entries of a vector; it leaves the others as they are.

        Parameters
        ----------
        around : Surroundings
            Where its entries are.

        Returns
        -------
        MaxPool
            A layer for vectors. Each of the others is a window of its own.
        """
        layer = copy.copy(self)
        layer.surroundings = None
        layer = layer.placed(around.shape)
        before, own = around.before, around.before + layer.windows
        others = np.r_[0:before, around.own.stop : around.size]
        alone = np.repeat(others[:, None], own.shape[1], axis=1)
        layer.windows = np.concatenate([alone[:before], own, alone[before:]])
        freeze(layer.windows)
        layer.surroundings, layer.input_shape = around, (around.size,)
        layer._output_shape = (len(layer.windows),)
        return layer

    def output_shape(self, input_shape: Shape) -> Shape:
        return self._output_shape

    def n_codes(self, input_size: int) -> int:
        return len(self.windows)

    def apply(self, inputs: Array) -> Array:
        return np.asarray(inputs[..., self.windows].max(axis=-1))

    def _pairs(self) -> tuple[Indices, Indices]:
        """Every two positions of a window: the first ones, the second ones."""
        pairs = np.array(list(combinations(range(self.windows.shape[1]), 2)), dtype=np.intp)
        first, second = pairs.reshape(-1, 2).T
        return first, second

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        first, second = (self.windows[:, positions].ravel() for positions in self._pairs())
        return slopes[..., first, :] - slopes[..., second, :], offsets[..., first] - offsets[
            ..., second
        ]

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        first, second = (self.windows[:, positions].ravel() for positions in self._pairs())
        return slopes[..., first, :] + slopes[..., second, :], offsets[..., first] + offsets[
            ..., second
        ]

    def code(self, signs: Codes) -> Codes:
        first, second = self._pairs()
        signs = signs.reshape(*signs.shape[:-1], len(self.windows), len(first))
        beaten = np.zeros((*signs.shape[:-1], self.windows.shape[1]), dtype=bool)
        for pair, (i, j) in enumerate(zip(first, second, strict=True)):
            beaten[..., i] |= signs[..., pair] < 0
            beaten[..., j] |= signs[..., pair] > 0
        return np.asarray(np.argmin(beaten, axis=-1), dtype=np.int8)

    def winners(self, codes: Codes) -> Indices:
        """Return the winning input of each window.

        Parameters
        ----------
        codes : ndarray of int8, shape (..., n_out)
            Codes of this layer.

        Returns
        -------
        ndarray of int, shape (..., n_out)
            Indices of the flat input.
        """
        return self.windows[np.arange(len(self.windows)), codes]

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        count = self.windows.shape[1]
        best, rivals = np.repeat(self.winners(codes), count, axis=-1), self.windows.ravel()
        normals, levels = _gather(best, slopes, offsets)
        return normals - slopes[..., rivals, :], levels - offsets[..., rivals]

    def derivative(self, code: Codes) -> Array:
        matrix = np.zeros((len(self.windows), math.prod(self.input_shape)))
        matrix[np.arange(len(matrix)), self.winners(code)] = 1.0
        return matrix

    def offset(self, code: Codes, input_size: int) -> Array:
        return np.zeros(len(self.windows))

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _gather(self.winners(codes), slopes, offsets)

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _gather(self.winners(codes), slopes, offsets)

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        winners = np.broadcast_to(self.winners(codes)[..., None, :], rows.shape)
        flat, chosen = rows.reshape(-1, rows.shape[-1]), winners.reshape(-1, rows.shape[-1])
        result = np.zeros((len(flat), math.prod(self.input_shape)))
        # One input may win several windows.
        np.add.at(result, (np.arange(len(flat))[:, None], chosen), flat)
        return result.reshape(*rows.shape[:-1], result.shape[1])

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Layer:
        return self


def _gather(chosen: Indices, slopes: Array, offsets: Array) -> tuple[Array, Array]:
    """The rows of affine maps that are chosen: (..., n), slopes (..., n_in, S) -> (..., n, S)."""
    return (
        np.take_along_axis(slopes, chosen[..., None], axis=-2),
        np.take_along_axis(offsets, chosen, axis=-1),
    )


def _filled_up(windows: Indices) -> Indices:
    """Windows (n_out, K) with candidates first, in order, and -1 replaced by the first of them."""
    order = np.argsort(windows < 0, kind="stable")
    windows = np.take_along_axis(windows, order, axis=1)
    longest = int(np.max(np.sum(windows >= 0, axis=1)))
    if longest > _MOST_CANDIDATES:
        raise ValueError(
            f"layers: MaxPool expects at most {_MOST_CANDIDATES} candidates, got {longest}"
        )
    windows = windows[:, :longest]
    return np.where(windows >= 0, windows, windows[:, :1])
