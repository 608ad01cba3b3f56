"""Data far away from all images, S >= 2: what decides between regions are small differences of huge
numbers. The truth is the oracle's, on exact regions to 70 digits."""

from typing import NamedTuple

import numpy as np
import pytest
from mpmath import mp

import fast
import fast.many_dimensions.far_data
from fast import Abs, Dense, Hardtanh, LeakyReLU, MaxPool, Network, ReLU
from oracle.checks.implementations import network_of
from oracle.exact.layers import layers_of
from oracle.models.architectures import random_case
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import applied
from oracle.truths import joint
from oracle.truths.regionwise import LatentSpace

COV_Z = 4.0
_DIGITS = 80


def noise(kind, dimension, rng):
    """Σx about 0.01 in one of the structures; one direction of a nearly singular one has 1e-10."""
    if kind == "scalar":
        return np.asarray(0.01)
    variances = 0.01 * 10 ** rng.uniform(-1, 1, dimension)
    if kind == "diagonal":
        return variances
    if kind == "nearly singular":
        variances[0] = 1e-10
    basis, _ = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    cov = (basis * variances) @ basis.T
    return (cov + cov.T) / 2


class Case(NamedTuple):
    """A network, noise, and data so many standard deviations from an image."""

    network: Network
    cov_x: np.ndarray
    X: np.ndarray

    @staticmethod
    def of(widths, activation, kind, distance, count=2):
        """One that depends on the arguments alone."""
        rng = np.random.default_rng([*widths, len(kind), int(np.log10(distance))])
        network = Network.random(widths, activation, rng)
        cov_x = noise(kind, widths[-1], rng)
        root = np.linalg.cholesky(cov_x) if cov_x.ndim == 2 else np.sqrt(cov_x)
        away = rng.standard_normal((count, widths[-1]))
        away *= distance / np.linalg.norm(away, axis=1)[:, None]
        away = away @ root.T if cov_x.ndim == 2 else away * root
        return Case(network, cov_x, network(rng.standard_normal((count, widths[0]))) + away)

    @property
    def dgn(self):
        """The model in `fast`."""
        return fast.DGN(self.network, self.cov_x, COV_Z)

    @property
    def oracle(self):
        """The model in the oracle."""
        cov_z = COV_Z * np.eye(self.network.latent_dimension)
        return LatentSpace(layers_of(self.network), self.cov_x, cov_z)

    def log_joint(self, x, z):
        """log p(x, z) to 80 digits."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(joint, "_DIGITS", _DIGITS)
            cov_z = COV_Z * np.eye(self.network.latent_dimension)
            return joint.log_joint(layers_of(self.network), self.cov_x, cov_z, x, z)


CASES = {
    "full, 1e3": ([2, 6, 5], Abs(), "full", 1e3),
    "diagonal, 1e6": ([2, 4, 3], ReLU(), "diagonal", 1e6),
    "full, 1e6": ([2, 6, 5], Abs(), "full", 1e6),
    "nearly singular, 1e6": ([2, 5, 12], ReLU(), "nearly singular", 1e6),
    "scalar, 1e9": ([2, 6, 5], Abs(), "scalar", 1e9),
    "two layers, 1e9": ([2, 5, 4, 3], LeakyReLU(0.1), "full", 1e9),
    "two layers, 1e12": ([2, 5, 4, 3], LeakyReLU(0.1), "diagonal", 1e12),
    "nearly singular, 1e12": ([2, 4, 3], ReLU(), "nearly singular", 1e12),
    "full, 1e12": ([2, 6, 5], Abs(), "full", 1e12),
    "scalar, 1e18": ([2, 5, 4, 3], LeakyReLU(0.1), "scalar", 1e18),
    "three latents, 1e6": ([3, 4, 4], ReLU(), "diagonal", 1e6),
    "three latents, 1e12": ([3, 4, 4], ReLU(), "full", 1e12),
}


@pytest.fixture(scope="module", params=CASES)
def known(request):
    """A case with the oracle's shares, means and log p(x) of every datum."""
    widths, *rest = CASES[request.param]
    case = Case.of(widths, *rest, count=4 - widths[0])
    oracle = case.oracle
    return case, [(oracle.shares(x), oracle.log_evidence(x)) for x in case.X]


