"""The truncated Gaussian of every pair of a datum and a piece that can matter, and a proven bound
on what all others hold of p(x)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from fast.integration.truncated import truncate_with_error
from fast.many_dimensions.local.criteria import ByMass
from fast.many_dimensions.local.descent import Descent, Leaf
from fast.many_dimensions.local.pieces_seen import PiecePairs, SeenPieces
from fast.many_dimensions.local.setting import Points, Setting
from fast.many_dimensions.skipping.bounds import Bounds
from fast.partition.cell_complex import TooManyCells
from fast.partition.local.bends import Bends
from reference.model import Array, Indices, TooManyRegionsError

# What is ruled out is less than what may be left out by so many nats, for it is many boxes.
_MARGIN = 10.0
# Times that the search is repeated, where the guess of log p(x) was too high.
_ROUNDS = 6
# By so many nats it is lowered where all was ruled out, and by four times as many each time.
_STEP = 20.0


@dataclass(frozen=True, eq=False)
class PiecesHeld:
    """Pairs of a datum and a piece, one a row."""

    datum: Indices  # (Q,)
    piece: Indices  # (Q,): pieces are numbered leaf after leaf
    log_mass: Array  # (Q,): log p(x, z in the piece), less log p(x, z) at x's place
    doubt: Array  # (Q,): what rounding may make of that
    mean: Array  # (Q, S): of z given x and z in the piece
    cov: Array  # (Q, S, S): of the same
    entropy: Array  # (Q,): of the same, nats

    @staticmethod
    def empty(latent: int) -> PiecesHeld:
        """No pairs, in `latent` dimensions."""
        none = np.empty(0, dtype=np.intp)
        return PiecesHeld(
            datum=none,
            piece=none,
            log_mass=np.empty(0),
            doubt=np.empty(0),
            mean=np.empty((0, latent)),
            cov=np.empty((0, latent, latent)),
            entropy=np.empty(0),
        )

    @staticmethod
    def joined(parts: list[PiecesHeld]) -> PiecesHeld:
        """All of them, sorted by datum and piece."""
        names = [field.name for field in fields(PiecesHeld)]
        whole = {n: np.concatenate([getattr(part, n) for part in parts]) for n in names}
        order = np.lexsort((whole["piece"], whole["datum"]))
        return PiecesHeld(**{name: array[order] for name, array in whole.items()})


class Found(NamedTuple):
    """What N data have on the pieces that can matter for them."""

    log_evidence: Array  # (N,): log p(x)
    above: Array  # (N,): the same less log p(x, z) at x's place
    held: PiecesHeld
    skipped: Array  # (N,): at most this share of p(x) is not there
    doubts: Array  # (N,): what rounding may make of the above, nats
    leaves: list[Leaf]  # which the pieces are of, in order
    counts: list[int]  # how many pieces each of them has

    @staticmethod
    def joined(parts: list[Found]) -> Found:
        """Of several sets of data, one after another."""
        held, leaves, data, pieces = [], [], 0, 0
        for part in parts:
            own = part.held
            held.append(replace(own, datum=own.datum + data, piece=own.piece + pieces))
            leaves += [leaf.of_data_from(data) for leaf in part.leaves]
            data, pieces = data + len(part.log_evidence), pieces + sum(part.counts)
        return Found(
            log_evidence=np.concatenate([part.log_evidence for part in parts]),
            above=np.concatenate([part.above for part in parts]),
            held=PiecesHeld.joined(held),
            skipped=np.concatenate([part.skipped for part in parts]),
            doubts=np.concatenate([part.doubts for part in parts]),
            leaves=leaves,
            counts=[count for part in parts for count in part.counts],
        )

    @property
    def log_e0(self) -> Array:
        """log P(z in the piece | x) of every pair, (Q,)."""
        return np.asarray(self.held.log_mass - self.above[self.held.datum])

    def entropies(self) -> Array:
        """Differential entropy of p(z | x), (N,), nats."""
        held = self.held
        shares = np.exp(self.log_e0) * (held.entropy - self.log_e0)
        return np.bincount(held.datum, shares, len(self.log_evidence)).astype(np.float64)


def found(setting: Setting, bends: Bends, points: Points, max_pieces: int) -> Found:
    """All that matters for data.

    Raises TooManyRegionsError where that is more than max_pieces, and ArithmeticError where a
    result is no double, or the bound on what is left out does not get as small as it must.
    """
    guess = points.guess
    for attempt in range(_ROUNDS):
        result = _found(setting, bends, points, guess, max_pieces)
        lost = ~np.isfinite(result.log_evidence)
        if np.any(lost):
            guess = np.where(lost, guess - _STEP * 4.0**attempt, guess)
            continue
        # Without anything left out no share is too large.
        allowed = setting.negligible
        short = ~(result.skipped <= allowed)
        if not np.any(short):
            return result
        with np.errstate(divide="ignore"):
            excess = np.where(short, np.log(result.skipped) - np.log(allowed), 0.0)
        known = np.minimum(guess, result.log_evidence)
        guess = np.where(short, known - np.maximum(excess, 0.0) - 1.0, guess)
    if np.any(lost):
        raise ArithmeticError("X: no region has mass in double precision for some datum")
    raise ArithmeticError(
        "X: what is left out of p(x) cannot be bounded by `negligible`; pass a larger one, or "
        "partition='full', to DGN"
    )


def _found(setting: Setting, bends: Bends, points: Points, guess: Array, max_pieces: int) -> Found:
    floors = guess + np.log(setting.negligible) - _MARGIN
    descent = Descent(setting, points)
    parts = [PiecesHeld.empty(setting.latent)]
    leaves: list[Leaf] = []
    counts: list[int] = []
    for leaf in descent.leaves(ByMass(setting, points, floors)):
        try:
            seen = SeenPieces.of(leaf, bends, max_pieces - sum(counts))
        except TooManyCells as error:
            raise TooManyRegionsError(
                f"max_regions: more than {max_pieces} pieces of regions matter for a datum, "
                f"{sum(counts) + error.cells} at the least; pass a larger max_regions to DGN"
            ) from None
        pairs, out = _not_ruled_out(setting, points, seen, floors)
        descent.out += out
        parts.append(_integrated(setting, seen, pairs, sum(counts)))
        leaves.append(leaf)
        counts.append(seen.pieces.count)
    held = PiecesHeld.joined(parts)
    above = _log_sums(held.log_mass, held.datum, points.number)
    log_evidence = points.log_base + above
    if not np.all(np.isfinite(log_evidence)):
        # The guess of some datum may have been so high that all was ruled out.
        nothing = np.full(points.number, np.nan)
        return Found(
            log_evidence=log_evidence,
            above=above,
            held=held,
            skipped=nothing,
            doubts=nothing,
            leaves=leaves,
            counts=counts,
        )
    with np.errstate(divide="ignore"):
        skipped = np.exp(np.minimum(floors + np.log(descent.out) - log_evidence, 0.0))
    shares = np.exp(held.log_mass - above[held.datum])
    doubts = np.bincount(held.datum, shares * held.doubt, points.number).astype(np.float64)
    # Data seen through an ill-conditioned noise have fewer digits.
    doubts *= setting.coordinates.noise.spread
    return Found(
        log_evidence=log_evidence,
        above=above,
        held=held,
        skipped=skipped,
        doubts=doubts,
        leaves=leaves,
        counts=counts,
    )


def _not_ruled_out(
    setting: Setting, points: Points, seen: SeenPieces, floors: Array
) -> tuple[PiecePairs, Array]:
    """The pairs whose bounds are over the floors, and what the others hold at most, (N,), over
    exp(floors)."""
    pairs, leaf = seen.pairs(), seen.leaf
    datum = leaf.pairs.datum[pairs.pair]
    over = most_of(setting, points, seen, pairs).log_mass - floors[datum]
    kept = ~(over < 0)
    out = np.bincount(datum[~kept], np.exp(over[~kept]), points.number)
    return pairs.at(np.flatnonzero(kept)), out.astype(np.float64)


def most_of(setting: Setting, points: Points, seen: SeenPieces, pairs: PiecePairs) -> Bounds:
    """What log p(x, z in the piece) and log p(x, z) there cannot exceed, of pairs, nats."""
    bounds, leaf = seen.bounds_of(pairs), seen.leaf
    # What is orthogonal to the box's coordinates, bounds do not know of.
    rest = leaf.aligned.rest + points.rest[leaf.pairs.datum]
    own = setting.log_constant - 0.5 * rest[pairs.pair]
    return Bounds(bounds.log_mass + own + seen.log_scales[pairs.piece], bounds.log_peak + own)


def _integrated(setting: Setting, seen: SeenPieces, pairs: PiecePairs, before: int) -> PiecesHeld:
    """Those of the pairs that have any mass; before: how many pieces are of leaves before."""
    parts, leaf = [PiecesHeld.empty(setting.latent)], seen.leaf
    halves = leaf.boxes.halves[seen.pieces.box]
    # What overflows shows in the result.
    with np.errstate(all="ignore"):
        for mine, items in seen.items(pairs):
            some = pairs.at(mine)
            result, _ = truncate_with_error(items)
            scale, log_scale = halves[some.piece], seen.log_scales[some.piece]
            log_peak, doubt = seen.relative(some, result.peak)
            parts.append(
                PiecesHeld(
                    datum=leaf.pairs.datum[some.pair],
                    piece=some.piece + before,
                    log_mass=log_peak + result.log_volume + log_scale,
                    doubt=doubt,
                    mean=seen.places(some.piece, result.mean),
                    cov=result.cov * scale[:, :, None] * scale[:, None, :],
                    entropy=result.entropy + log_scale,
                )
            )
    return _with_mass(PiecesHeld.joined(parts))


def _with_mass(held: PiecesHeld) -> PiecesHeld:
    """Those with any mass: a piece thinner than rounding has none, and no moments.

    Raises ArithmeticError where a moment is no double.
    """
    some = ~np.isneginf(held.log_mass)
    names = [field.name for field in fields(PiecesHeld)]
    held = PiecesHeld(**{name: getattr(held, name)[some] for name in names})
    sums = held.log_mass + held.entropy + held.mean.sum(axis=1) + held.cov.sum(axis=(1, 2))
    if not np.all(np.isfinite(sums)):
        raise ArithmeticError("X: a moment of p(z | x) is beyond the range of doubles")
    return held


def _log_sums(values: Array, owners: Indices, count: int) -> Array:
    """Log of the sum of exp(values) of every owner, (count,)."""
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, owners, values)
    base = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(base + np.log(np.bincount(owners, np.exp(values - base[owners]), count)))
