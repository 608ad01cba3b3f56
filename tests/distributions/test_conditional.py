"""p(x_missing | x_observed): against integrals of log p, Monte Carlo from the joint, and a linear
model's Gaussian conditional."""

import numpy as np
import pytest
from missing_entries import EACH, FULL, GAPS, NAN, NOISES, model, panels, with_gaps
from scipy.stats import norm

import fast
import reference
from reference import Dense, Network


def conditional_of_gaussian(mean, cov, row):
    """Mean and covariance of N(mean, cov) given what is observed of a row: the textbook's."""
    seen, missing = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
    pull = np.linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, missing)]).T
    filled, left = row.copy(), np.zeros_like(cov)
    filled[missing] = mean[missing] + pull @ (row[seen] - mean[seen])
    own = cov[np.ix_(missing, missing)] - pull @ cov[np.ix_(seen, missing)]
    left[np.ix_(missing, missing)] = own
    return filled, left


@pytest.mark.parametrize("noise", NOISES)
def test_of_a_linear_model_it_is_the_gaussian_conditional(impl, noise):
    """Probabilistic PCA, where all is in textbooks."""
    weight = np.array([[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0]])
    dgn = impl.DGN(Network([Dense(weight, [0.5, -1.0, 0.25])]), NOISES[noise])
    X, whole = with_gaps(dgn)
    given = dgn.conditional(X)
    variances = given.cov(diagonal=True)
    for i, row in enumerate(X):
        mean, cov = conditional_of_gaussian(dgn.mean(), dgn.cov(), row)
        np.testing.assert_allclose(given.mean()[i], mean, atol=1e-10)
        np.testing.assert_allclose(given.cov()[i], cov, atol=1e-10)
        np.testing.assert_allclose(variances[i], np.diag(cov), atol=1e-10)
        missing = np.flatnonzero(np.isnan(row))
        away, own = (whole[i] - mean)[missing], cov[np.ix_(missing, missing)]
        exact = -0.5 * (away @ np.linalg.solve(own, away) + np.linalg.slogdet(2 * np.pi * own)[1])
        np.testing.assert_allclose(given.logpdf(whole)[i], exact, atol=1e-10)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_moments_are_integrals_of_the_density(impl, latent, noise):
    """Over one missing entry, by Gauss and Legendre on p(x) / p(x_o)."""
    dgn = model(impl, latent, NOISES[noise])
    row, j = dgn.rvs(random_state=0)[0], list(NOISES).index(noise)
    reach = 12.0 * np.sqrt(dgn.cov()[j, j])
    x, weights = panels((dgn.mean()[j] - reach, dgn.mean()[j] + reach), 24, 16)
    rows = np.tile(row, (len(x), 1))
    rows[:, j] = x
    row[j] = NAN
    given = dgn.conditional(row[None])
    density = weights * np.exp(dgn.logpdf(rows) - dgn.logpdf(row[None]))
    mean = density @ x
    np.testing.assert_allclose(given.mean()[0, j], mean, atol=1e-8)
    np.testing.assert_allclose(given.cov()[0, j, j], density @ (x - mean) ** 2, atol=1e-8)
    np.testing.assert_allclose(given.logpdf(rows[200:201]), np.log(density / weights)[200])
    others = np.arange(3) != j
    np.testing.assert_array_equal(given.mean()[0, others], row[others])
    assert np.all(given.cov()[0][others] == 0)
    assert np.all(given.cov()[0][:, others] == 0)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("latent", [1, 2])