def test_shares_keep_their_digits(known):
    """Every region's share to 1e-12, and log p(x) to the last digits."""
    case, truths = known
    posterior = case.dgn.posterior(case.X)
    codes = [tuple(code.tolist()) for code in case.dgn.partition().codes]
    for e0, log_p, (shares, log_evidence) in zip(
        posterior.e0, case.dgn.logpdf(case.X), truths, strict=True
    ):
        share_of = {code: float(share) for code, share, _, _ in shares}
        expected = [share_of.get(tuple(int(v) for v in code), 0.0) for code in codes]
        np.testing.assert_allclose(e0, expected, rtol=0, atol=1e-12)
        assert log_p == pytest.approx(float(log_evidence), rel=1e-14)


def test_some_data_are_shared_by_regions():
    """Otherwise shares would be 0 and 1 whatever the digits."""
    shared = 0
    for widths, *rest in CASES.values():
        case = Case.of(widths, *rest, count=4 - widths[0])
        shared += int((case.dgn.posterior(case.X).e0.max(axis=1) < 0.99).sum())
    assert shared >= 6


def test_means_of_regions(known):
    """To 1e-10 of the region's standard deviation, or the last digits of the place."""
    case, truths = known
    posterior = case.dgn.posterior(case.X)
    codes = [tuple(code.tolist()) for code in case.dgn.partition().codes]
    for row, (shares, _) in enumerate(truths):
        for code, share, mean, cov in shares:
            if share < 1e-12:
                continue
            region = codes.index(tuple(int(v) for v in code))
            expected = np.array([float(v) for v in mean])
            deviation = np.sqrt([float(cov[s][s]) for s in range(len(mean))])
            allowed = 1e-10 * deviation + 4e-16 * np.abs(expected).max()
            assert np.all(np.abs(posterior.region_mean[row, region] - expected) <= allowed)


def test_densities_of_places(known):
    """log p(z | x), a difference of two huge numbers, at the region's means; the mode is no worse
    than any of them."""
    case, truths = known
    posterior = case.dgn.posterior(case.X)
    places = np.concatenate([posterior.mode()[:, None], posterior.mode()[:, None] * 0.5], axis=1)
    found = posterior.logpdf(places)
    for x, row, z, (_, log_evidence) in zip(case.X, found, places, truths, strict=True):
        with mp.workdps(_DIGITS):
            for value, place in zip(row, z, strict=True):
                exact = float(case.log_joint(x, place) - log_evidence)
                assert value == pytest.approx(exact, rel=1e-12, abs=1e-3)


@pytest.mark.parametrize("distance", [1e6, 1e12])
def test_divergences_keep_their_digits(distance):
    """KL(q ‖ p(z | x)) of order 1 for q near a posterior within one region, where log p(x) and the
    ELBO are -1e12 and -1e24."""
    case = Case.of([2, 4, 3], ReLU(), "scalar", distance, count=8)
    posterior = case.dgn.posterior(case.X)
    mine = np.flatnonzero(posterior.e0.max(axis=1) > 1 - 1e-13)
    whole = [n for n in mine if np.linalg.cond(posterior.cov()[n]) < 100][:1]
    X, mean, cov = case.X[whole], posterior.mean()[whole], 2.0 * posterior.cov()[whole]
    found = case.dgn.kl(X, mean, cov)
    values = case.oracle.at_point(X[0], mean[0], cov[0])
    (expected,) = [float(v.value) for key, v in values.items() if key[0] == "KL"]
    assert 1e-3 < expected < 1e3
    assert found[0] == pytest.approx(expected, rel=1e-9)
    (bound,) = [float(v.value) for key, v in values.items() if key[0] == "ELBO"]
    assert case.dgn.elbo(X, mean, cov)[0] == pytest.approx(bound, rel=1e-14)


