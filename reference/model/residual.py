"""Skip connections: a block's output added to its input, or to what another branch makes of it.

Layers follow one another, so that there is one set of equations for all networks. A block becomes
such layers: its input twice, the layers of either branch beside what the other holds, then the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array, Codes
from reference.model.dense import Dense
from reference.model.images.kernels import Convolution
from reference.model.images.linear import SparseLinear
from reference.model.images.max_pool import MaxPool
from reference.model.layer_protocol import Affine, Layer, Shape, Surroundings


class Residual:
    """h -> layers(h) + projection(h): a block with a skip connection.

    Parameters
    ----------
    layers : sequence of Layer or Residual
        The block, at least one layer.
    projection : sequence of Layer or Residual, optional
        What the input goes through before it is added; the identity by default.

    Raises
    ------
    ValueError
        If either is no sequence of layers. A `Network` raises it if the two results have different
        shapes.

    Notes
    -----
    A `Network` holds the layers that a block is made of, one after another: a Fork, the layers of
    both branches, each Beside what the other branch holds, and a Join. Their weights are named by
    their positions among ``network.layers``. Guarded by tests/model/test_residual.py.

    Examples
    --------
    >>> from reference import Dense, Network, ReLU, Residual
    >>> block = Residual([Dense([[1.0, -1.0]], [0.0]), ReLU(), Dense([[2.0], [0.0]], [0.0, 0.0])])
    >>> network = Network([Dense([[1.0], [3.0]], [0.0, 0.0]), block])
    >>> network([[-1.0]])
    array([[ 3., -3.]])
    """

    def __init__(
        self,
        layers: Sequence[Layer | Residual],
        projection: Sequence[Layer | Residual] | None = None,
    ) -> None:
        self.layers = checked_layers(layers, "layers")
        if not self.layers:
            raise ValueError("layers: expected at least one layer, got none")
        self.projection: tuple[Layer | Residual, ...] | None = None
        if projection is not None:
            self.projection = checked_layers(projection, "projection")
            if not self.projection:
                raise ValueError("projection: expected a layer, or None for the identity, got none")

    def __repr__(self) -> str:
        branches = [self.layers, self.projection] if self.projection else [self.layers]
        return f"Residual({', '.join(repr(list(branch)) for branch in branches)})"

    def expanded(self, input_shape: Shape) -> list[Layer]:
        """Return the layers that a block is made of, for inputs of this shape.

        Parameters
        ----------
        input_shape : tuple of int
            The shape of the block's input.

        Returns
        -------
        list of Layer
            Each of them takes the output of the one before.

        Raises
        ------
        ValueError
            If a layer cannot take its input, or the two results have different shapes.
        """
        size = math.prod(input_shape)
        block, shape = expanded(self.layers, input_shape)
        skip, other = expanded(self.projection or (), input_shape)
        if shape != other:
            raise ValueError(
                f"layers: Residual adds outputs of shapes {shape} and {other}; expected the same"
            )
        out = math.prod(shape)
        return [
            Fork(input_shape).placed(input_shape),
            *(beside(layer, Surroundings(own, 0, size)) for layer, own in block),
            *(beside(layer, Surroundings(own, out, 0)) for layer, own in skip),
            Join(shape).placed((2 * out,)),
        ]


def checked_layers(layers: Any, name: str) -> tuple[Layer | Residual, ...]:
    """Return layers and blocks as a tuple.

    Parameters
    ----------
    layers : object
        What was given.
    name : str
        The argument's name, for the message.

    Returns
    -------
    tuple of Layer or Residual
        The same.

    Raises
    ------
    ValueError
        If it is no sequence, or holds something else.
    """
    if not isinstance(layers, Sequence):
        raise ValueError(f"{name}: expected a list of layers, got {layers!r}")
    for i, layer in enumerate(layers):
        if isinstance(layer, type) or not isinstance(layer, Layer | Residual):
            raise ValueError(f"{name}[{i}]: unknown layer {layer!r}; expected Dense, ReLU, ...")
    return tuple(layers)


def expanded(
    layers: Sequence[Layer | Residual], shape: Shape
) -> tuple[list[tuple[Layer, Shape]], Shape]:
    """Return layers in which every block is replaced by its own, and the shape of the last output.

    Parameters
    ----------
    layers : sequence of Layer or Residual
        Layers that follow one another.
    shape : tuple of int
        The shape of the first one's input.

    Returns
    -------
    layers : list of (Layer, tuple of int)
        The layers, placed, each with the shape of its input.
    shape : tuple of int
        The shape of the last one's output.

    Raises
    ------
    ValueError
        If a layer cannot take its input, with its position.
    """
    found: list[tuple[Layer, Shape]] = []
    for i, layer in enumerate(layers):
        try:
            parts = layer.expanded(shape) if isinstance(layer, Residual) else [layer.placed(shape)]
        except ValueError as error:
            raise ValueError(f"layers[{i}]: {str(error).removeprefix('layers: ')}") from None
        for part in parts:
            found.append((part, shape))
            shape = part.output_shape(shape)
    return found, shape


def beside(layer: Layer, around: Surroundings) -> Layer:
    """Return a layer that is applied to some entries of a vector and leaves the others.

    Parameters
    ----------
    layer : Layer
        Any layer, also one that leaves entries already: then these are more.
    around : Surroundings
        Where the entries are that it is applied to.

    Returns
    -------
    Layer
        A layer for vectors. It makes the cuts of `layer`, and has its code and its parameters.
    """
    inner = getattr(layer, "surroundings", None)
    if inner is not None:
        around = inner.within(around.before, around.after)
    if isinstance(layer, PiecewiseAffine | MaxPool):
        return layer.beside(around)
    return Beside(layer.layer if isinstance(layer, Beside) else layer, around)


class Weighted(NamedTuple):
    """A layer with weights, and where its inputs and outputs are among those of the layer that the
    network holds."""

    layer: Dense | Convolution
    inputs: slice
    outputs: slice


def weighted(layer: Layer) -> Weighted:
    """Return the layer with weights that a layer of a network is, by itself or beside others.

    Parameters
    ----------
    layer : Layer
        One of `learnable_layers`.

    Returns
    -------
    Weighted
        The layer, and its share of inputs and outputs.

    Raises
    ------
    TypeError
        If it has no weights.
    """
    if isinstance(layer, Beside):
        return Weighted(weighted(layer.layer).layer, layer.inputs, layer.outputs)
    if isinstance(layer, Dense | Convolution):
        return Weighted(layer, slice(None), slice(None))
    raise TypeError(f"layer: expected one with weights, got {layer!r}")


class Fork(SparseLinear):
    """h -> (h, h), the beginning of a block with a skip connection.

    Parameters
    ----------
    shape : tuple of int
        The shape of h.

    Examples
    --------
    >>> from reference.model.residual import Fork
    >>> Fork((3,)).output_shape((3,))
    (6,)
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(int(n) for n in shape)

    def __repr__(self) -> str:
        return f"Fork({self.shape})"

    def placed(self, input_shape: Shape) -> Self:
        size = math.prod(self.shape)
        # A network's first layer has a vector z for its input.
        if input_shape not in (self.shape, (size,)):
            raise ValueError(f"layers: {self!r} expects shape {self.shape}, got {input_shape}")
        row = np.arange(2 * size)
        return self._with_matrix(input_shape, (2 * size,), np.ones(2 * size), row, row % size)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (2 * math.prod(input_shape),)


