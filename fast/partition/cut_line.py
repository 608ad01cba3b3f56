"""The regions of a network with one latent dimension: intervals, cut layer by layer [Lemma 3].

On each interval every unit's pre-activation is affine, so its root, if it falls inside, is a new
breakpoint. Slopes, offsets and roots have proven bounds on their errors. Where these leave open
which sign a slope has, or which of two roots comes first, integers decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fast.partition.cell_complex import TooManyCells
from fast.partition.cut_vertices import EPS, FLOOR, rounding_of_sum
from fast.partition.exact_vertices import OutOfRange
from reference.model import Array, Codes, ExactNetwork, Indices, Integers, Layer, Mask, Network

# Products of all layers' smallest weights and biases that are smaller than ten to this power leave
# no room for errors times them.
_DECADES = -250.0

# A breakpoint that is known no better than to this share of its size is computed in integers.
_POOR = 1e-8


# Of ends nearer than this share of their size the difference has lost six digits or more.
_NARROW = 1e-6


class Intervals(NamedTuple):
    """From left to right: codes (R, U), slopes (R, D, 1), offsets (R, D), breakpoints (R-1,), how
    long the intervals are (R,), and how many comparisons integers decided."""

    codes: Codes
    slopes: Array
    offsets: Array
    breakpoints: Array
    widths: Array
    exact_decisions: int


@dataclass(frozen=True)
class _Breakpoints:
    """Places (n,), how far from true they may be, and which root each is: of the layer's cut `cuts`
    on the interval `parents` of those before that layer."""

    places: Array
    blurs: Array
    layers: Indices
    parents: Indices
    cuts: Indices

    def at(self, kept: Indices) -> _Breakpoints:
        """Some of them, in the order given."""
        return _Breakpoints(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))

    def joined(self, other: _Breakpoints) -> _Breakpoints:
        """These, and others after them."""
        names = self.__dataclass_fields__
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return _Breakpoints(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True)
class _Maps:
    """Up-to-layer maps on the intervals found so far [eq. 8], with bounds on their terms."""

    slopes: Array  # (R, n, 1)
    offsets: Array  # (R, n)
    slope_bounds: Array  # (R, n, 1)
    offset_bounds: Array  # (R, n)

    def at(self, kept: Indices) -> _Maps:
        """The maps of some intervals."""
        return _Maps(
            self.slopes[kept],
            self.offsets[kept],
            self.slope_bounds[kept],
            self.offset_bounds[kept],
        )


class _Exact:
    """Slopes, offsets and roots of cuts in integers, by layer and interval."""

    def __init__(self, network: Network) -> None:
        self._network = ExactNetwork(network)
        self._length = sum(network.code_lengths)
        self._codes: dict[int, Codes] = {}
        self._known: dict[tuple[int, int], Integers] = {}
        #: How many comparisons were decided here.
        self.decisions = 0

    def enter(self, layer: int, codes: Codes) -> None:
        """Note the codes of the intervals that a layer cuts, as far as they are known."""
        self._codes[layer] = codes

    def cut(self, layer: int, interval: int, cut: int) -> tuple[int, int]:
        """Slope and offset of a cut on an interval, up to one positive factor."""
        key = layer, interval
        if key not in self._known:
            code = np.zeros(self._length, dtype=np.int8)
            known = self._codes[layer][interval]
            code[: len(known)] = known
            self._known[key] = self._network.cuts(code, layer)
        slope, offset = self._known[key][cut].tolist()
        return slope, offset

    def root(self, breakpoints: _Breakpoints, i: int) -> Fraction:
        """Where a breakpoint is."""
        slope, offset = self.cut(
            int(breakpoints.layers[i]), int(breakpoints.parents[i]), int(breakpoints.cuts[i])
        )
        return Fraction(-offset, slope)


def enumerate_intervals(network: Network, max_regions: int) -> Intervals:
    """Enumerate every region of a network with S = 1 [Lemma 3, Corollary 1, eq. 2].

    Raises TooManyCells when there are more than `max_regions`, before their memory is spent, and
    OutOfRange where the maps are no doubles. Cost: O(R U). Two breakpoints may be the same double:
    the interval between them is thinner than rounding.
    """
    line = np.ones((1, 1, 1)), np.zeros((1, 1))
    maps, exact = _Maps(*line, *line), _Exact(network)
    none = np.empty(0, dtype=np.intp)
    breakpoints = _Breakpoints(np.empty(0), np.empty(0), none, none, none)
    codes = np.empty((1, 0), dtype=np.int8)
    # Products too small for doubles would be lost without a trace: then integers decide all.
    rounding = np.inf if _may_underflow(network) else 0.0
    for i, (layer, size) in enumerate(zip(network.layers, network.sizes, strict=False)):
        layer_codes = np.empty((len(codes), 0), dtype=np.int8)
        if layer.n_codes(size) > 0:
            exact.enter(i, codes)
            lines = _lines(layer, maps, rounding)
            cut = _cut(exact, i, lines, breakpoints, max_regions)
            layer_codes = layer.code(cut.signs)
            kept = _first_of_each(cut.parents, layer_codes)
            layer_codes, breakpoints = layer_codes[kept], cut.breakpoints.at(kept[1:] - 1)
            maps = maps.at(cut.parents[kept])
            codes = np.concatenate([codes[cut.parents[kept]], layer_codes], axis=1)
        rounding += rounding_of_sum(size)
        maps = _Maps(
            *layer.propagate(layer_codes, maps.slopes, maps.offsets),
            *layer.bound(layer_codes, maps.slope_bounds, maps.offset_bounds),
        )
        # The bounds are no smaller than the maps.
        if not (np.all(np.isfinite(maps.slope_bounds)) and np.all(np.isfinite(maps.offset_bounds))):
            raise OutOfRange
    for place in np.flatnonzero(breakpoints.blurs > _POOR * np.abs(breakpoints.places)).tolist():
        _round(exact, breakpoints, place)
    widths = _widths(exact, breakpoints)
    return Intervals(codes, maps.slopes, maps.offsets, breakpoints.places, widths, exact.decisions)


def _widths(exact: _Exact, breakpoints: _Breakpoints) -> Array:
    """How long the intervals are: of ends that are nearly the same, by integers."""
    places = np.concatenate([[-np.inf], breakpoints.places, [np.inf]])
    widths = np.diff(places)
    inner = widths[1:-1]
    sizes = np.maximum(np.abs(breakpoints.places[:-1]), np.abs(breakpoints.places[1:]))
    for i in np.flatnonzero(inner < _NARROW * sizes).tolist():
        inner[i] = float(exact.root(breakpoints, i + 1) - exact.root(breakpoints, i))
    return widths


def _may_underflow(network: Network) -> bool:
    """Whether products of the network's weights may be too small for doubles."""
    decades = 0.0
    for layer in network.layers:
        for values in layer.parameters().values():
            least = np.min(np.abs(values), where=values != 0, initial=1.0)
            decades += float(np.log10(least))
    return decades < _DECADES


