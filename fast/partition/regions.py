"""From the cells of a subdivision to the regions of a network: their maps and their facets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from fast.partition.cell_complex import InconsistentSigns
from fast.partition.cut_space import Cells
from fast.partition.cut_vertices import ROUNDING, OutOfRange
from fast.partition.refined_vertices import refined
from fast.partition.region_polyhedra import Corners, Polyhedra, Source, everything
from fast.polyhedra.chunks import chunks
from reference.model import Array, Codes, Indices, Layer, Mask, MaxPool, Network

# Numbers held at once while the maps of a batch of regions are pushed through the layers.
_BATCH = 1 << 20

# Points at which the partition is checked if the network has max-pooling, or distant vertices.
_SAMPLE = 20_000
# Vertices farther away than this are distant: rounding leaves their places to 1e-10 at best.
_DISTANT = 1e6


class Regions(NamedTuple):
    """Regions sorted by code: codes (R, U), slopes (R, D, S), offsets (R, D), and their shapes."""

    codes: Codes
    slopes: Array
    offsets: Array
    polyhedra: Polyhedra


class Facets(NamedTuple):
    """For each facet, sorted by region: its region, the layer whose code changes beyond it, which
    of that layer's half-spaces it is, and which face of the subdivision (of several, one)."""

    regions: Indices
    layers: Indices
    rows: Indices
    faces: Indices


def regions_of_cells(network: Network, cells: Cells) -> Regions:
    """Join cells of one code to a region, find its facets, and its maps [Corollary 1, eq. 2].

    Raises InconsistentSigns if the result is not a partition into regions of the network: two cells
    of one code without max-pooling, or a region whose centre is not where its code says.
    """
    codes, region_of = distinct_codes(cells.codes)
    pooled = any(isinstance(layer, MaxPool) for layer in network.layers)
    if len(codes) < len(cells.codes) and not pooled:
        raise InconsistentSigns
    facets = _facets(network, cells, codes, region_of)
    centres = _centres(cells, region_of, len(codes))
    maps = _maps(network, codes, facets, centres)
    if pooled:
        _check_points_between(network, codes, centres)
    if np.max(np.abs(cells.vertices.positions)) > _DISTANT:
        _check_points_near(network, codes)
    starts = np.searchsorted(facets.regions, np.arange(len(codes) + 1))
    corners = None if pooled else _corners(cells, region_of, facets.faces, maps)
    polyhedra = Polyhedra(starts, maps.normals, maps.heights, corners, cells.complex.dimension)
    return Regions(codes, maps.slopes, maps.offsets, polyhedra)


def _check_points_between(network: Network, codes: Codes, centres: Array) -> None:
    """Raise InconsistentSigns if a point in line with two regions' centres has a code of no region.

    The best of several candidates that nearly coincide is known less well than the bounds on their
    errors can tell: with max-pooling a region could go missing where no centre shows it.
    """
    rng = np.random.default_rng(0)
    count = min(_SAMPLE, 100 * len(codes))
    ends = rng.integers(0, len(codes), (2, count))
    share = rng.uniform(-1.0, 2.0, (count, 1))
    points = centres[ends[0]] + share * (centres[ends[1]] - centres[ends[0]])
    seen, tied = codes_at(network, points)
    if not np.all(np.isin(sortable(seen[~tied]), sortable(codes))):
        raise InconsistentSigns


def _check_points_near(network: Network, codes: Codes) -> None:
    """Raise InconsistentSigns if a point near 0 has a code of no region.

    What is told apart at vertices far away is told apart by what rounding leaves there: regions
    that are wide near 0 could go missing.
    """
    rng = np.random.default_rng(0)
    points = rng.standard_normal((_SAMPLE, network.latent_dimension))
    points *= 10.0 ** rng.uniform(-1.0, 2.0, (_SAMPLE, 1))
    seen, tied = codes_at(network, points)
    if not np.all(np.isin(sortable(seen[~tied]), sortable(codes))):
        raise InconsistentSigns


