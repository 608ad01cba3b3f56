"""Layers as data: what a spec is, and what it says of each unit."""

from __future__ import annotations

from typing import Any

import numpy as np

#: ("dense", weight, bias); ("slope", η) for an activation max(h, 0) + η min(h, 0), or with an η for
#: each unit, None for one that is left as it is and has no code; ("max", windows) for max-pooling,
#: each window the flat indices of its candidates by channel, row, column.
LayerSpec = tuple[Any, ...]
Shape = tuple[int, ...]


class Fixed(np.ndarray[Any, np.dtype[np.float64]]):
    """Numbers that say what a layer is, and are no inputs that could be a little different."""


def fixed(values: Any) -> Fixed:
    return np.asarray(values, dtype=float).view(Fixed)


def unit_slopes(eta: Any, size: int) -> tuple[list[float], list[int]]:
    """Return what an activation's spec says of each unit.

    Parameters
    ----------
    eta : float, or sequence of float or None
        The η of the spec.
    size : int
        How many units there are.

    Returns
    -------
    slopes : list of float
        The slope of each unit below 0; 1 of those that are left as they are.
    acting : list of int
        The units that have a sign in the code, in order.
    """
    etas = [eta] * size if np.ndim(eta) == 0 else list(eta)
    slopes = [1.0 if one is None else float(one) for one in etas]
    return slopes, [i for i, one in enumerate(etas) if one is not None]
