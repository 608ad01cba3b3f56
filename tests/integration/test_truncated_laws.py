"""Draws from Gaussians on polyhedra, and their entropies, by both implementations.

The samplers have tests of their own in test_draws_within: here each Gaussian gets its own draws, in
its own coordinates. The comparisons raise a false alarm in 4e-8 of runs (see draw_checks).
"""

import copy
import pickle

import mpmath
import numpy as np
import pytest
from draw_checks import check_draws, check_independent, check_pairs, false_alarms, uncounted
from laws import interval, polyhedron_marginal
from test_draws_within import ENDS, POLYHEDRA, polyhedron

import fast
import reference
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied

INF = np.inf
#: How many draws from each Gaussian: `reference` draws one at a time.
COUNT = {fast: 50_000, reference: 1_000}
#: What is seen of a share that is wrong.
SHARE = {fast: 0.023, reference: 0.16}


@pytest.fixture(scope="module", autouse=True)
def _rare_false_alarms():
    with false_alarms(4e-8):
        yield


def half_spaces(lower, upper):
    """Of an interval; infinite offsets where it has no end."""
    return [[1.0], [-1.0]], [-lower, upper]


def check_intervals(impl, count):
    """Draws from all intervals, of three Gaussians each. Returns the weakest power."""
    shares = []
    for lower, upper, mean, deviation in ENDS:
        means = mean + deviation * np.array([[0.0], [0.5], [-0.25]])
        found = impl.gaussian_on_polyhedron(*half_spaces(lower, upper), means, deviation**2)
        draws = found.rvs(count, 1)
        assert draws.shape == (3, count, 1)
        assert lower <= draws.min() <= draws.max() <= upper
        laws, scores = [], []
        for row, centre in enumerate(means[:, 0]):
            peak = min(max(centre, lower), upper)
            ends = (peak - lower) / deviation, (upper - peak) / deviation
            laws.append(interval(abs(peak - centre) / deviation, *ends))
            sign = -1.0 if peak == upper else 1.0
            scores.append((draws[row, :, 0] - peak) / deviation)
            if sign < 0:
                laws[-1] = interval(abs(peak - centre) / deviation, ends[1], ends[0])
                scores[-1] = -scores[-1]
            what = f"{lower, upper}, mean {centre}"
            shares.append(check_draws(scores[-1], laws[-1], what).share)
            check_independent(scores[-1], laws[-1], what)
        for one, other in ((0, 1), (1, 2)):
            check_pairs(scores[one], scores[other], (laws[one], laws[other]), "two Gaussians")
    return max(shares)


def test_intervals(impl):
    assert check_intervals(impl, COUNT[impl]) < SHARE[impl]


def check_polyhedron(impl, name, count):
    """Draws along every axis and across, of two Gaussians. Returns the weakest power."""
    normals, offsets, mean, factor, white, slacks = polyhedron(name)
    size, shares = len(mean), []
    steps = np.array([np.zeros(size), np.linspace(0.9, -0.6, size)])
    found = impl.gaussian_on_polyhedron(normals, offsets, mean + steps @ factor.T, factor=factor)
    draws = found.rvs(count, 2)
    assert draws.shape == (2, count, size)
    assert np.all(draws @ normals.T + offsets > -1e-9)
    for row, step in enumerate(steps):
        standard = np.linalg.solve(factor, (draws[row] - mean).T).T - step
        for direction in (*np.eye(size), np.ones(size) / np.sqrt(size)):
            law = polyhedron_marginal(white, slacks + white @ step, direction)
            what = f"{name}, Gaussian {row}"
            shares.append(check_draws(standard @ direction, law, what).share)
            check_independent(standard @ direction, law, what)
    return max(shares)


#: Within reach of the sums of `reference`.
NEAR = ("half-plane", "triangle", "wedge in space", "corner in space")


@pytest.mark.parametrize("name", POLYHEDRA)
def test_polyhedra(name):
    assert check_polyhedron(fast, name, COUNT[fast]) < SHARE[fast]


@pytest.mark.parametrize("name", NEAR)
def test_polyhedra_of_the_reference(name):
    assert check_polyhedron(reference, name, COUNT[reference]) < SHARE[reference]


#: Of unimodular shears: products of intervals in other coordinates.
SHEAR = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0], [-2, 1, 1, 0], [3, 0, -1, 1]])


def sheared(sides, size):
    """Half-spaces, and a factor, of independent coordinates with these sides, sheared."""
    root = SHEAR[:size, :size]
    rows = np.rint(np.linalg.inv(root))
    lower, upper = np.array(sides[:size]).T
    return np.concatenate([rows, -rows]), np.concatenate([-lower, upper]), root


