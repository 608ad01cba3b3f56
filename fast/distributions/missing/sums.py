"""Sums of posterior expectations over data of which different entries are observed.

Given z and the observed entries o, the residual r = x - g(z) of all entries is N(L r_o, C): on the
missing ones m, L = Σx_mo Σx_oo^-1 and C = Σx_mm - L Σx_om; on the observed ones L is the identity
and C is 0. So the sums of a pattern are L times those of its marginal, and C for each datum.
"""

from __future__ import annotations

import numpy as np

from fast.distributions.observation import Noise
from fast.distributions.statistics import Statistics
from fast.partition.regions import distinct_codes
from reference.model import Array, Indices, cov_of_outputs, patterns


class Conditioned:
    """The noise of missing entries given that of the observed ones."""

    def __init__(self, noise: Noise, observed: Indices) -> None:
        self.observed = observed
        self.missing = np.setdiff1d(np.arange(noise.dimension), observed)
        self._noise = noise

    @property
    def pull(self) -> Array | None:
        """Σx_mo Σx_oo^-1, (m, o); None where it is 0."""
        cov, count = self._noise.cov, len(self.observed)
        if cov.ndim < 2 or not count:
            return None
        own = Noise.of(cov_of_outputs(cov, self.observed), count)
        return own.solve(cov[np.ix_(self.missing, self.observed)])

    @property
    def cov(self) -> Array:
        """Σx_mm - Σx_mo Σx_oo^-1 Σx_om, in the structure of Σx: (m, m), (m,), or one variance."""
        cov, pull = self._noise.cov, self.pull
        own = cov_of_outputs(cov, self.missing) if len(self.missing) else cov
        if pull is None:
            return own
        left = own - pull @ cov[np.ix_(self.observed, self.missing)]
        return np.asarray(0.5 * (left + left.T))


def filled(noise: Noise, residual: Array, slopes: Array) -> tuple[Array, Array]:
    """L of residuals x - g(z) of pairs, (P, D), NaN where x is not observed, and of the slopes by
    which they change with z, (P, D, S)."""
    rows = np.concatenate([residual[:, :, None], slopes], axis=2)
    for pattern in patterns(residual):
        given = Conditioned(noise, pattern.observed)
        if not len(given.missing):
            continue
        lifted = np.zeros((len(pattern.rows), len(given.missing), rows.shape[2]))
        if given.pull is not None:
            lifted = given.pull @ rows[np.ix_(pattern.rows, pattern.observed)]
        rows[np.ix_(pattern.rows, given.missing)] = lifted
    return rows[:, :, 0], rows[:, :, 1:]


def add_rest(noise: Noise, X: Array, scatter: Array) -> None:
    """Add C of each of X (N, D) to their scatters, in the structure of Σx, (N, ...)."""
    for pattern in patterns(X):
        given = Conditioned(noise, pattern.observed)
        if not len(given.missing):
            continue
        if noise.cov.ndim == 0:
            scatter[pattern.rows] += len(given.missing) * given.cov
        elif noise.cov.ndim == 1:
            scatter[np.ix_(pattern.rows, given.missing)] += given.cov
        else:
            scatter[np.ix_(pattern.rows, given.missing, given.missing)] += given.cov


class Sums:
    """The sums so far, of all entries of x."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._total: Statistics | None = None

    def add(self, found: Statistics, observed: Indices) -> None:
        """Add the sums of data of which these entries are observed, from their marginal."""
        dimension = self._noise.dimension
        if len(observed) < dimension:
            found = self._lifted(found, observed)
        self._total = found if self._total is None else _sum(self._total, found)

    def statistics(self) -> Statistics:
        """All sums; there are some."""
        assert self._total is not None
        return self._total

    def _lifted(self, found: Statistics, observed: Indices) -> Statistics:
        """Those of all entries from those of the observed ones."""
        noise, given = self._noise, Conditioned(self._noise, observed)
        shape = len(found.e0), noise.dimension
        residual0, residual1 = np.zeros(shape), np.zeros((*shape, found.e1.shape[1]))
        residual0[:, observed], residual1[:, observed] = found.residual0, found.residual1
        if given.pull is not None:
            residual0[:, given.missing] = found.residual0 @ given.pull.T
            residual1[:, given.missing] = given.pull @ found.residual1
        return Statistics(
            n=found.n,
            loglik=found.loglik,
            codes=found.codes,
            e0=found.e0,
            e1=found.e1,
            e2=found.e2,
            residual0=residual0,
            residual1=residual1,
            scatter=_lifted_scatter(found, given, noise),
        )


def _lifted_scatter(found: Statistics, given: Conditioned, noise: Noise) -> Array:
    """L scatter Lᵀ + n C in the structure of Σx."""
    observed, missing, rest = given.observed, given.missing, found.n * given.cov
    if noise.cov.ndim == 0:
        return np.asarray(found.scatter + len(missing) * rest)
    result = np.zeros(noise.cov.shape)
    if noise.cov.ndim == 1:
        result[observed], result[missing] = found.scatter, rest
        return result
    lift = np.zeros((noise.dimension, len(observed)))
    lift[observed, np.arange(len(observed))] = 1.0
    if given.pull is not None:
        lift[missing] = given.pull
    result[np.ix_(missing, missing)] = rest
    return np.asarray(lift @ found.scatter @ lift.T + result)


def _sum(one: Statistics, other: Statistics) -> Statistics:
    """The sums over both, on the regions of either."""
    codes, places = one.codes, None
    if not np.array_equal(one.codes, other.codes):
        # With local partitions each has the regions that it met.
        codes, places = distinct_codes(np.concatenate([one.codes, other.codes]))

    def on_regions(mine: Array, theirs: Array) -> Array:
        if places is None:
            return np.asarray(mine + theirs)
        result = np.zeros((len(codes), *mine.shape[1:]))
        np.add.at(result, places, np.concatenate([mine, theirs]))
        return result

    return Statistics(
        n=one.n + other.n,
        loglik=one.loglik + other.loglik,
        codes=codes,
        e0=on_regions(one.e0, other.e0),
        e1=on_regions(one.e1, other.e1),
        e2=on_regions(one.e2, other.e2),
        residual0=on_regions(one.residual0, other.residual0),
        residual1=on_regions(one.residual1, other.residual1),
        scatter=np.asarray(one.scatter + other.scatter),
    )
