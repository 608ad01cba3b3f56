"""Files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_BEGINS, _ENDS = ".", ".part"
#: The pattern of the names that files have while they are being written. A file of such a name that
#: stays behind is one whose writer was killed.
UNFINISHED = f"{_BEGINS}*{_ENDS}"


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file that appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file. It is named exactly so. One that is there already is replaced.
    content : bytes
        What it holds afterwards.

    Raises
    ------
    OSError
        If it cannot be written. What was there before stays as it was.

    Notes
    -----
    The content goes to a temporary file in the same folder (see `UNFINISHED`), which is renamed
    once it is written. Guarded by tests/learning/test_checkpoints.py, which kills a process that
    writes.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(_ENDS, _BEGINS, target.parent or ".")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)  # as an ordinary file; temporary ones are private
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write arrays to a .npz file, bit for bit, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file. No ending is added to its name.
    arrays : mapping of str to array_like
        What it holds, by name.

    Raises
    ------
    OSError
        If it cannot be written. What was there before stays as it was.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(path, buffer.getvalue())
