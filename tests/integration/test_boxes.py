"""Gaussians on boxes: against products of intervals, SciPy, and the same sides as half-spaces."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import truncnorm

import fast

INF = np.inf
#: (lower, upper) of each coordinate.
BOXES = {
    "interval": [(-0.5, 1.0)],
    "half-line": [(0.3, INF)],
    "whole line": [(-INF, INF)],
    "rectangle": [(-0.5, 1.0), (0.1, 2.0)],
    "half-strip": [(-1.0, INF), (-0.5, 0.75)],
    "quadrant": [(0.0, INF), (-INF, 0.5)],
    "half-plane": [(-INF, INF), (-0.5, INF)],
    "cuboid": [(-0.5, 1.0), (0.1, 2.0), (-1.0, 0.5)],
    "column": [(-0.5, 1.0), (-INF, INF), (-1.0, 0.5)],
    "octant": [(0.0, INF), (-INF, 0.5), (-1.0, INF)],
}


@pytest.mark.parametrize("name", BOXES)
def test_against_products_of_intervals(impl, name):
    """Independent coordinates are SciPy's truncnorm each: log masses and entropies add up."""
    lower, upper = np.array(BOXES[name]).T
    size = len(lower)
    means = np.array([np.linspace(-0.3, 0.4, size), np.linspace(0.5, 0.0, size)])
    deviations = np.linspace(0.8, 1.5, size)
    found = impl.gaussian_on_box(lower, upper, means, deviations**2)
    for row, mean in enumerate(means):
        ends = (lower - mean) / deviations, (upper - mean) / deviations
        laws = [truncnorm(a, b, m, s) for a, b, m, s in zip(*ends, mean, deviations, strict=True)]
        masses = np.log(ndtr(ends[1]) - ndtr(ends[0]))
        assert found.log_mass[row] == pytest.approx(np.sum(masses), abs=1e-11)
        assert found.mean[row] == pytest.approx([law.mean() for law in laws], abs=1e-9)
        expected = np.diag([law.var() for law in laws])
        assert found.cov[row] == pytest.approx(expected, abs=1e-9)
        # log mass + E[-log φ]; SciPy's own is NaN for infinite bounds.
        squares = [law.var() + (law.mean() - m) ** 2 for law, m in zip(laws, mean, strict=True)]
        exponents = 0.5 * (np.log(2 * np.pi * deviations**2) + squares / deviations**2)
        entropy = np.sum(masses + exponents)
        assert found.entropy()[row] == pytest.approx(entropy, abs=1e-9)


@pytest.mark.parametrize("name", BOXES)
def test_the_sides_as_half_spaces(impl, name):
    """Finite sides alone, stated as half-spaces, with a covariance and with its factor."""
    lower, upper = np.array(BOXES[name]).T
    size = len(lower)
    root = np.eye(size) + 0.3 * np.tri(size, k=-1)
    means = np.array([np.linspace(-0.3, 0.4, size)])
    normals = np.concatenate([np.eye(size), -np.eye(size)])
    offsets = np.concatenate([-lower, upper])
    kept = np.isfinite(offsets)
    plain = impl.gaussian_on_polyhedron(normals[kept], offsets[kept], means, root @ root.T)
    for form in ({"cov": root @ root.T}, {"factor": root}):
        found = impl.gaussian_on_box(lower, upper, means, **form)
        for value, expected in zip(found, plain, strict=True):
            np.testing.assert_allclose(value, expected, rtol=0, atol=1e-11)


def test_one_bound_for_all_coordinates(impl):
    means = np.array([[0.2, -0.1]])
    for value, expected in zip(
        impl.gaussian_on_box(-1.0, [INF, INF], means, 0.5),
        impl.gaussian_on_box([-1.0, -1.0], INF, means, 0.5),
        strict=True,
    ):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    ("lower", "upper", "kind"),
    [
        ([0.0, 0.0], [1.0, 0.0], "flat"),
        ([0.0, 0.0], [1.0, -1e-300], "empty"),
        ([0.0, INF], [1.0, INF], "empty"),
        ([0.0, -INF], [1.0, -INF], "empty"),
        ([-INF, -INF], [INF, INF], "full"),
    ],
)
def test_bounds_that_leave_nothing(impl, lower, upper, kind):
    found = impl.gaussian_on_box(lower, upper, np.zeros((1, 2)), 1.0)
    assert found.kind == kind
    assert np.isneginf(found.log_mass[0]) == (kind != "full")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("lower", {"lower": [np.nan, 0.0]}),
        ("upper", {"upper": [1.0, np.nan]}),
        ("lower", {"lower": [0.0]}),
        ("upper", {"upper": [[1.0, 1.0]]}),
        ("upper", {"upper": "one"}),
        ("means", {"means": [0.0, 0.0]}),
        ("means", {"means": [[INF, 0.0]]}),
        ("cov", {"cov": [1.0, -1.0]}),
        ("cov", {"factor": np.eye(2)}),
    ],
)
def test_bad_input(impl, name, arguments):
    sound = {"lower": [0.0, 0.0], "upper": [1.0, 1.0], "means": [[0.0, 0.0]], "cov": 1.0}
    with pytest.raises(ValueError, match=f"{name}: expected"):
        impl.gaussian_on_box(**{**sound, **arguments})


def test_boxes_of_many_dimensions():
    """S = 4 to 6: orthants of independent coordinates hold 2^-S; and seven are refused."""
    for size, accuracy in ((4, 1e-7), (5, 1e-5), (6, 1e-3)):
        found = fast.gaussian_on_box(0.0, INF, np.zeros((1, size)), 2.0)
        assert found.log_mass[0] == pytest.approx(-size * np.log(2), abs=accuracy)
    with pytest.raises(ValueError, match="from 1 to 6"):
        fast.gaussian_on_box(0.0, INF, np.zeros((1, 7)), 1.0)
