"""The memory that enumeration takes: of what is held, and of what will be."""

from __future__ import annotations

from math import comb

import numpy as np

from fast.partition.layer_maps import after_last_choice
from reference.model import Array, Network

# From so many dimensions on cells are known by their corners alone: fewer have few faces.
BY_CORNERS = 5
# Units whose values are set aside together while they cut.
BLOCK = 16

# Over what is held, what a cut takes beside it: copies of what grows, and which faces are where.
CUTTING = 1.55
SPARE_VALUES = 1.3
# Bytes for each corner of each cell: while cells by their corners are cut, and in either case when
# regions are made of cells.
CUTTING_CORNERS = 48.0
_JOINING = 270.0
_JOINING_CORNERS = 62.0
# Bytes for each unit of each region: codes, and two copies in order.
_CODES = 5.0
# What chunks take, whatever the size; and what is never refused, for these alone may take it.
_CHUNKS = 12e6
LEAST = 2e7
# Numbers held at once, for each input and for each output of a vertex that passes a layer.
_PASSING = 4.0, 5.0
# Bytes of all faces for each cell, by dimension, and of values and errors for each vertex and unit.
_FACES = {2: 135.0, 3: 480.0, 4: 1150.0}
_VALUES = 16.0
# Bytes for each unit of a layer on each interval: S = 1.
_INTERVAL = 100.0
# What grows is this much larger than it need be, on average.
_SPARE = 1.25


class TooMuchMemory(Exception):
    """Enumeration would take more memory than allowed, `needed` bytes or more."""

    def __init__(self, needed: float) -> None:
        super().__init__(f"{needed} bytes")
        self.needed = needed


def joining(regions: float, units: int, corners: float, by_corners: bool) -> float:
    """Bytes at the most while cells become regions with facets and corners, the cells included.

    corners: how many corners all cells have together; by_corners: whether these alone are held.
    """
    each = _JOINING_CORNERS if by_corners else _JOINING
    return _CHUNKS + _CODES * regions * units + each * corners


def corners_of_a_cell(units: int, dimension: int) -> float:
    """How many corners cells have on average, those at infinity included, if their boundaries are
    so many hyperplanes in general position."""
    cells = sum(comb(units, k) for k in range(dimension + 1))
    return 2.0**dimension * (comb(units, dimension) + comb(units, dimension - 1)) / cells


def passing_a_vertex(inputs: int, outputs: int) -> float:
    """Bytes for a vertex while its values pass a layer of this size."""
    return 8.0 * (_PASSING[0] * inputs + _PASSING[1] * outputs)


def of_an_interval(network: Network) -> float:
    """Bytes for each region of a network with S = 1 while it is found."""
    return _INTERVAL * max(network.sizes) + _CODES * sum(network.code_lengths)


def predicted_memory(network: Network, after: Array) -> float:
    """Bytes at the most of finding the partition, from the regions after each layer, (L,)."""
    if network.latent_dimension == 1:
        return _CHUNKS + of_an_interval(network) * float(after[-1])
    latent, units, regions = network.latent_dimension, sum(network.code_lengths), float(after[-1])
    cutting, before, last = 0.0, 1.0, after_last_choice(network) - 1
    for i, cells in enumerate(cells_at_cuts(network, after)):
        if len(cells):
            left = 1.0 - np.arange(1, len(cells) + 1) / len(cells) if i == last else 1.0
            held = _VALUES * cells * (network.sizes[i] * left + 2 * BLOCK)
            cutting = max(cutting, float(held.max()))
            before = float(cells[-1])
        elif i < last:
            passing = before * passing_a_vertex(network.sizes[i], network.sizes[i + 1])
            cutting = max(cutting, passing / (CUTTING * _SPARE))
    corners, by_corners = regions * corners_of_a_cell(units, latent), latent >= BY_CORNERS
    if by_corners:
        most = _SPARE * cutting + CUTTING_CORNERS * corners
    else:
        faces = CUTTING * (_FACES[latent] + _SPARE * units) * regions
        most = SPARE_VALUES * _SPARE * cutting + faces
    return max(most, joining(regions, units, corners, by_corners))


def cells_at_cuts(network: Network, after: Array) -> list[Array]:
    """How many cells there are after every cut of each layer, from the regions after each layer,
    (L,): as many hyperplanes more with each, S of which meet in a vertex."""
    latent, low, result = network.latent_dimension, 1.0, []
    for count, regions in zip(network.code_lengths, after.tolist(), strict=True):
        high = regions ** (1.0 / latent)
        done = np.arange(1, count + 1) / max(count, 1)
        result.append((low + done * (high - low)) ** latent)
        low = high
    return result
