"""Laws of one number, from their densities by quadrature: what draws are compared with.

Nothing is shared with what is tested. Gauss-Legendre panels on which the density falls by a few
nats: measured against mpmath in tests/integration/test_draws_within.py, 1e-13.
"""

from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.special import log_ndtr, logsumexp

# exp(-60): what a law leaves out at an end that lies at infinity.
FALL = 60.0
# 16 nodes a panel leave 1e-15 where the density changes by a factor of exp(5) on it.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)


class Law:
    """The law with a density, given up to a constant, between the first and the last of `ends`.

    density: of arrays of any shape. ends: of panels on each of which it is smooth.
    """

    def __init__(self, density, ends):
        self.density, self.ends = density, np.unique(ends)
        masses = self._integral(self.ends[:-1], self.ends[1:])
        below = np.concatenate([[0.0], np.cumsum(masses)])
        self.total, self._below = below[-1], below / below[-1]

    def _integral(self, lower, upper, weight=None):
        """The integral of the density, times weight(t), from lower to upper, within panels."""
        half = 0.5 * (upper - lower)[..., None]
        t = lower[..., None] + half * (NODES + 1.0)
        values = self.density(t) if weight is None else self.density(t) * weight(t)
        return (half * WEIGHTS * values).sum(axis=-1)

    def share(self, points):
        """P(t <= point)."""
        points = np.clip(points, self.ends[0], self.ends[-1])
        panel = np.clip(np.searchsorted(self.ends, points, side="right") - 1, 0, len(self.ends) - 2)
        return self._below[panel] + self._integral(self.ends[panel], points) / self.total

    def quantiles(self, levels):
        """Points with P(t <= point) near the levels: Newton's steps within panels, and never out of
        them. What counts is the exact share of the points that are found."""
        levels = np.asarray(levels)
        panel = np.clip(np.searchsorted(self._below, levels) - 1, 0, len(self.ends) - 2)
        points = np.interp(levels, self._below, self.ends)
        for _ in range(3):
            slope = np.maximum(self.density(points) / self.total, 1e-300)
            points = points - (self.share(points) - levels) / slope
            points = np.clip(points, self.ends[panel], self.ends[panel + 1])
        return points

    def _central(self, power, centre):
        sums = self._integral(self.ends[:-1], self.ends[1:], lambda t: (t - centre) ** power)
        return sums.sum() / self.total

    @cached_property
    def moments(self):
        """Mean, and central moments of orders 2 and 4."""
        start = 0.5 * (self.ends[0] + self.ends[-1])
        mean = start + self._central(1, start)
        # Once more about itself: the first is lost to rounding where the ends are far.
        mean = mean + self._central(1, mean)
        return mean, self._central(2, mean), self._central(4, mean)


def reach(slope, curvature=1.0):
    """Where slope t + curvature t²/2 has grown to FALL."""
    return 2 * FALL / (slope + np.sqrt(slope * slope + 2 * FALL * curvature))


def interval(distance, below, above):
    """The density exp(-distance |s| - s²/2) on [-below, above]."""
    far = reach(distance)
    left, right = min(below, far), min(above, far)
    ends = np.concatenate([-np.linspace(0, left, 41), np.linspace(0, right, 41)])
    return Law(lambda s: np.exp(-distance * np.abs(s) - 0.5 * s * s), ends)


def normal(mean=0.0, deviation=1.0):
    """The Gaussian, as far as 10 deviations."""
    ends = mean + deviation * np.linspace(-10, 10, 41)
    return Law(lambda t: np.exp(-0.5 * ((t - mean) / deviation) ** 2), ends)


# Simplices


def simplex_mass(slopes, gram, finite, room=1.0, count=24):
    """∫ exp(-Σ α_i λ_i - ½ Σ Γ_ij λ_i λ_j) over λ >= 0 of which the finite ones sum to at most
    `room`, one λ inside the other. slopes (..., k), gram (k, k), finite (k,), room (...)."""
    if not gram.size:
        return np.ones(np.shape(slopes)[:-1])
    nodes, weights = np.polynomial.legendre.leggauss(count)
    # exp(-45) of the largest value: the statistical tests resolve 1e-5.
    far = 90.0 / (slopes[..., 0] + np.sqrt(slopes[..., 0] ** 2 + 90.0 * gram[0, 0]))
    far = np.minimum(far, room) if finite[0] else far
    t = 0.5 * far[..., None] * (nodes + 1.0)
    outer = np.exp(-(slopes[..., :1] + 0.5 * gram[0, 0] * t) * t)
    left = np.broadcast_to(np.asarray(room)[..., None], t.shape)
    inner = simplex_mass(
        slopes[..., None, 1:] + gram[0, 1:] * t[..., None],
        gram[1:, 1:],
        finite[1:],
        np.maximum(left - t, 0.0) if finite[0] else left,
        count,
    )
    return 0.5 * far * (weights * outer * inner).sum(axis=-1)


def simplex_marginal(slopes, gram, finite, i, count=24):
    """The law of λ_i on a simplex (see simplex_mass)."""
    slopes, gram, finite = np.asarray(slopes), np.asarray(gram), np.asarray(finite)
    others = np.delete(np.arange(len(slopes)), i)

    def density(t):
        inner = simplex_mass(
            slopes[others] + gram[i, others] * t[..., None],
            gram[np.ix_(others, others)],
            finite[others],
            np.maximum(1.0 - t, 0.0) if finite[i] else np.ones_like(t),
            count,
        )
        return np.exp(-(slopes[i] + 0.5 * gram[i, i] * t) * t) * inner

    far = reach(slopes[i], gram[i, i])
    return Law(density, np.linspace(0, min(far, 1.0) if finite[i] else far, 17))


