"""The zero-noise limit [Lemma 2, Proposition 3]: least squares over all regions, ties by the
prior."""

import numpy as np
import pytest

from reference import DGN, Abs, Dense, LeakyReLU, Network, ReLU
from reference.distributions.marginal import posterior_mode

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
    for bad in (np.zeros((2, 4)), np.full((1, 3), np.inf), np.zeros((0, 3))):
        with pytest.raises(ValueError, match="X"):
            dgn.zero_noise_latent(bad)


def line_of(latent, biases, heights, offset):
    """x = offset + Σ heights relu(±z_1 + biases): four units rise with z_1, the fifth falls."""
    weight = np.zeros((5, latent))
    weight[:, 0] = [1, 1, 1, 1, -1]
    return Network([Dense(weight, biases), ReLU(), Dense([heights], [offset])])


@pytest.mark.parametrize("latent", [1, 2])
def test_a_steep_region_elsewhere_does_not_blur_the_others(impl, latent):
    """Terms of 1e11 where z_1 > 20; the image of [-0.55 + 3.1, ...] is x itself."""
    network = line_of(latent, [-1.0, -2.0, -20.0, 0.0, 0.0], [2.0, -3.0, 1e5, -1.0, 1.0], 1.1)
    found = impl.DGN(network, 0.1).zero_noise_latent([[0.0]])
    assert found[0] == pytest.approx(np.r_[2.55, np.zeros(latent - 1)], abs=1e-12)


@pytest.mark.parametrize("gap", [1e-9, 3e-8, 5e-7, 2e-6])
def test_near_ties_are_none(impl, gap):
    """At z_1 = 1 the image misses x by the gap, at 3 it does not, though the prior prefers 1."""
    heights = [2.0, -(2 + gap), 2 + gap, -1.0, 1.0]
    network = line_of(2, [-1.0, -2.0, -3.0, 0.0, 0.0], heights, 2 + gap)
    found = impl.DGN(network, 0.1).zero_noise_latent([[1.0]])
    assert found[0] == pytest.approx([3.0, 0.0], abs=1e-8)


@pytest.mark.parametrize("exponent", [4, 12, 100])
def test_far_data(impl, exponent):
    """What is nearest no longer changes with the distance: it is where the direction of x points.
    The images of the z that are compared differ by 1e-1, distances by rounding from 1e12 on."""
    network = Network.random([2, 6, 5, 3], ReLU(), random_state=1)
    x = np.array([[0.3, -1.0, 2.0]])
    settled = np.array([[1.3506114, 0.2174577]])
    found = impl.DGN(network, 0.1).zero_noise_latent(x * 10.0**exponent)
    assert found == pytest.approx(settled, abs=1e-6)


@pytest.mark.parametrize("exponent", [0, 12])
@pytest.mark.parametrize("seed", range(2))
def test_brute_force_by_differences_of_squares(impl, seed, exponent):
    """No z of 20,000 has a nearer image, to 1e-12 of the images' own size however far x is; a
    candidate of another region, of an image O(1) away, would be off by 1e-3 and more."""
    dgn = DGN(Network.random([2, 6, 5, 3], ReLU(), seed), model(1)[0].cov_x)
    rng = np.random.default_rng([seed, exponent])
    white = np.linalg.inv(np.linalg.cholesky(dgn.cov_x)).T
    for x in rng.standard_normal((1, 3)) * 10.0**exponent:
        z = impl.DGN(dgn.network, dgn.cov_x).zero_noise_latent(x[None])
        Z = rng.standard_normal((20_000, z.shape[1])) * 10.0 ** rng.uniform(-1, 1, (20_000, 1))
        found, others = dgn.network(z), dgn.network(np.vstack([Z, z + 1e-3 * Z]))
        apart, both = (others - found) @ white, (2 * x - found - others) @ white
        nearer = np.einsum("nd,nd->n", apart, both) / (1 + np.linalg.norm(both, axis=1))
        size = 1 + np.linalg.norm(found @ white) + np.linalg.norm(z)
        assert nearer.max() <= 1e-12 * size
