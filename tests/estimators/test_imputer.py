"""What is not observed, by its law given the rest; and what learns from data with gaps."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from fast import DeepGenerativeImputer, DeepGenerativeModel, DeepGenerativeOutlierDetector

QUICK = {"n_init": 1, "max_iter": 3, "tol": 0, "random_state": 0}


def with_gaps(X, share, seed=0):
    """Entries left out at random."""
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


def factor(count=200):
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 1)) * [1.0, -2.0, 0.5] + 0.3 * rng.standard_normal(
        (count, 3)
    )


def regression(mean, cov, x):
    """E[x | x_observed] and Cov[x | x_observed] of a Gaussian."""
    gone = np.isnan(x)
    gain = np.linalg.solve(cov[np.ix_(~gone, ~gone)], cov[np.ix_(~gone, gone)]).T
    filled, left = x.copy(), np.zeros_like(cov)
    filled[gone] = mean[gone] + gain @ (x - mean)[~gone]
    left[np.ix_(gone, gone)] = cov[np.ix_(gone, gone)] - gain @ cov[np.ix_(~gone, gone)]
    return filled, left


@pytest.mark.parametrize("noise", ["isotropic", "diagonal", "full"])
def test_a_linear_network_imputes_as_a_gaussian_does(noise):
    """Regression on what is observed, by the fitted mean and covariance."""
    X = with_gaps(factor(), 0.3)
    imputer = DeepGenerativeImputer(1, (), noise=noise, **QUICK).fit(X)
    mean, cov = imputer.dgn_.mean(), imputer.dgn_.cov()
    expected = np.array([regression(mean, cov, x)[0] for x in X])
    found = imputer.transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(found[~np.isnan(X)], X[~np.isnan(X)])


def test_draws_have_the_law_of_what_is_missing():
    """Mean and covariance of 20,000 draws of one datum: errors of 0.05 standard deviations would be
    seen, with false alarms at 7 standard errors."""
    imputer = DeepGenerativeImputer(1, (), sample_posterior=True, **QUICK).fit(factor())
    x = np.array([np.nan, 1.0, np.nan])
    mean, cov = regression(imputer.dgn_.mean(), imputer.dgn_.cov(), x)
    draws = imputer.transform(np.tile(x, (20_000, 1)))
    assert np.all(draws[:, 1] == 1.0)
    standard = (draws - mean)[:, [0, 2]] @ np.linalg.inv(
        np.linalg.cholesky(cov[np.ix_([0, 2], [0, 2])])
    ).T
    assert np.all(np.abs(standard.mean(axis=0)) < 7 / np.sqrt(20_000))
    moments = standard.T @ standard / 20_000
    assert np.all(np.abs(moments - np.eye(2)) < 7 * np.sqrt(2 / 20_000))
    np.testing.assert_array_equal(imputer.transform(x[None]), imputer.transform(x[None]))


def test_of_a_curve_it_is_nearer_than_the_mean():
    """A parabola, of which the second coordinate has no correlation with the others."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(200)
    X = np.column_stack([z, z**2, z]) + 0.05 * rng.standard_normal((200, 3))
    gaps = X.copy()
    gone = rng.random(200) < 0.2
    gaps[gone, 1] = np.nan
    imputer = DeepGenerativeImputer(1, (6,), **QUICK | {"max_iter": 40, "n_init": 3}).fit(gaps)
    linear = DeepGenerativeImputer(1, (), **QUICK | {"max_iter": 40}).fit(gaps)
    errors = [
        np.sqrt(np.mean((one.transform(gaps) - X)[gone, 1] ** 2))
        for one in (imputer, SimpleImputer().fit(gaps), linear)
    ]
    assert errors[0] < 0.5 * min(errors[1:])


def test_every_estimator_takes_gaps():
    """In a fit, and in what is asked of it; a row of which nothing is observed tells nothing."""
    X = with_gaps(factor(), 0.3)
    X[0] = np.nan
    model = DeepGenerativeModel(1, (2,), **QUICK).fit(X)
    log_p = model.score_samples(X)
    assert log_p[0] == 0.0
    np.testing.assert_array_equal(log_p, model.dgn_.logpdf(X))
    assert abs(model.transform(X)[0] - model.dgn_.posterior(X[:1]).mean()[0]) < 1e-12
    imputer = DeepGenerativeImputer(1, (2,), **QUICK).fit(X)
    np.testing.assert_array_equal(model.impute(X), imputer.transform(X))
    detector = DeepGenerativeOutlierDetector(1, (2,), **QUICK).fit(X)
    assert set(detector.predict(X)) == {-1, 1}
    # Of what is not there, nothing is unlikely.
    gone = np.isnan(X)
    assert np.all(detector.attributions(X[:20])[gone[:20]] == 0)


def test_within_a_pipeline():
    X = with_gaps(factor(), 0.2)
    pipe = make_pipeline(
        DeepGenerativeImputer(1, (2,), **QUICK), DeepGenerativeModel(1, (), **QUICK)
    )
    assert np.all(np.isfinite(pipe.fit(X).score_samples(X)))
    names = pipe[0].get_feature_names_out(["a", "b", "c"])
    assert list(names) == ["a", "b", "c"]


def test_weights_count_rows():
    """A weight of 2 is a row twice, one of 0 is none: in the fit, and in the threshold."""
    X = with_gaps(factor(40), 0.2)
    weights = np.random.default_rng(0).integers(0, 4, 40)
    twice = np.repeat(X, weights, axis=0)
    for kind in (DeepGenerativeModel, DeepGenerativeImputer, DeepGenerativeOutlierDetector):
        one = kind(1, (2,), **QUICK).fit(X, sample_weight=weights)
        other = kind(1, (2,), **QUICK).fit(twice)
        np.testing.assert_allclose(one.score_samples(X), other.score_samples(X), rtol=1e-8)
    assert one.offset_ == pytest.approx(other.offset_, rel=1e-9)
    for share in (0.01, 0.2, 0.5):
        detector = DeepGenerativeOutlierDetector(1, (2,), contamination=share, **QUICK)
        offsets = [
            detector.fit(data, sample_weight=given).offset_
            for data, given in ((X, weights), (twice, None), (twice, np.ones(len(twice))))
        ]
        assert offsets == pytest.approx([offsets[1]] * 3, rel=1e-9)


@pytest.mark.parametrize("weight", [[-1.0] + [1.0] * 19, np.zeros(20), [1.0], "all"])
def test_wrong_weights_are_refused(weight):
    with pytest.raises(ValueError, match=r"^sample_weight: expected"):
        DeepGenerativeModel(1, (), **QUICK).fit(factor(20), sample_weight=weight)


def test_what_cannot_be_imputed_is_refused():
    X = factor(20)
    with pytest.raises(NotFittedError):
        DeepGenerativeImputer().transform(X)
    with pytest.raises(ValueError, match=r"^sample_posterior: expected"):
        DeepGenerativeImputer(1, (), sample_posterior="yes").fit(X)
    X[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"^X: expected an observed entry in every column"):
        DeepGenerativeImputer(1, ()).fit(X)
    with pytest.raises(ValueError, match="infinity"):
        DeepGenerativeImputer(1, ()).fit(np.full((20, 3), np.inf))
