"""Estimates of log p(x) by importance sampling, against exact ones."""

import numpy as np
import pytest
from scipy.stats import genpareto, multivariate_normal

import fast.estimates.logpdf_estimate as logpdf_estimate
from fast import DGN, Abs, Dense, LeakyReLU, Network
from fast.estimates.mixture import Mixture
from fast.estimates.modes import Modes
from fast.estimates.pareto import tail_shape

DEEP = ((1, 2000), (2, 2000), (3, 100))


def model(latent, seed=0, variance=0.05):
    """Correlated noise and prior, two hidden layers."""
    network = Network.random([latent, 8, 8, 5], LeakyReLU(0.1), random_state=seed)
    rng = np.random.default_rng(seed)
    cov_x = variance * (np.eye(5) + np.cov(rng.standard_normal((5, 20))))
    return DGN(network, cov_x, np.eye(latent) + 0.3)


@pytest.mark.parametrize(
    ("latent", "count"),
    [(1, 60), (2, 40), (3, 4), *(pytest.param(*row, marks=pytest.mark.deep) for row in DEEP)],
)
def test_errors_are_as_large_as_they_are_said_to_be(latent, count):
    """Where they are vouched for. Of so many data no error is 6 standard errors, a false alarm in
    2e-9 for each, and the mean error is within 5.5 of its own: with 2,000 data a bias of an eighth
    of a standard error is seen. They may be smaller than told, since draws are stratified."""
    dgn = model(latent)
    X = dgn.rvs(count, random_state=1)
    found = dgn.estimate_logpdf(X, random_state=2)
    kept = found.vouched
    assert kept.mean() > 0.9
    scores = ((found.log_p - dgn.logpdf(X)) / found.standard_error)[kept]
    assert np.abs(scores).max() < 6.0
    assert np.abs(scores.mean()) < 5.5 / np.sqrt(len(scores))
    assert np.all(found.standard_error <= 0.04)
    # Told errors are not far too large either: at most some three times what is seen.
    assert np.sqrt(np.mean(scores**2)) > 0.3


def test_more_latent_dimensions_than_there_are_rules_for():
    """Of a linear network p(x) is one Gaussian, however many latent dimensions."""
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((4, 9)), rng.standard_normal(4)
    dgn = DGN(Network([Dense(weight, bias)]), cov_x=0.2)
    X = dgn.rvs(20, random_state=1)
    found = dgn.estimate_logpdf(X, random_state=0)
    cov = weight @ weight.T + 0.2 * np.eye(4)
    exact = multivariate_normal(bias, cov).logpdf(X)
    assert np.all(found.vouched)
    assert np.all(np.abs(found.log_p - exact) < 6 * found.standard_error)
    with pytest.raises(ValueError, match="at most 6 latent dimensions"):
        dgn.logpdf(X)


def test_modes_apart_are_all_found():
    """|z1| and |z2|: four modes of the same height, 20 deviations from each other."""
    dgn = DGN(Network([Dense(np.eye(2), [0.0, 0.0]), Abs()]), cov_x=0.02)
    X = np.array([[1.5, 1.2], [2.0, 0.7]])
    found = dgn.estimate_logpdf(X, size=4000, random_state=3)
    assert np.all(np.abs(found.log_p - dgn.logpdf(X)) < 6 * found.standard_error)
    # Each quadrant's share is 1/4, within 6 standard errors.
    shares = np.mean((found.draws[:, :, 0] > 0) == (found.draws[:, :, 1] > 0), axis=1)
    np.testing.assert_allclose(shares, 0.5, atol=6 * 0.5 / np.sqrt(4000))


