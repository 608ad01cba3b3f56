"""Polyhedra from 1e3 to 1e153 standard deviations away: log mass, mean, covariance, entropy, draws.

Products of intervals have closed forms, also turned by an integer matrix of determinant 1: then no
input is rounded, and what is lost is lost by the implementation.
"""

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import fast
import fast.integration.far
from fast.polyhedra.exact_nearest import NearestPoint
from fast.polyhedra.rational_rows import exactly, solution
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied
from reference import Dense, LeakyReLU, Network, gaussian_on_polyhedron

INF = mpmath.inf
CASES = Path(__file__).parents[1] / "data" / "cases" / "far.json"
#: Of the covariance in truncated standard deviations, and of the mean; log mass by its size.
MOMENTS = {1: 1e-13, 2: 1e-10, 3: 1e-8, 4: 1e-4}
LOG_MASS = {1: 3e-14, 2: 1e-12, 3: 1e-10, 4: 1e-10}
DISTANCES = [1e3, 1e5, 1e6, 1e8, 1e10, 1e16, 1e30, 1e70, 1e90, 1e120, 1e150, 1e153]
SHEAR = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0], [-2, 1, 1, 0], [3, 0, -1, 1]])

#: Sides of boxes; d stands for the distance.
BOXES = {
    "half-line": [("d", INF)],
    "half-line below": [(-INF, "-d")],
    "corner": [("d", INF), ("d", INF)],
    "two corners": [("-d", "d"), ("d", INF)],
    "half-plane": [("d", INF), (-INF, INF)],
    "edge beside a corner": [("d", INF), (-10, INF)],
    "edge far beside a corner": [("d", INF), (-100, INF)],
    "half-strip": [("d", INF), (-1, 2)],
    "half-strip aside": [("d", INF), (3, 100)],
    "half-strip below": [(-INF, "-d"), (-2, 1)],
    "tangent": [("d", INF), (0, INF)],
    "octant": [("d", INF), ("d", INF), ("d", INF)],
    "edge in space": [("d", INF), ("d", INF), (-100, 50)],
    "column": [("d", INF), (-1, 2), (0, INF)],
    "column aside": [("d", INF), (3, 100), (-50, 200)],
    "slab": [("d", INF), (-INF, INF), (-0.5, 0.25)],
    "corner of four": [("d", INF)] * 4,
    "edge of four": [("d", INF), ("d", INF), (-1, 2), (0, INF)],
    "column of four": [("d", INF), (-3, 2), (-1, 2), (0, 0.5)],
}


def sides_of(name, distance):
    """Numbers for the sides."""
    values = {"d": distance, "-d": -distance}
    return [tuple(values.get(end, end) for end in side) for side in BOXES[name]]


def one_side(distance):
    """Log mass, mean, variance and entropy of N(0, 1) beyond a distance of 1e3 or more, by Mills'
    asymptotic series: 16 terms leave 1e-80 at 1e3."""
    s = 1 / mpf(distance) ** 2
    terms = [mpf(1)]
    for n in range(1, 17):
        terms.append(-terms[-1] * (2 * n - 1) * s)
    ratio = sum(terms)
    log_mass = (
        -(mpf(distance) ** 2) / 2 - mpmath.log(2 * mpmath.pi) / 2 + mpmath.log(ratio / distance)
    )
    mean = distance / ratio
    return log_mass, mean, 1 + distance * mean - mean**2


def interval(lower, upper):
    """The same of N(0, 1) on any interval that ends less than 200 away or begins beyond 1e3."""
    if lower >= 1000:
        return one_side(mpf(lower))  # what lies beyond the other end is nothing
    if upper <= -1000:
        log_mass, mean, variance = one_side(-mpf(upper))
        return log_mass, -mean, variance
    a, b = (mpf(max(min(end, 1000), -1000)) for end in (lower, upper))
    mass = (mpmath.erfc(a / mpmath.sqrt(2)) - mpmath.erfc(b / mpmath.sqrt(2))) / 2
    mean = (mpmath.npdf(a) - mpmath.npdf(b)) / mass
    variance = 1 + (a * mpmath.npdf(a) - b * mpmath.npdf(b)) / mass - mean**2
    return mpmath.log(mass), mean, variance


def stated(sides, matrix, *, shift=None):
    """Half-spaces of {matrix w: w within the sides}, plus a shift."""
    inverse = np.rint(np.linalg.inv(matrix))
    lower, upper = (np.array([float(side[i]) for side in sides]) for i in (0, 1))
    normals, offsets = np.concatenate([inverse, -inverse]), np.concatenate([-lower, upper])
    return normals, offsets if shift is None else offsets - normals @ shift


