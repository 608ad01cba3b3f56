"""Where p(x, z) is large: a search over regions, each step to the peak of a region's Gaussian.

Nothing rests on it but the variance of an estimate: what is not found costs draws, not truth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.distributions.observation import refuse_steep
from fast.integration.whitened import dots
from fast.many_dimensions.local.setting import Rows, Setting
from fast.partition.layer_maps import maps_to
from fast.partition.location import codes_at
from fast.polyhedra.chunks import chunks
from reference.model import Array

# Draws of the prior that are looked at, and how many of the best are followed.
_LOOKED_AT, _FOLLOWED = 1024, 16
# Steps, and halvings of each.
_STEPS, _HALVINGS = 30, 8
# A search has come to its end where a step gains less, nats.
_LEAST_GAIN = 1e-3
# Places so many nats below the best hold nothing that is seen.
_BELOW = 25.0
# Numbers held at once.
_BATCH = 1 << 22


class Modes(NamedTuple):
    """Of one datum K places where p(x, z) is large, and the Gaussian of each one's region."""

    places: Array  # (K, S)
    roots: Array  # (K, S, S): of the region's posterior covariance Σ_ω = root rootᵀ [eq. 7]
    log_joint: Array  # (K,): log p(x, z) there


class Looks(NamedTuple):
    """Draws of the prior with their images, the same for all data."""

    places: Array  # (n, S)
    images: Array  # (n, r + S)

    @staticmethod
    def of(setting: Setting, rng: np.random.Generator) -> Looks:
        """New ones, and the prior's mean."""
        drawn = rng.standard_normal((_LOOKED_AT, setting.latent))
        drawn[0] = 0.0
        places = drawn @ np.linalg.cholesky(setting.cov_z).T
        return Looks(places, images_of(setting, places))


def images_of(setting: Setting, places: Array) -> Array:
    """Of any number of latents (n, S), (n, r + S)."""
    images = np.empty((len(places), setting.rank))
    for some in chunks(len(places), _BATCH, max(setting.network.sizes)):
        images[some] = setting.images(places[some])
    return images


def modes(setting: Setting, row: Rows, looks: Looks) -> Modes:
    """Those of one datum, row of one: local maxima of p(x, z) over z, up to the search's end."""
    away = row.rows - looks.images
    best = np.argpartition(dots(away, away), _FOLLOWED)[:_FOLLOWED]
    places = looks.places[best]
    values = _values(setting, row, places)
    active = np.arange(len(places))
    for _ in range(_STEPS):
        centres, _ = _gaussians(setting, row, places[active])
        moved, reached = _along(setting, row, places[active], values[active], centres)
        gained = reached - values[active]
        places[active], values[active] = moved, reached
        active = active[gained > _LEAST_GAIN]
        if not len(active):
            break
    return _distinct(setting, row, places, values)


def _values(setting: Setting, row: Rows, places: Array) -> Array:
    return setting.log_joint(row, setting.images(places))


def _gaussians(setting: Setting, row: Rows, places: Array) -> tuple[Array, Array]:
    """Means and roots of covariances of the Gaussians [eq. 7] of the regions that places are in."""
    codes = codes_at(setting.network, places)
    slopes, offsets = setting.coordinates.of_maps(
        maps_to(setting.network, codes, setting.coordinates.index)
    )
    refuse_steep(slopes)
    prior = np.broadcast_to(setting.prior_root, (len(slopes), *setting.prior_root.shape))
    basis, factors = np.linalg.qr(np.concatenate([slopes, prior], axis=1))
    target = row.rows[:, : slopes.shape[1]] - offsets
    inner = np.einsum("nrs,nr->ns", basis[:, : slopes.shape[1]], target)
    roots = np.linalg.inv(factors)
    return (roots @ inner[:, :, None])[:, :, 0], roots


def _along(
    setting: Setting, row: Rows, places: Array, values: Array, centres: Array
) -> tuple[Array, Array]:
    """The best of the steps 1, 1/2, 1/4, ... of the way to the centres, or none."""
    shares = np.concatenate([0.5 ** np.arange(_HALVINGS), [0.0]])
    tried = places[:, None] + shares[None, :, None] * (centres - places)[:, None]
    found = _values(setting, row, tried[:, :-1].reshape(-1, setting.latent))
    found = np.concatenate([found.reshape(len(places), -1), values[:, None]], axis=1)
    best = np.argmax(found, axis=1)
    rows = np.arange(len(places))
    return tried[rows, best], found[rows, best]


def _distinct(setting: Setting, row: Rows, places: Array, values: Array) -> Modes:
    """One of those that lie within half a deviation of each other, and none far below the best."""
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > values[order[0]] - _BELOW]
    places, values = places[order], values[order]
    _, roots = _gaussians(setting, row, places)
    kept: list[int] = []
    for i, place in enumerate(places):
        steps = [np.linalg.solve(roots[k], place - places[k]) for k in kept]
        if all(step @ step > 0.25 for step in steps):
            kept.append(i)
    return Modes(places[kept], roots[kept], values[kept])
