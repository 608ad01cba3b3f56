"""A network's weights written into the module of torch that it was read of, where that can be done
in one way only: torch is imported by whoever made the module."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from reference.model.arrays import Array
from reference.model.layer_protocol import Layer, Shape
from reference.model.readers.from_torch.structure import Reading, is_torch_module, read_torch
from reference.model.residual import Beside, expanded, weighted
from reference.model.saving import ARGUMENTS

_WEIGHTS = ("weight", "bias")


def load_into(module: Any, layers: Sequence[Layer], shapes: Sequence[Shape]) -> None:
    """Write the layers' weights into a module: see `Network.load_into`."""
    planned: list[tuple[Any, Any]] = []
    for i, place, owner in _places(module, layers, shapes):
        planned += _planned(place, owner, layers[i].parameters())
    _write(planned)


def torch_parameters(
    module: Any, layers: Sequence[Layer], shapes: Sequence[Shape]
) -> dict[str, Any]:
    """Return the parameters of a torch module by their names in the network that it is read as.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    layers : sequence of Layer
        Those of the network.
    shapes : sequence of tuple of int
        The shape of each one's input.

    Returns
    -------
    dict of str to torch.nn.Parameter
        "0.weight", "0.bias", ...; a bias that the module does not have is not there.

    Raises
    ------
    ValueError
        As `Network.load_into`.
    """
    return {
        f"{i}.{name}": getattr(owner, name)
        for i, _, owner in _places(module, layers, shapes)
        for name in _WEIGHTS
        if getattr(owner, name) is not None
    }


def _places(
    module: Any, layers: Sequence[Layer], shapes: Sequence[Shape]
) -> list[tuple[int, str, Any]]:
    """For each layer with weights its number, and which part of the module has them, and where."""
    if not is_torch_module(module):
        raise ValueError(f"module: expected a torch.nn.Module, got {type(module).__name__}")
    reading = read_torch(module)
    theirs = [layer for layer, _ in expanded(reading.layers, shapes[0])[0]]
    owners = _owners(module, reading)
    _refuse_other_layers(layers, theirs)
    result = []
    for i, (mine, their) in enumerate(zip(layers, theirs, strict=True)):
        if not mine.parameters():
            continue
        place, owner = owners.get(id(weighted(their).layer.weight), ("", None))
        if owner is None:
            raise ValueError(
                f"module: layers[{i}], {mine!r}, is made of numbers that its forward computes "
                "with, or of several weights, so that there is no one way back; use to_torch()"
            )
        result.append((i, place, owner))
    return result


def _owners(module: Any, reading: Reading) -> dict[int, tuple[str, Any]]:
    """Which module, and where, has the weights of a layer, by the id of the layer's array.

    Raises ValueError where weights are not the layer's own.
    """
    # A copy was read; its modules come in the same order.
    originals = dict(zip(map(id, reading.copy.modules()), module.modules(), strict=True))
    found: dict[int, tuple[str, Any]] = {}
    uses: Counter[int] = Counter()
    for part in reading.parts.parts:
        if part.normalisation is not None:
            raise ValueError(
                f"{part.place}: what it multiplies by is one with the layer beside it in the "
                "network, so that there is no one way back; use to_torch()"
            )
        original = originals.get(id(part.run))
        own = [layer for layer in part.layers if layer.parameters()]
        if original is None or not own:
            continue
        _refuse_computed(part.place, original, part.rounded)
        uses.update(id(value) for value in original.parameters(recurse=False))
        if any(uses[id(value)] > 1 for value in original.parameters(recurse=False)):
            raise ValueError(
                f"{part.place}: its weights are used more than once, and the network's layers have "
                "weights of their own; use to_torch()"
            )
        found |= {id(weighted(layer).layer.weight): (part.place, original) for layer in own}
    return found


def _refuse_computed(place: str, module: Any, rounded: bool) -> None:
    """Raise ValueError where a weight is no parameter, but computed from others."""
    if rounded or "weight" not in module._parameters or module._forward_pre_hooks:
        raise ValueError(
            f"{place}: its weight is computed (weight_norm, spectral_norm, pruning, ...), so that "
            "there is no one way back; make it a plain weight first, as with remove_weight_norm, "
            "remove_parametrizations or prune.remove, or use to_torch()"
        )


def _refuse_other_layers(mine: Sequence[Layer], theirs: Sequence[Layer]) -> None:
    """Raise ValueError unless all is the same but weights."""
    if len(mine) != len(theirs):
        raise ValueError(
            f"module: expected the {len(mine)} layers of the network, got {len(theirs)}; pass the "
            "module that the network was read of"
        )
    for i, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        if _kind(one) != _kind(other):
            raise ValueError(
                f"module: layers[{i}] is {one!r} in the network, and {other!r} in the module; pass "
                "the module that the network was read of"
            )


def _kind(layer: Layer) -> tuple[object, ...]:
    """What of a layer is not learnt, and the shapes of what is."""
    own = layer.layer if isinstance(layer, Beside) else layer
    learnt = own.parameters()
    settings = [
        np.shape(getattr(own, name)) if name in learnt else np.asarray(getattr(own, name)).tolist()
        for name in ARGUMENTS.get(type(own), ())
    ]
    return type(own), getattr(layer, "surroundings", None), settings


def _planned(place: str, module: Any, values: dict[str, Array]) -> list[tuple[Any, Any]]:
    """Parameters, and the tensors that are to be written into them."""
    torch = sys.modules["torch"]
    result = []
    for name in _WEIGHTS:
        parameter, value = getattr(module, name), values[name]
        if parameter is None:
            if np.any(value):
                raise ValueError(
                    f"{place}: it has no bias, and the network's is not 0 any more; make it with "
                    "bias=True, or learn without that bias"
                )
            continue
        tensor = torch.from_numpy(np.array(value)).to(parameter.device, parameter.dtype)
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"{place}: {name} is beyond the range of {parameter.dtype}; make the module wider "
                "first, as with .double()"
            )
        result.append((parameter, tensor))
    return result


def _write(planned: Sequence[tuple[Any, Any]]) -> None:
    """Write all tensors into their parameters, or none."""
    with sys.modules["torch"].no_grad():
        before = [parameter.detach().clone() for parameter, _ in planned]
        try:
            for parameter, tensor in planned:
                parameter.copy_(tensor)
        except BaseException:
            for (parameter, _), old in zip(planned, before, strict=True):
                parameter.copy_(old)
            raise
