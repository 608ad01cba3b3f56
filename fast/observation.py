"""Coordinates in which the observation noise is standard and the generator's image is small.

x -> Σx^{-1/2} x makes the noise N(0, I). The image of g lies in the range of the last Dense layer
(shifted by its bias), so all of x but its projection on that range is a constant in every region:
with D = 784 and 8 hidden units the work per region is on 8 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from reference.network import Array, Dense, Network


@dataclass(frozen=True)
class Noise:
    """The covariance Σx of the observation noise in the structure it was given in.

    cov: (D, D), (D,) or () ; root: its Cholesky factor, or the standard deviations. No D x D matrix
    is formed unless Σx is full. A full Σx costs accuracy ε cond(Σx) in log p(x).
    """

    cov: Array
    root: Array
    dimension: int

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

    def whiten(self, rows: Array) -> Array:
        """Σx^{-1/2} applied to each row, (..., D) -> (..., D)."""
        if self.root.ndim < 2:
            return rows / self.root
        flat = rows.reshape(-1, self.dimension)
        return np.asarray(solve_triangular(self.root, flat.T, lower=True).T).reshape(rows.shape)

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


@dataclass(frozen=True)
class Coordinates:
    """x -> y = Qᵀ Σx^{-1/2} (x - origin), with what of x is orthogonal to the image of g.

    basis (D, r) = Q, orthonormal, or None for the identity (r = D). Every g(z) has no orthogonal
    part, so ‖Σx^{-1/2}(x - g(z))‖² = ‖y(x) - y(g(z))‖² + rest(x).
    """

    noise: Noise
    origin: Array
    basis: Array | None

    @staticmethod
    def of(network: Network, noise: Noise) -> Coordinates:
        """Coordinates for a network's image: reduced where its last layer is Dense and tall."""
        last = network.layers[-1]
        if not isinstance(last, Dense) or last.weight.shape[1] >= last.weight.shape[0]:
            return Coordinates(noise, np.zeros(network.observed_dimension), None)
        basis, _ = np.linalg.qr(noise.whiten(last.weight.T).T)
        return Coordinates(noise, last.bias, basis)

    def directions(self, rows: Array) -> Array:
        """Qᵀ Σx^{-1/2} applied to each row: (..., D) -> (..., r)."""
        white = self.noise.whiten(rows)
        return white if self.basis is None else white @ self.basis

    def points(self, X: Array) -> tuple[Array, Array]:
        """y (N, r) and the squared length (N,) of what is orthogonal to the basis."""
        white = self.noise.whiten(X - self.origin)
        if self.basis is None:
            return white, np.zeros(len(X))
        inside = white @ self.basis
        rest = white - inside @ self.basis.T
        return inside, np.einsum("nd,nd->n", rest, rest)

    def lift(self, rows: Array) -> Array:
        """Σx^{1/2} Q applied to each row, (..., r) -> (..., D): back to data units."""
        return self.noise.unwhiten(rows if self.basis is None else rows @ self.basis.T)
