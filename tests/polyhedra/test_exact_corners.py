"""Corners, ranks and emptiness decided exactly: against rational arithmetic of another kind, on
half-spaces that doubles cannot tell apart."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from half_spaces import KINDS, nearly, truncated_icosahedron

from fast.polyhedra.from_halfspaces import kind_of_set, lattice_of_halfspaces, row_space
from fast.polyhedra.integer_rows import as_doubles, integer_rows
from fast.polyhedra.minors import bounded_products

EPSILON = np.finfo(float).eps


def rational(rows):
    """Doubles as fractions."""
    return [[Fraction(value) for value in row] for row in np.asarray(rows).tolist()]


def reduced(rows):
    """The reduced echelon form of a matrix of fractions, and its pivots."""
    rows, pivots = [list(row) for row in rows], []
    for column in range(len(rows[0])):
        place = next((i for i in range(len(pivots), len(rows)) if rows[i][column]), None)
        if place is None:
            continue
        i = len(pivots)
        rows[i], rows[place] = rows[place], rows[i]
        rows[i] = [value / rows[i][column] for value in rows[i]]
        for j, row in enumerate(rows):
            if j != i and row[column]:
                rows[j] = [a - row[column] * b for a, b in zip(row, rows[i], strict=True)]
        pivots.append(column)
    return rows, pivots


def product(a, b):
    """The inner product of two rows of fractions."""
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def exact_corners(normals, offsets):
    """Vertices and rays of half-spaces whose normals span space: which half-spaces each is on, and
    where it is. By Gauss-Jordan elimination of every choice, in fractions."""
    rows, levels = rational(normals), rational(np.reshape(offsets, (-1, 1)))
    size, found = len(rows[0]), {}
    for some in combinations(range(len(rows)), size):
        matrix, pivots = reduced([rows[i] + [-levels[i][0]] for i in some])
        if pivots == list(range(size)):
            point = [row[-1] for row in matrix]
            heights = [product(row, point) + b[0] for row, b in zip(rows, levels, strict=True)]
            if min(heights) >= 0:
                found[True, frozenset(i for i, h in enumerate(heights) if h == 0)] = point
    for some in combinations(range(len(rows)), size - 1):
        matrix, pivots = reduced([rows[i] for i in some])
        if len(pivots) < size - 1:
            continue
        free = next(column for column in range(size) if column not in pivots)
        direction = [Fraction(int(column == free)) for column in range(size)]
        for row, pivot in zip(matrix, pivots, strict=False):
            direction[pivot] = -row[free]
        for sign in (1, -1):
            heights = [sign * product(row, direction) for row in rows]
            if min(heights) >= 0:
                ray = [sign * value for value in direction]
                found[False, frozenset(i for i, h in enumerate(heights) if h == 0)] = ray
    return found


def assert_corners(normals, offsets):
    """The corners of the lattice are the exact ones: as many, on as many facets each, and there."""
    lattice, exact = lattice_of_halfspaces(normals, offsets), exact_corners(normals, offsets)
    assert len(lattice.points) == len(exact)
    found = list(zip(lattice.positions, lattice.small, lattice.points, strict=True))
    for (is_point, _), place in exact.items():
        length = Fraction(1)
        if not is_point:
            # Directions are of length one, to more digits than a square root in doubles has.
            near = [float(v / max(abs(v) for v in place)) for v in place]
            length = max(abs(v) for v in place) * Fraction(np.linalg.norm(near))
        errors = [
            max(
                abs(Fraction(p) + Fraction(s) - v / length)
                / max(abs(v / length), Fraction(1, 10**300))
                for p, s, v in zip(position, small, place, strict=True)
            )
            for position, small, point in found
            if point == is_point
        ]
        assert min(errors) <= (4 * EPSILON**2 if is_point else 8 * EPSILON)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [2, 3, 4])
@pytest.mark.parametrize("e", [1e-6, 1e-9, 1e-12, 1e-16])
def test_corners_of_all_kinds(kind, dimension, e):
    rng = np.random.default_rng([31, KINDS.index(kind), dimension])
    compared = 0
    while compared < 3:
        normals, offsets = nearly(kind, dimension, e, rng)
        if len(normals) < dimension or row_space(normals, integer_rows(normals))[1].size:
            # Lines are for the tests of ranks.
            normals = np.vstack([normals, rng.standard_normal((dimension, dimension))])
            offsets = np.append(offsets, rng.uniform(1.0, 2.0, dimension))
        if kind_of_set(normals, offsets) == "full":
            assert_corners(normals, offsets)
            compared += 1


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_boundaries_that_meet_exactly(dimension):
    """Many through one corner, in small rational numbers, doubles that are no integers."""
    rng = np.random.default_rng(dimension)
    for _ in range(4 if dimension < 4 else 1):
        corner = rng.integers(-8, 9, dimension) / 16
        normals = rng.integers(-9, 10, (dimension + 4, dimension)) / 8
        normals[~np.any(normals, axis=1)] = 1.0
        normals *= np.where(normals @ np.ones(dimension) < 0, -1.0, 1.0)[:, None]
        offsets = -normals @ corner
        box = np.vstack([np.eye(dimension), -np.eye(dimension)])
        assert_corners(np.vstack([normals, box]), np.append(offsets, np.full(2 * dimension, 3.0)))


@pytest.mark.parametrize("digits", [7, 8, 9, 10, 12])
def test_a_rounded_truncated_icosahedron(digits):
    """Its facets, edges and vertices are those of the body: three planes meet at a vertex."""
    lattice = lattice_of_halfspaces(*(np.round(part, digits) for part in truncated_icosahedron()))
    assert [len(level.finite) for level in lattice.faces] == [60, 90, 32]


def determinant(rows):
    """Of fractions."""
    if not rows:
        return Fraction(1)
    return sum(
        (-1) ** i * row[0] * determinant([r[1:] for j, r in enumerate(rows) if j != i])
        for i, row in enumerate(rows)
        if row[0]
    )


@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("e", [1.0, 1e-8, 1e-16])
def test_determinants_are_within_their_bound(order, e):
    """And the bound is not idle: it is no more than 1e-13 of the largest determinant there is."""
    rng = np.random.default_rng(order)
    rows = rng.standard_normal((order + 2, order))
    rows[order:] = rows[:2] + e * rng.standard_normal((2, order))
    rows = integer_rows(rows)
    chosen = np.array(list(combinations(range(len(rows)), order - 1)))
    values, bounds = bounded_products(as_doubles(rows), chosen)
    scale = [Fraction(1, 1 << max(abs(v) for v in row).bit_length()) for row in rows.tolist()]
    exact = [[v * s for v in row] for row, s in zip(rows.tolist(), scale, strict=True)]
    for i, some in enumerate(chosen):
        for j, row in enumerate(exact):
            truth = determinant([exact[k] for k in some] + [row])
            assert abs(Fraction(values[i, j]) - truth) <= Fraction(bounds[i, j])
    assert np.all(bounds <= 1e-13 * order**2)


@pytest.mark.parametrize("seed", range(20))
def test_kinds_of_sets(seed):
    """Through a point that is on all boundaries nothing passes but the point itself; with it
    inside, something is left, and beyond it nothing."""
    rng = np.random.default_rng(seed)
    dimension = 1 + seed % 5
    point = rng.integers(-5, 6, dimension)
    normals = rng.integers(-9, 10, (dimension + 1 + seed % 10, dimension))
    normals[dimension] = -normals[:dimension].sum(axis=0)
    offsets = -normals @ point
    assert kind_of_set(normals * 1.0, offsets * 1.0) == "flat"
    assert kind_of_set(normals * 1.0, offsets - 1e-9) == "empty"
    assert kind_of_set(normals * 1.0, offsets + 1e-9) == "full"
    assert kind_of_set(np.abs(normals) + 1.0, offsets * 1.0) == "full"


@pytest.mark.parametrize(
    ("normals", "offsets", "kind"),
    [
        ([[0.0, 0.0]], [1.0], "full"),
        ([[0.0, 0.0]], [0.0], "flat"),
        ([[0.0, 0.0]], [-1.0], "empty"),
        ([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], [0.0, 0.0, -1.0], "empty"),
        # Opposite boundaries at 0.3 and at 0.1 + 0.2, which is an ulp more.
        ([[1.0, 0.0], [-1.0, 0.0]], [-0.3, 0.1 + 0.2], "full"),
        ([[1.0, 0.0], [-1.0, 0.0]], [-0.3, 0.3], "flat"),
        ([[1.0, 0.0], [-1.0, 0.0]], [-(0.1 + 0.2), 0.3], "empty"),
        # They open 2^60 away, beyond which they have points in common.
        ([[1.0, 0.0], [-1.0, 2.0**-60]], [-1.0, 0.0], "full"),
        ([[1.0, 0.0], [-1.0, 2.0**-60], [0.0, -1.0]], [-1.0, 0.0, 2.0**60 + 256], "full"),
        ([[1.0, 0.0], [-1.0, 2.0**-60], [0.0, -1.0]], [-1.0, 0.0, 2.0**60], "flat"),
        ([[1.0, 0.0], [-1.0, 2.0**-60], [0.0, -1.0]], [-1.0, 0.0, 2.0**60 - 128], "empty"),
    ],
)
def test_kinds_by_the_last_digit(normals, offsets, kind):
    normals, offsets = np.array(normals), np.array(offsets)
    assert kind_of_set(normals, offsets) == kind
    assert (lattice_of_halfspaces(normals, offsets) is None) == (kind != "full")


@pytest.mark.parametrize("exponent", [10, 30, 46])
def test_ranks_and_lines(exponent):
    """Three normals across a line of R^4, independent but for a power of two, and not at all."""
    rng = np.random.default_rng(5)
    line = np.array([1.0, -2.0, 4.0, 8.0])
    normals = rng.integers(-64, 65, (3, 4)) / 16
    normals[:, 0] = -normals[:, 1:] @ line[1:]
    normals[2] = normals[0] - normals[1]
    assert [part.shape for part in row_space(normals, integer_rows(normals))] == [(2, 4), (2, 4)]
    normals[2, :2] += np.array([2.0, 1.0]) * 2.0**-exponent
    basis, lines = row_space(normals, integer_rows(normals))
    assert (len(basis), len(lines)) == (3, 1)
    assert np.abs(lines[0] @ line) == pytest.approx(np.linalg.norm(line), rel=4 * EPSILON)
    basis, lines = row_space(normals[:2], integer_rows(normals[:2]))
    assert lines @ lines.T == pytest.approx(np.eye(2), abs=4 * EPSILON)
    assert normals[:2] @ lines.T == pytest.approx(np.zeros((2, 2)), abs=64 * EPSILON)


def test_a_rank_that_rounding_has_raised():
    """Said to be one, it leaves out what is orthogonal to the longest of the normals' span."""
    normals = np.array([[1.0, 1.0], [3.0, 3.0 + 4 * EPSILON]])
    assert lattice_of_halfspaces(normals, np.ones(2)).dimension == 2
    flat = lattice_of_halfspaces(normals, np.ones(2), at_most=1)
    assert (flat.dimension, flat.lines.shape) == (1, (1, 1, 2))
    assert np.abs(flat.lines[0, 0] @ [1.0, -1.0]) == pytest.approx(np.sqrt(2.0))


def test_corners_beyond_doubles():
    with pytest.raises(OverflowError, match="a corner is farther away than the largest double"):
        lattice_of_halfspaces(np.array([[1.0, 0.0], [-1.0, 1e-200]]), np.array([1.0, 1e200]))
