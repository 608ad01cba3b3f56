"""Truncated Gaussians by themselves against Green's theorem."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from oracle.fixed_checks.deviation import Deviation
from oracle.fixed_checks.models import ALLOWED, PRIOR2, PRIOR3
from oracle.quadrature.moments import Moments
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments

_SHAPES: tuple[tuple[str, Any, Any, Any], ...] = (
    ("a quadrilateral", [[1.0, 0.1], [-1.0, 0.3], [0.2, 1.0], [-0.3, -1.0]],
     [0.7, 0.9, 0.8, 1.1], [0.1, -0.2]),
    ("a pentagon", [[1.0, 0.0], [0.3, 1.0], [-0.9, 0.6], [-0.8, -0.7], [0.4, -1.0]],
     [0.9, 0.8, 0.7, 0.8, 0.9], [0.9, 0.6]),
    ("a wedge", [[1.0, 0.4], [-0.3, 1.0]], [0.2, -0.4], [0.3, 0.5]),
    ("an open strip", [[1.0, 0.2], [-1.0, 0.1], [0.0, 1.0]], [0.6, 0.8, 0.3], [0.1, 0.4]),
    ("a half-plane", [[0.7, -1.0]], [0.25], [-0.3, 0.2]),
    ("a cone", [[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.4, 1.0]], [0.3, 0.5, 0.2],
     [0.2, 0.1, 0.4]),
    ("a cut wedge", [[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.4, 1.0], [-1.0, -1.0, -0.8]],
     [0.8, 0.9, 0.7, 1.9], [0.1, -0.1, 0.2]),
)  # fmt: skip
#: Far in the tail, where only fast answers.
_FAR_SHAPES: tuple[tuple[str, Any, Any, Any], ...] = (
    ("a quadrilateral, far", *_SHAPES[0][1:3], [21.0, -13.0]),
    ("a wedge, far", *_SHAPES[2][1:3], [-40.0, 9.0]),
    ("a cone, far", *_SHAPES[5][1:3], [-9.0, -7.0, -8.0]),
)


def polyhedra(impl: Any) -> Iterator[Deviation]:
    """Truncated Gaussians by themselves against Green's theorem."""
    far = _FAR_SHAPES if impl.__name__ == "fast" else ()
    for name, normals, offsets, mean in (*_SHAPES, *far):
        truth = _on_polyhedron(name)
        cov = PRIOR2 if len(mean) == 2 else PRIOR3
        log_mass, means, covs = impl.gaussian_on_polyhedron(
            np.array(normals), np.array(offsets), np.array([mean]), cov
        )
        # Far out, means and offsets in doubles cost ten times as much.
        allowed = ALLOWED[impl.__name__, len(mean)] * (10 if name.endswith("far") else 1)
        scale = max(1.0, abs(float(truth.log_mass)))
        error = abs(float(log_mass[0]) - float(truth.log_mass)) / scale
        yield Deviation(f"log mass of {name}", error, allowed)
        deviations = np.sqrt([float(truth.cov[i][i]) for i in range(len(mean))])
        away = (means[0] - np.array(truth.mean, dtype=float)) / deviations
        yield Deviation(f"mean on {name}", float(np.max(np.abs(away))), allowed)
        off = (covs[0] - np.array(truth.cov, dtype=float)) / np.outer(deviations, deviations)
        yield Deviation(f"covariance on {name}", float(np.max(np.abs(off))), allowed)


@cache
def _on_polyhedron(name: str) -> Moments:
    _, normals, offsets, mean = next(s for s in (*_SHAPES, *_FAR_SHAPES) if s[0] == name)
    if len(mean) == 2:
        return polygon_moments(normals, offsets, mean, PRIOR2)
    return polyhedron_moments(normals, offsets, mean, PRIOR3)
