"""Mass and first two moments of a Gaussian on an interval [eq. 7, Lemma 4, Appendix B], S = 1.

In one dimension a polyhedron is an interval. Differences of log-CDFs would lose up to 3e-6 on
narrow intervals, and all digits in the tail. So the integrals are computed by quadrature of the
integrand relative to its largest value on the interval: nothing is subtracted, at any distance.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from reference.model.arrays import Array

LOG_2PI = float(np.log(2 * np.pi))
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANELS = 4
# The integrand is integrated down to exp(-41) of its peak. The rest is below 2e-18.
_FALL = 41.0
# Squares of more than this overflow.
_FARTHEST = 1e150


class TruncatedNormal(NamedTuple):
    """N(0, 1) restricted to an interval.

    Attributes
    ----------
    nearest : float
        t0, the point of the interval nearest 0.
    log_ratio : float
        The log of its mass over φ(t0).
    shift : float
        Its mean minus t0.
    variance : float
        Its variance.
    """

    nearest: float
    log_ratio: float
    shift: float
    variance: float


def truncated_normal(lower: float, upper: float, width: float) -> TruncatedNormal:
    """Mass, mean and variance of N(0, 1) on (lower, upper) [Appendix B].

    width is upper - lower: the caller knows it without cancellation. With t0 the point nearest 0,
    φ(t) = φ(t0) exp(-|t0| s - s²/2) at distance s from t0, away from 0. An interval that holds 0
    has such a piece on either side. Accuracy 1e-14; guarded by tests/integration/test_gaussian.py.
    """
    nearest = min(max(0.0, lower), upper)
    if lower < 0 < upper:
        near = min(-lower, upper)
        far = width - near if near < np.inf else np.inf
        below, above = (near, far) if -lower <= upper else (far, near)
        pieces = [(-1.0, below), (1.0, above)]
    else:
        pieces = [(1.0 if lower >= 0 else -1.0, width)]
    # In units of the longer piece: the squares of very small lengths underflow.
    unit = max(_reach(abs(nearest), length) for _, length in pieces)
    mass = first = second = 0.0
    for sign, length in pieces:
        m0, m1, m2 = _one_sided_integrals(abs(nearest), length, unit)
        mass, first, second = mass + m0, first + sign * m1, second + m2
    shift = first / mass
    variance = unit**2 * (second / mass - shift**2)
    return TruncatedNormal(nearest, float(np.log(mass * unit)), unit * shift, variance)


def _reach(distance: float, length: float) -> float:
    """How far into the piece exp(-distance s - s²/2) stays above exp(-41)."""
    return float(min(length, 2 * _FALL / (distance + np.sqrt(distance**2 + 2 * _FALL))))


def _one_sided_integrals(distance: float, length: float, unit: float) -> tuple[float, float, float]:
    """∫_0^length (s/unit)^k exp(-distance s - s²/2) ds / unit for k = 0, 1, 2."""
    panel = _reach(distance, length) / _PANELS
    totals = np.zeros(3)
    for i in range(_PANELS):
        s = panel * (i + 0.5 * (_NODES + 1))
        density = 0.5 * (panel / unit) * _WEIGHTS * np.exp(-distance * s - 0.5 * s**2)
        totals += [density.sum(), (density * (s / unit)).sum(), (density * (s / unit) ** 2).sum()]
    return float(totals[0]), float(totals[1]), float(totals[2])


def interval(normals: Array, offsets: Array) -> tuple[float, float]:
    """The interval {z : normals z + offsets > 0}, S = 1; lower >= upper where it is empty."""
    lower, upper = -np.inf, np.inf
    with np.errstate(over="ignore"):  # an end beyond the largest double is at infinity
        for normal, offset in zip(normals[:, 0], offsets, strict=True):
            if normal > 0:
                lower = max(lower, -offset / normal)
            elif normal < 0:
                upper = min(upper, -offset / normal)
            elif offset <= 0:
                return np.inf, -np.inf
    return float(lower), float(upper)


def exact_width(normals: Array, offsets: Array) -> float:
    """How wide the interval {z : normals z + offsets > 0} is, in rational numbers, rounded once.

    S = 1. The difference of the ends as doubles would be lost to their rounding where it is small.
    """
    ends = [
        (Fraction(normal) > 0, -Fraction(offset) / Fraction(normal))
        for normal, offset in zip(normals[:, 0].tolist(), offsets.tolist(), strict=True)
        if normal != 0
    ]
    rising, falling = ([end for up, end in ends if up is side] for side in (True, False))
    if not (rising and falling):
        return np.inf
    return float(min(min(falling) - max(rising), Fraction(np.finfo(np.float64).max)))


class TruncatedGaussian(NamedTuple):
    """N(mean, cov) restricted to a polyhedron.

    Attributes
    ----------
    nearest : ndarray, shape (S,)
        z°, the point of the polyhedron where the density is largest.
    log_ratio : float
        The log of its mass over φ(z°).
    mean : ndarray, shape (S,)
        The mean of the truncated Gaussian.
    cov : ndarray, shape (S, S)
        Its covariance.
    entropy : float
        Its differential entropy, nats.
    """

    nearest: Array
    log_ratio: float
    mean: Array
    cov: Array
    entropy: float


def truncated_gaussian(
    lower: float, upper: float, width: float, mean: Array, cov: Array
) -> TruncatedGaussian:
    """N(mean (S,), cov (S, S)) on the interval (lower, upper) of this width > 0 [Appendix B].

    The width says what ends that are rounded do not. Raises ArithmeticError where squared distances
    of the ends from 0 are not finite in double precision.
    """
    scale = float(np.sqrt(cov[0, 0]))
    beyond = lower == np.inf or upper == -np.inf
    if beyond or any(_FARTHEST * min(1.0, scale) < abs(end) < np.inf for end in (lower, upper)):
        raise ArithmeticError(
            "a region ends too far away for its squared distance from 0 to be a double"
        )
    return gaussian_between(lower, upper, width, mean, cov)


def gaussian_between(
    lower: float, upper: float, width: float, mean: Array, cov: Array
) -> TruncatedGaussian:
    """N(mean (S,), cov (S, S)) on the interval (lower, upper) of this width > 0, S = 1.

    All is relative to the largest density on the interval, so that nothing large is ever
    subtracted.
    """
    scale = float(np.sqrt(cov[0, 0]))
    t = truncated_normal((lower - mean[0]) / scale, (upper - mean[0]) / scale, width / scale)
    # The end itself where that is nearest: its distance from the mean would round.
    nearest = np.clip(mean, lower, upper)
    entropy = t.log_ratio + np.log(scale) + abs(t.nearest * t.shift)
    entropy += 0.5 * (t.shift**2 + t.variance)
    return TruncatedGaussian(
        nearest,
        t.log_ratio + float(np.log(scale)),
        nearest + scale * t.shift,
        np.array([[scale**2 * t.variance]]),
        float(entropy),
    )


def log_normal(z: Array, mean: Array, cov: Array) -> float:
    """log φ(z; mean, cov), nats."""
    away = z - mean
    quadratic = away @ np.linalg.solve(cov, away)
    return float(-0.5 * (len(z) * LOG_2PI + np.linalg.slogdet(cov)[1] + quadratic))
