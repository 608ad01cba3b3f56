"""Gaussians on polygons and polyhedra against the oracle's 25 digits [Lemma 4, Appendix B]."""

import copy
import pickle

import numpy as np
import pytest
from mpmath import mpf
from scipy.special import log_ndtr, logsumexp, ndtr

import fast
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces
from oracle.quadrature.polygon import polygon_moments
from oracle.quadrature.polyhedron import polyhedron_moments
from oracle.quadrature.product_polyhedra import random_product

#: Log mass in max(1, |log mass|), moments in truncated standard deviations [the contract].
LOG_MASS = {2: 1e-12, 3: 1e-10}
MOMENTS = {2: 1e-10, 3: 1e-8}
EPSILON = np.finfo(float).eps
KINDS = (
    "bounded",
    "many sides",
    "redundant",
    "unbounded",
    "wedge",
    "strip",
    "half-plane",
    "needle",
)


def unit_rows(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def polygon(kind, rng):
    """Half-planes (F, 2), (F,) of a random polygon of a kind."""
    if kind in ("bounded", "many sides", "redundant"):
        count = int(rng.integers(8, 20) if kind == "many sides" else rng.integers(3, 8))
        lengths = 10 ** rng.uniform(-1, 1, count)
        normals = unit_rows(rng.uniform(0, 2 * np.pi, count)) * lengths[:, None]
        offsets = lengths * rng.uniform(0.2, 2, count)
        if kind == "redundant":
            normals = np.concatenate([normals, 0.3 * normals[:2], [[0, 0]], normals[:1]])
            offsets = np.concatenate([offsets, 0.3 * offsets[:2], [1.0], offsets[:1] + 1])
    elif kind == "unbounded":
        count = int(rng.integers(2, 5))
        normals, offsets = unit_rows(rng.uniform(0, 2.8, count)), rng.uniform(0.2, 2, count)
    elif kind == "wedge":
        normals, offsets = rng.standard_normal((2, 2)), rng.standard_normal(2)
    elif kind == "half-plane":
        normals, offsets = rng.standard_normal((1, 2)), rng.standard_normal(1)
    else:
        normal, level = rng.standard_normal(2), rng.uniform(-1, 1)
        if kind == "needle":
            normals = np.stack([normal, 1e-6 * rng.standard_normal(2) - normal])
            offsets = np.array([level, rng.choice([0, 1e-6, -1e-6, 1e-7]) - level])
        else:
            scale = rng.choice([1.0, 2.0])
            width = rng.choice([1e-8, 1e-3, 1.0])
            normals = np.stack([normal, -scale * normal])
            offsets = np.array([level, scale * (width - level)])
        more = int(rng.integers(0, 3))
        normals = np.concatenate([normals, rng.standard_normal((more, 2))])
        offsets = np.concatenate([offsets, np.abs(rng.standard_normal(more))])
    return normals, offsets


def polyhedron(kind, rng):
    """Half-spaces (F, 3), (F,) of a random polyhedron of a kind."""
    if kind == "cone":
        count = int(rng.integers(1, 5))
        return rng.standard_normal((count, 3)), rng.standard_normal(count)
    count = int(rng.integers(4, 10))
    normals = rng.standard_normal((count, 3))
    offsets = rng.uniform(0.2, 2, count)
    if kind == "slab":
        normals[1], offsets[1] = -normals[0], 1e-4 - offsets[0]
    return normals, offsets


def means(normals, offsets, rng, farthest):
    """Inside or out, on a vertex, on an edge, a hair beside the centre, and far away."""
    dimension = normals.shape[1]
    lattice = lattice_of_halfspaces(normals, offsets)
    if lattice is None:
        return None
    vertices = np.zeros((1, dimension))
    if lattice.dimension:
        vertices = lattice.positions[lattice.points]
    one, other = vertices[rng.integers(len(vertices), size=2)]
    direction = rng.standard_normal(dimension)
    far = direction / np.linalg.norm(direction) * 10 ** rng.uniform(0, np.log10(farthest))
    centre = vertices.mean(axis=0) + 1e-9 * rng.standard_normal(dimension)
    return np.array([rng.standard_normal(dimension), one, 0.5 * (one + other), centre, one + far])


def covariance(rng, dimension):
    root = rng.standard_normal((dimension, dimension))
    return np.eye(dimension) if rng.random() < 0.4 else root @ root.T + 0.05 * np.eye(dimension)


def excess(found, exact, row, dimension):
    """Errors of log mass, mean and covariance over what is allowed. A mean in doubles is no better
    than its own rounding, which for a sliver may be much of its width."""
    log_mass, cov = float(exact.log_mass), np.array(exact.cov, dtype=float)
    deviations = np.sqrt(np.diag(cov))
    errors = [float(mpf(found.log_mass[row]) - exact.log_mass) / max(1.0, abs(log_mass))]
    allowed = [LOG_MASS[dimension]]
    for i in range(dimension):
        errors.append(float(mpf(found.mean[row, i]) - exact.mean[i]) / deviations[i])
        rounding = 4 * EPSILON * abs(found.mean[row, i]) / deviations[i]
        allowed.append(max(MOMENTS[dimension], rounding))
    errors += ((found.cov[row] - cov) / np.outer(deviations, deviations)).ravel().tolist()
    allowed += [MOMENTS[dimension]] * dimension**2
    return np.max(np.abs(errors) / np.array(allowed))


def check(normals, offsets, truth, rng, farthest):
    """Compare one polyhedron at five means; how many were compared."""
    dimension = normals.shape[1]
    centres, cov = means(normals, offsets, rng, farthest), covariance(rng, dimension)
    if centres is None:
        centre = np.zeros(dimension)
        found = fast.gaussian_on_polyhedron(normals, offsets, centre[None], cov)
        assert found.log_mass[0] == -np.inf
        assert truth(normals, offsets, centre, cov).log_mass == -np.inf
        return 1
    found = fast.gaussian_on_polyhedron(normals, offsets, centres, cov)
    assert np.all(np.linalg.eigvalsh(found.cov) >= -4 * EPSILON * np.abs(found.cov).max())
    for row, centre in enumerate(centres):
        exact = truth(normals, offsets, centre, cov)
        assert excess(found, exact, row, dimension) <= 1, (normals, offsets, centre, cov)
        gap = abs(float(mpf(found.log_mass[row]) - exact.log_mass))
        assert gap <= found.log_mass_error[row]
    return len(centres)


@pytest.mark.parametrize("kind", KINDS)
def test_polygons(kind):
    """Out to log mass -1e5."""
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(3):
        check(*polygon(kind, rng), polygon_moments, rng, 400)


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
def test_polygons_deep(kind):
    """2,000 pairs of a polygon and a mean, and more."""
    rng = np.random.default_rng(100 + KINDS.index(kind))
    assert sum(check(*polygon(kind, rng), polygon_moments, rng, 400) for _ in range(60)) >= 200


@pytest.mark.parametrize("kind", ["cone", "bounded", "slab"])
def test_polyhedra(kind):
    """Out to log mass -1e4."""
    rng = np.random.default_rng(3)
    check(*polyhedron(kind, rng), polyhedron_moments, rng, 140)


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["cone", "bounded", "slab"])
def test_polyhedra_deep(kind):
    rng = np.random.default_rng(40)
    assert sum(check(*polyhedron(kind, rng), polyhedron_moments, rng, 140) for _ in range(25)) > 100


