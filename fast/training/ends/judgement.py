"""What training aims at, and whether it is there: at a maximum of the objective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fast.dgn import DGN
from fast.training.ends.chart import coordinate_count
from fast.training.ends.stationarity import (
    gradient_norm,
    information_points,
    past_saddle,
    smallest_curvature,
)
from fast.training.objective import State
from reference.model import NO_LIKELIHOOD, Array, WeightPrior

# A gain that no saddle is left for, relative to max(1, |loss|).
_NOTHING = 1e-9


@dataclass(frozen=True)
class Judgement:
    """Of one model: its gradient norm, the smallest curvature there if it was looked for and how,
    and a better model if there is a saddle to leave."""

    norm: float
    curvature: float | None
    how: str
    better: State | None = None


@dataclass(frozen=True)
class Goal:
    """What a fit maximises, and how well.

    X: the data, in own units. counts: how often each of them counts; None for once. floor: of Σx,
    in own units. names: of the parameters that learn; None for all. tol, gtol: arguments of the
    fit.
    """

    X: Array
    prior: WeightPrior | None
    floor: Array
    names: tuple[str, ...] | None
    tol: float
    gtol: float
    counts: Array | None = None

    def at(self, dgn: DGN) -> State:
        """The model with its E-step."""
        return State.of(dgn, self.X, self.prior, self.counts)

    def least(self, loss: Array) -> Array:
        """What counts as a gain, nats a datum."""
        with np.errstate(over="ignore"):  # any finite tolerance may be asked for
            return np.asarray(self.tol * np.maximum(1.0, np.abs(loss)))

    def small_gains(self, losses: Array) -> list[int]:
        """Which iterations, 1 the first, gained next to nothing; a rise is not."""
        gains = -np.diff(losses)
        small = (gains >= 0) & (gains <= self.least(losses[1:]))
        return [int(i) + 1 for i in np.flatnonzero(small)]

    def norm(self, state: State) -> float:
        """The gradient norm."""
        return gradient_norm(state, self.floor, self.names, self.X)

    def how_norm(self, dgn: DGN) -> str:
        """How that is measured, in words."""
        points = information_points(self.X, coordinate_count(dgn, self.names))
        return f"gradient in the Fisher information by the exact scores of {len(points)} data"

    def judged(self, state: State) -> Judgement:
        """Whether a model is a maximum. The curvature is looked for where the gradient is small."""
        norm, how = self.norm(state), self.how_norm(state.dgn)
        if norm > self.gtol:
            return Judgement(norm, None, f"{how}; curvature not looked for")
        try:
            found = smallest_curvature(state, self.floor, self.names, self.X)
        except NO_LIKELIHOOD as error:  # of a model so near that differences were to be taken
            return Judgement(np.inf, None, f"{how}; no curvature: {error}")
        # Less is what rounding of the loss and of the curvature make of a flat place.
        loss = np.array(state.loss)
        least = max(float(self.least(loss)), _NOTHING * max(1.0, abs(state.loss)))
        better = past_saddle(state, found, self.X, least)
        return Judgement(norm, found.value, f"{how}; curvature: {found.how}", better)

    def is_maximum(self, judgement: Judgement) -> bool:
        """Whether it is flat, and nothing better is near."""
        return judgement.norm <= self.gtol and judgement.better is None
