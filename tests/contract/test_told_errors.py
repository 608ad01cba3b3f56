"""Errors that are told cover the truth, and are no larger than a stated factor of it.

The truths are closed forms: boxes in coordinates mixed by small integers hold products of
probabilities of intervals, to 50 digits.
"""

import numpy as np
import pytest
import stored_truths
from mpmath import mp, mpf
from scipy.linalg import block_diag

import fast
import reference
from oracle.checks.implementations import network_of
from reference import Dense, LeakyReLU, Network, OutsideValidity

#: Relative, in max(1, |log mass|): the docstring of `gaussian_on_polyhedron`.
PROMISED = {1: 3e-14, 2: 1e-12, 3: 1e-10}
EPSILON = 2.0**-53
POSTERIOR = ("log p", "entropy")
UNDER_Q = ("ELBO", "KL", "expected complete log-likelihood")


def interval(low, high):
    """log P(low < Y < high) of a standard normal Y."""
    low, high = (mpf(float(v)) if np.isfinite(v) else mp.sign(v) * mp.inf for v in (low, high))
    if low < 0:
        low, high = -high, -low
    root = mp.sqrt(2)
    if low < 0:
        return mp.log(1 - (mp.erfc(-low / root) + mp.erfc(high / root)) / 2)
    return mp.log((mp.erfc(low / root) - mp.erfc(high / root)) / 2)


def sheared_box(rng, size, distance):
    """A box, some of its sides at infinity, and a standard normal, both in coordinates mixed by
    small integers: normals, offsets, the factor, the exact log mass."""
    matrix, inverse = np.eye(size), np.eye(size)
    for _ in range(2 * size if size > 1 else 0):
        i, j = rng.choice(size, 2, replace=False)
        times = float(rng.choice([-1, 1]))
        matrix[i] += times * matrix[j]
        inverse[:, j] -= times * inverse[:, i]
    low = np.round(rng.standard_normal(size) * distance * 64) / 64
    high = low + np.round(rng.exponential(2.0, size) * 64) / 64 + 1 / 64
    high[rng.random(size) < 0.3] = np.inf
    closed = np.isfinite(high)
    with mp.workdps(50):
        exact = sum(interval(*ends) for ends in zip(low, high, strict=True))
    normals = np.vstack([inverse, -inverse[closed]])
    return normals, np.append(-low, high[closed]), matrix, exact


def off_and_told(impl, size, seed, count, distances):
    """|error|, told error and size max(1, |log mass|) of as many boxes, (n, 3); what the reference
    declines is left out."""
    rng = np.random.default_rng([441, seed])
    rows = []
    for _ in range(count):
        normals, offsets, factor, exact = sheared_box(rng, size, rng.choice(distances))
        try:
            found = impl.gaussian_on_polyhedron(
                normals, offsets, np.zeros((1, size)), factor=factor
            )
        except OutsideValidity:
            continue
        with mp.workdps(50):
            off = float(abs(mpf(float(found.log_mass[0])) - exact))
        rows.append((off, found.log_mass_error[0], max(1.0, abs(float(exact)))))
    return np.array(rows)