def product_errors(dimensions, seeds, distance):
    """Errors of log mass, and what the result says of them, over images of products of polyhedra
    of fewer dimensions; the largest error of the moments in truncated standard deviations."""
    errors, told, moments = [], [], 0.0
    for seed in seeds:
        case = random_product(seed, dimensions, distance)
        if case.moments.log_mass == -np.inf:
            continue
        found = fast.gaussian_on_polyhedron(case.normals, case.offsets, case.mean[None], case.cov)
        size = max(1.0, abs(float(case.moments.log_mass)))
        errors.append(abs(float(mpf(found.log_mass[0]) - case.moments.log_mass)) / size)
        told.append(found.log_mass_error[0] / size)
        cov = np.array(case.moments.cov, dtype=float)
        deviations = np.sqrt(np.diag(cov))
        away = found.mean[0] - np.array(case.moments.mean, dtype=float)
        spread = (found.cov[0] - cov) / np.outer(deviations, deviations)
        moments = max(moments, np.max(np.abs(away) / deviations), np.max(np.abs(spread)))
    return np.array(errors), np.array(told), moments


@pytest.mark.parametrize("dimensions", [(2, 2), (1, 3), (1, 1, 2)])
@pytest.mark.parametrize("distance", [0.0, 5.0, 30.0])
def test_four_dimensions(dimensions, distance):
    """1e-5, and every error below what is told: 1e-8 was the worst of 60 cases."""
    errors, told, moments = product_errors(dimensions, range(4), distance)
    assert len(errors) >= 3
    assert np.all(errors <= 1e-7)
    assert np.all(errors <= told)
    assert moments <= 1e-5


