"""Every quantity of data of which entries are missing: a model for each pattern of what is there.

Leaving out entries of x leaves out rows of the last layer, and rows and columns of Σx. So rows that
observe the same entries are data of one marginal, and the cost is that of as many models as there
are patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fast.distributions.memory import refuse_statistics
from fast.distributions.missing.posterior import JoinedPosterior
from fast.distributions.missing.sums import Sums
from fast.distributions.model import LatentModel
from fast.distributions.observation import Noise
from fast.distributions.posterior import Posterior
from fast.distributions.reconstruction import Images
from fast.distributions.statistics import Statistics
from reference.model import Array, Indices, Pattern, cov_of_outputs, is_whole, patterns

Model = TypeVar("Model")


def by_pattern(
    X: Array,
    marginal: Callable[[Indices], Model],
    ask: Callable[[Model, Array, Indices], Array],
) -> Array:
    """What the models of observed entries answer, (N, ...), for X (N, D) with NaN.

    ask: of a model, its data (n, d), and which rows of X they are.
    """
    found = [
        (pattern.rows, ask(marginal(pattern.observed), _values(pattern, X), pattern.rows))
        for pattern in patterns(X)
    ]
    result = np.empty((len(X), *found[0][1].shape[1:]))
    for rows, values in found:
        result[rows] = values
    return result


def solved(noise: Noise, rows: Array) -> Array:
    """Σx^-1 applied to each row, (N, D); where entries are NaN to the others, and 0 there."""
    if is_whole(rows):
        return noise.solve(rows)
    result = np.zeros(rows.shape)
    for pattern in patterns(rows):
        if len(pattern.observed):
            cov = cov_of_outputs(noise.cov, pattern.observed)
            own = Noise.of(cov, len(pattern.observed)).solve(pattern.of(rows))
            result[np.ix_(pattern.rows, pattern.observed)] = own
    return result


def _values(pattern: Pattern, X: Array) -> Array:
    """What is observed, (n, d); of nothing one 0, which its model has for certain."""
    return pattern.of(X) if len(pattern.observed) else np.zeros((len(pattern.rows), 1))


@dataclass(frozen=True)
class ByPattern:
    """The quantities of `LatentModel` for data X (N, D) with NaN.

    marginal: the model of some entries of x. images: of all of x, under noise `noise`.
    """

    marginal: Callable[[Indices], LatentModel]
    images: Images
    noise: Noise

    def logpdf(self, X: Array) -> Array:
        """log p of what is observed, (N,), nats; 0 of nothing."""
        result = np.zeros(len(X))
        for pattern in patterns(X):
            if len(pattern.observed):
                model = self.marginal(pattern.observed)
                result[pattern.rows] = model.logpdf(pattern.of(X))
        return result

    def posterior(self, X: Array, max_memory: float) -> Posterior:
        """p(z) given what is observed of each row."""
        parts = []
        for pattern in patterns(X):
            model, values = self.marginal(pattern.observed), _values(pattern, X)
            parts.append((pattern.rows, model.posterior(values, max_memory)))
        return JoinedPosterior(self.images, parts, max_memory)

    def statistics(self, X: Array, counts: Array, max_memory: float) -> Statistics:
        """Posterior expectations summed over data, those of missing entries among them."""
        sums = Sums(self.noise)
        for pattern in patterns(X):
            model, values = self.marginal(pattern.observed), _values(pattern, X)
            found = model.statistics(values, counts[pattern.rows], max_memory)
            regions, latent = found.e1.shape
            refuse_statistics(regions, self.noise.dimension, latent, max_memory)
            sums.add(found, pattern.observed)
        return sums.statistics()

    def reconstruction(self, X: Array) -> Array:
        """E[g(z) | what is observed] of these entries, (N, D); NaN of the others."""
        result = np.full(X.shape, np.nan)
        for pattern in patterns(X):
            if len(pattern.observed):
                found = self.marginal(pattern.observed).reconstruction(pattern.of(X))
                result[np.ix_(pattern.rows, pattern.observed)] = found
        return result

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(what is observed, z)] given it, (N,), nats."""

        def ask(model: LatentModel, values: Array, _: Indices) -> Array:
            return model.expected_complete_loglik(values)

        return by_pattern(X, self.marginal, ask)

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(what is observed, z)] + H(q), (N,), nats."""

        def ask(model: LatentModel, values: Array, rows: Indices) -> Array:
            return model.elbo(values, q_mean[rows], q_cov[rows])

        return by_pattern(X, self.marginal, ask)

    def kl(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """KL(q ‖ p(z | what is observed)), (N,), nats."""

        def ask(model: LatentModel, values: Array, rows: Indices) -> Array:
            return model.kl(values, q_mean[rows], q_cov[rows])

        return by_pattern(X, self.marginal, ask)
