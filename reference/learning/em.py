"""Expectation-maximisation with an exact objective [Sec. 4].

The loss is -(log-likelihood + log prior of the weights) / N, in nats. Training has converged when
an iteration lowers the loss by at most tol * max(1, |loss|), the loss of data scaled to variance 1,
at a model that is a maximum: its gradient norm is at most gtol, and its smallest curvature not
negative (see `learning.stationarity`). A rise of the loss is never convergence.

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
from reference.learning.acceleration import jumped
from reference.learning.guarded_step import guarded_step
from reference.learning.m_step import default_order
from reference.learning.m_step import updated as closed_form
from reference.learning.noise_floor import floor_of_data, raised
from reference.learning.objective import State
from reference.learning.stationarity import gradient_norm, smallest_curvature
from reference.model.arrays import Array, RandomState
from reference.model.errors import NO_LIKELIHOOD, ConvergenceWarning, SingularCovarianceError
from reference.model.images.data import check_data
from reference.model.network import Network
from reference.model.observed.weights import counted_for_fit
from reference.model.outcome import Outcome, outcome_of_error
from reference.model.validation import (
    check_count,
    check_flag,
    check_number,
    check_random_state,
)
from reference.model.weight_priors import WeightPrior, check_weight_prior, log_weight_prior

#: Called as callback(iteration, dgn, loss) after each iteration; True ends the training.
Callback = Callable[[int, DGN, float], bool | None]

# A curvature as negative as this, in units of EM's, difference quotients tell from 0; and as gtol,
# what a gradient of that size leaves.
_CURVED = 1e-4


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
    gradient_norm : float
        The norm of the gradient in the Fisher information of x, a pure number.
    smallest_curvature : float or None
        The smallest curvature of the loss in units of EM's, where the gradient norm is small.
    """

    dgn: DGN
    history: Array = field(repr=False)
    n_iter: int
    converged: bool
    outcome: Outcome | str
    steepness: float
    gradient_norm: float
    smallest_curvature: float | None


@dataclass(frozen=True)
class _Settings:
    """How a model is trained: see the parameters of `fit_em`."""

    m_step: str
    damping: float
    accelerate: bool
    max_iter: int
    tol: float
    gtol: float
    noise_floor: float


def fit_em(
    network: Network,
    X: ArrayLike,
    *,
    cov_x: ArrayLike,
    cov_z: ArrayLike | None = None,
    weight_prior: WeightPrior | None = None,
    m_step: str = "guarded",
    damping: float = 1.0,
    accelerate: bool = False,
    max_iter: int = 100,
    tol: float = 1e-6,
    gtol: float = 1e-3,
    noise_floor: float = 1e-6,
    sample_weight: ArrayLike | None = None,
    random_state: RandomState = None,
    callback: Callback | None = None,
) -> FitResult:
    """Fit all parameters by EM from the given start [Sec. 4.1, 4.2, Appendices G, H].

    Parameters
    ----------
    network : Network
        The starting network.
    X : array_like, shape (N, D)
        The data; NaN where an entry is not observed. A row of which nothing is does not count.
    cov_x, cov_z : array_like
        The starting covariances, as in `DGN`; their structure is kept.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Its log density is added to the objective.
    m_step : {"guarded", "paper"}
        "guarded": the loss never rises, see `learning.guarded_step`. "paper": every closed form in
        turn under one posterior, as printed but corrected; the loss may rise.
    damping : float in (0, 1]
        The share of each update that m_step="paper" takes.
    accelerate : bool
        Whether an iteration is two of EM and a jump along the way that they show (see
        `learning.acceleration`), taken only where the exact loss is not above that of the two.
    max_iter : int
        The most iterations. A ConvergenceWarning says if they did not suffice, unless tol is 0.
    tol, gtol : float
        Training has converged if an iteration lowers the loss by at most tol * max(1, |loss|), of
        data scaled to variance 1, at a maximum: where the gradient norm is at most gtol and the
        smallest curvature not negative.
    noise_floor : float in [0, 1]
        The least that Σx may be, as a share of the data's variance; a start below is raised to it.
    sample_weight : array_like, shape (N,), optional
        How often each datum counts, 0 or more; once by default.
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
        On bad input, before any work, such as a column of which nothing is observed.
        Guarded by tests/learning/test_training.py.
    """
    start = DGN(network, cov_x, cov_z)
    data, _ = check_data(X, "X", network.observed_dimension, missing=True)
    data, counts = counted_for_fit(data, sample_weight)
    settings = _checked(
        _Settings(
            m_step=m_step,
            damping=damping,
            accelerate=accelerate,
            max_iter=max_iter,
            tol=tol,
            gtol=gtol,
            noise_floor=noise_floor,
        )
    )
    check_random_state(random_state)
    _check_prior_and_callback(network, weight_prior, callback)
    floor = floor_of_data(data, start.cov_x, settings.noise_floor, counts)
    start = start.with_parameters({"cov_x": raised(start.cov_x, floor)})
    state = State.of(start, data, weight_prior, counts)
    return _fit(state, data, floor, settings, callback)


