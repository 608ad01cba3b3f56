"""The results of all figures of a folder: a table in Markdown, and an HTML page with pictures.

Both are made anew from what the folder holds, whichever command put it there: what the paper
claims, what was measured, whether the claim holds, and how to make it again. Their text is in
`templates`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paper_figures.catalogue import FIGURES, Figure
from paper_figures.claims import Claim, Verdict
from paper_figures.options import Record
from paper_figures.records.figure_numbers import found, paths_of

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
_STALE = (
    "Made by other code than this: the picture may not show what this code computes. Run again."
)
#: The style of each verdict on the HTML page.
_LOOKS = {
    Verdict.HOLDS.name: "holds",
    Verdict.PARTLY.name: "part",
    Verdict.FAILS.name: "fails",
    Verdict.OPEN.name: "own",
    Verdict.OWN.name: "own",
}


@dataclass(frozen=True)
class Entry:
    """A figure of which a folder holds something.

    Attributes
    ----------
    figure : Figure
        Of the catalogue.
    record : Record or None
        What its JSON file says; None if its files were made by other code, or are not whole.
    claims : list of Claim
        What its numbers say of the paper's claims.
    """

    figure: Figure
    record: Record | None
    claims: list[Claim]

    @property
    def starts(self) -> str:
        """On how many random starts its claims were asked; a dash for a fixed model."""
        return str(len(self.record["seeds"])) if self.record and self.record["seeds"] else "–"

    @property
    def how(self) -> list[tuple[str, str]]:
        """How its numbers came about, beside the command: labels and texts."""
        if self.record is None:
            return []
        seeds, versions = self.record["seeds"], self.record["versions"]
        one_core, wall = self.record["seconds_on_one_core"], self.record["run_time_seconds"]
        time = f"{one_core:,.0f} s on one core; {wall:,.0f} s by the clock, kept runs left out"
        return [
            ("mode", self.record["mode"]),
            (
                "random starts",
                f"{len(seeds)}: {seeds[0]} to {seeds[-1]}" if seeds else "one fixed model",
            ),
            ("time", time),
            ("versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ]


def entries(folder: Path) -> list[Entry]:
    """The figures of which a folder holds something, in the order of the catalogue.

    Parameters
    ----------
    folder : Path
        Where figures were written.

    Returns
    -------
    list of Entry
        With claims where the numbers are of this code.
    """
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
    """The table of results.

    Parameters
    ----------
    shown : sequence of Entry
        The figures.

    Returns
    -------
    str
        In Markdown.
    """
    return _rendered("results.md", shown)


def page(shown: Sequence[Entry], folder: Path) -> str:
    """The results with their pictures.

    Parameters
    ----------
    shown : sequence of Entry
        The figures.
    folder : Path
        Where their pictures are.

    Returns
    -------
    str
        One HTML file that needs no other: the pictures are in it.
    """

    def picture_of(figure: Figure) -> str:
        picture = folder / f"{figure.name}.png"
        return base64.b64encode(picture.read_bytes()).decode() if picture.exists() else ""

    return _rendered("results.html", shown, picture_of=picture_of)


def _rendered(template: str, shown: Sequence[Entry], **more: Any) -> str:
    """A template with the figures; in HTML what is text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": _cell, "look": _LOOKS.__getitem__}
    overview = [
        (entry, claim)
        for entry in shown
        for claim in entry.claims
        if claim.verdict is not Verdict.OWN
    ]
    return environment.get_template(template).render(
        paper=_PAPER,
        reading=_READING,
        stale=_STALE,
        entries=shown,
        overview=overview,
        measured=_measured,
        **more,
    )


def _measured(claim: Claim) -> str:
    """What was measured, and where, if that is said."""
    return f"{claim.where}: {claim.measured}" if claim.where else claim.measured


def _cell(text: str) -> str:
    """Text that does not end a cell of a table in Markdown."""
    return text.replace("|", "\\|")
