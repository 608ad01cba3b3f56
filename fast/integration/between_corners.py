"""Points and directions between corners that are far away, or nearly opposite: sums of corners that
nearly cancel, taken in twice the working precision.

Weights need no more than one: whatever they are, the sum lies on the face.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from fast.integration.whitened import Origin, Whitened, apply, dots
from fast.polyhedra.compensated_sums import doubled_difference, doubled_heights
from reference.model import Array, Indices

# Corrections of weights: each leaves a share of its error.
_ROUNDS = 3
# A point of a hull of unit vectors no nearer 0 than this is known to 13 digits.
_CLEAR = 1e-3
# The least cosine of a direction with unit normals that it is well inside of.
_INSIDE = 0.1


def on_span(
    items: Whitened, origin: Origin, span: Indices, owner: Indices
) -> tuple[Array, Array, Array]:
    """The points nearest the origin on what corners span, (n, m + 1) of which the first is a point:
    from the origin (n, k), and where they are in two parts (n, S)."""
    lattice, maps = items.lattice, items.maps[owner]
    first, other = span[:, 0], span[:, 1:]
    bounded = lattice.points[other][:, :, None]
    along, along_low = doubled_difference(
        lattice.positions[other],
        lattice.small[other],
        np.where(bounded, lattice.positions[first][:, None], 0.0),
        np.where(bounded, lattice.small[first][:, None], 0.0),
    )
    images = along @ np.swapaxes(maps, 1, 2)
    lengths = np.sqrt(dots(images, images))
    lengths = np.where(lengths > 0, lengths, 1.0)
    back = np.linalg.pinv(images / lengths[:, :, None], rcond=0.0)
    shares = np.empty((len(span), 1, 0))
    high, low = lattice.positions[first], lattice.small[first]
    for count in range(_ROUNDS + 1):
        away, rest = doubled_difference(high, low, origin.base[owner], origin.small[owner])
        vectors = apply(maps, away + rest) - origin.step[owner]
        if count == _ROUNDS:
            break
        share = -np.einsum("ni,nij->nj", vectors, back) / lengths
        shares = np.concatenate([shares, share[:, None]], axis=2)
        high, low = doubled_heights(
            shares,
            lattice.positions[first],
            lattice.small[first],
            np.swapaxes(np.concatenate([along] * (count + 1), axis=1), 1, 2),
            np.swapaxes(np.concatenate([along_low] * (count + 1), axis=1), 1, 2),
        )
    return vectors, high, low


def perpendicular(
    items: Whitened, one: Indices, other: Indices, owner: Indices
) -> tuple[Array, Array, Array]:
    """What of the other direction is at a right angle to the first, (n, k), and the direction of
    which it is the image in two parts, (n, S).

    It is the other without its part along the first; where they are nearly parallel the difference
    is taken in twice the precision. Guarded by tests/integration/test_far_corners.py.
    """
    lattice, maps = items.lattice, items.maps[owner]
    first, first_low = lattice.positions[one], lattice.small[one]
    high, low = lattice.positions[other], lattice.small[other]
    high, low = _turned(maps, apply(maps, first), high, low, first, first_low)
    return apply(maps, high + low), high, low


def _turned(
    maps: Array, axis: Array, high: Array, low: Array, by: Array, by_low: Array
) -> tuple[Array, Array]:
    """Vectors (n, S) with so much of others added that their images are at a right angle to axes
    (n, k): all but the axes in two parts."""
    image, along = apply(maps, high + low), dots(apply(maps, by + by_low), axis)
    shares = np.empty((len(high), 1, 0))
    for count in (1, 2):
        share = -dots(image, axis) / along
        shares = np.concatenate([shares, share[:, None, None]], axis=2)
        total, rest = doubled_heights(
            shares,
            high,
            low,
            np.repeat(by[:, :, None], count, axis=2),
            np.repeat(by_low[:, :, None], count, axis=2),
        )
        image = apply(maps, total + rest)
    return total, rest


def acute_direction(items: Whitened, face: int, item: int, m: int) -> tuple[Array, Array, Array]:
    """A direction inside a face at infinity that makes no obtuse angle with any of its rays: the
    point of their convex hull nearest 0. Of length one (k,), and of any in two parts (S,).

    Where that point is too near 0 for its digits, some ray and what the others have against it are
    nearly opposite, so that the direction may be sought at a right angle to them: among what of all
    the rays is left when either has been added to each. It is in the face, as they are. But a sum
    of facets' normals, which makes an obtuse angle with no ray, is better where it is inside them:
    rays in nearly one plane, all round, do not tell which side of it is meant.
    """
    lattice, maps = items.lattice, items.maps[item]
    corners = lattice.faces[m].corners
    mine = corners.values[corners.starts[face] : corners.starts[face + 1]]
    high, low = lattice.positions[mine], lattice.small[mine]
    rays, lengths = _unit(maps, high + low)
    weights = _nearest_of_hull(rays)
    if m == lattice.dimension - 1 and np.linalg.norm(weights @ rays) < _CLEAR:
        inwards = _sum_of_normals(items, item)
        if inwards is not None:
            high = items.inverses[item] @ inwards
            return inwards, high, np.zeros_like(high)
    for _ in range(m):
        if np.linalg.norm(weights @ rays) >= _CLEAR:
            break
        high, low = _across_one(maps, high, low, rays, weights / lengths)
        rays, lengths = _unit(maps, high + low)
        weights = _nearest_of_hull(rays)
    high, low = _weighted_sum(high, low, weights / lengths)
    direction = maps @ (high + low)
    return direction / np.linalg.norm(direction), high, low


def _sum_of_normals(items: Whitened, item: int) -> Array | None:
    """The direction of the sum of an item's unit normals (k,); None where it is not well inside all
    of them."""
    lattice = items.lattice
    entries, _ = lattice.facets.entries(items.cells[[item]])
    normals = lattice.normals[entries] @ items.inverses[item]
    normals = normals[np.any(normals != 0, axis=1)]  # those at infinity have none
    normals /= np.sqrt(dots(normals, normals))[:, None]
    total = normals.sum(axis=0)
    total /= np.linalg.norm(total)
    return total if np.all(normals @ total > _INSIDE) else None


def _unit(maps: Array, directions: Array) -> tuple[Array, Array]:
    """Images (n, k) of directions (n, S), of length one, and their lengths."""
    rays = directions @ maps.T
    lengths = np.sqrt(dots(rays, rays))
    return rays / lengths[:, None], lengths


def _nearest_of_hull(rays: Array) -> Array:
    """The weights, of sum one, of the point of a convex hull nearest 0."""
    sums = np.concatenate([rays.T, np.ones((1, len(rays)))])
    weights, _ = nnls(sums, np.eye(len(sums))[-1])
    return np.asarray(weights / weights.sum())


def _across_one(
    maps: Array, high: Array, low: Array, rays: Array, shares: Array
) -> tuple[Array, Array]:
    """What is left of directions (n, S) with images `rays` at a right angle to one of them, of the
    largest share, when that or its opposite, the sum of the others, has been added to each."""
    first = int(np.argmax(shares * np.linalg.norm(high, axis=1)))
    others = np.arange(len(rays)) != first
    opposite, rest = _weighted_sum(high[others], low[others], shares[others])
    acute = (rays[others] @ rays[first] > 0)[:, None]
    by = np.vstack([np.where(acute, opposite, high[first]), high[first]])
    by_low = np.vstack([np.where(acute, rest, low[first]), low[first]])
    count = len(by)
    return _turned(
        np.broadcast_to(maps, (count, *maps.shape)),
        np.broadcast_to(rays[first], (count, len(maps))),
        np.vstack([high[others], opposite]),
        np.vstack([low[others], rest]),
        by,
        by_low,
    )


def _weighted_sum(high: Array, low: Array, weights: Array) -> tuple[Array, Array]:
    """Directions (n, S) times their weights, summed in twice the precision, in two parts (S,)."""
    none = np.zeros(high.shape[1])
    return doubled_heights(weights[None], none, none, high.T, low.T)
