"""The faces of polyhedra: counted where known, corners in exact arithmetic, and two routes to the
same faces."""

from fractions import Fraction
from itertools import combinations, product
from math import comb, factorial

import numpy as np
import pytest

import fast
from fast.integration.truncated import truncate_with_error
from fast.integration.whitened import Whitened
from fast.polyhedra.compensated_sums import heights
from fast.polyhedra.face_lattice import joined
from fast.polyhedra.from_halfspaces import lattice_of_halfspaces
from reference.model import Network


def counts(lattice):
    """Faces of every dimension, and chains."""
    return [len(level.finite) for level in lattice.faces], len(lattice.chains[1])


def cube(dimension):
    """[-1, 1]^S."""
    return np.concatenate([np.eye(dimension), -np.eye(dimension)]), np.ones(2 * dimension)


def cross_polytope(dimension):
    """Σ |z_i| < 1."""
    return -np.array(list(product([1.0, -1.0], repeat=dimension))), np.ones(2**dimension)


def simplex(dimension):
    """z_i > 0, Σ z_i < 1."""
    normals = np.concatenate([np.eye(dimension), -np.ones((1, dimension))])
    return normals, np.append(np.zeros(dimension), 1.0)


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_cubes(dimension):
    faces, chains = counts(lattice_of_halfspaces(*cube(dimension)))
    assert faces == [comb(dimension, m) * 2 ** (dimension - m) for m in range(dimension)]
    assert chains == 2**dimension * factorial(dimension)


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_cross_polytopes(dimension):
    """Not simple: 2^(S-1) facets meet at every vertex."""
    faces, chains = counts(lattice_of_halfspaces(*cross_polytope(dimension)))
    assert faces == [comb(dimension, m + 1) * 2 ** (m + 1) for m in range(dimension)]
    assert chains == 2**dimension * factorial(dimension)


@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
def test_simplices_and_orthants(dimension):
    normals, offsets = simplex(dimension)
    faces, chains = counts(lattice_of_halfspaces(normals, offsets))
    assert faces == [comb(dimension + 1, m + 1) for m in range(dimension)]
    assert chains == factorial(dimension + 1)
    orthant = lattice_of_halfspaces(normals[:-1], offsets[:-1])
    # Closed at infinity, an orthant is a simplex too.
    assert counts(orthant) == (faces, chains)
    assert orthant.points.sum() == 1
    assert [int(level.finite.sum()) for level in orthant.faces] == [
        comb(dimension, m) for m in range(dimension)
    ]


def test_pyramid_over_an_octagon():
    """Eight facets through one point."""
    angles = np.arange(8) * np.pi / 4
    sides = np.stack([-np.cos(angles), -np.sin(angles), -np.ones(8)], axis=1)
    normals, offsets = np.vstack([sides, [0, 0, 1]]), np.append(np.ones(8), 0.0)
    faces, chains = counts(lattice_of_halfspaces(normals, offsets))
    assert faces == [9, 16, 9]
    assert chains == 4 * 16


def test_lines_are_left_out():
    half_plane = lattice_of_halfspaces(np.array([[3.0, 4.0]]), np.array([5.0]))
    assert half_plane.dimension == 1
    assert abs(half_plane.lines[0] @ [3.0, 4.0]) == pytest.approx(0.0, abs=1e-15)
    assert counts(half_plane) == ([2], 2)
    everything = lattice_of_halfspaces(np.empty((0, 3)), np.empty(0))
    assert everything.dimension == 0
    assert everything.lines.shape == (1, 3, 3)


def test_half_spaces_that_say_nothing_new():
    """Redundant ones, touching or not, duplicates in any scale, and zero normals."""
    normals, offsets = cube(3)
    plain = counts(lattice_of_halfspaces(normals, offsets))
    more = np.vstack([normals, 0.1 * normals[:2], [-1.0, -1.0, -1.0], [1.0, 1.0, 0.0], [0, 0, 0]])
    levels = np.concatenate([offsets, 0.1 * offsets[:2], [3.0, 7.0, 1.0]])
    assert counts(lattice_of_halfspaces(more, levels)) == plain


def test_of_parallel_half_spaces_the_tightest_counts():
    """In whatever order, and at whatever length."""
    normals, offsets = cube(2)
    for scale in (1.0, 0.3, 7.0):
        for first in (True, False):
            rows = [scale * normals[:1], normals] if first else [normals, scale * normals[:1]]
            levels = [scale * 0.5 * offsets[:1], offsets]
            found = lattice_of_halfspaces(
                np.vstack(rows), np.concatenate(levels if first else levels[::-1])
            )
            assert counts(found) == counts(lattice_of_halfspaces(normals, offsets))
            assert found.positions[:, 0].min() == -0.5


