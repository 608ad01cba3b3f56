"""Which corners of a subdivision are close to others, found without its edges."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices

# Regions of rays held at once.
_BATCH = 1 << 20


def close_points(positions: Array, share: float) -> Indices:
    """Which of the points (n, S) have another nearer than a share of their distance from 0."""
    sizes = np.max(np.abs(positions), axis=1)
    exponents = np.frexp(sizes)[1]
    found = [np.empty(0, dtype=np.intp)]
    for exponent in np.unique(exponents[sizes > 0]).tolist():
        # Those that are close are of the same size, but for a share of it: together in a shell.
        top = np.ldexp(1.0, exponent)
        mine = np.flatnonzero((sizes >= top / 2.0) & (sizes <= top * (1.0 + 2.0 * share)))
        nearest = _nearest_other(positions[mine], share * 2.0 * top)
        found.append(mine[nearest < share * sizes[mine]])
    return np.unique(np.concatenate(found))


def _nearest_other(positions: Array, most: float) -> Array:
    """How far the nearest of the other points is, in the largest coordinate; inf beyond `most`."""
    if len(positions) < 2:
        return np.full(len(positions), np.inf)
    found, _ = cKDTree(positions).query(positions, 2, p=np.inf, distance_upper_bound=most)
    return np.asarray(found[:, 1])


def nearly_parallel(rays: Array, owners: csr_array, least: float) -> Indices:
    """Which of the rays (n, S), of length one, differ by less than `least` from another, or by as
    little from the opposite of another of the same region. owners (R, n): the regions' rays."""
    if not len(rays):
        return np.empty(0, dtype=np.intp)
    close = np.flatnonzero(_nearest_other(rays, least) < least)
    pairs = cKDTree(rays).sparse_distance_matrix(
        cKDTree(-rays), least, p=np.inf, output_type="ndarray"
    )
    one, other, of_rays = pairs["i"], pairs["j"], owners.T.tocsr()
    together = np.empty(len(one), dtype=bool)
    for some in chunks(len(one), _BATCH, owners.nnz // len(rays)):
        shared = of_rays[one[some]].multiply(of_rays[other[some]])
        together[some] = shared.sum(axis=1) > 0
    return np.unique(np.concatenate([close, one[together]]))
