"""Gaussians on polyhedra whose corners are far away or next to each other, as those of boundaries
that are all but parallel: against the oracle, whose geometry is exact, and closed forms."""

import numpy as np
import pytest
from half_spaces import KINDS, given, nearly, truncated_icosahedron
from scipy.special import ndtr

import fast
from fast.integration.between_corners import on_span
from fast.integration.nearest_points import nearest_points
from fast.integration.whitened import Origin, Whitened
from fast.polyhedra.compensated_sums import doubled_heights
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments

#: Log mass in max(1, |log mass|), moments in truncated standard deviations [the contract].
LOG_MASS = {2: 1e-12, 3: 1e-10}
MOMENTS = {2: 1e-10, 3: 1e-8}
EPSILON = np.finfo(float).eps
TRUTH = {2: polygon_moments, 3: polyhedron_moments}
#: Mass and variance of the standard normal between -1 and 1.
BETWEEN = ndtr(1.0) - ndtr(-1.0)
VARIANCE = 1 - 2 * np.exp(-0.5) / np.sqrt(2 * np.pi) / BETWEEN


def assert_right(normals, offsets, mean, cov):
    """Within what is promised, and within what is told. A mean in doubles is no better than its own
    rounding."""
    found = fast.gaussian_on_polyhedron(normals, offsets, mean[None], cov)
    exact = TRUTH[len(mean)](normals, offsets, mean, cov)
    log_mass = float(exact.log_mass)
    if log_mass == -np.inf:
        assert (found.log_mass[0], found.log_mass_error[0]) == (-np.inf, 0.0)
        return
    gap = abs(float(exact.log_mass - found.log_mass[0]))
    assert gap <= LOG_MASS[len(mean)] * max(1.0, abs(log_mass))
    assert gap <= found.log_mass_error[0]
    covariance = np.array(exact.cov, dtype=float)
    deviations = np.sqrt(np.diag(covariance))
    away = np.array([float(e - f) for e, f in zip(exact.mean, found.mean[0], strict=True)])
    allowed = MOMENTS[len(mean)] * deviations + 4 * EPSILON * np.abs(found.mean[0])
    assert np.all(np.abs(away) <= allowed)
    spread = np.abs(covariance - found.cov[0]) / np.outer(deviations, deviations)
    assert np.all(spread <= MOMENTS[len(mean)])


