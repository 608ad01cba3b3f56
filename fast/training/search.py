"""L-BFGS on the exact gradient: first in the parameters, then in coordinates of the Fisher
information or of EM's curvature."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, minimize

from fast.closed_form.m_step import updated
from fast.closed_form.noise_floor import raised, through_floor
from fast.training.ends.judgement import Goal, Judgement
from fast.training.frame import Frame
from fast.training.guarded_step import guarded_step
from fast.training.objective import State
from fast.training.parameter_vector import Packing
from fast.training.several_starts import Progress
from fast.training.units import deviation
from reference.model import (
    NO_LIKELIHOOD,
    Array,
    Dense,
    GaussianPrior,
    LaplacePrior,
    Outcome,
    SingularCovarianceError,
    UniformPrior,
)

# Steps, with the changes of the gradient, that L-BFGS makes its curvature from; after as many
# coordinates are chosen anew.
_MEMORY = 100
# Iterations that are made in the parameters as they are, before the Fisher information counts.
# From ten random starts on the circle of figure 4 the median end is 0.33 nats, with none 0.40.
_EARLY = 200
# How much larger than the noise, or smaller, squared residuals are where a model is far from the
# data; and the noise than the data, or squares of z than under its prior, where it is lost. How
# many iterations are made there at most, and for which gain, nats.
_FAR, _LOST, _MOST_BY_EM, _WORTH = 2.0, 1e2, 20, 1e-2


class _Ended(Exception):
    """The search is over."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class _SaddleLeft(Exception):
    """The best model is one past a saddle, from which to descend anew."""


