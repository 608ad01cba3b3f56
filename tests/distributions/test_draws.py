"""Draws from posteriors, from p(x) and of networks, against exact laws computed from definitions.

Draws inside one interval or simplex have tests of their own, in test_draws_within. The comparisons
raise a false alarm in 4e-8 of runs (see draw_checks).
"""

import numpy as np
import pytest
from draw_checks import (
    LEVELS,
    Z_POWER,
    check_draws,
    check_independent,
    check_mean,
    check_pairs,
    check_shares,
    false_alarms,
    uncounted,
)
from laws import Law, interval, normal, polyhedron_marginal, vertices
from scipy.special import ndtr
from test_posterior import models, panel_ends
from tests_support import deep

import fast
import reference
from fast.integration.apex import choose_apex
from fast.integration.split import split
from fast.training.initial_networks import initial_network, random_like
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied
from reference import Abs, Conv2d, Dense, LeakyReLU, Network, ReLU, Reshape

COV_Z = {
    2: np.array([[1.0, 0.9], [0.9, 1.7]]),
    3: np.array([[1.0, 0.6, 0.1], [0.6, 0.8, 0.0], [0.1, 0.0, 1.5]]),
    4: np.diag([1.0, 0.5, 2.0, 1.5]) + 0.3,
}
STRUCTURES = {
    "scalar": np.array(0.3),
    "diagonal": np.array([0.2, 0.5, 1.4]),
    "full": np.array([[1.0, 0.8, 0.1], [0.8, 0.9, 0.0], [0.1, 0.0, 0.3]]),
}


@pytest.fixture(scope="module", autouse=True)
def _rare_false_alarms():
    with false_alarms(4e-8):
        yield


def matrix(cov, size):
    """A covariance as a matrix."""
    return np.asarray(cov) if np.ndim(cov) == 2 else np.asarray(cov) * np.eye(size)


def exponent(network, cov_x, cov_z, x, Z):
    """-log p(x, z) up to a constant, z (..., S)."""
    root_x = np.linalg.inv(np.linalg.cholesky(matrix(cov_x, len(x))))
    root_z = np.linalg.inv(np.linalg.cholesky(matrix(cov_z, Z.shape[-1])))
    images = network(Z.reshape(-1, Z.shape[-1])).reshape(*Z.shape[:-1], len(x))
    error, white = (x - images) @ root_x.T, Z @ root_z.T
    return 0.5 * (np.square(error).sum(axis=-1) + np.square(white).sum(axis=-1))


# The latent line


def line_laws(network, cov_x, cov_z, X):
    """p(z | x) of each datum by quadrature of p(z) p(x | z). Of `fast` only where to put panels."""
    dgn = fast.DGN(network, cov_x, cov_z)
    posterior, laws = dgn.posterior(X), []
    for i, x in enumerate(np.asarray(X)):
        ends = panel_ends(dgn, posterior, i)
        least = exponent(network, cov_x, cov_z, x, ends[:, None]).min()

        def density(z, x=x, least=least):
            return np.exp(least - exponent(network, cov_x, cov_z, x, z[..., None]))

        laws.append(Law(density, ends))
    return laws


def check_line(impl, name, n):
    """Draws of p(z | x), S = 1: each datum's law, regions' shares, independence. The power."""
    network, cov_x, cov_z, X = models()[name]
    dgn, powers = impl.DGN(network, cov_x, cov_z), []
    draws = dgn.posterior(X).rvs(n, 5)
    assert draws.shape == (len(X), n, 1)
    laws = line_laws(network, cov_x, cov_z, X)
    breaks = fast.DGN(network, cov_x, cov_z).partition().breakpoints
    for i, law in enumerate(laws):
        mine, what = draws[i, :, 0], f"{impl.__name__}, {name}, datum {i}"
        powers.append(check_draws(mine, law, what))
        check_independent(mine, law, what)
        below = np.searchsorted(np.sort(mine), breaks, side="right")
        check_shares(below, n, law.share(breaks), f"{what}, draws below a breakpoint")
        if i:
            check_pairs(draws[i - 1, :, 0], mine, laws[i - 1 : i + 1], f"{what}, data")
    return [max(values) for values in zip(*powers, strict=True)]


@pytest.mark.parametrize("name", models())
def test_posteriors_on_the_line(name):
    """10^5 draws for each datum: sees shares wrong by 0.0165 and means by 0.033 deviations."""
    share, _, mean = check_line(fast, name, 100_000)
    assert share < 0.0165
    assert mean < 0.033


