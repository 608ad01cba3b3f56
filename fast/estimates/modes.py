"""Where p(x, z) is large: a search over regions, each step to the peak of a region's Gaussian.

Nothing rests on it but the variance of an estimate: what is not found costs draws, not truth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fast.distributions.observation import refuse_steep
from fast.integration.interval import LOG_2PI
from fast.integration.whitened import dots
from fast.many_dimensions.local.setting import Rows, Setting
from fast.many_dimensions.region_gaussians import gaussians
from fast.partition.location import codes_at
from fast.partition.regions import distinct_codes
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices

# Places that are looked at, half of them draws of the prior and half as much wider; and from how
# many regions the best of them is followed.
_LOOKED_AT, _WIDER, _FOLLOWED = 4096, 3.0, 32
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
    roots: Array  # (K, S, S): lower factors of the regions' posterior covariances Σ_ω [eq. 7]
    log_joint: Array  # (K,): log p(x, z) there

    @property
    def log_mass(self) -> Array:
        """What of p(x) each would hold if its Gaussian went on, (K,), log."""
        log_det = np.log(np.einsum("kii->ki", self.roots)).sum(axis=1)
        return np.asarray(self.log_joint + log_det + 0.5 * self.roots.shape[1] * LOG_2PI)


class Looks(NamedTuple):
    """Places with their images, the same for all data, and which region each is in."""

    places: Array  # (n, S)
    images: Array  # (n, r + S)
    region: Indices  # (n,)

    @staticmethod
    def of(setting: Setting, rng: np.random.Generator) -> Looks:
        """New ones, and the prior's mean."""
        drawn = rng.standard_normal((_LOOKED_AT, setting.latent))
        drawn[1::2] *= _WIDER
        drawn[0] = 0.0
        places = drawn @ np.linalg.cholesky(setting.cov_z).T
        _, region = distinct_codes(codes_at(setting.network, places))
        return Looks(places, images_of(setting, places), region)

    def best(self, row: Rows) -> Array:
        """The place at which p(x, z) is largest of every region, those of the best regions."""
        away = row.rows - self.images
        order = np.argsort(dots(away, away), kind="stable")
        _, first = np.unique(self.region[order], return_index=True)
        return self.places[order[np.sort(first)[:_FOLLOWED]]]


def images_of(setting: Setting, places: Array) -> Array:
    """Of any number of latents (n, S), (n, r + S)."""
    images = np.empty((len(places), setting.rank))
    for some in chunks(len(places), _BATCH, max(setting.network.sizes)):
        images[some] = setting.images(places[some])
    return images


def modes(setting: Setting, row: Rows, looks: Looks) -> Modes:
    """Those of one datum, row of one."""
    return climbed(setting, row, looks.best(row))


def climbed(setting: Setting, row: Rows, places: Array) -> Modes:
    """The local maxima that places (n, S) lead to."""
    values = _values(setting, row, places)
    active = np.arange(len(places))
    for _ in range(_STEPS):
        around = _gaussians(setting, row, places[active])
        moved, reached = _along(setting, row, places[active], values[active], around)
        gained = reached - values[active]
        places[active], values[active] = moved, reached
        active = active[gained > _LEAST_GAIN]
        if not len(active):
            break
    return _distinct(setting, row, places, values)


def _values(setting: Setting, row: Rows, places: Array) -> Array:
    return setting.log_joint(row, setting.images(places))


class _Gaussians(NamedTuple):
    """Of the regions that places are in, their Gaussians [eq. 7]."""

    centres: Array  # (n, S): their means, which may be beyond their regions
    nearby: Array  # (n, S): the same with a prior around the place: near it on a steep ridge
    roots: Array  # (n, S, S): of their covariances


def _gaussians(setting: Setting, row: Rows, places: Array) -> _Gaussians:
    maps = setting.maps_at(places)
    refuse_steep(maps.slopes)
    found = gaussians(*maps, setting.prior_root)
    pulls, roots = found.pulls, np.asarray(np.linalg.inv(found.roots))
    target = row.rows[:, : pulls.shape[1]] - found.offsets
    from_place = target - np.einsum("nrs,ns->nr", found.slopes, places)
    return _Gaussians(
        centres=np.einsum("nij,nrj,nr->ni", roots, pulls, target),
        nearby=places + np.einsum("nij,nrj,nr->ni", roots, pulls, from_place),
        roots=roots,
    )


def _along(
    setting: Setting, row: Rows, places: Array, values: Array, around: _Gaussians
) -> tuple[Array, Array]:
    """The best of the steps 1, 1/2, 1/4, ... of the ways to both, or none."""
    shares = 0.5 ** np.arange(_HALVINGS)
    ways = np.stack([around.centres, around.nearby], axis=1) - places[:, None]
    tried = places[:, None, None] + shares[:, None] * ways[:, :, None]
    tried = np.concatenate([tried.reshape(len(places), -1, setting.latent), places[:, None]], 1)
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
    roots = _gaussians(setting, row, places).roots
    kept: list[int] = []
    for i, place in enumerate(places):
        steps = [np.linalg.solve(roots[k], place - places[k]) for k in kept]
        if all(step @ step > 0.25 for step in steps):
            kept.append(i)
    covs = roots[kept] @ np.swapaxes(roots[kept], 1, 2)
    return Modes(places[kept], np.asarray(np.linalg.cholesky(covs)), values[kept])
