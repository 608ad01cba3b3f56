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

from oracle.quadrature.interval import OracleDisagreement, Real, legendre_rule

#: Digits asked for at the end, in units of the scale of every quantity.
AGREED = 25
#: Digits of the integrals, in the order in which they are tried: thin shapes need more.
LADDER = (30, 42, 58, 80, 112, 156, 220, 310, 430)

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


@dataclass(frozen=True)
class Moments:
    """The log mass of a Gaussian on a polyhedron, and mean (S,) and covariance (S, S) of the
    Gaussian truncated to it; -inf and NaN where the polyhedron is empty."""

    log_mass: Real
    mean: list[Real]
    cov: list[list[Real]]


def climbed(at: Callable[[Level], Moments]) -> Moments:
    """The moments of the first precision that agrees with the one before it.

    Log mass in units of max(1, |log mass|), mean and covariance in units of the truncated Gaussian
    in every direction. Raises OracleDisagreement if no two neighbours of the ladder agree.
    """
    before = None
    for digits in LADDER:
        level = Level(digits)
        with mp.workdps(level.working):
            now = at(level)
            if before is not None and _agree(before, now):
                return now
            before = now
    raise OracleDisagreement(f"no two precisions up to {LADDER[-1]} digits agree")


def _agree(one: Moments, other: Moments) -> bool:
    """Whether two results are the same to the digits asked for."""
    if mp.isinf(other.log_mass):
        return bool(mp.isinf(one.log_mass))
    smallest = mpf(10) ** -AGREED
    if not abs(one.log_mass - other.log_mass) <= smallest * max(mpf(1), abs(other.log_mass)):
        return False
    root = cholesky(other.cov)
    if root is None:
        return False
    shift = solved(root, [a - b for a, b in zip(one.mean, other.mean, strict=True)])
    change = [
        [a - b for a, b in zip(row, other_row, strict=True)]
        for row, other_row in zip(one.cov, other.cov, strict=True)
    ]
    half = [solved(root, row) for row in change]
    whole = [solved(root, list(column)) for column in zip(*half, strict=True)]
    return bool(max(abs(v) for v in [*shift, *(v for row in whole for v in row)]) <= smallest)


def cholesky(cov: list[list[Real]]) -> list[list[Real]] | None:
    """The lower Cholesky factor, rows of full length; None if not positive definite."""
    size = len(cov)
    root = [[mpf(0)] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            rest = cov[i][j] - sum(root[i][k] * root[j][k] for k in range(j))
            if i == j:
                if not rest > 0:
                    return None
                root[i][i] = mp.sqrt(rest)
            else:
                root[i][j] = rest / root[j][j]
    return root


def solved(root: list[list[Real]], vector: list[Real]) -> list[Real]:
    """L^-1 v by forward substitution."""
    result: list[Real] = []
    for i, row in enumerate(root):
        known = sum(r * y for r, y in zip(row, result, strict=False))
        result.append((vector[i] - known) / row[i])
    return result