def errors(found, row, sides, matrix, mean):
    """Of log mass, relative; of mean and covariance, in truncated standard deviations, the mean's
    beside its own rounding; and of the entropy."""
    with mpmath.workdps(700):
        parts, size = [interval(*side) for side in sides], len(sides)
        turned = mpmath.matrix(matrix.tolist())
        log_mass = sum(part[0] for part in parts)
        means = turned * mpmath.matrix([part[1] for part in parts])
        cov = turned * mpmath.diag([part[2] for part in parts]) * turned.T
        deviations = [mpmath.sqrt(cov[i, i]) for i in range(size)]
        off = [abs(mpf(found.log_mass[row]) - log_mass) / max(1, abs(log_mass)), mpf(0), mpf(0)]
        for i in range(size):
            exact = means[i] + mpf(mean[i])
            rounding = 2 * np.spacing(abs(float(exact)))
            away = abs(mpf(found.mean[row, i]) - exact) - rounding
            off[1] = max(off[1], away / deviations[i])
            for j in range(size):
                apart = abs(mpf(found.cov[row, i, j]) - cov[i, j])
                off[2] = max(off[2], apart / (deviations[i] * deviations[j]))
        half = sum(part[2] + part[1] ** 2 for part in parts) / 2
        entropy = log_mass + half + size * mpmath.log(2 * mpmath.pi) / 2
        off.append(abs(mpf(found.entropy()[row]) - entropy) / max(1, abs(entropy)))
        assert abs(mpf(found.log_mass[row]) - log_mass) <= found.log_mass_error[row]
    return [float(value) for value in off]


@pytest.mark.parametrize("distance", [1e3, 1e4, 1e153])
def test_the_series(distance):
    """Against the error function where it has one: relative 1e-40, of the variance too."""
    if distance > 1e100:
        with mpmath.workdps(700):
            scaled = one_side(mpf(distance))[2] * mpf(distance) ** 2
        assert float(scaled) == pytest.approx(1, abs=1e-15)
        return
    with mpmath.workdps(120):
        d = mpf(distance)
        mass = mpmath.erfc(d / mpmath.sqrt(2)) / 2
        mean = mpmath.npdf(d) / mass
        for got, exact in zip(
            one_side(d), (mpmath.log(mass), mean, 1 + d * mean - mean**2), strict=True
        ):
            assert abs(got - exact) <= mpf(10) ** -30 * abs(exact)


@pytest.mark.parametrize("sheared", [False, True])
@pytest.mark.parametrize("name", BOXES)
def test_boxes_at_any_distance(name, sheared):
    """What is promised for S = 1, 2, 3 and told for 4; no variance negative, none of it NaN."""
    size = len(BOXES[name])
    matrix = SHEAR[:size, :size] if sheared else np.eye(size)
    for distance in DISTANCES:
        sides = sides_of(name, distance)
        forms = [{"factor": matrix}, {"cov": matrix @ matrix.T}]
        for form in forms if sheared else forms[:1]:
            found = fast.gaussian_on_polyhedron(*stated(sides, matrix), np.zeros((1, size)), **form)
            off = errors(found, 0, sides, matrix, np.zeros(size))
            allowed = LOG_MASS[size], MOMENTS[size], MOMENTS[size], MOMENTS[size]
            assert np.all(np.array(off) <= allowed), (distance, form, off)
            assert np.all(np.linalg.eigvalsh(found.cov[0] / np.max(found.cov[0])) >= -1e-15)


#: With an edge or a corner that is nearly as near as the nearest point: by less than rounding.
TIES = ["edge beside a corner", "edge far beside a corner", "half-strip", "tangent", "column"]


@pytest.mark.parametrize("name", [*TIES, "corner", "octant", "corner of four"])
def test_what_regions_are_integrated_by(name, monkeypatch):
    """The same by floating point alone, as for the regions of a network: where the coordinates are
    the axes it has the digits, too."""
    monkeypatch.setattr(fast.integration.far, "_FAR", INF)
    size = len(BOXES[name])
    for distance in DISTANCES:
        sides = sides_of(name, distance)
        found = fast.gaussian_on_polyhedron(*stated(sides, np.eye(size)), np.zeros((1, size)), 1.0)
        off = errors(found, 0, sides, np.eye(size), np.zeros(size))
        assert np.all(np.array(off) <= [LOG_MASS[size], *[MOMENTS[size]] * 3]), (distance, off)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("distance", [1e5, 1e10, 1e30, 1e60, 1e120])
def test_posteriors_on_far_regions(size, distance):
    """g(z) = z - d, at half the slope where that is negative, and x = 0: where all z > d, each of
    them falls at the rate d."""
    layers = [Dense(np.eye(size), np.full(size, -distance)), LeakyReLU(0.5)]
    network = Network([*layers, Dense(np.eye(size), np.zeros(size))])
    model = fast.DGN(network, 1.0, negligible=0.0)
    posterior = model.posterior(np.zeros((1, size)))
    above = int(model.partition().locate(np.full((1, size), 2 * distance))[0])
    variances = np.diag(posterior.region_cov[0, above])
    assert variances == pytest.approx(np.full(size, distance**-2), rel=2 / distance + 1e-8)
    assert np.all(np.einsum("nrss->nrs", posterior.region_cov) > 0)
    np.testing.assert_allclose(posterior.region_mean[0, above], distance, rtol=1e-15 + distance**-2)


