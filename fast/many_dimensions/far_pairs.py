"""Truncated Gaussians of (datum, region) pairs where the datum is so far away that doubles do not
hold the differences that decide its posterior.

The polyhedron is split at its apex as ever. But where the apex is, how log p(x, z) falls from there
to the corners of the simplices, and its value there relative to other regions are found in
integers: all that is of the size of the distance. What is left is of the size of the region's
Gaussian, and for doubles.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fast.distributions.integers import determinant, minus, plus, rounded, times
from fast.integration.apex import Apex, Seen, choose_apex
from fast.integration.nearest_points import Level, nearest_points
from fast.integration.truncated import Truncated, truncate_with_error
from fast.integration.whitened import Origin, Whitened
from fast.many_dimensions.exact_faces import ExactFaces
from fast.many_dimensions.exact_joint import Quadratic
from fast.many_dimensions.far_tops import Climb, Top
from reference.model import Array, Dyadic, Indices, Mask, dyadic

# Directions this near to each other are one.
_PARALLEL = 1e-9
# A direction that rises so little over a facet, by its length, is along it.
_ALONG = 64 * np.finfo(np.float64).eps
# How far below the top an apex on a smaller face may be, in standard deviations.
_SNAP = 0.3


class FarGaussians(NamedTuple):
    """Gaussians on polyhedra, one an item, whose place is known without rounding."""

    items: Whitened
    quadratics: list[Quadratic]
    faces: list[ExactFaces]


def truncate_far(far: FarGaussians) -> tuple[Truncated, Array, list[Dyadic]]:
    """The truncated Gaussians, what coarse rules add to the error, and -2 log p(x, z) at their
    peaks, as `Quadratic.at`."""
    apex, tops = far_apex(far)
    items = far.items
    if not items.lattice.dimension:
        items = replace(items, means=apex.place)
    found, error = truncate_with_error(items, apex)
    values = [q.at(top.place) for q, top in zip(far.quadratics, tops, strict=True)]
    return found, error, values


def far_apex(far: FarGaussians, *, exact: bool = False) -> tuple[Apex, list[Top]]:
    """The apex of each item, with the falls from there; exact: where log p(x, z) is largest."""
    # Of a region thinner than rounding some places are no numbers; see `_numbers`.
    with np.errstate(all="ignore"):
        return _far_apex(far, exact)


def _far_apex(far: FarGaussians, exact: bool) -> tuple[Apex, list[Top]]:
    items, snap = far.items, 0.0 if exact else _SNAP
    apex = choose_apex(items, exact=exact)
    tops = []
    for item, (quadratic, faces) in enumerate(zip(far.quadratics, far.faces, strict=True)):
        climb = Climb(quadratic, faces, _root(items, item), snap)
        tops.append(climb.top(_numbers(apex.place[item]), _held(items, apex, faces, item)))
    place = np.array([rounded(top.place) for top in tops])
    small = np.array([rounded(minus(t.place, dyadic(p))) for t, p in zip(tops, place, strict=True)])
    if not items.lattice.dimension:
        return apex._replace(place=place), tops
    origin = Origin(place, small, np.zeros_like(items.centres))
    seen = _seen(far, nearest_points(items, origin), tops)
    return apex._replace(origin=origin, place=place, seen=seen), tops


def _held(items: Whitened, apex: Apex, faces: ExactFaces, item: int) -> Mask:
    """The facets that hold the face on which an item's apex is."""
    level = int(apex.level[item])
    if level == items.lattice.dimension:
        return np.zeros(len(faces.rows), dtype=bool)
    own, cell = items.lattice.faces[level].of_cells, items.cells[item]
    mine = own.values[own.starts[cell] : own.starts[cell + 1]]
    return np.asarray(faces.holding[level][np.flatnonzero(mine == apex.face[item])[0]])


def _numbers(places: Array) -> Array:
    """Places, 0 where they are no numbers: integers have no such thing, and a region so thin has no
    mass wherever it is split."""
    return np.where(np.isfinite(places), places, 0.0)


def _root(items: Whitened, item: int) -> Array:
    """A root of the Gaussian's precision, (S, S)."""
    both = np.concatenate([items.inverses[item], items.free[item]], axis=1)
    return np.asarray(np.linalg.inv(both))


def _seen(far: FarGaussians, levels: list[Level], tops: list[Top]) -> Seen:
    """The points of `levels` put on their faces, and what of them depends on how exactly."""
    items = far.items
    falls = [np.empty(len(level.vectors)) for level in levels]
    vectors = [np.empty_like(level.vectors) for level in levels]
    seen = [np.empty_like(level.high) for level in levels]
    away: list[list[Dyadic]] = [[] for _ in levels]
    for item, (top, faces) in enumerate(zip(tops, far.faces, strict=True)):
        own = [level.of_item(item) for level in levels]
        for m, steps in enumerate(_steps(items, item, top, faces, own)):
            mine = slice(levels[m].starts[item], levels[m].starts[item + 1])
            falls[m][mine] = -rounded(times(steps, top.rise))
            seen[m][mine] = items.across(rounded(steps), np.full(len(steps.numbers), item))
            white = _whitened(items, item, steps)
            vectors[m][mine] = rounded(white)
            away[m] += [Dyadic(row, white.exponent) for row in white.numbers]

    def volumes(places: list[Indices]) -> Array:
        corners = [[away[-1 - i][j] for j in place.tolist()] for i, place in enumerate(places)]
        return np.array([abs(determinant(list(rows))) for rows in zip(*corners, strict=True)])

    moved = [level._replace(vectors=v) for level, v in zip(levels, vectors, strict=True)]
    return Seen(moved, falls, seen, volumes)


