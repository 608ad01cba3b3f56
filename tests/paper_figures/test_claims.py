"""How figures judge the paper's claims, on comparisons whose every end is known."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from paper_figures.claims import Verdict, judged, median_and_range, number
from paper_figures.comparison.experiments import CIRCLE
from paper_figures.comparison.numbers import Comparison
from paper_figures.comparison.panels import count_above, curves, ends
from paper_figures.comparison.summary import spread, summary_of
from paper_figures.comparison.verdicts import bound_holds, lower_ends, same_bound, sooner

EXPERIMENT = CIRCLE[0]
VAES = ("vae 0.005", "vae 0.001", "vae 0.0001", "vae tuned")
NAME = "circle_1-8-2_0.55"


def comparison(**ends):
    """Three starts of every method, which fall from 2 in four records to its ends: EM's 0.5 and the
    others' 1 if they are not named, and diverged where an end is infinite."""
    numbers = {
        "experiments": np.array([NAME]),
        "architectures": np.array(["[1, 8, 2]"]),
        "hidden_layers": np.array([1]),
        "start_deviations": np.array([0.55]),
        "methods": np.array(["em", "mle", *VAES]),
        "seeds": np.arange(3),
        "line_train": np.array(2.1),
    }
    for method in numbers["methods"].tolist():
        default = 0.5 if method == "em" else 1.0
        end = np.broadcast_to(ends.get(method, default), 3)
        curve = 2.0 + np.linspace(0.0, 1.0, 4) * (np.where(np.isinf(end), 1.5, end)[:, None] - 2.0)
        diverged = np.isinf(end)
        curve[diverged, 2:] = np.nan
        steps = np.tile([0.0, 1.0, 2.0, 3.0], (3, 1))
        for what, values in {
            "train": curve,
            "held_out": curve + 0.1,
            "step": steps,
            "seconds": steps * (1.0 if method == "em" else 10.0),
            "kl": np.full((3, 4), 0.01),
            "elbo": -curve - 0.01,
            "disagreement": np.full((3, 4), 1e-14),
            "noise": np.full(3, 0.1),
            "outcome": np.where(diverged, "diverged at 2", "ran all updates"),
        }.items():
            numbers[f"{NAME}|{method}.{what}"] = values
    (one,) = Comparison.all_of(numbers)
    return one


