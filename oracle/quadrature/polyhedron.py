"""Mass, mean and covariance of a Gaussian on a polyhedron in three dimensions, by Green's theorem.

As oracle.quadrature.polygon, twice: the mass becomes an integral over each face of a function of
the distance r from the origin, and that one integral along each edge of the face. With φ the
standard normal density, Q(r) = ∫_r^∞ s² φ ds and W(r) = ∫_r^∞ Q(s) / s² ds = erfc(r/√2) / (4π r):
the field -u Q / r³ has the divergence φ; and in a face, y its coordinates from the foot of the
origin, the field -y W / |y|² has the divergence Q / r³. The moments follow from those of the faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

from oracle.exact.cone import Cone, Vector
from oracle.exact.from_doubles import polyhedron_of
from oracle.exact.number_types import Real
from oracle.quadrature.line_integrals import Level, along_line
from oracle.quadrature.moments import Moments, climbed
from oracle.quadrature.polygon import (
    Edge,
    Gaussian,
    gaussian_of,
    snapped,
    unwhitened,
    whitened_moments,
    whitened_point,
    winding,
)

Vector3 = tuple[Real, Real, Real]


@dataclass(frozen=True)
class Face:
    """{u : normal u + distance = 0} in whitened coordinates; its edges in the orthonormal frame
    about the foot of the origin."""

    normal: Vector3
    distance: Real
    frame: tuple[Vector3, Vector3]
    edges: list[Edge]

    @property
    def nearest(self) -> Real:
        """The square of its distance from the origin."""
        inside = winding(self.edges) > 0
        beside = mpf(0) if inside else min(edge.nearest for edge in self.edges)
        return self.distance**2 + beside


@dataclass(frozen=True)
class Ridge:
    """Where two faces meet: the signed distances of both planes, and in either face that of the
    ridge; the square of the ridge's distance; cosine of the normals; the ends along it."""

    planes: tuple[Real, Real]
    beside: tuple[Real, Real]
    square: Real
    cosine: Real
    low: Real
    high: Real


def polyhedron_moments(normals: Any, offsets: Any, mean: Any, cov: Any) -> Moments:
    """A Gaussian truncated to the polyhedron {z : normals z + offsets > 0} in space.

    Parameters
    ----------
    normals : array_like
        Inward normals, (F, 3), not normalised.
    offsets : array_like
        (F,).
    mean, cov : array_like
        Of the Gaussian before truncation, (3,) and (3, 3).

    Returns
    -------
    Moments
        Log mass, mean and covariance; -inf and NaN if the polyhedron is empty.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, or the covariance is not symmetric positive
        definite.
    OracleDisagreement
        If no two precisions agree.

    Notes
    -----
    Accurate as oracle.quadrature.polygon.polygon_moments. Guarded by
    tests/oracle/test_oracle_polyhedron.py.
    """
    return moments_in_space(polyhedron_of(normals, offsets, 3), gaussian_of(mean, cov, 3))


def moments_in_space(cone: Cone | None, gaussian: Gaussian) -> Moments:
    """A Gaussian on an exact polyhedron; None is the empty one. As polyhedron_moments."""
    if cone is None:
        return Moments(-mp.inf, [mp.nan] * 3, [[mp.nan] * 3] * 3)
    return climbed(lambda level: _moments(cone, *gaussian(), level))


def nearest_in_space(cone: Cone, mean: list[Real], root: list[list[Real]]) -> Real:
    """The squared whitened distance of a polyhedron from the mean: the mass is below exp(-half)."""
    return _nearest(*_whitened(cone, mean, root))


def _nearest(faces: list[Face], ridges: list[Ridge]) -> Real:
    """The square of the distance of the nearest point."""
    inside = _share(faces, ridges) > 0 or not faces
    return mpf(0) if inside else min(face.nearest for face in faces)


def _moments(cone: Cone, mean: list[Real], root: list[list[Real]], level: Level) -> Moments:
    """At one precision."""
    faces, ridges = _whitened(cone, mean, root)
    reach = _nearest(faces, ridges) + 2 * level.fall
    mass = _share(faces, ridges) + _flux(faces, ridges, reach, level)
    if not mass > 0:  # lost in rounding: a higher precision decides
        return Moments(mp.nan, [mp.nan] * 3, [[mp.nan] * 3] * 3)
    first = [mpf(0)] * 3
    second = [[mass if i == j else mpf(0) for j in range(3)] for i in range(3)]
    for face in faces:
        if face.nearest >= reach:
            continue
        density = mp.npdf(face.distance)
        within, inner, _ = whitened_moments(face.edges, level)
        for i in range(3):
            across = face.frame[0][i] * inner[0] + face.frame[1][i] * inner[1]
            own = density * (across - face.distance * face.normal[i] * within)
            first[i] += density * face.normal[i] * within
            for j in range(3):
                second[i][j] += own * face.normal[j]
    return unwhitened(mass, first, second, mean, root)