@pytest.mark.parametrize(
    ("normals", "offsets"),
    [
        ([[1.0, 0.0], [-1.0, 0.0]], [-1.0, 0.5]),
        ([[1.0, 0.0], [-1.0, 0.0]], [-1.0, 1.0]),
        ([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, 0.0]),
        ([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, -1.0]),
        ([[0.0, 0.0], [1.0, 0.0]], [0.0, 1.0]),
        ([[0.0, 0.0]], [-1.0]),
    ],
)
def test_no_interior(normals, offsets):
    """Empty, a line, a point, and a half-space that holds nothing."""
    assert lattice_of_halfspaces(np.array(normals), np.array(offsets)) is None


def test_thin_is_not_empty():
    lattice = lattice_of_halfspaces(
        np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.array([-1.0, 1.0 + 1e-12, 0.0])
    )
    assert counts(lattice)[0] == [3, 3]


def test_corners_solve_their_equations_in_twice_the_precision():
    """Needles: the corner as a rational number, against position plus what rounding left off.

    The first solution is off by κε in relative terms, κ = ‖N‖ ‖N^-1‖ of the normals' matrix; one
    correction, from residuals in twice the precision, leaves (κε)² of it.
    """
    rng = np.random.default_rng(0)
    without = 0.0
    for _ in range(20):
        first = rng.standard_normal(2)
        second = -first + 1e-6 * rng.standard_normal(2)
        normals, offsets = np.stack([first, second]), rng.standard_normal(2)
        lattice = lattice_of_halfspaces(normals, offsets)
        rows = [[Fraction(v) for v in row] for row in normals]
        right = [-Fraction(v) for v in offsets]
        det = rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
        exact = [
            (right[0] * rows[1][1] - right[1] * rows[0][1]) / det,
            (right[1] * rows[0][0] - right[0] * rows[1][0]) / det,
        ]
        largest = max(abs(v) for row in rows for v in row)
        condition = 4 * float(largest * largest / abs(det))
        allowed = (condition * np.finfo(float).eps) ** 2
        size = max(abs(e) for e in exact)
        for i in range(2):
            found = Fraction(lattice.positions[0, i]) + Fraction(lattice.small[0, i])
            assert abs(float((found - exact[i]) / size)) <= allowed
            alone = Fraction(lattice.positions[0, i])
            without = max(without, abs(float((alone - exact[i]) / size)) / allowed)
    assert without > 100  # negative control: positions alone do not solve them so well


def test_heights_are_rounded_once():
    rng = np.random.default_rng(1)
    normals, positions = rng.standard_normal((2, 200, 3))
    small = 1e-17 * rng.standard_normal((200, 3))
    offsets = -np.einsum("ns,ns->n", normals, positions) + 1e-14 * rng.standard_normal(200)
    found = heights(normals, offsets, positions, small)
    for i in range(200):
        pairs = zip(normals[i], positions[i], small[i], strict=True)
        exact = Fraction(offsets[i]) + sum(
            Fraction(n) * (Fraction(p) + Fraction(s)) for n, p, s in pairs
        )
        assert found[i] == pytest.approx(float(exact), rel=1e-14, abs=1e-30)


def corners_apart(lattice):
    """Whether no corner is very far, nor next to another."""
    places = np.column_stack([lattice.positions, lattice.points])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places))
    return np.max(np.abs(places)) < 1e10 and np.min(gaps) > 1e-10