class TestVerdicts:
    @pytest.mark.parametrize(
        ("won", "verdict"),
        [
            ([(3, 3), (3, 3), (3, 3)], Verdict.HOLDS),
            ([(3, 3), (3, 3), (2, 3)], Verdict.PARTLY),
            ([(3, 3), (3, 3), (1, 3)], Verdict.FAILS),
            ([(2, 4)], Verdict.FAILS),
            ([(19, 20), (11, 20)], Verdict.PARTLY),
            ([(0, 1)], Verdict.FAILS),
        ],
    )
    def test_all_some_or_half_of_the_starts(self, won, verdict):
        assert judged(won) is verdict

    def test_contests_of_no_start_decide_nothing(self):
        assert judged([(0, 0)]) is Verdict.OPEN
        assert judged([(0, 0), (3, 3)]) is Verdict.HOLDS

    def test_em_below_all_on_all_starts(self):
        claim = lower_ends(comparison(), EXPERIMENT)[0]
        assert claim.verdict is Verdict.HOLDS
        assert claim.measured.count("on 3 of 3 starts, by 0.500 (0.500 to 0.500)") == 3

    def test_a_tie_is_not_won(self):
        claim = lower_ends(comparison(**{"vae 0.001": 0.5}), EXPERIMENT)[0]
        assert claim.verdict is Verdict.FAILS
        assert "on 0 of 3 starts" in claim.measured

    def test_a_published_rate_that_wins_once_makes_it_hold_in_part(self):
        claim = lower_ends(comparison(**{"vae 0.001": [0.4, 1.0, 1.0]}), EXPERIMENT)[0]
        assert claim.verdict is Verdict.PARTLY
        assert "on 2 of 3 starts" in claim.measured

    def test_the_tuned_one_is_judged_by_itself(self):
        found = lower_ends(comparison(**{"vae tuned": 0.1}), EXPERIMENT)
        assert [claim.verdict for claim in found[:3]] == [
            Verdict.HOLDS,
            Verdict.HOLDS,
            Verdict.FAILS,
        ]
        assert "below VAE, tuned on 0 of 3 starts" in found[2].measured
        assert "a falling rate from 0.01" in found[2].measured

    def test_held_out_data_are_judged_by_themselves(self):
        one = comparison()
        one.numbers[f"{NAME}|vae 0.005.held_out"][:, -1] = 0.1
        found = lower_ends(one, EXPERIMENT)
        assert found[0].verdict is Verdict.HOLDS
        assert found[1].verdict is Verdict.FAILS

    def test_what_has_not_come_to_an_end_is_said(self):
        measured = lower_ends(comparison(**{"vae 0.001": 2.2}), EXPERIMENT)[0].measured
        assert "EM converged on 0 of 3 starts and elsewhere had its limit of 300" in measured
        assert "VAE, rate 0.005 was still falling on 3" in measured
        assert "VAE, rate 0.001 was still falling" not in measured
        assert "VAE, rate 0.001 ended no better than a straight line on 3" in measured

    def test_faster_is_by_processor_time(self):
        assert sooner(comparison()).verdict is Verdict.HOLDS
        late = comparison()
        late.numbers[f"{NAME}|em.seconds"] *= 1000.0
        claim = sooner(late)
        assert claim.verdict is Verdict.FAILS
        assert "sooner by it on 0 of 3" in claim.measured

    def test_collapsed_autoencoders_decide_nothing(self):
        """A straight line's loss, which they end at, EM passes in an iteration."""
        few = comparison(**dict.fromkeys(VAES[:3], (2.2, 2.2, 1.0)))
        assert sooner(few).measured.count("sooner by it on 1 of 1") == 3
        assert sooner(few).verdict is Verdict.OPEN
        most = comparison(**dict.fromkeys(VAES[:3], (2.2, 1.0, 1.0)))
        assert sooner(most).verdict is Verdict.HOLDS
        all_of_them = sooner(comparison(**dict.fromkeys(VAES[:3], 2.12)))
        assert all_of_them.verdict is Verdict.OPEN
        assert all_of_them.measured.count("collapsed on all 3 starts") == 3

    def test_a_common_end_is_the_maximum_of_the_bound_only_if_none_is_higher(self):
        assert same_bound(comparison()).verdict is Verdict.HOLDS
        assert same_bound(comparison(**{"vae 0.0001": 1.2})).verdict is Verdict.FAILS
        assert same_bound(comparison(**{"vae tuned": [1.0, 0.5, 1.0]})).verdict is Verdict.FAILS


class TestCheckedRecords:
    def test_only_what_was_compared_is_counted(self):
        one = comparison()
        one.numbers[f"{NAME}|vae 0.005.disagreement"][0, 2:] = np.nan
        claim = bound_holds(one, 20)
        assert claim.verdict is Verdict.HOLDS
        assert "at 46 records (2 more are of runs that had diverged)" in claim.measured

    def test_nothing_compared_confirms_nothing(self):
        one = comparison()
        for method in VAES:
            one.numbers[f"{NAME}|{method}.disagreement"][:] = np.nan
        assert bound_holds(one, 20).verdict is Verdict.FAILS

    def test_one_beyond_the_tolerance_is_seen(self):
        one = comparison()
        one.numbers[f"{NAME}|vae tuned.disagreement"][2, 1] = 2e-12
        assert bound_holds(one, 20).verdict is Verdict.FAILS


