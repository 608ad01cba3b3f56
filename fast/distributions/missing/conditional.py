"""p(x_missing | x_observed), exactly: its moments, its density and its draws.

Given z in a region and the observed entries, those that are missing are Gaussian with a mean that
is affine in z: g_m(z) + Σx_mo Σx_oo^-1 (x_o - g_o(z)). So all follows from p(z | x_o) and from Σx.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fast.distributions.memory import refuse_large
from fast.distributions.missing.sums import Conditioned
from fast.distributions.observation import Noise
from fast.distributions.posterior import Posterior
from reference.model import (
    Array,
    Network,
    Pattern,
    RandomState,
    Shape,
    check_count,
    check_data,
    check_flag,
    check_random_state,
    patterns,
)


@dataclass(frozen=True)
class Law:
    """What a conditional is computed from: the network, Σx, p(z | x_o) of the data, and log p of
    what is observed of rows, (n, D) -> (n,)."""

    network: Network
    noise: Noise
    posterior: Posterior
    log_density: Callable[[Array], Array]
    max_memory: float


class Conditional:
    """p(x_missing | x_observed) of N data; made by `DGN.conditional`.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        The data; NaN where an entry is not observed.
    shape : tuple of int
        The shape that each came in, which results about x have.
    law : Law
        The model, and the posterior given what is observed.

    Notes
    -----
    Observed entries are kept in all results. Accuracy as of `Posterior`, in standard deviations of
    the noise. Guarded by `python -m oracle` and tests/distributions/test_conditional.py.

    Examples
    --------
    >>> from fast import DGN, Dense, Network
    >>> dgn = DGN(Network([Dense([[1.0], [2.0]], [0.0, 0.0])]), cov_x=1.0)
    >>> given = dgn.conditional([[3.0, float("nan")]])
    >>> print(given.mean().round(12), given.cov(diagonal=True).round(12))
    [[3. 3.]] [[0. 3.]]
    """

    def __init__(self, X: Array, shape: Shape, law: Law) -> None:
        self._X, self._shape, self._law = X, shape, law

    def _patterns(self) -> Iterator[tuple[Pattern, Conditioned, Noise]]:
        """Patterns with entries that are missing, and their noise given that of the others."""
        for pattern in patterns(self._X):
            given = Conditioned(self._law.noise, pattern.observed)
            if len(given.missing):
                yield pattern, given, Noise.of(given.cov, len(given.missing))

    def _filled(self, pattern: Pattern, given: Conditioned, images: Array) -> Array:
        """E[x_m | z, x_o] for g(z) of rows of a pattern, images (n, k, D) -> (n, k, m)."""
        found = images[..., given.missing]
        if given.pull is None:
            return found
        away = pattern.of(self._X)[:, None] - images[..., given.observed]
        return np.asarray(found + away @ given.pull.T)

    def mean(self) -> Array:
        """E[x | x_observed]: what to put in place of what is missing, in mean square the best.

        Returns
        -------
        ndarray, shape (N, D)
            Data units, in the shape of the data.
        """
        result = self._X.copy()
        posterior = self._law.posterior
        images = posterior.reconstruction().reshape(result.shape)
        for pattern, given, _ in self._patterns():
            found = self._filled(pattern, given, images[pattern.rows, None])[:, 0]
            result[np.ix_(pattern.rows, given.missing)] = found
        return result.reshape(len(result), *self._shape)

    def cov(self, *, diagonal: bool = False) -> Array:
        """Cov[x | x_observed]; 0 of observed entries.

        Parameters
        ----------
        diagonal : bool, default False
            Whether only variances are asked for.

        Returns
        -------
        ndarray, shape (N, D, D) or (N, D)
            Squared data units; variances in the shape of the data.

        Raises
        ------
        TooMuchMemoryError
            If the matrices take more than the model's `max_memory`; a ValueError.
        """
        diagonal, law = check_flag(diagonal, "diagonal"), self._law
        count, dimension = self._X.shape
        if diagonal and law.noise.cov.ndim < 2:  # then missing entries have nothing of the others'
            variances = law.posterior.reconstruction_cov(diagonal=True).reshape(count, dimension)
            variances += law.noise.cov
            return np.where(np.isnan(self._X), variances, 0.0).reshape(count, *self._shape)
        size = 8.0 * count * dimension**2
        refuse_large(size, law.max_memory, "conditional.cov()", "diagonal=True, or fewer data")
        of_images = law.posterior.reconstruction_cov()
        result = np.zeros((count, dimension, dimension))
        for pattern, given, noise in self._patterns():
            kept = np.zeros((len(given.missing), dimension))
            kept[np.arange(len(given.missing)), given.missing] = 1.0
            if given.pull is not None:
                kept[:, given.observed] = -given.pull
            found = kept @ of_images[pattern.rows] @ kept.T + noise.full()
            result[np.ix_(pattern.rows, given.missing, given.missing)] = found
        if not diagonal:
            return result
        return np.asarray(np.einsum("ndd->nd", result)).reshape(count, *self._shape).copy()

    def logpdf(self, values: ArrayLike) -> Array:
        """log p(x_missing | x_observed) = log p(x) - log p(x_observed).

        Parameters
        ----------
        values : array_like, shape (N, D)
            What the missing entries may be, in rows or in the shape of the data. Of observed
            entries the data's own count. An entry that is NaN here too is left out.

        Returns
        -------
        ndarray, shape (N,)
            Nats.
        """
        given, _ = check_data(values, "values", self._X.shape[1], missing=True)
        if len(given) != len(self._X):
            raise ValueError(f"values: expected {len(self._X)} rows, one a datum, got {len(given)}")
        filled = np.where(np.isnan(self._X), given, self._X)
        log_density = self._law.log_density
        return log_density(filled) - log_density(self._X)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws: z given what is observed, then what is missing given both.

        Parameters
        ----------
        size : int, default 1
            How many for each datum.
        random_state : None, int or numpy.random.Generator, optional
            A seed, or where random numbers come from.

        Returns
        -------
        ndarray, shape (N, size, D)
            Data units, each in the shape of the data; observed entries are the data's.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        Z = self._law.posterior.rvs(size, rng)
        count, dimension = self._X.shape
        images = self._law.network(Z.reshape(count * size, -1)).reshape(count, size, dimension)
        result = np.repeat(self._X[:, None], size, axis=1)
        for pattern, given, noise in self._patterns():
            standard = rng.standard_normal((len(pattern.rows), size, len(given.missing)))
            found = self._filled(pattern, given, images[pattern.rows])
            found += noise.unwhiten(standard)
            result[np.ix_(pattern.rows, np.arange(size), given.missing)] = found
        return result.reshape(count, size, *self._shape)
