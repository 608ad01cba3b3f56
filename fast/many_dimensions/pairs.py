"""The truncated Gaussian of every (datum, region) pair that matters, for S >= 2 [Theorem 1,
Proposition 2, eq. 5, 6, 7]."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fast.distributions.observation import refuse_above_ceiling
from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import dots
from fast.many_dimensions.far_data import with_far_data
from fast.many_dimensions.geometry import Points, PolyhedralGeometry
from fast.many_dimensions.pair_list import PairList
from fast.many_dimensions.references import Base, References
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.ragged import ranges
from reference.model import Array, Indices

# Where an integral overflows, log p(x, z) at the peak is known to better than this share of it.
_PEAK = 1e-3
# Differences from a base are taken as they are while the base is so near to what they are compared
# with, nats: so many times ε is what they lose.
_NEAR_BASE = 100.0
# Pairs of a datum that are integrated before the next look at what is left; then twice as many.
_FIRST_PAIRS = 32


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
    refuse_above_ceiling(terms.log_evidence, geometry.coordinates.noise)
    return terms


def _terms(geometry: PolyhedralGeometry, points: Points) -> Terms:
    pairs, skipped = _in_doubles(geometry, points)
    count = len(points.y)
    best = pairs.largest(pairs.log_joint, count)
    references = References(pairs.region[best], pairs.peak[best], np.full(count, None))
    pairs = replace(pairs, relative=_from_references(geometry, points, pairs, references, best))
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
    return Terms(
        log_evidence=log_evidence,
        pairs=pairs,
        log_e0=log_e0,
        references=references,
        above=above,
        skipped=skipped,
        error=error,
    )


def _from_references(
    geometry: PolyhedralGeometry,
    points: Points,
    pairs: PairList,
    references: References,
    best: Indices,
) -> Array:
    """log p(x, peak) less that at the references, which are the peaks of the pairs `best` (N,)."""
    shift = pairs.relative[best]
    relative = pairs.relative - shift[pairs.datum]
    # Where the base was far below, what was counted from it has lost digits.
    mine = np.flatnonzero(~(np.abs(shift) <= _NEAR_BASE)[pairs.datum])
    at = pairs.datum[mine], pairs.region[mine], pairs.peak[mine]
    relative[mine] = references.in_doubles(geometry, points, at)
    return relative


def _in_doubles(geometry: PolyhedralGeometry, points: Points) -> tuple[PairList, Array]:
    """The pairs that matter, and what share of p(x) the others hold at most, (N,).

    The largest bounds come first, in growing numbers, until those that are left add up to less than
    is negligible beside what has been found.
    """
    count, look = len(points.y), geometry.search.at(points.y)
    first = look.first()
    parts = [evaluate(geometry, points, None, *first)]
    known = _found(geometry, np.full(count, -np.inf), parts[0])
    base = _base(geometry, parts[0], count)
    parts[0] = _based(geometry, points, base, parts[0])
    log_negligible = float(np.log(geometry.negligible))
    floor = known + log_negligible if geometry.negligible else np.full(count, -np.inf)
    listed = look.candidates(floor, by_mass=True).without(*first, geometry.n_regions)
    # Each bound, and all after it of the same datum, with what is ruled out already.
    left, at, ends, number = listed.sums(floor), listed.starts, listed.ends, _FIRST_PAIRS
    stops = _stops(left, (at, ends), known + log_negligible, number)
    while np.any(stops > at):
        chosen, _ = ranges(at, stops)
        pairs = listed.datum[chosen], listed.region[chosen]
        parts.append(evaluate(geometry, points, base, *pairs))
        known, at, number = _found(geometry, known, parts[-1]), stops, 2 * number
        stops = _stops(left, (at, ends), known + log_negligible, number)
    rest = np.where(at < ends, np.append(left, -np.inf)[at], listed.log_out(floor))
    skipped = np.exp(np.minimum(rest - known, 0.0))
    return _without_unknown(geometry, PairList.joined(parts), skipped)


def _stops(left: Array, spans: tuple[Indices, Indices], enough: Array, number: int) -> Indices:
    """Where those of every datum's candidates stop that are next, (N,).

    spans: from where to where they are, (N,) each. At most as many as number, and none from which
    on what is left adds up to enough (N,) or less.
    """
    at, ends = spans
    needed = [
        start + np.count_nonzero(left[start:end] > most)
        for start, end, most in zip(at, ends, enough, strict=True)
    ]
    return np.minimum(np.array(needed, dtype=np.intp), at + number)


def _base(geometry: PolyhedralGeometry, pairs: PairList, count: int) -> Base:
    """Of each of `count` data the peak of its best pair, or 0 where it has none."""
    region, place = np.zeros(count, dtype=np.intp), np.zeros((count, geometry.latent))
    order = np.argsort(np.where(np.isnan(pairs.log_inner), -np.inf, pairs.log_inner))
    region[pairs.datum[order]], place[pairs.datum[order]] = pairs.region[order], pairs.peak[order]
    return Base.of(geometry, region, place)


def _based(geometry: PolyhedralGeometry, points: Points, base: Base, pairs: PairList) -> PairList:
    """The pairs counted from the base."""
    at = pairs.datum, pairs.region, pairs.peak
    return replace(pairs, relative=base.relative(geometry, points, at))


def _found(geometry: PolyhedralGeometry, known: Array, pairs: PairList) -> Array:
    """Log of what has been found of p(x), (N,), as `Bounds`, with more pairs."""
    # Far away rounding may leave a volume beyond what it can be, or no double.
    volume = np.minimum(pairs.log_volume, geometry.log_volumes[pairs.region])
    mass = pairs.log_inner + volume
    mass = np.where(np.isfinite(mass), mass, -np.inf)
    highest = known.copy()
    np.maximum.at(highest, pairs.datum, mass)
    base = np.where(np.isneginf(highest), 0.0, highest)
    total = np.exp(known - base)
    total += np.bincount(pairs.datum, np.exp(mass - base[pairs.datum]), len(known))
    return np.asarray(base + np.log(total))


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
    least = max(geometry.negligible / geometry.n_regions, tiny)
    out = ~known & (most <= np.log(least))
    shares = np.where(out, np.exp(np.minimum(most, 0.0)), 0.0)
    return pairs.where(~out), skipped + np.bincount(pairs.datum, shares, count)


def evaluate(
    geometry: PolyhedralGeometry,
    points: Points,
    base: Base | None,
    datum: Indices,
    region: Indices,
) -> PairList:
    """Integrate the given pairs, datum (P,) and region (P,): those with any mass. Without a base
    their relative values are 0."""
    parts = [PairList.empty(geometry.latent)]
    for lattice, mine in geometry.batches(region):
        parts.append(_integrated(geometry, points, base, lattice, (datum[mine], region[mine])))
    return PairList.joined(parts).with_mass()


def _integrated(
    geometry: PolyhedralGeometry,
    points: Points,
    base: Base | None,
    lattice: Lattice,
    pairs: tuple[Indices, Indices],
) -> PairList:
    """The pairs (datum, region) of one batch, on polyhedra of one lattice."""
    datum, region = pairs
    y, offsets = points.y[datum], geometry.offsets[region]
    found, error = truncate_with_error(geometry.whitened(lattice, region, y - offsets))
    image = (geometry.slopes[region] @ found.peak[:, :, None])[:, :, 0] + offsets
    white, residual = found.peak @ geometry.prior_root.T, y - image
    log_inner = -0.5 * (dots(residual, residual) + dots(white, white))
    none = np.zeros(len(datum))
    return PairList(
        datum=datum,
        region=region,
        peak=found.peak,
        log_joint=geometry.log_constant + (log_inner - 0.5 * points.rest[datum]),
        log_inner=log_inner,
        log_volume=found.log_volume,
        error=error,
        mean=found.mean,
        cov=found.cov,
        entropy=found.entropy,
        relative=none if base is None else base.less(y, datum, image, white),
        square=np.full(len(datum), None),
    )
