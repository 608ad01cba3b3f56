"""The boxes that can matter for some data: latent space in halves of halves, until what a box may
hold is bounded to be next to nothing, or few units bend in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fast.many_dimensions.local.criteria import Criterion
from fast.many_dimensions.local.setting import Points, Setting
from fast.many_dimensions.local.sight import Aligned, BoxPairs, Sight
from fast.partition.local.boxes import Boxes
from fast.partition.local.folding import Folding, Slots
from fast.polyhedra.chunks import chunks
from reference.model import Codes, Indices

# A box in which no more units bend is cut into its pieces.
_FEW = 32
# In boxes this many halvings smaller than the prior more units may bend: boundaries may all meet in
# a point. Twice as many after so many halvings more.
_SMALL, _MORE_AFTER = 16, 2
# The size of a box's images times the distance of a datum from the best of them, both in standard
# deviations: so many times ε is what differences of log p(x, z) may lose in a box, some 1e-11.
# Where images are steep in one direction alone there are many boxes so small: of more than so many
# a datum, none is halved for that.
_LARGEST = 1e5
_MANY = 64
# Boxes this many halvings smaller than the prior are not halved any more.
_DEEPEST = 50
# Numbers held at once while boxes are folded.
_BATCH = 1 << 21


@dataclass(frozen=True, eq=False)
class Leaf:
    """B boxes to be cut into pieces, and the pairs of a datum and a box that can matter."""

    boxes: Boxes
    slots: Slots
    codes: Codes  # (B, U): what of the codes is decided
    pairs: BoxPairs
    aligned: Aligned

    def of_data_from(self, first: int) -> Leaf:
        """The same where the data are numbered from `first` on."""
        return replace(self, pairs=BoxPairs(self.pairs.datum + first, self.pairs.box))


class Descent:
    """From one box that holds nearly everything to those that can matter for N data."""

    def __init__(self, setting: Setting, points: Points) -> None:
        self._setting, self._points = setting, points
        self._distances = np.maximum(np.linalg.norm(points.rows - points.images, axis=1), 1.0)
        #: Whether there are many boxes, so that large ones are cut as they are.
        self._many = False
        #: The sum of what has been left out, (N,), over what may be.
        self.out = np.zeros(points.number)

    def leaves(self, criterion: Criterion) -> Iterator[Leaf]:
        """All boxes that can matter, in batches; after the last of them `out` is complete."""
        boxes, self.out = criterion.first()
        every = np.arange(self._points.number)
        pairs = BoxPairs(every, np.zeros_like(every))
        while (halvings := self._halvings(boxes)) < _DEEPEST:
            most = _FEW * 2 ** max(0, (halvings - _SMALL) // _MORE_AFTER)
            self._many = len(pairs.datum) > _MANY * self._points.number
            parts, kept_pairs, before = [], [], 0
            for some in chunks(boxes.number, _BATCH, self._width(most)):
                mine = slice(*np.searchsorted(pairs.box, [some.start, some.stop]))
                own = BoxPairs(pairs.datum[mine], pairs.box[mine] - some.start)
                leaf, open_boxes, open_pairs = self._looked_at(criterion, boxes.at(some), own, most)
                if leaf is not None:
                    yield leaf
                parts.append(open_boxes)
                kept_pairs.append(BoxPairs(open_pairs.datum, open_pairs.box + before))
                before += open_boxes.number
            boxes = Boxes(*(np.concatenate(field) for field in zip(*parts, strict=True)))
            pairs = BoxPairs(*(np.concatenate(field) for field in zip(*kept_pairs, strict=True)))
            if not boxes.number:
                return
            boxes, pairs = _halved(boxes, pairs)
        raise ArithmeticError(
            "X: the regions that matter lie so near to each other that no box of double precision "
            "tells them apart; pass partition='full' to DGN"
        )

    def _width(self, most: int) -> int:
        setting = self._setting
        return max(setting.network.sizes) * (setting.latent + most)

    def _halvings(self, boxes: Boxes) -> int:
        """How often the prior's deviations would be halved for boxes so small: that decides how
        many units may bend, so that no datum's boxes depend on others."""
        deviations = np.sqrt(np.diag(self._setting.cov_z))
        return int(-np.log2(np.max(boxes.halves[0] / deviations)))

    def _looked_at(
        self, criterion: Criterion, boxes: Boxes, pairs: BoxPairs, most: int
    ) -> tuple[Leaf | None, Boxes, BoxPairs]:
        """Of some boxes those that can be cut and those that are to be halved, with their pairs."""
        setting, points = self._setting, self._points
        folded = Folding(setting.network, boxes, most).to(setting.coordinates.index)
        sight = Sight.of(setting, folded)
        over = criterion.over(boxes, sight, pairs)
        out = np.exp(np.minimum(over, 0.0)) * (over < 0)
        self.out += np.bincount(pairs.datum, out, points.number)
        pairs = pairs.at(np.flatnonzero(~(over < 0)))
        farthest = np.full(boxes.number, -1.0)
        np.maximum.at(farthest, pairs.box, self._distances[pairs.datum])
        small = folded.whole & ((sight.sizes * farthest <= _LARGEST) | self._many)
        leaves = np.flatnonzero((farthest >= 0) & small)
        others = np.flatnonzero((farthest >= 0) & ~small)
        leaf = None
        if len(leaves):
            own = _among(pairs, leaves, boxes.number)
            slots = folded.slots.at(leaves)
            seen = sight.at(leaves, slots)
            leaf = Leaf(
                boxes=boxes.at(leaves),
                slots=slots,
                codes=folded.codes[leaves],
                pairs=own,
                aligned=seen.aligned(points, own),
            )
        return leaf, boxes.at(others), _among(pairs, others, boxes.number)


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
