"""P(x_j <= t | x_o) of an entry that is not observed, by a sum over points of latent space.

Given z and the observed entries, x_j is N(m(z), s²): m(z) = g_j(z) + Σx_jo Σx_oo⁻¹ (x_o - g_o(z)).
So the probability is the mean of Φ((t - m(z)) / s) under p(z | x_o), and that is quadrature of the
definition of p(x_o, z) [eq. 4]. No density of x_j is integrated, no polyhedron is cut by one more
half-space, and neither Theorem 1 nor any moment is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, log, sqrt

import numpy as np
from mpmath import mp, mpf

from oracle.exact.layer_specs import LayerSpec
from oracle.exact.number_types import Array, Real
from oracle.quadrature.moments import cholesky, solved
from oracle.quadrature.trapezoid import Affine, PlaneQuadratic, Trapezoid, peak, stretches
from oracle.truths.plane_sweep import Line, Piece, Strip, strips

_DIGITS = 50
#: p(x_o, z) is followed until it has fallen by e^-this.
_FALL = 42.0
#: Panels halve so often towards every place where the integrand may bend.
_HALVINGS = 8
_NODES = 10
#: Panels between which the exponent falls, and how long they may be in deviations of x_j.
_PANELS, _LONG = 4, 1.5
#: Points that hold less than this, as a share of the heaviest, are left out.
_LIGHT = 1e-18


@dataclass(frozen=True)
class MissingEntry:
    """A missing entry given what is observed of a point, as a sum of Gaussians of one width.

    weights (n,), that sum to 1; means (n,); deviation, one for all; log p of what is observed.
    """

    weights: Array
    means: Array
    deviation: float
    log_seen: float

    def below(self, value: float) -> float:
        """P(x_j <= value | x_o), to 1e-13; NaN of NaN."""
        away = (self.means - value) / (self.deviation * sqrt(2.0))
        return float(self.weights @ _erfc(away)) / 2


_erfc: Callable[[Array], Array] = np.vectorize(erfc, otypes=[float])


def missing_entry(
    layers: tuple[LayerSpec, ...], cov_x: Array, cov_z: Array, x: Array, entry: int
) -> MissingEntry:
    """An entry of x given all others.

    Parameters
    ----------
    layers : tuple[LayerSpec, ...]
        The network's layers, as oracle.exact.layers.layers_of gives them.
    cov_x : Array
        Σx, (D, D).
    cov_z : Array
        Σz, (S, S), S = 1 or 2.
    x : Array
        The point, (D,); the entry itself is not looked at.
    entry : int
        Which one is missing.

    Returns
    -------
    MissingEntry
        With log p of the others.

    Notes
    -----
    A model with S = 1 is taken as one with S = 2 that does not look at its second coordinate.
    Guarded by tests/oracle/test_oracle_missing_entry.py, on linear networks in closed form.
    """
    with mp.workdps(_DIGITS):
        if len(cov_z) == 1:
            (kind, weight, *rest), *others = layers
            wider = np.column_stack([np.asarray(weight), np.zeros(len(weight))])
            layers = ((kind, wider, *rest), *others)
            cov_z = np.diag([float(cov_z[0, 0]), 1.0])
        law = _Law.of(cov_x, cov_z, x, entry)
        areas = [(piece, _area(s, piece)) for s in strips(layers) for piece in s.pieces]
        found = [(area, *law.on(piece)) for piece, area in areas]
        places = [peak(exponent, area) for area, exponent, _ in found]
        levels = [one[1].at(*place) for one, place in zip(found, places, strict=True)]
        top = max(levels)
        parts = [
            _nodes(
                exponent.centred(*place),
                _moved(area, place),
                [float(v) for v in (line[0], line[1], _value(line, place))],
                float(level - top),
                float(law.deviation),
            )
            for (area, exponent, line), place, level in zip(found, places, levels, strict=True)
            if level > top - _FALL
        ]
        weights, means = (np.concatenate(both) for both in zip(*parts, strict=True))
        total = float(weights.sum())
        return MissingEntry(weights / total, means, float(law.deviation), float(top) + log(total))


@dataclass(frozen=True)
class _Law:
    """What is observed and what is not: the point, Σx_jo Σx_oo⁻¹, roots of Σx_oo and Σz, what is
    left of the entry's deviation, and the constant of log p(x_o, z)."""

    x: list[Real]
    entry: int
    seen: list[int]
    pull: list[Real]
    noise: list[list[Real]]
    prior: list[list[Real]]
    deviation: Real
    constant: Real

    @staticmethod
    def of(cov_x: Array, cov_z: Array, x: Array, entry: int) -> _Law:
        seen = [d for d in range(len(x)) if d != entry]
        noise = _root(cov_x[np.ix_(seen, seen)])
        cross = [mpf(float(cov_x[d, entry])) for d in seen]
        half = solved(noise, cross)
        left = mpf(float(cov_x[entry, entry])) - sum(h * h for h in half)
        prior = _root(cov_z)
        logs = [mp.log(root[i][i]) for root in (noise, prior) for i in range(len(root))]
        return _Law(
            x=[mpf(float(v)) for v in x],
            entry=entry,
            seen=seen,
            pull=_back(noise, half),
            noise=noise,
            prior=prior,
            deviation=mp.sqrt(left),
            constant=-(2 + len(seen)) * mp.log(2 * mp.pi) / 2 - sum(logs),
        )

    def on(self, piece: Piece) -> tuple[PlaneQuadratic, list[Real]]:
        """log p(x_o, z) on a piece, and m(z) as (slope 1, slope 2, offset)."""
        scale = mpf(2) ** piece.exponent
        maps = [[mpf(int(v)) / scale for v in row] for row in piece.rows]
        away = [[*maps[d][:2], maps[d][2] - self.x[d]] for d in self.seen]
        columns = [solved(self.noise, list(column)) for column in zip(*away, strict=True)]
        rows = [list(row) for row in zip(*columns, strict=True)]
        unit = [solved(self.prior, [mpf(int(i == j)) for i in (0, 1)]) for j in (0, 1)]
        rows += [[*row, mpf(0)] for row in zip(*unit, strict=True)]
        line = [
            maps[self.entry][k] - sum(p * a[k] for p, a in zip(self.pull, away, strict=True))
            for k in range(3)
        ]
        return _quadratic(rows, self.constant), line


