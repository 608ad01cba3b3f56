"""Where random models get their choices from: a seeded generator, or hypothesis, which can shrink
them (oracle.models.hypothesis_choices)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from oracle.exact.number_types import Array

T = TypeVar("T")
ShapeLike = int | tuple[int, ...]


class Choices(Protocol):
    """What a model is drawn with."""

    def whole(self, low: int, high: int) -> int:
        """An integer from low to high - 1."""

    def wholes(self, low: int, high: int, shape: ShapeLike) -> Array:
        """Such integers, as doubles."""

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of several, the likelier the larger its weight."""

    def chance(self, probability: float) -> bool:
        """True with this probability."""

    def real(self, low: float, high: float) -> float:
        """A number between two."""

    def normals(self, shape: ShapeLike) -> Array:
        """Independent standard normal numbers."""


class Seeded:
    """Choices of NumPy's generator: the same seed, the same choices."""

    def __init__(self, *seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def whole(self, low: int, high: int) -> int:
        """As Choices."""
        return int(self._rng.integers(low, high))

    def wholes(self, low: int, high: int, shape: ShapeLike) -> Array:
        """As Choices."""
        return self._rng.integers(low, high, shape).astype(float)

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """As Choices."""
        return options[int(self._rng.choice(len(options), p=weights))]

    def chance(self, probability: float) -> bool:
        """As Choices."""
        return bool(self._rng.random() < probability)

    def real(self, low: float, high: float) -> float:
        """As Choices."""
        return float(self._rng.uniform(low, high))

    def normals(self, shape: ShapeLike) -> Array:
        """As Choices."""
        return self._rng.standard_normal(shape)
