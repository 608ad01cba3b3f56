"""Moments of truncated Gaussians, computed at rising precision until two precisions agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmath import mp, mpf

from oracle.exact.number_types import Real
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.line_integrals import Level

#: Digits asked for at the end, in units of the scale of every quantity.
AGREED = 25
#: Digits of the integrals, in the order in which they are tried: thin shapes need more.
LADDER = (30, 42, 58, 80, 112, 156, 220, 310, 430)


@dataclass(frozen=True)
class Moments:
    """A Gaussian truncated to a polyhedron.

    Parameters
    ----------
    log_mass
        The log of the Gaussian's mass on the polyhedron; -inf where that is empty.
    mean, cov
        Mean (S,) and covariance (S, S) of the truncated Gaussian; NaN where the polyhedron is
        empty.
    """

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
