"""Learning from data of which entries are not observed, and from data that count differently."""

import warnings

import numpy as np
import pytest
from missing_entries import FULL, NOISES, em_of_factors, model, with_gaps

import fast
import reference
from fast.training.ends import stationarity
from fast.training.ends.scores import scores
from fast.training.objective import State
from reference import Dense, GaussianPrior, LeakyReLU, Network
from reference.learning import stationarity as plain
from reference.learning.objective import State as PlainState

NAN = np.nan
FITS = [pytest.param(reference, "fit_em", id="reference.fit_em")]
FITS += [pytest.param(fast, name, id=f"fast.{name}") for name in ("fit_em", "fit_mle")]


def circle(count, missing, seed=0):
    """Points on a noisy circle, of which a share of entries is missing, and the same whole."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, count)
    whole = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.standard_normal((count, 2))
    return np.where(rng.random(whole.shape) < missing, NAN, whole), whole


def fitted(impl, name, network, X, **settings):
    """A fit that may end at its limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", impl.ConvergenceWarning)
        return getattr(impl, name)(network, X, **{"cov_x": 0.3, "max_iter": 4, **settings})


STRUCTURES = {"()": 0.3, "D": [0.3, 0.2], "DD": [[0.3, 0.1], [0.1, 0.2]]}


@pytest.mark.parametrize(
    ("missing", "structure"), [(0.0, "D"), (0.1, "()"), (0.5, "D"), (0.3, "DD")], ids=str
)
@pytest.mark.parametrize(("impl", "name"), FITS)
def test_the_loss_never_rises_and_is_that_of_what_is_observed(impl, name, missing, structure):
    X, _ = circle(30, missing)
    cov_x = STRUCTURES[structure]
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 1)
    result = fitted(impl, name, network, X, cov_x=cov_x)
    assert np.all(np.diff(result.history) <= 0)
    assert result.history[-1] < result.history[0] - 1e-3
    seen = ~np.all(np.isnan(X), axis=1)
    for dgn, loss in ((impl.DGN(network, cov_x), 0), (result.dgn, -1)):
        expected = -dgn.logpdf(X)[seen].mean()
        np.testing.assert_allclose(result.history[loss], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("latent", "count"), [(1, 25), pytest.param(2, 25, marks=pytest.mark.deep)]
)
def test_fifty_runs_of_em_never_raise_the_loss(latent, count):
    """fast, 10 and 50 percent missing, from as many starts."""
    for seed in range(count):
        for missing in (0.1, 0.5):
            X, _ = circle(25, missing, seed)
            network = Network.random([latent, 3, 2], LeakyReLU(0.1), seed)
            result = fitted(fast, "fit_em", network, X, max_iter=2)
            assert np.all(np.diff(result.history) <= 1e-12)


@pytest.mark.parametrize("impl", [reference, fast], ids=["reference", "fast"])
def test_of_a_linear_model_it_is_em_of_factor_analysis(impl):
    """The M-step from sums with missing entries, twice: weight, bias and variances as written out
    for joint Gaussians, Σz held."""
    rng = np.random.default_rng(3)
    true = rng.standard_normal((4, 2))
    X = rng.standard_normal((40, 2)) @ true.T + 0.5 * rng.standard_normal((40, 4)) + 1.0
    X = np.where(rng.random(X.shape) < 0.3, NAN, X)
    X = X[~np.all(np.isnan(X), axis=1)]
    weight, bias = rng.standard_normal((4, 2)), np.zeros(4)
    dgn = impl.DGN(Network([Dense(weight, bias)]), np.ones(4))
    for _ in range(2):
        names = ["0", "cov_x"]
        dgn = impl.m_step(dgn, dgn.statistics(X), names, noise_floor=0.0)
    expected = em_of_factors(X, weight, bias, np.ones(4), 2)
    found = (*(dgn.parameters()[name] for name in ("0.weight", "0.bias", "cov_x")),)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize(("impl", "name"), FITS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_weight_is_how_often_a_row_counts(impl, name, missing):
    """Losses, parameters and noise floors; rows of weight 0 might as well not be there."""
    X, _ = circle(20, missing)
    times = np.random.default_rng(0).integers(0, 3, len(X))
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 1)
    settings = {"cov_x": [0.3, 0.2], "noise_floor": 0.05}
    one = fitted(impl, name, network, X, sample_weight=times, **settings)
    other = fitted(impl, name, network, np.repeat(X, times, axis=0), **settings)
    np.testing.assert_allclose(one.history, other.history, rtol=1e-8)
    for key, value in one.dgn.parameters().items():
        np.testing.assert_allclose(value, other.dgn.parameters()[key], atol=1e-5, err_msg=key)


