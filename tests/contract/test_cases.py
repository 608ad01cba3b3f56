"""The inputs with known right values load, and the values are right, by numpy and scipy alone."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import HalfspaceIntersection
from scipy.special import erf

CASES = Path(__file__).resolve().parents[1] / "data" / "cases"


def case(name):
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("given", case("nearly_parallel")["polyhedra"], ids=lambda g: str(g["e"]))
def test_nearly_parallel_polyhedra(given):
    """Two slabs of |z| < 1 but for e: the product of two masses of an interval."""
    normals = np.array(given["normals"])
    assert np.max(np.abs(normals[0] + normals[1])) == given["e"]
    assert np.max(np.abs(normals[2] + normals[3])) == given["e"]
    closed_form = 2.0 * math.log(erf(1.0 / math.sqrt(2.0)))
    assert given["log_mass"] == pytest.approx(closed_form, abs=1e-6)


def log_p_of_pairs(given, points, most=8.0):
    """log p(x) of a network whose four units look in two directions: a sum over a grid of a plane.

    Units 1 and 3 count as multiples of 0 and 2, as they are but for float32.
    """
    first, last = (np.array(weights) for weights in given["weights"])
    # Rows 0 and 2 are combinations of an orthonormal pair, on which z is N(0, I).
    upper = np.linalg.qr(first[[0, 2]].T)[1]
    grid = np.linspace(-most, most, points)
    z = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    one, two = np.moveaxis(z @ upper, -1, 0)
    norms = np.linalg.norm(first, axis=1)
    units = [one, norms[1] / norms[0] * one, two, norms[3] / norms[2] * two]
    images = given["biases"][1][0]
    for unit, bias, weight in zip(units, given["biases"][0], last[0], strict=True):
        images = images + weight * np.maximum(unit + bias, 0.0)
    variance, x = given["cov_x"], given["x"][0]
    density = np.exp(-0.5 * (x - images) ** 2 / variance - 0.5 * np.sum(z**2, axis=-1))
    cell = (grid[1] - grid[0]) ** 2
    return math.log(density.sum() * cell / (2.0 * math.pi * math.sqrt(2.0 * math.pi * variance)))


@pytest.mark.parametrize("given", case("nearly_parallel")["networks"], ids=["first", "second"])
def test_nearly_parallel_networks(given):
    first = np.array(given["weights"][0])
    np.testing.assert_array_equal(first, first.astype(np.float32))
    unit = first / np.linalg.norm(first, axis=1, keepdims=True)
    assert unit[0] @ unit[1] == pytest.approx(1.0, abs=1e-13)
    assert unit[2] @ unit[3] == pytest.approx(1.0, abs=1e-13)
    # Kinks leave an error that falls with the square of the grid's step: it is extrapolated.
    coarse, fine = log_p_of_pairs(given, 401), log_p_of_pairs(given, 801)
    assert fine + (fine - coarse) / 3.0 == pytest.approx(given["log_p"], abs=given["to"])


def test_the_truncated_icosahedron():
    """12 pentagons and 20 hexagons, whose corners are three facets' each."""
    given = case("nearly_parallel")["truncated_icosahedron"]
    normals, offsets = np.array(given["normals"]), np.array(given["offsets"])
    assert len(normals) == given["facets"] == 32
    facets = np.column_stack([-normals, -offsets])
    corners = HalfspaceIntersection(facets, np.zeros(3)).intersections
    corners = np.unique(np.round(corners, 9), axis=0)
    assert len(corners) == given["vertices"]
    on = np.abs(corners @ normals.T + offsets) < 1e-8
    assert set(on.sum(axis=1)) == {3}
    assert sorted(on.sum(axis=0)) == [5] * 12 + [6] * 20


def test_sizes():
    """One layer of n generic units: as many regions as subsets of at most S of them."""
    for given in case("sizes")["partitions"]:
        latent, units, *rest = given["widths"]
        if len(rest) == 1:
            assert given["regions"] == sum(math.comb(units, k) for k in range(latent + 1))


def test_far():
    """Beyond d >> 1 a coordinate is d plus an exponential variable of rate d."""
    refused, *corners = case("far")["polyhedra"]
    assert refused["raises"] == "ArithmeticError"
    with pytest.raises(OverflowError):  # the log mass is about half of it
        refused["offsets"][0] ** 2
    for given in corners:
        np.testing.assert_array_equal(given["normals"], np.eye(len(given["offsets"])))
        distance = -given["offsets"][0]
        assert given["mean"] == distance
        assert given["variance"] == pytest.approx(distance**-2, rel=1e-12)
