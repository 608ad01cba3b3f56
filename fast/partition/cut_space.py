"""Every region of a network at once: the latent space cut by one unit after another [Lemma 3]."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.partition.by_corners.cells_to_come import cells_at_least
from fast.partition.by_corners.corner_cells import CornerCells
from fast.partition.cell_complex import Complex, TooManyCells
from fast.partition.cell_faces import Subdivision
from fast.partition.cost.memory import (
    BLOCK,
    BY_CORNERS,
    CUTTING,
    CUTTING_CORNERS,
    LEAST,
    SPARE_VALUES,
    TooMuchMemory,
    corners_of_a_cell,
    joining,
    passing_a_vertex,
)
from fast.partition.cut_vertices import FLOOR, Vertices
from fast.partition.exact_vertices import ExactVertices, Function
from fast.partition.first_vertices import Start
from fast.partition.growing_arrays import Columns
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, ExactNetwork, Indices, Mask, MaxPool, PiecewiseAffine

#: Called after every cut with the cuts made, the cuts there are, and the cells so far.
Progress = Callable[[int, int, int], None]

# It is looked ahead when there are so many times the cells of the last time; each may become two to
# this power, of which about as many are seen.
_MORE, _PARTS = 1.25, 6

# What a subtraction may lose of its result, and what adding up two errors may lose of them.
_SUBTRACTION = 2 * float(np.finfo(np.float64).eps)


class Cells(NamedTuple):
    """A subdivision on whose cells every code is constant, and the code of each, (cells, U).

    With max-pooling, several cells may have the same code.
    """

    complex: Subdivision
    vertices: Vertices
    codes: Codes


def enumerate_cells(
    exact: ExactNetwork,
    start: Start,
    max_cells: int,
    callback: Progress | None,
    max_memory: float = np.inf,
) -> Cells:
    """Cut R^S by every unit, layer by layer, beginning with `start`, which is not empty.

    Raises TooManyCells before a cut that would make more, TooMuchMemory before more bytes are taken
    here, or would be where regions are made of the cells, and OutOfRange where a vertex or a value
    is no double. Cost: proportional to the cells, for each layer.
    """
    network = exact.network
    cutting = _Cutting(exact, start, max_cells, callback, max_memory)
    counts = network.code_lengths
    shallowest, deepest = np.flatnonzero(counts)[[0, -1]].tolist()
    sizes = network.sizes
    for i, layer in enumerate(network.layers[: deepest + 1]):
        if i < deepest:
            cutting.afford(sizes[i], sizes[i + 1])
        if i == shallowest:
            cutting.vertices.place_exactly()
        if not counts[i]:
            cutting.vertices.pass_affine(layer)
        elif isinstance(layer, MaxPool):
            cutting.cut_by_windows(layer)
        elif isinstance(layer, PiecewiseAffine):
            cutting.cut_by_units(layer, last=i == deepest)
        else:
            raise TypeError(f"layers: {layer!r} is of a kind that has no partition here")
    # Places are all that is needed of the vertices.
    cutting.vertices.set_values(*np.empty((2, len(cutting.vertices.points), 0)))
    codes = np.ascontiguousarray(cutting.codes.array.T)
    return Cells(cutting.complex, cutting.vertices, codes)


class _Cutting:
    """The subdivision so far, and the codes (U, cells) of the units passed."""

    def __init__(
        self,
        exact: ExactNetwork,
        start: Start,
        max_cells: int,
        callback: Progress | None,
        max_memory: float,
    ) -> None:
        if 2 ** len(start.rows) > max_cells:
            raise TooManyCells(2 ** len(start.rows))
        rank = len(start.rows)
        self.complex: Subdivision = (Complex if rank < BY_CORNERS else CornerCells)(rank)
        self.vertices = Vertices(ExactVertices(exact, start.vertices), start.vertices)
        self.codes = Columns(
            np.zeros((sum(exact.network.code_lengths), self.complex.n_cells), dtype=np.int8)
        )
        self._done, self._next_look = 0, 0
        self._max_cells, self._callback = max_cells, callback
        self._max_memory = max(max_memory, LEAST)

    def cut_by_units(self, layer: PiecewiseAffine, last: bool) -> None:
        """Cut where each unit's input is at a knot, and go on to the activation's output."""
        vertices = self.vertices
        acting = np.arange(vertices.values.shape[1])[layer.units]
        knots = np.broadcast_to(layer.unit_knots, (len(acting), layer.knots.shape[-1]))
        for block in chunks(len(acting), BLOCK):
            units = acting[block]
            vertices.open(units, last)
            for i, own in enumerate(knots[block].tolist()):
                self._look_ahead(i, acting[block.stop :], knots[block.start :, 0])
                for knot in own:
                    self._cut_at(i, int(units[i]), knot)
                    self._passed()
            vertices.close()
        if not last:
            vertices.pass_activation(layer)

    def _cut_at(self, i: int, unit: int, knot: float) -> None:
        """Cut where open unit i, which is this input of the layer, is at a knot."""
        vertices = self.vertices
        count, level = len(vertices.points), vertices.in_units(knot)
        lost = FLOOR if knot and abs(level) < FLOOR else 0.0
        values, errors = vertices.open_values[i], vertices.open_errors[i]
        if knot:
            levels, all_lost = level * vertices.points, lost * vertices.points.astype(np.float64)
            values, errors = _less(values, errors, levels, all_lost)
        function = Function(vertices.layer, unit, knot=knot)
        self.codes.array[self._done] = self._cut(function, values, errors)
        # The new vertices are the points of the unit's hyperplane: its value there is the knot, and
        # zero in a direction, without an error; so what follows from a value of zero is zero.
        new = vertices.points[count:]
        vertices.open_values[i, count:] = level * new
        vertices.open_errors[i, count:] = lost * new

    def _look_ahead(self, i: int, later: Indices, knots: Array) -> None:
        """Raise TooManyCells if the cuts by the open units from i on and by others after them, each
        at its first knot, make too many: where that may be and is not known yet."""
        cells, most = self.complex, self._max_cells
        if not isinstance(cells, CornerCells) or cells.n_cells < self._next_look:
            return
        left = len(self.vertices.open_values) - i + len(later)
        if cells.n_cells << min(left, _PARTS) <= most:
            return
        self._next_look = int(_MORE * cells.n_cells)
        vertices = self.vertices
        values, errors = (
            np.concatenate([own[i:], rest])
            for own, rest in zip(
                (vertices.open_values, vertices.open_errors), vertices.of_units(later), strict=True
            )
        )
        levels = vertices.in_units(knots[i:])[:, None] * vertices.points
        values, errors = _less(values, errors, levels, FLOOR * vertices.points.astype(np.float64))
        signs = np.where(np.abs(values) > errors, np.sign(values), 0.0).astype(np.int8)
        found = cells_at_least(cells.corners, signs, most)
        if found > most:
            raise TooManyCells(found)

    def cut_by_windows(self, layer: MaxPool) -> None:
        """Cut by each candidate of a window against the best of those before it."""
        vertices = self.vertices
        for window in layer.windows:
            # Short windows are filled up with their first candidate, which cannot beat itself.
            positions = [p for p in range(len(window)) if p == 0 or window[p] != window[0]]
            units = window[positions]
            vertices.open(units, last=False)
            for i, position in enumerate(positions[1:], 1):
                rivals = tuple(units[:i].tolist())
                winning = self._challenge(i, Function(vertices.layer, int(units[i]), rivals))
                self.codes.array[self._done, winning] = position
            vertices.close()
            self._passed()
        vertices.pass_windows(layer.windows)

    def _challenge(self, i: int, function: Function) -> Mask:
        """Cut where open unit i equals the best of those before; the cells on which it wins."""
        vertices = self.vertices
        lead = vertices.open_values[i] - vertices.open_values[:i].max(axis=0)
        errors = vertices.open_errors[i] + vertices.open_errors[:i].max(axis=0)
        return np.asarray(self._cut(function, lead, errors + _SUBTRACTION * np.abs(lead)) > 0)

    def _cut(self, function: Function, values: Array, errors: Array) -> NDArray[np.int8]:
        """Cut by a function with these values and errors at the vertices; its sign on every cell
        after."""
        values, errors = self.vertices.settle(function, values, errors)
        cells = self.complex.n_cells
        try:
            cut = self.complex.cut(np.sign(values).astype(np.int8), self._affordable())
        except TooManyCells as found:
            if found.cells > self._max_cells:
                raise
            raise TooMuchMemory(self._needed(found.cells / cells)) from None
        self.vertices.add(cut, function, values, errors)
        self.codes.append(self.codes.array[:, cut.parents])
        return cut.sides

    def _passed(self) -> None:
        self._done += 1
        if self._callback is not None:
            self._callback(self._done, len(self.codes.array), self.complex.n_cells)

    def afford(self, inputs: int, outputs: int) -> None:
        """Raise TooMuchMemory if vertices' values cannot pass a layer of this size."""
        needed = self._needed(1.0) + len(self.vertices.points) * passing_a_vertex(inputs, outputs)
        if needed > self._max_memory:
            raise TooMuchMemory(needed)

    def _affordable(self) -> int:
        """How many cells the next cut may leave, which may be twice as many as there are.

        Raises TooMuchMemory if even those that there are take too much.
        """
        if self._needed(2.0) <= self._max_memory:
            return self._max_cells
        cells = self.complex.n_cells
        counts = range(cells, 2 * cells + 1)
        fitting = bisect_right(counts, self._max_memory, key=lambda n: self._needed(n / cells))
        if not fitting:
            raise TooMuchMemory(self._needed(1.0))
        return min(counts[fitting - 1], self._max_cells)

    def _needed(self, growth: float) -> float:
        """Bytes at the most while a cut makes so many times as many cells, or regions are made of
        them then."""
        cells, units = self.complex.n_cells, len(self.codes.array)
        own = SPARE_VALUES * self.vertices.nbytes(growth)
        others = self.complex.nbytes(growth) + self.codes.nbytes(growth)
        if isinstance(self.complex, CornerCells):
            corners = growth * len(self.complex.corners.values)
            own += others + CUTTING_CORNERS * corners
            return max(own, joining(growth * cells, units, corners, by_corners=True))
        corners = growth * cells * corners_of_a_cell(units, self.complex.dimension)
        own += CUTTING * others
        return max(own, joining(growth * cells, units, corners, by_corners=False))


def _less(values: Array, errors: Array, levels: Array, lost: Array) -> tuple[Array, Array]:
    """Values less what they are compared with, and how far from true these may be. lost (V,): what
    the levels may have lost where they are too small."""
    left = values - levels
    return left, errors + _SUBTRACTION * np.abs(left) + lost
