"""The oracle against closed forms, and its own safeguards seen to fire."""

import numpy as np
import pytest
from mpmath import mp, mpf

from oracle.exact.line import ExactPartition, exact_partition
from oracle.learning.finite_differences import gradient
from oracle.quadrature.interval import (
    FINER,
    PRECISE,
    OracleDisagreement,
    Quadratic,
    Rule,
    integrate,
)
from oracle.truths import one_dimension
from oracle.truths.joint import log_joint
from oracle.truths.one_dimension import exact_values

LINEAR = (("dense", [[1.5], [-0.5]], [0.25, 1.0]),)
HINGE = (("dense", [[1.0]], [0.0]), ("slope", 0.0), ("dense", [[2.0]], [0.5]))


def close(value, expected, digits=20):
    """Equal to so many digits of the expected size."""
    return abs(value - expected) <= mpf(10) ** -digits * max(1, abs(expected))


@pytest.mark.parametrize("rule", [PRECISE, FINER])
@pytest.mark.parametrize(
    ("low", "high"), [(-1, 2), (3, 3.0001), (40, mp.inf), (-mp.inf, mp.inf), (-mp.inf, -30)]
)
def test_integrals_of_a_normal(rule, low, high):
    """Mass, mean and variance on intervals, by mpmath's own error function."""
    with mp.workdps(600):  # the differences lose up to 350 digits
        low, high = mpf(low), mpf(high)
        mass = (mp.erfc(low / mp.sqrt(2)) - mp.erfc(high / mp.sqrt(2))) / 2
        below, above = mp.npdf(low), mp.npdf(high)
        mean = (below - above) / mass
        moment = (low * below if mp.isfinite(low) else 0) - (
            high * above if mp.isfinite(high) else 0
        )
        variance = 1 + moment / mass - mean**2
    with mp.workdps(rule.working):
        normal = Quadratic(mpf(0), -mp.log(2 * mp.pi) / 2, mpf(0), mpf(-1) / 2)
        got = integrate(normal, low, high, rule)
        assert close(got.log_mass, mp.log(mass))
        assert close(got.mean, mean)
        assert abs(got.variance - variance) <= mpf(10) ** -20 * variance


def test_linear_network_in_closed_form():
    """Without kinks the model is one Gaussian: p(x), posterior, ELBO, KL, entropy, moments of x."""
    cov_x, cov_z = np.array([[0.5, 0.1], [0.1, 0.3]]), 2.0
    x, q_mean, q_variance = np.array([0.7, -0.4]), 0.3, 0.2
    model, values = exact_values(
        LINEAR, cov_x, cov_z, x[None], np.array([q_mean]), np.array([q_variance])
    )
    with mp.workdps(40):
        a, b = mp.matrix([1.5, -0.5]), mp.matrix([0.25, 1.0])
        noise = mp.matrix(cov_x.tolist())
        r = mp.matrix(x.tolist()) - b
        precision = (a.T * mp.inverse(noise) * a)[0] + 1 / mpf(cov_z)
        mean = (a.T * mp.inverse(noise) * r)[0] / precision
        total = noise + a * a.T * cov_z
        log_p = (
            -(2 * mp.log(2 * mp.pi) + mp.log(mp.det(total)) + (r.T * mp.inverse(total) * r)[0]) / 2
        )
        entropy = mp.log(2 * mp.pi * mp.e / precision) / 2
        s2 = mpf(q_variance)
        kl = (
            s2 * precision + (mpf(q_mean) - mean) ** 2 * precision - 1 - mp.log(s2 * precision)
        ) / 2
        expected = {
            ("log p", ()): log_p,
            ("posterior mean", (0,)): mean,
            ("posterior covariance", (0, 0)): 1 / precision,
            ("entropy", ()): entropy,
            ("expected complete log-likelihood", ()): log_p - entropy,
            ("KL", ()): kl,
            ("ELBO", ()): log_p - kl,
        }
        for key, value in expected.items():
            assert close(values[key].value, value), key
        assert close(model["marginal mean", (1,)].value, mpf(1))
        assert close(model["marginal covariance", (1, 0)].value, total[1, 0])