@pytest.mark.deep
@pytest.mark.parametrize("dimensions", [(2, 2), (1, 3), (1, 1, 2)])
def test_four_dimensions_deep(dimensions):
    """The errors told cover the true ones in 99 of 100 cases."""
    for distance in (0.0, 1.0, 5.0, 30.0):
        errors, told, _ = product_errors(dimensions, range(100, 150), distance)
        assert np.all(errors <= 1e-5)
        assert np.mean(errors <= told) >= 0.99


@pytest.mark.parametrize(("dimensions", "accuracy"), [((2, 3), 1e-5), ((1, 2, 3), 1e-3)])
def test_five_and_six_dimensions(dimensions, accuracy):
    errors, told, _ = product_errors(dimensions, [0], 1.0)
    assert np.all(errors <= accuracy)
    assert np.all(errors <= told)


def test_a_polyhedron_cut_in_two():
    """Masses add up, and means, on either side of a random plane; S = 3, log mass to -3000."""
    rng = np.random.default_rng(8)
    for _ in range(6):
        normals, offsets = polyhedron("bounded", rng)
        centres = np.concatenate([rng.standard_normal((2, 3)), 30 * rng.standard_normal((2, 3))])
        whole = fast.gaussian_on_polyhedron(normals, offsets, centres, 0.5)
        plane = rng.standard_normal(3)
        halves = [
            fast.gaussian_on_polyhedron(
                np.vstack([normals, sign * plane]), np.append(offsets, 0.0), centres, 0.5
            )
            for sign in (1, -1)
        ]
        shares = np.exp([half.log_mass - whole.log_mass for half in halves])
        size = np.maximum(1.0, np.abs(whole.log_mass))
        assert np.all(np.abs(shares.sum(axis=0) - 1) <= 1e-12 * size)
        kept = [
            np.where(s[:, None] > 0, s[:, None] * h.mean, 0.0)
            for s, h in zip(shares, halves, strict=True)
        ]
        assert sum(kept) == pytest.approx(whole.mean, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_factor_in_place_of_the_covariance(dimension):
    """The same Gaussian, and no Cholesky factor of an ill-conditioned covariance."""
    rng = np.random.default_rng(dimension)
    normals, offsets = np.eye(dimension), np.zeros(dimension)
    factor = rng.standard_normal((dimension, dimension))
    centres = rng.standard_normal((3, dimension))
    one = fast.gaussian_on_polyhedron(normals, offsets, centres, factor @ factor.T)
    other = fast.gaussian_on_polyhedron(normals, offsets, centres, factor=factor)
    assert one.log_mass == pytest.approx(other.log_mass, abs=1e-12)
    # A wide Gaussian whose covariance cond(factor)² = 1e20 would not even be positive definite.
    wide = np.diag([1e10, *np.ones(dimension - 1)])
    skew = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0] @ wide
    found = fast.gaussian_on_polyhedron(normals[:1], [0.0], np.zeros((1, dimension)), factor=skew)
    assert found.log_mass[0] == pytest.approx(-np.log(2), abs=1e-12)


