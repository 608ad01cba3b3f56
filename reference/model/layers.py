"""The layers of a continuous piecewise affine network: each knows how to apply itself, the cuts it
makes, and its derivative matrix on a region."""

from __future__ import annotations

import math
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes
from reference.model.read_only import ReadOnly, freeze
from reference.model.validation import check_array, check_number

Shape = tuple[int, ...]


@runtime_checkable
class Layer(Protocol):
    """What every layer offers, so that a network of any layers has one set of equations.

    A layer is affine on each region: h -> derivative(code) h + offset, where `code` is the layer's
    part of the region's code. Layers without a choice to make have codes of length 0. Inputs and
    outputs are flat vectors; images are laid out channel by channel, row by row.
    """

    def placed(self, input_shape: Shape) -> Layer:
        """The layer for inputs of this shape, (n,) or (channels, height, width); itself, unless its
        work depends on the shape. Raises ValueError if it cannot take such inputs."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for inputs of the shape the layer was placed on."""

    def n_codes(self, input_size: int) -> int:
        """How many code entries the layer adds to a region's code."""

    def apply(self, inputs: Array) -> Array:
        """Forward pass, (..., n_in) -> (..., n_out)."""

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """The affine functions of z whose signs decide the code, from the layer's affine input.

        slopes (..., n_in, S), offsets (..., n_in) -> (..., n_cuts, S), (..., n_cuts).
        """

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Bounds on the terms summed in `cuts`, from those of the layer's input; same shapes."""

    def code(self, signs: Codes) -> Codes:
        """The layer's code from the signs (+1, -1, 0) of its cuts: (..., n_cuts) -> (...,
        n_codes)."""

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """The half-spaces that give the layer this code, {z : normals z + offsets > 0}.

        codes (..., n_codes), slopes (..., n_in, S), offsets (..., n_in) -> normals (..., m, S),
        offsets (..., m) [Corollary 1]. Rows of zeros bound nothing.
        """

    def derivative(self, code: Codes) -> Array:
        """The matrix W^l or D^l_ω of the layer on the region with this code, (n_out, n_in)."""

    def offset(self, input_size: int) -> Array:
        """The constant v^l the layer adds, (n_out,); zero for nonlinearities."""

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Push affine maps through the layer without forming its matrix.

        codes (..., n_codes), slopes (..., n_in, S), offsets (..., n_in) -> slopes, offsets of the
        output. Equal to derivative(code) @ (.) + offset, row by row.
        """

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        """Like `propagate`, with every entry of the layer replaced by its absolute value.

        From bounds on |slopes|, |offsets| it makes bounds on the terms that were summed: rounding
        leaves an error of a few ε times these, which tells a true zero from a small number.
        """

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        """Multiply row vectors by the derivative: codes (..., n_codes), rows (..., k, n_out) ->
        (..., k, n_in)."""

    def parameters(self) -> dict[str, Array]:
        """The learnable arrays by name (read-only)."""

    def with_parameters(self, values: dict[str, ArrayLike]) -> Layer:
        """A layer of the same kind with these arrays in place of its own."""


class Affine(ReadOnly):
    """What layers without a choice to make have in common."""

    def n_codes(self, input_size: int) -> int:
        return 0

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes[..., :0, :], offsets[..., :0]

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return self.cuts(slopes, offsets)

    def code(self, signs: Codes) -> Codes:
        return signs

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return self.cuts(slopes, offsets)


class Dense(Affine):
    """Affine layer h -> W h + v [Sec. 2, the fully connected operator].

    weight: (n_out, n_in), bias: (n_out,). Both are copied and read-only. Raises ValueError on wrong
    shapes, NaN or infinity.
    """

    def __init__(self, weight: ArrayLike, bias: ArrayLike) -> None:
        self.weight = check_array(weight, "weight", (None, None))
        if 0 in self.weight.shape:
            raise ValueError(
                f"weight: expected at least one row and column, got {self.weight.shape}"
            )
        self.bias = check_array(bias, "bias", (self.weight.shape[0],))
        freeze(self.weight, self.bias)

    def __repr__(self) -> str:
        return f"Dense({self.weight.shape[1]} -> {self.weight.shape[0]})"

    def placed(self, input_shape: Shape) -> Dense:
        if len(input_shape) != 1:
            raise ValueError(
                f"layers: Dense expects a vector, got shape {input_shape}; put Flatten() before it"
            )
        if input_shape[0] != self.weight.shape[1]:
            raise ValueError(
                f"layers: Dense expects an input of length {self.weight.shape[1]}, "
                f"got {input_shape[0]}"
            )
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        return (int(self.weight.shape[0]),)

    def apply(self, inputs: Array) -> Array:
        return inputs @ self.weight.T + self.bias

    def derivative(self, code: Codes) -> Array:
        return self.weight

    def offset(self, input_size: int) -> Array:
        return self.bias

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return _times(self.weight, slopes), offsets @ self.weight.T + self.bias

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        weight = np.abs(self.weight)
        return _times(weight, slopes), offsets @ weight.T + np.abs(self.bias)

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        return rows @ self.weight

    def parameters(self) -> dict[str, Array]:
        return {"weight": self.weight, "bias": self.bias}

    def with_parameters(self, values: dict[str, ArrayLike]) -> Dense:
        return Dense(values.get("weight", self.weight), values.get("bias", self.bias))


def _times(weight: Array, slopes: Array) -> Array:
    """weight @ slopes (..., n_in, S) as one product, not one for each of the leading indices."""
    rows = np.swapaxes(slopes, -1, -2)
    product = rows.reshape(math.prod(rows.shape[:-1]), rows.shape[-1]) @ weight.T
    return np.swapaxes(product.reshape(*rows.shape[:-1], len(weight)), -1, -2)


class _Activation:
    """Elementwise nonlinearity, slope 1 where its input is positive and η elsewhere.

    Codes are the signs q of the pre-activations: +1, -1, or 0 for a unit whose pre-activation is
    zero on the whole region (it makes no cut there; its derivative is taken as η).
    """

    slope: float

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def placed(self, input_shape: Shape) -> _Activation:
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def n_codes(self, input_size: int) -> int:
        return input_size

    def apply(self, inputs: Array) -> Array:
        return np.where(inputs > 0, inputs, self.slope * inputs)

    def cuts(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes, offsets

    def cut_bounds(self, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return slopes, offsets

    def code(self, signs: Codes) -> Codes:
        return signs

    def halfspaces(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        return codes[..., None] * slopes, codes * offsets

    def diagonal(self, codes: Codes) -> Array:
        """The diagonal of D^l_ω, entries in {η, 1}: codes (..., n) -> (..., n)."""
        return np.where(codes > 0, 1.0, self.slope)

    def derivative(self, code: Codes) -> Array:
        return np.diag(self.diagonal(code))

    def offset(self, input_size: int) -> Array:
        return np.zeros(input_size)

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        diagonal = self.diagonal(codes)
        return diagonal[..., None] * slopes, diagonal * offsets

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        diagonal = np.abs(self.diagonal(codes))
        return diagonal[..., None] * slopes, diagonal * offsets

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        return rows * self.diagonal(codes)[..., None, :]

    def parameters(self) -> dict[str, Array]:
        return {}

    def with_parameters(self, values: dict[str, ArrayLike]) -> _Activation:
        return self


class ReLU(_Activation):
    """max(h, 0): D entries in {0, 1}."""

    slope: ClassVar[float] = 0.0  # type: ignore[misc]


class Abs(_Activation):
    """|h|: D entries in {-1, 1}."""

    slope: ClassVar[float] = -1.0  # type: ignore[misc]


class LeakyReLU(_Activation):
    """max(h, 0) + slope min(h, 0): D entries in {slope, 1}. slope: a number in [0, 1]."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = check_number(slope, "slope", 0.0, 1.0)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"
