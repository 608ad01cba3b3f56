"""Polyhedra of `reference`: emptiness, facets, vertices, rays and lines, decided exactly."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from oracle.exact.from_doubles import polyhedron_of as exact_cone
from reference import gaussian_on_polyhedron
from reference.polyhedra.integer_vectors import (
    central,
    dot,
    orthogonal,
    orthogonalised,
    primitive,
    quotient,
    rounded_point,
    rows_of,
    unit_halfspace,
)
from reference.polyhedra.polyhedron import polyhedron_of

CASES = Path(__file__).resolve().parents[1] / "data" / "cases" / "nearly_parallel.json"
EPS = np.finfo(float).eps


def of_doubles(normals, offsets):
    """The polyhedron of lists of numbers."""
    return polyhedron_of(np.array(normals, float), np.array(offsets, float))


def test_emptiness_is_exact():
    """One unit in the last place decides, in any dimension."""
    up, down = np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0)
    for dimension in (1, 2, 3):
        u = np.full(dimension, 0.1)
        pair = np.array([u, -u])
        assert polyhedron_of(pair, np.array([-1.0, 1.0])) is None
        assert polyhedron_of(pair, np.array([-1.0, up])) is not None
        assert polyhedron_of(pair, np.array([-1.0, down])) is None
        simplex = np.vstack([np.eye(dimension), -np.ones((1, dimension))])
        sliver = polyhedron_of(simplex, np.append(np.zeros(dimension), 5e-324))
        assert len(sliver.sides) == len(sliver.vertices()) == dimension + 1
        assert polyhedron_of(simplex, np.zeros(dimension + 1)) is None
    assert polyhedron_of(np.empty((0, 2)), np.empty(0)) is not None


@pytest.mark.parametrize("offset", [-1.0, 0.0, 1e-300])
def test_a_normal_of_0(offset):
    """It bounds nothing if its offset is positive, and leaves nothing otherwise."""
    found = of_doubles([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [offset, 0.0, 0.0])
    if offset > 0:
        assert [side.number for side in found.sides] == [1, 2]
    else:
        assert found is None


def test_wedge_strip_half_plane_and_cube():
    """Vertices, rays and lines of shapes one can see."""
    root = np.sqrt(0.5)
    wedge = of_doubles(np.eye(2), np.zeros(2))
    assert wedge.vertices().tolist() == [[0.0, 0.0]]
    assert sorted(wedge.rays().tolist()) == [[0.0, 1.0], [1.0, 0.0]]
    strip = of_doubles([[1.0, 1.0], [-2.0, -2.0]], [1.0, 3.0])
    assert strip.vertices().tolist() == [[-0.5, -0.5], [0.75, 0.75]]
    assert strip.rays().shape == (0, 2)
    np.testing.assert_allclose(np.abs(strip.lines()), [[root, root]], rtol=EPS)
    half = of_doubles([[1.0, 1.0]], [1.0])
    assert half.vertices().tolist() == [[-0.5, -0.5]]
    np.testing.assert_allclose(half.rays(), [[root, root]], rtol=EPS)
    cube = of_doubles(np.concatenate([np.eye(3), -np.eye(3)]), np.ones(6))
    assert sorted(cube.vertices().tolist()) == sorted(
        map(list, itertools.product([-1.0, 1.0], repeat=3))
    )
    assert all(len(side.on) == 4 for side in cube.sides)
    # A pyramid: four facets meet in its apex, which is one vertex.
    sides = [[1.0, 0, -1], [-1, 0, -1], [0, 1, -1], [0, -1, -1], [0, 0, 1]]
    pyramid = of_doubles(sides, [1.0, 1, 1, 1, 0])
    assert sorted(len(side.on) for side in pyramid.sides) == [3, 3, 3, 3, 4]
    whole = of_doubles(np.empty((0, 3)), [])
    np.testing.assert_array_equal(np.abs(whole.lines()), np.eye(3))
    assert (len(whole.sides), len(whole.rays()), len(whole.vertices())) == (0, 0, 1)


def random_halfspaces(dimension, seed):
    """Half-spaces near 0: generic, of few digits, or nearly parallel ones; some redundant."""
    rng = np.random.default_rng([dimension, seed])
    count = int(rng.integers(1, 9))
    normals, offsets = rng.standard_normal((count, dimension)), rng.uniform(-0.1, 1.0, count)
    if seed % 3 == 1:
        normals, offsets = np.round(normals), np.round(3 * offsets)
    if seed % 3 == 2:
        beside = normals + 10.0 ** rng.uniform(-16, -6) * rng.standard_normal(normals.shape)
        normals, offsets = np.vstack([normals, beside]), np.append(offsets, offsets)
    return normals, offsets


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_random_polyhedra(dimension):
    """Emptiness, vertices, rays, facets and lines as the oracle's, which shares nothing with it."""
    empty = 0
    for seed in range(60):
        normals, offsets = random_halfspaces(dimension, seed)
        found, cone = polyhedron_of(normals, offsets), exact_cone(normals, offsets, dimension)
        assert (found is None) == (cone is None)
        if found is None:
            empty += 1
            continue
        assert len(found.orthogonal_lines) == len(cone.lines)
        assert len(found.generators) == len(cone.rays)
        if not cone.lines:
            assert set(found.generators) == {ray.vector for ray in cone.rays}
        facets = {primitive(bound) for bound, _ in cone.facets()}
        assert {side.row for side in found.sides} == facets
        check_incidence(found)
    assert 0 < empty < 40


