"""Every quantity of a model with one latent dimension, by quadrature of p(x, z) over z.

Dumb on purpose: on a region log p(x, z) is a quadratic in z, written down from its definition [eq.
4]; p(x) and all moments are its integrals, region by region. Neither Theorem 1 nor any Gaussian
integral is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.line import ExactMap, exact_partition
from oracle.exact.number_types import Array, Real
from oracle.models.values import Key, Value
from oracle.quadrature.interval import (
    FINER,
    PRECISE,
    Integral,
    OracleDisagreement,
    Quadratic,
    Rule,
    integrate,
)
from oracle.truths.sums_over_regions import (
    Image,
    image_moments,
    log_sum,
    moments_values,
    reconstruction_values,
)


@dataclass(frozen=True)
class _Region:
    """One interval with the whitened affine map on it: Σx^{-1/2} g(z) = slope z + offset."""

    code: tuple[int, ...]
    low: Real
    high: Real
    slope: list[Real]
    offset: list[Real]


class OneDimension:
    """The oracle of one model at one working precision.

    layers as in oracle.exact_partition; cov_x (), (D,) or (D, D); cov_z (1, 1) or a number. jitter:
    applied to every region's A_ω and b_ω and to the breakpoints, for condition numbers only.
    """

    def __init__(
        self,
        layers: tuple[LayerSpec, ...],
        cov_x: Array | float,
        cov_z: Array | float,
        rule: Rule,
        jitter: Callable[[list[Real]], list[Real]] | None = None,
    ) -> None:
        self.rule = rule
        with mp.workdps(rule.working):
            partition = exact_partition(layers)
            self._root = _root(np.asarray(cov_x, dtype=float), len(partition.maps[0].offset))
            self.variance_z = mpf(_number(cov_z))
            self.dimension = len(self._root)
            ends = [mpf(b.numerator) / b.denominator for b in partition.breakpoints]
            if jitter is not None:
                ends = sorted(jitter(ends))
            lows, highs = [-mp.inf, *ends], [*ends, mp.inf]
            self.maps = [_as_real(m) for m in partition.maps]
            if jitter is not None:
                self.maps = [(jitter(slope), jitter(offset)) for slope, offset in self.maps]
            self.regions = [
                _Region(code, low, high, self._whiten(slope), self._whiten(offset))
                for code, low, high, (slope, offset) in zip(
                    partition.codes, lows, highs, self.maps, strict=True
                )
            ]
            log_det = 2 * sum(mp.log(self._root[i][i]) for i in range(self.dimension))
            self._constant = (1 + self.dimension) * mp.log(2 * mp.pi) + log_det
            self._constant += mp.log(self.variance_z)

    def _whiten(self, vector: list[Real]) -> list[Real]:
        """Σx^{-1/2} v by forward substitution."""
        result: list[Real] = []
        for row, value in zip(self._root, vector, strict=True):
            known = sum(r * y for r, y in zip(row, result, strict=False))
            result.append((value - known) / row[len(result)])
        return result

    def _log_joint(self, y: list[Real], region: _Region) -> Quadratic:
        """log p(x, z) = log φ(x; g(z), Σx) + log φ(z; 0, Σz) on a region, as a quadratic [eq. 4].

        Expanded about the region's point nearest 0, so that no large numbers cancel.
        """
        centre = min(max(mpf(0), region.low), region.high)
        residual = [
            v - a * centre - b for v, a, b in zip(y, region.slope, region.offset, strict=True)
        ]
        constant = sum(r * r for r in residual) + centre**2 / self.variance_z + self._constant
        linear = sum(a * r for a, r in zip(region.slope, residual, strict=True))
        square = sum(a * a for a in region.slope) + 1 / self.variance_z
        return Quadratic(centre, -constant / 2, linear - centre / self.variance_z, -square / 2)

    def log_evidence(self, x: Array) -> Real:
        """log p(x)."""
        with mp.workdps(self.rule.working):
            y = self._whiten([mpf(float(v)) for v in x])
            integrals = [
                integrate(self._log_joint(y, r), r.low, r.high, self.rule) for r in self.regions
            ]
            return log_sum([i.log_mass for i in integrals])

    def at_point(
        self, x: Array, q_mean: Array | float, q_variance: Array | float
    ) -> dict[Key, Value]:
        """Everything about one x (D,) and one q = N(q_mean, q_variance), numbers or arrays of one
        number."""
        with mp.workdps(self.rule.working):
            y = self._whiten([mpf(float(v)) for v in x])
            joints = [self._log_joint(y, r) for r in self.regions]
            parts = [
                integrate(joint, r.low, r.high, self.rule)
                for joint, r in zip(joints, self.regions, strict=True)
            ]
            values = self._posterior(joints, parts)
            evidence = values[("log p", ())].value
            weights = [mp.exp(p.log_mass - evidence) for p in parts]
            at = [mpf(float(v)) for v in x]
            values.update(reconstruction_values(self._images(weights, parts), self._root, at))
            q = _number(q_mean), _number(q_variance)
            values.update(self._variational(joints, evidence, *q))
            return values

    def _posterior(self, joints: list[Quadratic], parts: list[Integral]) -> dict[Key, Value]:
        """log p(x) [eq. 5], the moments of p(z | x) [eq. 6, Sec. 4.1], its entropy and mode."""
        evidence = log_sum([p.log_mass for p in parts])
        size = max(mpf(1), abs(evidence))
        weights = [mp.exp(p.log_mass - evidence) for p in parts]
        mean = sum(w * p.mean for w, p in zip(weights, parts, strict=True))
        variance = sum(
            w * (p.variance + (p.mean - mean) ** 2) for w, p in zip(weights, parts, strict=True)
        )
        second = mp.sqrt(variance + mean**2)
        expected = sum(
            w * joint.expectation(p.mean, p.variance)
            for w, p, joint in zip(weights, parts, joints, strict=True)
        )
        best = max(joint.at(p.peak) for p, joint in zip(parts, joints, strict=True))
        values: dict[Key, Value] = {
            ("log p", ()): Value(evidence, size),
            ("posterior mean", (0,)): Value(mean, mp.sqrt(variance)),
            ("posterior covariance", (0, 0)): Value(variance, variance),
            ("expected complete log-likelihood", ()): Value(expected, max(mpf(1), abs(expected))),
            ("entropy", ()): Value(evidence - expected, size),
            ("log p at the mode", ()): Value(best, max(mpf(1), abs(best))),
        }
        for r, w, p in zip(self.regions, weights, parts, strict=True):
            deviation = mp.sqrt(p.variance)
            log_weight = p.log_mass - evidence
            values[("e0", r.code)] = Value(w, mpf(1))
            values[("log e0", r.code)] = Value(log_weight, max(size, abs(log_weight)))
            values[("e1", (*r.code, 0))] = Value(w * p.mean, second)
            values[("e2", (*r.code, 0, 0))] = Value(w * (p.variance + p.mean**2), second**2)
            values[("region mean", (*r.code, 0))] = Value(p.mean, deviation)
            values[("region covariance", (*r.code, 0, 0))] = Value(p.variance, p.variance)
        return values

    def _variational(
        self, joints: list[Quadratic], evidence: Real, q_mean: float, q_variance: float
    ) -> dict[Key, Value]:
        """ELBO and KL(q ‖ p(z | x)) [eq. 3], both as integrals against q."""
        variance = mpf(q_variance)
        log_q = Quadratic(
            mpf(q_mean), -mp.log(2 * mp.pi * variance) / 2, mpf(0), -1 / (2 * variance)
        )
        elbo = divergence = mpf(0)
        for joint, r in zip(joints, self.regions, strict=True):
            part = integrate(log_q, r.low, r.high, self.rule)
            weight = mp.exp(part.log_mass)
            own = log_q.expectation(part.mean, part.variance)
            model = joint.expectation(part.mean, part.variance)
            elbo += weight * (model - own)
            divergence += weight * (own - model + evidence)
        size = max(mpf(1), abs(elbo), abs(evidence))
        return {("ELBO", ()): Value(elbo, size), ("KL", ()): Value(divergence, size)}

    def of_model(self) -> dict[Key, Value]:
        """What does not depend on x: the regions, their prior masses, the moments of p(x)."""
        with mp.workdps(self.rule.working):
            prior = Quadratic(
                mpf(0),
                -mp.log(2 * mp.pi * self.variance_z) / 2,
                mpf(0),
                -1 / (2 * self.variance_z),
            )
            parts = [integrate(prior, r.low, r.high, self.rule) for r in self.regions]
            weights = [mp.exp(p.log_mass) for p in parts]
            values = self._geometry(weights)
            values.update(self._marginal(weights, parts))
            return values

    def _geometry(self, weights: list[Real]) -> dict[Key, Value]:
        """Region masses Φ_ω(0, Σz) [Proposition 1] and where the regions lie [Lemma 3]."""
        values: dict[Key, Value] = {}
        for r, w in zip(self.regions, weights, strict=True):
            values[("region mass", r.code)] = Value(w, mpf(1))
            finite = [e for e in (r.low, r.high) if mp.isfinite(e)]
            if len(finite) == 2:
                size = max(abs(r.low), abs(r.high))
                values[("region width", r.code)] = Value(r.high - r.low, size)
            elif finite:
                values[("region end", r.code)] = Value(finite[0], abs(finite[0]) or mpf(1))
        return values

    def _marginal(self, weights: list[Real], parts: list[Integral]) -> dict[Key, Value]:
        """E[x] and Cov[x], in units of the standard deviations of x."""
        mean, cov = image_moments(self._images(weights, parts))
        for i in range(self.dimension):
            for j in range(i + 1):
                cov[i][j] += sum(self._root[i][k] * self._root[j][k] for k in range(j + 1))
        return moments_values("marginal", mean, cov)

    def _images(self, weights: list[Real], parts: list[Integral]) -> list[Image]:
        """What the regions say of g(z), under weights of theirs."""
        return [
            Image(
                weight=weight,
                slopes=[[slope] for slope in slopes],
                mean=[part.mean],
                cov=[[part.variance]],
                image=[a * part.mean + b for a, b in zip(slopes, offsets, strict=True)],
            )
            for weight, part, (slopes, offsets) in zip(weights, parts, self.maps, strict=True)
        ]


def _root(cov: Array, dimension: int) -> list[list[Real]]:
    """The lower Cholesky factor of Σx as rows of growing length."""
    full = cov if cov.ndim == 2 else np.diag(np.broadcast_to(cov, (dimension,)))
    rows: list[list[Real]] = []
    for i in range(dimension):
        row: list[Real] = []
        for j in range(i + 1):
            known = sum(a * b for a, b in zip(row, rows[j], strict=False)) if j < i else None
            if known is not None:
                row.append((mpf(float(full[i, j])) - known) / rows[j][j])
            else:
                row.append(mp.sqrt(mpf(float(full[i, i])) - sum(a * a for a in row)))
        rows.append(row)
    return rows


def _number(values: Array | float) -> float:
    """The one number there is."""
    return float(np.asarray(values).reshape(()))


def _as_real(m: ExactMap) -> tuple[list[Real], list[Real]]:
    """An exact map's slope and offset as working-precision numbers."""
    scale = mpf(2) ** m.exponent
    return [mpf(int(v)) / scale for v in m.slope], [mpf(int(v)) / scale for v in m.offset]