@pytest.mark.parametrize(
    ("impl", "size"),
    [(fast, 1), (fast, 2), (fast, 3), (reference, 1)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_rules_of_all_digits_tell_what_they_promise(impl, size):
    """The told error is the promise, and the truth is nearer by a factor that the promise leaves
    for thinner shapes than these: measured 4e-16, 8e-14 and 8e-14."""
    off, told, scale = off_and_told(impl, size, 1, 60, (0, 1, 3, 10, 40)).T
    assert told == pytest.approx(PROMISED[size] * scale, rel=1e-9)
    assert np.max(off / scale) <= {1: 4e-15, 2: 8e-13, 3: 8e-13}[size]


@pytest.mark.parametrize(("size", "count"), [(2, 60), (3, 16)])
def test_the_reference_bounds_its_sums(size, count):
    """Signed terms err by what is told at most, and some use a hundredth of it and more: a bound
    2,000 times too small would not cover."""
    off, told, _ = off_and_told(reference, size, 2, count, (0, 0.5, 1)).T
    assert len(off) >= count / 3
    assert np.all(off <= told)
    assert np.max(off / told) > 1 / 100
    assert np.all(told <= 1e-6)


@pytest.mark.parametrize(
    ("size", "count"), [(4, 30), (5, 2), pytest.param(5, 60, marks=pytest.mark.deep)]
)
def test_coarse_rules_tell_their_error(size, count):
    """Estimates cover the truth; beyond what doubles leave they are within a factor of 2,000 of it,
    half of them within 100."""
    off, told, scale = off_and_told(fast, size, 3, count, (0, 1, 3, 10)).T
    assert np.all(off <= told)
    seen = off > 1e-9 * scale
    assert np.count_nonzero(seen) >= min(count, 8)
    ratio = told[seen] / off[seen]
    assert np.max(ratio) <= 2000
    assert np.median(ratio) <= 200
    assert np.max(told) <= {4: 1e-4, 5: 1e-2}[size]


def test_differences_that_cancel_between_simplices():
    """A box whose two rules differ by a seventh of their error: what tells it is the sum of the
    simplices' differences."""
    matrix = np.array([[1.0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, -1, 0]])
    low = np.array([-0.609375, 0.90625, 0.28125, -0.71875])
    high = np.array([np.inf, 3.53125, 2.25, 7.75])
    inverse, closed = np.round(np.linalg.inv(matrix)), np.isfinite(high)
    normals, offsets = np.vstack([inverse, -inverse[closed]]), np.append(-low, high[closed])
    with mp.workdps(50):
        exact = sum(interval(*ends) for ends in zip(low, high, strict=True))
    found = fast.gaussian_on_polyhedron(normals, offsets, np.zeros((1, 4)), factor=matrix)
    assert abs(found.log_mass[0] - float(exact)) <= found.log_mass_error[0] <= 1e-6


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("exponent", [3, 5, 6])
def test_what_a_covariance_loses_on_the_way_to_its_factor(size, exponent):
    """Of a half-space in the narrow direction of an ill-conditioned covariance: log mass depends on
    the entries with the condition number κ, exactly known, and the told error lies between κ ε,
    which no algorithm can do without, and 20 times that."""
    rng = np.random.default_rng(size)
    turn = np.linalg.qr(rng.standard_normal((size, size)))[0]
    root = turn * np.append(np.ones(size - 1), 10.0**-exponent)
    cov = root @ root.T
    cov = 0.5 * (cov + cov.T)
    normal, distance = turn[:, -1], 5.0 * 10.0**-exponent
    with mp.workdps(60):
        n = [mpf(float(v)) for v in normal]
        terms = [n[i] * n[j] * mpf(float(cov[i, j])) for i in range(size) for j in range(size)]
        deviation = mp.sqrt(sum(terms))
        exact = interval(float(distance / deviation), np.inf)
        # d log Φ(-t) = -h dt, t = distance / deviation, and dt / t = -½ d(variance) / variance.
        t = mpf(distance) / deviation
        hazard = mp.exp(-t * t / 2) / mp.sqrt(2 * mp.pi) / (mp.erfc(t / mp.sqrt(2)) / 2)
        kappa = float(hazard * t / 2 * sum(abs(v) for v in terms) / sum(terms))
        exact = mp.log(mp.erfc(t / mp.sqrt(2)) / 2)
    found = fast.gaussian_on_polyhedron(normal[None], [-distance], np.zeros((1, size)), cov)
    off, told = abs(found.log_mass[0] - float(exact)), found.log_mass_error[0]
    assert off <= told
    assert kappa * EPSILON <= told <= 20 * kappa * EPSILON + 2 * PROMISED.get(size, 1e-10) * 20


# The posterior of a model with four latent dimensions: two planes beside each other


def beside(one, other):
    """Two of the stored models, of one depth and slope, as one: p(x) is the product of theirs."""
    layers = []
    for (kind, mine), (_, theirs) in zip(one.layers, other.layers, strict=True):
        if kind == "Dense":
            bias = np.append(mine["bias"], theirs["bias"])
            layers.append(Dense(block_diag(mine["weight"], theirs["weight"]), bias))
        else:
            assert mine == theirs
            layers.append(LeakyReLU(mine["slope"]))
    sizes = one.X.shape[1], other.X.shape[1]
    noise = [
        case.cov_x if case.cov_x.ndim == 2 else np.diag(np.broadcast_to(case.cov_x, size))
        for case, size in zip((one, other), sizes, strict=True)
    ]
    return Network(layers), block_diag(*noise), block_diag(one.cov_z, other.cov_z)


@pytest.mark.parametrize(
    ("name", "count", "quantities"),
    [
        ("plane rank 1", 2, POSTERIOR + UNDER_Q),
        ("plane skewed noise", 1, POSTERIOR),
        pytest.param("plane skewed noise", 2, POSTERIOR + UNDER_Q, marks=pytest.mark.deep),
    ],
)
def test_the_posterior_s_error_covers_the_truth(name, count, quantities):
    """Two models of two dimensions as one of four: every quantity is that of the parts, and the
    told error of log p is between the true one and 1e-5. Regions that contain lines have no more
    than three dimensions across them: then no coarse rule is used, and nothing is told."""
    (one, first), (other, second) = (
        stored_truths.read(part) for part in (name, "plane skewed noise")
    )
    network, cov_x, cov_z = beside(one, other)
    dgn = fast.DGN(network, cov_x, cov_z)
    X = np.concatenate([one.X, other.X], axis=1)[:count]
    posterior = dgn.posterior(X)
    found = {"log p": dgn.logpdf(X), "entropy": posterior.entropy()}
    if quantities != POSTERIOR:
        q_cov = [block_diag(*pair) for pair in zip(one.q_cov, other.q_cov, strict=True)]
        q = np.concatenate([one.q_mean, other.q_mean], axis=1), np.array(q_cov)
        found["ELBO"], found["KL"] = dgn.elbo(X, *q), dgn.kl(X, *q)
        found["expected complete log-likelihood"] = dgn.expected_complete_loglik(X)
    assert set(found) == set(quantities)
    coarse = name != "plane rank 1"
    assert np.all((posterior.error > 0) == coarse)
    assert np.all(posterior.error <= 1e-5)
    rounding = 1e-6 if coarse else 1e-10
    for n in range(len(X)):
        parts = first[n + 1], second[n + 1]
        for quantity, values in found.items():
            off = float(abs(mpf(float(values[n])) - sum(part[quantity, ()][0] for part in parts)))
            allowed = rounding * max(1.0, abs(values[n]))
            if quantity == "log p":
                allowed = posterior.error[n] + 1e-12 * abs(values[n])
            assert off <= allowed, quantity
        mean = [float(part["posterior mean", (i,)][0]) for part in parts for i in (0, 1)]
        assert posterior.mean()[n] == pytest.approx(mean, abs=rounding)


def test_network_of_the_stored_models():
    """Side by side is what is meant: the images are those of the parts."""
    one, other = (stored_truths.read(name)[0] for name in ("plane rank 1", "plane skewed noise"))
    network, _, _ = beside(one, other)
    Z = np.random.default_rng(0).standard_normal((5, 4))
    parts = [network_of(one)(Z[:, :2]), network_of(other)(Z[:, 2:])]
    np.testing.assert_allclose(network(Z), np.concatenate(parts, axis=1), rtol=1e-13, atol=1e-13)