def check_incidence(found):
    """Every generator is on the facets that it is said to be on, and above all others; points that
    are said to be inside are; lines lie in all facets. Vertices come first, the nearest to 0 first
    of all, and then rays."""
    distances = [max(map(abs, rounded_point(v))) if v[-1] else np.inf for v in found.generators]
    assert distances == sorted(distances)
    for side in found.sides:
        for i, vector in enumerate(found.generators):
            height = dot(side.row, vector)
            assert height == 0 if i in side.on else height > 0
        assert all(dot(side.row, line) == 0 for line in found.orthogonal_lines)
        assert dot(side.row, found.inner_point()) > 0
        beside = found.inner_point_of(side)
        assert [s for s in found.sides if dot(s.row, beside) <= 0] == [side]
    for line in found.orthogonal_lines:
        assert all(dot(line, vector) == 0 for vector in found.generators)


def test_facets_by_linear_programs():
    """A half-space is redundant if none of its complement is in the others (SciPy's simplex)."""
    for seed in range(0, 60, 3):
        normals, offsets = random_halfspaces(3, seed)
        offsets = np.abs(offsets) + 0.01
        numbers = {side.number for side in polyhedron_of(normals, offsets).sides}
        for j in range(len(normals)):
            others = np.arange(len(normals)) != j
            least = linprog(
                normals[j], -normals[others], offsets[others], bounds=[(-1e4, 1e4)] * 3
            ).fun
            assert (j in numbers) == (least < -offsets[j] - 1e-9)


def test_of_equal_halfspaces_the_first_is_kept():
    """Bit for bit or scaled; the second is redundant."""
    found = of_doubles([[0.0, 3.0], [1.0, 0.0], [4.0, 0.0], [0.0, 1.5]], [3.0, 0.5, 2.0, 1.5])
    assert [side.number for side in found.sides] == [0, 1]


ROUNDINGS = [7, 8, 9, 10, "float32", "not"]


