"""How well a forecast of entries that were held back recovers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.model import Array, Mask

#: What is told of a forecast, in the order of `scores`.
SCORES = ("rmse", "log_density", "crps", "covered", "width")
#: Draws of every entry. Among them the truth of a law is as likely to be at every place in order:
#: from the 11th to the 190th of 200 in 9 of 10 cases, whatever the law.
DRAWS = 199
#: The same where draws are slow: from the 2nd to the 19th of 20.
FEW_DRAWS = 19
#: One place of so many is beyond each end.
_BEYOND = 20


@dataclass(frozen=True)
class Forecast:
    """What a method says of rows with gaps.

    Attributes
    ----------
    point : Array, shape (N, D)
        One number for every entry.
    log_density : Array, shape (N,), or None
        Of the truth of all that is missing of a row together, nats; None of points alone.
    draws : Array, shape (K, N, D), or None
        Of every entry's law, DRAWS or FEW_DRAWS; None of points alone.
    """

    point: Array
    log_density: Array | None = None
    draws: Array | None = None


def scores(forecast: Forecast, truth: Array, missing: Mask) -> Array:
    """What is told of a forecast, by SCORES.

    Parameters
    ----------
    forecast : Forecast
        Of rows of which entries are missing.
    truth : Array, shape (N, D)
        The rows, whole, in units of each feature's deviation.
    missing : Mask, shape (N, D)
        Which entries were held back.

    Returns
    -------
    Array, shape (5,)
        Root of the mean squared error; log density of what is missing, in nats an entry; mean
        continuous ranked probability score, which of a point is its absolute error; share of
        entries within the central interval of 9 of 10 draws, and its mean width. NaN of what a
        method does not tell. Deviations of features.

    Notes
    -----
    The ranked score is estimated from draws without bias, and the interval holds a true law's
    entries in 9 of 10 cases exactly, since it counts places among the draws.
    """
    error = (forecast.point - truth)[missing]
    result = np.full(len(SCORES), np.nan)
    result[0] = np.sqrt(np.mean(error**2))
    result[2] = np.mean(np.abs(error))
    if forecast.log_density is not None:
        result[1] = forecast.log_density.sum() / missing.sum()
    if forecast.draws is not None:
        ordered, own = np.sort(forecast.draws[:, missing], axis=0), truth[missing]
        result[2] = np.mean(ranked_score(ordered, own))
        low, high = ordered[_outer(ordered) - 1], ordered[-_outer(ordered)]
        result[3] = np.mean((low < own) & (own <= high))
        result[4] = np.mean(high - low)
    return result


def _outer(draws: Array) -> int:
    """How many draws (K, n) are beyond either end of an interval, the end among them."""
    return (len(draws) + 1) // _BEYOND


def ranked_score(ordered: Array, truth: Array) -> Array:
    """E|x - truth| - E|x - x'| / 2 from draws in order (K, n), without bias; (n,)."""
    count = len(ordered)
    ranks = 2.0 * np.arange(1, count + 1) - count - 1.0
    spread = ranks @ ordered / (count * (count - 1.0))
    return np.asarray(np.mean(np.abs(ordered - truth), axis=0) - spread)


def smallest_set(
    log_density: Callable[[Array], Array], draws: Array, truth: Array
) -> tuple[Array, Array]:
    """Whether the smallest set that holds an entry in 9 of 10 cases holds it, and its length.

    Parameters
    ----------
    log_density : callable
        Of values of every entry, (k, n) -> (k, n).
    draws : Array, shape (K, n)
        Of every entry's law.
    truth : Array, shape (n,)
        The entries.

    Returns
    -------
    held : Array, shape (n,)
        0 or 1. As for the interval, places among the draws are counted, by their densities.
    length : Array, shape (n,)
        E[1 / p(x); x in the set], from the draws.
    """
    *levels, own = log_density(np.concatenate([draws, truth[None]]))
    threshold = np.sort(levels, axis=0)[2 * _outer(draws) - 1]
    length = np.mean(np.where(levels >= threshold, np.exp(-np.array(levels)), 0.0), axis=0)
    return (own >= threshold).astype(float), length
