"""The command line: which figures, where to, how thoroughly."""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from paper_figures import files
from paper_figures.catalogue import FIGURES, Figure
from paper_figures.options import Options
from paper_figures.results import result_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

_PROGRAM = "paper_figures"
_NEEDED = ("matplotlib", "tqdm")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{_PROGRAM}: {message} (see --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures asked for and print the files written. Exit code 2: it was not possible."""
    asked = _parser().parse_args(arguments)
    if "list" in asked.figures:
        print("\n".join(f"{figure.number:2}  {figure.title}" for figure in FIGURES.values()))
        return 0
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return _refuse(f"{', '.join(missing)} not installed: pip install 'exactdgn[figures]'")
    try:
        files.prepare_folder(asked.out)
    except OSError as error:
        return _refuse(f"--out: cannot write in {str(asked.out)!r} ({error.strerror})")
    options = Options(full=asked.full, n_seeds=asked.seeds)
    for figure in _chosen(asked.figures):
        for path in make(figure, options, asked.out):
            print(path)
    return 0


def make(figure: Figure, options: Options, folder: Path) -> list[Path]:
    """Compute a figure, or find its numbers, and draw it. Returns the files that hold it."""
    from paper_figures import style

    result = result_of(figure, options, folder)
    found = "numbers from cache" if result.from_cache else "numbers computed"
    print(f"figure {figure.number}: {found}", file=sys.stderr)
    with style.applied():
        picture = figure.draw(result.numbers)
        return [*result.paths, *_save(picture, folder / figure.name)]


def _save(picture: Picture, stem: Path) -> list[Path]:
    """The picture as PNG and PDF, without a date, so that same numbers give same files."""
    written = []
    for suffix, dated in ((".png", "Software"), (".pdf", "CreationDate")):
        buffer = io.BytesIO()
        picture.savefig(buffer, format=suffix[1:], metadata={dated: None})
        files.write_whole(stem.with_suffix(suffix), buffer.getvalue())
        written.append(stem.with_suffix(suffix))
    return written


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
        "--seeds", type=_count, help="random starts of figures 6 and 7 (default: 8, or 20)"
    )
    parser.add_argument("--full", action="store_true", help="20 starts and more iterations")
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
