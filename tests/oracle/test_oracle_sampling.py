"""Tests against samples: their level, their power, and what they refuse to show."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import fast
import reference
from oracle.checks.implementations import network_of
from oracle.checks.samples import SamplingTally, check_sampling, softened
from oracle.exact.regions import code_at, exact_regions
from oracle.models.architectures import random_case
from oracle.models.case import Case
from oracle.samples.calibration import (
    DRAWS,
    detectable_shift,
    p_value_of_ranks,
    p_value_of_signs,
    ranks_of,
)
from oracle.samples.monte_carlo import (
    Weighted,
    joint_draws,
    member,
    posterior_claims,
    posterior_samples,
    prior_claims,
    prior_samples,
    traced,
    verdict_on,
)

RATE = 1e-12
DATA = Path(__file__).parents[1] / "data" / "regressions"


def linear(latent, seed=3):
    """A model without kinks: one Gaussian, everything about it known."""
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((2, latent)), rng.standard_normal(2)
    factor = np.tril(rng.standard_normal((latent, latent))) + 2 * np.eye(latent)
    cov_z, cov_x = factor @ factor.T, np.array([[0.5, 0.1], [0.1, 0.3]])
    layers = (("Dense", {"weight": weight, "bias": bias}),)
    zeros, identity = np.zeros((1, latent)), np.eye(latent)[None]
    return Case(seed, "linear", layers, cov_x, cov_z, np.array([[0.7, -0.4]]), zeros, identity)


def known(case):
    """Its claims: of the model, and about its point."""
    weight, bias = case.layers[0][1]["weight"], case.layers[0][1]["bias"]
    total = case.cov_x + weight @ case.cov_z @ weight.T
    gain = case.cov_z @ weight.T @ np.linalg.inv(total)
    mean, cov = gain @ (case.X[0] - bias), case.cov_z - gain @ weight @ case.cov_z
    log_p = stats.multivariate_normal(bias, total).logpdf(case.X[0])
    model = {("region mass", ()): 1.0, **moments("marginal", bias, total)}
    return model, {("log p", ()): log_p, ("e0", ()): 1.0, **moments("posterior", mean, cov)}


def moments(name, mean, cov):
    """Under the oracle's keys."""
    values = {(f"{name} mean", (i,)): m for i, m in enumerate(mean)}
    for i in range(len(mean)):
        values.update({(f"{name} covariance", (i, j)): cov[i, j] for j in range(i + 1)})
    return values


def verdicts(case, model, point):
    """Of all claims."""
    return {**prior_claims(case, model, RATE), **posterior_claims(case, 0, point, RATE)}


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_true_claims_pass(latent):
    """Far below the threshold, and an error of a few percent would have been seen."""
    case = linear(latent)
    found = verdicts(case, *known(case))
    assert all(v.share < 0.6 for v in found.values() if not np.isnan(v.share))
    shown = [v for (name, _), v in found.items() if name not in ("region mass", "e0")]
    assert all(v.detectable < 0.2 for v in shown)


def flat(limit):
    """x_0 is clipped from below at a value that it exceeds once in 1 / Φ(-limit) samples."""
    layers = (
        ("Dense", {"weight": np.eye(2), "bias": np.array([-limit, 0.0])}),
        ("ReLU", {}),
    )
    zeros = np.zeros((1, 2))
    return Case(5, "flat", layers, np.diag([1e-12, 0.3]), np.eye(2), zeros, zeros, np.eye(2)[None])


def of_flat(limit):
    """Its claims about the mean and the variance of x_0."""
    tail, height = stats.norm.sf(limit), stats.norm.pdf(limit)
    mean = height - limit * tail
    square = (1 + limit**2) * tail - limit * height
    return {
        ("marginal mean", (0,)): mean,
        ("marginal covariance", (0, 0)): square - mean**2 + 1e-12,
        ("marginal covariance", (1, 0)): 0.0,
        ("marginal mean", (1,)): stats.norm.pdf(0),
        ("marginal covariance", (1, 1)): 0.5 - stats.norm.pdf(0) ** 2 + 0.3,
    }


