"""How long enumeration takes."""

from __future__ import annotations

from functools import cache
from time import process_time

import numpy as np

from fast.partition.cost.memory import cells_at_cuts
from fast.partition.layer_maps import after_last_choice, maps_to
from reference.model import Array, MaxPool, Network

# Measured on one core of the machine of docs/partition.md: seconds for a cut, for a cell there is
# at a cut, by dimension, for a region and dimension; and what a region takes over its maps' time.
_CUT = 4e-4
_CELL = {1: 1e-7, 2: 2.5e-7, 3: 4.5e-7, 4: 1.3e-6}
_CELL_BY_CORNERS = 1.2e-5
_REGION = 3.5e-6
_MAPS = 1.5

# What that machine needs to gather so many numbers in no order, seconds.
_NUMBERS, _GATHERED = 500_000, 1e-3
# Regions whose maps are timed, and how often what is timed is.
_REGIONS, _REPEATS = 64, 3


def predicted_seconds(network: Network, after: Array) -> float:
    """Seconds of finding the partition on one core, from the regions after each layer, (L,).

    Constants are those of one machine, in proportion to what this one takes for a small task; what
    maps take is timed. Processor time: it does not matter what else runs.
    """
    latent, regions = network.latent_dimension, float(after[-1])
    cells = sum(float(found.sum()) for found in cells_at_cuts(network, after))
    own = _CUT * sum(network.code_lengths) + _CELL.get(latent, _CELL_BY_CORNERS) * cells
    own += _REGION * latent * regions
    if latent == 1:  # whose maps are found with the intervals
        return slowness() * own
    return slowness() * own + _MAPS * seconds_of_maps(network, after_last_choice(network)) * regions


@cache
def slowness() -> float:
    """What this machine takes for a small task over what that of the constants does: timed once."""
    numbers = np.arange(_NUMBERS, dtype=np.float64)
    order = np.random.default_rng(0).permutation(_NUMBERS)
    found = []
    for _ in range(_REPEATS):
        start = process_time()
        numbers[order]
        found.append(process_time() - start)
    return min(found) / _GATHERED


def seconds_of_maps(network: Network, index: int) -> float:
    """Seconds for one region's map to the input of a layer, or to x for the number of layers."""
    codes = np.concatenate(
        [
            np.full(count, not isinstance(layer, MaxPool), dtype=np.int8)
            for layer, count in zip(network.layers, network.code_lengths, strict=True)
        ]
    )
    found = []
    for _ in range(_REPEATS):
        start = process_time()
        maps_to(network, np.tile(codes, (_REGIONS, 1)), index)
        found.append(process_time() - start)
    return min(found) / _REGIONS