def test_four_dimensions():
    """A product of four intervals, sheared: independent coordinates of known laws."""
    sides = [(-0.5, 1.0), (5.0, INF), (-INF, 0.25), (-INF, INF)]
    normals, offsets, root = sheared(sides, 4)
    found = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 4)), factor=root)
    places = np.linalg.solve(root, found.rvs(20_000, 3)[0].T)
    laws = [interval(0.0, 0.5, 1.0), interval(5.0, 0.0, INF), interval(0.0, INF, 0.25)]
    laws.append(interval(0.0, INF, INF))
    places[1] -= 5.0
    for i, law in enumerate(laws):
        check_draws(places[i], law, f"coordinate {i}")
        check_independent(places[i], law, f"coordinate {i}")
        if i:
            check_pairs(places[i - 1], places[i], laws[i - 1 : i + 1], f"coordinates to {i}")


@pytest.mark.parametrize("distance", [1e4, 1e6])
def test_far_corners(distance):
    """What lies beyond a corner is an exponential in every coordinate, as doubles show it."""
    for size in (1, 2, 3):
        found = fast.gaussian_on_box(distance, INF, np.zeros((1, size)), 1.0)
        draws = distance * (found.rvs(50_000, 4)[0] - distance)
        law = interval(1e8, 0.0, INF)
        for i in range(size):
            # Rounded to some 1e-6 of a mean at a distance of 1e4, to 1e-4 at 1e6: the shares' own.
            check_draws(
                draws[:, i] / 1e8, law, f"corner at {distance:g}, S = {size}", [0.1, 0.5, 0.9]
            )


@pytest.mark.parametrize("distance", [1e20, 1e100, 1e150])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_corners_too_far_to_see_their_draws(size, distance):
    """They round to the corner: finite, and not outside."""
    found = fast.gaussian_on_box(distance, INF, np.zeros((2, size)), 1.0)
    np.testing.assert_array_equal(found.rvs(10, 5), distance)


def test_seeds_and_sizes(impl):
    """The same seed gives the same draws, and one generator goes on."""
    found = impl.gaussian_on_box([0.0, -1.0], INF, np.zeros((2, 2)), 1.0)
    np.testing.assert_array_equal(found.rvs(3, 0), found.rvs(3, np.random.default_rng(0)))
    assert found.rvs().shape == (2, 1, 2)
    rng = np.random.default_rng(0)
    assert not np.any(found.rvs(3, rng) == found.rvs(3, rng))
    with pytest.raises(ValueError, match="size: expected"):
        found.rvs(0)
    with pytest.raises(ValueError, match="random_state: expected"):
        found.rvs(1, "seed")


@pytest.mark.parametrize("size", [1, 2])
def test_copies_and_pickles_draw_the_same(impl, size):
    found = impl.gaussian_on_box(-0.5, 1.0, np.zeros((2, size)), 1.0)
    for copied in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        np.testing.assert_array_equal(copied.rvs(4, 1), found.rvs(4, 1))
        np.testing.assert_array_equal(copied.entropy(), found.entropy())
        assert copied.kind == found.kind


# Entropies


def exact_entropy(lower, upper, deviation=1.0):
    """Of N(0, σ²) on an interval: log(σ √(2πe) Z) + (a φ(a) - b φ(b)) / 2Z, in 200 digits."""
    with mpmath.workdps(200):
        a, b = (mpmath.mpf(float(end)) / mpmath.mpf(float(deviation)) for end in (lower, upper))
        root = mpmath.sqrt(2)
        inside = (mpmath.erfc(a / root) - mpmath.erfc(b / root)) / 2
        ends = [t * mpmath.npdf(t) if abs(t) < INF else mpmath.mpf(0) for t in (a, b)]
        whole = mpmath.log(deviation * mpmath.sqrt(2 * mpmath.pi * mpmath.e) * inside)
        return float(whole + (ends[0] - ends[1]) / (2 * inside))


INTERVALS = [
    (-INF, INF),
    (0.0, INF),
    (-1.0, 0.5),
    (3.0, 3.5),
    (-7.0, -6.0),
    (1.0, 1.0 + 2.0**-40),
    (-1e-9, 2e-9),
    (40.0, INF),
    (1e4, INF),
    (1e4, 1e4 + 1e-5),
]


