"""EM training with an exact objective [Sec. 4]."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from reference.dgn import DGN
from reference.distributions.e_step import Statistics
from reference.distributions.gradient import gradient
from reference.learning.m_step import learnable_layers
from reference.learning.m_step import m_step as closed_form
from reference.model.arrays import Array, RandomState
from reference.model.errors import (
    ConvergenceWarning,
    PartitionError,
    SingularCovarianceError,
    TooManyRegionsError,
)
from reference.model.network import Network
from reference.model.validation import check_count, check_number, check_points, check_random_state
from reference.model.weight_priors import (
    GaussianPrior,
    LaplacePrior,
    WeightPrior,
    blend,
    check_weight_prior,
    log_weight_prior,
)

# Past 2^-30 a step no longer changes the likelihood beyond its rounding.
_HALVINGS = 30
# Of a model that has no likelihood here.
_NO_LIKELIHOOD = (PartitionError, TooManyRegionsError, ArithmeticError)


@dataclass(frozen=True)
class FitResult:
    """What training ended with.

    dgn: the model of the last iteration. history (n_iter + 1,): its loss, -(log-likelihood + log
    prior of the weights) / N in nats, the start included. outcome: "converged", "max_iter reached",
    "stopped by callback", "singular covariance" (the update of Σx or Σz was not positive definite;
    dgn is the model before), "no step found" (rounding hides further progress, as where Σx is all
    but singular), or the error that the model after dgn led to, as "PartitionError: what it said".
    steepness: of the objective at dgn, nats a datum for a relative change of one parameter; 0 at an
    optimum.
    """

    dgn: DGN
    history: Array = field(repr=False)
    n_iter: int
    converged: bool
    outcome: str
    steepness: float


@dataclass(frozen=True)
class _State:
    """A model with its E-step."""

    dgn: DGN
    statistics: Statistics
    prior: WeightPrior | None

    @staticmethod
    def of(dgn: DGN, X: Array, prior: WeightPrior | None) -> _State:
        return _State(dgn, dgn.statistics(X), prior)

    @property
    def loss(self) -> float:
        """-(log-likelihood + log prior) / N, nats."""
        prior = log_weight_prior(self.prior, self.dgn.network.parameters().items())
        return -(self.statistics.loglik + prior) / self.statistics.n

    def steepness(self) -> float:
        """The largest rate at which a parameter raises the objective, nats a datum for a change of
        one, or of its own size if that is larger. For covariances by their relative change."""
        dgn, n = self.dgn, self.statistics.n
        slopes = gradient(dgn.network, dgn.partition(), dgn.cov_x, dgn.cov_z, self.statistics)
        largest = 0.0
        for name, value in dgn.parameters().items():
            prior = self.prior if name.endswith(".weight") else None
            for slope, w in zip(slopes[name].ravel(), value.ravel(), strict=True):
                if name in ("cov_x", "cov_z"):
                    largest = max(largest, abs(slope * w))
                else:
                    largest = max(largest, _uphill(slope, w, prior, n) * max(1.0, abs(w)))
        return largest


def _uphill(slope: float, w: float, prior: WeightPrior | None, n: int) -> float:
    """How steeply the objective rises by one entry, in the direction in which it does."""
    if prior is None:
        return abs(slope)
    if isinstance(prior, GaussianPrior):
        return abs(slope - w / (prior.scale**2 * n))
    if isinstance(prior, LaplacePrior):
        rate = 1.0 / (prior.scale * n)
        return max(abs(slope) - rate, 0.0) if w == 0 else abs(slope - np.sign(w) * rate)
    # Uniform: at a bound only inwards.
    return max(-np.sign(w) * slope, 0.0) if abs(w) >= prior.bound else abs(slope)


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
    callback: Callable[[int, DGN, float], bool | None] | None = None,
) -> FitResult:
    """Expectation-maximisation of all parameters from the given start [Sec. 4.1, 4.2, Appendices G,
    H].

    X (N, D). cov_x, cov_z: the starting covariances; their structure is kept. weight_prior: its log
    is added to the objective. m_step="guarded": the output layer and the covariances by their
    closed form, which is a true EM step; each hidden layer walks towards its closed form, halving
    until the exact objective does not fall, so the loss never rises. m_step="paper": every closed
    form in turn under one posterior, as printed (corrected), times `damping`; the loss may rise,
    and the history shows it. Converged is an iteration that lowers the loss by less than tol *
    max(1, |loss|) at a model where the objective is no steeper than gtol * max(1, |loss|); a rise
    is never convergence. At max_iter a ConvergenceWarning says so, unless tol is 0.
    callback(iteration, dgn, loss) after each iteration; returning True stops. random_state:
    accepted for the sake of one signature with methods that draw; EM from a given start draws
    nothing. `fast` also has several starts and checkpoints. Raises ValueError on bad input before
    any work. Guarded by tests/learning/test_training.py.
    """
    dgn = DGN(network, cov_x, cov_z)
    data = check_points(X, "X", network.observed_dimension)
    if m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {m_step!r}')
    check_number(damping, "damping", np.finfo(float).tiny, 1.0)
    max_iter = check_count(max_iter, "max_iter", 0)
    tol = check_number(tol, "tol", 0.0, np.inf)
    gtol = check_number(gtol, "gtol", 0.0, np.inf)
    check_random_state(random_state)
    check_weight_prior(weight_prior)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function, got {callback!r}")
    if log_weight_prior(weight_prior, network.parameters().items()) == -np.inf:
        raise ValueError("network: expected weights within the uniform prior's bound")

    state = _State.of(dgn, data, weight_prior)
    history = [state.loss]
    outcome = "max_iter reached"
    for iteration in range(1, max_iter + 1):
        before = state
        try:
            if m_step == "guarded":
                state = _guarded_step(state, data)
            else:
                updated = closed_form(
                    state.dgn, state.statistics, damping=damping, weight_prior=weight_prior
                )
                state = _State.of(updated, data, weight_prior)
        except SingularCovarianceError:
            outcome = "singular covariance"
            break
        except _NO_LIKELIHOOD as error:
            outcome = f"{type(error).__name__}: {error}"
            break
        history.append(state.loss)
        if callback is not None and callback(iteration, state.dgn, state.loss):
            outcome = "stopped by callback"
            break
        size = max(1.0, abs(state.loss))
        small = 0 <= history[-2] - history[-1] <= tol * size
        if small and state.steepness() <= gtol * size:
            outcome = "converged"
            break
        if state is before:
            outcome = "no step found"
            break
    steepness = state.steepness()
    if outcome == "max_iter reached" and max_iter and tol:
        warnings.warn(
            f"fit_em reached max_iter = {max_iter} where the objective still rises by "
            f"{steepness:.1e} nats a datum for a relative change of one parameter: raise max_iter",
            ConvergenceWarning,
            stacklevel=2,
        )
    n_iter = len(history) - 1
    return FitResult(
        state.dgn, np.array(history), n_iter, outcome == "converged", outcome, steepness
    )


def _guarded_step(state: _State, X: Array) -> _State:
    """One iteration that never raises the loss."""
    layers = learnable_layers(state.dgn.network)
    exact, hidden = ["cov_x", "cov_z"], layers
    if layers[-1] == len(state.dgn.network.layers) - 1:
        # Nothing follows the output layer, so it moves no region: its M-step is a true one.
        exact.insert(0, str(layers[-1]))
        hidden = layers[:-1]
    moved = _State.of(
        closed_form(state.dgn, state.statistics, exact, weight_prior=state.prior), X, state.prior
    )
    # Only rounding can raise it here, as with covariances that are all but singular.
    if moved.loss <= state.loss:
        state = moved
    for index in reversed(hidden):
        state = _guarded_layer(state, X, index)
    return state


def _guarded_layer(state: _State, X: Array, index: int) -> _State:
    """The longest of the steps 1, 1/2, 1/4, ... to the closed form that does not raise the loss."""
    target = closed_form(
        state.dgn, state.statistics, [str(index)], weight_prior=state.prior
    ).parameters()
    start = state.dgn.parameters()
    for halving in range(_HALVINGS + 1):
        share = 0.5**halving
        trial = {
            name: blend(start[name], target[name], share, name, state.prior)
            for name in (f"{index}.weight", f"{index}.bias")
        }
        try:
            candidate = _State.of(state.dgn.with_parameters(trial), X, state.prior)
        except _NO_LIKELIHOOD:
            continue  # more regions than allowed, or than double precision tells apart: too far
        if candidate.loss <= state.loss:
            return candidate
    return state
