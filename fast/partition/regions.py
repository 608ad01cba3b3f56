"""From the cells of a subdivision to the regions of a network and their facets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fast.partition.by_corners.close_corners import close_points, nearly_parallel
from fast.partition.by_corners.corner_cells import CornerCells
from fast.partition.cell_complex import Complex
from fast.partition.cut_space import Cells
from fast.partition.cut_vertices import Vertices
from fast.partition.refined_vertices import refined
from fast.partition.region_maps import ExactFacets, Facets, Halfspaces, facet_halfspaces
from fast.partition.region_polyhedra import Corners, Polyhedra, Source, everything
from fast.polyhedra.chunks import chunks
from fast.polyhedra.integer_rows import in_doubles
from fast.polyhedra.ragged import Ragged, ranges
from reference.model import Array, Codes, ExactNetwork, Indices, MaxPool, Network

# Points this many times as far from 0 as most facets are computed in integers, and what is known of
# a vertex no better than to this share of its size.
_FAR = 1e4
_POOR = 1e-6
# An edge that is this short beside its ends' distance from 0 has lost six digits in doubles.
_CLOSE = 1e-6
# Rays nearer to parallel than this are told apart by too few of their digits.
_PARALLEL = 1e-6

# Up to this dimension volumes are found from corners, which may be exact where normals are not.
_BY_CORNERS = 3

# Numbers held at once while the codes of pairs of regions are compared.
_BATCH = 1 << 20


class Regions(NamedTuple):
    """Regions sorted by code: codes (R, U), their shapes, and how many signs integers decided."""

    codes: Codes
    polyhedra: Polyhedra
    exact_decisions: int


def regions_of_cells(exact: ExactNetwork, cells: Cells) -> Regions:
    """Join cells of one code to a region, and find its facets [Corollary 1]."""
    network = exact.network
    codes, region_of = distinct_codes(cells.codes)
    facets = _facets(network, cells, codes, region_of)
    halfspaces = facet_halfspaces(exact, codes, facets)
    starts = np.searchsorted(facets.regions, np.arange(len(codes) + 1))
    # Where cutting began with what is no cut, or windows were cut more often than they need, a
    # region may be several cells, with corners that are not its own.
    pooled = any(isinstance(layer, MaxPool) for layer in network.layers)
    joined = pooled or len(codes) < len(cells.codes)
    corners = None if joined else _corners(cells, region_of, facets, halfspaces)
    dimension = cells.complex.dimension
    # Beyond three dimensions integrals go by heights over the rounded normals.
    by_facets = ExactFacets(exact, codes, facets) if joined and dimension <= _BY_CORNERS else None
    polyhedra = Polyhedra(starts, *halfspaces, corners, dimension, by_facets)
    return Regions(codes, polyhedra, cells.vertices.exact_signs)


def single_region(exact: ExactNetwork) -> Regions:
    """The one region of a network whose choices do not depend on z."""
    latent = exact.network.latent_dimension
    codes = exact.codes(np.eye(1, latent + 1, latent, dtype=object))
    nothing = Facets(*np.empty((4, 0), dtype=np.intp))
    facet_halfspaces(exact, codes, nothing)
    return Regions(codes, everything(latent), 0)


def sortable(codes: Codes) -> NDArray[np.bytes_]:
    """Each row of codes as one string of bytes; they compare as the rows do."""
    # A string ends at its last byte that is not 0.
    if not codes.shape[1]:
        return np.full(len(codes), b"")
    shifted = np.ascontiguousarray((codes + 2).astype(np.uint8))
    return shifted.view(f"S{codes.shape[1]}")[:, 0]


def distinct_codes(codes: Codes) -> tuple[Codes, Indices]:
    """The distinct rows in lexicographic order, and for each row which of them it is."""
    _, first, inverse = np.unique(sortable(codes), return_index=True, return_inverse=True)
    return codes[first], inverse


def _facets(network: Network, cells: Cells, codes: Codes, region_of: Indices) -> Facets:
    """The facets between cells of different codes, once for the region on either side."""
    sides = cells.complex.boundary(cells.complex.dimension).T.tocsr()
    inner = np.flatnonzero(np.diff(sides.indptr) == 2)
    pairs = region_of[np.stack([sides.indices[sides.indptr[inner] + i] for i in (0, 1)])]
    inner, pairs = inner[pairs[0] != pairs[1]], pairs[:, pairs[0] != pairs[1]]
    entries = _first_difference(codes, pairs)
    here, there = np.concatenate([pairs, pairs[::-1]], axis=1)
    entries = np.tile(entries, 2)

    counts = network.code_lengths
    layers = np.repeat(np.arange(len(counts)), counts)[entries]
    within = entries - np.concatenate([[0], np.cumsum(counts)])[layers]
    # Of a window with K candidates the half-spaces are numbered window * K + candidate.
    widths = np.array(
        [layer.windows.shape[1] if isinstance(layer, MaxPool) else 1 for layer in network.layers]
    )
    rivals = np.where(widths[layers] > 1, codes[there, entries], 0)
    rows = within * widths[layers] + rivals
    shape = len(codes), len(counts), int(rows.max(initial=0)) + 1
    keys, first = np.unique(np.ravel_multi_index((here, layers, rows), shape), return_index=True)
    regions, layers, rows = np.unravel_index(keys, shape)
    return Facets(regions, layers, rows, np.tile(inner, 2)[first])


def _first_difference(codes: Codes, pairs: Indices) -> Indices:
    """Where the codes of each pair of regions first differ: pairs (2, n) -> (n,)."""
    entries = np.empty(pairs.shape[1], dtype=np.intp)
    for some in chunks(len(entries), _BATCH, codes.shape[1]):
        one, other = pairs[:, some]
        entries[some] = np.argmax(codes[one] != codes[other], axis=1)
    return entries


def _corners(cells: Cells, region_of: Indices, facets: Facets, halfspaces: Halfspaces) -> Corners:
    """The vertices and rays of the regions, which are the cells in another order."""
    order = np.argsort(region_of)
    owners = cells.complex.vertices_of(cells.complex.dimension).tocsr()[order]
    vertices = cells.vertices
    points = vertices.points
    # Of a direction between opposite ones nothing may be left in doubles: it is put right below.
    lengths = np.linalg.norm(vertices.positions, axis=1)
    lengths[points | (lengths == 0)] = 1.0
    on_facets = _vertices_of_facets(cells, owners, facets)
    positions, small = refined(
        vertices.positions / lengths[:, None],
        points,
        on_facets,
        halfspaces.normals,
        halfspaces.heights,
    )
    unsure = _unsure(cells, owners, halfspaces)
    if len(unsure):
        positions[unsure], small[unsure] = in_doubles(vertices.exact.places(unsure))
    return Corners(
        positions=positions,
        small=small,
        points=points,
        starts=owners.indptr.astype(np.intp),
        members=owners.indices.astype(np.intp),
        source=Source(cells.complex, order, facets.faces),
    )


def _unsure(cells: Cells, owners: csr_array, halfspaces: Halfspaces) -> Indices:
    """The vertices that are far away, and all those of regions with one that is not known well or
    is close to another, or with rays that are nearly parallel.

    Far means beside the distance of most facets from 0: an edge between two of them passes where
    that leaves few digits. Vertices that are not known well may nearly coincide with others. Of a
    region that is thin, as between copies of a neuron, two vertices are close: what is across it is
    their difference, in which doubles have few digits.
    """
    vertices = cells.vertices
    sizes = np.max(np.abs(vertices.positions), axis=1)
    lengths = np.max(np.abs(halfspaces.normals), axis=1, initial=0.0)
    distances = np.abs(halfspaces.heights[lengths > 0]) / lengths[lengths > 0]
    scale = float(np.median(distances)) if len(distances) else 0.0
    far = vertices.points & (sizes > _FAR * scale) & (sizes > 0)
    # An error may be unknown.
    poor = ~(vertices.position_errors <= _POOR * np.maximum(sizes, scale))
    if isinstance(cells.complex, CornerCells):
        poor[_close_corners(vertices, owners)] = True
    else:
        poor[_nearly_parallel(vertices, owners)] = True
        poor[_close(cells.complex, vertices, sizes)] = True
    beside = ((owners @ poor) > 0) @ owners if np.any(poor) else 0 * sizes
    return np.flatnonzero(far | (beside > 0))


def _close_corners(vertices: Vertices, owners: csr_array) -> Indices:
    """The same two kinds, found without edges: points may be close to one of another region."""
    points, (rays, unit) = np.flatnonzero(vertices.points), _rays(vertices)
    parallel = nearly_parallel(unit, owners[:, rays], _PARALLEL)
    close = close_points(vertices.positions[points], _CLOSE)
    return np.concatenate([points[close], rays[parallel]])


def _close(complex_: Complex, vertices: Vertices, sizes: Array) -> Indices:
    """Points at the ends of an edge that is short beside their distance from 0, sizes (V,)."""
    ends = complex_.edges
    ends = ends[:, np.all(vertices.points[ends], axis=0)]
    positions = vertices.positions
    apart = np.max(np.abs(positions[ends[0]] - positions[ends[1]]), axis=1)
    return np.unique(ends[:, apart < _CLOSE * np.max(sizes[ends], axis=0)])


def _nearly_parallel(vertices: Vertices, owners: csr_array) -> Indices:
    """Rays that are nearly parallel, one way or the other, to another ray of the same region."""
    rays, unit = _rays(vertices)
    of_regions = Ragged.of(owners[:, rays])
    entries, which = of_regions.entries(of_regions.owners)
    one, other = of_regions.values[which], of_regions.values[entries]
    one, other = one[one < other], other[one < other]
    apart = np.minimum(
        np.max(np.abs(unit[one] - unit[other]), axis=1),
        np.max(np.abs(unit[one] + unit[other]), axis=1),
    )
    close = apart < _PARALLEL
    return np.asarray(rays[np.unique(np.concatenate([one[close], other[close]]))])


def _rays(vertices: Vertices) -> tuple[Indices, Array]:
    """Which vertices are rays, and their directions of length one."""
    rays = np.flatnonzero(~vertices.points)
    directions = vertices.positions[rays]
    return rays, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _vertices_of_facets(cells: Cells, owners: csr_array, facets: Facets) -> csr_array:
    """Which vertices facets have, as many of them as are needed to place the vertices."""
    complex_ = cells.complex
    if isinstance(complex_, CornerCells):
        return _of_one_region(complex_, owners, facets)
    if complex_.dimension > 1:
        return complex_.vertices_of(complex_.dimension - 1).tocsr()[facets.faces]
    count = complex_.counts[0]
    itself = csr_array((np.ones(count), (np.arange(count), np.arange(count))), shape=(count, count))
    return itself[facets.faces]


def _of_one_region(cells: CornerCells, owners: csr_array, facets: Facets) -> csr_array:
    """Which vertices facets have, of one of its regions for each vertex: other regions' facets are
    on the same hyperplanes there, and are very many."""
    count = owners.shape[1]
    region = np.zeros(count, dtype=np.intp)
    region[owners.indices] = np.repeat(np.arange(owners.shape[0]), np.diff(owners.indptr))
    starts = np.searchsorted(facets.regions, np.arange(owners.shape[0] + 1))
    own, vertex = ranges(starts[region], starts[region + 1])
    cuts = cells.facets(cells.dimension).cuts[facets.faces[own]]
    on_it = cells.on_cuts[vertex, cuts]
    shape = len(facets.regions), count
    return csr_array((np.ones(np.count_nonzero(on_it)), (own[on_it], vertex[on_it])), shape=shape)
