"""Gauss-Legendre integration of exp(quadratic) over an interval, at any precision.

The integrand is evaluated as it stands, exp(c0 + c1 t + c2 t²) with c2 < 0. It is split at its
largest point on the interval (its mode, or an end), followed on either side until it has fallen
below the working precision, and each side is cut into panels on which it falls by a bounded factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from mpmath import mp, mpf

from oracle.exact.number_types import Real


class OracleDisagreement(ArithmeticError):
    """Two working precisions gave different answers; the oracle does not vouch for either."""


@dataclass(frozen=True)
class Rule:
    """How to integrate: decimal digits, panels a side, nodes a panel.

    The fall over a panel is (2.3 digits + 10) / panels in the exponent at most, and n nodes leave
    about (fall/4)^{2n} / (2n)! of it: below 10^-digits for the rules here; the agreement of two
    rules checks that.
    """

    digits: int
    panels: int
    nodes: int

    @property
    def working(self) -> int:
        """Digits to compute with: a mean at 1e19, known to the width 1e-19 of the exponential that
        the tail of a Gaussian is there, uses up 38 before any integral begins."""
        return self.digits + 45

    def __post_init__(self) -> None:
        if self.digits < 18:
            raise ValueError(f"digits: expected at least 18, got {self.digits}: below, doubles win")


PRECISE = Rule(32, 8, 30)
FINER = Rule(42, 9, 38)
#: For differences of perturbed problems, where 16 digits beyond the perturbation are plenty.
ROUGH = Rule(20, 4, 18)


@cache
def _panel_nodes(rule: Rule) -> tuple[tuple[Real, Real, Real], ...]:
    """(u, u², weight) of the composite rule on [0, panels], u in units of one panel."""
    with mp.workdps(rule.working):
        unit = legendre_rule(rule.nodes)
        return tuple(
            (p + x, (p + x) ** 2, weight) for p in range(rule.panels) for x, weight in unit
        )


def legendre_rule(nodes: int) -> list[tuple[Real, Real]]:
    """Nodes and weights on [0, 1], by Newton's method on the Legendre polynomial."""
    result = []
    for guess in np.polynomial.legendre.leggauss(nodes)[0]:
        x = mpf(float(guess))
        for _ in range(5):  # doubles have 16 digits, and each step doubles them
            before, value = mpf(1), x
            for k in range(2, nodes + 1):
                before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
            derivative = nodes * (x * value - before) / (x * x - 1)
            x -= value / derivative
        result.append(((x + 1) / 2, 1 / ((1 - x * x) * derivative**2)))
    return result


@dataclass(frozen=True)
class Quadratic:
    """c0 + c1 t + c2 t², t = z - centre."""

    centre: Real
    c0: Real
    c1: Real
    c2: Real

    def at(self, z: Real) -> Real:
        """Its value at z."""
        t = z - self.centre
        return self.c0 + t * (self.c1 + t * self.c2)

    def expectation(self, mean: Real, variance: Real) -> Real:
        """Its mean under a distribution of z with this mean and variance."""
        return self.at(mean) + self.c2 * variance

    def peak(self, low: Real, high: Real) -> Real:
        """Where it is largest on [low, high], for c2 < 0."""
        return min(max(self.centre - self.c1 / (2 * self.c2), low), high)


@dataclass(frozen=True)
class Integral:
    """∫ exp(quadratic) over an interval: its log; mean and variance of z under the integrand,
    normalised; where the integrand is largest."""

    log_mass: Real
    mean: Real
    variance: Real
    peak: Real


def integrate(exponent: Quadratic, low: Real, high: Real, rule: Rule) -> Integral:
    """Integrate exp(exponent), c2 < 0, over (low, high); low may be -inf, high inf.

    Accuracy: about rule.digits - 8 digits; the caller compares two rules. Guarded by
    tests/oracle/test_oracle_one_dimension.py.
    """
    peak = exponent.peak(low, high)
    slope = exponent.c1 + 2 * exponent.c2 * (peak - exponent.centre)
    if low < peak < high:
        slope = mpf(0)
    fall = mpf("2.303") * rule.digits + 10
    reach = 2 * fall / (abs(slope) + mp.sqrt(slope**2 - 4 * exponent.c2 * fall))
    mass, first, second = mpf(0), mpf(0), mpf(0)
    for direction, room in ((1, high - peak), (-1, peak - low)):
        if room > 0:
            step = min(reach, room) / rule.panels
            linear, square = slope * direction * step, exponent.c2 * step**2
            sums = [mpf(0), mpf(0), mpf(0)]
            for u, u2, weight in _panel_nodes(rule):
                value = weight * mp.exp(linear * u + square * u2)
                sums[0] += value
                sums[1] += value * u
                sums[2] += value * u2
            mass += sums[0] * step
            first += sums[1] * step**2 * direction
            second += sums[2] * step**3
    mean = first / mass
    log_mass = exponent.at(peak) + mp.log(mass)
    return Integral(log_mass, peak + mean, second / mass - mean**2, peak)
