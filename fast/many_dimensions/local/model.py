"""Every quantity of a model with two or three latent dimensions, without its whole partition."""

from __future__ import annotations

import numpy as np

from fast.distributions.model import PriorOnRegions
from fast.distributions.observation import Coordinates
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.many_dimensions.local import e_step
from fast.many_dimensions.local.pairs import Found, found
from fast.many_dimensions.local.posterior import LocalPosterior
from fast.many_dimensions.local.setting import Points, Setting
from fast.partition.local.bends import Bends
from fast.polyhedra.chunks import chunks
from reference.model import Array, Network

# Data that are searched for together share their boxes.
_TOGETHER = 64


class LocalDimensions:
    """`LatentModel` on boxes."""

    def __init__(
        self,
        network: Network,
        coordinates: Coordinates,
        cov_z: Array,
        negligible: float,
        max_regions: int,
    ) -> None:
        self._setting = Setting.of(network, coordinates, cov_z, negligible)
        self._bends, _ = Bends.of(network)
        self._max_regions = max_regions

    def _found(self, points: Points) -> Found:
        return found(self._setting, self._bends, points, self._max_regions)

    def logpdf(self, X: Array) -> Array:
        """log p(x), (N,), nats."""
        result = np.empty(len(X))
        for part in chunks(len(X), _TOGETHER):
            result[part] = self._found(self._setting.points(X[part])).log_evidence
        return result

    def posterior(self, X: Array, max_memory: float) -> Posterior:
        """p(z | x) of each datum."""
        points = self._setting.points(X)
        parts = [self._found(points.at(part)) for part in chunks(len(X), _TOGETHER)]
        return LocalPosterior(self._setting, self._bends, points, Found.joined(parts), max_memory)

    def statistics(self, X: Array, max_memory: float) -> Statistics:
        """Posterior expectations summed over data."""
        points = self._setting.points(X)
        parts = [self._found(points.at(part)) for part in chunks(len(X), _TOGETHER)]
        return e_step.statistics(self._setting, self._bends, X, Found.joined(parts), max_memory)

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], (N,), nats."""
        result = np.empty(len(X))
        for part in chunks(len(X), _TOGETHER):
            own = self._found(self._setting.points(X[part]))
            result[part] = own.log_evidence - own.entropies()
        return result

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q), (N,), nats, for q_mean (N, S), q_cov (N, S, S)."""
        result = 0.5 * (q_mean.shape[1] * (LOG_2PI + 1.0) + np.linalg.slogdet(q_cov)[1])
        for part in chunks(len(X), _TOGETHER):
            points = self._setting.points(X[part])
            q = q_mean[part], q_cov[part]
            result[part] += e_step.expected_log_joint(self._setting, self._bends, points, *q)
        return np.asarray(result)

    def kl(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """KL(q ‖ p(z | x)), (N,), nats, for q_mean (N, S), q_cov (N, S, S)."""
        return self.logpdf(X) - self.elbo(X, q_mean, q_cov)

    def prior_on_regions(self) -> PriorOnRegions:
        """The prior on every region: there are too many.

        Raises ValueError.
        """
        raise ValueError(
            "partition: the mean and covariance of p(x) need all regions, and this model has those "
            "that matter for given data; pass partition='full' to DGN"
        )