def test_only_the_empty_has_no_moments(impl):
    """Empty: log mass -inf and moments NaN; thin: both finite."""
    sides = np.array([[1.0, 0.0], [-1.0, 0.0]])
    empty = impl.gaussian_on_polyhedron(sides, [-1.0, 0.5], np.zeros((2, 2)), 1.0)
    assert np.all(empty.log_mass == -np.inf)
    assert np.all(np.isnan(empty.mean))
    assert np.all(np.isnan(empty.cov))
    flat = impl.gaussian_on_polyhedron(sides, [-1.0, 1.0], np.zeros((1, 2)), 1.0)
    assert flat.log_mass[0] == -np.inf
    thin = fast.gaussian_on_polyhedron(sides, [-1.0, 1.0 + 1e-13], np.zeros((1, 2)), 1.0)
    assert np.all(np.isfinite(thin.log_mass))
    assert np.all(np.isfinite(thin.mean))
    assert np.all(np.isfinite(thin.cov))


@pytest.mark.parametrize("width", [1e-14, 4e-16])
def test_a_slab_of_a_few_ulps(width):
    """Down to the last: its mass is its width times the density."""
    sides = np.array([[1.0, 0.0], [-1.0, 0.0]])
    end = 1.0 + width
    found = fast.gaussian_on_polyhedron(sides, [-1.0, end], np.zeros((1, 2)), 1.0)
    exact = np.log(end - 1.0) - 0.5 - 0.5 * np.log(2 * np.pi)
    assert found.log_mass[0] == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize("angle", [1e-6, 1e-9, 1e-12, 1e-13])
def test_thin_wedges(angle):
    """A wedge of the plane holds angle / 2π of a Gaussian about its corner."""
    wedge = np.array([[0.0, 1.0], [angle, -1.0]])
    found = fast.gaussian_on_polyhedron(wedge, [0.0, 0.0], np.zeros((1, 2)), 1.0)
    assert found.log_mass[0] == pytest.approx(np.log(angle / (2 * np.pi)), rel=1e-13)


@pytest.mark.parametrize("seed", range(60))
def test_a_cylinder_is_its_base(seed):
    """A polyhedron and its product with a line, with coordinates that are exactly zero: of 240 with
    small rational numbers 6 lost a corner to rounding, and with it half or all of their mass."""
    rng = np.random.default_rng([3, seed])
    for _ in range(4):
        base, latent = rng.choice([(1, 2), (1, 3), (2, 3), (2, 3)])
        count = int(rng.integers(1, 5))
        normals = rng.integers(-3, 4, (count, base)) / rng.choice([1, 3, 7], (count, 1))
        normals[np.all(normals == 0, axis=1), 0] = 1.0
        offsets = rng.integers(-1, 3, count) / rng.choice([1, 3, 7], count)
        places = np.sort(rng.permutation(latent)[:base])
        wide, mean = np.zeros((count, latent)), np.zeros((1, latent))
        wide[:, places] = normals
        expected = fast.gaussian_on_polyhedron(normals, offsets, mean[:, places], 1.0)
        found = fast.gaussian_on_polyhedron(wide, offsets, mean, 1.0)
        np.testing.assert_allclose(found.log_mass, expected.log_mass, rtol=0, atol=1e-7)
        np.testing.assert_allclose(found.mean[:, places], expected.mean, rtol=0, atol=1e-7)


def test_a_wedge_with_a_corner_on_an_axis(impl):
    """All of its mass was lost: -inf where it is exp(-2.003)."""
    normals, offsets = np.array([[-1 / 3, 0, 1], [0, 0, -1.0]]), np.array([1 / 3, 0])
    found = impl.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 3)), 1.0)
    flat = impl.gaussian_on_polyhedron(normals[:, [0, 2]], offsets, np.zeros((1, 2)), 1.0)
    assert found.log_mass[0] == pytest.approx(flat.log_mass[0], abs=1e-10)
    assert found.log_mass[0] == pytest.approx(-2.00286057, abs=1e-8)