def _first_of_each(parents: Indices, codes: Codes) -> Indices:
    """Of neighbouring intervals that a layer did not tell apart after all, the leftmost: where two
    candidates of a max-pooling window cross below a third, nothing changes."""
    same = (parents[1:] == parents[:-1]) & np.all(codes[1:] == codes[:-1], axis=1)
    return np.flatnonzero(np.append(True, ~same))


class _Lines(NamedTuple):
    """The cuts of a layer on every interval, and how far from true they may be: (R, n) each."""

    slopes: Array
    offsets: Array
    slope_errors: Array
    offset_errors: Array


def _lines(layer: Layer, maps: _Maps, rounding: float) -> _Lines:
    """rounding: the errors of the maps over the bounds on their terms."""
    slopes, offsets = layer.cuts(maps.slopes, maps.offsets)
    slope_bounds, offset_bounds = layer.cut_bounds(maps.slope_bounds, maps.offset_bounds)
    # A cut may be the difference of two inputs. What has no terms is 0.
    rounding += 2 * EPS
    if np.isinf(rounding):
        errors = [np.full_like(bound, np.inf) for bound in (slope_bounds, offset_bounds)]
    else:
        errors = [rounding * bound for bound in (slope_bounds, offset_bounds)]
    return _Lines(slopes[..., 0], offsets, errors[0][..., 0], errors[1])


class _CutLine(NamedTuple):
    """The breakpoints after a layer's cuts, the signs of the cuts on every interval between them,
    (R', n), and the interval before that each is part of, (R',)."""

    breakpoints: _Breakpoints
    signs: Codes
    parents: Indices


def _cut(
    exact: _Exact, layer: int, lines: _Lines, breakpoints: _Breakpoints, max_regions: int
) -> _CutLine:
    """Split every interval at the roots of the layer's cuts."""
    signs, crossing = _signs(exact, layer, lines)
    roots = _roots(exact, layer, lines, crossing)
    left, right = _compared(exact, roots, breakpoints, crossing)
    inside = np.flatnonzero(crossing & ~left & ~right)
    found = roots.at(inside)
    order, place = _sorted(exact, found)
    count = len(signs)
    if count + len(order) > max_regions:
        raise TooManyCells(count + len(order))
    owners = found.parents[order]
    new = np.bincount(owners, minlength=count)
    # How many of an interval's new breakpoints are left of a root; fewer than none for one at its
    # left end, and where there is no root.
    first = np.cumsum(new) - new
    rank = np.where(crossing & ~left, new[:, None], -1)
    rank.ravel()[inside] = place - first[found.parents]

    parents = np.repeat(np.arange(count), new + 1)
    within = np.arange(len(parents)) - (first + np.arange(count))[parents]
    own = signs[parents]
    own = np.where(within[:, None] > rank[parents], own, -own)
    # An interval's new breakpoints, then its right end.
    merged = found.at(order).joined(breakpoints)
    keys = np.concatenate([2 * owners, 2 * np.arange(count - 1) + 1])
    return _CutLine(merged.at(np.argsort(keys, kind="stable")), own, parents)