@pytest.mark.parametrize("name", models())
def test_reference_posteriors_on_the_line(name):
    """500 draws: sees shares wrong by 0.23; what they are made of is checked in
    test_draws_within."""
    assert check_line(reference, name, 500)[0] < 0.23


@pytest.mark.deep
@pytest.mark.parametrize("name", models())
def test_reference_posteriors_on_the_line_long(name):
    assert check_line(reference, name, 100_000)[0] < 0.0165


def region_law(network, cov_x, cov_z, x, lower, upper):
    """p(z | x, z in a region) of S = 1: the law of (z - peak) / scale, the peak, and the scale.

    From two points of the region, between which g is affine."""
    inside = [lower, upper]
    if not np.isfinite(lower):
        inside[0] = upper - 1.0 if np.isfinite(upper) else -1.0
    if not np.isfinite(upper):
        inside[1] = inside[0] + 1.0
    first, last = network(np.array(inside)[:, None])
    slope = (last - first) / (inside[1] - inside[0])
    precision_x = np.linalg.inv(matrix(cov_x, len(x)))
    precision = 1.0 / float(np.ravel(cov_z)[0]) + slope @ precision_x @ slope
    offset = first - slope * inside[0]
    mean, scale = slope @ precision_x @ (x - offset) / precision, precision**-0.5
    peak = min(max(mean, lower), upper)
    law = interval(abs(peak - mean) / scale, (peak - lower) / scale, (upper - peak) / scale)
    return law, peak, scale, abs(peak - mean) / scale


def check_regions(impl, name, n):
    """Draws from p(z | x, z in ω) of every datum and region, probable or not: how many deviations
    beyond a region's end the farthest mean lies."""
    network, cov_x, cov_z, X = models()[name]
    X, posterior = np.asarray(X), impl.DGN(network, cov_x, cov_z).posterior(X)
    breaks = fast.DGN(network, cov_x, cov_z).partition().breakpoints
    ends = np.concatenate([[-np.inf], breaks, [np.inf]])
    pairs = [(i, r) for i in range(len(X)) for r in range(len(ends) - 1)]
    rng = np.random.default_rng(3)
    if impl is fast:
        datum, region = np.tile(np.array(pairs).T, n)
        draws = posterior._draw(datum, region, rng).reshape(n, len(pairs))
    else:
        data = posterior._data
        draws = np.array(
            [[posterior._draw(data[i], r, rng)[0] for i, r in pairs] for _ in range(n)]
        )
    farthest = 0.0
    for k, (i, r) in enumerate(pairs):
        law, peak, scale, away = region_law(network, cov_x, cov_z, X[i], ends[r], ends[r + 1])
        assert np.all((draws[:, k] >= ends[r]) & (draws[:, k] <= ends[r + 1]))
        what = f"{impl.__name__}, {name}, datum {i}, region {r}"
        check_draws((draws[:, k] - peak) / scale, law, what)
        farthest = max(farthest, away)
    return farthest


@pytest.mark.parametrize("name", ["ordinary", "far tail", "narrow regions", "two modes"])
def test_regions_of_the_line(name):
    """30,000 draws from every region given that z lies there, those of no weight too."""
    farthest = check_regions(fast, name, 30_000)
    assert farthest > {"ordinary": 5, "far tail": 40}.get(name, -1)


@pytest.mark.parametrize("name", ["ordinary", "two modes"])
def test_reference_regions_of_the_line(name):
    """150 draws: a region, an end, a mean or a scale that is another's."""
    check_regions(reference, name, 150)


# Latent spaces


def separable(units):
    """A network whose posterior is a product in w = M^-1 z, Σz = M Mᵀ: g_i depends on w_i alone and
    the noise is diagonal. units: how many turn over along each w_i. Returns network, Σx, Σz, M and
    the g_i."""
    size, total = len(units), sum(units)
    factor = np.linalg.cholesky(COV_Z[size])
    rows, last = np.zeros((total, size)), np.zeros((size, total))
    owner = np.repeat(np.arange(size), units)
    rows[np.arange(total), owner] = np.where(np.arange(total) % 2, -1.0, 1.3)
    bias = np.linspace(-0.8, 0.9, total)
    last[owner, np.arange(total)] = np.linspace(1.5, -1.2, total)
    network = Network(
        [Dense(rows @ np.linalg.inv(factor), bias), LeakyReLU(0.1), Dense(last, np.zeros(size))]
    )

    def image(i, w):
        before = rows[owner == i, i] * w[..., None] + bias[owner == i]
        return np.where(before > 0, before, 0.1 * before) @ last[i, owner == i]

    kinks = [-bias[owner == i] / rows[owner == i, i] for i in range(size)]
    return network, np.linspace(0.2, 0.6, size), COV_Z[size], factor, image, kinks


