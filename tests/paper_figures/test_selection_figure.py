"""Figure 14: what criteria choose, and what is said of it, on numbers made up; how truths are."""

from __future__ import annotations

import numpy as np
import pytest

from fast import DGN, Dense, Network, ReLU
from paper_figures.claims import Verdict
from paper_figures.figures.figure_14_selection.claims import claims
from paper_figures.figures.figure_14_selection.compute import below_the_truth, found, interval
from paper_figures.figures.figure_14_selection.one_start import Truth, _flat_and_left

#: The candidates (1, linear), (1, 3), (2, 3), (2, 5), of which the third and fourth are true.
LATENT, WIDTH, COUNTS = (1, 1, 2, 2), (0, 3, 3, 5), (11, 24, 26, 40)
FRESH = (-4.0, -3.0, -2.0, -2.5)


def scores(*best):
    """Of two data sets: 1 for the candidate that is to be chosen, else 0."""
    return np.array([[float(i == one) for i in range(4)] for one in best])


def truth(cv, bic, aic, learned=-1.0):
    """Two data sets of one truth, by the candidates that each criterion is to choose."""
    return {
        "latent": np.array([LATENT] * 2),
        "width": np.array([WIDTH] * 2),
        "n_parameters": np.array([COUNTS] * 2),
        "cv": scores(*cv),
        "bic": -scores(*bic),
        "aic": -scores(*aic),
        "fresh": np.array([FRESH] * 2),
        "learned": np.full((2, 4), learned),
        "truth": np.array([[-1.5, -1.9]] * 2),
        "converged": np.ones((2, 4)),
    }


def numbers(one, other=None):
    truths = {"a": one, "b": one if other is None else other}
    return {
        "names": np.array(["a", "b"]),
        "latent": np.array([2, 2]),
        "width": np.array([3, 5]),
        "seeds": np.array([0, 1]),
    } | {f"{name}|{key}": value for name, of in truths.items() for key, value in of.items()}


def claim(given, words):
    (only,) = [one for one in claims(given) if words in one.paper]
    return only


def test_what_is_chosen():
    """The most of cv and of fresh data, the least of BIC and AIC; what that loses."""
    given = numbers(truth(cv=(2, 0), bic=(1, 3), aic=(3, 2)))
    of_cv, of_bic = found(given, "cv", 0), found(given, "bic", 0)
    assert of_cv.chosen.tolist() == [2, 0]
    assert of_bic.chosen.tolist() == [1, 3]
    assert of_cv.latent.tolist() == [True, False]
    assert of_bic.latent.tolist() == [False, True]
    assert of_bic.whole.tolist() == [False, False]
    assert of_bic.fewer.tolist() == [True, False]
    assert of_bic.parameters.tolist() == [24 - 26, 40 - 26]
    np.testing.assert_allclose(of_bic.loss, [1.0, 0.5])
    assert found(given, "fresh", 0).chosen.tolist() == [2, 2]
    assert found(given, "aic", 1).whole.tolist() == [True, False]


@pytest.mark.parametrize(
    ("chosen", "count", "verdict"),
    [((2, 3), 4, Verdict.HOLDS), ((2, 0), 2, Verdict.FAILS), ((0, 1), 0, Verdict.FAILS)],
)
def test_latent_dimensions(chosen, count, verdict):
    of = claim(numbers(truth(cv=(2, 2), bic=chosen, aic=(2, 2))), "BIC finds the number")
    assert f"{count} of 4 for S = 2" in of.measured
    assert f"too few on {4 - count}, too many on 0" in of.measured
    assert of.verdict is verdict


