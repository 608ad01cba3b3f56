"""Every quantity of a model with two or three latent dimensions, region by region [eq. 5-7].

The regions are those of oracle.exact_regions; on each the posterior is a truncated Gaussian, whose
mass and moments come from Green's theorem (oracle.quadrature.polygon,
oracle.quadrature.polyhedron), to 25 digits. A bound on what they hold gives the order in which
regions are taken, and leaves out those from where it is e^-75 of the rest.
oracle.truths.nested_plane and oracle.truths.slices are a second opinion that uses none of this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

from oracle.exact.from_doubles import polyhedron_of
from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array, Real
from oracle.exact.regions import Code, ExactRegion, dyadic, exact_regions
from oracle.models.values import Key, Value
from oracle.quadrature.moments import Moments, cholesky, solved
from oracle.quadrature.polygon import moments_on, nearest_on
from oracle.quadrature.polyhedron import moments_in_space, nearest_in_space
from oracle.truths.sums_over_regions import (
    Image,
    image_moments,
    log_sum,
    moments_values,
    reconstruction_values,
)

#: Regions that hold less than exp(-this) of what the heaviest holds are left out.
NEGLIGIBLE = 75
_DIGITS = 70


class _Joint(NamedTuple):
    """log p(x, z) on a region: its value at its peak, the Gaussian about it; and what is needed to
    average it: whitened slope and residual, inverse of the root of Σz."""

    log_weight: Real
    mean: list[Real]
    root: list[list[Real]]
    whitened: list[list[Real]]


@dataclass(frozen=True)
class _Part:
    """One region's share: its code, log ∫ p(x, z) dz, truncated mean and covariance."""

    region: ExactRegion
    log_mass: Real
    mean: list[Real]
    cov: list[list[Real]]


