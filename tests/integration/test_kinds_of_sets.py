"""Full, flat or empty: decided exactly by both implementations, and told with the moments."""

from itertools import product

import numpy as np
import pytest

import fast
import fast.polyhedra.from_halfspaces
import reference
import reference.polyhedra.kind_of_set

DECISIONS = {
    fast: fast.polyhedra.from_halfspaces.kind_of_set,
    reference: reference.polyhedra.kind_of_set.kind_of_set,
}
UP, DOWN = np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0)


@pytest.fixture
def kind(impl):
    """The decision of an implementation."""
    return DECISIONS[impl]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_one_unit_in_the_last_place_decides(kind, dimension):
    """Of a slab, whose normals are no dyadic fractions, and of a simplex."""
    normal = np.full(dimension, 0.1)
    slab = np.array([normal, -normal])
    assert kind(slab, np.array([-1.0, UP])) == "full"
    assert kind(slab, np.array([-1.0, 1.0])) == "flat"
    assert kind(slab, np.array([-1.0, DOWN])) == "empty"
    simplex = np.vstack([np.eye(dimension), -np.ones((1, dimension))])
    for last, expected in ((5e-324, "full"), (0.0, "flat"), (-5e-324, "empty")):
        assert kind(simplex, np.append(np.zeros(dimension), last)) == expected


def test_half_spaces_without_a_boundary(kind):
    """Zero normals: everything or nothing; where the offset is 0, everything once it is closed."""
    nothing, beside = np.zeros((1, 2)), np.array([[0.0, 0.0], [1.0, 0.0]])
    assert kind(np.empty((0, 2)), np.empty(0)) == "full"
    assert kind(nothing, np.ones(1)) == kind(beside, np.array([1.0, -3.0])) == "full"
    for offset, expected in ((0.0, "flat"), (-1.0, "empty")):
        assert kind(nothing, np.array([offset])) == expected
        assert kind(beside, np.array([offset, 1.0])) == expected


@pytest.mark.parametrize("seed", range(12))
def test_what_holds_a_point_by_construction(kind, seed):
    """Half-spaces through a point whose normals add up to 0: flat; moved outwards full, inwards
    empty. Beside others that hold the point, of which some pass through it."""
    rng = np.random.default_rng(seed)
    dimension = 1 + seed % 3
    point = rng.integers(-5, 6, dimension)
    normals = rng.integers(-9, 10, (dimension + 4, dimension))
    normals[dimension] = -normals[:dimension].sum(axis=0)
    offsets = -normals @ point
    offsets[dimension + 1 :] += rng.integers(0, 3, 3)
    offsets[dimension + 1 :][~normals[dimension + 1 :].any(axis=1)] = 1
    turn = rng.permutation(dimension + 4)
    moves = ((0.0, "flat"), (2.0**-40, "full"), (-(2.0**-40), "empty"))
    if np.linalg.matrix_rank(normals[:dimension]) == dimension:
        for move, expected in moves:
            moved = offsets + move * (np.arange(dimension + 4) <= dimension)
            assert kind(normals[turn] * 1.0, moved[turn]) == expected


def test_both_agree_on_small_integers():
    """2,000 sets of up to 6 half-spaces with entries from -2 to 2: every kind some 100 times."""
    rng = np.random.default_rng(0)
    counts = dict.fromkeys(["full", "flat", "empty"], 0)
    for _ in range(2000):
        shape = rng.integers(1, 7), rng.integers(1, 4)
        normals, offsets = rng.integers(-2, 3, shape) * 1.0, rng.integers(-2, 3, shape[0]) * 1.0
        one, other = (decide(normals, offsets) for decide in DECISIONS.values())
        assert one == other, (normals, offsets)
        counts[one] += 1
    assert min(counts.values()) > 50


SIDES = np.array([[1.0, 0.0], [-1.0, 0.0]])
#: (normals, offsets, kind): S = 1 and 2.
SETS = {
    "an interval": ([[1.0], [-1.0]], [0.0, 1.0], "full"),
    "a point": ([[3.0], [-3.0]], [-1.0, 1.0], "flat"),
    "crossed": ([[1.0], [-1.0]], [-2.0, 1.0], "empty"),
    "a third of a unit too few": ([[3.0], [-1.0]], [-1.0, 1 / 3], "empty"),
    "a half-plane": (SIDES[:1], [0.0], "full"),
    "a line": (SIDES, [-1.0, 1.0], "flat"),
    "a corner alone": ([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, 0.0], "flat"),
    "parallel, apart": (SIDES, [-1.0, 0.5], "empty"),
    "holds nowhere": (SIDES[:1], [-np.inf], "empty"),
    "holds nowhere, zero normal": ([[0.0]], [-np.inf], "empty"),
    "holds everywhere": (SIDES[:1], [np.inf], "full"),
}


