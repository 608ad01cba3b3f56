"""log p(x) by importance sampling from mixtures that adapt to the posterior."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fast.estimates.mixture import Mixture
from fast.estimates.modes import Looks, Modes, climbed, images_of, modes
from fast.estimates.pareto import tail_shape
from fast.many_dimensions.local.setting import Rows, Setting
from reference.model import Array, Indices, Mask

# Draws that proposals adapt to, round by round. They are not what counts.
_ROUND, _FEWEST_ROUNDS, _MOST_ROUNDS = 1000, 6, 16
# From so many of the widest draws of a round modes are looked for, until so many rounds in a row
# have found none that is missed: where log weights are this far above their mean's, and as much of
# p(x) may be as is seen.
_CLIMBING, _NARROW, _QUIET, _MISSED, _SEEN = 24, 0.8, 2, 1.5, -7.0
_MOST_COMPONENTS = 100
# Draws that count: so many at least, and half as many again as adaptation says are needed.
_FEWEST, _MARGIN = 1000, 1.5
#: Where the tail of the weights is heavier, or fewer draws count, an estimate is not vouched for.
HEAVIEST_TAIL, FEWEST_EFFECTIVE = 0.7, 100.0


@dataclass(frozen=True)
class LogpdfEstimate:
    """Estimates of log p(x) for N data, and how good they are.

    Parameters
    ----------
    log_p : array (N,)
        The logarithm of an unbiased estimate of p(x), nats. It is itself low by half the square of
        its standard error, in the mean.
    standard_error : array (N,)
        Of log_p, nats, from the spread of the weights.
    effective_sample_size : array (N,)
        As many independent draws from the posterior would estimate a mean as well.
    pareto_k : array (N,)
        The shape of the weights' tail: from 0.7 on their mean, and what is said of its error, are
        not to be trusted.
    vouched : array of bool (N,)
        Whether the tail is lighter than that, or half of the draws are effective; at least 100 are;
        and the search for modes had come to its end.
    n_draws : array of int (N,)
        Draws that the estimate is made of, beside those that proposals adapted to.
    draws : array (N, size, S)
        Draws from p(z | x) by resampling, as good as the weights are; none unless asked for.

    See Also
    --------
    DGN.estimate_logpdf : which returns it.
    DGN.logpdf : exact, for up to six latent dimensions.
    """

    log_p: Array
    standard_error: Array
    effective_sample_size: Array
    pareto_k: Array
    vouched: Mask
    n_draws: Indices
    draws: Array = field(repr=False)


class EstimateRequest(NamedTuple):
    """What is asked for of every datum."""

    standard_error: float
    max_draws: int
    size: int  # of draws from the posterior


class _Weighted(NamedTuple):
    """Draws and the logarithms of p(x, z) / q(z)."""

    places: Array  # (n, S)
    log_weights: Array  # (n,)

    @property
    def shares(self) -> Array:
        """The weights over the largest."""
        return np.asarray(np.exp(self.log_weights - self.log_weights.max()))

    @property
    def log_mean(self) -> float:
        """Log of the mean of the weights: an estimate of log p(x)."""
        return float(self.log_weights.max() + np.log(self.shares.mean()))

    @property
    def relative_variance(self) -> float:
        """That of a weight, in squares of their mean."""
        shares = self.shares
        return float(np.var(shares) / np.square(np.mean(shares)))


def estimated(
    setting: Setting, X: Array, request: EstimateRequest, rng: np.random.Generator
) -> LogpdfEstimate:
    """Estimates for data X (N, D)."""
    looks, rows = Looks.of(setting, rng), setting.rows(X)
    told, settled = np.empty((len(X), 4)), np.empty(len(X), dtype=bool)
    n_draws, draws = np.empty(len(X)), np.empty((len(X), request.size, setting.latent))
    for n in range(len(X)):
        row = Rows(rows.rows[n : n + 1], rows.rest[n : n + 1])
        final, settled[n] = _sampled(setting, row, looks, request, rng)
        told[n], n_draws[n] = _told(final), len(final.log_weights)
        shares = final.shares
        chosen = rng.choice(len(shares), size=request.size, p=shares / shares.sum())
        draws[n] = final.places[chosen]
    log_p, error, effective, shape = told.T
    return LogpdfEstimate(
        log_p=log_p,
        standard_error=error,
        effective_sample_size=effective,
        pareto_k=shape,
        # The shape of a tail is without its size: of nearly equal weights it tells nothing.
        vouched=settled
        & ((shape < HEAVIEST_TAIL) | (effective > 0.5 * n_draws))
        & (effective >= FEWEST_EFFECTIVE),
        n_draws=n_draws.astype(np.intp),
        draws=draws,
    )


def _sampled(
    setting: Setting, row: Rows, looks: Looks, request: EstimateRequest, rng: np.random.Generator
) -> tuple[_Weighted, bool]:
    """Draws that count: all from one mixture, which does not depend on them, and as many as was
    decided before the first of them; and whether the search for modes had come to its end."""
    mixture, done, quiet = _around(setting, modes(setting, row, looks)), 0, 0
    while done < _MOST_ROUNDS and (done < _FEWEST_ROUNDS or quiet < _QUIET):
        some = _weighted(setting, row, mixture, _ROUND, rng)
        mixture = mixture.adapted(*some)
        if quiet < _QUIET:
            mixture, found = _with_more(setting, row, mixture, some)
            quiet = 0 if found else quiet + 1
        done += 1
    # Of weights that the last mixture did not adapt to.
    trial = _weighted(setting, row, mixture, _ROUND, rng)
    needed = _MARGIN * trial.relative_variance / request.standard_error**2
    size = int(min(max(np.ceil(needed), _FEWEST), request.max_draws))
    return _weighted(setting, row, mixture, size, rng), quiet >= _QUIET


def _around(setting: Setting, found: Modes) -> Mixture:
    """A component for each mode, as much as a Gaussian there would hold."""
    logs = found.log_mass
    prior_root = np.asarray(np.linalg.cholesky(setting.cov_z))
    return Mixture.of(np.exp(logs - logs.max()), found.places, found.roots, prior_root)


def _with_more(
    setting: Setting, row: Rows, mixture: Mixture, some: _Weighted
) -> tuple[Mixture, bool]:
    """The mixture with modes that its widest draws lead to and that it gives too little to; and
    whether there are such."""
    # Draws stand in the order of components: wider copies and the prior are the last.
    last = np.linspace(_NARROW * len(some.places), len(some.places) - 1, _CLIMBING).astype(np.intp)
    found = climbed(setting, row, some.places[last])
    weights = found.log_joint - mixture.logpdf(found.places)
    typical = some.log_mean
    seen = found.log_mass > typical + _SEEN
    missed = np.flatnonzero(seen & (weights > typical + _MISSED))
    missed = missed[: max(0, _MOST_COMPONENTS - len(mixture.weights))]
    if not len(missed):
        return mixture, False
    shares = np.exp(np.minimum(found.log_mass[missed] - typical, 0.0))
    return mixture.joined(shares, found.places[missed], found.roots[missed]), True


def _weighted(
    setting: Setting, row: Rows, mixture: Mixture, size: int, rng: np.random.Generator
) -> _Weighted:
    """New draws from a mixture."""
    places = mixture.rvs(size, rng)
    joint = setting.log_joint(row, images_of(setting, places))
    return _Weighted(places, joint - mixture.logpdf(places))


def _told(final: _Weighted) -> tuple[float, float, float, float]:
    """Log of the mean weight, its standard error, how many draws are effective, and the shape of
    the weights' tail."""
    shares = final.shares
    mean, count = shares.mean(), len(shares)
    error = float(np.std(shares, ddof=1) / (mean * np.sqrt(count)))
    effective = float(np.square(shares.sum()) / np.square(shares).sum())
    return final.log_mean, error, effective, tail_shape(final.log_weights)
