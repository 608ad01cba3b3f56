"""p(x, z in ω) and the truncated Gaussian of every (datum, region) pair that matters, for S >= 2
[Theorem 1, Proposition 2].

On a region p(x, z) is a Gaussian in z around μ_ω(x) times a constant. In coordinates in which it is
standard, u = R_ω z - Q_ωᵀ (y - b_ω) with Q_ω R_ω the QR factors of A_ω over the square root of
Σz^-1 (both seen through the noise): Σ_ω itself, whose condition number is the square of theirs, is
never formed. A pair is left out where a bound on its mass says that it cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from fast.distributions.observation import Coordinates, Noise
from fast.integration.interval import LOG_2PI
from fast.integration.split import batches
from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened, dots
from fast.many_dimensions.pairs import Pairs, Terms
from fast.partition.partition import Partition
from fast.polyhedra.chunks import chunks
from fast.polyhedra.face_lattice import Lattice
from reference.model import Array, Indices, Mask, Network

# Numbers held at once: of all pairs of a chunk of data, and of the simplices of a batch of pairs.
_CHUNK = 1 << 20
# A region of which q holds less than exp(-80) is left out of an expectation under q.
_LEAST_LOG_MASS = -80.0


@dataclass(frozen=True, eq=False)
class Mixture:
    """A partition seen through the noise, for latent dimensions 2 to 6.

    slopes (R, r, S), offsets (R, r): y(g(z)) on every region. roots (R, S, S) = R_ω, pulls
    (R, r, S): the upper part of Q_ω. prior_root (S, S): Σz^{-1/2}. log_volumes (R,): log of the
    integral of the standard Gaussian over z. walls (F, S), levels (F,): unit normals and heights of
    all facets, region after region, in the coordinates R_ω z. lattices: as of the partition;
    group, cell (R,): which of them, and which polyhedron of it; -1 where none.
    """

    partition: Partition
    coordinates: Coordinates
    slopes: Array
    offsets: Array
    roots: Array
    pulls: Array
    prior_root: Array
    log_volumes: Array
    log_constant: float
    walls: Array
    levels: Array
    lattices: list[tuple[Indices, Lattice]]
    group: Indices
    cell: Indices
    negligible: float

    @staticmethod
    def of(
        network: Network, partition: Partition, noise: Noise, cov_z: Array, negligible: float
    ) -> Mixture:
        """Precompute what does not depend on the data."""
        latent = network.latent_dimension
        coordinates = Coordinates.of(network, noise)
        slopes = np.swapaxes(coordinates.directions(np.swapaxes(partition.slopes, 1, 2)), 1, 2)
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
        group, cell = np.full((2, len(slopes)), -1)
        for i, (regions, _) in enumerate(shapes.lattices):
            group[regions], cell[regions] = i, np.arange(len(regions))
        return Mixture(
            partition,
            coordinates,
            slopes,
            offsets,
            roots,
            basis[:, :-latent],
            prior_root,
            0.5 * latent * LOG_2PI - np.log(diagonals).sum(axis=1),
            float(log_constant),
            walls / lengths[:, None],
            shapes.offsets / lengths,
            shapes.lattices,
            group,
            cell,
            negligible,
        )

    def chunks(self, n: int) -> Iterator[slice]:
        """Slices of n data whose pairs fit in memory whatever R is."""
        width = self.slopes.shape[2] * max(len(self.walls), len(self.slopes))
        return chunks(n, _CHUNK, max(width, self.slopes.shape[1]))

    def residual(self, y: Array, regions: Indices, Z: Array) -> Array:
        """y - y(g(z)) for z in its region, row by row."""
        images = np.einsum("...ds,...s->...d", self.slopes[regions], Z) + self.offsets[regions]
        return np.asarray(y - images)

    def log_joint(self, y: Array, rest: Array, regions: Indices, Z: Array) -> Array:
        """log p(x, z) for z in its region [eq. 4], row by row."""
        error, white = self.residual(y, regions, Z), Z @ self.prior_root.T
        return np.asarray(
            self.log_constant - 0.5 * (dots(error, error) + dots(white, white) + rest)
        )

    def bounds(self, y: Array, rest: Array) -> tuple[Array, Array]:
        """At least log p(x, z in ω), and at least log p(x, z) anywhere on ω, (N, R) each.

        log φ(x; b, Σx + A Σz Aᵀ) + log Φ(-h), h the distance of μ_ω(x) outside the facet that it is
        farthest outside of, a little less than computed for rounding.
        """
        count, n_regions = len(y), len(self.slopes)
        flat = np.swapaxes(self.pulls, 0, 1).reshape(self.pulls.shape[1], -1)
        shift = np.einsum("rds,rd->rs", self.pulls, self.offsets)
        centres = (y @ flat).reshape(count, n_regions, -1) - shift
        square = dots(centres, centres)
        terms = dots(y, y)[:, None] + dots(self.offsets, self.offsets)
        residual = terms - 2 * (y @ self.offsets.T) - square - 1e-12 * (terms + square)
        density = self.log_constant - 0.5 * (np.maximum(residual, 0.0) + rest[:, None])
        outside = np.zeros((count, n_regions))
        if len(self.walls):
            shapes = self.partition.polyhedra
            owners = np.repeat(np.arange(n_regions), np.diff(shapes.starts))
            heights = np.einsum("nfs,fs->nf", centres[:, owners], self.walls) + self.levels
            least = np.minimum.reduceat(heights, shapes.starts[:-1], axis=1)
            sizes = np.sqrt(square) + np.maximum.reduceat(np.abs(self.levels), shapes.starts[:-1])
            outside = np.maximum(-least - 1e-12 * sizes, 0.0)
        # Inside, all of the mass may be there.
        share = np.where(outside > 0, log_ndtr(-outside), 0.0)
        return density + self.log_volumes + share, density - 0.5 * outside**2

    def terms(self, y: Array, rest: Array) -> Terms:
        """All pairs of a chunk that matter, y (N, r), rest (N,) [eq. 5, 6, 7].

        Raises ArithmeticError where double precision cannot hold them.
        """
        # What overflows shows in the result, and is refused there.
        with np.errstate(all="ignore"):
            terms = self._terms(y, rest)
        pairs = terms.pairs
        sums = pairs.log_joint + pairs.mean.sum(axis=1) + pairs.cov.sum(axis=(1, 2))
        finite = np.isfinite(sums) & ~np.isnan(terms.log_e0)
        if not (np.all(np.isfinite(terms.log_evidence)) and np.all(finite)):
            raise ArithmeticError(
                "X: a datum is too far from all images of the network, in standard deviations of "
                "the noise, for double precision"
            )
        return terms

    def _terms(self, y: Array, rest: Array) -> Terms:
        bound, _ = self.bounds(y, rest)
        count = len(y)
        every, best = np.arange(count), bound.argmax(axis=1)
        first = self.evaluate(y, rest, every, best)
        kept, skipped = self._selected(bound, best, first.log_joint + first.log_volume)
        pairs = Pairs.joined([first, self.evaluate(y, rest, *np.nonzero(kept))])
        relative, top = self._relative_joint(y, pairs, count)
        log_terms = relative + pairs.log_volume
        starts = np.searchsorted(pairs.datum, every)
        highest = np.maximum.reduceat(log_terms, starts)
        log_shares = log_terms - highest[pairs.datum]
        shares = np.exp(log_shares)
        log_total = np.log(np.bincount(pairs.datum, shares, count))
        log_e0 = log_shares - log_total[pairs.datum]
        error = np.bincount(pairs.datum, np.exp(log_e0) * pairs.error, count).astype(np.float64)
        return Terms(pairs.log_joint[top] + highest + log_total, pairs, log_e0, skipped, error)

    def _selected(self, bound: Array, best: Indices, known: Array) -> tuple[Mask, Array]:
        """Which pairs to integrate beside the best of each datum, and what share of p(x), of which
        `known` is a part, the others have at most."""
        rows = np.arange(len(bound))[:, None]
        bound = bound.copy()
        bound[rows[:, 0], best] = -np.inf
        order = np.argsort(bound, axis=1)
        shares = np.exp(np.minimum(bound[rows, order] - known[:, None], 0.0))
        total = np.cumsum(shares, axis=1)
        out = total <= self.negligible
        if not self.negligible:
            out &= np.isneginf(bound[rows, order])
        skipped = np.max(np.where(out, total, 0.0), axis=1)
        kept = np.empty(bound.shape, dtype=bool)
        kept[rows, order] = ~out
        return kept & (self.group >= 0), skipped

    def _relative_joint(self, y: Array, pairs: Pairs, count: int) -> tuple[Array, Indices]:
        """log p(x, peak) minus the largest of each datum, and where that is.

        Far from the manifold these are small differences of large numbers: taken as differences of
        squares, (a - b)(a + b), in which a - b does not involve x.
        """
        order = np.lexsort((-pairs.log_joint, pairs.datum))
        top = order[np.searchsorted(pairs.datum, np.arange(count))]
        image = np.einsum("pds,ps->pd", self.slopes[pairs.region], pairs.peak)
        image += self.offsets[pairs.region]
        white = pairs.peak @ self.prior_root.T
        other = top[pairs.datum]
        both = 2 * y[pairs.datum] - image - image[other]
        relative = dots(image[other] - image, both)
        relative += dots(white - white[other], white + white[other])
        return -0.5 * relative, top

    def evaluate(self, y: Array, rest: Array, datum: Indices, region: Indices) -> Pairs:
        """Integrate the given pairs."""
        parts = [
            self._integrated(y, rest, datum[mine], region[mine], items)
            for mine, items in self.items(y, datum, region)
        ]
        latent = self.slopes.shape[2]
        none = np.empty(0)
        nothing = Pairs(
            datum[:0],
            region[:0],
            np.empty((0, latent)),
            none,
            none,
            none,
            np.empty((0, latent)),
            np.empty((0, latent, latent)),
            none,
        )
        return Pairs.joined([nothing, *parts])

    def items(
        self, y: Array, datum: Indices, region: Indices
    ) -> Iterator[tuple[Indices, Whitened]]:
        """The pairs' posteriors as whitened Gaussians, in batches: which of the pairs, and they."""
        for group, (_, lattice) in enumerate(self.lattices):
            mine = np.flatnonzero(self.group[region] == group)
            for batch in batches(lattice, self.cell[region[mine]]):
                chosen = mine[batch]
                r = region[chosen]
                pull = y[datum[chosen]] - self.offsets[r]
                centres = np.einsum("pds,pd->ps", self.pulls[r], pull)
                means = np.linalg.solve(self.roots[r], centres[..., None])[..., 0]
                items = Whitened.of(lattice, self.cell[r], self.roots[r], centres, means)
                yield chosen, items

    def _integrated(
        self, y: Array, rest: Array, datum: Indices, region: Indices, items: Whitened
    ) -> Pairs:
        found, error = truncate_with_error(items)
        log_joint = self.log_joint(y[datum], rest[datum], region, found.peak)
        return Pairs(
            datum,
            region,
            found.peak,
            log_joint,
            found.log_volume,
            error,
            found.mean,
            found.cov,
            found.entropy,
        )

    def gaussians(
        self, means: Array, covs: Array
    ) -> Iterator[tuple[Indices, Indices, Array, Array, Array]]:
        """N(means (N, S), covs (N, S, S)) on the regions that hold more than exp(-80) of them, in
        batches: datum, region, log mass, mean and covariance there."""
        roots = np.linalg.cholesky(covs)
        maps = np.linalg.inv(roots)
        log_scales = np.linalg.slogdet(roots)[1]
        shapes, latent = self.partition.polyhedra, means.shape[1]
        width = latent * max(len(shapes.normals), len(self.slopes))
        for some in chunks(len(means), _CHUNK, width):
            outside = np.zeros((len(means[some]), len(self.slopes)))
            if len(shapes.normals):
                heights = means[some] @ shapes.normals.T + shapes.offsets
                heights /= np.linalg.norm(shapes.normals @ roots[some], axis=2)
                least = np.minimum.reduceat(heights, shapes.starts[:-1], axis=1)
                outside = np.maximum(-least, 0.0)
            near = (log_ndtr(-outside) > _LEAST_LOG_MASS) & (self.group >= 0)
            datum, region = np.nonzero(near)
            datum += some.start
            for group, (_, lattice) in enumerate(self.lattices):
                mine = np.flatnonzero(self.group[region] == group)
                for batch in batches(lattice, self.cell[region[mine]]):
                    d, r = datum[mine[batch]], region[mine[batch]]
                    centres = np.einsum("pij,pj->pi", maps[d], means[d])
                    items = Whitened.of(lattice, self.cell[r], maps[d], centres, means[d])
                    found, _ = truncate_with_error(items)
                    log_mass = found.log_volume - 0.5 * found.square - log_scales[d]
                    yield d, r, log_mass - 0.5 * latent * LOG_2PI, found.mean, found.cov


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
