"""A guess of log p(x): where the search for the boxes that can matter begins.

Nothing rests on it: what is left out is compared with what has been found in the end.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from fast.integration.interval import LOG_2PI
from fast.integration.whitened import dots
from fast.many_dimensions.local.setting import Points, Rows, Setting
from fast.polyhedra.chunks import chunks
from reference.model import Array

# Places that are tried first, along each axis and as far from 0 in deviations of the prior.
_ALONG, _REACH = {2: 17, 3: 9}, 4.0
# Of every datum so many of the best places are followed, by so many halvings of the way between.
_BEAM, _HALVINGS = 4, 24
# Numbers held at once.
_BATCH = 1 << 22


def located(setting: Setting, X: Array) -> Points:
    """Data X (N, D), each with the best place that is found.

    Raises ArithmeticError where a square overflows.
    """
    rows = setting.rows(X)
    places = _best_places(setting, rows)
    images = setting.images(places)
    # All is counted from here: with all the digits that there are, which the search does without.
    best = setting.log_joint(rows, images)
    slopes = setting.maps_at(places).slopes
    precision = np.swapaxes(slopes, 1, 2) @ slopes + setting.prior_root.T @ setting.prior_root
    log_det = np.linalg.slogdet(precision)[1]
    return Points(
        rows=rows.rows,
        rest=rows.rest,
        places=places,
        images=images,
        log_base=best,
        guess=best + 0.5 * (setting.latent * LOG_2PI - log_det),
    )


def _best_places(setting: Setting, data: Rows) -> Array:
    """Of every datum a place where p(x, z) is large, (N, S)."""
    along = np.linspace(-_REACH, _REACH, _ALONG[setting.latent])
    grid = np.array(list(product(along, repeat=setting.latent)))
    root, count = np.linalg.inv(setting.prior_root), len(data.rest)
    found = _joint_with_all(setting, data, setting.images(grid @ root.T))
    first = np.argpartition(-found, _BEAM, axis=1)[:, :_BEAM]
    white, values = grid[first], np.take_along_axis(found, first, axis=1)
    steps = np.array(list(product((-1.0, 1.0), repeat=setting.latent)))
    size = along[1] - along[0]
    for _ in range(_HALVINGS):
        size *= 0.5
        tried = (white[:, :, None] + size * steps).reshape(count, -1, setting.latent)
        latents = tried.reshape(-1, setting.latent) @ root.T
        datum, new = np.repeat(np.arange(count), tried.shape[1]), np.empty(len(latents))
        for some in chunks(len(latents), _BATCH, max(setting.network.sizes)):
            own = Rows(*(field[datum[some]] for field in data))
            new[some] = setting.log_joint(own, setting.images(latents[some]))
        new = new.reshape(tried.shape[:2])
        white = np.concatenate([white, tried], axis=1)
        values = np.concatenate([values, new], axis=1)
        best = np.argpartition(-values, _BEAM, axis=1)[:, :_BEAM]
        white = np.take_along_axis(white, best[:, :, None], axis=1)
        values = np.take_along_axis(values, best, axis=1)
    top = np.argmax(values, axis=1)
    return np.asarray(white[np.arange(count), top] @ root.T)


def _joint_with_all(setting: Setting, data: Rows, images: Array) -> Array:
    """log p(x, z) of every datum at every place, (N, n): roughly, where data are far from 0."""
    squares = dots(data.rows, data.rows)[:, None] + dots(images, images)
    squares -= 2.0 * (data.rows @ images.T)
    return np.asarray(setting.log_constant - 0.5 * (squares + data.rest[:, None]))
