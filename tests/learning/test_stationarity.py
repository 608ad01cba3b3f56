"""What convergence is told by: a gradient norm and a curvature that no parametrisation changes."""

import numpy as np
import pytest
import scipy.linalg
from chunk_cases import case

import fast
import reference
from fast import Dense, GaussianPrior, LaplacePrior, LeakyReLU, Network, UniformPrior
from fast.training.ends import stationarity
from fast.training.ends.chart import Chart
from fast.training.ends.scores import scores
from fast.training.objective import State
from reference.learning import stationarity as plain
from reference.learning.objective import State as PlainState

STRUCTURES = {
    "scalar": np.array(0.3),
    "diagonal": np.array([0.2, 0.3, 0.4]),
    "full": np.diag([0.2, 0.3, 0.4]) + 0.05,
}
NO_FLOOR = np.array(0.0)


def model(structure, latent=1, seed=1, count=40, hidden=3):
    """A model and data that it has not made."""
    network = Network.random([latent, hidden, 3], LeakyReLU(0.1), seed)
    dgn = fast.DGN(network, STRUCTURES[structure], 1.3)
    return dgn, dgn.rvs(count, 0) + 0.3


def norm(dgn, X, prior=None, floor=NO_FLOOR):
    return stationarity.gradient_norm(State.of(dgn, X, prior), floor, None, X)


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_scores_are_the_gradients_of_each_datum(structure, latent):
    dgn, X = model(structure, latent, count=12)
    found = list(scores(dgn, X))
    for name in dgn.parameters():
        rows = np.concatenate([some[name] for some in found])
        expected = np.array([dgn.gradient(x[None])[name] for x in X])
        np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("kind", ["image", "decoder", "signal", "pieces and a block"])
def test_scores_of_other_layers(kind, latent):
    """The same of convolutions, and within blocks."""
    given = case(latent, kind)
    dgn, X = fast.DGN(given.network, given.cov_x, given.cov_z), given.X
    found = list(scores(dgn, X))
    for name in dgn.parameters():
        rows = np.concatenate([some[name] for some in found])
        expected = np.array([dgn.gradient(x[None])[name] for x in X])
        np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_no_more_scores_than_memory_holds(monkeypatch):
    """With fewer data evenly spaced, and so many are told of. A fit of all parameters, and one of
    few, which have shorter scores."""
    dgn, X = model("full")
    monkeypatch.setattr(stationarity, "_MOST_NUMBERS", 10 * 25)
    of_all = State.of(dgn, X, None)
    assert norm(dgn, X) == stationarity.gradient_norm(of_all, NO_FLOOR, None, X[::4])
    assert "scores of 10 data" in fast.fit_em(dgn, X, max_iter=1, tol=0).measured
    few = fast.fit_mle(dgn, X, parameters=["0.bias", "2.bias"], max_iter=1, tol=0)
    assert "scores of 40 data" in few.measured


def test_the_norm_takes_the_driver_that_converges(monkeypatch):
    """Divide and conquer has stopped with "SVD did not converge" on a matrix of scores, in the
    middle of a fit. Here it always does."""
    dgn, X = model("full", count=40, hidden=1)
    one = State.of(dgn, X, None)
    other = PlainState.of(reference.DGN(dgn.network, dgn.cov_x, dgn.cov_z), X, None)
    expected = norm(dgn, X)
    own = scipy.linalg.svd

    def by_other_driver(*given, lapack_driver="gesdd", **options):
        if lapack_driver != "gesvd":
            raise np.linalg.LinAlgError("SVD did not converge")
        return own(*given, lapack_driver=lapack_driver, **options)

    monkeypatch.setattr(scipy.linalg, "svd", by_other_driver)
    monkeypatch.setattr(np.linalg, "svd", by_other_driver)
    assert stationarity.gradient_norm(one, NO_FLOOR, None, X) == expected
    assert plain.gradient_norm(other, NO_FLOOR, X) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("prior", [None, GaussianPrior(0.5), LaplacePrior(0.3), UniformPrior(9.0)])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_implementations_agree(structure, prior):
    """In the norm and in the curvature, with and without a floor: the likelihood rises away from it
    where the noise is scalar, and below it in the other structures, where it holds a variance.

    Of a small network: every coordinate costs `reference` two E-steps. With twice as many data as
    coordinates, so that the norm is not damped, and with fewer.
    """
    dgn, X = model(structure, seed=8, count=36, hidden=1)
    own = reference.DGN(dgn.network, dgn.cov_x, dgn.cov_z)
    one, other = State.of(dgn, X, prior), PlainState.of(own, X, prior)
    for floor in (NO_FLOOR, np.min(np.linalg.eigvalsh(dgn.noise.full()))):
        found = stationarity.gradient_norm(one, floor, None, X)
        assert found == pytest.approx(plain.gradient_norm(other, floor, X), rel=1e-6)
    few = X[:6]
    one, other = State.of(dgn, few, prior), PlainState.of(own, few, prior)
    found = stationarity.gradient_norm(one, NO_FLOOR, None, few)
    assert found == pytest.approx(plain.gradient_norm(other, NO_FLOOR, few), rel=1e-6)
    curvature = stationarity.smallest_curvature(one, NO_FLOOR, None, few).value
    # Of differences along other directions the steps' squares are other errors.
    expected = plain.smallest_curvature(other, NO_FLOOR, few)
    assert curvature == pytest.approx(expected, rel=1e-4, abs=1e-5)


