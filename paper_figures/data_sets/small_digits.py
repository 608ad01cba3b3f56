"""Handwritten digits of all ten classes, 8 by 8 pixels, as scikit-learn ships them."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from reference.model import Array

SIDE = 8


def images() -> Array:
    """All of them in an order of their own, scaled to [0, 1].

    Returns
    -------
    Array, shape (1797, 64)
        Data units. The order is random, the same in every run: as they are stored, digits of one
        writer are next to each other.
    """
    stored = np.asarray(load_digits().data, dtype=np.float64) / 16.0
    return stored[np.random.default_rng(0).permutation(len(stored))]
