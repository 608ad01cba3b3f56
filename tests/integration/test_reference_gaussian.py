"""reference.gaussian_on_polyhedron in two and three dimensions, inside its validity and outside."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr
from simplex_quadrature import standard_moments

import reference
from reference import OutsideValidity, gaussian_on_polyhedron

# What is promised wherever nothing is raised: relative, in truncated deviations, in variances.
PROMISED = 1e-6


def whitened_errors(got, index, truth, mean, factor):
    """Errors of one row in the units of PROMISED; truth: standard mass, mean, covariance."""
    mass, centre, cov = truth
    root = np.linalg.inv(factor @ np.linalg.cholesky(cov))
    log_mass, means, covs = got
    away = root @ (means[index] - mean - factor @ centre)
    relative = root @ covs[index] @ root.T - np.eye(len(mean))
    return (
        abs(np.expm1(log_mass[index] - np.log(mass))),
        np.linalg.norm(away),
        np.abs(relative).max(),
    )


def random_case(dimension, seed):
    """A bounded polyhedron around 0 to 2 deviations off the mean, in coordinates of any scale."""
    rng = np.random.default_rng([11, dimension, seed])
    simplex = np.vstack([-np.eye(dimension), np.ones(dimension) / np.sqrt(dimension)])
    normals = np.vstack([simplex, rng.standard_normal((rng.integers(0, 6), dimension))])
    normals = normals @ np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    offsets = np.linalg.norm(normals, axis=1) * rng.uniform(0.3, 1.5, len(normals))
    offsets = offsets - normals @ (rng.standard_normal(dimension) * rng.choice([0.3, 1.0]))
    factor = rng.standard_normal((dimension, dimension)) * 10.0 ** rng.uniform(-3, 3)
    mean = rng.standard_normal(dimension) * np.abs(factor).max()
    moved = normals @ np.linalg.inv(factor)
    lengths = 10.0 ** rng.uniform(-5, 5, (len(normals), 1))
    return (
        (normals, offsets),
        (moved * lengths, (offsets - moved @ mean) * lengths[:, 0], mean),
        factor,
    )


@pytest.mark.parametrize(("dimension", "count"), [(2, 50), (3, 10)])
def test_random_polyhedra(dimension, count):
    """Ordinary polyhedra, of width about 1, one to two deviations off: far better than promised.

    Measured: mass 2e-12, mean 4e-11, covariance 2e-10; log_mass_error covers the truth.
    """
    for seed in range(count):
        standard, (normals, offsets, mean), factor = random_case(dimension, seed)
        got = gaussian_on_polyhedron(normals, offsets, mean[None], factor=factor)
        truth = standard_moments(*standard)
        errors = whitened_errors(got, 0, truth, mean, factor)
        assert max(errors) < 1e-8, seed
        assert abs(got[0][0] - np.log(truth[0])) <= got.log_mass_error[0] < PROMISED
        assert np.linalg.eigvalsh(got[2][0])[0] > 0
        np.testing.assert_array_equal(got[2][0], got[2][0].T)


def half_line(distance):
    """Mass, mean and variance of N(0, 1) beyond a distance (of either sign)."""
    ratio = np.exp(-0.5 * distance**2 - log_ndtr(-distance)) / np.sqrt(2 * np.pi)
    return ndtr(-distance), ratio, 1 + distance * ratio - ratio**2


def slab(distance, width):
    """The same between distance and distance + width, by Gauss-Legendre."""
    x, w = np.polynomial.legendre.leggauss(40)
    t = distance + 0.5 * width * (x + 1)
    density = 0.5 * width * w * np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi)
    mass, mean = density.sum(), density @ t / density.sum()
    return mass, mean, density @ (t - mean) ** 2 / mass


def embedded(direction, one):
    """Moments of N(0, I) limited only along a direction."""
    mass, mean, variance = one
    cov = np.eye(len(direction)) + (variance - 1) * np.outer(direction, direction)
    return mass, mean * direction, cov


def moments_or_none(normals, offsets, means):
    """What is returned for N(means, I), or None if that would be outside validity."""
    try:
        return gaussian_on_polyhedron(normals, offsets, means, 1.0)
    except OutsideValidity:
        return None


# Distances and widths up to which nothing may be raised, and from which everything must be.
VALID = {"half-space": (4.5, 5.0), "slab": (4.4, 5.0), "thin slab": (5e-3, 3e-3)}


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("shape", VALID)
def test_validity_range(shape, dimension):
    """From well inside the range to far outside: what is returned is as good as promised, and past
    the range, stated here as in the docstring, everything raises."""
    direction = np.random.default_rng(5).standard_normal(dimension)
    direction /= np.linalg.norm(direction)
    inside, outside = VALID[shape]
    steps = np.geomspace(0.1, 1e-5, 41) if shape == "thin slab" else np.linspace(0, 30, 121)
    for step in steps:
        one = half_line(step) if shape == "half-space" else slab(step, 1.0)
        normals, offsets = np.array([direction, -direction]), np.array([-step, step + 1.0])
        if shape == "half-space":
            normals, offsets = normals[:1], offsets[:1]
        if shape == "thin slab":
            one, offsets = slab(0.3, step), np.array([-0.3, 0.3 + step])
        mean = np.zeros((1, dimension))
        got = moments_or_none(normals, offsets, mean)
        if got is None:
            assert (step > inside) == (inside < outside), step
            continue
        assert (step < outside) == (inside < outside), step
        truth = embedded(direction, one)
        errors = whitened_errors(got, 0, truth, mean[0], np.eye(dimension))
        assert max(errors) < PROMISED, step
        assert abs(got[0][0] - np.log(one[0])) <= got.log_mass_error[0]


def test_the_row_at_fault_is_named():
    """Of several means, the one too far away."""
    normals, offsets = np.array([[1.0, 0.5]]), np.array([0.0])
    near, far = [1.0, 0.0], [-30.0, 0.0]
    assert np.all(np.isfinite(gaussian_on_polyhedron(normals, offsets, [near], 1.0)[0]))
    with pytest.raises(OutsideValidity, match=r"row 2 .*mass 0 .*error"):
        gaussian_on_polyhedron(normals, offsets, [near, near, far], 1.0)


def test_a_promise_that_is_not_kept_is_caught(monkeypatch):
    """With bounds a million times too small rubbish is returned, and seen."""
    monkeypatch.setattr(reference.integration.signed_sum, "_TERM_ERROR", 1e-22)
    monkeypatch.setattr(reference.integration.signed_sum, "_SUM_ERROR", 1e-22)
    monkeypatch.setattr(reference.integration.signed_sum, "_SLACK_ERROR", 1e-22)
    with pytest.raises(AssertionError):
        test_validity_range("thin slab", 2)


@pytest.mark.parametrize("dimension", [2, 3])
def test_forms_of_the_covariance(dimension):
    """A scalar, variances, a matrix and a factor, triangular or not, mean the same."""
    normals, offsets = -np.eye(dimension), np.ones(dimension)
    means = np.vstack([np.zeros(dimension), 0.5 * np.ones(dimension)])
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((dimension, dimension)))[0]
    same = [
        {"cov": 2.0},
        {"cov": np.full(dimension, 2.0)},
        {"cov": 2 * np.eye(dimension)},
        {"factor": np.sqrt(2) * np.eye(dimension)},
        {"factor": np.sqrt(2) * turn},
    ]
    plain = gaussian_on_polyhedron(normals, offsets, means, 2.0)
    for form in same:
        for value, expected in zip(
            gaussian_on_polyhedron(normals, offsets, means, **form), plain, strict=True
        ):
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_factor_in_one_dimension():
    """factor (1, 1) is a standard deviation, of either sign."""
    plain = gaussian_on_polyhedron([[1.0]], [-0.3], [[0.1]], 4.0)
    for factor in ([[2.0]], [[-2.0]]):
        got = gaussian_on_polyhedron([[1.0]], [-0.3], [[0.1]], factor=factor)
        for value, expected in zip(got, plain, strict=True):
            np.testing.assert_array_equal(value, expected)
    assert plain.log_mass_error[0] == pytest.approx(3e-14)


def test_one_of_cov_and_factor():
    """Neither and both are refused, and factors that are none."""
    sound = ([[1.0, 0.0]], [0.0], [[0.0, 0.0]])
    for options in ({}, {"cov": 1.0, "factor": np.eye(2)}):
        with pytest.raises(ValueError, match="cov: expected either cov or factor"):
            gaussian_on_polyhedron(*sound, **options)
    bad = [np.zeros((2, 2)), [[1.0, 2.0], [2.0, 4.0]], np.eye(3), 1.0, [[np.nan, 0], [0, 1]]]
    for factor in bad:
        with pytest.raises(ValueError, match="factor: expected"):
            gaussian_on_polyhedron(*sound, factor=factor)


def test_four_dimensions_are_refused():
    with pytest.raises(NotImplementedError, match="4; `fast`"):
        gaussian_on_polyhedron(np.eye(4), np.ones(4), np.zeros((1, 4)), 1.0)


TRIANGLE = np.array([[1.0, 0.1], [-0.2, 1.0], [-1.0, -1.0]]), np.array([0.5, 0.4, 0.7])
EXTRA = {
    "weaker": ([[1.0, 0.0]], [50.0]),
    "touches a corner": ([[0.8, 1.1]], [0.9]),
    "duplicate": (TRIANGLE[0][:1], TRIANGLE[1][:1]),
    "scaled duplicate": (1e-6 * TRIANGLE[0], 1e-6 * TRIANGLE[1]),
    "zero normal, satisfied": ([[0.0, 0.0]], [1e-300]),
}


@pytest.mark.parametrize("extra", EXTRA.values(), ids=EXTRA)
def test_redundant_half_spaces_change_nothing(extra):
    """Half-spaces that contain the triangle, before and after its own."""
    normals, offsets = TRIANGLE
    plain = gaussian_on_polyhedron(normals, offsets, [[0.3, -0.2]], [2.0, 0.5])
    for order in (slice(None), slice(None, None, -1)):
        got = gaussian_on_polyhedron(
            np.vstack([normals, extra[0]])[order],
            np.append(offsets, extra[1])[order],
            [[0.3, -0.2]],
            [2.0, 0.5],
        )
        for value, expected in zip(got, plain, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-11)


EMPTY = {
    "crossed": ([[1.0, 0.3], [-1.0, -0.3]], [-2.0, 1.0]),
    "a line": ([[1.0, 0.3], [-1.0, -0.3]], [-1.0, 1.0]),
    "a point": ([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, 0.0]),
    "three in turn": ([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, -1e-300]),
    "zero normal, offset 0": ([[1.0, 0.0], [0.0, 0.0]], [0.0, 0.0]),
    "zero normal, violated": ([[0.0, 0.0]], [-1.0]),
}


@pytest.mark.parametrize("half_spaces", EMPTY.values(), ids=EMPTY)
def test_empty_polyhedra(half_spaces):
    """Log mass -inf and NaN moments for every mean, without an error."""
    got = gaussian_on_polyhedron(*half_spaces, [[0.0, 0.0], [5.0, 1.0]], 1.0)
    log_mass, mean, cov = got
    np.testing.assert_array_equal(log_mass, [-np.inf, -np.inf])
    np.testing.assert_array_equal(got.log_mass_error, [0.0, 0.0])
    assert (mean.shape, cov.shape) == ((2, 2), (2, 2, 2))
    assert np.all(np.isnan(mean))
    assert np.all(np.isnan(cov))


def test_slivers_are_not_empty_but_outside_validity():
    """Wider than nothing, too thin for the sums: an error, and never -inf."""
    for width in (5e-324, 1e-300, 1e-17, 1e-9):
        with pytest.raises(OutsideValidity):
            gaussian_on_polyhedron([[1.0, 0.0], [-1.0, 0.0]], [0.0, width], [[0.0, 0.0]], 1.0)


def test_intervals_of_no_width():
    """S = 1: the roots of 3 z + 1 and 0.3 z + 0.1 are two, and the same double. Between them is
    something, as wide as they are apart, and outside both nothing."""
    rows, levels = np.array([[3.0], [-3 * 0.1]]), np.array([1.0, -0.1])
    assert -levels[0] / rows[0] == -levels[1] / rows[1]
    width = Fraction(-0.1) / Fraction(3 * 0.1) - Fraction(-1, 3)
    assert width > 0
    found = gaussian_on_polyhedron(rows, levels, [[0.0]], 1.0)
    density = np.exp(-1 / 18) / np.sqrt(2 * np.pi)
    assert found.log_mass[0] == pytest.approx(np.log(float(width) * density), rel=1e-14)
    found = gaussian_on_polyhedron(-rows, -levels, [[0.0]], 1.0)
    assert found.log_mass.tolist() == [-np.inf]


def test_whole_space():
    """Without half-spaces: mass 1, the Gaussian's own moments."""
    cov = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, 0.1], [0.0, 0.1, 0.5]])
    for rows in (np.empty((0, 3)), np.zeros((1, 3))):
        log_mass, mean, got = gaussian_on_polyhedron(rows, np.ones(len(rows)), np.ones((2, 3)), cov)
        np.testing.assert_allclose(log_mass, 0.0, atol=1e-15)
        np.testing.assert_allclose(mean, 1.0, rtol=1e-15)
        np.testing.assert_allclose(got, [cov, cov], rtol=1e-14, atol=1e-15)


def test_normals_of_any_length():
    """A positive factor changes nothing, however large or small."""
    normals, offsets = TRIANGLE
    plain = gaussian_on_polyhedron(normals, offsets, [[0.3, -0.2]], 1.0)
    for factor in (1e-200, 1e-10, 1e10, 1e200):
        got = gaussian_on_polyhedron(factor * normals, factor * offsets, [[0.3, -0.2]], 1.0)
        for value, expected in zip(got, plain, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-12)
