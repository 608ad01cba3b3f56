"""Gauss-Legendre quadrature on many panels at once."""

from __future__ import annotations

import numpy as np

from reference.model import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def integration_points(edges: Array) -> tuple[Array, Array]:
    """Points and weights of composite Gauss-Legendre rules, 12 points a panel.

    Parameters
    ----------
    edges : Array, shape (N, E)
        The ends of the panels of each rule, sorted.

    Returns
    -------
    points, weights : Array, shape (N, 12 (E - 1))
        A row a rule.
    """
    middle = 0.5 * (edges[:, 1:] + edges[:, :-1])
    half = 0.5 * np.diff(edges, axis=1)
    points = middle[:, :, None] + half[:, :, None] * _NODES
    weights = half[:, :, None] * _WEIGHTS
    return points.reshape(len(edges), -1), weights.reshape(len(edges), -1)