class LatentSpace:
    """Every quantity of a model with S = 2 or 3 by Theorem 1, region by exact region.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.
    cov_x : Array or float
        Σx: a number, (D,) or (D, D).
    cov_z : Array
        Σz, (S, S).
    jitter : Callable[[Array], Array] or None, optional
        Applied in doubles to the maps and half-spaces of every region. Only condition numbers need
        it.

    Raises
    ------
    ValueError
        If S is neither 2 nor 3; from every method, if a covariance is not positive definite.
    OracleDisagreement
        From every method, if no two precisions agree about the moments of a region.

    Notes
    -----
    Moments of a region agree to 25 digits at two precisions. A point takes 0.7 s in a plane of 18
    regions, and 5 s in a space of 8. Guarded by tests/oracle/test_oracle_two_dimensions.py
    and tests/oracle/test_oracle_three_dimensions.py.
    """

    def __init__(
        self,
        layers: tuple[LayerSpec, ...],
        cov_x: Array | float,
        cov_z: Array,
        jitter: Callable[[Array], Array] | None = None,
    ) -> None:
        self.size = int(np.shape(layers[0][1])[1])
        if self.size not in (2, 3):
            raise ValueError(f"layers: expected two or three latent dimensions, got {self.size}")
        self.regions = exact_regions(layers)
        if jitter is not None:
            shaken = [_shaken(region, jitter) for region in self.regions]
            self.regions = [region for region in shaken if region is not None]
        self.dimension = len(self.regions[0].rows)
        noise = np.asarray(cov_x, dtype=float)
        full = noise if noise.ndim == 2 else np.diag(np.broadcast_to(noise, (self.dimension,)))
        self._cov_x, self._cov_z = full, np.asarray(cov_z, dtype=float)
        self._moments = moments_on if self.size == 2 else moments_in_space
        self._nearest = nearest_on if self.size == 2 else nearest_in_space

    def at_point(self, x: Array, q_mean: Array, q_cov: Array) -> dict[Key, Value]:
        """All quantities of one point.

        Parameters
        ----------
        x : Array
            The point, (D,).
        q_mean, q_cov : Array
            Mean (S,) and covariance (S, S) of q, for the ELBO and the KL divergence [eq. 3].

        Returns
        -------
        dict
            A Value by quantity and part; see oracle.models.values.Key.
        """
        with mp.workdps(_DIGITS):
            parts, peak = self._parts(lambda region: self._joint(region, x))
            values, evidence = self._posterior(x, parts)
            values[("log p at the mode", ())] = Value(peak, max(mpf(1), abs(peak)))
            values.update(self._variational(x, evidence, q_mean, q_cov))
            return values

    def log_evidence(self, x: Array) -> Real:
        """log p(x) [eq. 5].

        Parameters
        ----------
        x : Array
            The point, (D,).

        Returns
        -------
        mpf
            In nats.
        """
        with mp.workdps(_DIGITS):
            return log_sum([p.log_mass for p in self._parts(lambda r: self._joint(r, x))[0]])

    def shares(self, x: Array) -> list[tuple[Code, Real, list[Real], list[list[Real]]]]:
        """The posterior within each region [eq. 6, Proposition 2].

        Parameters
        ----------
        x : Array
            The point, (D,).

        Returns
        -------
        list
            For each region that matters its code, its share e0 of the posterior, and the mean and
            covariance of z given x and the region.
        """
        with mp.workdps(_DIGITS):
            parts, _ = self._parts(lambda region: self._joint(region, x))
            total = log_sum([part.log_mass for part in parts])
            return [(p.region.code, mp.exp(p.log_mass - total), p.mean, p.cov) for p in parts]

    def of_model(self) -> dict[Key, Value]:
        """What does not depend on x: prior masses of the regions, mean and covariance of p(x).

        Returns
        -------
        dict
            A Value by quantity and part; see oracle.models.values.Key.
        """
        with mp.workdps(_DIGITS):
            root = self._root(self._cov_z)
            zero = [mpf(0)] * self.size
            parts, _ = self._parts(lambda _: _Joint(mpf(0), zero, self._root(self._cov_z), root))
            values = self._extents("region mass", parts, mpf(0))
            values.update(self._marginal(parts))
            return values

    def _root(self, cov: Array) -> list[list[Real]]:
        """The lower Cholesky factor at the current precision."""
        root = cholesky([[mpf(float(v)) for v in row] for row in cov])
        if root is None:
            raise ValueError("cov_x, cov_z: expected positive definite matrices")
        return root

    def _joint(self, region: ExactRegion, x: Array) -> _Joint:
        """log p(x, z) = log φ(x; g(z), Σx) + log φ(z; 0, Σz) as a Gaussian in z [eq. 4, 7].

        Both terms are one sum of squares |whitened (z, 1)|² / 2, of which the normal equations.
        """
        size, rows = self.size, self._whitened(region, x)
        gram = [[_dot(a, b) for b in zip(*rows, strict=True)] for a in zip(*rows, strict=True)]
        precision = cholesky([row[:size] for row in gram[:size]])
        assert precision is not None
        inverse = _inverse(precision)  # its columns, reversed, are a root of the covariance
        covariance = [
            [_dot(a, b) for b in zip(*inverse, strict=True)] for a in zip(*inverse, strict=True)
        ]
        root = cholesky(covariance)
        assert root is not None
        mean = [-_dot(row, [g[size] for g in gram[:size]]) for row in covariance]
        least = sum(_dot(row, [*mean, mpf(1)]) ** 2 for row in rows)
        log_det = sum(mp.log(precision[i][i]) for i in range(size))
        weight = self._constant() - least / 2 + size * mp.log(2 * mp.pi) / 2 - log_det
        return _Joint(weight, mean, root, rows)

    def _whitened(self, region: ExactRegion, x: Array) -> list[list[Real]]:
        """Rows r with -2 log p(x, z) = |r (z, 1)|² + constant."""
        noise, prior = self._root(self._cov_x), self._root(self._cov_z)
        scale = mpf(2) ** region.exponent
        images = [[mpf(int(v)) / scale for v in row] for row in region.rows]
        for row, value in zip(images, x, strict=True):
            row[-1] -= mpf(float(value))
        columns = [solved(noise, list(column)) for column in zip(*images, strict=True)]
        units = [[mpf(int(i == j)) for i in range(self.size)] for j in range(self.size)]
        above = [*(solved(prior, unit) for unit in units), [mpf(0)] * self.size]
        return [list(row) for row in zip(*columns, strict=True)] + [
            list(row) for row in zip(*above, strict=True)
        ]

    def _constant(self) -> Real:
        """log p(x, z) where x = g(z) and z = 0."""
        noise, prior = self._root(self._cov_x), self._root(self._cov_z)
        logs = [mp.log(root[i][i]) for root in (noise, prior) for i in range(len(root))]
        return -(self.size + self.dimension) * mp.log(2 * mp.pi) / 2 - sum(logs)

    def _parts(self, joint: Callable[[ExactRegion], _Joint]) -> tuple[list[_Part], Real]:
        """The regions that matter, with their masses and moments; and the highest value."""
        bounds = []
        peak = -mp.inf
        for number, region in enumerate(self.regions):
            at = joint(region)
            bound = at.log_weight - self._nearest(region.cone, at.mean, at.root) / 2
            bounds.append((bound, number, at.log_weight))
            volume = self.size * mp.log(2 * mp.pi) / 2
            volume += sum(mp.log(at.root[i][i]) for i in range(self.size))
            peak = max(peak, bound - volume)
        parts: list[_Part] = []
        heaviest = -mp.inf
        for bound, number, log_weight in sorted(bounds, reverse=True):
            if bound < heaviest - NEGLIGIBLE:
                break
            region = self.regions[number]

            def gaussian(region: ExactRegion = region) -> tuple[list[Real], list[list[Real]]]:
                at = joint(region)
                return at.mean, at.root

            got: Moments = self._moments(region.cone, gaussian)
            parts.append(_Part(region, log_weight + got.log_mass, got.mean, got.cov))
            heaviest = max(heaviest, parts[-1].log_mass)
        return parts, peak

    def _expected(self, x: Array, part: _Part) -> Real:
        """The mean of log p(x, z) under a region's distribution of z."""
        total = self._constant()
        axes = range(self.size)
        for row in self._whitened(part.region, x):
            spread = sum(row[i] * part.cov[i][j] * row[j] for i in axes for j in axes)
            total -= (_dot(row, [*part.mean, mpf(1)]) ** 2 + spread) / 2
        return total

    def _posterior(self, x: Array, parts: list[_Part]) -> tuple[dict[Key, Value], Real]:
        """log p(x) [eq. 5], the moments of p(z | x) [eq. 6, Sec. 4.1], and its entropy."""
        evidence = log_sum([p.log_mass for p in parts])
        weights = [mp.exp(p.log_mass - evidence) for p in parts]
        mean, cov = _mixture(weights, parts)
        expected = sum(w * self._expected(x, p) for w, p in zip(weights, parts, strict=True))
        size = max(mpf(1), abs(evidence))
        values: dict[Key, Value] = {
            ("log p", ()): Value(evidence, size),
            ("expected complete log-likelihood", ()): Value(expected, max(mpf(1), abs(expected))),
            ("entropy", ()): Value(evidence - expected, size),
        }
        values.update(moments_values("posterior", mean, cov))
        values.update(self._extents("e0", parts, evidence))
        values.update(self._regional(parts, weights, evidence, mean, cov))
        at = [mpf(float(v)) for v in x]
        images = self._images(weights, parts)
        values.update(reconstruction_values(images, self._root(self._cov_x), at))
        return values, evidence

    def _regional(
        self,
        parts: list[_Part],
        weights: list[Real],
        evidence: Real,
        mean: list[Real],
        cov: list[list[Real]],
    ) -> dict[Key, Value]:
        """log e0, e1, e2 [Sec. 4.1] and the truncated moments of the regions that matter; e1 and e2
        of the others are 0."""
        axes = range(self.size)
        second = [mp.sqrt(cov[i][i] + mean[i] ** 2) for i in axes]
        values: dict[Key, Value] = {}
        for r in self.regions:
            for i in axes:
                values[("e1", (*r.code, i))] = Value(mpf(0), second[i])
                for j in range(i + 1):
                    values[("e2", (*r.code, i, j))] = Value(mpf(0), second[i] * second[j])
        for w, p in zip(weights, parts, strict=True):
            code, log_weight = p.region.code, p.log_mass - evidence
            size = max(mpf(1), abs(evidence), abs(log_weight))
            values[("log e0", code)] = Value(log_weight, size)
            deviation = [mp.sqrt(p.cov[i][i]) for i in axes]
            for i in axes:
                values[("e1", (*code, i))] = Value(w * p.mean[i], second[i])
                values[("region mean", (*code, i))] = Value(p.mean[i], deviation[i])
                for j in range(i + 1):
                    square = w * (p.cov[i][j] + p.mean[i] * p.mean[j])
                    values[("e2", (*code, i, j))] = Value(square, second[i] * second[j])
                    size = deviation[i] * deviation[j]
                    values[("region covariance", (*code, i, j))] = Value(p.cov[i][j], size)
        return values

    def _variational(
        self, x: Array, evidence: Real, q_mean: Array, q_cov: Array
    ) -> dict[Key, Value]:
        """ELBO and KL(q ‖ p(z | x)) [eq. 3]."""
        root = self._root(q_cov)
        log_det = sum(mp.log(root[i][i]) for i in range(self.size))
        centre = [mpf(float(v)) for v in q_mean]
        parts, _ = self._parts(lambda _: _Joint(mpf(0), centre, self._root(q_cov), root))
        elbo = self.size * (1 + mp.log(2 * mp.pi)) / 2 + log_det
        elbo += sum(mp.exp(part.log_mass) * self._expected(x, part) for part in parts)
        size = max(mpf(1), abs(elbo), abs(evidence))
        return {("ELBO", ()): Value(elbo, size), ("KL", ()): Value(evidence - elbo, size)}

    def _extents(self, name: str, parts: list[_Part], total: Real) -> dict[Key, Value]:
        """The share of every region, 0 for those left out."""
        held: dict[Code, Real] = {p.region.code: mp.exp(p.log_mass - total) for p in parts}
        return {(name, r.code): Value(held.get(r.code, mpf(0)), mpf(1)) for r in self.regions}

    def _marginal(self, parts: list[_Part]) -> dict[Key, Value]:
        """E[x] and Cov[x], in units of the standard deviations of x."""
        weights = [mp.exp(part.log_mass) for part in parts]
        mean, cov = image_moments(self._images(weights, parts))
        for i in range(self.dimension):
            for j in range(i + 1):
                cov[i][j] += mpf(float(self._cov_x[i, j]))
        return moments_values("marginal", mean, cov)

    def _images(self, weights: list[Real], parts: list[_Part]) -> list[Image]:
        """What the regions say of g(z), under weights of theirs."""
        images = []
        for weight, part in zip(weights, parts, strict=True):
            scale = mpf(2) ** part.region.exponent
            rows = [[mpf(int(v)) / scale for v in row] for row in part.region.rows]
            images.append(
                Image(
                    weight=weight,
                    slopes=[row[:-1] for row in rows],
                    mean=part.mean,
                    cov=part.cov,
                    image=[_dot(row, [*part.mean, mpf(1)]) for row in rows],
                )
            )
        return images


