"""Loops over numbers in machine code: numpy would write all that is between to memory."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from types import CodeType

# What a folder may do that cannot be written to, or a file in it that was cut off.
_NOT_KEPT = (RuntimeError, OSError, EOFError, pickle.UnpicklingError)


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """A function that loops over arrays and adds to one, in machine code.

    It is compiled when first called, which takes some seconds, and kept in a folder beside the
    module, or the user's own where that cannot be written to; where neither can, or what is there
    cannot be read, it is compiled for this process alone. With NUMBA_DISABLE_JIT=1 it stays as it
    is.
    """
    return _compiled(function, function.__code__)


@cache
def _compiled(function: Callable[..., None], _: CodeType) -> Callable[..., None]:
    """By its code as well, which a deliberate defect changes."""
    # Imported when needed: it takes longer than all the rest.
    from numba import njit

    def machine_code(cache: bool) -> Callable[..., None]:
        return njit(cache=cache, nogil=True, error_model="numpy")(function)

    def called(*args: object) -> None:
        # Files are read and written before anything is computed.
        try:
            found[-1](*args)
        except _NOT_KEPT:
            if len(found) > 1:
                raise
            found.append(machine_code(cache=False))
            found[-1](*args)

    try:
        found = [machine_code(cache=True)]
    except _NOT_KEPT:
        found = [machine_code(cache=False)]
    return called
