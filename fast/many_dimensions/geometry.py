"""A partition seen through the noise, for S >= 2: all that does not depend on the data.

On a region p(x, z) is a Gaussian in z around μ_ω(x) times a constant [Theorem 1]. In coordinates in
which it is standard, u = R_ω z - Q_ωᵀ (y - b_ω) with Q_ω R_ω the QR factors of A_ω over the square
root of Σz^-1 (both seen through the noise). Σ_ω itself is never formed: its condition number is the
square of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fast.distributions.observation import Coordinates, refuse_far_ends, refuse_steep
from fast.integration.interval import LOG_2PI
from fast.integration.split import batches
from fast.integration.whitened import Whitened, dots
from fast.many_dimensions.exact_faces import ExactFaces
from fast.many_dimensions.exact_joint import ExactJoint, Quadratic
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices

# Numbers held at once: of all pairs of a chunk of data.
_CHUNK = 1 << 20


class Points(NamedTuple):
    """Data seen through the noise: x (N, D), its coordinates y (N, r), and rest (N,), the squared
    length of what is orthogonal to them."""

    x: Array
    y: Array
    rest: Array

    def length(self, row: int) -> float:
        """How far one of them is from the origin of the coordinates."""
        return float(np.linalg.norm(self.y[row]) + np.sqrt(self.rest[row]))

    def at(self, rows: slice | Indices) -> Points:
        """Some of them."""
        return Points(self.x[rows], self.y[rows], self.rest[rows])


@dataclass(frozen=True, eq=False)
class PolyhedralGeometry:
    """A partition seen through the noise, for latent dimensions 2 to 6."""

    partition: Partition
    coordinates: Coordinates
    slopes: Array  # (R, r, S): y(g(z)) = slopes z + offsets on every region
    offsets: Array  # (R, r)
    roots: Array  # (R, S, S): R_ω
    pulls: Array  # (R, r, S): the upper part of Q_ω
    prior_root: Array  # (S, S): Σz^{-1/2}
    log_volumes: Array  # (R,): log of the integral of the standard Gaussian over z
    log_constant: float  # log p(x, z) where it is largest
    walls: Array  # (F, S): unit normals of all facets, region after region, for R_ω z
    levels: Array  # (F,): the offsets that belong to them
    lattices: list[tuple[Indices, Lattice]]  # as of the partition's polyhedra
    group: Indices  # (R,): which of the lattices a region is in; -1 where in none
    cell: Indices  # (R,): which polyhedron of that lattice it is; -1 where none
    negligible: float  # the share of p(x) that may be left out
    cov_z: Array

    @staticmethod
    def of(
        partition: Partition, coordinates: Coordinates, cov_z: Array, negligible: float
    ) -> PolyhedralGeometry:
        """Precompute what does not depend on the data.

        Raises ArithmeticError where a squared distance of a vertex from 0, or a slope's, overflows.
        """
        noise, latent = coordinates.noise, len(cov_z)
        for _, lattice in partition.polyhedra.lattices:
            refuse_far_ends(lattice.positions[lattice.points], cov_z)
        # Laid out as a pickle lays them out: sums over them round alike there and here.
        turned = coordinates.directions(np.swapaxes(partition.slopes, 1, 2))
        slopes = np.ascontiguousarray(np.swapaxes(turned, 1, 2))
        refuse_steep(slopes)
        offsets = coordinates.directions(partition.offsets - coordinates.origin)
        root_z = np.linalg.cholesky(cov_z)
        prior_root = np.linalg.inv(root_z)
        stacked = np.concatenate(
            [slopes, np.broadcast_to(prior_root, (len(slopes), latent, latent))], axis=1
        )
        basis, roots = _triangular(stacked)
        log_det_z = 2.0 * np.sum(np.log(np.diag(root_z)))
        log_constant = -0.5 * ((latent + noise.dimension) * LOG_2PI + noise.log_det + log_det_z)
        diagonals = np.abs(np.einsum("rss->rs", roots))
        shapes = partition.polyhedra
        owners = np.repeat(np.arange(len(slopes)), np.diff(shapes.starts))
        walls = np.einsum("fsk,fs->fk", np.linalg.inv(roots)[owners], shapes.normals)
        lengths = np.linalg.norm(walls, axis=1)
        lengths[lengths == 0] = np.inf  # what is no facet keeps nothing out
        group, cell = np.full((2, len(slopes)), -1)
        for i, (regions, _) in enumerate(shapes.lattices):
            group[regions], cell[regions] = i, np.arange(len(regions))
        return PolyhedralGeometry(
            partition=partition,
            coordinates=coordinates,
            slopes=slopes,
            offsets=offsets,
            roots=roots,
            pulls=np.ascontiguousarray(basis[:, :-latent]),
            prior_root=prior_root,
            log_volumes=0.5 * latent * LOG_2PI - np.log(diagonals).sum(axis=1),
            log_constant=float(log_constant),
            walls=walls / lengths[:, None],
            levels=shapes.offsets / lengths,
            lattices=shapes.lattices,
            group=group,
            cell=cell,
            negligible=negligible,
            cov_z=cov_z,
        )

    @cached_property
    def exact(self) -> ExactJoint:
        """log p(x, z) in integers, for data far away."""
        return ExactJoint(self.partition, self.coordinates.noise, self.cov_z)

    @cached_property
    def _exact_faces(self) -> dict[int, ExactFaces]:
        return {}

    def exact_faces(self, region: int) -> ExactFaces:
        """The faces of a region in integers, kept once they are known."""
        if region not in self._exact_faces:
            _, lattice = self.lattices[self.group[region]]
            cell = int(self.cell[region])
            self._exact_faces[region] = ExactFaces.of(self.exact, lattice, cell, region)
        return self._exact_faces[region]

    def quadratics(self, points: Points, datum: Indices, region: Indices) -> list[Quadratic]:
        """log p(x, z) in integers, for datum (P,) and region (P,)."""
        result = np.full(len(datum), None)
        for which in np.unique(datum):
            mine = np.flatnonzero(datum == which)
            found = self.exact.quadratics(points.x[which], points.length(which), region[mine])
            result[mine] = np.fromiter(found, dtype=object, count=len(mine))
        return result.tolist()

    def points(self, X: Array) -> Points:
        """Data X (N, D) in the coordinates of the regions.

        Raises ArithmeticError where a square overflows.
        """
        return Points(X, *self.coordinates.points(X))

    def chunks(self, n: int) -> Iterator[slice]:
        """Slices of n data whose pairs fit in memory whatever R is."""
        width = self.slopes.shape[2] * max(len(self.walls), len(self.slopes))
        return chunks(n, _CHUNK, max(width, self.slopes.shape[1]))

    def images(self, regions: Indices, Z: Array) -> Array:
        """y(g(z)) for z in its region, row by row."""
        slopes = self.slopes[regions]
        return np.asarray(np.einsum("...ds,...s->...d", slopes, Z) + self.offsets[regions])

    def residual(self, y: Array, regions: Indices, Z: Array) -> Array:
        """y - y(g(z)) for z in its region, row by row."""
        return np.asarray(y - self.images(regions, Z))

    def log_joint(self, y: Array, rest: Array, regions: Indices, Z: Array) -> Array:
        """log p(x, z) for z in its region [eq. 4], row by row."""
        error, white = self.residual(y, regions, Z), Z @ self.prior_root.T
        return np.asarray(
            self.log_constant - 0.5 * (dots(error, error) + dots(white, white) + rest)
        )

    def batches(self, region: Indices) -> Iterator[tuple[Lattice, Indices]]:
        """Which of the given regions, (P,), to integrate over together, and the lattice they are
        in. Regions that are in no lattice are left out."""
        for group, (_, lattice) in enumerate(self.lattices):
            mine = np.flatnonzero(self.group[region] == group)
            for batch in batches(lattice, self.cell[region[mine]]):
                yield lattice, mine[batch]

    def items(
        self, y: Array, datum: Indices, region: Indices
    ) -> Iterator[tuple[Indices, Whitened]]:
        """The pairs' posteriors as whitened Gaussians, in batches: which of the pairs, and they."""
        for lattice, chosen in self.batches(region):
            r = region[chosen]
            pull = y[datum[chosen]] - self.offsets[r]
            centres = np.einsum("pds,pd->ps", self.pulls[r], pull)
            means = np.linalg.solve(self.roots[r], centres[..., None])[..., 0]
            items = Whitened.of(lattice, self.cell[r], self.roots[r], centres, means)
            yield chosen, items


def _triangular(matrices: Array) -> tuple[Array, Array]:
    """Q (R, m, n) and R (R, n, n) of matrices (R, m, n), m >= n.

    The largest rows first: then an error in a small row is as small as the row (Cox and Higham
    1998), where in any order it may be ε times the largest. Rows of Σx^{-1/2} A_ω differ by 1e8 if
    Σx is nearly singular.
    """
    order = np.argsort(-np.abs(matrices).max(axis=2), axis=1, kind="stable")[:, :, None]
    basis, roots = np.linalg.qr(np.take_along_axis(matrices, order, axis=1))
    unsorted = np.empty_like(basis)
    np.put_along_axis(unsorted, order, basis, axis=1)
    return unsorted, roots
