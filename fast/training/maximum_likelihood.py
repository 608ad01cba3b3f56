"""Exact maximum likelihood, or maximum a posteriori: L-BFGS on the exact gradient."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, minimize

from fast.dgn import DGN
from fast.training.em import Callback, FitResult, starting_model
from fast.training.objective import State
from fast.training.parameter_vector import Packing
from reference.model import (
    Array,
    ConvergenceWarning,
    GaussianPrior,
    LaplacePrior,
    Network,
    PartitionError,
    RandomState,
    TooManyRegionsError,
    UniformPrior,
    WeightPrior,
    check_count,
    check_names,
    check_number,
    check_points,
    check_random_state,
    check_weight_prior,
    log_weight_prior,
)

# Pairs of steps and gradients that the curvature is made from.
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
    """The parameters of the nearest maximum of the exact likelihood [Fisher's identity].

    network: where to start; a DGN, such as `fit_em` ends with, brings its covariances. X (N, D).
    cov_x, cov_z: the starting covariances; their structure is kept. weight_prior: its log is added.
    parameters: the names of those to learn, all by default. Every step takes the exact likelihood
    and its exact gradient at all data; where kinks pass a datum the likelihood has no second
    derivative, which costs iterations and nothing else. A Laplace prior splits its weights into two
    signs, a uniform one is a bound of the optimiser's. random_state: accepted for the sake of one
    signature; nothing is drawn.

    Converged is, as in `fit_em`, an iteration that lowers the loss by less than tol * max(1,
    |loss|) at a model where the objective is no steeper than gtol * max(1, |loss|), or a start as
    flat as that. At max_iter a ConvergenceWarning says so, unless tol is 0; "no step found" is
    where rounding, or models that have no likelihood here, hide further progress; other outcomes
    are `fit_em`'s. history: the loss after every iteration. Never ends with a model worse than the
    start. Raises ValueError on bad input before any work. Guarded by
    tests/learning/test_likelihood.py.
    """
    dgn = starting_model(network, cov_x, cov_z)
    data = check_points(X, "X", dgn.network.observed_dimension)
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
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function, got {callback!r}")
    if log_weight_prior(weight_prior, known.items()) == -np.inf:
        raise ValueError("network: expected weights within the uniform prior's bound")
    search = _Search(dgn, data, weight_prior, Packing(known, names), (tol, gtol), callback)
    return search.run(max_iter)


class _Ended(Exception):
    """The search is over, for a reason in words."""


class _Search:
    """L-BFGS-B over the vector of the parameters; with a Laplace prior, weights are the differences
    of two non-negative parts, of which the second come last."""

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
        outcome = "converged" if self._tol and self._is_flat() else "max_iter reached"
        try:
            while outcome == "max_iter reached" and len(self._best[1]) <= max_iter:
                before = len(self._best[1])
                self._descend(max_iter + 1 - before)
                if len(self._best[1]) == before:
                    outcome = "no step found"
        except _Ended as ended:
            outcome = str(ended)
        except KeyboardInterrupt:
            outcome = "interrupted"
        state, history = self._best
        steepness = state.steepness()
        if outcome == "max_iter reached" and max_iter and self._tol:
            warnings.warn(
                f"fit_mle reached max_iter = {max_iter} where the objective still rises by "
                f"{steepness:.1e} nats a datum for a relative change of one parameter: raise "
                "max_iter, or gtol if that is flat enough",
                ConvergenceWarning,
                stacklevel=3,
            )
        return FitResult(
            state.dgn,
            history,
            len(history) - 1,
            outcome == "converged",
            outcome,
            steepness,
            history[-1:],
        )

    def _descend(self, max_iter: int) -> None:
        """Iterate from the best model so far until a search along a line fails: rounding, or a
        curvature that is no longer that of the place, which the next descent forgets."""
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

    def _is_flat(self) -> bool:
        state, _ = self._best
        return state.steepness() <= self._gtol * max(1.0, abs(state.loss))

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
        """The parameters' own vector."""
        if not self._split:
            return vector
        result = vector[: self._packing.size].copy()
        result[self._weights] -= vector[self._packing.size :]
        return result

    def _loss(self, vector: Array) -> tuple[float, Array]:
        """The loss and its gradient; far worse than anything, and uphill from here, where no model
        is."""
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
        """The model of these parameters; None if they are none, or it has no likelihood here."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # a wild trial
                values = self._packing.unpacked(own)
            model = self._dgn.with_parameters(values)
        except ValueError:  # not finite, or a covariance that is singular in double precision
            return None
        try:
            state = State.of(model, self._X, self._prior)
        except (ArithmeticError, PartitionError, TooManyRegionsError):
            return None
        with np.errstate(over="ignore", invalid="ignore"):  # as where a variance all but vanishes
            slopes = state.log_likelihood_gradient.values()
        return state if all(np.all(np.isfinite(slope)) for slope in slopes) else None

    def _after(self, intermediate_result: object) -> None:
        """After an iteration."""
        state, history = self._best
        if self._latest.loss <= state.loss:
            state = self._latest
        gain = history[-1] - state.loss
        self._best = state, np.append(history, state.loss)
        if self._callback is not None and self._callback(len(history), state.dgn, state.loss):
            raise _Ended("stopped by callback")
        if gain <= self._tol * max(1.0, abs(state.loss)) and self._is_flat():
            raise _Ended("converged")
