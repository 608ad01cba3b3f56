"""The number of parameters that the distribution of x can tell: all coordinates less the gauge."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fast.dgn import DGN
from reference.model import Dense, Network, PiecewiseAffine


def free_parameters(dgn: DGN) -> int:
    """How many parameters of a model the distribution of x can tell: its dimension.

    Parameters
    ----------
    dgn : DGN
        A network of `Dense` layers and activations that bend.

    Returns
    -------
    int
        The largest rank that the Fisher information of x has in the neighbourhood of almost all
        parameters of this architecture and structure of Σx: k of AIC and BIC.

    Raises
    ------
    ValueError
        If it is no DGN; if the network has other layers, does not begin with a `Dense` layer, has
        units that do not bend, or two layers of one unit after each other.

    Notes
    -----
    Coordinates are weights, biases, and the entries of Σx and of Σz that may differ. The gauge is
    what changes nothing: z turned and rescaled against the first layer, a unit that bends once
    rescaled about its knot against the next layer, and what goes from one `Dense` layer to another
    where they follow each other. A network without nonlinearity is a Gaussian, which has no more
    than D (D + 1) / 2 parameters beside its mean. A model may have fewer where it stands: of a unit
    that no data reach nothing is told. Guarded by tests/learning/test_free_parameters.py, against
    the rank of the exact scores of a model's own draws, and against `reference`.

    Examples
    --------
    >>> from fast import DGN, Network, ReLU, free_parameters
    >>> free_parameters(DGN(Network.random([2, 8, 5], ReLU(), 0), 1.0))
    61
    """
    if not isinstance(dgn, DGN):
        raise ValueError(f"dgn: expected a DGN, got {dgn!r}")
    runs = _runs(dgn.network)
    _refuse_chains(dgn.network)
    size, latent = dgn.network.observed_dimension, dgn.network.latent_dimension
    noise = _triangle(size) if dgn.cov_x.ndim == 2 else dgn.cov_x.size
    values = dgn.network.parameters().values()
    coordinates = sum(value.size for value in values) + _triangle(latent) + noise
    gauge = _of_latent(runs[0]) + sum(_between(run) for run in runs)
    gauge += sum(_of_scales(one) for one in _before_a_map(dgn.network))
    free = int(coordinates - gauge)
    return min(free, _triangle(size) + size) if len(dgn.network.layers) == len(runs[0]) else free


def _runs(network: Network) -> list[list[Dense]]:
    """The layers that follow each other without a nonlinearity."""
    if not isinstance(network.layers[0], Dense):
        raise ValueError(
            f"dgn: expected a network that begins with a Dense layer, got {network.layers[0]!r}"
        )
    runs: list[list[Dense]] = []
    bent = True
    for layer in network.layers:
        if isinstance(layer, Dense):
            runs += [[]] if bent else []
            runs[-1].append(layer)
            bent = False
        elif isinstance(layer, PiecewiseAffine) and not bent:
            bent = True
            if np.any(np.ptp(layer.unit_slopes, axis=1) == 0):
                raise ValueError(f"dgn: expected units that bend, got {layer!r}")
        else:
            raise ValueError(
                f"dgn: expected Dense layers and one activation between two, got {layer!r}"
            )
    return runs


def _refuse_chains(network: Network) -> None:
    """Raise ValueError where one unit after another may be one: clamps of a clamp are a clamp."""
    bent = [i for i, layer in enumerate(network.layers) if isinstance(layer, PiecewiseAffine)]
    widths = [network.sizes[i + 1] for i in bent]
    if any(a == b == 1 for a, b in pairwise(widths)):
        raise ValueError(
            "dgn: expected no two hidden layers of one unit after each other: what they make of z "
            "one of them may make alone"
        )


def _triangle(size: int) -> int:
    """The entries of a symmetric matrix that may differ."""
    return size * (size + 1) // 2


def _of_latent(run: list[Dense]) -> int:
    """The changes of Σz and of the matrix M of the first run, of rank r, that keep M Σz Mᵀ.

    Those of M's range are symmetric, of r columns; the others leave the range's complement.
    """
    latent, size = run[0].weight.shape[1], run[-1].weight.shape[0]
    rank = _rank(run)
    kept = _triangle(rank) + rank * (size - rank)
    return int(_product(run) + _triangle(latent) - kept)


def _between(run: list[Dense]) -> int:
    """What layers have more than their product, and biases more than the last of them."""
    weights = sum(layer.weight.size for layer in run)
    return int(weights - _product(run) + sum(layer.bias.size for layer in run[:-1]))


def _product(run: list[Dense]) -> int:
    """The dimension of the matrices that the product of layers may be: those of its rank."""
    rank = _rank(run)
    return int(rank * (run[-1].weight.shape[0] + run[0].weight.shape[1] - rank))


def _rank(run: list[Dense]) -> int:
    """The largest rank of a product of layers."""
    return int(min(min(layer.weight.shape) for layer in run))


def _before_a_map(network: Network) -> list[PiecewiseAffine]:
    """The activations whose outputs a layer weighs."""
    return [layer for layer in network.layers[:-1] if isinstance(layer, PiecewiseAffine)]


def _of_scales(activation: PiecewiseAffine) -> int:
    """How many units bend at one knot alone: stretched about it, their outputs are stretched."""
    straight = np.diff(activation.unit_slopes) == 0
    once = np.count_nonzero(~straight, axis=1) == 1
    return int(np.broadcast_to(once, activation.input_shape).sum())
