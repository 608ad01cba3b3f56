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

#: Regions thinner than this (oracle.exact.cone.Cone.thickness) may be absent: double precision
#: knows a boundary to 1e-16 times the condition of the network, up to 1e2 in these small ones.
THINNEST = 1e-13
#: So may regions all of which is farther than this from 0: boundaries of neurons that are all but
#: dead cross there, and the prior's mass is below exp(-1e11).
FARTHEST = 10**6

# The reference solves a linear program for every half-space of every region.
_MOST_FOR_REFERENCE = 60
# The share of networks that may be refused.
_MOST_REFUSED = 0.01


@dataclass
class PartitionTally:
    """Partitions of random networks against the exact ones.

    Parameters
    ----------
    networks
        How many were compared.
    regions
        How many they have in exact arithmetic.
    slivers
        Regions that are absent, because they are thinner than rounding or very far away.
    refused
        Seeds of networks that the implementation refused with a PartitionError.
    differences
        What else differed, in words.
    """

    networks: int = 0
    regions: int = 0
    slivers: int = 0
    refused: list[int] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def breaches(self) -> list[str]:
        """What differed; and refusals, if they are more than a few."""
        if len(self.refused) <= 1 + _MOST_REFUSED * self.networks:
            return self.differences
        return [*self.differences, f"refused {len(self.refused)} of {self.networks} networks"]

    def add(self, other: PartitionTally) -> None:
        """Take in the comparisons of another network."""
        self.networks += other.networks
        self.regions += other.regions
        self.slivers += other.slivers
        self.refused += other.refused
        self.differences += other.differences


def check_partition(
    seed: int, implementations: dict[str, ModuleType] | None = None
) -> dict[str, PartitionTally]:
    """The random network of a seed: a tally for each implementation that could count its regions.

    Any exception of an implementation is a breach, but for a PartitionError, which says where
    double precision is not enough for it.
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
            result[name] = PartitionTally(1, 0, 0, [seed])
            continue
        except Exception as error:
            trouble = f"seed {seed} ({drawn.label}): {type(error).__name__}: {error}"
            result[name] = PartitionTally(1, len(exact), 0, [], [trouble])
            continue
        slivers, wrong = compare(found, exact)
        breaches = [f"seed {seed} ({drawn.label}): {words}" for words in wrong]
        result[name] = PartitionTally(1, len(exact), slivers, [], breaches)
    return result


def compare(found: Any, exact: list[ExactRegion]) -> tuple[int, list[str]]:
    """How many slivers of the exact regions a partition lacks, and what else is wrong with it."""
    codes = [tuple(map(int, code)) for code in found.codes]
    known = {region.code for region in exact}
    absent = [region for region in exact if region.code not in set(codes)]
    slivers = [r for r in absent if r.cone.thickness() < THINNEST or _beyond(r, FARTHEST)]
    wrong = [f"a region of code {code} that is not there" for code in set(codes) - known]
    wrong += [f"no region of code {r.code}" for r in absent if r not in slivers]
    if len(set(codes)) < len(codes):
        wrong.append("a region twice")
    return len(slivers), wrong


def _beyond(region: ExactRegion, distance: int) -> bool:
    """Whether all of a region is farther than this from 0, in the largest coordinate; exactly."""
    cone = region.cone
    size = len(cone.bounds[0]) - 1 if cone.bounds else 0
    for axis in range(size):
        for side in (1, -1):
            inwards = (*(side * int(i == axis) for i in range(size)), distance)
            sign = cone.sign(inwards)
            if sign is not None and sign <= 0:
                return True
            if sign is None:
                cone = cone.part(inwards)
    return False