def _root(cov: Array) -> list[list[Real]]:
    root = cholesky([[mpf(float(v)) for v in row] for row in cov])
    if root is None:
        raise ValueError("cov_x, cov_z: expected positive definite matrices")
    return root


def _back(root: list[list[Real]], vector: list[Real]) -> list[Real]:
    """L^-T v by backward substitution."""
    result = list(vector)
    for i in reversed(range(len(root))):
        known = sum(root[k][i] * result[k] for k in range(i + 1, len(root)))
        result[i] = (vector[i] - known) / root[i][i]
    return result


def _quadratic(rows: list[list[Real]], constant: Real) -> PlaneQuadratic:
    """constant - |rows (z, 1)|² / 2."""
    gram = [[sum(row[i] * row[j] for row in rows) for j in range(3)] for i in range(3)]
    return PlaneQuadratic(
        constant - gram[2][2] / 2,
        (-gram[0][2], -gram[1][2]),
        (gram[0][0], gram[0][1], gram[1][1]),
    )


def _area(strip: Strip, piece: Piece) -> Trapezoid:
    """A piece of a strip in working precision."""
    left, right = strip.left, strip.right
    return Trapezoid(
        -mp.inf if left is None else mpf(left.numerator) / left.denominator,
        mp.inf if right is None else mpf(right.numerator) / right.denominator,
        _affine(piece.low),
        _affine(piece.high),
    )


def _affine(line: Line | None) -> Affine | None:
    """z2 by z1 on a line."""
    return None if line is None else (-mpf(line[2]) / line[1], -mpf(line[0]) / line[1])


