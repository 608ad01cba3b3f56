"""Marginal, bounds and expectations against closed forms, quadrature, sampling and identities."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats
from shared_models import covariance

import fast
import reference
from reference import Abs, Dense, LeakyReLU, Network, ReLU
from reference.distributions.prior import gaussian_on_region

ACTIVATIONS = [ReLU(), LeakyReLU(0.1), Abs()]
STRUCTURES = ["scalar", "diagonal", "full"]


def full(cov_x, dimension):
    """Σx as a matrix."""
    cov_x = np.asarray(cov_x)
    return cov_x if cov_x.ndim == 2 else np.diag(np.broadcast_to(cov_x, (dimension,)))


def model(impl, seed=0, widths=(1, 5, 4, 3), activation=None, structure="diagonal", cov_z=1.7):
    """A random model with Σz ≠ 1."""
    network = Network.random(widths, activation or LeakyReLU(0.1), seed)
    return impl.DGN(
        network, covariance(structure, widths[-1], np.random.default_rng(seed), 0.3), cov_z
    )


def data(dgn, count, seed=1):
    """Points from the model, and as many several deviations away from it."""
    X = fast.DGN(dgn.network, dgn.cov_x, dgn.cov_z).rvs(count, seed)
    return np.concatenate([X, 3 * X + 2])


# A generator that is affine: probabilistic PCA


def affine_networks():
    """Generators that are x = A z + b wherever p(z) > 1e-300, each with its A and b."""
    rng = np.random.default_rng(3)
    weight, bias = rng.standard_normal((3, 1)), rng.standard_normal(3)
    lift, shift = rng.standard_normal((4, 1)), rng.standard_normal(4)
    last = rng.standard_normal((3, 4))
    # Units that switch at 80 and -80, where log p(z) is below -1800 for Σz = 1.7.
    away = Dense([[1.0], [-1.0]], [80.0, 80.0])
    return {
        "one layer": (Network([Dense(weight, bias)]), weight, bias),
        "two layers": (
            Network([Dense(lift, shift), Dense(last, bias)]),
            last @ lift,
            last @ shift + bias,
        ),
        "never switches": (
            Network([away, ReLU(), Dense(np.hstack([weight, -weight]) / 2, bias)]),
            weight,
            bias,
        ),
        # Slope 1 on both sides: regions everywhere, and one Gaussian.
        "slope 1": (
            Network([Dense(lift, shift), LeakyReLU(1.0), Dense(last, bias)]),
            last @ lift,
            last @ shift + bias,
        ),
    }


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("name", affine_networks())
def test_affine_generator_is_ppca(impl, name, structure):
    """log p, posterior and marginal moments of an affine generator have closed forms.

    The closed forms solve with the matrix Σx + A Σz Aᵀ of condition number below 1e3: 1e-12.
    """
    network, slope, offset = affine_networks()[name]
    cov_x, cov_z = covariance(structure, 3, np.random.default_rng(5), 0.3), 1.7
    dgn = impl.DGN(network, cov_x, cov_z)
    X = data(dgn, 4)
    total = full(cov_x, 3) + cov_z * slope @ slope.T
    expected = stats.multivariate_normal(offset, total).logpdf(X)
    np.testing.assert_allclose(dgn.logpdf(X), expected, rtol=1e-12)
    np.testing.assert_allclose(dgn.mean(), offset, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dgn.cov(), total, rtol=1e-12, atol=1e-13)

    gain = cov_z * slope.T @ np.linalg.inv(total)
    variance = cov_z - (gain @ slope).item() * cov_z
    posterior = dgn.posterior(X)
    np.testing.assert_allclose(posterior.mean(), (X - offset) @ gain.T, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(posterior.cov()[:, 0, 0], variance, rtol=1e-11)
    np.testing.assert_allclose(posterior.mode(), (X - offset) @ gain.T, rtol=1e-11, atol=1e-12)
    entropy = 0.5 * np.log(2 * np.pi * np.e * variance)
    np.testing.assert_allclose(posterior.entropy(), entropy, atol=1e-12)


@pytest.mark.parametrize("name", affine_networks())
def test_kl_of_the_exact_gaussian_is_zero(impl, name):
    """For an affine generator the exact posterior is Gaussian, and q = it has no gap."""
    network, slope, offset = affine_networks()[name]
    dgn = impl.DGN(network, 0.3, 1.7)
    X = data(dgn, 3)
    variance = 1 / (1 / 1.7 + (slope.T @ slope).item() / 0.3)
    mean = variance * (X - offset) @ slope / 0.3
    gap = dgn.kl(X, mean, np.full((len(X), 1), variance))
    # log p reaches -100 here, and the gap is a difference of two numbers of that size.
    np.testing.assert_allclose(gap, 0.0, atol=1e-12)


# Sums to one


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_region_weights_sum_to_one(impl, activation):
    """Σ_ω Φ_ω(0, Σz) = 1 [Proposition 1], and Σ_ω e0_ω = 1 for every datum."""
    dgn = model(impl, activation=activation)
    regions = map(dgn.partition().halfspaces, range(dgn.partition().n_regions))
    logs = [impl.gaussian_on_polyhedron(*h, [[0.0]], dgn.cov_z)[0][0] for h in regions]
    assert abs(np.exp(logs).sum() - 1) <= 1e-13
    X = data(dgn, 10)
    np.testing.assert_allclose(dgn.posterior(X).e0.sum(axis=1), 1.0, rtol=1e-13)


def test_an_interval_is_always_resolved():
    """In one latent dimension nothing cancels: a region's Gaussian has no error to tell, however
    far out it is."""
    partition = model(reference).partition()
    for mean in (0.0, 50.0):
        for region in range(partition.n_regions):
            found = gaussian_on_region(region, partition, np.array([mean]), np.array([[0.5]]))
            assert found.resolved is True
            assert (found.mass_error, found.log_error) == (0.0, -np.inf)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_marginal_integrates_to_one(impl, activation):
    """∫ p(x) dx = 1 for D = 1.

    p is a convolution with N(0, σ²): its spectrum falls as exp(-σ²k²/2), and the trapezoidal rule
    at steps of σ/2 errs by exp(-8π²) = 5e-35. Beyond z = ±9 deviations and x ± 9 σ lies 1e-18.
    """
    dgn = model(impl, widths=(1, 5, 4, 1), activation=activation, structure="scalar")
    sigma = float(np.sqrt(dgn.cov_x))
    z = 9 * np.sqrt(1.7) * np.linspace(-1, 1, 2001)
    images = dgn.network(np.append(z, dgn.partition().breakpoints)[:, None])
    x = np.arange(images.min() - 9 * sigma, images.max() + 9 * sigma, sigma / 2)
    assert abs(np.exp(dgn.logpdf(x[:, None])).sum() * sigma / 2 - 1) <= 1e-12


# Derivatives and moments


@pytest.mark.parametrize("structure", STRUCTURES)
def test_score(impl, structure):
    """∇_x log p(x) = Σx^-1 (E[g(z) | x] - x).

    Fourth-order differences at steps h = 1e-3: rounding 1e-13 |log p| / h, truncation h⁴ times the
    fifth derivative: 1e-8 of the largest component bounds both.
    """
    dgn = model(impl, structure=structure)
    X, h = data(dgn, 3), 1e-3
    posterior, found = dgn.posterior(X), dgn.partition()
    image = np.einsum("nrs,rds->nd", posterior.e1, found.slopes) + posterior.e0 @ found.offsets
    expected = np.linalg.solve(full(dgn.cov_x, 3), (image - X).T).T
    differences = np.empty_like(X)
    for d in range(3):
        step = h * np.eye(3)[d]
        near = dgn.logpdf(X + step) - dgn.logpdf(X - step)
        far = dgn.logpdf(X + 2 * step) - dgn.logpdf(X - 2 * step)
        differences[:, d] = (8 * near - far) / (12 * h)
    np.testing.assert_allclose(differences, expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("structure", STRUCTURES)
def test_marginal_moments_by_quadrature(impl, structure):
    """E[g(z)] and Cov[g(z)] + Σx by Gauss-Legendre between the kinks of g.

    40 nodes a panel of at most 1 deviation, to ±12 deviations: exact to rounding, 1e-13.
    """
    dgn = model(impl, structure=structure)
    z, weights = panels(dgn.partition().breakpoints, 0.0, np.sqrt(1.7))
    density = weights * stats.norm(0, np.sqrt(1.7)).pdf(z)
    images = dgn.network(z[:, None])
    mean = density @ images
    cov = (density[:, None] * (images - mean)).T @ (images - mean) + full(dgn.cov_x, 3)
    np.testing.assert_allclose(dgn.mean(), mean, atol=1e-12 * np.abs(mean).max())
    np.testing.assert_allclose(dgn.cov(), cov, atol=1e-12 * np.abs(cov).max())


def panels(breakpoints, means, deviations):
    """Nodes and weights of quadrature, split at the breakpoints and at each deviation.

    means, deviations: scalars or arrays; the range is the hull of all the means ± 12 deviations.
    """
    ends = np.add.outer(np.arange(-12, 13), np.zeros(np.shape(means))) * deviations + means
    inner = breakpoints[(breakpoints > ends.min()) & (breakpoints < ends.max())]
    ends = np.unique(np.concatenate([ends.ravel(), inner]))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    half = 0.5 * np.diff(ends)[:, None]
    return (ends[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()


def test_rvs_of_both_are_equal():
    """The same seed draws the same sample from both, up to rounding."""
    draws = [model(impl, structure="full").rvs(50, 3) for impl in (reference, fast)]
    np.testing.assert_allclose(draws[0], draws[1], rtol=1e-12)


# Invariances: the same distribution, written differently


def dense(network, **changes):
    """The network with some parameters replaced; "w0" stands for "0.weight", and so on."""
    kind = {"w": "weight", "b": "bias"}
    return network.with_parameters({f"{k[1:]}.{kind[k[0]]}": v for k, v in changes.items()})


def rewritten(dgn):
    """Name -> (another network of the same g, its Σz), for a [1, 5, 4, 3] leaky ReLU network."""
    network, p = dgn.network, dgn.network.parameters()
    order = np.array([3, 1, 4, 0, 2])
    scale = np.array([0.1, 3.3, 1.0, 7.0, 1e3])
    halves = [0, 1, 2, 2, 3, 4]
    share = np.array([1.0, 1.0, 0.3, 0.7, 1.0, 1.0])
    first, act, second, *rest = network.layers
    split = [Dense(first.weight[halves], first.bias[halves]), act]
    split += [Dense(second.weight[:, halves] * share, second.bias), *rest]
    through = network.layers[:4]
    last = network.layers[4]
    return {
        "Σz into W": (dense(network, w0=p["0.weight"] * 3), dgn.cov_z / 9),
        "reflected z": (dense(network, w0=-p["0.weight"]), dgn.cov_z),
        "permuted units": (
            dense(
                network, w0=p["0.weight"][order], b0=p["0.bias"][order], w2=p["2.weight"][:, order]
            ),
            dgn.cov_z,
        ),
        "rescaled units": (
            dense(
                network,
                w0=p["0.weight"] * scale[:, None],
                b0=p["0.bias"] * scale,
                w2=p["2.weight"] / scale,
            ),
            dgn.cov_z,
        ),
        "split unit": (Network(split), dgn.cov_z),
        "identity layer": (Network([*through, Dense(np.eye(4), np.zeros(4)), last]), dgn.cov_z),
        "useless kinks": (
            Network(
                [Dense([[1.0]], [-0.3]), LeakyReLU(1.0), Dense([[1.0]], [0.3]), *network.layers]
            ),
            dgn.cov_z,
        ),
    }


@pytest.mark.parametrize("name", rewritten(model(fast)))
def test_reparametrisation(impl, name):
    """Networks that compute the same g have the same log p(x)."""
    dgn = model(impl)
    network, cov_z = rewritten(dgn)[name]
    X = data(dgn, 5)
    got = impl.DGN(network, dgn.cov_x, cov_z).logpdf(X)
    np.testing.assert_allclose(got, dgn.logpdf(X), rtol=2e-12, atol=2e-12)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_affine_change_of_data(impl, structure):
    """x -> M x + t takes Σx to M Σx Mᵀ and log p to log p - log |det M|."""
    dgn = model(impl, structure=structure)
    rng = np.random.default_rng(9)
    matrix, shift = rng.standard_normal((3, 3)) + 2 * np.eye(3), rng.standard_normal(3)
    last = dgn.network.layers[-1]
    moved = dense(dgn.network, w4=matrix @ last.weight, b4=matrix @ last.bias + shift)
    cov_x = matrix @ full(dgn.cov_x, 3) @ matrix.T
    X = data(dgn, 5)
    got = impl.DGN(moved, cov_x, dgn.cov_z).logpdf(X @ matrix.T + shift)
    expected = dgn.logpdf(X) - np.linalg.slogdet(matrix)[1]
    # cond(M Σx Mᵀ) < 1e3 times ε is what is lost.
    np.testing.assert_allclose(got, expected, rtol=1e-11)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_of_the_noise(impl, structure):
    """Scalar, diagonal and full forms of one Σx give one log p(x) and one posterior."""
    dgn = model(impl, structure="scalar")
    variance = float(dgn.cov_x)
    same = {"scalar": variance, "diagonal": np.full(3, variance), "full": variance * np.eye(3)}
    X = data(dgn, 5)
    other = impl.DGN(dgn.network, same[structure], dgn.cov_z)
    np.testing.assert_allclose(other.logpdf(X), dgn.logpdf(X), rtol=1e-13)
    np.testing.assert_allclose(other.posterior(X).e0, dgn.posterior(X).e0, atol=1e-12)


# Tails, chunks, size


@pytest.mark.parametrize("structure", STRUCTURES)
def test_far_tails(structure):
    """log p down to -1e6 and beyond is finite, and both implementations agree to 1e-12."""
    mine, other = model(fast, structure=structure), model(reference, structure=structure)
    directions = np.random.default_rng(4).standard_normal((12, 3))
    X = directions * 10.0 ** np.linspace(1, 4, 12)[:, None]
    log_density = mine.logpdf(X)
    assert np.all(np.isfinite(log_density))
    assert log_density.min() < -1e6
    np.testing.assert_allclose(log_density, other.logpdf(X), rtol=1e-12)


def test_far_tail_posterior_is_normalised(impl):
    """Σ_ω e0_ω = 1 and the mean lies among the region means where log p(x) is -1e6 and beyond.

    The shares of the regions are differences of log masses of size |log p|, and no better than ε
    of it; their sum is 1 whatever the size.
    """
    dgn = model(impl, structure="full")
    X = np.random.default_rng(4).standard_normal((12, 3)) * 10.0 ** np.linspace(1, 4, 12)[:, None]
    total = dgn.posterior(X).e0.sum(axis=1)
    np.testing.assert_allclose(total, 1.0, rtol=1e-13, err_msg=f"log p = {dgn.logpdf(X)}")


def test_chunks_are_invisible():
    """Rows of a large batch equal the rows alone, to the rounding of products of other shapes."""
    dgn = model(fast)
    chunks = len(list(dgn._model.geometry.chunks(20_000)))
    assert chunks > 3
    X = data(dgn, 10_000)
    together = dgn.logpdf(X)
    rows = np.linspace(0, len(X) - 1, 50).astype(int)
    alone = np.concatenate([dgn.logpdf(X[i : i + 1]) for i in rows])
    np.testing.assert_allclose(together[rows], alone, rtol=1e-14, atol=1e-14)
    q = np.zeros((len(X), 1)), np.ones((len(X), 1))
    few = q[0][rows], q[1][rows]
    np.testing.assert_allclose(dgn.elbo(X, *q)[rows], dgn.elbo(X[rows], *few), rtol=1e-14)
    expected = dgn.expected_complete_loglik(X)
    np.testing.assert_allclose(expected[rows], dgn.expected_complete_loglik(X[rows]), rtol=1e-13)


def test_chunks_of_statistics_add_up(impl):
    """The statistics of a data set are the sums of those of its parts."""
    dgn, parts = model(impl), 2
    X = data(dgn, 8)
    whole = dgn.statistics(X)
    halves = [dgn.statistics(part) for part in np.split(X, parts)]
    assert whole.n == sum(half.n for half in halves)
    for name in ("loglik", "e0", "e1", "e2", "residual0", "residual1", "scatter"):
        values = sum(getattr(half, name) for half in halves)
        scale = np.max([np.abs(getattr(half, name)) for half in halves])
        np.testing.assert_allclose(getattr(whole, name), values, atol=1e-12 * scale, err_msg=name)


WIDE = {
    "e0": lambda dgn, X: dgn.posterior(X).e0,
    "region mean": lambda dgn, X: dgn.posterior(X).region_mean,
    "mode": lambda dgn, X: dgn.posterior(X).mode(),
    "posterior logpdf": lambda dgn, X: dgn.posterior(X).logpdf([[0.1], [-0.4]]),
    "entropy": lambda dgn, X: dgn.posterior(X).entropy(),
    # The two draw in different ways: only the memory is compared.
    "posterior draws": lambda dgn, X: np.sign(np.square(dgn.posterior(X).rvs(3, 1))),
    "expected loglik": lambda dgn, X: dgn.expected_complete_loglik(X),
    "kl": lambda dgn, X: dgn.kl(X, np.zeros((2, 1)), np.full((2, 1), 0.5)),
    "mean": lambda dgn, X: dgn.mean(),
    "draws": lambda dgn, X: dgn.rvs(3, 1),
}


@pytest.mark.parametrize("cov_x", [0.2, np.linspace(0.1, 0.3, 784)], ids=["scalar", "diagonal"])
@pytest.mark.parametrize("quantity", WIDE)
def test_high_dimension_without_a_square_matrix(impl, quantity, cov_x):
    """D = 784: the peak stays below one D x D matrix (4.9 MB), and both implementations agree."""
    network = Network.random([1, 6, 784], LeakyReLU(0.1), 0)
    X = fast.DGN(network, cov_x).rvs(2, 0)
    tracemalloc.start()
    got = WIDE[quantity](impl.DGN(network, cov_x), X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 784 * 784 * 8
    # log p is about -500, sums of 784 terms: 1e-12 of that.
    other = WIDE[quantity]((fast if impl is reference else reference).DGN(network, cov_x), X)
    np.testing.assert_allclose(got, other, rtol=1e-11, atol=1e-11)


# Bounds and expectations


def random_q(count, seed=2):
    """Gaussians of all widths, near the prior and far from it."""
    rng = np.random.default_rng(seed)
    return 2 * rng.standard_normal((count, 1)), 10.0 ** rng.uniform(-4, 1, (count, 1))


def log_joint(dgn, x, z):
    """log p(x, z) at z (M,), from the forward pass alone."""
    log_prior = stats.norm(0, np.sqrt(dgn.cov_z[0, 0])).logpdf(z)
    noise = stats.multivariate_normal(np.zeros(len(x)), full(dgn.cov_x, len(x)))
    return log_prior + noise.logpdf(x - dgn.network(z[:, None]))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_elbo_by_quadrature(impl, structure):
    """ELBO = ∫ q (log p(x, z) - log q) dz, panels split at the kinks; at most log p(x)."""
    dgn = model(impl, structure=structure)
    X = data(dgn, 4)
    mean, variance = random_q(len(X))
    got = dgn.elbo(X, mean, variance)
    for x, m, v, value in zip(X, mean[:, 0], variance[:, 0], got, strict=True):
        z, weights = panels(dgn.partition().breakpoints, m, np.sqrt(v))
        log_q = stats.norm(m, np.sqrt(v)).logpdf(z)
        expected = weights * np.exp(log_q) @ (log_joint(dgn, x, z) - log_q)
        assert abs(value - expected) <= 1e-12 * max(1, abs(expected)), (x, m, v)
    assert np.all(got < dgn.logpdf(X))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_kl_by_quadrature(impl, structure):
    """KL = ∫ q (log q - log p(z | x)) dz > 0, and with the ELBO it makes log p(x)."""
    dgn = model(impl, structure=structure)
    X = data(dgn, 4)
    mean, variance = random_q(len(X))
    gap = dgn.kl(X, mean, variance)
    assert np.all(gap > 0)
    evidence = dgn.logpdf(X)
    np.testing.assert_allclose(gap + dgn.elbo(X, mean, variance), evidence, rtol=1e-12)
    for i, (m, v) in enumerate(zip(mean[:, 0], variance[:, 0], strict=True)):
        z, weights = panels(dgn.partition().breakpoints, m, np.sqrt(v))
        log_q = stats.norm(m, np.sqrt(v)).logpdf(z)
        log_posterior = dgn.posterior(X[i : i + 1]).logpdf(z[:, None])[0]
        expected = weights * np.exp(log_q) @ (log_q - log_posterior)
        # KL and log p are of one magnitude at worst: the difference keeps 1e-12 of log p.
        assert abs(gap[i] - expected) <= 1e-12 * max(1, abs(evidence[i]), expected), (i, m, v)


def test_the_best_gaussian_has_the_smallest_kl(impl):
    """Where one region dominates, the posterior's own moments have a smaller KL than others."""
    dgn = impl.DGN(Network.random([1, 5, 2], LeakyReLU(0.1), 0), 1e-4)
    X = dgn.network([[0.4]])
    posterior = dgn.posterior(X)
    moments = posterior.mean(), posterior.cov()
    best = dgn.kl(X, *moments)
    for shift, factor in [(0.5, 1.0), (-0.5, 1.0), (0.0, 2.0), (0.0, 0.5)]:
        deviation = np.sqrt(moments[1][:, 0])
        other = dgn.kl(X, moments[0] + shift * deviation, factor * moments[1])
        assert other > best


