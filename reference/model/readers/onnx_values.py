"""The values of an ONNX graph as they are read: layers appended, normalisation folded, sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.model.arrays import Array
from reference.model.images.kernels import Convolution
from reference.model.images.reshaping import Reshape
from reference.model.layer_protocol import Layer, Shape
from reference.model.dense import Dense
from reference.model.readers.batch_norm import scaled, scaling
from reference.model.readers.branches import Node
from reference.model.readers.onnx_file import OnnxFile, Operator
from reference.model.validation import check_array

#: The input of the graph of layers, whose other nodes are named by their positions.
START = "input"


@dataclass(frozen=True)
class Value:
    """A value that depends on the input.

    Parameters
    ----------
    node : str
        The node of the graph of layers that makes it.
    shape : tuple of int
        As the file has it, for a batch of one.
    placed : tuple of int
        As the layers so far put it out. The entries come in the same order: a file's reshaping is
        done where the next layer needs it.
    alone : bool
        Whether it is used once, so that a layer before it may be replaced.
    """

    node: str
    shape: Shape
    placed: Shape
    alone: bool = True


class Values:
    """What is known of a graph while it is read: constants, values, and nodes of layers."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        self.constants: dict[str, NDArray[Any]] = dict(file.constants)
        self.nodes: list[Node] = []
        # Its shape comes first of all layers: it tells the latent dimension.
        shape = _layer_shape(file.input_shape)
        start = Value(START, file.input_shape, shape)
        self.values = {file.input: self.apply(start, [Reshape(shape)], file.input_shape)}

    def value(self, operator: Operator, i: int) -> Value:
        """An input of an operator that depends on the graph's input."""
        name = operator.inputs[i]
        if name not in self.values:
            raise ValueError(f"expected input {i} to depend on the input of the graph")
        value = self.values[name]
        return replace(value, alone=value.alone and self.file.uses[name] == 1)

    def constant(self, operator: Operator, i: int) -> NDArray[Any] | None:
        """An input of an operator that is a constant; None if it is left out."""
        name = operator.inputs[i] if i < len(operator.inputs) else ""
        if name in self.values:
            raise ValueError(f"expected input {i} to be a constant")
        return self.constants[name] if name else None

    def floats(self, operator: Operator, i: int) -> Array | None:
        """A constant in double precision, which holds every narrower number exactly."""
        array = self.constant(operator, i)
        if array is None:
            return None
        return check_array(np.asarray(array, np.float64), operator.inputs[i], (None,) * array.ndim)

    def depends(self, operator: Operator, i: int) -> bool:
        """Whether an input of an operator depends on the graph's input."""
        return operator.inputs[i] in self.values

    def apply(
        self, value: Value, layers: Sequence[Layer], shape: Shape | None = None
    ) -> Value:
        """The value with layers after it; its shape is theirs, unless the file's is another."""
        placed = value.placed
        for layer in layers:
            placed = layer.placed(placed).output_shape(placed)
        return self._new((value.node,), layers, shape or (1, *placed), placed)

    def _new(
        self, inputs: tuple[str, ...], layers: Sequence[Layer], shape: Shape, placed: Shape
    ) -> Value:
        name = f"{len(self.nodes)}"
        self.nodes.append(Node(name, inputs, tuple(layers)))
        return Value(name, shape, placed)

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """The value as layers of this shape have it."""
        if value.placed == shape:
            return value
        return self.apply(value, [Reshape(shape)], value.shape)

    def on_images(self, value: Value, layers: Sequence[Layer]) -> Value:
        """The value after layers of images. A signal is an image of one row."""
        channels, *size = value.shape[1:]
        two = (1, *size)[-2:]
        images = self.apply(self.reshaped(value, (channels, *two)), layers)
        if len(size) == 2:
            return images
        return replace(images, shape=(1, images.placed[0], images.placed[2]))

    def affine(self, value: Value, scale: Array, shift: Array) -> Value:
        """The value times a scale plus a shift, which are broadcast to its shape."""
        shape = np.broadcast_shapes(value.shape, scale.shape, shift.shape)
        if math.prod(shape) != math.prod(value.shape):
            raise ValueError(f"a constant that makes shape {shape} of {value.shape}")
        value = replace(value, shape=shape)
        pair = [np.broadcast_to(a, shape).reshape(value.placed) for a in (scale, shift)]
        by_channel = [a.reshape(len(a), -1) for a in pair]
        if not all(np.all(a == a[:, :1]) for a in by_channel):
            # Every entry is a channel of its own.
            value = self.reshaped(value, (math.prod(shape), 1))
            by_channel = [a.reshape(-1, 1) for a in pair]
        scale, shift = (a[:, 0] for a in by_channel)
        before = self._folding(value)
        if before is not None:
            return self._replaced(value, scaled(before, scale, shift))
        return self.apply(value, [scaling(scale, shift, len(value.placed))], shape)

    def _folding(self, value: Value) -> Dense | Convolution | None:
        """The affine layer just before, if nothing else sees it."""
        layers = self.nodes[int(value.node)].layers
        last = layers[-1] if layers and value.alone else None
        return last if isinstance(last, Dense | Convolution) else None

    def _replaced(self, value: Value, layer: Layer) -> Value:
        """The value with another last layer; the node that made it is used no more."""
        node = self.nodes[int(value.node)]
        return self._new(node.inputs, (*node.layers[:-1], layer), value.shape, value.placed)

    def sum(self, first: Value, second: Value) -> Value:
        """The sum of two values."""
        shape = np.broadcast_shapes(first.shape, second.shape)
        sizes = {math.prod(s) for s in (shape, first.shape, second.shape)}
        if len(sizes) > 1:
            raise ValueError(
                f"a sum of shapes {first.shape} and {second.shape}; expected the same shape"
            )
        if first.placed != second.placed:
            first, second = (self.reshaped(v, _layer_shape(shape)) for v in (first, second))
        return self._new((first.node, second.node), (), shape, first.placed)


def _layer_shape(shape: Shape) -> Shape:
    """The shape that layers give a value of the file: without its batch axis, which is 1."""
    return shape[1:] if shape[0] == 1 and 2 <= len(shape) <= 4 else (math.prod(shape),)
