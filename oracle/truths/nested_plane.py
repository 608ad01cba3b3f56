"""A model with two latent dimensions by nested quadrature of p(x, z), without its partition.

Along every line z1 = const the network is one-dimensional; where the order of its pieces changes is
found exactly (oracle.truths.plane_sweep). Between, log p(x, z) is a quadratic on every piece,
written down from its definition [eq. 4], and integrated twice (oracle.quadrature.trapezoid).
Neither Theorem 1 nor a polyhedron is used, nor what oracle.truths.regionwise is made of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from mpmath import mp, mpf

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array, Real
from oracle.exact.regions import Code
from oracle.models.values import Key, Value
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.moments import cholesky, solved
from oracle.quadrature.trapezoid import (
    Affine,
    Part,
    PlaneQuadratic,
    Rule,
    Trapezoid,
    peak,
    trapezoid_integral,
)
from oracle.truths.plane_sweep import Line, Piece, strips

COARSE, FINE = Rule(20, 1.0), Rule(26, 0.7)
#: Two rules agree to this, in units of the scale of every quantity.
AGREED = mpf("1e-12")
_DIGITS = 50
_NEGLIGIBLE = 50


class TwoDimensions:
    """The oracle of one model with S = 2 by one quadrature rule.

    layers as in oracle.exact.layers; cov_x (), (D,) or (D, D); cov_z (2, 2).
    """

    def __init__(
        self, layers: tuple[LayerSpec, ...], cov_x: Array | float, cov_z: Array, rule: Rule
    ) -> None:
        self.rule = rule
        with mp.workdps(_DIGITS):
            self._areas = [
                (piece, _trapezoid(strip.left, strip.right, piece))
                for strip in strips(layers)
                for piece in strip.pieces
            ]
            size = len(self._areas[0][0].rows)
            noise = np.asarray(cov_x, dtype=float)
            full = noise if noise.ndim == 2 else np.diag(np.broadcast_to(noise, (size,)))
            self._noise, self._prior = _root(full), _root(np.asarray(cov_z, dtype=float))
            logs = [
                mp.log(root[i][i]) for root in (self._noise, self._prior) for i in range(len(root))
            ]
            self._constant = -(2 + size) * mp.log(2 * mp.pi) / 2 - sum(logs)

    def at_point(self, x: Array) -> dict[Key, Value]:
        """log p(x), posterior mean and covariance, entropy, expected complete log-likelihood and
        e0."""
        with mp.workdps(_DIGITS):
            quadratics: dict[Code, PlaneQuadratic] = {}
            for piece, _ in self._areas:
                if piece.code not in quadratics:
                    quadratics[piece.code] = self._log_joint(piece, x)
            held = self._integrate([quadratics[piece.code] for piece, _ in self._areas])
            return _values(held, quadratics)

    def region_masses(self) -> dict[Key, Value]:
        """Φ_ω(0, Σz) by code [Prop. 1]."""
        with mp.workdps(_DIGITS):
            rows = [[*row, mpf(0)] for row in _inverse_rows(self._prior)]
            constant = -mp.log(2 * mp.pi) - sum(mp.log(self._prior[i][i]) for i in (0, 1))
            prior = _quadratic(rows, constant)
            held = self._integrate([prior] * len(self._areas))
            masses: dict[Code, Real] = defaultdict(lambda: mpf(0))
            for code, part in held:
                masses[code] += mp.exp(part.log_mass)
            return {("region mass", code): Value(mass, mpf(1)) for code, mass in masses.items()}

    def _log_joint(self, piece: Piece, x: Array) -> PlaneQuadratic:
        """log p(x, z) = log φ(x; g(z), Σx) + log φ(z; 0, Σz) on the plane of a piece [eq. 4]."""
        scale = mpf(2) ** piece.exponent
        images = [[mpf(int(v)) / scale for v in row] for row in piece.rows]
        for row, value in zip(images, x, strict=True):
            row[-1] -= mpf(float(value))
        columns = [solved(self._noise, list(column)) for column in zip(*images, strict=True)]
        rows = [list(row) for row in zip(*columns, strict=True)]
        rows += [[*row, mpf(0)] for row in _inverse_rows(self._prior)]
        return _quadratic(rows, self._constant)

    def _integrate(self, exponents: list[PlaneQuadratic]) -> list[tuple[Code, Part]]:
        """The trapezoids that matter, largest bound first."""
        bounds = []
        for number, (exponent, (_, area)) in enumerate(zip(exponents, self._areas, strict=True)):
            p11, p12, p22 = exponent.p
            most = mp.log(2 * mp.pi) - mp.log(p11 * p22 - p12 * p12) / 2
            bounds.append((exponent.at(*peak(exponent, area)) + most, number))
        held: list[tuple[Code, Part]] = []
        heaviest = -mp.inf
        for bound, number in sorted(bounds, reverse=True):
            if bound < heaviest - _NEGLIGIBLE:
                break
            piece, area = self._areas[number]
            part = trapezoid_integral(exponents[number], area, self.rule)
            held.append((piece.code, part))
            heaviest = max(heaviest, part.log_mass)
        return held


def _quadratic(rows: list[list[Real]], constant: Real) -> PlaneQuadratic:
    """constant - |rows (z, 1)|² / 2."""

    def product(i: int, j: int) -> Real:
        return sum(row[i] * row[j] for row in rows)

    return PlaneQuadratic(
        constant - product(2, 2) / 2,
        (-product(0, 2), -product(1, 2)),
        (product(0, 0), product(0, 1), product(1, 1)),
    )


def _trapezoid(left: Any, right: Any, piece: Piece) -> Trapezoid:
    """A piece of a strip as working-precision numbers."""
    ends = [
        -mp.inf if left is None else mpf(left.numerator) / left.denominator,
        mp.inf if right is None else mpf(right.numerator) / right.denominator,
    ]
    return Trapezoid(ends[0], ends[1], _affine(piece.low), _affine(piece.high))


def _affine(line: Line | None) -> Affine | None:
    """z2 by z1 on a line."""
    return None if line is None else (-mpf(line[2]) / line[1], -mpf(line[0]) / line[1])


def _root(cov: Array) -> list[list[Real]]:
    root = cholesky([[mpf(float(v)) for v in row] for row in cov])
    if root is None:
        raise ValueError("cov_x, cov_z: expected positive definite matrices")
    return root


def _inverse_rows(root: list[list[Real]]) -> list[list[Real]]:
    """L^-1."""
    columns = [solved(root, [mpf(int(i == j)) for i in (0, 1)]) for j in (0, 1)]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(held: list[tuple[Code, Part]], codes: Iterable[Code]) -> dict[Key, Value]:
    """The quantities of the posterior from the parts it is made of, and all codes."""
    top = max(part.log_mass for _, part in held)
    evidence = top + mp.log(sum(mp.exp(part.log_mass - top) for _, part in held))
    shares = [(mp.exp(part.log_mass - evidence), code, part) for code, part in held]
    mean = [sum(w * part.mean[i] for w, _, part in shares) for i in (0, 1)]
    cov = {}
    for i, j in ((0, 0), (1, 0), (1, 1)):
        cov[i, j] = sum(
            w * (part.cov[i + j] + (part.mean[i] - mean[i]) * (part.mean[j] - mean[j]))
            for w, _, part in shares
        )
    expected = mpf(0)
    masses: dict[Code, Real] = {code: mpf(0) for code in codes}
    for weight, code, part in shares:
        masses[code] += weight
        expected += weight * part.exponent
    size, sd = max(mpf(1), abs(evidence)), [mp.sqrt(cov[i, i]) for i in (0, 1)]
    values: dict[Key, Value] = {
        ("log p", ()): Value(evidence, size),
        ("expected complete log-likelihood", ()): Value(expected, max(mpf(1), abs(expected))),
        ("entropy", ()): Value(evidence - expected, size),
    }
    values.update({("posterior mean", (i,)): Value(mean[i], sd[i]) for i in (0, 1)})
    values.update(
        {("posterior covariance", k): Value(v, sd[k[0]] * sd[k[1]]) for k, v in cov.items()}
    )
    values.update({("e0", code): Value(mass, mpf(1)) for code, mass in masses.items()})
    return values


def nested_values(
    layers: tuple[LayerSpec, ...],
    cov_x: Array | float,
    cov_z: Array,
    X: Array,
    rules: tuple[Rule, Rule] = (COARSE, FINE),
) -> list[dict[Key, Value]]:
    """Quantities of a model with S = 2 by nested quadrature, without regions.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.
    cov_x : Array or float
        Σx: a number, (D,) or (D, D).
    cov_z : Array
        Σz, (2, 2).
    X : Array
        The points, (N, D).
    rules : tuple[Rule, Rule], optional
        The two rules by which everything is computed.

    Returns
    -------
    list of dict
        The prior masses of the regions, then the quantities of each row of X: a Value by quantity
        and part; see oracle.models.values.Key.

    Raises
    ------
    OracleDisagreement
        If the two rules differ; it names the quantity.

    Notes
    -----
    A second opinion on oracle.truths.regionwise. Guarded by
    tests/oracle/test_oracle_two_dimensions.py.
    """
    per_rule = []
    for rule in rules:
        oracle = TwoDimensions(layers, cov_x, cov_z, rule)
        per_rule.append([oracle.region_masses(), *(oracle.at_point(x) for x in X)])
    return [_agreed(one, other) for one, other in zip(*per_rule, strict=True)]


def _agreed(one: dict[Key, Value], other: dict[Key, Value]) -> dict[Key, Value]:
    """The second of two dictionaries of values, if the first agrees with it."""
    for key in one.keys() | other.keys():
        if key not in one or key not in other:
            raise OracleDisagreement(f"{key[0]} {key[1]}: only one of two rules found it")
        first, second = one[key], other[key]
        if not abs(first.value - second.value) <= AGREED * second.scale:
            both = f"{mp.nstr(first.value, 17)} and {mp.nstr(second.value, 17)}"
            raise OracleDisagreement(f"{key[0]} {key[1]}: two rules gave {both}")
    return other
