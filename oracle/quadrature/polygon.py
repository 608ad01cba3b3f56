"""Mass, mean and covariance of a Gaussian on a convex polygon, by Green's theorem [App. B].

With u the whitened coordinates and r = |u|, the field -u exp(-r²/2) / (2π r²) has the standard
normal density as divergence, and a sink of strength one at the origin: so the mass is one integral
along each edge, plus one if the origin lies inside. All are of the size of the density at the
polygon's nearest point, so nothing is lost however far in the tail; what thin shapes lose, more
digits restore. The moments follow from those of the edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf

from oracle.exact.cone import Cone
from oracle.exact.from_doubles import polyhedron_of
from oracle.exact.number_types import Real
from oracle.quadrature.line_integrals import Level, along_line
from oracle.quadrature.moments import Moments, cholesky, climbed, solved

#: The mean and the lower Cholesky factor of the covariance at the current working precision.
Gaussian = Callable[[], tuple[list[Real], list[list[Real]]]]


@dataclass(frozen=True)
class Edge:
    """{u : normal u + distance = 0} between two values of t, the coordinate along (-n2, n1).

    normal: of length one, pointing into the polygon; low, high: possibly infinite.
    """

    normal: tuple[Real, Real]
    distance: Real
    low: Real
    high: Real

    @property
    def along(self) -> tuple[Real, Real]:
        """The direction in which t grows."""
        return -self.normal[1], self.normal[0]

    @property
    def mass(self) -> Real:
        """∫ φ(t) dt between the ends."""
        low, high = self.low / mp.sqrt(2), self.high / mp.sqrt(2)
        if high < 0:
            low, high = -high, -low
        if low < 0:
            return 1 - (mp.erfc(-low) + mp.erfc(high)) / 2
        return (mp.erfc(low) - mp.erfc(high)) / 2

    @property
    def nearest(self) -> Real:
        """The square of its distance from the origin."""
        t = min(max(mpf(0), self.low), self.high)
        return self.distance**2 + t**2


def polygon_moments(normals: Any, offsets: Any, mean: Any, cov: Any) -> Moments:
    """A Gaussian truncated to the polygon {z : normals z + offsets > 0} in the plane.

    Parameters
    ----------
    normals : array_like
        Inward normals, (F, 2), not normalised.
    offsets : array_like
        (F,).
    mean, cov : array_like
        Of the Gaussian before truncation, (2,) and (2, 2).

    Returns
    -------
    Moments
        Log mass, mean and covariance; -inf and NaN if the polygon is empty.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, or the covariance is not symmetric positive
        definite.
    OracleDisagreement
        If no two precisions agree.

    Notes
    -----
    Doubles are taken as they are. The log mass is good to 25 digits of max(1, |log mass|), mean and
    covariance to 25 digits of the truncated Gaussian's extent in every direction. Guarded by
    tests/oracle/test_oracle_polygon.py.

    Examples
    --------
    >>> unit = [[1.0, 0.0], [0.0, 1.0]]
    >>> quarter = polygon_moments(unit, [0.0, 0.0], [0.0, 0.0], unit)
    >>> f"{float(quarter.log_mass):.6f}"  # log 1/4
    '-1.386294'
    """
    cone = polyhedron_of(normals, offsets, 2)
    return moments_on(cone, gaussian_of(mean, cov, 2))


def gaussian_of(mean: Any, cov: Any, dimension: int) -> Gaussian:
    """The Gaussian of a mean and a covariance in doubles. Raises ValueError as polygon_moments."""
    centre, spread = np.asarray(mean, dtype=float), np.asarray(cov, dtype=float)
    if centre.shape != (dimension,) or not np.all(np.isfinite(centre)):
        raise ValueError(f"mean: expected finite numbers of shape ({dimension},)")
    if spread.shape != (dimension, dimension) or not np.array_equal(spread, spread.T):
        raise ValueError(f"cov: expected a symmetric matrix of shape ({dimension}, {dimension})")

    def gaussian() -> tuple[list[Real], list[list[Real]]]:
        root = cholesky([[mpf(float(v)) for v in row] for row in spread])
        if root is None:
            raise ValueError("cov: expected a positive definite matrix")
        return [mpf(float(v)) for v in centre], root

    with mp.workdps(100):
        gaussian()
    return gaussian


def moments_on(cone: Cone | None, gaussian: Gaussian) -> Moments:
    """A Gaussian on an exact polygon; None is the empty one. As polygon_moments."""
    if cone is None:
        return Moments(-mp.inf, [mp.nan] * 2, [[mp.nan] * 2] * 2)
    return climbed(lambda level: _moments(cone, *gaussian(), level))


def nearest_on(cone: Cone, mean: list[Real], root: list[list[Real]]) -> Real:
    """The squared whitened distance of a polygon from the mean: the mass is below exp(-half)."""
    edges = edges_of(cone, mean, root)
    return mpf(0) if winding(edges) > 0 else min(edge.nearest for edge in edges)


def _moments(cone: Cone, mean: list[Real], root: list[list[Real]], level: Level) -> Moments:
    """At one precision."""
    edges = edges_of(cone, mean, root)
    mass, first, second = whitened_moments(edges, level)
    if not mass > 0:  # lost in rounding: a higher precision decides
        return Moments(mp.nan, [mp.nan] * 2, [[mp.nan] * 2] * 2)
    return unwhitened(mass, first, second, mean, root)


def unwhitened(
    mass: Real,
    first: list[Real],
    second: list[list[Real]],
    mean: list[Real],
    root: list[list[Real]],
) -> Moments:
    """The moments in z = mean + root u from ∫ φ, ∫ u φ and ∫ u uᵀ φ."""
    axes = range(len(mean))
    inner = [v / mass for v in first]
    spread = [[second[i][j] / mass - inner[i] * inner[j] for j in axes] for i in axes]
    return Moments(
        mp.log(mass),
        [mean[i] + sum(root[i][k] * inner[k] for k in axes) for i in axes],
        [
            [sum(root[i][k] * spread[k][m] * root[j][m] for k in axes for m in axes) for j in axes]
            for i in axes
        ],
    )


def edges_of(cone: Cone, mean: list[Real], root: list[list[Real]]) -> list[Edge]:
    """The edges of an exact polygon in whitened coordinates, u = root^-1 (z - mean)."""
    edges = []
    for bound, _ in cone.facets():
        tangled = [sum(root[k][i] * bound[k] for k in (0, 1)) for i in (0, 1)]
        length = mp.hypot(*tangled)
        normal = (tangled[0] / length, tangled[1] / length)
        terms = [b * m for b, m in zip(bound, [*mean, mpf(1)], strict=True)]
        distance = snapped(sum(terms) / length, sum(map(abs, terms)) / length)
        low, high = -mp.inf, mp.inf
        if not cone.lines:
            ends = [
                _place(ray.vector, normal, mean, root)
                for ray in cone.rays
                if not sum(a * b for a, b in zip(bound, ray.vector, strict=True))
            ]
            low, high = min(ends), max(ends)
        edges.append(Edge(normal, distance, low, high))
    return edges


def snapped(value: Real, size: Real) -> Real:
    """Zero, for what may be nothing but rounding of numbers of a size."""
    return mpf(0) if abs(value) <= size * mpf(10) ** (12 - mp.dps) else value


def _place(
    ray: tuple[int, ...], normal: tuple[Real, Real], mean: list[Real], root: list[list[Real]]
) -> Real:
    """The t of a vertex, or the infinity that a ray at t = 0 runs to."""
    u, size = whitened_point(ray, mean, root)
    t = snapped(normal[0] * u[1] - normal[1] * u[0], size)
    return t if ray[-1] else mp.sign(t) * mp.inf


def whitened_point(
    ray: tuple[int, ...], mean: list[Real], root: list[list[Real]]
) -> tuple[list[Real], Real]:
    """A vertex, or a direction, in whitened coordinates; and the size of the terms it is of."""
    below = ray[-1] or max(map(abs, ray))
    point = [mpf(v) / below for v in ray[:-1]]
    centre = mean if ray[-1] else [mpf(0)] * len(mean)
    u = solved(root, [p - m for p, m in zip(point, centre, strict=True)])
    size = sum(abs(p) + abs(m) for p, m in zip(point, centre, strict=True))
    return u, size / min(root[i][i] for i in range(len(root)))


def whitened_moments(edges: list[Edge], level: Level) -> tuple[Real, list[Real], list[list[Real]]]:
    """∫ φ, ∫ u φ and ∫ u uᵀ φ over a polygon with these edges, φ the standard normal density."""
    mass = whitened_mass(edges, level)
    first = [mpf(0), mpf(0)]
    second = [[mass, mpf(0)], [mpf(0), mass]]
    for edge in edges:
        # -∫ ∇φ = ∫ u φ, and ∂_j (u_i φ) = δ_ij φ - u_i u_j φ, by the divergence theorem.
        density, within = mp.npdf(edge.distance), edge.mass
        turn = mp.npdf(edge.low) - mp.npdf(edge.high)
        for i in (0, 1):
            first[i] += edge.normal[i] * density * within
            own = density * (edge.along[i] * turn - edge.distance * edge.normal[i] * within)
            for j in (0, 1):
                second[i][j] += own * edge.normal[j]
    return mass, first, second


def whitened_mass(edges: list[Edge], level: Level) -> Real:
    """∫ φ over a polygon with these edges: one integral along each."""
    total = winding(edges)
    if not edges:
        return total
    closest = mpf(0) if total > 0 else min(edge.nearest for edge in edges)
    reach = closest + 2 * level.fall
    for edge in edges:
        if edge.distance and edge.nearest < reach:
            square = edge.distance**2

            def kernel(t2: Real, square: Real = square) -> Real:
                return mp.exp(-(square + t2) / 2) / (square + t2)

            limit = reach - square
            around = along_line(kernel, edge.low, edge.high, square, limit, level)
            total -= edge.distance * around / (2 * mp.pi)
    return total


def winding(edges: list[Edge]) -> Real:
    """The share of directions from the origin that lead into the polygon: 1 inside, 0 outside, a
    half on an edge, less at a vertex."""
    if any(edge.distance < 0 for edge in edges):
        return mpf(0)
    through = [edge for edge in edges if edge.distance == 0]
    if len(through) > 2:
        return mpf("nan")  # a polygon smaller than rounding: a higher precision decides
    if len(through) < 2:
        return mpf(1) / (1 + len(through))
    (a, b), (c, d) = (edge.normal for edge in through)
    return (mp.pi - mp.atan2(abs(a * d - b * c), a * c + b * d)) / (2 * mp.pi)
