"""The exact bound of an autoencoder's q(z|x): ELBO and KL(q ‖ p(z|x)) by `fast` [eq. 3]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from fast import DGN
from paper_figures.methods.panel_quadrature import integration_points
from reference.model import Array

_LOG_2PI = float(np.log(2.0 * np.pi))
# Deviations to which a Gaussian is integrated, leaving 3e-19 out, and the ends of panels.
_REACH = 9.0
_STEPS = np.arange(-_REACH, _REACH + 1.0)


@dataclass(frozen=True)
class Mixture:
    """Gaussian mixtures q(z | x), one for each of N data.

    Attributes
    ----------
    weights : Array, shape (N, C)
        Of the C components; rows add up to 1.
    means : Array, shape (N, C, S)
        In the latent space.
    covs : Array, shape (N, C, S, S)
        Of the components.
    """

    weights: Array
    means: Array
    covs: Array

    def of(self, data: slice) -> Mixture:
        """The mixtures of some of the data."""
        return Mixture(self.weights[data], self.means[data], self.covs[data])

    def entropy(self) -> Array:
        """The entropy of each mixture.

        Returns
        -------
        Array, shape (N,)
            Nats.

        Notes
        -----
        In closed form for one component, else by quadrature, for which S = 1.
        """
        if self.weights.shape[1] == 1:
            return self.component_entropies()[:, 0]
        return -self.expectation(lambda points, log_q: log_q)

    def component_entropies(self) -> Array:
        """The entropy of each component by itself, (N, C), nats."""
        _, log_det = np.linalg.slogdet(self.covs)
        return np.asarray(0.5 * (self.means.shape[2] * (1.0 + _LOG_2PI) + log_det))

    def expectation(
        self, integrand: Callable[[Array, Array], Array], breaks: Array | None = None
    ) -> Array:
        """The expectation E_q of a function of z, by quadrature, S = 1.

        Parameters
        ----------
        integrand : callable
            integrand(z, log_q) -> values, each (N, M): at points z of each mixture, where its log
            density is log_q.
        breaks : Array, shape (K,), or None
            Where the integrand has kinks; they become ends of panels.

        Returns
        -------
        Array, shape (N,)
            One number a mixture.

        Notes
        -----
        Each component is integrated in units of its own standard deviation, from its own mean. An
        encoder may make q so narrow, and so far from 0, that the spacing of doubles there is not
        small beside its deviation.
        """
        means, deviations = self.means[:, :, 0], np.sqrt(self.covs[:, :, 0, 0])
        total = np.zeros(len(means))
        for c in range(means.shape[1]):
            mean, deviation = means[:, c, None], deviations[:, c, None]
            edges = [np.broadcast_to(_STEPS, (len(means), len(_STEPS)))]
            for other in range(means.shape[1]):
                if other != c:  # where another component rises and falls within this one
                    edges.append(means[:, other, None] - mean + deviations[:, other, None] * _STEPS)
                    edges[-1] = edges[-1] / deviation
            if breaks is not None:
                edges.append((breaks - mean) / deviation)
            ends = np.sort(np.clip(np.concatenate(edges, axis=1), -_REACH, _REACH), axis=1)
            scores, weights = integration_points(ends)
            log_own = -0.5 * scores**2 - 0.5 * _LOG_2PI
            points = mean + deviation * scores
            log_q = self._logpdf(c, scores)
            values = integrand(points, log_q)
            total += self.weights[:, c] * (weights * np.exp(log_own) * values).sum(axis=1)
        return total

    def _logpdf(self, component: int, scores: Array) -> Array:
        """log q at points (N, M) given in deviations of one component from its mean."""
        means, deviations = self.means[:, :, 0], np.sqrt(self.covs[:, :, 0, 0])
        each = []
        for c in range(means.shape[1]):
            theirs = scores
            if c != component:
                apart = (means[:, component] - means[:, c]) / deviations[:, c]
                theirs = (
                    apart[:, None] + scores * (deviations[:, component] / deviations[:, c])[:, None]
                )
            each.append(-0.5 * theirs**2 - np.log(deviations[:, c])[:, None] - 0.5 * _LOG_2PI)
        weights = np.broadcast_to(self.weights.T[:, :, None], np.shape(each))
        return np.asarray(logsumexp(each, axis=0, b=weights))


def elbo(dgn: DGN, X: Array, q: Mixture) -> Array:
    """The evidence lower bound E_q[log p(x, z)] + H(q) of every datum [eq. 3].

    Parameters
    ----------
    dgn : DGN
        The model.
    X : Array, shape (N, D)
        The data.
    q : Mixture
        One mixture a datum.

    Returns
    -------
    Array, shape (N,)
        Nats.

    Raises
    ------
    ArithmeticError
        If a bound is not finite in double precision.

    Notes
    -----
    E_q is the weighted mean over components. For a component, E[log p(x, z)] is its own ELBO, as
    `DGN.elbo` gives it, less its own entropy. Agrees with quadrature to 1e-11:
    tests/paper_figures/test_variational.py.
    """
    own = q.component_entropies()
    expected = np.zeros(len(X))
    for c in range(q.weights.shape[1]):
        bound = dgn.elbo(X, q.means[:, c], q.covs[:, c])
        expected += q.weights[:, c] * (bound - own[:, c])
    return np.asarray(expected + q.entropy())
