"""When training ends, and how steep it says the objective is there: both by their definitions."""

import warnings

import numpy as np
import pytest
from tests_support import em_module, guarded_module

import fast
import reference
from fast import Dense, GaussianPrior, LaplacePrior, Network, ReLU, UniformPrior
from fast.training import objective
from fast.training.ends import judgement
from reference.model import weight_priors

PRIORS = [None, GaussianPrior(0.4), LaplacePrior(0.1), UniformPrior(1.5)]


def affine(weight, bias, cov_x=0.7, cov_z=None):
    """x = weight z + bias + noise, all numbers."""
    return fast.DGN(Network([Dense([[weight]], [bias])]), cov_x, cov_z)


def data(scale):
    """Ten numbers about 0."""
    return scale * np.random.default_rng(0).standard_normal((10, 1))


def uphill(slope, value, prior, count):
    """The larger of the rates at which the objective rises up and down from a weight: the prior's
    own part by a difference, which its kinks and bounds have on either side."""
    step, rates = 1e-7, []
    for side in (1.0, -1.0):
        ends = [np.array([value + h]) for h in (side * step, 0.0)]
        risen = 0.0 if prior is None else np.subtract(*map(prior.log_density, ends)) / step
        rates.append(side * slope + risen / count)
    return max(*rates, 0.0)


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_steepness_is_of_the_steepest_parameter(impl, prior):
    """At weights at 0, at a bound and beyond 1, large and small biases; every parameter is the
    steepest in some of the models. A difference quotient of the prior is off by 1e-6 of it."""
    told, X = set(), data(1.0)
    for weight in (0.0, 0.3, -0.3, 1.3, 1.5, -1.5):
        for bias in (0.0, -3.0):
            for cov_x in (0.02, 40.0):
                dgn = affine(weight, bias, cov_x, 3.0)
                slopes, values = dgn.gradient(X), dgn.parameters()
                rates = {
                    name: abs(slopes[name].item() * values[name].item())
                    for name in ("cov_x", "cov_z")
                }
                for name, own in (("0.weight", prior), ("0.bias", None)):
                    value = values[name].item()
                    rate = uphill(slopes[name].item(), value, own, len(X))
                    rates[name] = rate * max(1.0, abs(value))
                found = impl.fit_em(
                    dgn.network, X, cov_x=cov_x, cov_z=3.0, weight_prior=prior, max_iter=0
                )
                assert found.steepness == pytest.approx(max(rates.values()), rel=1e-5, abs=1e-9)
                told.add(max(rates, key=rates.get))
    assert told >= {"0.weight", "0.bias", "cov_x"}


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: type(p).__name__)
def test_uphill_is_the_larger_of_both_ways(prior):
    """Of every weight by itself; at a bound and at 0 the prior is steeper on one of its sides."""
    pairs = [(s, v) for s in (-2.0, -0.3, 0.0, 0.3, 2.0) for v in (-1.5, -0.4, 0.0, 0.4, 1.5)]
    slopes, values = np.array(pairs).T
    expected = [uphill(slope, value, prior, 10) for slope, value in pairs]
    found = weight_priors.uphill(slopes, values, prior, 10)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def one_iteration(impl, fit, scale, tol, gtol):
    """What one iteration ends with, warned of or not."""
    dgn = affine(0.5 * scale, 0.1 * scale, 0.5 * scale**2)  # no saddle is left from near here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", impl.ConvergenceWarning)
        return fit(dgn.network, data(scale), cov_x=dgn.cov_x, max_iter=1, tol=tol, gtol=gtol)


FITS = {
    "EM": (fast, fast.fit_em),
    "reference's EM": (reference, reference.fit_em),
    "likelihood": (fast, fast.fit_mle),
}
each_fit = pytest.mark.parametrize(("impl", "fit"), FITS.values(), ids=FITS.keys())


@each_fit
@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_convergence_is_told_at_the_tolerances(impl, fit, scale):
    """One iteration converges where neither its gain nor the gradient norm exceed their tolerances;
    that of the gain is relative to the loss of data of about unit size, here above 1 in nats."""
    free = one_iteration(impl, fit, scale, 1e-300, 0.0)
    deviation = np.std(data(scale))
    # `fast` counts in powers of two, which round nothing.
    unit = deviation if impl is reference else 2.0 ** np.round(np.log2(deviation))
    size = max(1.0, abs(free.history[-1] - np.log(unit)))
    gain = free.history[0] - free.history[1]
    assert gain > 0
    assert size > 1
    above, below = 1 + 1e-9, 1 - 1e-9
    tol, gtol = gain / size, free.gradient_norm
    for tols, outcome in (
        ((above * tol, above * gtol), "converged"),
        ((below * tol, above * gtol), "max_iter reached"),
        ((above * tol, below * gtol), "max_iter reached"),
    ):
        found = one_iteration(impl, fit, scale, *tols)
        assert (found.outcome, found.n_iter) == (outcome, 1)


