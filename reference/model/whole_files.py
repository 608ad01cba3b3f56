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
_NUMBER = "format"
#: What files are written as. One that bears no number is of 0.1.0, and read as ever; one of a later
#: version is refused, for what it holds may mean something else.
FORMAT = 1
#: The pattern of the names that files have while they are being written. A file of such a name that
#: stays behind is one whose writer was killed.
UNFINISHED = f"{_BEGINS}*{_ENDS}"


def check_path(value: Any, name: str) -> Path:
    """Return an argument as a path.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument's name, for the message.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        If it is not the path of a file.
    """
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name}: expected the path of a file, got {value!r}")
    return Path(value)


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
    """Write arrays to a .npz file, bit for bit, whole or not at all, with the number of its format.

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
    np.savez(buffer, **{**arrays, _NUMBER: np.array(FORMAT)})
    write_whole(path, buffer.getvalue())


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of a file written by `save_arrays`.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    dict of str to ndarray
        The arrays by name, without the number of the format.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If a later version wrote it. Of a file that holds no arrays whatever NumPy raises: the
        caller knows what it should have held.
    """
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    found = int(arrays.pop(_NUMBER, 0))
    if found > FORMAT:
        raise ValueError(
            f"a later version of exactdgn wrote it, in format {found}; this one reads formats up "
            f"to {FORMAT}: update exactdgn"
        )
    return arrays
