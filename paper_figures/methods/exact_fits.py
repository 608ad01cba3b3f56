"""Exact training as every figure does it: until converged.

That `max_iter` is reached, or that a fit fails numerically, is recorded and does not stop a figure.
"""

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

#: `tol` and `gtol` of `fit_em` and `fit_mle`: a fit has converged at a maximum where the gain of an
#: iteration is below the first, relative to max(1, |loss|), and so is what it is expected to gain
#: yet, half the square of the gradient norm.
_GAIN = 1e-7
_NORM = float(np.sqrt(2 * _GAIN))

#: The numerical failures of a fit.
TROUBLE = (ArithmeticError, PartitionError, SingularCovarianceError)

#: Called after each iteration with its number, the model and the objective, nats.
Watch = Callable[[int, DGN, float], bool | None]


def em(start: DGN, X: Array, iterations: int, watch: Watch | None = None) -> FitResult:
    """Fit a model by guarded EM.

    Parameters
    ----------
    start : DGN
        Where training starts.
    X : Array, shape (N, D)
        The data.
    iterations : int
        The limit.
    watch : Watch or None
        Called after each iteration.

    Returns
    -------
    FitResult
        With the reason why it ended.

    Raises
    ------
    ArithmeticError, PartitionError, SingularCovarianceError
        If it fails numerically.
    """
    return quietly(
        lambda: fit_em(start, X, max_iter=iterations, tol=_GAIN, gtol=_NORM, callback=watch)
    )


def mle(start: DGN, X: Array, iterations: int, watch: Watch | None = None) -> FitResult:
    """Fit a model by L-BFGS on the exact likelihood.

    Parameters
    ----------
    start, X, iterations, watch
        As of `em`.

    Returns
    -------
    FitResult
        With the reason why it ended.

    Raises
    ------
    ArithmeticError, PartitionError, SingularCovarianceError
        If it fails numerically.
    """
    return quietly(
        lambda: fit_mle(start, X, max_iter=iterations, tol=_GAIN, gtol=_NORM, callback=watch)
    )


def quietly(fit: Callable[[], FitResult]) -> FitResult:
    """Run a fit without the warning that it reached its limit, which its result says too.

    Parameters
    ----------
    fit : callable
        Without arguments.

    Returns
    -------
    FitResult
        What it returned.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit()


def end(fit: Callable[[], FitResult]) -> float:
    """The last loss of a fit.

    Parameters
    ----------
    fit : callable
        Without arguments.

    Returns
    -------
    float
        Nats; NaN if the fit failed numerically.
    """
    try:
        return float(fit().history[-1])
    except TROUBLE:
        return np.nan


def nll(dgn: DGN, X: Array) -> float:
    """The mean negative log-likelihood.

    Parameters
    ----------
    dgn : DGN
        The model.
    X : Array, shape (N, D)
        The data.

    Returns
    -------
    float
        Nats per datum.
    """
    return -float(np.mean(dgn.logpdf(X)))
