"""The posterior of g(z) itself, E[g(z) | x] and Cov[g(z) | x], and the score of p(x) that it gives.

From some layer on the network is affine, the same for all z [Coordinates.index]. With h the input
of that layer E[g(z) | x] is what these layers make of E[h | x]: not seen through the noise, which
costs digits where Σx is nearly singular. Sums are over pairs of a datum and a region, so many at a
time as fit in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fast.distributions.memory import refuse_large
from fast.distributions.observation import Coordinates
from fast.polyhedra.chunks import chunks
from reference.model import Array, Indices, Network

# Numbers held at once: of images of pairs, and of the directions in which they spread.
_CHUNK = 1 << 21
# What rounding of a covariance of z may do to one of g(z) at most, in variances of the noise.
_DOUBT = 1e-6
# Rounded are the covariance and the two products with the slopes.
_ROUNDED = 4.0 * float(np.finfo(np.float64).eps)

#: What gives an array of some of the pairs, (p, ...).
OfPairs = Callable[[slice], Array]


@dataclass(frozen=True, eq=False)
class Images:
    """A network as two: from z to h, the input of the layer from which on it is affine, and on."""

    network: Network
    coordinates: Coordinates

    @property
    def width(self) -> int:
        """How many entries h has."""
        return self.network.sizes[self.coordinates.index]

    def hidden(self, Z: Array) -> Array:
        """h of latents (n, S), (n, width)."""
        before = self.network.layers[: self.coordinates.index]
        result = np.empty((len(Z), self.width))
        for some in chunks(len(Z), _CHUNK, max(self.network.sizes)):
            hidden = Z[some]
            for layer in before:
                hidden = layer.apply(hidden)
            result[some] = hidden
        return result

    def of_hidden(self, hidden: Array) -> Array:
        """g(z) from h, (n, D)."""
        for layer in self.network.layers[self.coordinates.index :]:
            hidden = layer.apply(hidden)
        return hidden

    def expected(self, count: int, pairs: Pairs, means: Array) -> Array:
        """E[g(z) | x] of `count` data, (N, D), from the means of pairs, (P, S)."""

        def hidden(some: slice) -> Array:
            return self.hidden(means[some])

        return self.of_hidden(expected_hidden(count, self.width, pairs, hidden))


class Pairs(NamedTuple):
    """Pairs of a datum and a region, sorted by datum."""

    datum: Indices  # (P,)
    weight: Array  # (P,): P(z in ω | x)


def expected_hidden(count: int, width: int, pairs: Pairs, hidden: OfPairs) -> Array:
    """E[h | x] of `count` data, (N, width), from h at the means of pairs, (p, width)."""
    result = np.zeros((count, width))
    for some in chunks(len(pairs.datum), _CHUNK, width):
        _add_by_datum(result, pairs.datum[some], pairs.weight[some], hidden(some))
    return result


def _add_by_datum(result: Array, datum: Indices, weight: Array, rows: Array) -> None:
    """Add rows of pairs (p, n), each times its weight, to those of their data, (N, n); the pairs
    are sorted by datum."""
    first, last = int(datum[0]), int(datum[-1]) + 1
    entries = weight, (datum - first, np.arange(len(datum)))
    result[first:last] += csr_array(entries, shape=(last - first, len(datum))) @ rows


class Spread:
    """Cov[g(z) | x] of N data: within regions plus between them, so that nothing cancels.

    cov (P, S, S): of z given x and z in ω. expected (N, width): E[h | x]. hidden: h at the means of
    pairs. slopes: those of y(g(z)) on their regions, (p, r, S).
    """

    def __init__(
        self,
        images: Images,
        pairs: Pairs,
        cov: Array,
        expected: Array,
        hidden: OfPairs,
        slopes: OfPairs,
    ) -> None:
        self._images, self._coordinates, self._pairs = images, images.coordinates, pairs
        self._expected, self._hidden, self._slopes = expected, hidden, slopes
        self._sizes = pairs.weight * np.linalg.norm(cov, axis=(1, 2))
        # What rounding of these may have made of variances, of data for which it may be too much.
        self._lost: dict[int, Array] = {}
        variances, axes = np.linalg.eigh(cov)
        self._roots = axes * np.sqrt(np.maximum(variances, 0.0))[:, None, :]

    def _directions(self, some: slice) -> Array:
        """Of some pairs, S + 1 directions in the space of x, whose outer products add up to what
        the pair adds to the covariance, (p, S + 1, D)."""
        slopes = self._slopes(some)
        self._add_lost(some, slopes)
        away = self._hidden(some) - self._expected[self._pairs.datum[some]]
        between = self._coordinates.of_inputs(away)
        within = np.swapaxes(slopes @ self._roots[some], 1, 2)
        rows = np.concatenate([between[:, None], within], axis=1)
        return self._coordinates.lift(rows * np.sqrt(self._pairs.weight[some])[:, None, None])

    def _add_lost(self, some: slice, slopes: Array) -> None:
        """Add to what rounding of Cov[z | x, z in ω] makes of variances, where it is more than a
        share of the noise's: along an image z may be spread wide, and thin across."""
        steep = np.einsum("prs,prs->p", slopes, slopes)
        mine = np.flatnonzero(~(_ROUNDED * self._sizes[some] * steep <= _DOUBT))
        for i, slope in zip(mine.tolist(), slopes[mine], strict=True):
            n = int(self._pairs.datum[some][i])
            lost = np.square(self._coordinates.lift(slope.T)).sum(axis=0)
            lost *= _ROUNDED * self._sizes[some][i]
            self._lost[n] = self._lost.get(n, np.zeros(len(lost))) + lost

    def _refuse_needles(self, n: int, variances: Array) -> None:
        """Raise ArithmeticError where that is more than a share of the variances (D,) of datum n,
        with the noise's."""
        if n not in self._lost:
            return
        cov = self._coordinates.noise.cov
        whole = variances + (np.diag(cov) if cov.ndim == 2 else cov)
        if not np.all(self._lost[n] <= _DOUBT * whole):
            raise ArithmeticError(
                f"posterior.reconstruction_cov: the image near datum {n} is so steep, in standard "
                "deviations of the noise, that rounding leaves fewer than six digits of it; take "
                "the covariance of the network's outputs at draws from posterior.rvs"
            )

    @property
    def _width(self) -> int:
        """Numbers that a pair takes at once: a map through the widest layer, at most."""
        return int(max(self._images.network.sizes) * (self._roots.shape[1] + 1))

    def variances(self) -> Array:
        """The diagonals, (N, D). Raises ArithmeticError where rounding leaves too little of one."""
        result = np.zeros((len(self._expected), self._coordinates.noise.dimension))
        for some in chunks(len(self._pairs.datum), _CHUNK, self._width):
            squares = np.square(self._directions(some)).sum(axis=1)
            _add_by_datum(result, self._pairs.datum[some], np.ones(len(squares)), squares)
        for n in self._lost:
            self._refuse_needles(n, result[n])
        return result

    def covariances(self, max_memory: float) -> Array:
        """The matrices, (N, D, D). Raises TooMuchMemoryError where they take more than that."""
        count, dimension = len(self._expected), self._coordinates.noise.dimension
        instead = "diagonal=True, which takes D numbers a datum, or fewer data"
        size = 8.0 * count * dimension**2
        refuse_large(size, max_memory, "posterior.reconstruction_cov()", instead)
        result = np.zeros((count, dimension, dimension))
        for some in chunks(len(self._pairs.datum), _CHUNK, self._width):
            datum, directions = self._pairs.datum[some], self._directions(some)
            starts = np.flatnonzero(np.diff(datum, prepend=-1))
            for own in np.split(np.arange(len(datum)), starts[1:]):
                rows = directions[own].reshape(-1, dimension)
                result[datum[own[0]]] += rows.T @ rows
        for n in self._lost:
            self._refuse_needles(n, np.diag(result[n]))
        return result
