"""Facets met on short pieces of random lines, in projective space: where all of it counts alike.

A point z is (z, 1) times any number, in coordinates in which the hyperplanes of the first cuts have
no preferred direction. There a random line passes every facet with a probability that is its share
of a hyperplane: so each facet that is met stands for one over that share of them.
"""

from __future__ import annotations

import numpy as np

from fast.partition.cost.facet_shares import shares
from fast.partition.cost.walls import walls_at
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices, Network

# Pieces of lines: so many units in all, within limits.
_UNITS, _FEWEST, _MOST = 1 << 20, 64, 1024
# Facets that one piece has if units have one breakpoint on a line.
_FACETS = 4
# A piece ends after so many.
_MOST_FACETS = 64
# How far beyond a facet the region behind it is looked up, as a share of a piece.
_BEYOND = 1e-7
# Numbers held at once.
_BATCH = 1 << 17
# Rounds in which the frame is made to fit, and the share of it that stays isotropic.
_ROUNDS, _ISOTROPIC = 10, 1e-6


def sampled_facets(network: Network, last: int, seed: int = 0) -> Array:
    """How many facets there are, each once, where a unit of a layer cuts: by each of some pieces
    of lines, and layer by layer, (n, L). last: the layer after the last one with units.

    Their means are unbiased. Raises OutOfRange where the network's values leave the range of
    doubles.
    """
    rng = np.random.default_rng(seed)
    frame, units = _frame(network), sum(network.code_lengths)
    size, pieces = network.latent_dimension + 1, min(max(_UNITS // units, _FEWEST), _MOST)
    length = np.pi * min(1.0, _FACETS / units)
    ends = np.linalg.qr(rng.standard_normal((pieces, size, 2)))[0].swapaxes(1, 2)
    result = np.zeros((pieces, len(network.layers)))
    for some in chunks(pieces, _BATCH, (units + max(network.sizes[: last + 1])) * size):
        result[some] = _on_pieces(network, last, frame, ends[some], length)
    return result


def _frame(network: Network) -> Array:
    """Columns (S + 1, S + 1) that give points (z, t) from coordinates in which the hyperplanes of
    the first cuts are as isotropic as may be [Tyler 1987]."""
    latent = network.latent_dimension
    slopes, offsets = np.eye(latent)[None], np.zeros((1, latent))
    first = int(np.flatnonzero(network.code_lengths)[0])
    for layer in network.layers[:first]:
        slopes, offsets = layer.propagate(np.empty((1, 0), dtype=np.int8), slopes, offsets)
    slopes, offsets = network.layers[first].cuts(slopes, offsets)
    rows = np.concatenate([slopes[0], offsets[0][:, None]], axis=1)
    rows = _unit(rows[np.any(slopes[0] != 0, axis=1)])
    # First by its axes, whose scales may be far apart.
    scales = np.max(np.abs(rows), axis=0, initial=0.0)
    scales = np.where(scales > 0, scales, 1.0)
    rows, size = _unit(rows / scales), latent + 1
    spread = np.eye(size) / size
    for _ in range(_ROUNDS if len(rows) else 0):
        weights = np.einsum("ns,st,nt->n", rows, np.linalg.inv(spread), rows)
        spread = (rows / weights[:, None]).T @ rows
        spread *= (1.0 - _ISOTROPIC) / np.trace(spread)
        spread += _ISOTROPIC * np.eye(size) / size
    values, vectors = np.linalg.eigh(spread)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T / scales[:, None])


def _unit(rows: Array) -> Array:
    """Rows of length one."""
    # By their largest first: squares may overflow.
    rows = rows / np.max(np.abs(rows), axis=-1, keepdims=True, initial=np.finfo(float).tiny)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def _on_pieces(network: Network, last: int, frame: Array, ends: Array, length: float) -> Array:
    """The same for pieces that begin at ends[:, 0] and go towards ends[:, 1], (n, 2, S + 1)."""
    count = len(ends)
    found, met = np.zeros((count, len(network.layers))), np.zeros(count, dtype=np.intp)
    at, open_ = np.zeros(count), np.arange(count)
    while len(open_):
        own, start = ends[open_], at[open_] + _BEYOND * length
        here = _on_circle(own, start)
        points = here @ frame.T
        side = np.sign(points[:, -1:])
        walls = walls_at(network, last, points[:, :-1] / points[:, -1:])
        # Towards either side of infinity a half-space is the same, but for its sign.
        rows = walls.rows * side[:, None] @ frame
        which, step = _first_crossing(rows, here, _on_circle(own, start + 0.5 * np.pi))
        next_ = start + step
        inside = next_ < length
        mine = np.flatnonzero(inside & (which < rows.shape[1] - 1))
        crossed = which[mine]
        places = _on_circle(own[mine], next_[mine])
        earlier = walls.earlier(mine, crossed)
        share = shares(np.where(earlier[..., None], rows[mine], 0.0), rows[mine, crossed], places)
        found[open_[mine], walls.layers[crossed]] += 1.0 / share
        met[open_[mine]] += 1
        full = met[open_] >= _MOST_FACETS
        at[open_] = np.where(inside, next_, length)
        # What ends early stands for what is not looked at.
        found[open_[full]] *= (length / at[open_[full]])[:, None]
        open_ = open_[inside & ~full]
    return found * (np.pi / length)


def _on_circle(ends: Array, angles: Array) -> Array:
    """Points of great circles at these angles from the first of their two ends."""
    return np.asarray(np.cos(angles)[:, None] * ends[:, 0] + np.sin(angles)[:, None] * ends[:, 1])


def _first_crossing(rows: Array, here: Array, ahead: Array) -> tuple[Indices, Array]:
    """Which half-space ends first on the way from points here, and by what angle: ahead are the
    points a right angle further on."""
    level = np.einsum("nms,ns->nm", rows, here)
    along = np.einsum("nms,ns->nm", rows, ahead)
    angles = np.where(level > 0, np.arctan2(level, -along), np.inf)
    which = np.argmin(angles, axis=1)
    return which, angles[np.arange(len(which)), which]
