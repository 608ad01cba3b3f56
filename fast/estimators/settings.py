"""What estimators are given, checked when they are fitted, and the model that a fit starts from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from fast.closed_form.noise_floor import floor_of_data
from fast.dgn import DGN
from fast.integration.truncated import MOST_DIMENSIONS
from reference.model import (
    Abs,
    Array,
    Dense,
    Hardtanh,
    Layer,
    LeakyReLU,
    Network,
    PiecewiseAffine,
    ReLU,
    ReLU6,
    check_count,
)

#: Activations by name.
ACTIVATIONS = {
    "relu": ReLU(),
    "leaky_relu": LeakyReLU(0.1),
    "abs": Abs(),
    "hardtanh": Hardtanh(-1.0, 1.0),
    "relu6": ReLU6(),
}
#: Structures of Σx.
NOISES = ("diagonal", "isotropic", "full")


class Counted(NamedTuple):
    """The rows that a fit learns from, and how often each counts; None for once."""

    X: Array
    weights: Array | None


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Return an argument that is one of some texts. Raises ValueError if it is not."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def generator(random_state: Any) -> np.random.Generator:
    """What scikit-learn or numpy takes for a seed, as a Generator.

    A RandomState moves on, as it does wherever scikit-learn draws from it.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    try:
        legacy = check_random_state(random_state)
    except ValueError:
        raise ValueError(
            "random_state: expected None, an integer, a RandomState or a Generator, got "
            f"{random_state!r}"
        ) from None
    return np.random.default_rng(legacy.randint(2**31, size=4))


def latent_dimensions(given: Any) -> int:
    """The number of latent dimensions, of those for which there are rules."""
    latent = check_count(given, "n_components", 1)
    if latent > MOST_DIMENSIONS:
        raise ValueError(
            f"n_components: expected a count of at most {MOST_DIMENSIONS}, beyond which nothing is "
            f"exact, got {latent}"
        )
    return latent


def hidden_sizes(given: Any, name: str = "hidden_layer_sizes") -> tuple[int, ...]:
    """The widths of the hidden layers; one number is one layer."""
    sizes = (given,) if isinstance(given, int | np.integer) else given
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
        raise ValueError(f"{name}: expected integers of at least 1, got {given!r}")
    return tuple(check_count(size, name, 1) for size in sizes)


def activation_of(given: Any) -> PiecewiseAffine:
    """The activation of a name, or what is one itself."""
    if isinstance(given, PiecewiseAffine):
        return given
    return ACTIVATIONS[check_choice(given, "activation", tuple(ACTIVATIONS))]


def starting_model(data: Counted, latent: int, hidden: Any, activation: Any, noise: Any) -> DGN:
    """The architecture, with weights of 0 and all of the data's variance for noise."""
    widths = [latent, *hidden_sizes(hidden), data.X.shape[1]]
    bend = activation_of(activation)
    layers: list[Layer] = []
    for inputs, outputs in pairwise(widths):
        layers += [Dense(np.zeros((outputs, inputs)), np.zeros(outputs)), bend]
    return DGN(Network(layers[:-1]), starting_noise(data, noise))


def starting_noise(data: Counted, noise: Any) -> Array:
    """The variances of data as Σx, in the structure of this name."""
    structure = check_choice(noise, "noise", NOISES)
    like = np.array(1.0) if structure == "isotropic" else np.ones(data.X.shape[1])
    variances = floor_of_data(data.X, like, 1.0, data.weights)
    return np.diag(variances) if structure == "full" else variances
