"""What only oracle.learning.sums_over_data says, against other ways to say it, and that small
checks fail."""

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import optimize, stats

import fast
from oracle import gradient
from oracle.fixed_checks.deviation import Deviation, error_of
from oracle.fixed_checks.learning import sums_over_data
from oracle.fixed_checks.models import CURVE, FOLD, HUMP, IMAGES, LINE, NOISE, PLANE, specs
from oracle.fixed_checks.polyhedra import polyhedra
from oracle.learning.m_step_surrogate import Surrogate, maximum, surrogate, through, uphill
from oracle.learning.sums_over_data import (
    covariance_update,
    log_evidence,
    log_peak,
    reals,
    shares,
    sums,
    zero_noise_of_fold,
    zero_noise_on_line,
)
from oracle.quadrature.interval import PRECISE
from oracle.truths.joint import log_joint
from oracle.truths.one_dimension import OneDimension
from oracle.truths.regionwise import LatentSpace


def model_of(model):
    """A model as oracle.learning.sums_over_data takes it."""
    return specs(model), model.cov_x, model.cov_z


def full(cov, dimension):
    return cov if np.ndim(cov) == 2 else np.diag(np.broadcast_to(cov, (dimension,)))


@pytest.mark.parametrize("model", [LINE, CURVE, PLANE, IMAGES], ids=lambda model: model.name)
def test_log_joint_is_that_of_scipy(model):
    """By the network's own forward pass, in doubles."""
    for x, z in zip(model.X, model.q_mean, strict=False):
        noise = full(model.cov_x, len(x))
        found = stats.multivariate_normal(model.network()(z[None])[0], noise).logpdf(x)
        found += stats.multivariate_normal(np.zeros(len(z)), model.cov_z).logpdf(z)
        truth = float(log_joint(*model_of(model), x, z))
        assert found == pytest.approx(truth, rel=1e-11)


@pytest.mark.parametrize("model", [LINE, CURVE, PLANE, FOLD], ids=lambda model: model.name)
def test_log_peak_is_the_largest(model):
    """A search from many starts reaches it, and nothing exceeds it."""
    rng = np.random.default_rng(3)
    for x in model.X:
        noise = stats.multivariate_normal(np.zeros(len(x)), full(model.cov_x, len(x)))
        prior = stats.multivariate_normal(np.zeros(model.latent), model.cov_z)
        network = model.network()

        def fall(z, x=x, noise=noise, prior=prior, network=network):
            return -noise.logpdf(x - network(z[None])[0]) - prior.logpdf(z)

        found = []
        for start in 4 * rng.standard_normal((12, model.latent)):
            step = optimize.minimize(fall, start, method="Nelder-Mead", options={"xatol": 1e-9})
            found.append(-optimize.minimize(fall, step.x, method="Nelder-Mead").fun)
        top = float(log_peak(*model_of(model), x))
        assert max(found) <= top + 1e-9 * max(1, abs(top))
        assert max(found) == pytest.approx(top, abs=1e-5)


def test_shares_are_those_of_the_posterior():
    """Over all regions e0 sums to 1, and the moments to the posterior's."""
    x = PLANE.X[0]
    truth = LatentSpace(*model_of(PLANE)).at_point(x, PLANE.q_mean[0], PLANE.q_cov[0])
    parts = shares(*model_of(PLANE), x)
    assert abs(sum(part.e0 for part in parts) - 1) < 1e-14
    for i in range(2):
        mean = sum(part.e0 * part.mean[i] for part in parts)
        assert abs(mean - truth["posterior mean", (i,)].value) < 1e-14
    oracle = OneDimension(*model_of(LINE), PRECISE)
    values = oracle.at_point(LINE.X[1], 0.0, 1.0)
    parts = shares(*model_of(LINE), LINE.X[1])
    mean = sum(part.e0 * part.mean[0] for part in parts)
    assert abs(mean - values["posterior mean", (0,)].value) < 1e-14


