"""p(x_missing | x_observed), exactly: its moments, its density and its draws.

Given z in a region and the observed entries, those that are missing are Gaussian with a mean that
is affine in z: g_m(z) + Σx_mo Σx_oo^-1 (x_o - g_o(z)). So all follows from p(z | x_o) and from Σx.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fast.distributions.memory import refuse_large
from fast.distributions.missing.line import Line
from fast.distributions.missing.sums import Conditioned
from fast.distributions.model import LatentModel
from fast.distributions.observation import Noise
from fast.distributions.posterior import Posterior
from reference.model import (
    Array,
    Indices,
    Network,
    Pattern,
    RandomState,
    Shape,
    check_array,
    check_count,
    check_data,
    check_flag,
    check_number,
    check_random_state,
    patterns,
)

# Latent dimensions up to which a CDF is integrated; beyond, it is that of draws.
_BY_INTEGRAL = 2


@dataclass(frozen=True)
class Law:
    """What a conditional is computed from: the network, Σx, p(z | x_o) of the data, log p of what
    is observed of rows, (n, D) -> (n,), and the models of some entries of x."""

    network: Network
    noise: Noise
    posterior: Posterior
    log_density: Callable[[Array], Array]
    marginal: Callable[[Indices], LatentModel]
    max_memory: float


class WithError(NamedTuple):
    """Results, one a datum, and by how much they may be off in probability, (N,)."""

    value: Array
    error: Array


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

    def _patterns(self) -> list[tuple[Pattern, Conditioned, Noise]]:
        """Patterns with entries that are missing, and their noise given that of the others."""
        found = [(one, Conditioned(self._law.noise, one.observed)) for one in patterns(self._X)]
        return [
            (pattern, given, Noise.of(given.cov, len(given.missing)))
            for pattern, given in found
            if len(given.missing)
        ]

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

        Notes
        -----
        A difference: where what is observed is far from the network's images, digits of the size of
        log p(x_observed) are lost.
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

    def cdf(
        self,
        index: int,
        values: ArrayLike,
        *,
        size: int = 10_000,
        random_state: RandomState = None,
    ) -> WithError:
        """P(x_index <= value | x_observed), of one entry of x.

        Parameters
        ----------
        index : int
            Which entry, from 0 to D - 1.
        values : array_like, shape (N,)
            One for each datum, data units.
        size : int, default 10_000
            For S > 2, of how many draws a share is taken.
        random_state : None, int or numpy.random.Generator, optional
            For S > 2, where they come from.

        Returns
        -------
        value : ndarray, shape (N,)
            Probabilities; 0 or 1 where the entry is observed.
        error : ndarray, shape (N,)
            For S <= 2 what the integral over all values is off 1 by; else the standard error.

        Raises
        ------
        ArithmeticError
            If an entry's noise is less than a ten-thousandth of its spread.
        TooMuchMemoryError
            If the draws take more than the model's `max_memory`; a ValueError.

        Notes
        -----
        For S <= 2 the exact density p(x_index | x_observed) is integrated by Gauss and Legendre on
        panels two deviations of the noise wide, on which it is analytic: 1e-10.
        """
        index, points = self._index(index), check_array(values, "values", (len(self._X),))
        if self._by_draws:
            draws = self._draws(index, size, random_state)
            shares = np.mean(draws <= points[:, None], axis=1)
            error = _error_of_share(shares, draws.shape[1])
            return WithError(shares, np.where(np.isnan(self._X[:, index]), error, 0.0))
        self._check_draws(size, random_state)
        result = WithError((self._X[:, index] <= points).astype(np.float64), np.zeros(len(points)))
        for n, line in self._lines(index).items():
            result.value[n], result.error[n] = line.cdf(points[n]), line.error
        return result

    def interval(
        self,
        index: int,
        level: float = 0.9,
        *,
        size: int = 10_000,
        random_state: RandomState = None,
    ) -> WithError:
        """The interval that holds one entry of x with probability `level`, as much on either side.

        Parameters
        ----------
        index : int
            Which entry, from 0 to D - 1.
        level : float in [0, 0.999999], default 0.9
            The probability.
        size, random_state : int, None or numpy.random.Generator
            As of `cdf`.

        Returns
        -------
        value : ndarray, shape (N, 2)
            Both ends, data units; twice the entry where it is observed.
        error : ndarray, shape (N,)
            By how much the share below an end may be off, as of `cdf`.

        Raises
        ------
        ValueError
            If for S > 2 fewer than ten draws were beyond an end.
        ArithmeticError
            As of `cdf`; TooMuchMemoryError too.
        """
        index = self._index(index)
        level = check_number(level, "level", 0.0, 0.999999)
        tails = np.array([0.5 * (1.0 - level), 0.5 * (1.0 + level)])
        if self._by_draws:
            _refuse_few(check_count(size, "size", 1), tails[0])
            draws = self._draws(index, size, random_state)
            error = np.sqrt(tails[0] * tails[1] / draws.shape[1])
            held = np.isnan(self._X[:, index])
            return WithError(np.quantile(draws, tails, axis=1).T, np.where(held, error, 0.0))
        self._check_draws(size, random_state)
        result = WithError(np.repeat(self._X[:, [index]], 2, axis=1), np.zeros(len(self._X)))
        for n, line in self._lines(index).items():
            result.value[n] = [line.quantile(share) for share in tails.tolist()]
            result.error[n] = line.error
        return result

    @property
    def _by_draws(self) -> bool:
        return self._law.network.latent_dimension > _BY_INTEGRAL

    def _index(self, index: int) -> int:
        """A place in x. Raises ValueError."""
        dimension = self._X.shape[1]
        if check_count(index, "index", 0) >= dimension:
            raise ValueError(f"index: expected an entry below {dimension}, got {index}")
        return index

    @staticmethod
    def _check_draws(size: int, random_state: RandomState) -> None:
        """Raise ValueError on settings of draws that are none, though none are made."""
        check_count(size, "size", 1)
        check_random_state(random_state)

    def _draws(self, index: int, size: int, random_state: RandomState) -> Array:
        """Draws of one entry, (N, size)."""
        bytes_taken = 8.0 * self._X.size * check_count(size, "size", 1)
        refuse_large(bytes_taken, self._law.max_memory, "draws of x", "a smaller size")
        draws = self.rvs(size, random_state)
        return draws.reshape(len(self._X), size, -1)[:, :, index]

    def _lines(self, index: int) -> dict[int, Line]:
        """The CDF of one entry, of every datum of which it is missing."""
        result: dict[int, Line] = {}
        shape = self._X.shape
        centres = self.mean().reshape(shape)[:, index]
        deviations = np.sqrt(self.cov(diagonal=True).reshape(shape)[:, index])
        log_seen = self._law.log_density(self._X)
        for pattern, given, noise in self._patterns():
            if index not in given.missing:
                continue
            own = int(np.searchsorted(given.missing, index))
            seen = np.sort(np.append(pattern.observed, index))
            model, place = self._law.marginal(seen), int(np.searchsorted(seen, index))
            scale = float(np.sqrt(np.diag(noise.full())[own]))
            for n in pattern.rows.tolist():
                density = partial(_density, model, self._X[n, seen], place, log_seen[n])
                result[n] = Line.of(density, centres[n], deviations[n], scale)
        return result


def _density(model: LatentModel, row: Array, place: int, log_p: float, values: Array) -> Array:
    """p(x_j | x_o) at values (n,) of the entry at a place of a row, where log_p = log p(x_o)."""
    rows = np.tile(row, (len(values), 1))
    rows[:, place] = values
    return np.asarray(np.exp(model.logpdf(rows) - log_p))


def _error_of_share(shares: Array, size: int) -> Array:
    """The standard error of shares of draws; with one more on either side, since of none or of all
    it is not 0."""
    more = (shares * size + 1.0) / (size + 2.0)
    return np.sqrt(more * (1.0 - more) / size)


def _refuse_few(size: int, tail: float) -> None:
    """Raise ValueError where fewer than ten draws are to tell where an end is."""
    if size * tail < 10.0:
        least = int(np.ceil(10.0 / tail))
        raise ValueError(f"size: expected {least} draws or more for this level, got {size}")
