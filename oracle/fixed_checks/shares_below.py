"""`Conditional.cdf` and `.interval` of single entries, on the fixed models of one and two latent
dimensions: `fast` integrates a density, `reference` takes masses in one more dimension, and the
truth (oracle.truths.missing_entry) is a sum over latent space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from oracle.exact.number_types import Array
from oracle.fixed_checks.deviation import Check, Deviation
from oracle.fixed_checks.missing import missing_of
from oracle.fixed_checks.models import Model, specs
from oracle.learning.sums_over_data import full_covariance
from oracle.truths.missing_entry import MissingEntry, missing_entry

# Where shares are asked for, in deviations from the mean; and the level of the intervals.
_AWAY = (-1.5, 0.3)
_LEVEL = 0.8
#: What is promised of probabilities of `fast`, and more than what rounding does to both: 2e-13.
ALLOWED = 1e-11


@cache
def _truth(model: Model, n: int) -> MissingEntry:
    """x number n without its missing entry."""
    cov_x = full_covariance(model.cov_x, model.X.shape[1])
    return missing_entry(specs(model), cov_x, model.cov_z, model.X[n], missing_of(model)[n])


def shares_below(model: Model) -> Check:
    """The CDF of what is missing at two places, and what lies below both ends of its interval."""

    def check(impl: Any) -> Iterator[Deviation]:
        X, missing = model.X.copy(), missing_of(model)
        X[np.arange(len(X)), missing] = np.nan
        given = model.dgn(impl).conditional(X)
        for entry in sorted(set(missing)):
            for away in _AWAY:
                values = _places(model, entry, away)
                found = given.cdf(entry, values)
                yield _compared(model, f"share below, entry {entry}", entry, values, found.value)
            # A quantile of `reference` is a dozen masses in three dimensions, of a second each.
            if impl.__name__ == "reference" and model.latent > 1:
                continue
            ends = given.interval(entry, _LEVEL).value
            yield from _of_ends(model, entry, ends)

    return check


def _places(model: Model, entry: int, away: float) -> Array:
    """Some deviations from the mean of an entry where it is missing; elsewhere on both sides of
    what is observed."""
    values = model.X[:, entry] + away
    for n, missing in enumerate(missing_of(model)):
        if missing == entry:
            truth = _truth(model, n)
            mean = truth.weights @ truth.means
            spread = truth.weights @ (truth.means - mean) ** 2 + truth.deviation**2
            values[n] = mean + away * np.sqrt(spread)
    return values


def _compared(model: Model, what: str, entry: int, values: Array, found: Array) -> Deviation:
    """Shares below values, (N,), against the truth; 0 or 1 where the entry is observed."""
    truth = (model.X[:, entry] <= values).astype(float)
    for n, missing in enumerate(missing_of(model)):
        if missing == entry:
            truth[n] = _truth(model, n).below(float(values[n]))
    return Deviation(f"{model.name}: {what}", float(np.max(np.abs(found - truth))), ALLOWED)


def _of_ends(model: Model, entry: int, ends: Array) -> Iterator[Deviation]:
    """What lies below the ends of intervals, (N, 2); of what is observed both are the entry."""
    held = np.array([missing == entry for missing in missing_of(model)])
    for side, end in enumerate(ends.T):
        share = (1.0 - _LEVEL) / 2 if side == 0 else (1.0 + _LEVEL) / 2
        below = np.where(held, share, model.X[:, entry] <= end)
        yield _compared(model, f"share below end {side}, entry {entry}", entry, end, below)
    kept = np.max(np.abs(ends[~held] - model.X[~held, entry][:, None]), initial=0.0)
    yield Deviation(f"{model.name}: interval of what is observed", float(kept), 0.0)