def test_one_hinge_in_closed_form():
    """g(z) = 2 max(z, 0) + 0.5: two half-lines, each an error function."""
    x, variance = 1.25, 0.09
    _, values = exact_values(HINGE, variance, 1.0, np.array([[x]]), np.zeros(1), np.ones(1))
    with mp.workdps(40):
        s2, r = mpf(variance), mpf(x) - mpf("0.5")
        precision = 1 + 4 / s2
        mean = 2 * r / s2 / precision
        left = mp.npdf(r, 0, mp.sqrt(s2)) / 2
        right = mp.npdf(r, 0, mp.sqrt(s2 + 4)) * mp.ncdf(mean * mp.sqrt(precision))
        assert close(values["log p", ()].value, mp.log(left + right))
        assert close(values["e0", (-1,)].value, left / (left + right))
        assert close(values["region mean", (-1, 0)].value, -mp.sqrt(2 / mp.pi))
        assert close(values["region covariance", (-1, 0, 0)].value, 1 - 2 / mp.pi)


def test_a_dropped_kink_is_noticed(monkeypatch):
    """If one of the two precisions loses a breakpoint, the oracle refuses to answer."""
    calls = []

    def forgetful(layers):
        partition = exact_partition(layers)
        calls.append(1)
        if len(calls) == 1:
            return partition
        return ExactPartition(partition.breakpoints[1:], partition.codes[1:], partition.maps[1:])

    monkeypatch.setattr(one_dimension, "exact_partition", forgetful)
    with pytest.raises(OracleDisagreement):
        exact_values(HINGE, 0.1, 1.0, np.array([[1.0]]), np.zeros(1), np.ones(1))


def test_a_coarse_rule_is_noticed():
    """Too few nodes, and the two rules no longer agree."""
    with pytest.raises(OracleDisagreement):
        exact_values(
            HINGE,
            0.1,
            1.0,
            np.array([[1.0]]),
            np.zeros(1),
            np.ones(1),
            rules=(Rule(32, 2, 12), FINER),
        )


def test_low_precision_is_refused():
    """Working precisions that mean nothing beside doubles."""
    with pytest.raises(ValueError, match="digits"):
        Rule(15, 8, 30)


def test_log_joint_is_the_definition():
    """log p(x, z) by the network's forward pass, at random z."""
    for z in np.random.default_rng(0).normal(size=20):
        with mp.workdps(32):
            error = mpf(1.25) - 2 * max(mpf(z), mpf(0)) - mpf("0.5")
            expected = mp.log(mp.npdf(error, 0, mp.sqrt(mpf(0.09))))
            expected += mp.log(mp.npdf(mpf(z), 0, mp.sqrt(mpf(1.7))))
            assert close(log_joint(HINGE, 0.09, [[1.7]], [1.25], [z]), expected)


def test_finite_differences_in_closed_form():
    """The gradient of a linear-Gaussian log-likelihood, all parameters."""
    x = np.array([[0.7, -0.4], [0.1, 0.9]])
    got = gradient(LINEAR, np.array([0.5, 0.3]), np.array([[2.0]]), x)
    a, b, noise, prior = np.array([1.5, -0.5]), np.array([0.25, 1.0]), np.diag([0.5, 0.3]), 2.0
    inverse = np.linalg.inv(noise + prior * np.outer(a, a))
    r = x - b
    outer = 0.5 * (inverse @ (r.T @ r / 2) @ inverse - inverse)  # d log p / d total covariance
    np.testing.assert_allclose(got["0.bias"], inverse @ r.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(got["0.weight"][:, 0], 2 * prior * outer @ a, rtol=1e-13)
    np.testing.assert_allclose(got["cov_x"], np.diag(outer), rtol=1e-13)
    np.testing.assert_allclose(got["cov_z"], [[a @ outer @ a]], rtol=1e-13)


def test_finite_differences_of_a_full_covariance():
    """Each half of a symmetric pair gets half of the derivative: d log p = Σ_ij G_ij dΣ_ij."""
    x, cov_x = np.array([[0.7, -0.4], [0.1, 0.9]]), np.array([[0.5, 0.1], [0.1, 0.3]])
    got = gradient(LINEAR, cov_x, np.array([[2.0]]), x)["cov_x"]
    a, b = np.array([1.5, -0.5]), np.array([0.25, 1.0])
    inverse = np.linalg.inv(cov_x + 2.0 * np.outer(a, a))
    r = x - b
    np.testing.assert_allclose(
        got, 0.5 * (inverse @ (r.T @ r / 2) @ inverse - inverse), rtol=1e-13, atol=0
    )
    np.testing.assert_array_equal(got, got.T)