def check_product(units, n):
    """Draws in S = len(units) dimensions against their exact coordinates. Returns the power."""
    network, cov_x, cov_z, factor, image, kinks = separable(units)
    size, powers, laws = len(units), [], []
    X = np.array([np.linspace(0.5, -0.4, size), np.linspace(-2.0, 3.0, size)])
    draws = fast.DGN(network, cov_x, cov_z).posterior(X).rvs(n, 7)
    assert draws.shape == (2, n, size)
    white = draws @ np.linalg.inv(factor).T
    for d, x in enumerate(X):
        for i in range(size):

            def density(w, i=i, x=x):
                return np.exp(-0.5 * w * w - 0.5 * (x[i] - image(i, w)) ** 2 / cov_x[i])

            law = Law(density, np.union1d(np.linspace(-10, 10, 121), kinks[i]))
            what = f"S = {size}, datum {d}, coordinate {i}"
            powers.append(check_draws(white[d, :, i], law, what))
            if i:
                check_pairs(white[d, :, i - 1], white[d, :, i], (laws[-1], law), what)
            else:
                check_independent(white[d, :, i], law, what)
            laws.append(law)
    check_pairs(white[0, :, 0], white[1, :, 0], (laws[0], laws[size]), "two data")
    return [max(values) for values in zip(*powers, strict=True)]


@pytest.mark.parametrize("units", [(2, 3), (2, 1, 2), (1, 0, 0)], ids=str)
def test_posteriors_that_are_products(units):
    """10^5 draws in two and three dimensions, of which the network may not see all: shares wrong by
    0.0165 show."""
    assert check_product(units, 100_000)[0] < 0.0165


@pytest.mark.parametrize("units", [(1, 1, 0, 0), *deep((1, 1, 1, 1))], ids=str)
def test_posteriors_that_are_products_in_four_dimensions(units):
    """40,000 draws: shares wrong by 0.026 show."""
    assert check_product(units, 40_000)[0] < 0.026


def plane_law(network, cov_x, cov_z, x, direction):
    """The law of direction · z under p(z | x), S = 2, of one hidden layer: along the other axis by
    panels that end where a unit turns over."""
    basis = np.array([direction, [-direction[1], direction[0]]])
    first = network.layers[0]
    slopes, size = first.weight @ basis.T, 8 * np.sqrt(np.linalg.eigvalsh(cov_z)[1])
    least = exponent(network, cov_x, cov_z, x, np.random.default_rng(0).normal(0, 1, (999, 2)))

    def density(t):
        kinks = -(first.bias + np.multiply.outer(t, slopes[:, 0])) / slopes[:, 1]
        panels = np.broadcast_to(np.linspace(-size, size, 41), (*t.shape, 41))
        ends = np.sort(np.concatenate([panels, np.clip(kinks, -size, size)], axis=-1), axis=-1)
        nodes, weights = np.polynomial.legendre.leggauss(8)
        half = 0.5 * np.diff(ends)[..., None]
        y = ends[..., :-1, None] + half * (nodes + 1)
        points = np.stack([np.broadcast_to(t[..., None, None], y.shape), y], axis=-1) @ basis
        values = np.exp(least.min() - exponent(network, cov_x, cov_z, x, points))
        return (half * weights * values).sum(axis=(-1, -2))

    corners = [vertex[0] for vertex in vertices(slopes, first.bias, anywhere=True)]
    corners = [t for t in corners if abs(t) < size]
    return Law(density, np.concatenate([np.linspace(-size, size, 33), corners]))


@pytest.mark.parametrize("widths", [(2, 5, 3), (2, 1, 3)], ids=str)
def test_posteriors_in_the_plane(widths):
    """No product: full noise, correlated latents, 10^5 draws along two directions; shares wrong by
    0.0165 show."""
    network = Network.random(list(widths), ReLU(), 4)
    cov_x, cov_z = STRUCTURES["full"], COV_Z[2]
    x = np.array([0.4, -0.3, 1.0])
    draws = fast.DGN(network, cov_x, cov_z).posterior(x[None]).rvs(100_000, 2)[0]
    for direction in (np.array([1.0, 0.0]), np.array([-0.6, 0.8])):
        law = plane_law(network, cov_x, cov_z, x, direction)
        assert check_draws(draws @ direction, law, f"plane {direction}").share < 0.0165
        check_independent(draws @ direction, law, f"plane {direction}")