def _whitened(items: Whitened, item: int, steps: Dyadic) -> Dyadic:
    """Steps in z of an item (n, S) in its coordinates u, (n, k).

    The image of a region may be millions of times as steep one way as another. Rounding of a step,
    or of the terms of its product, would move corners of a simplex by as much across the flat way,
    from where its volume has them.
    """
    if items.free.shape[2]:
        back = times(steps, dyadic(items.along[item].T))
        steps = minus(steps, times(back, dyadic(items.free[item].T)))
    return times(steps, dyadic(items.maps[item].T))


def _steps(
    items: Whitened, item: int, top: Top, faces: ExactFaces, levels: list[Level]
) -> list[Dyadic]:
    """From the top to the points of an item's faces, (n, S) of every dimension."""
    corners, back = levels[0], items.inverses[item].T
    sizes = items.lattice.positions[corners.corner] @ items.maps[item].T
    sizes = np.where(corners.finite, 1.0, np.linalg.norm(sizes, axis=1))
    ends = [_near(top, faces, corners, corners.vectors @ back, 0)]
    for m, level in enumerate(levels[1:], start=1):
        found = _near(top, faces, level, level.vectors @ back, m)
        found = _onto_facets(found, level, faces)
        found = _taken_over(found, level, ends[-1], levels[m - 1])
        ends.append(_between(found, level, ends[0], corners, sizes))
    result = []
    for m, (level, end) in enumerate(zip(levels, ends, strict=True)):
        start = top.place.numbers * level.finite[:, None]
        away = minus(end, Dyadic(start, top.place.exponent))
        # A face that the top is on has it for its nearest point.
        at_top = level.finite & ~np.any(faces.holding[m] & ~top.held, axis=1)
        result.append(Dyadic(away.numbers * ~at_top[:, None], away.exponent))
    return result


def _near(top: Top, faces: ExactFaces, level: Level, away: Array, m: int) -> Dyadic:
    """The points of an item's faces of dimension m that lie `away` (n, S) from its top, put onto
    them; and the directions."""
    start = Dyadic(top.place.numbers * level.finite[:, None], top.place.exponent)
    return faces.put(plus(start, dyadic(_numbers(away))), level.finite, faces.inverses[m])


def _onto_facets(found: Dyadic, level: Level, faces: ExactFaces) -> Dyadic:
    """The directions inside faces at infinity, those along a facet but for rounding put along it:
    log p(x, z) may be so steep across that what rounding leaves climbs by many deviations."""
    mine = np.flatnonzero(level.apart & ~level.finite)
    if not len(mine):
        return found
    directions = Dyadic(found.numbers[mine], found.exponent)
    steps = rounded(directions)
    rises = np.abs(steps @ faces.rows.T) / np.linalg.norm(steps, axis=1)[:, None]
    held = (rises <= _ALONG) & (faces.scales > 0)
    moved = faces.put_each(directions, held)
    return _replaced(found, mine, moved)


def _taken_over(found: Dyadic, level: Level, ends: Dyadic, below: Level) -> Dyadic:
    """The points of faces, those that are of a face of one dimension less as they are there; and
    the directions, of any length."""
    lengths, lower = (np.linalg.norm(rows, axis=1) for rows in (level.vectors, below.vectors))
    with np.errstate(invalid="ignore", divide="ignore"):
        units, others = level.vectors / lengths[:, None], below.vectors / lower[:, None]
        same = np.linalg.norm(units[:, None] - others, axis=2) < _PARALLEL
    same &= ~level.finite[:, None] & ~below.finite
    same |= level.finite[:, None] & np.all(level.vectors[:, None] == below.vectors, axis=2)
    mine = np.flatnonzero(np.any(same, axis=1))
    place = np.argmax(same[mine], axis=1)
    ratios = np.where(level.finite[mine], 1.0, lengths[mine] / lower[place])
    scales, shift = dyadic(ratios)
    taken = ends.numbers[place] * scales[:, None]
    return _replaced(found, mine, Dyadic(taken, ends.exponent + shift))


def _replaced(values: Dyadic, rows: Indices, others: Dyadic) -> Dyadic:
    """Values with some rows taken from others."""
    result = plus(values, Dyadic(0 * values.numbers[:1], others.exponent))
    result.numbers[rows] = plus(others, Dyadic(0 * others.numbers[:1], values.exponent)).numbers
    return result


def _between(
    ends: Dyadic, level: Level, corner_ends: Dyadic, corners: Level, sizes: Array
) -> Dyadic:
    """The same, from the corners that they lie at or between where they are known so: a corner far
    away is itself, not what rounding makes of the way there. sizes: of directions, whitened; 1."""
    # Of faces at infinity those whose point is a corner.
    known = ~level.apart & (level.finite | (level.share == 0))
    known = np.flatnonzero(known)
    order = np.argsort(corners.corner)
    one, other = (
        order[np.searchsorted(corners.corner[order], which[known])]
        for which in (level.corner, level.other)
    )
    first = Dyadic(corner_ends.numbers[one], corner_ends.exponent)
    bounded = corners.finite[other][:, None]
    span = Dyadic(corner_ends.numbers[other] - first.numbers * bounded, first.exponent)
    shares, exponent = dyadic(level.share[known] * sizes[other])
    move = Dyadic(span.numbers * shares[:, None], span.exponent + exponent)
    return _replaced(ends, known, plus(first, move))