def test_draws_far_away():
    """Draws have the posterior's mean and covariance, and its shares of regions."""
    case = Case.of([2, 6, 5], Abs(), "scalar", 1e9)
    posterior = case.dgn.posterior(case.X)
    draws = posterior.rvs(4000, random_state=0)
    for n, z in enumerate(draws):
        deviation = np.sqrt(np.diag(posterior.cov()[n]))
        assert np.all(np.abs(z.mean(axis=0) - posterior.mean()[n]) < 0.1 * deviation)
        assert np.all(np.abs(z.std(axis=0) / deviation - 1) < 0.1)


def test_near_data_take_no_integers(monkeypatch):
    """Nor time for them."""
    monkeypatch.setattr(fast.many_dimensions.far_data, "evaluate_far", None)
    dgn = fast.DGN(Network.random([2, 8, 8], LeakyReLU(0.1), random_state=3), 0.01)
    dgn.posterior(dgn.rvs(50, random_state=1))


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_no_datum_is_refused_while_its_squares_are_doubles(latent):
    """By any method, up to 1e140 standard deviations; for S = 3 up to 1e100."""
    network = Network.random([latent, 4, 3], ReLU(), random_state=1)
    for scale in (1e13, 1e100 if latent == 3 else 1e140):
        x = scale * np.array([[0.3, -1.0, 2.0]])
        dgn = fast.DGN(network, 0.1)
        assert np.isfinite(dgn.logpdf(x)[0])
        assert np.isfinite(dgn.posterior(x).mean()).all()
        assert np.isfinite(dgn.expected_complete_loglik(x)[0])
        assert all(np.isfinite(part).all() for part in dgn.gradient(x).values())


def dense(rng, n_out, n_in, rank=None):
    """A layer of random weights, of lower rank if asked for."""
    weight = rng.standard_normal((n_out, n_in))
    if rank is not None:
        weight = rng.standard_normal((n_out, rank)) @ rng.standard_normal((rank, n_in))
    return Dense(weight, rng.standard_normal(n_out))


def check_nearly_level_data(seed, distance):
    """x is far along one axis, and hardly along the others: beside the pull over the facet in
    between, that along it is as nothing to doubles, and yet many standard deviations. The place
    nearest x is not the corner, where every region would be the larger the farther from it."""
    rng = np.random.default_rng([61, seed])
    latent = 2 + seed % 2
    network = Network(
        [Dense(rng.standard_normal((latent, latent)), np.zeros(latent)), LeakyReLU(0.5)]
    )
    x = np.full((1, latent), -distance)
    x[0, 1:] = rng.choice([300.0, 5000.0]) * rng.choice([-1.0, 1.0], latent - 1)
    posterior = fast.DGN(network, 1.0, negligible=0.0).posterior(x)
    assert np.sum(posterior.e0) == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.isfinite(posterior.region_mean))
    variances = np.einsum("nrss->nrs", posterior.region_cov)
    assert np.all(variances > 0)
    # No truncated Gaussian is wider than the whole one, whose precision is at least that of z.
    assert np.all(variances <= 1.0 + 1e-9)


@pytest.mark.parametrize("distance", [1e14, 1e17, 1e20, 1e30])
@pytest.mark.parametrize("seed", range(8))
def test_data_that_are_nearly_level_with_a_facet(seed, distance):
    check_nearly_level_data(seed, distance)


def check_unbounded_regions(seed):
    network = Network.random([3, 5, 4], LeakyReLU(0.1), seed)
    x = np.random.default_rng(seed).standard_normal((1, 4))
    values = [fast.DGN(network, 1.0).logpdf(d * x)[0] / d**2 for d in (1e10, 1e20, 1e24, 1e80)]
    # Far out log p(x) is to first order a quadratic of the distance.
    np.testing.assert_allclose(values, values[0], rtol=1e-8)