def test_linear_posterior():
    """No unit at all, S = 3: a Gaussian in closed form, along every axis and across."""
    rng = np.random.default_rng(0)
    weight, bias, x = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal(4)
    cov = np.linalg.inv(np.linalg.inv(COV_Z[3]) + weight.T @ weight / 0.2)
    mean = cov @ weight.T @ (x - bias) / 0.2
    dgn = fast.DGN(Network([Dense(weight, bias)]), 0.2, COV_Z[3])
    draws = dgn.posterior(x[None]).rvs(100_000, 1)[0]
    white = np.linalg.solve(np.linalg.cholesky(cov), (draws - mean).T).T
    for i in range(3):
        check_draws(white[:, i], normal(), "linear")
        check_independent(white[:, i], normal(), "linear")
        check_pairs(white[:, i - 1], white[:, i], (normal(), normal()), "linear")


#: Half-spaces in coordinates in which the prior is standard: regions beyond 5, 6 and 10 deviations,
#: wedges, slabs, and a triangle with sides of 1e-9.
WALLS = {
    2: (
        [[1.0, 0.0], [0.6, 0.8], [-0.8, 0.6], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]],
        [-5.0, -6.0, -10.0, 1.0, 0.5, 1.5 + 1e-9],
    ),
    3: ([[1.0, 0.2, 0.0], [0.0, 1.0, 0.2], [-0.3, 0.0, 1.0]], [-5.0, 0.4, 0.5]),
}


def flat(size):
    """A network that is constant: its posterior is the prior, on any regions."""
    rows, offsets = (np.array(part) for part in WALLS[size])
    factor = np.linalg.cholesky(COV_Z[size])
    first = Dense(rows @ np.linalg.inv(factor), offsets)
    network = Network([first, ReLU(), Dense(np.zeros((1, len(rows))), [0.0])])
    return fast.DGN(network, 1.0, COV_Z[size]), factor


def check_polyhedra(size, n, keep=slice(None)):
    """Draws from regions given that z lies there, all in one call. Returns the power."""
    dgn, factor = flat(size)
    partition, powers = dgn.partition(), []
    regions = np.arange(partition.n_regions)[keep]
    posterior = dgn.posterior(np.zeros((1, 1)))
    datum = np.zeros(n * len(regions), dtype=int)
    draws = posterior._draw(datum, np.tile(regions, n), np.random.default_rng(4))
    white = (draws @ np.linalg.inv(factor).T).reshape(n, len(regions), size)
    directions = {2: [[1.0, 0.0], [0.6, 0.8]], 3: [[0.36, 0.48, 0.8]]}[size]
    for k, region in enumerate(regions):
        normals, offsets = partition.halfspaces(region)
        for direction in directions:
            law = polyhedron_marginal(normals @ factor, offsets, direction)
            what = f"S = {size}, region {region} along {direction}"
            powers.append(check_draws(white[:, k] @ np.array(direction), law, what))
        check_independent(white[:, k] @ np.array(direction), law, what)
        slacks = white[:, k] @ (normals @ factor).T + offsets
        assert slacks.min() > -1e-13
    return [max(values) for values in zip(*powers, strict=True)]


def test_polygons():
    """15,000 draws from every region of a plane, the triangle of size 1e-9 among them: shares wrong
    by 0.043 show."""
    dgn, _ = flat(2)
    log_e0 = dgn.posterior(np.zeros((1, 1))).log_e0[0]
    assert log_e0.min() < -45
    assert check_polyhedra(2, 15_000)[0] < 0.043


def test_polyhedra():
    """40,000 draws from corners in space."""
    assert check_polyhedra(3, 40_000, slice(0, 8, 3))[0] < 0.026


