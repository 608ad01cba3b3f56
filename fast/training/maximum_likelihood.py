"""Exact maximum likelihood, or maximum a posteriori: L-BFGS on the exact gradient."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fast.closed_form.noise_floor import floor_of_data
from fast.dgn import DGN
from fast.training import checkpoint as saved
from fast.training.ends.judgement import Goal
from fast.training.initial_networks import observed_dimension, starting_model
from fast.training.objective import State
from fast.training.result import Callback, FitResult
from fast.training.search import Search
from fast.training.several_starts import Progress, Request, Training
from reference.model import (
    Array,
    Network,
    Outcome,
    RandomState,
    WeightPrior,
    check_count,
    check_data,
    check_names,
    check_number,
    check_weight_prior,
    counted_for_fit,
)


def fit_mle(
    network: Network | DGN,
    X: ArrayLike,
    *,
    cov_x: ArrayLike | None = None,
    cov_z: ArrayLike | None = None,
    weight_prior: WeightPrior | None = None,
    parameters: Sequence[str] | None = None,
    init: str = "given",
    n_init: int = 1,
    max_iter: int = 1000,
    tol: float = 1e-6,
    gtol: float = 1e-3,
    noise_floor: float = 1e-6,
    sample_weight: ArrayLike | None = None,
    random_state: RandomState = None,
    callback: Callback | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> FitResult:
    """Climb to the nearest maximum of the exact likelihood, by L-BFGS on its exact gradient.

    Parameters
    ----------
    network : Network or DGN
        Where to start. A DGN, such as `fit_em` ends with, also brings covariances, for which
        `cov_x` and `cov_z` may be given.
    X : array_like (N, D)
        The data, in their own units; NaN where an entry is not observed. A row of which nothing is
        does not count.
    cov_x : array_like (), (D,) or (D, D), optional
        The starting Σx: one variance, variances or a matrix, in squared units of X. Its structure
        is kept. By default the DGN's, or the mean variance of the columns of X.
    cov_z : array_like (), (S,) or (S, S), optional
        The starting Σz. By default the DGN's, or I.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Of every weight. Its log is added to the log-likelihood: maximum a posteriori.
    parameters : sequence of str, optional
        The names of those to learn, as in ``DGN.parameters()``. By default all.
    init : {"given", "data", "random"}
        Where to start, as in `fit_em`.
    n_init : int
        The number of random starts. The best is kept.
    max_iter : int
        The most iterations of a start.
    tol : float
        Training has converged when an iteration lowers the loss by at most tol * max(1, |loss|),
        the loss of data in units in which they are about 1, at a maximum. It also has if the start
        is one, unless `tol` is 0.
    gtol : float
        It is one where the gradient norm (see `FitResult`) is at most gtol, and no step along
        negative curvature gains more than `tol` allows. A saddle is left by such a step.
    noise_floor : float in [0, 1]
        The least that Σx may be, as in `fit_em`.
    sample_weight : array_like (N,), optional
        How often each datum counts, 0 or more; once by default. Losses are weighted means.
    random_state : int, numpy.random.Generator or None
        Where random starts come from; None draws afresh. From a given start nothing is drawn.
    callback : callable, optional
        Called as callback(iteration, dgn, loss) after each iteration. Returning True ends training.
    progress : bool
        Whether to show a line on stderr.
    checkpoint : path-like, optional
        A file that holds the state of the fit after each iteration, as in `fit_em`. Starts that
        have ended are not trained again; one that was interrupted goes on from its best model, and
        finds its curvature anew.

    Returns
    -------
    FitResult
        The model, its losses, and why training ended. The model is never worse than the start.
        Ctrl-C too ends training, with the best model so far.

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
    fit_em : copes better with starts far from an optimum.

    Notes
    -----
    The gradient is exact by Fisher's identity. Each step takes the likelihood and its gradient at
    all data, as often as its search along a line needs. For the first 200 iterations it is taken in
    the parameters as they are, in units of the deviations of x and z: so a random network first
    shrinks and then unfolds, and ends better than if it were led by the posteriors it starts with.
    Then it is taken in coordinates in which the Fisher information is about 1; with more than 512
    parameters, or with bounds, every parameter is scaled by the root of EM's curvature. Neither
    units of x nor of z then matter. Where the noise is far from the size of the residuals it is
    fitted first; where all of the data's variance is little to the model, iterations are of EM.
    Where a kink passes a datum the likelihood has no second derivative; this costs iterations and
    nothing else.
    A Laplace prior has every weight split into two parts that are not negative; a uniform prior is
    a bound of the optimiser. Σx below the noise floor counts as at it.
    Guarded by tests/learning/test_likelihood.py.

    Examples
    --------
    >>> from fast import DGN, LeakyReLU, Network, fit_mle
    >>> start = DGN(Network.random([1, 3, 2], LeakyReLU(0.1), random_state=0), 0.1)
    >>> X = start.rvs(100, random_state=0)
    >>> fit = fit_mle(start, X)
    >>> print(fit.outcome, bool(fit.history[-1] < fit.history[0]))
    converged True
    """
    data, _ = check_data(X, "X", observed_dimension(network), missing=True)
    data, counts = counted_for_fit(data, sample_weight)
    check_weight_prior(weight_prior)
    floor = check_number(noise_floor, "noise_floor", 0.0, 1.0)
    start = starting_model(network, data, cov_x, cov_z, floor, counts)
    names = _checked_names(start, parameters)
    max_iter = check_count(max_iter, "max_iter", 0)
    tol = check_number(tol, "tol", 0.0, np.inf)
    gtol = check_number(gtol, "gtol", 0.0, np.inf)
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
    goal = Goal(
        X=request.X,
        counts=counts,
        prior=weight_prior,
        floor=floor_of_data(request.X, start.cov_x, floor, counts),
        names=names,
        tol=tol,
        gtol=gtol,
    )
    training = Training(
        fit="fit_mle",
        request=request,
        goal=goal,
        climb=_climb,
        max_iter=max_iter,
        mark="" if request.file is None else _fingerprint(request, data, goal, floor),
    )
    return training.fitted()


def _climb(state: State, goal: Goal, progress: Progress) -> Outcome:
    """Search from a state until training has converged, or may or can not go on."""
    return Search(state, goal, progress).run()


def _checked_names(dgn: DGN, parameters: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the parameters to learn. Raises ValueError if one is unknown or there twice."""
    known = dgn.parameters()
    names = sorted(known) if parameters is None else check_names(parameters, "parameters")
    for name in names:
        if name not in known:
            raise ValueError(f"parameters: unknown name {name!r}; expected one of {sorted(known)}")
    if not names or len(set(names)) < len(names):
        raise ValueError("parameters: expected at least one name, and none twice")
    return tuple(names)


def _fingerprint(request: Request, X: Array, goal: Goal, noise_floor: float) -> str:
    """What tells a fit to data, in the user's units, from every other."""
    start = request.units.start
    settings = goal.names, goal.tol, goal.gtol, goal.prior, noise_floor
    starts = request.init, len(request.starts), start.max_regions, start.negligible
    network, known = repr(start.network), request.known
    return saved.fingerprint("fit_mle", X, network, *settings, *starts, *known)