def gaussian(rng, dimension, farthest):
    """A mean up to so far from 0, and the identity or another covariance."""
    root = rng.standard_normal((dimension, dimension))
    mean = rng.uniform(0.1, farthest) * rng.standard_normal(dimension)
    return mean, np.eye(dimension) if rng.random() < 0.5 else root @ root.T + 0.05 * np.eye(
        dimension
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("e", [1e-5, 1e-7, 1e-9, 1e-12, 1e-15, 1e-17])
def test_polygons(kind, e):
    rng = np.random.default_rng([21, KINDS.index(kind)])
    for _ in range(4):
        assert_right(*nearly(kind, 2, e, rng), *gaussian(rng, 2, 10.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("e", [1e-7, 1e-10, 1e-15])
def test_polyhedra(kind, e):
    rng = np.random.default_rng([22, KINDS.index(kind), int(-np.log10(e))])
    assert_right(*nearly(kind, 3, e, rng), *gaussian(rng, 3, 3.0))


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [2, 3])
def test_more_of_each_kind(kind, dimension):
    """At any e, means to 30 deviations out."""
    rng = np.random.default_rng([23, KINDS.index(kind)])
    for _ in range(60 if dimension == 2 else 20):
        e = 10 ** rng.uniform(-17, -3)
        assert_right(*nearly(kind, dimension, e, rng), *gaussian(rng, dimension, 30.0))


def staircase(dimension, e):
    """{-1 < z_i < 1 - e z_{i+1} for i < S}: slabs that close 1 / e^(S - 1) away."""
    rows = np.eye(dimension)[:-1]
    return np.vstack([rows, -rows - e * np.eye(dimension)[1:]]), np.ones(2 * dimension - 2)


@pytest.mark.parametrize(("dimension", "accuracy"), [(2, 1e-12), (3, 1e-10), (4, 1e-7)])
@pytest.mark.parametrize("exponent", [6, 7, 8, 10, 12, 14, 16, 30, 60, 140, 200, 300])
def test_slabs_that_close_far_away(dimension, accuracy, exponent):
    """Corners from 1e6 to beyond all doubles leave what is near as it is, to O(e²)."""
    e = 10.0**-exponent
    found = fast.gaussian_on_polyhedron(*staircase(dimension, e), np.zeros((1, dimension)), 1.0)
    expected = (dimension - 1) * np.log(BETWEEN)
    assert found.log_mass[0] == pytest.approx(expected, abs=accuracy + e**2)
    assert found.mean[0] == pytest.approx(np.zeros(dimension), abs=accuracy + e)
    variances = np.append(np.full(dimension - 1, VARIANCE), 1.0)
    assert found.cov[0] == pytest.approx(np.diag(variances), abs=10 * accuracy + e)


@pytest.mark.parametrize("case", given("nearly_parallel")["polyhedra"], ids=lambda c: str(c["e"]))
def test_slabs_that_have_been_reported(case):
    """-inf and NaN at some e, and right at others."""
    found = fast.gaussian_on_polyhedron(case["normals"], case["offsets"], [case["mean"]], 1.0)
    assert found.log_mass[0] == pytest.approx(2 * np.log(BETWEEN), abs=1e-12 + case["e"] ** 2)
    assert found.log_mass[0] == pytest.approx(case["log_mass"], abs=1e-5)
    assert np.all(np.isfinite(found.mean))
    assert np.all(np.isfinite(found.cov))


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("distance", [1e10, 1e40, 1e70, 1e90, 1e100])
def test_a_corner_very_far_away(dimension, distance):
    """{z > (d, ..., d)}: next to the corner the Gaussian is a product of exponentials, of means and
    deviations 1/d."""
    found = fast.gaussian_on_polyhedron(
        np.eye(dimension), np.full(dimension, -distance), np.zeros((1, dimension)), 1.0
    )
    square = -0.5 * dimension * distance**2
    assert found.log_mass[0] == pytest.approx(square, rel=1e-14)
    assert found.mean[0] == pytest.approx(np.full(dimension, distance), rel=1e-14)
    cov = found.cov[0] * distance * distance
    assert cov == pytest.approx(np.eye(dimension), abs=1e-9)


@pytest.mark.parametrize("case", given("far")["polyhedra"][1:])
def test_corners_that_have_been_reported(case):
    """Their variances were negative."""
    mean = np.zeros((1, len(case["offsets"])))
    found = fast.gaussian_on_polyhedron(case["normals"], case["offsets"], mean, 1.0)
    assert found.mean[0] == pytest.approx(np.full(mean.shape[1], case["mean"]), rel=1e-14)
    assert np.diag(found.cov[0]) == pytest.approx(case["variance"], rel=1e-9)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("e", [1e-7, 1e-9, 1e-13])
def test_in_any_coordinates(dimension, e):
    """Turned and stretched, with the Gaussian."""
    rng = np.random.default_rng(dimension)
    factor = rng.standard_normal((dimension, dimension))
    normals, offsets = staircase(dimension, e)
    centre = rng.standard_normal(dimension)
    rows = normals @ np.linalg.inv(factor)
    levels = offsets - rows @ centre
    found = fast.gaussian_on_polyhedron(rows, levels, centre[None], factor=factor)
    expected = (dimension - 1) * np.log(BETWEEN)
    assert found.log_mass[0] == pytest.approx(expected, abs=1e-12)
    cov = np.linalg.solve(factor, np.linalg.solve(factor, found.cov[0]).T)
    assert np.diag(cov) == pytest.approx(
        np.append(np.full(dimension - 1, VARIANCE), 1.0), abs=e + 1e-12
    )


@pytest.mark.parametrize("e", [1e-7, 1e-10, 1e-13])
def test_four_dimensions(e):
    """Products of two polygons with far corners: log masses add up, within what is told."""
    rng = np.random.default_rng([24, int(-np.log10(e))])
    for kind in ("pairs", "slab"):
        flat = [nearly(kind, 2, e, rng) for _ in range(2)]
        exact = [float(polygon_moments(*part, np.zeros(2), np.eye(2)).log_mass) for part in flat]
        rows = np.zeros((sum(len(part[0]) for part in flat), 4))
        rows[: len(flat[0][0]), :2], rows[len(flat[0][0]) :, 2:] = flat[0][0], flat[1][0]
        found = fast.gaussian_on_polyhedron(
            rows, np.concatenate([flat[0][1], flat[1][1]]), np.zeros((1, 4)), 1.0
        )
        assert found.log_mass[0] == pytest.approx(sum(exact), abs=1e-6)
        assert abs(found.log_mass[0] - sum(exact)) <= found.log_mass_error[0]


@pytest.mark.parametrize(("dimension", "seeds"), [(3, 12), (4, 2)])
@pytest.mark.parametrize("e", [1e-15, 1e-16, 1e-17])
@pytest.mark.parametrize("kind", KINDS)
def test_cut_in_two(kind, e, dimension, seeds):
    """The masses on either side of a plane add up to the whole, within what is told."""
    for seed in range(seeds if kind != "point" or dimension < 4 else 0):
        rng = np.random.default_rng([dimension, seed, KINDS.index(kind)])
        normals, offsets = nearly(kind, dimension, e, rng)
        mean = rng.uniform(0.1, 5.0) * rng.standard_normal((1, dimension))
        whole = fast.gaussian_on_polyhedron(normals, offsets, mean, 1.0)
        if whole.log_mass[0] == -np.inf:
            continue
        plane = rng.standard_normal(dimension)
        halves = [
            fast.gaussian_on_polyhedron(
                np.vstack([normals, sign * plane]),
                np.append(offsets, -sign * (plane @ whole.mean[0])),
                mean,
                1.0,
            )
            for sign in (1, -1)
        ]
        told = whole.log_mass_error[0] + max(half.log_mass_error[0] for half in halves)
        both = np.logaddexp(*(half.log_mass[0] for half in halves))
        assert abs(both - whole.log_mass[0]) <= told


@pytest.mark.parametrize("width", [1e-3, 1e-8, 1e-13])
@pytest.mark.parametrize("angle", [1e-9, 1e-14, 1e-16, 1e-25])
def test_thin_slabs_that_close_far_away(width, angle):
    """At a distance from the mean, and where they have no corner near it; turned, 1e-25 is none."""
    normals = np.array([[1.0, 0.0], [-1.0, -angle]])
    assert_right(normals, np.array([-1.0, 1.0 + width]), np.zeros(2), np.eye(2))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert_right(normals @ turn, np.array([-1.0, 1.0 + width]), np.zeros(2), np.eye(2))


@pytest.mark.parametrize("e", [1e-7, 1e-12, 1e-15])
def test_points_between_far_corners(e):
    """On edges that pass near the mean and end 1 / e and 1 / e² away: the nearest has a right angle
    to the edge, and lies on its facets in twice the precision."""
    lattice = lattice_of_halfspaces(*staircase(3, e))
    mean = np.zeros((1, 3))
    items = Whitened.of(lattice, np.zeros(1, dtype=int), np.eye(3)[None], mean, mean)
    span = lattice.spanning(1)[lattice.faces[1].finite]
    owner = np.zeros(len(span), dtype=int)
    vectors, high, low = on_span(items, Origin(mean, mean, mean), span, owner)
    ends = lattice.positions[span]
    along = ends[:, 1] - lattice.points[span[:, 1], None] * ends[:, 0]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1)
    size = np.max(np.abs(ends[:, 0]), axis=1)
    allowed = 1e-14 * lengths + EPSILON**2 * size
    assert np.all(np.abs(np.einsum("ns,ns->n", vectors, along)) <= allowed)
    assert np.sum(lengths < 2) >= 2
    heights = doubled_heights(
        lattice.normals, lattice.offsets, np.zeros(1), high[:, None], low[:, None]
    )[0]
    on_it = np.sort(np.abs(heights), axis=1)[:, :2]
    assert np.all(on_it <= 8 * EPSILON**2 * (1 + size[:, None]))


@pytest.mark.parametrize("dimension", [2, 3])
def test_corners_that_are_one_in_twice_the_precision(dimension):
    """The edge between them, 2^-142 long, counts as nothing: {x < y < 1 / 3}, z_i > 0 beyond."""
    normals = np.eye(dimension + 1)[:, :dimension]
    normals[:3, :2] = [[-1.0, 1.0], [-3.0, -(2.0**-140)], [-(2.0**-141), -3.0]]
    normals[3:] = np.eye(dimension)[2:]
    normals[:3, 2:] = 0.0
    offsets = np.append([0.0, 1.0, 1.0], np.zeros(dimension - 2))
    found = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, dimension)), 1.0)
    exact = 2 * np.log(ndtr(1 / 3)) - (dimension - 1) * np.log(2)
    assert found.log_mass[0] == pytest.approx(exact, abs=1e-14)
    assert np.all(np.isfinite(found.cov))
    # And nothing is divided by its length: that would warn, and warnings are errors here.
    mean = np.zeros((1, dimension))
    lattice = lattice_of_halfspaces(normals, offsets)
    items = Whitened.of(lattice, np.zeros(1, dtype=int), np.eye(dimension)[None], mean, mean)
    assert len(nearest_points(items, Origin(mean, mean, mean))) == dimension