@pytest.mark.parametrize("size", [2, 3])
def test_draws_have_the_posterior_s_entropy_means_and_shares(size):
    """No product, two hidden layers, 8,000 draws for each of 4 data: means of z and of
    -log p(z | x), 0.12 deviations off would show, and the shares of all regions. The deviation of
    -log p is taken from the draws, which know it to 3 %."""
    network = Network.random([size, 6, 5, 2], LeakyReLU(0.1), 1)
    dgn = fast.DGN(network, STRUCTURES["full"][:2, :2] / 4, COV_Z[size])
    X = np.concatenate([dgn.rvs(3, 0), [[30.0, -20.0]]])
    posterior = dgn.posterior(X)
    draws = posterior.rvs(8_000, 8)
    values = -posterior.logpdf(draws)
    for i, entropy in enumerate(posterior.entropy()):
        check_mean(values[i], entropy, values[i].std(), "entropy")
        for axis, deviation in enumerate(np.sqrt(np.diag(posterior.cov()[i]))):
            check_mean(draws[i, :, axis], posterior.mean()[i, axis], deviation, f"z_{axis}")
        regions = dgn.partition().locate(draws[i])
        counts = np.bincount(regions, minlength=dgn.partition().n_regions)
        check_shares(counts, 8_000, posterior.e0[i], "regions")
    assert Z_POWER / np.sqrt(8_000) < 0.12


@pytest.mark.parametrize("size", [2, 3])
def test_no_simplex_is_obtuse_at_its_apex(size):
    """What makes rejection exact: no cross term Γ_ij is negative, but for corners that lie at the
    apex but for rounding, and whose simplices hold 1e-16: measured, -1e-13; corners are 0.1 to 200
    away."""
    for seed in range(4):
        dgn = fast.DGN(Network.random([size, 5, 4, 2], LeakyReLU(0.1), seed), 0.05)
        posterior = dgn.posterior(np.concatenate([dgn.rvs(3, 0), [[20.0, -30.0]]]))
        pairs = np.nonzero(posterior.e0 > 1e-9)
        for _, items in posterior._geometry.items(posterior._points.y, *pairs):
            assert split(items, choose_apex(items)).gram.min() > -1e-12


@pytest.mark.parametrize("units", [(2, 1), (1, 0, 1)], ids=str)
def test_reference_posteriors_that_are_products(units):
    """400 draws, S = 2 and 3: shares wrong by 0.26 show."""
    network, cov_x, cov_z, factor, image, kinks = separable(units)
    x = np.linspace(0.5, -0.4, len(units))
    draws = reference.DGN(network, cov_x, cov_z).posterior(x[None]).rvs(400, 7)
    assert draws.shape == (1, 400, len(units))
    white = draws[0] @ np.linalg.inv(factor).T
    for i in range(len(units)):

        def density(w, i=i):
            return np.exp(-0.5 * w * w - 0.5 * (x[i] - image(i, w)) ** 2 / cov_x[i])

        law = Law(density, np.union1d(np.linspace(-10, 10, 121), kinks[i]))
        assert check_draws(white[:, i], law, f"reference, coordinate {i}").share < 0.26
        check_independent(white[:, i], law, f"reference, coordinate {i}")


# p(x)


def check_normal(draws, mean, cov, what):
    """Draws (n, D) of a Gaussian: standard coordinates, and all pairs of them. The power."""
    white = np.linalg.solve(np.linalg.cholesky(cov), (draws - mean).T).T
    standard, powers = normal(), []
    for i in range(white.shape[1]):
        powers.append(check_draws(white[:, i], standard, f"{what}, coordinate {i}"))
        check_independent(white[:, i], standard, f"{what}, coordinate {i}")
        for j in range(i):
            check_pairs(white[:, j], white[:, i], (standard, standard), what)
            check_mean(white[:, i] * white[:, j], 0.0, 1.0, f"{what}, products {i}, {j}")
    return [max(values) for values in zip(*powers, strict=True)]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_noise(impl, structure):
    """x - g is N(0, Σx), 2 · 10^5 draws: sees shares wrong by 0.012, correlations of 0.023."""
    cov = STRUCTURES[structure]
    dgn = impl.DGN(Network([Dense(np.zeros((3, 2)), [1.0, -2.0, 0.5])]), cov, COV_Z[2])
    draws = dgn.rvs(200_000, 3)
    assert draws.shape == (200_000, 3)
    share, _, mean = check_normal(draws, [1.0, -2.0, 0.5], matrix(cov, 3), f"noise, {structure}")
    assert share < 0.012
    assert mean < 0.023


def test_tails_of_noise(impl):
    """10^6 draws: the outermost 10^-4 of each side wrong by a factor of 2.4 show."""
    draws = impl.DGN(Network([Dense([[0.0]], [0.0])]), 4.0).rvs(1_000_000, 1)[:, 0]
    assert check_draws(draws, normal(0.0, 2.0), "noise").tail < 2.4


