"""Exact bounds of Gaussians and mixtures, and the check that they agree with what they should."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from fast import DGN, LeakyReLU, Network, fit_mle
from oracle import exact_values, layers_of
from paper_figures.data_sets import circle
from paper_figures.methods.best_q import nearest
from paper_figures.methods.bound_check import TOLERANCE, by_quadrature, disagreement
from paper_figures.methods.exact_bound import Mixture, elbo


def gaussian(mean, deviation):
    """q of several data from means and deviations."""
    mean, deviation = np.broadcast_arrays(np.asarray(mean, float), np.asarray(deviation, float))
    return Mixture(
        np.ones((len(mean), 1)), mean[:, None, None], np.square(deviation)[:, None, None, None]
    )


def mixtures(count, components, seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(components), count)
    means = rng.standard_normal((count, components, 1))
    deviations = np.exp(rng.uniform(-4.0, 0.5, (count, components)))
    return Mixture(weights, means, np.square(deviations)[:, :, None, None])


def log_q(q, i, z):
    deviations = np.sqrt(q.covs[i, :, 0, 0])
    each = np.exp(-0.5 * ((z - q.means[i, :, 0]) / deviations) ** 2) / deviations
    return np.log(q.weights[i] @ each / np.sqrt(2 * np.pi))


@pytest.fixture(scope="module")
def model():
    return DGN(Network.random([1, 8, 8, 2], LeakyReLU(0.1), 3), 0.05)


class TestMixture:
    def test_entropy_of_one_component_is_a_gaussians(self):
        q = gaussian([0.0, 3.0], [0.5, 2.0])
        expected = 0.5 * np.log(2 * np.pi * np.e * np.array([0.25, 4.0]))
        np.testing.assert_allclose(q.entropy(), expected, rtol=1e-14)

    def test_entropy_of_equal_components_is_theirs(self):
        one = gaussian([0.7], [0.3])
        three = Mixture(
            np.array([[0.2, 0.3, 0.5]]), np.full((1, 3, 1), 0.7), np.full((1, 3, 1, 1), 0.09)
        )
        np.testing.assert_allclose(three.entropy(), one.entropy(), atol=1e-13)

    def test_entropy_far_apart_adds_that_of_the_choice(self):
        weights = np.array([[0.25, 0.75]])
        q = Mixture(weights, np.array([[[0.0], [1000.0]]]), np.array([[[[1.0]], [[1e-6]]]]))
        expected = (weights * (q.component_entropies() - np.log(weights))).sum()
        assert q.entropy()[0] == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("seed", range(4))
    def test_entropy_agrees_with_adaptive_quadrature(self, seed):
        q = mixtures(3, 3, seed)
        for i, value in enumerate(q.entropy()):
            ends = q.means[i, :, 0, None] + np.sqrt(q.covs[i, :, 0]) * np.array([-12, 0, 12])
            points = np.sort(ends.ravel())
            pieces = [
                quad(lambda z, i=i: -np.exp(log_q(q, i, z)) * log_q(q, i, z), a, b, epsabs=1e-13)[0]
                for a, b in pairwise(points)
            ]
            assert value == pytest.approx(sum(pieces), abs=1e-10)


class TestElbo:
    def test_of_one_component_is_fasts(self, model):
        X = model.rvs(4, 0)
        q = gaussian([0.0, 0.4, -1.0, 2.0], [1.0, 0.1, 0.5, 0.01])
        np.testing.assert_allclose(
            elbo(model, X, q), model.elbo(X, q.means[:, 0], q.covs[:, 0]), rtol=1e-14
        )

    def test_a_q_whose_bound_is_no_double_is_named(self, model):
        X = model.rvs(3, 0)
        with pytest.raises(ArithmeticError, match="the ELBO of datum 1 is not finite"):
            model.elbo(X, [[0.0], [1e200], [0.0]], np.ones((3, 1)))
        assert np.all(np.isfinite(model.elbo(X, [[0.0], [1e100], [0.0]], np.full((3, 1), 1e-200))))

    @pytest.mark.parametrize("seed", range(3))
    def test_of_mixtures_agrees_with_quadrature_of_the_forward_pass(self, model, seed):
        X, q = model.rvs(6, seed), mixtures(6, 3, seed)
        log_p, kl = by_quadrature(model, X, q)
        np.testing.assert_allclose(elbo(model, X, q), log_p - kl, rtol=1e-11, atol=1e-11)

    def test_a_mixture_is_never_below_the_mean_of_its_parts(self, model):
        """-ELBO is convex in q."""
        X, q = model.rvs(20, 5), mixtures(20, 3, 5)
        parts = [model.elbo(X, q.means[:, c], q.covs[:, c]) for c in range(3)]
        assert np.all(elbo(model, X, q) >= (q.weights * np.array(parts).T).sum(axis=1) - 1e-12)


class TestCheck:
    def test_agrees_on_random_models_and_q_near_and_far(self):
        """Worst of 40 models, some with steep slopes, 5 data each, q from hopeless to good: a tenth
        of the tolerance at most."""
        worst = 0.0
        for seed in range(40):
            rng = np.random.default_rng(seed)
            network = Network.random([1, 8, 8, 2], LeakyReLU(0.1), seed)
            dgn = DGN(network, 10.0 ** rng.uniform(-4.0, 0.0))
            X = dgn.rvs(5, seed) + rng.standard_normal((5, 2)) * 10.0 ** rng.uniform(-2.0, 1.0)
            exact = dgn.posterior(X)
            for q in (
                gaussian(exact.mean()[:, 0], np.sqrt(exact.cov()[:, 0, 0])),
                gaussian(rng.standard_normal(5) * 3.0, np.exp(rng.uniform(-12.0, 1.0, 5))),
                mixtures(5, 3, seed),
            ):
                worst = max(worst, disagreement(dgn, X, q).max())
        assert worst < 0.1 * TOLERANCE

    def test_agrees_where_q_is_as_narrow_as_doubles_are_apart(self, model):
        q = gaussian([17.3, -4.0, 0.2], [1e-12, 1e-15, 1e-50])
        assert disagreement(model, model.rvs(3, 1), q).max() < 0.1 * TOLERANCE

    def test_agrees_with_the_oracle(self, model):
        X, q = model.rvs(2, 4), gaussian([0.3, -0.5], [0.2, 0.05])
        log_p, kl = by_quadrature(model, X, q)
        _, *found = exact_values(
            layers_of(model.network), 0.05, 1.0, X, q.means[:, 0, 0], q.covs[:, 0, 0, 0]
        )
        for i, values in enumerate(found):
            assert log_p[i] == pytest.approx(float(values["log p", ()].value), rel=1e-13)
            assert kl[i] == pytest.approx(float(values["KL", ()].value), rel=1e-12)

    @pytest.mark.parametrize("break_it", ["elbo", "logpdf", "sign", "region", "breakpoint"])
    def test_what_is_wrong_is_seen(self, model, monkeypatch, break_it):
        """Negative controls: 1e-9 of either, a bound for x mirrored, a lost region, a moved end."""
        X, q = model.rvs(5, 2), gaussian(np.linspace(-1.0, 1.0, 5), 0.3)
        exact_elbo, exact_logpdf = model.elbo, model.logpdf
        if break_it == "elbo":
            monkeypatch.setattr(model, "elbo", lambda *a: exact_elbo(*a) * (1 + 1e-9))
        if break_it == "logpdf":
            monkeypatch.setattr(model, "logpdf", lambda X: exact_logpdf(X) + 1e-9)
        if break_it == "sign":
            monkeypatch.setattr(model, "elbo", lambda X, m, v: exact_elbo(-X, m, v))
        if break_it == "region":
            lost = model.posterior(X).e0[:, [model.partition().n_regions // 2]]
            monkeypatch.setattr(model, "logpdf", lambda X: exact_logpdf(X) + np.log1p(-lost[:, 0]))
        if break_it == "breakpoint":
            bias = model.parameters()["0.bias"]
            moved = model.with_parameters({"0.bias": bias + 1e-8})
            monkeypatch.setattr(model, "elbo", moved.elbo)
        assert disagreement(model, X, q).max() > TOLERANCE


class TestNearest:
    def test_of_one_region_the_posterior_itself_is_found(self):
        dgn = DGN(Network.random([1, 3, 2], LeakyReLU(1.0), 0), 0.2)
        gaussian_kl, mixture_kl = nearest(dgn, dgn.rvs(10, 0), 3)
        assert np.all(gaussian_kl < 1e-7)
        assert np.all(mixture_kl <= gaussian_kl)

    def test_no_perturbation_does_better(self):
        X = circle.sample(40, np.random.default_rng(1))
        start = DGN(Network.random([1, 8, 2], LeakyReLU(0.1), 1), 0.04)
        dgn = fit_mle(start, X, max_iter=100, tol=0.0).dgn
        found, _ = nearest(dgn, X, 1)
        log_p = dgn.logpdf(X)
        rng = np.random.default_rng(0)
        for _ in range(300):
            mean = dgn.posterior(X).mean() + 0.5 * rng.standard_normal((40, 1))
            variance = np.exp(rng.uniform(-8.0, 0.0, (40, 1)))
            assert np.all(log_p - dgn.elbo(X, mean, variance) >= found - 1e-6)

    def test_two_equal_modes_cost_one_gaussian_log_2_and_two_nothing(self):
        """g(z) = |z|, x = 2: the posterior has modes near -2 and 2, alike."""
        network = Network.random([1, 2, 1], LeakyReLU(0.0), 0).with_parameters(
            {
                "0.weight": [[1.0], [-1.0]],
                "0.bias": [0.0, 0.0],
                "2.weight": [[1.0, 1.0]],
                "2.bias": [0.0],
            }
        )
        dgn = DGN(network, 0.01)
        one, two = nearest(dgn, np.array([[2.0]]), 2)
        assert one[0] == pytest.approx(np.log(2.0), abs=1e-6)
        assert two[0] == pytest.approx(0.0, abs=1e-6)
