"""A network as a module of torch, which is imported here, where it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array
from reference.model.dense import Dense
from reference.model.images.convolutions import CONVOLUTIONS
from reference.model.images.kernels import Convolution, Spreading
from reference.model.images.max_pool import MaxPool
from reference.model.images.resampling import (
    AdaptiveAvgPool,
    AvgPool,
    PixelShuffle,
    Upsample,
    ZeroPad,
)
from reference.model.images.reshaping import Flatten, Reshape
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import (
    Abs,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
)
from reference.model.writers.blocks import Block, Step, blocks_of


def torch_module(layers: Sequence[Layer], shapes: Sequence[Shape], dtype: Any) -> Any:
    """A torch.nn.Sequential of the layers: see `Network.to_torch`."""
    torch = imported()
    precision = torch.float64 if dtype is None else dtype
    if not isinstance(precision, torch.dtype) or not precision.is_floating_point:
        raise ValueError(
            f"dtype: expected a floating type of torch, such as torch.float32, got {dtype!r}"
        )
    return _Writer(torch, precision).sequential(blocks_of(layers, shapes), shapes[0])


def imported() -> Any:
    """The module torch. Raises ImportError with the remedy where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "this needs the package torch, which is not installed: see https://pytorch.org"
        ) from error
    return torch


class _Writer:
    def __init__(self, torch: Any, dtype: Any) -> None:
        self.torch, self.nn, self.dtype = torch, torch.nn, dtype

    def sequential(self, steps: Sequence[Step | Block], shape: Shape) -> Any:
        """What follows one another, on inputs of a shape."""
        modules: list[Any] = []
        for step in steps:
            modules += self._reshaped(shape, step.shape)
            if isinstance(step, Block):
                modules.append(self._block(step))
                shape = step.output_shape
            else:
                modules += self._modules(step)
                shape = step.layer.output_shape(step.shape)
        return self.nn.Sequential(*modules)

    def _block(self, block: Block) -> Any:
        """A graph of two branches and their sum: a module that can be copied, kept and read."""
        graph = self.torch.fx.Graph()
        given = graph.placeholder("h")
        children = {"layers": self.sequential(block.steps, block.shape)}
        skip = given
        if block.projection:
            children["projection"] = self.sequential(block.projection, block.shape)
            skip = graph.call_module("projection", (given,))
        own = graph.call_module("layers", (given,))
        graph.output(graph.call_function(self.torch.add, (own, skip)))
        return self.torch.fx.GraphModule(children, graph)

    def _modules(self, step: Step) -> list[Any]:
        layer = step.layer
        if isinstance(layer, PiecewiseAffine):
            return [self._activation(step)]
        if isinstance(layer, Dense | Convolution):
            return [self._with_weights(layer)]
        if isinstance(layer, MaxPool):
            return self._max_pool(layer, step.shape)
        if isinstance(layer, Flatten | Reshape):
            return self._reshaped(step.shape, layer.output_shape(step.shape), always=True)
        return [_RESAMPLING[type(layer)](self.nn, layer)]

    def _with_weights(self, layer: Dense | Convolution) -> Any:
        weight = layer.weight
        if isinstance(layer, Dense):
            module = self.nn.Linear(weight.shape[1], weight.shape[0], dtype=self.dtype)
        else:
            (name,) = (kind.__name__ for kind in CONVOLUTIONS if type(layer) is kind)
            outer, inner = weight.shape[0], weight.shape[1] * layer.groups
            channels = (outer, inner) if isinstance(layer, Spreading) else (inner, outer)
            settings = {key: getattr(layer, key) for key in layer.settings}
            kind, kernel = getattr(self.nn, name), tuple(weight.shape[2:])
            module = kind(*channels, kernel, **settings, dtype=self.dtype)
        with self.torch.no_grad():
            module.weight.copy_(self._tensor(weight))
            module.bias.copy_(self._tensor(layer.bias))
        return module

    def _tensor(self, array: Array) -> Any:
        tensor = self.torch.tensor(np.asarray(array), dtype=self.dtype)
        if not bool(self.torch.isfinite(tensor).all()):
            raise ValueError(
                f"dtype: {self.dtype} cannot hold a weight of the network; use torch.float64"
            )
        return tensor

    def _activation(self, step: Step) -> Any:
        layer, nn = step.layer, self.nn
        if isinstance(layer, PReLU):
            module = nn.PReLU(len(layer.slope), dtype=self.dtype)
            with self.torch.no_grad():
                module.weight.copy_(self._tensor(layer.slope))
            return module
        if isinstance(layer, Hardtanh):
            return nn.ReLU6() if isinstance(layer, ReLU6) else nn.Hardtanh(layer.lower, layer.upper)
        if isinstance(layer, ReLU):
            return nn.ReLU()
        if isinstance(layer, Abs | LeakyReLU):
            return nn.LeakyReLU(layer.slope)
        if isinstance(layer, Hardsigmoid) and layer.slope == 1 / 6 and layer.value == 0.5:
            return nn.Hardsigmoid()
        raise ValueError(
            f"layers[{step.index}]: torch has no module for {layer!r}; write it as sums of ReLU "
            "between Dense layers, which this can give back"
        )

    def _max_pool(self, layer: MaxPool, shape: Shape) -> list[Any]:
        """Over windows, then over groups of channels: torch has the first alone."""
        modules: list[Any] = []
        if len(shape) > 1:
            modules.append(self.nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding))
            windows = MaxPool(layer.kernel_size, layer.stride, layer.padding).placed(shape)
            shape = windows.output_shape(shape)
        if layer.channels > 1:
            groups, others = shape[0] // layer.channels, math.prod(shape[1:])
            modules += self._reshaped(shape, (groups, layer.channels, others), always=True)
            modules.append(self.nn.MaxPool2d((layer.channels, 1), (layer.channels, 1)))
            modules += self._reshaped((groups, 1, others), (groups, *shape[1:]))
        return modules

    def _reshaped(self, shape: Shape, new: Shape, always: bool = False) -> list[Any]:
        """What takes one shape to another."""
        if shape == new and not always:
            return []
        flat = [self.nn.Flatten()] if len(shape) > 1 else []
        # A first Unflatten tells the latent dimension, though it changes nothing.
        return flat if len(new) == 1 and flat else [*flat, self.nn.Unflatten(1, new)]


def _upsample(nn: Any, layer: Upsample) -> Any:
    aligned = None if layer.mode == "nearest" else layer.align_corners
    return nn.Upsample(scale_factor=layer.factor, mode=layer.mode, align_corners=aligned)


_RESAMPLING: dict[type[Layer], Callable[[Any, Any], Any]] = {
    Upsample: _upsample,
    AvgPool: lambda nn, layer: nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding),
    AdaptiveAvgPool: lambda nn, layer: nn.AdaptiveAvgPool2d(layer.output_size),
    ZeroPad: lambda nn, layer: nn.ZeroPad2d(layer.padding),
    PixelShuffle: lambda nn, layer: nn.PixelShuffle(layer.factor),
}
