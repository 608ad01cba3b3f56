"""Bounds and divergences of a variational q: refused where they are no doubles [eq. 3]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference.model import Array


def finite(compute: Callable[[], Array], what: str) -> Array:
    """The values, one a datum, if all are doubles. Raises ArithmeticError elsewhere."""
    # Distances in deviations of q may overflow where q has no mass, which does no harm.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        values = compute()
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ArithmeticError(
            f"q_mean, q_cov: the {what} of datum {wrong[0]} is not finite in double precision"
        )
    return values
