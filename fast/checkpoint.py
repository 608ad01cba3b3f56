"""A fit's state in a file, from which it goes on bit for bit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reference.network import Array, save_arrays

Parameters = dict[str, Array]


@dataclass
class Progress:
    """Where a fit is: the starts' parameters; those whose training has ended, with why and their
    losses; and of the start in training its parameters now and its losses so far."""

    starts: list[Parameters]
    ended: list[tuple[Parameters, Array, str]] = field(default_factory=list)
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
    arrays["ended"] = np.array([outcome for _, _, outcome in progress.ended], dtype="U32")
    for i, start in enumerate(progress.starts):
        arrays |= _named(f"start {i}", start)
    for i, (parameters, history, _) in enumerate(progress.ended):
        arrays |= _named(f"end {i}", parameters) | {f"history {i}": history}
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
        outcomes = arrays["ended"].tolist()
        progress = Progress(
            [_taken(arrays, f"start {i}") for i in range(count)],
            [
                (_taken(arrays, f"end {i}"), arrays[f"history {i}"], outcome)
                for i, outcome in enumerate(outcomes)
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
