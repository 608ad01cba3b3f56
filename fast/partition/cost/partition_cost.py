"""What finding a partition costs, in regions, seconds and bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.partition.cost.memory import predicted_memory
from fast.partition.cost.regions import regions_after_layers
from fast.partition.cost.seconds import predicted_seconds
from reference.model import Network


class Spent(NamedTuple):
    """Seconds of one core, and the most bytes that are taken at once."""

    seconds: float
    memory: float


def partition_cost(network: Network) -> tuple[float, Spent]:
    """About how many regions there are, and what finding them takes.

    Raises OutOfRange where the network's values leave the range of doubles.
    """
    # What overflows shows in the maps, and is refused by name.
    with np.errstate(over="ignore", invalid="ignore"):
        after = regions_after_layers(network)
    spent = Spent(predicted_seconds(network, after), predicted_memory(network, after))
    return float(after[-1]), spent