def test_what_lies_too_far_for_doubles_is_refused():
    """A box of which nothing is near: the square of its distance is no double."""
    normals = np.vstack([np.eye(2), -np.eye(2)])
    with pytest.raises(ArithmeticError, match="row 0 are beyond the range of doubles"):
        fast.gaussian_on_polyhedron(normals, [-1e200, -1e200, 3e200, 3e200], np.zeros((1, 2)), 1.0)


def test_strips_that_close_far_away():
    """Boundaries that are parallel but for 1e-12 cut a strip off where nothing is: what is near is
    a strip. A vertex of the four lines may be 1e12 or 1e15 away, and rounding joins some."""
    normals = np.array(
        [
            [-2.03394314431044e-13, -7.42511442497195e-13],
            [0.12461346977943245, 0.13259414658351393],
            [-0.26896187153540296, -0.2861871183176705],
            [0.15439629256375298, 0.16428436415724246],
            [-0.16754140946973964, -0.17827133973044182],
        ]
    )
    offsets = np.array([1.6772, 2.38977, -2.64238, 2.63744, 1.83471])
    found = fast.gaussian_on_polyhedron(normals, offsets, [[0.5, -1.0]], 4.0)
    lengths = np.linalg.norm(normals, axis=1)
    heights = (normals @ [0.5, -1.0] + offsets) / (2 * lengths)
    exact = np.log(ndtr(heights[3]) - ndtr(-heights[2]))
    assert found.log_mass[0] == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
@pytest.mark.parametrize("width", [1e-29, 1e-31, 1e-80, 1e-150])
def test_tiny_boxes(dimension, width):
    """Their volumes underflow; log mass and moments are those of a uniform distribution."""
    normals = np.vstack([np.eye(dimension), -np.eye(dimension)])
    offsets = np.repeat([0.0, width], dimension)
    centre = np.full((1, dimension), 0.3)
    found = fast.gaussian_on_polyhedron(normals, offsets, centre, 1.0)
    expected = dimension * (np.log(width) - 0.5 * np.log(2 * np.pi) - 0.045)
    assert found.log_mass[0] == pytest.approx(expected, rel=1e-14)
    assert found.mean[0] / width == pytest.approx(np.full(dimension, 0.5), abs=1e-13)
    assert found.cov[0] / width**2 == pytest.approx(np.eye(dimension) / 12, abs=1e-13)


@pytest.mark.parametrize(("dimension", "accuracy"), [(2, 1e-14), (3, 1e-13), (4, 1e-7)])
@pytest.mark.parametrize("width", [1e11, 1e13, 1e29, 1e31, 1e149, 1e200])
def test_huge_boxes(dimension, accuracy, width):
    """As good as quadrants."""
    normals = np.vstack([np.eye(dimension), -np.eye(dimension)])
    centre = np.full((1, dimension), -0.3)
    box = fast.gaussian_on_polyhedron(normals, np.repeat([0.0, width], dimension), centre, 1.0)
    assert box.log_mass[0] == pytest.approx(dimension * log_ndtr(-0.3), abs=accuracy)
    quadrant = fast.gaussian_on_polyhedron(normals[:dimension], np.zeros(dimension), centre, 1.0)
    assert box.mean == pytest.approx(quadrant.mean, abs=accuracy)
    assert box.cov == pytest.approx(quadrant.cov, abs=accuracy)


