"""How many parameters a model has that the distribution of x can tell, as AIC and BIC need it.

The parameter vector is longer. z may be turned and rescaled against the first layer; the inputs of
a unit that bends once against the next layer; and where layers follow each other without a
nonlinearity, their product alone is seen.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from reference.dgn import DGN
from reference.model.activations import PiecewiseAffine
from reference.model.dense import Dense


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
        parameters of this architecture and structure of Σx.

    Raises
    ------
    ValueError
        If it is no DGN; if the network has other layers, does not begin with a `Dense` layer, has
        units that do not bend, or two layers of one unit after each other.

    Notes
    -----
    The first affine map sees z as W Σz Wᵀ, of rank r: n r - r (r - 1) / 2 numbers. A later one
    from m to n units has r (m + n - r), and each has n biases. A unit that bends at zero alone
    takes one away: its scale. Σx has 1, D or D (D + 1) / 2. A network without nonlinearity is a
    Gaussian, which has no more than D (D + 1) / 2 beside its mean. A unit that no data reach has
    fewer; all parameters count as free, also Σx at its noise floor. Guarded by
    tests/learning/test_free_parameters.py, against the rank of the exact scores of draws.

    Examples
    --------
    >>> from reference import DGN, Network, ReLU
    >>> free_parameters(DGN(Network.random([2, 8, 5], ReLU(), 0), 1.0))
    61
    """
    if not isinstance(dgn, DGN):
        raise ValueError(f"dgn: expected a DGN, got {dgn!r}")
    maps, activations = affine_maps(dgn)
    hidden = [widths[-1] for widths in maps[: len(activations)]]
    if (1, 1) in pairwise(hidden):
        raise ValueError(
            "dgn: expected no two hidden layers of one unit after each other: what they make of z "
            "one of them may make alone"
        )
    dimension = maps[-1][-1]
    noise = (1, dimension, dimension * (dimension + 1) // 2)[dgn.cov_x.ndim]
    found = covariance_of_rank(maps[0][-1], min(maps[0]))
    if not activations:
        return min(found + noise, dimension * (dimension + 1) // 2) + dimension
    for widths in maps[1:]:
        rank = min(widths)
        found += rank * (widths[0] + widths[-1] - rank)
    biases = sum(widths[-1] for widths in maps)
    # After the last affine map nothing takes the scale.
    scales = sum(map(rescalable_units, activations[: len(maps) - 1], (w[-1] for w in maps)))
    return found + biases + noise - scales


def affine_maps(dgn: DGN) -> tuple[list[list[int]], list[PiecewiseAffine]]:
    """The widths along each run of Dense layers, from its input on, and what bends after each."""
    layers = dgn.network.layers
    if not isinstance(layers[0], Dense):
        raise ValueError(f"dgn: expected a network that begins with Dense, got {layers[0]!r}")
    maps: list[list[int]] = []
    activations: list[PiecewiseAffine] = []
    for before, layer in pairwise([None, *layers]):
        if isinstance(layer, Dense):
            outputs, inputs = layer.weight.shape
            if isinstance(before, Dense):
                maps[-1].append(outputs)
            else:
                maps.append([inputs, outputs])
        elif isinstance(layer, PiecewiseAffine) and isinstance(before, Dense):
            if not np.all(np.any(np.diff(layer.unit_slopes), axis=1)):
                raise ValueError(f"dgn: expected units that bend, got {layer!r}")
            activations.append(layer)
        else:
            raise ValueError(
                f"dgn: expected Dense layers and one activation between two, got {layer!r}"
            )
    return maps, activations


def covariance_of_rank(size: int, rank: int) -> int:
    """The dimension of the covariances (size, size) of a rank."""
    return size * rank - rank * (rank - 1) // 2


def rescalable_units(activation: PiecewiseAffine, width: int) -> int:
    """How many units bend once, at t: f(t + c (h - t)) - f(t) is then c (f(h) - f(t)) for c > 0."""
    bends = np.sum(np.diff(activation.unit_slopes) != 0, axis=1)
    return int(np.broadcast_to(bends == 1, (width,)).sum())
