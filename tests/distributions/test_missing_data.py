"""Data of which entries are not observed: against integrals over them, and by Bayes' rule.

What is compared with is written here from the definition: p(x_o) = ∫ p(x) dx_m, and p(z | x_o)
proportional to p(z) φ(x_o; g_o(z), Σ_oo).
"""

from itertools import pairwise

import numpy as np
import pytest
from missing_entries import (
    EACH,
    FULL,
    GAPS,
    NAN,
    NOISES,
    log_joint,
    model,
    panels,
    seen,
    with_gaps,
)

import fast
import reference
from reference import AvgPool, Conv2d, LeakyReLU, Network, ReLU, Reshape


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_log_p_is_that_of_the_integral_over_what_is_missing(impl, latent, noise):
    """To 1e-9, by Gauss and Legendre over one missing entry."""
    dgn = model(impl, latent, NOISES[noise])
    row, centre = dgn.rvs(random_state=0)[0], dgn.mean()
    reach = 12.0 * np.sqrt(np.diag(dgn.cov()))
    j = list(NOISES).index(noise)
    x, weights = panels((centre[j] - reach[j], centre[j] + reach[j]), 24, 16)
    rows = np.tile(row, (len(x), 1))
    rows[:, j] = x
    integral = np.log(weights @ np.exp(dgn.logpdf(rows)))
    found = dgn.logpdf(np.where(np.arange(3) == j, NAN, row)[None])[0]
    np.testing.assert_allclose(found, integral, atol=1e-9)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_log_p_is_the_marginal_s(impl, latent, noise):
    dgn = model(impl, latent, NOISES[noise])
    X, whole = with_gaps(dgn)
    found = dgn.logpdf(X)
    assert found[1] == 0.0  # nothing observed: certain
    assert found[2] == dgn.logpdf(whole[2:3])[0]  # all: the same path, to the last digit
    for row, value in zip(X, found, strict=True):
        if len(seen(row)):
            part = dgn.marginal(seen(row))
            own = impl.DGN(part.network, part.cov_x, part.cov_z)  # that finds regions by itself
            for one in (part, own):
                np.testing.assert_allclose(one.logpdf(row[seen(row)][None])[0], value, atol=1e-11)
    np.testing.assert_array_equal(dgn.marginal([2, 0]).mean(), dgn.mean()[[2, 0]])
    cov = dgn.cov()[np.ix_([2, 0], [2, 0])]
    np.testing.assert_allclose(dgn.marginal([2, 0]).cov(), cov, atol=1e-12)
    twice = dgn.marginal([2, 0]).marginal([1])
    np.testing.assert_array_equal(twice.logpdf([[0.5]]), dgn.marginal([0]).logpdf([[0.5]]))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_the_posterior_is_by_bayes_rule(impl, latent, noise):
    """Density, entropy, ELBO, KL, E log p(x, z) and mode, of all patterns in one."""
    dgn = model(impl, latent, NOISES[noise])
    X, _ = with_gaps(dgn)
    posterior = dgn.posterior(X)
    rng = np.random.default_rng(1)
    Z, log_p = rng.standard_normal((5, latent)), dgn.logpdf(X)
    joint = np.array([log_joint(dgn, row, Z) for row in X])
    np.testing.assert_allclose(posterior.logpdf(Z), joint - log_p[:, None], atol=1e-10)
    each = rng.standard_normal((len(X), 2, latent))
    joint = [log_joint(dgn, *pair) for pair in zip(X, each, strict=True)]
    np.testing.assert_allclose(posterior.logpdf(each), joint - log_p[:, None], atol=1e-10)
    completed = dgn.expected_complete_loglik(X)
    np.testing.assert_allclose(log_p - completed, posterior.entropy(), atol=1e-10)
    modes = [log_joint(dgn, *pair)[0] for pair in zip(X, posterior.mode()[:, None], strict=True)]
    near = posterior.mode()[:, None] + 0.01 * rng.standard_normal((len(X), 200, latent))
    around = np.array([log_joint(dgn, *pair) for pair in zip(X, near, strict=True)])
    assert np.all(np.array(modes)[:, None] >= around - 1e-12)
    q_mean, q_cov = rng.standard_normal((len(X), latent)), 0.1 + rng.random((len(X), latent))
    bound = dgn.elbo(X, q_mean, q_cov)
    np.testing.assert_allclose(dgn.kl(X, q_mean, q_cov), log_p - bound, atol=1e-9)
    for i, row in enumerate(X):
        if len(seen(row)):
            part, own = dgn.marginal(seen(row)), row[seen(row)][None]
            q = q_mean[i : i + 1], q_cov[i : i + 1]
            np.testing.assert_allclose(part.elbo(own, *q)[0], bound[i], atol=1e-10)
            latents = part.zero_noise_latent(own)[0]
            np.testing.assert_allclose(dgn.zero_noise_latent(X)[i], latents, atol=1e-10)
    np.testing.assert_allclose(dgn.zero_noise_latent(X)[1], 0.0, atol=1e-12)


