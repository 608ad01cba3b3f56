"""Loops over numbers in machine code: numpy would write all that is between to memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import CodeType


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """A function that loops over arrays and writes to one, in machine code.

    It is compiled when first called, which takes some seconds, and kept in a folder beside the
    module, or the user's own where that cannot be written to. With NUMBA_DISABLE_JIT=1 it stays as
    it is.
    """
    return _compiled(function, function.__code__)


@cache
def _compiled(function: Callable[..., None], _: CodeType) -> Callable[..., None]:
    """By its code as well, which a deliberate defect changes."""
    # Imported when needed: it takes longer than all the rest.
    from numba import njit

    def machine_code(cache: bool) -> Callable[..., None]:
        return njit(cache=cache, nogil=True, error_model="numpy")(function)

    try:
        return machine_code(cache=True)
    except RuntimeError:
        # There is no folder to keep it in.
        return machine_code(cache=False)
