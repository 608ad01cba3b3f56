"""The signed sums of Lemma 4 against quadrature on simplices, and their error bounds."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import ndtr
from simplex_quadrature import standard_moments

from reference.integration import signed_sum as integration
from reference.integration.signed_sum import integrate
from reference.polyhedra.inclusion_exclusion import signed_cones
from reference.polyhedra.polyhedron import polyhedron_of

KINDS = ["generic", "slab", "nearly parallel", "box", "needle"]


def bounded(kind, dimension, rng):
    """Half-spaces of a bounded polyhedron of size 1e-3 to 2, some 0 to 5 deviations from 0."""
    axes = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
    size = 10.0 ** rng.uniform(-3, 0.2)
    simplex = np.vstack([-np.eye(dimension), np.ones(dimension) / np.sqrt(dimension)]) @ axes
    more = rng.standard_normal((rng.integers(0, 5), dimension))
    normals = np.vstack([simplex, more / np.linalg.norm(more, axis=1)[:, None]])
    offsets = size * rng.uniform(0.3, 1.0, len(normals))
    if kind == "slab":
        width = 10.0 ** rng.uniform(-6, -1)
        normals = np.vstack([normals, axes[0], -axes[0]])
        offsets = np.append(offsets, [width * rng.random(), width])
    if kind == "nearly parallel":
        other = normals[0] + 10.0 ** rng.uniform(-8, -1) * rng.standard_normal(dimension)
        normals = np.vstack([normals, other / np.linalg.norm(other)])
        offsets = np.append(offsets, offsets[0] * (1 + 1e-3 * rng.standard_normal()))
    if kind == "box":
        normals = np.vstack([axes, -axes])
        offsets = size * 10.0 ** rng.uniform(-2, 0, 2 * dimension)
    if kind == "needle":
        point = np.zeros((3, dimension))
        point[:, :2] = [[1e-7, 1.0], [10.0 ** rng.uniform(-7, -1), -1.0], [-1.0, 0.0]]
        caps = np.eye(dimension)[2:]
        normals = np.vstack([point, caps, -caps])
        normals = normals / np.linalg.norm(normals, axis=1)[:, None] @ axes
        offsets = np.append([0.0, 0.0, 1.0], np.ones(2 * len(caps)))
    centre = rng.standard_normal(dimension) * rng.choice([0.0, 0.3, 1.0, 2.5])
    return normals, offsets - normals @ centre


def raw_shares(dimension, seed):
    """Errors of the raw sums, mass, first and second moments, as shares of their bound."""
    rng = np.random.default_rng([seed, dimension])
    normals, offsets = bounded(KINDS[seed % 5], dimension, rng)
    mass, mean, cov = standard_moments(normals, offsets)
    cones = signed_cones(polyhedron_of(normals, offsets))
    sums = [0.0, np.zeros(dimension), np.zeros((dimension, dimension))]
    for sign, rows in cones.terms:
        cone = cones.normals[rows], cones.offsets[rows]
        sums[0] += sign * integration.cone_moments.mass(*cone)
        sums[1] += sign * integration.cone_moments.first_moment(*cone)
        sums[2] += sign * integration.cone_moments.second_moment(*cone)
    truth = mass, mass * mean, mass * (cov + np.outer(mean, mean))
    count = sum(abs(sign) for sign, _ in cones.terms)
    bound = integration._SUM_ERROR + count * integration._TERM_ERROR
    return [float(np.max(np.abs(s - t))) / bound for s, t in zip(sums, truth, strict=True)]


@pytest.mark.parametrize(("dimension", "count"), [(2, 150), (3, 20)])
def test_sums_err_by_half_of_what_is_allowed(dimension, count):
    """Absolute errors of mass and raw moments, whatever the shape. Measured over 1,500 and 250 of
    them: 0.35 and 0.32 of the bound."""
    assert np.max([raw_shares(dimension, seed) for seed in range(count)]) < 0.5


@pytest.mark.deep
@pytest.mark.parametrize(("dimension", "count"), [(2, 10_000), (3, 1_500)])
def test_sums_err_by_less_than_is_allowed(dimension, count):
    assert np.max([raw_shares(dimension, seed) for seed in range(1000, 1000 + count)]) < 1.0


@pytest.mark.parametrize(("dimension", "count"), [(2, 100), (3, 20)])
def test_bounds_hold_and_resolved_is_accurate(dimension, count):
    """Any mean and covariance, of condition up to 1e4: masses are within mass_error; if resolved
    mass, mean and covariance are within a tenth of ACCURACY, and covariances semi-definite."""
    resolved = 0
    for seed in range(count):
        rng = np.random.default_rng([7, seed, dimension])
        normals, offsets = bounded(KINDS[seed % 5], dimension, rng)
        mass, mean, cov = standard_moments(normals, offsets)
        factor = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        factor = factor * 10.0 ** rng.uniform(-1, 1, dimension)
        centre = 3 * rng.standard_normal(dimension)
        moved = normals @ np.linalg.inv(factor)
        found = integrate(
            signed_cones(polyhedron_of(moved, offsets - moved @ centre)), centre, factor
        )
        assert abs(found.mass - mass) <= found.mass_error
        assert np.exp(found.log_error) >= found.mass_error
        assert np.linalg.eigvalsh(found.cov)[0] >= -1e-12 * np.abs(found.cov).max()
        np.testing.assert_array_equal(found.cov, found.cov.T)
        if found.resolved:
            resolved += 1
            root = np.linalg.inv(factor @ np.linalg.cholesky(cov))
            assert abs(found.mass / mass - 1) < 0.1 * integration.ACCURACY
            away = root @ (found.mean - centre - factor @ mean)
            assert np.linalg.norm(away) < 0.1 * integration.ACCURACY
            relative = root @ found.cov @ root.T - np.eye(dimension)
            assert np.abs(relative).max() < 0.1 * integration.ACCURACY
    assert 0.15 * count < resolved < 0.85 * count


def far_from_0(dimension, seed):
    """A half-space near a mean far from 0: the error of its mass, and the bound on it."""
    rng = np.random.default_rng([seed, dimension])
    normals = rng.standard_normal((1, dimension))
    normals /= np.linalg.norm(normals)
    centre = 1e7 * rng.standard_normal(dimension)
    offsets = -normals @ centre + rng.standard_normal(1)
    slack = Fraction(offsets[0]) + sum(
        Fraction(n) * Fraction(c) for n, c in zip(normals[0], centre, strict=True)
    )
    truth = ndtr(float(slack) / np.linalg.norm(normals))
    found = integrate(signed_cones(polyhedron_of(normals, offsets)), centre, np.eye(dimension))
    return abs(found.mass - truth), found.mass_error


@pytest.mark.parametrize("dimension", [2, 3])
def test_bounds_hold_far_from_0(dimension):
    """Slacks n · μ + b that cancel: their rounding is in the bound, which is of its size."""
    errors = np.array([far_from_0(dimension, seed) for seed in range(60)])
    assert np.all(errors[:, 0] <= errors[:, 1])
    assert np.max(errors[:, 0] / errors[:, 1]) > 0.02


def test_bounds_without_the_slacks_are_caught(monkeypatch):
    monkeypatch.setattr(integration, "_SLACK_ERROR", 1e-18)
    with pytest.raises(AssertionError):
        test_bounds_hold_far_from_0(2)


@pytest.mark.parametrize("which", range(3))
def test_resolved_is_where_the_errors_allow_it(which):
    """An error of one integral alone, of 1, w or w wᵀ, by hand: a mass 1/2, of mean 2 and variances
    1/4 and 3, about 0. Mean and covariance are first / mass and second / mass - mean meanᵀ, so e of
    1 changes them by 2e/mass and 12e/mass at most, e of w by e/mass and 4e/mass, e of w wᵀ the
    latter by e/mass; allowed is ACCURACY of the variance 1/4. A hair less is resolved, and more is
    not."""
    mean, cov = np.array([2.0, 0.0]), np.diag([0.25, 3.0])
    moments = 0.5, 0.5 * mean, 0.5 * (cov + np.outer(mean, mean))
    limit = 0.5 * 0.25 * integration.ACCURACY / [12, 4, 1][which]
    for share, resolved in [(0.999, True), (1.001, False)]:
        errors = [0.0, 0.0, 0.0]
        errors[which] = share * limit
        found = integration._truncated(np.zeros(2), np.eye(2), moments, tuple(errors))
        assert found.resolved is resolved
        assert found.mass_error == errors[0]
        assert np.exp(found.log_error) == pytest.approx(share * limit)
        np.testing.assert_allclose(found.cov, cov, atol=1e-15)


@pytest.mark.parametrize("limit", ["mass", "mean"])
def test_resolved_asks_for_mass_and_mean(limit):
    """Where variances are large the errors of the mass and of the mean decide: about 0 and of
    variances 1e8 an error of 1 counts by itself, and of variances 1 one of w."""
    variance = 1e8 if limit == "mass" else 1.0
    moments = 0.5, np.zeros(2), 0.5 * variance * np.eye(2)
    for share, resolved in [(0.999, True), (1.001, False)]:
        error = 0.5 * share * integration.ACCURACY
        errors = (error, 0.0, 0.0) if limit == "mass" else (0.0, error, 0.0)
        found = integration._truncated(np.zeros(2), np.eye(2), moments, errors)
        assert found.resolved is resolved


@pytest.mark.parametrize("dimension", [2, 3])
def test_lost_masses(dimension):
    """Far out the mass is 0, with a bound that is Φ(-d) of the farthest half-space, or rounding."""
    normals, offsets = np.vstack([np.eye(dimension), -np.eye(dimension)]), np.ones(2 * dimension)
    for distance in (9.0, 20.0, 50.0):
        centre = distance * np.eye(dimension)[0]
        found = integrate(signed_cones(polyhedron_of(normals, offsets)), centre, np.eye(dimension))
        assert found.mass == 0.0
        assert not found.resolved
        true_mass = 0.5 * np.exp(-0.5 * (distance - 1) ** 2) / (distance - 1)
        assert 0.1 * true_mass <= found.mass_error < 1e-14
        assert -0.5 * distance**2 < found.log_error < -30


def test_bounds_that_are_too_small_are_caught(monkeypatch):
    monkeypatch.setattr(integration, "_TERM_ERROR", 1e-18)
    monkeypatch.setattr(integration, "_SUM_ERROR", 1e-18)
    with pytest.raises(AssertionError):
        test_bounds_hold_and_resolved_is_accurate(2, 20)