@pytest.mark.parametrize("source", ["latent", "noise"])
def test_nothing_is_cut_off(impl, source):
    """10^7 draws: of the 34 expected beyond 4.5 deviations on each side at least one is there."""
    slope, noise = (1.0, 1e-12) if source == "latent" else (0.0, 1.0)
    draws = impl.DGN(Network([Dense([[slope]], [0.0])]), noise).rvs(10_000_000, 6)[:, 0]
    counts = [np.sum(draws < -4.5), np.sum(draws > 4.5)]
    check_shares(counts, len(draws), ndtr(-4.5), f"{source} far out")


def test_latents_and_noise(impl):
    """z is N(0, Σz), correlated, and independent of the noise: both are read off x."""
    weight = np.array([[2.0, 1.0], [-1.0, 3.0], [0.0, 0.0], [0.0, 0.0]])
    dgn = impl.DGN(Network([Dense(weight, np.ones(4))]), [1e-20, 1e-20, 0.5, 2.0], COV_Z[2])
    draws = dgn.rvs(200_000, 4)
    cov = np.diag([0.0, 0.0, 0.5, 2.0]) + weight @ COV_Z[2] @ weight.T
    assert check_normal(draws, np.ones(4), cov, "latents and noise")[0] < 0.012


@pytest.mark.parametrize("structure", STRUCTURES)
def test_marginals_of_x(impl, structure):
    """Every x_d of a curved generator by quadrature over z; shares wrong by 0.0165 show."""
    network, cov = Network.random([1, 6, 4, 3], Abs(), 2), STRUCTURES[structure]
    dgn = impl.DGN(network, cov, 1.7)
    draws, breaks = dgn.rvs(100_000, 9), fast.DGN(network, 1.0).partition().breakpoints
    prior = normal(0.0, np.sqrt(1.7))
    ends = np.union1d(prior.ends, breaks[np.abs(breaks) < prior.ends[-1]])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(ends)[:, None]
    z = (ends[:-1, None] + half * (nodes + 1)).ravel()
    weights = (half * weights).ravel() * prior.density(z)
    images, deviations = network(z[:, None]), np.sqrt(np.diag(matrix(cov, 3)))
    for d, deviation in enumerate(deviations):

        def density(t, d=d, deviation=deviation):
            away = (t[..., None] - images[:, d]) / deviation
            return np.exp(-0.5 * away * away) @ weights

        # exp(-32) of the prior lies beyond 8 deviations of z.
        near = images[np.abs(z) < 8 * np.sqrt(1.7), d]
        reach = near.min() - 9 * deviation, near.max() + 9 * deviation
        panels = int((reach[1] - reach[0]) / deviation) + 1
        law = Law(density, np.linspace(*reach, panels))
        assert check_draws(draws[:, d], law, f"x_{d}").share < 0.0165
        check_independent(draws[:, d], law, f"x_{d}")


# Seeds


def test_seeds(impl):
    """An int repeats itself, a Generator is taken and goes on, None is not repeated; sizes."""
    network, cov_x, cov_z, X = models()["ordinary"]
    dgn = impl.DGN(network, cov_x, cov_z)
    posterior = dgn.posterior(X)
    assert posterior.rvs(4, 0).shape == (3, 4, 1)
    assert posterior.rvs().shape == (3, 1, 1)
    assert dgn.rvs().shape == (1, 2)
    for rvs in (posterior.rvs, dgn.rvs):
        rng = np.random.default_rng(3)
        first = rvs(5, rng)
        np.testing.assert_array_equal(first, rvs(5, 3))
        after = np.random.default_rng(3)
        rvs(5, after)
        np.testing.assert_array_equal(rvs(5, rng), rvs(5, after))
        assert not np.any(np.isin(rvs(5, rng), first))
        assert not np.array_equal(rvs(5), rvs(5))


def test_more_draws_of_one_datum_do_not_move_another():
    """A row is of its own datum whatever stands beside it: laws of both orders are the same."""
    network, cov_x, cov_z, X = models()["ordinary"]
    laws = line_laws(network, cov_x, cov_z, X)
    draws = fast.DGN(network, cov_x, cov_z).posterior(X[::-1]).rvs(20_000, 1)
    for law, mine in zip(laws[::-1], draws, strict=True):
        check_draws(mine[:, 0], law, "data in another order")


# Networks


