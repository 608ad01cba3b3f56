"""Moments of exp(-quadratic) on simplices with one corner at its least value [Lemma 4, Appendix B].

A simplex has a corner at the origin and others at c_1, ..., c_k, some of them at infinity: its
points are Σ λ_i c_i with λ_i >= 0 and the λ of the finite corners summing to at most 1. There the
exponent is E = Σ α_i λ_i + ½ Σ Γ_ij λ_i λ_j. When no α and no Γ is negative (Γ_ij = c_i · c_j: no
obtuse angle at the origin), E grows in every λ by itself, so each has a range of its own beyond
which exp(-E) has fallen to exp(-41). The λ are integrated one inside the other, the one that falls
fastest outermost: the end of an inner range then bends over a length that the outer range does not
exceed, and one Gauss-Legendre rule per range is enough. Nothing is subtracted.

Far out a λ is as small as one over the distance, and products of several are no doubles: every λ is
measured in a unit of its own. Units are powers of two, so that they change no digit.

Measured against 60-digit quadrature for k = 2, over lengths of 1e-3..1e5 and slopes to 1e7: 1e-14
(tests/integration/test_simplices.py). Where the exponent stays small on all of a simplex fewer
nodes do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.integration.gauss_legendre import legendre_rule
from fast.polyhedra.chunks import chunks
from reference.model import Array, Mask

# A rate that underflows to 0 counts as this: the range is then all the room there is.
_LEAST_RATE = 1e-300
# How far an inner integrand is followed at least, where the outer one has used up what may be lost:
# its range must not be empty, and what it adds there is below exp(-fall).
_LEAST_FALL = 1e-3
# Numbers held at once: nodes of all simplices of a batch.
_BATCH = 1 << 19


class Rule(NamedTuple):
    """How many nodes a range gets, the innermost one and the others; and how far the integrand is
    followed: down to exp(-fall) of its largest value."""

    inner: int
    outer: int
    fall: float


#: For each k the rule for simplices of any size. Error of the moments: 1e-14 for k <= 2, 1e-12 for
#: k = 3; beyond, see fast.integration.truncated.
RULES = {
    1: Rule(26, 0, 41.0),
    2: Rule(22, 26, 36.0),
    3: Rule(20, 22, 34.0),
    4: Rule(14, 14, 41.0),
    5: Rule(10, 10, 30.0),
    6: Rule(7, 7, 25.0),
}
# Where the exponent grows by less than so much on all of a simplex, these lose nothing.
_SMALL = ((5.0, Rule(12, 12, 41.0)), (20.0, Rule(16, 16, 41.0)))


def own_units(slopes: Array, gram: Array, finite: Mask) -> Array:
    """A power of two for every λ, (K, k), near the length of its range (see simplex_moments)."""
    return np.asarray(np.ldexp(1.0, -np.frexp(_rates(slopes, gram, finite))[1]))


def _rates(slopes: Array, gram: Array, finite: Mask) -> Array:
    """One over the length of the range of every λ, nearly: how fast exp(-E) falls, or 1."""
    rates: Array = np.maximum(slopes, np.sqrt(np.einsum("kii->ki", gram)))
    return np.where(finite, np.maximum(rates, 1.0), rates)


def simplex_moments(
    slopes: Array, gram: Array, finite: Mask, units: Array, rule: Rule | None = None
) -> Array:
    """∫ (1, λ/u)(1, λ/u)ᵀ exp(-E) dλ/u for each simplex, (K, k+1, k+1).

    slopes (K, k) = α, gram (K, k, k) = Γ, finite (K, k): which corners are not at infinity. units
    (K, k) = u. rule: by default that of RULES.
    """
    count, k = slopes.shape
    rule = RULES[k] if rule is None else rule
    # E is convex, so largest at a corner.
    growth = slopes + 0.5 * np.einsum("kii->ki", gram)
    growth = np.where(finite, growth, np.inf).max(axis=1)
    found, todo = np.empty((count, k + 1, k + 1)), np.ones(count, dtype=bool)
    tiers = [(limit, small) for limit, small in _SMALL if small.inner < rule.inner]
    for limit, tier in (*tiers, (np.inf, rule)):
        mine = np.flatnonzero(todo & (growth <= limit))
        todo[mine] = False
        nodes = tier.inner * tier.outer ** (k - 1)
        for some in chunks(len(mine), _BATCH, nodes):
            part = mine[some]
            found[part] = _sorted_moments(slopes[part], gram[part], finite[part], units[part], tier)
    return found


def _sorted_moments(slopes: Array, gram: Array, finite: Mask, units: Array, rule: Rule) -> Array:
    """The same with λ/u for λ, put in order: those that fall fastest first."""
    count = len(slopes)
    order = np.argsort(-_rates(slopes, gram, finite), axis=1)
    gram = gram * units[:, :, None] * units[:, None, :]
    row = np.arange(count)[:, None]
    moments = _nested(
        (slopes * units)[row, order],
        gram[row[:, :, None], order[:, :, None], order[:, None, :]],
        np.where(finite, 1.0 / units, np.inf)[row, order],
        np.ones(count),
        np.full(count, rule.fall),
        rule,
    )
    back = np.concatenate([np.zeros((count, 1), dtype=np.intp), 1 + np.argsort(order, axis=1)], 1)
    return np.asarray(moments[row[:, :, None], back[:, :, None], back[:, None, :]])


def _nested(slopes: Array, gram: Array, ends: Array, room: Array, fall: Array, rule: Rule) -> Array:
    """The integral over the first λ of the integrals over the others.

    ends (K, k): where a λ by itself fills all of the room; infinite where its corner is at
    infinity. room (K,): how much of it is left. fall (K,): by how much exp(-E) may fall.
    """
    slope, curvature = slopes[:, 0], gram[:, 0, 0]
    rate = slope + np.sqrt(slope * slope + 2 * fall * curvature)
    # Of a corner so near that its square underflows, the range is the whole.
    reach = 2 * fall / np.maximum(rate, _LEAST_RATE)
    # Some room is always left: no node is at an end.
    reach = np.minimum(reach, room * ends[:, 0])
    if slopes.shape[1] == 1:
        return _innermost(slope, curvature, reach, rule.inner)
    nodes, weights = legendre_rule(rule.outer)
    values = reach[:, None] * nodes
    exponents = (slope[:, None] + 0.5 * curvature[:, None] * values) * values
    weights = reach[:, None] * weights * np.exp(-exponents)
    inner = _nested(
        (slopes[:, None, 1:] + gram[:, None, 0, 1:] * values[:, :, None]).reshape(
            -1, slopes.shape[1] - 1
        ),
        np.repeat(gram[:, 1:, 1:], rule.outer, axis=0),
        np.repeat(ends[:, 1:], rule.outer, axis=0),
        (room[:, None] - values / ends[:, :1]).ravel(),
        np.maximum(fall[:, None] - exponents, _LEAST_FALL).ravel(),
        rule,
    ).reshape(*values.shape, slopes.shape[1], slopes.shape[1])
    return _with_outer(weights, values, inner)


def _with_outer(weights: Array, values: Array, inner: Array) -> Array:
    """Sums over nodes (K, n) of weights (1, λ, inner)(1, λ, inner)ᵀ."""
    count, n, k, _ = inner.shape
    flat = inner.reshape(count, n, k * k)
    rows = weights[:, None, :] * np.stack([np.ones_like(values), values], axis=1)
    summed = (rows @ flat).reshape(count, 2, k, k)
    result = np.empty((count, k + 1, k + 1))
    kept = np.concatenate([[0], np.arange(2, k + 1)])
    result[:, kept[:, None], kept] = summed[:, 0]
    result[:, 1, kept] = result[:, kept, 1] = summed[:, 1, 0]
    result[:, 1, 1] = np.einsum("kn,kn,kn->k", weights, values * values, inner[:, :, 0, 0])
    return result


def _innermost(slope: Array, curvature: Array, reach: Array, n: int) -> Array:
    """∫_0^reach (1, λ)(1, λ)ᵀ exp(-slope λ - curvature λ²/2) dλ, (K, 2, 2)."""
    nodes, weights = legendre_rule(n)
    exponents = np.stack([slope * reach, 0.5 * curvature * reach * reach], axis=1)
    values = np.exp(exponents @ -np.stack([nodes, nodes * nodes]))
    sums = values @ (weights * np.stack([np.ones(n), nodes, nodes * nodes])).T
    sums *= reach[:, None] ** np.arange(1, 4)
    return np.stack([sums[:, :2], sums[:, 1:]], axis=1)