class Join(SparseLinear):
    """(h, k) -> h + k, the end of a block with a skip connection.

    Parameters
    ----------
    shape : tuple of int
        The shape of h and of k.

    Examples
    --------
    >>> from reference.model.residual import Join
    >>> Join((1, 2, 2)).placed((8,))
    Join((1, 2, 2))
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(int(n) for n in shape)

    def __repr__(self) -> str:
        return f"Join({self.shape})"

    def placed(self, input_shape: Shape) -> Self:
        size = math.prod(self.shape)
        if input_shape != (2 * size,):
            raise ValueError(f"layers: {self!r} expects a vector of {2 * size}, got {input_shape}")
        column = np.arange(2 * size)
        return self._with_matrix(input_shape, self.shape, np.ones(2 * size), column % size, column)


class Beside(Affine):
    """An affine layer on some entries of a vector; the others stay.

    Parameters
    ----------
    layer : Layer
        An affine layer.
    surroundings : Surroundings
        Where the entries are that it is applied to.
    """

    def __init__(self, layer: Layer, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.layer = layer.placed(surroundings.shape)

    def __repr__(self) -> str:
        return f"Beside({self.layer!r})"

    @property
    def inputs(self) -> slice:
        """The entries of the input that the layer is applied to."""
        return self.surroundings.own

    @property
    def outputs(self) -> slice:
        """The entries of the output that it makes."""
        shape, before, _ = self.surroundings
        return slice(before, before + math.prod(self.layer.output_shape(shape)))

    def placed(self, input_shape: Shape) -> Self:
        self.surroundings.check(self, input_shape)
        return self

    def output_shape(self, input_shape: Shape) -> Shape:
        return (self.outputs.stop + self.surroundings.after,)

    def _put(self, rest: Array, own: Array, axis: int) -> Array:
        """What the layer makes of its own entries between the others, along an axis."""
        first, last = np.split(rest, [self.inputs.start, self.inputs.stop], axis=axis)[::2]
        return np.concatenate([first, own, last], axis=axis)

    def apply(self, inputs: Array) -> Array:
        return self._put(inputs, self.layer.apply(inputs[..., self.inputs]), -1)

    def derivative(self, code: Codes) -> Array:
        _, before, after = self.surroundings
        own = self.layer.derivative(code)
        matrix = np.zeros((before + len(own) + after, before + own.shape[1] + after))
        matrix[range(before), range(before)] = 1.0
        matrix[self.outputs, self.inputs] = own
        kept = np.arange(after)
        matrix[self.outputs.stop + kept, self.inputs.stop + kept] = 1.0
        return matrix

    def offset(self, code: Codes, input_size: int) -> Array:
        shape, before, after = self.surroundings
        own = self.layer.offset(code, math.prod(shape))
        return np.concatenate([np.zeros(before), own, np.zeros(after)])

    def propagate(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        own = self.layer.propagate(codes, slopes[..., self.inputs, :], offsets[..., self.inputs])
        return self._put(slopes, own[0], -2), self._put(offsets, own[1], -1)

    def bound(self, codes: Codes, slopes: Array, offsets: Array) -> tuple[Array, Array]:
        own = self.layer.bound(codes, slopes[..., self.inputs, :], offsets[..., self.inputs])
        return self._put(slopes, own[0], -2), self._put(offsets, own[1], -1)

    def pull_back(self, codes: Codes, rows: Array) -> Array:
        own = self.layer.pull_back(codes, rows[..., self.outputs])
        first, last = np.split(rows, [self.outputs.start, self.outputs.stop], axis=-1)[::2]
        return np.concatenate([first, own, last], axis=-1)

    def parameters(self) -> dict[str, Array]:
        return self.layer.parameters()

    def with_parameters(self, values: dict[str, ArrayLike]) -> Self:
        return type(self)(self.layer.with_parameters(values), self.surroundings)
