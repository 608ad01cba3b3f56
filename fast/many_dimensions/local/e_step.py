"""Posterior expectations summed over data, and Gaussian variational bounds, on pieces of boxes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fast.distributions.memory import refuse_statistics
from fast.distributions.observation import Noise
from fast.distributions.statistics import Statistics
from fast.integration.interval import LOG_2PI
from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened
from fast.many_dimensions.local.criteria import ByReach
from fast.many_dimensions.local.descent import Descent, Leaf
from fast.many_dimensions.local.pairs import Found
from fast.many_dimensions.local.pieces_seen import PiecePairs, SeenPieces
from fast.many_dimensions.local.setting import Points, Setting
from fast.partition.layer_maps import maps_to
from fast.partition.local.bends import Bends
from fast.partition.regions import distinct_codes
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Indices

# Numbers held at once: of residuals of pairs.
_BATCH = 1 << 22


def expected_log_joint(
    setting: Setting, bends: Bends, points: Points, q_mean: Array, q_cov: Array
) -> Array:
    """E_q[log p(x, z)] of every datum and its q, less log p(x, z) at x's place, (N,), nats."""
    roots = np.linalg.cholesky(q_cov)
    maps = np.asarray(np.linalg.inv(roots), dtype=np.float64)
    result = np.zeros(points.number)
    for leaf in Descent(setting, points).leaves(ByReach(q_mean, maps)):
        seen = SeenPieces.of(leaf, bends)
        pairs = seen.pairs()
        for mine, items in _under(seen, pairs, q_mean, maps):
            some, datum = pairs.at(mine), leaf.pairs.datum[pairs.pair[mine]]
            # A piece thinner than rounding has no moments, and no mass.
            with np.errstate(all="ignore"):
                found, _ = truncate_with_error(items)
                log_mass = found.log_volume - 0.5 * (found.square + setting.latent * LOG_2PI)
                log_mass += np.linalg.slogdet(items.maps)[1]
            own = seen.gaussians.roots[some.piece]
            curvature = np.einsum("pij,pjk,pik->p", own, found.cov, own)
            values = seen.relative(some, found.mean)[0] - 0.5 * curvature
            held = ~np.isneginf(log_mass)
            weighted = np.exp(log_mass[held]) * values[held]
            result += np.bincount(datum[held], weighted, points.number)
    return result


def _under(
    seen: SeenPieces, pairs: PiecePairs, means: Array, maps: Array
) -> Iterator[tuple[Indices, Whitened]]:
    """The Gaussians of pairs' data on their pieces, in u, in batches: which of them, and they."""
    halves, boxes = seen.leaf.boxes.halves, seen.leaf.boxes
    for some in seen.batches(pairs):
        mine = pairs.at(some)
        datum, box = seen.leaf.pairs.datum[mine.pair], seen.pieces.box[mine.piece]
        own = maps[datum] * halves[box][:, None, :]
        centre = (means[datum] - boxes.centres[box]) / halves[box]
        centres = np.einsum("pij,pj->pi", own, centre)
        yield some, Whitened.of(seen.lattice, mine.piece, own, centres, centre)


def statistics(
    setting: Setting, bends: Bends, X: Array, counts: Array, found: Found, max_memory: float
) -> Statistics:
    """The E-step's sums over X (N, D), each datum as often as it counts, (N,), on the regions that
    are met, which may be met in several boxes."""
    held = found.held
    used = np.unique(held.piece)
    codes, region_of = distinct_codes(codes_of(bends, found.leaves, found.counts, used))
    refuse_statistics(len(codes), X.shape[1], setting.latent, max_memory)
    region = region_of[np.searchsorted(used, held.piece)]
    sums = _Sums(setting, codes)
    weights = counts[held.datum] * np.exp(found.log_e0)
    width = X.shape[1] * (setting.latent + 1)
    for some in chunks(len(region), _BATCH, width):
        sums.add(X[held.datum[some]], region[some], weights[some], held.mean[some], held.cov[some])
    return sums.statistics(float(counts.sum()), float((counts * found.log_evidence).sum()))


def codes_of(bends: Bends, leaves: list[Leaf], counts: list[int], used: Indices) -> Codes:
    """The codes of some pieces, in increasing order, of leaves that have so many each."""
    parts, before = [], 0
    for leaf, count in zip(leaves, counts, strict=True):
        mine = used[(used >= before) & (used < before + count)] - before
        if len(mine):
            seen = SeenPieces.of(leaf, bends)
            parts.append(seen.pieces.codes(leaf.codes)[mine])
        before += count
    return np.concatenate(parts)


def slopes_of(setting: Setting, codes: Codes) -> Array:
    """The slopes of y(g(z)) on regions of codes (R, U), (R, r, S)."""
    coordinates = setting.coordinates
    return coordinates.of_maps(maps_to(setting.network, codes, coordinates.index)).slopes


class _Sums:
    """Sums over pairs of a datum and a region."""

    def __init__(self, setting: Setting, codes: Codes) -> None:
        self._codes, self._noise = codes, setting.coordinates.noise
        self._maps = maps_to(setting.network, codes, len(setting.network.layers))
        count, latent = len(codes), setting.latent
        observed = setting.network.observed_dimension
        self._e0, self._e1 = np.zeros(count), np.zeros((count, latent))
        self._e2 = np.zeros((count, latent, latent))
        self._residual0 = np.zeros((count, observed))
        self._residual1 = np.zeros((count, observed, latent))
        self._scatter = np.zeros(self._noise.cov.shape)

    def add(self, x: Array, region: Indices, weights: Array, mean: Array, cov: Array) -> None:
        """Add pairs: x (P, D), region, weights (P,), mean (P, S), cov (P, S, S) of z."""
        slopes = self._maps.slopes[region]
        second = cov + mean[:, :, None] * mean[:, None, :]
        left = x - np.einsum("pds,ps->pd", slopes, mean) - self._maps.offsets[region]
        spread = slopes @ cov
        along = left[:, :, None] * mean[:, None, :] - spread
        np.add.at(self._e0, region, weights)
        np.add.at(self._e1, region, weights[:, None] * mean)
        np.add.at(self._e2, region, weights[:, None, None] * second)
        np.add.at(self._residual0, region, weights[:, None] * left)
        np.add.at(self._residual1, region, weights[:, None, None] * along)
        self._scatter += _scatter(self._noise, weights, left, (slopes, spread))

    def statistics(self, n: float, loglik: float) -> Statistics:
        """All sums, of n data."""
        return Statistics(
            n=n,
            loglik=loglik,
            codes=self._codes,
            e0=self._e0,
            e1=self._e1,
            e2=self._e2,
            residual0=self._residual0,
            residual1=self._residual1,
            scatter=np.asarray(self._scatter),
        )


def _scatter(noise: Noise, weights: Array, left: Array, maps: tuple[Array, Array]) -> Array:
    """Σ of weights times (x - g)(x - g)ᵀ expected, in the structure of Σx: left (P, D) at the mean,
    and A (P, D, S) and A Cov[z]."""
    slopes, spread = maps
    if noise.cov.ndim == 2:
        turned = (weights[:, None] * left).T @ left
        return np.asarray(
            turned + np.einsum("p,pds,pes->de", weights, spread, slopes, optimize=True)
        )
    own = weights[:, None] * (left**2 + np.einsum("pds,pds->pd", spread, slopes))
    return np.asarray(own.sum() if noise.cov.ndim == 0 else own.sum(axis=0))
