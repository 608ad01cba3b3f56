"""EM never raises the loss when guarded, and does when it follows the printed M-step."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from decoders import decoders
from shared_models import circle
from tests_support import em_module, guarded_module, patch_closed_form

import fast
import fast.training.em
import reference
import reference.learning.objective
from fast import Dense, GaussianPrior, LaplacePrior, LeakyReLU, Network, UniformPrior
from reference.model import uphill


def fit(seed, widths, m_step, impl=fast, n=500, **options):
    """EM on the circle from a random network; the same seed gives the same data and start."""
    network = Network.random(widths, LeakyReLU(0.1), seed)
    options = {"max_iter": 30, "tol": 0.0, **options}
    return impl.fit_em(network, circle(seed, n), cov_x=0.55**2, m_step=m_step, **options)


@pytest.mark.parametrize("widths", [[1, 8, 2], [1, 8, 8, 2]], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_guarded_never_rises(seed, widths):
    """The mean negative log-likelihood rises by no more than 1e-10 at any iteration."""
    history = fit(seed, widths, "guarded").history
    assert np.all(np.isfinite(history))
    assert np.diff(history).max() <= 1e-10


def test_paper_rises():
    """The printed M-step raises the loss: on this seed by 3.8 nats at its very first step."""
    history = fit(13, [1, 8, 8, 2], "paper", max_iter=1).history
    assert 3.7 < history[1] - history[0] < 3.9


def test_history_is_the_exact_loss(impl):
    """history[i] is the mean negative log-likelihood of the model after i iterations."""
    seen = []
    result = fit(
        3,
        [1, 3, 2],
        "guarded",
        impl=impl,
        n=20,
        max_iter=3,
        callback=lambda i, dgn, loss: seen.append((i, loss, -dgn.logpdf(circle(3, 20)).mean())),
    )
    start = impl.DGN(Network.random([1, 3, 2], LeakyReLU(0.1), 3), 0.55**2)
    assert result.history[0] == pytest.approx(-start.logpdf(circle(3, 20)).mean(), rel=1e-13)
    assert [i for i, _, _ in seen] == [1, 2, 3]
    np.testing.assert_array_equal(result.history[1:], [loss for _, loss, _ in seen])
    np.testing.assert_allclose(result.history[1:], [exact for _, _, exact in seen], rtol=1e-13)
    assert result.n_iter == 3
    assert result.outcome == "max_iter reached"
    assert not result.converged


@pytest.mark.parametrize("m_step", ["guarded", "paper"])
def test_implementations_agree(m_step):
    """The same iterations from the same start, up to rounding amplified by three M-steps."""
    a = fit(1, [1, 4, 2], m_step, impl=fast, n=25, max_iter=3).history
    b = fit(1, [1, 4, 2], m_step, impl=reference, n=25, max_iter=3).history
    np.testing.assert_allclose(a, b, rtol=1e-8)


def test_outcomes_are_named(impl):
    """Convergence, the iteration limit, and a callback's stop."""
    options = {"impl": impl, "n": 30}
    converged = fit(0, [1, 2], "guarded", max_iter=100, tol=1e-2, gtol=0.1, **options)
    assert converged.converged
    assert converged.outcome == "converged"
    gain = converged.history[-2] - converged.history[-1]
    assert 0 <= gain <= 1e-2 * max(1, abs(converged.history[-1]))
    stopped = fit(0, [1, 2, 2], "guarded", callback=lambda i, dgn, loss: i == 2, **options)
    assert stopped.outcome == "stopped by callback"
    assert stopped.n_iter == 2
    nothing = fit(0, [1, 2, 2], "guarded", max_iter=0, **options)
    assert nothing.n_iter == 0
    assert nothing.history.shape == (1,)


def test_small_gains_on_a_slope_are_not_convergence(impl):
    """EM creeps: an iteration that gains little where the gradient is large does not end it, and
    the limit is warned of. With a tolerance of 0 all iterations are wanted, and nothing is said."""
    options = {"impl": impl, "n": 30, "max_iter": 5}
    with pytest.warns(
        impl.ConvergenceWarning, match="max_iter = 5 where the objective still rises"
    ):
        result = fit(0, [1, 2, 2], "guarded", tol=1e3, gtol=1e-9, **options)
    assert result.outcome == "max_iter reached"
    assert result.steepness > 1e-3
    assert fit(0, [1, 2, 2], "guarded", tol=0.0, **options).n_iter == 5