@pytest.mark.parametrize("digits", ROUNDINGS)
def test_the_truncated_icosahedron(digits):
    """Its 32 planes, rounded: 60 vertices of three facets each."""
    given = json.loads(CASES.read_text(encoding="utf-8"))["truncated_icosahedron"]
    normals, offsets = np.array(given["normals"]), np.array(given["offsets"])
    if digits == "float32":
        normals, offsets = (np.float64(np.float32(a)) for a in (normals, offsets))
    elif digits != "not":
        normals, offsets = np.round(normals, digits), np.round(offsets, digits)
    found = polyhedron_of(normals, offsets)
    assert (len(found.sides), len(found.generators)) == (32, 60)
    assert sorted(len(side.on) for side in found.sides) == [5] * 12 + [6] * 20
    vertices = found.vertices()
    assert len(np.unique(vertices, axis=0)) == 60
    assert np.min(normals @ vertices.T + offsets[:, None]) > -1e-15


@pytest.mark.parametrize(
    "given", json.loads(CASES.read_text(encoding="utf-8"))["polyhedra"], ids=lambda g: str(g["e"])
)
def test_nearly_parallel_facets(given):
    """Two slabs at an angle e, with corners 2/e and 2/e² away: four facets, and the mass of a
    product of intervals."""
    found, e = of_doubles(given["normals"], given["offsets"]), given["e"]
    assert len(found.sides) == 4
    corners = [[1 + e, -1.0, 2 / e], [-1.0, -1.0, 2 / e], [-1.0, 2 / e, (1 - 2 / e) / e]]
    np.testing.assert_allclose(sorted(found.vertices().tolist()), sorted(corners), rtol=4 * EPS)
    np.testing.assert_array_equal(found.rays(), [[0.0, 0.0, -1.0]])
    got = gaussian_on_polyhedron(given["normals"], given["offsets"], [given["mean"]], 1.0)
    slab = 2 * np.log(0.682689492137085897)
    assert got.log_mass[0] == pytest.approx(slab, abs=e**2 + 1e-14)
    # To first order in e, the shift of a mean is -e φ(1) Var / P(|z| < 1).
    slope = np.exp(-0.5) / np.sqrt(2 * np.pi) / np.exp(slab / 2)
    shifts = [0.0, -slope * (1 - 2 * slope), -slope]
    np.testing.assert_allclose(got.mean[0] / e, shifts, atol=1e-6 + 1e-15 / e)


def test_positions_are_rounded_once():
    """A vertex is the double nearest to the quotient, far beyond and far below what it is made of;
    infinite if there is none."""
    found = of_doubles([[3.0, 0.0], [0.0, 7e-200]], [-1.0, -1e100])
    np.testing.assert_array_equal(found.vertices(), [[1 / 3, 1e100 / 7e-200]])
    assert of_doubles([[5e-324]], [-1.0]).vertices().tolist() == [[np.inf]]
    assert quotient(-(10**400), 1) == -np.inf
    assert quotient(10**400, 3 * 10**399) == 10 / 3
    normal, offset = unit_halfspace((3 * 10**400, 4 * 10**400, -(10**401)))
    np.testing.assert_allclose([*normal, offset], [0.6, 0.8, -2.0], rtol=EPS)


def test_vectors():
    """Orthogonal complements and bases by definition; rows keep the direction of doubles."""
    rng = np.random.default_rng(3)
    for size in range(1, 6):
        vectors = [tuple(row) for row in rng.integers(-9, 10, (size - 1, size)).tolist()]
        across = orthogonal(vectors)
        assert all(dot(across, vector) == 0 for vector in vectors)
        assert any(across) == (size == 1 or np.linalg.matrix_rank(np.array(vectors)) == size - 1)
        basis = orthogonalised([*vectors, *vectors])
        assert len(basis) == (np.linalg.matrix_rank(np.array(vectors)) if vectors else 0)
        assert all(dot(a, b) == 0 for a, b in itertools.combinations(basis, 2))
    assert orthogonal([(1, 2)]) in [(2, -1), (-2, 1)]
    (row,) = rows_of(np.array([[0.5, -1.5]]), np.array([2.0**-1000]))
    assert row == (2**999, -3 * 2**999, 1)
    # Weights of points differ by less than two, whatever their scale.
    middle = central([(10**30, 10**30), (0, 3)])
    assert 1 / 3 < middle[0] / middle[1] < 2 / 3
