"""Regular bodies by their facets {z : normals z + distances > 0}, in any latent dimension."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

import numpy as np

from oracle.exact.number_types import Array

#: Normals (F, S) of length 1 up to rounding, and distances from 0 (F,).
Facets = tuple[Array, Array]
_GOLDEN = (1 + np.sqrt(5)) / 2


@cache
def facets(dimension: int) -> tuple[Facets, ...]:
    """The bodies of a dimension.

    An interval; polygons of 3, 5, 6, 8 and 12 sides; cube, octahedron, dodecahedron, icosahedron
    and truncated icosahedron; the 8-, 16- and 24-cell; beyond that the cube.
    """
    cube = np.vstack([np.eye(dimension), -np.eye(dimension)])
    if dimension == 2:
        return tuple(_about(_directions(sides)) for sides in (3, 5, 6, 8, 12))
    if dimension == 3:
        signs = np.array(list(product([1.0, -1.0], repeat=3)))
        return *map(_about, (cube, signs, _icosahedron(), _dodecahedron())), _truncated()
    if dimension == 4:
        signs = np.array(list(product([1.0, -1.0], repeat=4)))
        pairs = {
            v for a, b in product([1.0, -1.0], repeat=2) for v in permutations((a, b, 0.0, 0.0))
        }
        return tuple(map(_about, (cube, signs, np.array(sorted(pairs)))))
    return (_about(cube),)


def _about(directions: Array) -> Facets:
    """The body of all z with directions z < 1, whose normals point inwards."""
    lengths = np.sqrt(np.sum(directions**2, axis=1))
    return -directions / lengths[:, None], np.ones(len(directions))


def _directions(sides: int) -> Array:
    """As many directions in the plane, equally spaced."""
    angles = 2 * np.pi * np.arange(sides) / sides
    return np.column_stack([np.cos(angles), np.sin(angles)])


def _icosahedron() -> Array:
    """The corners of an icosahedron, (12, 3)."""
    return np.array(
        [
            np.roll([0.0, a, b * _GOLDEN], shift)
            for a, b in product([1, -1], repeat=2)
            for shift in range(3)
        ]
    )


def _dodecahedron() -> Array:
    """The corners of a dodecahedron, over the middles of the faces of `_icosahedron`, (20, 3)."""
    cyclic = [
        np.roll([0.0, a * _GOLDEN, b / _GOLDEN], shift)
        for a, b in product([1, -1], repeat=2)
        for shift in range(3)
    ]
    return np.array([*product([1.0, -1.0], repeat=3), *cyclic])


def _truncated() -> Facets:
    """The truncated icosahedron: 12 pentagons, 20 hexagons, at their distances from the centre."""
    (five, _), (six, _) = _about(_icosahedron()), _about(_dodecahedron())
    distances = np.sqrt((125 + 41 * np.sqrt(5)) / 10) / 2, np.sqrt(1.5 * (7 + 3 * np.sqrt(5))) / 2
    return np.vstack([five, six]), np.repeat(distances, (12, 20)) / distances[0]
