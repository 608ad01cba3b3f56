"""Points of the latent space at which every unit of a network is seen on both of its sides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from reference.model.activations import PiecewiseAffine
from reference.model.arrays import Array, Codes, Indices, Mask
from reference.model.dense import Dense
from reference.model.images.kernels import Convolution
from reference.model.images.max_pool import MaxPool
from reference.model.layer_protocol import Layer, Shape

# How far points are drawn, in standard deviations of the prior: near, as data are, and far.
_SPREADS = (0.1, 1.0, 3.0, 30.0)
# No point is further than this: the prior has no mass there that a double could hold.
_FARTHEST = 1e3
# A step goes this far beyond the boundary that it aims at, relative to the way there.
_OVERSHOOT = 0.1
# Steps from one start, and starts.
_STEPS, _STARTS = 4, 2
# Numbers held at a time, and multiplications in all: a second or two.
_AT_A_TIME = 2**21
_WORK = 2e9
_DRAWN = 256


@dataclass
class Sides:
    """What was seen of one layer's choices: rows are choices, columns are what they may be.

    Of a unit with knots each knot is a choice, between below and above. Of a window it is the
    place of the largest candidate.
    """

    layer: int
    seen: Mask
    #: For each choice, which drawn point came nearest to its boundary, and how near.
    nearest: Indices
    distance: Array

    @property
    def unseen(self) -> int:
        """How many choices were not seen in every way that they can go."""
        return int(np.sum(~self.seen.all(axis=1)))


def points_on_both_sides(
    layers: Sequence[Layer], shape: Shape, random_state: np.random.Generator
) -> tuple[Array, list[Sides]]:
    """Return points that are drawn, and points that are searched for what those do not see.

    Parameters
    ----------
    layers : sequence of Layer
        The layers of a network, each placed.
    shape : tuple of int
        (S,).
    random_state : Generator
        Draws the points.

    Returns
    -------
    points : ndarray, shape (N, S)
        The points.
    sides : list of Sides
        What was seen of each layer that has choices.

    Notes
    -----
    Points are drawn from N(0, I) at several scales. From one of them, a choice that was never seen
    to go one way is approached by Newton's method: on the present region the function that decides
    it is affine, so one step leads to the other side, unless a boundary lies between. The work is
    bounded: choices of a large network may stay unseen though they could be reached. Guarded by
    tests/model/test_both_sides.py.
    """
    return _Search(layers, shape, random_state).run()


def told_of_unrun(places: Iterable[str], sides: Sequence[Sides], layers: Sequence[Layer]) -> str:
    """Return in words what was not compared where parts could not be run alone.

    Parameters
    ----------
    places : iterable of str
        Where these parts are.
    sides : sequence of Sides
        What was seen of each layer that has choices.
    layers : sequence of Layer
        The layers of the network.

    Returns
    -------
    str
        A clause of a warning.
    """
    unseen = [
        f"{one.unseen} of {len(one.seen)} of layers[{one.layer}] ({layers[one.layer]!r})"
        for one in sides
        if one.unseen
    ]
    units = f"; units seen on one side only: {', '.join(unseen)}" if unseen else ""
    return f"{', '.join(places)} could not be run alone, but only as part of the whole{units}"


@dataclass
class _Search:
    layers: Sequence[Layer]
    shape: Shape
    random_state: np.random.Generator
    points: list[Array] = field(default_factory=list)
    sides: list[Sides] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape, self.widest, self.work = self.shape, self.shape[0], 0.0
        for index, layer in enumerate(self.layers):
            size, shape = math.prod(shape), layer.output_shape(shape)
            self.widest = max(self.widest, math.prod(shape))
            self.work += _work(layer, size, math.prod(shape))
            if choices := layer.n_codes(size):
                ways = layer.windows.shape[1] if isinstance(layer, MaxPool) else 2
                seen = np.zeros((choices, ways), dtype=bool)
                # Short windows are filled up with their first candidate, which is not another.
                if isinstance(layer, MaxPool):
                    seen[:, 1:] = layer.windows[:, 1:] == layer.windows[:, :1]
                first = np.zeros(choices, dtype=np.intp)
                self.sides.append(Sides(index, seen, first, np.full(choices, np.inf)))
        self.left = max(_WORK / self.work, 2.0 * _DRAWN / len(_SPREADS))

    def run(self) -> tuple[Array, list[Sides]]:
        count = int(min(_DRAWN, self.left / 2)) // len(_SPREADS)
        for spread in _SPREADS:
            self._look(spread * self.random_state.standard_normal((count, self.shape[0])), True)
        drawn = np.concatenate(self.points)
        for start in range(_STARTS):
            for sides in self.sides:
                self._seek(sides, drawn, start)
        return np.concatenate(self.points), self.sides

    def _chunks(self, rows: int) -> list[slice]:
        step = max(1, _AT_A_TIME // self.widest)
        return [slice(first, first + step) for first in range(0, rows, step)]

    def _look(self, points: Array, drawn: bool = False) -> None:
        """Note what is seen at points."""
        self.left -= len(points)
        before = sum(map(len, self.points))
        self.points.append(points)
        for chunk in self._chunks(len(points)):
            hidden, at = points[chunk], 0
            which = before + np.arange(len(points))[chunk]
            for index, layer in enumerate(self.layers):
                if at < len(self.sides) and self.sides[at].layer == index:
                    _note(layer, self.sides[at], hidden)
                    if drawn and isinstance(layer, PiecewiseAffine):
                        far = 1.0 + np.linalg.norm(points[chunk], axis=1)
                        _keep_nearest(layer, self.sides[at], hidden, far, which)
                    at += 1
                hidden = layer.apply(hidden)

    def _seek(self, sides: Sides, drawn: Array, start: int) -> None:
        """Approach what was not seen of one layer, from the nearest drawn point or from any."""
        choices, ways = np.nonzero(~sides.seen)
        anywhere = self.random_state.integers(len(drawn), size=len(choices))
        begin = drawn[anywhere if start else sides.nearest[choices]]
        for chunk in self._chunks(len(choices)):
            choice, way, points = choices[chunk], ways[chunk], begin[chunk]
            for _ in range(_STEPS):
                open_ = ~sides.seen[choice, way]
                # A step costs a pass forwards, one backwards and one to look: as three points.
                if not np.any(open_) or self.left < 3 * np.sum(open_):
                    break
                choice, way, points = choice[open_], way[open_], points[open_]
                points, kept = self._stepped(sides.layer, choice, way, points)
                choice, way, points = choice[kept], way[kept], points[kept]
                self.left -= 2 * len(points)
                self._look(points)

    def _stepped(
        self, index: int, choice: Indices, way: Indices, points: Array
    ) -> tuple[Array, Mask]:
        """Points on the other side, if no boundary lies between; and which have one near enough."""
        hidden, codes = points, []
        for layer in self.layers[:index]:
            codes.append(_codes(layer, hidden))
            hidden = layer.apply(hidden)
        rows, gap = _aim(self.layers[index], hidden, choice, way)
        slopes = rows[:, None, :]
        for layer, code in zip(reversed(self.layers[:index]), reversed(codes), strict=True):
            slopes = layer.pull_back(code, slopes)
        slope = slopes[:, 0, :]
        steep = np.sum(slope**2, axis=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = slope * (-(1.0 + _OVERSHOOT) * gap / steep)[:, None]
            moved = points + step
            kept = (steep > 0) & (np.linalg.norm(moved, axis=1) < _FARTHEST)
        return moved, kept


def _work(layer: Layer, n_in: int, n_out: int) -> float:
    """About how many multiplications a layer takes for one point."""
    if isinstance(layer, Dense):
        return float(layer.weight.size)
    if isinstance(layer, Convolution):
        return float(max(n_in, n_out) * layer.weight[0].size)
    return 10.0 * (n_in + n_out)


def _nothing(hidden: Array) -> Array:
    """Slopes of maps that do not depend on anything, with these values."""
    return np.empty((*hidden.shape, 0))


def _cut_values(layer: Layer, hidden: Array) -> Array:
    """The functions whose signs decide a layer's code, at given inputs."""
    return layer.cuts(_nothing(hidden), hidden)[1]


