"""Figure 15: no row judges that chose or taught, areas are right, and losses are told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import ttest_rel
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KernelDensity

from paper_figures.claims import Verdict
from paper_figures.data_sets.decoders import decoder, pixels
from paper_figures.figures.figure_15_anomalies import compute, detectors, line_and_curve, one_start
from paper_figures.figures.figure_15_anomalies.claims import claims
from paper_figures.figures.figure_15_anomalies.compute import areas_of, interval, summary
from paper_figures.figures.figure_15_anomalies.detectors import METHODS, PEERS, SETTINGS, area
from paper_figures.figures.figure_15_anomalies.one_start import chosen, patches
from paper_figures.figures.figure_15_anomalies.splits import Split, pooled
from paper_figures.options import Options

SPLITS = (
    Split(data="MNIST", normal=4),
    Split(data="digits", normal=3),
    Split(data="breast cancer", normal=1),
    Split(data="wine", normal=2),
)


def rows_of(parts):
    """All rows by their bytes, in the data's own units."""
    groups = (parts.train, *parts.choosing, *parts.judging)
    return [{row.tobytes() for row in parts.mean + parts.scale * rows} for rows in groups]


def sums(images):
    """MNIST's pooled images by the sums of their pixels' bytes."""
    return {row.tobytes() for row in np.rint(4 * 255 * images).astype(int)}


class TestSplits:
    @pytest.mark.parametrize("split", SPLITS, ids=lambda split: split.name)
    def test_no_row_is_in_two_parts(self, split):
        parts = split.parts(0)
        sizes = [len(rows) for rows in (parts.train, *parts.choosing, *parts.judging)]
        assert sizes[2] == split.few
        assert min(sizes) >= 9
        assert len(set().union(*rows_of(parts))) == sum(sizes)

    def test_nines_that_trained_a_decoder_are_in_none(self):
        parts = SPLITS[0].parts(0)
        known = sums(pooled(pixels("test_9")[:400]))
        anomalies = np.concatenate([parts.choosing[1], parts.judging[1]])
        new = sums(parts.mean + parts.scale * anomalies)
        assert len(new) == 100
        assert not known & new

    def test_fours_that_trained_a_decoder_neither_choose_nor_judge(self):
        parts = SPLITS[0].parts(0)
        known = sums(pooled(pixels("train_4")))
        assert sums(parts.mean + parts.scale * parts.train) < known
        for normal in (parts.choosing[0], parts.judging[0]):
            assert not known & sums(parts.mean + parts.scale * normal)

    def test_classes_are_told_apart(self):
        """Wine by its own table: all that is learned from is of the class, and no anomaly is."""
        X, classes = load_wine(return_X_y=True)
        parts = SPLITS[3].parts(1)
        for rows, normal in ((parts.train, True), (parts.judging[1], False)):
            own = parts.mean + parts.scale * rows
            found = classes[np.abs(own[:, None] - X[None]).max(axis=2).argmin(axis=1)]
            assert np.all((found == 2) == normal)

    def test_only_what_is_learned_from_scales(self):
        for split in SPLITS[2:]:
            train = split.parts(0).train
            np.testing.assert_allclose(train.mean(axis=0), 0.0, atol=1e-12)
            np.testing.assert_allclose(train.std(axis=0), 1.0, atol=1e-12)
        images = SPLITS[1].parts(0)
        assert np.mean(images.train**2) == pytest.approx(1.0)
        assert len(np.unique(images.scale)) == 1

    def test_another_seed_is_another_split(self):
        one, other = (rows_of(SPLITS[3].parts(seed))[0] for seed in (0, 1))
        assert one != other


class TestArea:
    def test_it_is_scikit_learns(self):
        rng = np.random.default_rng(0)
        normal, anomalies = rng.integers(0, 9, 40) / 2.0, rng.integers(-3, 6, 30) / 2.0
        labels = np.repeat([1, 0], [40, 30])
        expected = roc_auc_score(labels, np.concatenate([normal, anomalies]))
        assert area(normal, anomalies) == pytest.approx(expected, abs=1e-14)

    def test_what_is_impossible_ranks_last_and_what_is_unknown_is_unknown(self):
        assert area(np.array([-9.0, 1.0]), np.array([-np.inf])) == 1.0
        assert np.isnan(area(np.array([np.nan, 1.0]), np.array([0.0])))


