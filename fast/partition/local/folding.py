"""A network folded to the few units that may bend in a box.

On a small box most units stay on one piece of their activation, so their layers are one affine map.
What is left of the network is a function of u, the place in the box, and of the outputs of the
units that may bend there, each of which is a function of u and of those before it. Which units
bend is decided by bounds on their inputs: every output is a chord of its activation plus a number
of its own, at most so large [Singh et al. 2018, as zonotopes].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fast.partition.layer_maps import Maps
from fast.partition.local.bends import RECTIFIER, Bends
from fast.partition.local.boxes import Boxes
from reference.model import (
    Array,
    Codes,
    Indices,
    Layer,
    Mask,
    MaxPool,
    Network,
    PiecewiseAffine,
)

_EPS = float(np.finfo(np.float64).eps)
# Terms added to those of a sum in the bound on its rounding, which is twice the usual one.
_MORE_TERMS = 16
_NO_CODE = np.empty(0, dtype=np.int8)


@dataclass(eq=False)
class Slots:
    """The units that may bend in each of B boxes, K of them at most, in the order of their layers.

    The input of the k-th of a box is an affine function of the box's S + K columns: u and the
    outputs of the units before it. Slots that a box does not use are zeros.
    """

    counts: Indices  # (B,): how many a box has
    inputs: Maps  # (B, K, S + K) and (B, K)
    functions: Indices  # (B, K): by which of the `Bends` the unit bends
    first: Indices  # (B, K): the piece it is on at the least
    last: Indices  # (B, K): the piece it is on at the most
    entries: Indices  # (B, K): where the region's code tells of it
    values: Codes  # (B, K): what the code says there from the second piece on
    bands: Maps  # (B, K, S + K) and (B, K): an output by u and by numbers in [-1, 1], one a slot

    def at(self, some: Indices | slice) -> Slots:
        """Those of some boxes, without columns that none of them uses."""
        counts = self.counts[some]
        most = int(counts.max(initial=0))
        width = self.inputs.slopes.shape[2] - self.functions.shape[1] + most
        inputs, bands = (
            Maps(maps.slopes[some][:, :most, :width], maps.offsets[some][:, :most])
            for maps in (self.inputs, self.bands)
        )
        return Slots(
            counts=counts,
            inputs=inputs,
            functions=self.functions[some][:, :most],
            first=self.first[some][:, :most],
            last=self.last[some][:, :most],
            entries=self.entries[some][:, :most],
            values=self.values[some][:, :most],
            bands=bands,
        )

    @property
    def sizes(self) -> Array:
        """How large an output can be, (B, K)."""
        sizes = np.abs(self.bands.slopes).sum(axis=2)
        return np.asarray(sizes + np.abs(self.bands.offsets))


@dataclass(frozen=True, eq=False)
class Folded:
    """A network up to the input of one of its layers, on B boxes."""

    boxes: Boxes
    whole: Mask  # (B,): whether all units that bend have a slot
    slots: Slots
    maps: Maps  # (B, n, S + K) and (B, n): to that input
    doubts: Array  # (B, n): how far off they are at most, by rounding and units without a slot
    codes: Codes  # (B, U): of what is decided; else -1, or the best of a window's decided ones

    @property
    def zonotopes(self) -> Maps:
        """The same maps by u and by numbers in [-1, 1], one a slot: an image is within `rounding`
        of that."""
        return in_bands(self.maps, self.slots)


class _Rows(NamedTuple):
    """Units, or images, on B boxes: maps (B, m, ...), how far off they may be, (B, m), and how
    large their terms are together, (B, m)."""

    maps: Maps
    doubts: Array
    terms: Array

    def at(self, some: Indices | slice) -> _Rows:
        """Some of the units."""
        maps = Maps(self.maps.slopes[:, some], self.maps.offsets[:, some])
        return _Rows(maps, self.doubts[:, some], self.terms[:, some])

    def with_own(self, some: slice, own: _Rows) -> _Rows:
        """All units, some of which are replaced."""
        more = own.maps.slopes.shape[2] - self.maps.slopes.shape[2]
        slopes = np.pad(self.maps.slopes, ((0, 0), (0, 0), (0, more)))
        result = _Rows(
            Maps(slopes, self.maps.offsets.copy()), self.doubts.copy(), self.terms.copy()
        )
        slopes[:, some], result.maps.offsets[:, some] = own.maps
        result.doubts[:, some], result.terms[:, some] = own.doubts, own.terms
        return result

    def plus(self, other: _Rows) -> _Rows:
        """The sum, unit by unit; other: which may have more columns."""
        more = other.maps.slopes.shape[2] - self.maps.slopes.shape[2]
        slopes = np.pad(self.maps.slopes, ((0, 0), (0, 0), (0, more))) + other.maps.slopes
        terms = self.terms + other.terms
        doubts = self.doubts + other.doubts + 2.0 * _EPS * terms
        return _Rows(Maps(slopes, self.maps.offsets + other.maps.offsets), doubts, terms)

    def less(self, other: _Rows) -> _Rows:
        """The difference, unit by unit; other: which may have more columns."""
        maps = Maps(-other.maps.slopes, -other.maps.offsets)
        return self.plus(_Rows(maps, other.doubts, other.terms))


class Folding:
    """The network on boxes, layer by layer, with so many slots at most; what other units are off a
    chord is among the doubts."""

    def __init__(self, network: Network, boxes: Boxes, most: int) -> None:
        self._network, self._most, self._boxes = network, most, boxes
        self._bends, self._functions = Bends.of(network)
        #: Of which boxes every unit that bends has a slot, (B,).
        self._whole = np.ones(boxes.number, dtype=bool)
        count, latent = boxes.centres.shape
        self._latent = latent
        slopes = boxes.halves[:, :, None] * np.eye(latent)
        self._rows = _Rows(
            maps=Maps(slopes, boxes.centres),
            doubts=np.zeros((count, latent)),
            terms=np.abs(boxes.centres) + boxes.halves,
        )
        self._codes = np.full((count, sum(network.code_lengths)), -1, dtype=np.int8)
        none = np.zeros((count, most), dtype=np.intp)
        nothing = np.zeros((count, most, latent + most)), np.zeros((count, most))
        self._slots = Slots(
            counts=np.zeros(count, dtype=np.intp),
            inputs=Maps(*nothing),
            functions=none,
            first=none.copy(),
            last=none.copy(),
            entries=none.copy(),
            values=np.zeros((count, most), dtype=np.int8),
            bands=Maps(*(table.copy() for table in nothing)),
        )

    def to(self, index: int) -> Folded:
        """Go on to the input of layer `index`."""
        network = self._network
        entries = np.concatenate([[0], np.cumsum(network.code_lengths)]).tolist()
        for i, layer in enumerate(network.layers[:index]):
            if isinstance(layer, MaxPool):
                self._rows = self._past_windows(layer, entries[i])
            elif isinstance(layer, PiecewiseAffine):
                self._rows = self._past_units(layer, self._functions[i], entries[i])
            else:
                self._rows = self._past_affine(layer)
        return Folded(
            boxes=self._boxes,
            whole=self._whole,
            slots=self._slots.at(slice(None)),
            maps=self._rows.maps,
            doubts=self._rows.doubts,
            codes=self._codes,
        )

    def _terms(self, maps: Maps) -> Array:
        """How large the terms of maps (B, m, ...) are together, (B, m)."""
        used = maps.slopes.shape[2] - self._latent
        sizes = self._slots.sizes[:, :used]
        weights = np.concatenate([np.ones((len(sizes), self._latent)), sizes], axis=1)
        return _summed(np.abs(maps.slopes), weights) + np.abs(maps.offsets)

    def _past_affine(self, layer: Layer) -> _Rows:
        rows = self._rows
        rounding = 2.0 * _EPS * (rows.terms.shape[1] + _MORE_TERMS)
        spread, terms = layer.bound(_NO_CODE, rows.doubts[:, :, None], rows.terms)
        maps = Maps(*layer.propagate(_NO_CODE, *rows.maps))
        return _Rows(maps, spread[:, :, 0] + rounding * terms, self._terms(maps))

    def _past_units(self, layer: PiecewiseAffine, own: slice, entry: int) -> _Rows:
        rows, size = self._rows, self._rows.terms.shape[1]
        count, knots = len(range(size)[layer.units]), layer.knots.shape[-1]
        functions = np.broadcast_to(np.arange(own.start, own.stop), count)
        entries = entry + knots * np.arange(count)
        told = entries, np.ones(count, dtype=np.int8)
        bent, first = self._bent(rows.at(layer.units), functions, told)
        decided = np.where(np.arange(knots) < first[:, :, None], 1, -1).astype(np.int8)
        self._codes[:, entry : entry + knots * count] = decided.reshape(len(decided), -1)
        return bent if count == size else rows.with_own(layer.units, bent)

    def _past_windows(self, layer: MaxPool, entry: int) -> _Rows:
        """The best of a window's candidates, which is the best of those before plus what the next
        one is more than that, if it is."""
        windows, rows = layer.windows, self._rows
        entries = entry + np.arange(len(windows))
        functions = np.full(len(windows), RECTIFIER)
        best = rows.at(windows[:, 0])
        self._codes[:, entries] = 0
        for position in range(1, windows.shape[1]):
            lead = rows.at(windows[:, position]).less(best)
            # A window that is filled up with its first candidate has nothing more in it.
            filled = windows[:, position] == windows[:, 0]
            lead.maps.slopes[:, filled], lead.maps.offsets[:, filled] = 0.0, -1.0
            lead.doubts[:, filled] = 0.0
            told = entries, np.full(len(windows), position, dtype=np.int8)
            more, first = self._bent(lead, functions, told)
            self._codes[:, entries] = np.where(first > 0, position, self._codes[:, entries])
            best = best.plus(more)
        return best

    def _bent(
        self, rows: _Rows, functions: Indices, told: tuple[Indices, Codes]
    ) -> tuple[_Rows, Indices]:
        """m units' inputs after their functions (m,), and the first piece each may be on, (B, m).

        told: entries of the code and what they say from the second piece on, (m,) each.
        """
        maps, doubts = rows.maps, rows.doubts
        low, high = self._bounds(rows)
        first, last = self._bends.below(functions, low), self._bends.below(functions, high)
        box, unit = np.nonzero(first < last)
        bands = self._bends.bands(functions[unit], low[box, unit], high[box, unit])
        chosen = self._widest(box, bands[2])
        steep, shift = self._bends.on(functions, first)
        off = np.zeros(doubts.shape)
        steep[box, unit], shift[box, unit], off[box, unit] = bands
        # A unit with a slot is nothing but the slot's output.
        mine = box[chosen], unit[chosen]
        steep[mine], shift[mine], off[mine] = 0.0, 0.0, 0.0
        terms = np.abs(steep) * rows.terms + np.abs(shift)
        off += np.abs(steep) * doubts + 4.0 * _EPS * (terms + off)
        self._whole[box[~chosen]] = False
        slot = self._slots.counts[mine[0]] + _ranks(mine[0])
        self._open(*mine, slot, maps, functions)
        slots = self._slots
        slots.first[mine[0], slot], slots.last[mine[0], slot] = first[mine], last[mine]
        slots.entries[mine[0], slot], slots.values[mine[0], slot] = (a[mine[1]] for a in told)
        self._set_bands(mine[0], slot, [band[chosen] for band in bands], doubts[mine])
        np.add.at(slots.counts, mine[0], 1)
        width = self._latent + int(slots.counts.max(initial=0))
        slopes = np.zeros((*doubts.shape, width))
        np.multiply(steep[:, :, None], maps.slopes, out=slopes[:, :, : maps.slopes.shape[2]])
        slopes[(*mine, self._latent + slot)] = 1.0
        terms[mine] = slots.sizes[mine[0], slot]
        return _Rows(Maps(slopes, steep * maps.offsets + shift), off, terms), first

    def _bounds(self, rows: _Rows) -> tuple[Array, Array]:
        """The least and the most that rows can be in their boxes."""
        bands = in_bands(rows.maps, self._slots)
        radius = np.abs(bands.slopes).sum(axis=2)
        rounding = 2.0 * _EPS * (bands.slopes.shape[2] + _MORE_TERMS)
        radius += rows.doubts + rounding * rows.terms
        return bands.offsets - radius, bands.offsets + radius

    def _open(
        self, box: Indices, unit: Indices, slot: Indices, maps: Maps, functions: Indices
    ) -> None:
        """Give units of boxes their slots."""
        slots, used = self._slots, maps.slopes.shape[2]
        slots.inputs.slopes[box, slot, :used] = maps.slopes[box, unit]
        slots.inputs.offsets[box, slot] = maps.offsets[box, unit]
        slots.functions[box, slot] = functions[unit]

    def _widest(self, box: Indices, radius: Array) -> Mask:
        """Which of the units that bend, (n,), have a slot: in a box that has no room for all of
        them, those whose outputs are farthest off a chord."""
        if np.all(
            self._slots.counts + np.bincount(box, minlength=self._boxes.number) <= self._most
        ):
            return np.ones(len(box), dtype=bool)
        order = np.lexsort((-radius, box))
        chosen = np.empty(len(box), dtype=bool)
        chosen[order] = self._slots.counts[box] + _ranks(box) < self._most
        return chosen

    def _set_bands(self, box: Indices, slot: Indices, found: list[Array], doubts: Array) -> None:
        """The outputs of new slots in terms of u and of numbers in [-1, 1]."""
        slots = self._slots
        inputs = Maps(slots.inputs.slopes[box, slot], slots.inputs.offsets[box, slot])
        slopes, middle, radius = found
        latent, own = self._latent, np.flatnonzero(slots.counts > 0)
        by_slots, rows = inputs.slopes[:, latent:], inputs.slopes.copy()
        rows[:, latent:] = 0.0
        offsets = inputs.offsets.copy()
        if len(own):
            rows += np.einsum("nk,nkc->nc", by_slots, slots.bands.slopes[box])
            offsets += np.einsum("nk,nk->n", by_slots, slots.bands.offsets[box])
        terms = np.abs(inputs.offsets) + np.abs(inputs.slopes[:, :latent]).sum(axis=1)
        terms += np.einsum("nk,nk->n", np.abs(by_slots), slots.sizes[box])
        rounding = 4.0 * _EPS * (inputs.slopes.shape[1] + _MORE_TERMS)
        rounding *= np.abs(slopes) * terms + np.abs(middle) + radius
        rows *= slopes[:, None]
        rows[np.arange(len(box)), latent + slot] = radius + np.abs(slopes) * doubts + rounding
        slots.bands.slopes[box, slot] = rows
        slots.bands.offsets[box, slot] = slopes * offsets + middle


def in_bands(maps: Maps, slots: Slots) -> Maps:
    """Maps (B, m, S + K) with the slots' outputs replaced by their bands."""
    used = maps.slopes.shape[2]
    latent = slots.inputs.slopes.shape[2] - slots.inputs.slopes.shape[1]
    count = used - latent
    if not count:
        return maps
    by_slots = maps.slopes[:, :, latent:]
    slopes = by_slots @ slots.bands.slopes[:, :count, :used]
    slopes[:, :, :latent] += maps.slopes[:, :, :latent]
    offsets = maps.offsets + _summed(by_slots, slots.bands.offsets[:, :count])
    return Maps(slopes, offsets)


def _summed(rows: Array, weights: Array) -> Array:
    """Rows (B, m, k) times weights (B, k)."""
    return np.asarray((rows @ weights[:, :, None])[:, :, 0])


def _ranks(sorted_owners: Indices) -> Indices:
    """For each entry how many entries before it have the same owner; owners are in order."""
    return np.arange(len(sorted_owners)) - np.searchsorted(sorted_owners, sorted_owners)
