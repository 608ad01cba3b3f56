"""A figure's numbers, beside its pictures: computed once, kept, and found again.

`figure_N.npz` holds the arrays; `figure_N.json` says how they were made, and sums them up. Both
carry a key, the hash of the parameters and of the code that made them. They are used again only if
both keys are those of what is asked for now.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from paper_figures.catalogue import Figure
from paper_figures.options import Numbers, Options, Record
from paper_figures.records.keyed_arrays import key_of, load, save
from paper_figures.records.runs_by_seed import SECONDS
from paper_figures.records.source_fingerprint import fingerprint
from reference.model import write_whole

_KEY = "key"


@dataclass(frozen=True)
class Result:
    """A figure's numbers and how they came about.

    Attributes
    ----------
    numbers : Numbers
        Its arrays.
    record : Record
        What its JSON file says: parameters, results in short, times, versions.
    paths : list of Path
        The files that hold both.
    from_cache : bool
        They were found in the folder, not computed.
    """

    numbers: Numbers
    record: Record
    paths: list[Path]
    from_cache: bool


def result_of(figure: Figure, options: Options, folder: Path) -> Result:
    """The numbers of a figure, from the folder if they are there; else they are computed and kept.

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
    Result
        Numbers, record and files.

    Raises
    ------
    ArithmeticError, PartitionError, SingularCovarianceError
        If the computation fails numerically; nothing is then written.
    """
    parameters = figure.parameters(options)
    key = key_of(parameters, fingerprint(figure.compute_module))
    kept = _kept(figure, folder, key)
    if kept is not None:
        return kept
    arrays, record = paths_of(figure, folder)
    start = time.perf_counter()
    numbers = figure.compute(options)
    seconds = time.perf_counter() - start
    save(arrays, numbers, key)
    content: Record = {
        "figure": figure.number,
        "title": figure.title,
        "mode": options.mode,
        "command": figure.command(options),
        "seeds": numbers["seeds"].tolist() if "seeds" in numbers else None,
        "parameters": parameters,
        "results": figure.summary(numbers),
        "run_time_seconds": round(seconds, 3),
        # Of every run that it is made of, those included that were found.
        "seconds_on_one_core": round(float(numbers[SECONDS].sum()), 3)
        if SECONDS in numbers
        else round(seconds, 3),
        "versions": versions(figure.packages),
        _KEY: key,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(record, (text + "\n").encode())
    return Result(numbers, content, [arrays, record], from_cache=False)


def found(figure: Figure, folder: Path) -> Result | None:
    """What a folder holds of a figure, whatever its parameters were.

    Parameters
    ----------
    figure : Figure
        Of the catalogue.
    folder : Path
        Where its files may be.

    Returns
    -------
    Result or None
        None if files are missing or damaged, or were made by other code than this.
    """
    record = _read(paths_of(figure, folder)[1])
    if record is None or "parameters" not in record:
        return None
    key = key_of(record["parameters"], fingerprint(figure.compute_module))
    return _kept(figure, folder, key)


def paths_of(figure: Figure, folder: Path) -> tuple[Path, Path]:
    """The files of a figure's numbers and of their record."""
    return folder / f"{figure.name}.npz", folder / f"{figure.name}.json"


def _kept(figure: Figure, folder: Path, key: str) -> Result | None:
    """The kept numbers; None if either file is missing, damaged, or made from something else."""
    arrays, record = paths_of(figure, folder)
    content = _read(record)
    if content is None or content.get(_KEY) != key:
        return None
    numbers = load(arrays, key)
    return None if numbers is None else Result(numbers, content, [arrays, record], from_cache=True)


def _read(record: Path) -> Record | None:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of Python and of installed packages.

    Parameters
    ----------
    packages : tuple of str
        Their names on the package index.

    Returns
    -------
    dict of str
        By name, Python's first.
    """
    installed = {package: importlib.metadata.version(package) for package in packages}
    return {"python": platform.python_version(), **installed}
