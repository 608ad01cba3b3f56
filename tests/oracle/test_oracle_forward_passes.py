"""Sums over the plane by forward passes alone, where integrals are known in closed form."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import oracle.truths.forward_passes
from oracle.truths.forward_passes import NotSettled, on_the_plane, root_of

PRIOR = np.array([[1.7, 0.9], [0.9, 0.8]])


def test_an_affine_network():
    """p(x) and p(z | x) are Gaussians."""
    A, b = np.array([[1.0, -0.5], [0.3, 2.0], [0.7, 0.1]]), np.array([0.5, -1.0, 0.2])
    variances, x = np.array([0.02, 0.05, 0.1]), np.array([1.2, -0.4, 0.9])
    found = on_the_plane(lambda z: z @ A.T + b, variances, PRIOR, x)
    marginal = A @ PRIOR @ A.T + np.diag(variances)
    gain = PRIOR @ A.T @ np.linalg.inv(marginal)
    cov = PRIOR - gain @ A @ PRIOR
    assert found.log_p == pytest.approx(multivariate_normal.logpdf(x, b, marginal), abs=1e-9)
    np.testing.assert_allclose(found.mean, gain @ (x - b), atol=1e-9)
    np.testing.assert_allclose(found.cov, cov, atol=1e-9)
    assert found.change < 1e-7


@pytest.mark.parametrize("x", [0.0, 0.4, 3.0])
def test_a_fold(x):
    """|z1| with a standard prior: twice the part of a Gaussian that is right of 0."""
    found = on_the_plane(
        lambda z: np.abs(z[:, :1]), np.array(0.01), np.eye(2), np.array([x]), settled=1e-6
    )
    spread = np.sqrt(1.01)
    exact = np.log(2) + norm.logpdf(x, scale=spread) + norm.logcdf(x / spread / 0.1)
    assert found.log_p == pytest.approx(exact, abs=1e-6)
    np.testing.assert_allclose(found.mean, 0.0, atol=1e-6)


def test_what_does_not_settle_is_raised(monkeypatch):
    monkeypatch.setattr(oracle.truths.forward_passes, "_MOST_SQUARES", 1 << 17)
    with pytest.raises(NotSettled, match="squares of side"):
        on_the_plane(lambda z: np.abs(z), np.array(1e-4), np.eye(2), np.ones(2))


def test_root():
    root = root_of(PRIOR)
    np.testing.assert_allclose(root @ root.T, PRIOR, rtol=1e-15)
    assert root[0, 1] == 0.0
