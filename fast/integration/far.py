"""A Gaussian on a polyhedron that is so far from its mean that distances from there have no digits.

All is measured from the point of the polyhedron nearest the mean, found in rational numbers. With t
the place from there, the density falls as exp(-½ tᵀ Σ^-1 t - Σ_f ν_f n_f · t): the facets that hold
the point back have multipliers ν, as large as it is far. Of a corner on such a facet n_f · t is 0,
exactly, since which facets it lies on is known; of others it is positive. So nothing cancels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy.linalg import solve_triangular

from fast.integration.apex import Apex
from fast.integration.nearest_points import Level, nearest_points
from fast.integration.simplex_draws import draw_from
from fast.integration.split import FacePoints, Simplices, face_points, split
from fast.integration.truncated import Truncated, integrated
from fast.integration.whitened import Origin, Whitened
from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.exact_nearest import NearestPoint
from fast.polyhedra.face_lattice import Lattice
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces
from fast.polyhedra.rational_rows import Rows, double
from reference.model import Array, Indices, Mask

# Standard deviations from which on distances are measured from the nearest point: nearer than that
# rounding moves the exponent by less than 3e-11.
_FAR = 1e5
# A half-space that ends so many standard deviations from the nearest point holds wherever there is
# mass: beyond, there is less than exp(-800) of it.
_HOLDS = 40


@dataclass(frozen=True, eq=False)
class FarGaussian:
    """One Gaussian on a polyhedron, split at the nearest point."""

    place: Array  # (S,): the nearest point
    rest: Array  # (S,): what rounding left off it
    square: float  # its squared distance from the mean, in standard deviations
    items: Whitened  # one, of t
    apex: Apex
    parts: Simplices

    @staticmethod
    def of(
        normals: Array, offsets: Array, mean: Array, root: Array, cov: Rows
    ) -> FarGaussian | None:
        """N(mean (S,), cov), cov = root rootᵀ, on a polyhedron with an interior.

        None where that is too thin for double precision. Raises ArithmeticError where the nearest
        point is beyond the largest double.
        """
        nearest = NearestPoint(normals, offsets, mean, cov)
        place = np.array([double(z) for z in nearest.place])
        if not np.all(np.isfinite(place)):
            raise ArithmeticError("offsets: a half-space is farther away than the largest double")
        over = [nearest.height(i) for i in range(len(normals))]
        near = [i for i, h in enumerate(over) if h * h <= _HOLDS**2 * nearest.cross(i, i)]
        held = nearest.multipliers(near)
        # The first of what is the same but for rounding is kept.
        near.sort(key=lambda i: i not in held)
        slacks = np.array([double(over[i]) for i in near])
        lattice = lattice_of_halfspaces(normals[near], slacks)
        if lattice is None:
            return None
        facets, pulls = _held_by(lattice, held, near, normals[near], slacks)
        if not len(facets):
            return None
        items, sizes = _turned(lattice, facets, root)
        apex = _at_zero(lattice, len(mean))
        parts = split(items, apex)
        rises = _rises(items, apex, parts, facets)
        parts = _measured(parts, rises, lattice, pulls, sizes)
        if not len(parts.item):
            return None
        rest = [double(z - Fraction(p)) for z, p in zip(nearest.place, place.tolist(), strict=True)]
        return FarGaussian(place, np.array(rest), double(nearest.square), items, apex, parts)

    def truncated(self) -> tuple[Truncated, Array]:
        """The truncated Gaussian, and what a coarse rule leaves its log mass off by."""
        found, error = integrated(self.items, self.apex, self.parts)
        mean, square = self.place + (self.rest + found.mean), np.array([self.square])
        return found._replace(peak=self.place[None], square=square, mean=mean), error

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        """So many independent draws, (1, size, S)."""
        which = np.zeros(size, dtype=np.intp)
        with np.errstate(all="ignore"):
            draws = draw_from(self.items, self.apex, self.parts, which, rng)
        return np.asarray(self.place + (self.rest + draws))[None]


def far_means(normals: Array, offsets: Array, centres: Array, root: Array) -> Mask:
    """Which of the means (M, S) are farther outside a half-space than _FAR standard deviations."""
    sizes = np.max(np.abs(normals), axis=1, initial=0.0)
    rows = normals[sizes > 0] / sizes[sizes > 0, None]
    with np.errstate(all="ignore"):
        levels = offsets[sizes > 0] / sizes[sizes > 0]
        heights = (centres @ rows.T + levels) / np.linalg.norm(rows @ root, axis=1)
    return np.asarray(np.any(heights < -_FAR, axis=1))


def _held_by(
    lattice: Lattice, held: dict[int, Fraction], near: list[int], normals: Array, slacks: Array
) -> tuple[Indices, Array]:
    """The facets that hold the nearest point back and their multipliers, the largest first; none
    where one of these was taken for redundant.

    normals, slacks: of the half-spaces `near`, of which facets are scaled by powers of two.
    """
    exponents = np.frexp(np.max(np.abs(normals), axis=1))[1]
    rows = np.ldexp(np.column_stack([normals, slacks]), -exponents[:, None])
    facets = np.column_stack([lattice.normals, lattice.offsets])
    pulls = {}
    for i, weight in held.items():
        place = near.index(i)
        same = np.flatnonzero(np.all(facets == rows[place], axis=1))
        if not len(same):
            return np.empty(0, dtype=np.intp), np.empty(0)
        pulls[int(same[0])] = double(weight * Fraction(2) ** int(exponents[place]))
    order = sorted(pulls, key=lambda f: -pulls[f])
    return np.array(order, dtype=np.intp), np.array([pulls[f] for f in order])


def _at_zero(lattice: Lattice, latent: int) -> Apex:
    """The apex at the nearest point, from which all is measured."""
    nowhere, within = np.zeros((1, latent)), np.zeros((1, lattice.dimension))
    return Apex(
        origin=Origin(nowhere, nowhere, within),
        place=nowhere,
        whitened=within,
        heights=lattice.offsets,
        level=np.zeros(1, dtype=np.intp),
        face=np.full(1, -1),
    )


def _turned(lattice: Lattice, facets: Indices, root: Array) -> tuple[Whitened, Array]:
    """The Gaussian of t in coordinates u of which the first are across these facets, one after
    another, and the others along all of them; and R (A, A), by which heights over the facets are
    Rᵀ times the first."""
    nowhere, maps = np.zeros((1, len(root))), np.linalg.inv(root).astype(np.float64)
    items = Whitened.of(lattice, np.zeros(1, dtype=np.intp), maps[None], nowhere, nowhere)
    normals = lattice.normals[facets]
    turn, sizes = np.linalg.qr((normals @ items.inverses[0]).T, mode="complete")
    items = replace(
        items,
        maps=turn.T @ items.maps,
        centres=np.zeros((1, lattice.dimension)),
        inverses=items.inverses @ turn,
    )
    return items, sizes[: len(facets)]


def _rises(items: Whitened, apex: Apex, parts: Simplices, facets: Indices) -> Array:
    """How high over each of these facets the corners of the simplices are, (K, k, A)."""
    lattice = items.lattice
    links = lattice.chains[1][parts.chain]
    normals = lattice.normals[facets] @ items.inverses[0]
    rises: Array = np.maximum(parts.corners @ normals.T, 0.0)
    levels = nearest_points(items, apex.origin)
    for m, level in enumerate(levels):
        place = lattice.dimension - 1 - m
        at = links[:, place]
        # Others are so far that they count as directions.
        same = level.finite[at] == parts.finite[:, place]
        found = _heights_of(lattice, face_points(items, apex, level, m), level, facets)
        rises[same, place] = found[at[same]]
    return rises


def _heights_of(lattice: Lattice, points: FacePoints, level: Level, facets: Indices) -> Array:
    """How high over facets the points of all faces of one dimension are, (n, A), and directions of
    length one, whitened."""
    high, low = points.high, points.low
    offsets = np.where(level.finite[:, None], lattice.offsets[facets], 0.0)
    normals = np.broadcast_to(lattice.normals[facets], (len(high), len(facets), high.shape[1]))
    rises = heights(normals, offsets, high[:, None], low[:, None])
    return np.maximum(rises / points.lengths[:, None], 0.0)


def _measured(
    parts: Simplices, rises: Array, lattice: Lattice, pulls: Array, sizes: Array
) -> Simplices:
    """The simplices with the heights of their corners over the facets that hold the nearest point
    back, and the slopes that these make: 0 on a facet.

    rises (K, k, A); pulls (A,), sizes (A, A): of the facets.
    """
    links = lattice.chains[1][parts.chain]
    corners = parts.corners.copy()
    # By substitution, which leaves zeros alone.
    across = solve_triangular(sizes.T, rises.reshape(-1, len(pulls)).T, lower=True)
    corners[:, :, : len(pulls)] = across.T.reshape(rises.shape)
    kept = lattice.offsets[links[:, 0]] > 0
    return Simplices(
        item=parts.item[kept],
        corners=corners[kept],
        steps=parts.steps[kept],
        finite=parts.finite[kept],
        volume=parts.volume[kept],
        log_unit=parts.log_unit,
        slopes=(rises @ pulls)[kept],
        gram=parts.gram[kept],
        chain=parts.chain[kept],
    )
