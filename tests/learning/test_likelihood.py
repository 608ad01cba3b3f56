"""Exact maximum likelihood by L-BFGS: it ends at optima, known ones where they are known."""

import numpy as np
import pytest
from shared_models import circle

import fast
from fast import (
    Dense,
    GaussianPrior,
    LaplacePrior,
    LeakyReLU,
    Network,
    ReLU,
    UniformPrior,
)
from fast.training import search as searching
from fast.training.ends.judgement import Goal
from fast.training.parameter_vector import Packing

PRIORS = [None, GaussianPrior(0.5), LaplacePrior(0.2), UniformPrior(0.6)]


def line(structure):
    """Data along a line in four dimensions, and a model of one affine layer."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((60, 1)) @ [[1.0, 0.5, -0.3, 0.1]] + 0.2 * rng.standard_normal((60, 4))
    start = Network([Dense([[0.1], [0.2], [0.3], [-0.1]], np.zeros(4))])
    return fast.DGN(start, {"scalar": 1.0, "diagonal": np.ones(4), "full": np.eye(4)}[structure]), X


def test_the_most_likely_line():
    """PPCA's closed form (Tipping and Bishop 1999), to the tolerance's square."""
    dgn, X = line("scalar")
    found = fast.fit_mle(dgn, X, gtol=1e-7)
    assert found.outcome == "converged"
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))[::-1]
    noise = values[1:].mean()
    exact = 0.5 * (4 * np.log(2 * np.pi) + np.log(values[0]) + 3 * np.log(noise) + 4)
    assert found.history[-1] == pytest.approx(exact, abs=1e-10)
    assert float(found.dgn.cov_x) == pytest.approx(noise, rel=1e-5)


def test_a_full_covariance():
    """Then any line will do: the marginal is the data's own Gaussian."""
    dgn, X = line("full")
    found = fast.fit_mle(dgn, X, gtol=1e-6)
    cov = np.cov(X.T, bias=True)
    exact = 0.5 * (4 * np.log(2 * np.pi) + np.linalg.slogdet(cov)[1] + 4)
    assert found.history[-1] == pytest.approx(exact, abs=1e-8)
    assert found.dgn.cov_x.shape == (4, 4)
    np.testing.assert_allclose(found.dgn.cov(), cov, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("structure", ["scalar", "diagonal", "full"])
def test_gradient_of_the_vector(structure):
    """Packing there and back, and its gradient by central differences of the likelihood."""
    rng = np.random.default_rng(3)
    cov = {"scalar": 0.3, "diagonal": [0.2, 0.5], "full": [[0.5, 0.2], [0.2, 0.3]]}[structure]
    dgn = fast.DGN(Network.random([2, 3, 2], LeakyReLU(0.1), 5), cov, [[1.0, 0.3], [0.3, 0.8]])
    X = dgn.rvs(5, 1)
    packing = Packing(dgn.parameters(), sorted(dgn.parameters()))
    vector = packing.packed(dgn.parameters())
    for name, value in packing.unpacked(vector).items():
        np.testing.assert_allclose(value, dgn.parameters()[name], rtol=1e-14)
    slope = packing.gradient(vector, dgn.gradient(X))
    for direction in rng.standard_normal((6, packing.size)):
        ends = [
            dgn.with_parameters(packing.unpacked(vector + h * direction)).logpdf(X).mean()
            for h in (1e-5, -1e-5)
        ]
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope @ direction, rel=1e-6)


