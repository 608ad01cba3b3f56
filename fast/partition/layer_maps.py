"""For every region, the affine map from z to a layer's input, and the matrix from a layer's output
to x: what back-propagation and forward propagation are on a piecewise affine network [eq. 8]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Flatten, Network, PiecewiseAffine, Reshape

# Numbers held at once while maps are pushed through the layers.
_BATCH = 1 << 20

# The layers whose derivative is diagonal.
_ELEMENTWISE = (PiecewiseAffine, Flatten, Reshape)


class Maps(NamedTuple):
    """z -> slopes z + offsets on each region: slopes (R, n, S), offsets (R, n)."""

    slopes: Array
    offsets: Array


def after_last_choice(network: Network) -> int:
    """The layer from which on all regions have the same map."""
    return max((i + 1 for i, n in enumerate(network.code_lengths) if n), default=0)


def input_maps(network: Network, codes: Codes) -> list[Maps]:
    """The map from z to the input of each layer, and last to x itself, for frozen codes (R, U)."""
    latent = network.latent_dimension
    maps = Maps(
        np.broadcast_to(np.eye(latent), (len(codes), latent, latent)),
        np.zeros((len(codes), latent)),
    )
    result = [maps]
    for layer, code in zip(network.layers, network.split_code(codes), strict=True):
        maps = Maps(*layer.propagate(code, *maps))
        result.append(maps)
    return result


def maps_to(network: Network, codes: Codes, index: int) -> Maps:
    """The map from z to the input of layer `index`, or to x for the number of layers, for frozen
    codes (R, U): none of the others is kept."""
    latent = network.latent_dimension
    slopes = np.broadcast_to(np.eye(latent), (len(codes), latent, latent))
    offsets = np.zeros((len(codes), latent))
    for layer, code in zip(network.layers[:index], network.split_code(codes), strict=False):
        slopes, offsets = layer.propagate(code, slopes, offsets)
    return Maps(slopes, offsets)


def maps_in_turn(network: Network, codes: Codes, index: int) -> Iterator[tuple[slice, Maps]]:
    """The same of some regions at a time, as many as fit in memory."""
    width = max(network.sizes) * (network.latent_dimension + 1)
    for some in chunks(len(codes), _BATCH, width):
        yield some, maps_to(network, codes[some], index)


def output_rows(network: Network, codes: Codes, index: int) -> Array | None:
    """The derivative of x by the output of layer `index`, (R, D, n_out): B D^l in the paper.

    None where that derivative is diagonal, because only elementwise layers follow: it is then
    `output_diagonal`, and no D x D matrix is formed.
    """
    parts = network.split_code(codes)
    mixing = [
        i
        for i in range(index + 1, len(network.layers))
        if not isinstance(network.layers[i], _ELEMENTWISE)
    ]
    if not mixing:
        return None
    last, its_codes = network.layers[mixing[-1]], parts[mixing[-1]]
    alike = its_codes.shape[1] == 0
    matrices = np.stack([last.derivative(code) for code in (its_codes[:1] if alike else its_codes)])
    rows = output_diagonal(network, codes, mixing[-1])[:, :, None] * matrices
    for i in range(mixing[-1] - 1, index, -1):
        rows = network.layers[i].pull_back(parts[i], rows)
    return rows


def output_diagonal(network: Network, codes: Codes, index: int) -> Array:
    """The diagonal (R, D) of the derivative of x by the output of layer `index`, where only
    elementwise layers follow it."""
    parts = network.split_code(codes)
    rows = np.ones((len(codes), 1, network.observed_dimension))
    for i in range(len(network.layers) - 1, index, -1):
        rows = network.layers[i].pull_back(parts[i], rows)
    return rows[:, 0, :]


def pulled_back(network: Network, codes: Codes, index: int, rows: Array) -> Array:
    """Gradients by x pulled back to the output of layer `index`: rows (R, k, D) -> (R, k,
    n_out)."""
    parts = network.split_code(codes)
    for i in range(len(network.layers) - 1, index, -1):
        rows = network.layers[i].pull_back(parts[i], rows)
    return rows