def test_one_kind_of_truth_does_not_hide_another():
    """All four of S = 2, none of the two of S = 1: most of all, and yet the claim fails."""
    one = truth(cv=(2, 3), bic=(2, 3), aic=(2, 3))
    given = numbers(one) | {f"c|{key}": value for key, value in one.items()}
    given |= {"names": np.array(["a", "b", "c"]), "latent": np.array([1, 2, 2])}
    given["width"] = np.array([3, 3, 5])
    of = claim(given, "AIC finds the number")
    assert "0 of 2 for S = 1" in of.measured
    assert "4 of 4 for S = 2" in of.measured
    assert of.verdict is Verdict.FAILS


def test_small_models():
    """A model that is as large as the truth is neither; one too large counts against theory."""
    low, high = truth((2, 2), bic=(0, 2), aic=(3, 3)), truth((2, 2), bic=(3, 3), aic=(3, 3))
    of = claim(numbers(low, high), "(Watanabe 2009): BIC")
    assert "on 1 of 4 data sets, as many on 3, more on 0" in of.measured
    assert of.verdict is Verdict.HOLDS
    of = claim(numbers(low, high), "(Watanabe 2009): AIC")
    assert "on 0 of 4 data sets, as many on 2, more on 2" in of.measured
    assert of.verdict is Verdict.FAILS


def test_a_tie_is_neither_won_nor_lost():
    of = claim(numbers(truth(cv=(2, 2), bic=(2, 1), aic=(2, 2))), "than BIC")
    assert "less on 2 of 4 data sets, more on 0, the same choice on 2" in of.measured
    assert of.verdict is Verdict.HOLDS
    of = claim(numbers(truth(cv=(2, 2), bic=(2, 1), aic=(2, 2))), "than AIC")
    assert of.verdict is Verdict.OPEN


def test_fits_that_are_not_at_the_maximum_are_counted():
    good, bad = truth((2, 2), (2, 2), (2, 2)), truth((2, 2), (2, 2), (2, 2), learned=-1.6)
    assert claim(numbers(good), "what BIC and AIC assume").verdict is Verdict.HOLDS
    given = numbers(good, bad)
    assert below_the_truth(given, 0).tolist() == [False, False]
    assert below_the_truth(given, 1).tolist() == [True, True]
    of = claim(given, "what BIC and AIC assume")
    assert "on 2 of 4 data sets" in of.measured
    assert of.verdict is Verdict.FAILS
    good["converged"][0, 0] = 0
    assert claim(numbers(good), "what BIC and AIC assume").verdict is Verdict.FAILS


def test_interval():
    """Of none of n: 1 - 0.025^(1/n)."""
    assert interval(0, 25) == pytest.approx((0.0, 1 - 0.025 ** (1 / 25)))
    assert interval(25, 25) == pytest.approx((0.025 ** (1 / 25), 1.0))


def test_how_curved_a_network_is():
    """Of relu(z) an affine map leaves 1/4 - 1/(2 π), of a variance of 1/2 - 1/(2 π)."""
    kink = Network([Dense([[1.0]], [0.0]), ReLU(), Dense([[1.0]], [0.0])])
    flat, left = _flat_and_left(kink, np.random.default_rng(0).standard_normal((200_000, 1)))
    assert flat == pytest.approx(0.5 - 0.5 / np.pi, rel=0.02)
    assert left == pytest.approx(0.25 - 0.5 / np.pi, rel=0.02)


@pytest.mark.parametrize("latent", [1, 2])
def test_truths_are_curved_by_no_less_than_the_noise(latent):
    """And no more than are needed are drawn: each that was passed over was flatter."""
    for seed in range(3):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        kind = Truth(latent=latent, width=3)
        model, curved, flatter = kind.model(rng)
        shares = []
        for _ in range(flatter + 1):
            network = Network.random([latent, 3, 5], ReLU(), same)
            images, left = _flat_and_left(network, same.standard_normal((10_000, latent)))
            shares.append(left / images)
        assert all(share < 0.2 for share in shares[:-1])
        assert shares[-1] == curved >= 0.2
        assert model.cov_x == pytest.approx(0.2 * images, rel=1e-12)
        assert isinstance(model, DGN)
