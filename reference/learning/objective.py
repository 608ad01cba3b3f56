"""The objective of training, and how steep it is at a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.dgn import DGN
from reference.distributions.e_step import Statistics
from reference.distributions.gradient import gradient
from reference.model.arrays import Array
from reference.model.weight_priors import WeightPrior, log_weight_prior, uphill


@dataclass(frozen=True)
class State:
    """A model with its E-step.

    counts (N,): how often each datum counts; None for once.
    """

    dgn: DGN
    statistics: Statistics
    prior: WeightPrior | None
    counts: Array | None = None

    @staticmethod
    def of(dgn: DGN, X: Array, prior: WeightPrior | None, counts: Array | None = None) -> State:
        return State(dgn, dgn.statistics(X, counts), prior, counts)

    def moved(self, dgn: DGN, X: Array) -> State:
        """Another model with its E-step on the same data."""
        return State.of(dgn, X, self.prior, self.counts)

    @property
    def loss(self) -> float:
        """-(log-likelihood + log prior) / N, nats."""
        prior = log_weight_prior(self.prior, self.dgn.network.parameters().items())
        return -(self.statistics.loglik + prior) / self.statistics.n

    def gradient(self) -> dict[str, Array]:
        """The gradient of the mean log-likelihood by every parameter, by name."""
        dgn = self.dgn
        return gradient(dgn.network, dgn.partition(), dgn.cov_x, dgn.cov_z, self.statistics)

    def steepness(self) -> float:
        """How steeply the objective rises at most, by one parameter, nats a datum.

        For a change of a weight or bias by 1, or by its own size if that is larger; for a relative
        change of an entry of a covariance.
        """
        dgn, n = self.dgn, self.statistics.n
        slopes = self.gradient()
        largest = 0.0
        for name, value in dgn.parameters().items():
            if name in ("cov_x", "cov_z"):
                rates = np.abs(slopes[name] * value)
            else:
                prior = self.prior if name.endswith(".weight") else None
                up = uphill(slopes[name], value, prior, n)
                rates = up * np.maximum(1.0, np.abs(value))
            largest = max(largest, float(np.max(rates)))
        return largest
