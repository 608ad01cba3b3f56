"""Linear networks are probabilistic PCA and factor analysis: their densities, and AIC and BIC."""

import warnings
from functools import cache

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis

from fast import ConvergenceWarning, DeepGenerativeModel, fit_em

COUNT = 300
CASES = [("isotropic", 1, 4), ("isotropic", 2, 5), ("diagonal", 1, 4), ("diagonal", 2, 6)]
EACH = pytest.mark.parametrize(("noise", "latent", "size"), CASES)


def factors(latent, size, count=COUNT):
    """Of as many factors, with noise that differs by features, in units that differ."""
    rng = np.random.default_rng([latent, size])
    X = rng.standard_normal((count, latent)) @ rng.standard_normal((latent, size))
    X += rng.uniform(0.3, 0.8, size) * rng.standard_normal((count, size))
    return X * rng.uniform(0.5, 2.0, size) + 3.0


@cache
def fitted(noise, latent, size):
    """The estimator, and the model at its optimum to rounding.

    A fit ends where differences of the loss are rounding, and so half the digits of parameters. EM
    as printed goes on without looking at it; of one layer it is EM.
    """
    X = factors(latent, size)
    options = {"noise": noise, "n_init": 1, "random_state": 0}
    model = DeepGenerativeModel(latent, (), method="mle", max_iter=1000, tol=1e-15, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # that rounding hides every step
        model.fit(X)
    most = 30 if noise == "isotropic" else 150
    exact = fit_em(model.dgn_, X, m_step="paper", max_iter=most, tol=0, gtol=0, noise_floor=0)
    return model, exact.dgn


def principal(X, latent):
    """PCA of maximum likelihood: scikit-learn's divides by N - 1, as if data had more spread."""
    centre, shrink = X.mean(axis=0), np.sqrt(1 - 1 / len(X))
    return PCA(latent, svd_solver="full").fit(centre + shrink * (X - centre))


def factor_analysis(X, latent):
    """It ends where differences of the loss are rounding, too."""
    return FactorAnalysis(latent, svd_method="lapack", tol=1e-10, max_iter=5000).fit(X)


PEERS = {"isotropic": principal, "diagonal": factor_analysis}


@EACH
def test_log_densities_are_scikit_learn_s(noise, latent, size):
    """Of each datum, and of data that the model was not fitted to: as either fit ends."""
    X, (model, _) = factors(latent, size), fitted(noise, latent, size)
    peer = PEERS[noise](X, latent)
    for data in (X, 1.5 * X[:50] + 0.5):
        found, expected = model.score_samples(data), peer.score_samples(data)
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert model.score(X) == pytest.approx(peer.score(X), rel=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@EACH
def test_at_the_optimum_to_eight_digits(noise, latent, size):
    """PCA's is a closed form. Factor analysis goes on from the variances that were found, and from
    there its steps lead nowhere."""
    X, (_, dgn) = factors(latent, size), fitted(noise, latent, size)
    peer = principal(X, latent)
    if noise == "diagonal":
        options = {"svd_method": "lapack", "tol": 0.0, "max_iter": 10}
        peer = FactorAnalysis(latent, noise_variance_init=dgn.cov_x, **options).fit(X)
        assert peer.n_iter_ > 1
    for data in (X, 1.5 * X[:50] + 0.5):
        expected = peer.score_samples(data)
        sizes = np.maximum(1.0, np.abs(expected))
        assert np.max(np.abs(dgn.logpdf(data) - expected) / sizes) < 1e-8


@EACH
def test_criteria_are_the_textbook_s(noise, latent, size):
    """With D S - S (S - 1) / 2 for the factors, D for the mean, and 1 or D for the noise."""
    X, (model, _) = factors(latent, size), fitted(noise, latent, size)
    count = size * latent - latent * (latent - 1) // 2 + size
    count += 1 if noise == "isotropic" else size
    covariance = model.dgn_.cov()
    away = X - model.dgn_.mean()
    squares = np.einsum("nd,nd->n", away, np.linalg.solve(covariance, away.T).T)
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    log_p = -0.5 * np.sum(squares + log_det)
    assert model.n_parameters_ == count
    assert model.aic(X) == pytest.approx(2 * count - 2 * log_p, rel=1e-10)
    assert model.bic(X) == pytest.approx(np.log(COUNT) * count - 2 * log_p, rel=1e-10)


@pytest.mark.parametrize(("latent", "size"), [(1, 4), (2, 5)])
def test_the_transformation_is_that_of_principal_components(latent, size):
    """E[z | x] = M^-1 Wᵀ (x - mean), with M = Wᵀ W + σ² I, is a linear map of the components."""
    X, (model, _) = factors(latent, size), fitted("isotropic", latent, size)
    layer = model.dgn_.network.parameters()
    weight, bias = layer["0.weight"], layer["0.bias"]
    inner = weight.T @ weight + float(model.dgn_.cov_x) * np.eye(latent)
    found, expected = model.transform(X), np.linalg.solve(inner, weight.T @ (X - bias).T).T
    np.testing.assert_allclose(found, expected, atol=1e-10)
    scores = PCA(latent).fit_transform(X)
    mixed = np.linalg.lstsq(scores, found, rcond=None)[0]
    np.testing.assert_allclose(scores @ mixed, found, atol=1e-5)
