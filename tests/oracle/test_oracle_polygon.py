"""Gaussians on polygons and polyhedra: closed forms, invariances, and parts that add up."""

import numpy as np
import pytest
from mpmath import mp, mpf

from oracle.quadrature import moments, polygon
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.polygon import polygon_moments

ZERO, IDENTITY = np.zeros(2), np.eye(2)
DIGITS = mpf(10) ** -24


@pytest.fixture(autouse=True)
def many_digits():
    """Closed forms are evaluated with more digits than are compared."""
    with mp.workdps(60):
        yield


def close(value, expected, size=1):
    """Equal to 24 digits of a size, entry by entry."""
    got, wanted = np.ravel(np.array(value, object)), np.ravel(np.array(expected, object))
    return all(abs(a - b) <= DIGITS * size for a, b in zip(got, wanted, strict=True))


def exact(values):
    """Doubles as mpmath numbers."""
    return np.vectorize(lambda v: mpf(float(v)), otypes=[object])(values)


def dyadic(rng, shape, size=1.0):
    """Random doubles of few bits: their sums and products are exact."""
    return np.round(rng.normal(size=shape) * size * 1024) / 1024


def interval(low, high):
    """Mass, mean and variance of a standard normal on an interval."""
    with mp.workdps(400):
        low, high = mpf(low), mpf(high)
        mass = (mp.erfc(low / mp.sqrt(2)) - mp.erfc(high / mp.sqrt(2))) / 2
        below, above = mp.npdf(low), mp.npdf(high)
        mean = (below - above) / mass
        ends = (low * below if mp.isfinite(low) else 0) - (high * above if mp.isfinite(high) else 0)
        return mass, mean, 1 + ends / mass - mean**2


def added(parts):
    """The moments of a union of disjoint parts."""
    masses = [mp.exp(part.log_mass) for part in parts]
    total = sum(masses)
    axes = range(len(parts[0].mean))
    mean = [sum(m * p.mean[i] for m, p in zip(masses, parts, strict=True)) / total for i in axes]
    cov = [
        [
            sum(
                m * (p.cov[i][j] + (p.mean[i] - mean[i]) * (p.mean[j] - mean[j]))
                for m, p in zip(masses, parts, strict=True)
            )
            / total
            for j in axes
        ]
        for i in axes
    ]
    return mp.log(total), mean, cov


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.9, 0.999, -0.999999])
def test_quadrant(rho):
    """1/4 + asin(ρ) / 2π; the first moment of u1 is (1 + ρ) / (2 sqrt(2π)) of the whole."""
    got = polygon_moments(IDENTITY, ZERO, ZERO, [[1.0, rho], [rho, 1.0]])
    mass = mpf(1) / 4 + mp.asin(mpf(rho)) / (2 * mp.pi)
    assert close(mp.exp(got.log_mass) / mass, 1)
    mean = (1 + mpf(rho)) / (2 * mp.sqrt(2 * mp.pi)) / mass
    size = mp.sqrt(got.cov[0][0])
    assert close(got.mean, [mean, mean], size)


def test_whole_plane():
    """No half-plane, or none that cuts: the Gaussian itself."""
    mean, cov = np.array([0.25, -3.0]), np.array([[2.0, 0.5], [0.5, 0.75]])
    for normals, offsets in [(np.zeros((0, 2)), np.zeros(0)), (np.zeros((1, 2)), np.ones(1))]:
        got = polygon_moments(normals, offsets, mean, cov)
        assert close(got.log_mass, 0)
        assert close(got.mean, exact(mean))
        assert close(got.cov, exact(cov))


@pytest.mark.parametrize("slack", [1.5, 0.0, -1e-8, -3.0, -40.0, -440.0])
def test_half_plane(slack):
    """Along the normal a half-line, across it untouched; log mass down to -1e5."""
    got = polygon_moments([[3.0, 4.0]], [5 * slack], ZERO, IDENTITY)
    mass, mean, variance = interval(-mpf(5 * slack) / 5, mp.inf)
    normal = np.array([mpf(3) / 5, mpf(4) / 5])
    assert close(got.log_mass, mp.log(mass), max(1, abs(mp.log(mass))))
    assert close(got.mean, mean * normal, mp.sqrt(variance))
    wanted = np.array([[mpf(1), mpf(0)], [mpf(0), mpf(1)]]) + (variance - 1) * np.outer(
        normal, normal
    )
    assert close(got.cov, wanted, variance)


