"""Every quantity of a model whose latent dimension is 1."""

from __future__ import annotations

import numpy as np

from fast.distributions.memory import refuse_statistics
from fast.distributions.model import PriorOnRegions
from fast.distributions.observation import Coordinates
from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from fast.one_dimension import e_step
from fast.one_dimension.gaussians import prior_on_regions
from fast.one_dimension.geometry import IntervalGeometry
from fast.one_dimension.pairs import PairTable, pairs_of
from fast.one_dimension.posterior import IntervalPosterior
from fast.partition.partition import Partition
from reference.model import Array


class OneDimension:
    """`LatentModel` on intervals."""

    def __init__(
        self, partition: Partition, coordinates: Coordinates, cov_z: Array, progress: bool
    ) -> None:
        self.geometry = IntervalGeometry.of(partition, coordinates, cov_z, progress)
        self._cov_z = cov_z

    def logpdf(self, X: Array) -> Array:
        """log p(x), (N,), nats."""
        geometry, result = self.geometry, np.empty(len(X))
        for part in geometry.chunks(len(X)):
            y, rest = geometry.coordinates.points(X[part])
            result[part] = pairs_of(geometry, y, rest).log_evidence
        return result

    def posterior(self, X: Array, max_memory: float) -> Posterior:
        """p(z | x) of each datum."""
        geometry = self.geometry
        y, rest = geometry.coordinates.points(X)
        parts = [pairs_of(geometry, y[part], rest[part]) for part in geometry.chunks(len(X))]
        return IntervalPosterior(geometry, y, rest, PairTable.joined(parts), max_memory)

    def statistics(self, X: Array, counts: Array, max_memory: float) -> Statistics:
        """Posterior expectations summed over data."""
        partition, observed = self.geometry.partition, X.shape[1]
        refuse_statistics(partition.n_regions, observed, len(self._cov_z), max_memory)
        return e_step.statistics(self.geometry, X, counts)

    def reconstruction(self, X: Array) -> Array:
        """E[g(z) | x], (N, D)."""
        geometry, result = self.geometry, np.empty(X.shape)
        for part in geometry.chunks(len(X)):
            terms = pairs_of(geometry, *geometry.coordinates.points(X[part]))
            hidden = geometry.expected_hidden(np.exp(terms.log_e0), terms.mean)
            result[part] = geometry.images_in_two.of_hidden(hidden)
        return result

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], (N,), nats."""
        return e_step.expected_complete_loglik(self.geometry, X)

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q), (N,), nats, for q_mean (N, 1), q_cov (N, 1, 1)."""
        return e_step.elbo(self.geometry, X, q_mean[:, 0], q_cov[:, 0, 0])

    def kl(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """KL(q ‖ p(z | x)), (N,), nats, for q_mean (N, 1), q_cov (N, 1, 1)."""
        return e_step.kl(self.geometry, X, q_mean[:, 0], q_cov[:, 0, 0])

    def prior_on_regions(self) -> PriorOnRegions:
        """The prior on every region."""
        return prior_on_regions(self.geometry, self._cov_z)
