"""Pictures of a figure's numbers, drawn when they, or the code that draws them, have changed."""

from __future__ import annotations

import io
from pathlib import Path

from paper_figures.catalogue import Figure
from paper_figures.files import write_whole
from paper_figures.kept import key_of
from paper_figures.results import Result, versions
from paper_figures.sources import fingerprint

#: Where in a PNG file the mark of what it shows is.
_MARK = "Description"


def drawn(figure: Figure, result: Result, folder: Path) -> list[Path]:
    """The figure as PNG and PDF: found if both are there and of these numbers, else drawn."""
    png, pdf = (folder / f"{figure.name}.{suffix}" for suffix in ("png", "pdf"))
    source = fingerprint(figure.draw_module)
    mark = key_of({"numbers": result.record["key"], "versions": versions(figure.packages)}, source)
    if not (pdf.exists() and _mark_of(png) == mark):
        _draw(figure, result, png, pdf, mark)
    return [png, pdf]


def _draw(figure: Figure, result: Result, png: Path, pdf: Path, mark: str) -> None:
    """Without a date, so that same numbers give same files; the one that carries the mark last."""
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
    """The mark in a PNG file; None if it has none, or is no whole PNG file."""
    from PIL import Image

    try:
        with Image.open(png) as image:
            image.load()
            text = image.info.get(_MARK)
    except (OSError, SyntaxError):
        return None
    return text if isinstance(text, str) else None
