"""What training maximises, at one model: the mean log-likelihood, with the log prior of the weights
if there is one, and its exact gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fast.dgn import DGN, summed
from fast.distributions.gradient import gradient
from fast.distributions.statistics import Statistics
from reference.model import Array, WeightPrior, log_weight_prior, uphill


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
        """Run the E-step."""
        weights = np.ones(len(X)) if counts is None else counts
        return State(dgn, summed(dgn, X, weights), prior, counts)

    def moved(self, dgn: DGN, X: Array) -> State:
        """Another model with its E-step on the same data."""
        return State.of(dgn, X, self.prior, self.counts)

    @cached_property
    def loss(self) -> float:
        """-(log-likelihood + log prior) / N, nats."""
        prior = log_weight_prior(self.prior, self.dgn.network.parameters().items())
        return -(self.statistics.loglik + prior) / self.statistics.n

    @cached_property
    def log_likelihood_gradient(self) -> dict[str, Array]:
        """The gradient of the mean log-likelihood by every parameter, by name."""
        dgn = self.dgn
        return gradient(dgn.network, dgn.noise, dgn.cov_z, self.statistics)


def steepness(
    values: Mapping[str, Array], slopes: Mapping[str, Array], prior: WeightPrior | None, n: float
) -> float:
    """The largest rate at which a parameter raises the objective (see FitResult.steepness).

    values, slopes: of the parameters, and of the mean log-likelihood by them.
    """
    largest = 0.0
    for name, slope in slopes.items():
        value = values[name]
        if name in ("cov_x", "cov_z"):
            rates = np.abs(slope * value)
        else:
            up = uphill(slope, value, prior if name.endswith(".weight") else None, n)
            rates = up * np.maximum(1.0, np.abs(value))
        largest = max(largest, float(np.max(rates, initial=0.0)))
    return largest
