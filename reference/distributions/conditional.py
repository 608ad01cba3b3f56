"""p(x_missing | x_observed): its moments, density and draws.

Given z in a region and the observed entries x_o, those that are missing are Gaussian with a mean
that is affine in z, g_m(z) + Σx_mo Σx_oo^-1 (x_o - g_o(z)), and a covariance that is the same
everywhere. So all follows from p(z | x_o).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions.observed import noise_given
from reference.distributions.posterior import Posterior
from reference.model.arrays import Array, Indices, RandomState
from reference.model.images.data import check_data
from reference.model.layer_protocol import Shape
from reference.model.network import Network
from reference.model.validation import check_count, check_flag, check_random_state


def given_latent(x: Array, image: Array, lift: Array, observed: Indices) -> Array:
    """E[x | z, x_o] (D,): the image g(z), and of the noise what that of the observed tells."""
    return np.asarray(image + lift @ (x[observed] - image[observed]))


def from_image(lift: Array, observed: Indices) -> Array:
    """The matrix (D, D) that E[x | z, x_o] is g(z) times, but for a constant: I - L of the
    observed entries."""
    result = np.eye(len(lift))
    result[:, observed] -= lift
    return result


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
