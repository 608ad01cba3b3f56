"""A campaign as one HTML file by itself: what holds, how well, and where it is worst."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy
import scipy
import sympy
from markupsafe import Markup

from oracle.campaign.coverage import RESULTS
from oracle.campaign.digit_plots import digits
from oracle.campaign.page_template import TEMPLATE
from oracle.campaign.result import Result
from oracle.campaign.run import Findings, Proved
from oracle.campaign.summary import (
    LEGEND,
    counts,
    enclosures_line,
    headline,
    one_sided,
    partition_lines,
    rows,
    seen,
)
from oracle.checks.implementations import IMPLEMENTATIONS
from oracle.checks.samples import FALSE_ALARM
from oracle.checks.tally import Comparison

_PACKAGES: tuple[Any, ...] = (numpy, scipy, mpmath, sympy)


@dataclass(frozen=True)
class Run:
    """What was run.

    Parameters
    ----------
    seeds
        The seeds of the architectures.
    points
        Data of each architecture.
    command
        The command that repeats the run.
    commit
        The commit of the sources.
    seconds
        How long it took.
    """

    seeds: range
    points: int
    command: str
    commit: str
    seconds: float


@dataclass(frozen=True)
class Table:
    """A table. A cell is text, or Markup if it is HTML; columns of numbers stand to the right."""

    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class Section:
    """What stands under a heading.

    Parameters
    ----------
    title, introduction
        Texts.
    table
        A table, if there is one.
    picture
        SVG, if there is a picture.
    legend
        Lines that are kept as they are.
    paragraphs
        Texts, a paragraph each.
    """

    title: str
    introduction: str = ""
    table: Table | None = None
    picture: str = ""
    legend: str = ""
    paragraphs: Sequence[str] = ()


def page(found: Findings, run: Run, cases: dict[int, str]) -> str:
    """The whole report. cases: for the seeds whose case was kept, the path to its file.

    The same findings give the same text but for the line with the time. Guarded by
    tests/oracle/test_report.py.
    """
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{package.__name__} {package.__version__}" for package in _PACKAGES]
    return TEMPLATE.render(
        good=not found.breaches and not found.trouble,
        verdict=f"{headline(found)} {_scope(found)}",
        run=run,
        versions=", ".join(versions),
        wrong=[*found.trouble, *found.breaches],
        sections=_sections(found, cases),
    )


def _sections(found: Findings, cases: dict[int, str]) -> list[Section]:
    """What stands under each heading, in order."""
    return [
        Section(
            title="Every result of the paper", introduction=_INTRODUCTION, table=_coverage(found)
        ),
        *(_comparison(found.comparisons[size], cases) for size in _compared(found)),
        Section(title="Latent partition", paragraphs=partition_lines(found)),
        Section(title="Against samples", introduction=_SAMPLING, table=_sampling(found)),
        Section(title="Proven enclosures", paragraphs=[enclosures_line(found)]),
        Section(title="Fixed models", introduction=_FIXED, table=_fixed(found)),
        Section(title="Proofs with symbols", introduction=_PROOFS, table=_proofs(found.proofs)),
        Section(title="How to read the tables", legend=LEGEND, paragraphs=one_sided(found)),
    ]


_INTRODUCTION = (
    "What computes each result in both implementations, what guards it, and the worst error seen "
    "in this run: of quantities compared with the oracle those within the tolerance, in the units "
    "below; of fixed models as a share of what is allowed."
)
_SAMPLING = (
    "Claims tested by Monte Carlo, the only truth for S = 4, and draws by their ranks beside the "
    f"truth (simulation-based calibration, Geweke's joint test). The chance of any false alarm in "
    f"a campaign is {FALSE_ALARM:g}. Worst: the largest statistic as a share of its threshold. "
    "Not shown: too few samples counted. Would see: the errors that a test finds with probability "
    "0.99, of log p in nats, of moments in standard deviations, of shares absolute; for ranks and "
    "draws the change of a probability of one half that is found nine times in ten."
)
_FIXED = (
    "Small models on which everything is asked for and nothing may be declined: partition, "
    "truncated Gaussians by themselves, gradients, densities, modes, draws, sums over data, "
    "updates of the M-step, the zero-noise limit."
)
_PROOFS = (
    "Identities decided with symbols for small dimensions. Where the paper's print is wrong, the "
    "corrected form holds and exact numbers refute the printed one."
)


def _stacked(cells: Iterable[str]) -> Markup:
    """Texts or pieces of HTML in one cell, a line each."""
    return Markup("<br>").join(cells)


def _code(words: str) -> Markup:
    return Markup("<code>{}</code>").format(words)


def _whole(words: str) -> Markup:
    """A text that is not broken over lines."""
    return Markup("<span>{}</span>").format(words)


def _scope(found: Findings) -> str:
    """How much was compared."""
    compared = sum(
        tally.compared for c in found.comparisons.values() for tally in c.tallies.values()
    )
    networks = sum(c.networks["fast"] for c in found.comparisons.values())
    return f"{compared:,} values compared on {networks:,} random architectures."


def _compared(found: Findings) -> list[int]:
    """The latent dimensions in which something was compared."""
    return sorted(size for size, c in found.comparisons.items() if c.tallies)


def _coverage(found: Findings) -> Table:
    """A line a result: functions, checks, worst errors."""
    head = ("result", "what", "worst, reference", "worst, fast", "guarded by", "reference", "fast")
    return Table(head, [_covered(result, found) for result in RESULTS])


def _covered(result: Result, found: Findings) -> list[str]:
    proofs = [p for p in found.proofs if p.result in result.proofs]
    checks: list[str] = [f"{len(result.quantities)} quantities"] if result.quantities else []
    checks += [f"{len(proofs)} proofs"] if proofs else []
    checks += [f"fixed: {', '.join(result.fixed)}"] if result.fixed else []
    checks += [_code(test) for test in result.tests]
    worst = [_worst(result, found, name) for name in IMPLEMENTATIONS]
    code = [_stacked(map(_code, names)) for names in (result.reference, result.fast)]
    return [result.name, result.says, *worst, _stacked(checks), *code]


def _worst(result: Result, found: Findings, name: str) -> Markup:
    """The worst errors of a result's quantities by S, and of its fixed checks."""
    lines = []
    for size, comparison in sorted(found.comparisons.items()):
        errors = [
            tally.worst
            for (quantity, other), tally in comparison.tallies.items()
            if other == name and quantity in result.quantities
        ]
        if errors:
            lines.append(_whole(f"S = {size}: {max(errors):.0e}"))
    shares = [
        tally.worst
        for (check, other), tally in found.fixed.items()
        if other == name and check.split(",")[0] in result.fixed
    ]
    if shares:
        lines.append(_whole(f"fixed: {max(shares):.1%}"))
    return _stacked(lines)


