"""Factor analysis of data with gaps: the maximum of the likelihood by EM, and what a Gaussian says
of what is missing.

It shares no code with `fast`, of whose linear networks it is the textbook's case (Rubin and Thayer
1982; Ghahramani and Jordan 1994).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reference.model import Array, Indices, Mask

#: The least that a variance of the noise may be, as a share of its column's.
FLOOR = 1e-6


@dataclass(frozen=True)
class Gaussian:
    """A law of x: mean (D,) and covariance (D, D)."""

    mean: Array
    cov: Array

    def log_density(self, X: Array) -> Array:
        """log p of what is observed of each row.

        Parameters
        ----------
        X : Array, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        Array, shape (N,)
            Nats; 0 where nothing is observed.
        """
        result = np.zeros(len(X))
        for rows, seen in by_pattern(X):
            root = np.linalg.cholesky(self.cov[np.ix_(seen, seen)])
            white = np.linalg.solve(root, (X[np.ix_(rows, seen)] - self.mean[seen]).T)
            log_size = np.log(np.diag(root)).sum() + 0.5 * seen.sum() * np.log(2.0 * np.pi)
            result[rows] = -0.5 * np.square(white).sum(axis=0) - log_size
        return result

    def given(self, X: Array) -> list[tuple[Indices, Mask, Array, Array]]:
        """What is missing given what is observed, pattern by pattern.

        Parameters
        ----------
        X : Array, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        list of tuple
            Rows (n,), which entries they observe (D,), means (n, m) of the others, and their
            covariance (m, m), one for all.
        """
        return [(rows, seen, *self._others(X[rows], seen)) for rows, seen in by_pattern(X)]

    def _others(self, X: Array, seen: Mask) -> tuple[Array, Array]:
        cross = self.cov[np.ix_(seen, ~seen)]
        pull = np.linalg.solve(self.cov[np.ix_(seen, seen)], cross)
        means = self.mean[~seen] + (X[:, seen] - self.mean[seen]) @ pull
        return means, self.cov[np.ix_(~seen, ~seen)] - cross.T @ pull

    def moments(self, X: Array) -> tuple[Array, Array]:
        """Means and variances of all entries given what is observed.

        Parameters
        ----------
        X : Array, shape (N, D)
            Data; NaN where an entry is not observed.

        Returns
        -------
        tuple of Array, shape (N, D)
            Observed entries are kept, with a variance of 0.
        """
        filled, variances = X.copy(), np.zeros_like(X)
        for rows, seen, means, cov in self.given(X):
            filled[np.ix_(rows, ~seen)] = means
            variances[np.ix_(rows, ~seen)] = np.diag(cov)
        return filled, variances

    def draws(self, X: Array, size: int, rng: np.random.Generator) -> Array:
        """Independent draws of what is missing, jointly for each row.

        Parameters
        ----------
        X : Array, shape (N, D)
            Data; NaN where an entry is not observed.
        size : int
            How many for each row.
        rng : numpy.random.Generator
            Where they come from.

        Returns
        -------
        Array, shape (size, N, D)
            Observed entries are kept.
        """
        result = np.repeat(X[None], size, axis=0)
        for rows, seen, means, cov in self.given(X):
            standard = rng.standard_normal((size, *means.shape))
            drawn = means + standard @ np.linalg.cholesky(cov).T
            result[:, rows[:, None], np.flatnonzero(~seen)] = drawn
        return result


def by_pattern(X: Array) -> Iterator[tuple[Indices, Mask]]:
    """Rows that observe the same entries, and which these are, pattern by pattern."""
    masks, which = np.unique(~np.isnan(X), axis=0, return_inverse=True)
    for k, seen in enumerate(masks):
        yield np.flatnonzero(which.ravel() == k), seen


def fit_factors(
    X: Array, factors: int, seed: int, iterations: int = 500, gain: float = 1e-6
) -> tuple[Gaussian, Array]:
    """Factor analysis by EM, from random loadings.

    Parameters
    ----------
    X : Array, shape (N, D)
        Data; NaN where an entry is not observed. Every column has observed entries.
    factors : int
        The number of factors.
    seed : int
        Of the loadings that it starts from.
    iterations : int
        The limit.
    gain : float
        EM ends where an iteration gains less, nats a datum.

    Returns
    -------
    Gaussian
        With covariance W Wᵀ + diag(ψ).
    Array, shape (n,)
        The mean negative log-likelihood of what is observed, at the start and after each iteration.
    """
    X = X[~np.all(np.isnan(X), axis=1)]
    variances = np.asarray(np.nanvar(X, axis=0), dtype=np.float64)
    rng = np.random.default_rng(seed)
    scale = np.sqrt(variances / (2.0 * factors))[:, None]
    weight = scale * rng.standard_normal((X.shape[1], factors))
    mean, noise = np.nanmean(X, axis=0), 0.5 * variances
    losses: list[float] = []
    while True:
        found = Gaussian(mean, weight @ weight.T + np.diag(noise))
        losses.append(-float(found.log_density(X).mean()))
        if len(losses) > iterations or (len(losses) > 1 and losses[-2] - losses[-1] < gain):
            return found, np.array(losses)
        weight, mean, noise = _updated(X, weight, mean, noise, FLOOR * variances)


def _updated(
    X: Array, weight: Array, mean: Array, noise: Array, least: Array
) -> tuple[Array, Array, Array]:
    """One iteration: x regressed on (z, 1) in expectation, missing entries by W z + μ + noise."""
    size = weight.shape[1]
    lines = np.column_stack([weight, mean])
    gram, cross, square = np.zeros((size + 1,) * 2), np.zeros_like(lines), np.zeros(len(mean))
    for rows, seen in by_pattern(X):
        part, away = weight[seen], X[np.ix_(rows, seen)] - mean[seen]
        cov_z = np.linalg.inv(np.eye(size) + (part / noise[seen, None]).T @ part)
        hidden = np.column_stack([(away / noise[seen]) @ part @ cov_z, np.ones(len(rows))])
        own = hidden.T @ hidden
        own[:size, :size] += len(rows) * cov_z
        gram += own
        observed = X[np.ix_(rows, seen)]
        cross[seen] += observed.T @ hidden
        square[seen] += np.square(observed).sum(axis=0)
        others = lines[~seen]
        cross[~seen] += others @ own
        square[~seen] += np.einsum("ms,st,mt->m", others, own, others) + len(rows) * noise[~seen]
    lines = np.asarray(np.linalg.solve(gram, cross.T).T, dtype=np.float64)
    left = (square - (lines * cross).sum(axis=1)) / len(X)
    return lines[:, :-1], lines[:, -1], np.maximum(left, least)