@pytest.mark.parametrize("noise", NOISES)
def test_moments_of_z_and_of_all_of_g_are_integrals(impl, noise):
    """S = 1, by quadrature: reconstructions are of what is not observed too."""
    dgn = model(impl, 1, NOISES[noise])
    X, _ = with_gaps(dgn)
    breaks = np.clip(dgn.partition().breakpoints, -9.9, 9.9)
    ends = np.unique([-10.0, *breaks, 10.0])
    parts = [panels(pair, 24, 16) for pair in pairwise(ends)]
    z, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    posterior, images = dgn.posterior(X), dgn.network(z[:, None])
    for i, row in enumerate(X):
        density = weights * np.exp(log_joint(dgn, row, z[:, None]) - dgn.logpdf(X)[i])
        np.testing.assert_allclose(density.sum(), 1.0, atol=1e-10)
        mean = density @ z
        np.testing.assert_allclose(posterior.mean()[i, 0], mean, atol=1e-9)
        np.testing.assert_allclose(posterior.cov()[i, 0, 0], density @ (z - mean) ** 2, atol=1e-9)
        image = density @ images
        np.testing.assert_allclose(posterior.reconstruction()[i], image, atol=1e-9)
        away = images - image
        cov = (density[:, None] * away).T @ away
        np.testing.assert_allclose(posterior.reconstruction_cov()[i], cov, atol=1e-9)
        variances = posterior.reconstruction_cov(diagonal=True)[i]
        np.testing.assert_allclose(variances, np.diag(cov), atol=1e-9)


