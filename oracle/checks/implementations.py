"""The two implementations, and what they say in the oracle's words."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import fast
import reference
from oracle.models.case import Case
from oracle.models.descriptions import Description
from oracle.models.values import Key
from reference.model import (
    Abs,
    AdaptiveAvgPool,
    AvgPool,
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Flatten,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PiecewiseAffine,
    PixelShuffle,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Residual,
    Upsample,
    ZeroPad,
)

IMPLEMENTATIONS: dict[str, ModuleType] = {"reference": reference, "fast": fast}
#: Another route of `fast`: the regions that can matter for given data, found box by box.
LOCAL = "fast, local"
#: Everything that is compared.
ROUTES = (*IMPLEMENTATIONS, LOCAL)
_LAYERS: dict[str, Any] = {
    layer.__name__: layer
    for layer in (
        Abs,
        AdaptiveAvgPool,
        AvgPool,
        Conv1d,
        Conv2d,
        ConvTranspose1d,
        ConvTranspose2d,
        Dense,
        Flatten,
        Hardsigmoid,
        Hardtanh,
        LeakyReLU,
        MaxPool,
        PiecewiseAffine,
        PixelShuffle,
        PReLU,
        ReLU,
        ReLU6,
        Reshape,
        Upsample,
        ZeroPad,
    )
}


def network_of(case: Case) -> Network:
    """The case's network, built from its description."""
    return network_from(case.layers)


def network_from(layers: tuple[Description, ...]) -> Network:
    """The network of a description, as oracle.models.architectures makes them."""
    return Network([_layer_from(*layer) for layer in layers])


def _layer_from(kind: str, settings: dict[str, Any]) -> Any:
    """One layer, or a block of several."""
    if kind != "Residual":
        return _LAYERS[kind](**settings)
    branches = {name: [_layer_from(*one) for one in branch] for name, branch in settings.items()}
    return Residual(**branches)


def codes_of(dgn: Any) -> list[tuple[int, ...]]:
    """The codes of an implementation's regions, in its order."""
    return [tuple(int(v) for v in code) for code in dgn.partition().codes]


def moments(name: str, mean: Any, cov: Any, code: tuple[int, ...] = ()) -> dict[Key, float]:
    """The entries of "<name> mean" and of "<name> covariance"; code: of the region, if of one."""
    return {**entries(f"{name} mean", mean, code), **entries(f"{name} covariance", cov, code)}


def entries(name: str, array: Any, code: tuple[int, ...]) -> dict[Key, float]:
    """The entries of a vector, or of the lower half of a symmetric matrix."""
    places = [i for i in np.ndindex(array.shape) if len(i) < 2 or i[1] <= i[0]]
    return {(name, (*code, *i)): array[i] for i in places}
