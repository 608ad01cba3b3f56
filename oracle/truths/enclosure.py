"""Proven enclosures for one latent dimension, by ball arithmetic: intervals that contain p(x), the
posterior's moments and the regions' shares, whatever rounding did.

Kinks and maps are exact rational numbers; the Gaussian on an interval is written with erfc, and all
else are sums and products of balls [Theorem 1]. Another route than oracle.truths.one_dimension's
quadrature, with proof. Needs python-flint (the extra `oracle`).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.line import exact_partition
from oracle.exact.number_types import Array
from oracle.models.values import Key

try:
    from flint import arb, arb_mat, ctx, fmpq
except ImportError as error:
    raise ImportError("enclosures need python-flint: pip install 'exactdgn[oracle]'") from error

Ball = Any
#: The widest relative radius that is accepted, and the bits tried for it, in turn.
NARROW = 1e-20
BITS = (256, 1024, 4096, 16384)


class TooWide(ArithmeticError):
    """A ball stayed too wide at every precision."""


class _Part(NamedTuple):
    """∫ h, ∫ z h and ∫ z² h on one interval, h a Gaussian."""

    mass: Ball
    first: Ball
    second: Ball


def enclose(
    layers: tuple[LayerSpec, ...],
    cov_x: Array | float,
    cov_z: Array | float,
    X: Array,
    bits: tuple[int, ...] = BITS,
) -> list[dict[Key, Ball]]:
    """Balls around the model's quantities (prior masses of the regions) and then around each x's:
    log p, moments and e0, under the keys of oracle.truths.one_dimension.exact_values.

    layers as in oracle.exact.layers, S = 1; cov_x (), (D,) or (D, D); X (N, D). Every ball's radius
    is below NARROW of its size, or of 1 if it is smaller; TooWide, naming the quantity, if that
    takes more than the last of `bits`. Guarded by tests/oracle/test_oracle_enclosure.py.
    """
    before = ctx.prec
    try:
        for prec in bits:
            ctx.prec = prec
            model = _Model(layers, np.asarray(cov_x, float), float(np.reshape(cov_z, ())))
            rows = [model.prior(), *(model.at(x) for x in np.asarray(X, float))]
            wide = [key for row in rows for key, ball in row.items() if not _is_narrow(ball)]
            if not wide:
                return rows
        raise TooWide(f"{wide[0][0]} {wide[0][1]}: wider than {NARROW:g} at {bits[-1]} bits")
    finally:
        ctx.prec = before


def _is_narrow(ball: Ball) -> bool:
    size = abs(ball.mid())
    return bool(ball.is_finite() and ball.rad() <= NARROW * (size if size > 1 else arb(1)))


def _exact(value: float | Fraction) -> Ball:
    fraction = Fraction(value)
    return arb(fmpq(fraction.numerator, fraction.denominator))


class _Model:
    """A model at the working precision."""

    def __init__(self, layers: tuple[LayerSpec, ...], cov_x: Array, variance: float) -> None:
        partition = exact_partition(layers)
        self.codes = partition.codes
        self.ends = [None, *(_exact(b) for b in partition.breakpoints), None]
        scales = [Fraction(1, 1 << m.exponent) for m in partition.maps]
        self.slopes = [
            [_exact(int(v) * s) for v in m.slope]
            for m, s in zip(partition.maps, scales, strict=True)
        ]
        self.offsets = [
            [_exact(int(v) * s) for v in m.offset]
            for m, s in zip(partition.maps, scales, strict=True)
        ]
        dimension = len(self.slopes[0])
        full = cov_x if cov_x.ndim == 2 else np.diag(np.broadcast_to(cov_x, (dimension,)))
        noise = arb_mat([[_exact(float(v)) for v in row] for row in full])
        self.precision = noise.inv()
        self.variance = _exact(variance)
        two_pi = 2 * arb.pi()
        self.log_constant = (
            -(dimension * two_pi.log() + noise.det().log() + (two_pi * self.variance).log()) / 2
        )

    def prior(self) -> dict[Key, Ball]:
        """Prior masses of the regions [Proposition 1]."""
        root = (2 * arb.pi() * self.variance).sqrt()
        parts = [
            _on_interval(arb(0), 1 / self.variance, *self._interval(r))
            for r in range(len(self.codes))
        ]
        return {
            ("region mass", code): part.mass / root
            for code, part in zip(self.codes, parts, strict=True)
        }

    def at(self, x: Array) -> dict[Key, Ball]:
        """Everything about one x."""
        peaks, parts = [], []
        for r in range(len(self.codes)):
            slope = arb_mat([[v] for v in self.slopes[r]])
            away = [_exact(float(v)) - b for v, b in zip(x, self.offsets[r], strict=True)]
            residual = arb_mat([[v] for v in away])
            steep = self.precision * slope
            square = (slope.transpose() * steep)[0, 0] + 1 / self.variance
            pull = (residual.transpose() * steep)[0, 0]
            distance = (residual.transpose() * self.precision * residual)[0, 0]
            # -2 log p(x, z) = distance - 2 pull z + square z² + constant.
            parts.append(_on_interval(pull / square, square, *self._interval(r)))
            peaks.append(self.log_constant - (distance - pull * pull / square) / 2)
        return self._mixture(peaks, parts)

    def _interval(self, r: int) -> tuple[Ball | None, Ball | None]:
        return self.ends[r], self.ends[r + 1]

    def _mixture(self, peaks: list[Ball], parts: list[_Part]) -> dict[Key, Ball]:
        """The sum over regions [eq. 5, 6]."""
        top = max((peak.mid() for peak in peaks), key=float)
        masses = [(peak - top).exp() * part.mass for peak, part in zip(peaks, parts, strict=True)]
        total = sum(masses, arb(0))
        weights = [mass / total for mass in masses]
        mean, second = arb(0), arb(0)
        for peak, part in zip(peaks, parts, strict=True):
            factor = (peak - top).exp() / total
            mean += factor * part.first
            second += factor * part.second
        variance = second - mean * mean
        return {
            ("log p", ()): top + total.log(),
            ("posterior mean", (0,)): mean,
            ("posterior covariance", (0, 0)): variance,
            **{("e0", code): w for code, w in zip(self.codes, weights, strict=True)},
        }


def _on_interval(centre: Ball, precision: Ball, low: Ball | None, high: Ball | None) -> _Part:
    """exp(-precision (z - centre)² / 2) on (low, high): the integrals of 1, z and z² times it.

    From the tail on the side where nothing cancels but the two ends with each other; what that
    costs is bits, and seen in the radius.
    """
    root = precision.sqrt()
    left = None if low is None else (low - centre) * root
    right = None if high is None else (high - centre) * root
    if left is None and right is None:
        sign, mass, first, second = 1, (2 * arb.pi()).sqrt(), arb(0), arb(0)
    elif left is not None and (right is None or float((left + right).mid()) > 0):
        sign, mass, first, second = 1, *_between(left, right)
    else:
        assert right is not None
        sign, mass, first, second = -1, *_between(-right, None if left is None else -left)
    # z = centre + sign t / root, and the integral of t² is the mass plus what the ends add.
    along = sign * first / root
    square = (mass + second) / precision
    return _Part(
        mass / root,
        (centre * mass + along) / root,
        (centre * centre * mass + 2 * centre * along + square) / root,
    )


def _between(near: Ball, far: Ball | None) -> tuple[Ball, Ball, Ball]:
    """Of exp(-t²/2) between two ends: ∫ 1, ∫ t, and ∫ t² less ∫ 1."""
    mass, first, second = _tail(near), _height(near), near * _height(near)
    if far is not None:
        mass, first = mass - _tail(far), first - _height(far)
        second = second - far * _height(far)
    return mass, first, second


def _height(t: Ball) -> Ball:
    return (-t * t / 2).exp()


def _tail(t: Ball) -> Ball:
    """∫_t^∞ exp(-s²/2) ds."""
    return (arb.pi() / 2).sqrt() * (t / arb(2).sqrt()).erfc()