def in_float32(values):
    """As float32 holds them."""
    return values.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("digits", [7, 8, 9, 10, None])
def test_the_truncated_icosahedron_to_some_digits(digits):
    """32 planes, three of them at every one of 60 vertices; None: to float32."""
    normals, offsets = truncated_icosahedron()
    rounded = [
        in_float32(part) if digits is None else np.round(part, digits)
        for part in (normals, offsets)
    ]
    mean = np.array([3.0, 4.0, 5.0])
    if digits is None:
        assert_right(*rounded, mean, np.eye(3))
    whole = fast.gaussian_on_polyhedron(normals, offsets, mean[None], 1.0)
    found = fast.gaussian_on_polyhedron(*rounded, mean[None], 1.0)
    assert found.log_mass[0] == pytest.approx(whole.log_mass[0], abs=1e-5)


def test_what_is_far_for_some_means():
    """Cut off around all of them: each has the mass that it has alone."""
    normals = np.array([[1.0, 0.0], [-1.0, -1e-170]])
    means = np.array([[0.0, 0.0], [0.5, -1e5], [-3.0, 1e40]])
    found = fast.gaussian_on_polyhedron(normals, np.ones(2), means, 1.0)
    for mean, log_mass in zip(means, found.log_mass, strict=True):
        exact = np.log(ndtr(1.0 - mean[0]) - ndtr(-1.0 - mean[0]))
        assert log_mass == pytest.approx(exact, rel=1e-12)
