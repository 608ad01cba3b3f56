"""The layers with a matrix or with elementwise nonlinearities [Sec. 2].

Each layer knows how to apply itself, which cuts it makes in latent space, and its derivative matrix
on a region: see `Layer`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, freeze
from reference.model.layer_protocol import Affine, Documented, Shape
from reference.model.validation import check_array, check_number


class Dense(Affine):
    """Affine layer h -> W h + v [Sec. 2, the fully connected operator].

    Parameters
    ----------
    weight : array_like, shape (n_out, n_in)
        W; copied, and read-only afterwards.
    bias : array_like, shape (n_out,)
        v; copied, and read-only afterwards.

    Raises
    ------
    ValueError
        On wrong shapes, NaN or infinity.

    Examples
    --------
    >>> from reference import Dense
    >>> Dense([[1.0], [2.0]], [0.0, -1.0])
    Dense(1 -> 2)
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
    """weight @ slopes (..., n_in, S) as one product, rather than one for each leading index."""
    rows = np.swapaxes(slopes, -1, -2)
    product = rows.reshape(math.prod(rows.shape[:-1]), rows.shape[-1]) @ weight.T
    return np.swapaxes(product.reshape(*rows.shape[:-1], len(weight)), -1, -2)


class _Activation(Documented):
    """Elementwise nonlinearity: slope 1 where its input is positive and η elsewhere.

    Codes are the signs q of the pre-activations: +1, -1, or 0 for a unit whose pre-activation is
    zero on the whole region. Such a unit makes no cut there, and its derivative is taken as η.
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
        """Return the diagonal of D^l_ω, with entries in {η, 1}.

        Parameters
        ----------
        codes : ndarray of int8, shape (..., n)
            Signs of the pre-activations.

        Returns
        -------
        ndarray, shape (..., n)
            The derivative of each unit.
        """
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
    """max(h, 0), elementwise: the entries of D are 0 or 1 [Sec. 2].

    Examples
    --------
    >>> import numpy as np
    >>> from reference import ReLU
    >>> ReLU().apply(np.array([-1.0, 2.0]))
    array([-0.,  2.])
    """

    slope: ClassVar[float] = 0.0  # type: ignore[misc]


class Abs(_Activation):
    """|h|, elementwise: the entries of D are -1 or 1 [Sec. 2].

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Abs
    >>> Abs().apply(np.array([-1.0, 2.0]))
    array([1., 2.])
    """

    slope: ClassVar[float] = -1.0  # type: ignore[misc]


class LeakyReLU(_Activation):
    """max(h, 0) + slope min(h, 0), elementwise: the entries of D are slope or 1 [Sec. 2].

    Parameters
    ----------
    slope : float, default 0.01
        η, the slope for negative inputs, in [0, 1].

    Raises
    ------
    ValueError
        If the slope is not in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from reference import LeakyReLU
    >>> LeakyReLU(0.1).apply(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = check_number(slope, "slope", 0.0, 1.0)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"
