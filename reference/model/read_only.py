"""Arrays that stay read-only in copies and pickles, where numpy alone would let them be written."""

from __future__ import annotations

from typing import Any

import numpy as np


class ReadOnly:
    """What is immutable: none of its arrays may be written to, however it came to be."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        freeze(*state.values())


def freeze(*values: object) -> None:
    """Make arrays read-only, those in tuples too; anything else is left alone."""
    for value in values:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        elif isinstance(value, tuple):
            freeze(*value)