def single_region(network: Network) -> Regions:
    """The one region of a network whose choices do not depend on z."""
    origin = np.zeros((1, network.latent_dimension))
    codes, _ = codes_at(network, origin)
    nothing = Facets(*np.empty((4, 0), dtype=np.intp))
    maps = _maps(network, codes, nothing, origin)
    return Regions(codes, maps.slopes, maps.offsets, everything(network.latent_dimension))


def codes_at(network: Network, points: Array) -> tuple[Codes, Mask]:
    """The code of the network at each point (M, S) -> (M, U), 0 for a unit that is zero there; and
    whether any cut is zero there, (M,)."""
    values, bounds, parts = points, np.abs(points), []
    tied = np.zeros(len(points), dtype=bool)
    for layer, size in zip(network.layers, network.sizes, strict=False):
        part = np.empty((len(points), 0), dtype=np.int8)
        none = np.empty((*values.shape, 0))
        if layer.n_codes(size):
            _, cuts = layer.cuts(none, values)
            _, sizes = layer.cut_bounds(none, bounds)
            signs = np.where(np.abs(cuts) > ROUNDING * sizes, np.sign(cuts), 0.0)
            tied |= np.any(signs == 0, axis=1)
            part = layer.code(signs.astype(np.int8))
        parts.append(part)
        values = layer.apply(values)
        _, bounds = layer.bound(part, none, bounds)
    return np.concatenate(parts, axis=1), tied


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

    counts = [layer.n_codes(n) for layer, n in zip(network.layers, network.sizes, strict=False)]
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


def _centres(cells: Cells, region_of: Indices, count: int) -> Array:
    """A point inside every region, (R, S): of one of its cells."""
    owners = cells.complex.vertices_of(cells.complex.dimension)
    owners.data = np.ones_like(owners.data)
    points, positions = cells.vertices.points, cells.vertices.positions
    own_points = owners @ points.astype(np.float64)
    sums = owners @ (positions * points[:, None]) / own_points[:, None]
    # As far out along the rays as the vertices lie apart.
    reach = 1.0 + owners @ (np.abs(positions) * points[:, None]) / own_points[:, None]
    rays = owners @ (positions * ~points[:, None])
    of_cells = sums + rays * np.max(reach, axis=1)[:, None]
    centres = np.empty((count, positions.shape[1]))
    centres[region_of] = of_cells
    return centres


class _RegionMaps(NamedTuple):
    """slopes (R, D, S), offsets (R, D); of the facets, normals (F, S) and heights (F,) at 0."""

    slopes: Array
    offsets: Array
    normals: Array
    heights: Array


def _maps(network: Network, codes: Codes, facets: Facets, centres: Array) -> _RegionMaps:
    """Push every region's map through the layers, in batches, taking the facets on the way."""
    latent, observed = network.latent_dimension, network.observed_dimension
    result = _RegionMaps(
        np.empty((len(codes), observed, latent)),
        np.empty((len(codes), observed)),
        np.empty((len(facets.regions), latent)),
        np.empty(len(facets.regions)),
    )
    for some in chunks(len(codes), _BATCH, max(network.sizes) * (latent + 1)):
        mine = slice(*np.searchsorted(facets.regions, [some.start, some.stop]))
        part = Facets(
            facets.regions[mine] - some.start,
            facets.layers[mine],
            facets.rows[mine],
            facets.faces[mine],
        )
        done = _maps_of_batch(network, codes[some], part, centres[some])
        result.slopes[some], result.offsets[some] = done.slopes, done.offsets
        result.normals[mine], result.heights[mine] = done.normals, done.heights
    return result


