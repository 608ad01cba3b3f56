"""Numbers of figure 2: the triangles of a region [eq. 9], and one as a sum of cones [Lemma 4]."""

from __future__ import annotations

import numpy as np

from fast import gaussian_on_polyhedron
from paper_figures.options import Numbers, Options, Record
from reference import DGN, LeakyReLU, Network
from reference.integration.normal_cdf import normal_cdf
from reference.model import Array
from reference.partition.partition import Partition
from reference.polyhedra.inclusion_exclusion import inclusion_exclusion
from reference.polyhedra.triangulation import triangulation

_WIDTHS = [2, 6, 6, 2]
_SLOPE = 0.1
_SEED = 50
_GRID = 401
_CHOICE = (
    "the network of figure 1; of its bounded regions with five corners or more the one whose "
    "smallest triangle is the largest part of it, and of its triangles the largest"
)


def parameters(options: Options) -> Record:
    """What determines the numbers: one region, the same whatever the number of starts."""
    return {
        "widths": _WIDTHS,
        "leaky_slope": _SLOPE,
        "seed": _SEED,
        "choice_of_region": _CHOICE,
        "cov_z": 1.0,
        "grid": _GRID,
    }


def compute(options: Options) -> Numbers:
    """The region, its triangles, and the K signed polyhedra of one of them.

    corners (V, 2): of the region, in order. triangles (T, 3, 2); chosen: the one that is drawn. Of
    its polyhedra: signs (K,), and inside (K, G, G): which points of the grid they hold. masses
    (K,), triangle_masses (T,): under N(0, I) by the reference's normal CDF. region_mass: by `fast`.
    """
    partition = DGN(Network.random(_WIDTHS, LeakyReLU(_SLOPE), _SEED), 1.0).partition()
    region = _chosen_region(partition)
    normals, offsets = partition.halfspaces(region)
    simplices = triangulation(partition.polyhedra[region])
    triangles = np.array([simplex.points for simplex in simplices])
    chosen = int(np.argmax([_area(triangle) for triangle in triangles]))
    terms = inclusion_exclusion(simplices[chosen])
    corners = _in_order(partition.vertices(region))
    grid_1, grid_2 = _around(triangles[chosen])
    points = np.stack(np.meshgrid(grid_1, grid_2), axis=-1)
    simplex = simplices[chosen]
    heights = points @ simplex.normals.T + simplex.offsets
    return {
        "corners": corners,
        "triangles": triangles,
        "chosen": np.array(chosen),
        "signs": np.array([sign for sign, _ in terms]),
        "facets": np.array([len(rows) for _, rows in terms]),
        "grid_1": grid_1,
        "grid_2": grid_2,
        "inside": np.array([np.all(heights[..., rows] > 0, axis=-1) for _, rows in terms]),
        "masses": np.array(
            [_mass(simplex.normals[rows], simplex.offsets[rows]) for _, rows in terms]
        ),
        "triangle_masses": np.array(
            [
                sum(
                    s * _mass(t.normals[rows], t.offsets[rows])
                    for s, rows in inclusion_exclusion(t)
                )
                for t in simplices
            ]
        ),
        "region_mass": np.exp(
            gaussian_on_polyhedron(normals, offsets, np.zeros((1, 2)), 1.0).log_mass[0]
        ),
    }


def summary(numbers: Numbers) -> Record:
    """The masses, and how well the sums agree."""
    triangles, total = numbers["triangle_masses"], float(numbers["region_mass"])
    signed = float(numbers["signs"] @ numbers["masses"])
    return {
        "corners": len(numbers["corners"]),
        "triangles": len(triangles),
        "signed_polyhedra": [
            {"sign": int(sign), "half_spaces": int(count), "mass": float(mass)}
            for sign, count, mass in zip(
                numbers["signs"], numbers["facets"], numbers["masses"], strict=True
            )
        ],
        "mass_of_the_triangle": signed,
        "mass_of_the_region_by_fast": total,
        "triangles_minus_region": float(triangles.sum() - total),
    }


def _chosen_region(partition: Partition) -> int:
    """The bounded region of five corners or more whose smallest triangle is the largest part."""
    parts = np.full(partition.n_regions, -1.0)
    for region in range(partition.n_regions):
        if not len(partition.rays(region)) and len(partition.vertices(region)) >= 5:
            simplices = triangulation(partition.polyhedra[region])
            areas = [_area(simplex.points) for simplex in simplices]
            parts[region] = min(areas) / sum(areas)
    return int(np.argmax(parts))


def _mass(normals: Array, offsets: Array) -> float:
    """N(0, I) on {z : normals z + offsets > 0}, at most two half-planes."""
    lengths = np.linalg.norm(normals, axis=1)
    return normal_cdf(offsets / lengths, -normals / lengths[:, None])


def _area(triangle: Array) -> float:
    one, two = triangle[1:] - triangle[0]
    return float(0.5 * abs(one[0] * two[1] - one[1] * two[0]))


def _in_order(corners: Array) -> Array:
    away = corners - corners.mean(axis=0)
    return np.asarray(corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]))])


def _around(triangle: Array) -> tuple[Array, Array]:
    """A square grid about a triangle, wide enough for its cones to be seen."""
    centre = 0.5 * (triangle.min(axis=0) + triangle.max(axis=0))
    half = 0.95 * float(np.max(np.ptp(triangle, axis=0)))
    one, two = (np.linspace(c - half, c + half, _GRID) for c in centre)
    return one, two
