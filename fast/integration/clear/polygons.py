"""Polygons split into triangles at the point nearest the mean [eq. 9].

As `fast.integration.split` splits polyhedra of any dimension and shape, but in plain doubles: for
most polygons that is enough. What rounding may do is bounded, for each of the triangles: which of
them count is known when they have been integrated. Points of the plane are complex numbers here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.integration.split import Simplices
from fast.integration.whitened import Whitened
from reference.model import Array, Indices, Mask

Plane = NDArray[np.complex128]

# Beyond so many standard deviations from the point nearest the mean there is no mass that counts.
_REACH = 9.0
_EPS = float(np.finfo(np.float64).eps)


class Peaks(NamedTuple):
    """The point of every polygon that is nearest its mean, from which all is counted."""

    place: Array  # (I, 2)
    whitened: Array  # (I, 2): u there
    missed: Array  # (I,): the area of z that rounding of the point may have left out or added


class _Edges(NamedTuple):
    """The edges of all items, item after item, each from a first corner to a second."""

    item: Indices  # (n,)
    start: Plane  # (n,): the first corner, or a direction
    end: Plane  # (n,): the second corner, or a direction
    bounded: Mask  # (n,): whether the second corner is a point
    endless: Mask  # (n,): whether neither is


class _Seen(NamedTuple):
    """Edges from a point of each item, each from its corner that is nearer."""

    edges: _Edges
    steps: Plane  # (n,): to the first corners, in z; directions as they are
    spans: Plane  # (n,): from these to the second corners, in z; directions as they are
    away: Plane  # (n,): the first corners whitened, from u = 0
    along: Plane  # (n,): the spans whitened
    share: Array  # (n,): how far along an edge the point nearest u = 0 is


class _Triangles(NamedTuple):
    """Triangles with one corner at an item's peak; the others from there, in z, or directions."""

    item: Indices  # (K,)
    near: Plane  # (K,): the point of an edge that is nearest, or between two directions
    far: Plane  # (K,): one of the edge's corners
    summed: Array  # (K, 2): how long the steps are that `near` is the sum of, and how long `far` is
    finite: Mask  # (K, 2): whether these are points
    volume: Array  # (K,): |det| of both
    lost: Array  # (K,): what rounding may have done to that

    @staticmethod
    def joined(parts: list[_Triangles]) -> _Triangles:
        """Several one after another."""
        return _Triangles(*map(np.concatenate, zip(*parts, strict=True)))


def split_polygons(items: Whitened) -> tuple[Peaks, Simplices, Array]:
    """The peaks of items that are polygons, and their triangles; and by how much of itself rounding
    may have changed what is on each triangle, (K,)."""
    edges = _edges(items)
    place, whitened = _nearest(items, edges)
    found, missed = _triangles(items, edges, place)
    kept = found.volume > 0
    item, finite = found.item[kept], found.finite[kept]
    steps = np.stack([found.near[kept], found.far[kept]], axis=1)
    corners = np.stack([_mapped(items, item, z) for z in steps.T], axis=1)
    # Directions get the length one.
    sizes = np.where(finite, 1.0, np.abs(corners))
    corners, steps = corners / sizes, steps / sizes
    doubts = found.lost[kept] / found.volume[kept]
    reach = np.where(finite, np.minimum(np.abs(corners), _REACH), _REACH)
    doubts += _bends(
        items, item, np.abs(whitened[item]), corners, found.summed[kept] / sizes, reach
    )
    squares = np.square(np.abs(corners))
    gram = np.empty((len(item), 2, 2))
    gram[:, 0, 0], gram[:, 1, 1] = squares.T
    # No angle is obtuse but by rounding.
    gram[:, 0, 1] = gram[:, 1, 0] = np.maximum(_dot(corners[:, 0], corners[:, 1]), 0.0)
    # Negative ones too: where the peak is beside the nearest point, what is on either side cancels.
    slopes = _dot(corners, whitened[item, None])
    parts = Simplices(
        item=item,
        corners=_vectors(corners),
        steps=_vectors(steps),
        finite=finite,
        volume=found.volume[kept] / sizes.prod(axis=1),
        # Volumes are those in z.
        log_unit=-items.log_scale,
        slopes=slopes,
        gram=gram,
        chain=np.zeros(len(item), dtype=np.intp),
    )
    return Peaks(_vectors(place), _vectors(whitened), missed), parts, doubts


