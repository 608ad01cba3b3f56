"""Coordinates in which the observation noise is standard and the generator's image is small.

x -> Σx^{-1/2} x makes the noise N(0, I). The image of g lies in the range of the last Dense layer
and the linear layers after it (shifted by their biases), so all of x but its projection on that
range is a constant in every region: with D = 784 and 8 hidden units the work per region is on 8
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from fast.integration.interval import LOG_2PI
from fast.partition.layer_maps import Maps
from reference.model import Array, Dense, Network


@dataclass(frozen=True)
class Noise:
    """The covariance Σx of the observation noise in the structure it was given in.

    `full` alone forms a D x D matrix, unless Σx is full itself. A full Σx costs accuracy ε cond(Σx)
    in log p(x).
    """

    cov: Array  # Σx: (D, D), (D,) variances, or () one variance
    root: Array  # its Cholesky factor, or the standard deviations
    dimension: int  # D

    @staticmethod
    def of(cov: Array, dimension: int) -> Noise:
        """Factor a checked covariance."""
        root = np.asarray(np.linalg.cholesky(cov) if cov.ndim == 2 else np.sqrt(cov))
        return Noise(cov, root, dimension)

    @property
    def log_det(self) -> float:
        """log |Σx|."""
        if self.root.ndim == 2:
            return 2.0 * float(np.sum(np.log(np.diag(self.root))))
        if self.root.ndim == 1:
            return 2.0 * float(np.sum(np.log(self.root)))
        return 2.0 * self.dimension * float(np.log(self.root))

    @property
    def spread(self) -> float:
        """What whitening may cost: for a full Σx its Cholesky factor's largest diagonal entry over
        the smallest, which is at most the root of its condition number; else 1."""
        if self.root.ndim < 2:
            return 1.0
        diagonal = np.diag(self.root)
        return float(diagonal.max() / diagonal.min())

    def full(self) -> Array:
        """Σx as a matrix, (D, D)."""
        if self.cov.ndim == 2:
            return self.cov
        return np.diag(np.broadcast_to(self.cov, (self.dimension,)))

    def whiten(self, rows: Array) -> Array:
        """Σx^{-1/2} applied to each row, (..., D) -> (..., D)."""
        if self.root.ndim < 2:
            return rows / self.root
        flat = rows.reshape(-1, self.dimension)
        return np.asarray(solve_triangular(self.root, flat.T, lower=True).T).reshape(rows.shape)

    def pulled(self, rows: Array) -> Array:
        """Each row times Σx^{-1/2}, (n, D) -> (n, D)."""
        if self.root.ndim < 2:
            return rows / self.root
        return np.asarray(solve_triangular(self.root, rows.T, lower=True, trans="T").T)

    def unwhiten(self, rows: Array) -> Array:
        """Σx^{1/2} applied to each row, the inverse of `whiten`."""
        return rows @ self.root.T if self.root.ndim == 2 else rows * self.root

    def solve(self, rows: Array) -> Array:
        """Σx^{-1} applied to each row, (..., D) -> (..., D)."""
        if self.root.ndim < 2:
            return rows / self.cov
        flat = self.whiten(rows).reshape(-1, self.dimension)
        solved = solve_triangular(self.root, flat.T, lower=True, trans="T").T
        return np.asarray(solved).reshape(rows.shape)


def pushed(matrix: Array, maps: Maps) -> Maps:
    """Maps (R, n, S) and (R, n) pushed through a matrix (m, n)."""
    rows = np.concatenate([np.swapaxes(maps.slopes, 1, 2), maps.offsets[:, None]], axis=1)
    # As one product, rather than one for each region.
    turned = rows.reshape(-1, rows.shape[2]) @ matrix.T
    return _as_maps(turned.reshape(*rows.shape[:2], len(matrix)))


def _as_maps(rows: Array) -> Maps:
    """Maps from rows (R, S + 1, n), the last of which is the offset."""
    # Laid out as a pickle lays them out: sums over them round alike there and here.
    slopes = np.ascontiguousarray(np.swapaxes(rows[:, :-1], 1, 2))
    return Maps(slopes, np.ascontiguousarray(rows[:, -1]))


# Standard deviations whose squares, added up, do not overflow: the square of 1e154 does.
_FARTHEST = 1e150
# What log p(x) may be above its bound by, relative to that: more than where digits are left.
_ROUNDING = 1e-6


def refuse_far_ends(places: Array, cov_z: Array) -> None:
    """Raise ArithmeticError where regions end at places (n, S) so far from 0 that the square of
    their distance, as it is or in standard deviations of the prior, is no double."""
    unit = min(1.0, float(np.sqrt(np.min(np.linalg.eigvalsh(cov_z)))))
    if not np.all(np.abs(places) < _FARTHEST * unit):
        raise ArithmeticError(
            "a region ends too far away for its squared distance from 0 to be a double"
        )


def may_be_squared(size: float) -> bool:
    """Whether the square of something of this size is a double."""
    return size < _FARTHEST


def refuse_steep(slopes: Array) -> None:
    """Raise ArithmeticError where the square of a slope, in standard deviations of the noise, is no
    double."""
    if not np.all(np.abs(slopes) < _FARTHEST):
        raise ArithmeticError(
            "a region's image is so steep that its squared slope, in standard deviations of the "
            "noise, is no double"
        )


def refuse_above_ceiling(log_evidence: Array, noise: Noise) -> None:
    """Raise ArithmeticError where log p(x) is above log φ(0; 0, Σx), which no mixture of such noise
    can be: rounding has then taken all digits of it."""
    ceiling = -0.5 * (noise.dimension * LOG_2PI + noise.log_det)
    if np.any(log_evidence > ceiling + _ROUNDING * max(1.0, abs(ceiling))):
        raise ArithmeticError(
            "log p(x) came out above what noise of this size allows, which rounding alone does: "
            "weights are too large, or offsets cancel"
        )


def _is_affine(network: Network, index: int) -> bool:
    return network.layers[index].n_codes(network.sizes[index]) == 0


@dataclass(frozen=True)
class Coordinates:
    """x -> y = Qᵀ Σx^{-1/2} (x - origin), and how much of x is orthogonal to the image of g.

    Every g(z) has no orthogonal part, so ‖Σx^{-1/2}(x - g(z))‖² = ‖y(x) - y(g(z))‖² + rest(x).
    """

    noise: Noise
    origin: Array  # (D,)
    basis: Array | None  # (D, r): Q, orthonormal; None for the identity, r = D
    index: int  # the layer whose input h has these coordinates, y(g) = matrix h; all if r = D
    matrix: Array | None  # (r, n): None if r = D

    @staticmethod
    def of(network: Network, noise: Noise) -> Coordinates:
        """Coordinates for a network's image: reduced where the layers at its end are affine, from
        the last Dense or nonlinear one on, and narrower than D."""
        start = len(network.layers) - 1
        while start and _is_affine(network, start) and not isinstance(network.layers[start], Dense):
            start -= 1
        start += not _is_affine(network, start)
        start += int(np.argmin(network.sizes[start:]))
        width = network.sizes[start]
        if width >= network.observed_dimension:
            return Coordinates(
                noise, np.zeros(network.observed_dimension), None, len(network.layers), None
            )
        matrix, origin = np.eye(width), np.zeros(width)
        for layer in network.layers[start:]:
            matrix, origin = layer.propagate(np.empty(0, dtype=np.int8), matrix, origin)
        basis, triangle = np.linalg.qr(noise.whiten(matrix.T).T)
        return Coordinates(noise, origin, basis, start, triangle)

    @property
    def rank(self) -> int:
        """r, how many coordinates there are."""
        return self.noise.dimension if self.basis is None else int(self.basis.shape[1])

    @cached_property
    def norm(self) -> float:
        """By how much y may be larger than the input of layer `index`, at most."""
        if self.matrix is not None:
            return float(np.linalg.norm(self.matrix))
        if self.noise.root.ndim == 2:
            return float(np.linalg.norm(np.linalg.inv(self.noise.root)))
        return float(1.0 / np.min(self.noise.root))

    def of_maps(self, maps: Maps) -> Maps:
        """y(g(z)) on regions, from the maps of z to the input of layer `index`: slopes (R, r, S)
        and offsets (R, r)."""
        if self.matrix is not None:
            return pushed(self.matrix, maps)
        rows = np.concatenate([np.swapaxes(maps.slopes, 1, 2), maps.offsets[:, None]], axis=1)
        return _as_maps(self.noise.whiten(rows))

    def of_inputs(self, inputs: Array) -> Array:
        """y of what goes into layer `index`, (..., n) -> (..., r)."""
        return self.noise.whiten(inputs) if self.matrix is None else inputs @ self.matrix.T

    def of_doubts(self, doubts: Array) -> Array:
        """How far off y is at most, (..., r), where the input of layer `index` is off by doubts,
        (..., n)."""
        if self.matrix is not None:
            return np.asarray(doubts @ np.abs(self.matrix).T)
        if self.noise.root.ndim < 2:
            return np.asarray(doubts / self.noise.root)
        return np.asarray(doubts @ np.abs(np.linalg.inv(self.noise.root)).T)

    def along(self, axes: Array) -> Array:
        """What takes the input of layer `index` to axesᵀ y, (K, n), for axes (r, K)."""
        return self.noise.pulled(axes.T) if self.matrix is None else axes.T @ self.matrix

    def directions(self, rows: Array) -> Array:
        """Qᵀ Σx^{-1/2} applied to each row: (..., D) -> (..., r)."""
        white = self.noise.whiten(rows)
        return white if self.basis is None else white @ self.basis

    def points(self, X: Array) -> tuple[Array, Array]:
        """y (N, r) and the squared length (N,) of what is orthogonal to the basis.

        Raises ArithmeticError where a square overflows.
        """
        white = self.noise.whiten(X - self.origin)
        if not np.all(np.abs(white) < _FARTHEST):
            raise ArithmeticError(
                "X: a datum is too far from the network's images for its squared distance, in "
                "standard deviations of the noise, to be a double"
            )
        if self.basis is None:
            return white, np.zeros(len(X))
        inside = white @ self.basis
        rest = white - inside @ self.basis.T
        return inside, np.einsum("nd,nd->n", rest, rest)

    def lift(self, rows: Array) -> Array:
        """Σx^{1/2} Q applied to each row, (..., r) -> (..., D): back to data units."""
        return self.noise.unwhiten(rows if self.basis is None else rows @ self.basis.T)

    def lifted_cov(self, cov: Array) -> Array:
        """A covariance (r, r) of y, back in data units and the structure of Σx: full, its diagonal,
        or its trace."""
        if self.noise.cov.ndim == 0:
            return np.asarray(self.noise.cov * np.trace(cov))
        values, vectors = np.linalg.eigh(cov)
        half = self.lift((vectors * np.sqrt(np.maximum(values, 0.0))).T)
        return half.T @ half if self.noise.cov.ndim == 2 else np.square(half).sum(axis=0)
