"""Both implementations' partitions against the exact one on random networks, code for code.

Like oracle.checks.random_models, only here to compare: it runs the implementations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import fast
import reference
from oracle.checks.implementations import IMPLEMENTATIONS, network_from
from oracle.exact.layers import layers_of
from oracle.exact.regions import ExactRegion, exact_regions
from oracle.models.architectures import random_network

# The reference counts some hundred regions a second.
_MOST_FOR_REFERENCE = 200


@dataclass
class PartitionTally:
    """Partitions of random networks against the exact ones.

    Parameters
    ----------
    networks
        How many were compared.
    regions
        How many they have in exact arithmetic.
    refused
        Seeds of networks that the implementation refused with a PartitionError.
    differences
        What else differed, in words.
    """

    networks: int = 0
    regions: int = 0
    refused: list[int] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def breaches(self) -> list[str]:
        """What differed, and what was refused."""
        return [*self.differences, *(f"seed {seed}: refused" for seed in self.refused)]

    def add(self, other: PartitionTally) -> None:
        """Take in the comparisons of another network."""
        self.networks += other.networks
        self.regions += other.regions
        self.refused += other.refused
        self.differences += other.differences


def check_partition(
    seed: int, implementations: dict[str, ModuleType] | None = None
) -> dict[str, PartitionTally]:
    """The random network of a seed: a tally for each implementation that could count its regions.

    Any exception of an implementation is a breach.
    """
    drawn = random_network(seed)
    network = network_from(drawn.layers)
    exact = exact_regions(layers_of(network))
    result: dict[str, PartitionTally] = {}
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        if name == "reference" and len(exact) > _MOST_FOR_REFERENCE:
            continue
        try:
            found = impl.DGN(network, 1.0).partition()
        except (reference.PartitionError, fast.PartitionError):
            result[name] = PartitionTally(networks=1, refused=[seed])
            continue
        except Exception as error:
            trouble = f"seed {seed} ({drawn.label}): {type(error).__name__}: {error}"
            result[name] = PartitionTally(1, len(exact), differences=[trouble])
            continue
        wrong = [f"seed {seed} ({drawn.label}): {words}" for words in compare(found, exact)]
        result[name] = PartitionTally(1, len(exact), differences=wrong)
    return result


def compare(found: Any, exact: list[ExactRegion]) -> list[str]:
    """What is wrong with a partition: its codes are those of exact arithmetic, each once."""
    codes = [tuple(map(int, code)) for code in found.codes]
    known = {region.code for region in exact}
    wrong = [f"a region of code {code} that is not there" for code in set(codes) - known]
    wrong += [f"no region of code {code}" for code in known - set(codes)]
    if len(set(codes)) < len(codes):
        wrong.append("a region twice")
    return wrong
