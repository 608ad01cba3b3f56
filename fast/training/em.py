"""EM training with an exact objective [Sec. 4].

The loop stands here and, on purpose, a second time in `reference`: that both end with the same
losses is a check of both. Several starts and checkpoints are `fast`'s alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fast.closed_form.m_step import default_order
from fast.closed_form.m_step import updated as closed_form
from fast.closed_form.noise_floor import floor_of_data
from fast.dgn import DGN
from fast.training import checkpoint as saved
from fast.training.acceleration import jumped
from fast.training.ends.judgement import Goal
from fast.training.guarded_step import guarded_step
from fast.training.initial_networks import observed_dimension, starting_model
from fast.training.objective import State
from fast.training.result import Callback, FitResult
from fast.training.several_starts import Progress, Request, Training
from reference.model import (
    NO_LIKELIHOOD,
    Array,
    Network,
    Outcome,
    RandomState,
    SingularCovarianceError,
    WeightPrior,
    check_count,
    check_data,
    check_flag,
    check_number,
    check_weight_prior,
    counted_for_fit,
    outcome_of_error,
)

_TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class _Settings:
    """How every start is trained: the arguments of `fit_em` by the same names."""

    prior: WeightPrior | None
    m_step: str
    damping: float
    accelerate: bool
    max_iter: int
    tol: float
    gtol: float
    noise_floor: float

    def goal(self, request: Request, cov_x: Array) -> Goal:
        """What is maximised, in own units; cov_x tells the structure alone."""
        X, counts = request.X, request.counts
        return Goal(
            X=X,
            counts=counts,
            prior=self.prior,
            floor=floor_of_data(X, cov_x, self.noise_floor, counts),
            names=None,
            tol=self.tol,
            gtol=self.gtol,
        )

    def climb(self, state: State, goal: Goal, progress: Progress) -> Outcome | str:
        """Iterate until training has converged, or may or can not go on."""
        while progress.left > 0:
            try:
                moved = self._step(state, goal)
            except SingularCovarianceError:
                return Outcome.SINGULAR_COVARIANCE
            except NO_LIKELIHOOD as error:
                return outcome_of_error(error)
            stuck, state = moved is state, moved
            ended, judgement = None, None
            if stuck or progress.is_time(state.loss):
                judgement = goal.judged(state)
                if judgement.better is not None:
                    state, stuck = judgement.better, False
                elif goal.is_maximum(judgement):
                    ended = Outcome.CONVERGED
            if stuck and ended is None:
                ended = Outcome.NO_STEP
            ended = progress.iterated(state, ended, judgement)
            if ended:
                return ended
        return Outcome.MAX_ITER

    def _step(self, state: State, goal: Goal) -> State:
        """One iteration: of EM, or two with a jump."""
        first = self._plain_step(state, goal)
        if not self.accelerate or first is state:
            return first
        second = self._plain_step(first, goal)
        return jumped((state, first, second), goal.X, goal.floor)

    def _plain_step(self, state: State, goal: Goal) -> State:
        """One of EM, guarded or as printed: every closed form in turn under one posterior."""
        if self.m_step == "guarded":
            return guarded_step(state, goal.X, goal.floor)
        return goal.at(
            closed_form(
                state.dgn,
                state.statistics,
                default_order(state.dgn),
                goal.floor,
                damping=self.damping,
                weight_prior=self.prior,
            )
        )


def fit_em(
    network: Network | DGN,
    X: ArrayLike,
    *,
    cov_x: ArrayLike | None = None,
    cov_z: ArrayLike | None = None,
    weight_prior: WeightPrior | None = None,
    m_step: str = "guarded",
    damping: float = 1.0,
    accelerate: bool = False,
    init: str = "given",
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-6,
    gtol: float = 1e-3,
    noise_floor: float = 1e-6,
    sample_weight: ArrayLike | None = None,
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
        The data, in their own units; NaN where an entry is not observed. A row of which nothing is
        does not count.
    cov_x : array_like (), (D,) or (D, D), optional
        The starting Σx: one variance, variances or a matrix, in squared units of X. Its structure
        is kept. By default the DGN's, or the mean variance of the columns of X.
    cov_z : array_like (), (S,) or (S, S), optional
        The starting Σz. By default the DGN's, or I.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Of every weight. Its log is added to the log-likelihood.
    m_step : {"guarded", "paper"}
        How an iteration moves (see Notes).
    damping : float in (0, 1]
        The share of each update that ``m_step="paper"`` takes.
    accelerate : bool
        Whether an iteration is two of EM and a jump along the way that they show (SQUAREM), which
        is taken only where the exact loss is not above that of the two.
    init : {"given", "data", "random"}
        Start from the network as it is, from random weights placed on the data (see
        `initial_network`), or from plain random weights.
    n_init : int
        The number of random starts. The best is kept.
    max_iter : int
        The most iterations of a start.
    tol : float
        Training has converged when an iteration lowers the loss by at most tol * max(1, |loss|),
        the loss of data in units in which they are about 1, at a maximum. A rise is never
        convergence.
    gtol : float
        It is one where the gradient norm (see `FitResult`) is at most gtol, and no step along
        negative curvature gains more than `tol` allows. A saddle is left by such a step.
    noise_floor : float in [0, 1]
        The least that Σx may be, as a share of the data's variance (see `m_step`). A start below
        is raised to it. With 0 the likelihood of data with a constant feature, or fewer than their
        dimensions, has no bound.
    sample_weight : array_like (N,), optional
        How often each datum counts, 0 or more; once by default. Losses are weighted means.
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
        On bad input, before any work, such as a column of which nothing is observed; if
        `checkpoint` is of another fit.

    Warns
    -----
    ConvergenceWarning
        Once, where training ends without having converged, with the cause and what to do; not at
        `max_iter` if `tol` is 0. Of starts without a likelihood, which are left out.

    See Also
    --------
    fit_mle : converges faster from near an optimum.

    Notes
    -----
    Data are centred and scaled within, so that results do not depend on their units.
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
    data, _ = check_data(X, "X", observed_dimension(network), missing=True)
    data, counts = counted_for_fit(data, sample_weight)
    settings = _checked_settings(
        _Settings(
            prior=weight_prior,
            m_step=m_step,
            damping=damping,
            accelerate=accelerate,
            max_iter=max_iter,
            tol=tol,
            gtol=gtol,
            noise_floor=noise_floor,
        )
    )
    start = starting_model(network, data, cov_x, cov_z, settings.noise_floor, counts)
    request = Request.of(
        start,
        data,
        weight_prior,
        counts=counts,
        init=init,
        n_init=n_init,
        random_state=random_state,
        callback=callback,
        progress=progress,
        checkpoint=checkpoint,
    )
    training = Training(
        fit="fit_em",
        request=request,
        goal=settings.goal(request, start.cov_x),
        climb=settings.climb,
        max_iter=settings.max_iter,
        mark="" if request.file is None else _fingerprint(request, data, settings),
    )
    return training.fitted()


def _checked_settings(given: _Settings) -> _Settings:
    """The settings as numbers. Raises ValueError if one of them is wrong."""
    if given.m_step not in ("guarded", "paper"):
        raise ValueError(f'm_step: expected "guarded" or "paper", got {given.m_step!r}')
    check_weight_prior(given.prior)
    return _Settings(
        prior=given.prior,
        m_step=given.m_step,
        damping=check_number(given.damping, "damping", _TINY, 1.0),
        accelerate=check_flag(given.accelerate, "accelerate"),
        max_iter=check_count(given.max_iter, "max_iter", 0),
        tol=check_number(given.tol, "tol", 0.0, np.inf),
        gtol=check_number(given.gtol, "gtol", 0.0, np.inf),
        noise_floor=check_number(given.noise_floor, "noise_floor", 0.0, 1.0),
    )


def _fingerprint(request: Request, X: Array, settings: _Settings) -> str:
    """What tells a fit to data, in the user's units, from every other."""
    given, starts = request.units.start, request.starts
    numbers = settings.m_step, settings.damping, settings.tol, settings.gtol, settings.prior
    # With those that files of earlier versions do not have.
    limits = given.max_regions, given.negligible, settings.noise_floor, settings.accelerate
    network, known = repr(given.network), request.known
    return saved.fingerprint(X, network, *numbers, request.init, len(starts), *limits, *known)
