"""P(u_i · Y <= h_i for all i), Y standard normal: the normal CDF in one, two and three dimensions.

The variables are u_i · Y, of variance 1 and correlation u_i · u_j. They are given by the unit
vectors u_i rather than by correlations: the probability depends on the angle between two of them,
which a correlation near ±1 determines badly. Everything is deterministic and accurate in absolute
terms; a probability far in the tail has no correct digits. Guarded by
tests/integration/test_reference_normal_cdf.py.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import ndtr, owens_t

from reference.model.arrays import Array

# Angles that the rounding of unit vectors cannot tell from 0.
_NO_ANGLE = 1e-17
# φ(9) = 1e-18: beyond, the density adds nothing to an absolute error of 1e-15.
_FAR = 9.0
# On panels [t, 2t] functions exp(-c² t²/2), for any c, are integrated to 1e-16 by these.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def normal_cdf(limits: Array, directions: Array) -> float:
    """P(u_i · Y <= h_i for all i) for limits h (k,), directions u (k, S) of length 1, k <= 3.

    Limits may be infinite. Absolute accuracy 1e-14 at any angles; measured errors are below 2e-15.
    Raises ValueError for k > 3.
    """
    if np.any(limits == -np.inf):
        return 0.0
    finite = limits < np.inf
    limits, directions = limits[finite], directions[finite]
    if len(limits) == 0:
        return 1.0
    if len(limits) == 1:
        return float(ndtr(limits[0]))
    if len(limits) == 2:
        return float(bivariate(np.ones(1), limits, directions)[0])
    if len(limits) == 3:
        return trivariate(limits, directions)
    raise ValueError(f"limits: expected at most 3, got {len(limits)}")


def conditional(limits: Array, directions: Array, i: int) -> tuple[Array, Array]:
    """The limits (k-1,) and directions (k-1, S) of the other variables given u_i · Y = h_i.

    h_{j|i} = (h_j - c h_i) / s, with c and s the cosine and sine of the angle between u_i and u_j.
    u_{j|i} is the part of u_j orthogonal to u_i, of length s, scaled to length 1. At small angles
    it is that of u_j - u_i, which is exact, and at those near π that of u_j + u_i; what their
    lengths differ by from 1 does not enter. 1 - c is s² / (1 + c), so that nothing cancels.
    """
    others = np.arange(len(limits)) != i
    here, u = limits[i], directions[i]
    cosine = directions[others] @ u
    sign = np.where(cosine >= 0, 1.0, -1.0)
    apart = directions[others] - sign[:, None] * u
    for _ in range(2):  # the second time removes the rounding of the first
        apart = apart - (apart @ u)[:, None] * u
    sine = np.maximum(np.linalg.norm(apart, axis=1), _NO_ANGLE)
    given = (limits[others] - sign * here) / sine + sign * here * sine / (1 + np.abs(cosine))
    return given, apart / sine[:, None]


def angle(u: Array, v: Array) -> float:
    """The angle between two vectors of length 1, accurate for any."""
    return float(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v)))


def bivariate(scales: Array, limits: Array, directions: Array) -> Array:
    """P(u_1 · Y <= t h_1, u_2 · Y <= t h_2) for every t > 0 in scales, by Owen's function T (1956).

    Φ_2 = ½ Φ(t h_1) + ½ Φ(t h_2) - T(t h_1, h_{2|1} / h_1) - T(t h_2, h_{1|2} / h_2) - β, β = 0 if
    h_1, h_2 have one sign, 0 counted as positive, and ½ otherwise.
    """
    if not np.any(limits):
        return np.full(len(scales), (np.pi - angle(*directions)) / (2 * np.pi))
    total = np.zeros(len(scales))
    for i, here in enumerate(limits):
        given, _ = conditional(limits, directions, i)
        with np.errstate(divide="ignore", over="ignore"):
            ratio = given[0] / np.abs(here)
        # T is even in its first argument and odd in its second: -0 and 0 are the same limit.
        slope = ratio if here >= 0 else -ratio
        total += 0.5 * ndtr(scales * here) - owens_t(scales * np.abs(here), slope)
    low, high = np.sort(limits)
    return total - (0.5 if low < 0 <= high else 0.0)


def trivariate(limits: Array, directions: Array) -> float:
    """P(u_i · Y <= h_i, i = 1, 2, 3) by one integral over a bivariate CDF.

    As the limits grow from 0 to h, d/dt Φ_3(t h) = Σ_i h_i φ(t h_i) Φ_2(t h_{·|i}): the mass that
    enters through each facet. At t = 0 it is the solid angle of a trihedron (Girard). The integrand
    depends on t only through products of t with constants. So panels that double in length, from
    the smallest of their scales, resolve it.
    """
    angles = sum(angle(directions[i], directions[j]) for i, j in combinations(range(3), 2))
    total = (2 * np.pi - angles) / (4 * np.pi)
    for i, here in enumerate(limits):
        if here == 0:
            continue
        given, across = conditional(limits, directions, i)
        apex = [conditional(given, across, j)[0][0] for j in range(2)]
        end = min(1.0, _FAR / abs(here))
        nodes, weights = _doubling_panels(end, float(np.max(np.abs([here, *given, *apex]))))
        density = np.exp(-0.5 * (nodes * here) ** 2) / np.sqrt(2 * np.pi)
        total += here * float(weights @ (density * bivariate(nodes, given, across)))
    return float(total)


def _doubling_panels(end: float, rate: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [0, end]: panels [0, t], [t, 2t], ... with t rate < 1."""
    count = int(np.ceil(np.log2(max(end * rate, 1.0)))) + 1
    edges = np.append(0.0, np.ldexp(end, np.arange(1 - count, 1)))
    half = 0.5 * np.diff(edges)
    nodes = edges[:-1, None] + half[:, None] * (_NODES + 1)
    return nodes.ravel(), (half[:, None] * _WEIGHTS).ravel()