@pytest.mark.parametrize("widths", [[2, 7, 6, 2], [3, 5, 4, 2], [3, 2, 4, 2]])
def test_two_routes_to_the_faces(widths):
    """Of a network's regions: from the subdivision, and from each region's half-spaces alone. Of
    boundaries parallel in the network these are rounded, so that they meet 1e16 away or have two
    rays in place of one: that changes no mass, but the faces."""
    network = Network.random(widths, random_state=4)
    partition = fast.DGN(network, 1.0).partition()
    ((regions, lattice),) = partition.polyhedra.lattices
    latent = widths[0]
    maps, centre, compared = np.eye(latent)[None], np.zeros((1, latent)), 0
    for region in regions[:: max(1, len(regions) // 40)]:
        alone = lattice_of_halfspaces(*partition.halfspaces(region))
        cell = np.array([region])
        if corners_apart(alone):
            compared += 1
            for m, level in enumerate(lattice.faces):
                assert len(level.of_cells.entries(cell)[0]) == len(alone.faces[m].finite)
            assert len(lattice.chains[0].entries(cell)[0]) == len(alone.chains[1])
        first = np.zeros(1, dtype=int)
        one, _ = truncate_with_error(Whitened.of(lattice, cell, maps, centre, centre))
        other, _ = truncate_with_error(Whitened.of(alone, first, maps, centre, centre))
        # Vertices found on two ways differ by rounding, times the region's own condition.
        mass = [t.log_volume - 0.5 * t.square for t in (one, other)]
        assert mass[0] == pytest.approx(mass[1], rel=1e-9, abs=1e-9)
        assert one.mean == pytest.approx(other.mean, rel=1e-8, abs=1e-9)
    assert compared >= 2, compared


def test_every_chain_is_a_chain():
    """Each face of a chain is on the boundary of the one before."""
    lattice = lattice_of_halfspaces(*cross_polytope(3))
    for facet, edge, corner in lattice.chains[1]:
        edges = lattice.faces[2].boundary
        corners = lattice.faces[1].boundary
        assert edge in edges.values[edges.starts[facet] : edges.starts[facet + 1]]
        assert corner in corners.values[corners.starts[edge] : corners.starts[edge + 1]]
    assert len({tuple(link) for link in lattice.chains[1]}) == 48
    assert len(list(combinations(range(6), 2))) - 3 == len(lattice.faces[1].finite)


def test_corners_that_differ_in_what_rounding_left():
    """A tetrahedron 2^-53 wide at (1, 1, 1): each of its facets is spanned by three corners."""
    normals = np.vstack([np.eye(3), [-(1 - 2.0**-53), -1.0, -1.0]])
    lattice = lattice_of_halfspaces(normals, np.array([-1.0, -1.0, -1.0, 3.0]))
    assert counts(lattice) == ([4, 6, 4], 24)
    assert [len(set(row)) for row in lattice.spanning(2).tolist()] == [3, 3, 3, 3]


@pytest.mark.parametrize("dimension", [2, 3])
def test_lattices_joined_are_those_they_are_made_of(dimension):
    """Every polyhedron has its own faces and chains, and its moments to the last digit."""
    orthant = [part[:-1] for part in simplex(dimension)]
    shapes = cube(dimension), simplex(dimension), cross_polytope(dimension), orthant
    parts = [lattice_of_halfspaces(*shape) for shape in shapes]
    whole, first = joined(parts), np.zeros(1, dtype=int)
    maps, centre = np.eye(dimension)[None] + 0.1, np.full((1, dimension), 0.2)
    for i, part in enumerate(parts):
        cell = np.array([i])
        for together, alone in zip(whole.faces, part.faces, strict=True):
            count = len(alone.finite)
            assert len(together.of_cells.entries(cell)[0]) == count
        chains = whole.chains[1][whole.chains[0].entries(cell)[0]]
        assert np.array_equal(chains, part.chains[1])
        one, _ = truncate_with_error(Whitened.of(whole, cell, maps, centre, centre))
        other, _ = truncate_with_error(Whitened.of(part, first, maps, centre, centre))
        for mine, own in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, own)


@pytest.mark.parametrize("dimension", [2, 3])
def test_corners_have_no_height_over_their_facets(dimension):
    """Exactly none, for all that lie on one and no others: not what rounding left, which would be
    cut off where it is negative. Ten boxes, so that the last corner of all shows it too."""
    rng = np.random.default_rng(dimension)
    normals, offsets = cube(dimension)
    for _ in range(10):
        mixed = normals @ rng.standard_normal((dimension, dimension))
        lattice = joined([lattice_of_halfspaces(mixed, offsets)] * 2)
        over = lattice.heights[1].reshape(-1, 2**dimension)
        assert len(over) == 2 * 2 * dimension
        for own in over:
            assert np.count_nonzero(own == 0) == 2 ** (dimension - 1)
            assert np.all(own[own != 0] > 0.1)


def sheared_box(rng, size):
    """A box, some of its sides at infinity, in coordinates mixed by small integers; the number of
    its vertices and of its rays."""
    matrix, inverse = np.eye(size), np.eye(size)
    for _ in range(2 * size):
        i, j = rng.choice(size, 2, replace=False)
        times = float(rng.choice([-1, 1]))
        matrix[i] += times * matrix[j]
        inverse[:, j] -= times * inverse[:, i]
    low = np.round(rng.standard_normal(size) * rng.choice([0, 1, 10]) * 64) / 64
    high = low + np.round(rng.exponential(2.0, size) * 64) / 64 + 1 / 64
    closed = rng.random(size) < 0.6
    normals = np.vstack([inverse, -inverse[closed]])
    return normals, np.append(-low, high[closed]), 2 ** closed.sum(), size - closed.sum()


@pytest.mark.parametrize(("size", "count"), [(2, 100), (3, 300), (4, 120)])
def test_coordinates_that_vanish(size, count):
    """Of a corner whose coordinates are 0 rounding leaves 1e-33, and nothing to compare it with but
    what is known of the corner: boundaries on which it lies are still seen."""
    rng = np.random.default_rng(size)
    for _ in range(count):
        normals, offsets, vertices, rays = sheared_box(rng, size)
        lattice = lattice_of_halfspaces(normals, offsets)
        assert lattice is not None
        assert np.count_nonzero(lattice.points) == vertices
        assert np.count_nonzero(~lattice.points) == rays


def test_a_coordinate_that_is_all_but_zero_is_not():
    """Boundaries through 0 and 1e-30 of one coordinate are two where the other is 1."""
    normals = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    lattice = lattice_of_halfspaces(normals, np.array([-1.0, 2.0, 0.0, 1e-30]))
    assert np.count_nonzero(lattice.points) == 4