@pytest.mark.parametrize(
    ("dimension", "seeds"), [(4, 12), (5, 2), pytest.param(6, 2, marks=pytest.mark.deep)]
)
def test_the_told_error_covers_orthants(dimension, seeds):
    """Equal correlations: one integral over what is common, here by the trapezoidal rule."""
    rng = np.random.default_rng(dimension)
    means = [(0.9, np.linspace(-1.0, 1.0, dimension))]
    means += [
        (rng.choice([0.1, 0.3, 0.5, 0.8, 0.95, 0.99]), rng.normal(size=dimension) * scale)
        for scale in rng.choice([0.3, 1.0, 3.0], seeds)
    ]
    t, step = np.linspace(-14, 14, 28001, retstep=True)
    for common, mean in means:
        cov = (1 - common) * np.eye(dimension) + common
        found = fast.gaussian_on_polyhedron(np.eye(dimension), np.zeros(dimension), [mean], cov)
        inner = log_ndtr((mean[:, None] + np.sqrt(common) * t) / np.sqrt(1 - common)).sum(axis=0)
        exact = logsumexp(inner - 0.5 * t * t) + np.log(step) - 0.5 * np.log(2 * np.pi)
        assert abs(found.log_mass[0] - exact) <= found.log_mass_error[0]


def test_copies_and_pickles(impl):
    found = impl.gaussian_on_polyhedron(np.eye(2), np.zeros(2), np.zeros((3, 2)), 1.0)
    for copied in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        assert np.array_equal(copied.log_mass, found.log_mass)
        assert np.array_equal(copied.log_mass_error, found.log_mass_error)


def test_shapes_and_unpacking(impl):
    log_mass, mean, cov = impl.gaussian_on_polyhedron(
        np.empty((0, 3)), [], np.zeros((4, 3)), [1.0, 2.0, 3.0]
    )
    assert log_mass == pytest.approx(np.zeros(4), abs=1e-15)
    assert mean == pytest.approx(np.zeros((4, 3)))
    assert cov == pytest.approx(np.broadcast_to(np.diag([1.0, 2.0, 3.0]), (4, 3, 3)))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("normals", {"normals": np.ones((2, 2, 2))}),
        ("normals", {"normals": np.empty((1, 0))}),
        ("normals", {"normals": [[np.nan, 1.0]]}),
        ("offsets", {"offsets": [0.0, 1.0]}),
        ("means", {"means": np.zeros((1, 3))}),
        ("means", {"means": np.zeros((0, 2))}),
        ("means", {"means": [[np.inf, 0.0]]}),
        ("cov", {"cov": [[1.0, 2.0], [2.0, 1.0]]}),
        ("cov", {"cov": [[1.0, 0.5], [0.0, 1.0]]}),
        ("cov", {"cov": np.eye(3)}),
        ("cov", {"cov": -1.0}),
        ("cov", {"cov": None}),
        ("cov", {"factor": np.eye(2)}),
        ("factor", {"cov": None, "factor": np.ones((2, 2))}),
        ("factor", {"cov": None, "factor": np.eye(3)}),
    ],
)
def test_bad_input(impl, name, arguments):
    sound = {"normals": [[1.0, 0.0]], "offsets": [0.0], "means": [[0.0, 0.0]], "cov": np.eye(2)}
    with pytest.raises(ValueError, match=name):
        impl.gaussian_on_polyhedron(**{**sound, **arguments})


def test_more_dimensions_than_there_are_rules_for():
    with pytest.raises(ValueError, match="normals: expected from 1 to 6 columns"):
        fast.gaussian_on_polyhedron(np.eye(7), np.zeros(7), np.zeros((1, 7)), 1.0)


def test_half_spaces_that_matter_far_out():
    """A corner 1e13 away is left out where it cannot matter; but here the nearest point is more
    than 1e6 deviations out, and what bounds nothing nearer than that, z_1 < 1e6 + 1, moves it."""
    normals = np.array([[1.2, 0.4], [-1.0, 0.0], [0.0, -1.0]])
    offsets = np.array([-(1.6e6 - 1), 1e6 + 1, 1e13])
    log_mass, mean, _ = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 2)), 1.0)
    nearest = np.array([1e6 + 1, 1e6 - 5.5])
    np.testing.assert_allclose(mean[0], nearest, rtol=1e-9)
    # Its neighbourhood adds the logarithm of its size, some -30 nats, to the density's -1e12.
    np.testing.assert_allclose(log_mass, -0.5 * nearest @ nearest, rtol=1e-10)
