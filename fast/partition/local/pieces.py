"""Boxes cut into pieces by the units that bend in them, many boxes at once.

On a piece every unit is on one piece of its activation, so that the network is affine there. Cuts
are made in doubles, by functions that are shifted by what rounding may do to them: no vertex lies
on a cut, and signs at vertices cannot contradict each other. A network that is shifted like that
differs from the given one by rounding and, being continuous, so do its images: the pieces are those
of the network up to slivers as thin as rounding, which change no probability by more than rounding
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from fast.partition.cell_complex import Complex, InconsistentSigns
from fast.partition.cell_faces import faces_of_cells
from fast.partition.growing_arrays import Columns, Rows
from fast.partition.layer_maps import Maps
from fast.partition.local.bends import Bends
from fast.partition.local.boxes import Boxes
from fast.partition.local.folding import Slots
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Codes, Indices

_EPS = float(np.finfo(np.float64).eps)
# What rounding may make of a value at a vertex, over the size of its terms: a vertex comes of
# others, of some generations. Where that is not enough it is taken so many times as large.
_ROUNDING, _MORE = 64.0 * _EPS, (1.0, 64.0, 4096.0)
# Shifts of a unit's knots that are tried, until no vertex is within rounding of one.
_SHIFTS = 1000


@dataclass(frozen=True, eq=False)
class Pieces:
    """P pieces of B boxes, in the coordinates u of their boxes."""

    box: Indices  # (P,): which box it is of; in order
    slots: Slots
    on: Codes  # (P, K): on which piece of its activation each slot's unit is
    inputs: Maps  # (P, K, S) and (P, K): of the slots' units, by u
    outputs: Maps  # (P, K, S) and (P, K)
    complex: Complex
    vertices: Array  # (V, S)
    order: Indices  # (P,): their numbers in the complex
    levels: Array  # (P, K, k): at which input each knot of a slot is

    @property
    def count(self) -> int:
        """P."""
        return len(self.box)

    def maps(self, folded: Maps) -> Maps:
        """What maps (B, m, S + K) of boxes are on the pieces: (P, m, S) and (P, m)."""
        latent = self.vertices.shape[1]
        whole, offsets = folded.slopes[self.box], folded.offsets[self.box]
        count = whole.shape[2] - latent
        by_slots = whole[:, :, latent:]
        slopes = whole[:, :, :latent] + by_slots @ self.outputs.slopes[:, :count]
        shifts = (by_slots @ self.outputs.offsets[:, :count, None])[:, :, 0]
        return Maps(slopes, offsets + shifts)

    def codes(self, decided: Codes) -> Codes:
        """The regions' codes (P, U), from what of them is decided in the boxes (B, U)."""
        result = decided[self.box]
        slots, knots = self.slots, self.levels.shape[2]
        for k in range(self.on.shape[1]):
            entry, value = slots.entries[self.box, k], slots.values[self.box, k]
            for knot in range(knots):
                mine = np.flatnonzero((self.on[:, k] > knot) & (slots.counts[self.box] > k))
                at = mine, entry[mine] + knot
                result[at] = np.maximum(result[at], value[mine])
        return result

    def lattice(self) -> Lattice:
        """The faces of all pieces."""
        dimension = self.vertices.shape[1]
        points = np.ones(len(self.vertices), dtype=bool)
        faces = faces_of_cells(self.complex, points, self.order)
        normals, offsets = self._halfspaces(faces[-1].of_cells.owners, faces[-1].of_cells.values)
        return Lattice(
            dimension=dimension,
            positions=self.vertices,
            small=np.zeros_like(self.vertices),
            points=points,
            lines=np.empty((self.count, 0, dimension)),
            faces=faces,
            normals=normals,
            offsets=offsets,
        )

    def _halfspaces(self, pieces: Indices, faces: Indices) -> tuple[Array, Array]:
        """Of facets (F,) of pieces (F,): by the first unit that is on another piece of its
        activation beyond it, or by a side of the box."""
        sides = self.complex.boundary(self.complex.dimension)[self.order].T.tocsr()
        counts, starts = np.diff(sides.indptr), sides.indptr[:-1]
        # What a facet has on both sides; the last one twice where there is one side only.
        both = np.stack([sides.indices[starts], sides.indices[starts + counts - 1]])
        beyond = both[0, faces] + both[1, faces] - pieces
        normals, offsets = np.empty((len(faces), self.vertices.shape[1])), np.empty(len(faces))
        inner = np.flatnonzero(counts[faces] == 2)
        if len(inner):
            normals[inner], offsets[inner] = self._between(pieces[inner], beyond[inner])
        outer = np.flatnonzero(counts[faces] == 1)
        normals[outer], offsets[outer] = self._sides(faces[outer]), 1.0
        return normals, offsets

    def _between(self, own: Indices, other: Indices) -> tuple[Array, Array]:
        """The half-spaces of pieces (n,) that others, (n,), are beyond."""
        slot = np.argmax(self.on[own] != self.on[other], axis=1)
        here, there = self.on[own, slot], self.on[other, slot]
        sign = np.sign(here.astype(np.float64) - there)
        level = self.levels[own, slot, np.minimum(here, there)]
        offsets = self.inputs.offsets[own, slot] - level
        return sign[:, None] * self.inputs.slopes[own, slot], sign * offsets

    def _sides(self, faces: Indices) -> Array:
        """The inner normals of sides of boxes, by the faces' vertices, which lie on one."""
        corners = self.complex.vertices_of(self.complex.dimension - 1).tocsr()[faces]
        least, most = np.full((2, len(faces), self.vertices.shape[1]), np.inf)
        owners = np.repeat(np.arange(len(faces)), np.diff(corners.indptr))
        np.minimum.at(least, owners, self.vertices[corners.indices])
        np.minimum.at(most, owners, -self.vertices[corners.indices])
        ends = np.concatenate([least, most], axis=1)
        axes = np.concatenate([-np.eye(least.shape[1]), np.eye(least.shape[1])])
        return np.asarray(axes[np.argmax(ends, axis=1)])


