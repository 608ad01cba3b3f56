"""The posterior p(z | x): density, moments, mode, and calibration on random data.

What draws follow is tested in tests/distributions/test_draws.py.
"""

import numpy as np
import pytest
from scipy import stats

import fast
import reference
from reference import Abs, Dense, LeakyReLU, Network, ReLU

ALARM = 3e-9


def models():
    """Name -> (network, Σx, Σz, X): ordinary data, far tails, narrow regions, two modes."""
    network = Network.random([1, 5, 4, 2], LeakyReLU(0.1), 0)
    near = fast.DGN(network, [0.2, 0.4], 1.7).rvs(3, 1)
    # Hinges 1e-4 apart that raise a narrow tooth, on which the posterior sits.
    hinges = np.array([0.0, 1e-4, 2e-4, 1.0])
    tooth = Network(
        [
            Dense(np.ones((4, 1)), -hinges),
            ReLU(),
            Dense([[1e4, -2e4, 1e4, 0.5]], [0.0]),
        ]
    )
    fold = Network([Dense([[1.0]], [0.0]), Abs(), Dense([[1.0], [0.1]], [0.0, 0.0])])
    return {
        "ordinary": (network, [0.2, 0.4], 1.7, near),
        "full noise": (network, [[0.3, 0.1], [0.1, 0.2]], 0.5, near),
        "far tail": (network, 0.01, 1.0, [[40.0, -30.0], [-300.0, 100.0], [0.0, 1e3]]),
        "narrow regions": (tooth, 0.05, 1.0, [[0.9], [0.0], [2.0]]),
        "two modes": (fold, 0.01, 1.0, [[1.0, 0.1], [0.2, 0.0]]),
        "small noise": (network, 1e-6, 1.0, near),
        "prior only": (Network([Dense([[0.0]], [1.0])]), 1.0, 2.5, [[3.0]]),
    }


@pytest.fixture(params=models(), ids=str)
def case(request):
    """(network, Σx, Σz, X) of each kind of posterior."""
    return models()[request.param]


def panel_ends(dgn, posterior, i):
    """Ends of panels on which exp(logpdf) of datum i is smooth: breakpoints, and steps about every
    region's own mean, fine near it and coarse far from it."""
    mean, deviation = posterior.region_mean[i, :, 0], np.sqrt(posterior.region_cov[i, :, 0, 0])
    steps = np.concatenate([np.arange(-12, 13), [-60, -30, 30, 60]])
    ends = (mean[:, None] + deviation[:, None] * steps).ravel()
    breaks = dgn.partition().breakpoints
    return np.unique(np.concatenate([ends, breaks]))


def nodes_between(ends, count=30):
    """Gauss-Legendre nodes and weights, (panels, count), on consecutive panels.

    Each panel lies within one region, whose density is a Gaussian.
    """
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = 0.5 * np.diff(ends)[:, None]
    return ends[:-1, None] + half * (nodes + 1), half * weights


def density(posterior, z, i):
    """exp(logpdf) of datum i at z of any shape."""
    return np.exp(posterior.logpdf(z.reshape(-1, 1))[i]).reshape(z.shape)


# Density


def test_moments_are_integrals_of_the_density(impl, case):
    """∫ exp(logpdf) = 1, and its integrals over the regions are e0, e1, e2, mean and cov.

    log p(z | x) is a difference of numbers of size |log p(x)|, and loses ε of that: the tolerance
    grows by 4 ε |log p(x)|, in units of the deviation for the moments.
    """
    network, cov_x, cov_z, X = case
    dgn = impl.DGN(network, cov_x, cov_z)
    posterior, breaks = dgn.posterior(X), dgn.partition().breakpoints
    evidence = dgn.logpdf(X)
    for i in range(len(X)):
        z, weights = nodes_between(panel_ends(dgn, posterior, i))
        weights = weights * density(dgn.posterior(X[i : i + 1]), z, 0)
        mean = posterior.mean()[i, 0]
        deviation = np.sqrt(posterior.cov()[i, 0, 0])
        size = max(deviation, abs(mean))
        tolerance = 1e-11 + 4 * np.finfo(float).eps * abs(evidence[i])
        assert abs(weights.sum() - 1) <= tolerance, i
        assert abs((weights * (z - mean)).sum()) <= tolerance * size, i
        spread = (weights * (z - mean) ** 2).sum()
        assert abs(spread - deviation**2) <= 10 * tolerance * size * deviation, i
        regions = np.searchsorted(breaks, z.mean(axis=1))
        for name, power in [("e0", 0), ("e1", 1), ("e2", 2)]:
            exact = np.bincount(regions, (weights * z**power).sum(axis=1), len(breaks) + 1)
            got = getattr(posterior, name)[i].reshape(-1)
            scale = (abs(mean) + deviation) ** power
            np.testing.assert_allclose(
                got, exact, atol=10 * tolerance * scale, err_msg=f"{name} {i}"
            )


