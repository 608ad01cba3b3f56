"""The command line: which figures, where to, how thoroughly."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from paper_figures.catalogue import FIGURES, IMPORTED, Figure
from paper_figures.options import Options
from paper_figures.records import pictures
from paper_figures.records.figure_numbers import result_of
from paper_figures.records.output_folder import prepare_folder
from reference.model import write_whole

_PROGRAM = "paper_figures"
#: What the pages of results are made with.
_PAGES = ("jinja2",)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{_PROGRAM}: {message} (see --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures asked for and print the files written.

    Parameters
    ----------
    arguments : sequence of str or None
        As typed after the command; None for those of this process.

    Returns
    -------
    int
        The exit code: 0; 1 if a figure's computation failed numerically; 2 if a package is missing
        or the folder cannot be written.

    Raises
    ------
    SystemExit
        With code 2 if the arguments are not understood.
    """
    asked = _parser().parse_args(arguments)
    if "list" in asked.figures:
        print("\n".join(f"{figure.number:3} {figure.title}" for figure in FIGURES.values()))
        return 0
    figures = _chosen(asked.figures)
    packages = (package for figure in figures for package in figure.packages)
    needed = dict.fromkeys([*packages, *_PAGES])
    missing = [
        name for name in needed if importlib.util.find_spec(IMPORTED.get(name, name)) is None
    ]
    if missing:
        return _refuse(f"{', '.join(missing)} not installed: pip install 'exactdgn[figures]'")
    try:
        prepare_folder(asked.out)
    except OSError as error:
        return _refuse(f"--out: cannot write in {str(asked.out)!r} ({error.strerror})")
    options = Options(full=asked.full, n_seeds=asked.seeds, folder=asked.out)
    made = [_made(figure, options, asked.out) for figure in figures]
    for path in _summarise(asked.out):
        print(path)
    return 0 if all(made) else 1


def _made(figure: Figure, options: Options, folder: Path) -> bool:
    """Whether the figure could be computed. If not, print the reason; the next figures are made."""
    from paper_figures.methods.exact_fits import TROUBLE

    try:
        for path in make(figure, options, folder):
            print(path, flush=True)
    except TROUBLE as error:
        reason = f"{type(error).__name__}: {error}"
        print(f"{_PROGRAM}: figure {figure.number}: {reason}", file=sys.stderr)
        return False
    return True


def make(figure: Figure, options: Options, folder: Path) -> list[Path]:
    """Compute a figure, or find its numbers, and draw it unless its pictures show these numbers.

    Parameters
    ----------
    figure : Figure
        Of the catalogue.
    options : Options
        What the user asked for.
    folder : Path
        Where its files are, or are to be.

    Returns
    -------
    list of Path
        Its arrays, its record and its pictures.
    """
    result = result_of(figure, options, folder)
    found = "numbers from cache" if result.from_cache else "numbers computed"
    print(f"figure {figure.number}: {found}", file=sys.stderr)
    return [*result.paths, *pictures.drawn(figure, result, folder)]


def _summarise(folder: Path) -> list[Path]:
    """Write the pages of results, on all figures that the folder holds."""
    from paper_figures.records import report

    entries = report.entries(folder)
    written = {"RESULTS.md": report.markdown(entries), "results.html": report.page(entries, folder)}
    for name, text in written.items():
        write_whole(folder / name, text.encode())
    return [folder / name for name in written]


def _parser() -> argparse.ArgumentParser:
    known = ", ".join(FIGURES)
    parser = _Parser(prog=f"python -m {_PROGRAM}", description="Draw the figures of the paper.")
    parser.add_argument(
        "figures",
        nargs="*",
        type=_figure,
        metavar="figure",
        help=f"figures to draw, of {known} (default: all); or 'list'",
    )
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write in")
    parser.add_argument(
        "--seeds",
        type=_count,
        help="random starts of every figure that has them (default: 1 to 6, with --full 5 to 50)",
    )
    parser.add_argument(
        "--full", action="store_true", help="as many random starts as the paper, and more: hours"
    )
    return parser


def _figure(text: str) -> str:
    if text != "list" and text not in FIGURES:
        known = ", ".join(FIGURES)
        raise argparse.ArgumentTypeError(f"no figure {text!r}; there are {known}, and 'list'")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _chosen(numbers: Iterable[str]) -> list[Figure]:
    """Each figure once, in the order asked; all of them when none is."""
    return [FIGURES[number] for number in dict.fromkeys(numbers)] or list(FIGURES.values())


def _refuse(reason: str) -> int:
    print(f"{_PROGRAM}: {reason}", file=sys.stderr)
    return 2
