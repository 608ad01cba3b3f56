"""Every region of a network at once: the latent space cut by one unit after another [Lemma 3]."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from fast.partition.cell_complex import Complex, TooManyCells
from fast.partition.cut_vertices import ROUNDING, Vertices
from fast.partition.growing_arrays import Columns
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Layer, Mask, MaxPool, Network

#: Called after every cut with the cuts made, the cuts there are, and the cells so far.
Progress = Callable[[int, int, int], None]

# Units whose values are set aside together while they cut.
_BLOCK = 16

# Rows nearer to dependent than this, after scaling to length one, count as dependent.
_RANK_TOLERANCE = 1e-12

# The share of their length that the inputs of the first cuts have beside the cuts themselves in the
# choice of where to start: pivoting takes them where the cuts do not suffice.
_INPUTS_LAST = 0.01


class Cells(NamedTuple):
    """A subdivision on whose cells every code is constant, and the code of each, (cells, U).

    With max-pooling, several cells may have the same code.
    """

    complex: Complex
    vertices: Vertices
    codes: Codes


class Start(NamedTuple):
    """k independent affine functions of z, normals z + offsets, (k, S) and (k,): the first cuts."""

    normals: Array
    offsets: Array


def starting_functions(network: Network) -> Start:
    """As many independent functions as the network's first choices depend on, k <= S.

    The best conditioned of the first cuts; where they do not suffice (max-pooling) the inputs they
    compare. No region depends on z but through them.
    """
    slopes, offsets = np.eye(network.latent_dimension), np.zeros(network.latent_dimension)
    none = np.empty(0, dtype=np.int8)
    for layer, size in zip(network.layers, network.sizes, strict=False):
        if layer.n_codes(size):
            break
        slopes, offsets = layer.propagate(none, slopes, offsets)
    else:
        return Start(slopes[:0], offsets[:0])
    cut_slopes, cut_offsets = layer.cuts(slopes, offsets)
    # Pivoting takes the longest row first: the layer's own cuts before the rest.
    own, rest = _unit_rows(cut_slopes), _INPUTS_LAST * _unit_rows(slopes)
    triangle, order = qr(np.concatenate([own, rest]).T, mode="r", pivoting=True)
    independent = np.abs(np.diag(triangle)) > _RANK_TOLERANCE
    chosen = order[: len(independent)][independent]
    return Start(
        np.concatenate([cut_slopes, slopes])[chosen], np.concatenate([cut_offsets, offsets])[chosen]
    )


def enumerate_cells(
    network: Network,
    start: Start,
    max_cells: int,
    callback: Progress | None,
    caution: float,
) -> Cells:
    """Cut R^S by every unit, layer by layer, beginning with `start`, which is not empty.

    caution: how many times its rounding error a value must exceed to count as nonzero. Raises
    TooManyCells before a cut that would make more, and InconsistentSigns when rounding errors
    exceed what was allowed for them. Cost: proportional to the cells, for each layer.
    """
    cutting = _Cutting(network, start, max_cells, callback, caution)
    placed = False
    counts = [layer.n_codes(n) for layer, n in zip(network.layers, network.sizes, strict=False)]
    deepest = int(np.flatnonzero(counts)[-1])
    for i, layer in enumerate(network.layers[: deepest + 1]):
        if not counts[i]:
            cutting.vertices.pass_affine(layer)
            continue
        if not placed:
            _add_errors_of_places(cutting.vertices, start)
            placed = True
        if isinstance(layer, MaxPool):
            cutting.cut_by_windows(layer)
        else:
            cutting.cut_by_units(layer, last=i == deepest)
    codes = np.ascontiguousarray(cutting.codes.array.T)
    return Cells(cutting.complex, cutting.vertices, codes)


class _Cutting:
    """The subdivision so far, and the codes (U, cells) of the units passed."""

    def __init__(
        self,
        network: Network,
        start: Start,
        max_cells: int,
        callback: Progress | None,
        caution: float,
    ) -> None:
        counts = [layer.n_codes(n) for layer, n in zip(network.layers, network.sizes, strict=False)]
        if 2 ** len(start.normals) > max_cells:
            raise TooManyCells
        self.complex, self.vertices = Complex(len(start.normals)), _first_vertices(start)
        self.codes = Columns(np.zeros((sum(counts), self.complex.n_cells), dtype=np.int8))
        self._done = 0
        self._max_cells, self._callback, self._caution = max_cells, callback, caution

    def cut_by_units(self, layer: Layer, last: bool) -> None:
        """Cut where each unit's input changes sign, and go on to the activation's output."""
        vertices = self.vertices
        count = vertices.values.shape[1]
        for block in chunks(count, _BLOCK):
            units = np.arange(block.start, block.stop)
            vertices.open(units, last)
            for i, unit in enumerate(units):
                values = vertices.open_values[i]
                zero = np.abs(values) <= self._caution * vertices.open_errors[i]
                values[zero] = 0.0
                sides = self._cut(values, vertices.tolerance(unit))
                # From here on those vertices are the points of the unit's hyperplane: its value
                # there is zero without an error, and so is all that follows from it.
                vertices.open_errors[i, : len(zero)][zero] = 0.0
                vertices.open_values[i, len(zero) :] = 0.0
                vertices.open_errors[i, len(zero) :] = 0.0
                self.codes.array[self._done] = sides
                self._passed()
            vertices.close()
        if not last:
            # At a zero, errors pass as on the side where the unit's slope is one.
            sides = np.where(vertices.values < 0, -1, 1).astype(np.int8)
            none = np.empty((*sides.shape, 0))
            _, errors = layer.bound(sides, none, vertices.errors)
            vertices.set_values(layer.apply(vertices.values), errors)

    def cut_by_windows(self, layer: MaxPool) -> None:
        """Cut by each candidate of a window against the best of those before it."""
        vertices = self.vertices
        for window in layer.windows:
            # Short windows are filled up with their first candidate, which cannot beat itself.
            positions = [p for p in range(len(window)) if p == 0 or window[p] != window[0]]
            vertices.open(window[positions], last=False)
            for i, position in enumerate(positions[1:], 1):
                tolerance = 2.0 * np.max([vertices.tolerance(u) for u in window], axis=0)
                winning = self._challenge(i, tolerance)
                self.codes.array[self._done, winning] = position
            vertices.close()
            self._passed()
        vertices.pass_windows(layer.windows)

    def _challenge(self, i: int, tolerance: Array) -> Mask:
        """Cut where open unit i equals the best of those before; the cells on which it wins."""
        vertices = self.vertices
        best, values = vertices.open_values[:i].max(axis=0), vertices.open_values[i]
        errors = vertices.open_errors[: i + 1].max(axis=0)
        tied = np.abs(values - best) <= 2.0 * self._caution * errors
        sides = self._cut(values - np.where(tied, values, best), tolerance)
        # Where they tie, there and at the new vertices, they are equal: and as uncertain as the
        # other, for another window may compare the unit with others.
        tied = np.append(tied, np.ones(len(vertices.points) - len(tied), dtype=bool))
        both = vertices.open_values[:i, tied].max(axis=0), vertices.open_errors[: i + 1, tied]
        vertices.open_values[i, tied], vertices.open_errors[i, tied] = both[0], both[1].max(axis=0)
        return np.asarray(sides > 0)

    def _cut(self, function: Array, tolerance: Array) -> NDArray[np.int8]:
        """Cut by the function with these values at the vertices; its sign on every cell after."""
        cut = self.complex.cut(np.sign(function).astype(np.int8), self._max_cells)
        self.vertices.add(cut, function, tolerance)
        self.codes.append(self.codes.array[:, cut.parents])
        return cut.sides

    def _passed(self) -> None:
        self._done += 1
        if self._callback is not None:
            self._callback(self._done, len(self.codes.array), self.complex.n_cells)


def _lengths(rows: Array) -> Array:
    """Lengths of rows, 1 for rows of zeros; squares of their entries may not be numbers."""
    largest = np.max(np.abs(rows), axis=1, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)
    return np.asarray(largest * np.maximum(1.0, np.linalg.norm(rows / largest[:, None], axis=1)))


def _unit_rows(rows: Array) -> Array:
    return rows / _lengths(rows)[:, None]


def _first_vertices(start: Start) -> Vertices:
    """The apex, where all first functions vanish, and both ends of each axis through it, on which
    all but one do. With k < S they lie in the span of the normals."""
    # With normals of length one: rounding is then the same in all of them.
    axes = np.linalg.pinv(_unit_rows(start.normals)).T
    offsets = start.offsets / _lengths(start.normals)
    directions = axes / np.max(np.abs(axes), axis=1, keepdims=True)
    ends = np.stack([directions, -directions], axis=1).reshape(-1, axes.shape[1])
    positions = np.concatenate([-(offsets @ axes)[None], ends])
    return Vertices(np.arange(len(positions)) == 0, positions)


def _add_errors_of_places(vertices: Vertices, start: Start) -> None:
    """The first vertices are where the first functions vanish only within rounding: what that
    changes of the values."""
    positions, points = vertices.positions, vertices.points
    sizes = np.outer(_lengths(positions), _lengths(start.normals))
    sizes += np.outer(points, np.abs(start.offsets))
    heights = np.einsum("ks,ks->k", start.normals, positions[1::2])
    per_function = np.abs(vertices.values[1::2]) / np.abs(heights)[:, None]
    vertices.set_values(vertices.values, vertices.errors + ROUNDING * (sizes @ per_function))