def simplex_product(slopes, gram, finite, i, j, count=24):
    """Mean and variance of λ_i λ_j: log Z falls by them as Γ_ij grows. Differences of fourth
    order."""
    slopes, gram, finite = np.asarray(slopes), np.asarray(gram, float), np.asarray(finite)
    # One over the lengths that the two λ have.
    sizes = np.maximum(np.sqrt(np.diag(gram)), np.where(finite, 1.0, 0.0))
    step = 0.02 * sizes[i] * sizes[j]
    values = []
    for m in (-2, -1, 0, 1, 2):
        moved = gram.copy()
        moved[i, j] += m * step
        moved[j, i] = moved[i, j]
        values.append(np.log(simplex_mass(slopes, moved, finite, count=count)))
    first = np.array([1, -8, 0, 8, -1]) / (12 * step)
    second = np.array([-1, 16, -30, 16, -1]) / (12 * step**2)
    return -(first @ values), second @ values


# Gaussians on polyhedra


def polyhedron_marginal(normals, offsets, direction):
    """The law of direction · w for w ~ N(0, I) on {w : normals w + offsets > 0}, S = 2 or 3.

    direction (S,), of length 1, for S = 3 at right angles to no edge. Panels end at the vertices,
    where the density has its kinks. For S = 3 the second coordinate is summed over steps of 1/20,
    which leaves 1e-5.
    """
    normals, offsets = np.asarray(normals, float), np.asarray(offsets, float)
    basis = np.linalg.svd(np.atleast_2d(direction))[2]
    basis[0] = direction
    if len(basis) == 3:
        # Turned, so that no wall is parallel to the innermost coordinate: it would make a jump.
        basis[1:] = np.array([[0.8, 0.6], [-0.6, 0.8]]) @ basis[1:]
    turned, size = normals @ basis.T, len(basis)
    kinks = [vertex[0] for vertex in vertices(turned, offsets)]
    across = np.abs(turned[:, 0]) > (1 - 1e-12) * np.linalg.norm(turned, axis=1)
    kinks = np.concatenate([kinks, -offsets[across] / turned[across, 0]])
    wide, steps = (12, 49) if size == 3 else (50, 501)
    rough = np.union1d(np.linspace(-wide, wide, steps), kinks)
    rough = np.sort(np.concatenate([rough, 0.5 * (rough[1:] + rough[:-1])]))
    logs = log_slice(turned, offsets, rough)
    kept = np.flatnonzero(logs > logs.max() - FALL)
    ends = rough[[max(kept[0] - 1, 0), min(kept[-1] + 1, len(rough) - 1)]]
    # Nothing lies beyond an outermost vertex that ends the polyhedron.
    inner = kinks[(kinks >= ends[0]) & (kinks <= ends[1])]
    for side in (0, 1):
        beyond = inner[np.argmax(inner) if side else np.argmin(inner)] if inner.size else ends[side]
        if np.isneginf(log_slice(turned, offsets, np.array([0.5 * (beyond + ends[side])]))[0]):
            ends[side] = beyond
    panels = np.unique(np.concatenate([np.linspace(*ends, 17 if size == 3 else 101), inner]))
    return Law(lambda t: np.exp(log_slice(turned, offsets, t) - logs.max()), panels)


def vertices(normals, offsets, anywhere=False):
    """Where as many walls as there are dimensions meet; if not `anywhere`, only where the other
    half-spaces hold."""
    found = []
    for chosen in map(list, combinations(range(len(normals)), normals.shape[1])):
        if abs(np.linalg.det(normals[chosen])) > 1e-12:
            point = np.linalg.solve(normals[chosen], -offsets[chosen])
            if anywhere or np.all(np.delete(normals @ point + offsets, chosen) > -1e-12):
                found.append(point)
    return found


def log_slice(normals, offsets, t):
    """log of the density, up to a constant, of w_1 = t for w ~ N(0, I) on a polyhedron."""
    rest = offsets + np.multiply.outer(t, normals[:, 0])
    return -0.5 * t * t + _log_mass(normals[:, 1:], rest)


def _log_mass(normals, offsets):
    """log P(normals w + offsets > 0) for w ~ N(0, I), offsets (..., F), S = 1 or 2; -inf where
    there is no such w."""
    if normals.shape[1] == 2:
        y, step = np.linspace(-12, 12, 481, retstep=True)
        rest = offsets[..., None, :] + np.multiply.outer(y, normals[:, 0])
        logs = -0.5 * y * y + _log_mass(normals[:, 1:], rest)
        return logsumexp(logs, axis=-1) + np.log(step) - 0.5 * np.log(2 * np.pi)
    slopes = normals[:, 0]
    flat = np.abs(slopes) < 1e-14
    bounds = -offsets / np.where(flat, 1.0, slopes)
    low = np.where(slopes > 0, bounds, -np.inf)[..., ~flat].max(axis=-1, initial=-np.inf)
    high = np.where(slopes < 0, bounds, np.inf)[..., ~flat].min(axis=-1, initial=np.inf)
    empty = (low >= high) | np.any(offsets[..., flat] <= 0, axis=-1)
    # In the tail that is the smaller: Φ(-low) - Φ(-high) where the interval lies above 0.
    turn = low > 0
    low, high = np.where(turn, -high, low), np.where(turn, -low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        top = log_ndtr(high)
        logs = top + np.log(-np.expm1(np.minimum(log_ndtr(low) - top, 0.0)))
    return np.where(empty, -np.inf, logs)