@pytest.mark.parametrize(("impl", "name"), FITS)
def test_what_does_not_count(impl, name):
    """A row of nothing changes nothing, and weights of 1 neither; to the last digit."""
    X, _ = circle(20, 0.2)
    X = X[~np.all(np.isnan(X), axis=1)]
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 1)
    one = fitted(impl, name, network, X)
    more = np.concatenate([X, [[NAN, NAN]]])
    for given in ({}, {"sample_weight": np.ones(len(more))}):
        other = fitted(impl, name, network, more, **given)
        np.testing.assert_allclose(one.history, other.history, rtol=1e-9)


@pytest.mark.parametrize(("impl", "name"), FITS)
def test_a_column_of_nothing_is_refused(impl, name):
    X = np.array([[1.0, NAN], [2.0, NAN]])
    with pytest.raises(ValueError, match=r"X: expected an observed entry in every column.*\[1\]"):
        fitted(impl, name, Network.random([1, 2, 2], LeakyReLU(0.1), 1), X)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("latent", [1, 2])
def test_scores_of_rows_with_gaps_are_their_gradients(latent, noise):
    dgn = model(fast, latent, NOISES[noise])
    X, _ = with_gaps(dgn)
    X = np.delete(X, 1, axis=0)  # of which nothing is observed
    found = list(scores(dgn, X))
    for name in dgn.parameters():
        rows = np.concatenate([some[name] for some in found])
        each = [dgn.gradient(row[None])[name] for row in X]
        np.testing.assert_allclose(rows, each, atol=1e-11, err_msg=name)


def test_the_gradient_norm_of_both_is_that_of_repeated_rows():
    dgn, own = (model(impl, 1, FULL) for impl in (fast, reference))
    X = np.delete(with_gaps(dgn)[0], 1, axis=0)
    X = np.concatenate([X, dgn.rvs(120, random_state=2)])
    times = np.random.default_rng(1).integers(1, 3, len(X))
    floor, prior = np.array(0.0), GaussianPrior(1.0)
    state = State.of(dgn, X, prior, times.astype(float))
    repeated = np.repeat(X, times, axis=0)
    expected = stationarity.gradient_norm(State.of(dgn, repeated, prior), floor, None, repeated)
    found = stationarity.gradient_norm(state, floor, None, X)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    state = PlainState.of(own, X, prior, times.astype(float))
    np.testing.assert_allclose(plain.gradient_norm(state, floor, X), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["fit_em", "fit_mle"])
def test_starts_units_and_checkpoints(name, tmp_path):
    """fast: data of any units give the same model, in those; a fit goes on where it was."""
    X, _ = circle(30, 0.2)
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 1)
    settings = {"init": "data", "n_init": 2, "random_state": 0, "cov_x": [0.3, 0.2]}
    one = fitted(fast, name, network, X, **settings)
    scale, shift = np.array([1024.0, 0.125]), np.array([64.0, -8.0])
    moved = {**settings, "cov_x": [0.3 * 1024**2, 0.2 / 64]}
    other = fitted(fast, name, network, scale * X + shift, **moved)
    seen = ~np.all(np.isnan(X), axis=1)
    volume = (~np.isnan(X[seen]) @ np.log(scale)).mean()
    np.testing.assert_allclose(other.history - volume, one.history, rtol=1e-9)
    file = tmp_path / "fit"
    weights = np.linspace(0.5, 2.0, len(X))
    settings |= {"checkpoint": file, "sample_weight": weights, "n_init": 1}
    whole = fitted(fast, name, network, X, **settings)
    file.unlink()
    fitted(fast, name, network, X, **{**settings, "max_iter": 2})
    again = fitted(fast, name, network, X, **settings)
    if name == "fit_em":
        np.testing.assert_array_equal(again.history, whole.history)
    with pytest.raises(ValueError, match=r"checkpoint: .* is of a fit to other data"):
        fitted(fast, name, network, X, **{**settings, "sample_weight": weights**2})


def test_what_is_missing_is_found_better_than_by_the_mean():
    """x = (t, cos 1.4 t) with noise, fast: of a second entry that is missing, errors are below
    those of the column's mean and of the linear model of the same fit. On the circle none can be
    much better than the mean: given one entry, the other has two places."""
    rng = np.random.default_rng(0)
    t = rng.standard_normal(120)
    whole = np.stack([t, np.cos(1.4 * t)], axis=1) + 0.1 * rng.standard_normal((120, 2))
    X = whole.copy()
    X[::4, 1] = NAN
    errors = []
    for network in (
        Network.random([1, 8, 2], LeakyReLU(0.1), 0),
        Network([Dense([[1.0], [1.0]], [0.0, 0.0])]),
    ):
        settings = {"init": "data", "n_init": 2, "random_state": 0, "max_iter": 100}
        result = fitted(fast, "fit_mle", network, X, **settings)
        errors.append(np.square(result.dgn.conditional(X).mean() - whole)[::4, 1].mean())
    means = np.square(np.nanmean(X[:, 1]) - whole[::4, 1]).mean()
    assert errors[0] < 0.5 * min(errors[1], means)
