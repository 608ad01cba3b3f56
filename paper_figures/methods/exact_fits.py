"""Exact training as every figure does it: until flat, to a limit that is no news, or into numerical
trouble, which is a result like another."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from fast import (
    DGN,
    ConvergenceWarning,
    FitResult,
    PartitionError,
    SingularCovarianceError,
    fit_em,
    fit_mle,
)
from reference.model import Array

#: Of an exact fit: what it must no longer gain in an iteration, and how flat the objective is then.
_GAIN, _STEEPNESS = 1e-7, 1e-5

#: What a fit may end in that is nobody's mistake.
TROUBLE = (ArithmeticError, PartitionError, SingularCovarianceError)

Watch = Callable[[int, DGN, float], bool | None]


def em(start: DGN, X: Array, iterations: int, watch: Watch | None = None) -> FitResult:
    """Guarded EM."""
    return quietly(
        lambda: fit_em(start, X, max_iter=iterations, tol=_GAIN, gtol=_STEEPNESS, callback=watch)
    )


def mle(start: DGN, X: Array, iterations: int, watch: Watch | None = None) -> FitResult:
    """L-BFGS on the exact likelihood."""
    return quietly(
        lambda: fit_mle(start, X, max_iter=iterations, tol=_GAIN, gtol=_STEEPNESS, callback=watch)
    )


def quietly(fit: Callable[[], FitResult]) -> FitResult:
    """A fit whose ending at its limit is no warning: it is in the results."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit()


def end(fit: Callable[[], FitResult]) -> float:
    """Its last loss, nats; NaN if it ended in trouble."""
    try:
        return float(fit().history[-1])
    except TROUBLE:
        return np.nan


def nll(dgn: DGN, X: Array) -> float:
    """The mean negative log-likelihood, nats."""
    return -float(np.mean(dgn.logpdf(X)))