def test_moments_against_draws_from_the_joint(impl, latent, noise):
    """By weights of importance: x_m from its own law given z, z from the prior, and p(x_o | z) as
    weight. Six standard errors by as many means: 1e-7 false alarms; 0.05 deviations are seen."""
    dgn = model(impl, latent, NOISES[noise])
    row = np.where([False, True, True], NAN, dgn.rvs(random_state=1)[0])
    given = dgn.conditional(row[None])
    rng = np.random.default_rng(5)
    Z = rng.standard_normal((100_000, latent)) @ np.linalg.cholesky(dgn.cov_z).T
    full = NOISES[noise] if noise == "full" else np.diag(np.broadcast_to(NOISES[noise], 3))
    images = dgn.network(Z)
    draws = images + rng.standard_normal((len(Z), 3)) @ np.linalg.cholesky(full).T
    # Moved along the noise's own regression, x_0 is what was observed, and the rest given it.
    draws = draws + np.outer(row[0] - draws[:, 0], full[:, 0] / full[0, 0])
    weights = np.exp(-0.5 * (row[0] - images[:, 0]) ** 2 / full[0, 0])
    weights /= weights.sum()
    mean = weights @ draws
    away = draws - mean
    cov = (weights[:, None] * away).T @ away
    errors = np.sqrt(np.square(weights) @ np.square(away))
    assert np.all(np.abs(given.mean()[0] - mean)[1:] < 6 * errors[1:])
    products = np.einsum("nd,ne->nde", away, away)
    errors = np.sqrt(np.einsum("n,nde->de", np.square(weights), np.square(products - cov)))
    assert np.all(np.abs(given.cov()[0] - cov)[1:, 1:] < 6 * errors[1:, 1:])


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("impl", "latent"), EACH)
def test_draws_have_its_moments(impl, latent, noise):
    """Observed entries are kept; means within six standard errors, and variances."""
    dgn = model(impl, latent, NOISES[noise])
    X, _ = with_gaps(dgn)
    given, size = dgn.conditional(X), 20_000 if impl is fast else 1_000
    draws = given.rvs(size, random_state=3)
    assert draws.shape == (len(X), size, 3)
    kept = np.broadcast_to(~GAPS[:, None], draws.shape)
    np.testing.assert_array_equal(draws[kept], np.broadcast_to(X[:, None], draws.shape)[kept])
    away = draws - given.mean()[:, None]
    mean, scale = away.mean(axis=1), np.sqrt(given.cov(diagonal=True))
    assert np.all(np.abs(mean[GAPS]) < 6 * scale[GAPS] / np.sqrt(size))
    found, cov = np.einsum("nkd,nke->nde", away, away) / size, given.cov()
    errors = np.sqrt(np.einsum("nkd,nke->nde", away**2, away**2)) / size
    assert np.all(np.abs(found - cov) <= 6 * errors)


@pytest.mark.parametrize("noise", NOISES)
def test_both_implementations_and_local_regions_agree(noise):
    own = [model(impl, 2, NOISES[noise]) for impl in (reference, fast)]
    own.append(model(fast, 2, NOISES[noise], partition="local"))
    X, whole = (part[3:6] for part in with_gaps(own[1]))
    laws = [dgn.conditional(X) for dgn in own]
    for law in laws[1:]:
        np.testing.assert_allclose(law.mean(), laws[0].mean(), atol=1e-8)
        np.testing.assert_allclose(law.cov(), laws[0].cov(), atol=1e-8)
        variances = laws[0].cov(diagonal=True)
        np.testing.assert_allclose(law.cov(diagonal=True), variances, atol=1e-8)
        np.testing.assert_allclose(law.logpdf(whole), laws[0].logpdf(whole), atol=1e-8)
        assert law.rvs(2, random_state=0).shape == (3, 2, 3)


def test_parts_of_what_is_missing_and_shapes(impl):
    """An entry left open here too is integrated over; images keep their shape."""
    dgn = model(impl, 1, FULL)
    X, whole = with_gaps(dgn)
    given, some = dgn.conditional(X[4:6]), np.array([[NAN, 1.0, NAN], [NAN, 0.5, 9.0]])
    exact = dgn.logpdf(np.where(GAPS[4:6], some, X[4:6])) - dgn.logpdf(X[4:6])
    np.testing.assert_array_equal(given.logpdf(some), exact)
    complete = dgn.conditional(whole[:2])
    np.testing.assert_array_equal(complete.mean(), whole[:2])
    np.testing.assert_array_equal(complete.cov(), 0.0)
    np.testing.assert_array_equal(complete.logpdf(whole[:2]), 0.0)
    np.testing.assert_array_equal(complete.rvs(2, random_state=0)[:, 1], whole[:2])
    images = dgn.conditional(X[4:6].reshape(2, 3, 1))
    assert images.mean().shape == images.cov(diagonal=True).shape == (2, 3, 1)
    assert images.rvs(4).shape == (2, 4, 3, 1)
    with pytest.raises(ValueError, match="values: expected 2 rows"):
        given.logpdf(whole[:3])


