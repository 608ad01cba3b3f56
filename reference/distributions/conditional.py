"""p(x_missing | x_observed): its moments, density and draws.

Given z in a region and the observed entries x_o, those that are missing are Gaussian with a mean
that is affine in z, g_m(z) + Σx_mo Σx_oo^-1 (x_o - g_o(z)), and a covariance that is the same
everywhere. So all follows from p(z | x_o).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from reference.distributions.marginal import (
    log_region_marginal,
    posterior_factor,
    posterior_mean,
)
from reference.distributions.observed import Datum, noise_given
from reference.distributions.posterior import Posterior
from reference.integration.signed_sum import Integral, integrate
from reference.model.arrays import Array, Indices, RandomState
from reference.model.images.data import check_data
from reference.model.layer_protocol import Shape
from reference.model.network import Network
from reference.model.validation import (
    check_array,
    check_count,
    check_flag,
    check_number,
    check_random_state,
)
from reference.partition.partition import Partition
from reference.polyhedra.inclusion_exclusion import signed_cones
from reference.polyhedra.polyhedron import polyhedron_of

# How near to a quantile a search for it ends, in data units.
_NEAR = 1e-11


def given_latent(x: Array, image: Array, lift: Array, observed: Indices) -> Array:
    """E[x | z, x_o] (D,): the image g(z), and of the noise what that of the observed tells."""
    return np.asarray(image + lift @ (x[observed] - image[observed]))


def from_image(lift: Array, observed: Indices) -> Array:
    """The matrix (D, D) that E[x | z, x_o] is g(z) times, but for a constant: I - L of the
    observed entries."""
    result = np.eye(len(lift))
    result[:, observed] -= lift
    return result


def entry_given_latent(
    datum: Datum, x: Array, lift: Array, entry: int, region: int, partition: Partition
) -> tuple[Array, float]:
    """E[x_entry | z, x_o] = slope z + offset on a region: slope (S,) and offset.

    x (D,) and partition are of all entries; lift as of `noise_given`.
    """
    slope, offset, seen = partition.slopes[region], partition.offsets[region], datum.observed
    constant = offset[entry] + lift[entry] @ (x[seen] - offset[seen])
    return slope[entry] - lift[entry] @ slope[seen], float(constant)


def mass_below(
    datum: Datum, region: int, slope: Array, offset: float, noise: float, value: float
) -> Integral | None:
    """p(x_entry <= value, z in ω | x_o) over φ(x_o; b_ω, Σx + A_ω Σz A_ωᵀ) / p(x_o).

    The entry is slope z + offset + noise ε with ε ~ N(0, 1). So it is the mass of the Gaussian of
    (z, ε) on the region cut by one more half-space, in one more dimension. None if that is empty.
    """
    normals, offsets = datum.partition.halfspaces(region)
    upright = np.column_stack([normals, np.zeros(len(normals))])
    normals = np.vstack([upright, -np.append(slope, noise)])
    polyhedron = polyhedron_of(normals, np.append(offsets, value - offset))
    if polyhedron is None:
        return None
    own = datum.partition.slopes[region], datum.partition.offsets[region]
    centre = posterior_mean(datum.x, *own, datum.cov_x, datum.cov_z)
    factor = np.eye(len(centre) + 1)
    factor[:-1, :-1] = posterior_factor(own[0], datum.cov_x, datum.cov_z)
    return integrate(signed_cones(polyhedron), np.append(centre, 0.0), factor)


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
    network : Network
        g.
    cov_x : ndarray, shape (D, D), (D,) or ()
        Σx.
    posterior : Posterior
        p(z | x_o) of the data.
    log_density : callable
        log p of what is observed of rows, (n, D) -> (n,).

    Notes
    -----
    Observed entries are kept in all results. Guarded by tests/distributions/test_conditional.py.
    """

    def __init__(
        self,
        X: Array,
        shape: Shape,
        network: Network,
        cov_x: Array,
        posterior: Posterior,
        log_density: Callable[[Array], Array],
    ) -> None:
        self._X, self._shape, self._network, self._cov_x = X, shape, network, cov_x
        self._posterior, self._log_density = posterior, log_density
        self._observed = [np.flatnonzero(~np.isnan(x)) for x in X]
        self._noise = [noise_given(cov_x, seen, X.shape[1]) for seen in self._observed]

    def mean(self) -> Array:
        """Return E[x | x_observed], the best in mean square to put in place of what is missing.

        Returns
        -------
        ndarray, shape (N, D)
            Data units, in the shape of the data.
        """
        images = self._posterior.reconstruction().reshape(self._X.shape)
        rows = zip(self._X, images, self._noise, self._observed, strict=True)
        found = [given_latent(x, image, lift, seen) for x, image, (lift, _), seen in rows]
        return self._kept(np.array(found)).reshape(len(self._X), *self._shape)

    def cov(self, *, diagonal: bool = False) -> Array:
        """Return Cov[x | x_observed]; 0 of observed entries.

        Parameters
        ----------
        diagonal : bool, default False
            Whether only variances are asked for.

        Returns
        -------
        ndarray, shape (N, D, D) or (N, D)
            Squared data units; variances in the shape of the data.
        """
        only = check_flag(diagonal, "diagonal")
        of_images, found = self._posterior.reconstruction_cov(), []
        for seen, (lift, rest), cov in zip(self._observed, self._noise, of_images, strict=True):
            turn = from_image(lift, seen)
            found.append(turn @ cov @ turn.T + rest)
        result = np.array(found)
        if not only:
            return result
        return np.asarray(np.einsum("ndd->nd", result)).reshape(len(result), *self._shape)

    def logpdf(self, values: ArrayLike) -> Array:
        """Return log p(x_missing | x_observed) = log p(x) - log p(x_observed).

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
        return self._log_density(self._kept(given)) - self._log_density(self._X)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Draw independently and exactly: z given x_observed, then x_missing given both.

        Parameters
        ----------
        size : int, default 1
            How many for each datum.
        random_state : int, Generator or None
            The same seed gives the same draws.

        Returns
        -------
        ndarray, shape (N, size, D)
            Data units, each in the shape of the data; observed entries are the data's.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        Z = self._posterior.rvs(size, rng)
        draws = np.empty((size, *self._X.shape))
        for n, (x, seen) in enumerate(zip(self._X, self._observed, strict=True)):
            lift, rest = self._noise[n]
            missing = np.flatnonzero(np.isnan(x))
            root = np.linalg.cholesky(rest[np.ix_(missing, missing)])
            for i, image in enumerate(self._network(Z[n])):
                draws[i, n] = given_latent(x, image, lift, seen)
                draws[i, n, missing] += root @ rng.standard_normal(len(missing))
        kept = np.array([self._kept(one) for one in draws])
        return np.swapaxes(kept, 0, 1).reshape(len(self._X), size, *self._shape)

    def _kept(self, rows: Array) -> Array:
        """Rows (N, D) with the data's own entries where these are observed."""
        return np.where(np.isnan(self._X), rows, self._X)

    def cdf(
        self,
        index: int,
        values: ArrayLike,
        *,
        size: int = 10_000,
        random_state: RandomState = None,
    ) -> WithError:
        """Return P(x_index <= value | x_observed), of one entry of x.

        Parameters
        ----------
        index : int
            Which entry, from 0 to D - 1.
        values : array_like, shape (N,)
            One for each datum, data units.
        size : int, default 10_000
            For S = 3, of how many draws a share is taken.
        random_state : int, Generator or None
            For S = 3, where they come from.

        Returns
        -------
        value : ndarray, shape (N,)
            Probabilities; 0 or 1 where the entry is observed.
        error : ndarray, shape (N,)
            For S <= 2 a bound on the rounding; else the standard error.

        Notes
        -----
        For S <= 2 by masses of regions cut by one more half-space, in S + 1 dimensions. `fast`
        integrates the density. Their agreement is a check of both.
        """
        entry, points = self._index(index), check_array(values, "values", (len(self._X),))
        size, rng = check_count(size, "size", 1), check_random_state(random_state)
        if self._network.latent_dimension > 2:
            shares = np.mean(self._draws(entry, size, rng) <= points[:, None], axis=1)
            # With one more on either side: of none or of all draws the error is not 0.
            more = (shares * size + 1.0) / (size + 2.0)
            error = np.sqrt(more * (1.0 - more) / size)
            return WithError(shares, np.where(np.isnan(self._X[:, entry]), error, 0.0))
        rows = [self._below(n, entry, value) for n, value in enumerate(points.tolist())]
        found = np.array(rows)
        return WithError(found[:, 0], found[:, 1])

    def interval(
        self,
        index: int,
        level: float = 0.9,
        *,
        size: int = 10_000,
        random_state: RandomState = None,
    ) -> WithError:
        """Return the interval that holds one entry with probability `level`, as much on each side.

        Parameters
        ----------
        index : int
            Which entry, from 0 to D - 1.
        level : float in [0, 0.999999], default 0.9
            The probability.
        size, random_state : int, Generator or None
            As of `cdf`.

        Returns
        -------
        value : ndarray, shape (N, 2)
            Both ends, data units; twice the entry where it is observed.
        error : ndarray, shape (N,)
            By how much the share below an end may be off, as of `cdf`.
        """
        entry = self._index(index)
        level = check_number(level, "level", 0.0, 0.999999)
        size, rng = check_count(size, "size", 1), check_random_state(random_state)
        tails, missing = [0.5 * (1.0 - level), 0.5 * (1.0 + level)], np.isnan(self._X[:, entry])
        if self._network.latent_dimension > 2:
            least = int(np.ceil(10.0 / tails[0]))
            if size < least:
                raise ValueError(f"size: expected {least} draws or more for this level, got {size}")
            error = np.where(missing, np.sqrt(tails[0] * tails[1] / size), 0.0)
            return WithError(np.quantile(self._draws(entry, size, rng), tails, axis=1).T, error)
        ends = np.repeat(self._X[:, [entry]], 2, axis=1)
        errors = np.zeros(len(ends))
        for n in np.flatnonzero(missing).tolist():
            ends[n] = [self._quantile(n, entry, tail) for tail in tails]
            errors[n] = max(self._below(n, entry, end)[1] for end in ends[n])
        return WithError(ends, errors)

    def _index(self, index: int) -> int:
        """A place in x. Raises ValueError."""
        if check_count(index, "index", 0) >= self._X.shape[1]:
            raise ValueError(f"index: expected an entry below {self._X.shape[1]}, got {index}")
        return index

    def _draws(self, entry: int, size: int, rng: np.random.Generator) -> Array:
        """Draws of one entry, (N, size)."""
        return self.rvs(size, rng).reshape(len(self._X), size, -1)[:, :, entry]

    def _below(self, n: int, entry: int, value: float) -> tuple[float, float]:
        """P(x_entry <= value | x_o) of datum n, and a bound on its rounding."""
        if not np.isnan(self._X[n, entry]):
            return float(self._X[n, entry] <= value), 0.0
        datum, (lift, rest) = self._posterior._data[n], self._noise[n]
        log_evidence = self._posterior._log_evidence[n]
        scale, partition = float(np.sqrt(rest[entry, entry])), self._posterior._partition
        total = error = 0.0
        for r in range(partition.n_regions):
            line = entry_given_latent(datum, self._X[n], lift, entry, r, partition)
            found = mass_below(datum, r, *line, scale, value)
            if found is None:
                continue
            own = datum.partition.slopes[r], datum.partition.offsets[r]
            log_factor = log_region_marginal(datum.x, *own, datum.cov_x, datum.cov_z)
            factor = np.exp(log_factor - log_evidence)
            total += factor * found.mass
            error += factor * found.mass_error
        return float(np.clip(total, 0.0, 1.0)), float(error)

    def _quantile(self, n: int, entry: int, share: float) -> float:
        """Where P(x_entry <= value | x_o) is a share: between bounds of Cantelli's inequality."""
        mean = self.mean().reshape(self._X.shape)[n, entry]
        deviation = np.sqrt(self.cov()[n, entry, entry])
        below, above = np.sqrt((1.0 - share) / share), np.sqrt(share / (1.0 - share))
        ends = mean - 1.01 * below * deviation, mean + 1.01 * above * deviation
        return float(brentq(lambda t: self._below(n, entry, t)[0] - share, *ends, xtol=_NEAR))
