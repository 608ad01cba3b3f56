"""The state of a fit in a file, from which the fit goes on bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reference.model import Array, Outcome, load_arrays, outcome_of, save_arrays

Parameters = dict[str, Array]


class Run(NamedTuple):
    """The training of one start.

    parameters: of the model now. history: the losses so far, empty before the first E-step.
    outcome: why training ended, None while it has not. steepness, norm, curvature: of the objective
    where it ended (see FitResult); NaN where not measured, and how they were, in words.
    """

    parameters: Parameters
    history: Array
    outcome: Outcome | str | None = None
    steepness: float = np.nan
    norm: float = np.nan
    curvature: float = np.nan
    how: str = ""


def fingerprint(*parts: object) -> str:
    """A short text that differs whenever the data or settings differ in a bit.

    Arrays count by their shape and bytes, anything else by its repr. Each part goes in with its
    length, so that 0.5, 10.0 is not 0.51, 0.0.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            content = repr(part.shape).encode() + np.ascontiguousarray(part).tobytes()
        else:
            content = repr(part).encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def write(path: Path, of: str, runs: Sequence[Run]) -> None:
    """Write the state of the fit with the fingerprint `of`, whole or not at all."""
    arrays: dict[str, object] = {"fingerprint": np.array(of)}
    # An empty text stands for a start that has not ended.
    arrays["outcomes"] = np.array([run.outcome or "" for run in runs], dtype=str)
    measures = [(run.steepness, run.norm, run.curvature) for run in runs]
    arrays["measures"], arrays["how"] = np.array(measures), np.array([run.how for run in runs])
    for i, run in enumerate(runs):
        arrays |= _with_prefix(f"start {i}", run.parameters) | {f"history {i}": run.history}
    save_arrays(path, arrays)


def read(path: Path, of: str) -> list[Run] | None:
    """The state of the fit with the fingerprint `of`; None if there is no file.

    Raises ValueError if the file holds no state of a fit, or that of another fit.
    """
    if not path.exists():
        return None
    try:
        arrays = load_arrays(path)
        found = str(arrays["fingerprint"])
        runs = _runs(arrays) if found == of else []
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"checkpoint: {str(path)!r} holds no state of a fit ({error})") from error
    if found != of:
        raise ValueError(
            f"checkpoint: {str(path)!r} is of a fit to other data or with other settings, or by an "
            "earlier version; expected one of this fit, or no file"
        )
    return runs


def _runs(arrays: Mapping[str, Array]) -> list[Run]:
    """The runs that the arrays of a file are of."""
    outcomes, measures, how = (arrays[name].tolist() for name in ("outcomes", "measures", "how"))
    return [
        Run(
            _without_prefix(arrays, f"start {i}"),
            arrays[f"history {i}"],
            outcome_of(text) if text else None,
            steepness=measures[i][0],
            norm=measures[i][1],
            curvature=measures[i][2],
            how=how[i],
        )
        for i, text in enumerate(outcomes)
    ]


def _with_prefix(prefix: str, parameters: Mapping[str, Array]) -> dict[str, object]:
    """Parameters under the names that they have in the file."""
    return {f"{prefix}: {name}": value for name, value in parameters.items()}


def _without_prefix(arrays: Mapping[str, Array], prefix: str) -> Parameters:
    """Those arrays of a file that have this prefix, under their own names."""
    mark = f"{prefix}: "
    return {name.removeprefix(mark): a for name, a in arrays.items() if name.startswith(mark)}