@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_tables_of_regions_are_those_of_the_marginals(impl, latent):
    dgn = model(impl, latent, FULL)
    X, _ = with_gaps(dgn)
    posterior = dgn.posterior(X)
    names = "log_e0", "region_mean", "region_cov", "e0", "e1", "e2"
    for i, row in enumerate(X):
        if not len(seen(row)):
            continue
        own = dgn.marginal(seen(row)).posterior(row[seen(row)][None])
        for name in names:
            one, other = getattr(posterior, name)[i], getattr(own, name)[0]
            np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(posterior.e0.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_draws_are_from_the_posterior_of_their_own_row(impl, latent):
    """Means of draws, six standard errors wide: a false alarm in 4e7 runs; 0.06 deviations are
    seen at 10,000 draws, 0.3 at 400."""
    dgn = model(impl, latent, FULL)
    X, _ = with_gaps(dgn)
    posterior, size = dgn.posterior(X), 10_000 if impl is fast else 400
    draws = posterior.rvs(size, random_state=3)
    assert draws.shape == (len(X), size, latent)
    deviations = np.sqrt(np.einsum("nss->ns", posterior.cov()))
    away = np.abs(draws.mean(axis=1) - posterior.mean()) / deviations
    assert np.max(away) < 6.0 / np.sqrt(size)


def along(value, at, direction, step=2e-4):
    """The derivative of value(v) along a direction, by central differences of order 4."""
    near = [value(at + k * step * direction) for k in (1, -1, 2, -2)]
    return (8 * (near[0] - near[1]) - (near[2] - near[3])) / (12 * step)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_the_gradient_is_the_derivative_of_log_p(impl, latent, noise):
    """Along a direction of every parameter, with gaps and weights; and the score, which is 0 by
    what is missing."""
    dgn = model(impl, latent, NOISES[noise])
    X, _ = with_gaps(dgn)
    weights = np.array([1.0, 2.0, 0.5, 0.0, 3.0, 1.5, 0.25])
    counts = np.where(np.arange(len(X)) == 1, 0.0, weights)  # of the second nothing is observed
    found = dgn.gradient(X, sample_weight=weights)

    def objective(name, value):
        return counts @ dgn.with_parameters({name: value}).logpdf(X) / counts.sum()

    rng = np.random.default_rng(0)
    for name in found:
        direction = rng.standard_normal(found[name].shape)
        if name.startswith("cov") and direction.ndim == 2:
            direction = direction + direction.T
        at = dgn.parameters()[name]
        exact = along(lambda v, name=name: objective(name, v), at, direction)
        own = np.sum(found[name] * direction)
        np.testing.assert_allclose(own, exact, atol=1e-8, err_msg=name)
    score = dgn.score(X)
    np.testing.assert_array_equal(score[GAPS], 0.0)
    exact = along(lambda u: dgn.logpdf(u[None])[0], X[4], np.array([1.0, 0.0, -0.5]))
    np.testing.assert_allclose(score[4, 0] - 0.5 * score[4, 2], exact, atol=1e-9)


@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_sums_of_several_patterns_are_those_of_each(impl, latent):
    dgn = model(impl, latent, FULL)
    X, _ = with_gaps(dgn)
    together = vars(dgn.statistics(X))
    each = [vars(dgn.statistics(row[None])) for row in X if len(seen(row))]
    for name in together.keys() - {"codes"}:
        total = sum(one[name] for one in each)
        np.testing.assert_allclose(together[name], total, atol=1e-12, err_msg=name)
    assert together["n"] == len(X) - 1


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_a_weight_is_how_often_a_row_counts(impl, latent, noise):
    dgn = model(impl, latent, NOISES[noise])
    whole = dgn.rvs(6, random_state=0)
    times = np.array([2, 1, 0, 3, 1, 2])
    for X in (whole, np.where(GAPS[:6], NAN, whole)):
        weighted = vars(dgn.statistics(X, sample_weight=times))
        repeated = vars(dgn.statistics(np.repeat(X, times, axis=0)))
        for name in weighted:
            np.testing.assert_allclose(weighted[name], repeated[name], atol=1e-12, err_msg=name)
    once, none = dgn.statistics(whole, np.ones(6)), dgn.statistics(whole)
    for name, value in vars(once).items():
        np.testing.assert_array_equal(value, vars(none)[name], err_msg=name)


IMAGE = Conv2d(np.arange(8.0).reshape(1, 2, 2, 2) / 8 - 0.4, [0.25], padding=1)
LAST = {
    "activation": [ReLU()],
    "images of a Dense layer": [Reshape((2, 1, 2))],
    "convolution": [Reshape((2, 1, 2)), IMAGE],
    "pool": [Reshape((1, 2, 2)), AvgPool((1, 2))],
    "images of an activation": [ReLU(), Reshape((1, 2, 2))],
}


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_whatever_the_last_layer_is(impl, latent, last):
    """Outputs and regions are those of the network; the density is, with regions of its own."""
    body = Network.random([latent, 3, 4], LeakyReLU(0.2), 5).layers
    network = Network([*body, *LAST[last]])
    dgn = impl.DGN(network, 0.5)
    indices = [1, 0] if network.observed_dimension == 2 else [3, 0, 2]
    part = dgn.marginal(indices)
    Z = np.random.default_rng(0).standard_normal((9, latent))
    np.testing.assert_allclose(part.network(Z), network(Z)[:, indices], atol=1e-14)
    np.testing.assert_array_equal(part.partition().codes, dgn.partition().codes)
    exact = dgn.partition().slopes[:, indices]
    np.testing.assert_allclose(part.partition().slopes, exact, atol=1e-14)
    own, X = impl.DGN(part.network, 0.5), part.rvs(3, random_state=0)
    np.testing.assert_allclose(part.logpdf(X), own.logpdf(X), atol=1e-12)
    gaps = np.full((3, network.observed_dimension), NAN)
    gaps[:, indices] = X
    shaped = gaps.reshape(3, *network.shapes[-1])
    np.testing.assert_allclose(dgn.logpdf(shaped), own.logpdf(X), atol=1e-12)
    assert dgn.score(shaped).shape == shaped.shape
    assert dgn.posterior(shaped).reconstruction().shape == shaped.shape


@pytest.mark.parametrize(
    ("latent", "noise"), [(2, "scalar"), (2, "full"), (3, "diagonal")], ids=str
)
def test_with_the_regions_that_matter_alone(latent, noise):
    """fast, with a local partition: the same, codes of pieces and unions of regions included."""
    full, local = (model(fast, latent, NOISES[noise], partition=p) for p in ("full", "local"))
    X, _ = with_gaps(full)
    np.testing.assert_allclose(local.logpdf(X), full.logpdf(X), atol=1e-10)
    one, other = local.posterior(X), full.posterior(X)
    for name in ("mean", "cov", "entropy", "reconstruction", "reconstruction_cov"):
        exact = getattr(other, name)()
        np.testing.assert_allclose(getattr(one, name)(), exact, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(one.e0.sum(axis=1), 1.0, atol=1e-12)
    assert one.rvs(2, random_state=0).shape == (len(X), 2, latent)
    own, exact = local.gradient(X), full.gradient(X)
    for name, value in own.items():
        np.testing.assert_allclose(value, exact[name], atol=1e-9, err_msg=name)
    with pytest.raises(ValueError, match="partition='full'"):
        local.zero_noise_latent(X)


def test_whole_data_are_grouped_by_nothing(monkeypatch):
    """fast: no marginal is made, and a marginal finds no regions."""
    dgn = model(fast, 2, FULL)
    X, whole = with_gaps(dgn)
    dgn.logpdf(X)

    def found(*_):
        pytest.fail("made")

    monkeypatch.setattr("fast.partition.partition.partition", found)
    dgn.logpdf(X)
    monkeypatch.setattr("fast.partitioned.ByPattern", found)
    monkeypatch.setattr(fast.DGN, "_part", found)
    dgn.logpdf(whole)
    dgn.posterior(whole).mean()
    dgn.statistics(whole)
    dgn.score(whole)
    dgn.zero_noise_latent(whole)


def test_each_pattern_is_a_model(monkeypatch):
    """fast: as many marginals as patterns with something missing, however many rows."""
    dgn, made = model(fast, 2, FULL), []
    X, _ = with_gaps(dgn)
    part = fast.DGN._part
    monkeypatch.setattr(fast.DGN, "_part", lambda self, seen: made.append(seen) or part(self, seen))
    dgn.posterior(np.tile(X, (5, 1)))
    assert len(made) == len(np.unique(GAPS, axis=0))


class Table:
    """A column of integers in which something is missing, as a table of pandas gives it."""

    ndim = 2

    def __array__(self, dtype=None, copy=None):
        return np.array([[0.0, 1.0, NAN]]).astype(int)


def test_what_does_not_count_and_what_is_refused(impl):
    dgn = model(impl, 1, FULL)
    nothing = np.full((2, 3), NAN)
    np.testing.assert_array_equal(dgn.logpdf(nothing), 0.0)
    np.testing.assert_allclose(dgn.posterior(nothing).mean(), 0.0, atol=1e-12)
    np.testing.assert_allclose(dgn.posterior(nothing).reconstruction()[0], dgn.mean(), atol=1e-12)
    for name in ("statistics", "gradient"):
        with pytest.raises(ValueError, match="X: expected a row that counts"):
            getattr(dgn, name)(nothing)
    for bad in ([1.0], [1.0, -1.0], [0.0, 0.0], [1.0, NAN], [1.0, 1e101], [1e-101, 1.0]):
        with pytest.raises(ValueError, match="sample_weight: expected"):
            dgn.statistics(np.zeros((2, 3)), bad)
    with pytest.raises(ValueError, match="X: expected finite numbers, or NaN"):
        dgn.logpdf([[0.0, NAN, np.inf]])
    with pytest.raises(ValueError, match=r"X: .* column of integers with missing values; convert"):
        dgn.logpdf(Table())
    for bad in ([], [0, 0], [3], [-1], [0.5], 1, [[0]]):
        with pytest.raises(ValueError, match="indices: expected one or more distinct"):
            dgn.marginal(bad)


@pytest.mark.parametrize(("latent", "noise"), [(1, "scalar"), (1, "full"), (2, "full")])
def test_both_implementations_agree(latent, noise):
    """On everything, sums by region too."""
    one, other = (model(impl, latent, NOISES[noise]) for impl in (reference, fast))
    X, _ = with_gaps(other)
    X = X[:5]
    mine, theirs = one.statistics(X), other.statistics(X)
    order = np.lexsort(np.transpose(one.partition().codes))
    others = np.lexsort(np.transpose(theirs.codes))
    for name in ("e0", "e1", "e2", "residual0", "residual1"):
        values = getattr(mine, name)[order], getattr(theirs, name)[others]
        np.testing.assert_allclose(*values, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(mine.scatter, theirs.scatter, atol=1e-10)
    q = 0.1 * np.ones((2, len(X), latent))
    asked = {name: (X,) for name in ("logpdf", "score", "expected_complete_loglik")}
    asked |= {"elbo": (X, *q), "kl": (X, *q), "zero_noise_latent": (X,)}
    for name, given in asked.items():
        values = getattr(one, name)(*given), getattr(other, name)(*given)
        np.testing.assert_allclose(*values, atol=1e-9, err_msg=name)
    mine, theirs = one.posterior(X), other.posterior(X)
    for name in ("mean", "cov", "mode", "entropy", "reconstruction", "reconstruction_cov"):
        values = getattr(mine, name)(), getattr(theirs, name)()
        np.testing.assert_allclose(*values, atol=1e-8, err_msg=name)
    Z = np.random.default_rng(2).standard_normal((3, latent))
    np.testing.assert_allclose(mine.logpdf(Z), theirs.logpdf(Z), atol=1e-9)