@pytest.mark.parametrize("seed", [2, 3, 10, 23, 143])
def test_directions_along_facets(seed):
    """Regions with a facet at infinity, a direction of which lies in another facet: rounding put it
    1e-16 aside, where log p(x, z) climbed without end."""
    check_unbounded_regions(seed)


FAR_DEFECTS = {
    "directions beside facets": (
        "many_dimensions.far_pairs",
        "_steps",
        "_onto_facets(found, level, faces)",
        "found",
        lambda: check_unbounded_regions(2),
    ),
    "pushes that do not become smaller": (
        "many_dimensions.far_tops",
        "Climb._needed",
        "np.where(push > 0, 1.0, 0.0)",
        "np.zeros(len(mine))",
        lambda: [check_nearly_level_data(seed, 1e20) for seed in range(4)],
    ),
}


@pytest.mark.parametrize("name", FAR_DEFECTS)
def test_far_defects_are_seen(name):
    module, function, replaced, by, check = FAR_DEFECTS[name]
    mutant = Mutant(name, "fast", module, function, replaced, by, "")
    with applied(mutant), pytest.raises((AssertionError, ArithmeticError)):
        check()


def shapes_of_regions():
    """Networks whose regions have every kind of shape: with lines, without facets, cones with one
    corner, squares, thin ones; and what pools."""
    rng = np.random.default_rng(0)
    grid = Dense([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0.0, 1.0, -0.3, 0.5])
    through_0 = Dense(rng.standard_normal((4, 3)), np.zeros(4))
    return {
        "deep": Network.random([2, 5, 5, 3], LeakyReLU(0.1), 0),
        "in space": Network.random([3, 4, 5], Abs(), 1),
        "lines of three": Network([dense(rng, 4, 3, 1), ReLU(), dense(rng, 3, 4)]),
        "lines": Network([dense(rng, 4, 3, 2), ReLU(), dense(rng, 3, 4)]),
        "lines in four": Network.random([4, 3, 5], ReLU(), 0),
        "everything": Network([dense(rng, 3, 2)]),
        "cones": Network([through_0, ReLU(), dense(rng, 3, 4)]),
        "squares": Network([grid, ReLU(), dense(rng, 3, 4)]),
        "pooled": Network([dense(rng, 6, 2), MaxPool(channels=3), dense(rng, 3, 2)]),
    }


@pytest.mark.parametrize(("name", "network"), shapes_of_regions().items())
def test_integers_say_what_doubles_say(name, network, monkeypatch):
    """Where doubles have all digits both ways are right, whatever the regions' shapes."""
    rng = np.random.default_rng(5)
    X = network(rng.standard_normal((3, network.latent_dimension)))
    X = X + rng.standard_normal(X.shape)
    dgn = fast.DGN(network, 0.01)
    one = dgn.posterior(X)
    monkeypatch.setattr(fast.many_dimensions.far_data, "_DOUBT", -1.0)
    other = dgn.posterior(X)
    assert np.all(other._references.far)
    assert not np.any(one._references.far)
    deviation = np.sqrt(np.einsum("nss->ns", one.cov()))
    places = one.mean()[:, None]
    assert other.e0 == pytest.approx(one.e0, abs=1e-12)
    assert other.mean() == pytest.approx(one.mean(), abs=1e-12 * deviation.max())
    assert other.cov() == pytest.approx(one.cov(), abs=1e-11 * deviation.max() ** 2)
    assert other.entropy() == pytest.approx(one.entropy(), abs=1e-11)
    assert other.mode() == pytest.approx(one.mode(), abs=1e-12 * np.abs(one.mode()).max())
    assert other.logpdf(places) == pytest.approx(one.logpdf(places), abs=1e-11)
    assert dgn.logpdf(X) == pytest.approx(one._log_evidence, rel=1e-12)


