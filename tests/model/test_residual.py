"""Blocks with skip connections: against their definition, and all that is made of them."""

import re
from itertools import chain

import numpy as np
import pytest
from shared_models import codes_of
from surrogate import Surrogate

import fast
import reference
from oracle.exact.layers import layers_of
from oracle.exact.regions import exact_regions
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.slipped import SLIPPED
from oracle.mutants.trial import applied
from oracle.quadrature.interval import PRECISE
from oracle.truths.one_dimension import OneDimension
from reference import (
    Abs,
    AvgPool,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    Hardtanh,
    LeakyReLU,
    MaxPool,
    Network,
    PReLU,
    ReLU,
    Reshape,
    Residual,
)
from reference.model import learnable_layers


def dense(rng, n_in, n_out):
    return Dense(rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out))


def conv(rng, n_in, n_out, *kernel):
    kind = Conv1d if len(kernel) == 1 else Conv2d
    return kind(
        rng.standard_normal((n_out, n_in, *kernel)),
        rng.standard_normal(n_out),
        padding=kernel[0] // 2,
    )


def on_vectors(rng, latent):
    block = Residual([dense(rng, 3, 2), ReLU(), dense(rng, 2, 3)])
    return [dense(rng, latent, 3), LeakyReLU(0.2), block, Abs(), dense(rng, 3, 2)]


def projected(rng, latent):
    block = Residual([dense(rng, latent, 1), ReLU(), dense(rng, 1, 2)], [dense(rng, latent, 2)])
    return [block, ReLU(), dense(rng, 2, 3)]


def nested(rng, latent):
    inner = Residual([dense(rng, 2, 1), Hardtanh(-0.5, 1.0), dense(rng, 1, 2)])
    block = Residual([dense(rng, 2, 1), ReLU(), dense(rng, 1, 2), inner], [inner])
    return [dense(rng, latent, 2), block, ReLU(), dense(rng, 2, 2)]


def of_signals(rng, latent):
    block = Residual(
        [conv(rng, 2, 2, 3), PReLU([0.1, -0.3]), conv(rng, 2, 1, 1)], [conv(rng, 2, 1, 1)]
    )
    return [dense(rng, latent, 4), Reshape((2, 2)), block, Flatten(), ReLU(), dense(rng, 2, 2)]


def of_images(rng, latent):
    block = Residual(
        [MaxPool((1, 2), 1), AvgPool((1, 1))], [conv(rng, 1, 1, 1, 1), AvgPool((1, 2), 1)]
    )
    return [dense(rng, latent, 4), Reshape((1, 2, 2)), block, Flatten(), dense(rng, 2, 2)]


def at_the_end(rng, latent):
    return [dense(rng, latent, 3), ReLU(), Residual([dense(rng, 3, 2), Abs(), dense(rng, 2, 3)])]


BLOCKS = {
    make.__name__: make
    for make in (on_vectors, projected, nested, of_signals, of_images, at_the_end)
}


def layers_and_network(name, latent, seed=0):
    layers = BLOCKS[name](np.random.default_rng([98, seed, latent]), latent)
    return layers, Network(layers)


def by_definition(layers, hidden, shape):
    """layers(h) and its shape, blocks as the sums they are."""
    for layer in layers:
        if isinstance(layer, Residual):
            skip, _ = by_definition(layer.projection or (), hidden, shape)
            own, shape = by_definition(layer.layers, hidden, shape)
            hidden = own + skip
        else:
            placed = layer.placed(shape)
            hidden, shape = placed.apply(hidden), placed.output_shape(shape)
    return hidden, shape


@pytest.mark.parametrize("name", BLOCKS)
def test_forward_is_its_definition(name):
    for seed, latent in ((0, 1), (1, 2), (2, 3)):
        layers, network = layers_and_network(name, latent, seed)
        Z = np.random.default_rng(seed).normal(0, 2, (20, latent))
        expected, shape = by_definition(layers, Z, (latent,))
        np.testing.assert_allclose(network(Z), expected, atol=1e-12)
        assert network.shapes[-1] == shape


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_partitions_are_those_of_exact_arithmetic(impl, name, latent):
    """Code for code by the oracle, and the maps at points drawn and located."""
    for seed in range(3):
        _, network = layers_and_network(name, latent, seed)
        partition = impl.DGN(network, 0.3).partition()
        expected = {region.code for region in exact_regions(layers_of(network))}
        assert set(codes_of(partition)) == expected
        Z = np.random.default_rng(seed).normal(0, 2, (30, latent))
        region = partition.locate(Z)
        found = np.einsum("nds,ns->nd", partition.slopes[region], Z) + partition.offsets[region]
        np.testing.assert_allclose(found, network(Z), atol=1e-11)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("latent", [1, 2])
