"""Inputs on both sides of each knot of a layer, wherever the knots are."""

import numpy as np

from reference import Hardtanh
from reference.model.readers.around_knots import around_knots


def test_near_each_knot_and_beyond_them_all():
    inputs = around_knots([Hardtanh(-1e3, 5e3)], 2, np.random.default_rng(0))
    for unit in inputs.T:
        for knot in (-1e3, 5e3):
            near = unit[np.abs(unit - knot) < 10.0]
            assert np.any(near < knot)
            assert np.any(near > knot)
        assert unit.min() < -2e3
        assert unit.max() > 6e3
