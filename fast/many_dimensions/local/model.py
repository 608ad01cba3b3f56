"""Every quantity of a model with two or three latent dimensions, without its whole partition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fast.distributions.model import PriorOnRegions
from fast.distributions.observation import Coordinates
from fast.distributions.posterior import Posterior
from fast.distributions.progress import told
from fast.distributions.reconstruction import Pairs
from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.many_dimensions.local import e_step
from fast.many_dimensions.local.guess import located
from fast.many_dimensions.local.pairs import Found, found
from fast.many_dimensions.local.posterior import LocalPosterior
from fast.many_dimensions.local.setting import Points, Setting
from fast.partition.local.bends import Bends
from fast.polyhedra.chunks import chunks
from reference.model import Array, Network, TooManyRegionsError

# Data that are searched for together share their boxes.
_TOGETHER = 64
# What rounding may do to the log of a share at most, and to log p(x) as a share of it.
_DOUBT = 1e-8
_RELATIVE_DOUBT = 1e-9


class LocalDimensions:
    """`LatentModel` on boxes."""

    def __init__(
        self,
        network: Network,
        coordinates: Coordinates,
        cov_z: Array,
        negligible: float,
        max_regions: int,
        progress: bool,
    ) -> None:
        self._setting = Setting.of(network, coordinates, cov_z, negligible)
        self._bends, _ = Bends.of(network)
        self._max_regions, self._progress = max_regions, progress

    def _together(self, n: int) -> Iterator[slice]:
        """Slices of n data that are searched for together."""
        return iter(told(chunks(n, _TOGETHER), n, self._progress))

    def _found(self, points: Points) -> Found:
        """What data have on pieces: fewer together where all have too many."""
        try:
            return found(self._setting, self._bends, points, self._max_regions)
        except TooManyRegionsError:
            if points.number == 1:
                raise
        middle = points.number // 2
        halves = points.at(slice(None, middle)), points.at(slice(middle, None))
        return Found.joined([self._found(half) for half in halves])

    def _all(self, X: Array) -> tuple[Points, Found]:
        """What all data have on pieces, none of them too far away for moments."""
        parts = [located(self._setting, X[part]) for part in self._together(len(X))]
        own = Found.joined([_of_near(self._found(points)) for points in parts])
        return Points(*(np.concatenate(field) for field in zip(*parts, strict=True))), own

    def logpdf(self, X: Array) -> Array:
        """log p(x), (N,), nats."""
        result = np.empty(len(X))
        for part in self._together(len(X)):
            result[part] = _known(self._found(located(self._setting, X[part])))
        return result

    def posterior(self, X: Array, max_memory: float) -> Posterior:
        """p(z | x) of each datum."""
        points, own = self._all(X)
        return LocalPosterior(self._setting, self._bends, points, own, max_memory)

    def statistics(self, X: Array, counts: Array, max_memory: float) -> Statistics:
        """Posterior expectations summed over data."""
        _, own = self._all(X)
        return e_step.statistics(self._setting, self._bends, X, counts, own, max_memory)

    def reconstruction(self, X: Array) -> Array:
        """E[g(z) | x], (N, D)."""
        setting, result = self._setting, np.empty(X.shape)
        for part in self._together(len(X)):
            own = _of_near(self._found(located(setting, X[part])))
            pairs = Pairs(own.held.datum, np.exp(own.log_e0))
            of_data = len(own.above), pairs, own.held.mean
            result[part] = setting.images_in_two.expected(*of_data)
        return result

    def expected_complete_loglik(self, X: Array) -> Array:
        """E[log p(x, z) | x], (N,), nats."""
        result = np.empty(len(X))
        for part in self._together(len(X)):
            own = _of_near(self._found(located(self._setting, X[part])))
            result[part] = own.log_evidence - own.entropies()
        return result

    def elbo(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """E_q[log p(x, z)] + H(q), (N,), nats, for q_mean (N, S), q_cov (N, S, S)."""
        result = np.empty(len(X))
        for part in self._together(len(X)):
            points = located(self._setting, X[part])
            result[part] = points.log_base + self._bound(points, q_mean[part], q_cov[part])
        return result

    def kl(self, X: Array, q_mean: Array, q_cov: Array) -> Array:
        """KL(q ‖ p(z | x)), (N,), nats, for q_mean (N, S), q_cov (N, S, S)."""
        result = np.empty(len(X))
        for part in self._together(len(X)):
            points = located(self._setting, X[part])
            above = _of_near(self._found(points)).above
            result[part] = above - self._bound(points, q_mean[part], q_cov[part])
        return result

    def _bound(self, points: Points, q_mean: Array, q_cov: Array) -> Array:
        """The ELBO less log p(x, z) at the data's places, (N,), nats."""
        entropy = 0.5 * (q_mean.shape[1] * (LOG_2PI + 1.0) + np.linalg.slogdet(q_cov)[1])
        q = q_mean, q_cov
        expected = e_step.expected_log_joint(self._setting, self._bends, points, *q)
        return np.asarray(entropy + expected)

    def prior_on_regions(self) -> PriorOnRegions:
        """The prior on every region: there are too many.

        Raises ValueError.
        """
        raise ValueError(
            "partition: the mean and covariance of p(x) need all regions, and this model has those "
            "that matter for given data; pass partition='full' to DGN"
        )


def _of_near(found: Found) -> Found:
    """What data have on pieces. Raises ArithmeticError where one is so far away that its shares
    would be few digits of log p(x, z)."""
    far = np.flatnonzero(~(found.doubts <= _DOUBT))
    if len(far):
        raise ArithmeticError(
            f"X: datum {far[0]} is so far from the network's images, or these are so steep, that "
            "rounding hides which regions hold it; for moments pass partition='full' to DGN"
        )
    return found


def _known(found: Found) -> Array:
    """log p(x), (N,). Raises ArithmeticError where rounding leaves too few of its digits."""
    size = np.maximum(1.0, np.abs(found.log_evidence))
    lost = np.flatnonzero(~(found.doubts <= _RELATIVE_DOUBT * size))
    if len(lost):
        raise ArithmeticError(
            f"X: images near datum {lost[0]} are so steep that rounding leaves too few digits of "
            "log p(x); pass partition='full' to DGN"
        )
    return found.log_evidence
