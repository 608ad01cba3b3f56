"""A fit's state in a file, from which it goes on bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reference.model import Array, save_arrays

Parameters = dict[str, Array]


class Run(NamedTuple):
    """The training of one start: its parameters now and its losses so far; and once it has ended
    why, and how steep the objective is there."""

    parameters: Parameters
    history: Array
    outcome: str = ""
    steepness: float = np.nan


def fingerprint(*parts: object) -> str:
    """Of data and settings, arrays by their bytes; each part with its length, so that 0.5, 10.0 is
    not 0.51, 0.0."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            said = repr(part.shape).encode() + np.ascontiguousarray(part).tobytes()
        else:
            said = repr(part).encode()
        digest.update(len(said).to_bytes(8, "big") + said)
    return digest.hexdigest()


def write(path: Path, of: str, runs: Sequence[Run]) -> None:
    """Write a fit's state, whole or not at all."""
    arrays: dict[str, object] = {"fingerprint": np.array(of)}
    arrays["outcomes"] = np.array([run.outcome for run in runs], dtype=str)
    arrays["steepness"] = np.array([run.steepness for run in runs])
    for i, run in enumerate(runs):
        arrays |= _named(f"start {i}", run.parameters) | {f"history {i}": run.history}
    save_arrays(path, arrays)


def read(path: Path, of: str) -> list[Run] | None:
    """The state in a file, None if there is no file. Raises ValueError if the file holds no state,
    or that of another fit."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        found = str(arrays["fingerprint"])
        ends = zip(arrays["outcomes"].tolist(), arrays["steepness"].tolist(), strict=True)
        runs = [
            Run(_taken(arrays, f"start {i}"), arrays[f"history {i}"], *end)
            for i, end in enumerate(ends)
        ]
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"checkpoint: {str(path)!r} holds no state of a fit ({error})") from error
    if found != of:
        raise ValueError(
            f"checkpoint: {str(path)!r} is of a fit to other data or with other settings; expected "
            "one of this fit, or no file"
        )
    return runs


def _named(prefix: str, parameters: Mapping[str, Array]) -> dict[str, object]:
    return {f"{prefix}: {name}": value for name, value in parameters.items()}


def _taken(arrays: Mapping[str, Array], prefix: str) -> Parameters:
    mark = f"{prefix}: "
    return {name.removeprefix(mark): a for name, a in arrays.items() if name.startswith(mark)}
