"""Sums over regions whose boundaries are parallel to rounding, and the cones they are made of."""

import itertools

import numpy as np
import pytest
from shared_models import arrangement

from reference import DGN
from reference.integration import cone_moments, signed_sum
from reference.integration.parallel_normals import PARALLEL, parallel, separated
from reference.integration.signed_sum import integrate
from reference.polyhedra.inclusion_exclusion import signed_cones
from reference.polyhedra.polyhedron import polyhedron_of

ANGLES = [1e-17, 1e-16, 4e-16, 1e-15, 2e-15, 1e-14, 1e-13, 1e-10, 1e-6]


def doubled(dimension, digits, seed):
    """Three hyperplanes, and these with others beside them that agree to some digits."""
    rng = np.random.default_rng([dimension, digits, seed])
    normals, offsets = rng.standard_normal((3, dimension)), rng.standard_normal(3)
    beside = np.round(normals, digits) if seed % 2 else normals * (1 + 10.0**-digits)
    rows = np.vstack([normals, beside + 10.0**-digits * rng.standard_normal(normals.shape)])
    levels = np.append(offsets, np.round(offsets, digits))
    return arrangement(normals, offsets), arrangement(rows, levels), rng


@pytest.mark.parametrize("digits", [9, 12, 13, 14, 15, 16])
@pytest.mark.parametrize("dimension", [2, 3])
def test_regions_between_sum_to_what_they_were_cut_from(dimension, digits):
    """A region of three hyperplanes is the union of those that three more cut it into: masses and
    first moments, within the bounds that are told. Once they were off by 1e-3, and told 1e-13."""
    for seed in range({2: 4, 3: 1}[dimension]):
        plain, cut, rng = doubled(dimension, digits, seed)
        centre, factor = 0.5 * rng.standard_normal(dimension), np.eye(dimension)
        whole, parts = DGN(plain, 1.0).partition(), DGN(cut, 1.0).partition()
        found = [integrate(cones, centre, factor) for cones in parts.signed_cones]
        for code, cones in zip(whole.codes, whole.signed_cones, strict=True):
            truth = integrate(cones, centre, factor)
            mine = [found[r] for r in np.flatnonzero(np.all(parts.codes[:, :3] == code, axis=1))]
            error = sum(part.mass_error for part in mine)
            assert error < 1e-12
            assert abs(sum(part.mass for part in mine) - truth.mass) <= error + truth.mass_error
            first = sum(part.mass * (part.mean - centre) for part in mine)
            error = sum(np.exp(part.log_error) for part in mine) + np.exp(truth.log_error)
            assert np.max(np.abs(first - truth.mass * (truth.mean - centre))) <= error


def beside(normal, angle, rng):
    """A vector of length 1 at about this angle, or turned round."""
    vector = normal + angle * rng.standard_normal(len(normal))
    return rng.choice([-1, 1]) * vector / np.linalg.norm(vector)


@pytest.mark.parametrize("angle", ANGLES)
def test_complements(angle):
    """What one of three half-spaces adds to the other two, it and its complement share: masses and
    first moments, where two or all three are nearly parallel."""
    rng = np.random.default_rng(int(1e17 * angle))
    for case in range(30):
        first = rng.standard_normal(3)
        first /= np.linalg.norm(first)
        normals = np.array([first, beside(first, angle, rng), beside(first, angle, rng)])
        if case % 2:
            normals[2] = np.linalg.qr(rng.standard_normal((3, 3)))[0][0]
        level = 0.5 * rng.standard_normal()
        offsets = level * np.sign(normals @ first) + (case % 3) * angle * rng.standard_normal(3)
        sums = [
            moments(np.diag([1.0, 1.0, side]) @ normals, offsets * [1.0, 1.0, side])
            for side in (1, -1)
        ]
        both = moments(normals[:2], offsets[:2])
        for one, other, all_of_it in zip(*sums, both, strict=True):
            np.testing.assert_allclose(one + other, all_of_it, atol=8 * PARALLEL)


def moments(normals, offsets):
    """Mass and first moment of N(0, I) on a cone by `separated`."""
    parts = separated(list(range(len(normals))), list(offsets), parallel(normals))
    mass, first = 0.0, np.zeros(3)
    for sign, rows, levels in parts:
        mass += sign * cone_moments.mass(normals[rows], np.array(levels))
        first += sign * cone_moments.first_moment(normals[rows], np.array(levels))
    return mass, first


def test_separated_cones_are_the_cone():
    """Indicator functions at random points, for every choice of signs; no parallel pair is left."""
    rng = np.random.default_rng(0)
    first, second = np.linalg.qr(rng.standard_normal((3, 3)))[0][:2]
    points = rng.standard_normal((400, 3))
    for signs in itertools.product([1, -1], repeat=3):
        for third in (first, second):
            normals = np.array([first, first, third]) * np.reshape(signs, (3, 1))
            offsets = rng.standard_normal(3)
            found = separated([0, 1, 2], list(offsets), parallel(normals))
            total = np.zeros(len(points))
            for sign, rows, levels in found:
                assert not np.any(np.triu(parallel(normals[rows]), 1))
                total += sign * np.all(points @ normals[rows].T + levels > 0, axis=1)
            truth = np.all(points @ normals.T + offsets > 0, axis=1)
            np.testing.assert_array_equal(total, truth)


def test_what_is_moved_is_told():
    """The bound on the rounding of a sum is larger by what two hyperplanes may be moved by, for
    every term with normals that are taken for parallel."""
    bounds = []
    for angle in (0.5 * PARALLEL, 2 * PARALLEL):
        normals = np.array([[1.0, 0.0], [-1.0, angle]])
        wedge = signed_cones(polyhedron_of(normals, np.array([0.3, 0.3])))
        bounds.append(signed_sum._parts(wedge, wedge.normals, wedge.offsets)[1])
    # The slab is a difference of two half-spaces, of two terms in place of one.
    more = 2 * PARALLEL + signed_sum._TERM_ERROR
    assert bounds[0] - bounds[1] == pytest.approx(more, rel=1e-9, abs=0)


def test_parallel_cones_as_they_are_are_seen(monkeypatch):
    """Without the separation masses are wrong here."""
    monkeypatch.setattr(signed_sum, "separated", lambda rows, offsets, _: [(1, rows, offsets)])
    with pytest.raises(AssertionError):
        test_regions_between_sum_to_what_they_were_cut_from(3, 16)