def _signs(exact: _Exact, layer: int, lines: _Lines) -> tuple[Codes, Mask]:
    """The signs of the slopes, or of the offsets where a slope is 0, (R, n); and where
    it is not."""
    signs = np.sign(lines.slopes).astype(np.int8)
    # Without an error a number is what it is.
    doubtful = ~(np.abs(lines.slopes) > lines.slope_errors) & (lines.slope_errors > 0)
    for interval, cut in np.argwhere(doubtful).tolist():
        slope, _ = exact.cut(layer, interval, cut)
        signs[interval, cut] = (slope > 0) - (slope < 0)
    crossing = signs != 0
    level = np.nonzero(~crossing)
    offsets, errors = lines.offsets[level], lines.offset_errors[level]
    signs[level] = np.sign(offsets)
    open_ = np.flatnonzero(~(np.abs(offsets) > errors) & (errors > 0))
    for interval, cut in np.transpose(level)[open_].tolist():
        _, offset = exact.cut(layer, interval, cut)
        signs[interval, cut] = (offset > 0) - (offset < 0)
    exact.decisions += int(np.count_nonzero(doubtful)) + len(open_)
    return signs, crossing


def _roots(exact: _Exact, layer: int, lines: _Lines, crossing: Mask) -> _Breakpoints:
    """Where every cut vanishes on every interval, in the order of (R, n); of no meaning where it
    does not."""
    with np.errstate(all="ignore"):
        places = 0.0 - lines.offsets / lines.slopes
        least = np.abs(lines.slopes) - lines.slope_errors
        blurs = (lines.offset_errors + lines.slope_errors * np.abs(places)) / least
        blurs += 2 * EPS * np.abs(places) + FLOOR
        unsure = crossing & ~((blurs > 0) & (blurs < np.inf))
    parents, cuts = np.indices(crossing.shape).reshape(2, -1)
    roots = _Breakpoints(
        places=places.ravel(),
        blurs=blurs.ravel(),
        layers=np.full(crossing.size, layer),
        parents=parents,
        cuts=cuts,
    )
    for i in np.flatnonzero(unsure).tolist():
        _round(exact, roots, i)
    return roots


def _compared(
    exact: _Exact, roots: _Breakpoints, ends: _Breakpoints, crossing: Mask
) -> tuple[Mask, Mask]:
    """Whether each root is not right of its interval's left end, and whether it is not left of its
    right end, (R, n) each."""
    none = np.zeros((1, crossing.shape[1]), dtype=bool)
    left = np.concatenate([none, _beyond(exact, roots, ends, crossing, 1)])
    right = np.concatenate([_beyond(exact, roots, ends, crossing, 0), none])
    return left, right


def _beyond(
    exact: _Exact, roots: _Breakpoints, ends: _Breakpoints, crossing: Mask, side: int
) -> Mask:
    """Whether roots are at or beyond a breakpoint: of the intervals right of each if `side` is 1,
    left of each if it is 0.

    Roots and breakpoints that doubles do not tell apart are put at their nearest doubles.
    """
    own = slice(side, side + len(ends.places))
    places, blurs = (a.reshape(crossing.shape)[own] for a in (roots.places, roots.blurs))
    with np.errstate(invalid="ignore"):
        before = places + blurs < (ends.places - ends.blurs)[:, None]
        after = places - blurs > (ends.places + ends.blurs)[:, None]
    beyond = before if side else after
    doubtful = np.argwhere(crossing[own] & ~before & ~after)
    for end, cut in doubtful.tolist():
        root = _round(exact, roots, (end + side) * crossing.shape[1] + cut)
        other = _round(exact, ends, end)
        beyond[end, cut] = root <= other if side else root >= other
    exact.decisions += len(doubtful)
    return beyond


def _round(exact: _Exact, breakpoints: _Breakpoints, i: int) -> Fraction:
    """Put a breakpoint at the double nearest to where it is, which is returned."""
    root = exact.root(breakpoints, i)
    try:
        breakpoints.places[i] = float(root)
    except OverflowError:
        raise OutOfRange from None
    breakpoints.blurs[i] = EPS * abs(breakpoints.places[i]) + FLOOR
    return root


def _sorted(exact: _Exact, found: _Breakpoints) -> tuple[Indices, Indices]:
    """The distinct roots, interval by interval and from left to right; and for every root which of
    them it is."""
    order = np.lexsort((found.places, found.parents))
    places, blurs, owners = found.places[order], found.blurs[order], found.parents[order]
    close = (owners[1:] == owners[:-1]) & (places[1:] - places[:-1] <= blurs[1:] + blurs[:-1])
    first = np.ones(len(order), dtype=bool)
    # Runs of roots that doubles do not tell apart.
    starts = np.flatnonzero(close & ~np.append(False, close[:-1]))
    stops = np.flatnonzero(close & ~np.append(close[1:], False)) + 2
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        run = order[start:stop].tolist()
        exact.decisions += len(run) - 1
        roots = {i: _round(exact, found, i) for i in run}
        order[start:stop] = sorted(run, key=roots.__getitem__)
        ranked = [roots[i] for i in order[start:stop].tolist()]
        first[start + 1 : stop] = [b > a for a, b in pairwise(ranked)]
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.cumsum(first) - 1
    return order[first], place
