"""The objective of training, and how steep it is at a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.dgn import DGN
from reference.distributions.e_step import Statistics
from reference.distributions.gradient import gradient
from reference.model.arrays import Array
from reference.model.weight_priors import (
    GaussianPrior,
    LaplacePrior,
    WeightPrior,
    log_weight_prior,
)


@dataclass(frozen=True)
class State:
    """A model with its E-step."""

    dgn: DGN
    statistics: Statistics
    prior: WeightPrior | None

    @staticmethod
    def of(dgn: DGN, X: Array, prior: WeightPrior | None) -> State:
        return State(dgn, dgn.statistics(X), prior)

    @property
    def loss(self) -> float:
        """-(log-likelihood + log prior) / N, nats."""
        prior = log_weight_prior(self.prior, self.dgn.network.parameters().items())
        return -(self.statistics.loglik + prior) / self.statistics.n

    def steepness(self) -> float:
        """How steeply the objective rises at most, by one parameter, nats a datum.

        For a change of a weight or bias by 1, or by its own size if that is larger; for a relative
        change of an entry of a covariance.
        """
        dgn, n = self.dgn, self.statistics.n
        slopes = gradient(dgn.network, dgn.partition(), dgn.cov_x, dgn.cov_z, self.statistics)
        largest = 0.0
        for name, value in dgn.parameters().items():
            prior = self.prior if name.endswith(".weight") else None
            for slope, w in zip(slopes[name].ravel(), value.ravel(), strict=True):
                if name in ("cov_x", "cov_z"):
                    largest = max(largest, abs(slope * w))
                else:
                    largest = max(largest, uphill(slope, w, prior, n) * max(1.0, abs(w)))
        return largest


def uphill(slope: float, w: float, prior: WeightPrior | None, n: int) -> float:
    """How steeply the objective rises by one entry, in the direction in which it does."""
    if prior is None:
        return abs(slope)
    if isinstance(prior, GaussianPrior):
        return abs(slope - w / (prior.scale**2 * n))
    if isinstance(prior, LaplacePrior):
        rate = 1.0 / (prior.scale * n)
        return max(abs(slope) - rate, 0.0) if w == 0 else abs(slope - np.sign(w) * rate)
    # Uniform: at a bound only inwards.
    return max(-np.sign(w) * slope, 0.0) if abs(w) >= prior.bound else abs(slope)