def test_shares_below_are_those_of_a_gaussian_where_the_model_is_linear(impl):
    """CDF and intervals, in the tails too; an observed entry is certain."""
    weight = np.array([[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0]])[:, : 1 if impl is reference else 2]
    dgn = impl.DGN(Network([Dense(weight, [0.5, -1.0, 0.25])]), FULL)
    X, _ = with_gaps(dgn)
    given, missing = dgn.conditional(X), np.isnan(X[:, 1])
    mean, deviation = given.mean()[:, 1], np.sqrt(given.cov(diagonal=True)[:, 1])
    for away in (-6.0, -0.5, 2.0):
        found = given.cdf(1, np.where(missing, mean + away * deviation, X[:, 1]))
        np.testing.assert_allclose(found.value[missing], norm.cdf(away), atol=1e-12)
        np.testing.assert_array_equal(found.value[~missing], 1.0)
        assert np.all(found.error < 1e-12)
    below = given.cdf(1, np.where(missing, 0.0, X[:, 1] - 1e-9)).value
    np.testing.assert_array_equal(below[~missing], 0.0)
    for level in (0.0, 0.5, 0.999):
        ends = given.interval(1, level).value
        exact = mean[:, None] + norm.ppf([0.5 - level / 2, 0.5 + level / 2]) * deviation[:, None]
        np.testing.assert_allclose(ends[missing], exact[missing], atol=1e-9)
        np.testing.assert_array_equal(ends[~missing], np.repeat(X[~missing, 1:2], 2, axis=1))


@pytest.mark.parametrize(("latent", "noise"), [(1, "full"), (2, "diagonal")])
def test_shares_below_by_two_routes(latent, noise):
    """`fast` integrates the density, `reference` takes masses in one more dimension: to 1e-12."""
    one, other = (model(impl, latent, NOISES[noise]) for impl in (fast, reference))
    X, whole = (part[3:4] for part in with_gaps(one))
    found, exact = one.conditional(X).cdf(0, whole[:, 0]), other.conditional(X).cdf(0, whole[:, 0])
    np.testing.assert_allclose(found.value, exact.value, atol=1e-12)
    assert 0.01 < found.value[0] < 0.99
    assert np.all(exact.error < 1e-12)


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_intervals_hold_what_they_say(latent):
    """fast: the CDF at both ends, and the share of draws inside; six standard errors."""
    dgn = model(fast, latent, FULL)
    X, _ = with_gaps(dgn)
    given = dgn.conditional(X[3:5])
    missing, size = np.isnan(X[3:5, 0]), 10_000
    ends = given.interval(0, 0.8, random_state=0)
    below = [given.cdf(0, end, size=size, random_state=1) for end in ends.value.T]
    shares = np.array([found.value for found in below])[:, missing]
    allowed = 1e-10 if latent < 3 else 6.0 * np.sqrt(2 * 0.09 / size)
    np.testing.assert_allclose(shares, np.broadcast_to([[0.1], [0.9]], shares.shape), atol=allowed)
    draws = given.rvs(size, random_state=2)[missing, :, 0]
    inside = (draws > ends.value[missing, :1]) & (draws < ends.value[missing, 1:])
    error = np.sqrt((0.16 + 0.18 * (latent == 3)) / size)
    assert np.all(np.abs(inside.mean(axis=1) - 0.8) < 6 * error)
    told = ends.error[missing]
    assert np.all(told > 1e-3) if latent == 3 else np.all(told < 1e-12)
    np.testing.assert_array_equal(ends.value[~missing], X[3:5][~missing][:, [0, 0]])


def test_what_no_integral_can_tell():
    """fast: noise far below the spread, and draws beyond the memory that is allowed."""
    dgn = fast.DGN(Network([Dense([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])]), [1.0, 1e-14])
    with pytest.raises(ArithmeticError, match=r"take quantiles of draws, `Conditional.rvs`"):
        dgn.conditional([[0.0, NAN]]).cdf(1, [0.0])
    small = fast.DGN(Network([Dense(np.eye(3), np.zeros(3))]), 1.0, max_memory=1e5)
    with pytest.raises(ValueError, match="max_memory: draws of x"):
        small.conditional([[0.0, NAN, 0.0]]).interval(1)
    with pytest.raises(ValueError, match="index: expected an entry below 3"):
        small.conditional([[0.0, NAN, 0.0]]).interval(3)


def test_what_few_draws_tell(impl):
    """S = 3: below all of them, or of so few, a share of 0 has an error; of what is observed none.
    Ends of an interval have ten draws beyond them."""
    dgn = model(impl, 3, 0.3)
    given = dgn.conditional([[NAN, 0.0, 0.0], [0.5, NAN, 0.0]])
    found = given.cdf(0, [-50.0, 0.5], size=20, random_state=0)
    np.testing.assert_array_equal(found.value, [0.0, 1.0])
    assert found.error[0] == pytest.approx(np.sqrt(21 / 22**2 / 20))
    assert found.error[1] == 0.0
    with pytest.raises(
        ValueError, match=r"size: expected 2\d* draws or more for this level, got 19"
    ):
        given.interval(0, 0.99, size=1999)
