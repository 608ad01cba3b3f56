"""`python -m oracle`: cross-check both implementations on random architectures, print the table."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from oracle.architectures import random_case
from oracle.crosscheck import (
    IMPLEMENTATIONS,
    TOLERANCES,
    Tallies,
    Tally,
    crosscheck,
    network_from,
)
from oracle.latent_check import LATENT_EVERY, LATENT_TOLERANCES, LatentTally, check_latent
from oracle.partition_check import THINNEST, PartitionTally, check_partition
from oracle.random_networks import random_network


class _Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("expected 0 or more")
    return value


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m oracle", description=__doc__)
    parser.add_argument("--architectures", type=_count, default=100, help="how many (100)")
    parser.add_argument("--seed", type=_seed, default=0, help="seed of the first (0)")
    parser.add_argument("--points", type=_count, default=3, help="data per architecture (3)")
    parser.add_argument("--processes", type=_count, default=2, help="processes to run in (2)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("oracle_failures"),
        help="folder for failing cases (oracle_failures)",
    )
    arguments = parser.parse_args(argv)
    existing = next(p for p in (arguments.out, *arguments.out.absolute().parents) if p.exists())
    if not existing.is_dir():
        parser.error(f"argument --out: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        parser.error(f"argument --out: cannot write to {existing}")
    return arguments


class _Result(NamedTuple):
    """One seed's tallies: of the architecture, of the partition, of the networks with two and three
    latent dimensions; and what stopped them."""

    seed: int
    tallies: Tallies
    partitions: dict[str, PartitionTally]
    latent: list[LatentTally]
    trouble: list[str]


def _check(seed: int, points: int) -> _Result:
    """One architecture, one network to partition, and sometimes others, in a worker process."""
    result = _Result(seed, {}, {}, [], [])
    steps: list[Callable[[], None]] = [
        lambda: result.tallies.update(crosscheck(random_case(seed, points))),
        lambda: result.partitions.update(check_partition(seed)),
    ]
    for size, every in LATENT_EVERY.items():
        if seed % every == 0:
            steps.append(partial(_add_latent, result, size, points))
    for step in steps:
        try:
            step()
        except Exception as error:
            # Whatever stops a comparison, the oracle's own disagreement included, is a failure.
            result.trouble.append(f"{type(error).__name__}: {error}")
    return result


def _add_latent(result: _Result, size: int, points: int) -> None:
    result.latent.append(check_latent(result.seed, size, points))


def _results(arguments: argparse.Namespace) -> Iterator[_Result]:
    """The tallies of all seeds, in order, with a progress bar when there is a terminal."""
    seeds = range(arguments.seed, arguments.seed + arguments.architectures)
    with multiprocessing.Pool(arguments.processes) as pool:
        yield from tqdm(
            pool.imap(partial(_check, points=arguments.points), seeds),
            total=len(seeds),
            unit="architecture",
            disable=None,
        )


def table(tallies: Tallies, tolerances: dict[str, dict[str, float]]) -> str:
    """The verification table, a line a quantity and implementation; tolerances by implementation
    and quantity."""
    lines = [
        f"{'quantity':33}{'tolerance':>11}  {'':10}{'compared':>9}{'worst error':>13}  {'where':22}"
        f"{'beyond':>7}{'by part.':>9}{'empty':>7}{'max κ':>9}{'share of κε':>13}{'breaches':>10}"
    ]
    for quantity in tolerances["fast"]:
        label = quantity
        for name in IMPLEMENTATIONS:
            tolerance = tolerances[name][quantity]
            t = tallies.get((quantity, name), Tally())
            ill = f"{t.kappa:9.0e}{t.share:13.2f}" if t.conditioned else f"{'-':>9}{'-':>13}"
            lines.append(
                f"{label:33}{tolerance:11.0e}  {name:10}{t.compared:9}{t.worst:13.1e}  "
                f"{t.where:22}{t.conditioned:7}{t.by_partition:9}{t.empty:7}{ill}"
                f"{len(t.breaches):10}"
            )
            label = ""
    return "\n".join(lines)


_LEGEND = """
worst error: the largest among comparisons within the tolerance; units of max(1, |log p|) for log
densities, standard deviations for moments, absolute for masses.
beyond: comparisons past the tolerance, all judged by the problem's condition number κ times
ε = 2^-52, κ from perturbed inputs; by part.: those that needed the κ in which the doubles of the
partition (A_ω, b_ω, breakpoints) count among the inputs; empty: those with κε > 1, where nothing is
shown; share of κε: the worst of all beyond (1.00 would be a breach).
Every truth was computed at two precisions that agree to 20 digits; with S = 2 and 3 to 25, and with
S = 2 once more by nested quadrature, which agrees to 12."""


def latent_summary(total: LatentTally) -> str:
    """The networks of one latent dimension, two or three: how many, and their table."""
    counts = [
        f"{name} {total.networks[name]} networks of {total.regions[name]} regions, "
        f"{total.declined.get(name, 0)} times outside its validity"
        for name in IMPLEMENTATIONS
        if name in total.networks
    ]
    heading = f"\nS = {total.dimension}, every kind of layer: {'; '.join(counts) or 'none drawn'}"
    if not counts:
        return heading
    return f"{heading}\n\n{table(total.tallies, LATENT_TOLERANCES[total.dimension])}"


def partition_summary(partitions: dict[str, PartitionTally]) -> str:
    """A line an implementation on how its regions compare with the exact ones."""
    lines = ["\nLatent partition, S = 1 to 3, every kind of layer, against exact arithmetic:"]
    for name, tally in partitions.items():
        lines.append(
            f"{name:10}{tally.networks:6} networks, {tally.regions} regions code for code; "
            f"{tally.slivers} absent that are thinner than {THINNEST:g}; "
            f"{len(tally.breaches)} other differences"
        )
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run the cross-check; 0 if nothing is breached, 1 otherwise, 2 for a bad command line."""
    arguments = _arguments(argv)
    start = time.perf_counter()
    total: Tallies = {}
    partitions = {name: PartitionTally() for name in IMPLEMENTATIONS}
    latent = {size: LatentTally(size) for size in LATENT_EVERY}
    failed: list[int] = []
    stopped: list[str] = []
    for result in _results(arguments):
        for key, tally in result.tallies.items():
            total.setdefault(key, Tally()).add(tally)
        for name, partition in result.partitions.items():
            partitions[name].add(partition)
        for checked in result.latent:
            latent[checked.dimension].add(checked)
        if result.trouble:
            stopped += [f"seed {result.seed}: {trouble}" for trouble in result.trouble]
        every: list[Tally | PartitionTally | LatentTally] = [*result.tallies.values()]
        every += [*result.partitions.values(), *result.latent]
        if result.trouble or any(tally.breaches for tally in every):
            failed.append(result.seed)
    last = arguments.seed + arguments.architectures - 1
    print(
        f"{arguments.architectures} random architectures (seeds {arguments.seed} to {last}), "
        f"{arguments.points} points each, S = 1, {time.perf_counter() - start:.0f} s\n"
    )
    print(table(total, dict.fromkeys(IMPLEMENTATIONS, TOLERANCES)))
    print(_LEGEND)
    for name in IMPLEMENTATIONS:
        count = sum(t.one_sided for (_, other), t in total.items() if other == name)
        if count:
            print(f"Not compared, in regions only the oracle or only {name} has: {count} values.")
    print(partition_summary(partitions))
    for checked in latent.values():
        print(latent_summary(checked))
    if not failed:
        print("\nNo breach.")
        return 0
    for line in stopped:
        print(f"NOT COMPARED {line}")
    for (_, name), tally in total.items():
        for breach in tally.breaches[:5]:
            print(f"BREACH {name}: {breach}")
    for name, partition in partitions.items():
        for breach in partition.breaches[:5]:
            print(f"BREACH {name}, partition: {breach}")
    for checked in latent.values():
        for breach in checked.breaches[:5]:
            print(f"BREACH {breach}")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for seed in failed:
            path = arguments.out / f"case-{seed}.json"
            random_case(seed, arguments.points).save(path)
            network_from(random_network(seed).layers).save(path.with_name(f"network-{seed}.npz"))
            print(f"failing case written to {path}, its network to partition beside it")
    except OSError as error:
        print(f"python -m oracle: cannot write to {arguments.out}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