@pytest.mark.parametrize("frame", ["own", "best"])
@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_the_slope_of_what_is_descended(prior, frame):
    """By central differences, in every unknown; of a weight in two parts both are positive here,
    and what is descended is the loss with their sum for |w|."""
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 1)
    values = {n: np.clip(v, -0.5, 0.5) for n, v in network.parameters().items()}
    dgn, X = fast.DGN(network.with_parameters(values), [0.2, 0.3]), circle(1, 7)
    floor = np.full(2, 0.1)
    goal = Goal(X=X, prior=prior, floor=floor, names=None, tol=0.0, gtol=0.0)
    search = searching.Search(goal.at(dgn), goal, None)
    packing = search._packing
    search._frame = getattr(searching.Frame, frame)(search._best, packing, X, search._bounded)
    vector = search._start()
    assert search._loss(vector)[0] == pytest.approx(search._best.loss, rel=1e-12)
    weights = np.concatenate([search._weights, np.ones(len(vector) - packing.size, dtype=bool)])
    if isinstance(prior, LaplacePrior):
        vector = np.where(weights, vector + 0.05 / search._turns(), vector)
        parts = vector * search._turns()
        sums = parts[: packing.size][search._weights] + parts[packing.size :]
        model = dgn.with_parameters(packing.unpacked(search._joined(vector)))
        # log p of a weight is -|w| / scale - log(2 scale).
        log_prior = -np.sum(sums / prior.scale + np.log(2 * prior.scale))
        expected = -(model.logpdf(X).sum() + log_prior) / len(X)
        assert search._loss(vector)[0] == pytest.approx(expected, rel=1e-12)
    slope = search._loss(vector)[1]
    for i in range(len(vector)):
        step = 1e-6 * (np.arange(len(vector)) == i)
        ends = [search._loss(vector + side * step)[0] for side in (1, -1)]
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope[i], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_ends_at_an_optimum(prior):
    """Steepness, which knows of every prior's kinks, falls below the tolerance; no random step, or
    step along an axis, finds better by more than the tolerance allows."""
    rng, X = np.random.default_rng(1), circle(1, 40)
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 1)
    values = {n: np.clip(v, -0.6, 0.6) for n, v in network.parameters().items()}
    start = fast.DGN(network.with_parameters(values), 0.3)
    # With Σz free a prior of the weights has no maximum: it draws them to 0 while Σz grows.
    names = [name for name in start.parameters() if prior is None or name != "cov_z"]
    # Bounds keep coordinates from being turned; half the square is nats all the same.
    gtol = 1e-4 if isinstance(prior, UniformPrior) else 1e-5
    found = fast.fit_mle(start, X, weight_prior=prior, max_iter=3000, gtol=gtol, parameters=names)
    assert found.outcome == "converged"
    assert found.gradient_norm <= gtol
    assert np.diff(found.history).max() <= 0

    def loss(parameters):
        model = found.dgn.with_parameters(parameters)
        log_prior = sum(
            prior.log_density(v) for n, v in parameters.items() if prior and n.endswith("weight")
        )
        return -(model.logpdf(X).sum() + log_prior) / len(X)

    learned = found.dgn.parameters()
    assert loss(learned) == pytest.approx(found.history[-1], rel=1e-12)
    for _ in range(100):
        moved = {n: v + 1e-4 * rng.standard_normal(v.shape) for n, v in learned.items()}
        moved |= {n: learned[n] for n in ("cov_x", "cov_z")}
        assert loss(moved) > found.history[-1] - 1e-8
    if isinstance(prior, LaplacePrior):
        weights = np.concatenate([v.ravel() for n, v in learned.items() if n.endswith("weight")])
        assert np.any(weights == 0)
    if isinstance(prior, UniformPrior):
        assert max(np.abs(v).max() for n, v in learned.items() if n.endswith("weight")) <= 0.6


def test_a_bound_that_the_optimum_is_beyond_is_met():
    """One affine layer whose most likely weights are 1 and -1: both end at the bound."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 1)) @ [[1.0, -1.0]] + 0.1 * rng.standard_normal((400, 2))
    start = fast.DGN(Network([Dense([[0.1], [0.1]], [0.0, 0.0])]), 0.3)
    names = ["0.weight", "0.bias", "cov_x"]  # with Σz free, any weights would do
    found = fast.fit_mle(start, X, weight_prior=UniformPrior(0.6), parameters=names)
    assert np.abs(found.dgn.network.layers[0].weight).ravel().tolist() == [0.6, 0.6]


def test_better_than_em_on_the_circle():
    """[1, 8, 2] on 500 points with noise 0.05, from the best of a few short EM runs."""
    X = circle(0)
    em = fast.fit_em(
        Network.random([1, 8, 2], LeakyReLU(0.1), 0),
        X,
        cov_x=0.1,
        init="data",
        n_init=8,
        max_iter=40,
        tol=0.0,
        random_state=0,
    )
    found = fast.fit_mle(em.dgn, X, max_iter=300, tol=0.0)
    assert found.history[0] == pytest.approx(em.history[-1], abs=1e-12)
    assert found.history[-1] < min(0.37, em.history[-1] - 0.02)
    assert -found.dgn.logpdf(circle(1, 2000)).mean() < 0.5


@pytest.mark.deep
def test_ten_starts_on_the_circle():
    """EM and then L-BFGS from each of ten starts on the data: the best at most 0.35 nats, the
    median at most 0.6, where the data's own entropy is 0.26."""
    X, network, losses = circle(0), Network.random([1, 8, 2], LeakyReLU(0.1), 0), []
    for seed in range(10):
        em = fast.fit_em(network, X, cov_x=0.1, init="data", tol=0.0, random_state=seed)
        losses.append(fast.fit_mle(em.dgn, X, max_iter=1000, tol=0.0).history[-1])
    assert min(losses) <= 0.35
    assert np.median(losses) <= 0.6


