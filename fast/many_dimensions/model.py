"""Every quantity of a model whose latent dimension is 2 to 6."""

from __future__ import annotations

import numpy as np

from fast.distributions.memory import refuse_statistics
from fast.distributions.model import PriorOnRegions
from fast.distributions.observation import Coordinates
from fast.distributions.posterior import Posterior
from fast.distributions.reconstruction import Pairs
from fast.distributions.statistics import Statistics
from fast.many_dimensions import e_step
from fast.many_dimensions.gaussians import prior_on_regions
from fast.many_dimensions.geometry import PolyhedralGeometry
from fast.many_dimensions.pairs import pairs_of
from fast.many_dimensions.posterior import PolyhedralPosterior
from fast.partition.partition import Partition
from reference.model import Array


class ManyDimensions:
    """`LatentModel` on polyhedra."""

    def __init__(
        self,
        partition: Partition,
        coordinates: Coordinates,
        cov_z: Array,
        negligible: float,
        progress: bool,
    ) -> None:
        self.geometry = PolyhedralGeometry.of(partition, coordinates, cov_z, negligible, progress)
        self._cov_z = cov_z

    def logpdf(self, X: Array) -> Array:
        """log p(x), (N,), nats."""
        geometry, result = self.geometry, np.empty(len(X))
        for part in geometry.chunks(len(X)):
            result[part] = pairs_of(geometry, geometry.points(X[part])).log_evidence
        return result

    def posterior(self, X: Array, max_memory: float) -> Posterior:
        """p(z | x) of each datum."""
        geometry = self.geometry
        points = geometry.points(X)
        parts = [pairs_of(geometry, points.at(part)) for part in geometry.chunks(len(X))]
        return PolyhedralPosterior(geometry, points, parts, max_memory)

    def statistics(self, X: Array, counts: Array, max_memory: float) -> Statistics:
        """Posterior expectations summed over data."""
        partition, observed = self.geometry.partition, X.shape[1]
        refuse_statistics(partition.n_regions, observed, len(self._cov_z), max_memory)
        return e_step.statistics(self.geometry, X, counts)

    def reconstruction(self, X: Array) -> Array:
        """E[g(z) | x], (N, D)."""
        geometry, result = self.geometry, np.empty(X.shape)
        for part in geometry.chunks(len(X)):
            terms = pairs_of(geometry, geometry.points(X[part]))
            pairs = Pairs(terms.pairs.datum, np.exp(terms.log_e0))
            of_data = len(terms.log_evidence), pairs, terms.pairs.mean
            result[part] = geometry.images_in_two.expected(*of_data)
        return result

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], (N,), nats."""
        return e_step.expected_complete_loglik(self.geometry, X)

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q), (N,), nats, for q_mean (N, S), q_cov (N, S, S)."""
        return e_step.elbo(self.geometry, X, q_mean, q_cov)

    def kl(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """KL(q ‖ p(z | x)), (N,), nats, for q_mean (N, S), q_cov (N, S, S)."""
        return e_step.kl(self.geometry, X, q_mean, q_cov)

    def prior_on_regions(self) -> PriorOnRegions:
        """The prior on every region."""
        return prior_on_regions(self.geometry, self._cov_z)