def test_sums_give_the_gradient():
    """Fisher's identity: from the sums over data the gradients by the last bias, Σx and Σz."""
    data = LINE.X[:2]
    found = sums(*model_of(LINE), data)
    truth = gradient(*model_of(LINE), data)
    residual = np.array(found.residual0.sum(axis=0), dtype=float) / 2
    np.testing.assert_allclose(residual / LINE.cov_x, truth["4.bias"], rtol=1e-9)
    scatter = np.diag(np.array(found.scatter, dtype=float)) / 2
    by_noise = 0.5 * (scatter / LINE.cov_x**2 - 1 / LINE.cov_x)
    np.testing.assert_allclose(by_noise, truth["cov_x"], rtol=1e-9)
    second = float(found.e2.sum()) / 2
    by_prior = 0.5 * (second / LINE.cov_z**2 - 1 / LINE.cov_z)
    np.testing.assert_allclose(by_prior, truth["cov_z"], rtol=1e-9)
    assert float(found.loglik) == pytest.approx(
        sum(float(log_evidence(*model_of(LINE), x)) for x in data), rel=1e-14
    )


def test_update_of_an_affine_model_is_a_regression():
    """W and v by the regression of x on z given x; Σz by the mean of E[z zᵀ]."""
    rng = np.random.default_rng(8)
    data = rng.standard_normal((7, 2))
    layers, noise, prior = model_of(NOISE)
    weight, bias = layers[0][1], layers[0][2]
    cov = np.linalg.inv(np.linalg.inv(prior) + weight.T @ np.linalg.solve(noise, weight))
    means = (data - bias) @ np.linalg.solve(noise, weight) @ cov
    ones = np.column_stack([means, np.ones(len(data))])
    gram = ones.T @ ones
    gram[:2, :2] += len(data) * cov
    found = sums(layers, noise, prior, data)
    joint = np.linalg.solve(gram, ones.T @ data).T
    of = surrogate(layers, noise, found, 0)
    np.testing.assert_allclose(maximum(of).reshape(2, 3), joint, rtol=1e-12)
    alone = np.mean(data - means @ weight.T, axis=0)
    np.testing.assert_allclose(maximum(of.of([2, 5])), alone, rtol=1e-12)
    second = (means.T @ means) / len(data) + cov
    np.testing.assert_allclose(covariance_update(noise, found, "cov_z"), second, rtol=1e-12)


def test_update_of_a_hidden_layer_is_stationary():
    """At an update of the first bias the residuals left, held slopes, are orthogonal to it."""
    layers, noise, prior = model_of(CURVE)
    found = sums(layers, noise, prior, CURVE.X)
    moved = maximum(surrogate(layers, noise, found, 2).of([3, 7])) - layers[2][2]
    left = np.zeros(2)
    for r, code in enumerate(found.codes):
        back = layers[4][1] @ np.diag([1.0 if q > 0 else -1.0 for q in code[3:]])
        residual = np.array(found.residual0[r], dtype=float)
        residual -= float(found.e0[r]) * (back @ moved)
        left += back.T @ np.linalg.solve(noise, residual)
    assert np.max(np.abs(moved)) > 0.01
    assert np.max(np.abs(left)) < 1e-11


