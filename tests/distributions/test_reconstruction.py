"""E[g(z) | x], Cov[g(z) | x] and ∇ log p(x), against quadrature, draws and differences of log p."""

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.integrate import quad_vec

import fast
import fast.distributions.reconstruction as reconstruction
import reference
from fast import DGN, Network
from oracle.models.architectures import random_case
from oracle.quadrature.interval import PRECISE
from oracle.truths.one_dimension import OneDimension
from oracle.truths.regionwise import LatentSpace
from reference import Dense, Flatten, ReLU, Reshape, Residual

FULL = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]])
NOISES = {"scalar": 0.4, "diagonal": np.array([0.2, 0.5, 0.9]), "full": FULL}
PRIOR = np.array([[1.3, 0.3, 0.0], [0.3, 0.8, 0.1], [0.0, 0.1, 1.1]])


def models(latent, cov_x):
    """One network in every implementation, local partitions too."""
    network = Network.random([latent, 4, 3], random_state=latent)
    cov_z = PRIOR[:latent, :latent]
    found = {impl.__name__: impl.DGN(network, cov_x, cov_z) for impl in (fast, reference)}
    if latent > 1:
        found["local"] = DGN(network, cov_x, cov_z, partition="local")
    return found


def differences(log_density, x, step=1e-3):
    """Central differences of fourth order, (D,)."""
    result = np.empty(len(x))
    for i, unit in enumerate(step * np.eye(len(x))):
        near, far = (log_density(x + k * unit) - log_density(x - k * unit) for k in (1, 2))
        result[i] = (8 * near - far) / (12 * step)
    return result


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_the_score_is_the_derivative_of_log_p(latent, noise):
    found = models(latent, NOISES[noise])
    X = found["fast"].rvs(2, random_state=0)
    exact = [differences(lambda u: found["fast"].logpdf(u[None])[0], x) for x in X]
    for name, dgn in found.items():
        np.testing.assert_allclose(dgn.score(X), exact, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_oracle_s_score_is_the_derivative_of_its_log_p(latent):
    """To 15 digits, by differences of numbers of 40 digits: the truth that both are held to."""
    case = random_case(3, latent, 1)
    if latent == 1:
        oracle, q = OneDimension(case.specs, case.cov_x, case.cov_z, PRECISE), (0.0, 1.0)
    else:
        oracle = LatentSpace(case.specs, case.cov_x, case.cov_z)
        q = case.q_mean[0], case.q_cov[0]
    x, step = case.X[0], 2.0**-24
    values = oracle.at_point(x, *q)
    for i, unit in enumerate(step * np.eye(len(x))):
        with mp.workdps(40):
            sides = [oracle.log_evidence(x + k * unit) for k in (1, -1, 2, -2)]
            near, far = sides[0] - sides[1], sides[2] - sides[3]
            # What of the step is there: x is of doubles.
            steps = [mpf(float((x + k * unit)[i])) - mpf(float(x[i])) for k in (1, -1)]
            slope = (8 * near - far) / (6 * (steps[0] - steps[1]))
            score = values["score", (i,)]
            assert abs(slope - score.value) <= 1e-12 * score.scale


@pytest.mark.parametrize("name", ["fast", "reference"])
def test_moments_are_integrals_over_the_latent_space(name):
    """S = 1: by adaptive quadrature of the forward pass under the posterior's density."""
    dgn = models(1, FULL)[name]
    X = models(1, FULL)["fast"].rvs(2, random_state=1)
    posterior, network = dgn.posterior(X), dgn.network
    breaks = np.asarray(dgn.partition().breakpoints)
    for n in range(len(X)):

        def image_moments(z, n=n):
            density = np.exp(posterior.logpdf([[z]])[n, 0])
            g = network([[z]])[0]
            return density * np.concatenate([g, np.outer(g, g).ravel()])

        found, _ = quad_vec(image_moments, -12.0, 12.0, points=breaks, epsabs=1e-12)
        mean, second = found[:3], found[3:].reshape(3, 3)
        np.testing.assert_allclose(posterior.reconstruction()[n], mean, atol=1e-9)
        exact = second - np.outer(mean, mean)
        np.testing.assert_allclose(posterior.reconstruction_cov()[n], exact, atol=1e-9)


@pytest.mark.parametrize("latent", [2, 3])
def test_moments_are_those_of_draws(latent):
    """Within five standard errors of means and products over draws from the posterior."""
    found = models(latent, NOISES["diagonal"])
    X = found["fast"].rvs(1, random_state=2)
    draws = found["fast"].network(found["fast"].posterior(X).rvs(40_000, random_state=3)[0])
    for name, dgn in found.items():
        posterior = dgn.posterior(X)
        mean, cov = posterior.reconstruction()[0], posterior.reconstruction_cov()[0]
        away = draws - mean
        error = away.mean(axis=0) / (away.std(axis=0) / 200)
        assert np.all(np.abs(error) < 5), name
        products = away[:, :, None] * away[:, None, :]
        error = (products.mean(axis=0) - cov) / (products.std(axis=0) / 200)
        assert np.all(np.abs(error) < 5), name


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_all_say_the_same(latent, noise):
    """Variances alone are the diagonal; x + Σx ∇ log p(x) is the reconstruction."""
    found = models(latent, NOISES[noise])
    X = found["fast"].rvs(3, random_state=4)
    exact = found["fast"].posterior(X)
    full = found["fast"].noise.full()
    for dgn in found.values():
        posterior = dgn.posterior(X)
        mean, cov = posterior.reconstruction(), posterior.reconstruction_cov()
        np.testing.assert_allclose(mean, exact.reconstruction(), atol=1e-10)
        np.testing.assert_allclose(cov, exact.reconstruction_cov(), atol=1e-10)
        variances = posterior.reconstruction_cov(diagonal=True)
        np.testing.assert_allclose(variances, np.einsum("nii->ni", cov), atol=1e-13)
        np.testing.assert_allclose(X + dgn.score(X) @ full, mean, atol=1e-12)


def test_the_reconstruction_is_not_the_image_of_the_mean():
    """g is not affine where the posterior lies: |z| of a posterior on both sides of 0."""
    network = Network([Dense([[1.0]], [0.0]), reference.Abs(), Dense([[1.0]], [0.0])])
    posterior = DGN(network, 0.1).posterior([[2.0]])
    assert abs(network(posterior.mean())[0, 0]) < 1e-12
    assert posterior.reconstruction()[0, 0] > 1.5


def test_layers_after_the_last_bend_are_applied_to_the_mean():
    """Where a network ends in layers that only reshape, or in a block, or in a nonlinearity."""
    first = Dense(np.arange(8.0).reshape(4, 2) / 8, [0.5, -0.5, 0.25, 0.0])
    block = Residual([Dense(np.eye(4) / 2, np.ones(4))])
    ends = ([Reshape((1, 2, 2))], [Reshape((2, 2, 1)), Flatten()], [block], [])
    for end in ends:
        dgn = DGN(Network([first, ReLU(), *end]), 0.3)
        twin = DGN(dgn.network, 0.3, partition="local")
        reader = reference.DGN(dgn.network, 0.3)
        X = dgn.rvs(2, random_state=0)
        for other in (twin, reader):
            np.testing.assert_allclose(other.score(X), dgn.score(X), atol=1e-9)


def test_pieces_are_summed_as_a_whole(monkeypatch):
    """A few pairs at a time."""
    dgn = models(2, FULL)["fast"]
    X = dgn.rvs(3, random_state=5)
    posterior = dgn.posterior(X)
    whole = posterior.reconstruction(), posterior.reconstruction_cov()
    monkeypatch.setattr(reconstruction, "_CHUNK", 20)
    again = dgn.posterior(X)
    np.testing.assert_allclose(again.reconstruction(), whole[0], rtol=1e-13)
    np.testing.assert_allclose(again.reconstruction_cov(), whole[1], rtol=1e-12, atol=1e-14)


def test_matrices_that_are_too_large_are_refused():
    dgn = DGN(Network.random([2, 3, 50], random_state=0), 0.5, max_memory=2e5)
    posterior = dgn.posterior(dgn.rvs(20, random_state=0))
    with pytest.raises(ValueError, match=r"reconstruction_cov\(\) takes .*diagonal=True"):
        posterior.reconstruction_cov()
    assert posterior.reconstruction_cov(diagonal=True).shape == (20, 50)


@pytest.mark.parametrize("partition", ["full", "local"])
def test_needles_are_refused_before_rounding_hides_them(partition):
    """One observed coordinate of two latent ones: z is spread along, and thin across. What is told
    has six digits."""

    def across(steep):
        """Cov[g(z) | x] in variances of the noise: steep² 2 / (1 + 2 steep²) for a plane."""
        network = Network([Dense([[steep, steep]], [0.0])])
        posterior = DGN(network, 1.0, partition=partition).posterior([[0.5]])
        return posterior.reconstruction_cov()[0, 0, 0]

    for steep in (1.0, 1e2, 1e4):
        exact = 2 * steep**2 / (1 + 2 * steep**2)
        assert abs(across(steep) - exact) < 1e-13 + 4 * 2.3e-16 * 2 * steep**2
    with pytest.raises(ArithmeticError, match=r"rounding leaves .* draws from posterior\.rvs"):
        across(1e5)


def test_small_noise_alone_is_no_reason():
    """What is spread wide has its digits, however small the noise: of z2 nothing is observed."""
    dgn = DGN(Network([Dense([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])]), [1.0, 1e-14])
    posterior = dgn.posterior([[0.0, np.nan]])
    np.testing.assert_allclose(posterior.reconstruction_cov()[0], [[0.5, 0], [0, 1]], atol=1e-12)
    found = posterior.reconstruction_cov(diagonal=True)
    np.testing.assert_allclose(found, [[0.5, 1.0]], atol=1e-12)
