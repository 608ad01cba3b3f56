"""Priors of the weights [Appendix H]: updates are optima of the penalised surrogate, exactly.

With a prior the optimum has conditions rather than a zero gradient: a weight that the Laplace prior
keeps at zero is pulled by at most 1/scale, one that the uniform prior keeps at its bound outwards.
Gradients are compared to 1e-10 of the size of their terms, curvature times (1 + |w|).
"""

import numpy as np
import pytest
from decoders import decoders
from scipy import stats
from shared_models import covariance
from surrogate import Surrogate

import fast
import fast.closed_form.regularised_least_squares
import reference
import reference.learning.regularised_least_squares
from fast.closed_form.regularised_least_squares import optima
from reference import (
    Abs,
    Conv2d,
    Dense,
    GaussianPrior,
    LaplacePrior,
    LeakyReLU,
    Network,
    ReLU,
    UniformPrior,
)
from reference.learning.regularised_least_squares import solve_with_prior
from reference.model import log_weight_prior

PRIORS = {
    "none": None,
    "Gaussian": GaussianPrior(0.5),
    "Laplace": LaplacePrior(0.05),
    "uniform": UniformPrior(0.4),
}


def clipped(network, bound):
    """The network with its weights within the uniform prior's bound."""
    values = {
        name: np.clip(value, -bound, bound) if name.endswith("weight") else value
        for name, value in network.parameters().items()
    }
    return network.with_parameters(values)


def excess(gradient, weights, prior, is_weight):
    """How far an array is from being optimal, in the gradient's unit."""
    if prior is None or not is_weight:
        return np.abs(gradient)
    if isinstance(prior, GaussianPrior):
        return np.abs(gradient - weights / prior.scale**2)
    if isinstance(prior, LaplacePrior):
        at_zero = np.maximum(np.abs(gradient) - 1 / prior.scale, 0.0)
        return np.where(weights == 0, at_zero, np.abs(gradient - np.sign(weights) / prior.scale))
    inwards = np.maximum(-np.sign(weights) * gradient, 0.0)
    return np.where(np.abs(weights) >= prior.bound, inwards, np.abs(gradient))


def check_optimum(impl, dgn, X, prior):
    """Every block's update is optimal; which of the weights end at a kink of the prior."""
    statistics, surrogate = dgn.statistics(X), Surrogate(dgn, X)
    layers = [i for i, layer in enumerate(dgn.network.layers) if isinstance(layer, Dense | Conv2d)]
    names = [name for i in layers for name in (f"{i}.weight", f"{i}.bias", str(i))]
    at_kinks = []
    for name in names:
        updated = impl.m_step(dgn, statistics, [name], weight_prior=prior)
        keys = [name] if "." in name else [f"{name}.weight", f"{name}.bias"]
        for key in keys:
            value = updated.parameters()[key]
            first, second = surrogate.derivatives(updated, key)
            size = np.max(np.abs(second) * (1 + np.abs(value)))
            far = excess(first, value, prior, key.endswith("weight"))
            assert np.max(far) <= 1e-10 * max(size, 1.0), (name, key)
            if key.endswith("weight"):
                kinks = (value == 0) | (np.abs(value) == getattr(prior, "bound", np.inf))
                at_kinks.append(kinks.mean())
    return np.array(at_kinks)