def _shaken(region: ExactRegion, jitter: Callable[[Array], Array]) -> ExactRegion | None:
    """A region with its map and half-spaces as moved doubles; None if nothing is left of it."""
    bounds = [[Fraction(v, max(map(abs, b))) for v in b] for b, _ in region.cone.facets()]
    planes = jitter(np.array(bounds, dtype=float).reshape(-1, region.rows.shape[1]))
    cone = polyhedron_of(planes[:, :-1], planes[:, -1], planes.shape[1] - 1)
    scale = 1 << region.exponent
    maps = jitter(np.array([[float(Fraction(int(v), scale)) for v in row] for row in region.rows]))
    numbers, exponent = dyadic(maps)
    return None if cone is None else ExactRegion(region.code, cone, numbers, exponent)


def _mixture(weights: list[Real], parts: list[_Part]) -> tuple[list[Real], list[list[Real]]]:
    """Mean and covariance of a mixture."""
    axes = range(len(parts[0].mean))
    pairs = list(zip(weights, parts, strict=True))
    mean = [sum(w * p.mean[i] for w, p in pairs) for i in axes]
    cov = [
        [
            sum(w * (p.cov[i][j] + (p.mean[i] - mean[i]) * (p.mean[j] - mean[j])) for w, p in pairs)
            for j in axes
        ]
        for i in axes
    ]
    return mean, cov


def _dot(one: list[Real] | tuple[Real, ...], other: list[Real] | tuple[Real, ...]) -> Real:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _inverse(root: list[list[Real]]) -> list[list[Real]]:
    """L^-1, as rows, of a lower triangular L."""
    size = range(len(root))
    columns = [solved(root, [mpf(int(i == j)) for i in size]) for j in size]
    return [list(row) for row in zip(*columns, strict=True)]
