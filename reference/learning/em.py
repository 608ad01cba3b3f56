"""Expectation-maximisation with an exact objective [Sec. 4].

The loss is -(log-likelihood + log prior of the weights) / N, in nats. Training has converged when
an iteration lowers the loss by less than tol * max(1, |loss|) at a model where the objective is no
steeper than gtol * max(1, |loss|). A rise of the loss is never convergence.

The loop and the guard of `guarded_step` are written here and, on purpose, a second time in `fast`:
that both end with the same losses is a check of both. The two share the names, errors and priors of
the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from reference.dgn import DGN
from reference.learning.guarded_step import guarded_step
from reference.learning.m_step import m_step as closed_form
from reference.learning.objective import State
from reference.model.arrays import Array, RandomState
from reference.model.errors import NO_LIKELIHOOD, ConvergenceWarning, SingularCovarianceError
from reference.model.images.data import check_data
from reference.model.network import Network
from reference.model.outcome import Outcome, outcome_of_error
from reference.model.validation import check_count, check_number, check_random_state
from reference.model.weight_priors import WeightPrior, check_weight_prior, log_weight_prior

#: Called as callback(iteration, dgn, loss) after each iteration; True ends the training.
Callback = Callable[[int, DGN, float], bool | None]


@dataclass(frozen=True)
class FitResult:
    """What training ended with.

    Parameters
    ----------
    dgn : DGN
        The model of the last iteration.
    history : ndarray, shape (n_iter + 1,)
        The loss of every iteration, nats a datum, the start included: -(log-likelihood + log prior
        of the weights) / N.
    n_iter : int
        How many iterations were completed.
    converged : bool
        Whether outcome is ``Outcome.CONVERGED``.
    outcome : Outcome or str
        Why training ended. A member of `Outcome` equals its text, such as "converged". Where an
        update led to a model that has no likelihood, the text of its error, such as
        "PartitionError: what it said"; dgn is then the model before.
    steepness : float
        How steep the objective is at dgn, nats a datum for a relative change of one parameter; 0 at
        an optimum.
    """

    dgn: DGN
    history: Array = field(repr=False)
    n_iter: int
    converged: bool
    outcome: Outcome | str
    steepness: float


@dataclass(frozen=True)
class _Settings:
    """How a model is trained: see the parameters of `fit_em`."""

    m_step: str
    damping: float
    max_iter: int
    tol: float
    gtol: float


def fit_em(
    network: Network,
    X: ArrayLike,
    *,
    cov_x: ArrayLike,
    cov_z: ArrayLike | None = None,
    weight_prior: WeightPrior | None = None,
    m_step: str = "guarded",
    damping: float = 1.0,
    max_iter: int = 100,
    tol: float = 1e-6,
    gtol: float = 1e-3,
    random_state: RandomState = None,
    callback: Callback | None = None,
) -> FitResult:
    """Fit all parameters by EM from the given start [Sec. 4.1, 4.2, Appendices G, H].

    Parameters
    ----------
    network : Network
        The starting network.
    X : array_like, shape (N, D)
        The data.
    cov_x, cov_z : array_like
        The starting covariances, as in `DGN`; their structure is kept.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Its log density is added to the objective.
    m_step : {"guarded", "paper"}
        "guarded": the loss never rises, see `learning.guarded_step`. "paper": every closed form in
        turn under one posterior, as printed but corrected; the loss may rise.
    damping : float in (0, 1]
        The share of each update that m_step="paper" takes.
    max_iter : int
        The most iterations. A ConvergenceWarning says if they did not suffice, unless tol is 0.
    tol, gtol : float
        Training has converged if an iteration lowers the loss by less than tol * max(1, |loss|)
        where the objective is no steeper than gtol * max(1, |loss|).
    random_state : int, Generator or None
        Not used: EM from a given start draws nothing.
    callback : callable, optional
        Called as callback(iteration, dgn, loss) after each iteration; returning True ends training.

    Returns
    -------
    FitResult
        The last model, the loss of every iteration, and why training ended.

    Raises
    ------
    ValueError
        On bad input, before any work. Guarded by tests/learning/test_training.py.
    """
    start = DGN(network, cov_x, cov_z)
    data, _ = check_data(X, "X", network.observed_dimension)
    settings = _checked(_Settings(m_step, damping, max_iter, tol, gtol))
    check_random_state(random_state)
    _check_prior_and_callback(network, weight_prior, callback)
    return _fit(State.of(start, data, weight_prior), data, settings, callback)


def _checked(given: _Settings) -> _Settings:
    """The settings, with numbers as plain numbers; ValueError names the first that is not valid."""
    if given.m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {given.m_step!r}')
    check_number(given.damping, "damping", np.finfo(float).tiny, 1.0)
    return replace(
        given,
        max_iter=check_count(given.max_iter, "max_iter", 0),
        tol=check_number(given.tol, "tol", 0.0, np.inf),
        gtol=check_number(given.gtol, "gtol", 0.0, np.inf),
    )


def _check_prior_and_callback(
    network: Network, weight_prior: WeightPrior | None, callback: Callback | None
) -> None:
    check_weight_prior(weight_prior)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function, got {callback!r}")
    if log_weight_prior(weight_prior, network.parameters().items()) == -np.inf:
        raise ValueError("network: expected weights within the uniform prior's bound")


def _fit(state: State, X: Array, settings: _Settings, callback: Callback | None) -> FitResult:
    """Iterations from a starting state to an outcome."""
    history = [state.loss]
    outcome: Outcome | str = Outcome.MAX_ITER
    for iteration in range(1, settings.max_iter + 1):
        before = state
        try:
            state = _step(state, X, settings)
        except SingularCovarianceError:
            outcome = Outcome.SINGULAR_COVARIANCE
            break
        except NO_LIKELIHOOD as error:
            outcome = outcome_of_error(error)
            break
        history.append(state.loss)
        if callback is not None and callback(iteration, state.dgn, state.loss):
            outcome = Outcome.STOPPED
            break
        size = max(1.0, abs(state.loss))
        small = 0 <= history[-2] - history[-1] <= settings.tol * size
        if small and state.steepness() <= settings.gtol * size:
            outcome = Outcome.CONVERGED
            break
        if state is before:
            outcome = Outcome.NO_STEP
            break
    steepness = state.steepness()
    if outcome is Outcome.MAX_ITER and settings.max_iter and settings.tol:
        warnings.warn(
            f"fit_em reached max_iter = {settings.max_iter} where the objective still rises by "
            f"{steepness:.1e} nats a datum for a relative change of one parameter: raise max_iter",
            ConvergenceWarning,
            stacklevel=3,
        )
    return FitResult(
        dgn=state.dgn,
        history=np.array(history),
        n_iter=len(history) - 1,
        converged=outcome is Outcome.CONVERGED,
        outcome=outcome,
        steepness=steepness,
    )


def _step(state: State, X: Array, settings: _Settings) -> State:
    """One iteration of either kind."""
    if settings.m_step == "guarded":
        return guarded_step(state, X)
    updated = closed_form(
        state.dgn, state.statistics, damping=settings.damping, weight_prior=state.prior
    )
    return State.of(updated, X, state.prior)
