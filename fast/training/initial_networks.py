"""Where training starts: at a given model, at random networks, or at random networks whose images
lie among the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fast.closed_form.noise_floor import floor_of_data, raised
from fast.dgn import DGN
from fast.training.units import Units
from reference.model import (
    Array,
    Convolution,
    Layer,
    Network,
    RandomState,
    WeightPrior,
    check_count,
    check_covariance,
    check_data,
    check_random_state,
    counted_for_fit,
    is_whole,
    learnable_layers,
    log_weight_prior,
    of_columns,
    weighted,
)

# Draws of z by which a network is placed.
_DRAWS = 1000


def observed_dimension(network: Network | DGN) -> int:
    """D of what training starts from. Raises ValueError if it is neither."""
    if isinstance(network, DGN):
        return network.network.observed_dimension
    if not isinstance(network, Network):
        raise ValueError(f"network: expected a Network or a DGN, got {network!r}")
    return network.observed_dimension


def starting_model(
    network: Network | DGN,
    X: Array,
    cov_x: ArrayLike | None,
    cov_z: ArrayLike | None,
    noise_floor: float,
    counts: Array | None = None,
) -> DGN:
    """The model that training starts from, its Σx above the noise floor of the data.

    A DGN brings covariances, which may be replaced. By default Σx is the mean variance of the data.
    """
    if isinstance(network, DGN):
        start = DGN(
            network.network,
            network.cov_x if cov_x is None else cov_x,
            network.cov_z if cov_z is None else cov_z,
            max_regions=network.max_regions,
            negligible=network.negligible,
            partition=network.partition_choice,
            max_memory=network.max_memory,
            progress=network.progress,
        )
    else:
        given = floor_of_data(X, np.array(1.0), 1.0, counts) if cov_x is None else cov_x
        start = DGN(network, given, cov_z)
    floor = floor_of_data(X, start.cov_x, noise_floor, counts)
    return start.with_parameters({"cov_x": raised(start.cov_x, floor)})


def drawn_start(
    units: Units,
    data: tuple[Array, Array | None],
    init: str,
    prior: WeightPrior | None,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """The parameters of one start, in own units; data in the same, and how often each counts."""
    start = units.start
    if init == "random":
        network = clipped(random_like(start.network, rng), prior)
        start = start.with_parameters(network.parameters())
    own = units.inwards(start)
    network = own.network
    if init == "data":
        network = initial_network(network, data[0], own.cov_z, rng, sample_weight=data[1])
    return {**own.parameters(), **clipped(network, prior).parameters()}


def checked_starts(init: str, n_init: int) -> int:
    """The number of starts. Raises ValueError if it or their kind is wrong."""
    n_init = check_count(n_init, "n_init", 1)
    if init not in ("given", "data", "random"):
        raise ValueError(f'init: expected "given", "data" or "random", got {init!r}')
    if init == "given" and n_init > 1:
        raise ValueError('n_init: expected 1 with init="given", where all starts are the same')
    return n_init


def check_start(dgn: DGN, prior: WeightPrior | None) -> None:
    """ValueError if the prior of the weights rules out the model that training starts from."""
    if log_weight_prior(prior, dgn.parameters().items()) == -np.inf:
        raise ValueError("network: expected weights within the uniform prior's bound")


def clipped(network: Network, prior: WeightPrior | None) -> Network:
    """The network with its weights clipped to the bound of the prior, if that is a uniform one."""
    bound = getattr(prior, "bound", np.inf)
    values = network.parameters()
    return network.with_parameters(
        {n: np.clip(v, -bound, bound) for n, v in values.items() if n.endswith(".weight")}
    )


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
    sample_weight: ArrayLike | None = None,
) -> Network:
    """Draw random weights for a network, placed where the prior's mass and the data are.

    Parameters
    ----------
    network : Network
        Its layers are kept. Its weights and biases are not looked at.
    X : array_like (N, D)
        The data, in their own units; NaN where an entry is not observed.
    cov_z : array_like (), (S,) or (S, S), optional
        The covariance Σz of the latent z: one variance, variances or a matrix. By default I.
    random_state : int, numpy.random.Generator or None
        Where the draws come from; None draws afresh.
    sample_weight : array_like (N,), optional
        How often each row counts; once by default.

    Returns
    -------
    Network
        The same layers with other weights and biases.

    Raises
    ------
    ValueError
        On bad input.

    Notes
    -----
    Every hidden unit's input has standard deviation 1 under z ~ N(0, Σz) and is zero at a draw from
    it. Kinks are therefore where the prior's mass is. The last layer's weights are scaled by one
    number, and its biases set, so that g(z) has the data's mean and total variance. Both hold on
    1,000 draws of z, and as far as the last layer's biases can shift the mean. Guarded by
    tests/learning/test_starts.py, which compares with untouched random networks.

    Examples
    --------
    >>> from fast import LeakyReLU, Network, initial_network
    >>> network = Network.random([1, 4, 2], LeakyReLU(0.1), random_state=0)
    >>> placed = initial_network(network, [[9.0, 9.0], [9.0, 11.0]], random_state=0)
    >>> bool(abs(placed([[0.0]]) - [9.0, 10.0]).max() < 3.0)
    True
    """
    if not isinstance(network, Network):
        raise ValueError(f"network: expected a reference.Network, got {network!r}")
    data, _ = check_data(X, "X", network.observed_dimension, missing=True)
    data, counts = counted_for_fit(data, sample_weight)
    given = 1.0 if cov_z is None else cov_z
    cov = check_covariance(given, "cov_z", network.latent_dimension)
    return _placed(network, _place_of(data, counts), cov, check_random_state(random_state))


def _place_of(data: Array, counts: Array | None) -> tuple[Array, float]:
    """The mean of data, (D,), and the root of their total variance."""
    mean, variances = of_columns(data, counts)
    if counts is None and is_whole(data):
        return mean, float(np.sqrt(np.square(data - mean).sum(axis=1).mean()))
    return mean, float(np.sqrt(variances.sum()))


def _placed(
    network: Network, place: tuple[Array, float], cov_z: Array, rng: np.random.Generator
) -> Network:
    """Random weights, placed layer by layer by draws of z. place: of the data, see `_place_of`."""
    latent = network.latent_dimension
    root = np.linalg.cholesky(cov_z if cov_z.ndim == 2 else cov_z * np.eye(latent))
    drawn = random_like(network, rng)
    learnable = learnable_layers(network)
    hidden = rng.standard_normal((_DRAWS, latent)) @ root.T
    layers: list[Layer] = []
    for i, layer in enumerate(drawn.layers):
        if i == learnable[-1]:
            layer = _moved(layer, _on_data(*_own(layer, hidden), *place))
        elif i in learnable:
            layer = _moved(layer, _on_prior(*_own(layer, hidden), rng))
        hidden = layer.apply(hidden)
        layers.append(layer)
    return Network(layers)


def _channels(layer: Layer, outputs: Array) -> Array:
    """Outputs (M, n_out) as (M, units, places): a unit of a convolution has many places."""
    return outputs.reshape(len(outputs), len(layer.parameters()["bias"]), -1)


def _on_prior(layer: Layer, hidden: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Weights and biases with every unit's output of standard deviation 1, and zero at a draw."""
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
    return {"weight": scaled, "bias": -scale * zeros}


