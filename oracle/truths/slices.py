"""A model with three latent dimensions in slices, and by Monte Carlo: second opinions.

On a plane z1 = const the network has two latent dimensions, and oracle.truths.nested_plane
integrates it. The slices are summed by Gauss-Legendre between the heights of the regions' corners,
where alone they are not smooth; panels are halved until two orders agree. In doubles: the biases of
a slice are rounded. Slow: half a minute a point. Monte Carlo draws from a mixture of the prior and
of Gaussians about draws that explain x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array, Real
from oracle.exact.regions import exact_regions
from oracle.models.architectures import forward
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.moments import cholesky
from oracle.truths.nested_plane import FINE, TwoDimensions

_ORDERS = (8, 11)
_DEVIATIONS = 9.0
_DEEPEST = 12


class Slices(NamedTuple):
    """log p(x) and the posterior mean (3,)."""

    log_evidence: float
    mean: Array


class Estimate(NamedTuple):
    """log p(x) by Monte Carlo, and the relative standard error of p(x)."""

    log_evidence: float
    error: float


@dataclass(frozen=True)
class _Sums:
    """∫ p(x, z) and ∫ z p(x, z) over part of z1, less a common factor."""

    values: Array

    def near(self, other: _Sums, scale: float, agreed: float) -> bool:
        """Whether two estimates agree, in units of the whole."""
        return bool(np.max(np.abs(self.values - other.values)) <= agreed * scale)


class ThreeDimensions:
    """The oracle of one model with S = 3, in slices.

    layers as in oracle.exact.layers; cov_x (), (D,) or (D, D); cov_z (3, 3). Guarded by
    tests/oracle/test_oracle_three_dimensions.py.
    """

    def __init__(self, layers: tuple[LayerSpec, ...], cov_x: Array | float, cov_z: Array) -> None:
        self._layers, self._cov_x = layers, cov_x
        prior = np.asarray(cov_z, dtype=float)
        self._variance = float(prior[0, 0])
        self._slope = prior[1:, 0] / self._variance
        rest = prior[1:, 1:] - np.outer(self._slope, prior[0, 1:])
        self._cov_rest = 0.5 * (rest + rest.T)
        limit = _DEVIATIONS * np.sqrt(self._variance)
        corners = {
            float(ray.vector[0] / ray.vector[-1])
            for region in exact_regions(layers)
            for ray in region.cone.rays
            if ray.vector[-1] and not region.cone.lines
        }
        inner = sorted(c for c in corners if abs(c) < limit)
        steps = np.linspace(-limit, limit, 7)
        self._marks = sorted({*inner, *map(float, steps)})

    def at_point(self, x: Array, agreed: float = 1e-9) -> Slices:
        """log p(x) and the posterior mean, to `agreed` of p(x) and of the largest |z| it weighs.

        Raises OracleDisagreement if two orders do not agree on however short panels.
        """
        level = max(self._slice(x, z1)[0] for z1 in self._marks)
        coarse = [self._panel(x, a, b, _ORDERS[0], level) for a, b in self._panels()]
        scale = float(sum(s.values[0] for s in coarse))
        total = np.zeros(4)
        for (a, b), rough in zip(self._panels(), coarse, strict=True):
            total += self._refined(
                x, a, b, rough, level=level, scale=scale, agreed=agreed, depth=_DEEPEST
            )
        return Slices(float(level + mp.log(total[0])), total[1:] / total[0])

    def _panels(self) -> list[tuple[float, float]]:
        return list(zip(self._marks[:-1], self._marks[1:], strict=True))

    def _refined(
        self,
        x: Array,
        a: float,
        b: float,
        rough: _Sums,
        *,
        level: Real,
        scale: float,
        agreed: float,
        depth: int,
    ) -> Array:
        """The integral over a panel, halved until two orders agree."""
        fine = self._panel(x, a, b, _ORDERS[1], level)
        scale = max(scale, float(fine.values[0]))
        if fine.near(rough, scale, agreed / 20):
            return fine.values
        if depth == 0:
            raise OracleDisagreement(f"slices between {a:.17g} and {b:.17g}: two orders disagree")
        middle = (a + b) / 2
        halves = [(a, middle), (middle, b)]
        found = np.zeros(4)
        for start, stop in halves:
            again = self._panel(x, start, stop, _ORDERS[0], level)
            found += self._refined(
                x, start, stop, again, level=level, scale=scale, agreed=agreed, depth=depth - 1
            )
        return found

    def _panel(self, x: Array, a: float, b: float, order: int, level: Real) -> _Sums:
        """Gauss-Legendre over one panel."""
        nodes, weights = np.polynomial.legendre.leggauss(order)
        total = np.zeros(4)
        for node, weight in zip(nodes, weights, strict=True):
            z1 = a + (b - a) * (node + 1) / 2
            log_density, rest = self._slice(x, z1)
            height = float(mp.exp(log_density - level)) * weight * (b - a) / 2
            total += height * np.array([1.0, z1, *rest])
        return _Sums(total)

    def _slice(self, x: Array, z1: float) -> tuple[Real, Array]:
        """log ∫∫ p(x, z) dz2 dz3 on one plane, and the mean of (z2, z3) there."""
        (kind, weight, bias), *others = self._layers
        matrix, shift = np.asarray(weight, dtype=float), self._slope * z1
        offset = np.asarray(bias) + matrix[:, 0] * z1 + matrix[:, 1:] @ shift
        layers = ((kind, matrix[:, 1:], offset), *others)
        values = TwoDimensions(layers, self._cov_x, self._cov_rest, FINE).at_point(x)
        prior = -(mpf(z1) ** 2 / self._variance + mp.log(2 * mp.pi * self._variance)) / 2
        mean = [float(values["posterior mean", (i,)].value) for i in (0, 1)]
        return prior + values["log p", ()].value, shift + np.array(mean)


def monte_carlo(
    layers: tuple[LayerSpec, ...],
    cov_x: Array,
    cov_z: Array,
    x: Array,
    samples: int,
    rng: np.random.Generator,
) -> Estimate:
    """p(x) by importance sampling, any S: unbiased, its error estimated from the samples.

    A fifth is drawn from the prior, so that no weight exceeds five times that of plain sampling;
    the rest about 20 prior draws picked by their posterior weight at a raised temperature, with a
    standard deviation 0.3 of the prior's. cov_x () or (D,). Where x is far, or the noise small, the
    weights vary so much that the error itself is unknown: believe errors below 0.1 only.
    """
    prior = cholesky([[mpf(float(v)) for v in row] for row in cov_z])
    assert prior is not None
    root = np.array([[float(v) for v in row] for row in prior])
    size = len(root)
    noise = np.broadcast_to(np.asarray(cov_x, dtype=float), x.shape)

    def log_joint(u: Array) -> Array:
        images = np.array([forward(layers, root @ row) for row in u])
        squares = np.sum((x - images) ** 2 / noise, axis=1) + np.sum(u**2, axis=1)
        constant = (size + len(x)) * np.log(2 * np.pi) + np.sum(np.log(noise))
        return np.asarray(-0.5 * (squares + constant))

    pilot = rng.standard_normal((samples // 5, size))
    heat = log_joint(pilot)
    heat = (heat - np.max(heat)) / max(1.0, float(np.std(heat)))
    centres = pilot[rng.choice(len(pilot), 20, p=np.exp(heat) / np.sum(np.exp(heat)))]
    narrow = 0.3
    own = rng.random(samples) < 0.2
    u = centres[rng.integers(20, size=samples)] + narrow * rng.standard_normal((samples, size))
    u[own] = rng.standard_normal((int(own.sum()), size))
    from_prior = np.exp(-0.5 * np.sum(u**2, axis=1))
    distances = np.sum((u[:, None, :] - centres) ** 2, axis=2) / narrow**2
    from_centres = np.mean(np.exp(-0.5 * distances), axis=1) / narrow**size
    log_proposal = np.log(0.2 * from_prior + 0.8 * from_centres) - 0.5 * size * np.log(2 * np.pi)
    log_weights = log_joint(u) - log_proposal
    top = float(np.max(log_weights))
    weights = np.exp(log_weights - top)
    mean = float(np.mean(weights))
    return Estimate(top + float(np.log(mean)), float(np.std(weights)) / mean / np.sqrt(samples))
