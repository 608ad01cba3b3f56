"""A figure's numbers beside its pictures: computed once, kept, and found again.

`figure_N.npz` holds the arrays, `figure_N.json` says how they came about. Both carry the key, a
hash of the parameters and of the code that made them; they are believed only if both keys agree
with what is asked for now.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import platform
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paper_figures.catalogue import Figure
from paper_figures.files import write_whole
from paper_figures.options import Numbers, Options, Record
from paper_figures.sources import fingerprint

_KEY = "key"
_PACKAGES = ("numpy", "scipy", "matplotlib", "tqdm")


@dataclass(frozen=True)
class Result:
    """A figure's numbers, the files that hold them, and whether they were found or computed."""

    numbers: Numbers
    paths: list[Path]
    from_cache: bool


def result_of(figure: Figure, options: Options, folder: Path) -> Result:
    """The numbers of a figure: from the folder if they are there, else computed and kept there."""
    parameters = figure.parameters(options)
    key = _key(parameters, fingerprint(figure.compute_module))
    arrays, record = folder / f"{figure.name}.npz", folder / f"{figure.name}.json"
    kept = _load(arrays, record, key)
    if kept is not None:
        return Result(kept, [arrays, record], from_cache=True)
    start = time.perf_counter()
    numbers = figure.compute(options)
    seconds = time.perf_counter() - start
    _save(arrays, numbers, key)
    content: Record = {
        "figure": figure.number,
        "title": figure.title,
        "mode": options.mode,
        "parameters": parameters,
        "results": figure.summary(numbers),
        "run_time_seconds": round(seconds, 3),
        "versions": _versions(),
        _KEY: key,
    }
    write_whole(record, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    return Result(numbers, [arrays, record], from_cache=False)


def _key(parameters: Record, source: str) -> str:
    text = json.dumps([parameters, source], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _save(path: Path, numbers: Numbers, key: str) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**numbers, _KEY: np.array(key)})  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def _load(arrays: Path, record: Path, key: str) -> Numbers | None:
    """The kept numbers; None if either file is missing, damaged, or made from something else."""
    try:
        if json.loads(record.read_text(encoding="utf-8"))[_KEY] != key:
            return None
        with np.load(io.BytesIO(arrays.read_bytes()), allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in stored.files}
        return numbers if str(numbers.pop(_KEY)) == key else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _versions() -> dict[str, str]:
    found = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {"python": platform.python_version(), **found}
