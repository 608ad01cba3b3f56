"""p(x) and posterior moments for two latent dimensions from forward passes alone.

Neither regions nor slopes are known here: g is a function that takes points and gives images. The
plane is laid out in squares, coarse ones first, and those in which anything may be are quartered
until the sum over their middles stands still. Where g bends, the error of such a sum falls with the
square of the side, and bends in all directions cancel in part: six digits, for networks of any
size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from oracle.exact.number_types import Array

#: Squares begin with this side, in standard deviations of the prior, and reach as far as this.
SIDE, REACH = 1 / 16, 8.0
#: What is lower than the highest by more is nothing: e^-T on an area that is wider by T at most.
_FALL = 32.0
# A square may rise above its middle by so many times what its quarters differ by.
_RISE = 4.0
_MOST_SQUARES, _BATCH = 1 << 24, 1 << 16

#: Images (n, D) of points (n, 2).
Forward = Callable[[Array], Array]


class Plane(NamedTuple):
    """log p(x), the posterior's mean (2,) and covariance (2, 2); and by how much the last
    quartering changed log p(x), and the moments in standard deviations."""

    log_p: float
    mean: Array
    cov: Array
    change: float


class NotSettled(ArithmeticError):
    """The sums still change when there are too many squares."""


def on_the_plane(
    forward: Forward, variances: Array, cov_z: Array, x: Array, settled: float = 1e-7
) -> Plane:
    """p(x) and the posterior of one datum x (D,), with the noise's variances, () or (D,).

    settled: the change at which quartering ends. Raises NotSettled.
    """
    root = root_of(cov_z)
    deviations = np.broadcast_to(np.sqrt(variances), x.shape)
    constant = -0.5 * (len(x) + 2) * np.log(2 * np.pi) - float(np.sum(np.log(deviations)))

    def log_joint(places: Array) -> Array:
        parts = []
        for start in range(0, len(places), _BATCH):
            own = places[start : start + _BATCH]
            away = (x - forward(own @ root.T)) / deviations
            parts.append(-0.5 * (np.sum(away**2, axis=1) + np.sum(own**2, axis=1)))
        return np.asarray(constant + np.concatenate(parts))

    side = SIDE
    along = np.arange(-REACH + side / 2, REACH, side)
    places = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    # Of the first squares nothing is known: all are quartered.
    values, rise = log_joint(places), np.full(len(places), np.inf)
    last: Plane | None = None
    while len(places) <= _MOST_SQUARES:
        found = _sums(places, values, side, root)
        if last is not None:
            found = found._replace(change=_change(found, last))
            if found.change < settled and last.change < 10 * settled:
                return found
        last = found
        places, values, rise, side = _quartered(places, values, rise, side, log_joint)
    raise NotSettled(f"{len(places)} squares of side {side:.2g}")


def root_of(cov: Array) -> Array:
    """The lower triangle whose square a covariance (2, 2) is."""
    first = np.sqrt(cov[0, 0])
    beside = cov[1, 0] / first
    return np.array([[first, 0.0], [beside, np.sqrt(cov[1, 1] - beside**2)]])


def _quartered(
    places: Array, values: Array, rise: Array, side: float, log_joint: Callable[[Array], Array]
) -> tuple[Array, Array, Array, float]:
    """The quarters of squares in which anything may be."""
    kept = values + _RISE * rise > values.max() - _FALL
    steps = 0.25 * side * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    quarters = (places[kept, None] + steps).reshape(-1, 2)
    own = log_joint(quarters)
    by_square = own.reshape(-1, 4)
    differ = by_square.max(axis=1) - by_square.min(axis=1)
    return quarters, own, np.repeat(differ, 4), side / 2


def _sums(places: Array, values: Array, side: float, root: Array) -> Plane:
    top = float(values.max())
    weights = np.exp(values - top)
    total = float(weights.sum())
    mean = weights @ places / total
    away = places - mean
    cov = (weights[:, None] * away).T @ away / total
    log_p = top + np.log(total) + 2 * np.log(side)
    return Plane(float(log_p), root @ mean, root @ cov @ root.T, np.inf)


def _change(found: Plane, last: Plane) -> float:
    deviation = np.sqrt(np.diag(found.cov))
    return max(
        abs(found.log_p - last.log_p),
        float(np.max(np.abs(found.mean - last.mean) / deviation)),
        float(np.max(np.abs(found.cov - last.cov) / np.outer(deviation, deviation))),
    )
