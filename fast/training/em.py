"""EM training with an exact objective [Sec. 4].

The loop stands here and, on purpose, a second time in `reference`: that both end with the same
losses is a check of both. Several starts and checkpoints are `fast`'s alone.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fast.closed_form.m_step import m_step as closed_form
from fast.dgn import DGN
from fast.training import checkpoint as saved
from fast.training.guarded_step import guarded_step
from fast.training.initial_networks import (
    check_start,
    clipped,
    initial_network,
    random_like,
    starting_model,
)
from fast.training.objective import State
from fast.training.result import Callback, FitResult, check_callback
from reference.model import (
    NO_LIKELIHOOD,
    Array,
    ConvergenceWarning,
    Network,
    Outcome,
    RandomState,
    SingularCovarianceError,
    WeightPrior,
    check_count,
    check_data,
    check_flag,
    check_number,
    check_path,
    check_random_state,
    check_weight_prior,
    outcome_of_error,
)

_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class _Settings:
    """How every start is trained: the arguments of `fit_em` by the same names."""

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
    """Learn all parameters by expectation-maximisation [Sec. 4.1, 4.2, Appendices G, H].

    Parameters
    ----------
    network : Network or DGN
        Where to start. A DGN also brings covariances, for which `cov_x` and `cov_z` may be given.
    X : array_like (N, D)
        The data, in their own units.
    cov_x : array_like (), (D,) or (D, D), optional
        The starting Σx: one variance, variances or a matrix, in squared units of X. Its structure
        is kept. Needed unless `network` is a DGN.
    cov_z : array_like (), (S,) or (S, S), optional
        The starting Σz. By default the DGN's, or I.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Of every weight. Its log is added to the log-likelihood.
    m_step : {"guarded", "paper"}
        How an iteration moves (see Notes).
    damping : float in (0, 1]
        The share of each update that ``m_step="paper"`` takes.
    init : {"given", "data", "random"}
        Start from the network as it is, from random weights placed on the data (see
        `initial_network`), or from plain random weights.
    n_init : int
        The number of random starts. The best is kept.
    max_iter : int
        The most iterations of a start.
    tol : float
        Training has converged when an iteration lowers the loss by at most tol * max(1, |loss|),
        and the objective is flat there. A rise is never convergence.
    gtol : float
        It is flat where its steepness (see `FitResult`) is at most gtol * max(1, |loss|).
    random_state : int, numpy.random.Generator or None
        Where random starts come from; None draws afresh.
    callback : callable, optional
        Called as callback(iteration, dgn, loss) after each iteration. Returning True ends training.
    progress : bool
        Whether to show a line on stderr.
    checkpoint : path-like, optional
        A file that holds the state of the fit after each iteration. If it is there, training goes
        on from it, bit for bit. Only `max_iter`, `callback` and `progress` may then differ. Without
        a `random_state`, the starts are those of the file.

    Returns
    -------
    FitResult
        The model, its losses, and why training ended. Ctrl-C too ends it, with the best model so
        far.

    Raises
    ------
    ValueError
        On bad input, before any work; if `checkpoint` is of another fit.

    Warns
    -----
    ConvergenceWarning
        At `max_iter`, unless `tol` is 0.

    See Also
    --------
    fit_mle : converges faster from near an optimum.

    Notes
    -----
    ``m_step="guarded"`` takes the closed forms of the output layer and of the covariances, which is
    a true EM step. Each hidden layer then walks towards its closed form: the step is halved until
    the exact objective does not fall. The loss therefore never rises. ``m_step="paper"`` takes
    every closed form in turn under one posterior, as printed (corrected); the loss may rise, and
    the history shows it. An iteration costs an E-step, and one more for each trial of a hidden
    layer. Guarded by tests/learning/test_training.py, tests/learning/test_starts.py and
    tests/learning/test_checkpoints.py.

    Examples
    --------
    >>> from fast import DGN, LeakyReLU, Network, fit_em
    >>> network = Network.random([1, 4, 2], LeakyReLU(0.1), random_state=0)
    >>> X = DGN(network, 0.1).rvs(50, random_state=0)
    >>> fit = fit_em(network, X, cov_x=0.5, max_iter=3, tol=0)
    >>> print(fit.outcome, bool(fit.history[-1] < fit.history[0]))
    max_iter reached True
    """
    given = starting_model(network, cov_x, cov_z)
    data, _ = check_data(X, "X", given.network.observed_dimension)
    settings = _checked_settings(
        _Settings(
            prior=weight_prior,
            m_step=m_step,
            damping=damping,
            max_iter=max_iter,
            tol=tol,
            gtol=gtol,
        )
    )
    n_init = _checked_starts(init, n_init)
    rng = check_random_state(random_state)
    check_callback(callback)
    progress = check_flag(progress, "progress")
    file = None if checkpoint is None else check_path(checkpoint, "checkpoint")
    if init == "given":
        check_start(given, weight_prior)

    starts = [_start(given, data, init, weight_prior, rng) for _ in range(n_init)]
    # Without a seed the starts are new ones every time, and those in the file the fit's.
    drawn = init != "given" and random_state is None
    training = _Training(
        given=given,
        X=data,
        settings=settings,
        callback=callback,
        progress=progress,
        file=file,
        mark="" if file is None else _fingerprint(given, data, settings, init, starts, drawn),
    )
    runs = training.saved_runs() or [saved.Run(start, np.empty(0)) for start in starts]
    return _result(training, runs, training.run(runs))


def _checked_settings(given: _Settings) -> _Settings:
    """The settings as numbers. Raises ValueError if one of them is wrong."""
    if given.m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {given.m_step!r}')
    check_weight_prior(given.prior)
    return _Settings(
        prior=given.prior,
        m_step=given.m_step,
        damping=check_number(given.damping, "damping", _TINY, 1.0),
        max_iter=check_count(given.max_iter, "max_iter", 0),
        tol=check_number(given.tol, "tol", 0.0, np.inf),
        gtol=check_number(given.gtol, "gtol", 0.0, np.inf),
    )


def _checked_starts(init: str, n_init: int) -> int:
    """The number of starts. Raises ValueError if it or their kind is wrong."""
    n_init = check_count(n_init, "n_init", 1)
    if init not in ("given", "data", "random"):
        raise ValueError(f'init: expected "given", "data" or "random", got {init!r}')
    if init == "given" and n_init > 1:
        raise ValueError('n_init: expected 1 with init="given", where all starts are the same')
    return n_init


def _start(
    given: DGN, X: Array, init: str, prior: WeightPrior | None, rng: np.random.Generator
) -> saved.Parameters:
    """The parameters of one start."""
    network = given.network
    if init == "data":
        network = initial_network(network, X, given.cov_z, rng)
    elif init == "random":
        network = random_like(network, rng)
    return {**given.parameters(), **clipped(network, prior).parameters()}


def _fingerprint(
    given: DGN,
    X: Array,
    settings: _Settings,
    init: str,
    starts: Sequence[saved.Parameters],
    drawn: bool,
) -> str:
    """What tells a fit from every other. drawn: whether the starts are new ones every time."""
    numbers = settings.m_step, settings.damping, settings.tol, settings.gtol, settings.prior
    limits = given.max_regions, given.negligible
    known = [given.cov_x, given.cov_z] if drawn else [v for s in starts for v in s.values()]
    network = repr(given.network)
    return saved.fingerprint(X, network, *numbers, init, len(starts), *limits, *known)


@dataclass(frozen=True)
class _Training:
    """What the training of every start needs.

    file, mark: the checkpoint, if any, and the fit's fingerprint in it. Methods take the list of
    runs, one a start. An entry changes as a whole, so that Ctrl-C finds it in order.
    """

    given: DGN
    X: Array
    settings: _Settings
    callback: Callback | None
    progress: bool
    file: Path | None
    mark: str

    def saved_runs(self) -> list[saved.Run] | None:
        """Those of the checkpoint; None if there is none yet."""
        return None if self.file is None else saved.read(self.file, self.mark)

    def save(self, runs: Sequence[saved.Run]) -> None:
        """Write the checkpoint, if there is to be one."""
        if self.file is not None:
            saved.write(self.file, self.mark, runs)

    def run(self, runs: list[saved.Run]) -> Outcome | str | None:
        """Train every start from where it is; INTERRUPTED, STOPPED or why the last start ended."""
        first, limit = runs[0], self.settings.max_iter
        if len(runs) == 1 and first.outcome is Outcome.MAX_ITER and len(first.history) <= limit:
            # A larger max_iter lets a fit go on that had reached its limit.
            runs[0] = first._replace(outcome=None)
        outcome: Outcome | str | None = None
        try:
            for i in range(len(runs)):
                if runs[i].outcome is None:
                    state, why = self._train(runs, i)
                    runs[i] = runs[i]._replace(outcome=why, steepness=state.steepness())
                    self.save(runs)
                outcome = runs[i].outcome
                if outcome is Outcome.STOPPED:
                    break
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
        finally:
            if self.progress:
                print(file=sys.stderr)
        return outcome

    def _train(self, runs: list[saved.Run], i: int) -> tuple[State, Outcome | str]:
        """Train start i, keeping its entry; where and why it ended."""
        settings, X = self.settings, self.X
        state = State.of(self.given.with_parameters(runs[i].parameters), X, settings.prior)
        if not len(runs[i].history):
            runs[i] = runs[i]._replace(history=np.array([state.loss]))
        for iteration in range(len(runs[i].history), settings.max_iter + 1):
            try:
                moved = _step(state, X, settings)
            except SingularCovarianceError:
                return state, Outcome.SINGULAR_COVARIANCE
            except NO_LIKELIHOOD as error:
                return state, outcome_of_error(error)
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
            self.save(runs)
            if self.progress:
                where = f"start {i + 1} of {len(runs)}, iteration {iteration}"
                said = f"{where}: {state.loss:.6g} nats"
                print(f"\r{said:<70}", end="", file=sys.stderr, flush=True)
            if self.callback is not None and self.callback(iteration, state.dgn, state.loss):
                return state, Outcome.STOPPED
            if ended:
                return state, ended
        return state, Outcome.MAX_ITER


def _step(state: State, X: Array, settings: _Settings) -> State:
    """One iteration, guarded or as printed: every closed form in turn under one posterior."""
    if settings.m_step == "guarded":
        return guarded_step(state, X)
    prior = settings.prior
    updated = closed_form(state.dgn, state.statistics, damping=settings.damping, weight_prior=prior)
    return State.of(updated, X, prior)


def _ended(state: State, gain: float, stuck: bool, settings: _Settings) -> Outcome | None:
    """Why training ends after an iteration; None if it goes on."""
    size = max(1.0, abs(state.loss))
    small = 0 <= gain <= settings.tol * size
    if small and state.is_flat(settings.gtol):
        return Outcome.CONVERGED
    return Outcome.NO_STEP if stuck else None


def _result(
    training: _Training, runs: Sequence[saved.Run], outcome: Outcome | str | None
) -> FitResult:
    """The best of what has been trained."""
    tried = [run for run in runs if len(run.history)]
    if not tried:  # interrupted in the first E-step
        raise KeyboardInterrupt
    losses = np.array([run.history[-1] for run in tried])
    parameters, history, ended, steepness = tried[int(np.argmin(losses))]
    dgn = training.given.with_parameters(parameters)
    if ended is None:
        steepness = State.of(dgn, training.X, training.settings.prior).steepness()
    if outcome in (Outcome.INTERRUPTED, Outcome.STOPPED):
        ended = outcome
    assert ended is not None
    if ended is Outcome.MAX_ITER and training.settings.tol > 0 and len(history) > 1:
        warnings.warn(
            f"fit_em reached max_iter = {len(history) - 1} where the objective still rises by "
            f"{steepness:.1e} nats a datum for a relative change of one parameter: raise max_iter, "
            "or go on with fit_mle(result.dgn, X), which converges faster",
            ConvergenceWarning,
            stacklevel=3,
        )
    return FitResult(
        dgn=dgn,
        history=history,
        n_iter=len(history) - 1,
        converged=ended is Outcome.CONVERGED,
        outcome=ended,
        steepness=steepness,
        losses=losses,
    )
