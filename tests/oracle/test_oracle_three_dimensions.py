"""Models with three latent dimensions: closed forms, slices, Monte Carlo."""

import numpy as np
import pytest
from mpmath import mp, mpf

from oracle.models.architectures import random_case
from oracle.quadrature.interval import OracleDisagreement
from oracle.truths import slices as three_dimensions
from oracle.truths.regionwise import LatentSpace
from oracle.truths.slices import ThreeDimensions, monte_carlo

FACTOR = np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.25, 0.5, 0.75]])
COV_Z = FACTOR @ FACTOR.T
CORNER = (("dense", np.eye(3), np.zeros(3)), ("slope", 0.0))


def case_of(seed):
    """The case of a random network with three latent dimensions, one point."""
    return random_case(seed, 3, 1)


def posterior(layers, cov_x, cov_z, x):
    """log p(x) and the posterior mean by the regions' oracle."""
    values = LatentSpace(layers, cov_x, cov_z).at_point(x, np.zeros(3), np.eye(3))
    return values["log p", ()].value, [values["posterior mean", (i,)].value for i in range(3)]


def test_linear_network_in_closed_form():
    """Without kinks the model is one Gaussian; its slices are too."""
    weight = [[1.5, -0.5, 0.25], [0.25, 1.0, -1.0]]
    layers, x = (("dense", weight, [0.25, 1.0]),), np.array([0.75, -0.5])
    log_p, mean = posterior(layers, 0.5, COV_Z, x)
    with mp.workdps(40):
        a, prior = mp.matrix(weight), mp.matrix(COV_Z.tolist())
        r = mp.matrix(x.tolist()) - mp.matrix([0.25, 1.0])
        total = mp.eye(2) / 2 + a * prior * a.T
        expected = -mp.log(2 * mp.pi) - mp.log(mp.det(total)) / 2
        expected -= (r.T * mp.inverse(total) * r)[0] / 2
        latent = prior * a.T * mp.inverse(total) * r
        assert abs(log_p - expected) < mpf("1e-23")
        assert max(abs(mean[i] - latent[i]) for i in range(3)) < mpf("1e-23")


def test_one_corner_in_closed_form():
    """g(z) = max(z, 0), coordinate by coordinate: a product of three one-dimensional models."""
    x, variance = np.array([0.75, -0.5, 0.25]), 0.25
    log_p, _ = posterior(CORNER, variance, np.eye(3), x)
    with mp.workdps(40):
        expected = mpf(0)
        for r in map(mpf, x):
            precision = 1 + 1 / mpf(variance)
            mean = r / mpf(variance) / precision
            above = mp.npdf(r, 0, mp.sqrt(mpf("1.25"))) * mp.ncdf(mean * mp.sqrt(precision))
            expected += mp.log(above + mp.npdf(r, 0, mpf("0.5")) / 2)
        assert abs(log_p - expected) < mpf("1e-23")


def test_slices():
    """Sliced into planes, each of which nested quadrature integrates: one kink, to be quick."""
    layers = ("dense", [[1.0, 0.5, -0.25]], [0.25]), ("slope", 0.25)
    x, noise = np.array([0.75]), np.array(2.0)
    log_p, mean = posterior(layers, noise, COV_Z, x)
    found = ThreeDimensions(layers, noise, COV_Z).at_point(x, agreed=1e-4)
    assert abs(found.log_evidence - log_p) < 1e-6
    assert max(abs(found.mean[i] - float(mean[i])) for i in range(3)) < 1e-5


@pytest.mark.deep
@pytest.mark.parametrize("seed", [5, 11, 29, 32, 35, 38, 3020])
def test_slices_to_nine_digits(seed):
    """As test_slices, on networks of up to eight regions."""
    case = case_of(seed)
    x, noise = case.X[0], np.array(0.3)
    log_p, mean = posterior(case.specs, noise, case.cov_z, x)
    found = ThreeDimensions(case.specs, noise, case.cov_z).at_point(x)
    assert abs(found.log_evidence - log_p) < 1e-9 * max(1, abs(log_p))
    assert max(abs(found.mean[i] - float(mean[i])) for i in range(3)) < 1e-8


def test_orders_that_disagree_are_noticed(monkeypatch):
    """Panels that may not be halved are too long, and nothing is returned."""
    monkeypatch.setattr(three_dimensions, "_DEEPEST", 0)
    oracle = ThreeDimensions((("dense", np.eye(3), np.zeros(3)),), 0.01, np.eye(3))
    with pytest.raises(OracleDisagreement):
        oracle.at_point(np.array([0.75, -0.5, 0.25]))


@pytest.mark.parametrize("seed", [5, 35])
def test_monte_carlo(seed):
    """Importance sampling, within five standard errors, which are below a tenth."""
    case, rng = case_of(seed), np.random.default_rng(seed)
    x = case.X[0] + 0.3
    exact = LatentSpace(case.specs, 1.0, case.cov_z).log_evidence(x)
    found = monte_carlo(case.specs, np.array(1.0), case.cov_z, x, 20_000, rng)
    assert found.error < 0.1
    assert abs(np.expm1(found.log_evidence - float(exact))) < 5 * found.error


def test_region_masses_sum_to_one():
    """Φ_ω(0, Σz) over all regions [Prop. 1], and the mean of x over them."""
    case = case_of(35)
    model = LatentSpace(case.specs, case.cov_x, case.cov_z).of_model()
    total = sum(value.value for key, value in model.items() if key[0] == "region mass")
    assert abs(total - 1) < mpf("1e-24")
