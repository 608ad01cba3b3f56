"""The exact gradient against the oracle's finite differences at high precision; more structures are
in tests/contract/test_structures.py."""

from functools import lru_cache

import numpy as np
import pytest
from chunk_lengths import Place, rows_per_chunk
from decoders import decoders
from tests_support import deep

import fast
from oracle.exact.layers import layers_of
from oracle.learning.finite_differences import gradient
from reference import Abs, Conv2d, LeakyReLU, Network, ReLU


def model(seed):
    """A small random network, a Σx of each structure in turn, Σz, and data."""
    rng = np.random.default_rng([31, seed])
    activation = [ReLU(), LeakyReLU(0.1), Abs()][seed % 3]
    dimension = int(rng.integers(1, 4))
    widths = [1, *rng.integers(1, 5, int(rng.integers(1, 4))), dimension]
    network = Network.random(widths, activation, rng)
    if seed % 4 == 3:
        network = Network([*network.layers, LeakyReLU(0.3)])
    factor = rng.standard_normal((dimension, dimension))
    cov_x = [
        np.array(rng.uniform(0.05, 0.5)),
        rng.uniform(0.05, 0.5, dimension),
        factor @ factor.T + 0.1 * np.eye(dimension),
    ][seed // 3 % 3]
    X = network(rng.standard_normal((2, 1))) + 0.5 * rng.standard_normal((2, dimension))
    return network, cov_x, np.array([[rng.uniform(0.5, 2.0)]]), X


@lru_cache
def finite_differences(seed):
    """The oracle's gradient, computed once for both implementations."""
    network, cov_x, cov_z, X = model(seed)
    return gradient(layers_of(network), cov_x, cov_z, X)


@pytest.mark.parametrize("seed", [1, *deep(0, *range(2, 9))])
def test_gradient_agrees_with_finite_differences(impl, seed):
    """Every entry of every parameter, to 1e-7 of the largest entry of its array.

    Measured: 4e-11 at worst. The finite differences themselves are good to 1e-18.
    """
    network, cov_x, cov_z, X = model(seed)
    expected = finite_differences(seed)
    got = impl.DGN(network, cov_x, cov_z).gradient(X)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].shape == value.shape, name
        error = np.abs(got[name] - value).max() / max(np.abs(value).max(), 1e-6)
        assert error <= 1e-7, (name, error)


def test_gradient_vanishes_for_a_unit_that_cannot_matter(impl):
    """A hidden unit whose output weight is zero has no gradient in its own weight and bias."""
    network, cov_x, cov_z, X = model(1)
    values = network.parameters()
    weight = values["2.weight"].copy()
    weight[:, 0] = 0.0
    dgn = impl.DGN(network.with_parameters({"2.weight": weight}), cov_x, cov_z)
    gradient_of = dgn.gradient(X)
    assert np.all(gradient_of["0.weight"][0] == 0.0)
    assert gradient_of["0.bias"][0] == 0.0
    assert np.abs(gradient_of["2.weight"][:, 0]).max() > 0


@pytest.mark.parametrize("name", decoders())
def test_gradient_in_batches_of_regions(name):
    """The kernels' gradient does not depend on how many regions are laid out at once."""
    network = decoders()[name]
    dgn = fast.DGN(network, 0.2)
    X = dgn.rvs(5, 0)
    expected = dgn.gradient(X)
    with rows_per_chunk(1) as reached:
        in_batches = dgn.gradient(X)
    if any(isinstance(layer, Conv2d) for layer in network.layers):
        assert Place("fast.distributions.gradient", "by_kernels", "chunks") in reached.second
    for key, value in in_batches.items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-12, atol=1e-12)