class Search:
    """L-BFGS-B over the vector of the parameters, in coordinates of a frame.

    With a Laplace prior, every weight is the difference of two parts that are not negative: the
    first stands in the weight's place, the second at the end of the vector.
    """

    def __init__(self, state: State, goal: Goal, progress: Progress) -> None:
        self._goal, self._progress = goal, progress
        parameters = state.dgn.parameters()
        names = sorted(parameters) if goal.names is None else list(goal.names)
        self._all = names == sorted(parameters)
        dense = isinstance(state.dgn.network.layers[0], Dense)
        if goal.prior is None and dense and {"0.weight", "cov_z"} <= {*names}:
            # Σz is a gauge: z may be rescaled against the first layer, and stays as it is.
            names = [name for name in names if name != "cov_z"]
        self._packing = Packing(parameters, names)
        self._weights = np.zeros(self._packing.size, dtype=bool)
        for name, place in self._packing.places.items():
            self._weights[place] = name.endswith(".weight")
        self._split = isinstance(goal.prior, LaplacePrior)
        self._best = self._latest = state
        self._bounded = isinstance(goal.prior, LaplacePrior | UniformPrior)
        self._frame = Frame(np.zeros(self._packing.size), np.ones(self._packing.size))

    def run(self) -> Outcome:
        """Search until training has converged, or may or can not go on."""
        try:
            if self._goal.tol and self._progress.left >= 0:
                self._judged()
            self._draw_near()
            while self._progress.left > 0:
                before = self._progress.iterations
                try:
                    self._descend()
                except _SaddleLeft:
                    continue
                if self._progress.iterations == before and not self._past_no_step():
                    return Outcome.NO_STEP
        except _Ended as ended:
            return ended.outcome
        return Outcome.MAX_ITER

    def _past_no_step(self) -> bool:
        """Where no step is found: whether a better model is. Raises _Ended at a maximum."""
        judgement = self._judged()
        better = judgement.better or self._by_em()
        if better is None:
            self._progress.judgement = judgement
            return False
        self._take(better, None, None)
        return True

    def _by_em(self) -> State | None:
        """A better model by an iteration of EM, which finds one however far the data are."""
        if not self._all:
            return None
        try:
            moved = guarded_step(self._best, self._goal.X, self._goal.floor)
        except (*NO_LIKELIHOOD, SingularCovarianceError):
            return None
        return moved if moved.loss < self._best.loss else None

    def _judged(self) -> Judgement:
        """The judgement of the best model. Raises _Ended if it is a maximum."""
        judgement = self._goal.judged(self._best)
        if self._goal.is_maximum(judgement):
            self._progress.judgement = judgement
            raise _Ended(Outcome.CONVERGED)
        return judgement

    def _draw_near(self) -> None:
        """Fit the noise where it is far from the size of the residuals, and all by EM where the
        model is lost: L-BFGS would find no scale there.

        Elsewhere EM would shape the network by posteriors of a noise that is too small.
        """
        for _ in range(min(_MOST_BY_EM, self._progress.left)):
            noisy = "cov_x" in self._packing.places and _is_far(self._ratio("cov_x"), _FAR)
            better = self._by_noise() if noisy else None
            if not self._is_worth(better) and self._is_lost():
                better = self._by_em()
            if better is None or not self._is_worth(better):
                return
            self._take(better, None, None)

    def _is_worth(self, better: State | None) -> bool:
        """Whether a model is so much better that to draw near by it was worth an iteration."""
        return better is not None and self._best.loss - better.loss > _WORTH

    def _is_lost(self) -> bool:
        """Whether all of the data's variance is little to the model: to its noise, or to z, whose
        posteriors are then unlike its prior."""
        dgn = self._best.dgn
        cov_x = np.diag(dgn.cov_x) if dgn.cov_x.ndim == 2 else dgn.cov_x
        noise = float(np.mean(cov_x / np.square(deviation(dgn, self._goal.X, self._goal.counts))))
        return noise > _LOST or _is_far(self._ratio("cov_z"), _LOST)

    def _by_noise(self) -> State | None:
        """A better model by the closed form of Σx."""
        state, goal = self._best, self._goal
        try:
            dgn = updated(
                state.dgn, state.statistics, ["cov_x"], goal.floor, weight_prior=goal.prior
            )
            moved = goal.at(dgn)
        except (*NO_LIKELIHOOD, SingularCovarianceError):
            return None
        return moved if moved.loss < state.loss else None

    def _ratio(self, name: str) -> float:
        """E[‖x - g(z)‖² | x] by what Σx has it, or E[‖z‖² | x] by what Σz has it, in the mean over
        the data."""
        value = self._best.dgn.parameters()[name]
        slope = self._best.log_likelihood_gradient[name]
        relative = np.trace(slope @ value) if value.ndim == 2 else np.sum(slope * value)
        dgn = self._best.dgn
        size = self._goal.X.shape[1] if name == "cov_x" else dgn.network.latent_dimension
        return float(1.0 + 2.0 * relative / size)

    def _take(self, state: State, ended: Outcome | None, judgement: Judgement | None) -> None:
        """Make a model the best after an iteration; raise _Ended if it was the last."""
        self._best = state
        ended = self._progress.iterated(state, ended, judgement)
        if ended:
            raise _Ended(ended)

    def _descend(self) -> None:
        """Iterate from the best model so far, until a search along a line finds nothing better.

        Rounding may be the cause, or an approximate curvature that is no longer that of the place.
        The next descent starts with a new one. Early iterations are in the parameters as they are:
        the Fisher information of a model far from the data leads to folds that no step undoes.
        """
        early = _EARLY - self._progress.iterations
        choose = Frame.own if early > 0 else Frame.best
        self._frame = choose(self._best, self._packing, self._goal.X, self._bounded)
        max_iter = min(early if early > 0 else _MEMORY, self._progress.left)
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
        """The coordinates of the best model."""
        if not self._bounded:
            return np.zeros(self._packing.size)
        vector = self._packing.packed(self._best.dgn.parameters())
        if not self._split:
            return vector / self._frame.turn
        negative = np.maximum(-vector[self._weights], 0.0)
        first = np.where(self._weights, np.maximum(vector, 0.0), vector)
        return np.concatenate([first, negative]) / self._turns()

    def _turns(self) -> Array:
        """What a unit of every coordinate is, with a split those of second parts included."""
        turn = self._frame.turn
        return np.concatenate([turn, turn[self._weights]]) if self._split else turn

    def _bounds(self) -> Bounds | None:
        """Those of the prior."""
        prior = self._goal.prior
        if isinstance(prior, UniformPrior):
            reach = np.where(self._weights, prior.bound, np.inf) / self._frame.turn
            return Bounds(-reach, reach)
        if not self._split:
            return None
        least = np.where(self._weights, 0.0, -np.inf)
        return Bounds(np.concatenate([least, np.zeros(int(self._weights.sum()))]), np.inf)

    def _joined(self, coordinates: Array) -> Array:
        """The parameters' own vector, with every weight's two parts made one."""
        if not self._split:
            return self._frame.vector(coordinates)
        parts = coordinates * self._turns()
        result = parts[: self._packing.size].copy()
        result[self._weights] -= parts[self._packing.size :]
        return result

    def _loss(self, coordinates: Array) -> tuple[float, Array]:
        """The loss and its gradient at coordinates.

        For parameters without a model, a large finite penalty with gradient zero: the search along
        the line turns back.
        """
        own = self._joined(coordinates)
        state = self._state(own)
        if state is None:
            start = self._best.loss
            return start + 1e10 * max(1.0, abs(start)), np.zeros(len(coordinates))
        self._latest, loss = state, state.loss
        slope = -self._packing.gradient(own, self._slopes(own, state))
        n, prior = state.statistics.n, self._goal.prior
        if isinstance(prior, GaussianPrior):
            slope[self._weights] += own[self._weights] / (prior.scale**2 * n)
        if not isinstance(prior, LaplacePrior):
            return float(loss), self._frame.slope(slope)
        rate, parts = 1.0 / (prior.scale * n), coordinates * self._turns()
        # Where both parts are positive their sum is more than |w|.
        first, second = parts[: self._packing.size][self._weights], parts[self._packing.size :]
        loss += 2 * rate * float(np.minimum(first, second).sum())
        slope = np.concatenate([slope, -slope[self._weights]])
        slope[np.concatenate([self._weights, np.ones(len(second), dtype=bool)])] += rate
        return float(loss), slope * self._turns()

    def _slopes(self, own: Array, state: State) -> dict[str, Array]:
        """The gradient of the log-likelihood by the parameters as the vector has them: Σx
        before it is raised to the floor."""
        slopes = state.log_likelihood_gradient
        if "cov_x" not in self._packing.places:
            return slopes
        given = self._packing.unpacked(own)["cov_x"]
        return {**slopes, "cov_x": through_floor(given, self._goal.floor, slopes["cov_x"])}

    def _state(self, own: Array) -> State | None:
        """The model of these parameters; None if they make no model, or one without a likelihood or
        gradient in double precision."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # a wild trial
                values = self._packing.unpacked(own)
                if "cov_x" in values:
                    values["cov_x"] = raised(values["cov_x"], self._goal.floor)
            model = self._best.dgn.with_parameters(values)
        except (ValueError, np.linalg.LinAlgError):
            return None  # not finite, or a covariance that is singular in double precision
        with np.errstate(over="ignore", invalid="ignore"):  # as where a variance all but vanishes
            try:
                state = self._goal.at(model)
            except NO_LIKELIHOOD:
                return None
            found = [np.asarray(state.loss), *state.log_likelihood_gradient.values()]
        return state if all(np.all(np.isfinite(some)) for some in found) else None

    def _after(self, intermediate_result: object) -> None:
        """Keep the better model; raise _Ended if this was the last iteration, _SaddleLeft if the
        model is one past a saddle."""
        state = self._best
        if self._latest.loss <= state.loss:
            state = self._latest
        if not self._progress.is_time(state.loss):
            self._take(state, None, None)
            return
        judgement = self._goal.judged(state)
        if judgement.better is not None:
            self._take(judgement.better, None, None)
            raise _SaddleLeft
        maximum = self._goal.is_maximum(judgement)
        self._take(state, Outcome.CONVERGED if maximum else None, judgement)


def _is_far(ratio: float, most: float) -> bool:
    """Whether a ratio is above some number, or below one over it."""
    return not 1 / most <= ratio <= most
