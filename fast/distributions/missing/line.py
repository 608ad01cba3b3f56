"""A density on a line as a CDF: panels on which it is analytic, and their Legendre series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from reference.model import Array

# Points of Gauss and Legendre on a panel two deviations of the noise wide: a Gaussian of that
# deviation is known from them to 1e-15.
_NODES = 20
# How far out to integrate at first, in deviations, and how often twice as far, until no more is
# missing of the mass of 1.
_REACH = 9.0
_DOUBLINGS = 3
_LEFT = 1e-13
# Panels at most.
_MOST_PANELS = 100_000
# Halvings of a panel in which a quantile is looked for.
_HALVINGS = 60


@dataclass(frozen=True)
class Line:
    """P(x <= t) on panels: their edges (K + 1,), the mass before each of these, and on each panel
    the Legendre series (n, K) of the mass from its left edge on."""

    edges: Array
    before: Array
    series: Array

    @staticmethod
    def of(
        density: Callable[[Array], Array], centre: float, deviation: float, noise: float
    ) -> Line:
        """From a density, (n,) -> (n,), with this mean and deviation, that is a mixture of
        Gaussians with the deviation of the noise.

        Raises ArithmeticError where the noise is too small beside the deviation.
        """
        points, weights = legendre.leggauss(_NODES)
        degrees = np.arange(_NODES)
        fit = (degrees[:, None] + 0.5) * legendre.legvander(points, _NODES - 1).T * weights
        for reach in (_REACH * 2.0**k for k in range(_DOUBLINGS + 1)):
            count = int(np.ceil(min(reach * deviation / noise, 2.0 * _MOST_PANELS)))
            if count > _MOST_PANELS:
                raise ArithmeticError(
                    "X: the noise of an entry is too small beside its spread for an integral; take "
                    "quantiles of draws, `Conditional.rvs`"
                )
            edges = np.linspace(centre - reach * deviation, centre + reach * deviation, count + 1)
            half = 0.5 * np.diff(edges)
            places = 0.5 * (edges[:-1] + edges[1:])[:, None] + half[:, None] * points
            values = density(places.ravel()).reshape(places.shape)
            before = np.append(0.0, np.cumsum(half * (values @ weights)))
            if abs(1.0 - before[-1]) <= _LEFT:
                break
        series = legendre.legint(fit @ values.T, lbnd=-1.0, axis=0) * half
        return Line(edges, before, np.asarray(series))

    @property
    def error(self) -> float:
        """What the mass of all panels is off 1 by."""
        return float(abs(1.0 - self.before[-1]))

    def _within(self, panel: int, place: float) -> float:
        """The mass to the left of a place of a panel, from -1 to 1."""
        return float(self.before[panel] + legendre.legval(place, self.series[:, panel]))

    def cdf(self, value: float) -> float:
        """P(x <= value)."""
        if not self.edges[0] < value < self.edges[-1]:
            return float(value >= self.edges[-1])
        panel = int(np.searchsorted(self.edges, value, side="right")) - 1
        low, high = self.edges[panel], self.edges[panel + 1]
        found = self._within(panel, (2.0 * value - low - high) / (high - low))
        return min(max(found, 0.0), 1.0)

    def quantile(self, share: float) -> float:
        """The value below which a share lies."""
        last = len(self.series.T) - 1
        panel = min(max(int(np.searchsorted(self.before, share, side="right")) - 1, 0), last)
        low, high = -1.0, 1.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            below = self._within(panel, middle) < share
            low, high = (middle, high) if below else (low, middle)
        left, right = self.edges[panel], self.edges[panel + 1]
        return float(0.5 * (left + right) + 0.5 * low * (right - left))
