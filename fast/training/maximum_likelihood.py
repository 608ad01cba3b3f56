"""Exact maximum likelihood, or maximum a posteriori: L-BFGS on the exact gradient."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, minimize

from fast.dgn import DGN
from fast.training.initial_networks import check_start, starting_model
from fast.training.objective import State
from fast.training.parameter_vector import Packing
from fast.training.result import Callback, FitResult, check_callback
from reference.model import (
    NO_LIKELIHOOD,
    Array,
    ConvergenceWarning,
    GaussianPrior,
    LaplacePrior,
    Network,
    Outcome,
    RandomState,
    UniformPrior,
    WeightPrior,
    check_count,
    check_data,
    check_names,
    check_number,
    check_random_state,
    check_weight_prior,
)

# Steps, with the changes of the gradient, that L-BFGS makes its curvature from.
_MEMORY = 100


def fit_mle(
    network: Network | DGN,
    X: ArrayLike,
    *,
    cov_x: ArrayLike | None = None,
    cov_z: ArrayLike | None = None,
    weight_prior: WeightPrior | None = None,
    parameters: Sequence[str] | None = None,
    max_iter: int = 1000,
    tol: float = 1e-6,
    gtol: float = 1e-3,
    random_state: RandomState = None,
    callback: Callback | None = None,
) -> FitResult:
    """Climb to the nearest maximum of the exact likelihood, by L-BFGS on its exact gradient.

    Parameters
    ----------
    network : Network or DGN
        Where to start. A DGN, such as `fit_em` ends with, also brings covariances, for which
        `cov_x` and `cov_z` may be given.
    X : array_like (N, D)
        The data, in their own units.
    cov_x : array_like (), (D,) or (D, D), optional
        The starting Σx: one variance, variances or a matrix, in squared units of X. Its structure
        is kept. Needed unless `network` is a DGN.
    cov_z : array_like (), (S,) or (S, S), optional
        The starting Σz. By default the DGN's, or I.
    weight_prior : GaussianPrior, LaplacePrior or UniformPrior, optional
        Of every weight. Its log is added to the log-likelihood: maximum a posteriori.
    parameters : sequence of str, optional
        The names of those to learn, as in ``DGN.parameters()``. By default all.
    max_iter : int
        The most iterations.
    tol : float
        Training has converged when an iteration lowers the loss by at most tol * max(1, |loss|),
        and the objective is flat there. It also has if the start is flat, unless `tol` is 0.
    gtol : float
        The objective is flat where its steepness (see `FitResult`) is at most
        gtol * max(1, |loss|).
    random_state : int, numpy.random.Generator or None
        Accepted so that all methods of training take the same arguments. Nothing is drawn.
    callback : callable, optional
        Called as callback(iteration, dgn, loss) after each iteration. Returning True ends training.

    Returns
    -------
    FitResult
        The model, its losses, and why training ended. The model is never worse than the start.
        Ctrl-C too ends training, with the best model so far.

    Raises
    ------
    ValueError
        On bad input, before any work.

    Warns
    -----
    ConvergenceWarning
        At `max_iter`, unless `tol` is 0.

    See Also
    --------
    fit_em : copes better with starts far from an optimum.

    Notes
    -----
    The gradient is exact by Fisher's identity. Each step takes the likelihood and its gradient at
    all data, as often as its search along a line needs. Where a kink passes a datum the likelihood
    has no second derivative; this costs iterations and nothing else. A Laplace prior has every
    weight split into two parts that are not negative; a uniform prior is a bound of the optimiser.
    Guarded by tests/learning/test_likelihood.py.

    Examples
    --------
    >>> from fast import DGN, LeakyReLU, Network, fit_mle
    >>> start = DGN(Network.random([1, 4, 2], LeakyReLU(0.1), random_state=0), 0.1)
    >>> X = start.rvs(50, random_state=0)
    >>> fit = fit_mle(start, X)
    >>> print(fit.outcome, bool(fit.history[-1] < fit.history[0]))
    converged True
    """
    dgn = starting_model(network, cov_x, cov_z)
    data, _ = check_data(X, "X", dgn.network.observed_dimension)
    check_weight_prior(weight_prior)
    known = dgn.parameters()
    names = sorted(known) if parameters is None else check_names(parameters, "parameters")
    for name in names:
        if name not in known:
            raise ValueError(f"parameters: unknown name {name!r}; expected one of {sorted(known)}")
    if not names or len(set(names)) < len(names):
        raise ValueError("parameters: expected at least one name, and none twice")
    max_iter = check_count(max_iter, "max_iter", 0)
    tol = check_number(tol, "tol", 0.0, np.inf)
    gtol = check_number(gtol, "gtol", 0.0, np.inf)
    check_random_state(random_state)
    check_callback(callback)
    check_start(dgn, weight_prior)
    search = _Search(dgn, data, weight_prior, Packing(known, names), (tol, gtol), callback)
    return search.run(max_iter)


class _Ended(Exception):
    """The search is over."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class _Search:
    """L-BFGS-B over the vector of the parameters.

    With a Laplace prior, every weight is the difference of two parts that are not negative: the
    first stands in the weight's place, the second at the end of the vector.
    """

    def __init__(
        self,
        dgn: DGN,
        X: Array,
        prior: WeightPrior | None,
        packing: Packing,
        tolerances: tuple[float, float],
        callback: Callback | None,
    ) -> None:
        self._dgn, self._X, self._prior = dgn, X, prior
        self._packing, self._callback = packing, callback
        self._tol, self._gtol = tolerances
        self._weights = np.zeros(packing.size, dtype=bool)
        for name, place in packing.places.items():
            self._weights[place] = name.endswith(".weight")
        self._split = isinstance(prior, LaplacePrior)
        self._latest = State.of(dgn, X, prior)
        # Changed as a whole, so that Ctrl-C finds model and losses in step.
        self._best = self._latest, np.array([self._latest.loss])

    def run(self, max_iter: int) -> FitResult:
        """Search from the start."""
        at_rest = bool(self._tol) and self._best[0].is_flat(self._gtol)
        outcome = Outcome.CONVERGED if at_rest else Outcome.MAX_ITER
        try:
            while outcome is Outcome.MAX_ITER and len(self._best[1]) <= max_iter:
                before = len(self._best[1])
                self._descend(max_iter + 1 - before)
                if len(self._best[1]) == before:
                    outcome = Outcome.NO_STEP
        except _Ended as ended:
            outcome = ended.outcome
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
        state, history = self._best
        steepness = state.steepness()
        if outcome is Outcome.MAX_ITER and max_iter and self._tol:
            warnings.warn(
                f"fit_mle reached max_iter = {max_iter} where the objective still rises by "
                f"{steepness:.1e} nats a datum for a relative change of one parameter: raise "
                "max_iter, or gtol if that is flat enough",
                ConvergenceWarning,
                stacklevel=3,
            )
        return FitResult(
            dgn=state.dgn,
            history=history,
            n_iter=len(history) - 1,
            converged=outcome is Outcome.CONVERGED,
            outcome=outcome,
            steepness=steepness,
            losses=history[-1:],
        )

    def _descend(self, max_iter: int) -> None:
        """Iterate from the best model so far, until a search along a line finds nothing better.

        Rounding may be the cause, or an approximate curvature that is no longer that of the place.
        The next descent starts with a new one.
        """
        options = {"maxiter": max_iter, "maxfun": 20 * max_iter, "maxcor": _MEMORY}
        minimize(
            self._loss,
            self._start(),
            jac=True,
            method="L-BFGS-B",
            bounds=self._bounds(),
            callback=self._after,
            options={**options, "ftol": 0.0, "gtol": 0.0},
        )

    def _start(self) -> Array:
        vector = self._packing.packed(self._best[0].dgn.parameters())
        if not self._split:
            return vector
        negative = np.maximum(-vector[self._weights], 0.0)
        return np.concatenate([np.where(self._weights, np.maximum(vector, 0.0), vector), negative])

    def _bounds(self) -> Bounds | None:
        if isinstance(self._prior, UniformPrior):
            reach = np.where(self._weights, self._prior.bound, np.inf)
            return Bounds(-reach, reach)
        if not self._split:
            return None
        least = np.where(self._weights, 0.0, -np.inf)
        return Bounds(np.concatenate([least, np.zeros(int(self._weights.sum()))]), np.inf)

    def _joined(self, vector: Array) -> Array:
        """The parameters' own vector, with every weight's two parts made one."""
        if not self._split:
            return vector
        result = vector[: self._packing.size].copy()
        result[self._weights] -= vector[self._packing.size :]
        return result

    def _loss(self, vector: Array) -> tuple[float, Array]:
        """The loss and its gradient at a vector.

        For parameters without a model, a large finite penalty with gradient zero: the search along
        the line turns back.
        """
        own = self._joined(vector)
        state = self._state(own)
        if state is None:
            start = float(self._best[1][0])
            return start + 1e10 * max(1.0, abs(start)), np.zeros(len(vector))
        self._latest, loss, by_parameter = state, state.loss, state.log_likelihood_gradient
        slope = -self._packing.gradient(own, by_parameter)
        n = len(self._X)
        if isinstance(self._prior, GaussianPrior):
            slope[self._weights] += own[self._weights] / (self._prior.scale**2 * n)
        if isinstance(self._prior, LaplacePrior):
            rate = 1.0 / (self._prior.scale * n)
            # Where both parts are positive their sum is more than |w|.
            both = vector[self._packing.size :]
            loss += (
                2
                * rate
                * float(np.minimum(vector[: self._packing.size][self._weights], both).sum())
            )
            slope = np.concatenate([slope, -slope[self._weights]])
            slope[np.concatenate([self._weights, np.ones(len(both), dtype=bool)])] += rate
        return float(loss), slope

    def _state(self, own: Array) -> State | None:
        """The model of these parameters; None if they make no model, or one without a likelihood or
        gradient in double precision."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # a wild trial
                values = self._packing.unpacked(own)
            model = self._dgn.with_parameters(values)
        except ValueError:  # not finite, or a covariance that is singular in double precision
            return None
        try:
            state = State.of(model, self._X, self._prior)
        except NO_LIKELIHOOD:
            return None
        with np.errstate(over="ignore", invalid="ignore"):  # as where a variance all but vanishes
            slopes = state.log_likelihood_gradient.values()
        return state if all(np.all(np.isfinite(slope)) for slope in slopes) else None

    def _after(self, intermediate_result: object) -> None:
        """Keep the better model and the loss; raise _Ended if this was the last iteration."""
        state, history = self._best
        if self._latest.loss <= state.loss:
            state = self._latest
        gain = history[-1] - state.loss
        self._best = state, np.append(history, state.loss)
        if self._callback is not None and self._callback(len(history), state.dgn, state.loss):
            raise _Ended(Outcome.STOPPED)
        if gain <= self._tol * max(1.0, abs(state.loss)) and state.is_flat(self._gtol):
            raise _Ended(Outcome.CONVERGED)
