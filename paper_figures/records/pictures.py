"""Pictures of a figure's numbers, drawn again when the numbers or the code that draws change."""

from __future__ import annotations

import io
from pathlib import Path

from paper_figures.catalogue import Figure
from paper_figures.records.figure_numbers import Result, versions
from paper_figures.records.keyed_arrays import key_of
from paper_figures.records.source_fingerprint import fingerprint
from reference.model import write_whole

#: The text field of a PNG file that holds its mark, the key of what it shows.
_MARK = "Description"


def drawn(figure: Figure, result: Result, folder: Path) -> list[Path]:
    """A figure as PNG and PDF, drawn unless the folder has both, of these numbers.

    Parameters
    ----------
    figure : Figure
        Of the catalogue.
    result : Result
        Its numbers.
    folder : Path
        Where the pictures are, or are to be.

    Returns
    -------
    list of Path
        The PNG and the PDF file.
    """
    png, pdf = (folder / f"{figure.name}.{suffix}" for suffix in ("png", "pdf"))
    source = fingerprint(figure.draw_module)
    mark = key_of({"numbers": result.record["key"], "versions": versions(figure.packages)}, source)
    if not (pdf.exists() and _mark_of(png) == mark):
        _draw(figure, result, png, pdf, mark)
    return [png, pdf]


def _draw(figure: Figure, result: Result, png: Path, pdf: Path, mark: str) -> None:
    """Draw both files, without a date, so that the same numbers give the same bytes.

    The PNG file is written last, as it carries the mark by which both are believed.
    """
    from paper_figures import style

    with style.applied():
        picture = figure.draw(result.numbers)
        for path, metadata in (
            (pdf, {"CreationDate": None}),
            (png, {"Software": None, _MARK: mark}),
        ):
            buffer = io.BytesIO()
            picture.savefig(buffer, format=path.suffix[1:], metadata=metadata)
            write_whole(path, buffer.getvalue())


def _mark_of(png: Path) -> str | None:
    """The mark in a PNG file; None if it has none, or if the file is not a whole PNG file."""
    from PIL import Image

    try:
        with Image.open(png) as image:
            image.load()
            text = image.info.get(_MARK)
    except (OSError, SyntaxError):
        return None
    return text if isinstance(text, str) else None
