"""The checks can fail: each breakage, made in memory, is caught by an independent value.

The truth is quadrature over z of the forward pass alone, on fixed panels. Unbroken, every quantity
agrees with it; with any one of the breakages below, at least one does not.
"""

import dataclasses

import numpy as np
import pytest
from scipy import special, stats

import fast
import fast.distributions.posterior
import fast.one_dimension.e_step
import fast.one_dimension.model
import fast.one_dimension.pairs
import fast.partition.partition
import reference
import reference.distributions.e_step
import reference.distributions.marginal
import reference.distributions.posterior
import reference.integration.interval
import reference.partition.partition
from fast.partition.layer_maps import Maps
from reference import Dense, LeakyReLU, Network

COV_X, COV_Z = np.array([0.05, 0.2]), 2.5
# No weight is exact in single precision.
NETWORK = Network(
    [
        Dense([[1.1], [-2.1], [0.6]], [0.3, 1.1, -0.7]),
        LeakyReLU(0.2),
        Dense([[1.1, 0.6, -0.9], [0.7, -1.1, 0.9]], [0.6, -0.9]),
        LeakyReLU(0.2),
        Dense([[1.1, 1.9], [-1.4, 0.6]], [0.1, -0.3]),
    ]
)
# Near the manifold, off it, and far into the tail.
X = np.array([[0.5, -1.0], [2.0, 1.0], [-1.0, 0.0], [30.0, -20.0]])
Q_MEAN, Q_VARIANCE = (
    np.array([[0.3], [-1.0], [0.5], [2.0]]),
    np.array([[0.5], [2.0], [0.01], [1.0]]),
)
TOLERANCE = 1e-12


# The truth: nothing but the forward pass


def kinks():
    """The ends of the regions, by bisection of the sign pattern of the forward pass."""
    grid = np.linspace(-20, 20, 40_001)[:, None] + 1e-7
    signs = pattern(grid)
    found = []
    for i in np.nonzero(np.any(signs[1:] != signs[:-1], axis=1))[0]:
        low, high = grid[i, 0], grid[i + 1, 0]
        while True:
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            same = np.array_equal(pattern(np.array([[middle]]))[0], signs[i])
            low, high = (middle, high) if same else (low, middle)
        found.append(high)
    return np.array(found)


def pattern(z):
    """The signs of all units at points z (M, 1)."""
    hidden, found = z, []
    for layer in NETWORK.layers:
        if not isinstance(layer, Dense):
            found.append(hidden > 0)
        hidden = layer.apply(hidden)
    return np.concatenate(found, axis=1)


def log_joint(z):
    """log p(x, z) of every datum, (N, M)."""
    noise = stats.multivariate_normal(np.zeros(2), np.diag(COV_X))
    prior = stats.norm(0, np.sqrt(COV_Z)).logpdf(z)
    return noise.logpdf(X[:, None, :] - NETWORK(z[:, None])) + prior


