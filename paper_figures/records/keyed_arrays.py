"""Arrays kept in a file with the key of what determines them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from paper_figures.options import Numbers, Record
from reference.model import write_whole

_KEY = "key"


def key_of(parameters: Record, source: str) -> str:
    """The hash of all that determines a result.

    Parameters
    ----------
    parameters : Record
        Ready for JSON.
    source : str
        The fingerprint of the code; see `source_fingerprint`.

    Returns
    -------
    str
        SHA-256, in hexadecimal.
    """
    return hashlib.sha256(json.dumps([parameters, source], sort_keys=True).encode()).hexdigest()


def save(path: Path, numbers: Numbers, key: str) -> None:
    """Write arrays with their key, whole or not at all.

    Parameters
    ----------
    path : Path
        Of the .npz file; its folder must exist.
    numbers : Numbers
        Any names but "key".
    key : str
        What the arrays are found again by.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**numbers, _KEY: np.array(key)})  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def load(path: Path, key: str) -> Numbers | None:
    """Read arrays if they have the right key.

    Parameters
    ----------
    path : Path
        Of the .npz file.
    key : str
        What determines the arrays that are wanted.

    Returns
    -------
    Numbers or None
        None if the file is missing, is damaged, or has another key.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            numbers = {name: stored[name] for name in stored.files}
        return numbers if str(numbers.pop(_KEY)) == key else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