def test_a_smaller_error_takes_more_draws_and_no_more_than_the_limit():
    dgn = model(2)
    X = dgn.rvs(3, random_state=1)
    rough, fine, limited = (
        dgn.estimate_logpdf(X, standard_error=error, max_draws=most, random_state=0)
        for error, most in ((0.02, 100_000), (0.002, 1_000_000), (0.002, 5000))
    )
    assert np.all(fine.n_draws > 20 * rough.n_draws)
    assert np.all(fine.standard_error < 0.004)
    assert np.all(limited.n_draws == 5000)
    assert np.all(limited.standard_error > fine.standard_error)


def test_the_same_seed_gives_the_same_estimates():
    dgn = model(2)
    X = dgn.rvs(2, random_state=1)
    first, again, other = (dgn.estimate_logpdf(X, random_state=k, size=3) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.log_p, again.log_p)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert np.all(first.log_p != other.log_p)
    assert first.draws.shape == (2, 3, 2)


def test_nothing_is_vouched_for_where_the_search_has_missed_the_mode(monkeypatch):
    """The prior alone then meets it: its share of draws is small, and the weights' tail long."""
    dgn = DGN(Network([Dense(np.eye(4), np.zeros(4))]), cov_x=1e-4)
    lost = Modes(np.full((1, 4), -3.0), 1e-3 * np.eye(4)[None], np.zeros(1))
    monkeypatch.setattr(logpdf_estimate, "modes", lambda *_: lost)
    monkeypatch.setattr(Mixture, "adapted", lambda self, *_: self)
    found = dgn.estimate_logpdf([[1.0, 0.5, -1.0, 0.2]], random_state=0)
    assert found.vouched[0]  # draws of a round lead to it
    monkeypatch.setattr(logpdf_estimate, "_with_more", lambda _, __, mixture, ___: (mixture, False))
    assert not dgn.estimate_logpdf([[1.0, 0.5, -1.0, 0.2]], random_state=0).vouched[0]


@pytest.mark.parametrize("shape", [-0.3, 0.2, 0.7, 1.2])
def test_the_shape_of_a_tail(shape):
    """The largest 3 √n of a million draws from a generalised Pareto distribution: its standard
    error is (1 + k) / √3000, some 0.04 at most; the prior moves it by 0.003."""
    weights = genpareto(shape).rvs(1_000_000, random_state=0)
    assert abs(tail_shape(np.log(weights)) - shape) < 5.5 * (1 + abs(shape)) / np.sqrt(3000)


def test_tails_that_tell_nothing():
    assert tail_shape(np.zeros(1000)) == -np.inf
    assert tail_shape(np.zeros(20)) == np.inf
    # All but three are the same: too few above the rest.
    assert tail_shape(np.append(np.zeros(997), [1.0, 2.0, 3.0])) == np.inf


def test_a_mixture_s_draws_have_its_density():
    """The mean of w = q'/q over draws of q is 1 for any other density q', here one Gaussian."""
    rng = np.random.default_rng(0)
    roots = np.linalg.cholesky(np.array([[[1.0, 0.4], [0.4, 0.5]], [[0.2, -0.1], [-0.1, 0.3]]]))
    mixture = Mixture.of(np.array([1.0, 3.0]), np.array([[0.0, 1.0], [3.0, 0.0]]), roots, np.eye(2))
    Z = mixture.rvs(40_000, rng)
    for mean, cov in (([0.0, 1.0], np.eye(2)), ([3.0, 0.0], 0.1 * np.eye(2))):
        weights = np.exp(multivariate_normal(mean, cov).logpdf(Z) - mixture.logpdf(Z))
        assert abs(weights.mean() - 1) < 6 * weights.std() / 200
    share = np.mean(np.linalg.norm(Z - [3.0, 0.0], axis=1) < 1.5)
    assert 0.5 < share < 0.8


def test_a_datum_alone_is_told_in_the_shape_of_rows_or_images():
    dgn = model(2)
    x = dgn.rvs(1, random_state=0)
    rows, images = (dgn.estimate_logpdf(v, random_state=0) for v in (x, x.reshape(1, 1, 5, 1)))
    np.testing.assert_array_equal(rows.log_p, images.log_p)
