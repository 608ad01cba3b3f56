"""The truncated Gaussian of every (datum, region) pair that matters, for S >= 2 [Theorem 1,
Proposition 2, eq. 5, 6, 7]."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened
from fast.many_dimensions.bounds import bounds, selected
from fast.many_dimensions.far_data import with_far_data
from fast.many_dimensions.geometry import Points, PolyhedralGeometry
from fast.many_dimensions.pair_list import PairList
from fast.many_dimensions.references import References
from reference.model import Array, Indices

# Where an integral overflows, log p(x, z) at the peak is known to better than this share of it.
_PEAK = 1e-3


@dataclass(frozen=True, eq=False)
class Terms:
    """What the posterior of a chunk of N data is made of."""

    log_evidence: Array  # (N,): log p(x)
    pairs: PairList
    log_e0: Array  # (P,): log P(z in ω | x) of each pair
    references: References  # of all data: points where p(x, z) is large
    above: Array  # (N,): log p(x) less log p(x, z) there
    skipped: Array  # (N,): at most this share of p(x) was left out
    error: Array  # (N,): how far coarse rules (S >= 4) may have left log p(x) off


def pairs_of(geometry: PolyhedralGeometry, points: Points) -> Terms:
    """All pairs of a chunk of data that matter.

    Raises ArithmeticError where a result is no double.
    """
    # What overflows shows in the result, and is refused there.
    with np.errstate(all="ignore"):
        terms = _terms(geometry, points)
    pairs = terms.pairs
    finite = pairs.is_finite & ~np.isnan(terms.log_e0)
    if not (np.all(np.isfinite(terms.log_evidence)) and np.all(finite)):
        raise ArithmeticError(
            "X: a moment of p(z | x), or log p(x), is beyond the range of doubles"
        )
    return terms


def _terms(geometry: PolyhedralGeometry, points: Points) -> Terms:
    pairs, skipped = _in_doubles(geometry, points)
    count = len(points.y)
    best = pairs.largest(pairs.log_joint, count)
    references = References(pairs.region[best], pairs.peak[best], np.full(count, None))
    at = pairs.datum, pairs.region, pairs.peak
    pairs = replace(pairs, relative=references.in_doubles(geometry, points, at))
    pairs, skipped = with_far_data(geometry, points, pairs, references, skipped)
    # Of far data the pair with the largest value is the one that the others are relative to.
    best = pairs.largest(np.where(pairs.relative == 0, np.inf, pairs.log_joint), count)
    references = References(pairs.region[best], pairs.peak[best], pairs.square[best])
    log_terms = pairs.relative + pairs.log_volume
    highest = np.maximum.reduceat(log_terms, np.searchsorted(pairs.datum, np.arange(count)))
    log_shares = log_terms - highest[pairs.datum]
    log_total = np.log(np.bincount(pairs.datum, np.exp(log_shares), count))
    log_e0 = log_shares - log_total[pairs.datum]
    error = np.bincount(pairs.datum, np.exp(log_e0) * pairs.error, count).astype(np.float64)
    above = highest + log_total
    log_evidence = pairs.log_joint[best] + above
    return Terms(log_evidence, pairs, log_e0, references, above, skipped, error)


def _in_doubles(geometry: PolyhedralGeometry, points: Points) -> tuple[PairList, Array]:
    """The pairs that matter, and what share of p(x) the others hold at most, (N,)."""
    bound = bounds(geometry, points.y, points.rest).log_mass
    every, best = np.arange(len(points.y)), bound.argmax(axis=1)
    first = evaluate(geometry, points, every, best)
    known = np.full(len(every), -np.inf)
    # Far away rounding may leave a volume beyond what it can be, or no double.
    volume = np.minimum(first.log_volume, geometry.log_volumes[first.region])
    found = first.log_joint + volume
    known[first.datum] = np.where(np.isfinite(found), found, -np.inf)
    kept, skipped = selected(geometry, bound, best, known)
    more = evaluate(geometry, points, *np.nonzero(kept))
    return _without_unknown(geometry, PairList.joined([first, more]), skipped)


def _without_unknown(
    geometry: PolyhedralGeometry, pairs: PairList, skipped: Array
) -> tuple[PairList, Array]:
    """The pairs without those whose integrals are no doubles, where they hold next to nothing
    beside the others: slivers far away."""
    known = pairs.is_finite
    if np.all(known):
        return pairs, skipped
    count = len(skipped)
    terms = np.where(known, pairs.log_joint + pairs.log_volume, -np.inf)
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, pairs.datum, terms)
    # A region holds no more than all of its Gaussian would if it were as large as at its peak.
    most = pairs.log_joint + _PEAK * np.abs(pairs.log_joint) + geometry.log_volumes[pairs.region]
    most -= highest[pairs.datum]
    # A share that is no double is left out in any case.
    tiny = float(np.finfo(np.float64).smallest_subnormal)
    least = max(geometry.negligible / len(geometry.slopes), tiny)
    out = ~known & (most <= np.log(least))
    shares = np.where(out, np.exp(np.minimum(most, 0.0)), 0.0)
    return pairs.where(~out), skipped + np.bincount(pairs.datum, shares, count)


def evaluate(
    geometry: PolyhedralGeometry, points: Points, datum: Indices, region: Indices
) -> PairList:
    """Integrate the given pairs, datum (P,) and region (P,): those with any mass."""
    parts = [
        _integrated(geometry, points, (datum[mine], region[mine]), items)
        for mine, items in geometry.items(points.y, datum, region)
    ]
    return PairList.joined([PairList.empty(geometry.slopes.shape[2]), *parts]).with_mass()


def _integrated(
    geometry: PolyhedralGeometry,
    points: Points,
    pairs: tuple[Indices, Indices],
    items: Whitened,
) -> PairList:
    """The pairs (datum, region) of one batch, whose whitened Gaussians are the items."""
    datum, region = pairs
    found, error = truncate_with_error(items)
    return PairList(
        datum=datum,
        region=region,
        peak=found.peak,
        log_joint=geometry.log_joint(points.y[datum], points.rest[datum], region, found.peak),
        log_volume=found.log_volume,
        error=error,
        mean=found.mean,
        cov=found.cov,
        entropy=found.entropy,
        relative=np.zeros(len(datum)),
        square=np.full(len(datum), None),
    )