class TestChoice:
    def test_the_judging_part_has_no_say(self):
        areas = np.array([[0.7, 1.0], [0.9, 0.2], [0.8, 0.99]])
        assert chosen(areas) == 1

    def test_of_equals_the_middle_and_never_what_failed(self):
        assert chosen(np.array([[1.0, 0], [0.9, 0], [1.0, 0], [1.0, 0]])) == 2
        assert chosen(np.array([[np.nan, 0], [0.6, 0], [0.5, 0]])) == 1

    def test_every_method_has_as_many_settings(self):
        assert set(detectors._GRIDS) | {"decoder"} == set(METHODS)
        assert {len(grid) for _, grid in detectors._GRIDS.values()} == {SETTINGS}

    def test_kernels_are_summed_exactly_far_from_data(self):
        """As they are not with several leaves of the tree."""
        parts = SPLITS[1].parts(0)
        far = parts.judging[1][:50]
        squares = np.sum((far[:, None] - parts.train[None]) ** 2, axis=2)
        for _, setting in zip(range(3), detectors._GRIDS["kernels"][1], strict=False):
            h = setting["bandwidth"]
            size, count = far.shape[1], len(parts.train)
            known = size * np.log(h) + 0.5 * size * np.log(2 * np.pi) + np.log(count)
            expected = logsumexp(-0.5 * squares / h**2, axis=1) - known
            found = KernelDensity(**setting).fit(parts.train).score_samples(far)
            np.testing.assert_allclose(found, expected, rtol=1e-10)


class TestDecoder:
    def test_pooling_is_exact(self):
        """The mean image, and the noise of means of four pixels, in the units of the data."""
        parts = SPLITS[0].parts(0)
        whole = decoder("dense_2-64-784")
        joined = detectors._in_units(whole, parts)
        z = np.random.default_rng(0).normal(size=(5, 2))
        expected = (pooled(whole.network(z)) - parts.mean) / parts.scale
        np.testing.assert_allclose(joined.network(z), expected, rtol=1e-9, atol=1e-9)
        drawn = pooled(np.sqrt(whole.cov_x) * np.random.default_rng(1).normal(size=(200, 784)))
        assert joined.cov_x * parts.scale[0] ** 2 == pytest.approx(drawn.var(), rel=0.03)

    def test_patches_cover_the_image_once(self):
        groups = patches()
        assert sorted(np.concatenate(groups).tolist()) == list(range(196))
        for group in groups:
            rows, columns = np.divmod(group, 14)
            assert np.ptp(rows) == np.ptp(columns) == 1


class TestRun:
    def test_what_it_tells(self, monkeypatch):
        """Of wine, one setting a method: the areas are those of the fitted methods."""
        few = {name: (kind, grid[:1]) for name, (kind, grid) in detectors._GRIDS.items()}
        monkeypatch.setattr(detectors, "_GRIDS", few)
        monkeypatch.setattr(detectors, "_ITERATIONS", 2)
        monkeypatch.setattr(one_start, "_DRAWS", 200)
        job = SPLITS[3]
        found, parts = one_start.run(job, 0), job.parts(0)
        assert "decoder.areas" not in found
        assert {f"{method}.areas" for method in ("network", *PEERS)} < set(found)
        for method in ("network", "components", "neighbours"):
            (one,) = detectors.candidates(method, parts, 0)
            rows = [area(*map(one.score, part)) for part in (parts.choosing, parts.judging)]
            np.testing.assert_array_equal(found[f"{method}.areas"], [rows])
        assert found["tail"].shape == found["own"].shape == (len(parts.judging[0]),)

    def test_a_fit_that_fails_is_never_chosen(self, monkeypatch):
        def fail(estimator, X):
            raise ArithmeticError

        monkeypatch.setattr(detectors, "fitted", fail)
        failed = list(detectors.candidates("network", SPLITS[3].parts(0), 0))
        assert len(failed) == SETTINGS
        assert all(np.isnan(one.score(np.zeros((2, 13)))).all() for one in failed)


