"""Acceleration of EM: sooner at the same maximum, and never uphill."""

import numpy as np
import pytest
from shared_models import circle
from test_monotone import run_of

import fast
import reference
from fast import LeakyReLU, Network

# Among these are all of run_of's priors, data and structures of the noise. Where a jump is not
# compared with EM's own loss, three of them rise.
SHORT = (1, 12, 23, 26)


@pytest.mark.parametrize("seed", SHORT)
def test_the_loss_never_rises(seed):
    """Over architectures, data, priors and structures of the noise."""
    history = fast.fit_em(**run_of(seed), accelerate=True, max_iter=6, tol=0.0).history
    assert np.all(np.isfinite(history))
    rises = np.diff(history) / np.maximum(1.0, np.abs(history[:-1]))
    assert np.max(rises, initial=-np.inf) <= 1e-10


@pytest.mark.deep
@pytest.mark.parametrize("seed", sorted({*range(1000)} - {*SHORT}))
def test_the_loss_never_rises_in_1000_runs(seed):
    test_the_loss_never_rises(seed)


def test_no_iteration_is_worse_than_two_of_em():
    """From the same model."""
    X, jumps = circle(0, 100), 0
    start = fast.DGN(Network.random([1, 4, 2], LeakyReLU(0.1), 1), 0.3)
    for _ in range(8):
        two = fast.fit_em(start, X, max_iter=2, tol=0.0)
        one = fast.fit_em(start, X, max_iter=1, tol=0.0, accelerate=True)
        assert one.history[-1] <= two.history[-1] + 1e-12
        jumps += one.history[-1] < two.history[-1] - 1e-9
        start = one.dgn
    assert jumps >= 4


def test_a_line_converges_at_the_same_maximum():
    """A linear model whose noise is most of the data, in at most half the iterations, each of which
    is two of EM and a trial."""
    rng = np.random.default_rng(0)
    X = 0.5 * rng.standard_normal((300, 1)) @ rng.standard_normal((1, 4))
    X += rng.standard_normal(X.shape)
    start = Network.random([1, 4], random_state=0)
    plain = fast.fit_em(start, X, max_iter=3000, gtol=1e-5, tol=1e-9)
    quick = fast.fit_em(start, X, max_iter=3000, gtol=1e-5, tol=1e-9, accelerate=True)
    assert plain.converged
    assert quick.converged
    assert quick.history[-1] == pytest.approx(plain.history[-1], abs=1e-9)
    assert 2 * quick.n_iter <= plain.n_iter


@pytest.mark.parametrize(
    "noise", [0.3, [0.3, 0.4], [[0.3, 0.1], [0.1, 0.4]]], ids=["scalar", "diagonal", "full"]
)
def test_implementations_agree(noise):
    network = Network.random([1, 2, 2], LeakyReLU(0.1), 3)
    one, two = (
        impl.fit_em(
            network, circle(3, 12), cov_x=noise, cov_z=1.3, max_iter=2, tol=0.0, accelerate=True
        )
        for impl in (fast, reference)
    )
    np.testing.assert_allclose(one.history, two.history, rtol=1e-7)
