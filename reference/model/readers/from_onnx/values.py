"""The values of an ONNX graph as they are read: each a part, or a reshaping of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.model.arrays import Array
from reference.model.images.reshaping import Reshape
from reference.model.layer_protocol import Layer, Shape
from reference.model.readers.from_onnx.file import OnnxFile, Operator
from reference.model.readers.parts import Normalisation, Parts, Z
from reference.model.validation import check_array


@dataclass(frozen=True)
class Value:
    """A value that depends on the input.

    Parameters
    ----------
    part : str
        The part that makes it.
    shape : tuple of int
        As the file has it, for a batch of one. The part's shape may be another, of the same entries
        in the same order: a file's reshaping is done where the next layer needs it.
    """

    part: str
    shape: Shape


@dataclass(frozen=True)
class Step:
    """An operator that was read, and which parts it became: from the first up to the last."""

    operator: Operator
    first: int
    last: int


class Values:
    """What is known of a graph while it is read: constants, values, and the parts they are of."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        self.constants: dict[str, NDArray[Any]] = dict(file.constants)
        self.parts = Parts()
        self.steps: list[Step] = []
        #: The finest precision that numbers have had.
        self.finest = file.input_dtype
        #: The operator that is being read, as messages call it.
        self.place = "input"
        # Its shape comes first of all layers: it tells the latent dimension.
        shape = _layer_shape(file.input_shape)
        part = self.parts.add(self.place, Z, [Reshape(shape)], None)
        self.values = {file.input: Value(part, file.input_shape)}

    def value(self, operator: Operator, i: int) -> Value:
        """An input of an operator that depends on the graph's input."""
        name = operator.inputs[i]
        if name not in self.values:
            raise ValueError(f"expected input {i}, {name!r}, to be the first output of an operator")
        return self.values[name]

    def read(self, operator: Operator, reader: Reader) -> None:
        """Add what an operator makes."""
        first, self.place = len(self.parts.parts), operator.place
        self.values[operator.output] = reader(self, operator)
        self.steps.append(Step(operator, first, len(self.parts.parts)))

    def depends(self, operator: Operator, i: int) -> bool:
        """Whether an input of an operator depends on the graph's input."""
        return operator.inputs[i] in self.values

    def constant(self, operator: Operator, i: int) -> NDArray[Any] | None:
        """An input of an operator that is a constant; None if it is left out."""
        name = operator.inputs[i] if i < len(operator.inputs) else ""
        if name and name not in self.constants:
            raise ValueError(f"expected input {i}, {name!r}, to be a constant")
        return self.constants[name] if name else None

    def floats(self, operator: Operator, i: int) -> Array | None:
        """A constant in double precision, which holds every narrower number exactly."""
        array = self.constant(operator, i)
        if array is None:
            return None
        return check_array(np.asarray(array, np.float64), operator.inputs[i], (None,) * array.ndim)

    def apply(self, value: Value, layers: Sequence[Layer], shape: Shape | None = None) -> Value:
        """The value with layers after it; its shape is theirs, unless the file's is another."""
        part = self.parts.add(self.place, value.part, layers, None)
        return Value(part, shape or (1, *self.parts.shapes[part]))

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """The value as layers of this shape have it."""
        if self.parts.shapes[value.part] == shape:
            return value
        return self.apply(value, [Reshape(shape)], value.shape)

    def on_images(self, value: Value, layers: Sequence[Layer]) -> Value:
        """The value after layers of images. A signal is an image of one row."""
        channels, *size = value.shape[1:]
        height, width = (1, *size)[-2:]
        images = self.apply(self.reshaped(value, (channels, height, width)), layers)
        if len(size) == 2:
            return images
        return replace(images, shape=(1, images.shape[1], images.shape[3]))

    def affine(self, value: Value, mean: Array, scale: Array, bias: Array) -> Value:
        """scale (h - mean) + bias, where constants are broadcast to the value's shape."""
        shape = np.broadcast_shapes(value.shape, mean.shape, scale.shape, bias.shape)
        placed = self.parts.shapes[value.part]
        if math.prod(shape) != math.prod(placed):
            raise ValueError(f"a constant that makes shape {shape} of {value.shape}")
        every = [np.broadcast_to(a, shape).reshape(placed[0], -1) for a in (mean, scale, bias)]
        if not all(np.all(a == a[:, :1]) for a in every):
            # Every entry is a channel of its own.
            value = self.reshaped(value, (math.prod(shape), 1))
            every = [a.reshape(-1, 1) for a in every]
        normalisation = Normalisation(*(a[:, 0].copy() for a in every))
        return Value(self.parts.add(self.place, value.part, normalisation, None), shape)

    def sum(self, first: Value, second: Value) -> Value:
        """The sum of two values."""
        shape = np.broadcast_shapes(first.shape, second.shape)
        if len({math.prod(s) for s in (shape, first.shape, second.shape)}) > 1:
            raise ValueError(
                f"a sum of shapes {first.shape} and {second.shape}; expected the same shape"
            )
        if self.parts.shapes[first.part] != self.parts.shapes[second.part]:
            first, second = (self.reshaped(v, _layer_shape(shape)) for v in (first, second))
        return Value(self.parts.add_sum(self.place, first.part, second.part), shape)


def _layer_shape(shape: Shape) -> Shape:
    """The shape that layers give a value of the file: without its batch axis, which is 1."""
    return shape[1:] if shape[0] == 1 and 2 <= len(shape) <= 4 else (math.prod(shape),)


#: What reads an operator: it adds parts, and returns the operator's output.
Reader = Callable[[Values, Operator], Value]