@pytest.mark.parametrize("limit", [2.5, 3.5, 4.5, 5.5])
def test_what_is_too_rare_for_samples_is_no_alarm(limit):
    """The mean and variance of x_0 are those of values of which few or none are among the samples.
    What no rare value explains is an alarm nevertheless."""
    claims = of_flat(limit)
    found = prior_claims(flat(limit), claims, RATE)
    assert all(not v.share > 1 for v in found.values())
    assert np.isnan(found["marginal mean", (0,)].share) == (limit > 4)
    deviation = np.sqrt(claims["marginal covariance", (0, 0)])
    claims["marginal mean", (0,)] += 0.1 * deviation
    assert prior_claims(flat(limit), claims, RATE)["marginal mean", (0,)].share > 1


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_errors_called_detectable_are_detected(latent):
    """Each claim moved by twice that in its unit is refuted, and no other is by less."""
    case = linear(latent)
    model, point = known(case)
    found = verdicts(case, model, point)
    for key, verdict in found.items():
        claims = dict(point if key in point else model)
        if key[0] in ("region mass", "e0") or np.isnan(verdict.share):
            continue
        unit = 1.0
        if key[0].endswith("mean"):
            unit = np.sqrt(claims[key[0].replace("mean", "covariance"), (key[1] * 2)])
        elif key[0].endswith("covariance"):
            unit = np.sqrt(np.prod([claims[key[0], (i, i)] for i in key[1]]))
        claims[key] += 2 * verdict.detectable * unit
        check = posterior_claims if key in point else prior_claims
        arguments = (case, 0, claims, RATE) if key in point else (case, claims, RATE)
        assert check(*arguments)[key].share > 1, key


def test_level():
    """On 300 sets of samples the statistic is Student's: its quantiles are where they should be."""
    rng = np.random.default_rng(8)
    rate = 0.1
    rejected = 0
    for _ in range(300):
        z = rng.standard_normal((32_000, 1))
        samples = Weighted(z, z, np.zeros((32_000, 0), dtype=np.int64), np.zeros(32_000))
        rejected += verdict_on(z[:, 0] ** 3, samples, 0.0, rate).share > 1
    # Binomial(300, 0.1): outside of this once in 1e6 runs.
    low, high = stats.binom.ppf([5e-7, 1 - 5e-7], 300, rate)
    assert low <= rejected <= high


def test_weights_too_uneven_show_nothing():
    """One sample that outweighs the rest."""
    z = np.zeros((32_000, 1))
    log_weights = np.zeros(32_000)
    log_weights[7] = 15.0
    samples = Weighted(z, z, np.zeros((32_000, 0), dtype=np.int64), log_weights)
    verdict = verdict_on(z[:, 0] + 1.0, samples, 0.0, RATE)
    assert np.isnan(verdict.share)
    tally = SamplingTally()
    tally.enter(*verdict, "here")
    assert (tally.tested, tally.not_shown, tally.breaches) == (1, 1, [])


def test_a_point_nothing_comes_near_shows_nothing():
    """A thousand standard deviations off the manifold of a folded network."""
    case = random_case(7, 2, 1)
    far = dataclasses.replace(case, X=case.X + 1e6, cov_x=np.array(1e-9))
    dgn = fast.DGN(reference.Network([reference.Dense(np.ones((1, 2)), [0.0])]), 1.0)
    point = {("log p", ()): -1e20, **moments("posterior", np.zeros(2), np.eye(2))}
    assert dgn.partition().n_regions == 1
    found = posterior_claims(far, 0, point, RATE)
    assert all(not v.share <= 1 for v in found.values())


@pytest.mark.parametrize("latent", [1, 2, 3, 4])
def test_codes_of_samples_are_the_exact_ones(latent):
    """And every sample lies in one region."""
    for seed in range(6):
        case = random_case(seed, latent, 1)
        samples = prior_samples(case, np.random.default_rng(seed))
        regions = [region.code for region in exact_regions(case.specs)]
        inside = np.array([member(case.specs, samples.codes, code) for code in regions])
        # Samples within rounding of a boundary, of slivers, may be in none.
        assert np.mean(inside.sum(axis=0) == 1) > 0.999
        for m in range(3):
            exact = code_at(case.specs, [float_fraction(v) for v in samples.latent[m]], None)
            assert inside[regions.index(exact), m]


def float_fraction(value):
    """A double as a fraction."""
    from fractions import Fraction

    return Fraction(float(value))


def test_weights_integrate():
    """Weighted samples of a linear model: the mean weight is p(x) within five standard errors."""
    case = linear(2)
    samples = posterior_samples(case, 0, np.random.default_rng(5))
    weights = np.exp(samples.log_weights - known(case)[1]["log p", ()])
    assert abs(np.mean(weights) - 1) < 5 * np.std(weights) / np.sqrt(len(weights))
    assert np.std(weights) < 3


def broken(change):
    """fast's DGN with a posterior changed."""

    class Off(fast.DGN):
        def posterior(self, X):
            return change(super().posterior(X))

    return Off


class Changed:
    """A posterior one of whose methods is wrong."""

    def __init__(self, posterior, name, by):
        self._posterior, self._name, self._by = posterior, name, by

    def __getattr__(self, name):
        value = getattr(self._posterior, name)
        if name != self._name:
            return value
        if not callable(value):
            return self._by(value)
        return lambda *a, **k: self._by(value(*a, **k))