@pytest.mark.deep
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("seed", range(9))
def test_updates_are_optimal(impl, seed, prior):
    """All structures of Σx, S = 1 and 2, with and without a nonlinearity at the end."""
    rng = np.random.default_rng([17, seed])
    # `reference` knows moments for S > 1 only where a region has a share that matters.
    latent, dimension = 1 + seed % 2 * (impl is fast), int(rng.integers(1, 4))
    activation = [ReLU(), LeakyReLU(0.1), Abs()][seed // 2 % 3]
    network = Network.random([latent, 3, *([2] if seed % 3 else []), dimension], activation, rng)
    if seed % 4 == 3:
        network = Network([*network.layers, LeakyReLU(0.3)])
    network = clipped(network, 0.4) if prior == "uniform" else network
    cov_x = covariance(["scalar", "diagonal", "full"][seed % 3], dimension, rng)
    X = fast.DGN(network, cov_x).rvs(8, rng) + 0.3 * rng.standard_normal((8, dimension))
    check_optimum(impl, impl.DGN(network, cov_x, 1.3), X, PRIORS[prior])


@pytest.mark.deep
@pytest.mark.parametrize("structure", ["scalar", "full"])
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("name", [n for n in decoders() if "onvol" in n])
def test_kernels_are_optimal(name, prior, structure):
    network, rng = decoders()[name], np.random.default_rng(6)
    network = clipped(network, 0.4) if prior == "uniform" else network
    dgn = fast.DGN(network, covariance(structure, network.observed_dimension, rng), 1.3)
    X = dgn.rvs(4, rng) + 0.3 * rng.standard_normal((4, network.observed_dimension))
    check_optimum(fast, dgn, X, PRIORS[prior])


def perturbed(values, prior, rng):
    """Some of the named arrays moved by 1e-6 to 1 of their size: covariances within their
    structure, weights within a uniform prior's bound."""
    size, moved = 10.0 ** rng.uniform(-6, 0), {}
    for name, value in values.items():
        noise = size * rng.standard_normal(value.shape)
        if name.startswith("cov") and value.ndim == 2:
            root = np.linalg.cholesky(value) @ (np.eye(len(value)) + noise)
            moved[name] = root @ root.T
        elif name.startswith("cov"):
            moved[name] = value * np.exp(noise)
        else:
            moved[name] = value + noise * rng.integers(0, 2, value.shape)
            if isinstance(prior, UniformPrior) and name.endswith("weight"):
                moved[name] = np.clip(moved[name], -prior.bound, prior.bound)
    return moved


def check_perturbations(impl, dgn, X, prior, rng, count):
    """The surrogate and log prior at every block's update are not below those at `count` random
    perturbations of it."""
    statistics, surrogate = dgn.statistics(X), Surrogate(dgn, X)

    def objective(model):
        return surrogate(model) + log_weight_prior(prior, model.network.parameters().items())

    names = sorted(dgn.parameters())
    for name in [*names, *{name.split(".")[0] for name in names if "." in name}]:
        updated = impl.m_step(dgn, statistics, [name], weight_prior=prior)
        best = objective(updated)
        keys = [key for key in names if key == name or key.startswith(f"{name}.")]
        values = {key: updated.parameters()[key] for key in keys}
        for _ in range(count):
            found = objective(updated.with_parameters(perturbed(values, prior, rng)))
            assert found <= best + 1e-12 * abs(best), name


PERTURBED = {
    "S = 1, isotropic": ([1, 3, 2], ReLU(), 0.4, "none"),
    "S = 1, diagonal": ([1, 3, 2, 3], LeakyReLU(0.1), np.array([0.2, 0.5, 0.9]), "Laplace"),
    "S = 1, full": ([1, 3, 2], Abs(), np.array([[0.5, 0.2], [0.2, 0.3]]), "Gaussian"),
    "S = 2, full": ([2, 3, 2], LeakyReLU(0.1), np.array([[0.5, 0.2], [0.2, 0.3]]), "uniform"),
}


@pytest.mark.deep
@pytest.mark.parametrize(("widths", "activation", "cov_x", "prior"), PERTURBED.values())
def test_no_perturbation_does_better(impl, widths, activation, cov_x, prior):
    """Of every block's update."""
    rng = np.random.default_rng(20)
    network = clipped(Network.random(widths, activation, rng), 0.4)
    X = fast.DGN(network, cov_x).rvs(8, rng) + 0.3 * rng.standard_normal((8, widths[-1]))
    dgn = impl.DGN(network, cov_x, 1.3)
    if impl is reference and widths[0] > 1:
        pytest.skip("reference has no moments of regions whose share is lost")
    check_perturbations(impl, dgn, X, PRIORS[prior], rng, 1000)


@pytest.mark.deep
@pytest.mark.parametrize("prior", PRIORS)
def test_no_perturbation_of_kernels_does_better(prior):
    network, rng = decoders()["Dense after convolution"], np.random.default_rng(21)
    network = clipped(network, 0.4)
    dgn = fast.DGN(network, 0.2, 1.3)
    X = dgn.rvs(4, rng) + 0.3 * rng.standard_normal((4, network.observed_dimension))
    check_perturbations(fast, dgn, X, PRIORS[prior], rng, 1000)


def test_perturbations_see_an_update_that_is_none():
    rng = np.random.default_rng(22)
    dgn = fast.DGN(Network.random([1, 3, 2], ReLU(), rng), 0.4, 1.3)
    X = dgn.rvs(8, rng) + 0.3 * rng.standard_normal((8, 2))

    class Off:
        """An M-step that stops a thousandth short."""

        @staticmethod
        def m_step(dgn, statistics, names, *, weight_prior):
            return fast.m_step(dgn, statistics, names, damping=0.999, weight_prior=weight_prior)

    with pytest.raises(AssertionError):
        check_perturbations(Off, dgn, X, None, rng, 1000)


def test_kinks_are_reached(impl):
    """A strong Laplace prior leaves weights exactly zero, a narrow uniform one exactly at bounds,
    and the Gaussian one neither."""
    network = clipped(Network.random([1, 4, 3], LeakyReLU(0.1), 0), 0.4)
    dgn = impl.DGN(network, 0.2)
    X = fast.DGN(Network.random([1, 4, 3], LeakyReLU(0.1), 0), 0.2).rvs(20, 0)
    assert check_optimum(impl, dgn, X, LaplacePrior(0.02)).max() > 0.3
    assert check_optimum(impl, dgn, X, UniformPrior(0.4)).max() > 0.3
    assert check_optimum(impl, dgn, X, GaussianPrior(0.4)).max() == 0.0


@pytest.mark.parametrize("seed", range(60))
def test_two_solvers(seed):
    """Active sets against coordinate descent and bounded least squares: systems of any rank, with
    condition numbers to 1e6, some unknowns without a prior. The optimum's value is compared, and
    the optimum itself where it is unique."""
    rng = np.random.default_rng([23, seed])
    size = int(rng.integers(1, 9))
    rank = int(rng.integers(1, size + 1)) if seed % 3 == 0 else size
    root = rng.standard_normal((size, rank)) * 10.0 ** rng.uniform(-3, 0, rank)
    normal, current = root @ root.T, rng.uniform(-0.3, 0.3, size)
    right = root @ rng.standard_normal(rank) * 3
    is_weight = rng.random(size) < 0.8
    for prior in (GaussianPrior(0.7), LaplacePrior(2.0), UniformPrior(0.4)):
        one = solve_with_prior(normal, right, current, prior, is_weight)
        gradient = right - normal @ current
        other = optima(normal[None], gradient[None], current[None], prior, is_weight)[0]

        def value(w, prior=prior):
            return right @ w - 0.5 * w @ normal @ w + prior.log_density(w[is_weight])

        size_of = np.abs(right) @ np.abs(one) + 1
        assert value(one) == pytest.approx(value(other), abs=1e-11 * size_of), prior
        if rank == size and np.linalg.cond(normal) < 1e4:
            assert one == pytest.approx(other, abs=1e-8), prior


def test_unknowns_that_do_the_same():
    """Two unknowns enter as one sum, one of them without a prior, as the weight of a unit that is
    constant does beside the bias: the Laplace prior's weight is zero and the other takes all, which
    both solvers missed; with two weights the shorter sum of sizes wins, signs included."""
    prior = LaplacePrior(0.3)
    for scale in (1.0, 1e4):
        normal = scale * np.array([[4.0, 2.0], [2.0, 1.0]])
        current, gradient = np.array([0.7, 0.2]), scale * np.array([1.0, 0.5])
        for is_weight, expected in (
            (np.array([True, False]), [0.0, 2.1]),
            # 2 w0 + w1 = 2.1 costs less through w0: half the rate, less what the prior takes.
            (np.array([True, True]), [(4.2 - 1 / (0.3 * scale)) / 4, 0.0]),
        ):
            right = gradient + normal @ current
            one = solve_with_prior(normal, right, current, prior, is_weight)
            other = optima(normal[None], gradient[None], current[None], prior, is_weight)[0]
            np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(other, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", [606, 971])
def test_bounds_that_take_many_turns(seed):
    """More exchanges of what is at a bound than there are unknowns, which SciPy's own limit does
    not allow: `reference` gave up."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 25))
    rank = int(rng.integers(1, size + 1)) if seed % 2 == 0 else size
    root = rng.standard_normal((size, rank)) * 10.0 ** rng.uniform(-5, 0, rank)
    normal, current = root @ root.T, rng.choice([-0.4, 0.4, 0.1], size)
    is_weight = rng.random(size) < 0.8
    right = root @ rng.standard_normal(rank) * 3
    gradient, prior = right - normal @ current, UniformPrior(0.4)
    one = solve_with_prior(normal, right, current, prior, is_weight)
    other = optima(normal[None], gradient[None], current[None], prior, is_weight)[0]
    values = [right @ w - 0.5 * w @ normal @ w for w in (one, other)]
    assert values[0] == pytest.approx(values[1], abs=1e-11 * (np.abs(right) @ np.abs(one) + 1))


@pytest.mark.parametrize("prior", [LaplacePrior(0.02), UniformPrior(0.4)], ids=["lasso", "box"])
def test_what_does_not_settle_is_an_error(impl, prior, monkeypatch):
    """Next to no turns allowed: never an update that is no optimum, and training ends with the
    model it has and says why."""
    monkeypatch.setattr(fast.closed_form.regularised_least_squares, "_MOST_ROUNDS", 0)
    # SciPy allows no bound of 0 on its turns.
    turns = 0 if isinstance(prior, LaplacePrior) else 1
    monkeypatch.setattr(reference.learning.regularised_least_squares, "_MOST_SWEEPS", turns)
    network = clipped(Network.random([1, 4, 3], LeakyReLU(0.1), 0), 0.4)
    dgn, X = impl.DGN(network, 0.2), fast.DGN(network, 0.2).rvs(20, 0)
    said = r"^(weight_prior|lasso|box): .*(did not settle|maximum number of iterations)"
    with pytest.raises(ArithmeticError, match=said):
        impl.m_step(dgn, dgn.statistics(X), weight_prior=prior)
    with pytest.warns(impl.ConvergenceWarning, match="NOT TRAINED: the result is the start"):
        ended = impl.fit_em(network, X, cov_x=0.2, weight_prior=prior)
    assert ended.outcome.startswith("NotSolvedError: ")
    assert (ended.n_iter, ended.converged) == (0, False)
    for name, value in network.parameters().items():
        np.testing.assert_array_equal(ended.dgn.network.parameters()[name], value)


def test_wrong_optima_are_seen():
    """The checks can fail: an update with half the prior's precision is not optimal."""
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    dgn = fast.DGN(network, 0.2)
    X = dgn.rvs(8, 0)

    class Half:
        @staticmethod
        def m_step(dgn, statistics, names, weight_prior):
            other = GaussianPrior(weight_prior.scale * 2**0.5)
            return fast.m_step(dgn, statistics, names, weight_prior=other)

    with pytest.raises(AssertionError):
        check_optimum(Half, dgn, X, GaussianPrior(0.5))


def test_log_densities():
    """Scipy's, summed over the weights."""
    weights = np.random.default_rng(0).uniform(-0.7, 0.7, (3, 4))
    for prior, law in (
        (GaussianPrior(0.5), stats.norm(scale=0.5)),
        (LaplacePrior(0.3), stats.laplace(scale=0.3)),
        (UniformPrior(0.7), stats.uniform(-0.7, 1.4)),
    ):
        expected = law.logpdf(weights).sum()
        assert prior.log_density(weights) == pytest.approx(expected, rel=1e-13)
        named = {"0.weight": weights, "0.bias": weights, "cov_x": weights}
        assert log_weight_prior(prior, named.items()) == pytest.approx(expected, rel=1e-13)
    assert UniformPrior(1.0).log_density(np.array([0.5, 1.1])) == -np.inf


@pytest.mark.parametrize("kind", [GaussianPrior, LaplacePrior, UniformPrior])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "a", True])
def test_bad_scales(kind, value):
    with pytest.raises(ValueError, match=r"scale|bound"):
        kind(value)


