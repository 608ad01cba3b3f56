"""What all figures of a folder come to: a table in Markdown, and one HTML page with the pictures.

Both are made anew from what the folder holds, whichever command put it there: what the paper
claims, what was measured, whether the claim holds, and how to make it again.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paper_figures.catalogue import FIGURES, Figure
from paper_figures.claims import Claim, Verdict
from paper_figures.options import Record
from paper_figures.results import found, paths_of

_PAPER = (
    "Balestriero, Paris, Baraniuk: Analytical Probability Distributions and Exact "
    "Expectation-Maximization for Deep Generative Networks (2020)"
)
_READING = (
    "Numbers are a median, with the range over random starts in brackets: every start is kept, "
    "none is left out for diverging. A claim holds if it does on all starts, and does not if it "
    'fails on half of them or more, of however few; what is compared is said beside it. "Asked '
    'here" marks what the paper does not claim. Losses are mean negative '
    "log-likelihoods in nats per datum, exact, of the training data unless it says held out."
)


@dataclass(frozen=True)
class Entry:
    """A figure in a folder: its record and what it says of the paper's claims. record is None for
    one that other code than this, or nothing, has made."""

    figure: Figure
    record: Record | None
    claims: list[Claim]


def entries(folder: Path) -> list[Entry]:
    """All figures there are, in order, leaving out those of which the folder holds nothing."""
    result = []
    for figure in FIGURES.values():
        if not any(path.exists() for path in paths_of(figure, folder)):
            continue
        kept = found(figure, folder)
        if kept is None:
            result.append(Entry(figure, None, []))
        else:
            result.append(Entry(figure, kept.record, figure.claims(kept.numbers)))
    return result


def markdown(shown: Sequence[Entry]) -> str:
    """The table of results."""
    lines = ["# Results", "", f"{_PAPER}.", "", _READING, ""]
    lines += ["| figure | claim | where | starts | holds |", "|---|---|---|---|---|"]
    for entry in shown:
        for claim in entry.claims:
            if claim.verdict is not Verdict.OWN:
                lines.append(
                    f"| {entry.figure.number} | {_cell(claim.paper)} | {_cell(claim.where)} | "
                    f"{_starts(entry.record)} | "
                    f"{claim.verdict.value} |"
                )
    for entry in shown:
        lines += ["", f"## Figure {entry.figure.number}: {entry.figure.title}", ""]
        lines += [f"![figure {entry.figure.number}]({entry.figure.name}.png)", ""]
        if entry.record is None:
            lines.append(_STALE)
            continue
        lines += ["| the paper claims | measured | holds |", "|---|---|---|"]
        lines += [
            f"| {_cell(claim.paper)} | {_cell(_measured(claim))} | {claim.verdict.value} |"
            for claim in entry.claims
        ]
        lines += ["", *(f"- {label}: {text}" for label, text in _how(entry.record))]
    return "\n".join(lines) + "\n"


_STALE = (
    "Made by other code than this: the picture may not show what this code computes. Run again."
)


def _starts(record: Record | None) -> str:
    """On how many random starts it was asked."""
    return str(len(record["seeds"])) if record and record["seeds"] else "–"


def _measured(claim: Claim) -> str:
    """With where, if that is said."""
    return f"{claim.where}: {claim.measured}" if claim.where else claim.measured


def _cell(text: str) -> str:
    """Text that ends no cell."""
    return text.replace("|", "\\|")


def _how(record: Record) -> list[tuple[str, str]]:
    """How a figure's numbers came about."""
    seeds = record["seeds"]
    one_core, wall = record["seconds_on_one_core"], record["run_time_seconds"]
    listed = f"{len(seeds)}: {seeds[0]} to {seeds[-1]}" if seeds else "one fixed model"
    return [
        ("command", f"`{record['command']}`"),
        ("mode", record["mode"]),
        ("random starts", listed),
        ("time", f"{one_core:,.0f} s on one core; {wall:,.0f} s by the clock, kept runs left out"),
        ("versions", ", ".join(f"{name} {number}" for name, number in record["versions"].items())),
    ]


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em;
       color: #1b1b1b; background: #fff; }
h2 { margin-top: 2.5em; border-top: 1px solid #ccc; padding-top: 0.8em; }
table { border-collapse: collapse; width: 100%; margin: 1em 0; font-size: 0.9em; }
th, td { text-align: left; vertical-align: top; padding: 0.35em 0.7em;
         border-bottom: 1px solid #ddd; }
th { background: #f4f4f4; }
td.verdict { white-space: nowrap; font-weight: 600; }
.holds { color: #00664b; } .part { color: #7a5200; } .fails { color: #a33c00; }
.own { color: #555; font-weight: 400 !important; }
img { max-width: 100%; height: auto; } .how { color: #444; font-size: 0.9em; }
.stale { border-left: 0.4em solid #D55E00; padding: 0.5em 0.8em; background: #fdf0e7; }
"""
_CLASSES = {
    Verdict.HOLDS: "holds",
    Verdict.PARTLY: "part",
    Verdict.FAILS: "fails",
    Verdict.OPEN: "own",
    Verdict.OWN: "own",
}


def page(shown: Sequence[Entry], folder: Path) -> str:
    """One HTML file by itself, the pictures inside it."""
    overview = [
        [
            f'<a href="#{entry.figure.name}">{entry.figure.number}</a>',
            html.escape(claim.paper),
            html.escape(claim.where),
            _starts(entry.record),
            _verdict(claim.verdict),
        ]
        for entry in shown
        for claim in entry.claims
        if claim.verdict is not Verdict.OWN
    ]
    body = [
        "<h1>The paper's experiments, exactly</h1>",
        f"<p>{html.escape(_PAPER)}.</p><p>{html.escape(_READING)}</p>",
        _table(("figure", "claim", "where", "starts", "holds"), overview),
        *(_section(entry, folder) for entry in shown),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>The paper's experiments, exactly</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _section(entry: Entry, folder: Path) -> str:
    figure = entry.figure
    parts = [f'<h2 id="{figure.name}">Figure {figure.number}: {html.escape(figure.title)}</h2>']
    picture = folder / f"{figure.name}.png"
    if picture.exists():
        data = base64.b64encode(picture.read_bytes()).decode()
        parts.append(f'<img alt="figure {figure.number}" src="data:image/png;base64,{data}">')
    if entry.record is None:
        return "\n".join([*parts, f'<p class="stale">{_STALE}</p>'])
    rows = [
        [html.escape(claim.paper), html.escape(_measured(claim)), _verdict(claim.verdict)]
        for claim in entry.claims
    ]
    parts.append(_table(("the paper claims", "measured", "holds"), rows))
    how = "; ".join(
        f"{label}: {html.escape(text.strip('`'))}" for label, text in _how(entry.record)
    )
    return "\n".join([*parts, f'<p class="how">{how}</p>'])


def _verdict(verdict: Verdict) -> str:
    return f'<span class="{_CLASSES[verdict]}">{verdict.value}</span>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML; the last one of a row is a verdict."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "\n".join(
        "<tr>"
        + "".join(f"<td>{cell}</td>" for cell in row[:-1])
        + f'<td class="verdict">{row[-1]}</td></tr>'
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
