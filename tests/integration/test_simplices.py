"""The moments of exp(-quadratic) on simplices, against quadrature in 60 digits and closed forms."""

import subprocess
import sys

import numpy as np
import pytest
from mpmath import mp, mpf

from fast.integration import simplex_moments as rules
from fast.integration.gauss_legendre import legendre_rule
from fast.integration.simplex_moments import Rule, own_units, simplex_moments
from fast.polyhedra import compiled

#: Two ranges of Gauss-Legendre nodes: 9e-15 was the worst of 2,000 simplices when this was written.
TOLERANCE = 2e-14


def truth(slopes, gram, finite):
    """∫ exp(-E) over a simplex of dimension 2: the inner integral by erfc, the outer split at every
    scale of the integrand."""
    with mp.workdps(60):
        a, b = map(mpf, slopes)
        g11, g12, g22 = mpf(gram[0, 0]), mpf(gram[0, 1]), mpf(gram[1, 1])

        def inner(first):
            low = (b + g12 * first) / mp.sqrt(2 * g22)
            if not finite[1]:
                tail = mpf(0)
            else:
                room = 1 - first if finite[0] else mpf(1)
                tail = mp.erfc(low + room * mp.sqrt(g22 / 2))
            return mp.sqrt(mp.pi / (2 * g22)) * mp.exp(low**2) * (mp.erfc(low) - tail)

        scale = 1 / max(a, mp.sqrt(g11))
        end = mpf(1) if finite[0] else 180 * scale
        splits = {mpf(0), end} | {scale * mpf(2) ** j for j in range(-4, 8)}
        if finite[0] and finite[1]:
            inner_scale = 1 / max(b, mp.sqrt(g22))
            splits |= {1 - inner_scale * mpf(2) ** j for j in range(-3, 8)}
        splits = sorted(s for s in splits if 0 <= s <= end)
        return mp.quad(
            lambda v: mp.exp(-a * v - g11 * v * v / 2) * inner(v), splits, method="gauss-legendre"
        )


def case(rng):
    """A simplex with no obtuse angle at the origin, lengths from 1e-3 to 1e5."""
    directions = rng.standard_normal((2, 2))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    directions[1] *= np.sign(directions[0] @ directions[1])
    finite = np.array([True, rng.random() < 0.7])
    lengths = 10 ** rng.uniform(-3, 5, 2)
    lengths[~finite] = 1.0
    corners = directions * lengths[:, None]
    apex = rng.standard_normal(2) * rng.choice([0, 0.5, 3, 30, 300])
    slopes = np.maximum(corners @ apex, 0.0) * (rng.random(2) < 0.8)
    return slopes, corners @ corners.T, finite


def worst_error(count, seed, rule=None):
    """The largest relative error of the mass over random simplices."""
    rng = np.random.default_rng(seed)
    worst = 0.0
    for _ in range(count):
        slopes, gram, finite = case(rng)
        shape = slopes[None], gram[None], finite[None]
        found = simplex_moments(*shape, np.ones((1, 2)), rule)[0, 0, 0]
        exact = truth(slopes, gram, finite)
        worst = max(worst, abs(float(mpf(found) / exact - 1)))
    return worst


def test_against_sixty_digits():
    assert worst_error(25, 0) <= TOLERANCE


@pytest.mark.deep
def test_against_sixty_digits_deep():
    assert worst_error(600, 1) <= TOLERANCE


def test_fewer_nodes_are_seen():
    """The comparison can fail: with half the nodes it does."""
    assert worst_error(10, 0, Rule(13, 16, 41.0)) > 100 * TOLERANCE


def shapes(k, count, seed):
    """Simplices with no obtuse angle at the origin, of any size, in k dimensions."""
    rng = np.random.default_rng(seed)
    corners = np.abs(rng.standard_normal((count, k, k)))
    finite = rng.random((count, k)) < 0.8
    lengths = np.where(finite, 10 ** rng.uniform(-2, 2, (count, k)), 1.0)
    corners *= (lengths / np.linalg.norm(corners, axis=2))[:, :, None]
    apexes = np.abs(rng.standard_normal((count, k))) * rng.choice([0, 0.5, 3, 30], (count, 1))
    slopes = np.einsum("nij,nj->ni", corners, apexes) * (rng.random((count, k)) < 0.8)
    gram = corners @ np.swapaxes(corners, 1, 2)
    return slopes, gram, finite, own_units(slopes, gram, finite)