@pytest.mark.parametrize("name", SETS)
def test_the_kind_is_told(impl, name):
    """With the moments; and why there is nothing to draw, where there is not."""
    normals, offsets, expected = SETS[name]
    found = impl.gaussian_on_polyhedron(normals, offsets, np.zeros((2, len(normals[0]))), 1.0)
    assert found.kind == expected
    assert np.all(np.isneginf(found.log_mass)) == (expected != "full")
    if expected == "full":
        assert np.all(np.isfinite(found.entropy()))
        assert found.rvs(2, 0).shape == (2, 2, len(normals[0]))
        return
    np.testing.assert_array_equal(found.log_mass_error, 0.0)
    for ask, what in ((found.entropy, "no entropy"), (found.rvs, "nothing to draw")):
        with pytest.raises(ValueError, match=f"normals, offsets: .* {expected}: .* {what}"):
            ask()


def test_one_rounding_wide():
    """A slab beside 1, as wide as the next double is away, for S = 2: an interval times a line."""
    width = UP - 1.0
    found = fast.gaussian_on_polyhedron(SIDES, [-1.0, UP], np.zeros((1, 2)), 1.0)
    assert found.kind == "full"
    expected = np.log(width) - 0.5 * np.log(2 * np.pi) - 0.5
    assert found.log_mass[0] == pytest.approx(expected, rel=1e-12)
    assert found.cov[0] == pytest.approx(np.diag([width**2 / 12, 1.0]), rel=1e-10)


@pytest.mark.parametrize(("dimension", "place"), list(product([1, 2, 3], [0, 1])))
def test_infinite_offsets(impl, dimension, place):
    """inf takes a half-space away, -inf all of the set, wherever they stand."""
    normals, offsets = np.eye(dimension), np.full(dimension, 0.5)
    means = np.full((2, dimension), 0.25)
    plain = impl.gaussian_on_polyhedron(normals, offsets, means, 0.5)
    more = np.insert(normals, place, -0.3, axis=0)
    same = impl.gaussian_on_polyhedron(more, np.insert(offsets, place, np.inf), means, 0.5)
    for value, expected in zip(same, plain, strict=True):
        np.testing.assert_array_equal(value, expected)
    none = impl.gaussian_on_polyhedron(more, np.insert(offsets, place, -np.inf), means, 0.5)
    assert none.kind == "empty"
    np.testing.assert_array_equal(none.log_mass, -np.inf)
    np.testing.assert_array_equal(none.log_mass_error, 0.0)
    everywhere = impl.gaussian_on_polyhedron(normals, np.full(dimension, np.inf), means, 0.5)
    np.testing.assert_allclose(everywhere.mean, means, rtol=1e-15)
    np.testing.assert_allclose(everywhere.log_mass, 0.0, atol=1e-15)


def test_infinite_offsets_where_numbers_are_rational(impl):
    """A set without an interior, and means that are far: inf is no rational number."""
    flat = impl.gaussian_on_polyhedron([*SIDES, [0.0, 1.0]], [-1.0, 1.0, np.inf], [[0.0, 0.0]], 1.0)
    assert flat.kind == "flat"
    if impl is fast:
        half = fast.gaussian_on_polyhedron([*SIDES], [-1e9, np.inf], [[0.0, 0.0]], 1.0)
        assert half.cov[0, 0, 0] == pytest.approx(1e-18, rel=1e-9)


@pytest.mark.parametrize(
    ("normals", "offsets", "width"),
    [
        ([3.0, -3.0], [-1.0, UP], 2.0**-52 / 3),
        ([3.0, -1.0], [-1.0, float(np.nextafter(1 / 3, 1.0))], 2.0**-53 / 3),
        ([-3.0, 1.0], [1.0, -1 / 3], 2.0**-54 / 3),
        ([3.0, 1.0, -3.0], [-1.0, -1 / 3, UP], 2.0**-52 / 3),
    ],
)
def test_intervals_of_less_than_a_rounding(impl, normals, offsets, width):
    """About 1/3, which is no double: the width is that of the rational ends, which may round to one
    double."""
    found = impl.gaussian_on_polyhedron(np.array(normals)[:, None], offsets, [[0.0]], 1.0)
    expected = np.log(width) - 0.5 * np.log(2 * np.pi) - 1 / 18
    assert found.log_mass[0] == pytest.approx(expected, rel=1e-14)
    assert found.cov[0, 0, 0] == pytest.approx(width**2 / 12, rel=1e-13)
