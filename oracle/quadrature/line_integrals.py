"""Integrals along lines of functions that depend on the distance from the origin, to any precision.

By Green's theorem such integrals give the mass of a standard normal on polygons and polyhedra
(oracle.quadrature.polygon, oracle.quadrature.polyhedron). The integrands are even and fall like
exp(-t²/2), and have a pole at the line's distance beside it: panels are short beside the pole and
where the fall is steep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mpmath import mp, mpf

from oracle.exact.number_types import Real
from oracle.quadrature.interval import legendre_rule

# On a panel at most so long beside its distance from the pole, and on which the exponent falls by
# at most so much, n nodes leave 6^{-2n} and (FALL/4)^{2n} / (2n)!; and on one of length at most
# LONGEST the Gaussian leaves less than either.
_OPENING = mpf("0.75")
_FALL = 16
_LONGEST = 3


@dataclass(frozen=True)
class Level:
    """One precision: decimal digits of the integrals."""

    digits: int

    @property
    def working(self) -> int:
        """Digits to compute with."""
        return self.digits + 20

    @property
    def nodes(self) -> int:
        """Nodes a panel: 6^{-2n} < 10^-digits."""
        return int(0.66 * self.digits) + 3

    @property
    def fall(self) -> Real:
        """Where the exponent has fallen by so much, the rest is left out."""
        return mpf("2.303") * self.digits + 20


@cache
def _nodes(level: Level) -> tuple[tuple[Real, Real], ...]:
    """Nodes and weights on [0, 1]."""
    with mp.workdps(level.working):
        return tuple(legendre_rule(level.nodes))


def along_line(
    kernel: Callable[[Real], Real], low: Real, high: Real, beside: Real, limit: Real, level: Level
) -> Real:
    """∫ kernel(t²) dt over (low, high), ends possibly infinite, up to where t² = limit.

    beside: the square of the pole's distance from the line, positive unless the interval keeps away
    from t = 0. Accuracy: level.digits relative to the largest value of the integrand.
    """
    if low < 0 < high:
        return sum(_outwards(kernel, mpf(0), e, beside, limit, level) for e in (-low, high))
    near, far = sorted((abs(low), abs(high)))
    return _outwards(kernel, near, far, beside, limit, level)


def _outwards(
    kernel: Callable[[Real], Real], near: Real, far: Real, beside: Real, limit: Real, level: Level
) -> Real:
    """∫ kernel(t²) dt over (near, far), 0 <= near."""
    total = mpf(0)
    if near**2 >= limit:
        return total
    end = min(far, mp.sqrt(limit))
    while near < end:
        step = min(
            end - near,
            _OPENING * mp.sqrt(beside + near**2),
            mp.sqrt(near**2 + 2 * _FALL) - near,
            mpf(_LONGEST),
        )
        part = mpf(0)
        for node, weight in _nodes(level):
            part += weight * kernel((near + step * node) ** 2)
        total += part * step
        near += step
    return total
