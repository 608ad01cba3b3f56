"""Fits of data in any units, with constant features, outliers and few points: they end at maxima,
or say once why they do not."""

import warnings

import numpy as np
import pytest
from shared_models import circle

import fast
import reference
from fast import DGN, LeakyReLU, Network
from fast.training import objective

FITS = {"EM": fast.fit_em, "likelihood": fast.fit_mle}
each_fit = pytest.mark.parametrize("fit", FITS.values(), ids=FITS.keys())


def linear(seed, dimension=5, latent=1, n=500):
    """Data of a linear model with standard normal weights and noise 0.5."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, latent)) @ rng.standard_normal((latent, dimension))
    return X + 0.5 * rng.standard_normal(X.shape)


def least_loss(X, latent):
    """Of all linear models with one variance (Tipping and Bishop 1999), nats a datum."""
    values = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))[::-1]
    values[latent:] = values[latent:].mean()
    return 0.5 * (X.shape[1] * (np.log(2 * np.pi) + 1) + np.log(values).sum())


def quietly(fit, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fast.ConvergenceWarning)
        return fit(*args, **options)


@each_fit
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_linear_models_end_at_the_closed_form(fit, scale):
    """Cases C1 and C3: starts with Σx = 1, whatever that is in the data's units. Both converge,
    within 1e-6 nats of where every maximum is. From the first no step was once found for data of
    1e-6; from the other L-BFGS ended 3 nats above in all units, with Σz near 0."""
    X = scale * linear(0)
    for seed in (0, 3):
        found = fit(DGN(Network.random([1, 5], random_state=seed), 1.0), X, max_iter=1000)
        assert found.outcome == "converged"
        assert found.history[-1] == pytest.approx(least_loss(X, 1), abs=1e-6)


@each_fit
def test_two_factors(fit):
    X = linear(1, 4, 2, n=200)
    found = fit(Network.random([2, 4], random_state=0), X, max_iter=1000)
    assert found.outcome == "converged"
    assert found.history[-1] == pytest.approx(least_loss(X, 2), abs=1e-6)


def ends_of_linear_models(latent, dimension, kind, starts):
    """Which fits converge, and how far above the best they end, nats: the closed form, or for
    diagonal noise the best of all starts of both."""
    X = linear(10 * dimension + latent, dimension, latent)
    cov_x = {"scalar": 1.0, "full": np.eye(dimension), "diagonal": np.ones(dimension)}[kind]
    converged, losses = [], []
    for scale in (1e-6, 1.0, 1e6):
        for seed in range(starts):
            start = DGN(Network.random([latent, dimension], random_state=seed), cov_x)
            for fit in FITS.values():
                found = quietly(fit, start, scale * X, max_iter=1000)
                converged.append(found.converged)
                losses.append(found.history[-1] - dimension * np.log(scale))
    best = {"scalar": least_loss(X, latent), "full": least_loss(X, dimension - 1)}
    return np.array(converged), np.array(losses) - best.get(kind, min(losses))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_other_noise_ends_at_the_best(kind):
    converged, above = ends_of_linear_models(1, 4, kind, 1)
    assert np.all(converged)
    assert np.all(above <= 1e-6)


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["scalar", "full", "diagonal"])
@pytest.mark.parametrize(
    ("latent", "dimension"),
    [(1, 4), *((s, d) for s in (1, 2, 3) for d in (2, 5, 16, 64) if s < d)],
)
def test_no_linear_model_converges_elsewhere(latent, dimension, kind):
    """What converged is within 1e-6 nats of the best, and nearly all do, in any units. Diagonal
    noise has lesser maxima of its own for S > 1."""
    converged, above = ends_of_linear_models(latent, dimension, kind, 2)
    assert np.mean(converged) >= 0.9
    if kind != "diagonal" or latent == 1:
        assert np.all(above[converged] <= 1e-6)


@each_fit
@pytest.mark.parametrize(("place", "seed"), [(0.0, 2), (5.0, 1), (1e4, 3)])
def test_no_blob_of_the_circle_is_called_converged(fit, place, seed):
    """Case C2: what converges is better than the single Gaussian that a line's blob is, or the
    curvature says that it is a maximum. From each of these starts L-BFGS once said so of a blob, at
    1e4 EM too."""
    X = circle(0, 200) + place
    start = DGN(Network.random([1, 8, 2], LeakyReLU(0.1), seed), 1.0)
    found = quietly(fit, start, X, max_iter=100)
    assert np.diff(found.history).max() <= 1e-10
    if found.converged:
        assert found.gradient_norm <= 1e-3
        assert found.history[-1] < 1.0 or found.smallest_curvature > -1e-3


UNBOUNDED = {
    "a constant feature": (np.column_stack([linear(0, 2, n=30), np.full(30, 7.0)]), np.ones(3)),
    "fewer data than dimensions": (linear(0, 40, n=5), np.eye(40)),
    "two numbers": (np.array([[9999.0], [0.0]]), 1.0),
    "one point": (np.array([[3.0, 4.0]]), np.eye(2)),
    "the same point": (np.full((6, 2), 2.5), 1.0),
    "duplicates": (np.repeat(linear(0, 3, n=2), 4, axis=0), np.ones(3)),
    "an outlier": (np.concatenate([linear(0, 2, n=30), [[1e10, 0.0]]]), np.ones(2)),
}


@pytest.mark.parametrize("name", UNBOUNDED)
@each_fit
def test_every_fit_takes_its_first_steps(fit, name):
    """Case C4: with the floor the likelihood has a maximum. No rise, no singular covariance, and Σx
    above the floor."""
    X, cov_x = UNBOUNDED[name]
    start = DGN(Network.random([1, 3, X.shape[1]], LeakyReLU(0.1), 0), cov_x)
    found = quietly(fit, start, X, max_iter=20)
    assert found.n_iter > 0
    assert found.history[-1] < found.history[0]
    assert np.diff(found.history).max() <= 1e-10 * max(1.0, np.abs(found.history).max())
    assert found.outcome in ("converged", "max_iter reached", "no step found")
    cov = found.dgn.cov_x
    least = np.linalg.eigvalsh(cov)[0] if cov.ndim == 2 else np.min(cov)
    assert least > 0
    if X.var() > 0 and cov.ndim != 1:
        assert least >= 1e-6 * X.var(axis=0).mean() * (1 - 1e-6)


@pytest.mark.parametrize("impl", [fast, reference], ids=["fast", "reference"])
def test_the_floor_is_a_share_of_the_variance(impl):
    """In each structure, of a large share that holds, and with the likeliest Σx above it."""
    X = linear(2, 3, n=20) + np.array([0.0, 3.0, 10.0])
    network, variances = Network.random([1, 2, 3], LeakyReLU(0.1), 0), X.var(axis=0)
    for cov_x, least in (
        (1.0, variances.mean()),
        (np.ones(3), variances),
        (np.eye(3), variances.mean()),
    ):
        start = impl.DGN(network, cov_x)
        moved = impl.m_step(start, start.statistics(X), noise_floor=0.9).cov_x
        small = np.linalg.eigvalsh(moved) if moved.ndim == 2 else moved
        assert np.all(small >= 0.9 * least * (1 - 1e-9))
        free = impl.m_step(start, start.statistics(X), noise_floor=0.0).cov_x
        if moved.ndim < 2:
            np.testing.assert_allclose(moved, np.maximum(free, 0.9 * least), rtol=1e-9)
        else:
            values, vectors = np.linalg.eigh(free)
            raised = (vectors * np.maximum(values, 0.9 * least)) @ vectors.T
            np.testing.assert_allclose(moved, raised, rtol=1e-9, atol=1e-9 * values[-1])


@each_fit
def test_a_fit_that_cannot_take_a_step_says_so_first(fit, monkeypatch):
    """One warning, that names what to do."""
    X = np.array([[1.0, 1.0]])
    start = DGN(Network.random([1, 2, 2], LeakyReLU(0.1), 0), np.eye(2))

    def refusing(*arguments):
        calls.append(0)
        if len(calls) > 2:
            raise ArithmeticError("too far")
        return own(*arguments)

    calls, own = [], objective.summed
    if fit is fast.fit_em:
        monkeypatch.setattr(objective, "summed", refusing)
    else:
        monkeypatch.setattr(fast.training.search.Search, "_state", lambda *_: None)
    with pytest.warns(fast.ConvergenceWarning) as told:
        found = fit(start, X, max_iter=5, noise_floor=0.0)
    assert found.n_iter <= 1
    assert len(told) == 1
    said = str(told[0].message)
    assert "raise noise_floor" in said


@each_fit
def test_starts_without_a_likelihood_are_left_out(fit, monkeypatch):
    """They are reported, and the others go on; with none left the error says so."""
    X, calls, own = circle(0, 30), [], objective.summed
    failing = {"first": {1}, "all": set(range(1, 99))}

    def statistics(*arguments):
        calls.append(0)
        if len(calls) in failing[which]:
            raise ArithmeticError("too far")
        return own(*arguments)

    monkeypatch.setattr(objective, "summed", statistics)
    network = Network.random([1, 3, 2], LeakyReLU(0.1), 0)
    options = {"cov_x": 0.3, "init": "data", "n_init": 2, "random_state": 0, "tol": 0.0}
    which = "first"
    with pytest.warns(fast.ConvergenceWarning, match="start 1 of 2: ArithmeticError: too far"):
        found = fit(network, X, max_iter=2, **options)
    assert found.losses[0] == np.inf
    assert found.losses[1] == found.history[-1]
    which = "all"
    with pytest.raises(ArithmeticError, match=r"no start has a likelihood.*too far"):
        fit(network, X, max_iter=2, **options)


def same_losses(one, other, shift, rtol):
    np.testing.assert_allclose(other.history, one.history + shift, rtol=rtol, atol=rtol)


@each_fit
@pytest.mark.parametrize("factor", [2.0**40, 2.0**-37])
@pytest.mark.parametrize("structure", ["scalar", "diagonal", "full"])
def test_powers_of_two_change_no_bit(fit, factor, structure):
    """a X, with the start in the same units: the same models but for the units."""
    X, network = circle(0, 60) + 3.0, Network.random([1, 4, 2], LeakyReLU(0.1), 1)
    cov_x = {"scalar": np.array(0.5), "diagonal": np.array([0.5, 0.25]), "full": np.eye(2)}
    start = DGN(network, cov_x[structure])
    values = network.parameters()
    scaled = DGN(
        network.with_parameters(
            {"2.weight": factor * values["2.weight"], "2.bias": factor * values["2.bias"]}
        ),
        factor**2 * cov_x[structure],
    )
    one = quietly(fit, start, X, max_iter=10)
    two = quietly(fit, scaled, factor * X, max_iter=10)
    same_losses(one, two, 2 * np.log(factor), 1e-14)
    for name, value in one.dgn.parameters().items():
        unit = {"2.weight": factor, "2.bias": factor, "cov_x": factor**2}.get(name, 1.0)
        np.testing.assert_array_equal(two.dgn.parameters()[name], unit * value)


@each_fit
@pytest.mark.parametrize("structure", ["scalar", "diagonal", "full"])
def test_other_units_change_rounding_alone(fit, structure):
    """a X + b with one a, or one for each column where Σx is diagonal: to 1e-9 over ten
    iterations."""
    X, network = circle(0, 60), Network.random([1, 4, 2], LeakyReLU(0.1), 1)
    factor = np.array([3.7, 0.013]) if structure == "diagonal" else np.full(2, 3.7)
    cov_x = {"scalar": np.array(0.5), "diagonal": np.array([0.5, 0.25]), "full": np.eye(2)}
    start = DGN(network, cov_x[structure])
    values, shift = network.parameters(), np.array([11.0, -7.0])
    scaled = DGN(
        network.with_parameters(
            {
                "2.weight": factor[:, None] * values["2.weight"],
                "2.bias": factor * values["2.bias"] + shift,
            }
        ),
        (factor if structure == "diagonal" else factor[0]) ** 2 * cov_x[structure],
    )
    one = quietly(fit, start, X, max_iter=10)
    two = quietly(fit, scaled, factor * X + shift, max_iter=10)
    same_losses(one, two, np.log(factor).sum(), 1e-9)


def test_the_default_covariance_is_the_datas():
    X = 1e3 * circle(0, 50)
    found = quietly(fast.fit_em, Network.random([1, 3, 2], LeakyReLU(0.1), 0), X, max_iter=0)
    assert float(found.dgn.cov_x) == pytest.approx(X.var(axis=0).mean(), rel=1e-12)


def test_what_is_held_stays_to_the_last_digit():
    """Of parameters that do not learn, whatever the data's units."""
    X = 1e3 * circle(0, 50) + 12345.678
    start = DGN(Network.random([1, 3, 2], LeakyReLU(0.1), 0), 0.3)
    found = quietly(fast.fit_mle, start, X, parameters=["cov_x", "0.bias"], max_iter=5)
    for name, value in start.parameters().items():
        kept = np.array_equal(value, found.dgn.parameters()[name])
        assert kept == (name not in ("cov_x", "0.bias"))
