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

A range has as many nodes as the exponent grows on it, and as still count there: where the λ before
have made exp(-E) small, an error is small beside the whole. Measured against 60-digit quadrature
for k = 2, over lengths of 1e-3..1e5 and slopes to 1e7: 1e-14 (tests/integration/test_simplices.py).
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from fast.integration.gauss_legendre import legendre_rule
from fast.polyhedra.compiled import compiled
from reference.model import Array, Indices, Mask

# A rate that underflows to 0 counts as this: the range is then all the room there is.
_LEAST_RATE = 1e-300
# How far an inner integrand is followed at least, where the outer one has used up what may be lost:
# its range must not be empty, and what it adds there is below exp(-fall).
_LEAST_FALL = 1e-3
# A range on which the exponent grows by g has so many nodes, where a share of exp(-d) may be lost:
# _FEWEST + _PER_DIGIT d + _ROOT d**_POWER sqrt(g). A fit to what exp(-aλ - bλ²) takes on [0, 1].
_DIGITS = 34
_FEWEST = 0.4
_PER_DIGIT = 0.2
_ROOT = 0.81
_POWER = 0.306


class Rule(NamedTuple):
    """How many nodes a range gets at most, the innermost one and the others; how far the integrand
    is followed, down to exp(-fall) of its largest value; and exp(-digits), what fewer nodes may
    lose where less counts."""

    inner: int
    outer: int
    fall: float
    digits: int = _DIGITS


#: For each k the rule for simplices of any size. Error of the moments: 1e-14 for k <= 2, 1e-12 for
#: k = 3; beyond, see fast.integration.truncated.
RULES = {
    1: Rule(26, 0, 41.0),
    2: Rule(22, 26, 36.0),
    3: Rule(20, 22, 34.0, 31),
    4: Rule(14, 14, 41.0, 28),
    5: Rule(10, 10, 30.0, 28),
    6: Rule(7, 7, 25.0, 28),
}


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
    order = np.argsort(-_rates(slopes, gram, finite), axis=1)
    row, gram = np.arange(count)[:, None], gram * units[:, :, None] * units[:, None, :]
    forms = (
        (slopes * units)[row, order],
        gram[row[:, :, None], order[:, :, None], order[:, None, :]],
        np.where(finite, 1.0 / units, np.inf)[row, order],
    )
    caps = np.append(np.full(k - 1, rule.outer), rule.inner)
    sums = np.zeros((count, k + 1, k + 1))
    compiled(_integrate)(forms, caps, (rule.fall, rule.digits), _rules(rule), sums)
    back = np.concatenate([np.zeros((count, 1), dtype=np.intp), 1 + np.argsort(order, axis=1)], 1)
    i, j = back[:, :, None], back[:, None, :]
    return np.asarray(sums[row[:, :, None], np.minimum(i, j), np.maximum(i, j)])


@cache
def _rules(rule: Rule) -> tuple[Array, Array, Array]:
    """Nodes and weights of the rules of n nodes, in row n; and in row d, where exp(-d) may be lost,
    how many nodes are enough: so many, and more by the root of how much the exponent grows."""
    most = max(rule.inner, rule.outer)
    nodes, weights = np.zeros((2, most + 1, most))
    for n in range(1, most + 1):
        nodes[n, :n], weights[n, :n] = legendre_rule(n)
    lost = np.arange(rule.digits + 1)
    counts = np.column_stack([_FEWEST + _PER_DIGIT * lost, _ROOT * lost**_POWER])
    return nodes, weights, counts


def _integrate(
    forms: tuple[Array, Array, Array],
    caps: Indices,
    followed: tuple[float, int],
    rules: tuple[Array, Array, Array],
    sums: Array,
) -> None:
    """Add the moments of exp(-E) on simplices to sums (K, k+1, k+1), of λ in their order; compiled.

    forms: α (K, k), Γ (K, k, k), and where a λ by itself fills the room (K, k), of λ in the order
    of integration; caps (k,): most nodes of each; followed: fall and digits of `Rule`.
    """
    (slopes, gram, ends), (nodes, weights, counts), (falls, digits) = forms, rules, followed
    k = slopes.shape[1]
    # Of each λ in turn: E's linear part in it and those after, the room left, how far exp(-E) may
    # fall still, its range, its nodes, how many are done; of those before: weights; 1 and values.
    linear, room, fall, end = np.empty((k, k)), np.ones(k), np.empty(k), np.empty(k)
    weight, value, n, done = np.ones(k), np.ones(k), caps.copy(), np.zeros_like(caps)
    for item in range(len(slopes)):
        linear[0], fall[0], square, total, m = slopes[item], falls, gram[item], sums[item], 0
        while m >= 0:
            if done[m] == 0:
                growth = 0.0
                for j in range(k - 1, m - 1, -1):
                    a, c = linear[m, j], square[j, j]
                    # Of a corner so near that its square underflows, the range is the whole.
                    rate = max(a + math.sqrt(a * a + 2 * fall[m] * c), _LEAST_RATE)
                    # Some room is always left: no node is at an end.
                    end[m] = min(2 * fall[m] / rate, room[m] * ends[item, j])
                    growth = max(growth, abs((a + 0.5 * c * end[m]) * end[m]))
                left = min(max(math.ceil(digits - falls + fall[m]), 1), digits)
                wanted = counts[left, 0] + counts[left, 1] * math.sqrt(min(growth, fall[m]))
                n[m] = min(math.ceil(wanted), caps[m])
            slope, curvature = linear[m, m] * end[m], 0.5 * square[m, m] * end[m] ** 2
            if m == k - 1:
                mass = first = second = 0.0
                for i in range(n[m]):
                    x = nodes[n[m], i]
                    share = weights[n[m], i] * math.exp(-(slope + curvature * x) * x)
                    mass, first, second = mass + share, first + share * x, second + share * x * x
                mass, first = weight[m] * end[m] * mass, weight[m] * end[m] ** 2 * first
                for i in range(k):
                    total[i, k] += value[i] * first
                    for j in range(i, k):
                        total[i, j] += value[i] * value[j] * mass
                total[k, k] += weight[m] * end[m] ** 3 * second
            elif done[m] < n[m]:
                x = nodes[n[m], done[m]]
                fallen = (slope + curvature * x) * x
                weight[m + 1] = weight[m] * end[m] * weights[n[m], done[m]] * math.exp(-fallen)
                value[m + 1] = x = end[m] * x
                room[m + 1] = room[m] - x / ends[item, m]
                fall[m + 1] = max(fall[m] - fallen, _LEAST_FALL)
                for j in range(m + 1, k):
                    linear[m + 1, j] = linear[m, j] + square[m, j] * x
                done[m] += 1
                m += 1
                continue
            done[m] = 0
            m -= 1