def _flux(faces: list[Face], ridges: list[Ridge], reach: Real, level: Level) -> Real:
    """What the faces and their edges add to the mass."""
    total = mpf(0)
    for face in faces:
        if face.distance:
            foot = mp.sign(face.distance) * mp.erfc(abs(face.distance) / mp.sqrt(2)) / 2
            total -= foot * winding(face.edges)
    for ridge in ridges:
        t = min(max(mpf(0), ridge.low), ridge.high)
        parts = [
            (plane * beside, beside**2)
            for plane, beside in zip(ridge.planes, ridge.beside, strict=True)
            if plane and beside
        ]
        if not parts or ridge.square + t**2 >= reach:
            continue

        def kernel(t2: Real, square: Real = ridge.square, parts: Any = parts) -> Real:
            r = mp.sqrt(square + t2)
            potential = mp.erfc(r / mp.sqrt(2)) / (4 * mp.pi * r)
            return potential * sum(factor / (pole + t2) for factor, pole in parts)

        pole = min(pole for _, pole in parts)
        limit = reach - ridge.square
        total += along_line(kernel, ridge.low, ridge.high, pole, limit, level)
    return total


def _share(faces: list[Face], ridges: list[Ridge]) -> Real:
    """The share of directions from the origin that lead into the polyhedron: 1 inside, 0 outside, a
    half on a face, less on an edge or at a vertex."""
    if any(face.distance < 0 for face in faces):
        return mpf(0)
    through = [face for face in faces if face.distance == 0]
    if len(through) < 2:
        return mpf(1) / (1 + len(through))
    angles = [mp.pi - mp.acos(r.cosine) for r in ridges if not any(r.planes)]
    if len(through) == 2 and len(angles) == 1:
        return angles[0] / (2 * mp.pi)
    if len(angles) != len(through):
        return mpf("nan")  # smaller than rounding: a higher precision decides
    return (sum(angles) - (len(through) - 2) * mp.pi) / (4 * mp.pi)


def _whitened(
    cone: Cone, mean: list[Real], root: list[list[Real]]
) -> tuple[list[Face], list[Ridge]]:
    """Faces and ridges of an exact polyhedron in whitened coordinates, u = root^-1 (z - mean)."""
    faces: dict[Vector, Face] = {}
    for bound, _ in cone.facets():
        tangled = [sum(root[k][i] * bound[k] for k in range(3)) for i in range(3)]
        length = mp.sqrt(sum(v * v for v in tangled))
        terms = [b * m for b, m in zip(bound, [*mean, mpf(1)], strict=True)]
        distance = snapped(sum(terms) / length, sum(map(abs, terms)) / length)
        normal = (tangled[0] / length, tangled[1] / length, tangled[2] / length)
        faces[bound] = Face(normal, distance, _frame(normal), [])
    ridges = []
    for one, other, rays in cone.ridges():
        pair = faces[one], faces[other]
        cosine = _dot(pair[0].normal, pair[1].normal)
        sine = mp.sqrt(_dot(c := _cross(pair[0].normal, pair[1].normal), c))
        direction = (c[0] / sine, c[1] / sine, c[2] / sine)
        low, high = _extent(cone, rays, direction, mean, root)
        ridge = Ridge(
            planes=(pair[0].distance, pair[1].distance),
            beside=(
                _beside(pair[0], pair[1], cosine, sine),
                _beside(pair[1], pair[0], cosine, sine),
            ),
            square=_square(pair, cosine, sine),
            cosine=cosine,
            low=low,
            high=high,
        )
        # t grows along normal × inward direction: along the cross product in the first face,
        # against it in the second.
        for face, opposite, beside, ends in (
            (pair[0], pair[1], ridge.beside[0], (low, high)),
            (pair[1], pair[0], ridge.beside[1], (-high, -low)),
        ):
            inward = (
                _dot(face.frame[0], opposite.normal) / sine,
                _dot(face.frame[1], opposite.normal) / sine,
            )
            face.edges.append(Edge(inward, beside, *ends))
        ridges.append(ridge)
    return list(faces.values()), ridges


def _beside(face: Face, other: Face, cosine: Real, sine: Real) -> Real:
    """In a face, the signed distance from the foot of the origin to the ridge with another."""
    terms = other.distance / sine, -face.distance * cosine / sine
    return snapped(sum(terms), abs(terms[0]) + abs(terms[1]))


def _square(pair: tuple[Face, Face], cosine: Real, sine: Real) -> Real:
    """The square of a ridge's distance from the origin."""
    return pair[0].distance ** 2 + _beside(*pair, cosine, sine) ** 2


def _extent(
    cone: Cone,
    rays: list[Vector],
    direction: Vector3,
    mean: list[Real],
    root: list[list[Real]],
) -> tuple[Real, Real]:
    """The ends of a ridge along its direction."""
    if cone.lines:
        return -mp.inf, mp.inf
    ends = []
    for ray in rays:
        u, size = whitened_point(ray, mean, root)
        t = snapped(sum(a * b for a, b in zip(direction, u, strict=True)), size)
        ends.append(t if ray[-1] else mp.sign(t) * mp.inf)
    return min(ends), max(ends)


def _frame(normal: Vector3) -> tuple[Vector3, Vector3]:
    """Two vectors that with the normal make a right-handed orthonormal frame, the normal last."""
    smallest = min(range(3), key=lambda i: abs(normal[i]))
    axis = tuple(mpf(int(i == smallest)) for i in range(3))
    first = _cross(normal, (axis[0], axis[1], axis[2]))
    length = mp.sqrt(_dot(first, first))
    first = (first[0] / length, first[1] / length, first[2] / length)
    return first, _cross(normal, first)


def _dot(one: Vector3, other: Vector3) -> Real:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _cross(a: Vector3, b: Vector3) -> Vector3:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
