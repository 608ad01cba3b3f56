"""WAIC against a posterior that is known: the mean of a Gaussian of known covariance."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from fast import DGN, Dense, Network, waic
from fast.estimators import posterior_prediction

COUNT = 60
WEIGHT = np.array([[1.0], [0.5]])
COVARIANCE = WEIGHT @ WEIGHT.T + 0.3 * np.eye(2)
#: Of the mean, before and after COUNT data.
PRIOR = 4.0 * np.eye(2)
POSTERIOR = np.linalg.inv(np.linalg.inv(PRIOR) + COUNT * np.linalg.inv(COVARIANCE))


def model(mean):
    return DGN(Network([Dense(WEIGHT, mean)]), 0.3)


@pytest.fixture(scope="module")
def known():
    """Data, and log p of each under draws of the posterior, which is Gaussian: a draw shifts the
    data."""
    rng = np.random.default_rng(0)
    X = model(np.array([1.0, -1.0])).rvs(COUNT, rng)
    centre = POSTERIOR @ np.linalg.inv(COVARIANCE) @ X.sum(axis=0)
    draws = rng.multivariate_normal(centre, POSTERIOR, 4_000)
    shifted = (X[None] - draws[:, None]).reshape(-1, 2)
    return X, centre, model(np.zeros(2)).logpdf(shifted).reshape(len(draws), COUNT)


def test_a_posterior_that_is_known(known):
    """x is N(c, C + V); log p has the variance (x - c)ᵀ C⁻¹ V C⁻¹ (x - c) + tr((C⁻¹ V)²) / 2."""
    X, centre, log_p = known
    ratio = np.linalg.inv(COVARIANCE) @ POSTERIOR
    form = ratio @ np.linalg.inv(COVARIANCE)
    variances = np.einsum("nd,de,ne->n", X - centre, form, X - centre)
    variances += 0.5 * np.trace(ratio @ ratio)
    predictive = multivariate_normal(centre, COVARIANCE + POSTERIOR).logpdf(X)
    found = waic(log_p)
    exact = predictive - variances
    # Of 4,000 draws the mean of p is off by its relative spread over √4,000 at each datum.
    assert found.score == pytest.approx(exact.mean(), abs=2e-3)
    assert found.error == pytest.approx(exact.std(ddof=1) / np.sqrt(COUNT), rel=0.02)
    assert found.n_effective == pytest.approx(variances.sum(), rel=0.1)
    assert found.n_doubtful == 0


def test_it_is_near_leaving_one_out(known):
    """What it estimates, exact here: log p of each datum given all others."""
    X, _, log_p = known
    inverse = np.linalg.inv(COVARIANCE)
    spread = np.linalg.inv(np.linalg.inv(PRIOR) + (COUNT - 1) * inverse)
    left_out = [
        multivariate_normal(spread @ inverse @ (X.sum(axis=0) - x), COVARIANCE + spread).logpdf(x)
        for x in X
    ]
    plain = np.mean(log_p.mean(axis=0))
    assert waic(log_p).score == pytest.approx(np.mean(left_out), abs=4e-3)
    assert abs(plain - np.mean(left_out)) > 1e-2


def test_doubtful_data_are_counted():
    """Of two draws d apart the variance is d²/2: 0.3 and 0.5."""
    log_p = np.array([[0.0, 0.0, -1.0], [np.sqrt(0.6), 1.0, -1.0]])
    found = waic(log_p)
    assert found.n_doubtful == 1
    assert found.n_effective == pytest.approx(0.8)
    assert posterior_prediction._LARGE_VARIANCE == 0.4


def test_far_data_do_not_underflow():
    assert waic(np.full((3, 2), -1e5)).score == pytest.approx(-1e5, rel=1e-12)


@pytest.mark.parametrize(
    "log_p", [np.zeros(3), np.zeros((1, 3)), np.zeros((3, 1)), [[0.0, np.nan]] * 2, "text", [[]]]
)
def test_what_is_refused(log_p):
    with pytest.raises(ValueError, match=r"^log_likelihoods: expected"):
        waic(log_p)
