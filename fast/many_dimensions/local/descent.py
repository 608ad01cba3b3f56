"""The boxes that can matter for some data: latent space in halves of halves, until what a box may
hold is bounded to be next to nothing, or few units bend in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from fast.many_dimensions.local.setting import Points, Setting
from fast.many_dimensions.local.sight import Aligned, BoxPairs, Sight
from fast.partition.local.boxes import Boxes
from fast.partition.local.folding import Folding, Slots
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Indices

# A box in which no more units bend is cut into its pieces.
_FEW = 24
# Where boxes are that many times halved, more units may bend in them: boundaries may all meet in a
# point. Then twice as many after so many halvings more.
_SMALL, _MORE_AFTER = 16, 2
# Halvings beyond which boxes are as they are: centres would have no more digits.
_DEEPEST = 50
# Numbers held at once while boxes are folded.
_BATCH = 1 << 21
# What is outside the first box holds less than this beside what may be left out, in nats.
_FAR_OUT = 10.0


@dataclass(frozen=True, eq=False)
class Leaf:
    """B boxes to be cut into pieces, and the pairs of a datum and a box that can matter."""

    boxes: Boxes
    slots: Slots
    codes: Codes  # (B, U): what of the codes is decided
    pairs: BoxPairs
    aligned: Aligned


class Descent:
    """From one box that holds nearly all of the prior to those that can matter for N data.

    floors (N,): what may be left out of p(x), or with by_mass=False of p(x, z) at its largest, nats.
    """

    def __init__(
        self, setting: Setting, points: Points, floors: Array, *, by_mass: bool = True
    ) -> None:
        self._setting, self._points, self._floors = setting, points, floors
        self._by_mass = by_mass
        #: What has been left out, (N,), over exp(floors).
        self.out = np.zeros(points.count)

    def leaves(self) -> Iterator[Leaf]:
        """All boxes that can matter, in batches; after the last of them `out` is complete."""
        boxes = self._first()
        every = np.arange(self._points.count)
        pairs = BoxPairs(every, np.zeros_like(every))
        for level in range(_DEEPEST):
            most = _slots_allowed(level)
            parts, kept_pairs, before = [], [], 0
            for some in chunks(boxes.count, _BATCH, self._width(most)):
                mine = slice(*np.searchsorted(pairs.box, [some.start, some.stop]))
                own = BoxPairs(pairs.datum[mine], pairs.box[mine] - some.start)
                leaf, open_boxes, open_pairs = self._looked_at(boxes.at(some), own, most)
                if leaf is not None:
                    yield leaf
                parts.append(open_boxes)
                kept_pairs.append(BoxPairs(open_pairs.datum, open_pairs.box + before))
                before += open_boxes.count
            boxes = Boxes(*(np.concatenate(field) for field in zip(*parts, strict=True)))
            pairs = BoxPairs(*(np.concatenate(field) for field in zip(*kept_pairs, strict=True)))
            if not boxes.count:
                return
            boxes, pairs = _halved(boxes, pairs)
        raise ArithmeticError(
            "X: the regions that matter lie so near to each other that no box of double precision "
            "tells them apart; pass partition='full' to DGN"
        )

    def _width(self, most: int) -> int:
        setting = self._setting
        return max(setting.network.sizes) * (setting.latent + most)

    def _first(self) -> Boxes:
        """A box around 0, outside of which there is next to nothing of p(x, z)."""
        setting, points = self._setting, self._points
        log_most = setting.log_noise - 0.5 * points.rest
        target = float(np.min(self._floors - log_most)) - _FAR_OUT
        deviations = np.sqrt(2.0 * max(-target, 1.0))
        halves = deviations * np.sqrt(np.diag(setting.cov_z))
        boxes = Boxes.around_zero(halves)
        reach = boxes.halves[0] / np.sqrt(np.diag(setting.cov_z))
        if self._by_mass:
            outside = np.logaddexp.reduce(log_ndtr(-reach) + np.log(2.0))
        else:
            outside = setting.log_prior - 0.5 * np.min(reach) ** 2
        self.out += np.exp(log_most + outside - self._floors)
        return boxes

    def _looked_at(
        self, boxes: Boxes, pairs: BoxPairs, most: int
    ) -> tuple[Leaf | None, Boxes, BoxPairs]:
        """Of some boxes those that can be cut, and those that are to be halved, with their pairs."""
        setting, points = self._setting, self._points
        folded = Folding(setting.network, boxes, most).to(setting.coordinates.index)
        sight = Sight.of(setting, folded)
        bounds = -0.5 * (sight.squares(points, pairs) + points.rest[pairs.datum])
        bounds += setting.log_constant
        if self._by_mass:
            bounds += boxes.log_volumes[pairs.box]
        over = bounds - self._floors[pairs.datum]
        self.out += np.bincount(
            pairs.datum, np.where(over < 0, np.exp(np.minimum(over, 0.0)), 0.0), points.count
        )
        pairs = pairs.at(np.flatnonzero(~(over < 0)))
        needed = np.zeros(boxes.count, dtype=bool)
        needed[pairs.box] = True
        leaves, others = np.flatnonzero(needed & folded.whole), np.flatnonzero(needed & ~folded.whole)
        leaf = None
        if len(leaves):
            own = _among(pairs, leaves, boxes.count)
            slots = folded.slots.at(leaves)
            seen = sight.at(leaves, slots)
            leaf = Leaf(
                boxes=boxes.at(leaves),
                slots=slots,
                codes=folded.codes[leaves],
                pairs=own,
                aligned=seen.aligned(points, own),
            )
        return leaf, boxes.at(others), _among(pairs, others, boxes.count)


def _slots_allowed(level: int) -> int:
    return int(_FEW * 2 ** max(0, (level - _SMALL) // _MORE_AFTER))


def _among(pairs: BoxPairs, boxes: Indices, count: int) -> BoxPairs:
    """The pairs with some of so many boxes, which are numbered anew."""
    place = np.full(count, -1)
    place[boxes] = np.arange(len(boxes))
    mine = np.flatnonzero(place[pairs.box] >= 0)
    return BoxPairs(pairs.datum[mine], place[pairs.box[mine]])


def _halved(boxes: Boxes, pairs: BoxPairs) -> tuple[Boxes, BoxPairs]:
    """The parts of boxes, each with all the pairs of its whole."""
    number = 2 ** boxes.centres.shape[1]
    each = np.arange(number)
    box = (pairs.box[:, None] * number + each).ravel()
    datum = np.repeat(pairs.datum, number)
    order = np.argsort(box, kind="stable")
    return boxes.parts(), BoxPairs(datum[order], box[order])
