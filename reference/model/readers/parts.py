"""What was read of a module: values, each made by one part of it, and the shape of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.images.kernels import Convolution
from reference.model.latent_size import latent_size
from reference.model.layer_protocol import Layer, Shape
from reference.model.readers.batch_norm import scaled, scaling
from reference.model.readers.branches import Node

#: The name of the value that no part makes.
Z = "z"


@dataclass(frozen=True)
class Normalisation:
    """h -> scale (h - mean) + bias, channel by channel: each of shape (C,)."""

    mean: Array
    scale: Array
    bias: Array

    @property
    def shift(self) -> Array:
        """What h -> scale h + shift adds."""
        return self.bias - self.mean * self.scale


@dataclass(frozen=True)
class Part:
    """One value: layers or a normalisation of one other value, or the sum of two.

    Parameters
    ----------
    name : str
        The value's name.
    place : str
        Where it is in the module, and of which class, as errors say it.
    inputs : tuple of str
        One name, or two: then the value is their sum.
    layers : tuple of Layer
        Each placed on the shape of its input.
    normalisation : Normalisation or None
        Instead of layers.
    run : callable or None
        The same part of the torch module, from tensor to tensor; None if there is none to run.
    rounded : bool
        Whether its numbers are computed when it runs, and so are rounded to its own precision.
    """

    name: str
    place: str
    inputs: tuple[str, ...]
    layers: tuple[Layer, ...] = ()
    normalisation: Normalisation | None = None
    run: Callable[[Any], Any] | None = None
    rounded: bool = False


class Parts:
    """The parts as they are read, in topological order."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        #: The shape of each value; () for the input until the first part tells it.
        self.shapes: dict[str, Shape] = {Z: ()}
        #: Whether the module changes the precision of its values as it runs.
        self.cast = False

    def add(
        self,
        place: str,
        value: str,
        read: Sequence[Layer] | Normalisation,
        run: Callable[[Any], Any] | None,
        rounded: bool = False,
    ) -> str:
        """Apply what was read to a value; return the name of the result."""
        if isinstance(read, Normalisation):
            shape = self._known(value, (len(read.mean),))
            if len(read.mean) != shape[0]:
                raise ValueError(f"expects {len(read.mean)} features, got {shape[0]}")
            part = Part(
                name=self._name(),
                place=place,
                inputs=(value,),
                layers=(),
                normalisation=read,
                run=run,
                rounded=rounded,
            )
            return self._made(part, shape)
        if not read:
            return value
        latent = latent_size(read[0])
        shape = self._known(value, () if latent is None else (latent,))
        placed: list[Layer] = []
        for layer in read:
            placed.append(layer.placed(shape))
            shape = placed[-1].output_shape(shape)
        part = Part(
            name=self._name(),
            place=place,
            inputs=(value,),
            layers=tuple(placed),
            normalisation=None,
            run=run,
            rounded=rounded,
        )
        return self._made(part, shape)

    def add_sum(self, place: str, first: str, second: str) -> str:
        """Add two values; return the name of the sum."""
        shapes = [self.shapes[name] for name in (first, second)]
        if shapes[0] != shapes[1] or not shapes[0]:
            raise ValueError(f"adds values of shapes {shapes[0]} and {shapes[1]}; expected one")
        return self._made(Part(self._name(), place, (first, second)), shapes[0])

    def _name(self) -> str:
        return f"part {len(self.parts)}"

    def _made(self, part: Part, shape: Shape) -> str:
        self.parts.append(part)
        self.shapes[part.name] = shape
        return part.name

    def _known(self, value: str, told: Shape) -> Shape:
        """The shape of a value; a first part tells that of the input."""
        if not self.shapes[value]:
            if not told:
                raise ValueError(
                    "expected Linear or Unflatten first, which tell the latent dimension; put "
                    "Unflatten(1, (channels, height, width)) before it"
                )
            self.shapes[value] = told
        return self.shapes[value]

    def nodes(self, output: str) -> list[Node]:
        """The parts as a graph of layers and sums, each normalisation within
        the affine layer before it, if that is used for nothing else."""
        uses = Counter([output, *(name for part in self.parts for name in part.inputs)])
        nodes: dict[str, Node] = {}
        for part in self.parts:
            nodes[part.name] = Node(part.name, part.inputs, part.layers)
            if part.normalisation is None:
                continue
            (value,) = part.inputs
            scale, shift = part.normalisation.scale, part.normalisation.shift
            before = nodes.get(value)
            last = before.layers[-1] if before is not None and before.layers else None
            if before is not None and uses[value] == 1 and isinstance(last, Dense | Convolution):
                layers = (*before.layers[:-1], scaled(last, scale, shift))
                nodes[part.name] = Node(part.name, before.inputs, layers)
                del nodes[value]
            else:
                layer = scaling(scale, shift, len(self.shapes[value]))
                nodes[part.name] = Node(part.name, part.inputs, (layer,))
        return list(nodes.values())

    def size(self, value: str) -> int:
        """The number of entries of a value."""
        return math.prod(self.shapes[value])
