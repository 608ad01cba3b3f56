"""Proven enclosures: closed forms lie inside, quadrature too, and what is wrong lies outside."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from flint import ctx
from mpmath import mp, mpf
from tests_support import deep

import fast
from oracle.checks import enclosures as enclosure_check
from oracle.checks.enclosures import EnclosureTally, check_enclosure
from oracle.exact.line import exact_partition
from oracle.models.architectures import random_case
from oracle.truths import enclosure
from oracle.truths.enclosure import NARROW, TooWide, enclose
from oracle.truths.one_dimension import exact_values

LINEAR = (("dense", [[1.5], [-0.5]], [0.25, 1.0]),)
HINGE = (("dense", [[1.0]], [0.0]), ("slope", 0.0), ("dense", [[2.0]], [0.5]))


def distance(ball, value):
    """From a ball's middle, in 60 digits."""
    with mp.workdps(60):
        return abs(mpf(ball.mid().str(60, radius=False)) - value)


def test_linear_network_in_closed_form():
    """One Gaussian: log p(x), mean and variance of z."""
    x, noise = np.array([[0.75, -0.5]]), np.array([[0.5, 0.125], [0.125, 0.25]])
    model, point = enclose(LINEAR, noise, 2.0, x)
    with mp.workdps(60):
        a, b = mp.matrix([1.5, -0.5]), mp.matrix([0.25, 1.0])
        r, inverse = mp.matrix(x[0].tolist()) - b, mp.inverse(mp.matrix(noise.tolist()))
        precision = (a.T * inverse * a)[0] + mpf(1) / 2
        total = mp.matrix(noise.tolist()) + 2 * a * a.T
        square = (r.T * mp.inverse(total) * r)[0]
        log_p = -(2 * mp.log(2 * mp.pi) + mp.log(mp.det(total)) + square) / 2
        assert distance(point["log p", ()], log_p) < 1e-30
        mean = (a.T * inverse * r)[0] / precision
        assert distance(point["posterior mean", (0,)], mean) < 1e-30
        assert distance(point["posterior covariance", (0, 0)], 1 / precision) < 1e-30
    assert model["region mass", ()].contains(1)


@pytest.mark.parametrize("x", [1.25, 60.5, -40.5])
def test_one_hinge_in_closed_form(x):
    """Two half-lines, each an error function, also far out."""
    model, point = enclose(HINGE, 0.09, 1.0, np.array([[x]]))
    with mp.workdps(2000):
        variance, r = mpf(0.09), mpf(x) - mpf("0.5")
        precision = 1 + 4 / variance
        left = mp.npdf(r, 0, mp.sqrt(variance)) / 2
        right = mp.npdf(r, 0, mp.sqrt(variance + 4)) * mp.ncdf(
            2 * r / variance / precision * mp.sqrt(precision)
        )
        assert distance(point["log p", ()], mp.log(left + right)) < 1e-25
        assert distance(point["e0", (-1,)], left / (left + right)) < 1e-25
    assert distance(model["region mass", (1,)], mpf(1) / 2) < 1e-30


@pytest.mark.parametrize("seed", [3, 5, 7, 10, *deep(2, 15)])
def test_quadrature_lies_inside(seed):
    """The other oracle's values, of random models and far points; nothing is too wide."""
    case = random_case(seed, 1)
    tally = check_enclosure(case)
    assert tally.enclosed > 10
    assert tally.too_wide == 0
    assert tally.breaches == []
    if "near-singular" not in case.label:  # condition numbers judge that elsewhere
        assert tally.beyond == {"reference": 0, "fast": 0}


def test_a_moved_kink_is_seen(monkeypatch):
    """By 1e-18: quadrature no longer lies inside."""
    case = random_case(3, 1)

    def moved(layers):
        found = exact_partition(layers)
        breakpoints = [b + Fraction(1, 10**18) for b in found.breakpoints]
        return dataclasses.replace(found, breakpoints=breakpoints)

    assert check_enclosure(case).breaches == []
    monkeypatch.setattr(enclosure, "exact_partition", moved)
    assert check_enclosure(case).breaches


def test_an_error_of_an_implementation_is_seen(monkeypatch):
    """log p off by 1e-11 of itself lies beyond."""

    class Off(fast.DGN):
        def logpdf(self, X):
            return super().logpdf(X) * (1 + 1e-11)

    monkeypatch.setattr(fast, "DGN", Off)
    tally = check_enclosure(random_case(3, 1), {"fast": fast})
    assert tally.beyond["fast"] > 0


def test_a_lost_region_is_seen(monkeypatch):
    """Quadrature without its first region."""

    def forgetful(*arguments):
        values = exact_values(*arguments)
        lost = max(abs(v.value) for k, v in values[1].items() if k[0] == "e0")
        key = next(k for k, v in values[1].items() if k[0] == "e0" and abs(v.value) == lost)
        values[1][key] = dataclasses.replace(values[1][key], value=mpf(0))
        return values

    monkeypatch.setattr(enclosure_check, "exact_values", forgetful)
    assert check_enclosure(random_case(3, 1)).breaches


def test_too_few_bits_are_reported():
    """By name, and counted; never a wide ball."""
    case = random_case(8, 1)
    with pytest.raises(TooWide, match="wider than 1e-20 at 60 bits"):
        enclose(case.specs, case.cov_x, case.cov_z, case.X, bits=(60,))


def test_radius_falls_with_precision():
    """Twice the bits, half the exponent; and the precision set before is set again."""
    before = ctx.prec
    radii = []
    for bits in (256, 512):
        point = enclose(HINGE, 0.09, 1.0, np.array([[1.25]]), bits=(bits,))[1]
        radii.append(point["log p", ()].rad())
    assert radii[1] < radii[0] * radii[0] * 1e10
    assert ctx.prec == before
    assert float(radii[0]) < NARROW


def test_models_without_balls_are_counted(monkeypatch):
    """Not passed over."""

    def wide(*arguments):
        raise TooWide("log p")

    monkeypatch.setattr(enclosure_check, "enclose", wide)
    total = EnclosureTally()
    total.add(check_enclosure(random_case(3, 1)))
    assert (total.enclosed, total.too_wide, total.breaches) == (0, 1, [])
