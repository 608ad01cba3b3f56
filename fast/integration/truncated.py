"""Gaussians truncated to polyhedra: mass, mean, covariance and entropy, however far in the tail
[Lemma 4, Appendix B].

A polyhedron is split into simplices that meet at its apex, near where the density is largest. All
are added, none subtracted [eq. 9]: Lemma 4's inclusion-exclusion, which cancels in the tail, is not
needed. Relative to the density at the apex nothing is large or small.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.integration.apex import Apex, choose_apex
from fast.integration.clear.polygons import Peaks, split_polygons
from fast.integration.interval import LOG_2PI
from fast.integration.simplex_moments import Rule, own_units, simplex_moments
from fast.integration.split import LOG_2, Simplices, split
from fast.integration.whitened import Whitened, dots
from reference.model import Array, Indices

#: Beyond, the simplices of a polyhedron are too many for any of the rules.
MOST_DIMENSIONS = 6
# For every k >= 4 a rule coarser than the one used: the difference tells the error. Added up
# simplex by simplex it was at least 0.8 of the true error in 300 cases with known results: hence
# four times it. Taken of the sum it was a seventh of the error in one of them.
_COARSER = {4: Rule(12, 12, 35.0), 5: Rule(8, 8, 25.0), 6: Rule(6, 6, 20.0)}
_MARGIN = 4.0
# Where rounding may change more of what is on a polygon, it is not left to plain doubles. What is
# seen is at most a quarter of what is told, so 1e-12 (tests/integration/test_plain_polygons.py).
_DOUBT = 4e-12
#: Accuracy of log masses by dimension, in max(1, |log mass|), beside what coarse rules add.
ACCURACY = (1e-15, 3e-14, 1e-12, 1e-10, 1e-10, 1e-10, 1e-10)


class Truncated(NamedTuple):
    """One Gaussian on one polyhedron an item."""

    peak: Array  # (I, S): the apex, a point of the polyhedron at or near its largest density
    square: Array  # (I,): |u|² there
    log_volume: Array  # (I,): log of the mass over the density at the peak, by z
    mean: Array  # (I, S): of the truncated Gaussian
    cov: Array  # (I, S, S): of the same
    entropy: Array  # (I,): of the same, nats


def truncate_with_error(items: Whitened, apex: Apex | None = None) -> tuple[Truncated, Array]:
    """The truncated Gaussian of every item, and what a coarse rule adds to the error of log_volume,
    (I,): 0 for k <= 3, where all digits are there, else four times the difference to a coarser one.
    apex: where it is known better than from the items. What rounding may do to a polygon is
    compared with _DOUBT here, and is not told. Accuracy: tests/integration/test_polyhedra.py."""
    if not items.lattice.dimension:
        return _everywhere(items), np.zeros(len(items.cells))
    if apex is not None:
        return integrated(items, apex, split(items, apex))
    if items.lattice.dimension != 2 or items.free.shape[2]:
        return _anywhere(items)
    found, doubts = _in_the_plane(items)
    rest = np.flatnonzero(~(doubts <= _DOUBT))
    errors = np.zeros(len(doubts))
    if len(rest):
        others, errors[rest] = _anywhere(items.at(rest))
        for whole, some in zip(found, others, strict=True):
            whole[rest] = some
    return found, errors


def _anywhere(items: Whitened) -> tuple[Truncated, Array]:
    """Of polyhedra of any dimension and shape."""
    apex = choose_apex(items)
    return integrated(items, apex, split(items, apex))


def _in_the_plane(items: Whitened) -> tuple[Truncated, Array]:
    """Of polygons, in plain doubles; and by how much of itself rounding may have changed what is on
    each, (I,)."""
    peaks, parts, doubts = split_polygons(items)
    units = own_units(parts.slopes, parts.gram, parts.finite)
    moments = simplex_moments(parts.slopes, parts.gram, parts.finite, units)
    shares = _shares(parts, units, moments)
    found = assemble(items, peaks, parts, units, moments, shares)
    missed = peaks.missed * np.exp(-found.log_volume)
    return found, missed + np.bincount(parts.item, shares[0] * doubts, len(missed))


def integrated(items: Whitened, apex: Apex, parts: Simplices) -> tuple[Truncated, Array]:
    """The same of items that are split already, each into one simplex at least."""
    k = items.lattice.dimension
    units = own_units(parts.slopes, parts.gram, parts.finite)
    moments = simplex_moments(parts.slopes, parts.gram, parts.finite, units)
    shares = _shares(parts, units, moments)
    found = assemble(items, apex, parts, units, moments, shares)
    if k not in _COARSER:
        return found, np.zeros(len(items.cells))
    coarse = simplex_moments(parts.slopes, parts.gram, parts.finite, units, _COARSER[k])
    # Simplex by simplex: in their sum differences may cancel where errors do not.
    apart = np.abs(1.0 - coarse[:, 0, 0] / moments[:, 0, 0])
    # The rules are for simplices without an obtuse angle at the apex, which a face whose nearest
    # point is not known to be inside it may leave.
    sizes = np.sqrt(np.einsum("nii->ni", parts.gram))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = parts.gram / (sizes[:, :, None] * sizes[:, None, :])
    apart += np.maximum(-np.nanmin(cosines, axis=(1, 2), initial=0.0), 0.0)
    doubts = np.bincount(parts.item, shares[0] * apart, len(items.cells))
    return found, np.asarray(_MARGIN * doubts, dtype=np.float64)


def simplex_masses(parts: Simplices, units: Array, moments: Array) -> tuple[Array, Array]:
    """The mass of every simplex, (K,), over that of its item whose log is given too, (I,).

    moments: of λ in these units. Far out no mass is a double by itself.
    """
    mantissa, exponent = np.frexp(parts.volume * moments[:, 0, 0])
    exponent = exponent + (np.frexp(units)[1] - 1).sum(axis=1)
    largest = np.full(len(parts.log_unit), exponent.min(initial=0))
    np.maximum.at(largest, parts.item, exponent)
    masses = np.ldexp(mantissa, exponent - largest[parts.item])
    return masses, parts.log_unit + LOG_2 * largest


def _shares(parts: Simplices, units: Array, moments: Array) -> tuple[Array, Array]:
    """The share that every simplex has of its item's mass, (K,), and log of that mass, (I,)."""
    masses, log_unit = simplex_masses(parts, units, moments)
    total = np.bincount(parts.item, masses, len(log_unit))
    return masses / total[parts.item], np.log(total) + log_unit


