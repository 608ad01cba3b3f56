"""The model, defined once: a generator built from layers, and what it accepts as input.

Everything else in the project takes the model from here; nothing here knows of probability.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reference.model.arrays import Array, Codes, RandomState
from reference.model.from_torch import layers_from_torch
from reference.model.image_layers import AvgPool, Conv2d, Flatten, Reshape, Upsample
from reference.model.layers import Abs, Dense, Layer, LeakyReLU, ReLU, Shape
from reference.model.max_pool import MaxPool
from reference.model.validation import (
    check_array,
    check_count,
    check_mapping,
    check_path,
    check_random_state,
)
from reference.model.whole_files import save_arrays

# The arguments each layer is made from, which it holds under the same names: what a file stores.
_ARGUMENTS: dict[type[Any], tuple[str, ...]] = {
    Dense: ("weight", "bias"),
    ReLU: (),
    LeakyReLU: ("slope",),
    Abs: (),
    Conv2d: ("weight", "bias", "stride", "padding"),
    Upsample: ("factor",),
    AvgPool: ("kernel_size", "stride", "padding"),
    MaxPool: ("kernel_size", "stride", "padding", "channels"),
    Flatten: (),
    Reshape: ("shape",),
}


class Network:
    """A generator g: R^S -> R^D, the composition of its layers [Sec. 2].

    layers: at least one, the first a Dense (its width sets S). Networks are immutable: learning
    makes new ones with `with_parameters`. Raises ValueError on an unknown layer, on shapes that do
    not follow one another, and on S = 0. Guarded by tests/model/test_network.py.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not isinstance(layers, Sequence):
            raise ValueError(f"layers: expected a list of layers, got {layers!r}")
        self.layers: tuple[Layer, ...] = tuple(layers)
        if not self.layers:
            raise ValueError("layers: expected at least one layer, got none")
        for i, layer in enumerate(self.layers):
            if isinstance(layer, type) or not isinstance(layer, Layer):
                raise ValueError(f"layers[{i}]: unknown layer {layer!r}; expected Dense, ReLU, ...")
        first = self.layers[0]
        if not isinstance(first, Dense):
            raise ValueError(
                "layers[0]: expected a Dense layer, whose width is the latent dimension"
            )
        #: shapes[l] is the shape of layer l's input, shapes[-1] that of the output.
        self.shapes: tuple[Shape, ...] = ((int(first.weight.shape[1]),),)
        placed = []
        for i, layer in enumerate(self.layers):
            try:
                placed.append(layer.placed(self.shapes[-1]))
            except ValueError as error:
                raise ValueError(f"layers[{i}]: {str(error).removeprefix('layers: ')}") from None
            self.shapes += (placed[-1].output_shape(self.shapes[-1]),)
        self.layers = tuple(placed)
        #: sizes[l] is the length of layer l's input; sizes[-1] = D.
        self.sizes: tuple[int, ...] = tuple(math.prod(shape) for shape in self.shapes)

    def __repr__(self) -> str:
        return f"Network([{', '.join(map(repr, self.layers))}])"

    @property
    def latent_dimension(self) -> int:
        """S."""
        return self.sizes[0]

    @property
    def observed_dimension(self) -> int:
        """D."""
        return self.sizes[-1]

    def __call__(self, Z: ArrayLike) -> Array:
        """Forward pass g(z) [eq. 1]: Z (N, S) -> (N, D). Raises ValueError on bad Z."""
        hidden = check_array(Z, "Z", (None, self.latent_dimension))
        for layer in self.layers:
            hidden = layer.apply(hidden)
        return hidden

    def split_code(self, codes: Codes) -> list[Codes]:
        """Cut region codes (..., U) into the parts of each layer, in layer order."""
        counts = [layer.n_codes(n) for layer, n in zip(self.layers, self.sizes, strict=False)]
        return np.split(codes, np.cumsum(counts)[:-1], axis=-1)

    def parameters(self) -> dict[str, Array]:
        """Every learnable array, named by layer position: "0.weight", "0.bias", "2.weight", ..."""
        return {
            f"{i}.{name}": value
            for i, layer in enumerate(self.layers)
            for name, value in layer.parameters().items()
        }

    def with_parameters(self, values: Mapping[str, ArrayLike]) -> Network:
        """A network with the named arrays replaced, the others kept.

        Raises ValueError on what is no mapping, an unknown name, or a value of another shape than
        the one it replaces.
        """
        check_mapping(values, "values")
        known = self.parameters()
        by_layer: dict[int, dict[str, ArrayLike]] = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"values: no parameter {name!r}; expected one of {sorted(known)}")
            index, part = name.split(".")
            by_layer.setdefault(int(index), {})[part] = check_array(value, name, known[name].shape)
        return Network(
            [layer.with_parameters(by_layer.get(i, {})) for i, layer in enumerate(self.layers)]
        )

    @staticmethod
    def random(
        widths: Sequence[int],
        activation: Layer | None = None,
        random_state: RandomState = None,
    ) -> Network:
        """A random fully connected network, Dense layers of these widths with `activation` between.

        widths: (S, D^1, ..., D), at least two positive integers. activation: ReLU() by default.
        Weights are N(0, 2 / ((1 + η²) n_in)), which keeps the variance of the hidden layers
        constant (He et al. 2015), and biases N(0, 1), so that the kinks fall where the prior has
        mass. Same seed, same network. Raises ValueError on bad widths.
        """
        if not isinstance(widths, Sequence | np.ndarray) or len(widths) < 2:
            raise ValueError(f"widths: expected at least two integers, got {widths!r}")
        sizes = [check_count(width, f"widths[{i}]", 1) for i, width in enumerate(widths)]
        between: Layer = ReLU() if activation is None else activation
        if not isinstance(between, ReLU | LeakyReLU | Abs):
            raise ValueError(
                f"activation: expected ReLU(), LeakyReLU(slope) or Abs(), got {between!r}"
            )
        rng = check_random_state(random_state)
        layers: list[Layer] = []
        for n_in, n_out in itertools.pairwise(sizes):
            scale = np.sqrt(2.0 / ((1.0 + between.slope**2) * n_in))
            if layers:
                layers.append(between)
            layers.append(
                Dense(scale * rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out))
            )
        return Network(layers)

    @staticmethod
    def from_torch(module: Any) -> Network:
        """The same function as a torch.nn.Sequential, its weights exactly as they are.

        module: Linear first, then Linear, Conv2d, ReLU, LeakyReLU, MaxPool2d, AvgPool2d, Upsample
        (nearest), Flatten, Unflatten, BatchNorm1d, BatchNorm2d (in eval mode; they become affine
        layers), Identity, Dropout (in eval mode; left out), or a Sequential of these. Raises
        ValueError naming the module that is none of these, or has a setting that is not supported.
        Guarded by tests/model/test_from_torch.py.
        """
        return Network(layers_from_torch(module))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a .npz file, bit for bit; whole or not at all.

        The file appears under `path` exactly as named, by a rename once it is written.
        """
        target = check_path(path, "path")
        arrays = {"kinds": np.array([type(layer).__name__ for layer in self.layers])}
        for i, layer in enumerate(self.layers):
            if type(layer) not in _ARGUMENTS:
                raise ValueError(f"layers[{i}]: cannot save a layer of type {type(layer).__name__}")
            for name in _ARGUMENTS[type(layer)]:
                arrays[f"{i}.{name}"] = np.asarray(getattr(layer, name))
        save_arrays(target, arrays)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Network:
        """Read a network written by `save`. Raises ValueError if the file holds none."""
        source = check_path(path, "path")
        try:
            with open(source, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            by_name = {kind.__name__: kind for kind in _ARGUMENTS}
            layers: list[Layer] = []
            for i, name in enumerate(map(str, arrays["kinds"])):
                kind = by_name[name]
                values = {key: _stored(arrays[f"{i}.{key}"]) for key in _ARGUMENTS[kind]}
                layers.append(kind(**values))
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"path: {path!r} holds no saved Network ({error})") from error
        return Network(layers)


def _stored(value: Array) -> Any:
    """An argument as it was before it became an array: integers, or an array of doubles."""
    return value.tolist() if value.dtype.kind == "i" else value
