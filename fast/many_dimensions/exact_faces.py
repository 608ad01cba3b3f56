"""The faces of one region without rounding: points put on them, and how far apart things are.

Where x is far away log p(x, z) is so steep that the last digit of a corner counts. The facets'
equations are known in integers, and a point in doubles is moved onto a face by Newton's method: the
correction is in doubles, what it leaves in integers again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fast.distributions.integers import minus, rounded, times
from fast.many_dimensions.exact_joint import ExactJoint
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Dyadic, Indices, Mask, dyadic

# Corrections of a point at most: each leaves a share of its error, the condition number times ε.
_ROUNDS = 40
# Facets of a face this near to dependent on others of it are left out.
_DEPENDENT = 1e-12


@dataclass(frozen=True, eq=False)
class ExactFaces:
    """One polyhedron of a lattice."""

    functions: Dyadic  # (F, S + 1): of its facets, positive inside; 0 for those at infinity
    rows: Array  # (F, S): unit normals
    lengths: Array  # (F,): of the functions' normals; 1 for those at infinity
    scales: Array  # (F,): the lattice's normals over those of the functions; 0 for the same
    holding: list[Mask]  # for every dimension m: (n, F), which facets hold each of its faces
    inverses: list[Array]  # the same: (n, S, F), from levels over these to a correction
    fine: float = 0.0  # a correction so short is the last

    @staticmethod
    def of(joint: ExactJoint, lattice: Lattice, cell: int, region: int) -> ExactFaces:
        """Of one cell of a lattice, which is a region."""
        if not lattice.dimension:
            nothing = np.zeros((0, lattice.lines.shape[2]))
            functions = Dyadic(np.zeros((0, nothing.shape[1] + 1), dtype=object), 0)
            return ExactFaces(functions, nothing, nothing[:, 0], nothing[:, 0], [], [])
        mine = slice(*lattice.facets.starts[cell : cell + 2])
        normals, offsets = lattice.normals[mine], lattice.offsets[mine]
        sizes = np.linalg.norm(normals, axis=1)
        offsets = np.where(sizes > 0, offsets, 0.0)
        functions = joint.facets(region, normals, offsets)
        rows = rounded(Dyadic(functions.numbers[:, :-1], functions.exponent))
        lengths = np.linalg.norm(rows, axis=1)
        lengths = np.where(lengths > 0, lengths, 1.0)
        corners = _sets(lattice, lattice.dimension - 1, cell)
        holding, inverses = [], []
        for m in range(lattice.dimension):
            held = [[face <= facet for facet in corners] for face in _sets(lattice, m, cell)]
            mask = np.array(held, dtype=bool).reshape(len(held), len(corners)) & (sizes > 0)
            holding.append(mask)
            inverses.append(_inverses(rows / lengths[:, None], mask) / lengths)
        rows = rows / lengths[:, None]
        return ExactFaces(functions, rows, lengths, sizes / lengths, holding, inverses)

    def levels(self, places: Dyadic, points: Mask) -> Dyadic:
        """The facets' functions at places (n, S), without their offsets for directions, (n, F)."""
        ends = points.astype(int).astype(object) * (1 << places.exponent)
        rows = Dyadic(np.column_stack([places.numbers, ends]), places.exponent)
        return times(rows, Dyadic(self.functions.numbers.T, self.functions.exponent))

    def put(self, places: Dyadic, points: Mask, inverses: Array) -> Dyadic:
        """Places (n, S), or directions, moved onto one face each; inverses (n, S, F): theirs."""
        for _ in range(_ROUNDS):
            off = rounded(self.levels(places, points))
            step = np.einsum("nsf,nf->ns", inverses, off)
            places = minus(places, dyadic(step))
            if np.abs(step).max(initial=0.0) <= self.fine:
                break
        return places

    def put_each(self, directions: Dyadic, held: Mask) -> Dyadic:
        """Directions (n, S), each moved along the facets held with it (n, F)."""
        inverses = _inverses(self.rows, held) / self.lengths
        return self.put(directions, np.zeros(len(held), dtype=bool), inverses)

    def put_one(self, place: Dyadic, held: Mask) -> Dyadic:
        """One place (S,) moved onto all facets held (F,)."""
        inverse = _inverses(self.rows, held[None]) / self.lengths
        rows = Dyadic(place.numbers[None], place.exponent)
        moved = self.put(rows, np.ones(1, dtype=bool), inverse)
        return Dyadic(moved.numbers[0], moved.exponent)

    def along(self, held: Mask) -> Dyadic:
        """Directions (n, S) that span where the facets held (F,) meet."""
        latent = self.rows.shape[1]
        inverse = _inverses(self.rows, held[None])[0]
        left, values, _ = np.linalg.svd(inverse)
        rank = int(np.count_nonzero(values > _DEPENDENT * values.max(initial=0.0)))
        flat = np.ascontiguousarray(left[:, rank:].T)
        inverses = np.broadcast_to(inverse / self.lengths, (latent - rank, *inverse.shape))
        return self.put(dyadic(flat), np.zeros(latent - rank, dtype=bool), inverses)

    def heights(self, place: Dyadic) -> Array:
        """How far a place lies inside the facets, in units of the lattice's normals, (F,); 1 for
        facets at infinity."""
        rows = Dyadic(place.numbers[None], place.exponent)
        levels = rounded(self.levels(rows, np.ones(1, dtype=bool)))[0]
        return np.where(self.scales > 0, self.scales * levels, 1.0)


def _inverses(rows: Array, held: Mask) -> Array:
    """From levels over facets (F,) to the shortest step onto those held (n, F), (n, S, F)."""
    inverses = np.linalg.pinv(held[:, :, None] * rows, rcond=_DEPENDENT)
    # Rounding is not 0 where a facet is not held, and levels there are large.
    return np.where(held[:, None, :], inverses, 0.0)


def _sets(lattice: Lattice, m: int, cell: int) -> list[set[int]]:
    """The corners of every face of dimension m of one polyhedron."""
    own = _row(lattice.faces[m].of_cells.starts, lattice.faces[m].of_cells.values, cell)
    corners = lattice.faces[m].corners
    return [set(_row(corners.starts, corners.values, face).tolist()) for face in own.tolist()]


def _row(starts: Indices, values: Indices, row: int) -> Indices:
    return values[starts[row] : starts[row + 1]]