@pytest.mark.parametrize("name", ["half-line", "half-line below"])
def test_the_reference_at_any_distance(name):
    """S = 1; beyond, its sums end at 5 deviations."""
    for distance in DISTANCES:
        sides = sides_of(name, distance)
        found = gaussian_on_polyhedron(*stated(sides, np.eye(1)), np.zeros((1, 1)), 1.0)
        off = errors(found, 0, sides, np.eye(1), [0.0])
        assert np.all(np.array(off) <= [LOG_MASS[1], MOMENTS[1], MOMENTS[1], MOMENTS[1]]), off


def test_thin_slabs_far_out():
    """2^17 away, 2^-30 wide and turned: heights over the nearer side come from what is known of the
    corners, whose positions tell them to 1e-6. The entropy shows it."""
    distance, width, turn = 2.0**17, 2.0**-30, np.array([[0.6, 0.8], [-0.8, 0.6]])
    lower, upper = np.array([distance, -5.0]), np.array([distance + width, 7.0])
    normals, offsets = np.concatenate([turn, -turn]), np.concatenate([-lower, upper])
    found = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 2)), 1.0)
    with mpmath.workdps(60):
        sums = [
            mpmath.quad(lambda s, n=n: s**n * mpmath.exp(-distance * s - s * s / 2), [0, width])
            for n in range(3)
        ]
        across = mpmath.log(sums[0]) + (distance * sums[1] + sums[2] / 2) / sums[0]
        log_mass, mean, variance = interval(-5.0, 7.0)
        along = log_mass + (variance + mean**2) / 2 + mpmath.log(2 * mpmath.pi) / 2
    assert found.entropy()[0] == pytest.approx(float(across + along), abs=1e-10)


def test_means_near_and_far_beside_each_other():
    """Each gets what it gets alone, and draws of its own."""
    sides, size = sides_of("column", 1e7), 3
    normals, offsets = stated(sides, SHEAR[:3, :3])
    means = np.array([[0.0] * 3, [1e7, 1e7, -2e7], [5e6, 5e6, -1e7], [1e7 - 2, 1e7, -2e7]])
    together = fast.gaussian_on_polyhedron(normals, offsets, means, factor=SHEAR[:3, :3])
    draws = together.rvs(400, 0)
    for row in range(len(means)):
        alone = fast.gaussian_on_polyhedron(normals, offsets, means[[row]], factor=SHEAR[:3, :3])
        for value, expected in zip(together, alone, strict=True):
            # Positions near 1e7 are rounded to 1e-9 of a deviation.
            np.testing.assert_allclose(value[row], expected[0], rtol=1e-7)
        np.testing.assert_allclose(together.entropy()[row], alone.entropy()[0], rtol=1e-7)
        scores = (draws[row] - together.mean[row]).mean(axis=0) * 20
        deviations = np.sqrt(np.diag(together.cov[row]) + np.spacing(1e7) ** 2)
        assert np.all(np.abs(scores) < 7 * deviations)
    assert together.rvs(2, 1).shape == (4, 2, size)