def test_region_moments_where_the_weight_underflows(impl):
    """log_e0 and the truncated moments stay finite where e0 is 0; the mean lies in the region."""
    network, cov_x, cov_z, X = models()["far tail"]
    dgn = impl.DGN(network, cov_x, cov_z)
    posterior, breaks = dgn.posterior(X), dgn.partition().breakpoints
    assert np.any(posterior.e0 == 0)
    assert np.all(np.isfinite(posterior.log_e0))
    assert np.all(posterior.region_cov > 0)
    ends = np.concatenate([[-np.inf], breaks, [np.inf]])
    means = posterior.region_mean[:, :, 0]
    rounding = 4 * np.spacing(np.abs(means))
    assert np.all(means >= ends[:-1] - rounding)
    assert np.all(means <= ends[1:] + rounding)


def test_logpdf_shapes(impl):
    """Shared points (M, S) and points for each datum (N, M, S) give (N, M)."""
    network, cov_x, cov_z, X = models()["ordinary"]
    posterior = impl.DGN(network, cov_x, cov_z).posterior(X)
    Z = np.linspace(-2, 2, 5)[:, None]
    shared = posterior.logpdf(Z)
    assert shared.shape == (3, 5)
    own = np.stack([Z, Z[::-1], Z + 1])
    got = posterior.logpdf(own)
    np.testing.assert_array_equal(got[0], shared[0])
    np.testing.assert_array_equal(got[1], shared[1][::-1])
    np.testing.assert_array_equal(got[2], posterior.logpdf(Z + 1)[2])


def test_implementations_agree(case):
    """Weights, moments, entropy and mode of both, to 1e-11 of the deviation plus ε |log p|."""
    network, cov_x, cov_z, X = case
    a, b = (m.DGN(network, cov_x, cov_z).posterior(X) for m in (fast, reference))
    size = np.abs(fast.DGN(network, cov_x, cov_z).logpdf(X)).max()
    tolerance = 1e-11 + 16 * np.finfo(float).eps * size
    np.testing.assert_allclose(a.e0, b.e0, atol=tolerance)
    deviation = np.sqrt(a.region_cov[..., 0])
    np.testing.assert_array_less(
        np.abs(a.region_mean - b.region_mean),
        tolerance * deviation + 4 * np.spacing(np.abs(a.region_mean)),
    )
    np.testing.assert_allclose(a.region_cov, b.region_cov, rtol=tolerance)
    np.testing.assert_allclose(a.entropy(), b.entropy(), atol=10 * tolerance)
    np.testing.assert_allclose(a.mode(), b.mode(), rtol=1e-9, atol=1e-9 * deviation.min())


def test_mode_is_the_highest_point(impl, case):
    """No point of a fine grid, no breakpoint and no region mean has a higher density.

    Two equal modes may be told apart by rounding only: 4 ε |log p(x)|.
    """
    network, cov_x, cov_z, X = case
    dgn = impl.DGN(network, cov_x, cov_z)
    posterior, evidence = dgn.posterior(X), dgn.logpdf(X)
    for i in range(len(X)):
        ends = panel_ends(dgn, posterior, i)
        grid = np.concatenate([ends, nodes_between(ends, 8)[0].ravel(), np.linspace(-5, 5, 501)])
        mode = posterior.mode()[i]
        highest = posterior.logpdf(grid[:, None])[i].max()
        rounding = 1e-13 + 4 * np.finfo(float).eps * abs(evidence[i])
        assert posterior.logpdf(mode[None])[i, 0] >= highest - rounding, i


# Calibration


class Zeros(np.random.Generator):
    """Of all uniform numbers the least."""

    def random(self, size=None):
        return np.zeros(size)


def test_regions_without_mass_are_never_drawn(monkeypatch):
    """Not even by a uniform number that is 0, where the first regions have no mass."""
    network = Network.random([1, 5, 4, 2], LeakyReLU(0.1), 0)
    posterior = fast.DGN(network, 1e-6).posterior(network(np.array([[3.0]])))
    assert posterior.e0[0, 0] == 0.0
    drawn = []

    def taken_down(datum, region, rng):
        drawn.extend(region)
        return np.zeros((len(region), 1))

    monkeypatch.setattr(posterior, "_draw", taken_down)
    posterior.rvs(3, Zeros(np.random.PCG64(0)))
    assert drawn == [np.flatnonzero(posterior.e0[0])[0]] * 3


@pytest.mark.parametrize("cov_x", [0.05, 1.0])
def test_simulation_based_calibration(cov_x):
    """With z ~ p(z) and x ~ p(x | z), the rank of z among posterior draws is uniform.

    4000 data, 19 draws each: detects draws 10 % too narrow or 15 % too wide about their mean, as
    measured. One false alarm in 3e8 runs.
    """
    network = Network.random([1, 6, 5, 2], ReLU(), 4)
    count, draws = 4_000, 19
    rng = np.random.default_rng(21)
    z = np.sqrt(1.7) * rng.standard_normal((count, 1))
    X = network(z) + np.sqrt(cov_x) * rng.standard_normal((count, 2))
    posterior = fast.DGN(network, cov_x, 1.7).posterior(X)
    ranks = np.sum(posterior.rvs(draws, rng)[:, :, 0] < z, axis=1)
    observed = np.bincount(ranks, minlength=draws + 1)
    expected = count / (draws + 1)
    statistic = np.sum((observed - expected) ** 2) / expected
    assert stats.chi2.sf(statistic, draws) > ALARM, observed