def cut(boxes: Boxes, slots: Slots, bends: Bends, most: int) -> Pieces:
    """Cut boxes by their slots' units.

    First, vertices that rounding may have left off a cut lie on it: where many boundaries meet, or
    nearly coincide, that leaves no slivers between them. Where signs then contradict each other,
    cuts are shifted. Raises TooManyCells where there would be more than most pieces, and
    InconsistentSigns where rounding is worse than is allowed for.
    """
    tries = [(_ROUNDING, False), *((_ROUNDING * more, True) for more in _MORE)]
    for rounding, shifted in tries[:-1]:
        try:
            return _Cutting(boxes, slots, bends, most, rounding, shifted=shifted).pieces()
        except InconsistentSigns:
            continue
    rounding, shifted = tries[-1]
    return _Cutting(boxes, slots, bends, most, rounding, shifted=shifted).pieces()


class _Cutting:
    """The boxes' pieces so far."""

    def __init__(
        self,
        boxes: Boxes,
        slots: Slots,
        bends: Bends,
        most: int,
        rounding: float,
        *,
        shifted: bool,
    ) -> None:
        count, latent = boxes.centres.shape
        width = slots.functions.shape[1]
        self._latent, self._slots, self._bends, self._most = latent, slots, bends, most
        self._shifted = shifted
        self._complex = Complex.cubes(latent, count)
        corners = np.array(list(product((-1.0, 1.0), repeat=latent)))
        columns = np.zeros((count * len(corners), latent + width))
        columns[:, :latent] = np.tile(corners, (count, 1))
        #: Of every vertex u and the outputs of the slots passed, (V, S + K).
        self._columns = Rows(columns)
        self._owners = Columns(np.repeat(np.arange(count), len(corners)))
        self._box = Columns(np.arange(count))
        self._on = Columns(slots.first.T.astype(np.int8))
        self._shifts = np.zeros((count, width))
        self._doubts = rounding * _input_terms(slots, latent)

    def pieces(self) -> Pieces:
        """All of them, once every slot has cut."""
        for k in range(self._slots.functions.shape[1]):
            self._cut_by_slot(k)
        order = np.argsort(self._box.array, kind="stable")
        box, on = self._box.array[order], np.ascontiguousarray(self._on.array.T[order])
        inputs, outputs = self._by_place(box, on)
        levels = self._bends.knots[self._slots.functions] + self._shifts[:, :, None]
        return Pieces(
            box=box,
            slots=self._slots,
            on=on,
            inputs=inputs,
            outputs=outputs,
            complex=self._complex,
            vertices=self._columns.array[:, : self._latent].copy(),
            order=order,
            levels=levels[box],
        )

    def _cut_by_slot(self, k: int) -> None:
        """Cut every box that has a k-th slot at the knots that its input may be at."""
        slots, bends = self._slots, self._bends
        functions, has = slots.functions[:, k], slots.counts > k
        values = self._entering(k, slice(None))
        knots = np.arange(bends.knots.shape[1])
        opened = (slots.first[:, k, None] <= knots) & (knots < slots.last[:, k, None])
        opened &= has[:, None]
        levels = np.where(opened, bends.knots[functions], np.inf)
        if self._shifted:
            self._shifts[:, k] = self._shift(values, levels, self._doubts[:, k])
        levels += self._shifts[:, k, None]
        for knot in np.flatnonzero(np.any(opened, axis=0)).tolist():
            values = self._cut_at(k, values, levels[:, knot])
        owners = self._owners.array
        shifted = values - self._shifts[owners, k]
        outputs = bends.at(functions[owners], shifted)
        self._columns.array[:, self._latent + k] = np.where(has[owners], outputs, 0.0)

    def _entering(self, k: int, some: slice) -> Array:
        """The input of the k-th slot's unit at vertices."""
        owners, width = self._owners.array[some], self._latent + k
        slopes, offsets = self._slots.inputs
        columns = self._columns.array[some, :width]
        return np.asarray(
            np.einsum("vc,vc->v", columns, slopes[owners, k, :width]) + offsets[owners, k]
        )

    def _shift(self, values: Array, levels: Array, doubts: Array) -> Array:
        """How far the levels (B, k) of every box's k-th slot are to be shifted, (B,), so that no
        vertex is within rounding of one."""
        result, owners = np.zeros(len(levels)), self._owners.array
        mine = np.arange(len(values))
        for i in range(1, _SHIFTS):
            own = owners[mine]
            away = np.abs(values[mine, None] - levels[own] - result[own, None]).min(axis=1)
            near = np.zeros(len(levels), dtype=bool)
            near[own[away < doubts[own]]] = True
            if not np.any(near):
                return result
            mine = mine[near[own]]
            result[near] = (-1) ** i * 3.0 * ((i + 1) // 2) * doubts[near]
        raise InconsistentSigns

    def _cut_at(self, k: int, values: Array, levels: Array) -> Array:
        """Cut where inputs (V,) are at the boxes' levels (B,), inf for none; the inputs at all
        vertices after that."""
        owners = self._owners.array
        over = values - levels[owners]
        has = np.isfinite(levels)
        on_it = np.zeros(len(over)) if self._shifted else self._doubts[owners, k]
        signs = np.sign(over) * (np.abs(over) > on_it)
        signs = np.where(has[owners], signs, 1.0).astype(np.int8)
        made = self._complex.cut(signs, self._most)
        above, below = np.abs(over[made.above]), np.abs(over[made.below])
        columns, whole = self._columns.array, above + below
        # Along an edge the outputs of the slots before are affine.
        new = (below / whole)[:, None] * columns[made.above]
        new += (above / whole)[:, None] * columns[made.below]
        new_owners = owners[made.above]
        self._columns.append(new)
        self._owners.append(new_owners)
        self._box.append(self._box.array[made.parents])
        self._on.append(self._on.array[:, made.parents])
        self._on.array[k, has[self._box.array] & (made.sides > 0)] += 1
        return np.concatenate([values, levels[new_owners]])

    def _by_place(self, box: Indices, on: Codes) -> tuple[Maps, Maps]:
        """Inputs and outputs of all slots on pieces, by u."""
        slots, bends, latent = self._slots, self._bends, self._latent
        shape = len(box), on.shape[1]
        inputs = Maps(np.zeros((*shape, latent)), np.zeros(shape))
        outputs = Maps(np.zeros((*shape, latent)), np.zeros(shape))
        for k in range(on.shape[1]):
            own = slots.inputs.slopes[box, k]
            by_slots = own[:, None, latent : latent + k]
            slopes = own[:, :latent] + (by_slots @ outputs.slopes[:, :k])[:, 0]
            offsets = slots.inputs.offsets[box, k]
            offsets = offsets + (by_slots @ outputs.offsets[:, :k, None])[:, 0, 0]
            inputs.slopes[:, k], inputs.offsets[:, k] = slopes, offsets
            steep, shift = bends.on(slots.functions[box, k], on[:, k].astype(np.intp))
            has = slots.counts[box] > k
            steep, shift = np.where(has, steep, 0.0), np.where(has, shift, 0.0)
            outputs.slopes[:, k], outputs.offsets[:, k] = (
                steep[:, None] * slopes,
                steep * offsets + shift,
            )
        return inputs, outputs


def _input_terms(slots: Slots, latent: int) -> Array:
    """How large the terms of every slot's input can be together, (B, K)."""
    sizes = np.abs(slots.inputs.slopes)
    terms = np.abs(slots.inputs.offsets) + sizes[:, :, :latent].sum(axis=2)
    return np.asarray(terms + (sizes[:, :, latent:] @ slots.sizes[:, :, None])[:, :, 0])