def test_q_cov_forms(impl):
    """q_cov as (N, S) variances and as (N, S, S) matrices is the same Gaussian."""
    dgn = model(impl)
    X = data(dgn, 2)
    mean, variance = random_q(len(X))
    np.testing.assert_array_equal(
        dgn.elbo(X, mean, variance), dgn.elbo(X, mean, variance[:, :, None])
    )


@pytest.mark.parametrize("structure", STRUCTURES)
def test_expected_complete_loglik(impl, structure):
    """E[log p(x, z) | x] is the printed E-step with its bracket inside, and log p(x) - H(p(z | x)).

    The printed form sums products of x and b that cancel: 1e-11 of their magnitude here.
    """
    dgn = model(impl, structure=structure)
    X = data(dgn, 4)
    posterior, found = dgn.posterior(X), dgn.partition()
    got = dgn.expected_complete_loglik(X)
    np.testing.assert_allclose(got, dgn.logpdf(X) - posterior.entropy(), rtol=1e-12, atol=1e-12)
    cov_x = full(dgn.cov_x, 3)
    precision, cov_z = np.linalg.inv(cov_x), dgn.cov_z[0, 0]
    constant = 4 * np.log(2 * np.pi) + np.linalg.slogdet(cov_x)[1] + np.log(cov_z)
    moments = zip(posterior.e0, posterior.e1[:, :, 0], posterior.e2[:, :, 0, 0], strict=True)
    for x, value, (e0, e1, e2) in zip(X, got, moments, strict=True):
        bracket = x @ precision @ x
        for a, b, m0, m1, m2 in zip(found.slopes[:, :, 0], found.offsets, e0, e1, e2, strict=True):
            bracket -= 2 * x @ precision @ (a * m1 + b * m0)
            bracket += a @ precision @ a * m2 + (m0 * b + 2 * a * m1) @ precision @ b
        expected = -0.5 * (constant + e2.sum() / cov_z + bracket)
        assert abs(value - expected) <= 1e-11 * max(1, abs(expected)), x