def gauged(dgn, latent_scale, unit_scale, turn=None):
    """The same model by other parameters: z and the first unit rescaled, z turned."""
    values = {name: value.copy() for name, value in dgn.parameters().items()}
    turn = np.eye(len(dgn.cov_z)) if turn is None else turn
    values["0.weight"] = values["0.weight"] @ turn.T / latent_scale
    values["cov_z"] = latent_scale**2 * turn @ values["cov_z"] @ turn.T
    values["0.weight"][0] *= unit_scale
    values["0.bias"][0] *= unit_scale
    values["2.weight"][:, 0] /= unit_scale
    return dgn.with_parameters(values)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("scales", [(1e-4, 1.0), (1.0, 1e3), (30.0, 1e-2)])
def test_the_norm_does_not_see_the_gauge(scales, structure):
    """To what rounding of the scores leaves of it, 1e-12 times what the smallest eigenvalue that is
    kept magnifies; the steepness changes by orders of magnitude."""
    dgn, X = model(structure, 2, count=80)
    angle = np.array([[0.8, -0.6], [0.6, 0.8]])
    moved = gauged(dgn, *scales, angle)
    np.testing.assert_allclose(moved.logpdf(X), dgn.logpdf(X), rtol=1e-9)
    assert norm(moved, X) == pytest.approx(norm(dgn, X), rel=1e-5)
    slopes, others = dgn.gradient(X), moved.gradient(X)
    assert max(np.abs(slopes[n] / others[n] - 1).max() for n in ("0.weight", "2.weight")) > 0.1


def line(seed=0):
    """Data of a linear model with one factor in five dimensions, and the least loss of any such
    model with one variance (Tipping and Bishop 1999)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((500, 1)) @ rng.standard_normal((1, 5))
    X += 0.5 * rng.standard_normal(X.shape)
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))[::-1]
    noise = values[1:].mean()
    return X, 0.5 * (5 * np.log(2 * np.pi) + np.log(values[0]) + 4 * np.log(noise) + 5)


@pytest.mark.parametrize("share", [1e-1, 1e-2, 1e-3])
def test_half_its_square_is_what_is_left_to_gain(share):
    """Near a maximum of a model that the data are of, to the precision of 500 data."""
    X, best = line()
    found = fast.fit_mle(Network.random([1, 5], random_state=0), X, gtol=1e-7)
    rng = np.random.default_rng(3)
    values = found.dgn.parameters()
    moved = found.dgn.with_parameters(
        {"0.weight": values["0.weight"] * (1 + share * rng.standard_normal((5, 1)))}
    )
    left = -moved.logpdf(X).mean() - best
    assert left == pytest.approx(norm(moved, X) ** 2 / 2, rel=0.5)


def test_a_blob_is_a_saddle_and_is_left():
    """A line's data, and a model that does not bend to them: no gradient by any parameter, negative
    curvature, and a better model along it; at the maximum there is none."""
    X, best = line()
    centre, spread = X.mean(axis=0), X.var()
    blob = fast.DGN(Network([Dense(np.zeros((5, 1)), centre)]), ((X - centre) ** 2).mean())
    assert max(np.abs(v).max() for v in blob.gradient(X).values()) < 1e-12 * spread
    state = State.of(blob, X, None)
    found = stationarity.smallest_curvature(state, NO_FLOOR, None, X)
    assert found.value < -0.1
    better = stationarity.past_saddle(state, found, X, 1e-6)
    assert better.loss < state.loss - 0.1
    few = X[::10]
    own = PlainState.of(reference.DGN(blob.network, blob.cov_x), few, None)
    value = stationarity.smallest_curvature(State.of(blob, few, None), NO_FLOOR, None, few).value
    assert value < -0.1
    assert plain.smallest_curvature(own, NO_FLOOR, few) == pytest.approx(value, abs=1e-5)
    for fit in (fast.fit_em, fast.fit_mle):
        result = fit(blob, X, max_iter=300)
        assert result.converged
        assert result.history[-1] == pytest.approx(best, abs=1e-6)
        assert result.smallest_curvature > -1e-4
        assert np.diff(result.history).max() <= 0
    with pytest.warns(reference.ConvergenceWarning, match="at a saddle"):
        told = reference.fit_em(blob.network, X[:40], cov_x=X[:40].var(), max_iter=300)
    assert (told.outcome, told.converged) == ("at a saddle", False)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_chart_is_what_differences_say(structure):
    """The gradient by its coordinates, at the model and at a step, by central differences."""
    dgn, X = model(structure, 2)
    prior = GaussianPrior(0.7)
    chart = Chart.of(dgn, None, NO_FLOOR, prior, len(X))
    size = len(chart.free(dgn.gradient(X)))
    rng = np.random.default_rng(0)
    for step in (np.zeros(size), 1e-3 * rng.standard_normal(size)):
        there = State.of(dgn.with_parameters(chart.moved(step)), X, prior)
        slope = chart.rises_at(step, there.dgn, there.log_likelihood_gradient)
        for direction in rng.standard_normal((5, size)):
            ends = [
                State.of(dgn.with_parameters(chart.moved(step + h * direction)), X, prior).loss
                for h in (1e-5, -1e-5)
            ]
            assert (ends[1] - ends[0]) / 2e-5 == pytest.approx(slope @ direction, rel=1e-5)


def test_few_data_and_dead_units_have_a_norm():
    """Fewer data than parameters; a unit that nothing reaches; nothing that moves at all."""
    dgn, X = model("full")
    assert 0 < norm(dgn, X[:3]) < np.inf
    values = dgn.parameters()
    dead = np.array(values["2.weight"])
    dead[:, 0] = 0.0
    quiet = dgn.with_parameters({"2.weight": dead})
    assert 0 < norm(quiet, X) < np.inf
