"""Outliers by the exact density: thresholds, and the probability of what is as unlikely."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, multivariate_normal
from sklearn.exceptions import NotFittedError

from fast import DGN, DeepGenerativeOutlierDetector, Dense, Network

QUICK = {"n_init": 1, "max_iter": 5, "tol": 0, "random_state": 0}
#: Standard errors that a normal exceeds with probability 6e-12.
MOST_ERRORS = 7.0


def gaussian(count=400, size=3):
    """Correlated, of one factor."""
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 1)) + 0.5 * rng.standard_normal((count, size))


def linear(**options):
    """A Gaussian: the tail beyond a datum is that of chi squared."""
    return DeepGenerativeOutlierDetector(1, (), **QUICK | options)


def chi_squared_tail(dgn, X):
    """P(log p(X') <= log p(x)): of a Gaussian the squared distance is chi squared."""
    away = X - dgn.mean()
    squares = np.einsum("nd,nd->n", away, np.linalg.solve(dgn.cov(), away.T).T)
    return chi2.sf(squares, X.shape[1])


def test_the_threshold_is_a_share_of_the_data():
    X = gaussian()
    for share in (0.05, 0.3):
        detector = linear(contamination=share).fit(X)
        assert np.mean(detector.predict(X) < 0) == pytest.approx(share, abs=1 / len(X))
        np.testing.assert_array_equal(
            detector.decision_function(X), detector.score_samples(X) - detector.offset_
        )
        np.testing.assert_array_equal(detector.predict(X) < 0, detector.decision_function(X) < 0)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_threshold_is_a_share_of_the_model_s_draws(share):
    """100 / share of them: the probability beyond it is known to a tenth of itself, and a threshold
    that is wrong by 0.7 of it would be seen."""
    X = gaussian()
    detector = linear(contamination=share, threshold="model").fit(X)
    dgn = detector.dgn_
    _, log_det = np.linalg.slogdet(2 * np.pi * dgn.cov())
    found = chi2.sf(-2 * detector.offset_ - log_det, X.shape[1])
    error = np.sqrt(share * (1 - share) / (100 / share))
    assert abs(found - share) < MOST_ERRORS * error
    # Outliers in the data do not move it but through the fit, as they do the other.
    assert detector.offset_ != linear(contamination=share).fit(X).offset_


def test_the_probability_of_what_is_as_unlikely():
    """Against chi squared: of each datum within the error that is told, and intervals that hold the
    truth as often as they say. An error of 0.035 would be seen."""
    X = gaussian()
    detector = linear().fit(X)
    truth = chi_squared_tail(detector.dgn_, X)
    found = detector.tail_probability(X, n_draws=10_000, random_state=1)
    error = np.sqrt(truth * (1 - truth) / 10_000) + 1e-3
    assert np.max(np.abs(found.probability - truth) / error) < MOST_ERRORS
    assert np.all((found.lower <= found.probability) & (found.probability <= found.upper))
    # Data share their draws: whole sets of intervals are independent.
    held = 0
    for seed in range(40):
        few = detector.tail_probability(X[:1], n_draws=200, confidence=0.8, random_state=seed)
        held += int(few.lower[0] <= truth[0] <= few.upper[0])
    # Binomial: 17 or fewer of 40 at 0.8 have a probability of 4e-7.
    assert held > 17


def test_the_probability_of_what_is_observed():
    """With entries missing, of draws of the others alone: chi squared of as many dimensions."""
    X = gaussian(60)
    detector = linear().fit(X)
    X[:20, 1], X[20:40, :2], X[40] = np.nan, np.nan, np.nan
    found = detector.tail_probability(X, n_draws=10_000, random_state=1).probability
    for rows, observed in ((slice(20), [0, 2]), (slice(20, 40), [2]), (slice(41, 60), [0, 1, 2])):
        truth = chi_squared_tail(detector.dgn_.marginal(observed), X[rows][:, observed])
        error = np.sqrt(truth * (1 - truth) / 10_000) + 1e-3
        assert np.max(np.abs(found[rows] - truth) / error) < MOST_ERRORS
    assert found[40] == 1.0


def test_far_beyond_all_draws_it_is_not_called_impossible():
    detector = linear().fit(gaussian())
    far = detector.tail_probability(np.full((1, 3), 1e3), n_draws=1000)
    assert (far.probability[0], far.lower[0]) == (0.0, 0.0)
    # (1 - u)^n = 0.025
    assert far.upper[0] == pytest.approx(1 - 0.025 ** (1 / 1000))
    middle = detector.tail_probability(detector.dgn_.mean()[None], n_draws=1000)
    assert (middle.probability[0], middle.upper[0]) == (1.0, 1.0)
    assert middle.lower[0] == pytest.approx(0.025 ** (1 / 1000))


def test_what_is_as_unlikely_counts():
    """Of the draws themselves, in order: 1, 2, 3 ... of them are no likelier."""
    detector = linear().fit(gaussian())
    draws = detector.sample(500, random_state=2)
    found = detector.tail_probability(draws, n_draws=500, random_state=2).probability
    np.testing.assert_array_equal(np.sort(found), np.arange(1, 501) / 500)


def test_draws_are_those_of_the_seed():
    X = gaussian()
    detector = linear().fit(X)
    one, other, more = (
        detector.tail_probability(X, n_draws=500, random_state=seed).probability
        for seed in (None, 0, 1)
    )
    np.testing.assert_array_equal(one, other)
    assert np.any(one != more)


def test_what_lies_off_a_curve_is_an_outlier():
    """A parabola: a point within its bow has the mean of the data, and no Gaussian sees it."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(300)
    X = np.column_stack([z, z**2]) + 0.05 * rng.standard_normal((300, 2))
    detector = DeepGenerativeOutlierDetector(
        1, (8,), contamination=0.01, **QUICK | {"max_iter": 40}
    ).fit(X)
    within = [[0.0, 1.0]]
    assert detector.predict(within)[0] == -1
    assert linear(contamination=0.01).fit(X).predict(within)[0] == 1
    assert detector.tail_probability(within, n_draws=1000).upper[0] < 0.02


# Attributions


@pytest.mark.parametrize("groups", [None, [[0, 2], [1]], [[2, 1, 0]]])
def test_what_of_a_datum_is_unlikely(groups):
    """Of a Gaussian: the conditional density of some coordinates given the others."""
    X = gaussian()
    detector = linear().fit(X)
    mean, cov, few = detector.dgn_.mean(), detector.dgn_.cov(), X[:5]
    found = detector.attributions(few, groups)
    for column, part in zip(found.T, groups or [[0], [1], [2]], strict=True):
        rest = [i for i in range(3) if i not in part]
        gain = np.linalg.solve(cov[np.ix_(rest, rest)], cov[np.ix_(rest, part)]).T
        middle = mean[part] + (few[:, rest] - mean[rest]) @ gain.T
        left = cov[np.ix_(part, part)] - gain @ cov[np.ix_(rest, part)]
        expected = [
            multivariate_normal(m, left).logpdf(x)
            for m, x in zip(middle, few[:, part], strict=True)
        ]
        np.testing.assert_allclose(column, expected, rtol=1e-9, atol=1e-9)


def test_the_coordinate_that_is_off_is_named(capsys):
    """And with verbose what it takes is said before; without nothing."""
    detector = linear().fit(gaussian())
    off = detector.dgn_.mean()
    off[1] += 5.0
    assert detector.attributions([off]).argmin() == 1
    assert capsys.readouterr() == ("", "")
    detector.set_params(verbose=True).attributions([off])
    said = capsys.readouterr()
    assert said.out == ""
    assert "attributions: 4 times 1 log-densities, some" in said.err


@pytest.mark.parametrize(
    "groups",
    [np.array([0, 1, 0]), [0, 1, 0], (np.array([0, 2]), [1]), [["c", "a"], ["b"]]],
)
def test_parts_by_number_by_index_and_by_name(groups):
    """All of these are the same two parts, and the columns come in the parts' order."""
    X = pd.DataFrame(gaussian(), columns=["a", "b", "c"])
    detector = linear().fit(X)
    expected = detector.attributions(X[:5], [[0, 2], [1]])
    np.testing.assert_array_equal(detector.attributions(X[:5], groups), expected)
    rows = np.array([[0, 1], [1, 2]])
    np.testing.assert_array_equal(
        detector.attributions(X[:5], rows), detector.attributions(X[:5], rows.tolist())
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([], r"groups: expected the part of each feature, or a list of lists"),
        ("12", r"groups: expected the part of each feature, or a list of lists"),
        (3, r"groups: expected the part of each feature, or a list of lists"),
        (np.array([0.0, 1.0, 0.0]), r"groups: expected the part of each feature"),
        ([0], r"groups: .* expected 3, one for each feature, got 1"),
        (np.array([0, 1]), r"groups: .* expected 3, one for each feature, got 2"),
        ([0, 2, 0], r"groups: expected parts .* got no feature of part 1"),
        ([0, 10**9, 0], r"groups: expected parts .* got no feature of part 1"),
        (np.array([-1, 0, 0]), r"groups: expected parts from 0 on.* got -1"),
        ([[0], [3]], r"groups\[1\]: expected one or more distinct integers from 0 to 2"),
        ([[0, 0]], r"groups\[0\]: expected"),
        ([[]], r"groups\[0\]: expected"),
        ([[0.5]], r"groups\[0\]: expected"),
        ([True, False, True], r"groups\[0\]: expected"),
        ([[0], 1], r"groups\[1\]: expected"),
        ([[0], "a"], r"groups\[1\]: expected"),
        ([["a"]], r"groups\[0\]: expected indices, as X had no names in fit"),
    ],
)
def test_wrong_groups_are_refused(groups, said):
    detector = linear().fit(gaussian(20))
    with pytest.raises(ValueError, match=f"^{said}"):
        detector.attributions([[0.0, 1.0, 2.0]], groups)


def test_a_name_that_is_none_is_refused():
    X = pd.DataFrame(gaussian(20), columns=["a", "b", "c"])
    with pytest.raises(
        ValueError, match=r"^groups\[1\]: expected names that X had in fit, got 'd'"
    ):
        linear().fit(X).attributions(X, [["a"], ["b", "d"]])


# What is wrong


@pytest.mark.parametrize(
    ("name", "values"),
    [("contamination", (0.0, 0.6, "auto", None)), ("threshold", ("training", None))],
)
def test_wrong_thresholds_are_refused(name, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            linear(**{name: value}).fit(gaussian(20))
    with pytest.raises(ValueError, match=r"^contamination: expected 0\.001 or more .* draws"):
        linear(threshold="model", contamination=9e-4).fit(gaussian(20))


@pytest.mark.parametrize("noise", ["diagonal", "isotropic", "full"])
def test_numbers_without_squares_are_refused(noise):
    with pytest.raises(ValueError, match=r"^X: expected values whose squares have a finite sum"):
        linear(noise=noise).fit(1e200 * gaussian(20))


def test_wrong_questions_are_refused():
    X = gaussian(20)
    with pytest.raises(NotFittedError):
        linear().tail_probability(X)
    detector = linear().fit(X)
    for name, value in (
        ("n_draws", 0),
        ("confidence", 1.0),
        ("confidence", 0.0),
        ("random_state", "seed"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: expected"):
            detector.tail_probability(X, **{name: value})


def test_the_truth_of_these_tests():
    """Chi squared itself, by another way: of one dimension twice the tail of a normal."""
    dgn = DGN(Network([Dense([[3.0]], [1.0])]), 16.0)
    assert chi_squared_tail(dgn, np.array([[1.0 + 5.0 * 1.959963984540054]])) == pytest.approx(0.05)