def _checked(given: _Settings) -> _Settings:
    """The settings, with numbers as plain numbers; ValueError names the first that is not valid."""
    if given.m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {given.m_step!r}')
    check_number(given.damping, "damping", np.finfo(float).tiny, 1.0)
    return replace(
        given,
        accelerate=check_flag(given.accelerate, "accelerate"),
        max_iter=check_count(given.max_iter, "max_iter", 0),
        tol=check_number(given.tol, "tol", 0.0, np.inf),
        gtol=check_number(given.gtol, "gtol", 0.0, np.inf),
        noise_floor=check_number(given.noise_floor, "noise_floor", 0.0, 1.0),
    )


def _check_prior_and_callback(
    network: Network, weight_prior: WeightPrior | None, callback: Callback | None
) -> None:
    check_weight_prior(weight_prior)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function, got {callback!r}")
    if log_weight_prior(weight_prior, network.parameters().items()) == -np.inf:
        raise ValueError("network: expected weights within the uniform prior's bound")


def _fit(
    state: State, X: Array, floor: Array, settings: _Settings, callback: Callback | None
) -> FitResult:
    """Iterations from a starting state to an outcome."""
    history = [state.loss]
    outcome: Outcome | str = Outcome.MAX_ITER
    # The loss is higher by this for the units of the data alone.
    observed = np.average(np.sum(~np.isnan(X), axis=1), weights=state.counts)
    deviations = floor_of_data(X, np.array(1.0), 1.0, state.counts)
    volume = 0.5 * float(observed) * np.log(float(deviations))
    norm, curvature = None, None
    for iteration in range(1, settings.max_iter + 1):
        before, norm = state, None
        try:
            state = _step(state, X, settings, floor)
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
        size = max(1.0, abs(state.loss - volume))
        if 0 <= history[-2] - history[-1] <= settings.tol * size:
            norm = gradient_norm(state, floor, X)
            if norm <= settings.gtol:
                curvature = smallest_curvature(state, floor, X)
                outcome = (
                    Outcome.CONVERGED
                    if curvature > -max(_CURVED, settings.gtol)
                    else Outcome.SADDLE
                )
                break
        if state is before:
            outcome = Outcome.NO_STEP
            break
    if norm is None:
        norm = gradient_norm(state, floor, X)
    _warn(outcome, len(history) - 1, norm, settings)
    return FitResult(
        dgn=state.dgn,
        history=np.array(history),
        n_iter=len(history) - 1,
        converged=outcome is Outcome.CONVERGED,
        outcome=outcome,
        steepness=state.steepness(),
        gradient_norm=norm,
        smallest_curvature=curvature,
    )


def _warn(outcome: Outcome | str, taken: int, norm: float, settings: _Settings) -> None:
    """Say why training ended, unless it converged or was to end there."""
    if outcome in (Outcome.CONVERGED, Outcome.STOPPED):
        return
    slope = f"(gradient norm {norm:.1e}, gtol {settings.gtol:.1e})"
    if outcome is Outcome.MAX_ITER:
        if not settings.tol or not taken:
            return
        said = f"reached max_iter = {taken} where the objective still rises {slope}: raise max_iter"
    elif outcome is Outcome.SINGULAR_COVARIANCE:
        said = "met a singular covariance: raise noise_floor"
    elif outcome is Outcome.SADDLE:
        said = "ended at a saddle: start elsewhere, or go on with `fast`, which leaves it"
    elif outcome is Outcome.NO_STEP:
        said = f"found no step that rounding does not hide {slope}: raise noise_floor or gtol"
    else:
        said = f"met a model without a likelihood, {outcome}: raise noise_floor or max_regions"
    loud = "" if taken else "NOT TRAINED: the result is the start, "
    warnings.warn(f"{loud}fit_em {said}", ConvergenceWarning, stacklevel=4)


def _step(state: State, X: Array, settings: _Settings, floor: Array) -> State:
    """One iteration: of EM, or two with a jump."""
    first = _plain_step(state, X, settings, floor)
    if not settings.accelerate or first is state:
        return first
    return jumped((state, first, _plain_step(first, X, settings, floor)), X, floor)


def _plain_step(state: State, X: Array, settings: _Settings, floor: Array) -> State:
    """One iteration of EM of either kind."""
    if settings.m_step == "guarded":
        return guarded_step(state, X, floor)
    moved = closed_form(
        state.dgn,
        state.statistics,
        default_order(state.dgn),
        floor,
        damping=settings.damping,
        weight_prior=state.prior,
    )
    return state.moved(moved, X)
