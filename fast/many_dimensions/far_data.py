"""Data so far away that differences between regions are below the last digits of log p(x, z): which
they are, and their pairs once more, in integers where distances enter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fast.distributions.integers import minus, rounded
from fast.many_dimensions.far_pairs import FarGaussians, truncate_far
from fast.many_dimensions.geometry import Points, PolyhedralGeometry
from fast.many_dimensions.pair_list import PairList
from fast.many_dimensions.references import Doubts, References
from reference.model import Array, Indices, Mask

# What rounding may do to the log of a share before a datum counts as far.
_DOUBT = 2e-11
# What log p(x, z) may change by when a point is put on a face, in nats.
_FINE = 1e-20
# Values in doubles are trusted to so many times what rounding is thought to do to them.
_LOOSE = 64.0
# Log of a share of p(x) that is below its last digit, whatever else is added up with it.
_NOTHING = -50.0


def with_far_data(
    geometry: PolyhedralGeometry,
    points: Points,
    pairs: PairList,
    references: References,
    skipped: Array,
) -> tuple[PairList, Array]:
    """The pairs and what was skipped, those of far data in integers and without those that do not
    matter."""
    doubts = references.doubts(geometry, points)
    is_far = ~(doubts.difference <= _DOUBT)
    if not np.any(is_far):
        return pairs, skipped
    near, far = pairs.where(~is_far[pairs.datum]), pairs.where(is_far[pairs.datum])
    first = evaluate_far(geometry, points, np.flatnonzero(is_far), references.region[is_far])
    others = far.where(far.region != references.region[far.datum])
    log_most = _log_most(geometry, others, first, slack(geometry, doubts))
    most = np.exp(np.minimum(log_most, 0.0))
    # Of what may be left out an equal part for every pair.
    allowed = np.maximum(geometry.negligible - skipped, 0.0)
    allowed /= np.maximum(np.bincount(others.datum, minlength=len(skipped)), 1)
    out = most < allowed[others.datum]
    more = evaluate_far(geometry, points, others.datum[~out], others.region[~out])
    wrong = _beyond_bounds(more, first, others, log_most)
    out |= _among(others, more.where(wrong))
    exact = PairList.joined([first, more.where(~wrong)])
    exact = replace(exact, relative=_relative(exact))
    skipped = skipped + np.bincount(others.datum[out], most[out], len(skipped))
    return PairList.joined([near, exact]), skipped


def slack(geometry: PolyhedralGeometry, doubts: Doubts) -> Array:
    """How far off differences of log p(x, z) may be between the places, in doubles, where it is
    largest on regions, (N,), nats: for rounding of the differences, and of the places."""
    loose = _LOOSE * geometry.coordinates.noise.spread
    return np.asarray(loose * doubts.difference + (loose * doubts.place) ** 2)


def _log_most(
    geometry: PolyhedralGeometry, pairs: PairList, known: PairList, loose: Array
) -> Array:
    """Log of what share of p(x) pairs of far data hold at most, (P,), over that of one known pair
    of each datum; NaN where doubles say nothing."""
    floor = np.full(len(loose), -np.inf)
    floor[known.datum] = known.log_volume
    most = pairs.relative + geometry.log_volumes[pairs.region] + loose[pairs.datum]
    return np.asarray(most - floor[pairs.datum])


def _beyond_bounds(more: PairList, known: PairList, bounded: PairList, log_most: Array) -> Mask:
    """Which pairs hold more than they can by the bounds (log_most, of the pairs `bounded`), where
    those are next to nothing: slivers that begin as far away as images are rounding."""
    start = {datum: place for place, datum in enumerate(known.datum.tolist())}
    most = dict(zip(_keys(bounded), log_most.tolist(), strict=True))
    wrong = np.zeros(len(more.datum), dtype=bool)
    for i, key in enumerate(_keys(more)):
        if most[key] < _NOTHING and key[0] in start:
            first = start[key[0]]
            apart = -0.5 * float(rounded(minus(more.square[i], known.square[first])))
            share = apart + more.log_volume[i] - known.log_volume[first]
            wrong[i] = not share <= most[key]
    return wrong


def _among(pairs: PairList, some: PairList) -> Mask:
    """Which of the pairs are among some, (P,)."""
    wanted = set(_keys(some))
    return np.array([key in wanted for key in _keys(pairs)], dtype=bool)


def _keys(pairs: PairList) -> list[tuple[int, int]]:
    """Datum and region of each."""
    return list(zip(pairs.datum.tolist(), pairs.region.tolist(), strict=True))


def _relative(pairs: PairList) -> Array:
    """log p(x, peak) less the largest of each datum, (P,)."""
    relative = np.empty(len(pairs.datum))
    for datum in np.unique(pairs.datum):
        mine = np.flatnonzero(pairs.datum == datum)
        start = pairs.square[mine[0]]
        apart = [float(rounded(minus(square, start))) for square in pairs.square[mine]]
        least = pairs.square[mine[int(np.argmin(apart))]]
        apart = [float(rounded(minus(square, least))) for square in pairs.square[mine]]
        relative[mine] = -0.5 * np.array(apart)
    return relative


def far_gaussians(
    geometry: PolyhedralGeometry, points: Points, datum: Indices, region: Indices
) -> Iterator[tuple[Indices, FarGaussians]]:
    """The pairs' posteriors, in batches: which of the pairs, and they."""
    for chosen, items in geometry.items(points.y, datum, region):
        quadratics = geometry.quadratics(points, datum[chosen], region[chosen])
        pairs = zip(datum[chosen].tolist(), region[chosen].tolist(), strict=True)
        faces = [
            replace(geometry.exact_faces(r), fine=_fine(geometry, points.length(n), r))
            for n, r in pairs
        ]
        yield chosen, FarGaussians(items, quadratics, faces)


def _fine(geometry: PolyhedralGeometry, length: float, region: int) -> float:
    """How far a point of a region may be moved while log p(x, z) stays the same to 1e-20, for x at
    this distance."""
    return float(_FINE / (1.0 + length * np.linalg.norm(geometry.slopes[region])))


def evaluate_far(
    geometry: PolyhedralGeometry, points: Points, datum: Indices, region: Indices
) -> PairList:
    """Integrate the given pairs of far data, datum (P,) and region (P,): those with any mass."""
    parts = [PairList.empty(geometry.latent)]
    for chosen, gaussians in far_gaussians(geometry, points, datum, region):
        found, error, squares = truncate_far(gaussians)
        values = np.array([float(rounded(square)) for square in squares])
        parts.append(
            PairList(
                datum=datum[chosen],
                region=region[chosen],
                peak=found.peak,
                log_joint=geometry.log_constant - 0.5 * values,
                log_inner=np.full(len(chosen), np.nan),
                log_volume=found.log_volume,
                error=error,
                mean=found.mean,
                cov=found.cov,
                entropy=found.entropy,
                relative=np.zeros(len(chosen)),
                square=np.fromiter(squares, dtype=object, count=len(squares)),
            )
        )
    return PairList.joined(parts).with_mass()
