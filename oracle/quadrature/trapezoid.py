"""∫ exp(quadratic) over a trapezoid low(z1) < z2 < high(z1), left < z1 < right, by quadrature.

All is measured from the point of the trapezoid where the integrand is largest, found in closed
form with mpmath; from there the exponent falls by T = 45 at most, so that doubles lose nothing. The
inner integral has a Gaussian of its own as integrand, by Gauss-Legendre from its largest point on
the interval; the outer one by Gauss-Legendre on panels that are short where an end of the inner one
passes that Gaussian's mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

from oracle.exact.number_types import Array, Real

Affine = tuple[Real, Real]  # constant and slope in z1
_FALL = 45.0


@dataclass(frozen=True)
class PlaneQuadratic:
    """c - (p11 z1² + 2 p12 z1 z2 + p22 z2²) / 2 + g1 z1 + g2 z2, positive definite."""

    c: Real
    g: tuple[Real, Real]
    p: tuple[Real, Real, Real]

    def at(self, z1: Real, z2: Real) -> Real:
        """Its value."""
        (p11, p12, p22), (g1, g2) = self.p, self.g
        return self.c + z1 * (g1 - p11 * z1 / 2 - p12 * z2) + z2 * (g2 - p22 * z2 / 2)

    def ridge(self) -> Affine:
        """z2 where it is largest, by z1."""
        return self.g[1] / self.p[2], -self.p[1] / self.p[2]

    def along(self, line: Affine) -> tuple[Real, Real, Real]:
        """Constant, linear and quadratic coefficient on z2 = line(z1)."""
        (a, b), (p11, p12, p22) = line, self.p
        return (
            self.c + a * (self.g[1] - p22 * a / 2),
            self.g[0] + b * self.g[1] - p12 * a - p22 * a * b,
            -(p11 + 2 * p12 * b + p22 * b * b) / 2,
        )

    def centred(self, z1: Real, z2: Real) -> PlaneQuadratic:
        """The same function of the differences from a point."""
        (p11, p12, p22), (g1, g2) = self.p, self.g
        gradient = g1 - p11 * z1 - p12 * z2, g2 - p12 * z1 - p22 * z2
        return PlaneQuadratic(self.at(z1, z2), gradient, self.p)


@dataclass(frozen=True)
class Trapezoid:
    """left, right: possibly infinite; low, high: z2 by z1, None at infinity."""

    left: Real
    right: Real
    low: Affine | None
    high: Affine | None


class Rule(NamedTuple):
    """Nodes a panel, inner and outer, and how long panels may be in units of what is resolved."""

    nodes: int
    length: float


class Part(NamedTuple):
    """log ∫ exp(quadratic), and under it the mean (2,) and covariance (3: 11, 12, 22) of z and the
    mean of the quadratic itself."""

    log_mass: Real
    mean: tuple[Real, Real]
    cov: tuple[Real, Real, Real]
    exponent: Real


#: A stretch of z1 on which the integrand's largest z2 is on the low end, inside, or on the high.
Stretch = tuple[str, Real, Real]


def stretches(exponent: PlaneQuadratic, area: Trapezoid) -> list[Stretch]:
    """Where along z1 the largest z2 is at which place."""
    ridge, crossings = exponent.ridge(), []
    for end in (area.low, area.high):
        if end is not None and ridge[1] != end[1]:
            z1 = (end[0] - ridge[0]) / (ridge[1] - end[1])
            if area.left < z1 < area.right:
                crossings.append(z1)
    marks = [area.left, *sorted(crossings), area.right]
    found = []
    for start, stop in pairwise(marks):
        z1 = _between(start, stop)
        z2 = ridge[0] + ridge[1] * z1
        label = "inside"
        if area.low is not None and z2 <= area.low[0] + area.low[1] * z1:
            label = "low"
        elif area.high is not None and z2 >= area.high[0] + area.high[1] * z1:
            label = "high"
        found.append((label, start, stop))
    return found


def _between(start: Real, stop: Real) -> Real:
    if mp.isinf(start):
        return mpf(0) if mp.isinf(stop) else stop - 1
    return start + 1 if mp.isinf(stop) else (start + stop) / 2


def _line(label: str, exponent: PlaneQuadratic, area: Trapezoid) -> Affine:
    """z2 of the largest value, on a stretch of this label."""
    line = {"low": area.low, "inside": exponent.ridge(), "high": area.high}[label]
    assert line is not None
    return line


def peak(exponent: PlaneQuadratic, area: Trapezoid) -> tuple[Real, Real]:
    """The point of the closed trapezoid where the exponent is largest."""
    best, place = -mp.inf, (mpf(0), mpf(0))
    for label, start, stop in stretches(exponent, area):
        line = _line(label, exponent, area)
        _, linear, square = exponent.along(line)
        z1 = min(max(-linear / (2 * square), start), stop)
        z2 = line[0] + line[1] * z1
        if (value := exponent.at(z1, z2)) > best:
            best, place = value, (z1, z2)
    return place


def trapezoid_integral(exponent: PlaneQuadratic, area: Trapezoid, rule: Rule) -> Part:
    """Mass, mean and covariance. Accuracy: about 1e-13 at a working precision of 50 digits, with
    which the shape is placed; the caller sets it, and compares two rules. Guarded by
    tests/oracle/test_oracle_two_dimensions.py."""
    place = peak(exponent, area)
    local, here = exponent.centred(*place), _moved(area, *place)
    sums = [mpf(0)] * 7
    for label, start, stop in stretches(local, here):
        line = _line(label, local, here)
        for anchor, low, high in _anchored(local.along(line), local.c, start, stop):
            height = line[0] + line[1] * anchor
            # From the anchor: near a crossing, differences from it are what decides.
            own, around = local.centred(anchor, height), _moved(here, anchor, height)
            found = _stretch(
                label, low - anchor, high - anchor, own, around, level=local.c, rule=rule
            )
            sums = [a + b for a, b in zip(sums, _from_peak(found, anchor, height), strict=True)]
    mass = sums[0]
    m1, m2, m11, m12, m22, fall = (v / mass for v in sums[1:])
    return Part(
        local.c + mp.log(mass),
        (place[0] + m1, place[1] + m2),
        (m11 - m1 * m1, m12 - m1 * m2, m22 - m2 * m2),
        local.c + fall,
    )


def _moved(area: Trapezoid, z1: Real, z2: Real) -> Trapezoid:
    """A trapezoid in coordinates that are 0 at a point."""

    def moved(line: Affine | None) -> Affine | None:
        return None if line is None else (line[0] + line[1] * z1 - z2, line[1])

    return Trapezoid(area.left - z1, area.right - z1, moved(area.low), moved(area.high))


def _from_peak(sums: Array, s: Real, t: Real) -> list[Real]:
    """Sums of moments about (s, t) as sums of moments about the peak."""
    m, m1, m2, m11, m12, m22, value = (mpf(float(v)) for v in sums)
    return [
        m,
        m1 + s * m,
        m2 + t * m,
        m11 + 2 * s * m1 + s * s * m,
        m12 + s * m2 + t * m1 + s * t * m,
        m22 + 2 * t * m2 + t * t * m,
        value,
    ]


def _anchored(
    top: tuple[Real, Real, Real], level: Real, start: Real, stop: Real
) -> list[tuple[Real, Real, Real]]:
    """(anchor, low, high): a stretch cut so that every part has the summit, or an end of the
    stretch that matters, as the point to measure from."""
    constant, linear, square = top
    summit = min(max(-linear / (2 * square), start), stop)
    found = []
    for end in (start, stop):
        if end == summit:
            continue
        cut = end
        if not mp.isinf(end) and constant + end * (linear + end * square) > level - 2 * _FALL:
            cut = (summit + end) / 2
            found.append((end, min(cut, end), max(cut, end)))
        found.append((summit, min(summit, cut), max(summit, cut)))
    return found


def _stretch(
    label: str,
    start: Real,
    stop: Real,
    local: PlaneQuadratic,
    here: Trapezoid,
    *,
    level: Real,
    rule: Rule,
) -> Array:
    """∫ (1, s, t, s², s t, t², exponent - level) exp(exponent - level) over one stretch."""
    line, root, ridge = _line(label, local, here), mp.sqrt(local.p[2]), local.ridge()
    constant, linear, square = local.along(line)
    top = [float(constant - level), float(linear), float(square)]
    ends = [
        None
        if end is None
        else tuple(float((e - r) * root) for e, r in zip(end, ridge, strict=True))
        for end in (here.low, here.high)
    ]
    width = None
    if here.low is not None and here.high is not None:
        width = tuple(float((h - w) * root) for h, w in zip(here.high, here.low, strict=True))
    profile = _Profile(label, top, ends[0], ends[1], width)
    low, high = _reach(top, float(start), float(stop), float(1 / mp.sqrt(local.p[0])))
    total = np.zeros(7)
    if not low < high:
        return total
    nodes, weights = np.polynomial.legendre.leggauss(rule.nodes)
    for a, b in profile.panels(low, high, rule.length):
        s = a + (b - a) * (nodes + 1) / 2
        crest = top[0] + s * (top[1] + s * top[2])
        height = np.exp(crest) * weights * (b - a) / 2
        inner = profile.inner(s, rule.nodes)
        base = float(line[0]) + float(line[1]) * s
        step = 1 / float(root)
        m0, m1, m2 = inner[0], inner[1] * step, inner[2] * step**2
        first, second = base * m0 + m1, base * base * m0 + 2 * base * m1 + m2
        value = crest * m0 - profile.distance(s) * np.abs(inner[1]) - inner[2] / 2
        parts = [m0, s * m0, first, s * s * m0, s * first, second, value]
        total += np.array([float(np.sum(height * p)) for p in parts]) * step
    return total


def _reach(top: list[float], start: float, stop: float, scale: float) -> tuple[float, float]:
    """The part of a stretch on which a concave exponent is above -T."""

    def above(s: float) -> bool:
        return top[0] + s * (top[1] + s * top[2]) > -_FALL

    summit = min(max(-top[1] / (2 * top[2]), start), stop)
    if not above(summit):
        return 0.0, 0.0
    ends = []
    for limit in (start, stop):
        step = scale if limit > summit else -scale
        inside, outside = summit, summit + step
        while (outside - limit) * step < 0 and above(outside):
            inside, step = outside, 2 * step
            outside = summit + step
        if (outside - limit) * step >= 0:
            outside = limit
            if above(outside) or outside == summit:
                ends.append(outside)
                continue
        for _ in range(40):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if above(middle) else (inside, middle)
        ends.append(outside)
    return ends[0], ends[1]


class _Profile:
    """The inner integrals by s: where the ends lie in units of the inner Gaussian about its mean.

    low, high: constant and slope, None at infinity; width: of their difference.
    """

    def __init__(
        self,
        label: str,
        top: list[float],
        low: tuple[float, ...] | None,
        high: tuple[float, ...] | None,
        width: tuple[float, ...] | None,
    ) -> None:
        self._label, self._top = label, top
        self._low, self._high, self._width = low, high, width

    def panels(self, low: float, high: float, length: float) -> list[tuple[float, float]]:
        """Halves of halves, until each is short enough for every scale of the integrand."""
        if high - low <= self._resolved(low, high) * length or not low < (low + high) / 2 < high:
            return [(low, high)]
        middle = (low + high) / 2
        return self.panels(low, middle, length) + self.panels(middle, high, length)

    def _resolved(self, low: float, high: float) -> float:
        """A length over which the integrand on (low, high) changes by no more than a rule takes."""
        square = -self._top[2]
        slope = max(abs(self._top[1] - 2 * square * s) for s in (low, high))
        allowed = min(8.0 / slope if slope else np.inf, 1.0 / np.sqrt(square))
        for end in (self._low, self._high):
            if end is not None and end[1]:
                crossing = -end[0] / end[1]
                away = max(low - crossing, crossing - high, 0.0)
                allowed = min(allowed, max(1.0 / abs(end[1]), 0.5 * away))
        if self._width is not None:
            falls = [self._fall(s) for s in (low, high)]
            change = abs(falls[1] - falls[0])
            if min(falls) < _FALL and change > 8.0:
                allowed = min(allowed, 8.0 * (high - low) / change)
        return float(allowed)

    def _fall(self, s: float) -> float:
        """How much the exponent falls from the nearer end of the inner interval to the farther."""
        assert self._width is not None
        width = max(self._width[0] + self._width[1] * s, 0.0)
        near = self.distance(np.array([s]))[0]
        return float(width * (near + width / 2))

    def distance(self, s: Array) -> Array:
        """The distance of the inner interval from the inner Gaussian's mean."""
        end, sign = {"low": (self._low, 1), "high": (self._high, -1), "inside": (None, 0)}[
            self._label
        ]
        return np.zeros_like(s) if end is None else np.maximum(sign * (end[0] + end[1] * s), 0.0)

    def inner(self, s: Array, nodes: int) -> Array:
        """∫ (1, y, y²) exp(-d |y| - y²/2) dy, y from the largest point of the inner interval."""
        if self._label == "inside":
            above = _half(np.zeros_like(s), _room(self._high, s, 1), nodes)
            below = _half(np.zeros_like(s), _room(self._low, s, -1), nodes)
            return np.asarray(above + below * np.array([[1.0], [-1.0], [1.0]]))
        room = np.full_like(s, np.inf)
        if self._width is not None:
            room = np.maximum(self._width[0] + self._width[1] * s, 0.0)
        sign = np.array([[1.0], [1.0 if self._label == "low" else -1.0], [1.0]])
        return np.asarray(_half(self.distance(s), room, nodes) * sign)


def _room(end: tuple[float, ...] | None, s: Array, sign: int) -> Array:
    """From the inner Gaussian's mean to an end of the interval."""
    return np.full_like(s, np.inf) if end is None else np.maximum(sign * (end[0] + end[1] * s), 0.0)


def _half(distance: Array, room: Array, nodes: int) -> Array:
    """∫_0^room (1, y, y²) exp(-distance y - y²/2) dy, (3, n), on two panels."""
    reach = 2 * _FALL / (distance + np.sqrt(distance**2 + 2 * _FALL))
    reach = np.minimum(reach, room)
    unit, weights = np.polynomial.legendre.leggauss(nodes)
    halves = np.concatenate([(unit + 1) / 4, (unit + 3) / 4])
    y = halves[:, None] * reach
    value = np.exp(-y * (distance + y / 2)) * np.tile(weights, 2)[:, None] * reach / 4
    return np.array([value.sum(axis=0), (value * y).sum(axis=0), (value * y * y).sum(axis=0)])