@pytest.mark.parametrize(
    ("low", "width"), [(-1.0, 2.5), (0.5, 1e-8), (447.0, 1e-8), (-1e-8, 2e-8), (30.0, 0.5)]
)
def test_slab_and_box(low, width):
    """Products of intervals: strips and boxes, thin and far."""
    high = low + width
    across = interval(low, high)
    strip = polygon_moments([[1.0, 0.0], [-1.0, 0.0]], [-low, high], ZERO, IDENTITY)
    box = polygon_moments([*IDENTITY, *-IDENTITY], [-low, 0.75, high, 2.0], ZERO, IDENTITY)
    for got, other in ((strip, interval(-mp.inf, mp.inf)), (box, interval(-0.75, 2.0))):
        log_mass = mp.log(across[0] * other[0])
        assert close(got.log_mass, log_mass, max(1, abs(log_mass)))
        for axis, (_, mean, variance) in enumerate((across, other)):
            assert close(got.mean[axis], mean, mp.sqrt(variance))
            assert close(got.cov[axis][axis], variance, variance)
        assert close(got.cov[0][1], 0, mp.sqrt(across[2] * other[2]))


def wedge(angle, apex):
    """The wedge of an angle, its apex at (apex, 0), opening along the first axis."""
    half = angle / 2
    normals = np.array([[np.sin(half), np.cos(half)], [np.sin(half), -np.cos(half)]])
    return normals, -normals[:, 0] * apex


@pytest.mark.parametrize("angle", [1e-6, 0.3, 3.0])
def test_wedge_around_the_mean(angle):
    """By symmetry a wedge with its apex at the mean has its angle's share; <r> is a Gamma ratio."""
    normals, offsets = wedge(angle, 0.0)
    got = polygon_moments(normals, offsets, ZERO, IDENTITY)
    half = mp.atan2(mpf(normals[0, 0]), mpf(normals[0, 1]))
    assert close(mp.exp(got.log_mass) * mp.pi / half, 1)
    assert close(got.mean, [mp.sqrt(mp.pi / 2) * mp.sin(half) / half, 0], half)
    spread = got.cov[0][0] + got.cov[1][1] + got.mean[0] ** 2
    assert close(spread, 2, half**2)


def random_polygon(rng):
    """Half-planes around a point up to 400 from the origin, at distances of any size."""
    normals = dyadic(rng, (int(rng.integers(1, 8)), 2))
    centre = dyadic(rng, 2, 10 ** rng.uniform(-1, 2.4))
    return normals, -normals @ centre + np.abs(dyadic(rng, len(normals))) + 2.0**-9


def test_cut_in_two():
    """The parts on either side of a line add up to the whole: mass, mean and covariance."""
    rng = np.random.default_rng(0)
    for _ in range(25):
        normals, offsets = random_polygon(rng)
        cov = np.array([[1.5, 0.5], [0.5, 0.625]])
        whole = polygon_moments(normals, offsets, ZERO, cov)
        cut = dyadic(rng, 2)
        level = -float(cut @ [float(v) for v in whole.mean])
        parts = [
            polygon_moments([*normals, s * cut], [*offsets, s * level], ZERO, cov) for s in (1, -1)
        ]
        log_mass, mean, cov = added([p for p in parts if mp.isfinite(p.log_mass)])
        size = min(whole.cov[0][0], whole.cov[1][1])
        assert close(whole.log_mass, log_mass, max(1, abs(log_mass)))
        assert close(whole.mean, mean, mp.sqrt(size))
        assert close(whole.cov, cov, max(whole.cov[0][0], whole.cov[1][1]))


def test_linear_maps():
    """Polygon and Gaussian mapped together, by dyadic maps that doubles carry out exactly."""
    rng = np.random.default_rng(1)
    for _ in range(15):
        normals, offsets = random_polygon(rng)
        matrix, shift = np.array([[2.0, 3.0], [1.0, 2.0]]), dyadic(rng, 2)
        inverse = np.array([[2.0, -3.0], [-1.0, 2.0]])
        one = polygon_moments(normals, offsets, ZERO, IDENTITY)
        mapped = normals @ inverse
        other = polygon_moments(mapped, offsets - mapped @ shift, shift, matrix @ matrix.T)
        assert close(one.log_mass, other.log_mass, max(1, abs(one.log_mass)))
        back = inverse @ (np.array(other.mean) - exact(shift))
        assert close(back, one.mean, mp.sqrt(min(one.cov[0][0], one.cov[1][1])))
        cov = inverse @ np.array(other.cov) @ inverse.T
        assert close(cov, one.cov, max(one.cov[0][0], one.cov[1][1]))


