"""The zero-noise limit [Lemma 2, Proposition 3]: least squares over all regions, ties by the
prior."""

import numpy as np
import pytest

from reference import DGN, Abs, Dense, LeakyReLU, Network, ReLU
from reference.distributions import posterior_mode

NETWORKS = [
    ([1, 5, 3], LeakyReLU(0.1)),
    ([2, 4, 3], LeakyReLU(0.1)),
    ([2, 4, 3, 2], ReLU()),
    ([2, 4, 1], Abs()),
    ([3, 4, 2], ReLU()),
]


def model(index, cov_x=None):
    """A model with correlated prior and noise, and data near its manifold and away from it."""
    widths, activation = NETWORKS[index]
    rng = np.random.default_rng([index, 3])
    latent, observed = widths[0], widths[-1]
    prior, noise = rng.standard_normal((latent, latent)), rng.standard_normal((observed, observed))
    network = Network.random(widths, activation, index)
    dgn = DGN(
        network, noise @ noise.T + 0.3 * np.eye(observed), prior @ prior.T + 0.3 * np.eye(latent)
    )
    return dgn, np.vstack([network(rng.standard_normal((3, latent))), dgn.rvs(3, rng)])


def distances(dgn, x, Z):
    """(x - g(z))ᵀ Σx^-1 (x - g(z)) for rows of Z."""
    away = x - dgn.network(Z)
    return np.einsum("nd,nd->n", away, np.linalg.solve(dgn.cov_x, away.T).T)


@pytest.mark.parametrize("index", range(len(NETWORKS)))
def test_nothing_is_nearer(index):
    """No other z, far or near, has an image nearer to x."""
    dgn, X = model(index)
    rng = np.random.default_rng(index)
    found = dgn.zero_noise_latent(X)
    latent = found.shape[1]
    far = rng.standard_normal((20_000, latent)) * 10.0 ** rng.uniform(-1, 1.5, (20_000, 1))
    steps = rng.standard_normal((3_000, latent)) * 10.0 ** rng.uniform(-8, 0, (3_000, 1))
    for x, z in zip(X, found, strict=True):
        value = distances(dgn, x, z[None])[0]
        size = x @ np.linalg.solve(dgn.cov_x, x) + 1.0
        assert value <= distances(dgn, x, np.vstack([far, z + steps])).min() + 1e-13 * size


@pytest.mark.parametrize("index", range(len(NETWORKS)))
def test_on_the_manifold(index):
    """For x = g(z) the distance is 0, and no z of the same image is likelier under the prior."""
    dgn, _ = model(index)
    truth = np.random.default_rng(index).standard_normal((3, NETWORKS[index][0][0]))
    X = dgn.network(truth)
    found = dgn.zero_noise_latent(X)
    np.testing.assert_allclose(dgn.network(found), X, atol=1e-12)
    precision = np.linalg.inv(dgn.cov_z)
    quadratic = [np.einsum("ni,ij,nj->n", z, precision, z) for z in (found, truth)]
    assert np.all(quadratic[0] <= quadratic[1] + 1e-11)


@pytest.mark.parametrize("index", range(len(NETWORKS)))
def test_it_is_the_limit_of_the_mode(index):
    """argmax p(z | x) with noise σ² Σx differs by O(σ²), where slopes are singular too."""
    dgn, X = model(index)
    limit = dgn.zero_noise_latent(X)
    errors = []
    for variance in (1e-4, 1e-6):
        cov_x = variance * dgn.cov_x
        modes = [posterior_mode(x, dgn.partition(), cov_x, dgn.cov_z) for x in X]
        errors.append(np.linalg.norm(modes - limit, axis=1))
    size = 1 + np.linalg.norm(limit, axis=1)
    assert np.all(errors[1] < 0.02 * errors[0] + 1e-8 * size)
    assert np.all(errors[1] < 0.01 * size)


def test_flat_regions():
    """All units off: every z of the quadrant has the same image; the one nearest 0 is 0, whatever
    the prior, and with a shifted quadrant the one on its edge that the prior prefers."""
    relu = Network([Dense(np.eye(2), np.zeros(2)), ReLU(), Dense(np.eye(2), np.zeros(2))])
    x = np.array([[-1.0, -2.0]])
    np.testing.assert_allclose(DGN(relu, 0.1).zero_noise_latent(x), [[0.0, 0.0]], atol=1e-14)
    moved = relu.with_parameters({"0.bias": np.array([1.0, 0.0])})
    cov_z = np.array([[1.0, 0.8], [0.8, 1.0]])
    # z_1 <= -1, z_2 <= 0: given z_1 = -1 the prior's best z_2 is -0.8.
    found = DGN(moved, 0.1, cov_z).zero_noise_latent(x)
    np.testing.assert_allclose(found, [[-1.0, -0.8]], atol=1e-13)
    # The printed regulariser zᵀ Σz z would prefer (-1, 0), of the same image.
    assert found[0] @ cov_z @ found[0] > 2.9 > np.array([-1.0, 0.0]) @ cov_z @ [-1.0, 0.0]


def test_ties_between_regions():
    """|z| has two preimages of x = 1: the prior cannot choose, and z with |z - ½| it can."""
    fold = Network([Dense([[1.0]], [-0.5]), Abs(), Dense([[1.0]], [0.0])])
    np.testing.assert_allclose(DGN(fold, 0.1).zero_noise_latent([[2.0]]), [[-1.5]], atol=1e-14)
    plane = Network([Dense([[0.6, 0.8]], [-0.5]), Abs(), Dense([[1.0]], [0.0])])
    found = DGN(plane, 0.1).zero_noise_latent([[2.0]])
    np.testing.assert_allclose(found, [[-0.9, -1.2]], atol=1e-14)


def test_the_noise_is_the_metric():
    """With unequal noise the nearest image is nearest in Σx^-1."""
    line = Network([Dense([[1.0], [1.0]], [0.0, 0.0])])
    found = DGN(line, np.array([1.0, 100.0])).zero_noise_latent([[1.0, 0.0]])
    np.testing.assert_allclose(found, [[100 / 101]], rtol=1e-13)


def test_bad_input():
    dgn, _ = model(1)
    for bad in (np.zeros((2, 4)), np.full((1, 3), np.nan), np.zeros((0, 3))):
        with pytest.raises(ValueError, match="X"):
            dgn.zero_noise_latent(bad)
