"""A network folded to the few units that may bend in a box.

On a small box most units stay on one piece of their activation, so their layers are one affine map.
What is left of the network is a function of u, the place in the box, and of the outputs of the
units that may bend there, each of which is a function of u and of those before it. Which units
bend is decided by bounds on their inputs: every output is a chord of its activation plus a number
of its own, at most so large [Singh et al. 2018, as zonotopes].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fast.partition.layer_maps import Maps
from fast.partition.local.bends import RECTIFIER, Bends
from fast.partition.local.boxes import Boxes
from reference.model import Array, Codes, Indices, Mask, MaxPool, Network, PiecewiseAffine

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
        width = self.inputs.slopes.shape[2] - self.inputs.slopes.shape[1] + most
        table = [a[some][:, :most] for a in (self.functions, self.first, self.last, self.entries)]
        return Slots(
            counts,
            Maps(self.inputs.slopes[some][:, :most, :width], self.inputs.offsets[some][:, :most]),
            *table,
            self.values[some][:, :most],
            Maps(self.bands.slopes[some][:, :most, :width], self.bands.offsets[some][:, :most]),
        )

    @property
    def sizes(self) -> Array:
        """How large an output can be, (B, K)."""
        return np.abs(self.bands.offsets) + np.abs(self.bands.slopes).sum(axis=2)


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


class Folding:
    """The network on boxes, layer by layer, with so many slots at most; what other units are off a
    chord is among the doubts."""

    def __init__(self, network: Network, boxes: Boxes, most: int) -> None:
        self._network, self._most = network, most
        self._bends, self._starts = Bends.of(network)
        self.boxes = boxes
        #: Of which boxes every unit that bends has a slot, (B,).
        self.whole = np.ones(boxes.count, dtype=bool)
        count, latent = boxes.centres.shape
        self._latent = latent
        whole = np.zeros((count, latent, latent + most))
        whole[:, np.arange(latent), np.arange(latent)] = boxes.halves
        self.maps, self.doubts = Maps(whole, boxes.centres.copy()), np.zeros((count, latent))
        self.codes = np.full((count, sum(network.code_lengths)), -1, dtype=np.int8)
        none = np.zeros((count, most), dtype=np.intp)
        nothing = np.zeros((count, most, latent + most)), np.zeros((count, most))
        self.slots = Slots(
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
                self._pass_windows(layer, entries[i])
            elif isinstance(layer, PiecewiseAffine):
                self._pass_units(layer, self._starts[i], entries[i])
            else:
                self._pass_affine(i)
        return Folded(
            boxes=self.boxes,
            whole=self.whole,
            slots=self.slots.at(slice(None)),
            maps=self._used(self.maps),
            doubts=self.doubts,
            codes=self.codes,
        )

    def _used(self, maps: Maps) -> Maps:
        """Maps by the columns that are used so far."""
        used = self._latent + int(self.slots.counts.max(initial=0))
        return Maps(maps.slopes[:, :, :used], maps.offsets)

    def _terms(self, maps: Maps) -> Array:
        """How large the terms of maps (B, m, ...) are together, (B, m)."""
        used = maps.slopes.shape[2] - self._latent
        sizes = np.abs(maps.slopes[:, :, : self._latent]).sum(axis=2) + np.abs(maps.offsets)
        return np.asarray(sizes + _summed(np.abs(maps.slopes[:, :, self._latent :]), self.slots.sizes[:, :used]))

    def _pass_affine(self, i: int) -> None:
        layer, maps = self._network.layers[i], self._used(self.maps)
        rounding = 2.0 * _EPS * (maps.offsets.shape[1] + _MORE_TERMS)
        spread, terms = layer.bound(_NO_CODE, self.doubts[:, :, None], self._terms(maps))
        slopes, offsets = layer.propagate(_NO_CODE, *maps)
        self.doubts = spread[:, :, 0] + rounding * terms
        self.maps = Maps(self._widened(slopes), offsets)

    def _widened(self, slopes: Array) -> Array:
        """Slopes with columns for all slots."""
        missing = self._latent + self._most - slopes.shape[2]
        return np.pad(slopes, ((0, 0), (0, 0), (0, missing)))

    def _pass_units(self, layer: PiecewiseAffine, start: int, entry: int) -> None:
        size = self.maps.offsets.shape[1]
        acting = np.arange(size)[layer.units]
        per_unit, knots = len(layer.unit_knots) > 1, layer.knots.shape[-1]
        functions = start + (np.arange(len(acting)) if per_unit else np.zeros(len(acting), int))
        entries = entry + knots * np.arange(len(acting))
        codes = slice(entry, entry + knots * len(acting))
        own = Maps(self.maps.slopes[:, acting], self.maps.offsets[:, acting])
        maps, doubts, first, last = self._bent(
            own, self.doubts[:, acting], functions, (entries, np.ones(len(acting), dtype=np.int8))
        )
        decided = np.where(np.arange(knots) < first[:, :, None], 1, -1).astype(np.int8)
        self.codes[:, codes] = decided.reshape(len(decided), -1)
        self.maps.slopes[:, acting], self.maps.offsets[:, acting] = maps
        self.doubts[:, acting] = doubts

    def _pass_windows(self, layer: MaxPool, entry: int) -> None:
        """The best of a window's candidates, which is the best of those before plus what the next
        one is more than that, if it is."""
        windows = layer.windows
        count = len(windows)
        slopes, offsets, doubts = (a[:, windows[:, 0]] for a in (*self.maps, self.doubts))
        best, entries = Maps(slopes, offsets), entry + np.arange(count)
        self.codes[:, entries] = 0
        functions = np.full(count, RECTIFIER)
        for position in range(1, windows.shape[1]):
            mine = windows[:, position]
            own = Maps(self.maps.slopes[:, mine], self.maps.offsets[:, mine])
            lead = Maps(own.slopes - best.slopes, own.offsets - best.offsets)
            off = self.doubts[:, mine] + doubts
            off += 2.0 * _EPS * (self._terms(self._used(own)) + self._terms(self._used(best)))
            # A window that is filled up with its first candidate has nothing more in it.
            off[:, mine == windows[:, 0]] = 0.0
            lead.slopes[:, mine == windows[:, 0]] = 0.0
            lead.offsets[:, mine == windows[:, 0]] = -1.0
            values = np.full(count, position, dtype=np.int8)
            more, doubted, first, _ = self._bent(lead, off, functions, (entries, values))
            self.codes[:, entries] = np.where(first > 0, position, self.codes[:, entries])
            best = Maps(best.slopes + more.slopes, best.offsets + more.offsets)
            doubts = doubts + doubted
            doubts += 2.0 * _EPS * self._terms(self._used(best))
        self.maps, self.doubts = best, doubts

    def _bent(
        self,
        maps: Maps,
        doubts: Array,
        functions: Indices,
        told: tuple[Indices, Codes],
    ) -> tuple[Maps, Array, Indices, Indices]:
        """m units' inputs (B, m, S + K) after their functions (m,): outputs, their doubts, and on
        which pieces the inputs may be.

        told: entries of the code and what they say from the second piece on, (m,) each.
        """
        low, high = self._bounds(self._used(maps), doubts)
        first, last = self._bends.below(functions, low), self._bends.below(functions, high)
        bent = first < last
        box, unit = np.nonzero(bent)
        bands = self._bends.bands(functions[unit], low[box, unit], high[box, unit])
        chosen = self._widest(box, bands[2])
        slopes, shifts = self._bends.on(functions, first)
        rounding = 4.0 * _EPS * (np.abs(slopes) * self._terms(self._used(maps)) + np.abs(shifts))
        found = Maps(slopes[:, :, None] * maps.slopes, slopes * maps.offsets + shifts)
        off = np.abs(slopes) * doubts + rounding
        rest = box[~chosen], unit[~chosen]
        if len(rest[0]):
            self.whole[rest[0]] = False
            steep, middle, radius = (band[~chosen] for band in bands)
            found.slopes[rest] = steep[:, None] * maps.slopes[rest]
            found.offsets[rest] = steep * maps.offsets[rest] + middle
            off[rest] = np.abs(steep) * doubts[rest] + radius
            terms = self._terms(self._used(maps))[rest]
            off[rest] += 4.0 * _EPS * (np.abs(steep) * terms + np.abs(middle) + radius)
        box, unit = box[chosen], unit[chosen]
        slot = self.slots.counts[box] + _ranks(box)
        slots = self.slots
        slots.inputs.slopes[box, slot] = maps.slopes[box, unit]
        slots.inputs.offsets[box, slot] = maps.offsets[box, unit]
        slots.functions[box, slot] = functions[unit]
        slots.first[box, slot], slots.last[box, slot] = first[box, unit], last[box, unit]
        slots.entries[box, slot], slots.values[box, slot] = told[0][unit], told[1][unit]
        self._set_bands(box, slot, [band[chosen] for band in bands], doubts[box, unit])
        np.add.at(slots.counts, box, 1)
        found.slopes[box, unit], found.offsets[box, unit], off[box, unit] = 0.0, 0.0, 0.0
        found.slopes[box, unit, self._latent + slot] = 1.0
        return found, off, first, last

    def _bounds(self, maps: Maps, doubts: Array) -> tuple[Array, Array]:
        """The least and the most that m inputs, maps (B, m, ...), can be in their boxes."""
        bands = in_bands(maps, self.slots)
        radius = np.abs(bands.slopes).sum(axis=2)
        radius += doubts + 2.0 * _EPS * (maps.slopes.shape[2] + _MORE_TERMS) * self._terms(maps)
        return bands.offsets - radius, bands.offsets + radius

    def _widest(self, box: Indices, radius: Array) -> Mask:
        """Which of the units that bend, (n,), have a slot: in a box that has no room for all of
        them, those whose outputs are farthest off a chord."""
        if np.all(self.slots.counts + np.bincount(box, minlength=self.boxes.count) <= self._most):
            return np.ones(len(box), dtype=bool)
        order = np.lexsort((-radius, box))
        chosen = np.empty(len(box), dtype=bool)
        chosen[order] = self.slots.counts[box] + _ranks(box) < self._most
        return chosen

    def _set_bands(
        self, box: Indices, slot: Indices, found: list[Array], doubts: Array
    ) -> None:
        """The outputs of new slots in terms of u and of numbers in [-1, 1]."""
        slots = self.slots
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
