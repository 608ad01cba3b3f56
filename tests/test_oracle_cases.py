"""The random cases: every kind of point is drawn, however few of them a case has."""

import numpy as np
import pytest

from oracle.architectures import POINTS, _forward, random_case
from oracle.exact_partition import exact_partition
from oracle.one_dimension import OneDimension
from oracle.quadrature import PRECISE


def is_near(case, n, latents):
    """Whether the n-th point is within 10 standard deviations of the image of one of these z."""
    deviation = np.sqrt(np.diag(case.cov_x) if case.cov_x.ndim == 2 else case.cov_x)
    images = [_forward(case.layers, float(z)) for z in latents]
    return any(np.all(np.abs(case.X[n] - image) <= 10 * deviation) for image in images)


@pytest.mark.parametrize("points", [1, 2, 3])
def test_every_kind_of_point_is_drawn(points):
    """The kind of the first point moves with the seed: no kind needs a fourth point."""
    seeds = range(len(POINTS))
    drawn = {POINTS[(seed + i) % len(POINTS)] for seed in seeds for i in range(points)}
    assert drawn == set(POINTS)
    kink = POINTS.index("kink")
    cases = [random_case(seed, points) for seed in range(kink, 60, len(POINTS))]
    kinks = [exact_partition(case.layers).breakpoints for case in cases]
    assert all(is_near(case, 0, zs) for case, zs in zip(cases, kinks, strict=True) if zs)


def test_far_points_reach_a_million_nats():
    """Some log p lies below -1e6 and is finite, by the oracle itself."""
    far = POINTS.index("far")
    logs = []
    for seed in range(far, 400, len(POINTS)):
        case = random_case(seed, 1)
        deviation = np.sqrt(np.diag(case.cov_x) if case.cov_x.ndim == 2 else case.cov_x)
        offset = (case.X[0] - _forward(case.layers, 0.0)) / deviation
        if offset @ offset > 1e6:
            oracle = OneDimension(case.layers, case.cov_x, case.cov_z, PRECISE)
            logs.append(float(oracle.log_evidence(case.X[0])))
    assert np.all(np.isfinite(logs))
    assert min(logs) < -1e6


def test_kinks_of_every_layer_are_drawn():
    """Some points lie at a kink that the first layer does not make, and at none that it does."""
    deeper = 0
    for seed in range(POINTS.index("kink"), 200, len(POINTS)):
        case = random_case(seed, 1)
        own = exact_partition(case.layers[:2]).breakpoints
        every = exact_partition(case.layers).breakpoints
        deeper += is_near(case, 0, set(every) - set(own)) and not is_near(case, 0, own)
    assert deeper >= 5
