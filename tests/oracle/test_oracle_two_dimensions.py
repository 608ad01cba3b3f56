"""Models with two latent dimensions: closed forms, two oracles, and checks that can fail."""

from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp, mpf

import reference
from oracle.checks import random_models as crosscheck
from oracle.checks.tolerances import TOLERANCES
from oracle.exact.regions import code_at, exact_regions
from oracle.models.architectures import forward, random_case
from oracle.models.values import Value
from oracle.quadrature.interval import OracleDisagreement
from oracle.quadrature.trapezoid import PlaneQuadratic, Rule, Trapezoid, trapezoid_integral
from oracle.truths import agreed as truth
from oracle.truths import nested_plane as two_dimensions
from oracle.truths import plane_sweep as sweep
from oracle.truths.conditioning import Conditioning
from oracle.truths.nested_plane import COARSE, FINE, TwoDimensions, nested_values
from oracle.truths.plane_sweep import Strip, strips
from oracle.truths.regionwise import LatentSpace

LINEAR = (("dense", [[1.5, -0.5], [0.25, 1.0], [0.5, 2.0]], [0.25, 1.0, -0.5]),)
CORNER = (("dense", [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ("slope", 0.0))
COV_Z = np.array([[2.0, 0.5], [0.5, 1.0]])


def case_of(seed, points=2):
    """The case of a random network with two latent dimensions."""
    return random_case(seed, 2, points)


def far_from(values, expected, size=1e-12):
    """The keys on which two dictionaries of values differ, among those of the first."""
    return [
        key
        for key, value in values.items()
        if not abs(value.value - expected[key].value) <= size * value.scale
    ]


def values_of(case, n):
    """The regions' oracle on one point."""
    oracle = LatentSpace(case.specs, case.cov_x, case.cov_z)
    return oracle.at_point(case.X[n], case.q_mean[n], case.q_cov[n])


def test_linear_network_in_closed_form():
    """Without kinks the model is one Gaussian: p(x), posterior, entropy, ELBO, KL, moments of x."""
    noise, x = np.array([[0.5, 0.1, 0.0], [0.1, 0.3, 0.05], [0.0, 0.05, 1.0]]), [0.7, -0.4, 1.5]
    q_mean, q_cov = np.array([0.5, 0.25]), np.array([[0.5, 0.125], [0.125, 0.25]])
    oracle = LatentSpace(LINEAR, noise, COV_Z)
    values, model = oracle.at_point(np.array(x), q_mean, q_cov), oracle.of_model()
    nested = nested_values(LINEAR, noise, COV_Z, np.array([x]))[1]
    assert far_from(nested, values) == []
    with mp.workdps(40):
        a, b = (mp.matrix(np.array(v).tolist()) for v in LINEAR[0][1:])
        prior, cov_x = mp.matrix(COV_Z.tolist()), mp.matrix(noise.tolist())
        r = mp.matrix(x) - b
        total = cov_x + a * prior * a.T
        cov = mp.inverse(mp.inverse(prior) + a.T * mp.inverse(cov_x) * a)
        mean = cov * a.T * mp.inverse(cov_x) * r
        square = (r.T * mp.inverse(total) * r)[0]
        log_p = -(3 * mp.log(2 * mp.pi) + mp.log(mp.det(total)) + square) / 2
        entropy = 1 + mp.log(2 * mp.pi) + mp.log(mp.det(cov)) / 2
        q, d = mp.matrix(q_cov.tolist()), mp.matrix(q_mean.tolist()) - mean
        ratio = mp.inverse(cov) * q
        kl = (ratio[0, 0] + ratio[1, 1] - 2 - mp.log(mp.det(ratio))) / 2
        kl += (d.T * mp.inverse(cov) * d)[0] / 2
        expected = {
            ("log p", ()): log_p,
            ("entropy", ()): entropy,
            ("expected complete log-likelihood", ()): log_p - entropy,
            ("KL", ()): kl,
            ("ELBO", ()): log_p - kl,
            ("posterior mean", (1,)): mean[1],
            ("posterior covariance", (1, 0)): cov[1, 0],
        }
        for key, value in expected.items():
            assert abs(values[key].value - value) < mpf("1e-23"), key
        assert abs(model["marginal mean", (2,)].value - b[2]) < mpf("1e-23")
        assert abs(model["marginal covariance", (2, 1)].value - total[2, 1]) < mpf("1e-23")


def test_one_corner_in_closed_form():
    """g(z) = max(z, 0), coordinate by coordinate: products of two one-dimensional models."""
    x, variance = np.array([0.75, -0.5]), 0.25
    values = LatentSpace(CORNER, variance, np.eye(2)).at_point(x, np.zeros(2), np.eye(2))
    nested = nested_values(CORNER, variance, np.eye(2), x[None])
    assert far_from(nested[1], values) == []
    with mp.workdps(40):
        sides = []
        for r in map(mpf, x):
            below = mp.npdf(r, 0, mpf("0.5")) / 2
            precision = 1 + 1 / mpf(variance)
            mean = r / mpf(variance) / precision
            above = mp.npdf(r, 0, mp.sqrt(mpf("1.25"))) * mp.ncdf(mean * mp.sqrt(precision))
            sides.append((below, above))
        log_p = sum(mp.log(below + above) for below, above in sides)
        assert abs(values["log p", ()].value - log_p) < mpf("1e-23")
        shares = {-1: 0, 1: 1}
        for code in [(-1, -1), (-1, 1), (1, -1), (1, 1)]:
            parts = (side[shares[s]] / sum(side) for s, side in zip(code, sides, strict=True))
            assert abs(values["e0", code].value - mp.fprod(parts)) < mpf("1e-23")
            assert abs(nested[0]["region mass", code].value - mpf(1) / 4) < 1e-15


@pytest.mark.parametrize(
    "seed", [4, 10, 13, 25, *(pytest.param(s, marks=pytest.mark.deep) for s in (37, 52, 109))]
)
def test_two_oracles(seed):
    """Regions and Green's theorem against lines and nested quadrature: nothing is shared but the
    layers. Both agree to 1e-12 of every quantity's scale."""
    case = case_of(seed)
    nested = nested_values(case.specs, case.cov_x, case.cov_z, case.X)
    model = LatentSpace(case.specs, case.cov_x, case.cov_z).of_model()
    assert far_from(nested[0], model) == []
    for n in range(2):
        assert far_from(nested[n + 1], values_of(case, n)) == []


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(150, 600, 3))
def test_two_oracles_widely(seed):
    """As test_two_oracles, on networks of up to 120 regions."""
    case = case_of(seed + 1, 3)
    if len(exact_regions(case.specs)) <= 120:
        nested = nested_values(case.specs, case.cov_x, case.cov_z, case.X)
        for n in range(3):
            assert far_from(nested[n + 1], values_of(case, n)) == []


@pytest.mark.parametrize("distance", [1000.0])
def test_far_tails(distance):
    """Points hundreds of standard deviations from the manifold, log p to -5e5."""
    case = case_of(55, 1)
    x = case.X + distance * np.sqrt(case.cov_x)
    nested = nested_values(case.specs, case.cov_x, case.cov_z, x)[1]
    values = LatentSpace(case.specs, case.cov_x, case.cov_z).at_point(
        x[0], case.q_mean[0], case.q_cov[0]
    )
    assert nested["log p", ()].value < -1e5
    assert far_from(nested, values) == []


@pytest.mark.parametrize("seed", [16, 19, 64, 82, 91, 115])
def test_strips(seed):
    """All regions are met, and at random points of the plane the network has the piece's code."""
    layers, rng = case_of(seed, 1).specs, np.random.default_rng(seed)
    found = strips(layers)
    assert {p.code for s in found for p in s.pieces} == {r.code for r in exact_regions(layers)}
    assert found[0].left is None
    assert found[-1].right is None
    assert all(a.right == b.left for a, b in pairwise(found))
    for z1, z2 in 3 * rng.standard_normal((60, 2)):
        strip = next(s for s in found if s.right is None or z1 < s.right)
        below = [p for p in strip.pieces if p.low is None or height(p.low, z1) < z2]
        assert below[-1].code == code_at(layers, [sweep.Fraction(z1), sweep.Fraction(z2)], None)


def height(line, z1):
    """z2 on a line, exactly."""
    return -(line[0] * sweep.Fraction(z1) + line[2]) / sweep.Fraction(line[1])


def test_a_dropped_kink_is_noticed(monkeypatch):
    """If one of two rules loses a line that ends a piece, the oracle refuses to answer."""
    calls = []

    def forgetful(layers):
        calls.append(1)
        found = strips(layers)
        if len(calls) == 1:
            return found
        return [Strip(s.left, s.right, without_first_end(s.pieces)) for s in found]

    def without_first_end(pieces):
        return [sweep.replace(pieces[1], low=None), *pieces[2:]] if len(pieces) > 1 else pieces

    x = np.array([[0.5, 0.25]])
    nested_values(CORNER, 0.25, np.eye(2), x)
    monkeypatch.setattr(two_dimensions, "strips", forgetful)
    with pytest.raises(OracleDisagreement):
        nested_values(CORNER, 0.25, np.eye(2), x)


def test_a_coarse_rule_is_noticed():
    """Too few nodes, and the two rules no longer agree."""
    with pytest.raises(OracleDisagreement):
        nested_values(CORNER, 0.25, np.eye(2), np.array([[0.5, 0.25]]), (Rule(8, 1.0), FINE))


def test_monte_carlo():
    """log p(x) against the mean of p(x | z) over samples of the prior, within five standard
    errors: one false alarm in a million."""
    rng = np.random.default_rng(5)
    for seed in (16, 76):
        case = case_of(seed, 1)
        noise = 0.5
        root = np.linalg.cholesky(case.cov_z)
        z = rng.standard_normal((40_000, 2)) @ root.T
        images = np.array([forward(case.specs, row) for row in z])
        x = images[0]
        squares = np.sum((x - images) ** 2, axis=1) / noise
        density = np.exp(-0.5 * squares) / (2 * np.pi * noise) ** (len(x) / 2)
        error = np.std(density) / np.sqrt(len(z))
        exact = LatentSpace(case.specs, noise, case.cov_z).log_evidence(x)
        assert abs(np.mean(density) - float(mp.exp(exact))) < 5 * error
        assert error < 0.1 * np.mean(density)


def test_a_needle_of_a_trapezoid():
    """A Gaussian far narrower than its trapezoid, askew: the whole mass; and its half, cut along
    the ridge."""
    exponent = PlaneQuadratic(
        mpf(0), (mpf(0), mpf(0)), (mpf(10) ** 8 + 1, -(mpf(10) ** 8), mpf(10) ** 8)
    )
    area = Trapezoid(mpf(-20), mpf(20), (mpf(-1000), mpf(0)), (mpf(1000), mpf(0)))
    half = Trapezoid(-mp.inf, mp.inf, None, (mpf(0), mpf(1)))
    for rule in (COARSE, FINE):
        for shape, share in ((area, 1), (half, 0.5)):
            part = trapezoid_integral(exponent, shape, rule)
            assert abs(mp.exp(part.log_mass) * 10**4 / (2 * mp.pi) - share) < 1e-13
            assert abs(part.cov[0] - 1) < 1e-12
            assert abs(part.exponent + 1) < 1e-12


def test_an_end_that_crosses_a_needle():
    """z2 > 0.3 cuts the needle within 1e-4 of z1 = 0.3: the tail of the normal marginal of z2."""
    with mp.workdps(50):
        steep, end = mpf(10) ** 8, mpf("0.3")
        exponent = PlaneQuadratic(mpf(0), (mpf(0), mpf(0)), (steep + 1, -steep, steep))
        share = mp.erfc(end / mp.sqrt(2 * (1 + 1 / steep))) / 2
        for rule in (COARSE, FINE):
            part = trapezoid_integral(
                exponent, Trapezoid(-mp.inf, mp.inf, (end, mpf(0)), None), rule
            )
            assert abs(mp.exp(part.log_mass) * 10**4 / (2 * mp.pi) - share) < 1e-14


def test_a_vertical_kink_alone():
    """No line ends a piece, and yet there are two strips, left and right of z1 = -1/2."""
    found = strips((("dense", [[1.0, 0.0]], [0.5]), ("slope", 0.0)))
    assert [s.right for s in found] == [sweep.Fraction(-1, 2), None]
    assert [p.code for s in found for p in s.pieces] == [(-1,), (1,)]


def test_condition_numbers():
    """Far off log p is a quotient of squares: errors of the inputs grow by two, five-fold by the
    definition of κ, and by what moves with the doubles of the partition."""
    case = case_of(55, 1)
    far = case.X + 1000 * np.sqrt(case.cov_x)
    case = sweep.replace(case, X=far)
    key, value = ("log p", ()), values_of(case, 0)["log p", ()]
    conditioning = Conditioning(case)
    assert 1 < conditioning.kappa(1, key, value.value, value.scale) < 100
    assert 1 < conditioning.kappa(1, key, value.value, value.scale, partition=True) < 100


def test_other_dimensions_are_refused():
    """Four latent dimensions, or one."""
    for latent in (1, 4):
        layers = (("dense", np.ones((2, latent)), np.zeros(2)),)
        with pytest.raises(ValueError, match="layers"):
            LatentSpace(layers, 1.0, np.eye(latent))


def test_region_masses_sum_to_one():
    """Φ_ω(0, Σz) over all regions, to 24 digits [Prop. 1]."""
    case = case_of(115, 1)
    model = LatentSpace(case.specs, case.cov_x, case.cov_z).of_model()
    total = sum(value.value for key, value in model.items() if key[0] == "region mass")
    assert abs(total - 1) < mpf("1e-24")


def test_one_rule_alone():
    """TwoDimensions answers by the rule it is given."""
    oracle = TwoDimensions(CORNER, 0.25, np.eye(2), Rule(6, 3.0))
    rough = oracle.at_point(np.array([0.5, 0.25]))["log p", ()].value
    fine = TwoDimensions(CORNER, 0.25, np.eye(2), FINE).at_point(np.array([0.5, 0.25]))
    assert 1e-15 < abs(rough - fine["log p", ()].value) < 1e-2


#: Three regions, an ordinary diagonal noise: half a second.
SMALL = 16


def test_breaches_are_seen(monkeypatch):
    """Next to no error allowed: both implementations breach, and not otherwise."""
    case = case_of(SMALL, 1)
    assert crosscheck.crosscheck(case).breaches == []
    none = {name: dict.fromkeys(t, 1e-30) for name, t in TOLERANCES[2].items()}
    monkeypatch.setitem(TOLERANCES, 2, none)
    monkeypatch.setattr(crosscheck, "EPSILON", 1e-300)
    words = crosscheck.crosscheck(case).breaches
    assert any(w.startswith(f"fast: seed {SMALL}, point 0") for w in words)
    assert any(w.startswith(f"reference: seed {SMALL}, point 0") for w in words)


def test_what_the_reference_declines_is_counted(monkeypatch):
    """One region's mass outside its validity: the model's masses are not compared, the rest is."""

    def declined(*arguments):
        raise reference.OutsideValidity("too far")

    monkeypatch.setattr(reference, "gaussian_on_polyhedron", declined)
    found = crosscheck.crosscheck(case_of(SMALL, 1))
    assert found.declined["reference"] == 1
    assert found.declined["fast"] == 0
    assert ("region mass", "reference") not in found.tallies
    assert found.tallies["marginal mean", "reference"].compared > 0
    assert found.tallies["region mass", "fast"].compared > 0


def test_oracles_that_disagree_stop_the_comparison(monkeypatch):
    """Nested quadrature off by 1e-11: no implementation is judged."""

    def off(*arguments):
        first, *others = nested_values(*arguments)
        key = ("log p", ())
        others[0][key] = Value(others[0][key].value + 1e-11 * others[0][key].scale, mpf(1))
        return [first, *others]

    monkeypatch.setattr(truth, "nested_values", off)
    with pytest.raises(OracleDisagreement, match="log p"):
        crosscheck.crosscheck(case_of(SMALL, 1))
