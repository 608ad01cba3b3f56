"""A campaign as one HTML file by itself: what holds, how well, and where it is worst."""

from __future__ import annotations

import html
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy
import scipy
import sympy

from oracle.campaign.coverage import RESULTS, Result
from oracle.campaign.digit_plots import digits
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
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 78em; margin: 2em auto; padding: 0 1em;
       color: #1b1b1b; background: #fff; }
h1 { margin-bottom: 0.2em; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; }
.verdict { font-size: 1.3em; padding: 0.5em 0.8em; border-left: 0.4em solid; margin: 1em 0; }
.good { border-color: #009E73; background: #eef8f4; } .bad { border-color: #D55E00;
       background: #fdf0e7; }
table { border-collapse: collapse; margin: 0.8em 0; font-size: 0.85em; }
th, td { text-align: left; padding: 0.2em 0.7em; border-bottom: 1px solid #ddd;
       vertical-align: top; }
th { background: #f4f4f4; } td span { white-space: nowrap; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } code { font-size: 0.92em; } pre { white-space: pre-wrap; }
svg { max-width: 100%; height: auto; } .small { color: #555; font-size: 0.9em; }
"""


@dataclass(frozen=True)
class Run:
    """What was run: seeds, data each, the command that repeats it, the commit, seconds."""

    seeds: range
    points: int
    command: str
    commit: str
    seconds: float


def page(found: Findings, run: Run, cases: dict[int, str]) -> str:
    """The whole report. cases: for the seeds whose case was kept, the path to its file.

    The same findings give the same text but for the line with the time. Guarded by
    tests/test_report.py.
    """
    good = not found.breaches and not found.trouble
    sections = [
        f'<p class="verdict {"good" if good else "bad"}">{_text(headline(found))} '
        f"{_text(_scope(found))}</p>",
        _about(run),
        *_breaches(found),
        _section("Every result of the paper", _INTRODUCTION, _coverage(found)),
        *(_comparison(found.comparisons[size], cases) for size in _compared(found)),
        _section("Latent partition", "", *map(_paragraph, partition_lines(found))),
        _section("Against samples", _SAMPLING, _sampling(found)),
        _section("Proven enclosures", "", _paragraph(enclosures_line(found))),
        _section("Fixed models", _FIXED, _fixed(found)),
        _section("Proofs with symbols", _PROOFS, _proofs(found.proofs)),
        _section(
            "How to read the tables",
            "",
            f"<pre>{_text(LEGEND)}</pre>",
            *map(_paragraph, one_sided(found)),
        ),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Verification report</title><style>{_STYLE}</style></head><body>"
        "<h1>Verification report</h1>\n" + "\n".join(sections) + "\n</body></html>\n"
    )


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


def _text(words: str) -> str:
    return html.escape(words, quote=False)


def _paragraph(words: str) -> str:
    return f"<p>{_text(words)}</p>"


def _section(title: str, introduction: str, *content: str) -> str:
    return "\n".join([f"<h2>{_text(title)}</h2>", _paragraph(introduction), *content])


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Cells are HTML; columns of numbers are aligned to the right."""
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="n">{cell}</td>' if i in numbers else f"<td>{cell}</td>"
            for i, cell in enumerate(line)
        )
        + "</tr>"
        for line in lines
    )
    return f'<div class="scroll"><table><tr>{top}</tr>\n{body}</table></div>'


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


def _about(run: Run) -> str:
    """Where it came from; the time in a line of its own."""
    versions = ", ".join(f"{package.__name__} {package.__version__}" for package in _PACKAGES)
    return (
        f"<p>Seeds {run.seeds[0]} to {run.seeds[-1]}, {run.points} data each. "
        f"Commit {_text(run.commit)}. Python {platform.python_version()}, {versions}. "
        f"Again: <code>{_text(run.command)}</code></p>\n"
        f'<p class="small">{run.seconds:.0f} seconds.</p>'
    )


def _breaches(found: Findings) -> list[str]:
    """What was wrong, if anything."""
    words = [*found.trouble, *found.breaches]
    if not words:
        return []
    shown = "".join(f"<li>{_text(line)}</li>" for line in words[:200])
    return [_section("Breaches", f"{len(words)} in all, the first 200 here.", f"<ul>{shown}</ul>")]


def _coverage(found: Findings) -> str:
    """A line a result: functions, checks, worst errors."""
    head = ("result", "what", "worst, reference", "worst, fast", "guarded by", "reference", "fast")
    return _table(head, (_covered(result, found) for result in RESULTS))


def _covered(result: Result, found: Findings) -> list[str]:
    proofs = [p for p in found.proofs if p.result in result.proofs]
    checks = [f"{len(result.quantities)} quantities"] if result.quantities else []
    checks += [f"{len(proofs)} proofs"] if proofs else []
    checks += [f"fixed: {', '.join(result.fixed)}"] if result.fixed else []
    checks += [f"<code>{_text(test)}</code>" for test in result.tests]
    worst = [_worst(result, found, name) for name in IMPLEMENTATIONS]
    code = [
        "<br>".join(f"<code>{_text(name)}</code>" for name in names)
        for names in (result.reference, result.fast)
    ]
    return [_text(result.name), _text(result.says), *worst, "<br>".join(checks), *code]


def _worst(result: Result, found: Findings, name: str) -> str:
    """The worst errors of a result's quantities by S, and of its fixed checks."""
    lines = []
    for size, comparison in sorted(found.comparisons.items()):
        errors = [
            tally.worst
            for (quantity, other), tally in comparison.tallies.items()
            if other == name and quantity in result.quantities
        ]
        if errors:
            lines.append(f"<span>S = {size}: {max(errors):.0e}</span>")
    shares = [
        tally.worst
        for (check, other), tally in found.fixed.items()
        if other == name and check.split(",")[0] in result.fixed
    ]
    if shares:
        lines.append(f"<span>fixed: {max(shares):.1%}</span>")
    return "<br>".join(lines)


def _comparison(comparison: Comparison, cases: dict[int, str]) -> str:
    """The table and picture of one latent dimension."""
    head = ["quantity", "", "tolerance", "compared", "worst error", "where", "beyond"]
    head += ["by part.", "empty", "share of κε", "breaches"]
    lines = [
        [
            _text(quantity),
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
    return _section(
        title,
        counts(comparison),
        _table(head, lines, (2, 3, 4, 6, 7, 8, 9, 10)),
        digits(comparison),
    )


def _plural(size: int) -> str:
    return "One latent dimension" if size == 1 else f"S = {size} latent dimensions"


def _where(place: str, cases: dict[int, str]) -> str:
    """A place, with a link to its case if that was kept."""
    seed = place.removeprefix("seed ").split(",")[0]
    if seed.isdigit() and int(seed) in cases:
        return f'<a href="{html.escape(cases[int(seed)])}">{_text(place)}</a>'
    return _text(place)


def _sampling(found: Findings) -> str:
    """A line a latent dimension, quantity and implementation."""
    head = ("S", "quantity", "", "tests", "not shown", "worst", "where", "would see", "at worst")
    lines = [
        [
            str(size),
            _text(quantity),
            name,
            f"{t.tested:,}",
            f"{t.not_shown:,}",
            f"{t.worst:.2f}",
            _text(t.where.split(":")[0]),
            *(f"{v:.0e}" if 0 < v < float("inf") else "–" for v in seen(t)),
        ]
        for size, tallies in sorted(found.sampling.items())
        for (quantity, name), t in tallies.items()
    ]
    return _table(head, lines, (3, 4, 5, 7, 8))


def _fixed(found: Findings) -> str:
    """A line a check: how many values, and the largest share of what is allowed."""
    names = list(dict.fromkeys(name for name, _ in found.fixed))
    head = ("check", *(f"{n}: {what}" for n in IMPLEMENTATIONS for what in ("values", "worst")))
    lines = []
    for name in names:
        line = [_text(name)]
        for impl in IMPLEMENTATIONS:
            tally = found.fixed[name, impl]
            line += [str(tally.compared), f"{tally.worst:.2%} of allowed"]
        lines.append(line)
    return _table(head, lines, (1, 2, 3, 4))


def _proofs(proofs: list[Proved]) -> str:
    lines = [[_text(p.result), _text(p.statement), "yes" if p.passed else "NO"] for p in proofs]
    return _table(("result", "statement", "proved"), lines)


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
