"""`python -m oracle`: cross-check both implementations on random architectures; print what was
found, and write a report."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from oracle.campaign.near_degenerate import (
    RESULTS,
    OtherCode,
    near_degenerate_campaign,
)
from oracle.campaign.near_degenerate import summary as table_of_degenerate
from oracle.campaign.page import Run, commit_of, page, worst_seeds
from oracle.campaign.run import Findings, campaign, count, latent_dimension_of
from oracle.campaign.summary import headline, markdown, text
from oracle.checks.implementations import network_from
from oracle.checks.random_models import crosscheck
from oracle.models.architectures import random_case, random_network
from oracle.models.case import Case
from oracle.models.shrink import shrink
from oracle.models.whole_files import write_whole
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.trial import run_mutants
from oracle.mutants.trial import table as table_of_verdicts

#: What stands around the README's tables.
BEGIN, END = "<!-- verification: begin -->", "<!-- verification: end -->"
_ARCHITECTURES, _DEEP = 100, 3000
# Every trial of a smaller case takes as long as the case did, and condition numbers as long again.
_TRIALS = 60


class _Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _at_least(least: int) -> Callable[[str], int]:
    """A converter that refuses less."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"expected an integer of {least} or more")
        return value

    return convert


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m oracle", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--architectures", type=_at_least(1), help=f"how many ({_ARCHITECTURES})")
    add("--seed", type=_at_least(0), default=0, help="seed of the first (0)")
    add("--points", type=_at_least(1), default=3, help="data per architecture (3)")
    add("--processes", type=_at_least(1), default=2, help="processes to run in (2)")
    add("--deep", action="store_true", help=f"{_DEEP} architectures: an hour or two")
    add("--mutants", action="store_true", help="instead: which defects are caught, by what")
    add("--coverage", action="store_true", help="instead: what the default tests do not run")
    add("--degenerate", type=_at_least(1), help="instead: so many nearly degenerate networks")
    add("--sample", type=_at_least(0), default=30, help="systematic defects a package (30)")
    add("--out", type=Path, default=Path("oracle_report"), help="folder of the report")
    add("--readme", type=Path, help="a file between whose marks the tables go as well")
    arguments = parser.parse_args(argv)
    if arguments.architectures is None:
        arguments.architectures = _DEEP if arguments.deep else _ARCHITECTURES
    if arguments.coverage:  # writes nothing there
        return arguments
    existing = next(p for p in (arguments.out, *arguments.out.absolute().parents) if p.exists())
    if not existing.is_dir():
        parser.error(f"argument --out: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        parser.error(f"argument --out: cannot write to {existing}")
    if arguments.readme is not None:
        marks = arguments.readme.read_text(encoding="utf-8") if arguments.readme.is_file() else ""
        if marks.count(BEGIN) != 1 or marks.count(END) != 1:
            parser.error(f"argument --readme: {arguments.readme} has no marks {BEGIN} and {END}")
    return arguments


def main(argv: list[str]) -> int:
    """Run the cross-check; 0 if nothing is breached, 1 otherwise, 2 for a bad command line."""
    arguments = _arguments(argv)
    if arguments.coverage:
        return _coverage()
    if arguments.mutants:
        return _mutants(arguments)
    if arguments.degenerate is not None:
        return _near_degenerate(arguments)
    start = time.perf_counter()
    seeds = range(arguments.seed, arguments.seed + arguments.architectures)
    bar = partial(tqdm, total=count(seeds), unit="check", disable=None)
    found = campaign(seeds, arguments.points, arguments.processes, bar)
    seconds = time.perf_counter() - start
    print(
        f"{len(seeds)} random architectures (seeds {seeds[0]} to {seeds[-1]}), "
        f"{arguments.points} points each, {seconds:.0f} s\n"
    )
    print(text(found))
    print(f"\n{headline(found)}")
    for line in found.trouble:
        print(f"NOT COMPARED {line}")
    for breach in _few(found.breaches):
        print(f"BREACH {breach}")
    command = shlex.join(["python", "-m", "oracle", *_repeated(arguments)])
    run = Run(seeds, arguments.points, command, commit_of(_root()), seconds)
    try:
        cases = _keep(found, arguments.points, arguments.out)
        write_whole(arguments.out / "report.html", page(found, run, cases))
        if arguments.readme is not None:
            write_whole(
                arguments.readme,
                _between(arguments.readme.read_text(encoding="utf-8"), markdown(found)),
            )
    except OSError as error:
        print(f"python -m oracle: cannot write to {arguments.out}: {error}", file=sys.stderr)
        return 2
    print(f"Report: {arguments.out / 'report.html'}")
    return 1 if found.breaches or found.trouble else 0


def _root() -> Path:
    """The folder the packages are in."""
    return Path(__file__).resolve().parent.parent


def _repeated(arguments: argparse.Namespace) -> list[str]:
    """The arguments that decide what is found."""
    names = ("architectures", "seed", "points")
    return [word for name in names for word in (f"--{name}", str(getattr(arguments, name)))]


def _coverage() -> int:
    """Coverage of both implementations by the default tests; 0 if it suffices."""
    try:
        from oracle.mutation import line_coverage, reached
    except ImportError as error:
        print(f"python -m oracle: {error}; pip install -e '.[test]'", file=sys.stderr)
        return 2
    data, _ = reached.measured(_root(), _root() / reached.KEPT)
    found = line_coverage.covered(_root(), data)
    print(line_coverage.page(found))
    return int(not found.suffices())


def _mutants(arguments: argparse.Namespace) -> int:
    """Break the implementations, one defect at a time: those written by hand, judged by the oracle
    or by the tests, and a sample of systematic ones, judged by the tests. 0 if all of the former
    are caught, and of the latter what oracle.mutation.score asks."""
    try:
        from oracle.mutation import score as mutation_score
    except ImportError as error:
        print(f"python -m oracle: {error}; pip install -e '.[test]'", file=sys.stderr)
        return 2
    with tqdm(total=len(MUTANTS), unit="defect", disable=None) as bar:
        verdicts = run_mutants(lambda _: bar.update(), processes=arguments.processes)
    print(table_of_verdicts(verdicts), flush=True)
    found = mutation_score.run(
        _root(),
        count=arguments.sample,
        seed=arguments.seed,
        processes=arguments.processes,
        bar=partial(tqdm, unit="defect", disable=None),
    )
    tables = mutation_score.page(found)
    print(tables)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_whole(arguments.out / "mutation_score.md", tables)
    missed = any(verdict.outcome != "caught" for verdict in verdicts)
    return int(missed or not mutation_score.suffices(found))


def _near_degenerate(arguments: argparse.Namespace) -> int:
    """Nearly degenerate networks, going on where an earlier run was stopped; 0 if nothing failed,
    1 otherwise, 130 if it was interrupted."""
    seeds = range(arguments.seed, arguments.seed + arguments.degenerate)
    bar = partial(tqdm, unit="network", disable=None)
    try:
        found = near_degenerate_campaign(seeds, arguments.out, arguments.processes, bar)
    except (OSError, OtherCode) as error:
        print(f"python -m oracle: {error}", file=sys.stderr)
        return 2
    print(f"{len(found)} of {len(seeds)} nearly degenerate networks (from seed {seeds[0]})\n")
    print(table_of_degenerate(found))
    failures = [(each, failure) for each in found for failure in each.failures]
    print()
    for line in _few(
        f"FAILED seed {each.seed} ({each.label}, {each.regions} regions): "
        f"{failure.implementation}, {failure.check}: {failure.words}"
        for each, failure in failures
    ):
        print(line)
    print(f"Results: {arguments.out / RESULTS}")
    if len(found) < len(seeds):
        print("Stopped: the same command goes on from here.")
        return 130
    return int(bool(failures))


def _few(breaches: Iterable[str], most: int = 40) -> list[str]:
    """The first of them."""
    words = list(breaches)
    return words if len(words) <= most else [*words[:most], f"and {len(words) - most} more"]


def _between(content: str, tables: str) -> str:
    """A text with new tables between its marks."""
    before, rest = content.split(BEGIN)
    return f"{before}{BEGIN}\n{tables}\n{END}{rest.split(END)[1]}"


def _keep(found: Findings, points: int, folder: Path) -> dict[int, str]:
    """Write the cases at which something was worst, and those that failed, made small as well."""
    (folder / "cases").mkdir(parents=True, exist_ok=True)
    kept: dict[int, str] = {}
    for seed in sorted({*worst_seeds(found), *found.failed}):
        case = random_case(seed, latent_dimension_of(seed), points)
        kept[seed] = f"cases/case-{seed}.json"
        case.save(folder / kept[seed])
        if seed in found.failed:
            _keep_failure(case, folder / "cases")
    return kept


def _keep_failure(case: Case, folder: Path) -> None:
    """A failing case's smaller version, if the case alone fails, and its network to partition."""
    print(f"failing case written to {folder / f'case-{case.seed}.json'}")
    if _fails(case):
        small = folder / f"case-{case.seed}-small.json"
        shrink(case, _fails, _TRIALS).save(small)
        print(f"made small: {small}, for tests/data/regressions")
    network_from(random_network(case.seed).layers).save(folder / f"network-{case.seed}.npz")


def _fails(case: Case) -> bool:
    """Whether comparing a case gives a breach, or cannot be done."""
    try:
        return bool(crosscheck(case).breaches)
    except Exception:
        return True


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that has no κ shows an escape; the run is not lost.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
