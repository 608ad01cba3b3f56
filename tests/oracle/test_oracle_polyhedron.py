"""Gaussians on polyhedra of dimension 3, and on images of products: closed forms and other ways."""

import numpy as np
import pytest
from mpmath import mp, mpf
from test_oracle_polygon import added, close, dyadic, exact, interval

from oracle.quadrature import moments, polyhedron
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments
from oracle.quadrature.product_polyhedra import random_product

ZERO, IDENTITY = np.zeros(3), np.eye(3)


@pytest.fixture(autouse=True)
def many_digits():
    """Closed forms are evaluated with more digits than are compared."""
    with mp.workdps(60):
        yield


@pytest.mark.parametrize("correlations", [(0.0, 0.0, 0.0), (0.3, 0.2, -0.5), (0.9, 0.9, 0.99)])
def test_octant(correlations):
    """1/8 + Σ asin(ρ) / 4π."""
    cov = np.eye(3)
    for (i, j), rho in zip([(0, 1), (0, 2), (1, 2)], correlations, strict=True):
        cov[i, j] = cov[j, i] = rho
    got = polyhedron_moments(IDENTITY, ZERO, ZERO, cov)
    mass = mpf(1) / 8 + sum(mp.asin(mpf(rho)) for rho in correlations) / (4 * mp.pi)
    assert close(mp.exp(got.log_mass) / mass, 1)


def test_without_vertices():
    """All of space, half-space, slab and wedge: what they are across, the rest untouched."""
    assert close(polyhedron_moments(np.zeros((0, 3)), [], ZERO, IDENTITY).cov, exact(IDENTITY))
    for slack in (0.0, 1.5, -30.0):
        got = polyhedron_moments([[2.0, 1.0, -2.0]], [3 * slack], ZERO, IDENTITY)
        mass, mean, variance = interval(-mpf(slack), mp.inf)
        normal = np.array([mpf(2), mpf(1), mpf(-2)]) / 3
        assert close(got.log_mass, mp.log(mass), max(1, abs(mp.log(mass))))
        assert close(got.mean, mean * normal, mp.sqrt(variance))
        wanted = exact(IDENTITY) + (variance - 1) * np.outer(normal, normal)
        assert close(got.cov, wanted, variance)
    wedge = [[1.0, 0.5, 0.0], [-0.25, 1.0, 0.0]]
    for offsets in ([0.0, 0.0], [0.0, 1.0], [1.0, 0.5], [-3.0, 0.25]):
        got = polyhedron_moments(wedge, offsets, ZERO, IDENTITY)
        flat = polygon_moments([row[:2] for row in wedge], offsets, ZERO[:2], IDENTITY[:2, :2])
        assert close(got.log_mass, flat.log_mass, max(1, abs(flat.log_mass)))
        assert close(got.mean, [*flat.mean, 0])


@pytest.mark.parametrize("corner", [(0.0, 0.0, 0.0), (0.0, 0.0, 0.5), (0.0, -0.5, 2.0), (1, 2, 9)])
@pytest.mark.parametrize("thin", [1.0, 1e-6])
def test_box(corner, thin):
    """Products of intervals, the mean at a corner, on an edge, on a face, outside and far off."""
    low = np.array(corner, dtype=float)
    high = low + np.array([1.0, 1.5, thin])
    got = polyhedron_moments([*IDENTITY, *-IDENTITY], [*-low, *high], ZERO, IDENTITY)
    sides = [interval(a, b) for a, b in zip(low, high, strict=True)]
    log_mass = mp.log(sides[0][0] * sides[1][0] * sides[2][0])
    assert close(got.log_mass, log_mass, max(1, abs(log_mass)))
    for axis, (_, mean, variance) in enumerate(sides):
        assert close(got.mean[axis], mean, mp.sqrt(variance))
        assert close(got.cov[axis][axis], variance, variance)


@pytest.mark.parametrize("dimensions", [(2, 1), (1, 2), (1, 1, 1)])
@pytest.mark.parametrize("distance", [1.0, 60.0])
def test_products(dimensions, distance):
    """A polyhedron that is the image of a product, near and far."""
    for seed in range(2):
        case = random_product(seed, dimensions, distance)
        got = polyhedron_moments(case.normals, case.offsets, case.mean, case.cov)
        truth = case.moments
        extent = mp.sqrt(min(truth.cov[i][i] for i in range(3)))
        assert close(got.log_mass, truth.log_mass, max(1, abs(truth.log_mass)))
        assert close(got.mean, truth.mean, extent)
        assert close(got.cov, truth.cov, extent**2)


