"""Arrays kept in a file with the key of what determines them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from paper_figures.files import write_whole
from paper_figures.options import Numbers, Record

_KEY = "key"


def key_of(parameters: Record, source: str) -> str:
    """The hash of what determines a result."""
    return hashlib.sha256(json.dumps([parameters, source], sort_keys=True).encode()).hexdigest()


def save(path: Path, numbers: Numbers, key: str) -> None:
    """Write arrays with their key, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**numbers, _KEY: np.array(key)})  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def load(path: Path, key: str) -> Numbers | None:
    """The kept arrays; None if the file is missing, damaged, or made from something else."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in stored.files}
        return numbers if str(numbers.pop(_KEY)) == key else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
