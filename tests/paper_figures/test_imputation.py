"""Figure 16: how forecasts of what is missing are made, scored and judged."""

import numpy as np
import pytest
from missing_entries import em_of_factors
from scipy.stats import norm
from sklearn.decomposition import FactorAnalysis

from oracle.mutants.missing import MISSING
from oracle.mutants.trial import applied
from paper_figures.claims import Verdict
from paper_figures.data_sets.decoders import pixels
from paper_figures.figures.figure_16_imputation import claims as judging
from paper_figures.figures.figure_16_imputation import holes, rises
from paper_figures.figures.figure_16_imputation.compute import _DIGITS, of_method
from paper_figures.figures.figure_16_imputation.methods import METHODS, Sizes
from paper_figures.figures.figure_16_imputation.recovery import Recovery, chosen
from paper_figures.figures.figure_16_imputation.scores import (
    DRAWS,
    FEW_DRAWS,
    SCORES,
    Forecast,
    ranked_score,
    scores,
    smallest_set,
)
from paper_figures.methods.gappy_gaussian import Gaussian, fit_factors

NAN = np.nan


def correlated(count, missing, seed=0):
    """Rows of two factors, with gaps."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((count, 2)) @ rng.standard_normal((2, 5)) + 1.0
    X = X + 0.5 * rng.standard_normal(X.shape)
    return np.where(rng.random(X.shape) < missing, NAN, X), X


class TestFactorAnalysis:
    def test_of_whole_data_it_is_scikit_learn_s(self):
        X, _ = correlated(200, 0.0)
        found, losses = fit_factors(X, 2, seed=0, iterations=3000, gain=1e-11)
        other = FactorAnalysis(2, tol=1e-11, max_iter=5000, svd_method="lapack").fit(X)
        assert -losses[-1] == pytest.approx(other.score(X), abs=1e-7)
        np.testing.assert_allclose(found.cov, other.get_covariance(), atol=1e-3)

    def test_with_gaps_it_is_em_as_written_out(self):
        """Three iterations from the same start, row by row with joint Gaussians of (x, z)."""
        X, _ = correlated(60, 0.3)
        X = X[~np.all(np.isnan(X), axis=1)]
        variances = np.nanvar(X, axis=0)
        start = np.sqrt(variances / 4)[:, None] * np.random.default_rng(5).standard_normal((5, 2))
        weight, mean, noise = em_of_factors(X, start, np.nanmean(X, axis=0), 0.5 * variances, 3)
        found, losses = fit_factors(X, 2, seed=5, iterations=3, gain=-1.0)
        np.testing.assert_allclose(found.mean, mean, atol=1e-12)
        np.testing.assert_allclose(found.cov, weight @ weight.T + np.diag(noise), atol=1e-12)
        assert np.all(np.diff(losses) < 0)

    def test_what_is_missing_is_by_the_textbook(self):
        """Moments, draws within seven standard errors, and densities by the chain rule."""
        X, whole = correlated(8, 0.4, seed=3)
        law = Gaussian(whole.mean(axis=0), np.cov(correlated(100, 0.0)[0], rowvar=False))
        filled, variances = law.moments(X)
        draws = law.draws(X, 4000, np.random.default_rng(0))
        precision = np.linalg.inv(law.cov)
        for n, row in enumerate(X):
            gone = np.isnan(row)
            # Of a joint precision: the block of what is missing is its precision given the rest.
            cov = np.linalg.inv(precision[np.ix_(gone, gone)])
            pull = precision[np.ix_(gone, ~gone)] @ (row - law.mean)[~gone]
            mean = law.mean[gone] - cov @ pull
            np.testing.assert_allclose(filled[n, gone], mean, atol=1e-10)
            np.testing.assert_allclose(variances[n, gone], np.diag(cov), atol=1e-10)
            away = (draws[:, n, gone] - mean) / np.sqrt(np.diag(cov))
            assert np.all(np.abs(away.mean(axis=0)) < 7 / np.sqrt(4000))
            np.testing.assert_array_equal(draws[:, n, ~gone], np.tile(row[~gone], (4000, 1)))


class TestScores:
    @pytest.mark.parametrize("draws", [DRAWS, FEW_DRAWS])
    def test_a_true_law_is_told_to_be_true(self, draws):
        """Interval, smallest set and ranked score of 5,000 normal entries."""
        rng, count = np.random.default_rng(0), 5_000
        truth, drawn = rng.standard_normal((count, 1)), rng.standard_normal((draws, count, 1))
        log_p = norm.logpdf(truth)[:, 0]
        told = dict(
            zip(
                SCORES,
                scores(Forecast(0 * truth, log_p, drawn), truth, truth == truth),
                strict=True,
            )
        )
        held, length = smallest_set(norm.logpdf, drawn[:, :, 0], truth[:, 0])
        error = 7 * np.sqrt(0.09 / count)
        assert told["covered"] == pytest.approx(0.9, abs=error)
        assert held.mean() == pytest.approx(0.9, abs=error)
        assert told["rmse"] == pytest.approx(1.0, abs=0.03)
        assert told["log_density"] == pytest.approx(log_p.mean())
        # Of the normal law: E|x - y| - E|x - x'| / 2 is 1/√π.
        assert told["crps"] == pytest.approx(1 / np.sqrt(np.pi), abs=0.02)
        if draws == DRAWS:
            assert told["width"] == pytest.approx(2 * norm.ppf(0.95), rel=0.02)
            assert length.mean() == pytest.approx(2 * norm.ppf(0.95), rel=0.03)

    def test_of_two_places_the_smallest_set_is_two_pieces(self):
        rng = np.random.default_rng(1)
        places = rng.choice([-1.0, 1.0], (DRAWS + 1, 500)) + 0.05 * rng.standard_normal((200, 500))

        def log_density(x):
            return np.logaddexp(norm.logpdf(x, -1, 0.05), norm.logpdf(x, 1, 0.05)) - np.log(2)

        held, length = smallest_set(log_density, places[1:], places[0])
        assert length.mean() == pytest.approx(4 * norm.ppf(0.95) * 0.05, rel=0.05)
        assert held.mean() == pytest.approx(0.9, abs=0.1)

    def test_a_law_too_narrow_is_seen(self):
        rng = np.random.default_rng(0)
        truth, drawn = rng.standard_normal((2000, 1)), 0.5 * rng.standard_normal((DRAWS, 2000, 1))
        told = scores(Forecast(0 * truth, None, drawn), truth, truth == truth)
        assert told[SCORES.index("covered")] < 0.65
        assert np.isnan(told[SCORES.index("log_density")])

    def test_of_a_point_the_ranked_score_is_its_error(self):
        truth = np.array([[1.0, 5.0], [2.0, 3.0]])
        missing = np.array([[True, False], [True, True]])
        told = scores(Forecast(np.zeros((2, 2))), truth, missing)
        assert told[SCORES.index("crps")] == pytest.approx(2.0)
        assert told[SCORES.index("rmse")] == pytest.approx(np.sqrt(14 / 3))
        same = np.tile([[3.0]], (DRAWS, 1))
        assert ranked_score(same, np.array([1.0]))[0] == pytest.approx(2.0)


class TestData:
    @pytest.mark.parametrize(
        ("data", "patterns"), [("circle", 0), ("swiss roll", 0), ("digits", 9)]
    )
    def test_gaps_are_at_random_and_units_of_what_is_learned_from(self, data, patterns):
        job = Recovery(
            data=data,
            missing=0.3,
            n=(300, 50, 200),
            sizes=Sizes(factors=(), networks=()),
            patterns=patterns,
        )
        parts = job.samples(0)
        assert [len(whole) for whole, _ in parts] == [300, 50, 200]
        np.testing.assert_allclose(parts[0][0].std(axis=0), 1.0)
        for whole, gappy in parts:
            gone = np.isnan(gappy)
            np.testing.assert_array_equal(whole[~gone], gappy[~gone])
        gone = np.isnan(np.concatenate([gappy for _, gappy in parts]))
        assert gone.mean() == pytest.approx(0.3, abs=0.06)
        if patterns:
            assert len(np.unique(gone, axis=0)) == patterns
        assert not np.array_equal(job.samples(1)[0][1], parts[0][1], equal_nan=True)

    def test_no_row_is_in_two_parts(self):
        """Of scikit-learn's digits; the noise that is added is another in every row."""
        parts = [np.round(whole, 3) for whole, _ in _DIGITS.samples(0)]
        rows = {row.tobytes() for part in parts for row in part}
        assert len(rows) == sum(_DIGITS.n) <= 1797

    def test_no_digit_with_a_hole_was_learned_from(self):
        new, fours = holes.Digits(decoder="dense_2-64-784", fours=500, nines=100).new()
        known = {
            row.tobytes() for row in np.concatenate([pixels("train_4"), pixels("test_9")[:400]])
        }
        assert len(new) == 600
        assert fours.sum() == 500
        assert not known & {row.tobytes() for row in new}
        assert holes.hole("square").sum() == 144
        assert holes.hole("upper half").sum() == 392


