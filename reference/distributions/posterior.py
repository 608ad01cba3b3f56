"""p(z | x) of several data, with its per-region moments [eq. 6, Proposition 2, Sec. 4.1]."""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from reference.distributions.marginal import (
    log_marginal,
    log_posterior,
    posterior_cov,
    posterior_mean,
    posterior_mode,
    terms_of_data,
)
from reference.distributions.observed import Datum, as_observed
from reference.distributions.responsibilities import log_responsibilities
from reference.integration.draws import draw_on_interval, draw_on_polyhedron
from reference.model.arrays import Array, RandomState
from reference.model.layer_protocol import Shape
from reference.model.validation import check_array, check_count, check_flag, check_random_state
from reference.partition.partition import Partition


class Posterior:
    """The exact posterior p(z | x) of N data [eq. 6]; made by `DGN.posterior`.

    Parameters
    ----------
    X : ndarray, shape (N, D)
        The data; NaN where an entry is not observed.
    partition : Partition
        The regions of the network.
    cov_x : ndarray, shape (D, D), (D,) or ()
        Σx.
    cov_z : ndarray, shape (S, S)
        Σz.

    Attributes
    ----------
    log_e0 : ndarray, shape (N, R)
        log P(z in ω | x), nats.
    region_mean : ndarray, shape (N, R, S)
        E[z | x, z in ω], latent units.
    region_cov : ndarray, shape (N, R, S, S)
        Cov[z | x, z in ω].

    Notes
    -----
    For S > 1 the errors of e0, e1 and e2 over all regions add up to less than 1e-9 (those of e2 in
    units of Σ_ω's standard deviations from μ_ω). A region whose mass is lost below that has log_e0
    = -inf. Where a region's own mass and moments are less accurate than 1e-6, region_mean and
    region_cov are NaN; e1, e2, mean and cov never are. Guarded by `python -m oracle`,
    tests/distributions/test_posterior.py and tests/distributions/test_reference_dgn.py; draws by
    tests/distributions/test_draws.py.
    """

    def __init__(self, X: Array, partition: Partition, cov_x: Array, cov_z: Array) -> None:
        self._data, self._partition, self._cov_z = (
            as_observed(X, partition, cov_x, cov_z),
            partition,
            cov_z,
        )
        self._data_shape: Shape = X.shape[1:]
        terms = list(terms_of_data(self._data))
        self._log_evidence = np.array([log_marginal(row) for row in terms])
        self.log_e0: Array = np.array(
            [
                log_responsibilities(datum.x, row, *datum.model)
                for datum, row in zip(self._data, terms, strict=True)
            ]
        )
        # Their products with e0 are always accurate; they themselves only where resolved.
        self._mean = np.array([[t.mean for t in row] for row in terms])
        self._cov = np.array([[t.cov for t in row] for row in terms])
        resolved = np.array([[t.resolved for t in row] for row in terms])
        self.region_mean: Array = np.where(resolved[:, :, None], self._mean, np.nan)
        self.region_cov: Array = np.where(resolved[:, :, None, None], self._cov, np.nan)
        self._region_entropy = np.array([[t.entropy for t in row] for row in terms])

    def _of_shape(self, shape: Shape) -> Self:
        """Return the same of data that came in a shape of their own: reconstructions have it."""
        result = copy(self)
        result._data_shape = shape
        return result

    @property
    def e0(self) -> Array:
        """E[1{z in ω} | x], the responsibilities of the regions, (N, R)."""
        return np.exp(self.log_e0)

    @property
    def e1(self) -> Array:
        """E[z 1{z in ω} | x], latent units, (N, R, S)."""
        return np.asarray(self.e0[:, :, None] * self._mean)

    @property
    def e2(self) -> Array:
        """E[z zᵀ 1{z in ω} | x], latent units squared, (N, R, S, S)."""
        outer = np.einsum("nri,nrj->nrij", self._mean, self._mean)
        return np.asarray(self.e0[:, :, None, None] * (self._cov + outer))

    def mean(self) -> Array:
        """Return the posterior means.

        Returns
        -------
        ndarray, shape (N, S)
            E[z | x] = Σ_ω e1_ω.
        """
        return np.asarray(self.e1.sum(axis=1))

    def cov(self) -> Array:
        """Return the posterior covariances.

        Returns
        -------
        ndarray, shape (N, S, S)
            Cov[z | x].

        Notes
        -----
        Within regions plus between them: Σ_ω e2_ω - mean meanᵀ would cancel.
        """
        away = self._mean - self.mean()[:, None, :]
        between = np.einsum("nri,nrj->nrij", away, away)
        return np.asarray(np.einsum("nr,nrij->nij", self.e0, self._cov + between))

    def _images(self) -> Array:
        """E[g(z) | x, z in ω] = A_ω m_ω + b_ω, (N, R, D)."""
        slopes, offsets = self._partition.slopes, self._partition.offsets
        return np.asarray(np.einsum("rds,nrs->nrd", slopes, self._mean) + offsets)

    def _expected_image(self) -> Array:
        """Σ_ω e0_ω (A_ω m_ω + b_ω), (N, D)."""
        return np.asarray(np.einsum("nr,nrd->nd", self.e0, self._images()))

    def reconstruction(self) -> Array:
        """Return the posterior means of g(z).

        Returns
        -------
        ndarray, shape (N, D)
            E[g(z) | x], in the shape of the data.

        Notes
        -----
        By Tweedie's formula it is x + Σx ∇ log p(x) [DGN.score]: the noiseless x that is nearest in
        mean square. Off by some ε (‖A_ω m_ω‖ + ‖b_ω‖), since m_ω is rounded. Guarded by `python -m
        oracle` and tests/distributions/test_reconstruction.py.
        """
        return self._expected_image().reshape(len(self._data), *self._data_shape)

    def reconstruction_cov(self, *, diagonal: bool = False) -> Array:
        """Return the posterior covariances of g(z).

        Parameters
        ----------
        diagonal : bool, default False
            Whether only variances are asked for.

        Returns
        -------
        ndarray, shape (N, D, D) or (N, D)
            Cov[g(z) | x]; variances in the shape of the data.

        Notes
        -----
        Within regions, A_ω C_ω A_ωᵀ, plus between them. Off by some ε ‖A_ω‖² ‖C_ω‖, since C_ω is
        rounded. Guarded as `reconstruction`.
        """
        slopes = self._partition.slopes
        away = self._images() - self._expected_image()[:, None, :]
        if not check_flag(diagonal, "diagonal"):
            within = np.einsum("rds,nrst,ret->nrde", slopes, self._cov, slopes)
            between = np.einsum("nrd,nre->nrde", away, away)
            return np.asarray(np.einsum("nr,nrde->nde", self.e0, within + between))
        within = np.einsum("rds,nrst,rdt->nrd", slopes, self._cov, slopes)
        variances = np.einsum("nr,nrd->nd", self.e0, within + away**2)
        return np.asarray(variances).reshape(len(self._data), *self._data_shape)

    def entropy(self) -> Array:
        """Return the differential entropies of p(z | x).

        Returns
        -------
        ndarray, shape (N,)
            The entropy of the choice of a region plus the mean entropy within regions, nats.
        """
        log_e0 = np.where(self.e0 > 0, self.log_e0, 0.0)
        return np.asarray((self.e0 * (self._region_entropy - log_e0)).sum(axis=1))

    def mode(self) -> Array:
        """Return the z at which p(z | x) is largest.

        Returns
        -------
        ndarray, shape (N, S)
            The global maximisers, over all regions.
        """
        return np.array([posterior_mode(datum.x, *datum.model) for datum in self._data])

    def logpdf(self, Z: ArrayLike) -> Array:
        """Return the log density of the posterior at given points [eq. 6].

        Parameters
        ----------
        Z : array_like, shape (M, S) or (N, M, S)
            Points for every datum, or other points for each.

        Returns
        -------
        ndarray, shape (N, M)
            log p(z | x), nats.
        """
        latent, count = len(self._cov_z), len(self._data)
        points = check_array(Z, "Z", (None, latent), (count, None, latent))
        if points.ndim == 2:
            points = np.broadcast_to(points, (count, *points.shape))
        rows = zip(self._data, self._log_evidence, points, strict=True)
        return np.array(
            [
                [log_posterior(z, datum.x, evidence, *datum.model) for z in row]
                for datum, evidence, row in rows
            ]
        )

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Draw independently and exactly from p(z | x): a region, then z within it.

        Parameters
        ----------
        size : int, default 1
            How many draws a datum.
        random_state : int, Generator or None
            The same seed gives the same draws.

        Returns
        -------
        ndarray, shape (N, size, S)
            The draws.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        draws = np.empty((len(self._data), size, len(self._cov_z)))
        for n, datum in enumerate(self._data):
            weights = self.e0[n] / self.e0[n].sum()
            for i in range(size):
                region = int(rng.choice(len(weights), p=weights))
                draws[n, i] = self._draw(datum, region, rng)
        return draws

    def _draw(self, datum: Datum, region: int, rng: np.random.Generator) -> Array:
        """z from N(μ_ω(x), Σ_ω) truncated to ω."""
        slope, offset = datum.partition.slopes[region], datum.partition.offsets[region]
        centre = posterior_mean(datum.x, slope, offset, datum.cov_x, datum.cov_z)
        cov = posterior_cov(slope, datum.cov_x, datum.cov_z)
        if len(centre) > 1:
            return draw_on_polyhedron(*self._partition.halfspaces(region), centre, cov, rng)
        ends = np.concatenate([[-np.inf], self._partition.breakpoints, [np.inf]])
        scale = np.sqrt(cov[0, 0])
        return draw_on_interval(ends[region], ends[region + 1], centre[0], scale, rng)
