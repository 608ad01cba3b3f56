"""Whether a model is a maximum of the objective, by measures that its parametrisation does not
change.

z may be turned and rescaled against the first layer, a unit against the next: there are many
parameters of one model, and a gradient by any of them may look as small as one likes. The Fisher
information F of x says how much a change of parameters changes the model. The gradient norm is
taken in it: ‖g‖² = gᵀ F⁺ g is a pure number, twice what a step of Fisher scoring is expected to
gain, nats a datum. Whether the curvature is negative anywhere no coordinates change either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from fast.closed_form.em_curvature import em_curvature
from fast.training.ends.chart import Chart
from fast.training.ends.scores import scores
from fast.training.objective import State
from reference.model import NO_LIKELIHOOD, Array, Mask

# Data whose scores the information is taken from, at most, and numbers that these may be: half a
# gigabyte, which holds the scores of 4096 data by 16,384 parameters, or of 671 by 100,000.
_MOST_POINTS, _MOST_NUMBERS = 4096, 1 << 26
# With fewer than this many data a coordinate the information is damped, by this share of itself.
_ENOUGH, _DAMPING = 2, 1e-3
# Singular values of the scores, in units of each coordinate, that are rounding: the gauge's. For
# S = 1, and for more latent dimensions, where moments have fewer digits.
_GAUGE = 1e-9, 1e-6
# Steps of Lanczos's method; with as many as coordinates the curvature is that of all directions.
_MOST_STEPS = 40
# Scores this small, in units of EM's curvature, are rounding: nothing is seen of a coordinate.
_UNSEEN = 1e-7
# The step of central differences of the gradient, in units of EM's curvature.
_DIFFERENCE = 1e-3
# Curvatures above this, in the same units, are told from 0 by no difference quotient.
_CURVED = -1e-4
# How often a step along negative curvature is halved.
_HALVINGS = 12


@dataclass(frozen=True)
class Curvature:
    """The smallest curvature of the loss that was found.

    value: in units of EM's own curvature, negative at a saddle. direction (P,): its unit step in
    the coordinates of `chart`. how: in words.
    """

    chart: Chart
    value: float
    direction: Array
    how: str


def gradient_norm(state: State, floor: Array, names: tuple[str, ...] | None, X: Array) -> float:
    """The norm of the objective's gradient in the metric of the Fisher information of x.

    Coordinates that the noise floor or the prior holds do not count.
    """
    slopes = state.log_likelihood_gradient
    chart, scales, free = _charted(state, floor, names)
    scales, points = scales[free], information_points(X, len(free))
    rises, added = chart.rises(slopes)[free] / scales, chart.prior_precisions()[free] / scales**2
    rows, start = np.empty((len(points), len(scales))), 0
    for some in scores(state.dgn, points):
        part = chart.pulled(some)
        part = part if np.all(free) else part[:, free]
        np.divide(part, scales, out=rows[start : start + len(part)])
        start += len(part)
    if state.counts is not None:
        rows *= shares_of_points(state.counts, len(free))[:, None]
    if len(points) >= _ENOUGH * free.sum():
        return _norm(rises, added, rows, _GAUGE[min(state.dgn.network.latent_dimension, 2) - 1])
    return _damped_norm(rises, added, rows)


def _charted(
    state: State, floor: Array, names: tuple[str, ...] | None
) -> tuple[Chart, Array, Mask]:
    """The coordinates (P,) around a model, the root of EM's curvature by each, and which are free
    to move and do anything."""
    chart = Chart.of(state.dgn, names, floor, state.prior, state.statistics.n)
    scales = chart.scales(em_curvature(state.dgn, state.statistics))
    return chart, scales, chart.free(state.log_likelihood_gradient) & chart.alive(scales)


def information_points(X: Array, size: int) -> Array:
    """The data whose scores by `size` coordinates the information is taken from, evenly spaced."""
    most = min(_MOST_POINTS, max(1, _MOST_NUMBERS // max(1, size)))
    return X[:: -(-len(X) // most)]


def shares_of_points(counts: Array, size: int) -> Array:
    """What to scale the scores of these data by, so that each counts as often as it does: the roots
    of weights whose mean is 1."""
    weights = information_points(counts, size)
    return np.asarray(np.sqrt(weights / weights.mean()))


def _norm(rises: Array, added: Array, rows: Array, least: float) -> float:
    """The root of gᵀ F⁺ g, F the mean of outer products of the scores plus the prior's part.

    By the singular values of the scores, which rounding leaves to more digits than those of F.
    """
    rows = np.concatenate([rows / np.sqrt(len(rows)), np.diag(np.sqrt(added))[added > 0]])
    size = np.sqrt(np.square(rows).sum(axis=0))
    seen = size > _UNSEEN
    if not np.any(seen):
        return 0.0
    triangle = np.linalg.qr(rows[:, seen] / size[seen], mode="r")
    # By the driver that converges where divide and conquer may fail.
    _, values, vectors = scipy.linalg.svd(triangle, lapack_driver="gesvd")
    kept = values > least
    along = vectors[kept] @ (rises[seen] / size[seen])
    return float(np.sqrt(np.sum(np.square(along / values[kept]))))


def _damped_norm(rises: Array, added: Array, rows: Array) -> float:
    """The same where few scores leave most directions without information: every coordinate has a
    share of its own added. Overwrites `rows`, of which there is memory for one copy."""
    n = len(rows)
    size = np.sqrt(np.einsum("np,np->p", rows, rows) / n + added)
    seen = size > _UNSEEN
    own = np.sqrt(_DAMPING * np.square(size[seen]) + added[seen])
    whitening = np.zeros_like(size)
    whitening[seen] = 1.0 / own
    rows *= whitening
    pull = rises * whitening
    # (D + Wᵀ W / n)⁻¹ by the inverse of an n x n matrix.
    inner = n * np.eye(n) + rows @ rows.T
    along = rows @ pull
    square = pull @ pull - along @ np.linalg.solve(inner, along)
    return float(np.sqrt(max(square, 0.0)))


def smallest_curvature(
    state: State, floor: Array, names: tuple[str, ...] | None, X: Array
) -> Curvature:
    """The smallest curvature of the loss, by Lanczos's method on differences of exact gradients.

    In coordinates in which EM's curvature is 1: of what is learned from x and z together, none is
    above 1. The likelihood's own is at most that at a maximum, and 0 along the gauge.
    """
    chart, scales, free = _charted(state, floor, names)
    units = np.zeros_like(scales)
    units[free] = 1.0 / scales[free]

    def curved(direction: Array) -> Array:
        """The Hessian of the loss times a direction."""
        step = _DIFFERENCE * units * direction
        ends = []
        for side in (step, -step):
            there = state.moved(state.dgn.with_parameters(chart.moved(side)), X)
            ends.append(chart.rises_at(side, there.dgn, there.log_likelihood_gradient))
        return np.asarray((ends[1] - ends[0]) * units / (2 * _DIFFERENCE))

    size = int(free.sum())
    if not size:
        return Curvature(chart, 0.0, np.zeros_like(scales), "nothing is free to move")
    steps = min(size, _MOST_STEPS)
    value, direction = _lanczos(curved, free, steps)
    how = f"the smallest of {steps} Lanczos steps in {size} coordinates, by differences"
    return Curvature(chart, value, units * direction, how)


def _lanczos(curved: Callable[[Array], Array], free: Mask, steps: int) -> tuple[float, Array]:
    """The smallest eigenvalue that a Krylov space of some steps has, and its direction (P,)."""
    start = np.where(free, np.random.default_rng(0).standard_normal(len(free)), 0.0)
    basis, images = [start / np.linalg.norm(start)], []
    while True:
        images.append(curved(basis[-1]))
        if len(basis) == steps:
            break
        rest = images[-1]
        for _ in range(2):  # once more for what rounding leaves
            rest = rest - np.stack(basis).T @ (np.stack(basis) @ rest)
        size = np.linalg.norm(rest)
        if size <= abs(_CURVED) * np.linalg.norm(images[-1]):
            break
        basis.append(rest / size)
    vectors = np.stack(basis)
    inner = vectors @ np.stack(images).T
    values, mixed = np.linalg.eigh(0.5 * (inner + inner.T))
    return float(values[0]), mixed[:, 0] @ vectors


def past_saddle(state: State, found: Curvature, X: Array, least: float) -> State | None:
    """A better model along the negative curvature, by more than `least` nats; None if there is
    none: what is left of the curvature then gains no more than that."""
    if found.value > _CURVED:
        return None
    for halving in range(_HALVINGS):
        for side in (1.0, -1.0):
            step = side * 0.5**halving * found.direction
            try:
                moved = state.moved(state.dgn.with_parameters(found.chart.moved(step)), X)
            except NO_LIKELIHOOD:
                continue
            if moved.loss < state.loss - least:
                return moved
    return None