def _moved(area: Trapezoid, place: tuple[Real, Real]) -> Trapezoid:
    """A trapezoid in coordinates that are 0 at a point."""

    def moved(line: Affine | None) -> Affine | None:
        return None if line is None else (line[0] + line[1] * place[0] - place[1], line[1])

    return Trapezoid(area.left - place[0], area.right - place[0], moved(area.low), moved(area.high))


def _value(line: list[Real], place: tuple[Real, Real]) -> Real:
    return line[0] * place[0] + line[1] * place[1] + line[2]


def _nodes(
    local: PlaneQuadratic, area: Trapezoid, line: list[float], level: float, deviation: float
) -> tuple[Array, Array]:
    """Points of a trapezoid, measured from its largest p(x_o, z): their weights, and m(z) there.

    The exponent falls at least as fast as its quadratic part alone from there, which says how far
    to go. Panels halve towards where the largest z2 passes from one end to another, and are short
    beside what changes m by a deviation.
    """
    g1, g2 = (float(v) for v in local.g)
    p11, p12, p22 = (float(v) for v in local.p)
    reach = sqrt(2 * _FALL * p22 / (p11 * p22 - p12 * p12))
    low, high = max(float(area.left), -reach), min(float(area.right), reach)
    bends = {float(v) for _, *ends in stretches(local, area) for v in ends}
    marks = sorted({low, high, *(v for v in (0.0, *bends) if low < v < high)})
    turns = [-p12 / p22, *(float(end[1]) for end in (area.low, area.high) if end is not None)]
    steepest = max(abs(line[0] + line[1] * turn) for turn in turns)
    s, outer = _graded(marks, _LONG * deviation / max(steepest, 1e-300))
    bottom, ceiling = _line_at(area.low, s, -np.inf), _line_at(area.high, s, np.inf)
    crest = np.clip((g2 - p12 * s) / p22, bottom, ceiling)
    weights, means = [], []
    for sign, room in ((1.0, ceiling - crest), (-1.0, crest - bottom)):
        # From the crest the exponent falls by steep y + p22 y² / 2.
        steep = np.maximum(-sign * (g2 - p12 * s - p22 * crest), 0.0)
        length = np.minimum(room, 2 * _FALL / (steep + np.sqrt(steep**2 + 2 * _FALL * p22)))
        count = max(_PANELS, int(np.ceil(length.max() * abs(line[1]) / (_LONG * deviation))))
        y, inner = _gauss(np.linspace(0.0, 1.0, count + 1))
        t, own = crest[:, None] + sign * length[:, None] * y, s[:, None]
        fall = own * (g1 - p11 * own / 2 - p12 * t) + t * (g2 - p22 * t / 2)
        weight = (outer * length)[:, None] * inner * np.exp(fall + level)
        if line[1] == 0.0:
            weight, t = weight.sum(axis=1, keepdims=True), 0.0 * own
        kept = weight > _LIGHT * weight.max()
        weights.append(weight[kept])
        means.append((line[2] + line[0] * own + line[1] * t)[kept])
    return np.concatenate(weights), np.concatenate(means)


def _line_at(line: Affine | None, s: Array, otherwise: float) -> Array:
    return np.full_like(s, otherwise) if line is None else float(line[0]) + float(line[1]) * s


def _graded(marks: list[float], longest: float) -> tuple[Array, Array]:
    """Points and weights on panels that halve towards every mark, none of them longer than this."""
    halves = 0.5 ** np.arange(1, _HALVINGS)
    edges = [marks[0]]
    for start, stop in pairwise(marks):
        width = stop - start
        for end in (*(start + width * halves[::-1]), *(stop - width * halves[1:]), stop):
            count = int(np.ceil((end - edges[-1]) / longest))
            edges += np.linspace(edges[-1], end, max(count, 1) + 1)[1:].tolist()
    return _gauss(np.array(edges))


def _gauss(edges: Array) -> tuple[Array, Array]:
    """Points and weights of Gauss and Legendre on panels."""
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges)[:, None] / 2
    middle = (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * points).ravel(), (half * weights).ravel()