def test_likelihoods_are_right(impl, name, latent):
    """By the oracle with S = 1; both implementations alike with S = 2."""
    _, network = layers_and_network(name, latent)
    dgn = impl.DGN(network, 0.3)
    X = fast.DGN(network, 0.3).rvs(3, random_state=3)
    if latent == 1:
        oracle = OneDimension(layers_of(network), 0.3, np.eye(1), PRECISE)
        expected = [float(oracle.log_evidence(x)) for x in X]
    else:
        expected = reference.DGN(network, 0.3).logpdf(X)
    np.testing.assert_allclose(dgn.logpdf(X), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", BLOCKS)
def test_gradients_are_right(name):
    """One entry of each array against differences of the oracle's log p(x), S = 1; and both
    implementations alike in all."""
    _, network = layers_and_network(name, 1)
    X = fast.DGN(network, 0.3).rvs(1, random_state=4) + 0.2
    found = fast.DGN(network, 0.3).gradient(X)
    other = reference.DGN(network, 0.3).gradient(X)

    def log_evidence(net):
        return OneDimension(layers_of(net), 0.3, np.eye(1), PRECISE).log_evidence(X[0])

    for key, value in network.parameters().items():
        np.testing.assert_allclose(other[key], found[key], atol=1e-9)
        place, step = tuple(n // 2 for n in value.shape), np.zeros(value.shape)
        step[place] = 2.0**-17
        high, low = (
            log_evidence(network.with_parameters({key: value + s * step})) for s in (1, -1)
        )
        # Central differences at this step are right to 1e-11 of the third derivative.
        assert found[key][place] == pytest.approx(float(high - low) * 2.0**16, abs=1e-8), key


@pytest.mark.parametrize("name", BLOCKS)
def test_the_m_step_is_stationary(impl, name):
    """To 1e-10 of the surrogate, every layer with weights, and never below."""
    _, network = layers_and_network(name, 1)
    start = impl.DGN(network, 0.5)
    X = start.rvs(4, random_state=0) + 0.3
    statistics, surrogate = start.statistics(X), Surrogate(start, X)
    for index in learnable_layers(network):
        for part in ("", ".weight", ".bias"):
            updated = impl.m_step(start, statistics, [f"{index}{part}"])
            best = surrogate(updated)
            assert best >= surrogate(start) - 1e-12 * abs(best)
            names = [f"{index}{part}"] if part else [f"{index}.weight", f"{index}.bias"]
            for key in names:
                slope, _ = surrogate.derivatives(updated, key)
                assert np.max(np.abs(slope)) <= 1e-10 * max(1.0, abs(best)), key


@pytest.mark.parametrize("name", BLOCKS)
def test_files(name, tmp_path):
    """Saved and loaded bit for bit, with the same texts."""
    _, network = layers_and_network(name, 2)
    network.save(tmp_path / "net.npz")
    other = Network.load(tmp_path / "net.npz")
    assert repr(other) == repr(network)
    assert other.shapes == network.shapes
    Z = np.random.default_rng(5).standard_normal((10, 2))
    np.testing.assert_array_equal(other(Z), network(Z))
    for key, value in network.parameters().items():
        np.testing.assert_array_equal(other.parameters()[key], value)


def test_learning_and_starts():
    """fit_em and initial_network take blocks as they take other layers."""
    _, network = layers_and_network("on_vectors", 1)
    X = np.random.default_rng(6).standard_normal((12, 2)) + 1.0
    placed = fast.initial_network(network, X, random_state=0)
    assert repr(placed) == repr(network)
    start = fast.DGN(placed, 0.5)
    with pytest.warns(reference.ConvergenceWarning):
        result = fast.fit_em(start, X, max_iter=5)
    assert result.dgn.logpdf(X).sum() > start.logpdf(X).sum()


REFUSED = {
    "layers: expected at least one layer, got none": lambda: Residual([]),
    "layers: expected a list of layers": lambda: Residual(ReLU()),
    "projection[0]: unknown layer 3": lambda: Residual([ReLU()], [3]),
    "layers[1]: Residual adds outputs of shapes (2,) and (3,)": lambda: Network(
        [Dense(np.ones((3, 1)), np.zeros(3)), Residual([Dense(np.ones((2, 3)), np.zeros(2))])]
    ),
    "layers[1]: layers[1]: Dense expects an input of length 2": lambda: Network(
        [
            Dense(np.ones((3, 1)), np.zeros(3)),
            Residual([ReLU(), Dense(np.ones((3, 2)), np.zeros(3))]),
        ]
    ),
    "layers[0]: expected a Dense layer or a Reshape": lambda: Network([Residual([ReLU()])]),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        REFUSED[text]()


DEFECTS = {
    "a skip connection added twice": lambda: test_forward_is_its_definition("on_vectors"),
    "a block applied to the wrong branch": lambda: test_forward_is_its_definition("projected"),
    "a block's gradient by all its inputs": lambda: test_gradients_are_right("projected"),
    "an update by inputs that are not the layer's": lambda: test_the_m_step_is_stationary(
        fast, "projected"
    ),
    "corners of the cells for those of the region": lambda: test_likelihoods_are_right(
        fast, "projected", 2
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_seen(name):
    (mutant,) = [m for m in (*MUTANTS, *chain(*SLIPPED.values())) if m.name == name]
    with applied(mutant), pytest.raises((AssertionError, ValueError, IndexError)):
        DEFECTS[name]()
