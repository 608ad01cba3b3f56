"""EM never raises the loss when guarded, and does when it follows the printed M-step."""

import numpy as np
import pytest

import fast
import reference
from fast import LeakyReLU, Network


def circle(seed, n=500):
    """Points on the unit circle with noise 0.05: the paper's data of Sec. 4.3."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((n, 2))


def fit(seed, widths, m_step, impl=fast, n=500, **options):
    """EM on the circle from a random network; the same seed gives the same data and start."""
    network = Network.random(widths, LeakyReLU(0.1), seed)
    options = {"max_iter": 30, "tol": 0.0, **options}
    return impl.fit_em(network, circle(seed, n), cov_x=0.55**2, m_step=m_step, **options)


@pytest.mark.parametrize("widths", [[1, 8, 2], [1, 8, 8, 2]], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_guarded_never_rises(seed, widths):
    """The mean negative log-likelihood rises by no more than 1e-10 at any iteration."""
    history = fit(seed, widths, "guarded").history
    assert np.all(np.isfinite(history))
    assert np.diff(history).max() <= 1e-10


def test_paper_rises():
    """The printed M-step raises the loss: on this seed by 3.8 nats at its very first step."""
    history = fit(13, [1, 8, 8, 2], "paper", max_iter=1).history
    assert 3.7 < history[1] - history[0] < 3.9


def test_history_is_the_exact_loss(impl):
    """history[i] is the mean negative log-likelihood of the model after i iterations."""
    seen = []
    result = fit(
        3,
        [1, 3, 2],
        "guarded",
        impl=impl,
        n=20,
        max_iter=3,
        callback=lambda i, dgn, loss: seen.append((i, loss, -dgn.logpdf(circle(3, 20)).mean())),
    )
    start = impl.DGN(Network.random([1, 3, 2], LeakyReLU(0.1), 3), 0.55**2)
    assert result.history[0] == pytest.approx(-start.logpdf(circle(3, 20)).mean(), rel=1e-13)
    assert [i for i, _, _ in seen] == [1, 2, 3]
    np.testing.assert_array_equal(result.history[1:], [loss for _, loss, _ in seen])
    np.testing.assert_allclose(result.history[1:], [exact for _, _, exact in seen], rtol=1e-13)
    assert result.n_iter == 3
    assert result.outcome == "max_iter reached"
    assert not result.converged


@pytest.mark.parametrize("m_step", ["guarded", "paper"])
def test_implementations_agree(m_step):
    """The same iterations from the same start, up to rounding amplified by three M-steps."""
    a = fit(1, [1, 4, 2], m_step, impl=fast, n=25, max_iter=3).history
    b = fit(1, [1, 4, 2], m_step, impl=reference, n=25, max_iter=3).history
    np.testing.assert_allclose(a, b, rtol=1e-8)


def test_outcomes_are_named():
    """Convergence, the iteration limit, and a callback's stop."""
    converged = fit(0, [1, 4, 2], "guarded", n=100, max_iter=500, tol=1e-3)
    assert converged.converged
    assert converged.outcome == "converged"
    assert (
        0
        <= converged.history[-2] - converged.history[-1]
        <= 1e-3 * max(1, abs(converged.history[-2]))
    )
    stopped = fit(0, [1, 4, 2], "guarded", n=100, callback=lambda i, dgn, loss: i == 2)
    assert stopped.outcome == "stopped by callback"
    assert stopped.n_iter == 2
    nothing = fit(0, [1, 4, 2], "guarded", n=100, max_iter=0)
    assert nothing.n_iter == 0
    assert nothing.history.shape == (1,)


def test_a_rise_is_not_convergence():
    """With a tolerance larger than any change, a step that raises the loss does not converge."""
    result = fit(13, [1, 8, 8, 2], "paper", max_iter=1, tol=1e6)
    assert result.history[1] > result.history[0]
    assert not result.converged
    assert result.outcome == "max_iter reached"


def test_singular_covariance_is_an_outcome(impl):
    """Data on the manifold drive Σx to zero: named, with the last sound model."""
    X = np.array([[0.5, 0.5]])
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    result = impl.fit_em(network, X, cov_x=np.eye(2), max_iter=500, tol=0.0)
    assert result.outcome in ("singular covariance", "max_iter reached")
    assert np.all(np.isfinite(result.history))
    assert np.all(np.isfinite(result.dgn.logpdf(X)))
