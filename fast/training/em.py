"""EM training with an exact objective [Sec. 4]."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from fast.closed_form.m_step import learnable_layers
from fast.closed_form.m_step import m_step as closed_form
from fast.dgn import DGN
from fast.training import checkpoint as saved
from fast.training.initial_networks import initial_network, random_like
from fast.training.objective import State
from reference.model import (
    Array,
    ConvergenceWarning,
    Network,
    PartitionError,
    RandomState,
    SingularCovarianceError,
    TooManyRegionsError,
    WeightPrior,
    blend,
    check_count,
    check_flag,
    check_number,
    check_path,
    check_points,
    check_random_state,
    check_weight_prior,
    log_weight_prior,
)

# Past 2^-30 a step no longer changes the likelihood beyond its rounding.
_HALVINGS = 30
_TINY = float(np.finfo(float).tiny)
_AT_LIMIT, _STOPPED, _INTERRUPTED = "max_iter reached", "stopped by callback", "interrupted"
# Of a model that has no likelihood here.
_NO_LIKELIHOOD = (PartitionError, TooManyRegionsError, ArithmeticError)

Callback = Callable[[int, DGN, float], bool | None]


@dataclass(frozen=True)
class FitResult:
    """What training ended with.

    dgn: the model of the last iteration, of the best start if there were several. history (n_iter +
    1,): its loss, -(log-likelihood + log prior of the weights) / N in nats, the start included.
    outcome: "converged", "max_iter reached", "stopped by callback", "interrupted" (by Ctrl-C; dgn
    is the best so far), "singular covariance" (the update of Σx or Σz was not positive definite;
    dgn is the model before), "no step found" (rounding hides further progress, as where Σx is all
    but singular), or the error that the model after dgn led to, as "PartitionError: what it said".
    steepness: of the objective at dgn, nats a datum for a relative change of one parameter; 0 at an
    optimum. losses (starts,): what every start ended with.
    """

    dgn: DGN
    history: Array = field(repr=False)
    n_iter: int
    converged: bool
    outcome: str
    steepness: float
    losses: Array = field(repr=False)


@dataclass(frozen=True)
class _Settings:
    """How every start is trained."""

    prior: WeightPrior | None
    m_step: str
    damping: float
    max_iter: int
    tol: float
    gtol: float


def fit_em(
    network: Network | DGN,
    X: ArrayLike,
    *,
    cov_x: ArrayLike | None = None,
    cov_z: ArrayLike | None = None,
    weight_prior: WeightPrior | None = None,
    m_step: str = "guarded",
    damping: float = 1.0,
    init: str = "given",
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-6,
    gtol: float = 1e-3,
    random_state: RandomState = None,
    callback: Callback | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> FitResult:
    """Expectation-maximisation of all parameters [Sec. 4.1, 4.2, Appendices G, H].

    network: where to start, a DGN to go on from one (its covariances are then the default). X (N,
    D). cov_x, cov_z: the starting covariances; their structure is kept. weight_prior: its log is
    added to the objective.

    m_step="guarded": the output layer and the covariances by their closed form, which is a true EM
    step; each hidden layer walks towards its closed form, halving until the exact objective does
    not fall, so the loss never rises. m_step="paper": every closed form in turn under one
    posterior, as printed (corrected), times `damping`; the loss may rise, and the history shows it.

    init="given": from the network as it is. "data": from random weights placed on the data
    (`initial_network`), "random": from plain random ones; n_init of these, and the best is kept.

    Converged is an iteration that lowers the loss by less than tol * max(1, |loss|) at a model
    where the objective is no steeper than gtol * max(1, |loss|) (see FitResult.steepness); a rise
    is never convergence. At max_iter a ConvergenceWarning says so, unless tol is 0.
    callback(iteration, dgn, loss) after each iteration; returning True stops. progress: a line on
    stderr. checkpoint: a file, written whole after each iteration; if it is there, training goes on
    from it, bit for bit. ValueError if it is of other data, another start or other settings; only
    max_iter, callback and progress may differ, and without random_state the starts are the file's.
    Ctrl-C ends training with the best model so far.

    Raises ValueError on bad input before any work. Guarded by tests/learning/test_training.py,
    tests/learning/test_starts.py and tests/learning/test_checkpoints.py.
    """
    given = starting_model(network, cov_x, cov_z)
    data = check_points(X, "X", given.network.observed_dimension)
    if m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {m_step!r}')
    check_weight_prior(weight_prior)
    settings = _Settings(
        weight_prior,
        m_step,
        check_number(damping, "damping", _TINY, 1.0),
        check_count(max_iter, "max_iter", 0),
        check_number(tol, "tol", 0.0, np.inf),
        check_number(gtol, "gtol", 0.0, np.inf),
    )
    n_init = check_count(n_init, "n_init", 1)
    if init not in ("given", "data", "random"):
        raise ValueError(f'init: expected "given", "data" or "random", got {init!r}')
    if init == "given" and n_init > 1:
        raise ValueError('n_init: expected 1 with init="given", where all starts are the same')
    rng = check_random_state(random_state)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function, got {callback!r}")
    progress = check_flag(progress, "progress")
    file = None if checkpoint is None else check_path(checkpoint, "checkpoint")
    if init == "given" and log_weight_prior(weight_prior, given.parameters().items()) == -np.inf:
        raise ValueError("network: expected weights within the uniform prior's bound")

    starts = [_start(given, data, init, weight_prior, rng) for _ in range(n_init)]
    runs = [saved.Run(start, np.empty(0)) for start in starts]
    mark = None
    if file is not None:
        numbers = m_step, settings.damping, settings.tol, settings.gtol, weight_prior, init, n_init
        limits = given.max_regions, given.negligible
        # Without a seed the starts are new ones every time, and those in the file the fit's.
        drawn = init != "given" and random_state is None
        known = [given.cov_x, given.cov_z] if drawn else [v for s in starts for v in s.values()]
        mark = saved.fingerprint(data, repr(given.network), *numbers, *limits, *known)
        runs = saved.read(file, mark) or runs

    def save() -> None:
        if file is not None and mark is not None:
            saved.write(file, mark, runs)

    training = _Training(given, data, settings, callback, progress, save)
    return _result(training, runs, _train_all(training, runs))


def starting_model(network: Network | DGN, cov_x: ArrayLike | None, cov_z: ArrayLike | None) -> DGN:
    """The model that training starts from; a DGN brings covariances that may be replaced."""
    if isinstance(network, DGN):
        values = {"cov_x": cov_x, "cov_z": cov_z}
        return DGN(
            network.network,
            network.cov_x if values["cov_x"] is None else values["cov_x"],
            network.cov_z if values["cov_z"] is None else values["cov_z"],
            max_regions=network.max_regions,
            negligible=network.negligible,
        )
    if not isinstance(network, Network):
        raise ValueError(f"network: expected a Network or a DGN, got {network!r}")
    if cov_x is None:
        raise ValueError("cov_x: expected a covariance to start from, got None")
    return DGN(network, cov_x, cov_z)


def _start(
    given: DGN, X: Array, init: str, prior: WeightPrior | None, rng: np.random.Generator
) -> saved.Parameters:
    """The parameters of one start."""
    network = given.network
    if init == "data":
        network = initial_network(network, X, given.cov_z, rng)
    elif init == "random":
        network = random_like(network, rng)
    return {**given.parameters(), **within(network, prior).parameters()}


def within(network: Network, prior: WeightPrior | None) -> Network:
    """The network with its weights within the bound of a uniform prior."""
    bound = getattr(prior, "bound", np.inf)
    values = network.parameters()
    return network.with_parameters(
        {n: np.clip(v, -bound, bound) for n, v in values.items() if n.endswith(".weight")}
    )


@dataclass(frozen=True)
class _Training:
    """What the training of every start needs."""

    given: DGN
    X: Array
    settings: _Settings
    callback: Callback | None
    progress: bool
    save: Callable[[], None]


def _train_all(training: _Training, runs: list[saved.Run]) -> str:
    """Train every start from where it is; "interrupted", "stopped by callback" or why the last
    start ended. An entry of `runs` changes as a whole, so that Ctrl-C finds it in order."""
    first, limit = runs[0], training.settings.max_iter
    if len(runs) == 1 and first.outcome == _AT_LIMIT and len(first.history) <= limit:
        # A larger max_iter lets a fit go on that had reached its limit.
        runs[0] = first._replace(outcome="")
    outcome = ""
    try:
        for i in range(len(runs)):
            if not runs[i].outcome:
                state, why = _train(training, runs, i)
                runs[i] = runs[i]._replace(outcome=why, steepness=state.steepness())
                training.save()
            outcome = runs[i].outcome
            if outcome == _STOPPED:
                break
    except KeyboardInterrupt:
        outcome = _INTERRUPTED
    finally:
        if training.progress:
            print(file=sys.stderr)
    return outcome


def _train(training: _Training, runs: list[saved.Run], i: int) -> tuple[State, str]:
    """Train a start, keeping its entry; where and why it ended."""
    settings, X = training.settings, training.X
    state = State.of(training.given.with_parameters(runs[i].parameters), X, settings.prior)
    if not len(runs[i].history):
        runs[i] = runs[i]._replace(history=np.array([state.loss]))
    for iteration in range(len(runs[i].history), settings.max_iter + 1):
        try:
            moved = _step(state, X, settings)
        except SingularCovarianceError:
            return state, "singular covariance"
        except _NO_LIKELIHOOD as error:
            return state, f"{type(error).__name__}: {error}"
        stuck, gain, state = moved is state, state.loss - moved.loss, moved
        ended = _ended(state, gain, stuck, settings)
        # Why it ends goes into the file with the iteration after which it does: interrupted in
        # between, it would go on.
        runs[i] = saved.Run(
            state.dgn.parameters(),
            np.append(runs[i].history, state.loss),
            ended,
            state.steepness() if ended else np.nan,
        )
        training.save()
        if training.progress:
            where = f"start {i + 1} of {len(runs)}, iteration {iteration}"
            said = f"{where}: {state.loss:.6g} nats"
            print(f"\r{said:<70}", end="", file=sys.stderr, flush=True)
        if training.callback is not None and training.callback(iteration, state.dgn, state.loss):
            return state, _STOPPED
        if ended:
            return state, ended
    return state, _AT_LIMIT


def _ended(state: State, gain: float, stuck: bool, settings: _Settings) -> str:
    """Why training ends after an iteration, or nothing."""
    size = max(1.0, abs(state.loss))
    small = 0 <= gain <= settings.tol * size
    if small and state.steepness() <= settings.gtol * size:
        return "converged"
    return "no step found" if stuck else ""


def _result(training: _Training, runs: list[saved.Run], outcome: str) -> FitResult:
    """The best of what has been trained."""
    tried = [run for run in runs if len(run.history)]
    if not tried:  # interrupted in the first E-step
        raise KeyboardInterrupt
    losses = np.array([run.history[-1] for run in tried])
    parameters, history, ended, steepness = tried[int(np.argmin(losses))]
    dgn = training.given.with_parameters(parameters)
    if not ended:
        steepness = State.of(dgn, training.X, training.settings.prior).steepness()
    if outcome in (_INTERRUPTED, _STOPPED):
        ended = outcome
    if ended == _AT_LIMIT and training.settings.tol > 0 and len(history) > 1:
        warnings.warn(
            f"fit_em reached max_iter = {len(history) - 1} where the objective still rises by "
            f"{steepness:.1e} nats a datum for a relative change of one parameter: raise max_iter, "
            "or go on with fit_mle(result.dgn, X), which converges faster",
            ConvergenceWarning,
            stacklevel=3,
        )
    return FitResult(dgn, history, len(history) - 1, ended == "converged", ended, steepness, losses)


def _step(state: State, X: Array, settings: _Settings) -> State:
    """One iteration."""
    if settings.m_step == "guarded":
        return _guarded_step(state, X)
    prior = settings.prior
    updated = closed_form(state.dgn, state.statistics, damping=settings.damping, weight_prior=prior)
    return State.of(updated, X, prior)


def _guarded_step(state: State, X: Array) -> State:
    """One iteration that never raises the loss."""
    layers = learnable_layers(state.dgn.network)
    exact, hidden = ["cov_x", "cov_z"], layers
    if layers[-1] == len(state.dgn.network.layers) - 1:
        # Nothing follows the output layer, so it moves no region: its M-step is a true one.
        exact.insert(0, str(layers[-1]))
        hidden = layers[:-1]
    moved = State.of(
        closed_form(state.dgn, state.statistics, exact, weight_prior=state.prior), X, state.prior
    )
    # Only rounding can raise it here, as with covariances that are all but singular.
    if moved.loss <= state.loss:
        state = moved
    for index in reversed(hidden):
        state = _guarded_layer(state, X, index)
    return state


def _guarded_layer(state: State, X: Array, index: int) -> State:
    """The longest of the steps 1, 1/2, 1/4, ... to the closed form that does not raise the loss."""
    names = (f"{index}.weight", f"{index}.bias")
    target = closed_form(
        state.dgn, state.statistics, [str(index)], weight_prior=state.prior
    ).parameters()
    start = state.dgn.parameters()
    for halving in range(_HALVINGS + 1):
        share = 0.5**halving
        trial = {name: blend(start[name], target[name], share, name, state.prior) for name in names}
        try:
            candidate = State.of(state.dgn.with_parameters(trial), X, state.prior)
        except _NO_LIKELIHOOD:
            continue  # more regions than allowed, or than double precision tells apart: too far
        if candidate.loss <= state.loss:
            return candidate
    return state
