"""Many architectures, each through every check that applies to it, in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from oracle.architectures import random_case
from oracle.crosscheck import Comparison, crosscheck
from oracle.partition_check import PartitionTally, check_partition

#: The latent dimension of an architecture, by the last digit of its seed.
LATENT = (1, 2, 1, 2, 1, 3, 1, 2, 1, 2)


@dataclass
class Findings:
    """What was found: comparisons by latent dimension, partitions by implementation; what stopped a
    check, in words; and the seeds with a breach or trouble."""

    comparisons: dict[int, Comparison] = field(default_factory=dict)
    partitions: dict[str, PartitionTally] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Take in another architecture's."""
        for size, comparison in other.comparisons.items():
            self.comparisons.setdefault(size, Comparison(size)).add(comparison)
        for name, tally in other.partitions.items():
            self.partitions.setdefault(name, PartitionTally()).add(tally)
        self.trouble += other.trouble
        self.failed += other.failed

    @property
    def breaches(self) -> list[str]:
        """What exceeded all that is allowed, in words."""
        words = [b for _, c in sorted(self.comparisons.items()) for b in c.breaches]
        for name, tally in self.partitions.items():
            words += [f"{name}, partition: {breach}" for breach in tally.breaches]
        return words


def latent_dimension_of(seed: int) -> int:
    """S of the architecture of a seed."""
    return LATENT[seed % len(LATENT)]


def examine(seed: int, points: int) -> Findings:
    """One architecture through every check. What stops a check, the oracle's own disagreement
    included, is trouble, and counts as a failure."""
    found = Findings()
    checks: list[Callable[[], None]] = [
        partial(_compare, found, seed, points),
        lambda: found.partitions.update(check_partition(seed)),
    ]
    for check in checks:
        try:
            check()
        except Exception as error:
            found.trouble.append(f"seed {seed}: {type(error).__name__}: {error}")
    if found.trouble or found.breaches:
        found.failed.append(seed)
    return found


def _compare(found: Findings, seed: int, points: int) -> None:
    size = latent_dimension_of(seed)
    found.comparisons[size] = crosscheck(random_case(seed, size, points))


def campaign(
    seeds: range,
    points: int,
    processes: int,
    progress: Callable[[Iterable[Findings]], Iterable[Findings]],
) -> Findings:
    """Everything found for the architectures of these seeds, in their order whoever is first."""
    total = Findings()
    for found in progress(_each(seeds, points, processes)):
        total.add(found)
    return total


def _each(seeds: range, points: int, processes: int) -> Iterator[Findings]:
    with multiprocessing.Pool(processes) as pool:
        yield from pool.imap(partial(examine, points=points), seeds)
