"""A model with two or more latent dimensions: identities, closed forms, and what is left out."""

import numpy as np
import pytest
from scipy import stats

import fast
import reference
from oracle.checks.implementations import network_from
from oracle.models.architectures import random_network
from reference.model import Dense, LeakyReLU, Network, ReLU

COVARIANCES = {
    "scalar": 0.3,
    "diagonal": np.array([0.2, 0.5]),
    "full": np.array([[0.4, 0.1], [0.1, 0.3]]),
}


def score(dgn, points):
    """∇_x log p(x) by central differences of eighth order: errors below 1e-11 here."""
    step = 0.02
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    columns = []
    for axis in np.eye(points.shape[1]):
        total = sum(
            w * (dgn.logpdf(points + j * step * axis) - dgn.logpdf(points - j * step * axis))
            for j, w in weights.items()
        )
        columns.append(total / step)
    return np.stack(columns, axis=1)


def expected_image(dgn, points):
    """E[g(z) | x], (N, D)."""
    partition, posterior = dgn.partition(), dgn.posterior(points)
    image = np.einsum("rds,nrs->nd", partition.slopes, posterior.e1)
    return image + posterior.e0 @ partition.offsets


def full(cov, dimension):
    """A covariance as a matrix."""
    cov = np.asarray(cov)
    return cov if cov.ndim == 2 else cov * np.eye(dimension)


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize("latent", [2, 3])
def test_implementations_agree(latent, kind):
    """Two ways of integrating that have nothing in common. The reference's bounds on its own error
    are below 1e-9; measured over 40 networks: 2e-14 in log p, 2e-11 in moments."""
    widths = [2, 4, 3, 2] if latent == 2 else [3, 3, 2]
    network = Network.random(widths, LeakyReLU(0.1), random_state=7)
    cov_z = np.array([[1.0, 0.3, 0.1], [0.3, 0.8, 0.0], [0.1, 0.0, 1.5]])[:latent, :latent]
    one, other = (impl.DGN(network, COVARIANCES[kind], cov_z) for impl in (reference, fast))
    points = one.rvs(3, 1)
    assert other.logpdf(points) == pytest.approx(one.logpdf(points), rel=1e-12, abs=1e-12)
    mine, theirs = one.posterior(points), other.posterior(points)
    assert theirs.e0 == pytest.approx(mine.e0, abs=1e-12)
    assert theirs.e1 == pytest.approx(mine.e1, abs=1e-11)
    assert theirs.e2 == pytest.approx(mine.e2, abs=1e-10)
    assert theirs.entropy() == pytest.approx(mine.entropy(), abs=1e-10)
    assert theirs.mode() == pytest.approx(mine.mode(), abs=1e-12)
    assert other.mean() == pytest.approx(one.mean(), abs=1e-12)
    assert other.cov() == pytest.approx(one.cov(), abs=1e-11)
    sums, others = one.statistics(points), other.statistics(points)
    for name in ("loglik", "e0", "e1", "e2", "residual0", "residual1", "scatter"):
        assert getattr(others, name) == pytest.approx(getattr(sums, name), abs=1e-10), name
    q_mean, q_cov = (
        np.zeros((3, latent)),
        np.broadcast_to(0.4 * np.eye(latent), (3, latent, latent)),
    )
    bound = one.elbo(points, q_mean, q_cov)
    assert other.elbo(points, q_mean, q_cov) == pytest.approx(bound, rel=1e-11)
    gradients = one.gradient(points), other.gradient(points)
    for name, value in gradients[0].items():
        assert gradients[1][name] == pytest.approx(value, abs=1e-10), name


