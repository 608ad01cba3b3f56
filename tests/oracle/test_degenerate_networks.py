"""Nearly degenerate networks: every arrangement, rounding and layer is drawn, as it says."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import deep

from oracle.checks.implementations import network_from
from oracle.exact.from_doubles import polyhedron_of
from oracle.exact.layers import layers_of
from oracle.exact.regions import certify, exact_regions
from oracle.models.architectures import degenerate_case, degenerate_network, draw_degenerate
from oracle.models.descriptions import specs_of
from oracle.models.hypothesis_choices import Drawn
from oracle.models.near_degenerate import (
    ARRANGEMENTS,
    GRIDS,
    PAIRS,
    NearDegeneracy,
    near_degenerate,
)
from oracle.models.random_choices import Seeded
from oracle.models.solids import facets

LATENT = (1, 2, 3, 4)


def drawn(arrangement, grid, digits, *, rows=8, columns=3, seed=0):
    """Weights and biases of a first layer."""
    kind = NearDegeneracy(arrangement, grid, digits)
    return near_degenerate(Seeded(seed), kind, rows, columns, True)


def numbers(network):
    """Every weight and bias array of a drawn network."""
    return [
        settings[name]
        for _, settings in network.layers
        for name in ("weight", "bias")
        if name in settings
    ]


@pytest.mark.parametrize("latent", LATENT)
def test_every_kind_is_drawn(latent):
    """Arrangements with every grid, plans and layers, in every latent dimension."""
    networks = [degenerate_network(seed, latent) for seed in range(600)]
    said = [network.label.split(", ") for network in networks]
    assert {size for size, *_ in said} == {f"S = {latent}"}
    assert {plan for _, plan, *_ in said} == {"wide", "dense", "maxout", "images", "decoder"}
    assert {kind for _, _, kind, _ in said} == {f"{one} on {grid}" for one, grid in PAIRS}
    assert {digits for *_, digits in said} == {f"{k} digits" for k in range(3, 16)}
    kinds = {kind for network in networks for kind, _ in network.layers}
    assert kinds >= {"Dense", "ReLU", "LeakyReLU", "Abs", "MaxPool", "Conv2d", "AvgPool"}
    assert kinds >= {"Upsample", "Reshape", "Flatten"}
    depths = {sum(kind == "Dense" for kind, _ in network.layers) for network in networks}
    assert depths >= {1, 2, 3, 4}


def test_arbitrary_doubles_are_left_out():
    assert len(PAIRS) == len(ARRANGEMENTS) * len(GRIDS) - 1
    assert ("generic", "float64") not in PAIRS


@pytest.mark.parametrize("latent", LATENT)
def test_regions_are_few_enough(latent):
    """Exact arithmetic takes 0.05 to 0.3 ms a region: half of the networks have less than 100."""
    counts = [
        len(exact_regions(specs_of(degenerate_network(seed, latent).layers))) for seed in range(40)
    ]
    assert 5 <= np.median(counts) < 100


def test_the_same_seed_is_the_same_network():
    for seed in range(8):
        one, other = degenerate_network(seed), degenerate_network(seed)
        assert (one.label, one.latent_dimension) == (other.label, 1 + seed % 4)
        for mine, theirs in zip(numbers(one), numbers(other), strict=True):
            assert mine.tobytes() == theirs.tobytes()
        case = degenerate_case(seed)
        assert case.label.startswith(one.label)
        for mine, theirs in zip(case.layers, one.layers, strict=True):
            assert mine[0] == theirs[0]
            for name, value in mine[1].items():
                assert np.array_equal(value, theirs[1][name])


def test_described_as_built():
    """What the oracle reads off a description is what it reads off the network built from it."""
    for seed in range(80):
        layers = degenerate_network(seed).layers
        for mine, theirs in zip(specs_of(layers), layers_of(network_from(layers)), strict=True):
            assert mine[0] == theirs[0]
            for a, b in zip(mine[1:], theirs[1:], strict=True):
                assert np.array_equal(a, b) if mine[0] != "max" else a == b


@pytest.mark.parametrize("seed", [*range(16), *deep(*range(16, 120))])
def test_truths_are_certified(seed):
    """The regions of exact arithmetic, by the argument that shares only cones with it."""
    specs = specs_of(degenerate_network(seed).layers)
    codes = [region.code for region in exact_regions(specs)]
    assert certify(specs, codes).holds
    assert len(codes) == 1 or not certify(specs, codes[1:]).holds


@settings(max_examples=20, derandomize=True, database=None, deadline=None)
@given(st.data())
@pytest.mark.parametrize("latent", LATENT)
def test_hypothesis_draws_them_as_well(latent, data):
    """From choices that it can shrink."""
    label, layers = draw_degenerate(Drawn(data.draw), latent)
    assert label.split(", ")[0] in ("wide", "dense", "maxout", "images", "decoder")
    network = network_from(layers)
    assert network.latent_dimension == latent
    assert np.all(np.isfinite(network(np.ones((1, latent)))))


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_numbers_are_on_their_grid(arrangement):
    for seed in range(20):
        for values in drawn(arrangement, "float32", 7, seed=seed):
            assert np.array_equal(values, values.astype(np.float32))
        for values in drawn(arrangement, "bfloat16", 7, seed=seed):
            bits = values.astype(np.float32).view(np.uint32)
            assert np.array_equal(values, values.astype(np.float32))
            assert not np.any(bits & 0xFFFF)
        for values in drawn(arrangement, "digits", 4, seed=seed):
            assert np.array_equal(values, np.round(values, 4))
        for values in drawn(arrangement, "int8", 7, seed=seed):
            scale = np.abs(values).max() / 127
            assert scale == np.float32(scale)
            steps = [Fraction(v) / Fraction(scale) for v in values.ravel()]
            assert all(step.denominator == 1 for step in steps)
            assert max(map(abs, steps)) == 127


def angle(one, other):
    """The sine of the angle between two rows of three, without cancellation."""
    lengths = np.sqrt((one @ one) * (other @ other))
    return np.sqrt(np.sum(np.cross(one, other) ** 2)) / lengths


@pytest.mark.parametrize(
    ("grid", "least", "most"), [("float64", 0, 1e-15), ("float32", 1e-9, 1e-6)]
)
def test_collinear_rows(grid, least, most):
    """Some rows are multiples of others, up to the rounding: in single precision not exactly."""
    found = []
    for seed in range(30):
        weight, _ = drawn("collinear", grid, 7, seed=seed)
        found.append(min(angle(a, b) for a, b in itertools.combinations(weight, 2)))
    assert max(found) < most
    assert np.median(found) >= least


@pytest.mark.parametrize("digits", [3, 9, 15])
def test_rows_equal_to_digits(digits):
    for seed in range(20):
        weight, _ = drawn("equal to digits", "float64", digits, seed=seed)
        apart = np.abs(np.abs(weight[-4:] / weight[:4]) - 1)
        assert 0 < apart.max() < 10 * 10.0**-digits


@pytest.mark.parametrize("digits", [3, 12])
def test_planes_through_a_common_flat(digits):
    """Least squares leave a point's distance from all planes of the size of the last digit; in some
    draws the directions leave a singular value of that size: then it is a line."""
    lines = 0
    for seed in range(20):
        weight, bias = drawn("common flat", "float64", digits, seed=seed)
        point = np.linalg.lstsq(weight, -bias, rcond=None)[0]
        assert np.abs(weight @ point + bias).max() < 100 * 10.0**-digits
        lines += np.linalg.svd(weight, compute_uv=False)[-1] < 100 * 10.0**-digits
    assert 0 < lines < 20


@pytest.mark.parametrize(
    ("latent", "corners"),
    [
        (1, [2]),
        (2, [3, 5, 6, 8, 12]),
        (3, [8, 6, 20, 12, 60]),
        (4, [16, 8, 24]),
    ],
)
def test_solids(latent, corners):
    """Every facet of a body bounds it, and all its corners are equally far from its centre: it is
    regular, or Archimedean. In doubles one corner of many facets may be several close ones."""
    found = facets(latent)
    assert len(found) == len(corners)
    for (normals, distances), count in zip(found, corners, strict=True):
        np.testing.assert_allclose(np.sum(normals**2, axis=1), 1, rtol=1e-15)
        cone = polyhedron_of(normals, distances, latent)
        assert len(cone.facets()) == len(normals)
        corners_of_it = (ray.vector for ray in cone.rays)
        points = np.array([[float(Fraction(x, v[-1])) for x in v[:-1]] for v in corners_of_it])
        assert len(np.unique(np.round(points, 6) + 0.0, axis=0)) == count
        radii = np.sqrt(np.sum(points**2, axis=1))
        np.testing.assert_allclose(radii, radii[0], rtol=1e-12)


def test_whole_bodies_are_drawn():
    """With three latent dimensions: up to all 32 planes of the truncated icosahedron."""
    widths = {
        len(network.layers[0][1]["bias"])
        for network in (degenerate_network(seed, 3) for seed in range(1500))
        if "wide, solid" in network.label
    }
    assert widths == {6, 8, 12, 20, 32}