@pytest.mark.parametrize("activation", [ReLU(), LeakyReLU(0.2), Abs()], ids=repr)
def test_random_networks(activation):
    """Weights N(0, 2 / ((1 + η²) n_in)), biases N(0, 1), all independent: shares wrong by 0.0165
    and variances by 5 % show."""
    slope = {"ReLU": 0.0, "LeakyReLU": 0.2, "Abs": -1.0}[type(activation).__name__]
    network = Network.random([1, 100_000, 1], activation, 1)
    narrow = Network.random([250, 400, 300], activation, 2)
    wide = network.layers[0]
    samples = {
        "first weights": (wide.weight.ravel(), 1, wide.bias),
        "last weights": (network.layers[2].weight.ravel(), 100_000, wide.weight.ravel()),
        "weights": (
            narrow.layers[0].weight.ravel(),
            250,
            narrow.layers[2].weight.ravel()[:100_000],
        ),
        "deep weights": (narrow.layers[2].weight.ravel(), 400, narrow.layers[2].weight.T.ravel()),
    }
    for name, (values, n_in, others) in samples.items():
        law = normal(0.0, np.sqrt(2.0 / ((1.0 + slope**2) * n_in)))
        assert check_draws(values, law, name).share < 0.0165
        check_independent(values, law, name)
        if name != "deep weights":
            other = {"first weights": 1.0, "last weights": 1.0, "weights": 1 / 400}[name]
            deviation = np.sqrt(2 * other / (1 + slope**2)) if name != "first weights" else 1.0
            check_pairs(values, others, (law, normal(0.0, deviation)), name)
    check_draws(wide.bias, normal(), "biases")
    check_independent(wide.bias, normal(), "biases")


def test_random_starts():
    """fast.training.initial_networks.random_like: weights N(0, 2 / n_in) whatever the layer's kind,
    biases N(0, 1)."""
    like = Network(
        [
            Dense(np.zeros((1600, 80)), np.zeros(1600)),
            LeakyReLU(0.5),
            Reshape((400, 2, 2)),
            Conv2d(np.zeros((80, 400, 2, 2)), np.zeros(80)),
        ]
    )
    values = random_like(like, np.random.default_rng(2)).parameters()
    for name, n_in in {"0.weight": 80, "3.weight": 1600}.items():
        law = normal(0.0, np.sqrt(2.0 / n_in))
        assert check_draws(values[name].ravel(), law, name).share < 0.0165
        check_independent(values[name].ravel(), law, name)
    check_draws(values["0.bias"], normal(), "biases")
    assert values["3.bias"].std() > 0.5


def test_starts_on_the_prior():
    """fast.initial_network, correlated Σz: under the prior every unit's input has deviation 1, and
    turns over where the prior's mass is: at a normal place, in deviations. 1,000 draws of z stand
    for the prior: 7 standard errors of theirs are 16 % of a deviation and 0.11 of a share."""
    like = Network(
        [
            Dense(np.zeros((4_000, 2)), np.zeros(4_000)),
            ReLU(),
            Dense(np.zeros((2, 4_000)), np.zeros(2)),
        ]
    )
    cov_z = np.array([[4.0, 1.9], [1.9, 1.0]])
    X = np.random.default_rng(1).standard_normal((50, 2))
    first = initial_network(like, X, cov_z, 2).layers[0]
    deviations = np.sqrt(np.einsum("ui,ij,uj->u", first.weight, cov_z, first.weight))
    assert np.all(np.abs(deviations - 1) < 0.16)
    places, law = -first.bias / deviations, normal()
    for point, level in zip(law.quantiles(LEVELS), LEVELS, strict=True):
        assert abs(np.mean(places < point) - level) < 0.22 * np.sqrt(level * (1 - level))


# Deliberate defects, and the tests that see them


def line():
    check_line(fast, "two modes", 20_000)


def ordinary():
    check_line(fast, "ordinary", 20_000)


def end():
    check_regions(fast, "far tail", 2_000)


def product():
    check_product((2, 1), 20_000)


def polygons():
    check_polyhedra(2, 2_000)


def correlated(impl):
    """The latents of p(x)."""
    return lambda: test_latents_and_noise(impl)


def noise(impl):
    """The noise of p(x)."""
    return lambda: test_noise(impl, "full")