@pytest.mark.parametrize("seed", range(24))
def test_identities_on_random_networks(seed):
    """All layer kinds, S = 2 and 3: prior masses and responsibilities sum to 1 within 1e-11."""
    network = network_from(random_network(3 * (seed // 2) + 1 + seed % 2).layers)
    latent, observed = network.latent_dimension, network.observed_dimension
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((latent, latent))
    dgn = fast.DGN(network, 0.5, root @ root.T + 0.1 * np.eye(latent))
    mass, _, _ = dgn._model.prior_on_regions()
    assert mass.sum() == pytest.approx(1.0, abs=1e-11)
    points = np.concatenate([dgn.rvs(3, seed), 30 * rng.standard_normal((1, observed))])
    posterior = dgn.posterior(points)
    assert posterior.e0.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-11)
    assert np.all(posterior.skipped <= 1e-15)
    values = np.linalg.eigvalsh(posterior.cov())
    assert np.all(values >= -1e-14 * values.max(axis=1, keepdims=True))
    # Bayes: log p(x, z) - log p(z | x) = log p(x), at any z.
    latents = posterior.rvs(2, 0)
    joint = posterior.logpdf(latents) + dgn.logpdf(points)[:, None]
    residual = points[:, None] - network(latents.reshape(-1, latent)).reshape(4, 2, -1)
    direct = stats.multivariate_normal(np.zeros(latent), dgn.cov_z).logpdf(latents)
    direct = direct - 0.5 * (residual**2).sum(axis=2) / 0.5 - 0.5 * observed * np.log(np.pi)
    assert joint == pytest.approx(direct, rel=1e-11, abs=1e-10)


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize("latent", [2, 3])
def test_score(latent, kind):
    """∇_x log p(x) = Σx^-1 (E[g(z) | x] - x), within 1e-11."""
    widths = [2, 5, 4, 2] if latent == 2 else [3, 3, 2]
    dgn = fast.DGN(Network.random(widths, ReLU(), random_state=3), COVARIANCES[kind])
    points = dgn.rvs(2, 0)
    exact = np.linalg.solve(full(dgn.cov_x, 2), (expected_image(dgn, points) - points).T).T
    assert score(dgn, points) == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize(("latent", "width"), [(2, 5), (3, 2)])
def test_the_density_integrates_to_one(latent, width):
    """∫ p(x) dx = 1 for D = 1, within 1e-11: smooth at the scale of the noise."""
    dgn = fast.DGN(Network.random([latent, width, 1], ReLU(), random_state=2), 0.3)
    centre, spread = dgn.mean()[0], np.sqrt(dgn.cov()[0, 0])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = centre + spread * np.linspace(-10, 15, 26)
    x = (edges[:-1, None] + np.diff(edges)[:, None] * (nodes + 1) / 2).ravel()
    density = np.exp(dgn.logpdf(x[:, None]))
    total = density @ np.outer(np.diff(edges) / 2, weights).ravel()
    assert total == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize("latent", [2, 3])
def test_marginal_moments_by_simulation(latent):
    """Mean and covariance of p(x) against 10^6 draws: five standard errors each, a false alarm in
    10^5; errors of 0.6 % of a standard deviation would show."""
    dgn = fast.DGN(Network.random([latent, 6, 5, 2], ReLU(), random_state=1), COVARIANCES["full"])
    draws = dgn.rvs(1_000_000, 4)
    centred = draws - dgn.mean()
    assert np.all(np.abs(centred.mean(axis=0)) <= 5 * draws.std(axis=0) / 1e3)
    products = centred[:, :, None] * centred[:, None, :]
    errors = products.std(axis=0) / 1e3
    assert np.all(np.abs(products.mean(axis=0) - dgn.cov()) <= 5 * errors)


@pytest.fixture(scope="module")
def linear():
    """A network without bends is probabilistic PCA: everything is a Gaussian in closed form."""
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((4, 3)), rng.standard_normal(4)
    return weight, bias, fast.DGN(Network([Dense(weight, bias)]), 0.2, np.diag([1.0, 2.0, 0.5]))


def test_linear_network(linear):
    weight, bias, dgn = linear
    points = dgn.rvs(5, 0)
    marginal = stats.multivariate_normal(bias, 0.2 * np.eye(4) + weight @ dgn.cov_z @ weight.T)
    assert dgn.logpdf(points) == pytest.approx(marginal.logpdf(points), rel=1e-13)
    cov = np.linalg.inv(np.linalg.inv(dgn.cov_z) + weight.T @ weight / 0.2)
    mean = (points - bias) @ weight @ cov / 0.2
    posterior = dgn.posterior(points)
    assert posterior.mean() == pytest.approx(mean, rel=1e-12)
    assert posterior.mode() == pytest.approx(mean, rel=1e-12)
    assert posterior.cov() == pytest.approx(np.broadcast_to(cov, (5, 3, 3)), rel=1e-12)
    entropy = stats.multivariate_normal(np.zeros(3), cov).entropy()
    assert posterior.entropy() == pytest.approx(entropy, rel=1e-13)
    q_mean, q_cov = np.ones((5, 3)), np.broadcast_to(np.diag([0.3, 0.1, 0.7]), (5, 3, 3))
    away = mean - q_mean
    divergence = 0.5 * (
        np.einsum("nij,ji->n", q_cov, np.linalg.inv(cov))
        + np.einsum("ni,ij,nj->n", away, np.linalg.inv(cov), away)
        - 3
        + np.log(np.linalg.det(cov) / np.linalg.det(q_cov))
    )
    assert dgn.kl(points, q_mean, q_cov) == pytest.approx(divergence, rel=1e-11)
    assert dgn.cov() == pytest.approx(marginal.cov, rel=1e-12)
    least_squares = np.linalg.lstsq(weight, (points - bias).T, rcond=None)[0].T
    assert dgn.zero_noise_latent(points) == pytest.approx(least_squares, rel=1e-10)


@pytest.fixture(scope="module")
def model():
    """[2, 16, 16, 2], 450 regions, and 16 points: drawn, random, and far away."""
    network = Network.random([2, 16, 16, 2], random_state=0)
    dgn = fast.DGN(network, 0.01)
    rng = np.random.default_rng(1)
    points = [dgn.rvs(8, 0), 3 * rng.standard_normal((5, 2)), 1e3 * rng.standard_normal((3, 2))]
    return dgn, np.concatenate(points)


def test_what_is_left_out(model):
    """It is less than what is said."""
    dgn, points = model
    whole = fast.DGN(dgn.network, dgn.cov_x, negligible=0.0)
    posterior, everything = dgn.posterior(points), whole.posterior(points)
    assert np.all(everything.skipped == 0)
    assert np.all(posterior.skipped <= 1e-15)
    out = np.isneginf(posterior.log_e0)
    assert 0.3 < out.mean() < 1
    left = np.where(out, everything.e0, 0.0).sum(axis=1)
    assert np.all(left <= posterior.skipped)
    size = np.maximum(1.0, np.abs(dgn.logpdf(points)))
    assert np.all(np.abs(dgn.logpdf(points) - whole.logpdf(points)) <= 3e-14 * size)
    assert np.all(np.isnan(posterior.region_mean[out]))
    assert posterior.mean() == pytest.approx(everything.mean(), rel=1e-11)


def test_more_may_be_left_out(model):
    dgn, points = model
    loose = fast.DGN(dgn.network, dgn.cov_x, negligible=1e-3)
    skipped = loose.posterior(points).skipped
    assert np.all(skipped <= 1e-3)
    assert skipped.max() > 1e-6
    gap = dgn.logpdf(points) - loose.logpdf(points)
    assert np.all(gap >= -1e-12 * np.abs(dgn.logpdf(points)))
    assert np.all(gap <= -np.log1p(-skipped) + 1e-12 * np.abs(dgn.logpdf(points)))


def test_far_shares_are_differences_of_squares():
    """At 1e6 standard deviations shares would round by ε |log p| = 1e-4: the gradient along the
    manifold vanishes for points that differ across it only."""
    network = Network.random([2, 6, 5, 3], random_state=5)
    dgn = fast.DGN(network, 1e-4)
    near = dgn.rvs(3, 0)
    posterior = dgn.posterior(near + 1e4)
    assert posterior.e0.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-11)
    assert np.all(dgn.logpdf(near + 1e4) < -1e11)


def test_no_draw_is_more_likely_than_the_mode(model):
    dgn, points = model
    posterior = dgn.posterior(points)
    mode = posterior.mode()
    at_mode = posterior.logpdf(mode[:, None])[:, 0]
    rng = np.random.default_rng(0)
    for size in (1e-6, 1e-3, 0.1, 1.0, 3.0):
        others = mode[:, None] + size * rng.standard_normal((len(points), 200, 2))
        slack = 1e-12 * np.maximum(1.0, np.abs(at_mode + dgn.logpdf(points)))
        assert np.all(posterior.logpdf(others).max(axis=1) <= at_mode + slack)
    assert np.all(posterior.logpdf(posterior.rvs(500, 1)).max(axis=1) <= at_mode + slack)


@pytest.mark.parametrize("seed", range(6))
def test_zero_noise_limit(impl, seed):
    """No other latent is nearer, and the mode goes there as the noise vanishes [Lemma 2]."""
    observed = 1 + seed % 3
    network = Network.random([2, 4, 3, observed], random_state=seed)
    cov_x = np.diag(np.arange(1.0, observed + 1))
    dgn = impl.DGN(network, cov_x)
    points = dgn.rvs(4, seed)
    limit = dgn.zero_noise_latent(points)

    def distance(latents):
        residual = points - network(latents)
        return ((residual @ np.linalg.inv(cov_x)) * residual).sum(axis=1)

    best = distance(limit)
    rng = np.random.default_rng(seed)
    for size in np.repeat([1e-4, 1e-2, 0.3, 3.0], 100):
        assert np.all(distance(limit + size * rng.standard_normal(limit.shape)) >= best - 1e-12)
    mode = fast.DGN(network, 1e-10 * cov_x).posterior(points).mode()
    assert np.all(best <= distance(mode) + 1e-12)


def test_zero_noise_beside_a_flat_region(impl):
    """0 lies in a region of constant g, whose image is the nearest; in the next one only the facet
    between them has it, and a point beyond that, off by rounding, was taken for nearer."""
    first = [[-0.9499902, 0.5411192, 1.3417333], [-1.5333347, -0.2278639, 0.3058562]]
    network = Network(
        [
            Dense(first, [-0.9720214, 0.9494989]),
            ReLU(),
            Dense([[-1.0, -1.0], [-2.0, -2.0]], [0.6250151, 1.1130469]),
            ReLU(),
        ]
    )
    X = np.random.default_rng(0).uniform(-0.5, -0.01, (20, 2))
    found = impl.DGN(network, [0.2987756, 0.1534281]).zero_noise_latent(X)
    assert np.all(network(np.zeros((1, 3))) == 0)
    np.testing.assert_allclose(found, np.zeros((20, 3)), rtol=0, atol=1e-12)


def test_zero_noise_where_all_is_flat(impl):
    """g is constant where no unit is on: of all those z the prior's most likely is taken."""
    weight = np.eye(2)
    network = Network([Dense(weight, [-1.0, -1.0]), ReLU(), Dense(weight, [0.0, 0.0])])
    dgn = impl.DGN(network, 1.0)
    assert dgn.zero_noise_latent([[-3.0, -2.0]]) == pytest.approx(np.zeros((1, 2)), abs=1e-12)
    assert dgn.zero_noise_latent([[2.0, -5.0]]) == pytest.approx(np.array([[3.0, 0.0]]), abs=1e-12)


@pytest.mark.parametrize("latent", [2, 3])
def test_gradient_by_finite_differences(latent):
    """Every parameter, full Σx: 1e-7 relative, the error of the differences."""
    widths = [2, 4, 3, 2] if latent == 2 else [3, 3, 2]
    network = Network.random(widths, LeakyReLU(0.2), random_state=6)
    dgn = fast.DGN(network, COVARIANCES["full"])
    points = dgn.rvs(3, 2)
    exact, step = dgn.gradient(points), 1e-5
    for name, value in dgn.parameters().items():
        if name in ("cov_x", "cov_z"):
            continue
        for place in np.ndindex(value.shape):
            change = np.zeros_like(value)
            change[place] = step
            above, below = (
                dgn.with_parameters({name: value + sign * change}).logpdf(points).mean()
                for sign in (1, -1)
            )
            assert exact[name][place] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_four_dimensions():
    """S = 4: closed where the network is linear on both sides of one plane, and the error told."""
    network = Network.random([4, 3, 2], ReLU(), random_state=0)
    dgn = fast.DGN(network, 0.5)
    points = dgn.rvs(3, 0)
    posterior = dgn.posterior(points)
    assert posterior.e0.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-11)
    mass, _, _ = dgn._model.prior_on_regions()
    assert mass.sum() == pytest.approx(1.0, abs=1e-7)
    latents = np.random.default_rng(0).standard_normal((400_000, 4))
    residual = points[:, None] - network(latents)
    weights = np.exp(-(residual**2).sum(axis=2)) / np.pi
    errors = weights.std(axis=1) / weights.mean(axis=1) / np.sqrt(400_000)
    assert np.all(np.abs(np.log(weights.mean(axis=1)) - dgn.logpdf(points)) <= 5 * errors)


