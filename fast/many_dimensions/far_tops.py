"""Where log p(x, z) is largest on a polyhedron, for x so far away that doubles do not tell.

An active-set method [Nocedal and Wright 2006, sec. 16.5]: on a face log p(x, z) is climbed by
Newton's method, its slope along the face in integers; at a facet in the way that facet joins those
held, and a facet that only holds back is let go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from fast.distributions.integers import plus, rounded, times
from fast.many_dimensions.exact_faces import ExactFaces
from fast.many_dimensions.exact_joint import Quadratic
from reference.model import Array, Dyadic, Mask, dyadic

# Steps on one face: each leaves ε of its length, and the first may be 1e150 too long.
_STEPS = 15
# Standard deviations from the top that need no further step.
_NEAR = 1e-6
# Pushes of facets against a pull: each leaves ε of the one before, and the first may be of 1e150.
_PUSHES = 15
# What rounding makes of a pull in doubles.
_ROUNDING = 64 * np.finfo(np.float64).eps
# Faces visited: a bound on what rounding could make of a cycle.
_FACES = 50


class Top(NamedTuple):
    """The top of log p(x, z) on a polyhedron, or a point of a smaller face that is nearly as high;
    and the gradient there."""

    place: Dyadic  # (S,)
    rise: Dyadic  # (S,)
    held: Mask  # (F,): the facets that it is on


@dataclass(frozen=True, eq=False)
class Climb:
    """The search on one polyhedron."""

    quadratic: Quadratic
    faces: ExactFaces
    root: Array  # (S, S): of the Gaussian's precision
    snap: float  # standard deviations by which a facet may hold back and still be held

    def top(self, start: Array, held: Mask) -> Top:
        """From a place in doubles on the facets held (F,)."""
        place = self.faces.put_one(dyadic(start), held)
        for _ in range(_FACES):
            place, met = self._climbed(place, held)
            if met is not None:
                held = held | (np.arange(len(held)) == met)
                place = self.faces.put_one(place, held)
                continue
            needed = self._needed(place, held)
            if np.array_equal(needed, held):
                break
            held = needed
        return Top(place, self.quadratic.rise(place), held)

    def _climbed(self, place: Dyadic, held: Mask) -> tuple[Dyadic, int | None]:
        """The top on the span of a face, or the place where a facet is met and which."""
        along = self.faces.along(held)
        if not len(along.numbers):
            return place, None
        root = np.linalg.qr(self.root @ rounded(along).T)[1]
        for _ in range(_STEPS):
            slope = rounded(times(along, self.quadratic.rise(place)))
            white = np.linalg.solve(root.T, slope)
            if np.linalg.norm(white) < _NEAR:
                break
            step = np.linalg.solve(root, white)
            moved = plus(place, times(dyadic(step), along))
            after = np.where(held, 0.0, self.faces.heights(moved))
            if np.any(after < 0):
                before = np.maximum(self.faces.heights(place), 0.0)
                shares = np.where(after < 0, before / np.where(after < 0, before - after, 1.0), 1.0)
                met = int(np.argmin(shares))
                return plus(place, times(dyadic(shares[met] * step), along)), met
            place = moved
        return place, None

    def _needed(self, place: Dyadic, held: Mask) -> Mask:
        """Which of the facets held keep log p(x, z) from rising by more than what counts."""
        mine = np.flatnonzero(held)
        if not len(mine):
            return held
        inverse = np.linalg.inv(self.root)
        functions = self.faces.functions
        normals = Dyadic(functions.numbers[mine, :-1], functions.exponent)
        rows = rounded(normals) @ inverse
        lengths = np.linalg.norm(rows, axis=1)
        rows = rows / lengths[:, None]
        left = self.quadratic.rise(place)
        size = float(np.linalg.norm(inverse.T @ rounded(left)))
        push, allowed = np.zeros(len(mine)), self.snap + min(_ROUNDING * size, 2 * _NEAR)
        # Pushes in doubles leave ε of the pull, which may be many standard deviations: what they
        # leave is taken in integers, and pushed against in turn.
        for _ in range(_PUSHES):
            if size <= allowed:
                break
            # A push may as well become smaller: it may be rounding of a larger one.
            columns = np.concatenate([np.eye(len(mine)), -np.diag(np.where(push > 0, 1.0, 0.0))])
            pull = inverse.T @ rounded(left)
            more, _ = nnls((columns @ rows).T, -pull / size)
            change = size * (more @ columns)
            push += change
            left = plus(left, times(dyadic(change / lengths), normals))
            before, size = size, float(np.linalg.norm(inverse.T @ rounded(left)))
            if size > before / 2:
                break
        if size <= allowed and np.all(push >= -allowed):
            return held
        needed = np.zeros_like(held)
        needed[mine[push > 0]] = True
        return needed
