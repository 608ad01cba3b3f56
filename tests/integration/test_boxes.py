"""Gaussians on boxes: against products of intervals, SciPy, and the same sides as half-spaces."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import truncnorm

import fast
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied

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


#: What the coordinates that are not thin are bounded by.
WIDE = [(-1.0, 1.0), (0.0, INF), (-INF, INF), (-INF, 0.5)]
#: S: of log masses and of moments, what is promised; told for 4.
PROMISED = {2: (1e-12, 1e-10), 3: (1e-10, 1e-8), 4: (1e-6, 1e-6)}


def thin_box(seed, size, distance):
    """lower, upper, mean, factor of a Gaussian of dependent coordinates of which one is thin, and
    which that is. So thin that the density is the same all across."""
    rng = np.random.default_rng([seed, size])
    lower, upper = np.array([WIDE[i] for i in rng.integers(0, len(WIDE), size)]).T
    thin, aside = rng.permutation(size)[:2]
    width = [1e-12, 1e-20, 1e-100][seed % 3] / max(1.0, distance)
    lower[thin], upper[thin] = [(0.0, width), (-width, 0.0)][rng.integers(2)]
    mean = rng.standard_normal(size)
    mean[aside] += distance
    return lower, upper, mean, rng.standard_normal((size, size)) + 2 * np.eye(size), thin


def errors_of_thin_box(seed, size, distance):
    """Of log mass, mean, variance across, and covariances with what is across."""
    lower, upper, mean, factor, thin = thin_box(seed, size, distance)
    found = fast.gaussian_on_box(lower, upper, mean[None], factor=factor)
    width, cov = upper[thin] - lower[thin], factor @ factor.T
    rest = np.arange(size) != thin
    # Given the thin coordinate, 0, the others are Gaussian; given both sides of it, too.
    slope = cov[rest, thin] / cov[thin, thin]
    inner = cov[np.ix_(rest, rest)] - np.outer(slope, cov[thin, rest])
    moved = mean[rest] - slope * mean[thin]
    other = fast.gaussian_on_box(lower[rest], upper[rest], moved[None], inner)
    density = -0.5 * (mean[thin] ** 2 / cov[thin, thin] + np.log(2 * np.pi * cov[thin, thin]))
    log_mass = np.log(width) + density + other.log_mass[0]
    # As the thin coordinate moves, so does the mean of the others: by their covariance times that
    # of their exponent, which is linear in it.
    across = other.cov[0] @ np.linalg.solve(inner, slope) * width**2 / 12
    deviation = width / np.sqrt(12)
    others = np.sqrt(np.diag(other.cov[0]))
    return (
        abs(found.log_mass[0] - log_mass) / max(1.0, abs(log_mass)),
        abs(found.mean[0, thin] - (lower[thin] + upper[thin]) / 2) / deviation,
        abs(found.cov[0, thin, thin] / deviation**2 - 1),
        np.max(np.abs(found.cov[0, rest, thin] - across) / (others * deviation)),
    )


@pytest.mark.parametrize("distance", [0.0, 30.0, 1e6, 1e9])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_thin_boxes_have_their_digits(size, distance):
    """Also across, where a variance is 1e-24 to 1e-218 of the others, and with any covariance."""
    allowed = PROMISED[size]
    for seed in range(12):
        log_mass, *moments = errors_of_thin_box(seed, size, distance)
        # Farther out the closed form has fewer digits; see test_far.py.
        assert log_mass <= allowed[0] or distance > 30, (seed, log_mass)
        assert max(moments) <= allowed[1], (seed, moments)


def test_draws_from_thin_boxes():
    """Inside, and all across: 2,000 uniforms are within 0.06 of their law, but for 1 in 1e6."""
    for seed in range(12):
        for distance in (0.0, 30.0, 1e6):
            lower, upper, mean, factor, thin = thin_box(seed, 2 + seed % 2, distance)
            law = fast.gaussian_on_box(lower, upper, mean[None], factor=factor)
            draws = law.rvs(2000, random_state=seed)[0]
            edge = 1e-15 * np.max(np.abs(draws), axis=0)
            edge[thin] = 0.0
            assert np.all((draws >= lower - edge) & (draws <= upper + edge))
            shares = np.sort((draws[:, thin] - lower[thin]) / (upper - lower)[thin])
            assert np.max(np.abs(shares - np.linspace(0, 1, len(shares)))) < 0.06


@pytest.mark.parametrize("size", [2, 3, 4])
def test_places_far_from_0_are_no_worse(size):
    """Moved by a power of two, mean and all: to the last digit, but that places are doubles. The
    thin coordinate is moved by what leaves its digits."""
    factor = 1.1 * np.eye(size) + 0.3 * np.tri(size, k=-1)
    lower, upper, mean = np.full(size, 1.0), np.full(size, INF), np.full((1, size), 0.0)
    at_0 = fast.gaussian_on_box(lower, upper, mean, factor=factor)
    for shift in (2.0**20, 2.0**40, 2.0**50):
        moved = fast.gaussian_on_box(lower + shift, upper, mean + shift, factor=factor)
        assert moved.log_mass == pytest.approx(at_0.log_mass, rel=1e-13)
        assert moved.cov == pytest.approx(at_0.cov, rel=1e-11)
        assert moved.entropy() == pytest.approx(at_0.entropy(), rel=1e-11)
        np.testing.assert_allclose(moved.mean, at_0.mean + shift, rtol=2e-16)


@pytest.mark.parametrize("distance", [9e4, 1.1e5, 1e6, 1e8])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_thin_far_cubes(size, distance):
    """[0, 1]^(S-1) x [0, w]: products of intervals; a side as thin as the rounding of the others,
    and thinner."""
    for width in (1e-12, 1e-14, 1e-17, 1e-20, 1e-60):
        upper = np.ones(size)
        upper[-1] = width
        mean = np.full(size, 0.25)
        mean[0] = distance
        found = fast.gaussian_on_box(np.zeros(size), upper, mean[None], 1.0)
        sides = [
            fast.gaussian_on_box(0.0, top, [[centre]], 1.0)
            for top, centre in zip(upper, mean, strict=True)
        ]
        expected = sum(side.entropy()[0] for side in sides)
        tolerance = PROMISED[size][1] if size < 4 else 1e-4
        assert found.entropy()[0] == pytest.approx(expected, abs=tolerance)
        for i, side in enumerate(sides):
            deviation = np.sqrt(side.cov[0, 0, 0])
            assert (
                abs(found.mean[0, i] - side.mean[0, 0])
                <= (tolerance + 1e-16 / deviation) * deviation
            )
            assert found.cov[0, i, i] == pytest.approx(deviation**2, rel=2 * tolerance)


def test_volumes_below_doubles_are_told():
    """Three sides of 1e-120: the product is no double. Near, an error says so; far, all that is
    known is that there is a mass."""
    upper = [1.0, 1e-120, 1e-120, 1e-120]
    with pytest.raises(ArithmeticError, match="beyond the range of doubles, or volumes"):
        fast.gaussian_on_box(0.0, upper, [[0.25] * 4], 1.0)
    far = fast.gaussian_on_box(0.0, upper, [[1e6, 0.25, 0.25, 0.25]], 1.0)
    assert (far.kind, far.log_mass[0], far.log_mass_error[0]) == ("full", -INF, INF)


def test_factors_in_any_units():
    """What is singular does not depend on them."""
    box = [-1e-8, -1e8], [1e-8, INF], [[0.0, 0.0]]
    plain = fast.gaussian_on_box([-1, -1], [1, INF], [[0, 0]], 1.0)
    for form in ({"factor": np.diag([1e-8, 1e8])}, {"cov": [1e-16, 1e16]}):
        assert fast.gaussian_on_box(*box, **form).log_mass == pytest.approx(plain.log_mass)
    for singular in (np.ones((2, 2)), np.diag([1.0, 0.0]), [[1.0, 1e8], [1.0, 1e8]]):
        with pytest.raises(ValueError, match="factor: expected an invertible matrix"):
            fast.gaussian_on_box(*box, factor=singular)


STEPS = "items.across(steps / length[:, None], owner)"
IMAGES = "apply(items.inverses[owner], vectors / length[:, None])"
DEFECTS = [
    ("integration.split", "face_points", STEPS, IMAGES, 0.0),
    (
        "integration.whitened",
        "Whitened.of",
        "lines @ np.linalg.inv(sizes[:, :count, :count])",
        "inverses @ turned[:, :, :count]",
        0.0,
    ),
    (
        "integration.far",
        "_measured",
        "volume=parts.volume[kept]",
        "volume=np.abs(np.linalg.det(corners))[kept]",
        1e9,
    ),
]


@pytest.mark.parametrize(("module", "function", "replaced", "by", "distance"), DEFECTS)
def test_defects_are_seen(module, function, replaced, by, distance):
    defect = Mutant(f"{replaced} -> {by}", "fast", module, function, replaced, by, "")
    with applied(defect), pytest.raises((AssertionError, ArithmeticError)):
        test_thin_boxes_have_their_digits(3, distance)


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
