"""The folder that whole files are written to."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from reference.model import UNFINISHED

# Seconds after which the writer of an unfinished file must have been killed.
_ABANDONED = 3600.0


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
        for path in place.glob(UNFINISHED):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
