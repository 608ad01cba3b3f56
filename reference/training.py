"""EM training with an exact objective [Sec. 4]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from reference.dgn import DGN
from reference.e_step import Statistics
from reference.m_step import SingularCovarianceError
from reference.m_step import m_step as closed_form
from reference.network import (
    Array,
    Dense,
    Network,
    RandomState,
    check_count,
    check_number,
    check_points,
    check_random_state,
)

# Past 2^-30 a step no longer changes the likelihood beyond its rounding.
_HALVINGS = 30


@dataclass(frozen=True)
class FitResult:
    """What training ended with.

    dgn: the model of the last iteration. history (n_iter + 1,): mean negative log-likelihood in
    nats, the start included. outcome: "converged", "max_iter reached", "stopped by callback", or
    "singular covariance" (the update of Σx or Σz was not positive definite; dgn is the model
    before).
    """

    dgn: DGN
    history: Array = field(repr=False)
    n_iter: int
    converged: bool
    outcome: str


@dataclass(frozen=True)
class _State:
    """A model with its E-step."""

    dgn: DGN
    statistics: Statistics

    @staticmethod
    def of(dgn: DGN, X: Array) -> _State:
        return _State(dgn, dgn.statistics(X))

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood."""
        return -self.statistics.loglik / self.statistics.n


def fit_em(
    network: Network,
    X: ArrayLike,
    *,
    cov_x: ArrayLike,
    cov_z: ArrayLike | None = None,
    m_step: str = "guarded",
    damping: float = 1.0,
    max_iter: int = 100,
    tol: float = 1e-6,
    random_state: RandomState = None,
    callback: Callable[[int, DGN, float], bool | None] | None = None,
) -> FitResult:
    """Expectation-maximisation of all parameters from the given start [Sec. 4.1, 4.2], but
    convolution kernels, which keep their values.

    X (N, D). cov_x, cov_z: the starting covariances; their structure is kept. m_step="guarded": the
    output layer and the covariances by their closed form, which is a true EM step; each hidden
    layer walks towards its closed form, halving until the exact log-likelihood does not fall, so
    the objective never rises. m_step="paper": every closed form in turn under one posterior, as
    printed (corrected), times `damping`; the objective may rise, and the history shows it. Stops
    when an iteration lowers the loss by less than tol * max(1, |loss|) nats; a rise is never
    convergence. callback(iteration, dgn, loss) after each iteration; returning True stops.
    random_state: accepted for the sake of one signature with methods that draw; EM from a given
    start draws nothing. Raises ValueError on bad input before any work. Guarded by
    tests/test_training.py.
    """
    dgn = DGN(network, cov_x, cov_z)
    data = check_points(X, "X", network.observed_dimension)
    if m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {m_step!r}')
    check_number(damping, "damping", np.finfo(float).tiny, 1.0)
    max_iter = check_count(max_iter, "max_iter", 0)
    tol = check_number(tol, "tol", 0.0, np.inf)
    check_random_state(random_state)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function, got {callback!r}")

    state = _State.of(dgn, data)
    history = [state.loss]
    outcome = "max_iter reached"
    for iteration in range(1, max_iter + 1):
        try:
            if m_step == "guarded":
                state = _guarded_step(state, data)
            else:
                updated = closed_form(state.dgn, state.statistics, damping=damping)
                state = _State.of(updated, data)
        except SingularCovarianceError:
            outcome = "singular covariance"
            break
        history.append(state.loss)
        if callback is not None and callback(iteration, state.dgn, state.loss):
            outcome = "stopped by callback"
            break
        gain = history[-2] - history[-1]
        if 0 <= gain <= tol * max(1.0, abs(history[-2])):
            outcome = "converged"
            break
    return FitResult(
        state.dgn, np.array(history), len(history) - 1, outcome == "converged", outcome
    )


def _guarded_step(state: _State, X: Array) -> _State:
    """One iteration that never lowers the likelihood."""
    dense = [i for i, layer in enumerate(state.dgn.network.layers) if isinstance(layer, Dense)]
    exact = ["cov_x", "cov_z"]
    hidden = dense
    if dense[-1] == len(state.dgn.network.layers) - 1:
        # Nothing follows the output layer, so it moves no region: its M-step is a true one.
        exact.insert(0, str(dense[-1]))
        hidden = dense[:-1]
    state = _State.of(closed_form(state.dgn, state.statistics, exact), X)
    for index in reversed(hidden):
        state = _guarded_layer(state, X, index)
    return state


def _guarded_layer(state: _State, X: Array, index: int) -> _State:
    """The longest of the steps 1, 1/2, 1/4, ... to the closed form that does not raise the loss."""
    target = closed_form(state.dgn, state.statistics, [str(index)]).parameters()
    start = state.dgn.parameters()
    names = (f"{index}.weight", f"{index}.bias")
    for halving in range(_HALVINGS + 1):
        share = 0.5**halving
        trial = {name: start[name] + share * (target[name] - start[name]) for name in names}
        candidate = _State.of(state.dgn.with_parameters(trial), X)
        if candidate.loss <= state.loss:
            return candidate
    return state