def agreed(first: dict[Key, Value], second: dict[Key, Value]) -> dict[Key, Value]:
    """The first of two dictionaries of values, if the second agrees with it.

    To 20 digits of every value's scale. Raises OracleDisagreement naming the quantity otherwise.
    """
    if first.keys() != second.keys():
        raise OracleDisagreement(
            f"two precisions found different regions: {len(first)} and {len(second)} values"
        )
    for key, value in first.items():
        other = second[key].value
        if not abs(value.value - other) <= abs(value.scale) * mpf("1e-20"):
            both = f"{mp.nstr(value.value, 25)} and {mp.nstr(other, 25)}"
            raise OracleDisagreement(f"{key[0]} {key[1]}: two precisions gave {both}")
    return first


def exact_values(
    layers: tuple[LayerSpec, ...],
    cov_x: Array | float,
    cov_z: Array | float,
    X: Array,
    q_mean: Array,
    q_variance: Array,
    rules: tuple[Rule, Rule] = (PRECISE, FINER),
) -> list[dict[Key, Value]]:
    """All quantities of a model with S = 1, by quadrature of p(x, z) over z.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.
    cov_x : Array or float
        Σx: a number, (D,) or (D, D).
    cov_z : Array or float
        Σz: a number or (1, 1).
    X : Array
        The points, (N, D).
    q_mean, q_variance : Array
        Mean and variance of q for each point, (N,).
    rules : tuple[Rule, Rule], optional
        The two precisions at which everything is computed.

    Returns
    -------
    list of dict
        What does not depend on x, then the quantities of each row of X: a Value by quantity and
        part; see oracle.models.values.Key.

    Raises
    ------
    ValueError
        If the network does not take one input.
    OracleDisagreement
        If the two precisions differ; it names the quantity.

    Notes
    -----
    Equations (3) to (7) by their definition. The two precisions agree to 20 digits of each value's
    scale. Guarded by
    tests/oracle/test_oracle_one_dimension.py.
    """
    per_rule = []
    for rule in rules:
        oracle = OneDimension(layers, cov_x, cov_z, rule)
        points = zip(X, q_mean, q_variance, strict=True)
        rows = [oracle.at_point(x, float(m), float(v)) for x, m, v in points]
        per_rule.append([oracle.of_model(), *rows])
    return [agreed(a, b) for a, b in zip(*per_rule, strict=True)]
