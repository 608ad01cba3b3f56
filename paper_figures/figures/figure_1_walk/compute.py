"""Numbers of figure 1: the walk over facets that finds a latent partition [Sec. 3.2]."""

from __future__ import annotations

import numpy as np

from fast import DGN
from paper_figures.options import Numbers, Options, Record
from paper_figures.polygons import cut_off
from reference import LeakyReLU, Network
from reference.model import Array
from reference.partition.region import code_halfspaces
from reference.partition.walk import Visit, walk

_WIDTHS = [2, 6, 6, 2]
_SLOPE = 0.1
_SEED = 50
_WINDOW = 3.0
_GRID = 301
_MAX_REGIONS = 1000
_CHOICE = (
    "of the seeds 0-99 whose start region lies in |z_i| < 2 and holds a disc of radius 0.35, the "
    "one with the fewest regions outside the window"
)


def parameters(options: Options) -> Record:
    """What determines the numbers: one network, the same whatever the number of starts."""
    return {
        "widths": _WIDTHS,
        "leaky_slope": _SLOPE,
        "seed": _SEED,
        "choice_of_seed": _CHOICE,
        "window": _WINDOW,
        "grid": _GRID,
        "window_clips": "the drawing only; the walk knows of no window",
    }


def compute(options: Options) -> Numbers:
    """The walk, region by region in order of discovery, and what is drawn of it.

    rings, parents (R,): of each region the step at which it was found, and from which. entries
    (R, 2): where the walk crossed into it. unbounded (R,). corners (C, 2), ends (R,): the regions
    as polygons, cut off at the window, and where in the corners each ends. facets (F, 2): pairs of
    regions. start_lines (H, 3): normals and offsets of the half-spaces of the first region;
    start_bounding (H,): which of them bound it. output (G, G): g_1 on the grid (G,) of the window.
    """
    network = Network.random(_WIDTHS, LeakyReLU(_SLOPE), _SEED)
    visits = walk(network, _MAX_REGIONS)
    polygons = [clipped(visit, _WINDOW) for visit in visits]
    grid = np.linspace(-_WINDOW, _WINDOW, _GRID)
    latents = np.stack(np.meshgrid(grid, grid), axis=-1)
    normals, offsets = code_halfspaces(network, visits[0].code)
    first = visits[0].facets
    return {
        "grid": grid,
        "output": network(latents.reshape(-1, 2))[:, 0].reshape(_GRID, _GRID),
        "window": np.array(_WINDOW),
        "found_by_fast": np.array(DGN(network, 1.0).partition().n_regions),
        "rings": np.array([visit.ring for visit in visits]),
        "parents": np.array([visit.parent for visit in visits]),
        "entries": np.array([_entry(visits, region) for region in range(len(visits))]),
        "unbounded": np.array([is_unbounded(visit) for visit in visits]),
        "corners": np.concatenate(polygons),
        "ends": np.cumsum([len(polygon) for polygon in polygons]),
        "facets": np.array(
            [(r, n) for r, visit in enumerate(visits) for n in visit.neighbours if r < n]
        ),
        "start_lines": np.column_stack([normals, offsets]),
        "start_bounding": np.array(
            [any(np.array_equal(normal, facet.normal) for facet in first) for normal in normals]
        ),
    }


def summary(numbers: Numbers) -> Record:
    """How many regions there are, by ring, and what the window hides of them."""
    sizes = np.diff(np.concatenate([[0], numbers["ends"]]))
    return {
        "n_regions": len(sizes),
        "n_regions_by_fast": int(numbers["found_by_fast"]),
        "regions_by_ring": np.bincount(numbers["rings"]).tolist(),
        "facets": len(numbers["facets"]),
        "unbounded_regions": int(np.sum(numbers["unbounded"])),
        "regions_outside_the_window": int(np.sum(sizes == 0)),
        "half_spaces_of_the_start": len(numbers["start_lines"]),
        "facets_of_the_start": int(np.sum(numbers["start_bounding"])),
    }


def clipped(visit: Visit, window: float) -> Array:
    """The part of a region in the square |z_i| <= window: corners (C, 2), none if it is outside."""
    normals = np.reshape([facet.normal for facet in visit.facets], (-1, 2))
    return cut_off(normals, np.array([facet.offset for facet in visit.facets]), window)


def is_unbounded(visit: Visit) -> bool:
    """Whether a region contains a half-line."""
    return len(visit.polyhedron.rays()) + len(visit.polyhedron.lines()) > 0


def _entry(visits: list[Visit], region: int) -> Array:
    """Where the walk crossed into a region; for the start, z = 0."""
    parent = visits[region].parent
    if parent < 0:
        return np.zeros(2)
    return visits[parent].facets[visits[parent].neighbours.index(region)].point