def test_entropy_by_quadrature(impl):
    """H = -∫ p(z | x) log p(z | x) dz from the forward pass, and E log p(x, z) beside it."""
    dgn = model(impl)
    X = data(dgn, 3)
    posterior, expected_joint = dgn.posterior(X), dgn.expected_complete_loglik(X)
    evidence, entropy = dgn.logpdf(X), posterior.entropy()
    for i, x in enumerate(X):
        # Several modes of different widths: panels for each region's share, and for the prior.
        means = np.append(posterior.region_mean[i, :, 0], 0.0)
        variances = np.append(posterior.region_cov[i, :, 0, 0], 1.7)
        z, weights = panels(dgn.partition().breakpoints, means, np.sqrt(variances))
        joint = log_joint(dgn, x, z)
        density = weights * np.exp(joint - evidence[i])
        assert abs(density.sum() - 1) <= 1e-12, x
        scale = max(1, abs(evidence[i]))
        assert abs(density @ joint - expected_joint[i]) <= 1e-11 * scale, x
        assert abs(density @ (evidence[i] - joint) - entropy[i]) <= 1e-11 * scale, x


@pytest.mark.parametrize("seed", range(8))
def test_summand_of_equation_5_as_printed(seed):
    """φ(x; b, Σx + A Σz Aᵀ) Φ_ω(μ, Σ_ω), factor by factor, is what the reference sums.

    Near the manifold, where the printed factors do not cancel; their rounding is ε times the size
    of their logarithms, at most a few hundred here.
    """
    rng = np.random.default_rng([17, seed])
    network = Network.random([1, 5, 4, 3], LeakyReLU(0.1), rng)
    cov_x, cov_z = [np.array(0.3), rng.uniform(0.1, 0.5, 3)][seed % 2], np.array([[1.7]])
    dgn = reference.DGN(network, cov_x, cov_z)
    partition = dgn.partition()
    for x in dgn.rvs(3, rng):
        for region in range(partition.n_regions):
            slope, offset = partition.slopes[region], partition.offsets[region]
            model = slope, offset, dgn.cov_x, dgn.cov_z
            mean = reference.distributions.marginal.posterior_mean(x, *model)
            cov = reference.distributions.marginal.posterior_cov(slope, dgn.cov_x, dgn.cov_z)
            log_phi, _, _ = reference.gaussian_on_polyhedron(
                *partition.halfspaces(region), mean[None], cov
            )
            printed = reference.distributions.marginal.log_region_marginal(x, *model) + log_phi[0]
            term = reference.distributions.marginal.region_term(
                x, region, partition, dgn.cov_x, dgn.cov_z
            )
            assert term.log_mass == pytest.approx(printed, rel=1e-10)
