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

from fast.distributions.observation import Coordinates, may_be_squared, refuse_far_ends
from fast.distributions.progress import told
from fast.distributions.reconstruction import Images
from fast.integration.interval import LOG_2PI
from fast.integration.split import batches
from fast.integration.whitened import Whitened, dots
from fast.many_dimensions.exact_faces import ExactFaces
from fast.many_dimensions.exact_joint import ExactJoint, Quadratic
from fast.many_dimensions.region_gaussians import Column
from fast.many_dimensions.skipping.search import RegionSearch
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices

# Numbers held at once: of all pairs of a chunk of data.
_CHUNK = 1 << 20
# Vertices nearer than this are so in any deviations of Gaussians whose slopes have squares.
_NEAR = 1e20


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
    prior_root: Array  # (S, S): Σz^{-1/2}
    log_constant: float  # log p(x, z) where it is largest
    search: RegionSearch
    lattices: list[tuple[Indices, Lattice]]  # as of the partition's polyhedra
    group: Indices  # (R,): which of the lattices a region is in; -1 where in none
    cell: Indices  # (R,): which polyhedron of that lattice it is; -1 where none
    negligible: float  # the share of p(x) that may be left out
    cov_z: Array
    progress: bool  # whether how many data are done is told

    @staticmethod
    def of(
        partition: Partition,
        coordinates: Coordinates,
        cov_z: Array,
        negligible: float,
        progress: bool,
    ) -> PolyhedralGeometry:
        """Precompute what does not depend on the data.

        Raises ArithmeticError where a squared distance of a vertex from 0, or a slope's, overflows.
        """
        noise, latent = coordinates.noise, len(cov_z)
        for _, lattice in partition.polyhedra.lattices:
            refuse_far_ends(lattice.positions[lattice.points], cov_z)
        root_z = np.linalg.cholesky(cov_z)
        prior_root = np.linalg.inv(root_z)
        log_det_z = 2.0 * np.sum(np.log(np.diag(root_z)))
        log_constant = -0.5 * ((latent + noise.dimension) * LOG_2PI + noise.log_det + log_det_z)
        shapes = partition.polyhedra
        group, cell = np.full((2, partition.n_regions), -1)
        for i, (regions, _) in enumerate(shapes.lattices):
            group[regions], cell[regions] = i, np.arange(len(regions))
        geometry = PolyhedralGeometry(
            partition=partition,
            coordinates=coordinates,
            prior_root=prior_root,
            log_constant=float(log_constant),
            search=RegionSearch.of(partition, coordinates, prior_root, np.flatnonzero(group >= 0)),
            lattices=shapes.lattices,
            group=group,
            cell=cell,
            negligible=negligible,
            cov_z=cov_z,
            progress=progress,
        )
        geometry._refuse_far_and_steep()
        return geometry

    def _refuse_far_and_steep(self) -> None:
        """Raise ArithmeticError where a vertex is so far away that the square of the distance, in
        standard deviations of the Gaussian that x leaves of z, is no double."""
        for regions, lattice in self.lattices:
            farthest = float(np.max(np.abs(lattice.positions[lattice.points]), initial=0.0))
            if farthest < _NEAR:
                continue
            if not may_be_squared(float(np.max(np.abs(self.roots[regions]))) * farthest):
                raise ArithmeticError(
                    "a region ends too far away for its squared distance, in standard deviations "
                    "of p(z | x), to be a double"
                )

    @property
    def n_regions(self) -> int:
        """R."""
        return self.partition.n_regions

    @property
    def rank(self) -> int:
        """r, how many coordinates y has."""
        return self.coordinates.rank

    @property
    def latent(self) -> int:
        """S."""
        return len(self.prior_root)

    @property
    def slopes(self) -> Column:
        """Of every region, (r, S): y(g(z)) = slopes z + offsets there."""
        return Column(self.search.regions, "slopes")

    @property
    def offsets(self) -> Column:
        """Of every region, (r,)."""
        return Column(self.search.regions, "offsets")

    @property
    def roots(self) -> Column:
        """R_ω of every region, (S, S)."""
        return Column(self.search.regions, "roots")

    @property
    def pulls(self) -> Column:
        """The upper part of Q_ω of every region, (r, S)."""
        return Column(self.search.regions, "pulls")

    @property
    def log_volumes(self) -> Column:
        """Of every region, log of the integral of its standard Gaussian over z."""
        return Column(self.search.regions, "log_volumes")

    @cached_property
    def images_in_two(self) -> Images:
        """The network up to where it is affine, and on."""
        return Images(self.partition.network, self.coordinates)

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
        width = self.search.width if self.negligible else self.n_regions
        parts = chunks(n, _CHUNK, max(self.latent * width, self.rank))
        return iter(told(parts, n, self.progress))

    def images(self, regions: Indices, Z: Array) -> Array:
        """y(g(z)) for z in its region, row by row."""
        slopes = self.slopes[regions]
        return np.asarray((slopes @ Z[..., None])[..., 0] + self.offsets[regions])

    def residual(self, y: Array, regions: Indices, Z: Array) -> Array:
        """y - y(g(z)) for z in its region, row by row."""
        return np.asarray(y - self.images(regions, Z))

    def log_joint(self, y: Array, rest: Array, regions: Indices, Z: Array) -> Array:
        """log p(x, z) for z in its region [eq. 4], row by row."""
        return np.asarray(self.log_constant + (self.log_inner(y, regions, Z) - 0.5 * rest))

    def log_inner(self, y: Array, regions: Indices, Z: Array) -> Array:
        """The same without what does not depend on z."""
        error, white = self.residual(y, regions, Z), Z @ self.prior_root.T
        return np.asarray(-0.5 * (dots(error, error) + dots(white, white)))

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
            away = y[datum[chosen]] - self.offsets[region[chosen]]
            yield chosen, self.whitened(lattice, region[chosen], away)

    def whitened(self, lattice: Lattice, region: Indices, away: Array) -> Whitened:
        """The posteriors of pairs on polyhedra of one lattice: region (P,), and y less the
        region's offset, (P, r)."""
        roots, pulls = self.roots[region], self.pulls[region]
        return Whitened.of_posteriors(lattice, self.cell[region], roots, pulls, away)
