"""p(z | x) on the pieces of boxes that can matter: its mode and its draws."""

from __future__ import annotations

import numpy as np

from fast.distributions.posterior import Posterior, Shares
from fast.integration.apex import choose_apex
from fast.integration.simplex_draws import draw_within
from fast.many_dimensions.local.criteria import ByPeak
from fast.many_dimensions.local.descent import Descent, Leaf
from fast.many_dimensions.local.e_step import codes_of, slopes_of
from fast.many_dimensions.local.pairs import Found, most_of
from fast.many_dimensions.local.pieces_seen import PiecePairs, SeenPieces
from fast.many_dimensions.local.setting import Points, Setting, relative
from fast.partition.local.bends import Bends
from reference.model import Array, Codes, Indices

# What is known of the largest p(x, z) may be off by this share of its logarithm.
_ROUNDING = 1e-12


class LocalPosterior(Posterior):
    """The posterior on pieces, which are parts of regions in a box: `region` numbers these."""

    numbers_pieces = True

    def __init__(
        self, setting: Setting, bends: Bends, points: Points, found: Found, max_memory: float
    ) -> None:
        self._setting, self._bends, self._points = setting, bends, points
        self._leaves, self._above = found.leaves, found.above
        self._counts, self._ends = found.counts, np.cumsum(found.counts)
        held = found.held
        super().__init__(
            n_regions=sum(found.counts),
            images=setting.images_in_two,
            log_evidence=found.log_evidence,
            shares=Shares(
                datum=held.datum,
                region=held.piece,
                log_e0=found.log_e0,
                mean=held.mean,
                cov=held.cov,
                entropy=held.entropy,
            ),
            skipped=found.skipped,
            error=np.zeros(points.number),
            max_memory=max_memory,
        )

    def mode(self) -> Array:
        """The z at which p(z | x) is largest over all regions.

        Returns
        -------
        ndarray, shape (N, S)
            Latent units.
        """
        # What is known from passes through the network rules out nearly all boxes.
        setting, points = self._setting, self._points
        result, known = points.places.copy(), np.zeros(points.number)
        floors = points.log_base - _ROUNDING * np.maximum(np.abs(points.log_base), 1.0)
        for leaf in Descent(setting, points).leaves(ByPeak(setting, points, floors)):
            seen = SeenPieces.of(leaf, self._bends)
            pairs = seen.pairs()
            peaks, datum = (
                most_of(setting, points, seen, pairs).log_peak,
                leaf.pairs.datum[pairs.pair],
            )
            pairs = pairs.at(np.flatnonzero(~(peaks < floors[datum])))
            # A piece thinner than rounding may have no such place.
            with np.errstate(all="ignore"):
                for mine, items in seen.items(pairs):
                    place = seen.places(pairs.piece[mine], choose_apex(items, exact=True).place)
                    datum = leaf.pairs.datum[pairs.pair[mine]]
                    values = relative(points.at(datum), setting.images(place))
                    self._raise(result, known, datum, (place, values))
        return result

    @staticmethod
    def _raise(result: Array, known: Array, datum: Indices, found: tuple[Array, Array]) -> None:
        """Replace places (N, S) by those found at which p(x, z) is larger."""
        place, values = found
        values = np.where(np.isfinite(values), values, -np.inf)
        for row in np.argsort(values).tolist():
            if values[row] > known[datum[row]]:
                known[datum[row]], result[datum[row]] = values[row], place[row]

    def _slopes(self, pairs: slice) -> Array:
        codes, which = self._own_codes(pairs)
        return slopes_of(self._setting, codes)[which]

    def _codes(self, pairs: slice | Indices) -> Codes:
        codes, which = self._own_codes(pairs)
        return codes[which]

    def _own_codes(self, pairs: slice | Indices) -> tuple[Codes, Indices]:
        """Codes of pieces, each once, and which of them every pair's is."""
        used, which = np.unique(self.shares.region[pairs], return_inverse=True)
        return codes_of(self._bends, self._leaves, self._counts, used), which

    def _log_density(self, points: Array) -> Array:
        count, number, latent = points.shape
        if not number:
            return np.empty((count, 0))
        own = self._points.at(np.repeat(np.arange(count), number))
        images = self._setting.images(points.reshape(-1, latent))
        return np.asarray(relative(own, images).reshape(count, number) - self._above[:, None])

    def _draw(self, datum: Indices, region: Indices, rng: np.random.Generator) -> Array:
        draws = np.empty((len(datum), self._setting.latent))
        of_leaf = np.searchsorted(self._ends, region, side="right")
        for which in np.unique(of_leaf).tolist():
            rows = np.flatnonzero(of_leaf == which)
            seen = SeenPieces.of(self._leaves[which], self._bends)
            before = int(self._ends[which]) - seen.pieces.count
            keys = np.stack([datum[rows], region[rows] - before])
            found, row_of = np.unique(keys, axis=1, return_inverse=True)
            box = seen.pieces.box[found[1]]
            pairs = PiecePairs(_pair_of(self._leaves[which], found[0], box), found[1])
            for mine, items in seen.items(pairs):
                place = np.full(len(pairs.piece), -1)
                place[mine] = np.arange(len(mine))
                chosen = np.flatnonzero(place[row_of] >= 0)
                own = place[row_of[chosen]]
                u = draw_within(items, choose_apex(items), own, rng)
                draws[rows[chosen]] = seen.places(pairs.piece[mine][own], u)
        return draws


def _pair_of(leaf: Leaf, datum: Indices, box: Indices) -> Indices:
    """Which of a leaf's pairs the given ones of a datum and a box are."""
    pairs = leaf.pairs
    count = 1 + int(pairs.datum.max(initial=0))
    keys = pairs.box * count + pairs.datum
    order = np.argsort(keys)
    return np.asarray(order[np.searchsorted(keys[order], box * count + datum)])