@each_fit
def test_a_single_iteration_is_warned_of(impl, fit):
    """One is a limit that was reached; none was asked for nothing, and at a tolerance of 0 all
    iterations are wanted."""
    dgn = affine(0.3, 0.0)
    with pytest.warns(impl.ConvergenceWarning, match="max_iter = 1 "):
        fit(dgn.network, data(1.0), cov_x=0.7, max_iter=1, gtol=1e-9)
    for silent in ({"max_iter": 0}, {"max_iter": 1, "tol": 0.0}):
        assert fit(dgn.network, data(1.0), cov_x=0.7, **silent).outcome == "max_iter reached"


def optimum():
    """A model with a hidden layer that is the likeliest of ±1 to the last digit: every closed form
    returns it."""
    network = Network([Dense([[0.0]], [1.0]), ReLU(), Dense([[0.0]], [0.0])])
    return network, np.array([[1.0], [-1.0]])


def counted(impl, monkeypatch, failing_after=np.inf):
    """A list that gets longer by one for every E-step; those after some fail."""
    place, name = (objective, "summed") if impl is fast else (impl.DGN, "statistics")
    calls, statistics = [], getattr(place, name)

    def counting(*arguments):
        calls.append(0)
        if len(calls) > failing_after:
            raise ArithmeticError("too far")
        return statistics(*arguments)

    monkeypatch.setattr(place, name, counting)
    return calls


def test_an_iteration_at_an_optimum_changes_nothing(impl, monkeypatch):
    """Its gain is exactly 0, which is convergence at any tolerance; and of no step is a half tried:
    one E-step for the start, one for the output layer, one for the hidden one. What is done beyond
    is to look at the curvature, and every score."""
    calls, steps = counted(impl, monkeypatch), []
    judged = next(m for m in (em_module(impl), judgement) if hasattr(m, "gradient_norm"))
    norm = judged.gradient_norm
    monkeypatch.setattr(judged, "gradient_norm", lambda *a: [steps.append(len(calls)), norm(*a)][1])
    network, X = optimum()
    found = impl.fit_em(network, X, cov_x=1.0, max_iter=5, tol=0.0)
    assert (found.outcome, found.n_iter) == ("converged", 1)
    assert found.steepness < 1e-14
    assert np.array_equal(found.history, found.history[[0, 0]])
    assert steps == [3]


def test_steps_are_halved_thirty_times(impl, monkeypatch):
    """Down to 2^-30, where no model on the way has a likelihood: the layer then stays."""
    network, X = optimum()
    kind = guarded_module(impl).State
    start = kind.of(impl.DGN(network, 1.0), X, None)
    calls = counted(impl, monkeypatch, failing_after=1)
    guarded_module(impl).guarded_step(start, X, np.array(0.0))
    assert len(calls) == 1 + 31


def slow():
    """A linear model whose noise is most of the data: EM crawls."""
    rng = np.random.default_rng(0)
    X = 0.5 * rng.standard_normal((100, 1)) @ rng.standard_normal((1, 4))
    return Network.random([1, 4], random_state=0), X + rng.standard_normal(X.shape)


def test_judgements_have_pauses_that_grow(monkeypatch):
    """Of iterations that gain next to nothing the 1st, 3rd, 6th, 10th, ... is judged; a limit in a
    pause, where there is a maximum, is convergence all the same."""
    network, X = slow()
    options = {"tol": 1e-4, "gtol": 1e-3}
    seen, judged = [], judgement.Goal.judged
    monkeypatch.setattr(
        judgement.Goal, "judged", lambda goal, state: [seen.append(state), judged(goal, state)][1]
    )
    found = fast.fit_em(network, X, max_iter=3000, **options)
    assert found.converged
    unit = np.log(2.0 ** np.round(np.log2(np.sqrt(X.var(axis=0).mean())))) * X.shape[1]
    own = found.history - unit
    small = np.flatnonzero(-np.diff(own) <= 1e-4 * np.maximum(1.0, np.abs(own[1:]))) + 1
    times = [int(np.argmin(np.abs(own - state.loss))) for state in seen]
    assert len(times) > 4
    assert np.diff(times).tolist() == list(range(2, len(times) + 1))
    assert times[0] == small[0]
    ends = {}
    for limit in range(times[-2], times[-1] + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fast.ConvergenceWarning)
            short = fast.fit_em(network, X, max_iter=limit, **options)
        assert short.converged == (short.gradient_norm <= 1e-3)
        ends[limit] = short.converged
    assert ends[times[-1]]
    assert not ends[times[-2]]
    assert sum(ends.values()) > 1
