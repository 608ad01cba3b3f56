"""Many architectures, each through every check that applies to it, in several processes; and once
the checks that no architecture changes: fixed models and proofs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from oracle.checks.enclosures import EnclosureTally, check_enclosure
from oracle.checks.partitions import PartitionTally, check_partition
from oracle.checks.random_models import crosscheck
from oracle.checks.samples import SamplingTallies, SamplingTally, check_sampling
from oracle.checks.tally import Comparison
from oracle.checks.tolerances import TOLERANCES
from oracle.fixed_checks.all_checks import CHECKS, FixedTally, check_fixed
from oracle.models.architectures import random_case
from oracle.proofs.all_proofs import PROOFS

#: The latent dimension of an architecture, by the last digit of its seed. S = 4 is compared with
#: samples alone, and so is every third of the others as well.
LATENT = (1, 2, 1, 2, 1, 3, 1, 2, 1, 4)
SAMPLED_EVERY = 3
#: Of the architectures with S = 1 those whose seed ends in this digit are enclosed by balls, too.
ENCLOSED_DIGIT = 4
#: The tests against samples among which the chance of a false alarm is shared.
MOST_TESTS = 1_000_000


@dataclass(frozen=True)
class Proved:
    """A proof of oracle.proofs.all_proofs: the paper's result, the statement, whether it passed."""

    result: str
    statement: str
    passed: bool


@dataclass
class Findings:
    """What a campaign found.

    Parameters
    ----------
    comparisons
        With random models, by latent dimension.
    partitions
        Of random networks, by implementation.
    fixed
        Checks of the fixed models, by name and implementation.
    sampling
        Tests against samples, by latent dimension.
    enclosures
        Comparisons with proven enclosures.
    proofs
        The proofs with symbols.
    trouble
        What stopped a check, in words.
    failed
        The seeds with a breach or trouble.
    """

    comparisons: dict[int, Comparison] = field(default_factory=dict)
    partitions: dict[str, PartitionTally] = field(default_factory=dict)
    fixed: dict[tuple[str, str], FixedTally] = field(default_factory=dict)
    sampling: dict[int, SamplingTallies] = field(default_factory=dict)
    enclosures: EnclosureTally = field(default_factory=EnclosureTally)
    proofs: list[Proved] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Take in another architecture's."""
        for size, comparison in other.comparisons.items():
            self.comparisons.setdefault(size, Comparison(size)).add(comparison)
        for name, tally in other.partitions.items():
            self.partitions.setdefault(name, PartitionTally()).add(tally)
        for key, fixed in other.fixed.items():
            self.fixed.setdefault(key, FixedTally()).add(fixed)
        for size, tallies in other.sampling.items():
            mine = self.sampling.setdefault(size, {})
            for key, sampled in tallies.items():
                mine.setdefault(key, SamplingTally()).add(sampled)
        self.enclosures.add(other.enclosures)
        self.proofs += other.proofs
        self.trouble += other.trouble
        self.failed += other.failed

    @property
    def breaches(self) -> list[str]:
        """What exceeded all that is allowed, in words."""
        words = [b for _, c in sorted(self.comparisons.items()) for b in c.breaches]
        for name, tally in self.partitions.items():
            words += [f"{name}, partition: {breach}" for breach in tally.breaches]
        words += [breach for tally in self.fixed.values() for breach in tally.breaches]
        words += self.enclosures.breaches
        sampled = [t for _, tallies in sorted(self.sampling.items()) for t in tallies.values()]
        words += [breach for tally in sampled for breach in tally.breaches]
        if sum(tally.tested for tally in sampled) > MOST_TESTS:
            words.append(f"more than {MOST_TESTS} tests against samples: false alarms are likelier")
        words += [f"{p.result}: not proved: {p.statement}" for p in self.proofs if not p.passed]
        return words


def latent_dimension_of(seed: int) -> int:
    """S of the architecture of a seed."""
    return LATENT[seed % len(LATENT)]


def examine(seed: int, points: int) -> Findings:
    """One architecture through every check.

    What stops a check counts as a failure, and is recorded as trouble. That includes the oracle's
    own disagreement.
    """
    found = Findings()
    for check in (_compare, _partition, _sample, _enclose):
        try:
            check(found, seed, points)
        except Exception as error:
            found.trouble.append(f"seed {seed}: {type(error).__name__}: {error}")
    if found.trouble or found.breaches:
        found.failed.append(seed)
    return found


def _compare(found: Findings, seed: int, points: int) -> None:
    size = latent_dimension_of(seed)
    if size in TOLERANCES:
        found.comparisons[size] = crosscheck(random_case(seed, size, points))


def _sample(found: Findings, seed: int, points: int) -> None:
    size = latent_dimension_of(seed)
    if size not in TOLERANCES or seed % SAMPLED_EVERY == 0:
        found.sampling[size] = check_sampling(random_case(seed, size, points), MOST_TESTS)


def _enclose(found: Findings, seed: int, points: int) -> None:
    if seed % 10 == ENCLOSED_DIGIT:
        found.enclosures = check_enclosure(random_case(seed, 1, points))


def _partition(found: Findings, seed: int, points: int) -> None:
    found.partitions.update(check_partition(seed))


def _fixed(name: str) -> Findings:
    """One check of the fixed models."""
    return Findings(fixed={(name, impl): tally for impl, tally in check_fixed(name).items()})


def _proof(number: int) -> Findings:
    """One proof."""
    proof = PROOFS[number]()
    return Findings(proofs=[Proved(proof.result, proof.statement, proof.passed)])


def campaign(
    seeds: range,
    points: int,
    processes: int,
    progress: Callable[[Iterable[Findings]], Iterable[Findings]] = iter,
) -> Findings:
    """Everything found for the architectures of these seeds, and by the checks that are made once.

    The parts are added in their order, whichever process is first.
    """
    total = Findings()
    for found in progress(_each(seeds, points, processes)):
        total.add(found)
    return total


def count(seeds: range) -> int:
    """How many parts a campaign has."""
    return len(seeds) + len(CHECKS) + len(PROOFS)


def _each(seeds: range, points: int, processes: int) -> Iterator[Findings]:
    """One by one: architectures, fixed checks, proofs.

    With one process they run in this one, with more in new ones. Forks would not do: a fork of a
    process that has threads, as after JAX has computed, may hang.
    """
    tasks: list[Callable[[], Findings]] = [partial(examine, seed, points) for seed in seeds]
    tasks += [partial(_fixed, name) for name in CHECKS]
    tasks += [partial(_proof, number) for number in range(len(PROOFS))]
    if processes == 1:
        yield from map(_run, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(_run, tasks)


def _run(task: Callable[[], Findings]) -> Findings:
    return task()