def test_a_straight_line_converges(impl):
    """With one affine layer EM has a closed-form limit: the most likely line (PPCA)."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((40, 1)) @ [[1.0, 0.5, -0.3]] + 0.2 * rng.standard_normal((40, 3))
    start = Network([Dense([[0.1], [0.2], [0.3]], np.zeros(3))])
    result = impl.fit_em(start, X, cov_x=1.0, max_iter=400, tol=1e-13, gtol=1e-5)
    assert result.outcome == "converged"
    assert result.gradient_norm <= 1e-5
    assert result.smallest_curvature > -1e-4
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))[::-1]
    noise = values[1:].mean()
    exact = 0.5 * (3 * np.log(2 * np.pi) + np.log(values[0]) + 2 * np.log(noise) + 3)
    assert result.history[-1] == pytest.approx(exact, abs=1e-9)
    assert float(result.dgn.cov_x) == pytest.approx(noise, rel=1e-4)


PRIORS = [GaussianPrior(1.0), LaplacePrior(0.3), UniformPrior(2.0)]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_with_a_prior_of_the_weights(impl, prior):
    """The loss is -(log-likelihood + log prior) / N, and never rises."""
    network, X = Network.random([1, 4, 2], LeakyReLU(0.1), 1), circle(1, 25)
    values = {n: np.clip(v, -2, 2) for n, v in network.parameters().items()}
    result = impl.fit_em(
        network.with_parameters(values), X, cov_x=0.3, weight_prior=prior, max_iter=4, tol=0.0
    )
    assert np.diff(result.history).max() <= 1e-10
    learned = result.dgn.network.parameters()
    log_prior = sum(prior.log_density(v) for n, v in learned.items() if n.endswith("weight"))
    expected = -(result.dgn.logpdf(X).sum() + log_prior) / 25
    assert result.history[-1] == pytest.approx(expected, rel=1e-13)


#: Prior, slope of the mean log-likelihood, weight, and how steeply the objective rises, for 4 data.
UPHILL = [
    (None, 0.3, 1.0, 0.3),
    (None, -0.3, 0.0, 0.3),
    (GaussianPrior(0.5), 0.3, 1.0, 0.7),  # 0.3 - 1 / (0.25 * 4)
    (GaussianPrior(0.5), 1.0, 1.0, 0.0),
    (LaplacePrior(0.5), 0.2, 0.0, 0.0),  # the kink, 1 / (0.5 * 4) either way
    (LaplacePrior(0.5), -0.7, 0.0, 0.2),
    (LaplacePrior(0.5), 0.2, 1.0, 0.3),
    (LaplacePrior(0.5), 0.2, -1.0, 0.7),
    (UniformPrior(1.0), 0.3, 0.9, 0.3),
    (UniformPrior(1.0), -0.3, -0.9, 0.3),
    (UniformPrior(1.0), 0.3, 1.0, 0.0),  # up is out of bounds
    (UniformPrior(1.0), -0.3, 1.0, 0.3),
    (UniformPrior(1.0), -0.3, -1.0, 0.0),
    (UniformPrior(1.0), 0.3, -1.0, 0.3),
]


@pytest.mark.parametrize(("prior", "slope", "weight", "expected"), UPHILL)
def test_steepness_of_one_weight(prior, slope, weight, expected):
    """In the direction in which the objective rises, of those that the prior leaves."""
    got = uphill(np.array([slope]), np.array([weight]), prior, 4)
    np.testing.assert_allclose(got, [expected], rtol=0, atol=1e-15)


def test_implementations_agree_with_a_prior():
    for prior in PRIORS:
        network, X = Network.random([1, 3, 2], LeakyReLU(0.1), 3), circle(3, 20)
        values = {n: np.clip(v, -2, 2) for n, v in network.parameters().items()}
        start = network.with_parameters(values)
        a, b = (
            one.fit_em(start, X, cov_x=0.3, weight_prior=prior, max_iter=3, tol=0.0)
            for one in (fast, reference)
        )
        np.testing.assert_allclose(a.history, b.history, rtol=1e-8)
        assert a.steepness == pytest.approx(b.steepness, rel=1e-5)


def test_kernels_learn(impl):
    """Convolutions move, and the loss never rises."""
    network = decoders()["Dense after convolution"]
    X = fast.DGN(network, 0.2).rvs(5, 0) + 0.3
    result = impl.fit_em(network, X, cov_x=0.2, max_iter=2, tol=0.0)
    assert np.diff(result.history).max() <= 1e-10
    before, after = network.parameters(), result.dgn.network.parameters()
    assert np.abs(after["4.weight"] - before["4.weight"]).max() > 1e-3


def test_implementations_agree_in_two_latent_dimensions():
    X = np.random.default_rng(2).standard_normal((8, 3))
    network = Network.random([2, 3, 3], LeakyReLU(0.1), 2)
    a, b = (one.fit_em(network, X, cov_x=0.5, max_iter=2, tol=0.0) for one in (fast, reference))
    np.testing.assert_allclose(a.history, b.history, rtol=1e-7)
    assert np.diff(a.history).max() <= 1e-10


def test_more_starts_are_no_worse():
    """The best of the starts is kept, and the losses of all."""
    result = fast.fit_em(
        Network.random([1, 4, 2], LeakyReLU(0.1), 0),
        circle(0, 100),
        cov_x=0.3,
        init="data",
        n_init=4,
        max_iter=10,
        tol=0.0,
        random_state=5,
    )
    assert result.losses.shape == (4,)
    assert len(set(result.losses)) == 4
    assert result.history[-1] == result.losses.min()
    assert -result.dgn.logpdf(circle(0, 100)).mean() == pytest.approx(result.losses.min())


def test_going_on_from_a_model():
    """Five iterations and five from there are ten."""
    whole = fit(2, [1, 4, 2], "guarded", n=60, max_iter=10)
    half = fit(2, [1, 4, 2], "guarded", n=60, max_iter=5)
    rest = fast.fit_em(half.dgn, circle(2, 60), max_iter=5, tol=0.0)
    np.testing.assert_array_equal(np.append(half.history, rest.history[1:]), whole.history)


def test_interrupting_keeps_the_best_so_far():
    """Ctrl-C: the model of the last whole iteration, and what happened."""

    def interrupt(iteration, dgn, loss):
        if iteration == 3:
            raise KeyboardInterrupt

    result = fit(2, [1, 4, 2], "guarded", n=60, callback=interrupt)
    assert result.outcome == "interrupted"
    assert result.n_iter == 3
    assert -result.dgn.logpdf(circle(2, 60)).mean() == pytest.approx(result.history[-1])


def test_progress_is_shown(capsys):
    fit(2, [1, 4, 2], "guarded", n=60, max_iter=2, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "start 1 of 1, iteration 2:" in said.err
    fit(2, [1, 4, 2], "guarded", n=60, max_iter=2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_models_with_too_many_regions(seed):
    """Guarded training never goes there; the printed M-step ends before, and says why."""
    network = Network.random([1, 4, 4, 2], LeakyReLU(0.1), seed)
    limit = fast.DGN(network, 0.1).partition().n_regions
    start = fast.DGN(network, 0.1, max_regions=limit)
    guarded = fast.fit_em(start, circle(0, 50), max_iter=15, tol=0.0)
    assert guarded.n_iter == 15
    assert guarded.dgn.partition().n_regions <= limit
    assert np.all(np.diff(guarded.history) <= 0)
    with pytest.warns(fast.ConvergenceWarning, match="without a likelihood, TooManyRegions"):
        printed = fast.fit_em(start, circle(0, 50), m_step="paper", max_iter=15, tol=0.0)
    assert printed.outcome.startswith("TooManyRegionsError: max_regions")
    assert len(printed.history) == printed.n_iter + 1 == 2


@pytest.mark.parametrize("error", [ArithmeticError, "PartitionError"])
@pytest.mark.parametrize("m_step", ["guarded", "paper"])
def test_errors_on_the_way_are_outcomes(impl, error, m_step, monkeypatch):
    """What an update leads to may have no likelihood: the model before it is kept."""
    kind = getattr(impl, error) if isinstance(error, str) else error
    calls, update = [], em_module(impl).closed_form

    def failing(*args, **kwargs):
        calls.append(0)
        if len(calls) == 5:
            raise kind("too far")
        return update(*args, **kwargs)

    patch_closed_form(monkeypatch, impl, failing)
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    with pytest.warns(impl.ConvergenceWarning, match="without a likelihood, .*: too far"):
        result = impl.fit_em(network, circle(0, 20), cov_x=0.1, m_step=m_step, max_iter=9)
    assert result.outcome == f"{kind.__name__}: too far"
    assert not result.converged
    assert len(result.history) == result.n_iter + 1
    loss = -np.mean(result.dgn.logpdf(circle(0, 20)))
    assert loss == pytest.approx(result.history[-1], rel=1e-12)


def guarded_layer(impl, monkeypatch, failures):
    """The first layer's guarded step when the E-step of the first trials fails: the state before
    and after, and the closed form."""
    kind = fast.training.em.State if impl is fast else reference.learning.objective.State
    e_step, left = kind.of, [impl.PartitionError, impl.TooManyRegionsError, ArithmeticError]
    state = e_step(impl.DGN(Network.random([1, 3, 2], LeakyReLU(0.1), 0), 0.3), circle(0, 20), None)
    target = impl.m_step(state.dgn, state.statistics, ["0"])
    calls = []

    def failing(*args):
        calls.append(0)
        if len(calls) <= failures:
            raise left[len(calls) % 3]("no likelihood here")
        return e_step(*args)

    monkeypatch.setattr(kind, "of", staticmethod(failing))
    return (
        state,
        guarded_module(impl)._guarded_layer(state, circle(0, 20), 0, np.array(0.0)),
        target,
    )


@pytest.mark.parametrize("failures", [1, 3])
def test_trials_without_a_likelihood_are_too_far(impl, failures, monkeypatch):
    """The step is halved, as where the loss rises."""
    before, after, target = guarded_layer(impl, monkeypatch, failures)
    assert after.loss < before.loss
    for name in ("0.weight", "0.bias"):
        start, end = (dgn.parameters()[name] for dgn in (before.dgn, target))
        share = 0.5**failures
        np.testing.assert_allclose(
            after.dgn.parameters()[name], start + share * (end - start), rtol=1e-13, atol=1e-13
        )


def test_no_trial_with_a_likelihood_is_no_step(impl, monkeypatch):
    before, after, _ = guarded_layer(impl, monkeypatch, 1000)
    assert after is before


def test_no_step_found(impl, monkeypatch):
    """Updates that lead downhill: the model stays, and why is said."""
    update = em_module(impl).closed_form

    def backwards(dgn, *args, **options):
        before, after = dgn.parameters(), update(dgn, *args, **options).parameters()
        turned = {name: 2 * value - after[name] for name, value in before.items()}
        for name in ("cov_x", "cov_z"):
            turned[name] = before[name] ** 2 / after[name]
        return dgn.with_parameters(turned)

    patch_closed_form(monkeypatch, impl, backwards)
    monkeypatch.setattr(guarded_module(impl), "_HALVINGS", 3)
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    with pytest.warns(impl.ConvergenceWarning, match="no step that rounding does not hide"):
        result = impl.fit_em(network, circle(0, 20), cov_x=0.3, max_iter=5)
    assert (result.outcome, result.converged, result.n_iter) == ("no step found", False, 1)
    assert result.history[0] == result.history[1]
    for name, value in network.parameters().items():
        np.testing.assert_array_equal(result.dgn.network.parameters()[name], value)


def test_interrupted_before_there_is_anything(impl, monkeypatch, tmp_path):
    """Ctrl-C in the very first E-step: there is no model to end with, and no file is left."""
    kind = fast.training.em.State if impl is fast else reference.learning.objective.State

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "of", staticmethod(interrupted))
    options = {"checkpoint": tmp_path / "fit.npz"} if impl is fast else {}
    with pytest.raises(KeyboardInterrupt):
        fit(0, [1, 3, 2], "guarded", impl=impl, n=10, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("points", [1, 3])
def test_unbounded_likelihoods_do_not_rise(impl, points):
    """Σx all but singular (as few data as that lie on a manifold): its closed form, exact but for
    rounding, raised the loss by 0.7."""
    X = np.repeat(np.random.default_rng(0).standard_normal((30, 2))[:points], 5, axis=0)
    network = Network.random([1, 4, 2], LeakyReLU(0.1), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", impl.ConvergenceWarning)
        result = impl.fit_em(
            network, X, cov_x=0.3 * np.eye(2), max_iter=25, tol=0.0, noise_floor=0.0
        )
    assert np.all(np.diff(result.history) <= 0)
    loss = -np.mean(result.dgn.logpdf(X))
    assert loss == pytest.approx(result.history[-1], rel=1e-9)


def test_singular_covariance_is_an_outcome(impl):
    """Data on the manifold drive Σx to zero: named, with the last sound model."""
    X = np.array([[0.5, 0.5]])
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", impl.ConvergenceWarning)
        result = impl.fit_em(network, X, cov_x=np.eye(2), max_iter=500, tol=0.0, noise_floor=0.0)
    # Σx is the square of rounding errors, which decide at which end it arrives first.
    assert result.outcome in ("singular covariance", "max_iter reached", "no step found")
    assert not result.converged
    assert np.all(np.isfinite(result.history))
    assert np.all(np.isfinite(result.dgn.logpdf(X)))


@pytest.mark.parametrize("slack", [0.0, 1e-12, 1e-3])
def test_a_step_that_raises_the_loss_by_a_little_is_halved(impl, monkeypatch, slack):
    """However little it raises it; one that leaves it as it is is taken."""
    network, X = Network.random([1, 3, 2], LeakyReLU(0.1), 3), circle(3, 20)
    state_type = fast.training.em.State if impl is fast else reference.learning.objective.State
    start = state_type.of(impl.DGN(network, 0.3), X, None)
    tried = []

    def trial(dgn, *_):
        loss = start.loss + (slack if len(tried) < 3 else 0.0)
        tried.append(dgn)
        return SimpleNamespace(dgn=dgn, loss=loss)

    monkeypatch.setattr(state_type, "of", trial)
    moved = guarded_module(impl)._guarded_layer(start, X, 0, np.array(0.0))
    assert moved.dgn is tried[-1]
    assert len(tried) == (1 if slack == 0 else 4)
