"""The models of oracle.models.architectures as a hypothesis strategy, which shrinks what it
drew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from oracle.exact.number_types import Array
from oracle.exact.regions import exact_regions
from oracle.models.architectures import MOST_REGIONS, draw_case
from oracle.models.case import Case
from oracle.models.random_choices import ShapeLike, T

#: What gives one value of a strategy.
Draw = Callable[[st.SearchStrategy[Any]], Any]


class Drawn:
    """oracle.models.random_choices.Choices made by hypothesis. Arrays come from a seed it chooses:
    it shrinks their number and size, not their entries."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def whole(self, low: int, high: int) -> int:
        """An integer from low to high - 1."""
        return int(self._draw(st.integers(low, high - 1)))

    def wholes(self, low: int, high: int, shape: ShapeLike) -> Array:
        """Such integers, as doubles."""
        return self._generator().integers(low, high, shape).astype(float)

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of several, the first the simplest."""
        return cast(T, self._draw(st.sampled_from(options)))

    def chance(self, probability: float) -> bool:
        """False is the simpler."""
        return bool(self._draw(st.booleans()))

    def real(self, low: float, high: float) -> float:
        """A number between two."""
        return float(self._draw(st.floats(low, high)))

    def normals(self, shape: ShapeLike) -> Array:
        """Independent standard normal numbers."""
        return self._generator().standard_normal(shape)

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self._draw(st.integers(0, 2**16 - 1)))


@st.composite
def cases(
    draw: st.DrawFn, latent: int = 1, points: int = 1, most_regions: int | None = None
) -> Case:
    """Models with S = latent and points, of at most MOST_REGIONS[latent] regions, or as given."""
    place = draw(st.integers(0, 3))
    drawn = Drawn(draw)
    case = draw_case(drawn, drawn, place, latent, points)
    assume(len(exact_regions(case.specs)) <= (most_regions or MOST_REGIONS[latent]))
    return case
