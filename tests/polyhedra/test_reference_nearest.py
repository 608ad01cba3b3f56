"""Convex quadratic programs over polyhedra, against optimality conditions and SciPy's NNLS."""

import numpy as np
import pytest
from scipy.optimize import nnls

from reference.polyhedra.polyhedron import polyhedron_of
from reference.polyhedra.quadratic_programs import minimiser
from reference.polyhedra.validity import OutsideValidity


def random_program(dimension, seed):
    """A polyhedron with a known interior point, and a quadratic with its minimum anywhere."""
    rng = np.random.default_rng([dimension, seed])
    normals = rng.standard_normal((rng.integers(0, 8), dimension))
    point = rng.standard_normal(dimension)
    offsets = rng.uniform(0.0, 1.0, len(normals)) - normals @ point
    matrix = rng.standard_normal((dimension + 2, dimension))
    return normals, offsets, matrix, 3 * rng.standard_normal(dimension + 2), point


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_optimality(dimension):
    """The point is in the polyhedron, and its gradient is a combination, without negative weights,
    of the normals of the facets it is on (Karush, Kuhn, Tucker): by non-negative least squares."""
    on_facets = 0
    for seed in range(60):
        normals, offsets, matrix, target, _ = random_program(dimension, seed)
        z = minimiser(polyhedron_of(normals, offsets), matrix, target)
        slacks = normals @ z + offsets
        assert np.all(slacks > -1e-11)
        active = normals[slacks < 1e-9]
        gradient = matrix.T @ (matrix @ z - target)
        on_facets += len(active) > 0
        missed = np.linalg.norm(gradient)
        if len(active):
            missed = nnls(active.T, gradient)[1]
        assert missed < 1e-10
    assert 10 < on_facets < 60


@pytest.mark.parametrize("dimension", [2, 3])
def test_ties(dimension):
    """Of many minimisers the one with the smallest ‖tie z‖: as the limit of a vanishing weight."""
    for seed in range(40):
        normals, offsets, matrix, target, _ = random_program(dimension, seed)
        matrix = matrix[:, :1] @ np.random.default_rng(seed).standard_normal((1, dimension))
        tie = np.random.default_rng([seed, 1]).standard_normal((dimension, dimension))
        z = minimiser(polyhedron_of(normals, offsets), matrix, target, tie)
        weight = 1e-4
        stacked = np.vstack([matrix, weight * tie])
        near = minimiser(
            polyhedron_of(normals, offsets), stacked, np.append(target, np.zeros(dimension))
        )
        assert np.linalg.norm(matrix @ z - target) <= np.linalg.norm(matrix @ near - target) + 1e-12
        # The weighted minimiser is off by its weight squared, over the problem's curvature.
        np.testing.assert_allclose(z, near, atol=1e-6 * (1 + np.linalg.norm(z)))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [1, 0, 3, 2]], ids=str)
def test_a_constant_map_leaves_all_to_the_tie(order):
    """Where the matrix is 0 everything is a minimiser, and the comparison of two is 0 with an error
    of 0: the nearer of two opposite sides is taken, whichever of them is tried first."""
    sides = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])[order]
    levels = np.array([-1.0, 2.0, 1.0, 1.0])[order]
    z = minimiser(polyhedron_of(sides, levels), np.zeros((3, 2)), np.ones(3), np.eye(2))
    np.testing.assert_allclose(z, [1.0, 0.0], atol=1e-15)


def test_degenerate_corners():
    """Six planes through one point, and one plane twice."""
    angles = np.arange(6) * np.pi / 3
    cone = np.column_stack([np.cos(angles), np.sin(angles), np.ones(6)])
    apex = np.array([0.3, -0.2, 1.0])
    below = apex + np.array([0.1, 0.2, -5.0])
    np.testing.assert_allclose(
        minimiser(polyhedron_of(cone, -cone @ apex), np.eye(3), below), apex, atol=1e-13
    )
    plane = np.array([[1.0, 2.0], [0.5, 1.0]])
    foot = minimiser(polyhedron_of(plane, np.array([-5.0, -2.5])), np.eye(2), np.zeros(2))
    np.testing.assert_allclose(foot, [1.0, 2.0], atol=1e-14)


def test_whole_space():
    """Without half-spaces: least squares."""
    matrix, target = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([1.0, 2.0, 3.0])
    expected = np.linalg.lstsq(matrix, target, rcond=None)[0]
    whole = polyhedron_of(np.empty((0, 2)), np.empty(0))
    np.testing.assert_allclose(minimiser(whole, matrix, target), expected)


@pytest.mark.parametrize("tie", [None, np.eye(2)], ids=["alone", "with ties"])
def test_a_polyhedron_beyond_doubles_has_no_nearest_point(tie):
    """z_1 > 2e323: an error, never a point outside."""
    far = polyhedron_of(np.array([[5e-324, 0.0]]), np.array([-1.0]))
    with pytest.raises(OutsideValidity, match="farther away than the largest double"):
        minimiser(far, np.eye(2), np.zeros(2), tie)


@pytest.mark.parametrize("power", [8, 12, 16, 20])
def test_facets_that_are_nearly_parallel(power):
    """Two planes at a small angle e, with an edge at z_1 = z_2 = 0: beyond it the nearest point is
    the edge; on the other side it is on the plane."""
    e = 2.0**-power
    wedge = polyhedron_of(np.array([[0.0, 1.0, 0.0], [e, -1.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros(3))
    for target in ([-1.0, 0.0, 0.5], [-1.0, -2.0, 0.25]):
        z = minimiser(wedge, np.eye(3), np.array(target))
        np.testing.assert_allclose(z, [0.0, 0.0, target[2]], atol=1e-15)
    z = minimiser(wedge, np.eye(3), np.array([1.0, -1.0, 0.5]))
    np.testing.assert_allclose(z, [1.0, 0.0, 0.5], atol=1e-15)


def test_a_facet_whose_corner_is_far_away():
    """Two lines that meet at 1e12: on either the nearest point has all its digits."""
    e = 2.0**-40
    wedge = polyhedron_of(np.array([[0.0, 1.0], [e, -1.0]]), np.array([0.0, 1.0]))
    z = minimiser(wedge, np.eye(2), np.array([0.25, 5.0]))
    along = 0.25 + e * (5.0 - 1.0)
    np.testing.assert_allclose(z, [along, 1.0 + e * along], rtol=4e-16)
    np.testing.assert_allclose(
        minimiser(wedge, np.eye(2), np.array([0.25, -3.0])), [0.25, 0.0], rtol=4e-16, atol=1e-300
    )
