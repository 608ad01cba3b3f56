"""Several starts of a fit, at the same time if need be, and one word about how the best ended."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning as ScikitConvergenceWarning

from fast.dgn import DGN
from fast.estimators.settings import Counted
from fast.training.em import fit_em
from fast.training.maximum_likelihood import fit_mle
from fast.training.result import FitResult
from reference.model import NO_LIKELIHOOD, Array, ConvergenceWarning

FITS: dict[str, Callable[..., FitResult]] = {"em": fit_em, "mle": fit_mle}


class FitConvergenceWarning(ConvergenceWarning, ScikitConvergenceWarning):
    """Training ended before it converged: a warning of this package and of scikit-learn's kind."""


class Ended(NamedTuple):
    """What a start ended with: its result, and what was said; or why it has no likelihood."""

    result: FitResult | None
    told: list[str]


@dataclass(frozen=True)
class Fit:
    """How every start is trained: the arguments of `fit_em` and `fit_mle` by the same names."""

    method: str
    options: dict[str, Any]

    def run(self, model: DGN, data: Counted, seed: int | None) -> Ended:
        """Train from random weights, or from the model itself where there is no seed."""
        start = {"init": "given"} if seed is None else {"init": "data", "random_state": seed}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ConvergenceWarning)
            try:
                result = FITS[self.method](
                    model, data.X, sample_weight=data.weights, **start, **self.options
                )
            except NO_LIKELIHOOD as error:
                return Ended(None, [f"{type(error).__name__}: {error}"])
        return Ended(result, [str(one.message) for one in said])


def fitted(
    fit: Fit, model: DGN, data: Counted, seeds: list[int | None], n_jobs: int | None
) -> list[Ended]:
    """Every start, whatever the number of processes: each has its own seed."""
    return list(Parallel(n_jobs=n_jobs)(delayed(fit.run)(model, data, seed) for seed in seeds))


def best(ends: list[Ended]) -> FitResult:
    """The start of least loss. Says once, with a warning, if it has not converged.

    Raises ArithmeticError if no start has a likelihood.
    """
    losses = losses_of(ends)
    if not np.any(np.isfinite(losses)):
        raise ArithmeticError(
            f"no start has a likelihood, the first: {ends[0].told[0]}; scale the data, or raise "
            "noise_floor"
        )
    result, told = ends[int(np.argmin(losses))]
    assert result is not None
    failed = int(np.sum(~np.isfinite(losses)))
    if failed:
        told = [*told, f"{failed} of {len(ends)} starts had no likelihood and were left out"]
    if told:
        warnings.warn("; ".join(told), FitConvergenceWarning, stacklevel=4)
    return result


def losses_of(ends: list[Ended]) -> Array:
    """The last loss of every start, nats a datum; inf for one without a likelihood."""
    return np.array([np.inf if one.result is None else one.result.history[-1] for one in ends])
