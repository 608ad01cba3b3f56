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
from reference.model.dense import Dense
from reference.model.latent_size import latent_size
from reference.model.layer_protocol import Layer, Shape
from reference.model.named_activations import Abs, LeakyReLU, ReLU
from reference.model.residual import Residual, checked_layers, expanded
from reference.model.saving import load_layers
from reference.model.validation import (
    check_array,
    check_count,
    check_mapping,
    check_random_state,
)
from reference.model.whole_files import check_path
from reference.model.writers.written import Written


class Network(Written):
    """A generator g: R^S -> R^D, the composition of its layers [Sec. 2].

    Networks are immutable: learning makes new ones with `with_parameters`.

    Parameters
    ----------
    layers : sequence of Layer or Residual
        At least one. The first tells S: a Dense layer by its width, a Reshape by its shape.

    Attributes
    ----------
    layers : tuple of Layer
        The layers, each placed on the shape of its input; of a `Residual`, those that it is made
        of.
    shapes : tuple of tuple of int
        shapes[l] is the shape of layer l's input; shapes[-1] is that of the output.
    sizes : tuple of int
        sizes[l] is the length of layer l's flat input; sizes[-1] is D.

    Raises
    ------
    ValueError
        On an unknown layer, and on shapes that do not follow one another.

    Notes
    -----
    Guarded by tests/model/test_network.py.

    Examples
    --------
    >>> from reference import Dense, Network, ReLU
    >>> network = Network([Dense([[1.0], [-1.0]], [0.0, 0.0]), ReLU(), Dense([[1.0, 1.0]], [0.0])])
    >>> network([[-2.0], [3.0]])
    array([[2.],
           [3.]])
    """

    def __init__(self, layers: Sequence[Layer | Residual]) -> None:
        if not isinstance(layers, Sequence):
            raise ValueError(f"layers: expected a list of layers, got {layers!r}")
        if not layers:
            raise ValueError("layers: expected at least one layer, got none")
        latent = latent_size(checked_layers(layers, "layers")[0])
        if latent is None:
            raise ValueError(
                "layers[0]: expected a Dense layer or a Reshape, which tell the latent dimension; "
                "put Reshape((S,)), or Reshape((channels, height, width)) for images, first"
            )
        placed, last = expanded(layers, (latent,))
        self.layers: tuple[Layer, ...] = tuple(layer for layer, _ in placed)
        #: shapes[l] is the shape of layer l's input, shapes[-1] that of the output.
        self.shapes: tuple[Shape, ...] = (*(shape for _, shape in placed), last)
        #: sizes[l] is the length of layer l's input; sizes[-1] = D.
        self.sizes: tuple[int, ...] = tuple(math.prod(shape) for shape in self.shapes)

    def __repr__(self) -> str:
        return f"Network([{', '.join(map(repr, self.layers))}])"

    @property
    def latent_dimension(self) -> int:
        """S, the length of z."""
        return self.sizes[0]

    @property
    def observed_dimension(self) -> int:
        """D, the length of x."""
        return self.sizes[-1]

    def __call__(self, Z: ArrayLike) -> Array:
        """Return the images g(z) [eq. 1].

        Parameters
        ----------
        Z : array_like, shape (N, S)
            Latent points.

        Returns
        -------
        ndarray, shape (N, D)
            Their images.

        Raises
        ------
        ValueError
            If Z has another shape, or holds NaN or infinity.
        """
        hidden = check_array(Z, "Z", (None, self.latent_dimension))
        for layer in self.layers:
            hidden = layer.apply(hidden)
        return hidden

    @property
    def code_lengths(self) -> list[int]:
        """How many entries of a region's code each layer has, in the order of the layers."""
        return [layer.n_codes(n) for layer, n in zip(self.layers, self.sizes, strict=False)]

    def split_code(self, codes: Codes) -> list[Codes]:
        """Cut codes of regions into the parts of each layer.

        Parameters
        ----------
        codes : ndarray of int8, shape (..., U)
            Codes of regions.

        Returns
        -------
        list of ndarray of int8
            One array (..., n_codes) for each layer, in the order of the layers.
        """
        return np.split(codes, np.cumsum(self.code_lengths)[:-1], axis=-1)

    def parameters(self) -> dict[str, Array]:
        """Return every learnable array by name.

        Returns
        -------
        dict of str to ndarray
            Read-only arrays, named by the position of their layer: "0.weight", "0.bias",
            "2.weight", ...
        """
        return {
            f"{i}.{name}": value
            for i, layer in enumerate(self.layers)
            for name, value in layer.parameters().items()
        }

    def with_parameters(self, values: Mapping[str, ArrayLike]) -> Network:
        """Return a network with the named arrays replaced and the others kept.

        Parameters
        ----------
        values : mapping of str to array_like
            New arrays, by the names that `parameters` has.

        Returns
        -------
        Network
            The new network.

        Raises
        ------
        ValueError
            On an unknown name, on a value of another shape than the one it replaces, and on what is
            not a mapping.
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
        """Return a random fully connected network.

        Parameters
        ----------
        widths : sequence of int
            (S, ..., D), at least two: the widths of the input and of each Dense layer.
        activation : ReLU, LeakyReLU or Abs, optional
            The layer between the Dense layers; ReLU() by default.
        random_state : int, Generator or None
            The same seed gives the same network.

        Returns
        -------
        Network
            Its weights are N(0, 2 / ((1 + η²) n_in)), which keeps the variance of the hidden layers
            constant (He et al. 2015). Its biases are N(0, 1), so that the kinks fall where the
            prior has mass.

        Raises
        ------
        ValueError
            On bad widths, and on another activation.

        Examples
        --------
        >>> from reference import Network
        >>> Network.random([1, 4, 3], random_state=0)
        Network([Dense(1 -> 4), ReLU(), Dense(4 -> 3)])
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
        """Return the same function as a torch module, with exactly its weights.

        Parameters
        ----------
        module : torch.nn.Module
            A Linear or Unflatten first, which tell S. Then Linear, Conv1d, Conv2d, ConvTranspose1d,
            ConvTranspose2d, ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh, Hardsigmoid, MaxPool2d,
            AvgPool2d, AdaptiveAvgPool2d, Upsample (nearest or bilinear, by whole factors),
            PixelShuffle, ZeroPad2d, Flatten, Unflatten, BatchNorm1d, BatchNorm2d, Identity and
            Dropout in a Sequential; or a torch.fx.GraphModule; or a module of any class whose
            forward does as much, with sums of branches and the functions of the same names, and can
            be traced by torch.fx. Batch normalisation and dropout must be in eval mode: the first
            is made one with the affine layer before it, the second is left out. Weights that are
            computed (weight_norm, spectral_norm, pruning) are read as they are used.

        Returns
        -------
        Network
            The network, in double precision. Residual blocks are layers one after another.

        Raises
        ------
        ValueError
            Naming the module that is none of these, or has a setting that is not supported, and
            the remedy; or the first that gives something else when it runs than what was read.

        Warns
        -----
        UnverifiedWarning
            If the module, or a part of it, cannot be run and compared.

        Notes
        -----
        A deep copy of the module is run and compared with the network: its parts alone, on both
        sides of every unit, and the whole. The module is left as it was; torch must have been
        imported by whoever made it. Guarded by tests/model/test_from_torch.py,
        test_from_torch_structure.py and test_from_torch_check.py.
        """
        # Imported where they are used: most programs read no module, and all would wait for it.
        from reference.model.readers.from_torch.check import check_against_torch
        from reference.model.readers.from_torch.structure import read_torch

        reading = read_torch(module)
        network = Network(reading.layers)
        check_against_torch(module, reading, network.layers)
        return network

    @staticmethod
    def from_onnx(path: str | os.PathLike[str]) -> Network:
        """Return the same function as an ONNX file, with exactly its weights.

        Parameters
        ----------
        path : str or path-like
            A file whose graph has one input (batch, ...) that is no constant, and one output. Its
            operators may be Gemm, MatMul, Conv, ConvTranspose, BatchNormalization, Add, Sub, Mul
            and Div (by constants; Add and Sub of two branches as well), Relu, LeakyRelu, PRelu,
            Clip, Abs, HardSigmoid, MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool,
            ReduceMean (of whole images), Resize (nearest or linear, by whole factors), DepthToSpace
            (CRD), Pad (zeros), Reshape, Flatten, Squeeze, Unsqueeze, Transpose (where it is only a
            reshape), Identity, Dropout, Cast (to wider numbers), and any operators of constants.

        Returns
        -------
        Network
            The network, in double precision, for a batch of one.

        Raises
        ------
        ValueError
            Naming the operator that is none of these, or has a setting that is not supported; and
            where the file, when it runs, differs from what was read of it by more than rounding.
        ImportError
            If the package onnx is not installed.

        Warns
        -----
        UnverifiedWarning
            If the file, or an operator of it, could not be run.

        Notes
        -----
        The file is run by onnxruntime where that is installed and has its operators in the file's
        precision, by the reference evaluator of onnx elsewhere. Guarded by
        tests/model/test_from_onnx.py.
        """
        from reference.model.readers.from_onnx.reading import layers_from_onnx

        return Network(layers_from_onnx(check_path(path, "path")))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Network:
        """Read a network written by `save`.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        Network
            The network, bit for bit as it was saved.

        Raises
        ------
        ValueError
            If the file does not hold a network, or a later version wrote it. Files of 0.1.0 are
            read.
        """
        return Network(load_layers(path))


def learnable_layers(network: Network) -> list[int]:
    """Find the layers that have weights.

    Parameters
    ----------
    network : Network
        Any network.

    Returns
    -------
    list of int
        The positions of every Dense layer and convolution among ``network.layers``, from the first
        to the last; ``f"{i}.weight"`` and ``f"{i}.bias"`` are the names of their parameters.
    """
    return [i for i, layer in enumerate(network.layers) if layer.parameters()]
