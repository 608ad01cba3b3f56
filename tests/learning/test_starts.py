"""Starts placed on the data: what they promise, and what they are good for."""

import numpy as np
import pytest
from decoders import decoders

import fast
from fast import Conv2d, Dense, LeakyReLU, Network, initial_network


def cloud(n=300, dimension=3):
    rng = np.random.default_rng(8)
    return 5.0 + rng.standard_normal((n, dimension)) * np.arange(1, dimension + 1)


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_images_lie_among_the_data(latent):
    """Mean and total variance of g(z) are the data's, within what 1,000 draws say."""
    X, like = cloud(), Network.random([latent, 6, 5, 3], LeakyReLU(0.1), 0)
    cov_z = 2.0
    network = initial_network(like, X, cov_z, 1)
    Z = np.random.default_rng(2).standard_normal((20_000, latent)) * np.sqrt(cov_z)
    images = network(Z)
    assert images.var(axis=0).sum() == pytest.approx(X.var(axis=0).sum(), rel=0.3)
    assert np.abs(images.mean(axis=0) - X.mean(axis=0)).max() < 0.15 * X.std()
    # Every unit turns over where the prior is.
    inputs = Z @ network.layers[0].weight.T + network.layers[0].bias
    np.testing.assert_allclose(inputs.std(axis=0), 1.0, rtol=0.1)
    assert np.all((inputs > 0).mean(axis=0) > 1e-3)
    assert np.all((inputs < 0).mean(axis=0) > 1e-3)


@pytest.mark.parametrize("name", decoders())
def test_every_kind_of_layer(name):
    """Layers keep their kinds and shapes; weights are new; the same seed gives the same."""
    like = decoders()[name]
    X = np.random.default_rng(0).standard_normal((10, like.observed_dimension))
    one, two = (initial_network(like, X, random_state=3) for _ in range(2))
    assert one.shapes == like.shapes
    for key, value in one.parameters().items():
        assert np.array_equal(value, two.parameters()[key])
        if key.endswith("weight"):
            assert not np.array_equal(value, like.parameters()[key])
    learnable = [layer for layer in one.layers if isinstance(layer, Dense | Conv2d)]
    images = one(np.random.default_rng(1).standard_normal((2000, like.latent_dimension)))
    assert np.all(np.isfinite(images))
    assert learnable


def test_constant_data():
    """No spread to match: the scale stays, the mean is the data's."""
    network = initial_network(Network.random([1, 3, 2], LeakyReLU(0.1), 0), np.ones((4, 2)))
    assert np.all(np.isfinite(network.parameters()["2.weight"]))


def test_better_than_plain_random_networks():
    """On a circle far from the origin, the median loss of 8 starts after 15 iterations of EM is
    lower, here by 0.37 nats (standard error 0.15). Near the origin they are about as good."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 150)
    X = 20 + np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((150, 2))
    network = Network.random([1, 8, 2], LeakyReLU(0.1), 0)
    losses = {
        init: fast.fit_em(
            network, X, cov_x=0.1, init=init, n_init=8, max_iter=15, tol=0.0, random_state=0
        ).losses
        for init in ("data", "random")
    }
    assert np.median(losses["data"]) < np.median(losses["random"]) - 0.1
