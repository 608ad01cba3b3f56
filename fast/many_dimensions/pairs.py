"""The truncated Gaussian of every (datum, region) pair that matters, for S >= 2 [Theorem 1,
Proposition 2, eq. 5, 6, 7]."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened, dots
from fast.many_dimensions.bounds import bounds, selected
from fast.many_dimensions.geometry import PolyhedralGeometry
from reference.model import Array, Indices


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of a datum and a region, one a row, sorted by datum and region: those that matter."""

    datum: Indices  # (P,): which row of the chunk
    region: Indices  # (P,)
    peak: Array  # (P, S): the point of the region where p(x, z) is largest or nearly so
    log_joint: Array  # (P,): log p(x, peak)
    log_volume: Array  # (P,): log p(x, z in ω) less log p(x, peak)
    error: Array  # (P,): how far a coarse rule may have left log_volume off
    mean: Array  # (P, S): of z given x and z in ω
    cov: Array  # (P, S, S): of the same
    entropy: Array  # (P,): of the same, nats

    @staticmethod
    def joined(parts: list[PairList]) -> PairList:
        """Several one after another, sorted by datum and region."""
        names = [field.name for field in fields(PairList)]
        arrays = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        order = np.lexsort((arrays["region"], arrays["datum"]))
        return PairList(**{name: array[order] for name, array in arrays.items()})

    @staticmethod
    def empty(latent: int) -> PairList:
        """No pairs, in `latent` dimensions."""
        nowhere, none = np.empty(0, dtype=np.intp), np.empty(0)
        return PairList(
            datum=nowhere,
            region=nowhere,
            peak=np.empty((0, latent)),
            log_joint=none,
            log_volume=none,
            error=none,
            mean=np.empty((0, latent)),
            cov=np.empty((0, latent, latent)),
            entropy=none,
        )


@dataclass(frozen=True, eq=False)
class Terms:
    """What the posterior of a chunk of N data is made of."""

    log_evidence: Array  # (N,): log p(x)
    pairs: PairList
    log_e0: Array  # (P,): log P(z in ω | x) of each pair
    skipped: Array  # (N,): at most this share of p(x) was left out
    error: Array  # (N,): how far coarse rules (S >= 4) may have left log p(x) off


def pairs_of(geometry: PolyhedralGeometry, y: Array, rest: Array) -> Terms:
    """All pairs of a chunk that matter, y (N, r), rest (N,).

    Raises ArithmeticError where double precision cannot hold them.
    """
    # What overflows shows in the result, and is refused there.
    with np.errstate(all="ignore"):
        terms = _terms(geometry, y, rest)
    pairs = terms.pairs
    sums = pairs.log_joint + pairs.mean.sum(axis=1) + pairs.cov.sum(axis=(1, 2))
    finite = np.isfinite(sums) & ~np.isnan(terms.log_e0)
    if not (np.all(np.isfinite(terms.log_evidence)) and np.all(finite)):
        raise ArithmeticError(
            "X: a datum is too far from all images of the network, in standard deviations of "
            "the noise, for double precision"
        )
    return terms


def _terms(geometry: PolyhedralGeometry, y: Array, rest: Array) -> Terms:
    bound = bounds(geometry, y, rest).log_mass
    count = len(y)
    every, best = np.arange(count), bound.argmax(axis=1)
    first = evaluate(geometry, y, rest, every, best)
    kept, skipped = selected(geometry, bound, best, first.log_joint + first.log_volume)
    pairs = PairList.joined([first, evaluate(geometry, y, rest, *np.nonzero(kept))])
    relative, top = _relative_joint(geometry, y, pairs, count)
    log_terms = relative + pairs.log_volume
    starts = np.searchsorted(pairs.datum, every)
    highest = np.maximum.reduceat(log_terms, starts)
    log_shares = log_terms - highest[pairs.datum]
    shares = np.exp(log_shares)
    log_total = np.log(np.bincount(pairs.datum, shares, count))
    log_e0 = log_shares - log_total[pairs.datum]
    error = np.bincount(pairs.datum, np.exp(log_e0) * pairs.error, count).astype(np.float64)
    return Terms(pairs.log_joint[top] + highest + log_total, pairs, log_e0, skipped, error)


def _relative_joint(
    geometry: PolyhedralGeometry, y: Array, pairs: PairList, count: int
) -> tuple[Array, Indices]:
    """log p(x, peak) minus the largest of each datum, and where that is.

    Far from the manifold these are small differences of large numbers: taken as differences of
    squares, (a - b)(a + b), in which a - b does not involve x.
    """
    order = np.lexsort((-pairs.log_joint, pairs.datum))
    top = order[np.searchsorted(pairs.datum, np.arange(count))]
    image = np.einsum("pds,ps->pd", geometry.slopes[pairs.region], pairs.peak)
    image += geometry.offsets[pairs.region]
    white = pairs.peak @ geometry.prior_root.T
    other = top[pairs.datum]
    both = 2 * y[pairs.datum] - image - image[other]
    relative = dots(image[other] - image, both)
    relative += dots(white - white[other], white + white[other])
    return -0.5 * relative, top


def evaluate(
    geometry: PolyhedralGeometry, y: Array, rest: Array, datum: Indices, region: Indices
) -> PairList:
    """Integrate the given pairs, datum (P,) and region (P,)."""
    parts = [
        _integrated(geometry, y, rest, (datum[mine], region[mine]), items)
        for mine, items in geometry.items(y, datum, region)
    ]
    return PairList.joined([PairList.empty(geometry.slopes.shape[2]), *parts])


def _integrated(
    geometry: PolyhedralGeometry,
    y: Array,
    rest: Array,
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
        log_joint=geometry.log_joint(y[datum], rest[datum], region, found.peak),
        log_volume=found.log_volume,
        error=error,
        mean=found.mean,
        cov=found.cov,
        entropy=found.entropy,
    )