def needle(latent, depth):
    """A model whose posterior is a needle in 2 or 3 dimensions, 1e7 times as thin as long, cut
    obliquely into three parts, at `depth` of its deviations inside a facet along it; and x."""
    across, cut = [[0.52, 1.0, 0.31], [0.43, -0.52, 0.7]]
    units = Dense([across[:latent], cut[:latent]], [0.86, 0.31])
    network = Network([units, Hardtanh(0.0, 1.0), Dense([[1e7, 0.6]], [0.0])])
    return Case(network, np.asarray(1.0), np.array([[depth + 0.4]]))


@pytest.mark.parametrize("latent", [2, 3])
@pytest.mark.parametrize("depth", [8.0, 20.0, 1e3])
def test_needles_along_a_facet(latent, depth):
    """Corners of simplices are where their volumes have them, across the needle too: shares to
    1e-14, and moments within regions to 1e-13 of their deviations."""
    case = needle(latent, depth)
    posterior = case.dgn.posterior(case.X)
    codes = [tuple(code.tolist()) for code in case.dgn.partition().codes]
    shares = case.oracle.shares(case.X[0])
    assert sum(share > 0.01 for _, share, _, _ in shares) == 3
    for code, share, mean, cov in shares:
        r = codes.index(code)
        assert posterior.e0[0, r] == pytest.approx(float(share), rel=0, abs=1e-14)
        if share > 0.01:
            deviation = np.sqrt([float(cov[i][i]) for i in range(latent)])
            off = posterior.region_mean[0, r] - np.array(mean, dtype=float)
            np.testing.assert_allclose(off / deviation, 0.0, atol=1e-13)
            off = posterior.region_cov[0, r] - np.array(cov, dtype=float)
            np.testing.assert_allclose(off / np.outer(deviation, deviation), 0.0, atol=1e-13)


@pytest.mark.parametrize("seed", [3244, 3694])
def test_slivers_that_begin_far_away_hold_nothing(seed):
    """Regions between nearly parallel units that begin 1e15 deviations away: an image there is
    rounding, and could be near x. Bounds rule them out, where nothing is to be left out too."""
    case = random_case(seed, 2)
    all_of_it, default = (
        fast.DGN(network_of(case), case.cov_x, case.cov_z, negligible=share)
        for share in (0.0, 1e-15)
    )
    posterior = all_of_it.posterior(case.X)
    np.testing.assert_allclose(all_of_it.logpdf(case.X), default.logpdf(case.X), rtol=1e-12)
    np.testing.assert_allclose(posterior.e0.sum(axis=1), 1.0, rtol=1e-12)
    assert np.max(posterior.skipped) < 1e-20


@pytest.mark.parametrize(("distance", "variance"), [(1e145, 1e-20), (1e149, 1e-10), (1e120, 1e-70)])
def test_vertices_beyond_squares_are_refused(distance, variance):
    """Two units that meet so far away that the square, in deviations of the posterior, is no
    double: log p was off by 7e-5 without a word. Without the noise's scale it is one."""
    units = Dense([[1.0, 0.0], [1.0, 1.0 / distance]], [0.0, -1.0])
    network = Network([units, LeakyReLU(0.1), Dense([[1.0, -2.0], [0.3, 1.0]], [0.1, 0.2])])
    with pytest.raises(ArithmeticError, match="ends too far away"):
        fast.DGN(network, variance).logpdf([[0.3, 0.1]])
    near = fast.DGN(network, 0.5).logpdf([[0.3, 0.1]])
    units = Dense([[1.0, 0.0], [1.0, 0.0]], [0.0, -1.0])
    parallel = Network([units, *network.layers[1:]])
    np.testing.assert_allclose(near, fast.DGN(parallel, 0.5).logpdf([[0.3, 0.1]]), rtol=1e-12)
