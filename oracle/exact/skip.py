"""Blocks with skip connections, as matrices: what one branch does beside what the other holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.exact.layer_specs import Fixed, LayerSpec, fixed
from oracle.exact.number_types import Array


def fork(size: int) -> LayerSpec:
    """h -> (h, h)."""
    return ("dense", fixed(np.vstack([np.eye(size)] * 2)), fixed(np.zeros(2 * size)))


def join(size: int) -> LayerSpec:
    """(h, k) -> h + k."""
    return ("dense", fixed(np.hstack([np.eye(size)] * 2)), fixed(np.zeros(size)))


def all_beside(specs: list[LayerSpec], before: int, after: int, size: int) -> list[LayerSpec]:
    """Specs for `size` entries of a vector, of which the others stay."""
    found: list[LayerSpec] = []
    for kind, *values in specs:
        if kind == "dense":
            matrix, offset = _dense_beside(values[0], values[1], before, after)
            kept = fixed if isinstance(values[0], Fixed) else np.asarray
            found.append(("dense", kept(matrix), kept(offset)))
            size = len(values[1])
        elif kind == "slope":
            etas = [values[0]] * size if np.ndim(values[0]) == 0 else list(values[0])
            found.append(("slope", [None] * before + etas + [None] * after))
        else:
            own = [[before + c for c in window] for window in values[0]]
            rest = range(before + size, before + size + after)
            found.append(("max", [*([i] for i in range(before)), *own, *([i] for i in rest)]))
            size = len(own)
    return found


def _dense_beside(weight: Any, bias: Any, before: int, after: int) -> tuple[Array, Array]:
    """A matrix and an offset between identities."""
    weight = np.asarray(weight, dtype=float)
    rows, columns = weight.shape
    matrix = np.zeros((before + rows + after, before + columns + after))
    matrix[:before, :before] = np.eye(before)
    matrix[before : before + rows, before : before + columns] = weight
    matrix[before + rows :, before + columns :] = np.eye(after)
    offset = np.concatenate([np.zeros(before), np.asarray(bias, dtype=float), np.zeros(after)])
    return matrix, offset