def random_polyhedron(rng):
    """Half-spaces around a point up to 100 from the origin."""
    normals = dyadic(rng, (int(rng.integers(2, 9)), 3))
    centre = dyadic(rng, 3, 10 ** rng.uniform(-1, 1.8))
    return normals, -normals @ centre + np.abs(dyadic(rng, len(normals))) + 2.0**-9


def test_cut_in_two():
    """The parts on either side of a plane add up to the whole."""
    rng = np.random.default_rng(0)
    factor = np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.25, 0.75, 1.0]])
    cov = factor @ factor.T
    for _ in range(2):
        normals, offsets = random_polyhedron(rng)
        whole = polyhedron_moments(normals, offsets, ZERO, cov)
        cut = dyadic(rng, 3)
        level = -float(cut @ [float(v) for v in whole.mean])
        parts = [
            polyhedron_moments([*normals, s * cut], [*offsets, s * level], ZERO, cov)
            for s in (1, -1)
        ]
        log_mass, mean, spread = added(parts)
        extent = max(whole.cov[i][i] for i in range(3))
        assert close(whole.log_mass, log_mass, max(1, abs(log_mass)))
        assert close(whole.mean, mean, mp.sqrt(extent))
        assert close(whole.cov, spread, extent)


def test_slices():
    """A simplex as an integral over its slices, polygons: another way to its mass."""
    normals = np.array([[1.0, 0.0, 0.0], [0.25, 1.0, -0.5], [-0.5, 0.5, 1.0], [-1.0, -1.0, -0.75]])
    offsets = np.array([1.0, 0.75, 1.25, 1.5])
    got = polyhedron_moments(normals, offsets, [0.5, 1.0, -0.25], IDENTITY)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    low, high = -1.0, np.linalg.solve(normals[1:], -offsets[1:])[0]  # a face, a vertex
    total = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        x = low + (high - low) * (node + 1) / 2
        slacks = offsets[1:] + normals[1:, 0] * x
        area = polygon_moments(normals[1:, 1:], slacks, [1.0, -0.25], np.eye(2))
        total += weight * (high - low) / 2 * float(mp.npdf(x - 0.5) * mp.exp(area.log_mass))
    assert abs(total - mp.exp(got.log_mass)) < 1e-14


def test_four_dimensions():
    """A product's moments against samples: mass within five standard errors, and so the mean."""
    case = random_product(1, (2, 2), 0.5)
    rng = np.random.default_rng(3)
    z = rng.multivariate_normal(case.mean, case.cov, 400_000)
    inside = np.all(z @ case.normals.T + case.offsets > 0, axis=1)
    mass = float(mp.exp(case.moments.log_mass))
    assert abs(inside.mean() - mass) < 5 * np.sqrt(mass * (1 - mass) / len(z))
    for i in range(4):
        error = 5 * np.sqrt(float(case.moments.cov[i][i]) / inside.sum())
        assert abs(z[inside, i].mean() - float(case.moments.mean[i])) < error


def test_empty_and_bad_input():
    """As in the plane."""
    got = polyhedron_moments([*IDENTITY, -IDENTITY[0]], np.zeros(4), ZERO, IDENTITY)
    assert got.log_mass == -mp.inf
    with pytest.raises(ValueError, match="normals"):
        polyhedron_moments(np.zeros((2, 2)), [1.0, 1.0], ZERO, IDENTITY)
    with pytest.raises(ValueError, match="mean"):
        polyhedron_moments(IDENTITY, ZERO, np.zeros(2), IDENTITY)


def test_no_agreement_no_answer(monkeypatch):
    """A precision that differs from the next in the 24th digit is not believed."""
    monkeypatch.setattr(moments, "LADDER", (30, 42))
    honest = polyhedron._flux

    def off(faces, ridges, reach, level):
        return honest(faces, ridges, reach, level) + (level.digits == 42) * mpf("1e-24")

    monkeypatch.setattr(polyhedron, "_flux", off)
    with pytest.raises(OracleDisagreement):
        polyhedron_moments(IDENTITY, [0.5, 1.0, 0.25], ZERO, IDENTITY)
