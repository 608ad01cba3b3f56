"""Moments of N(0, I) on at most S half-spaces: against mpmath, closed forms and each other."""

import itertools

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from reference.integration import cone_moments
from reference.integration.cone_moments import first_moment, mass, second_moment

# Absolute, for offsets of a few standard deviations; measured: 3e-16.
TOLERANCE = 1e-14


def unit(rows):
    return np.asarray(rows) / np.linalg.norm(rows, axis=1)[:, None]


def true_moments(normals, offsets):
    """(m00, m10, m01, m20, m11, m02) of N(0, I_2) on a half-plane or wedge: across the line
    z_2 = y the interval and its moments in closed form, split where a side crosses ±9, ±3, 0."""
    rows = [
        ([mpf(float(v)) for v in n], mpf(float(b))) for n, b in zip(normals, offsets, strict=True)
    ]

    def slices(y):
        low, high = mpf(-40), mpf(40)
        for (a, c), b in rows:
            end = -(b + c * y) / a
            low, high = (max(low, end), high) if a > 0 else (low, min(high, end))
        if low >= high:
            return [mpf(0)] * 3
        m0 = mpmath.ncdf(high) - mpmath.ncdf(low)
        m1 = mpmath.npdf(low) - mpmath.npdf(high)
        return m0, m1, m0 + low * mpmath.npdf(low) - high * mpmath.npdf(high)

    cuts = [-(b + a * x) / c for (a, c), b in rows for x in (-9, -3, 0, 3, 9)]
    if len(rows) == 2:
        (a, b), (p, q) = rows[0], rows[1]
        cuts.append(-(a[0] * q - p[0] * b) / (a[0] * p[1] - p[0] * a[1]))
    ends = sorted({mpf(-10), mpf(10), *(t for t in cuts if -10 < t < 10)})
    powers = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    return [
        mpmath.quad(lambda y, i=i, j=j: mpmath.npdf(y) * y**j * slices(y)[i], ends)
        for i, j in powers
    ]


@pytest.mark.parametrize("seed", range(6))
def test_wedges_and_half_planes(seed):
    """Every moment against a double integral at 20 digits."""
    rng = np.random.default_rng([1, seed])
    normals, offsets = (
        unit(rng.standard_normal((1 + seed % 2, 2))),
        rng.standard_normal(1 + seed % 2),
    )
    with mpmath.workdps(20):
        truth = np.array([float(v) for v in true_moments(normals, offsets)])
    second = second_moment(normals, offsets)
    got = [mass(normals, offsets), *first_moment(normals, offsets), *second[[0, 0, 1], [0, 1, 1]]]
    np.testing.assert_allclose(got, truth, atol=TOLERANCE)


def cones(count=60):
    """Up to three half-spaces in three dimensions, some nearly parallel."""
    rng = np.random.default_rng(2)
    for n in range(count):
        size = n % 4
        normals, offsets = rng.standard_normal((size, 3)), rng.standard_normal(size)
        if size > 1 and n % 3 == 0:
            normals[1] = normals[0] + 10.0 ** rng.uniform(-8, 0) * rng.standard_normal(3)
            offsets[1] = offsets[0] + 0.01 * rng.standard_normal()
        yield unit(normals.reshape(size, 3)), offsets


def test_moments_add_up():
    """A half-space more and its complement: mass, first and second moments sum to those without."""
    for normals, offsets in cones():
        for j in range(len(offsets)):
            flip = np.ones(len(offsets))
            flip[j] = -1
            rest = [i for i in range(len(offsets)) if i != j]
            for moment in (mass, first_moment, second_moment):
                both = moment(normals, offsets) + moment(flip[:, None] * normals, flip * offsets)
                np.testing.assert_allclose(
                    both, moment(normals[rest], offsets[rest]), atol=TOLERANCE, err_msg=str(normals)
                )


def test_octants_are_products():
    """Orthogonal half-spaces: the moments of each coordinate, in any rotation."""
    rng = np.random.default_rng(3)
    for _ in range(10):
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        offsets = rng.standard_normal(3)
        phi = np.exp(-0.5 * offsets**2) / np.sqrt(2 * np.pi)
        m0 = np.array([mass(np.ones((1, 1)), offsets[i : i + 1]) for i in range(3)])
        m1, m2 = phi, m0 - offsets * phi
        first = np.array([m1[i] * np.prod(np.delete(m0, i)) for i in range(3)])
        second = np.diag([m2[i] * np.prod(np.delete(m0, i)) for i in range(3)])
        for i, j in itertools.permutations(range(3), 2):
            second[i, j] = m1[i] * m1[j] * m0[3 - i - j]
        assert mass(axes, offsets) == pytest.approx(m0.prod(), abs=TOLERANCE)
        np.testing.assert_allclose(first_moment(axes, offsets), first @ axes, atol=TOLERANCE)
        np.testing.assert_allclose(
            second_moment(axes, offsets), axes.T @ second @ axes, atol=TOLERANCE
        )


def test_first_moment_is_the_derivative_of_the_mass():
    """d/dt of the mass with the Gaussian moved by t d is d · ∫ z φ: central differences."""
    rng = np.random.default_rng(4)
    for normals, offsets in cones(12):
        direction = rng.standard_normal(3)
        h = 1e-4
        ends = [mass(normals, offsets + s * h * (normals @ direction)) for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * h)
        assert first_moment(normals, offsets) @ direction == pytest.approx(slope, abs=1e-6)


def test_far_half_spaces():
    """Offsets of any size overflow nowhere: everything, or nothing."""
    normals = unit([[1.0, 0.2, 0.0], [0.0, 1.0, 0.3], [0.1, 0.0, 1.0]])
    for offsets, whole in [(np.full(3, 1e200), 1.0), (np.array([1e200, -1e200, 0.0]), 0.0)]:
        assert mass(normals, offsets) == pytest.approx(whole, abs=1e-14)
        np.testing.assert_allclose(first_moment(normals, offsets), 0.0, atol=1e-14)
        np.testing.assert_allclose(second_moment(normals, offsets), whole * np.eye(3), atol=1e-14)


def test_a_forgotten_ridge_is_caught(monkeypatch):
    """Second moments without the ridges' masses fail the comparison with double integrals."""
    monkeypatch.setattr(cone_moments, "first_moment", lambda n, b: np.zeros(n.shape[1]))
    with pytest.raises(AssertionError):
        test_wedges_and_half_planes(1)
