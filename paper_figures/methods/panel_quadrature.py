"""Gauss-Legendre quadrature on many panels at once."""

from __future__ import annotations

import numpy as np

from reference.model import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def integration_points(edges: Array) -> tuple[Array, Array]:
    """Points and weights (N, M) of a composite rule between sorted edges (N, E), a row each."""
    middle = 0.5 * (edges[:, 1:] + edges[:, :-1])
    half = 0.5 * np.diff(edges, axis=1)
    points = middle[:, :, None] + half[:, :, None] * _NODES
    weights = half[:, :, None] * _WEIGHTS
    return points.reshape(len(edges), -1), weights.reshape(len(edges), -1)