def numbers(network=0.9, tails="uniform"):
    """Three splits of two classes of made-up data; peers reach 0.8, and on the third 0.95."""
    numbers = {"names": np.array(["wine_0", "wine_1"]), "groups": np.array(["wine", "wine"])}
    rng = np.random.default_rng(0)
    for name in numbers["names"]:
        for method in ("network", *PEERS):
            of_split = [network] * 3 if method == "network" else [0.8, 0.8, 0.95]
            # The setting that is chosen, and one that only the judging part likes.
            rows = [[[0.9, value], [0.5, 0.999]] for value in of_split]
            numbers[f"{name}|{method}.areas"] = np.array(rows)
            numbers[f"{name}|{method}.settings"] = np.array([["first", "second"]] * 3)
        values = rng.random((3, 200))
        numbers[f"{name}|own"] = values
        numbers[f"{name}|tail"] = values if tails == "uniform" else values**3
        numbers[f"{name}|log_p"] = np.array([[3.0, 1.0]] * 3)
    # Of a line and a curve: area, log p of known and of new data, slope.
    shapes = [[[0.9, -8.0, -9.0, 3.0], [area, -5.0, -7.0, 20.0]] for area in (0.8, 0.9, 0.95)]
    return numbers | {"seeds": np.arange(3), "shapes": np.array(shapes)}


def test_a_line_is_pca(monkeypatch):
    """Its area, its density and its slope: the deviation along it that noise does not explain."""
    monkeypatch.setattr(line_and_curve, "SHAPES", ((),))
    found, parts = line_and_curve.run(compute._SHAPES, 0)["shapes"][0], SPLITS[2].parts(0)
    line = PCA(1).fit(parts.train)
    assert found[0] == pytest.approx(area(*map(line.score_samples, parts.judging)), abs=1e-3)
    assert found[1] == pytest.approx(line.score(parts.train), abs=0.05)
    slope = np.sqrt(line.explained_variance_[0] - line.noise_variance_)
    assert found[3] == pytest.approx(slope, rel=0.02)


def test_runs_of_two_kinds_have_two_names():
    """Their files are named after them, and one would replace the other."""
    names = [job.name for job in (*compute._jobs(Options(full=True)), compute._SHAPES)]
    assert len(set(names)) == len(names) == 16


class TestClaims:
    @pytest.mark.parametrize(
        ("network", "wins", "verdict"),
        [
            (0.97, 3, Verdict.HOLDS),
            (0.9, 2, Verdict.PARTLY),
            (0.8, 0, Verdict.FAILS),
            (0.7, 0, Verdict.FAILS),
        ],
    )
    def test_against_others(self, network, wins, verdict):
        """A tie is not won."""
        claim = claims(numbers(network))[0]
        assert claim.verdict is verdict
        assert claim.measured.count(f"lower on {wins}, by") == len(PEERS)

    def test_what_is_judged_was_chosen_before(self):
        np.testing.assert_array_equal(areas_of(numbers(), "wine", "network"), [0.9] * 3)
        assert summary(numbers())["wine"]["chosen"]["network"] == {"first": 6}

    def test_tail_probabilities(self):
        own, tail = claims(numbers(tails="small"))[-2:]
        assert own.verdict is Verdict.HOLDS
        assert tail.verdict is Verdict.FAILS
        assert "6 of 6 runs" in tail.measured
        assert claims(numbers())[-1].verdict is Verdict.HOLDS

    def test_a_better_density_that_detects_worse(self):
        """On the first split only: on the second the areas are equal."""
        claim = claims(numbers())[2]
        assert claim.paper.endswith("the better density is the worse detector")
        assert "both at once on 1 of 3 splits" in claim.measured

    def test_the_interval_is_students(self):
        one, other = np.random.default_rng(0).random((2, 5))
        expected = ttest_rel(one, other).confidence_interval(0.95)
        found = interval(one - other)
        np.testing.assert_allclose(found[1:], [expected.low, expected.high], rtol=1e-12)
        assert np.isnan(interval(np.array([0.1]))[1])