def test_draws_far_out():
    """Beside the corner they are exponentials, along an edge truncated Gaussians: as doubles of
    this distance show them, independent of each other."""
    sides = [(2.0**20, INF), (-1, 2)]
    found = fast.gaussian_on_polyhedron(*stated(sides, np.eye(2)), np.zeros((1, 2)), 1.0)
    draws = found.rvs(20_000, 3)[0]
    across, along = 2.0**20 * (draws[:, 0] - 2.0**20), draws[:, 1]
    exact = [float(value) for value in interval(-1, 2)[1:]]
    error = 7 / np.sqrt(20_000)
    assert abs(across.mean() - 1) < error
    assert abs(across.var() - 1) < 3 * error
    assert abs(along.mean() - exact[0]) < error * np.sqrt(exact[1])
    assert abs(along.var() - exact[1]) < 2 * error * exact[1]
    assert abs(np.corrcoef(across, along)[0, 1]) < error


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_beyond_doubles_it_says_so(size):
    """From 7e153 on the variance has not all of its digits, and soon the log mass is no double."""
    for distance in (1e154, 1e155, 1e300):
        with pytest.raises(
            ArithmeticError,
            match=r"means: .* row 0 are beyond the range of doubles",
        ):
            fast.gaussian_on_box(distance, np.inf, np.zeros((1, size)), 1.0)
    found = fast.gaussian_on_box(5e153 / size, np.inf, np.zeros((1, size)), 1.0)
    assert np.all(np.isfinite(found.log_mass))
    means = np.zeros((2, size))
    means[1] = -1e155
    with pytest.raises(
        ArithmeticError,
        match=r"means: .* row 1 are beyond",
    ):
        fast.gaussian_on_box(0.0, np.inf, means, 1.0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_variances_below_doubles(impl, size):
    """Of a box of 1e-170 each: a ValueError would blame the caller, and 0 would be wrong."""
    with pytest.raises(ArithmeticError):
        impl.gaussian_on_box(0.0, 1e-170, np.zeros((1, size)), 1.0)


def test_the_cases_of_far_json():
    """As they were handed in: one to be refused, the others with their mean and variance."""
    for given in json.loads(CASES.read_text(encoding="utf-8"))["polyhedra"]:
        size = len(given["offsets"])
        call = given["normals"], given["offsets"], np.zeros((1, size)), 1.0
        if "raises" in given:
            with pytest.raises(ArithmeticError, match="beyond the range of doubles"):
                fast.gaussian_on_polyhedron(*call)
            continue
        found = fast.gaussian_on_polyhedron(*call)
        np.testing.assert_allclose(found.mean[0], given["mean"], rtol=1e-15)
        np.testing.assert_allclose(np.diag(found.cov[0]), given["variance"], rtol=MOMENTS[size])


# The nearest point in rational numbers


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_point_is_optimal(seed):
    """Inside all half-spaces, and held back by those that it is on: what tells it from all others.
    Through one point, so that more of them meet there than there are dimensions."""
    rng = np.random.default_rng(seed)
    size = 1 + seed % 4
    count, root = (
        size + int(rng.integers(0, 4)),
        rng.integers(-2, 3, (size, size)) + 4 * np.eye(size),
    )
    inner, point = rng.integers(-3, 4, size), rng.integers(-9, 10, size)
    normals = rng.integers(-4, 5, (count, size)) * 1.0
    normals = normals[normals @ inner != 0]
    normals *= np.sign(normals @ inner)[:, None]
    if not len(normals):
        return
    offsets = -(normals @ point) + rng.integers(0, 2, len(normals))
    mean, cov = point - 5.0 * inner, exactly(root @ root.T)
    nearest = NearestPoint(normals, offsets, mean, cov)
    heights = [nearest.height(i) for i in range(len(normals))]
    assert min(heights) >= 0
    pulls = nearest.multipliers(range(len(normals)))
    assert all(heights[i] == 0 and pull > 0 for i, pull in pulls.items())
    moved = [z - int(m) for z, m in zip(nearest.place, mean.astype(int), strict=True)]
    held = [sum(pull * int(normals[i, s]) for i, pull in pulls.items()) for s in range(size)]
    assert solution(cov, moved) == held
    assert nearest.square == sum(a * b for a, b in zip(moved, held, strict=True))


def test_singular_systems_have_no_solution():
    assert solution(exactly(np.ones((2, 2))), exactly(np.ones((1, 2)))[0]) is None


# Deliberate defects


def _defect(module, function, replaced, by):
    return Mutant(f"{replaced} -> {by}", "fast", module, function, replaced, by, "")


FAR = "integration.far"
DEFECTS = [
    (
        _defect(
            FAR,
            "_rises",
            "rises[same, place] = found[at[same]]",
            "pass",
        ),
        "column",
        True,
    ),
    (_defect(FAR, "_held_by", "** int(exponents[place])", "** 0"), "column", True),
    (_defect(FAR, "FarGaussian.of", "h * h <= _HOLDS**2", "h * h <= 0"), "half-strip", False),
    (
        _defect(FAR, "far_means", "heights < -_FAR", "heights < -1e300"),
        "column aside",
        True,
    ),
    (
        _defect(
            "integration.truncated",
            "integrated",
            "units = own_units(parts.slopes, parts.gram, parts.finite)",
            "units = np.ones(parts.slopes.shape)",
        ),
        "octant",
        False,
    ),
    (
        _defect("integration.truncated", "simplex_masses", "- 1).sum(axis=1)", ").sum(axis=1)"),
        "half-strip",
        False,
    ),
]


@pytest.mark.parametrize(("defect", "name", "sheared"), DEFECTS, ids=[d[0].name for d in DEFECTS])
def test_defects_are_seen(defect, name, sheared):
    with applied(defect), pytest.raises((AssertionError, ArithmeticError)):
        test_boxes_at_any_distance(name, sheared)


def test_ties_that_are_not_told_apart_are_seen(monkeypatch):
    defect = _defect("integration.apex", "choose_apex", "& ~farther", "")
    with applied(defect), pytest.raises((AssertionError, ArithmeticError)):
        test_what_regions_are_integrated_by(TIES[0], monkeypatch)
