"""Arrays that are refused where they would take more memory than is allowed."""

from __future__ import annotations

import math

import numpy as np

from reference.model import Array


def allocated(shape: tuple[int, ...], max_memory: float, name: str, instead: str) -> Array:
    """An array of doubles, whose values are not set.

    Raises ValueError, before any memory is spent, where it would take more than max_memory bytes;
    name: what it is, instead: what takes less.
    """
    refuse_large(8.0 * math.prod(shape), max_memory, name, instead)
    return np.empty(shape)


def refuse_large(size: float, max_memory: float, name: str, instead: str) -> None:
    """Raise ValueError where something would take more than max_memory bytes."""
    if size > max_memory:
        raise ValueError(
            f"max_memory: {name} takes {size / 1e9:.3g} GB, more than {max_memory / 1e9:.3g} GB; "
            f"use {instead}, or pass a larger max_memory to DGN"
        )