def _comparison(comparison: Comparison, cases: dict[int, str]) -> Section:
    """The table and picture of one latent dimension."""
    head = ["quantity", "", "tolerance", "compared", "worst error", "where", "beyond"]
    head += ["by part.", "empty", "share of κε", "breaches"]
    lines = [
        [
            quantity,
            name,
            f"{tolerance:.0e}",
            f"{tally.compared:,}",
            f"{tally.worst:.1e}",
            _where(tally.where, cases),
            f"{tally.conditioned:,}",
            f"{tally.by_partition:,}",
            f"{tally.empty:,}",
            f"{tally.share:.2f}" if tally.conditioned else "–",
            str(len(tally.breaches)),
        ]
        for quantity, name, tolerance, tally in rows(comparison)
    ]
    title = f"{_plural(comparison.dimension)} against the oracle"
    table = Table(head, lines, (2, 3, 4, 6, 7, 8, 9, 10))
    return Section(
        title=title, introduction=counts(comparison), table=table, picture=digits(comparison)
    )


def _plural(size: int) -> str:
    return "One latent dimension" if size == 1 else f"S = {size} latent dimensions"


def _where(place: str, cases: dict[int, str]) -> str:
    """A place, with a link to its case if that was kept."""
    seed = place.removeprefix("seed ").split(",")[0]
    if seed.isdigit() and int(seed) in cases:
        return Markup('<a href="{}">{}</a>').format(cases[int(seed)], place)
    return place


def _sampling(found: Findings) -> Table:
    """A line a latent dimension, quantity and implementation."""
    head = ("S", "quantity", "", "tests", "not shown", "worst", "where", "would see", "at worst")
    lines = [
        [
            str(size),
            quantity,
            name,
            f"{t.tested:,}",
            f"{t.not_shown:,}",
            f"{t.worst:.2f}",
            t.where.split(":")[0],
            *(f"{v:.0e}" if 0 < v < float("inf") else "–" for v in seen(t)),
        ]
        for size, tallies in sorted(found.sampling.items())
        for (quantity, name), t in tallies.items()
    ]
    return Table(head, lines, (3, 4, 5, 7, 8))


def _fixed(found: Findings) -> Table:
    """A line a check: how many values, and the largest share of what is allowed."""
    names = list(dict.fromkeys(name for name, _ in found.fixed))
    head = ("check", *(f"{n}: {what}" for n in IMPLEMENTATIONS for what in ("values", "worst")))
    lines = []
    for name in names:
        line = [name]
        for impl in IMPLEMENTATIONS:
            tally = found.fixed[name, impl]
            line += [str(tally.compared), f"{tally.worst:.2%} of allowed"]
        lines.append(line)
    return Table(head, lines, (1, 2, 3, 4))


def _proofs(proofs: list[Proved]) -> Table:
    lines = [[p.result, p.statement, "yes" if p.passed else "NO"] for p in proofs]
    return Table(("result", "statement", "proved"), lines)


def worst_seeds(found: Findings) -> list[int]:
    """The seeds at which some quantity was worst."""
    seeds = {
        int(tally.where.removeprefix("seed ").split(",")[0])
        for comparison in found.comparisons.values()
        for tally in comparison.tallies.values()
        if tally.where
    }
    return sorted(seeds)


def commit_of(folder: Path) -> str:
    """The commit a checkout is at, read from its files; "unknown" without one."""
    head = folder / ".git" / "HEAD"
    if not head.is_file():
        return "unknown"
    content = head.read_text(encoding="utf-8").strip()
    if not content.startswith("ref: "):
        return content[:12]
    branch = content.removeprefix("ref: ")
    loose, packed = folder / ".git" / branch, folder / ".git" / "packed-refs"
    if loose.is_file():
        return loose.read_text(encoding="utf-8").strip()[:12]
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line[:12] for line in lines if line.endswith(f" {branch}")), "unknown")
