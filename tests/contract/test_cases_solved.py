"""The inputs that once failed, and others of their kinds: what the implementations say of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from shared_models import arrangement

import fast
import reference
from oracle import exact_regions, layers_of
from reference.model import Dense, Network, ReLU

CASES = Path(__file__).resolve().parents[1] / "data" / "cases"


def case(name):
    """A file of inputs."""
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


def single(values):
    """Rounded to single precision."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


@pytest.mark.parametrize("given", case("nearly_parallel")["polyhedra"], ids=lambda g: str(g["e"]))
def test_polyhedra_between_nearly_parallel_planes(given):
    normals, offsets = np.array(given["normals"]), np.array(given["offsets"])
    found = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 3)), 1.0)
    assert found.log_mass[0] == pytest.approx(given["log_mass"], abs=2 * given["e"] + 1e-6)
    assert np.all(np.isfinite(found.mean))
    assert np.all(np.linalg.eigvalsh(found.cov[0]) > 0)


@pytest.mark.parametrize("given", case("nearly_parallel")["networks"], ids=["first", "second"])
def test_networks_of_collinear_rows_in_single_precision(given):
    """log p as given; everything else of the posterior and of the model is finite and fits."""
    first, last = (np.array(weights) for weights in given["weights"])
    biases = given["biases"]
    network = Network([Dense(first, biases[0]), ReLU(), Dense(last, biases[1])])
    dgn, X = fast.DGN(network, given["cov_x"]), np.array([given["x"]])
    assert dgn.logpdf(X)[0] == pytest.approx(given["log_p"], abs=given["to"])
    posterior = dgn.posterior(X)
    assert posterior.e0.sum() == pytest.approx(1.0, abs=1e-11)
    assert np.all(np.linalg.eigvalsh(posterior.cov()[0]) > 0)
    assert np.isfinite(dgn.kl(X, posterior.mean(), posterior.cov())[0])
    assert all(np.all(np.isfinite(part)) for part in dgn.gradient(X).values())
    draws = network(np.random.default_rng(0).standard_normal((200_000, 3)))
    assert dgn.mean()[0] == pytest.approx(draws.mean(), abs=6 * draws.std() / np.sqrt(200_000))
    variance = draws.var() + given["cov_x"]
    assert dgn.cov()[0, 0] == pytest.approx(variance, rel=6 * np.sqrt(10 / 200_000))


@pytest.mark.parametrize("size", [1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15])
@pytest.mark.parametrize("latent", [2, 3])
def test_pairs_of_nearly_equal_planes(latent, size):
    """As many regions as in exact arithmetic, and prior masses that sum to 1."""
    for seed in range(3):
        rng = np.random.default_rng([94, latent, seed])
        normals = rng.standard_normal((4, latent))
        near = normals + size * rng.standard_normal((4, latent))
        network = arrangement(np.concatenate([normals, near]), rng.standard_normal(8))
        counted(network, [fast])
        masses = fast.DGN(network, 1.0)._model.prior_on_regions().mass
        assert masses.sum() == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize(("latent", "directions", "multiples"), [(2, 3, 3), (3, 3, 2), (4, 2, 2)])
def test_multiples_of_a_direction_in_single_precision(latent, directions, multiples):
    for seed in range(3):
        rng = np.random.default_rng([95, latent, seed])
        rows = rng.standard_normal((directions, latent))
        factors = rng.uniform(0.5, 2.0, multiples)
        normals = np.concatenate([single(factor * rows) for factor in factors])
        network = arrangement(normals, single(rng.standard_normal(len(normals))))
        counted(network, [fast, reference] if latent < 4 else [fast])


def counted(network, implementations):
    """Assert that regions are those of exact arithmetic."""
    exact = [region.code for region in exact_regions(layers_of(network))]
    for impl in implementations:
        codes = [tuple(code) for code in impl.DGN(network, 1.0).partition().codes.tolist()]
        assert codes == exact, impl.__name__


@pytest.mark.parametrize("rounding", ["7", "9", "single"])
def test_the_truncated_icosahedron_rounded(rounding):
    """As a polyhedron its mass is that of one not rounded, to the rounding; all 32 facets stay."""
    given = case("nearly_parallel")["truncated_icosahedron"]
    normals, offsets = np.array(given["normals"]), np.array(given["offsets"])
    whole = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 3)), 1.0)
    round_to = single if rounding == "single" else lambda v: np.round(v, int(rounding))
    found = fast.gaussian_on_polyhedron(round_to(normals), round_to(offsets), np.zeros((1, 3)), 1.0)
    assert found.log_mass[0] == pytest.approx(whole.log_mass[0], abs=1e-6)
    network = arrangement(round_to(normals), round_to(offsets))
    partition = fast.DGN(network, 1.0).partition()
    inside = int(partition.locate(np.zeros((1, 3)))[0])
    assert len(partition.halfspaces(inside)[0]) == 32
