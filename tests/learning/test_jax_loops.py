"""Exact log p(x) in a loop of JAX: values, gradients, and what they train to."""

import sys

import numpy as np
import pytest

import fast
import fast.partition.partition as partitioning
from fast import DGN, Network, jax_log_prob

jax = pytest.importorskip("jax")

FULL = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]])


@pytest.fixture(autouse=True)
def double_precision():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def given(latent, noise, prior):
    network = Network.random([latent, 4, 3], random_state=latent)
    dgn = DGN(network, noise, prior)
    return network, dgn, dgn.rvs(4, random_state=1)


@pytest.mark.parametrize("noise", [0.4, np.array([0.2, 0.5, 0.9]), FULL], ids=["()", "(D)", "full"])
@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("compiled", [False, True])
def test_value_and_gradient_are_those_of_the_model(latent, noise, compiled):
    prior = np.eye(latent) + 0.2
    network, dgn, X = given(latent, noise, prior)

    def mean(weights, x, cov_x, cov_z):
        return jax_log_prob(network, weights, x, cov_x, cov_z).mean()

    function = jax.value_and_grad(mean, argnums=(0, 1, 2, 3))
    function = jax.jit(function) if compiled else function
    value, found = function(network.parameters(), X, noise, prior)
    assert abs(float(value) - dgn.logpdf(X).mean()) < 1e-12
    exact = dgn.gradient(X)
    for name, slope in found[0].items():
        np.testing.assert_allclose(slope, exact[name], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found[1], dgn.score(X) / 4, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found[2], exact["cov_x"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found[3], exact["cov_z"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("latent", [1, 2])
def test_against_differences(latent):
    """Data of different weights, some of them negative or none, and covariances of one number."""
    network, _, X = given(latent, 0.4, None)
    weights = np.array([0.5, -2.0, 0.0, 1.0])

    def total(*given):
        return (weights * jax_log_prob(network, *given)).sum()

    from jax.test_util import check_grads

    inputs = network.parameters(), X, np.array(0.4), np.array(0.8)
    check_grads(total, inputs, order=1, modes=["rev"], eps=1e-5, atol=1e-5, rtol=1e-5)


def test_single_precision_and_images():
    jax.config.update("jax_enable_x64", False)
    network, dgn, X = given(2, 0.4, None)
    images = X.reshape(4, 1, 3).astype(np.float32)
    found = jax_log_prob(network, network.parameters(), images, 0.4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, dgn.logpdf(X), rtol=1e-5)
    slope = jax.grad(lambda x: jax_log_prob(network, network.parameters(), x, 0.4).sum())(images)
    np.testing.assert_allclose(slope.reshape(4, 3), dgn.score(X), rtol=1e-4, atol=1e-5)


def test_partitions_are_found_again_only_when_weights_change(monkeypatch):
    network, _, X = given(2, 0.4, None)
    found, find = [], partitioning.partition
    monkeypatch.setattr(partitioning, "partition", lambda *given: found.append(1) or find(*given))
    weights = dict(network.parameters())
    slope = jax.grad(lambda w, noise: jax_log_prob(network, w, X, noise).sum())
    for noise in (0.4, 0.4, 0.6):
        slope(weights, noise)
    assert len(found) == 1
    slope({**weights, "0.bias": weights["0.bias"] + 0.1}, 0.4)
    assert len(found) == 2


REFUSED = {
    "network: expected a Network": {"network": None},
    "weights: no parameter '1.weight'; expected some of": {"weights": {"1.weight": np.zeros(2)}},
    "weights: expected a mapping": {"weights": [1]},
    r"0.weight: expected shape \(4, 2\)": {"0.weight": np.zeros((2, 4))},
    r"x: expected shape \(any, 3\), or images": {"x": np.zeros((2, 4))},
    "x: expected at least one row": {"x": np.zeros((0, 3))},
    r"cov_x: expected shape \(\) or \(3\) or \(3, 3\), got \(2,\)": {"cov_x": np.ones(2)},
    "cov_x: expected positive variances": {"cov_x": -1.0},
    "partition: expected 'auto', 'full' or 'local'": {"partition": "some"},
    "cov_z: expected shape": {"cov_z": np.ones(3)},
}


@pytest.mark.parametrize("told", REFUSED)
def test_refused(told):
    network, _, X = given(2, 0.4, None)
    sound = {"network": network, "weights": network.parameters(), "x": X, "cov_x": 0.4}
    changed = REFUSED[told]
    if "0.weight" in changed:
        changed = {"weights": {**network.parameters(), **changed}}
    with pytest.raises(ValueError, match=f"^{told}") as refused:
        jax_log_prob(**(sound | changed))
    assert "\n" not in str(refused.value)


def test_without_jax_it_says_so(monkeypatch):
    network, _, X = given(2, 0.4, None)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r"^jax_log_prob needs the package jax: pip install jax"):
        jax_log_prob(network, network.parameters(), X, 0.4)


def problem():
    """A model's own draws, and a start beside it."""
    rng = np.random.default_rng(5)
    teacher = Network.random([1, 4, 2], random_state=2)
    X = fast.DGN(teacher, 0.1).rvs(200, random_state=3)
    values = teacher.parameters()
    start = teacher.with_parameters(
        {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in values.items()}
    )
    return start, X, rng


def test_a_loop_reaches_what_fit_mle_reaches():
    """200 steps of Adam on mini-batches, weights and noise together, within 0.05 nats a datum."""
    optax = pytest.importorskip("optax")
    network, X, rng = problem()
    exact = fast.fit_mle(network, X, cov_x=0.3, max_iter=200, tol=0.0)
    state = {"weights": dict(network.parameters()), "log_variance": np.log(0.3)}
    state = jax.tree_util.tree_map(jax.numpy.asarray, state)
    optimiser = optax.adam(optax.cosine_decay_schedule(0.05, 200))
    moments = optimiser.init(state)

    @jax.jit
    def loss(state, batch):
        variance = jax.numpy.exp(state["log_variance"])
        return -jax_log_prob(network, state["weights"], batch, variance).mean()

    slope = jax.jit(jax.grad(loss))
    for _ in range(200):
        batch = X[rng.choice(200, 100, replace=False)]
        updates, moments = optimiser.update(slope(state, batch), moments)
        state = optax.apply_updates(state, updates)
    assert float(loss(state, X)) < exact.history[-1] + 0.05