def _on_data(layer: Layer, hidden: Array, mean: Array, wanted: float) -> dict[str, Array]:
    """Weights and biases with outputs of the data's total variance, and of their mean as far as the
    biases allow: a convolution has one for many pixels."""
    values = layer.parameters()
    outputs = _channels(layer, layer.apply(hidden)) - values["bias"][:, None]
    spread = np.sqrt(np.square(outputs - outputs.mean(axis=0)).sum(axis=(1, 2)).mean())
    scale = wanted / spread if spread > 0 and wanted > 0 else 1.0
    if outputs[0].size == len(mean):
        target = _channels(layer, mean[None])[0].mean(axis=1)
    else:
        target = np.full(outputs.shape[1], mean.mean())
    bias = target - scale * outputs.mean(axis=(0, 2))
    return {"weight": scale * values["weight"], "bias": bias}


def _own(layer: Layer, hidden: Array) -> tuple[Layer, Array]:
    """The layer with weights that a layer is, by itself or beside others, and its own inputs."""
    own = weighted(layer)
    return own.layer, hidden[:, own.inputs]


def _moved(layer: Layer, values: dict[str, Array]) -> Layer:
    """The layer with these arrays, placed on the same input."""
    moved = layer.with_parameters(dict(values))
    return moved.placed(layer.input_shape) if isinstance(layer, Convolution) else moved
