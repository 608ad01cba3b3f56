"""What both models of the latent space offer: one set of quantities, for S = 1 and for S >= 2."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from fast.distributions.posterior import Posterior
from fast.distributions.statistics import Statistics
from reference.model import Array


class PriorOnRegions(NamedTuple):
    """The prior N(0, Σz) cut up by the regions [Proposition 1].

    For S >= 2 a region that holds less than exp(-80) of the prior has zeros in all three.
    """

    mass: Array  # (R,): Φ_ω(0, Σz), the prior's mass in the region
    mean: Array  # (R, S): of z given z in ω
    cov: Array  # (R, S, S): of z given z in ω


class LatentModel(Protocol):
    """p(x, z) of one network on the regions of its partition: every quantity that `DGN` offers.

    `fast.one_dimension.model.OneDimension` keeps it on intervals and
    `fast.many_dimensions.model.ManyDimensions` on polyhedra, all of them, or those that matter in
    `fast.many_dimensions.local.model.LocalDimensions`. Each quantity is defined here, once.
    Arguments are checked by `DGN`, the door: they are finite float64 arrays of the shapes named
    here, N >= 1. Results do not depend on how data are cut into chunks
    (tests/contract/test_chunks.py).
    """

    def logpdf(self, X: Array) -> Array:
        """log p(x) = log ∫ p(x, z) dz [eq. 5], X (N, D) -> (N,), nats."""
        ...

    def posterior(self, X: Array, max_memory: float) -> Posterior:
        """p(z | x) [eq. 6, Proposition 2] of each row of X (N, D); its tables of all regions take
        at most max_memory bytes."""
        ...

    def statistics(self, X: Array, counts: Array, max_memory: float) -> Statistics:
        """Posterior expectations summed over the rows of X (N, D), each as often as it counts, (N,)
        [Sec. 4.1].

        Memory O(R D S), independent of N. Raises ValueError where that is more than max_memory
        bytes.
        """
        ...

    def reconstruction(self, X: Array) -> Array:
        """E[g(z) | x], X (N, D) -> (N, D), in chunks: memory O(N D). The score is made of it."""
        ...

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], with z from the posterior [Sec. 4.1], X (N, D) -> (N,), nats.

        It is log p(x) less the entropy of p(z | x). In the printed E-step the bracket belongs
        inside the -1/2.
        """
        ...

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q) for q = N(q_mean, q_cov) [eq. 3], (N,), nats.

        X (N, D), q_mean (N, S), q_cov (N, S, S) symmetric positive definite. Not finite where q is
        too far away, or too narrow, for double precision.
        """
        ...

    def kl(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """KL(q ‖ p(z | x)) = log p(x) - ELBO [eq. 3], (N,), nats, arguments as of `elbo`.

        Neither of the two is formed: far from the manifold both are huge.
        """
        ...

    def prior_on_regions(self) -> PriorOnRegions:
        """Mass, mean and covariance of the prior on every region [Proposition 1]."""
        ...
