"""Results that are refused where they would take more memory than is allowed."""

from __future__ import annotations

from reference.model import TooMuchMemoryError


def refuse_large(size: float, max_memory: float, name: str, instead: str) -> None:
    """Raise TooMuchMemoryError where a result would take more than max_memory bytes; name: what it
    is, instead: what takes less."""
    if size > max_memory:
        raise TooMuchMemoryError(
            f"max_memory: {name} takes {size / 1e9:.3g} GB, more than {max_memory / 1e9:.3g} GB; "
            f"use {instead}, or pass a larger max_memory to DGN"
        )


def refuse_statistics(n_regions: int, observed: int, latent: int, max_memory: float) -> None:
    """Raise TooMuchMemoryError where sums on so many regions would take more than max_memory."""
    size = 24.0 * n_regions * observed * (latent + 1)
    refuse_large(size, max_memory, "statistics", "fewer regions")
