"""What every fit does around its iterations: starts, a checkpoint, callbacks, the result."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fast.dgn import DGN
from fast.training import checkpoint as saved
from fast.training.ends.endings import warn_of_end, warn_of_starts
from fast.training.ends.judgement import Goal, Judgement
from fast.training.initial_networks import check_start, checked_starts, drawn_start
from fast.training.objective import State
from fast.training.result import Callback, FitResult, check_callback
from fast.training.units import Units
from reference.model import (
    NO_LIKELIHOOD,
    Array,
    Outcome,
    RandomState,
    WeightPrior,
    check_flag,
    check_path,
    check_random_state,
    outcome_of_error,
)


@dataclass(frozen=True)
class Request:
    """What every fit is asked alike, checked, and the starts that it draws.

    X: the data, in own units, as are starts. counts: how often each counts; None for once. drawn:
    whether starts are new ones every time, as without a seed. file: of the checkpoint, if there is
    to be one.
    """

    units: Units
    X: Array
    counts: Array | None
    init: str
    starts: list[saved.Parameters]
    drawn: bool
    callback: Callback | None
    progress: bool
    file: Path | None

    @staticmethod
    def of(
        start: DGN,
        X: Array,
        prior: WeightPrior | None,
        *,
        counts: Array | None,
        init: str,
        n_init: int,
        random_state: RandomState,
        callback: Callback | None,
        progress: bool,
        checkpoint: str | os.PathLike[str] | None,
    ) -> Request:
        """From arguments of a fit, X checked and in the user's units; start: the model that it
        starts from. Raises ValueError on one that does not fit, before any start is drawn."""
        n_init = checked_starts(init, n_init)
        rng = check_random_state(random_state)
        check_callback(callback)
        progress = check_flag(progress, "progress")
        file = None if checkpoint is None else check_path(checkpoint, "checkpoint")
        if init == "given":
            check_start(start, prior)
        units = Units.of(start, X, prior, counts)
        own = units.of_data(X)
        return Request(
            units=units,
            X=own,
            counts=counts,
            init=init,
            starts=[drawn_start(units, (own, counts), init, prior, rng) for _ in range(n_init)],
            drawn=init != "given" and random_state is None,
            callback=callback,
            progress=progress,
            file=file,
        )

    @property
    def known(self) -> list[Array]:
        """What tells the starts from others: those of no seed are the file's, whatever they are."""
        start = self.units.start
        counts = [] if self.counts is None else [self.counts]
        if self.drawn:
            return [start.cov_x, start.cov_z, *counts]
        return [value for parameters in self.starts for value in parameters.values()] + counts


@dataclass(frozen=True)
class Training:
    """What the training of every start needs.

    fit: the name of the function, for what it says. climb: trains from a state, telling of every
    iteration, and says why it ended. mark: the fit's fingerprint in the checkpoint. Methods take
    the list of runs, one a start. An entry changes as a whole, so that Ctrl-C finds it in order.
    """

    fit: str
    request: Request
    goal: Goal
    climb: Callable[[State, Goal, Progress], Outcome | str]
    max_iter: int
    mark: str

    def fitted(self) -> FitResult:
        """Train all starts, or go on where the checkpoint says; the best of them."""
        file = self.request.file
        runs = None if file is None else saved.read(file, self.mark)
        if runs is None:
            runs = [saved.Run(start, np.empty(0)) for start in self.request.starts]
        return self._result(runs, self._run(runs))

    def save(self, runs: list[saved.Run]) -> None:
        """Write the checkpoint, if there is to be one."""
        if self.request.file is not None:
            saved.write(self.request.file, self.mark, runs)

    def _run(self, runs: list[saved.Run]) -> Outcome | str | None:
        """Train every start from where it is; INTERRUPTED, STOPPED or why the last start ended."""
        first, limit = runs[0], self.max_iter
        if len(runs) == 1 and first.outcome is Outcome.MAX_ITER and len(first.history) <= limit:
            # A larger max_iter lets a fit go on that had reached its limit.
            runs[0] = first._replace(outcome=None, norm=np.nan)
        outcome: Outcome | str | None = None
        try:
            for i in range(len(runs)):
                if runs[i].outcome is None:
                    self._train(runs, i)
                    self.save(runs)
                outcome = runs[i].outcome
                if outcome is Outcome.STOPPED:
                    break
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
        finally:
            if self.request.progress:
                print(file=sys.stderr)
        return outcome

    def _train(self, runs: list[saved.Run], i: int) -> None:
        """Train start i, keeping its entry."""
        try:
            state = self.goal.at(self.request.units.own_start.with_parameters(runs[i].parameters))
        except NO_LIKELIHOOD as error:
            if len(runs) == 1:
                raise
            why = outcome_of_error(error)
            runs[i] = runs[i]._replace(history=np.array([np.inf]), outcome=why)
            return
        if not len(runs[i].history):
            runs[i] = runs[i]._replace(history=np.array([state.loss]))
        telling = Progress(self, runs, i, state)
        ended = self.climb(state, self.goal, telling)
        telling.end(ended)

    def measured(
        self, run: saved.Run, state: State, judgement: Judgement | None = None
    ) -> saved.Run:
        """The run with the measures of its last model."""
        if judgement is None:
            judgement = Judgement(self.goal.norm(state), None, self.goal.how_norm(state.dgn))
        return run._replace(
            steepness=self.request.units.steepness(state),
            norm=judgement.norm,
            curvature=np.nan if judgement.curvature is None else judgement.curvature,
            how=judgement.how,
        )

    def _result(self, runs: list[saved.Run], outcome: Outcome | str | None) -> FitResult:
        """The best of what has been trained."""
        tried = [run for run in runs if len(run.history)]
        if not tried:  # interrupted in the first E-step
            raise KeyboardInterrupt
        losses = np.array([run.history[-1] for run in tried])
        failed = [(i, str(run.outcome)) for i, run in enumerate(runs) if np.inf in run.history]
        if len(failed) == len(tried):
            raise ArithmeticError(
                f"{self.fit}: no start has a likelihood, the first: {failed[0][1]}; raise "
                "cov_x, or start nearer to the data with init='data'"
            )
        units, best = self.request.units, tried[int(np.argmin(losses))]
        dgn = units.own_start.with_parameters(best.parameters)
        if np.isnan(best.norm):
            best = self.measured(best, self.goal.at(dgn))
        if outcome not in (Outcome.INTERRUPTED, Outcome.STOPPED):
            outcome = best.outcome
        assert outcome is not None
        warn_of_starts(self.fit, failed, len(runs))
        warn_of_end(self.fit, best, outcome, self.goal.gtol, wanted=self.goal.tol == 0)
        volume = units.log_volume
        return FitResult(
            dgn=units.outwards(dgn),
            history=best.history + volume,
            n_iter=len(best.history) - 1,
            converged=outcome is Outcome.CONVERGED,
            outcome=outcome,
            steepness=best.steepness,
            losses=losses + volume,
            gradient_norm=best.norm,
            smallest_curvature=None if np.isnan(best.curvature) else best.curvature,
            measured=best.how,
        )


