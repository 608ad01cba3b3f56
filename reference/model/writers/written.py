"""The ways out of a network: into a file, and back to torch."""

from __future__ import annotations

import os
from typing import Any

from reference.model.layer_protocol import Layer, Shape
from reference.model.saving import save_layers
from reference.model.whole_files import check_path


class Written:
    """What a `Network` is written as, from its layers and the shapes of their inputs."""

    layers: tuple[Layer, ...]
    shapes: tuple[Shape, ...]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a .npz file, bit for bit.

        Parameters
        ----------
        path : str or path-like
            The file's name, taken as it is. The file appears whole or not at all: it is renamed
            once it is written.

        Raises
        ------
        ValueError
            If a layer is of a class that this package does not define.
        """
        save_layers(check_path(path, "path"), self.layers)

    def to_torch(self, dtype: Any = None) -> Any:
        """Return a new torch module with the network's weights.

        Parameters
        ----------
        dtype : torch.dtype, optional
            Of its weights; torch.float64 by default, which has them exactly.

        Returns
        -------
        torch.nn.Sequential
            From latents (N, S) to (N, *shapes[-1]). Blocks with skip connections are modules of
            torch.fx. It can be copied, pickled, trained, and read by `from_torch`.

        Raises
        ------
        ImportError
            If torch is not installed.
        ValueError
            If dtype is no floating type or cannot hold a weight; for `PiecewiseAffine`, and a
            `Hardsigmoid` of other numbers than torch's, naming the layer.

        Notes
        -----
        torch is imported here, and nowhere else in the package. `Abs` becomes LeakyReLU(-1), and
        `MaxPool` over channels a pool of reshaped values. In double precision both give the same
        values to rounding. Guarded by tests/model/test_from_torch_and_back.py.
        """
        from reference.model.writers.to_torch import torch_module

        return torch_module(self.layers, self.shapes, dtype)

    def load_into(self, module: Any) -> None:
        """Write the network's weights into the torch module that it was read of, in place.

        Parameters
        ----------
        module : torch.nn.Module
            What `from_torch` was given, or one of the same structure. Its parameters keep their
            precision and device.

        Raises
        ------
        ValueError
            Before anything is written: if the module's layers are not the network's but for
            weights, or the way back is not unique. That is so with batch normalisation, which is
            one with the layer beside it; with weights that are computed (weight_norm, pruning) or
            used twice; with functions of weights in a forward; and without a bias that has become
            other than 0. `to_torch` always has a way.

        Notes
        -----
        All is written, or nothing. Guarded by tests/model/test_from_torch_and_back.py.
        """
        from reference.model.writers.into_torch import load_into

        load_into(module, self.layers, self.shapes)