def test_nested_quadrature():
    """A triangle by mpmath's own quadrature, twice nested: no theorem, no error function."""
    normals = np.array([[1.0, 0.25], [-0.5, 1.0], [-0.5, -1.0]])
    got = polygon_moments(normals, [1.0, 0.75, 1.5], [2.0, 1.0], IDENTITY)
    with mp.workdps(20):

        def inner(x, power):
            low, high = max(-4 * (1 + x), x / 2 - mpf(3) / 4), mpf(3) / 2 - x / 2
            return mp.quad(lambda y: mp.npdf(x - 2) * mp.npdf(y - 1) * y**power, [low, high])

        corners = [mpf(-11) / 7, mpf(-13) / 18, mpf(9) / 4]
        mass, first = (mp.quad(lambda x, p=p: inner(x, p), corners) for p in (0, 1))
        assert abs(mp.exp(got.log_mass) - mass) < mpf("1e-17")
        assert abs(got.mean[1] - first / mass) < mpf("1e-16")


def test_redundant_half_planes():
    """Repeated, scaled and far half-planes change nothing."""
    normals, offsets = np.array([[1.0, 0.5], [-1.0, 0.25]]), np.array([0.5, 0.25])
    one = polygon_moments(normals, offsets, ZERO, IDENTITY)
    more = [*normals, *normals, *(2 * normals), [-1.0, -0.0], [0.0, 0.0]]
    other = polygon_moments(more, [*offsets, *offsets, *(2 * offsets), 100.0, 1.0], ZERO, IDENTITY)
    assert (one.log_mass, one.mean, one.cov) == (other.log_mass, other.mean, other.cov)


@pytest.mark.parametrize(
    ("normals", "offsets"),
    [
        ([[1.0, 0.0], [-1.0, 0.0]], [0.0, 0.0]),
        ([[1.0, 0.0], [-1.0, 0.0]], [-1.0, 0.5]),
        ([[0.0, 0.0]], [0.0]),
        ([[0.0, 1.0], [0.0, 0.0]], [0.0, -1.0]),
    ],
)
def test_empty(normals, offsets):
    """Nothing inside: log mass -inf, moments NaN."""
    got = polygon_moments(normals, offsets, ZERO, IDENTITY)
    assert got.log_mass == -mp.inf
    assert all(mp.isnan(v) for v in [*got.mean, *got.cov[0], *got.cov[1]])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("normals", {"normals": np.zeros((2, 3))}),
        ("normals", {"normals": [[np.nan, 0.0]]}),
        ("offsets", {"offsets": [1.0, 2.0]}),
        ("offsets", {"offsets": [np.inf]}),
        ("mean", {"mean": np.zeros(3)}),
        ("cov", {"cov": [[1.0, 0.5], [0.25, 1.0]]}),
        ("cov", {"cov": [[1.0, 2.0], [2.0, 1.0]]}),
    ],
)
def test_bad_input(name, change):
    """Named in the message."""
    arguments = {"normals": [[1.0, 0.0]], "offsets": [1.0], "mean": ZERO, "cov": IDENTITY}
    with pytest.raises(ValueError, match=name):
        polygon_moments(**(arguments | change))


def test_no_agreement_no_answer(monkeypatch):
    """A precision that differs from the next in the 24th digit is not believed."""
    monkeypatch.setattr(moments, "LADDER", (30, 42))
    honest = polygon.whitened_mass

    def off(edges, level):
        return honest(edges, level) * (1 + (level.digits == 42) * mpf("1e-24"))

    polygon_moments([[1.0, 0.5]], [0.5], ZERO, IDENTITY)
    monkeypatch.setattr(polygon, "whitened_mass", off)
    with pytest.raises(OracleDisagreement):
        polygon_moments([[1.0, 0.5]], [0.5], ZERO, IDENTITY)