def _codes(layer: Layer, hidden: Array) -> Codes:
    """The layer's codes at given inputs."""
    if isinstance(layer, MaxPool):
        return np.asarray(np.argmax(hidden[:, layer.windows], axis=-1), dtype=np.int8)
    return layer.code(np.sign(_cut_values(layer, hidden)).astype(np.int8))


def _note(layer: Layer, sides: Sides, hidden: Array) -> None:
    """Note which way a layer's choices go."""
    if isinstance(layer, MaxPool):
        winners = _codes(layer, hidden)
        sides.seen[np.arange(len(sides.seen)), winners] = True
    else:
        cuts = _cut_values(layer, hidden)
        sides.seen[:, 0] |= np.any(cuts < 0, axis=0)
        sides.seen[:, 1] |= np.any(cuts > 0, axis=0)


def _keep_nearest(
    layer: PiecewiseAffine, sides: Sides, hidden: Array, far: Array, which: Indices
) -> None:
    """Note which points came nearest to boundaries, as seen from how far out they are."""
    distance = np.abs(_cut_values(layer, hidden)) / far[:, None]
    row = np.argmin(distance, axis=0)
    least = distance[row, np.arange(len(row))]
    nearer = least < sides.distance
    sides.nearest[nearer] = which[row[nearer]]
    sides.distance[nearer] = least[nearer]


def _aim(layer: Layer, hidden: Array, choice: Indices, way: Indices) -> tuple[Array, Array]:
    """For each target a function of the layer's input: its row, and its value, of which the sign
    is to change."""
    rows, at = np.zeros_like(hidden), np.arange(len(hidden))
    if isinstance(layer, MaxPool):
        candidates = layer.windows[choice]
        values = np.take_along_axis(hidden, candidates, axis=1)
        best, wanted = candidates[at, np.argmax(values, axis=1)], candidates[at, way]
        rows[at, wanted] = 1.0
        rows[at, best] -= 1.0
        return rows, hidden[at, wanted] - hidden[at, best]
    assert isinstance(layer, PiecewiseAffine)
    units, knots = layer.unit_and_knot(choice)
    rows[at, units] = 1.0
    return rows, hidden[at, units] - knots
