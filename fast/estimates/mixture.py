"""Mixtures of Gaussians from which z is proposed, and how they adapt to weighted draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from fast.integration.interval import LOG_2PI
from reference.model import Array

# The share of draws that the prior has, and that copies of components, so much wider, have: where
# neither they nor the search have looked, weights stay bounded.
_OF_PRIOR, _OF_WIDER, _WIDER = 0.05, 0.15, 3.0
# What is kept of a component's covariance as the search found it.
_KEPT = 0.05
# The least weight of a component, before all are made to add up to 1.
_LEAST = 1e-3


@dataclass(frozen=True)
class Mixture:
    """Components K, and the prior as another."""

    weights: Array  # (K,): of the components, that add up to 1
    means: Array  # (K, S)
    roots: Array  # (K, S, S): lower factors of their covariances
    prior_root: Array  # (S, S): lower factor of Σz

    @staticmethod
    def of(weights: Array, means: Array, roots: Array, prior_root: Array) -> Mixture:
        """With weights that add up to 1, none of them nothing, from such as do not."""
        kept = np.maximum(weights / weights.sum(), _LEAST)
        return Mixture(kept / kept.sum(), means, roots, prior_root)

    def joined(self, shares: Array, means: Array, roots: Array) -> Mixture:
        """With more components, of these shares beside those that there are."""
        return Mixture.of(
            weights=np.concatenate([self.weights, shares]),
            means=np.concatenate([self.means, means]),
            roots=np.concatenate([self.roots, roots]),
            prior_root=self.prior_root,
        )

    @property
    def _all(self) -> tuple[Array, Array, Array]:
        """Weights, means and lower factors of everything that is drawn from."""
        latent = self.means.shape[1]
        narrow = (1.0 - _OF_PRIOR) * self.weights
        return (
            np.concatenate([(1.0 - _OF_WIDER) * narrow, _OF_WIDER * narrow, [_OF_PRIOR]]),
            np.concatenate([self.means, self.means, np.zeros((1, latent))]),
            np.concatenate([self.roots, _WIDER * self.roots, self.prior_root[None]]),
        )

    def rvs(self, size: int, rng: np.random.Generator) -> Array:
        """Draws, (size, S), as many of each component as its weight says, up to one: in the mean
        exactly so, which leaves the mean of weights unbiased."""
        weights, means, roots = self._all
        ends = np.cumsum(weights / weights.sum())
        at = (np.arange(size) + rng.uniform()) / size
        chosen = np.minimum(np.searchsorted(ends, at), len(weights) - 1)
        steps = rng.standard_normal((size, means.shape[1]))
        return np.asarray(means[chosen] + np.einsum("nij,nj->ni", roots[chosen], steps))

    def logpdf(self, Z: Array) -> Array:
        """Log density, (n,)."""
        weights, means, roots = self._all
        return np.asarray(logsumexp(np.log(weights) + _each(Z, means, roots), axis=1))

    def adapted(self, Z: Array, log_weights: Array) -> Mixture:
        """One step of EM on weighted draws (n, S): importance weights, up to a constant."""
        own = np.log(self.weights) + _each(Z, self.means, self.roots)
        shares = np.exp(own - logsumexp(own, axis=1, keepdims=True))
        shares *= np.exp(log_weights - log_weights.max())[:, None]
        sizes = shares.sum(axis=0)
        total = np.maximum(sizes, np.finfo(np.float64).tiny)
        means = (shares.T @ Z) / total[:, None]
        away = Z[:, None] - means
        covs = np.einsum("nk,nki,nkj->kij", shares, away, away) / total[:, None, None]
        covs += _KEPT * (self.roots @ np.swapaxes(self.roots, 1, 2))
        # A component that hardly any draw belongs to stays as it is.
        few = np.square(sizes) <= 2.0 * Z.shape[1] * np.square(shares).sum(axis=0)
        return Mixture.of(
            weights=sizes,
            means=np.where(few[:, None], self.means, means),
            roots=np.where(few[:, None, None], self.roots, np.linalg.cholesky(covs)),
            prior_root=self.prior_root,
        )


def _each(Z: Array, means: Array, roots: Array) -> Array:
    """Log density of every component, (n, K)."""
    inverse = np.linalg.inv(roots)
    white = np.einsum("kij,nkj->nki", inverse, Z[:, None] - means)
    log_det = np.log(np.einsum("kii->ki", roots)).sum(axis=1)
    squares = np.einsum("nki,nki->nk", white, white)
    return np.asarray(-0.5 * squares - log_det - 0.5 * Z.shape[1] * LOG_2PI)
