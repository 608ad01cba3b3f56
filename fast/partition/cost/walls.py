"""The half-spaces of the regions of points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from fast.partition.exact_vertices import OutOfRange
from fast.partition.layer_maps import Maps
from reference.model import Array, Codes, Indices, Layer, Mask, MaxPool, Network


class Walls(NamedTuple):
    """The half-spaces (n, m, S + 1) of the regions of n points, and last that of infinity; of which
    layer each is, and of which window and candidate: windows' candidates cut one after another."""

    rows: Array
    layers: Indices  # (m,)
    winners: Indices  # (n, m): which row is that of the window's winner; of a unit, -1

    def earlier(self, which: Indices, crossed: Indices) -> Mask:
        """Of walls that are crossed, one a point, those that are there before it cuts."""
        row = np.arange(self.rows.shape[1])
        last = np.maximum(crossed, self.winners[which, crossed])
        before = (row < last[:, None]) & (row != crossed[:, None])
        before[:, -1] = True
        return np.asarray(before)


def walls_at(network: Network, last: int, points: Array) -> Walls:
    """The half-spaces of the regions of points (n, S), up to layer `last`.

    Raises OutOfRange where a map is no double.
    """
    rows, layers, winners, start = [], [], [], 0
    for i, codes, maps in _passes(network, last, points):
        if codes.shape[1]:
            normals, heights = network.layers[i].halfspaces(codes, *maps)
            rows.append(np.concatenate([normals, heights[..., None]], axis=-1))
            layers.append(np.full(normals.shape[1], i))
            winners.append(_winners(network.layers[i], codes, start))
            start += normals.shape[1]
    infinity = np.zeros((len(points), 1, points.shape[1] + 1))
    infinity[..., -1] = 1.0
    none = np.full((len(points), 1), -1)
    return Walls(
        rows=np.concatenate([*rows, infinity], axis=1),
        layers=np.concatenate([*layers, [-1]]),
        winners=np.concatenate([*winners, none], axis=1),
    )


def _passes(network: Network, last: int, points: Array) -> Iterable[tuple[int, Codes, Maps]]:
    """Layer by layer the codes of points and the maps of their regions to the layer's input."""
    n, latent = points.shape
    maps = Maps(np.broadcast_to(np.eye(latent), (n, latent, latent)), np.zeros((n, latent)))
    for i, layer in enumerate(network.layers[:last]):
        codes = np.empty((n, 0), dtype=np.int8)
        if network.code_lengths[i]:
            codes = _codes(layer, maps, points)
        yield i, codes, maps
        maps = Maps(*layer.propagate(codes, *maps))
        if not (np.all(np.isfinite(maps.slopes)) and np.all(np.isfinite(maps.offsets))):
            raise OutOfRange


def _codes(layer: Layer, maps: Maps, points: Array) -> Codes:
    normals, heights = layer.cuts(*maps)
    values = np.einsum("nms,ns->nm", normals, points) + heights
    return layer.code(np.where(values < 0, -1, 1).astype(np.int8))


def _winners(layer: Layer, codes: Codes, start: int) -> Indices:
    """For each half-space of a layer the row of its window's winner; -1 for units."""
    if not isinstance(layer, MaxPool):
        return np.full(codes.shape, -1)
    width = layer.windows.shape[1]
    rows = start + np.arange(codes.shape[1]) * width + codes
    return np.repeat(rows, width, axis=1)
