"""One numbered result of the paper."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """One result of the paper, where it is computed, and what guards it."""

    name: str
    says: str
    reference: tuple[str, ...]
    fast: tuple[str, ...]
    quantities: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
