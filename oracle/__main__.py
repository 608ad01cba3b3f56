"""`python -m oracle`: cross-check both implementations on random architectures; print and keep what
was found."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from oracle.architectures import random_case, random_network
from oracle.campaign import Findings, campaign, latent_dimension_of
from oracle.crosscheck import network_from
from oracle.summary import headline, text


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
        default=Path("oracle_report"),
        help="folder for the report and failing cases (oracle_report)",
    )
    arguments = parser.parse_args(argv)
    existing = next(p for p in (arguments.out, *arguments.out.absolute().parents) if p.exists())
    if not existing.is_dir():
        parser.error(f"argument --out: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        parser.error(f"argument --out: cannot write to {existing}")
    return arguments


def main(argv: list[str]) -> int:
    """Run the cross-check; 0 if nothing is breached, 1 otherwise, 2 for a bad command line."""
    arguments = _arguments(argv)
    start = time.perf_counter()
    seeds = range(arguments.seed, arguments.seed + arguments.architectures)
    bar = partial(tqdm, total=len(seeds), unit="architecture", disable=None)
    found = campaign(seeds, arguments.points, arguments.processes, bar)
    print(
        f"{len(seeds)} random architectures (seeds {seeds[0]} to {seeds[-1]}), "
        f"{arguments.points} points each, {time.perf_counter() - start:.0f} s\n"
    )
    print(text(found))
    print(f"\n{headline(found)}")
    if not found.failed:
        return 0
    for line in found.trouble:
        print(f"NOT COMPARED {line}")
    for breach in _few(found.breaches):
        print(f"BREACH {breach}")
    try:
        _keep(found, arguments.points, arguments.out)
    except OSError as error:
        print(f"python -m oracle: cannot write to {arguments.out}: {error}", file=sys.stderr)
    return 1


def _few(breaches: Iterable[str], most: int = 40) -> list[str]:
    """The first of them."""
    words = list(breaches)
    return words if len(words) <= most else [*words[:most], f"and {len(words) - most} more"]


def _keep(found: Findings, points: int, folder: Path) -> None:
    """Write the models of the seeds that failed."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in found.failed:
        path = folder / f"case-{seed}.json"
        random_case(seed, latent_dimension_of(seed), points).save(path)
        network_from(random_network(seed).layers).save(path.with_name(f"network-{seed}.npz"))
        print(f"failing case written to {path}, its network to partition beside it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