@pytest.mark.parametrize("ends", INTERVALS, ids=str)
def test_entropies_of_intervals(impl, ends):
    """1e-13 of their size, and of 1."""
    for deviation in (1.0, 0.5, 1e-3):
        lower, upper = (deviation * end for end in ends)
        found = impl.gaussian_on_polyhedron(*half_spaces(lower, upper), [[0.0]], deviation**2)
        exact = exact_entropy(lower, upper, deviation)
        assert found.entropy()[0] == pytest.approx(exact, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_entropies_of_products(size):
    """Those of independent coordinates add up, and a shear changes nothing; by a factor of the
    covariance each coordinate adds its logarithm. To 20 deviations."""
    accuracy = {2: 1e-11, 3: 1e-9, 4: 1e-5}[size]
    for sides in (
        [(-0.5, 1.0), (0.25, INF), (-INF, 0.25), (-1.0, 2.0)],
        [(20.0, INF), (-1.0, 0.5), (3.0, INF), (-INF, INF)],
    ):
        normals, offsets, root = sheared(sides, size)
        found = fast.gaussian_on_polyhedron(
            normals, 4.0 * offsets, np.zeros((2, size)), factor=4.0 * root
        )
        exact = sum(exact_entropy(*ends) for ends in sides[:size]) + size * np.log(4.0)
        assert found.entropy() == pytest.approx(np.full(2, exact), abs=accuracy)


@pytest.mark.parametrize(("size", "accuracy"), [(1, 1e-14), (2, 1e-12), (3, 1e-10), (4, 1e-5)])
def test_entropies_of_cones(impl, size, accuracy):
    """With its corner at the mean a cone leaves the law of the distance alone: the log mass is all
    that is lost of the whole Gaussian's entropy."""
    if size > 3 and impl is reference:
        return
    rng = np.random.default_rng(size)
    for _ in range(3):
        root = np.eye(size) + 0.3 * rng.standard_normal((size, size))
        normals = np.eye(size) + 0.3 * rng.standard_normal((size, size))
        mean = rng.integers(-3, 4, size) * 1.0
        found = impl.gaussian_on_polyhedron(normals, -normals @ mean, [mean], factor=root)
        whole = 0.5 * size * (np.log(2 * np.pi) + 1) + np.linalg.slogdet(root)[1]
        assert found.entropy()[0] == pytest.approx(whole + found.log_mass[0], abs=accuracy)


@pytest.mark.parametrize("distance", [1e8, 1e60, 1e150])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_entropies_of_far_corners(size, distance):
    """Exponentials of rate d: 1 - log d each, up to 1 / d²."""
    found = fast.gaussian_on_box(distance, INF, np.zeros((1, size)), 1.0)
    assert found.entropy()[0] == pytest.approx(
        size * (1 - np.log(distance)), rel=10.0 ** (size - 14)
    )


# Deliberate defects


def _fast(module, function, replaced, by, check):
    return Mutant(f"{replaced} -> {by}", "fast", module, function, replaced, by, ""), check


def few_intervals():
    check_intervals(fast, 5_000)


def corner():
    check_polyhedron(fast, "corner in space", 5_000)


DEFECTS = [
    _fast(
        "integration.interval",
        "OnInterval.draw",
        "np.repeat(z, size)",
        "np.resize(z, len(z) * size)",
        few_intervals,
    ),
    _fast(
        "integration.interval",
        "OnInterval.draw",
        "np.abs(peak - centre) / self.scale",
        "np.abs(peak - centre)",
        few_intervals,
    ),
    _fast(
        "integration.interval",
        "OnInterval.draw",
        "self.scale * sample_interval",
        "sample_interval",
        few_intervals,
    ),
    _fast(
        "integration.on_polyhedron",
        "_OnLattice.draw",
        "np.repeat(np.arange(len(means)), size)",
        "np.tile(np.arange(len(means)), size)",
        corner,
    ),
    _fast(
        "integration.on_polyhedron",
        "_OnLattice.draw",
        "means = self.centres[part]",
        "means = self.centres[part][::-1]",
        corner,
    ),
    _fast(
        "integration.interval",
        "OnInterval.moments",
        "np.log(scale) + np.abs",
        "np.abs",
        lambda: test_entropies_of_intervals(fast, INTERVALS[2]),
    ),
    _fast(
        "integration.interval",
        "OnInterval.moments",
        "entropy += 0.5 *",
        "entropy -= 0.5 *",
        lambda: test_entropies_of_intervals(fast, INTERVALS[2]),
    ),
]


@pytest.mark.parametrize(("defect", "check"), DEFECTS, ids=[d.name for d, _ in DEFECTS])
def test_defects_are_seen(defect, check):
    """In force, each makes its check fail; the checks pass without it, above."""
    with uncounted(), applied(defect), pytest.raises(AssertionError):
        check()