@pytest.fixture(scope="module")
def truth():
    """Every quantity by Gauss-Legendre quadrature on panels of 1/32, split at the kinks."""
    breaks = kinks()
    ends = np.unique(np.concatenate([np.linspace(-20, 20, 1281), breaks]))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = 0.5 * np.diff(ends)[:, None]
    z, weights = (ends[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()
    joint = log_joint(z)
    top = joint.max(axis=1)
    evidence = top + np.log(np.exp(joint - top[:, None]) @ weights)
    posterior = weights * np.exp(joint - evidence[:, None])
    region = np.searchsorted(breaks, z)
    member = region == np.arange(len(breaks) + 1)[:, None]
    mean = posterior @ z
    prior = weights * stats.norm(0, np.sqrt(COV_Z)).pdf(z)
    image = NETWORK(z[:, None])
    marginal = prior @ image
    log_q = stats.norm(Q_MEAN, np.sqrt(Q_VARIANCE)).logpdf(z)
    q = weights * np.exp(log_q)
    residual = X[:, None, :] - image
    return {
        "logpdf": evidence,
        "e0": posterior @ member.T,
        "e1": (posterior * z) @ member.T,
        "e2": (posterior * z**2) @ member.T,
        "mean": mean,
        "cov": np.sum(posterior * (z - mean[:, None]) ** 2, axis=1),
        "entropy": np.sum(posterior * (evidence[:, None] - joint), axis=1),
        "expected loglik": np.sum(posterior * joint, axis=1),
        "elbo": np.sum(q * (joint - log_q), axis=1),
        "marginal mean": marginal,
        "marginal cov": (prior * (image - marginal).T) @ (image - marginal) + np.diag(COV_X),
        "posterior logpdf": log_joint(np.array([0.1, -3.0])) - evidence[:, None],
        "scatter": np.einsum("nm,nmd,nmd->d", posterior, residual, residual),
        "bias gradient": np.einsum("nm,nmd->d", posterior, residual) / COV_X / len(X),
    }


def quantities(impl):
    """The same from an implementation."""
    dgn = impl.DGN(NETWORK, COV_X, COV_Z)
    posterior = dgn.posterior(X)
    return {
        "logpdf": dgn.logpdf(X),
        "e0": posterior.e0,
        "e1": posterior.e1[..., 0],
        "e2": posterior.e2[..., 0, 0],
        "mean": posterior.mean()[:, 0],
        "cov": posterior.cov()[:, 0, 0],
        "entropy": posterior.entropy(),
        "expected loglik": dgn.expected_complete_loglik(X),
        "elbo": dgn.elbo(X, Q_MEAN, Q_VARIANCE),
        "marginal mean": dgn.mean(),
        "marginal cov": dgn.cov(),
        "posterior logpdf": posterior.logpdf([[0.1], [-3.0]]),
        "scatter": dgn.statistics(X).scatter,
        "bias gradient": dgn.gradient(X)["4.bias"],
    }


def errors(impl, truth):
    """Quantity -> largest error in units of max(1, |value|); infinite for NaN or a wrong shape."""
    result = {}
    for name, value in quantities(impl).items():
        if np.shape(value) != np.shape(truth[name]):
            result[name] = np.inf
            continue
        error = np.abs(value - truth[name]) / np.maximum(1, np.abs(truth[name]))
        result[name] = np.inf if np.any(np.isnan(error)) else error.max()
    return result


def test_unbroken(impl, truth):
    """Without a breakage every quantity agrees with the truth."""
    found = errors(impl, truth)
    worst = max(found, key=found.get)
    assert found[worst] <= TOLERANCE, (worst, found[worst])


# Breakages of both implementations, each a function that applies it


def after(change):
    """A decorator that hands a function's result to `change`."""

    def wrap(function):
        return lambda *args, **kwargs: change(function(*args, **kwargs))

    return wrap


def patch(monkeypatch, wrap, *places):
    """Replace the attribute at each (owner, name) by its wrapped self."""
    for owner, name in places:
        monkeypatch.setattr(owner, name, wrap(getattr(owner, name)))


def change_partition(change):
    """A breakage that changes the partition before anything uses it."""

    def breakage(monkeypatch, impl):
        patch(monkeypatch, after(change), (impl.partition.partition, "partition"))

    return breakage


def without_region(partition):
    """The third region is lost: its left neighbour takes its place."""
    kept = np.arange(partition.n_regions) != 2
    fields = {name: getattr(partition, name)[kept] for name in ("codes", "slopes", "offsets")}
    return rebuilt(partition, **fields, breakpoints=np.delete(partition.breakpoints, 1))


def rebuilt(partition, **arrays):
    """A partition of other arrays; its network, and in `reference` its polyhedra, stay."""
    arrays["network"] = partition.network
    if isinstance(partition, reference.Partition):
        arrays["polyhedra"] = partition.polyhedra
    else:
        arrays["found"] = Maps(arrays.pop("slopes"), arrays.pop("offsets"))
    return type(partition)(**arrays)


def replaced(**changes):
    """A change of the named arrays of a partition."""

    def change(partition):
        new = {name: change(getattr(partition, name)) for name, change in changes.items()}
        if isinstance(partition, fast.Partition):
            maps = {name: new.pop(name) for name in ("slopes", "offsets") if name in new}
            new["found"] = partition.found._replace(**maps)
        return dataclasses.replace(partition, **new)

    return change


def nudge_one(size, index=2):
    """Multiply one region's entries by 1 + size."""

    def change(array):
        array = array.copy()
        array[index] *= 1 + size
        return array

    return change


def single(array):
    """Through single precision and back."""
    return array.astype(np.float32).astype(np.float64)


def boxed(partition):
    """A bounding box: empty regions beyond ±3, the outer maps cut off there."""
    slopes, offsets, codes = (
        np.concatenate([array[:1], array, array[-1:]])
        for array in (partition.slopes, partition.offsets, partition.codes)
    )
    slopes[[0, -1]], offsets[[0, -1]] = 0.0, 1e3
    ends = np.concatenate([[-3.0], partition.breakpoints, [3.0]])
    fields = {"codes": codes, "slopes": slopes, "offsets": offsets}
    return rebuilt(partition, **fields, breakpoints=np.sort(ends))


PARTITIONS = {
    "a region is lost": without_region,
    "slopes off by one region": replaced(slopes=lambda a: np.roll(a, 1, axis=0)),
    "offsets off by one region": replaced(offsets=lambda a: np.roll(a, -1, axis=0)),
    "a slope wrong by 1e-9": replaced(slopes=nudge_one(1e-9)),
    # The maps meet at a breakpoint: moving it by δ changes p(x) by δ² only.
    "a breakpoint wrong by 1e-4": replaced(breakpoints=nudge_one(1e-4)),
    "single-precision slopes": replaced(slopes=single),
    "single-precision offsets": replaced(offsets=single),
    "mirrored slopes": replaced(slopes=np.negative),
    "bounding box at ±3": boxed,
}


def scaled_mass(size):
    """One region's mass is off by a relative `size`."""

    def reference_term(function):
        def broken(x, region, *model):
            term = function(x, region, *model)
            return term._replace(log_ratio=term.log_ratio + np.log1p(size) * (region == 2))

        return broken

    def fast_shares(function):
        def broken(log_terms):
            return function(log_terms + np.log1p(size) * (np.arange(log_terms.shape[1]) == 2))

        return broken

    def breakage(monkeypatch, impl):
        if impl is reference:
            patch(monkeypatch, reference_term, (reference.distributions.marginal, "region_term"))
        else:
            patch(monkeypatch, fast_shares, (fast.one_dimension.pairs, "normalised"))

    return breakage


def change_terms(reference_change, fast_change):
    """A breakage of the terms of [eq. 5, 6]: RegionTerm of reference, PairTable of fast."""

    def breakage(monkeypatch, impl):
        if impl is reference:
            place = (reference.distributions.marginal, "region_term")
            patch(monkeypatch, after(reference_change), place)
        else:
            places = [
                (fast.one_dimension.model, "pairs_of"),
                (fast.one_dimension.e_step, "pairs_of"),
            ]
            patch(monkeypatch, after(fast_change), *places)

    return breakage


def inverse_prior(monkeypatch, impl):
    """Σz^-1 in place of Σz."""

    def wrap(function):
        def broken(self, *args, **kwargs):
            function(self, *args, **kwargs)
            self.cov_z = np.linalg.inv(self.cov_z)

        return broken

    patch(monkeypatch, wrap, (impl.DGN, "__init__"))


def unweighted_moments(monkeypatch, impl):
    """e1 without its weight e0, and means that are sums of it."""
    monkeypatch.setattr(impl.Posterior, "e1", property(lambda self: self.region_mean))
    if impl is fast:
        monkeypatch.setattr(impl.Posterior, "mean", lambda self: self.e1.sum(axis=1))


def floored_mass(monkeypatch, impl):
    """An additive floor 1e-42 in every mass, as the authors' code has."""

    def floored(log_mass):
        return np.logaddexp(log_mass, np.log(1e-42))

    def floored_pairs(terms):
        log_mass = floored(terms.log_e0 + terms.log_evidence[:, None])
        evidence = special.logsumexp(log_mass, axis=1)
        log_e0 = log_mass - evidence[:, None]
        return dataclasses.replace(terms, log_evidence=evidence, log_e0=log_e0)

    change_terms(
        lambda term: term._replace(log_ratio=floored(term.log_mass) - term.log_peak),
        floored_pairs,
    )(monkeypatch, impl)


def subtracted_cdfs(monkeypatch, impl):
    """Masses as differences of CDFs: every digit is lost in the upper tail."""
    if impl is reference:

        def wrap(function):
            def broken(lower, upper, width):
                mass = special.ndtr(upper) - special.ndtr(lower)
                with np.errstate(divide="ignore"):
                    term = function(lower, upper, width)
                    ratio = np.log(mass) + 0.5 * term.nearest**2 + 0.5 * np.log(2 * np.pi)
                    return term._replace(log_ratio=float(ratio))

            return broken

        patch(monkeypatch, wrap, (reference.integration.interval, "truncated_normal"))
        return

    def wrap(function):
        def broken(lower, upper, width):
            moments = function(lower, upper, width)
            with np.errstate(divide="ignore"):
                log_mass = np.log(special.ndtr(upper) - special.ndtr(lower))
            relative = log_mass + 0.5 * moments.nearest**2 + 0.5 * np.log(2 * np.pi)
            return moments._replace(log_mass=relative)

        return broken

    patch(monkeypatch, wrap, (fast.one_dimension.pairs, "interval_moments"))


def narrower_bound(monkeypatch, impl):
    """The variational variance is taken for a standard deviation."""

    def wrap(function):
        def broken(self, n, q_mean, q_cov):
            return function(self, n, q_mean, np.asarray(q_cov) ** 2)

        return broken

    patch(monkeypatch, wrap, (impl.DGN, "_gaussians"))


def second_moment_for_variance(monkeypatch, impl):
    """E[z²] in place of the variance within each region."""
    change_terms(
        lambda term: term._replace(
            root=np.linalg.cholesky(term.cov + np.outer(term.mean, term.mean))
        ),
        lambda terms: dataclasses.replace(terms, variance=terms.variance + terms.mean**2),
    )(monkeypatch, impl)


def sign_of_entropy(monkeypatch, impl):
    """The entropy with its sign turned."""
    patch(monkeypatch, after(np.negative), (impl.Posterior, "entropy"))


def expected_loglik_off(monkeypatch, impl):
    """The expected log-likelihood off by 1e-9."""
    patch(monkeypatch, after(lambda v: v + 1e-9), (impl.DGN, "expected_complete_loglik"))


def between_regions_forgotten(monkeypatch, impl):
    """The posterior covariance without the spread between regions."""

    def cov(self):
        return np.einsum("nr,nrij->nij", self.e0, self.region_cov)

    monkeypatch.setattr(impl.Posterior, "cov", cov)


def noise_forgotten(monkeypatch, impl):
    """The marginal covariance without Σx."""
    patch(monkeypatch, after(lambda cov: cov - np.diag(COV_X)), (impl.DGN, "cov"))


BREAKAGES = {
    **{name: change_partition(change) for name, change in PARTITIONS.items()},
    "a mass wrong by 1e-6": scaled_mass(1e-6),
    "a mass wrong by 1e-9": scaled_mass(1e-9),
    "Σz inverted": inverse_prior,
    "e1 without its weight": unweighted_moments,
    "floor of 1e-42": floored_mass,
    "differences of CDFs": subtracted_cdfs,
    "q variance taken for a deviation": narrower_bound,
    "second moment for variance": second_moment_for_variance,
    "sign of the entropy": sign_of_entropy,
    "expected loglik off by 1e-9": expected_loglik_off,
    "no spread between regions": between_regions_forgotten,
    "marginal covariance without noise": noise_forgotten,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BREAKAGES)
def test_breakage_is_caught(impl, truth, monkeypatch, name):
    """At least one quantity that is no list of regions is off by ten times the tolerance."""
    BREAKAGES[name](monkeypatch, impl)
    found = errors(impl, truth)
    found = {key: error for key, error in found.items() if key not in ("e0", "e1", "e2")}
    worst = max(found, key=found.get)
    assert found[worst] > 10 * TOLERANCE, (worst, found[worst])


def test_mirrored_intervals_are_caught(monkeypatch, truth):
    """Reference integrates between the ends of its intervals: a flipped sign shows in the
    density."""
    mirrored = after(lambda found: (-found[1], -found[0], found[2]))
    patch(monkeypatch, mirrored, (reference.distributions.marginal, "interval"))
    assert errors(reference, truth)["logpdf"] > 1e-3


def test_forgotten_determinant_is_caught(monkeypatch, truth):
    """The mass of a region without |Σ_ω|^{1/2}."""

    def wrap(function):
        def broken(lower, upper, width, mean, cov):
            term = function(lower, upper, width, mean, cov)
            return term._replace(log_ratio=term.log_ratio - 0.5 * np.linalg.slogdet(cov)[1])

        return broken

    patch(monkeypatch, wrap, (reference.distributions.marginal, "truncated_gaussian"))
    assert errors(reference, truth)["logpdf"] > 1e-3


def test_errors_sees_nan_and_shapes(monkeypatch, truth):
    """NaN and a missing region count as errors."""
    patch(monkeypatch, after(lambda v: np.full_like(v, np.nan)), (fast.DGN, "logpdf"))
    patch(monkeypatch, after(lambda v: v[:1]), (fast.DGN, "mean"))
    found = errors(fast, truth)
    assert found["logpdf"] == np.inf
    assert found["marginal mean"] == np.inf


# Draws: the statistical comparisons have power


@pytest.mark.parametrize("width", [0.85, 1.2])
def test_overconfident_posterior_fails_calibration(width):
    """Ranks of z among draws shrunk or stretched about their mean are not uniform."""
    rng = np.random.default_rng(21)
    z = np.sqrt(COV_Z) * rng.standard_normal((4_000, 1))
    data = NETWORK(z) + np.sqrt(COV_X) * rng.standard_normal((4_000, 2))
    posterior = fast.DGN(NETWORK, COV_X, COV_Z).posterior(data)
    draws, mean = posterior.rvs(19, rng)[:, :, 0], posterior.mean()
    for factor, passes in [(1.0, True), (width, False)]:
        ranks = np.sum(mean + factor * (draws - mean) < z, axis=1)
        observed = np.bincount(ranks, minlength=20)
        p_value = stats.chi2.sf(np.sum((observed - 200) ** 2 / 200), 19)
        assert (p_value > 1e-8) == passes, (factor, p_value)