def _maps_of_batch(network: Network, codes: Codes, facets: Facets, centres: Array) -> _RegionMaps:
    latent = network.latent_dimension
    slopes = np.broadcast_to(np.eye(latent), (len(codes), latent, latent))
    offsets, values, bounds = np.zeros((len(codes), latent)), centres, np.abs(centres)
    normals, heights = np.empty((len(facets.regions), latent)), np.empty(len(facets.regions))
    for i, (layer, part) in enumerate(zip(network.layers, network.split_code(codes), strict=True)):
        none = np.empty((*values.shape, 0))
        if part.shape[1]:
            mine = facets.layers == i
            rows = facets.regions[mine], facets.rows[mine]
            normals[mine], heights[mine] = _halfspaces(layer, part, rows, slopes, offsets)
            _check_codes(layer, part, values, 4.0 * ROUNDING * bounds)
        slopes, offsets = layer.propagate(part, slopes, offsets)
        _, values = layer.propagate(part, none, values)
        _, bounds = layer.bound(part, none, bounds)
    if not (np.all(np.isfinite(slopes)) and np.all(np.isfinite(offsets))):
        raise OutOfRange
    return _RegionMaps(slopes, offsets, normals, heights)


def _check_codes(layer: Layer, codes: Codes, values: Array, errors: Array) -> None:
    """Raise InconsistentSigns if values of a layer's inputs in the regions, known within errors
    (R, n_in), contradict the layer's codes there."""
    if isinstance(layer, MaxPool):
        best = np.take_along_axis(values, layer.winners(codes), axis=1)[..., None]
        doubt = np.take_along_axis(errors, layer.winners(codes), axis=1)[..., None]
        lead, doubt = best - values[:, layer.windows], doubt + errors[:, layer.windows]
        # Of equal candidates the first wins; a window ends with its first candidate repeated.
        earlier = np.arange(layer.windows.shape[1]) < codes[..., None]
        wrong = (lead < -doubt) | (earlier & (lead <= 0))
    else:
        wrong = np.where(codes == 0, np.abs(values), -codes * values) > errors
    if np.any(wrong):
        raise InconsistentSigns


def _halfspaces(
    layer: Layer, codes: Codes, rows: tuple[Indices, Indices], slopes: Array, offsets: Array
) -> tuple[Array, Array]:
    """Some of a layer's half-spaces: (regions, rows) -> normals (n, S), offsets (n,)."""
    regions, entries = rows
    if isinstance(layer, MaxPool):
        windows, rivals = np.divmod(entries, layer.windows.shape[1])
        best = regions, layer.windows[windows, codes[regions, windows]]
        rival = regions, layer.windows[windows, rivals]
        return slopes[best] - slopes[rival], offsets[best] - offsets[rival]
    signs = codes[regions, entries]
    return signs[:, None] * slopes[regions, entries], signs * offsets[regions, entries]


def _corners(cells: Cells, region_of: Indices, facets: Indices, maps: _RegionMaps) -> Corners:
    """The vertices and rays of the regions, which are the cells in another order."""
    order = np.argsort(region_of)
    owners = cells.complex.vertices_of(cells.complex.dimension).tocsr()[order]
    points = cells.vertices.points
    lengths = np.where(points, 1.0, np.linalg.norm(cells.vertices.positions, axis=1))
    on_facets = _vertices_of_facets(cells)[facets]
    positions = cells.vertices.positions / lengths[:, None]
    positions, small = refined(positions, points, on_facets, maps.normals, maps.heights)
    return Corners(
        positions=positions,
        small=small,
        points=points,
        starts=owners.indptr.astype(np.intp),
        members=owners.indices.astype(np.intp),
        source=Source(cells.complex, order, facets),
    )


def _vertices_of_facets(cells: Cells) -> csr_array:
    """Which vertices the faces one dimension below the cells have."""
    k = cells.complex.dimension
    if k > 1:
        return cells.complex.vertices_of(k - 1).tocsr()
    count = cells.complex.counts[0]
    return csr_array((np.ones(count), (np.arange(count), np.arange(count))), shape=(count, count))
