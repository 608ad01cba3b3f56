"""A tree of regions: which of them a datum cannot rule out, without a look at every one.

The image of a bounded region is the convex hull of its vertices' images, so a ball around those
holds it, and the distance of a datum from the ball bounds p(x, z) on the region. A node's ball
holds the balls of all its regions. Balls lie in a few coordinates, which a projection of y tells;
of what is orthogonal to them the length alone is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fast.integration.whitened import dots
from fast.polyhedra.chunks import chunks
from fast.polyhedra.ragged import ranges
from reference.model import Array, Indices

# Of rounding in distances, over the size of their terms: thousands of times ε.
_ROUNDING = 1e-12
# Numbers held at once: of pairs of a datum and a node.
_BATCH = 1 << 20
# Steps down a tree of two branches at a node, taken at once.
_STEPS = 2
# Nodes that are followed to a region that holds much of p(x).
_BEAM = 4


class Balls(NamedTuple):
    """What is known of n sets of regions: balls in the projection of y around their images, how far
    from 0 they lie at least, and how large they are."""

    centres: Array  # (n, K)
    radii: Array  # (n,)
    beyond: Array  # (n,): how far from the axes of the projection the images lie at most
    places: Array  # (n, S): balls around the regions themselves, in deviations of the prior
    reach: Array  # (n,)
    least: Array  # (n,): of zᵀ Σz^-1 z, at least
    log_volumes: Array  # (n,): log of at most the volume of z
    number: Array  # (n,): how many regions they are

    def at(self, rows: Indices) -> Balls:
        """Some of them."""
        return Balls(*(field[rows] for field in self))

    def joined(self, starts: Indices) -> Balls:
        """Sets of successive ones, as many as there are starts."""
        owner = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(self.radii))))
        number = np.add.reduceat(self.number, starts)
        shares = self.number / number[owner]
        centres, radii = _around(self.centres, self.radii, shares, owner, starts)
        places, reach = _around(self.places, self.reach, shares, owner, starts)
        largest = np.maximum.reduceat(self.log_volumes, starts)
        volumes = np.add.reduceat(np.exp(self.log_volumes - largest[owner]), starts)
        return Balls(
            centres=centres,
            radii=radii,
            places=places,
            reach=reach,
            beyond=np.maximum.reduceat(self.beyond, starts),
            least=np.minimum.reduceat(self.least, starts),
            log_volumes=largest + np.log(volumes),
            number=number,
        )


def _around(
    centres: Array, radii: Array, shares: Array, owner: Indices, starts: Indices
) -> tuple[Array, Array]:
    """Balls around sets of successive balls: a mean of their centres by shares (n,), and how far
    they reach from there."""
    middles = np.add.reduceat(shares[:, None] * centres, starts)
    reach = np.linalg.norm(centres - middles[owner], axis=1) + radii
    return middles, np.maximum.reduceat(reach, starts)


class Seen(NamedTuple):
    """Data in the projection: rows (N, K), and the length of what is orthogonal to its axes, beyond
    (N,)."""

    rows: Array
    beyond: Array


class Left(NamedTuple):
    """Pairs of a datum and a region that are not ruled out, sorted by datum; and, for N data, the
    sum of the bounds on what the others hold, over exp(floor)."""

    datum: Indices  # (P,)
    region: Indices  # (P,): which of the tree's balls
    log_mass: Array  # (P,): their bounds, as `bounds_by_balls`
    log_peak: Array  # (P,)
    out: Array  # (N,)


@dataclass(frozen=True, eq=False)
class RegionTree:
    """Levels from the root to single regions; order (n,): which regions these are."""

    order: Indices
    levels: list[Balls]
    children: list[Indices]  # of every level but the last, where each node's children start
    log_prior: float  # log of the integral of exp(-½ zᵀ Σz^-1 z) over all z

    @staticmethod
    def of(balls: Balls, log_prior: float) -> RegionTree:
        """A tree whose leaves are these balls."""
        order, splits = _halved(balls.centres)
        leaves = balls.at(order)
        # The last splits but one make nearly as many nodes as there are regions.
        starts = [*splits[-1 - _STEPS :: -_STEPS][::-1], splits[-1]]
        levels = [leaves]
        for upper, lower in zip(starts[-2::-1], starts[:0:-1], strict=True):
            levels.append(levels[-1].joined(np.searchsorted(lower, upper)))
        children = [
            np.append(np.searchsorted(lower, upper), len(lower))
            for upper, lower in pairwise(starts)
        ]
        return RegionTree(order, levels[::-1], children, log_prior)

    def nearest(self, seen: Seen) -> Indices:
        """For each datum a region that holds much of p(x), or seems to, (N,)."""
        count = len(seen.rows)
        datum, node = self._roots(count)
        for depth, level in enumerate(self.levels):
            if depth:
                datum, node = self._below(depth - 1, datum, node)
            places = level.places[node]
            square = _square(seen.rows[datum], level.centres[node]) + dots(places, places)
            order = np.lexsort((square, datum))
            first = np.searchsorted(datum[order], np.arange(count))
            rank = np.arange(len(order)) - first[datum[order]]
            most = _BEAM if depth + 1 < len(self.levels) else 1
            kept = order[rank < most]
            datum, node = datum[kept], node[kept]
        return node

    def left(self, seen: Seen, floor: Array, *, by_mass: bool) -> Left:
        """The regions on which log p(x, z), as `Bounds`, may be more than floor (N,).

        by_mass: those that may hold more of p(x) than their part of it, so that all others together
        hold no more than half of it.
        """
        datum, node = self._roots(len(seen.rows))
        out = np.zeros(len(seen.rows))
        share = -np.log(2.0 * len(self.order))
        for depth, level in enumerate(self.levels):
            if depth:
                datum, node = self._below(depth - 1, datum, node)
            mass, peak = self._bounds(level, seen, datum, node)
            if by_mass:
                kept = mass > floor[datum] + share + np.log(level.number[node])
                shares = np.exp(mass[~kept] - floor[datum[~kept]])
                out += np.bincount(datum[~kept], shares, len(out))
            else:
                kept = peak > floor[datum]
            datum, node, mass, peak = datum[kept], node[kept], mass[kept], peak[kept]
        return Left(datum, node, mass, peak, out)

    def _bounds(
        self, level: Balls, seen: Seen, datum: Indices, node: Indices
    ) -> tuple[Array, Array]:
        """`bounds_by_balls` of pairs of a datum and a node of a level."""
        mass, peak = np.empty((2, len(node)))
        for some in chunks(len(node), _BATCH, level.centres.shape[1]):
            balls = level.at(node[some])
            mass[some], peak[some] = bounds_by_balls(balls, seen, datum[some], self.log_prior)
        return mass, peak

    def farthest(self, seen: Seen) -> Array:
        """At most -log p(x, z), as `Bounds`, of any z in the regions, (N,)."""
        root = self.levels[0]
        datum, node = self._roots(len(seen.rows))
        along = np.sqrt(_square(seen.rows[datum], root.centres[node])) + root.radii[node]
        beyond = seen.beyond[datum] + root.beyond[node]
        places = np.linalg.norm(root.places[node], axis=1) + root.reach[node]
        found = 0.5 * (along**2 + beyond**2 + places**2)
        return np.asarray(found.reshape(-1, len(root.radii)).max(axis=1))

    def within(self, means: Array, maps: Array, reach: Array) -> tuple[Indices, Indices]:
        """The pairs of a Gaussian and a region, as `Left`, that may be nearer than reach (N,) of
        its standard deviations; means (N, S) in those of the prior, maps (N, S, S) from these to
        its own.
        """
        datum, node = self._roots(len(means))
        longest = np.linalg.norm(maps, 2, axis=(1, 2))
        for depth, level in enumerate(self.levels):
            if depth:
                datum, node = self._below(depth - 1, datum, node)
            away = np.einsum("pij,pj->pi", maps[datum], level.places[node] - means[datum])
            size = np.linalg.norm(away, axis=1)
            kept = size * (1 - _ROUNDING) - longest[datum] * level.reach[node] <= reach[datum]
            datum, node = datum[kept], node[kept]
        return datum, node

    def _roots(self, count: int) -> tuple[Indices, Indices]:
        """Every datum with every node of the first level."""
        width = len(self.levels[0].radii)
        return np.repeat(np.arange(count), width), np.tile(np.arange(width), count)

    def _below(self, depth: int, datum: Indices, node: Indices) -> tuple[Indices, Indices]:
        """The children of nodes of a level, each with its datum."""
        starts = self.children[depth]
        below, owner = ranges(starts[node], starts[node + 1])
        return datum[owner], below


def bounds_by_balls(
    balls: Balls, seen: Seen, datum: Indices, log_prior: float
) -> tuple[Array, Array]:
    """For pairs of one of the balls and a datum, each (P,): at least log p(x, z in ω), and at least
    log p(x, z) anywhere on ω, both as `fast.many_dimensions.skipping.bounds.Bounds`."""
    square = _outside(seen.rows[datum], balls.centres, balls.radii)
    # Lengths are no coordinates: a point may be as near as their difference.
    square += farther(seen.beyond[datum], balls.beyond)
    peak = -0.5 * (square + balls.least)
    mass = np.minimum(peak + balls.log_volumes, log_prior - 0.5 * square)
    return mass, peak


def farther(length: Array, most: Array) -> Array:
    """The squared distance between what is so long and what is no longer than most, at least: loose
    by what rounding makes of the squares."""
    return np.maximum((1.0 - _ROUNDING) * length - most, 0.0) ** 2


def _outside(rows: Array, centres: Array, radii: Array) -> Array:
    """The squared distance of every row from its ball, at least."""
    square = _square(rows, centres)
    slack = _ROUNDING * (np.sqrt(dots(rows, rows)) + np.sqrt(dots(centres, centres)))
    return np.maximum(np.sqrt(square) - radii - slack, 0.0) ** 2


def _square(rows: Array, others: Array) -> Array:
    away = rows - others
    return dots(away, away)


def _halved(places: Array) -> tuple[Indices, list[Indices]]:
    """An order of places (n, K) in which near ones follow one another: halved again and again along
    the coordinate in which they differ most; and where the parts start, level after level."""
    order, starts = np.arange(len(places)), np.zeros(1, dtype=np.intp)
    splits = [starts]
    for _ in range(int(np.ceil(np.log2(max(len(places), 1))))):
        owner = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
        sorted_places = places[order]
        spread = np.maximum.reduceat(sorted_places, starts) - np.minimum.reduceat(
            sorted_places, starts
        )
        axis = spread.argmax(axis=1)
        order = order[np.lexsort((sorted_places[np.arange(len(order)), axis[owner]], owner))]
        ends = np.append(starts[1:], len(order))
        middles = (starts + ends) // 2
        starts = np.unique(np.concatenate([starts, middles]))
        splits.append(starts)
    return order, splits