class TestDivergedRuns:
    def test_one_of_ems_is_lost_and_counted(self):
        one = comparison(em=[0.5, 0.5, np.inf])
        assert one.final("em").tolist() == [0.5, 0.5, np.inf]
        found = lower_ends(one, EXPERIMENT)
        assert found[0].verdict is Verdict.PARTLY
        assert "on 2 of 3 starts" in found[0].measured
        assert "Runs that diverged: 1, all kept" in found[3].measured

    def test_where_both_diverge_neither_is_below(self):
        one = comparison(em=[0.5, 0.5, np.inf], **{"vae 0.005": [1.0, 1.0, np.inf]})
        measured = lower_ends(one, EXPERIMENT)[0].measured
        assert "below VAE, rate 0.005 on 2 of 3 starts, by 0.500 (0.500 to 0.500)" in measured
        assert "(one or both diverged on 1)" in measured
        assert "nan" not in measured

    def test_one_of_an_autoencoder_s_is_kept_in_the_record(self):
        one = comparison(**{"vae 0.005": [1.0, np.inf, 1.0]})
        record = summary_of(one.numbers)["experiments"][NAME]["vae 0.005"]
        assert record["train_nll"]["all"] == [1.0, "diverged", 1.0]
        assert record["train_nll"]["max"] == "diverged"
        assert record["outcomes"] == {"diverged at 2": 1, "ran all updates": 2}
        claim = lower_ends(one, EXPERIMENT)[0]
        assert "on 3 of 3 starts" in claim.measured
        assert "diverged" in claim.measured

    def test_it_arrives_nowhere_and_sets_no_mark(self):
        one = comparison(**{"vae 0.005": np.inf})
        assert "VAE, rate 0.005: collapsed on all 3 starts" in sooner(one).measured
        mark = np.full(3, 0.5 + 0.05)
        assert np.all(np.isinf(one.first_within("vae 0.005", mark, "step")))

    def test_the_best_autoencoder_is_one_that_did_not(self):
        one = comparison(**{"vae 0.005": [0.7, np.inf, 0.7], "vae tuned": [np.inf, 0.8, 0.9]})
        assert one.best_autoencoder().tolist() == pytest.approx([0.7, 0.8, 0.7])
        assert one.best_autoencoder("held_out").tolist() == pytest.approx([0.8, 0.9, 0.8])

    def test_no_number_is_no_end(self):
        assert spread(np.full(2, np.nan))["median"] is None


class TestDrawing:
    def test_every_line_ends_where_its_start_did(self):
        """Ragged runs too: no line goes on after the last record, and none stops before."""
        one = comparison(em=[0.4, 0.5, 0.6], mle=[0.3, np.inf, 0.2])
        one.numbers[f"{NAME}|em.step"] = np.array([[0, 1, 2, 3], [0, 2, 4, 6], [0, 1, 2, np.nan]])
        one.numbers[f"{NAME}|em.train"][2, 3] = np.nan
        figure, axes = plt.subplots()
        curves(axes, one, "step")
        lines = [line.get_xydata() for line in axes.get_lines()]
        for method in one.methods:
            for row in range(3):
                y = one.of(method, "train")[row]
                last = np.flatnonzero(np.isfinite(y))[-1]
                end = [one.of(method, "step")[row, last], y[last]]
                assert any(np.allclose(line[np.isfinite(line[:, 1])][-1], end) for line in lines), (
                    method,
                    row,
                )
        assert len(lines) == 3 * len(one.methods) + 1
        plt.close(figure)

    def test_how_many_ends_are_above_is_written(self):
        """Two of training data; and of held-out data, 0.1 higher, these and one more."""
        figure, axes = plt.subplots()
        one = comparison(**{"vae 0.005": [1.5, np.inf, 1.6], "mle": [1.0, 1.35, 1.0]})
        axes.set_ylim(0.0, 1.4)
        count_above(axes, one)
        assert [text.get_text() for text in axes.texts] == ["5 of 36 ends\nare above"]
        plt.close(figure)

    def test_how_many_diverged_is_written(self):
        figure, axes = plt.subplots()
        ends(axes, comparison(**{"vae 0.005": [1.0, np.inf, np.inf]}))
        assert [text.get_text() for text in axes.texts] == ["2 diverged", "2 diverged"]
        plt.close(figure)


class TestWords:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (0.41234, "0.412"),
            (-677.123, "-677.12"),
            (3.0, "3"),
            (50_000, "50,000"),
            (1.234e-5, "1.23e-05"),
            (np.inf, "diverged"),
            (0.0, "0"),
        ],
    )
    def test_numbers(self, value, words):
        assert number(value) == words

    def test_median_and_range(self):
        assert median_and_range(np.array([0.1, 0.35, 0.9])) == "0.350 (0.100 to 0.900)"
        some = np.array([0.1, np.nan, np.inf, 0.2])
        assert median_and_range(some) == "0.200 (0.100 to diverged; 1 unknown)"
        assert median_and_range(np.full(2, np.nan)) == "unknown"
