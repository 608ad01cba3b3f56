"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

#: Files being written have names that begin and end with these, until they are renamed.
_BEGINS, _ENDS = ".", ".part"
# Seconds after which the writer of such a file must have been killed.
_ABANDONED = 3600.0


def write_whole(target: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all.

    Parameters
    ----------
    target : Path
        Its folder must exist. A file of this name is replaced.
    content : bytes
        All of it.

    Raises
    ------
    OSError
        If it cannot be written; a file of this name is then as it was.

    Notes
    -----
    The content is written beside the target under another name, which is then changed.
    """
    handle, temporary = tempfile.mkstemp(_ENDS, f"{_BEGINS}{target.name}.", target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def prepare_folder(folder: Path) -> None:
    """Make sure that a folder exists and can be written in, and clear it of unfinished files.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.

    Raises
    ------
    OSError
        If it cannot be created or written in.

    Notes
    -----
    A run that is killed while it writes leaves an unfinished file. It is deleted once it is so old
    that no other command can be writing it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    for place in (folder, folder / "runs"):
        for path in place.glob(f"{_BEGINS}*{_ENDS}"):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