def of_several_regions(latent):
    """The first case in which a datum has no region with nearly all of its posterior."""
    for seed in range(50):
        case = random_case(seed, latent, 2)
        shares = fast.DGN(network_of(case), case.cov_x, case.cov_z).posterior(case.X).e0
        if np.any((shares > 0.3) & (shares < 0.7)):
            return case
    raise AssertionError("no such case")


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("rvs", lambda z: z + 0.6),
        ("rvs", lambda z: -z),
        (
            "rvs",
            lambda z: z.mean(axis=1, keepdims=True) + 0.3 * (z - z.mean(axis=1, keepdims=True)),
        ),
        ("mean", lambda m: m + 0.3),
        ("cov", lambda c: 1.5 * c),
        ("e0", lambda e: e * (1 - 0.3 * (e == e.max()))),
    ],
    ids=["shifted", "mirrored", "too narrow", "mean", "covariance", "shares"],
)
@pytest.mark.parametrize("latent", [1, 2])
def test_wrong_posteriors_are_caught(monkeypatch, latent, name, by):
    """Draws that are shifted, mirrored or too narrow, where x tells much of z; moments and shares
    that are off."""
    case = of_several_regions(latent) if name == "e0" else linear(latent)
    right = check_sampling(case, 10**6, {"fast": fast})
    assert not [b for tally in right.values() for b in tally.breaches]
    monkeypatch.setattr(fast, "DGN", broken(lambda posterior: Changed(posterior, name, by)))
    wrong = check_sampling(case, 10**6, {"fast": fast})
    assert [b for tally in wrong.values() for b in tally.breaches]


def test_four_latent_dimensions():
    """The only truth there is for S = 4: nothing is refuted, and something is shown."""
    found = check_sampling(random_case(0, 4, 1), 10**6)
    assert not [b for tally in found.values() for b in tally.breaches]
    assert set(name for _, name in found) == {"fast"}
    assert sum(t.tested - t.not_shown for t in found.values()) > 10


def test_raised_noise_has_its_own_data():
    """A tenth of the variance of g(z) more, in the structure it had."""
    for seed in range(6):
        case = random_case(seed, 2)
        softer = softened(case)
        assert softer.cov_x.shape == case.cov_x.shape
        assert softer.X.shape == case.X.shape
        assert np.all(np.diag(np.atleast_2d(softer.cov_x)) >= np.diag(np.atleast_2d(case.cov_x)))


def test_binomial_tails():
    """p-values of ranks and signs, from the definition, and their level on true draws."""
    assert p_value_of_signs(np.arange(10.0), np.arange(10.0) - 1) == pytest.approx(2 / 2**10)
    assert p_value_of_signs(np.zeros(5), np.zeros(5)) == 1.0
    rng = np.random.default_rng(4)
    values = [p_value_of_ranks(rng.integers(0, DRAWS + 1, 200), DRAWS + 1) for _ in range(200)]
    assert np.mean(np.array(values) < 0.1) < 0.2
    skewed = rng.integers(0, DRAWS + 1, 400) // 2
    assert p_value_of_ranks(skewed, DRAWS + 1) < RATE
    ranks = ranks_of(np.zeros(4000), np.zeros((4000, DRAWS)), rng)
    assert p_value_of_ranks(ranks, DRAWS + 1) > 1e-6
    shift = detectable_shift(400, RATE)
    assert 0.1 < shift < 0.3
    chances = rng.binomial(400, 0.5 + shift, 500)
    ones = [p_value_of_signs(np.arange(400) < k, np.arange(400) >= k) for k in chances]
    assert np.mean(np.array(ones) < RATE) > 0.8


def test_own_draws():
    """Means and covariances of z and x, within six standard errors."""
    case = linear(2)
    z, x = joint_draws(case, 20_000, np.random.default_rng(2))
    model, _ = known(case)
    for values, mean, cov in (
        (z, np.zeros(2), case.cov_z),
        (x, [model["marginal mean", (i,)] for i in range(2)], None),
    ):
        error = values.std(axis=0) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - mean) < 6 * error)
        if cov is not None:
            np.testing.assert_allclose(np.cov(values.T), cov, rtol=0.1, atol=0.1)
    images, codes = traced(case.specs, z)
    np.testing.assert_allclose(np.cov((x - images).T), case.cov_x, atol=0.02)
    assert codes.shape == (20_000, 0)


def test_candidates_that_are_one_function():
    """Where two candidates of a maxout are equal on a whole region, samples are given the first:
    rounding said otherwise of half of them, and region masses looked wrong."""
    case = Case.load(DATA / "seed-126-tied-candidates.json")
    found = check_sampling(case, 10**6)
    assert found
    assert not [b for tally in found.values() for b in tally.breaches]
