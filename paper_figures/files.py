"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

#: Files being written have names that begin and end with these, until they are renamed.
_BEGINS, _ENDS = ".", ".part"
# Seconds after which such a file is one that its writer did not live to rename.
_ABANDONED = 3600.0


def write_whole(target: Path, content: bytes) -> None:
    """Write beside the target under another name, then rename."""
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
    """Create the folder if need be, try to write in it, and clear away what runs that were killed
    while writing left of files. Raises OSError if that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    for place in (folder, folder / "runs"):
        for path in place.glob(f"{_BEGINS}*{_ENDS}"):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