def table(**judged):
    """Numbers of a recovery: a size that is best on the rows that choose, and another that is best
    on those that judge; of two seeds. Where a method is not named all its scores are 1, and log
    densities -1."""
    numbers = {"names": np.array(["circle_10"]), "seeds": np.arange(2)}
    for method in METHODS:
        values = np.ones((2, 2, 2, len(SCORES)))
        values[..., SCORES.index("log_density")] = -1.0
        for score, value in judged.get(method, {}).items():
            place, better = SCORES.index(score), 1 if score == "log_density" else -1
            values[:, 0, 1, place] = value
            values[:, 1, 0, place] -= better
            values[:, 1, 1, place] = value + 10 * better
        numbers[f"circle_10|{method}.scores"] = values
    for method in ("factors", "network"):
        numbers[f"circle_10|{method}.set"] = np.tile([0.9, 1.0], (2, 1))
    return numbers


class TestClaims:
    def test_sizes_are_chosen_on_rows_that_do_not_judge(self):
        numbers = table(network={"rmse": 0.7, "log_density": 2.0})
        assert chosen(numbers["circle_10|network.scores"][0], "rmse") == 0
        np.testing.assert_array_equal(of_method(numbers, "circle_10", "network", "rmse"), 0.7)
        found = of_method(numbers, "circle_10", "network", "log_density")
        np.testing.assert_array_equal(found, 2.0)

    @pytest.mark.parametrize(
        ("own", "others", "verdict"),
        [(0.5, 0.9, Verdict.HOLDS), (1.2, 0.9, Verdict.FAILS), (0.95, 0.9, Verdict.FAILS)],
    )
    def test_losing_to_one_method_is_said(self, own, others, verdict):
        numbers = table(network={"rmse": own}, trees={"rmse": others})
        claim = judging._of_recovery(numbers, "circle_10")[0]
        assert claim.verdict is verdict
        wins = 2 if own < others else 0
        assert f"IterativeImputer, trees 0.900 (0.900 to 0.900), worse on {wins}" in claim.measured

    def test_of_densities_more_is_better(self):
        for own, verdict in ((-0.5, Verdict.HOLDS), (-1.5, Verdict.FAILS)):
            claim = judging._of_recovery(table(network={"log_density": own}), "circle_10")[1]
            assert claim.verdict is verdict

    def test_false_certainty_is_said(self):
        for share, verdict in ((0.91, Verdict.HOLDS), (0.8, Verdict.FAILS), (0.99, Verdict.FAILS)):
            numbers = table()
            numbers["circle_10|network.scores"][..., SCORES.index("covered")] = share
            assert judging._of_recovery(numbers, "circle_10")[3].verdict is verdict
        numbers = table()
        numbers["circle_10|network.scores"][..., SCORES.index("covered")] = 0.9
        numbers["circle_10|network.set"][:, 0] = 0.8
        assert judging._of_recovery(numbers, "circle_10")[3].verdict is Verdict.FAILS

    def test_a_rise_is_counted_in_roundings(self):
        losses = np.array([3.0, 2.0, 2.0 * (1 + 8 * np.finfo(float).eps), 1.0])
        assert rises.in_roundings(losses) == pytest.approx(8.0, rel=1e-2)
        for rise, verdict in ((8.0, Verdict.HOLDS), (1e6, Verdict.FAILS), (NAN, Verdict.FAILS)):
            numbers = {
                "rises|rise": np.full((1, 2, 3, 2), -1.0),
                "rises|gain": np.ones((1, 2, 3, 2)),
            }
            numbers["rises|rise"][0, 1, 2, 1] = rise
            assert judging._of_rises(numbers).verdict is verdict


def test_em_that_takes_what_is_missing_for_certain_rises():
    """With the defect closed forms alone raise the loss, which the guard of `fit_em` hides."""
    job = rises.Rises(networks=1, iterations=4, further=4, rows=12, missing=(0.5,))
    assert np.all(rises.run(job, 0)["rise"] < 0)
    (defect,) = (
        one for one in MISSING if one.label == "fast: missing entries as certain as their means"
    )
    with applied(defect):
        rise = rises.run(job, 0)["rise"]
    assert rise[0, 0, 1] > judging.ROUNDING
    assert rise[0, 0, 0] <= judging.ROUNDING
