"""Where training starts: random networks, and random networks whose images lie among the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reference.model import (
    Array,
    Conv2d,
    Dense,
    Layer,
    Network,
    RandomState,
    check_covariance,
    check_points,
    check_random_state,
)

# Draws of z by which a network is placed.
_DRAWS = 1000


def random_like(network: Network, rng: np.random.Generator) -> Network:
    """The same layers with weights N(0, 2 / n_in) and biases N(0, 1)."""
    values: dict[str, Array] = {}
    for name, value in network.parameters().items():
        if name.endswith(".bias"):
            values[name] = rng.standard_normal(value.shape)
        else:
            values[name] = rng.standard_normal(value.shape) * np.sqrt(2.0 / value[0].size)
    return network.with_parameters(values)


def initial_network(
    network: Network,
    X: ArrayLike,
    cov_z: ArrayLike | None = None,
    random_state: RandomState = None,
) -> Network:
    """The same layers with random weights, placed on the prior and on the data X (N, D).

    Every unit's input has standard deviation 1 under z ~ N(0, Σz) and is zero at a draw from it, so
    that kinks lie where the prior's mass is; the last weights are scaled and shifted, by one number
    and one vector, to give g(z) the data's mean and total variance. Raises ValueError on bad input.
    Measured against untouched random networks in tests/learning/test_starts.py.
    """
    if not isinstance(network, Network):
        raise ValueError(f"network: expected a reference.Network, got {network!r}")
    data = check_points(X, "X", network.observed_dimension)
    latent = network.latent_dimension
    cov = check_covariance(1.0 if cov_z is None else cov_z, "cov_z", latent)
    root = np.linalg.cholesky(cov if cov.ndim == 2 else cov * np.eye(latent))
    rng = check_random_state(random_state)
    drawn = random_like(network, rng)
    learnable = [i for i, one in enumerate(network.layers) if isinstance(one, Dense | Conv2d)]
    hidden = rng.standard_normal((_DRAWS, latent)) @ root.T
    layers: list[Layer] = []
    for i, layer in enumerate(drawn.layers):
        if i == learnable[-1]:
            layer = _on_data(layer, hidden, data)
        elif i in learnable:
            layer = _on_prior(layer, hidden, rng)
        hidden = layer.apply(hidden)
        layers.append(layer)
    return Network(layers)


def _channels(layer: Layer, outputs: Array) -> Array:
    """Outputs (M, n_out) as (M, units, places): a unit of a convolution has many places."""
    return outputs.reshape(len(outputs), len(layer.parameters()["bias"]), -1)


def _on_prior(layer: Layer, hidden: Array, rng: np.random.Generator) -> Layer:
    """Every unit of deviation one, and zero at one of the draws."""
    values = layer.parameters()
    weight, bias = values["weight"], values["bias"]
    outputs = _channels(layer, layer.apply(hidden)) - bias[:, None]
    deviation = outputs.std(axis=(0, 2))
    scale = 1.0 / np.where(deviation > 0, deviation, 1.0)
    draws, units, places = outputs.shape
    zeros = outputs[
        rng.integers(draws, size=units), np.arange(units), rng.integers(places, size=units)
    ]
    scaled = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    return _placed_like(layer, {"weight": scaled, "bias": -scale * zeros})


def _on_data(layer: Layer, hidden: Array, data: Array) -> Layer:
    """The images' mean and total variance are the data's, as far as a bias can say it."""
    values = layer.parameters()
    outputs = _channels(layer, layer.apply(hidden)) - values["bias"][:, None]
    spread = np.sqrt(np.square(outputs - outputs.mean(axis=0)).sum(axis=(1, 2)).mean())
    wanted = np.sqrt(np.square(data - data.mean(axis=0)).sum(axis=1).mean())
    scale = wanted / spread if spread > 0 and wanted > 0 else 1.0
    if outputs[0].size == data.shape[1]:
        target = _channels(layer, data.mean(axis=0, keepdims=True))[0].mean(axis=1)
    else:
        target = np.full(outputs.shape[1], data.mean())
    bias = target - scale * outputs.mean(axis=(0, 2))
    return _placed_like(layer, {"weight": scale * values["weight"], "bias": bias})


def _placed_like(layer: Layer, values: dict[str, Array]) -> Layer:
    """The layer with these arrays, placed on the same input."""
    assert isinstance(layer, Dense | Conv2d)
    moved = layer.with_parameters(dict(values))
    return moved.placed(layer.input_shape) if isinstance(layer, Conv2d) else moved