def test_a_surrogate_by_other_unknowns():
    """One that stands in two places of the matrix, and one that is in half a place."""
    inner = Surrogate(reals([1.0, 2.0, 3.0]), reals(np.diag([2.0, 4.0, 8.0])), reals([0.0] * 3))
    found = through(inner, np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.5]]), np.array([5.0, 6.0]))
    np.testing.assert_array_equal(found.gradient.astype(float), [3.0, 1.5])
    np.testing.assert_array_equal(found.curvature.astype(float), [[6.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(maximum(found), [5.5, 6.75])


@pytest.mark.parametrize(
    ("prior", "scale", "best"),
    [
        # Maxima of 3 w - w² and of 0.25 w - w² with a prior on the first and second, none on the
        # third, which is of 5 w - w².
        ("Gaussian", 0.5, [0.5, 0.25 / 6, 2.5]),
        ("Laplace", 2.0, [1.25, 0.0, 2.5]),
        ("uniform", 1.0, [1.0, 0.125, 2.5]),
    ],
)
def test_uphill_is_zero_at_the_maximum_only(prior, scale, best):
    weighs = np.array([True, True, False])
    current = np.array([0.2, -0.3, 0.4])
    gradient = np.array([3.0, 0.25, 5.0]) - 2 * current
    of = Surrogate(reals(gradient), reals(2 * np.eye(3)), reals(current))
    assert uphill(of, np.array(best), prior, scale, weighs) < 1e-15
    for i in range(3):
        for step in (1e-9, -1e-9):
            moved = np.array(best)
            moved[i] += step
            assert uphill(of, moved, prior, scale, weighs) > 1e-11
    if prior == "uniform":
        assert uphill(of, np.array([1.5, 0.1, 2.5]), prior, scale, weighs) == np.inf


@pytest.mark.parametrize("model", [LINE, HUMP], ids=lambda model: model.name)
def test_zero_noise_on_a_line_is_the_nearest(model):
    """No point of a fine grid is nearer to x, and one is about as near."""
    grid = np.linspace(-40, 40, 800_001)
    variances = np.broadcast_to(model.cov_x, (len(model.X[0]),))
    images = model.network()(grid[:, None])
    for x in model.X:
        z = float(zero_noise_on_line(specs(model), variances, x))
        misfits = np.sum((x - images) ** 2 / variances, axis=1)
        own = float(np.sum((x - model.network()(np.array([[z]]))[0]) ** 2 / variances))
        assert own <= misfits.min() + 1e-12
        assert abs(grid[misfits.argmin()] - z) < 2e-4


def test_zero_noise_of_a_fold_is_the_likeliest_of_two_lines():
    """It lies on a preimage, and along both preimages the prior is no larger."""
    weight, bias = np.array([0.9, -0.4]), 0.35
    z = np.array([float(v) for v in zero_noise_of_fold(weight, bias, FOLD.cov_z, 1.3)])
    assert abs(weight @ z + bias) == pytest.approx(1.3, rel=1e-14)
    size = z @ np.linalg.solve(FOLD.cov_z, z)
    along = np.array([0.4, 0.9])
    for level in (1.3 - bias, -1.3 - bias):
        points = weight * level / (weight @ weight) + np.linspace(-9, 9, 2001)[:, None] * along
        sizes = np.einsum("ni,ij,nj->n", points, np.linalg.inv(FOLD.cov_z), points)
        assert size <= sizes.min() + 1e-12


def test_errors_are_told():
    """NaN and other shapes are as wrong as can be; so is any error where none is allowed."""
    assert error_of([1.0, 2.0], [1.0, 2.5]) == pytest.approx(0.2)
    assert error_of([1.0, np.nan], [1.0, 2.5]) == np.inf
    assert error_of([1.0], [1.0, 2.5]) == np.inf
    assert error_of(0.5, mpf(0.25)) == 0.25
    assert Deviation("", 0.0, 0.0).passes
    assert not Deviation("", 1e-300, 0.0).passes
    nothing = Deviation("", np.nan, 1.0)
    assert not nothing.passes
    assert nothing.excess == np.inf


def test_a_small_error_is_seen(monkeypatch):
    """1e-9 in a sum over data, 1e-9 in a mass."""
    function = fast.DGN.statistics

    def off(self, X):
        found = function(self, X)
        found.residual1[:] *= 1 + 1e-9
        return found

    assert all(found.passes for found in sums_over_data(LINE)(fast))
    monkeypatch.setattr(fast.DGN, "statistics", off)
    assert [c.quantity for c in sums_over_data(LINE)(fast) if not c.passes] == [
        "line: sum of residual1"
    ]

    class Broken:
        """A package whose log masses are off."""

        __name__ = "fast"

        @staticmethod
        def gaussian_on_polyhedron(*arguments):
            log_mass, mean, cov = fast.gaussian_on_polyhedron(*arguments)
            return log_mass + 1e-9, mean, cov

    with mp.workdps(15):
        failing = {c.quantity.split(" on ")[0] for c in polyhedra(Broken()) if not c.passes}
    assert failing
    assert all(quantity.startswith("log mass") for quantity in failing)