def apart(found, expected):
    """Differences of masses, means and covariances, in units of their own size."""
    masses = np.abs(found[:, 0, 0] / expected[:, 0, 0] - 1)
    means, other = (m[:, 0, 1:] / m[:, :1, 0] for m in (found, expected))
    covs, others = (
        m[:, 1:, 1:] / m[:, :1, :1] - mean[:, :, None] * mean[:, None]
        for m, mean in ((found, means), (expected, other))
    )
    deviations = np.sqrt(np.einsum("kii->ki", others))
    spreads = np.abs(covs - others) / (deviations[:, :, None] * deviations[:, None])
    return masses.max(), (np.abs(means - other) / deviations).max(), spreads.max()


#: As many as the rule of each dimension has, everywhere.
EVERY_NODE = 10_000


def fewer_nodes_lose(k, monkeypatch, count):
    """What it costs that a range has no more nodes than are needed."""
    shape = shapes(k, count, [31, k])
    rules._rules.cache_clear()
    found = simplex_moments(*shape)
    with monkeypatch.context() as patch:
        patch.setattr(rules, "_FEWEST", EVERY_NODE)
        rules._rules.cache_clear()
        every = simplex_moments(*shape)
    rules._rules.cache_clear()
    return apart(found, every)


@pytest.mark.parametrize(("k", "count", "most"), [(2, 500, 2e-14), (3, 100, 2e-13), (4, 15, 1e-10)])
def test_fewer_nodes_where_less_counts_lose_nothing(monkeypatch, k, count, most):
    """A tenth of what is promised of the dimension, or less: 2e-14, 6e-15 and 1e-11 were measured,
    of masses. Deviations of truncated Gaussians are as small as a tenth of the means."""
    masses, means, spreads = fewer_nodes_lose(k, monkeypatch, count)
    assert masses <= most
    assert means <= 100 * most
    assert spreads <= 1000 * most


@pytest.mark.parametrize("constant", ["_FEWEST", "_PER_DIGIT", "_ROOT"])
def test_too_few_nodes_are_seen(monkeypatch, constant):
    """Each term of the formula is needed: two nodes less, or two thirds of a term, are seen."""
    value = getattr(rules, constant)
    fewer = value - 2.0 if constant == "_FEWEST" else value * 2 / 3
    monkeypatch.setattr(rules, constant, fewer)
    assert fewer_nodes_lose(2, monkeypatch, 500)[0] > 1e-13


@pytest.mark.parametrize("k", [1, 2, 3])
def test_machine_code_does_what_is_written(monkeypatch, k):
    """The function as Python runs it gives the same, but for the rounding of exp."""
    shape = shapes(k, 4, [32, k])
    found = simplex_moments(*shape)
    monkeypatch.setattr(rules, "compiled", lambda function: function)
    np.testing.assert_allclose(simplex_moments(*shape), found, rtol=1e-14)