def _edges(items: Whitened) -> _Edges:
    lattice = items.lattice
    entries, item = lattice.facets.entries(items.cells)
    first, second = lattice.spanning(1)[lattice.facets.values[entries]].T
    positions = _plane(lattice.positions)
    return _Edges(
        item=item,
        start=positions[first],
        end=positions[second],
        bounded=lattice.points[second],
        endless=~lattice.points[first],
    )


def _seen(items: Whitened, edges: _Edges, origin: Plane, centre: Plane) -> _Seen:
    """Edges from points of the items (I,) at which -u is the centre (I,)."""
    item, spans = edges.item, np.where(edges.bounded, edges.end - edges.start, edges.end)
    along = _mapped(items, item, spans)

    def first(edges: _Edges) -> tuple[Plane, Plane]:
        steps = edges.start - np.where(edges.endless, 0.0, origin[item])
        return steps, _mapped(items, item, steps) - np.where(edges.endless, 0.0, centre[item])

    # Of an edge that goes far a point may be near one corner only.
    turn = edges.bounded & (_share(first(edges)[1], along) > 0.5)
    edges = edges._replace(
        start=np.where(turn, edges.end, edges.start), end=np.where(turn, edges.start, edges.end)
    )
    spans, along = np.where(turn, -spans, spans), np.where(turn, -along, along)
    steps, away = first(edges)
    return _Seen(
        edges=edges,
        steps=steps,
        spans=spans,
        away=away,
        along=along,
        share=_share(away, along),
    )


def _nearest(items: Whitened, edges: _Edges) -> tuple[Plane, Plane]:
    """The point of every polygon nearest the mean, in z and whitened."""
    lattice, item, mean = items.lattice, edges.item, _plane(items.means)
    seen = _seen(items, edges, _plane(items.base), _plane(items.centres))
    nearest = seen.away + seen.share * seen.along
    squares = np.where(edges.endless, np.inf, np.square(nearest.real) + np.square(nearest.imag))
    best = _least(squares, item, len(mean))
    places = seen.edges.start[best] + seen.share[best] * seen.spans[best]
    entries, _ = lattice.facets.entries(items.cells)
    over = _dot(_plane(lattice.normals)[entries], mean[item]) + lattice.offsets[entries]
    inside = np.bincount(item, over < 0, len(mean)) == 0
    # u where the point is, as it was rounded, not where it should be.
    every = np.arange(len(mean))
    there = _mapped(items, every, places - _plane(items.base)) - _plane(items.centres)
    return np.where(inside, mean, places), np.where(inside, 0.0, there)


def _share(start: Plane, along: Plane) -> Array:
    """How far along edges the points nearest 0 are, which are not before the first corners."""
    lengths = np.square(along.real) + np.square(along.imag)
    share = -_dot(start, along) / np.where(lengths > 0, lengths, 1.0)
    return np.maximum(share, 0.0)


def _least(values: Array, item: Indices, count: int) -> Indices:
    """Where each item's least value is, of items one after another; its first where one is NaN."""
    starts = np.searchsorted(item, np.arange(count))
    least = np.minimum.reduceat(values, starts) if count else values
    found = np.flatnonzero(values == least[item])
    best = starts.astype(np.intp)
    best[item[found]] = found
    return best


