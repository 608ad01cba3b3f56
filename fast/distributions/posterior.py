"""p(z | x), a mixture of Gaussians truncated to the regions [eq. 6, Proposition 2]."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from copy import copy
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from fast.distributions.memory import refuse_large
from fast.distributions.reconstruction import Images, Pairs, Spread, expected_hidden
from reference.model import (
    Array,
    Codes,
    Indices,
    RandomState,
    Shape,
    check_array,
    check_count,
    check_flag,
    check_random_state,
)


class Shares(NamedTuple):
    """What N data have on regions: P pairs of a datum and a region, sorted by datum and region.

    Pairs that hold nothing, or so little that it is certified not to matter, are not there.
    """

    datum: Indices  # (P,)
    region: Indices  # (P,)
    log_e0: Array  # (P,): log P(z in ω | x)
    mean: Array  # (P, S): of z given x and z in ω, latent units
    cov: Array  # (P, S, S): of the same
    entropy: Array  # (P,): differential, of the same, nats


class Posterior(ABC):
    """The exact posterior of N data [eq. 6]; made by `DGN.posterior`.

    Attributes
    ----------
    shares : Shares
        What it holds: pairs of a datum and a region that matters to it.
    skipped : ndarray, shape (N,)
        What was left out, as a share of p(x), at most. For S >= 2 pairs of a datum and a region
        that cannot matter are left out: their log_e0 is -inf, their moments are NaN. So are those
        of regions thinner than rounding.
    error : ndarray, shape (N,)
        How far the integration may have left log p(x) off, nats; 0 for S <= 3.

    Notes
    -----
    Memory O(P S²) for P pairs. `log_e0`, `region_mean`, `region_cov`, `e0`, `e1` and `e2` are
    tables with all regions: they are formed when they are asked for, and refused where they would
    take more than the model's `max_memory`.

    Accuracy for S = 1: e0 to 1e-12, region moments to 1e-11 of the region's standard deviation. For
    S = 2 and 3: 1e-10 and 1e-8. Where the problem's condition number times 2e-16 is larger, that.
    Guarded by `python -m oracle`,
    tests/distributions/test_posterior.py, tests/distributions/test_many_dimensions.py,
    tests/distributions/test_far_data.py, tests/distributions/test_thin_regions.py and, for draws,
    tests/distributions/test_draws.py.

    Examples
    --------
    >>> from fast import DGN, Dense, Network
    >>> dgn = DGN(Network([Dense([[1.0]], [0.0])]), cov_x=1.0)
    >>> posterior = dgn.posterior([[3.0]])
    >>> print(f"{posterior.mean()[0, 0]:.6f} {posterior.cov()[0, 0, 0]:.6f}")
    1.500000 0.500000
    """

    #: Whether `region` of its shares numbers pieces that it found itself, and no partition's.
    numbers_pieces = False

    def __init__(
        self,
        n_regions: int,
        images: Images,
        log_evidence: Array,
        shares: Shares,
        skipped: Array,
        error: Array,
        max_memory: float,
    ) -> None:
        self._n_regions, self._log_evidence = n_regions, log_evidence
        self._images = images
        self._data_shape: Shape = (images.network.observed_dimension,)
        self.shares, self.skipped, self.error = shares, skipped, error
        self._max_memory = max_memory

    def _of_shape(self, shape: Shape) -> Self:
        """The same of data that came in a shape of their own: reconstructions have it."""
        result = copy(self)
        result._data_shape = shape
        return result

    @property
    def log_evidence_bounds(self) -> Array:
        """The least and the most that log p(x) can be, (N, 2), nats.

        The least is what was found; the most has what was left out at most, `skipped`. Both are but
        for rounding and `error`.
        """
        least = self._log_evidence
        return np.stack([least, least - np.log1p(-self.skipped)], axis=1)

    @cached_property
    def _e0(self) -> Array:
        """P(z in ω | x) of every pair, (P,)."""
        return np.exp(self.shares.log_e0)

    @property
    def _starts(self) -> Indices:
        """Where the pairs of every datum start, (N,); it has some."""
        return np.searchsorted(self.shares.datum, np.arange(len(self._log_evidence)))

    def _table(self, rows: Array, missing: float, name: str) -> Array:
        """A value of every pair, (P, ...), in a table of all regions, (N, R, ...)."""
        shape = len(self._log_evidence), self._n_regions, *rows.shape[1:]
        refuse_large(8.0 * math.prod(shape), self._max_memory, f"posterior.{name}", "`shares`")
        if len(rows) == shape[0] * shape[1]:
            return rows.reshape(shape).copy()  # no pair is missing, and they are sorted
        result = np.full(shape, missing)
        result[self.shares.datum, self.shares.region] = rows
        return result

    @cached_property
    def log_e0(self) -> Array:
        """log E[1{z in ω} | x], the log probability of each region, (N, R)."""
        return self._table(self.shares.log_e0, -np.inf, "log_e0")

    @cached_property
    def region_mean(self) -> Array:
        """Mean of z given x and z in ω, latent units, (N, R, S)."""
        return self._table(self.shares.mean, np.nan, "region_mean")

    @cached_property
    def region_cov(self) -> Array:
        """Covariance of z given x and z in ω, (N, R, S, S)."""
        return self._table(self.shares.cov, np.nan, "region_cov")

    @property
    def e0(self) -> Array:
        """E[1{z in ω} | x], the probability of each region, (N, R)."""
        return self._table(self._e0, 0.0, "e0")

    @property
    def e1(self) -> Array:
        """E[z 1{z in ω} | x], (N, R, S)."""
        return self._table(self._e0[:, None] * self.shares.mean, 0.0, "e1")

    @property
    def e2(self) -> Array:
        """E[z zᵀ 1{z in ω} | x], (N, R, S, S)."""
        mean = self.shares.mean
        outer = mean[:, :, None] * mean[:, None, :]
        return self._table(self._e0[:, None, None] * (self.shares.cov + outer), 0.0, "e2")

    def _sums(self, rows: Array) -> Array:
        """A value of every pair, (P, ...), times its probability, summed by datum, (N, ...)."""
        weights = self._e0.reshape(-1, *[1] * (rows.ndim - 1))
        return np.asarray(np.add.reduceat(weights * rows, self._starts, axis=0))

    def mean(self) -> Array:
        """E[z | x].

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """
        return self._sums(self.shares.mean)

    def cov(self) -> Array:
        """Cov[z | x], within regions plus between them: nothing cancels.

        Returns
        -------
        ndarray, shape (N, S, S)
            Squared latent units.
        """
        spread = self.shares.mean - self.mean()[self.shares.datum]
        return self._sums(self.shares.cov + spread[:, :, None] * spread[:, None, :])

    def _hidden(self, pairs: slice) -> Array:
        """h at the means of some pairs, (p, width)."""
        return self._images.hidden(self.shares.mean[pairs])

    @abstractmethod
    def _slopes(self, pairs: slice) -> Array:
        """The slopes of y(g(z)) on the regions of some pairs, (p, r, S)."""

    @abstractmethod
    def _codes(self, pairs: slice | Indices) -> Codes:
        """The codes of the regions of some pairs, (p, U)."""

    @property
    def _pairs(self) -> Pairs:
        return Pairs(self.shares.datum, self._e0)

    @cached_property
    def _expected(self) -> Array:
        """E[h | x], (N, width)."""
        count = len(self._log_evidence)
        return expected_hidden(count, self._images.width, self._pairs, self._hidden)

    def reconstruction(self) -> Array:
        """E[g(z) | x], the mean of the noiseless x that the posterior holds.

        Returns
        -------
        ndarray, shape (N, D)
            Data units; where data were images, in their shape.

        Notes
        -----
        Σ_ω e0_ω (A_ω m_ω + b_ω), with m_ω the mean of z in ω: not g at the mean of z, but the best
        reconstruction in mean square. By Tweedie's formula it is x + Σx ∇ log p(x), the denoised x
        [DGN.score]. Off by some ε (‖A_ω m_ω‖ + ‖b_ω‖), since m_ω is rounded: 1e-11 standard
        deviations of the noise while images are less than 1e4 of them in size. Memory O(N D).
        Guarded by `python -m oracle` and tests/distributions/test_reconstruction.py.

        Examples
        --------
        >>> from fast import DGN, Dense, Network
        >>> dgn = DGN(Network([Dense([[2.0]], [1.0])]), cov_x=1.0)
        >>> print(dgn.posterior([[3.5]]).reconstruction().round(12))
        [[3.]]
        """
        images = self._images.of_hidden(self._expected)
        return images.reshape(len(images), *self._data_shape)

    def reconstruction_cov(self, *, diagonal: bool = False) -> Array:
        """Cov[g(z) | x]: how far from E[g(z) | x] the noiseless x may be.

        Parameters
        ----------
        diagonal : bool, default False
            Whether only variances are asked for: D numbers a datum in place of D².

        Returns
        -------
        ndarray, shape (N, D, D) or (N, D)
            Squared data units; variances in the shape of the data.

        Raises
        ------
        TooMuchMemoryError
            If the matrices take more than the model's `max_memory`; a ValueError.
        ArithmeticError
            If an image is so steep that rounding of C_ω hides more than a millionth of a variance
            with the noise's: where z is spread wide along the image, and thin across.

        Notes
        -----
        Σ_ω e0_ω (A_ω C_ω A_ωᵀ + d_ω d_ωᵀ), with C_ω the covariance of z in ω and d_ω = E[g(z) | x,
        ω] - E[g(z) | x]: a sum of squares, in which nothing cancels. Off by some ε ‖A_ω‖² ‖C_ω‖,
        since C_ω is rounded. Beside the result it takes some 50 MB. Guarded as `reconstruction`.
        """
        spread = Spread(
            self._images,
            self._pairs,
            self.shares.cov,
            self._expected,
            hidden=self._hidden,
            slopes=self._slopes,
        )
        if not check_flag(diagonal, "diagonal"):
            return spread.covariances(self._max_memory)
        variances = spread.variances()
        return variances.reshape(len(variances), *self._data_shape)

    def entropy(self) -> Array:
        """Differential entropy of p(z | x).

        Returns
        -------
        ndarray, shape (N,)
            Nats.
        """
        return self._sums(self.shares.entropy - self.shares.log_e0)

    @abstractmethod
    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """

    @abstractmethod
    def _log_density(self, points: Array) -> Array:
        """log p(z | x) for points (N, M, S), (N, M)."""

    @abstractmethod
    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        """One draw (P, S) from each (datum, region) pair's truncated Gaussian."""

    def logpdf(self, Z: ArrayLike) -> Array:
        """log p(z | x) [eq. 6].

        Parameters
        ----------
        Z : array_like, shape (M, S) or (N, M, S)
            Latents, the same for every datum or its own.

        Returns
        -------
        ndarray, shape (N, M)
            Nats.
        """
        count, latent = len(self._log_evidence), self.shares.mean.shape[1]
        points = check_array(Z, "Z", (None, latent), (count, None, latent))
        points = np.broadcast_to(points, (count, *points.shape[-2:]))
        return self._log_density(points)

    def rvs(self, size: int = 1, random_state: RandomState = None) -> Array:
        """Exact independent draws from p(z | x): a region, then z within it.

        Parameters
        ----------
        size : int, default 1
            How many for each datum.
        random_state : None, int or numpy.random.Generator, optional
            A seed, or where random numbers come from.

        Returns
        -------
        ndarray, shape (N, size, S)
            Latent units.
        """
        size = check_count(size, "size", 1)
        rng = check_random_state(random_state)
        count, starts = len(self._log_evidence), self._starts
        cumulative = map(np.cumsum, np.split(self._e0, starts[1:]))
        uniforms = rng.random((count, size))
        pairs = np.stack(
            [
                start + np.searchsorted(c / c[-1], u, side="right")
                for start, c, u in zip(starts, cumulative, uniforms, strict=True)
            ]
        )
        datum = np.repeat(np.arange(count), size)
        regions = self.shares.region[pairs.ravel()]
        return self._draw(datum, regions, rng).reshape(count, size, -1)
