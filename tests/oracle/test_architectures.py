"""The one generator: every kind of model and point is drawn, described as it is built, and kept."""

from fractions import Fraction

import numpy as np
import pytest

from oracle.checks.implementations import network_from, network_of
from oracle.exact.layers import layers_of
from oracle.exact.regions import code_at, exact_regions
from oracle.models.architectures import (
    MOST_REGIONS,
    NOISES,
    ODDITIES,
    PLACES,
    PLANS,
    at_boundary,
    draw_case,
    forward,
    random_case,
    random_network,
)
from oracle.models.case import Case
from oracle.models.descriptions import specs_of
from oracle.models.random_choices import Seeded
from oracle.models.variety import KINDS
from oracle.quadrature.interval import PRECISE
from oracle.truths.one_dimension import OneDimension


def parts_of(label):
    """S, plan, oddity and noise of a case's label."""
    size, plan, odd, noise = label.removesuffix(" cov_x").split(", ")
    return int(size.removeprefix("S = ")), plan, odd.split(" with ")[0], noise


def drawn_case(seed, latent):
    return draw_case(Seeded(seed), Seeded(seed, 1), seed, latent, points=1)


@pytest.mark.parametrize("latent", [1, 2, 3, 4])
def test_every_kind_is_drawn(latent):
    """Every oddity, plan and structure of Σx, within the limits of the oracle."""
    cases = [drawn_case(seed, latent) for seed in range(400)]
    found = list(zip(*(parts_of(case.label) for case in cases), strict=True))
    assert set(found[0]) == {latent}
    assert set(found[1]) == {*PLANS, *(["deep"] if latent == 1 else [])}
    assert set(found[2]) == {"ordinary", *ODDITIES}
    assert set(found[3]) == set(NOISES)
    kinds = {kind for case in cases for kind, _ in case.layers}
    assert kinds >= {"Dense", "ReLU", "LeakyReLU", "Abs", "MaxPool", "Conv2d", "AvgPool"}
    assert kinds >= {"Upsample", "Reshape", "Flatten", "Conv1d", "ConvTranspose1d"}
    assert kinds >= {"ConvTranspose2d", "AdaptiveAvgPool", "ZeroPad", "Residual", *KINDS}
    drawn = [random_case(seed, latent, points=1) for seed in range(12)]
    assert all(len(exact_regions(case.specs)) <= MOST_REGIONS[latent] for case in drawn)
    full = [case.cov_x for case in cases if parts_of(case.label)[3] == "near-singular"]
    assert any(np.linalg.cond(cov) > 1e6 for cov in full if cov.ndim == 2 and len(cov) > 1)


def test_depths_and_widths():
    """One to four hidden layers, of width 1 to 32, and D up to 20."""
    cases = [drawn_case(seed, 1) for seed in range(400)]
    activations = ("ReLU", "LeakyReLU", "Abs")
    depths = {sum(kind in activations for kind, _ in case.layers) for case in cases}
    assert depths >= {0, 1, 2, 3, 4}
    widths = {len(s["bias"]) for case in cases for kind, s in case.layers if kind == "Dense"}
    assert {1, 2, 31, 32} <= widths
    assert {1, 20} <= {case.X.shape[1] for case in cases}


@pytest.mark.parametrize("latent", [None, 4])
def test_described_as_built(latent):
    """What the oracle reads off a description is what it reads off the network built from it."""
    for seed in range(200):
        layers = random_network(seed, latent).layers
        built, described = layers_of(network_from(layers)), specs_of(layers)
        assert len(built) == len(described)
        for mine, theirs in zip(described, built, strict=True):
            assert mine[0] == theirs[0]
            for a, b in zip(mine[1:], theirs[1:], strict=True):
                assert np.array_equal(a, b) if mine[0] != "max" else a == b


def test_far_points_reach_a_million_nats():
    """Some log p lies below -1e6 and is finite, by the oracle itself."""
    logs = []
    for seed in range(PLACES.index("far"), 1600, len(PLACES)):
        case = drawn_case(seed, 1)
        deviation = np.sqrt(np.diag(case.cov_x) if case.cov_x.ndim == 2 else case.cov_x)
        offset = (case.X[0] - forward(case.specs, np.zeros(1))) / deviation
        if offset @ offset > 1e6:
            oracle = OneDimension(case.specs, case.cov_x, case.cov_z, PRECISE)
            logs.append(float(oracle.log_evidence(case.X[0])))
    assert np.all(np.isfinite(logs))
    assert min(logs) < -1e6


@pytest.mark.parametrize("latent", [1, 2, 3, 4])
def test_boundaries_are_found_to_the_last_bits(latent):
    """Between two points of different codes: within 1e-13 of the place both codes are found, by
    exact arithmetic."""
    rng, found = np.random.default_rng(latent), 0
    for seed in range(30):
        specs = random_case(seed, latent, points=1).specs
        start, stop = rng.standard_normal((2, latent))
        place = at_boundary(specs, start, stop)
        ends = [place + sign * 1e-13 * (stop - start) for sign in (-1, 1)]
        codes = {code_at(specs, [Fraction(float(v)) for v in end], None) for end in ends}
        assert np.array_equal(place, start) or len(codes) > 1
        found += len(codes) > 1
    assert found >= 10


def assert_same_layers(layers, others):
    """The same settings, bit for bit, those of the layers of a block too."""
    for mine, theirs in zip(layers, others, strict=True):
        assert mine[0] == theirs[0]
        assert mine[1].keys() == theirs[1].keys()
        for setting, value in mine[1].items():
            if setting in ("layers", "projection"):
                assert_same_layers(value, theirs[1][setting])
            else:
                assert np.asarray(value).tobytes() == np.asarray(theirs[1][setting]).tobytes()


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_case_round_trip(tmp_path, latent):
    """A case read back is the case written, bit for bit; the same seed is the same case."""
    for seed in range(20):
        case = random_case(seed, latent)
        case.save(tmp_path / "case.json")
        for other in (Case.load(tmp_path / "case.json"), random_case(seed, latent)):
            assert (other.seed, other.label) == (case.seed, case.label)
            for name in ("cov_x", "cov_z", "X", "q_mean", "q_cov"):
                assert getattr(other, name).shape == getattr(case, name).shape
                assert getattr(other, name).tobytes() == getattr(case, name).tobytes()
            assert_same_layers(case.layers, other.layers)
            assert repr(network_of(other)) == repr(network_of(case))
    assert [p.name for p in tmp_path.iterdir()] == ["case.json"]


@pytest.mark.parametrize("content", ["{}", "[]", "no json", '{"seed": 1, "layers": [[1, 2]]}'])
def test_a_file_without_a_case_is_named(tmp_path, content):
    path = tmp_path / "case.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="path"):
        Case.load(path)