@pytest.mark.deep
def test_random_networks_unfold_on_the_circle():
    """From random weights and the noise of figure 4: half of the ends are at most 0.35 nats. Where
    the first steps are led by posteriors of such a model, by EM or the Fisher information, they
    are at 0.38."""
    X, losses = circle(0), []
    for seed in range(10):
        start = fast.DGN(Network.random([1, 8, 2], LeakyReLU(0.1), seed), 0.55**2)
        losses.append(fast.fit_mle(start, X, max_iter=1000, tol=0.0).history[-1])
    assert np.median(losses) <= 0.35


def test_only_the_named_parameters_move():
    dgn, X = line("diagonal")
    found = fast.fit_mle(dgn, X, parameters=["cov_x", "0.bias"], gtol=1e-6)
    before, after = dgn.parameters(), found.dgn.parameters()
    for name, value in before.items():
        assert np.array_equal(value, after[name]) == (name not in ("cov_x", "0.bias"))


def test_outcomes(capsys):
    """The limit with its warning, a callback's stop, Ctrl-C, nothing to do."""
    dgn, X = line("scalar")
    with pytest.warns(fast.ConvergenceWarning, match="max_iter = 2"):
        assert fast.fit_mle(dgn, X, max_iter=2).outcome == "max_iter reached"
    stopped = fast.fit_mle(dgn, X, callback=lambda i, dgn, loss: i == 2)
    assert (stopped.outcome, stopped.n_iter) == ("stopped by callback", 2)

    def interrupt(iteration, dgn, loss):
        if iteration == 3:
            raise KeyboardInterrupt

    cut = fast.fit_mle(dgn, X, callback=interrupt)
    assert (cut.outcome, cut.n_iter) == ("interrupted", 3)
    assert -cut.dgn.logpdf(X).mean() == pytest.approx(cut.history[-1])
    done = fast.fit_mle(dgn, X, gtol=1e-6)
    again = fast.fit_mle(done.dgn, X, gtol=1e-5)
    assert (again.outcome, again.n_iter) == ("converged", 0)
    assert fast.fit_mle(dgn, X, max_iter=0).n_iter == 0


def test_from_a_network():
    """With covariances of its own, as `fit_em` is called."""
    dgn, X = line("diagonal")
    one = fast.fit_mle(dgn.network, X, cov_x=dgn.cov_x, tol=0.0, max_iter=5)
    two = fast.fit_mle(dgn, X, tol=0.0, max_iter=5, random_state=0)
    assert np.array_equal(one.history, two.history)
    assert one.n_iter == 5


def test_wild_trials_are_no_models():
    """Data that no noise explains drive trial steps beyond doubles (warnings are errors here)."""
    network = Network.random([2, 3, 3], ReLU(), 0)
    result = fast.fit_mle(network, np.ones((10, 3)), cov_x=np.full(3, 0.3), max_iter=30, tol=0.0)
    assert np.all(np.diff(result.history) <= 0)
    assert result.history[-1] < result.history[0]


def test_a_vanishing_variance_gives_no_warning():
    """A datum on a constant generator: the variance falls to where gradients are no doubles, which
    is a wild trial too."""
    constant = Network([Dense([[0.0]], [0.0])])
    result = fast.fit_mle(constant, [[0.0], [0.0]], cov_x=1.0, max_iter=50, tol=0.0)
    assert np.all(np.diff(result.history) <= 0)
    assert np.all(np.isfinite(result.history))


def test_an_iteration_that_ends_worse_is_not_kept(monkeypatch):
    """The optimiser's last look may be at a worse model than its best: history and model stay."""
    dgn, X = line("scalar")

    def wandering(loss, start, callback, **_):
        seen = loss(start + 3.0)[0]
        assert seen > loss(start)[0] + 0.1
        loss(start + 3.0)
        callback(None)

    monkeypatch.setattr(searching, "minimize", wandering)
    monkeypatch.setattr(searching.Search, "_draw_near", lambda search: None)
    result = fast.fit_mle(dgn, X, max_iter=1, tol=0.0)
    assert result.history.tolist() == [result.history[0]] * 2
    for name, value in dgn.parameters().items():
        np.testing.assert_allclose(result.dgn.parameters()[name], value, rtol=1e-12)