def test_without_a_folder_for_machine_code():
    """Where it cannot be kept it is made every time."""
    program = (
        "import numpy as np\n"
        "from numba.core.caching import CompileResultCacheImpl\n"
        "CompileResultCacheImpl._locator_classes = []\n"
        "from fast.integration.simplex_moments import simplex_moments\n"
        "one = np.ones((1, 1))\n"
        "print(simplex_moments(0 * one, 1e-40 * one[None], one > 0, one)[0, 0, 0])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == pytest.approx(1.0)


def test_machine_code_that_cannot_be_read(monkeypatch):
    """A file that was cut off, or a full disk: compiled for this process, with the same results."""
    shape = shapes(2, 3, 33)
    expected, made = simplex_moments(*shape), []

    def njit(cache, **_):
        def broken(*args):
            raise EOFError("Ran out of input")

        made.append(cache)
        return lambda function: broken if cache else function

    monkeypatch.setattr("numba.njit", njit)
    compiled._compiled.cache_clear()
    np.testing.assert_allclose(simplex_moments(*shape), expected, rtol=1e-14)
    assert made == [True, False]
    compiled._compiled.cache_clear()


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_without_exponent_it_is_a_dirichlet(k):
    """E = 0: volume 1/k!, means 1/(k+1), second moments (1 + [i = j]) / ((k+1)(k+2))."""
    count = 3
    moments = simplex_moments(
        np.zeros((count, k)),
        1e-40 * np.ones((count, k, k)),
        np.ones((count, k), dtype=bool),
        np.ones((count, k)),
    )
    volume = 1 / np.prod(np.arange(1, k + 1))
    assert moments[:, 0, 0] == pytest.approx(volume, rel=1e-14)
    assert moments[:, 0, 1:] == pytest.approx(volume / (k + 1), rel=1e-14)
    expected = volume * (1 + np.eye(k)) / ((k + 1) * (k + 2))
    assert moments[:, 1:, 1:] == pytest.approx(np.broadcast_to(expected, (count, k, k)), rel=1e-13)


def test_directions_without_cross_terms_are_products():
    """Three directions at right angles: half-line moments, each closed."""
    scale = np.array([0.3, 7.0, 1e3])
    moments = simplex_moments(
        np.zeros((1, 3)), np.diag(scale**2)[None], np.zeros((1, 3), dtype=bool), np.ones((1, 3))
    )[0]
    zeroth = np.sqrt(np.pi / 2) / scale
    first, second = 1 / scale**2, np.sqrt(np.pi / 2) / scale**3
    assert moments[0, 0] == pytest.approx(np.prod(zeroth), rel=1e-14)
    for i in range(3):
        others = np.prod(np.delete(zeroth, i))
        assert moments[0, 1 + i] == pytest.approx(first[i] * others, rel=1e-13)
        assert moments[1 + i, 1 + i] == pytest.approx(second[i] * others, rel=1e-13)
    assert moments[1, 2] == pytest.approx(first[0] * first[1] * zeroth[2], rel=1e-13)


def test_order_of_the_corners_is_no_matter():
    rng = np.random.default_rng(3)
    corners = np.abs(rng.standard_normal((4, 3, 3)))
    slopes, gram = np.abs(rng.standard_normal((4, 3))), corners @ np.swapaxes(corners, 1, 2)
    finite = np.array([[True, True, False]] * 4)
    units = np.ones((4, 3))
    moments = simplex_moments(slopes, gram, finite, units)
    order = np.array([2, 0, 1])
    turned = simplex_moments(slopes[:, order], gram[:, order][:, :, order], finite[:, order], units)
    places = np.concatenate([[0], 1 + order])
    assert turned == pytest.approx(moments[:, places][:, :, places], rel=1e-13)


def test_units_change_no_digit():
    """Moments of λ/u are those of λ over powers of u, bit for bit where these are doubles."""
    rng = np.random.default_rng(5)
    for k in (1, 2, 3, 4):
        corners = np.abs(rng.standard_normal((6, k, k))) * 10.0 ** rng.uniform(-3, 3, (6, k, 1))
        shape = np.abs(rng.standard_normal((6, k))), corners @ np.swapaxes(corners, 1, 2)
        finite = rng.random((6, k)) < 0.5
        units = own_units(*shape, finite)
        plain = simplex_moments(*shape, finite, np.ones((6, k)))
        powers = np.concatenate([np.ones((6, 1)), units], axis=1)
        scale = powers[:, :, None] * powers[:, None, :] * units.prod(axis=1)[:, None, None]
        np.testing.assert_array_equal(simplex_moments(*shape, finite, units) * scale, plain)


@pytest.mark.parametrize("rate", [1e-140, 1e-30, 1e60, 1e153])
def test_rates_of_any_size(rate):
    """Three exponentials, which fall as fast or as slowly as one pleases: in the units of their own
    the moments are doubles of a moderate size."""
    slopes, finite = rate * np.array([[1.0, 2.0, 3.0]]), np.zeros((1, 3), dtype=bool)
    gram = np.full((1, 3, 3), min(1e-20 * rate**2, 1.0))
    units = own_units(slopes, gram, finite)
    moments = simplex_moments(slopes, gram, finite, units)[0]
    falls = (slopes * units)[0]
    assert np.all((falls >= 0.25) & (falls <= 1.0))
    assert moments[0, 0] == pytest.approx(1 / falls.prod(), rel=1e-11)
    np.testing.assert_allclose(moments[0, 1:] / moments[0, 0], 1 / falls, rtol=1e-10)
    second = (1 + np.eye(3)) / np.outer(falls, falls)
    np.testing.assert_allclose(moments[1:, 1:] / moments[0, 0], second, rtol=1e-9)


def test_a_corner_next_to_the_apex():
    """Its square underflows: the range is the whole."""
    moments = simplex_moments(
        np.zeros((1, 1)), np.full((1, 1, 1), 1e-320), np.ones((1, 1), bool), np.ones((1, 1))
    )
    assert moments[0, 0, 0] == pytest.approx(1.0)


def test_rules_to_the_last_digit():
    """Nodes and weights integrate powers exactly; each weight against the formula in 40 digits."""
    for n in (1, 2, 6, 12, 16, 20, 26):
        nodes, weights = legendre_rule(n)
        for power in range(2 * n):
            assert weights @ nodes**power == pytest.approx(1 / (power + 1), rel=2e-15)
        with mp.workdps(40):
            for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
                x = mp.findroot(lambda v, n=n: mp.legendre(n, v), 2 * mpf(node) - 1)
                slope = mp.diff(lambda v, n=n: mp.legendre(n, v), x)
                exact = 1 / ((1 - x * x) * slope * slope)
                assert abs(float(weight / exact - 1)) <= 2e-16