def test_too_many_dimensions():
    dgn = fast.DGN(Network.random([7, 8, 2], ReLU(), random_state=0), 1.0)
    with pytest.raises(ValueError, match="at most 6 latent dimensions, it has 7"):
        dgn.logpdf(np.zeros((1, 2)))


@pytest.mark.parametrize("bad", [-1e-3, np.nan, 0.01, 1.0, 2.0, True, False, np.True_, "no", [0.0]])
def test_negligible_is_a_share(bad):
    with pytest.raises(ValueError, match=r"^negligible: "):
        fast.DGN(Network.random([2, 3, 2], random_state=0), 1.0, negligible=bad)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_covariance_of_p_x_integrates_over_the_prior_once(latent, monkeypatch):
    dgn = fast.DGN(Network.random([latent, 4, 2], random_state=0), 1.0)
    calls, integrate = [], dgn._model.prior_on_regions
    monkeypatch.setattr(dgn._model, "prior_on_regions", lambda: calls.append(0) or integrate())
    dgn.cov()
    assert len(calls) == 1


FAR = np.array([[0.3, -1.0, 2.0]])


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_data_whose_squares_overflow_are_refused(latent):
    dgn = fast.DGN(Network.random([latent, 6, 5, 3], ReLU(), random_state=1), 0.1)
    for method in (dgn.logpdf, dgn.posterior, dgn.statistics, dgn.zero_noise_latent):
        with pytest.raises(ArithmeticError, match=r"^X: a datum is too far"):
            method(FAR * 1e160)


@pytest.mark.parametrize("cov_x", [1e-6, 1e-12, 1e-16, 1e-20])
def test_far_data_that_double_precision_holds(cov_x):
    """log p(x) -> -‖x - g(z*)‖²/(2σ²) with little noise, to the size of the constants; beside 1e20
    standard deviations to the last digits."""
    dgn = fast.DGN(Network.random([2, 6, 5, 3], ReLU(), random_state=1), cov_x)
    away = FAR - dgn.network(dgn.zero_noise_latent(FAR))
    expected = -0.5 * np.sum(away**2) / cov_x
    assert dgn.logpdf(FAR)[0] == pytest.approx(expected, rel=1e-14, abs=100.0)