def _everywhere(items: Whitened) -> Truncated:
    """Gaussians on all of space."""
    count, _, n_free = items.free.shape
    log_volume = 0.5 * n_free * LOG_2PI + items.log_scale
    cov = items.free @ np.swapaxes(items.free, 1, 2)
    entropy = log_volume + 0.5 * n_free
    return Truncated(
        peak=items.means,
        square=np.zeros(count),
        log_volume=log_volume,
        mean=items.means,
        cov=cov,
        entropy=entropy,
    )


def assemble(
    items: Whitened,
    apex: Apex | Peaks,
    parts: Simplices,
    units: Array,
    moments: Array,
    shares: tuple[Array, Array],
) -> Truncated:
    """The moments of the items from those of their simplices (K, k+1, k+1), of λ in these units,
    and from `_shares`."""
    count, latent = len(items.cells), items.maps.shape[2]
    steps, slopes = parts.steps * units[:, :, None], parts.slopes * units
    gram = parts.gram * units[:, :, None] * units[:, None, :]
    share, log_mass = shares
    within = moments[:, 1:, 1:] / moments[:, :1, :1]
    weights = moments[:, 0, 1:] / moments[:, 0, :1]
    mean = np.einsum("ni,nis->ns", weights, steps)
    expected = dots(slopes, weights) + 0.5 * np.einsum("nij,nij->n", gram, within)
    shift = _sums(share[:, None] * mean, parts.item, count)
    spread = within - weights[:, :, None] * weights[:, None, :]
    inner = np.swapaxes(steps, 1, 2) @ spread @ steps
    away = mean - shift[parts.item]
    inner += away[:, :, None] * away[:, None, :]
    cov = _sums((share[:, None, None] * inner).reshape(-1, latent**2), parts.item, count)
    free = items.free
    cov = cov.reshape(-1, latent, latent) + free @ np.swapaxes(free, 1, 2)
    n_free = free.shape[2]
    log_volume = log_mass + 0.5 * n_free * LOG_2PI + items.log_scale
    return Truncated(
        peak=apex.place,
        square=dots(apex.whitened, apex.whitened),
        log_volume=log_volume,
        mean=apex.place + shift,
        cov=0.5 * (cov + np.swapaxes(cov, 1, 2)),
        entropy=log_volume + np.bincount(parts.item, share * expected, count) + 0.5 * n_free,
    )


def _sums(rows: Array, item: Indices, count: int) -> Array:
    return np.stack([np.bincount(item, weights=c, minlength=count) for c in rows.T], axis=1)