def test_what_is_no_prior_is_refused(impl):
    dgn = impl.DGN(Network.random([1, 2, 1], ReLU(), 0), 0.1)
    statistics = dgn.statistics([[0.5]])
    with pytest.raises(ValueError, match="weight_prior: expected GaussianPrior"):
        impl.m_step(dgn, statistics, weight_prior="ridge")


def test_a_slide_that_bends_before_a_kink_is_none():
    """Two weights of small scale that do nearly the same: singular to 1e-11 of the largest entry,
    but the penalised objective has its top long before one of them is 0."""
    scale, apart, far, pull = 2e-11, 9e-12, 1e9, 1e-3
    normal = np.array([[1.0, 0, 0], [0, scale, scale - apart], [0, scale - apart, scale]])
    rates, w = np.full(3, 1e-6), np.array([1.0, far, far])
    right = normal @ w + rates + np.array([0.0, pull, -pull])
    settled = reference.learning.regularised_least_squares._common_optimum
    np.testing.assert_allclose(settled(normal, right, w, rates), w, rtol=1e-12)
    # With their difference free there is no top, and one of them becomes 0.
    normal[1, 2] = normal[2, 1] = scale
    right[1:] = scale * 2 * far + rates[1:] + [pull, -pull]
    alone = [1, 2 * far + pull / scale, 0]
    np.testing.assert_allclose(settled(normal, right, w, rates), alone, rtol=1e-6)


