"""A fit's state in a file, from which it goes on bit for bit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reference.network import Array, save_arrays

Parameters = dict[str, Array]


class End(NamedTuple):
    """Where the training of one start ended: its parameters, losses, why it ended, and how steep
    the objective is there."""

    parameters: Parameters
    history: Array
    outcome: str
    steepness: float


@dataclass
class Progress:
    """Where a fit is: the starts' parameters; where those ended whose training has; and of the
    start in training its parameters now and its losses so far."""

    starts: list[Parameters]
    ended: list[End] = field(default_factory=list)
    now: Parameters | None = None
    history: list[float] = field(default_factory=list)


def fingerprint(*parts: object) -> str:
    """Of data and settings, arrays by their bytes."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()


def write(path: str | os.PathLike[str], of: str, progress: Progress) -> None:
    """Write a fit's state, whole or not at all."""
    arrays: dict[str, object] = {"fingerprint": np.array(of), "starts": len(progress.starts)}
    arrays["ended"] = np.array([end.outcome for end in progress.ended], dtype=str)
    arrays["steepness"] = np.array([end.steepness for end in progress.ended])
    for i, start in enumerate(progress.starts):
        arrays |= _named(f"start {i}", start)
    for i, end in enumerate(progress.ended):
        arrays |= _named(f"end {i}", end.parameters) | {f"history {i}": end.history}
    if progress.now is not None:
        arrays |= _named("now", progress.now) | {"history": np.array(progress.history)}
    save_arrays(path, arrays)


def read(path: str | os.PathLike[str], of: str) -> Progress | None:
    """The state in a file, None if there is no file. Raises ValueError if the file holds no state,
    or that of another fit."""
    if not Path(path).exists():
        return None
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        found, count = str(arrays["fingerprint"]), int(arrays["starts"])
        ends = zip(arrays["ended"].tolist(), arrays["steepness"].tolist(), strict=True)
        progress = Progress(
            [_taken(arrays, f"start {i}") for i in range(count)],
            [
                End(_taken(arrays, f"end {i}"), arrays[f"history {i}"], outcome, steepness)
                for i, (outcome, steepness) in enumerate(ends)
            ],
            _taken(arrays, "now") or None,
            arrays["history"].tolist() if "history" in arrays else [],
        )
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"checkpoint: {path!r} holds no state of a fit ({error})") from error
    if found != of:
        raise ValueError(
            f"checkpoint: {path!r} is of a fit to other data or with other settings; expected one "
            "of this fit, or no file"
        )
    return progress


def _named(prefix: str, parameters: Mapping[str, Array]) -> dict[str, object]:
    return {f"{prefix}: {name}": value for name, value in parameters.items()}


def _taken(arrays: Mapping[str, Array], prefix: str) -> Parameters:
    mark = f"{prefix}: "
    return {name.removeprefix(mark): a for name, a in arrays.items() if name.startswith(mark)}
