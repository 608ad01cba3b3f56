"""Which region a point lies in, read from the network's own code at the point."""

from __future__ import annotations

import numpy as np

from fast.partition.cut_vertices import ROUNDING
from fast.partition.region_polyhedra import Polyhedra
from fast.partition.regions import codes_at, sortable
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Indices, Mask, Network

# Numbers held at once while points pass through the layers.
_BATCH = 1 << 20


def locate(network: Network, codes: Codes, shapes: Polyhedra, points: Array) -> Indices:
    """The region of each point (M, S), for regions sorted by code [Corollary 1].

    A point on a facet, within rounding, has a code of no region: it goes to the region entered by
    increasing z_1 (or, along it, z_2, ...).
    """
    result = np.empty(len(points), dtype=np.intp)
    known = sortable(codes)
    for some in chunks(len(points), _BATCH, max(network.sizes)):
        here = points[some]
        found, tied = codes_at(network, here)
        seen = sortable(found)
        index = np.minimum(np.searchsorted(known, seen), len(known) - 1)
        # Where units are zero on a whole region, or candidates equal, a tie means nothing.
        for j in np.flatnonzero(tied | (known[index] != seen)):
            if known[index[j]] != seen[j] or _is_beside(shapes, index[j], here[j]):
                index[j] = _beside(shapes, here[j])
        result[some] = index
    return result


def _is_beside(shapes: Polyhedra, region: int, point: Array) -> bool:
    """Whether a point lies on a facet of the region, within rounding."""
    return bool(np.any(_tight(point, *shapes.halfspaces(region))))


def _tight(point: Array, normals: Array, offsets: Array) -> Mask:
    heights = normals @ point + offsets
    return np.abs(heights) <= 4.0 * ROUNDING * (np.abs(normals) @ np.abs(point) + np.abs(offsets))


def _beside(shapes: Polyhedra, point: Array) -> int:
    """The region entered from a point on its boundary in the direction (1, η, η², ...), η -> 0."""
    heights = shapes.normals @ point + shapes.offsets
    tight = _tight(point, shapes.normals, shapes.offsets)
    lengths = np.max(np.abs(shapes.normals), axis=1, keepdims=True)
    leading = np.where(np.abs(shapes.normals) > ROUNDING * lengths, np.sign(shapes.normals), 0.0)
    first = leading[np.arange(len(leading)), np.argmax(leading != 0, axis=1)]
    inside: Mask = np.where(tight, first > 0, heights > 0)
    owners = np.repeat(np.arange(len(shapes.starts) - 1), np.diff(shapes.starts))
    failing = np.bincount(owners, weights=~inside, minlength=len(shapes.starts) - 1)
    if np.any(failing == 0):
        return int(np.argmin(failing))
    # Rounding left the point in no region: the one it is least outside of.
    deficit = np.zeros(len(shapes.starts) - 1)
    np.minimum.at(deficit, owners, heights / np.linalg.norm(shapes.normals, axis=1))
    return int(np.argmax(deficit))