#: (package, module, function, what, by what, the check that must fail).
DEFECTS = [
    (
        "fast",
        "distributions.posterior",
        "Posterior.rvs",
        "rng.random((count, size))",
        "np.repeat(rng.random((1, size)), count, axis=0)",
        ordinary,
    ),
    (
        "fast",
        "distributions.posterior",
        "Posterior.rvs",
        "rng.random((count, size))",
        "np.repeat(rng.random((count, size // 2)), 2, axis=1)",
        line,
    ),
    (
        "fast",
        "distributions.posterior",
        "Posterior.rvs",
        "np.repeat(np.arange(count), size)",
        "np.tile(np.arange(count), size)",
        line,
    ),
    (
        "fast",
        "distributions.posterior",
        "Posterior.rvs",
        "reshape(count, size, -1)",
        "reshape(size, count, -1).swapaxes(0, 1)",
        line,
    ),
    (
        "fast",
        "distributions.posterior",
        "Posterior.rvs",
        "self._e0, starts[1:]",
        "np.sqrt(self._e0), starts[1:]",
        product,
    ),
    (
        "fast",
        "one_dimension.posterior",
        "IntervalPosterior._draw",
        "np.abs(slope) * scale",
        "np.abs(slope)",
        end,
    ),
    (
        "fast",
        "one_dimension.posterior",
        "IntervalPosterior._draw",
        "(peak >= upper)",
        "(peak > upper)",
        end,
    ),
    (
        "fast",
        "one_dimension.posterior",
        "IntervalPosterior._draw",
        "slope -= geometry.prior_precision * peak",
        "pass",
        lambda: check_regions(fast, "ordinary", 20_000),
    ),
    (
        "fast",
        "integration.truncated",
        "simplex_masses",
        "exponent - largest[parts.item]",
        "exponent - largest.max()",
        polygons,
    ),
    (
        "fast",
        "integration.simplex_draws",
        "draw_from",
        "masses, _ = simplex_masses(parts, units, simplex_moments(*shape, units))",
        "masses = simplex_moments(*shape, units)[:, 0, 0]",
        product,
    ),
    (
        "fast",
        "integration.simplex_draws",
        "draw_from",
        "parts.steps[simplex]",
        "parts.steps[simplex[::-1]]",
        product,
    ),
    (
        "fast",
        "integration.simplex_draws",
        "_along",
        "items.free[item]",
        "0.9 * items.free[item]",
        lambda: check_product((1, 0, 0), 20_000),
    ),
    (
        "fast",
        "distributions.joint_model",
        "JointModel.rvs",
        "np.linalg.cholesky(self.cov_z).T",
        "np.linalg.cholesky(self.cov_z)",
        correlated(fast),
    ),
    (
        "reference",
        "distributions.joint_model",
        "JointModel.rvs",
        "np.linalg.cholesky(self.cov_z).T",
        "np.linalg.cholesky(self.cov_z)",
        correlated(reference),
    ),
    (
        "fast",
        "distributions.observation",
        "Noise.unwhiten",
        "self.root.T if",
        "self.root if",
        noise(fast),
    ),
    (
        "reference",
        "distributions.noise",
        "draw",
        "np.linalg.cholesky(cov_x).T if",
        "np.linalg.cholesky(cov_x) if",
        noise(reference),
    ),
    (
        "reference",
        "distributions.noise",
        "draw",
        "standard * np.sqrt(cov_x)",
        "standard * cov_x",
        lambda: test_noise(reference, "diagonal"),
    ),
    (
        "reference",
        "distributions.posterior",
        "Posterior._draw",
        "np.sqrt(cov[0, 0])",
        "cov[0, 0]",
        lambda: check_regions(reference, "ordinary", 150),
    ),
    (
        "reference",
        "distributions.posterior",
        "Posterior.rvs",
        "self.e0[n] / self.e0[n].sum()",
        "(self.e0[n] > 0) / (self.e0[n] > 0).sum()",
        lambda: check_line(reference, "ordinary", 300),
    ),
    (
        "reference",
        "model.network",
        "Network.random",
        "1.0 + between.slope**2",
        "1.0 + between.slope",
        lambda: test_random_networks(LeakyReLU(0.2)),
    ),
    (
        "fast",
        "training.initial_networks",
        "_placed",
        "@ root.T",
        "@ root",
        test_starts_on_the_prior,
    ),
    (
        "fast",
        "training.initial_networks",
        "random_like",
        "value[0].size",
        "value.shape[1]",
        test_random_starts,
    ),
]


@pytest.mark.parametrize(
    ("package", "module", "function", "replaced", "by", "check"),
    DEFECTS,
    ids=[f"{row[0]}, {row[2]}: {row[4]}" for row in DEFECTS],
)
def test_defects_are_seen(package, module, function, replaced, by, check):
    """In force, each makes its check fail; the checks pass without it, above."""
    defect = Mutant(by, package, module, function, replaced, by, "")
    with uncounted(), applied(defect), pytest.raises(AssertionError):
        check()