class Progress:
    """Tells of the iterations of one start: to its run, the checkpoint, the terminal, the user."""

    def __init__(self, training: Training, runs: list[saved.Run], i: int, state: State) -> None:
        self._training, self._runs, self._i, self._state = training, runs, i, state
        #: Of the last model, if it has been judged.
        self.judgement: Judgement | None = None

    @property
    def iterations(self) -> int:
        """How many iterations are made."""
        return len(self._runs[self._i].history) - 1

    @property
    def left(self) -> int:
        """How many iterations are left."""
        return self._training.max_iter - self.iterations

    def is_time(self, loss: float) -> bool:
        """Whether to judge the model that the next iteration has led to, of this loss.

        It has gained next to nothing; and a pause is over that grows by one iteration with every
        judgement, as one costs as much as some iterations. Losses alone decide, so that a fit that
        was interrupted goes on in the same way.
        """
        history = np.append(self._runs[self._i].history, loss)
        judged, pause = 0, 0
        for i in self._training.goal.small_gains(history):
            if i > judged + pause:
                judged, pause = i, pause + 1
        return judged == len(history) - 1

    def iterated(
        self, state: State, ended: Outcome | None, judgement: Judgement | None
    ) -> Outcome | None:
        """Take in an iteration; why training ends after it, the user's wish included.

        Why it ends goes into the file with the iteration after which it does: interrupted in
        between, it would go on.
        """
        training, i = self._training, self._i
        request = training.request
        self._state, self.judgement = state, judgement
        history = np.append(self._runs[i].history, state.loss)
        run = saved.Run(state.dgn.parameters(), history)
        if ended:
            run = training.measured(run._replace(outcome=ended), state, judgement)
        self._runs[i] = run
        training.save(self._runs)
        loss = state.loss + request.units.log_volume
        if request.progress:
            where = f"start {i + 1} of {len(self._runs)}, iteration {self.iterations}"
            print(f"\r{f'{where}: {loss:.6g} nats':<70}", end="", file=sys.stderr, flush=True)
        if request.callback is not None:
            outside = request.units.outwards(state.dgn)
            if request.callback(self.iterations, outside, loss):
                return Outcome.STOPPED
        return ended

    def end(self, outcome: Outcome | str) -> None:
        """Take in why training ended; a limit may come in a pause, at a maximum."""
        history, goal = self._runs[self._i].history, self._training.goal
        unjudged = outcome is Outcome.MAX_ITER and self.judgement is None
        if unjudged and self.iterations in goal.small_gains(history):
            self.judgement = goal.judged(self._state)
            if goal.is_maximum(self.judgement):
                outcome = Outcome.CONVERGED
        run = self._runs[self._i]._replace(outcome=outcome)
        if np.isnan(run.norm):
            run = self._training.measured(run, self._state, self.judgement)
        self._runs[self._i] = run
