"""What training maximises: the mean log-likelihood, with the log prior of the weights if any; its
value and its exact gradient at a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fast.dgn import DGN
from fast.distributions.gradient import gradient
from fast.distributions.statistics import Statistics
from reference.model import (
    Array,
    GaussianPrior,
    LaplacePrior,
    UniformPrior,
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
        """Run the E-step."""
        return State(dgn, dgn.statistics(X), prior)

    @cached_property
    def loss(self) -> float:
        """-(log-likelihood + log prior) / N, nats."""
        prior = log_weight_prior(self.prior, self.dgn.network.parameters().items())
        return -(self.statistics.loglik + prior) / self.statistics.n

    @cached_property
    def log_likelihood_gradient(self) -> dict[str, Array]:
        """Of the mean log-likelihood, by every parameter."""
        dgn = self.dgn
        return gradient(dgn.network, dgn.partition(), dgn.noise, dgn.cov_z, self.statistics)

    def steepness(self) -> float:
        """The largest rate at which a parameter raises the objective, nats a datum for a change of
        one, or of its own size if that is larger; 0 where no direction leads up. For covariances by
        their relative change."""
        values = self.dgn.parameters()
        largest = 0.0
        for name, slope in self.log_likelihood_gradient.items():
            value = values[name]
            if name in ("cov_x", "cov_z"):
                rates = np.abs(slope * value)
            else:
                up = _uphill(slope, value, name, self.prior, self.statistics.n)
                rates = up * np.maximum(1.0, np.abs(value))
            largest = max(largest, float(np.max(rates, initial=0.0)))
        return largest


def _uphill(slope: Array, value: Array, name: str, prior: WeightPrior | None, n: int) -> Array:
    """How steeply the objective rises by each entry, in the direction in which it does."""
    if prior is None or not name.endswith(".weight"):
        return np.abs(slope)
    if isinstance(prior, GaussianPrior):
        return np.abs(slope - value / (prior.scale**2 * n))
    if isinstance(prior, LaplacePrior):
        rate = 1.0 / (prior.scale * n)
        at_zero = np.maximum(np.abs(slope) - rate, 0.0)
        return np.where(value == 0, at_zero, np.abs(slope - np.sign(value) * rate))
    assert isinstance(prior, UniformPrior)
    inwards = np.maximum(-np.sign(value) * slope, 0.0)
    return np.where(np.abs(value) >= prior.bound, inwards, np.abs(slope))
