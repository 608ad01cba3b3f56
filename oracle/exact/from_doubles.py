"""A polyhedron given in doubles, {z : normals z + offsets > 0}, as an exact cone."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from oracle.exact.cone import Cone, Vector, whole_space


def polyhedron_of(normals: Any, offsets: Any, dimension: int) -> Cone | None:
    """The polyhedron of doubles as given, without rounding; None if it is empty.

    normals (F, S), offsets (F,). A zero normal leaves all of R^S if its offset is positive, nothing
    otherwise. Raises ValueError on other shapes and on values that are not finite. Guarded by
    tests/oracle/test_oracle_polygon.py.
    """
    rows, constants = np.asarray(normals, dtype=float), np.asarray(offsets, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != dimension or not np.all(np.isfinite(rows)):
        raise ValueError(f"normals: expected finite numbers of shape (F, {dimension})")
    if constants.shape != (len(rows),) or not np.all(np.isfinite(constants)):
        raise ValueError(f"offsets: expected finite numbers of shape ({len(rows)},)")
    cone = whole_space(dimension)
    for row, constant in zip(rows, constants, strict=True):
        function = _integers([*row, constant])
        sign = cone.sign(function)
        if sign in (-1, 0):
            return None
        cone = cone.part(function) if sign is None else cone
    return cone


def _integers(values: list[Any]) -> Vector:
    """Integers in the proportions of some doubles, exactly."""
    exact = [Fraction(float(v)) for v in values]
    common = lcm(*(v.denominator for v in exact))
    return tuple(int(v * common) for v in exact)