def test_many_weights_that_are_hard_to_tell_apart():
    """A Laplace prior on nearly collinear weights, where one weight at a time goes on for ever:
    10,000 sweeps of `reference` did not suffice."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((12, 3)) @ rng.standard_normal((3, 12))
    root += 1e-4 * rng.standard_normal((12, 12))
    normal, current = root.T @ root, rng.standard_normal(12)
    right, prior = root.T @ rng.standard_normal(12), LaplacePrior(1e3)
    is_weight = np.arange(12) > 0
    one = solve_with_prior(normal, right, current, prior, is_weight)
    gradient = right - normal @ current
    other = optima(normal[None], gradient[None], current[None], prior, is_weight)[0]
    left = right - normal @ one
    assert np.all(np.abs(left[one == 0]) <= 1e-3 * (1 + 1e-9))
    pulled = np.where(is_weight, 1e-3 * np.sign(one), 0.0)
    np.testing.assert_allclose(left[one != 0], pulled[one != 0], atol=1e-12)
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    ("pull", "optimal"),
    [
        ([5.0, 2.0, 0.0, -5.0], True),
        ([5.0, 5.0 + 1e-8, 0.0, -5.0], True),  # rounding, where terms are 1e6
        ([5.0, -5.0 - 1e-8, 0.0, -5.0], True),
        ([5.0, 5.0 + 1e-5, 0.0, -5.0], False),
        ([-5.0, 2.0, 0.0, -5.0], False),  # towards zero, and the penalty pulls there as well
        ([5.0, 2.0, 0.0, 5.0], False),
        ([5.0, 2.0, 0.1, -5.0], False),  # without a penalty nothing holds it at zero
        ([0.0, 2.0, 0.0, -5.0], False),
    ],
)
def test_what_is_an_optimum(pull, optimal):
    """An unknown that is not zero is pulled by its rate, one at zero by no more, one without a rate
    not at all."""
    normal = 1e6 * np.diag([1.0, 2.0, 3.0, 4.0])
    w, rates = np.array([1.0, 0.0, 0.0, -1.0]), np.array([5.0, 5.0, 0.0, 5.0])
    judged = reference.learning.regularised_least_squares._is_optimum
    assert judged(normal, normal @ w + pull, w, rates) == optimal


def test_rates_count_as_terms():
    """What 1e6 is held by rounds by more than 1e-13."""
    judged = reference.learning.regularised_least_squares._is_optimum
    for excess, optimal in ((1e-7, True), (1e-6, False)):
        assert judged(np.eye(1), np.array([1e6 + excess]), np.zeros(1), np.full(1, 1e6)) == optimal


def test_nothing_slides_without_an_end(monkeypatch):
    """Two unknowns without a prior that do the same, but are pulled apart, where no rounding tilts
    the pull: no zero is on the way, and they stay where they are, without a warning."""
    module = reference.learning.regularised_least_squares
    monkeypatch.setattr(module, "_smallest_solution", lambda matrix, right: np.zeros(2))
    right, still = np.array([1.0, -1.0]), np.zeros(2)
    found = module._common_optimum(np.ones((2, 2)), right, still, still)
    np.testing.assert_array_equal(found, still)


def test_small_eigenvalues_do_not_spoil_the_others():
    """The inverse of a matrix of condition 1e10 has entries so large that their rounding left 1e-10
    of the equations unsolved."""
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    matrix = (vectors * np.geomspace(1.0, 1e-10, 8)) @ vectors.T
    right = matrix @ rng.standard_normal(8)
    found = reference.learning.regularised_least_squares.solve_nearest(matrix, right, np.zeros(8))
    # A backward stable solution leaves some ε times matrix and solution.
    np.testing.assert_allclose(matrix @ found, right, rtol=0, atol=1e-14)