def _triangles(items: Whitened, edges: _Edges, place: Plane) -> tuple[_Triangles, Array]:
    """Two triangles an edge, from its nearest point to either corner; and the area of z that may
    lie between peaks and edges that seem to go through them, (I,)."""
    seen = _seen(items, edges, place, np.zeros_like(place))
    edges, start, item, endless = seen.edges, seen.steps, edges.item, edges.endless
    span, sees = seen.spans, np.abs(seen.along)
    # Between two directions: as much to one as to the other.
    ratio = np.where(endless, np.abs(seen.away) / sees, seen.share)
    volume, (lost, beside) = np.abs(_cross(start, span)), _lost(seen, place)
    # Where a square overflows nothing is known.
    squares = volume + np.square(np.abs(seen.away)) + np.square(sees)
    beside = np.where(np.isfinite(squares), np.where(volume > 0, 0.0, beside), np.inf)
    missed = np.bincount(item, beside, len(place)).astype(np.float64)
    ends = np.where(edges.bounded, 1.0 - seen.share, 1.0)
    summed = np.abs(start) + ratio * np.abs(span)
    parts = [
        _Triangles(
            item=item,
            near=start + ratio * span,
            far=corner,
            summed=np.column_stack([summed, np.abs(corner)]),
            finite=np.column_stack([~endless, finite]),
            volume=part * volume,
            lost=part * lost,
        )
        for corner, finite, part in (
            (start, ~endless, ratio),
            (edges.end - np.where(edges.bounded, place[item], 0.0), edges.bounded, ends),
        )
    ]
    return _Triangles.joined(parts), missed


def _lost(seen: _Seen, place: Plane) -> tuple[Array, Array]:
    """What rounding may do to |det| of the triangles of edges, and to the area that lies within
    reach beside an edge, (n,) each.

    An edge is known to the rounding of its corners, and less from the first towards the other.
    """
    edges, away, length = seen.edges, np.abs(seen.steps), np.abs(seen.spans)
    start, end = np.abs(edges.start), np.abs(edges.end)
    within = _REACH / np.abs(seen.along)
    within = np.where(edges.bounded, np.minimum(within, 1.0), within)
    far = (seen.share + within) * np.where(edges.bounded, start + end, length)
    shift = _EPS * (away + start + np.abs(place)[edges.item] + far)
    # Two directions are known by themselves; all that lies between opposite ones may be missed.
    shift = np.where(edges.endless, 2 * _EPS * away, shift)
    return length * shift, np.where(edges.endless, np.inf, length * within * shift)


def _bends(
    items: Whitened, item: Indices, pulls: Array, corners: Plane, summed: Array, reach: Array
) -> Array:
    """What rounding of corners (K, 2) may do to exponents where there is mass, (K,).

    pulls (K,): |u| at the peaks; reach (K, 2): how far there is mass towards corners. A map may be
    large for what it gives of a step, and a step small beside those that it is the sum of.
    """
    sizes = np.sqrt(np.square(items.maps).sum(axis=(1, 2)))[item]
    moves = sizes[:, None] * summed / np.abs(corners) * reach
    # By which the exponent changes with u, which is as far out as the farther corner at most.
    bends = moves * (pulls + reach.max(axis=1))[:, None]
    return np.asarray(4 * _EPS * bends.max(axis=1))


def _plane(vectors: Array) -> Plane:
    """Vectors (..., 2) as complex numbers."""
    return np.ascontiguousarray(vectors).view(np.complex128)[..., 0]


def _vectors(points: Plane) -> Array:
    """Complex numbers as vectors (..., 2)."""
    return np.ascontiguousarray(points)[..., None].view(np.float64)


def _dot(a: Plane, b: Plane) -> Array:
    return np.asarray(a.real * b.real + a.imag * b.imag)


def _cross(a: Plane, b: Plane) -> Array:
    return np.asarray(a.real * b.imag - a.imag * b.real)


def _mapped(items: Whitened, item: Indices, z: Plane) -> Plane:
    """M z for every point's item."""
    columns = _plane(np.swapaxes(items.maps, 1, 2))[item]
    return columns[:, 0] * z.real + columns[:, 1] * z.imag
