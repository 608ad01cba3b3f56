"""Least squares with a prior on the unknowns, many problems at once [Appendix H].

Each maximises gᵀ Δ - ½ Δᵀ N Δ plus the log prior at w + Δ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.model import (
    Array,
    GaussianPrior,
    Indices,
    Mask,
    NotSolvedError,
    UniformPrior,
    WeightPrior,
)

# Eigenvalues of a normal matrix below this share of the largest are rounding: about 1e5 ε.
RANK_TOLERANCE = 1e-11
# Rounding of an entry of a gradient, as a share of the size of its terms.
_ROUNDING = 1e-13
# What a solution may leave of the gradient, as a share of the size of its largest terms.
_LEFT = 1e-9
# Rounds after which a problem counts as one that does not settle.
_MOST_ROUNDS = 2_000


def smallest_solution(matrices: Array, rights: Array) -> Array:
    """The least-norm solutions of positive semi-definite systems (..., n, n), (..., n).

    A solution is refined once by what it leaves of the right side. Rounding is then a matter of the
    condition of the matrix with its diagonal scaled to 1, not of the units of its unknowns (Skeel
    1980). Guarded by tests/learning/test_m_step.py.
    """
    values, vectors = np.linalg.eigh(0.5 * (matrices + np.swapaxes(matrices, -1, -2)))
    floor = RANK_TOLERANCE * np.maximum(values[..., -1:], np.finfo(float).tiny)
    inverses = np.where(values > floor, 1.0 / np.where(values > floor, values, 1.0), 0.0)
    solution = np.zeros_like(rights)
    for _ in range(2):
        left = rights - np.einsum("...ij,...j->...i", matrices, solution)
        projected = np.einsum("...ij,...i->...j", vectors, left) * inverses
        solution = solution + np.einsum("...ij,...j->...i", vectors, projected)
    return np.asarray(solution)


def optima(
    normals: Array, gradients: Array, current: Array, prior: WeightPrior | None, is_weight: Mask
) -> Array:
    """The optima w + Δ (B, n) of B problems.

    normals (B, n, n): N. gradients (B, n): g, at the current w (B, n). is_weight (n,): which
    unknowns have the prior. Where there is a choice, Δ is the smallest one if there is no prior or
    a Gaussian one, and otherwise not far from it. Raises NotSolvedError if an optimum is not
    reached.
    """
    if prior is None:
        return current + smallest_solution(normals, gradients)
    if isinstance(prior, GaussianPrior):
        precisions = is_weight / prior.scale**2
        pulls = gradients - precisions * current
        return current + smallest_solution(normals + np.diag(precisions), pulls)
    if isinstance(prior, UniformPrior):
        nothing = np.zeros(current.shape[1])
        kinks = _Kinks(nothing, np.where(is_weight, prior.bound, np.inf))
    else:
        kinks = _Kinks(is_weight / prior.scale, np.full(current.shape[1], np.inf))
    return _Search(normals, gradients, current, kinks).run()


class _Kinks(NamedTuple):
    """Where the objective has kinks: a penalty of rates (n,) times |w|, and bounds (n,) on |w|.

    An unknown has a rate above 0, or a finite bound, or neither.
    """

    rates: Array
    bounds: Array


class _Search:
    """Active sets. The set of a problem is that of its unknowns that are at a kink: 0 or a bound.

    A round has two parts. First every unknown in turn goes to its own optimum given the others,
    which decides which of them are at a kink. Then the others go to their common optimum; one that
    meets a kink on the way stays there. The objective rises in both parts, so that no set comes
    twice.
    """

    def __init__(self, normals: Array, gradients: Array, current: Array, kinks: _Kinks) -> None:
        self._normals, self._start, self._kinks = normals, current, kinks
        self._first, self._gradients, self._w = gradients, gradients.copy(), current.copy()
        self._diagonals = np.einsum("bii->bi", normals)
        largest = self._diagonals.max(axis=1, keepdims=True, initial=0.0)
        self._alive = self._diagonals > RANK_TOLERANCE * largest

    def run(self) -> Array:
        """The optima (B, n). Raises NotSolvedError if one is not reached."""
        open_ = np.arange(len(self._w))
        for _ in range(_MOST_ROUNDS):
            for i in range(self._w.shape[1]):
                self._to_own_optimum(open_, i)
            moving = open_
            while len(moving):
                moving = moving[self._along(moving)]
            open_ = open_[~self._optimal(open_)]
            if not len(open_):
                return self._w
        raise NotSolvedError("weight_prior: the unknowns at zero or at a bound did not settle")

    def _to_own_optimum(self, rows: Indices, i: int) -> None:
        """Move unknown i of these problems to its optimum given the others."""
        rate, bound = self._kinks.rates[i], self._kinks.bounds[i]
        w, d = self._w[rows, i], self._diagonals[rows, i]
        alive = self._alive[rows, i]
        pull = self._gradients[rows, i] + d * w
        new = np.sign(pull) * np.maximum(np.abs(pull) - rate, 0.0) / np.where(alive, d, 1.0)
        # An unknown that nothing depends on stays, unless its prior draws it to zero.
        new = np.where(alive, np.clip(new, -bound, bound), 0.0 if rate > 0 else w)
        self._w[rows, i] = new
        self._gradients[rows] -= self._normals[rows, i] * (new - w)[:, None]

    def _along(self, rows: Indices) -> Mask:
        """Move the unknowns that are at no kink towards their common optimum.

        Where the penalty pulls along a direction in which the matrix is singular (as when two
        unknowns do the same), they move along that instead. Returns for which problems an unknown
        has met a kink on the way.
        """
        rates, bounds = self._kinks
        normals, w, start = self._normals[rows], self._w[rows], self._start[rows]
        signs = np.sign(w)
        free = ((w != 0) | (rates == 0)) & (np.abs(w) < bounds)
        gradient = self._first[rows] - np.einsum("bij,bj->bi", normals, w - start)
        normals = np.where(free[:, :, None] & free[:, None, :], normals, 0.0)
        pull = np.where(free, gradient - rates * signs, 0.0)
        step = np.where(free, smallest_solution(normals, pull), 0.0)
        left = pull - np.einsum("bij,bj->bi", normals, step)
        left = np.where(self._alive[rows], left, 0.0)
        largest = self._sizes(rows).max(axis=1, keepdims=True)
        # Along `left` the optimum is |left|² / bend steps away: very far, if the matrix is singular
        # but for rounding. A kink that is nearer ends the way. Without one `left` is not followed:
        # rounding would say how far.
        bend = np.einsum("bi,bij,bj->b", left, normals, left)
        _, until, _ = self._first_kink(rows, free, left)
        slides = np.any(np.abs(left) > _LEFT * largest, axis=1) & np.isfinite(until)
        with np.errstate(over="ignore", invalid="ignore"):
            slides &= until * bend <= np.einsum("bi,bi->b", left, left)
        step = np.where(slides[:, None], left, step)
        column, nearest, crosses = self._first_kink(rows, free, step)
        met = slides | (nearest < 1)
        share = np.where(met, nearest, 1.0)
        moved = w + share[:, None] * step
        hit = np.flatnonzero(met)
        at = column[hit]
        moved[hit, at] = np.where(crosses[hit], 0.0, np.copysign(bounds[at], step[hit, at]))
        self._w[rows] = moved
        self._gradients[rows] = self._first[rows] - np.einsum(
            "bij,bj->bi", self._normals[rows], moved - start
        )
        return np.asarray(met)

    def _first_kink(self, rows: Indices, free: Mask, step: Array) -> tuple[Indices, Array, Mask]:
        """The first kink on the way from w along step: of which unknown it is, after how many
        steps, and whether it is at 0 (or at a bound)."""
        rates, bounds = self._kinks
        w = self._w[rows]
        crosses = free & (rates > 0) & (np.sign(step) == -np.sign(w))
        leaves = free & (step != 0) & np.isfinite(bounds)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.where(crosses, -w / step, np.inf)
            at = np.where(leaves, (np.copysign(bounds, step) - w) / step, at)
        first, every = at.argmin(axis=1), np.arange(len(rows))
        return first, at[every, first], crosses[every, first]

    def _sizes(self, rows: Indices) -> Array:
        """The sizes of the terms of the gradients (rows, n): sums of absolute values."""
        away = np.abs(self._w[rows] - self._start[rows])
        size = np.einsum("bij,bj->bi", np.abs(self._normals[rows]), away)
        return np.asarray(size + np.abs(self._first[rows]) + self._kinks.rates)

    def _optimal(self, rows: Indices) -> Mask:
        """Which problems are at their optimum: no unknown at a kink is pulled off it, and nothing
        pulls at the others."""
        rates, bounds = self._kinks
        w, gradient, size = self._w[rows], self._gradients[rows], self._sizes(rows)
        # Directions in which the matrix counts as singular keep what gradient they have.
        left = RANK_TOLERANCE * self._diagonals[rows].sum(axis=1) * (1 + np.abs(w).max(axis=1))
        slack = _ROUNDING * size + left[:, None]
        at_zero = (w == 0) & (rates > 0)
        at_bound = np.abs(w) >= bounds
        stays = ~at_zero | (np.abs(gradient) <= rates + slack)
        stays &= ~at_bound | (np.sign(w) * gradient >= -slack)
        pull = np.abs(gradient - rates * np.sign(w))
        stays &= at_zero | at_bound | (pull <= _LEFT * size.max(axis=1, keepdims=True) + slack)
        # What nothing depends on is pulled by rounding alone.
        return np.asarray((stays | ~self._alive[rows]).all(axis=1))
