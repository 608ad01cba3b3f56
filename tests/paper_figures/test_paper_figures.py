"""The figures' command, their cache, and the numbers they draw beside the results."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.integrate import quad
from scipy.stats import norm

from fast import DGN, Dense, LeakyReLU, Network, fit_em, fit_mle
from paper_figures import command, style
from paper_figures.catalogue import FIGURES
from paper_figures.claims import Verdict
from paper_figures.comparison import experiments
from paper_figures.comparison.curves import held, last_values, median_curve
from paper_figures.comparison.one_start import _exact
from paper_figures.data_sets import circle, cosine, digits
from paper_figures.figures.figure_1_walk import compute as compute_1
from paper_figures.figures.figure_2_cones import compute as compute_2
from paper_figures.figures.figure_3_density import compute as compute_3
from paper_figures.figures.figure_3b_density_2d import compute as compute_3b
from paper_figures.figures.figure_4_circle import compute as compute_4
from paper_figures.figures.figure_7_digits import compute as compute_7
from paper_figures.figures.figure_8_surfaces import compute as compute_8
from paper_figures.figures.figure_8_surfaces.one_start import Case, principal
from paper_figures.figures.figure_9_better_q import compute as compute_9
from paper_figures.figures.figure_10_vae_tuning import compute as compute_10
from paper_figures.figures.figure_11_printed_m_step import compute as compute_11
from paper_figures.figures.figure_12_digit_plane import compute as compute_12
from paper_figures.figures.figure_12_digit_plane.one_start import Plane
from paper_figures.figures.figure_13_tails import compute as compute_13
from paper_figures.figures.figure_13_tails.published_density import log_density
from paper_figures.figures.figure_14_selection import compute as compute_14
from paper_figures.figures.figure_14_selection.one_start import Truth
from paper_figures.figures.figure_15_anomalies import compute as compute_15
from paper_figures.figures.figure_15_anomalies import detectors as detectors_15
from paper_figures.figures.figure_15_anomalies import line_and_curve as curve_15
from paper_figures.figures.figure_15_anomalies import one_start as one_start_15
from paper_figures.figures.figure_16_imputation import compute as compute_16
from paper_figures.figures.figure_16_imputation import holes as holes_16
from paper_figures.figures.figure_18_polishing import compute as compute_18
from paper_figures.figures.figure_19_scale import compute as compute_19
from paper_figures.methods.exact_fits import TROUBLE
from paper_figures.methods.matched_start import matched_network
from paper_figures.methods.ppca import affine_losses, best_line
from paper_figures.options import Options
from paper_figures.records import source_fingerprint
from paper_figures.records.report import entries
from reference.model import write_whole

SUFFIXES = (".json", ".npz", ".pdf", ".png")
RECORDS = "paper_figures.records"
COMPARING = ("4", "4b", "5", "6", "7")


def run(*arguments: object) -> int:
    return command.main([str(argument) for argument in arguments])


def short(recipe):
    return replace(recipe, updates=200)


def few(recipes):
    """Two of them: each is compiled by itself, which is what takes time here."""
    return tuple(map(short, recipes[:2]))


def brief(experiment):
    """An experiment with 100 data (50 images), three iterations and 200 updates."""
    return replace(
        experiment,
        n=50 if experiment.data == "digits" else 100,
        n_held_out=40,
        em_iterations=3,
        mle_iterations=4,
        continued_iterations=min(2, experiment.continued_iterations),
        recipes=tuple(map(short, experiment.recipes)),
        checked=1,
    )


def case(name, widths, **given):
    """Of figure 8, with few points and iterations."""
    few = {"points": 40, "held_out": 20, "em_iterations": 2, "mle_iterations": 3}
    return Case(name=name, widths=widths, **few | given)


def reduce(monkeypatch):
    """Every figure in seconds: little data, small networks, few iterations, coarse grids; and in
    this process, where what is replaced here is seen."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setitem(style._SETTINGS, "savefig.dpi", 50)
    # Where the panels are put takes as long as the rest of a picture.
    monkeypatch.setitem(style._SETTINGS, "savefig.bbox", "standard")
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
    reduce_3b(monkeypatch)
    monkeypatch.setattr(compute_3, "_QUICK_GRID", 60)
    for name in ("CIRCLE", "DEEPER_CIRCLE", "COSINE", "DIGITS"):
        monkeypatch.setattr(experiments, name, tuple(map(brief, getattr(experiments, name))))
    monkeypatch.setattr(experiments, "DEEPER_CIRCLE", experiments.DEEPER_CIRCLE[:1])
    cases = [
        case("sphere", (2, 3, 3)),
        case("roll", (2, 3, 3)),
        case("digits", (2, 3, 8)),
        case("digits_3", (3, 2, 8), points=20, em_iterations=1, mle_iterations=1),
    ]
    monkeypatch.setattr(compute_8, "_cases", lambda options: cases)
    question = compute_9.QUESTION
    question = replace(
        question,
        surface_widths=(2, 3, 3),
        n=100,
        em_iterations=2,
        mle_iterations=2,
        continued_iterations=1,
        most=2,
        recipes=few(question.recipes),
        surface_recipes=few(question.surface_recipes),
    )
    monkeypatch.setattr(compute_9, "QUESTION", question)
    searches = [
        replace(s, experiment=brief(s.experiment), recipes=tuple(map(short, s.recipes[::8])))
        for s in compute_10.QUICK
    ]
    monkeypatch.setattr(compute_10, "QUICK", searches)
    trials = [
        replace(t, experiment=brief(t.experiment), dampings=(1.0,), iterations=3)
        for t in compute_11.TRIALS
    ]
    monkeypatch.setattr(compute_11, "TRIALS", trials)
    plane = Plane(
        widths=(2, 3, 784),
        n=60,
        n_held_out=30,
        start_deviation=0.2,
        prior_scale=0.1,
        em_iterations=2,
        mle_iterations=2,
    )
    monkeypatch.setattr(compute_12, "_plane", lambda options: plane)
    sizes = replace(
        compute_16._CIRCLE.sizes,
        networks=((1, (3,), "diagonal"),),
        n_init=1,
        max_iter=2,
        neighbours=(5,),
        leaves=(20,),
        rounds=1,
        rounds_of_trees=1,
    )
    circle_16 = replace(compute_16._CIRCLE, n=(40, 20, 20), sizes=sizes)
    monkeypatch.setattr(compute_16, "_SHARES", (0.5,))
    monkeypatch.setattr(compute_16, "_CIRCLE", circle_16)
    rises = replace(compute_16._RISES, networks=1, iterations=1, further=1, rows=6)
    monkeypatch.setattr(compute_16, "_RISES", rises)
    monkeypatch.setattr(compute_16, "_QUICK_NETWORKS", 1)
    monkeypatch.setattr(compute_16, "_QUICK_DIGITS", (6, 4))
    images, fours = holes_16.learned()
    monkeypatch.setattr(holes_16, "learned", lambda: (images[::20], fours[::20]))
    reduce_15(monkeypatch)
    polish = replace(
        compute_18._TEN_CLASSES, widths=(2, 3, 64), n=(100, 20, 20), updates=200, longer=2
    )
    monkeypatch.setattr(compute_18, "_TEN_CLASSES", replace(polish, iterations=2))
    monkeypatch.setattr(compute_13, "_VARIANCES", (0.1, 0.0025))
    truth = Truth(
        latent=1,
        width=2,
        features=2,
        n=30,
        n_fresh=30,
        curved=(1,),
        plain=(1,),
        widths=(2,),
        starts=1,
        iterations=1,
    )
    monkeypatch.setattr(compute_14, "_TRUTHS", (truth,))
    monkeypatch.setattr(compute_19, "_DECODERS", compute_19._DECODERS[:1])
    monkeypatch.setattr(compute_13, "_DISTANCES", np.array([0.0, 3.0, 30.0]))


def reduce_15(monkeypatch):
    """Two settings of every method, one digit, one class of wine, a few fours and nines, and a
    decoder of few regions."""
    small = DGN(Network.random((2, 3, 784), LeakyReLU(0.1), 0), 0.1)
    monkeypatch.setattr(detectors_15, "decoder", lambda name: small)
    monkeypatch.setattr(compute_15, "_MNIST", replace(compute_15._MNIST, most=10))
    monkeypatch.setattr(compute_15, "_FEW_FOURS", 15)
    monkeypatch.setattr(compute_15, "_FEW_DIGITS", (0,))
    tables = tuple(replace(table, most=20) for table in compute_15._TABLES[:2])
    monkeypatch.setattr(compute_15, "_TABLES", tables)
    monkeypatch.setattr(curve_15, "SHAPES", ((), (2,)))
    grids = {name: (kind, grid[:2]) for name, (kind, grid) in detectors_15._GRIDS.items()}
    trees = tuple(setting | {"n_estimators": 5} for setting in grids["forest"][1])
    grids["forest"] = grids["forest"][0], trees
    monkeypatch.setattr(detectors_15, "_GRIDS", grids)
    monkeypatch.setattr(detectors_15, "SETTINGS", 2)
    monkeypatch.setattr(detectors_15, "_ITERATIONS", 1)
    monkeypatch.setattr(one_start_15, "_DRAWS", 100)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A folder with all figures, reduced, of two random starts each."""
    folder = tmp_path_factory.mktemp("everything")
    with pytest.MonkeyPatch.context() as monkeypatch:
        reduce(monkeypatch)
        assert run("--seeds", 2, "--out", folder) == 0
        yield folder


def record_of(folder, number):
    return json.loads((folder / f"figure_{number}.json").read_text(encoding="utf-8"))


def numbers_of(folder, number):
    with np.load(folder / f"figure_{number}.npz", allow_pickle=False) as stored:
        return dict(stored)


@pytest.fixture
def counted(monkeypatch):
    """How often figures 1, 2 and 3 have been computed."""
    modules = {"1": compute_1, "2": compute_2, "3": compute_3}
    counts = dict.fromkeys(modules, 0)
    for number, module in modules.items():

        def compute(options, number=number, original=module.compute):
            counts[number] += 1
            return original(options)

        monkeypatch.setattr(module, "compute", compute)
    return counts


def reduce_3b(monkeypatch):
    """A smaller network and a coarse grid for figure 3b."""
    monkeypatch.setattr(compute_3b, "_WIDTHS", [2, 4, 3, 2])
    monkeypatch.setattr(compute_3b, "_VARIANCE", 0.3)
    monkeypatch.setattr(compute_3b, "_QUICK_GRID", 24)


@pytest.fixture
def undrawn(monkeypatch):
    """Blank pictures, a coarse grid and few regions, for tests that ask only whether something is
    computed."""
    monkeypatch.setattr(compute_1, "_WIDTHS", [2, 2, 2])
    monkeypatch.setattr(compute_2, "_WIDTHS", [2, 5, 4, 2])
    monkeypatch.setattr(compute_3, "_QUICK_GRID", 12)
    for figure in FIGURES.values():
        module = importlib.import_module(figure.draw_module)
        monkeypatch.setattr(module, "draw", lambda numbers: Figure(figsize=(1, 1)))


class TestCommand:
    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            (["99"], "no figure '99'; there are 1, 2, 3, 3b, 4, 4b, 5, 6, 7, 8, 9, 10, 11, 12, 13"),
            (["three"], "no figure 'three'"),
            (["3", "--seeds", "0"], "at least 1, got '0'"),
            (["3", "--seeds", "-2"], "--seeds"),
            (["3", "--seeds", "many"], "got 'many'"),
            (["--nonsense"], "--nonsense"),
        ],
    )
    def test_bad_arguments_are_one_line_and_exit_code_2(self, arguments, part, capsys):
        with pytest.raises(SystemExit) as stopped:
            run(*arguments)
        output = capsys.readouterr()
        assert stopped.value.code == 2
        assert output.out == ""
        assert len(output.err.splitlines()) == 1
        assert part in output.err

    def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_2(self, tmp_path, capsys):
        (tmp_path / "file").touch()
        assert run(3, "--out", tmp_path / "file" / "below") == 2
        output = capsys.readouterr()
        assert len(output.err.splitlines()) == 1
        assert "--out: cannot write in" in output.err

    @pytest.mark.parametrize("package", ["matplotlib", "tqdm", "jinja2"])
    def test_a_missing_package_is_one_line_that_says_what_to_do(
        self, package, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.setitem(sys.modules, package, None)
        assert run(3, "--out", tmp_path) == 2
        output = capsys.readouterr()
        assert output.err == (
            f"paper_figures: {package} not installed: pip install 'exactdgn[figures]'\n"
        )
        assert not list(tmp_path.iterdir())

    def test_a_package_whose_module_has_another_name(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "sklearn", None)
        assert run(18, "--out", tmp_path) == 2
        said = "paper_figures: scikit-learn not installed: pip install 'exactdgn[figures]'\n"
        assert capsys.readouterr().err == said

    def test_list_names_every_figure_and_writes_nothing(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert run("list") == 0
        numbers = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert numbers == list(FIGURES)
        assert not list(tmp_path.iterdir())

    def test_it_starts_as_a_module_and_is_silent_on_stdout_when_it_fails(self):
        done = subprocess.run(
            [sys.executable, "-m", "paper_figures", "99"],
            capture_output=True,
            encoding="utf-8",
            cwd=source_fingerprint.ROOT,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1


class TestFigures:
    def test_figure_1_rings_count_every_region_once(self, everything):
        results = record_of(everything, "1")["results"]
        assert sum(results["regions_by_ring"]) == results["n_regions"]
        assert results["regions_by_ring"][:2] == [1, results["facets_of_the_start"]]

    def test_figure_1_polygons_cover_the_window_once(self, everything):
        numbers = numbers_of(everything, "1")
        area = 0.0
        for corners in np.split(numbers["corners"], numbers["ends"][:-1]):
            x, y = corners.T
            area += 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        assert area == pytest.approx((2 * numbers["window"]) ** 2, rel=1e-12)
        fastest = DGN(Network.random(compute_1._WIDTHS, LeakyReLU(0.1), compute_1._SEED), 1.0)
        assert len(numbers["rings"]) == fastest.partition().n_regions

    def test_figure_3_end_to_end(self, tmp_path, capsys):
        assert run(3, "--out", tmp_path / "new") == 0
        written = sorted((tmp_path / "new").iterdir())
        figures = [f"figure_3{suffix}" for suffix in SUFFIXES]
        assert [path.name for path in written] == ["RESULTS.md", *figures, "results.html"]
        assert sorted(capsys.readouterr().out.split()) == [str(path) for path in written]
        assert (tmp_path / "new" / "figure_3.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "new" / "figure_3.pdf").read_bytes().startswith(b"%PDF")
        record = json.loads((tmp_path / "new" / "figure_3.json").read_text(encoding="utf-8"))
        assert record["mode"] == "quick"
        assert record["parameters"]["cov_x"] == 0.1
        assert {"seed", "choice_of_seed_and_points"} <= set(record["parameters"])
        assert {"numpy", "scipy", "python"} <= set(record["versions"])
        assert record["run_time_seconds"] > 0
        assert record["results"]["mass_of_p_x_on_the_grid"] == pytest.approx(1.0, abs=0.01)

    def test_figure_3_posteriors_integrate_to_one_with_the_means_it_draws(self):
        numbers = compute_3.compute(Options())
        z = numbers["z"]
        assert np.trapezoid(numbers["posterior"], z) == pytest.approx(1.0, abs=1e-4)
        means = np.trapezoid(numbers["posterior"] * z, z)
        np.testing.assert_allclose(means, numbers["posterior_mean"], atol=1e-3)

    def test_figure_2_masses_add_up(self, everything):
        """The triangle's signed masses, and the triangles', add up to what `fast` integrates."""
        results = record_of(everything, "2")["results"]
        assert results["triangles"] == results["corners"] - 2
        assert len(results["signed_polyhedra"]) == 7
        assert abs(results["triangles_minus_region"]) < 1e-14

    def test_figure_2_counts_every_point_of_the_triangle_once(self, everything):
        numbers = numbers_of(everything, "2")
        total = np.tensordot(numbers["signs"], numbers["inside"], axes=1)
        assert set(np.unique(total)) == {0, 1}
        cell = np.diff(numbers["grid_1"])[0] * np.diff(numbers["grid_2"])[0]
        triangle = numbers["triangles"][int(numbers["chosen"])]
        assert total.sum() * cell == pytest.approx(compute_2._area(triangle), rel=0.02)

    def test_figure_3b_integrals_are_one(self, everything):
        """To the accuracy of the grids of p(z | x) and p(x)."""
        results = record_of(everything, "3b")["results"]
        assert results["sum_of_e0"] == pytest.approx(1.0, abs=1e-12)
        assert results["mass_of_p_z_given_x_on_the_grid"] == pytest.approx(1.0, abs=0.02)
        assert results["mass_of_p_x_on_the_grid"] == pytest.approx(1.0, abs=0.05)

    @pytest.mark.parametrize("number", FIGURES)
    def test_every_figure_is_made_whole(self, everything, number):
        record = record_of(everything, number)
        for suffix in SUFFIXES:
            assert (everything / f"figure_{number}{suffix}").stat().st_size > 500
        assert record["command"] == f"python -m paper_figures {number} --seeds 2"
        assert record["seconds_on_one_core"] > 0
        assert record["results"]

    @pytest.mark.parametrize("number", [n for n in COMPARING if n != "5"])
    def test_comparisons_keep_every_start_of_every_method(self, everything, number):
        record = record_of(everything, number)
        assert record["seeds"] == [0, 1]
        assert {"jax", "optax"} <= set(record["versions"])
        for methods in record["results"]["experiments"].values():
            assert methods.pop("worst_disagreement_of_log_p_and_elbo_plus_kl") < 1e-12
            assert len(methods) == 6
            for found in methods.values():
                assert len(found["train_nll"]["all"]) == len(found["held_out_nll"]["all"]) == 2
                assert sum(found["outcomes"].values()) == 2
            assert methods["em"]["largest_rise"] == 0.0

    @pytest.mark.parametrize("number", COMPARING)
    def test_runs_that_diverge_are_drawn_and_counted(self, everything, number):
        """One start of a method has diverged half-way; of another's only q has, at the end."""
        numbers = numbers_of(everything, number)
        for experiment in numbers["experiments"].tolist():
            lost = f"{experiment}|vae 0.005"
            for what in ("train", "held_out", "elbo", "kl", "disagreement"):
                values = numbers[f"{lost}.{what}"]
                values[0, values.shape[1] // 2 :] = np.nan
            for what in ("noise", "continued", "curve"):
                numbers[f"{lost}.{what}"][0] = np.nan
            outcomes = numbers[f"{lost}.outcome"].astype("U40")
            outcomes[0] = "diverged: parameters are not finite"
            numbers[f"{lost}.outcome"] = outcomes
            for what in ("elbo", "kl", "disagreement"):
                numbers[f"{experiment}|vae 0.001.{what}"][1, -1] = np.nan
        figure = FIGURES[number]
        words = " ".join(claim.measured for claim in figure.claims(numbers))
        if number != "5":
            assert "Runs that diverged: 1, all kept" in words
            assert "diverged" in json.dumps(compute_4.summary(numbers), allow_nan=False)
        else:
            assert "1 unknown" in words
        figure.draw(numbers)

    def test_one_image_ten_times_is_no_manifold_of_fours(self, everything):
        """In place of EM's images: means of ten groups of fours along the direction in which they
        differ most; one four ten times; and the first, half of them said to be nines."""
        numbers = numbers_of(everything, "7")
        images = digits.images("train_4")
        mean, directions = principal(images)
        order = np.argsort((images - mean) @ directions[0])
        groups = np.array([images[rows].mean(axis=0) for rows in np.split(order, 10)])
        for ten, fours, verdict in (
            (groups, 10, Verdict.HOLDS),
            (np.repeat(images[:1], 10, axis=0), 10, Verdict.FAILS),
            (groups, 5, Verdict.FAILS),
        ):
            for experiment in numbers["experiments"].tolist():
                numbers[f"{experiment}|em.explained"][:] = compute_7._explained(ten)
                numbers[f"{experiment}|em.fours"][:] = np.arange(10) < fours
            found = [c for c in FIGURES["7"].claims(numbers) if c.paper.startswith("EM fits")]
            assert [claim.verdict for claim in found] == [verdict, verdict]

    def test_the_mean_image_explains_nothing(self):
        mean = digits.images("train_4").mean(axis=0)
        assert compute_7._explained(mean[None]) == pytest.approx(0.0, abs=1e-12)

    def test_chance_is_no_detector(self, everything):
        numbers = numbers_of(everything, "12")
        assert FIGURES["12"].claims(numbers)[1].verdict is Verdict.FAILS
        numbers["fours"] = numbers["nines"] + np.ptp(numbers["nines"]) + 1.0
        assert FIGURES["12"].claims(numbers)[1].verdict is Verdict.HOLDS

    def test_figure_5_has_figure_4s_runs(self, everything):
        four, five = (numbers_of(everything, number) for number in ("4", "5"))
        name = "circle_1-8-2_0.55|vae 0.005.kl"
        np.testing.assert_array_equal(four[name], five[name])

    def test_all_methods_start_from_the_same_model(self, everything):
        numbers = numbers_of(everything, "4")
        for experiment in numbers["experiments"].tolist():
            first = numbers[f"{experiment}|em.train"][:, 0]
            for method in numbers["methods"].tolist():
                np.testing.assert_allclose(
                    numbers[f"{experiment}|{method}.train"][:, 0], first, rtol=1e-13
                )

    def test_figure_8_never_ends_above_em(self, everything):
        results = record_of(everything, "8")["results"]
        assert list(results) == ["sphere", "roll", "digits", "digits_3"]
        for found in results.values():
            assert len(found["all_starts"]) == len(found["outcomes"]) == 2
            assert found["em_then_likelihood"][0] <= found["em"][0]
            assert found["em_then_likelihood"][0] == min(ends[0] for ends in found["all_starts"])
            assert found["affine"][0] >= found["gaussian"][0] - 1e-12

    def test_affine_models_of_figure_8_are_fit_mle_s(self):
        """PPCA in closed form is where the exact likelihood of one affine layer leads."""
        train, test = case("sphere", (2, 3, 3), points=60, held_out=500).samples()
        found = affine_losses(2, train, test)
        start = DGN(Network([Dense(np.eye(3)[:, :2], np.zeros(3))]), 0.3)
        fitted = fit_mle(start, train, gtol=1e-7).dgn
        assert -fitted.logpdf(train).mean() == pytest.approx(found[0], abs=1e-9)
        assert -fitted.logpdf(test).mean() == pytest.approx(found[1], abs=1e-4)

    def test_figure_12_separation_is_the_area_under_the_curve(self):
        rng = np.random.default_rng(0)
        fours, nines = rng.standard_normal(30) + 1.0, rng.standard_normal(40)
        pairs = (fours[:, None] > nines).mean()
        assert compute_12.separation(fours, nines) == pytest.approx(pairs, abs=1e-14)

    def test_figure_13_errors_are_small_for_ours_and_large_for_the_published(self, everything):
        results = record_of(everything, "13")["results"]
        assert results["worst_relative_error_of_fast"]["value"] < 1e-12
        assert max(results["worst_error_of_the_published_code_in_nats"].values()) > 10.0

    def test_one_start_is_enough_to_draw(self, tmp_path, monkeypatch):
        reduce(monkeypatch)
        for module, name in ((experiments, "CIRCLE"), (compute_11, "TRIALS")):
            monkeypatch.setattr(module, name, getattr(module, name)[:1])
        assert run(4, 11, "--seeds", 1, "--out", tmp_path) == 0


class TestReport:
    def test_every_claim_is_in_both(self, everything):
        text = (everything / "RESULTS.md").read_text(encoding="utf-8")
        page = (everything / "results.html").read_text(encoding="utf-8")
        for entry in entries(everything):
            assert entry.claims
            assert f"## Figure {entry.figure.number}: {entry.figure.title}" in text
            assert f'id="figure_{entry.figure.number}"' in page
            assert entry.record["command"] in text
            assert entry.record["command"] in page
            for claim in entry.claims:
                assert claim.paper.replace("|", "\\|") in text
                assert claim.measured.replace("|", "\\|") in text
                assert escape(claim.measured) in page
        assert page.count("data:image/png;base64,") == len(FIGURES)
        assert "src=" not in page.replace('src="data:', "")  # a page by itself

    def test_tables_are_rectangular(self, everything):
        lines = (everything / "RESULTS.md").read_text(encoding="utf-8").splitlines()
        widths = [line.replace("\\|", "").count("|") for line in lines if line.startswith("|")]
        assert set(widths) == {4, 6}

    def test_a_figure_by_itself_reports_what_the_folder_holds(self, tmp_path, undrawn):
        run(3, "--out", tmp_path)
        run(2, "--out", tmp_path)
        text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
        assert "## Figure 2" in text
        assert "## Figure 3" in text
        assert "## Figure 4" not in text

    def test_what_other_code_made_is_said_to_be_old(self, tmp_path, undrawn, monkeypatch):
        run(2, 3, "--out", tmp_path)
        record = record_of(tmp_path, "2")
        (tmp_path / "figure_2.json").write_text(
            json.dumps({**record, "key": "old"}), encoding="utf-8"
        )
        found = {entry.figure.number: entry for entry in entries(tmp_path)}
        assert found["2"].record is None
        assert found["3"].claims
        run(3, "--out", tmp_path)
        assert "Made by other code" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
        assert "Made by other code" in (tmp_path / "results.html").read_text(encoding="utf-8")

    def test_the_erratum_on_closed_polytopes_is_in_the_table(self, everything):
        claims = entries(everything)[0].claims
        assert claims[1].verdict is Verdict.FAILS


class TestCache:
    def test_a_second_run_computes_and_draws_nothing(self, everything, monkeypatch):
        def refuse(*arguments):
            raise AssertionError("computed or drawn again")

        for figure in FIGURES.values():
            module = importlib.import_module(figure.compute_module)
            monkeypatch.setattr(module, "compute", refuse)
        monkeypatch.setattr("paper_figures.records.pictures._draw", refuse)
        before = {path.name: path.read_bytes() for path in everything.glob("*.*")}
        assert run("--seeds", 2, "--out", everything) == 0
        assert {path.name: path.read_bytes() for path in everything.glob("*.*")} == before

    def test_a_second_run_draws_the_same_to_the_last_byte(self, tmp_path, monkeypatch):
        monkeypatch.setattr(compute_3, "_QUICK_GRID", 12)
        run(3, "--out", tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        (tmp_path / "figure_3.png").unlink()
        run(3, "--out", tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("suffix", [".png", ".pdf"])
    def test_a_damaged_or_deleted_picture_is_drawn_again(self, tmp_path, undrawn, suffix):
        run(3, "--out", tmp_path)
        path = tmp_path / f"figure_3{suffix}"
        whole = path.read_bytes()
        path.unlink()
        run(3, "--out", tmp_path)
        assert path.read_bytes() == whole
        if suffix == ".png":
            path.write_bytes(whole[:60])
            run(3, "--out", tmp_path)
            assert path.read_bytes() == whole

    def test_changed_drawing_draws_again_and_computes_nothing(
        self, counted, undrawn, tmp_path, monkeypatch
    ):
        run(3, "--out", tmp_path)
        monkeypatch.setattr(f"{RECORDS}.pictures.fingerprint", lambda module: "other code")
        monkeypatch.setattr(
            f"{FIGURES['3'].draw_module}.draw", lambda numbers: Figure(figsize=(2, 2))
        )
        before = (tmp_path / "figure_3.png").read_bytes()
        run(3, "--out", tmp_path)
        assert (tmp_path / "figure_3.png").read_bytes() != before
        assert counted["3"] == 1

    @pytest.mark.parametrize("suffix", [".npz", ".json"])
    def test_deleting_one_result_recomputes_only_that_one(self, counted, undrawn, tmp_path, suffix):
        run(2, 3, "--out", tmp_path)
        (tmp_path / f"figure_3{suffix}").unlink()
        run(2, 3, "--out", tmp_path)
        assert counted == {"1": 0, "2": 1, "3": 2}

    def test_a_deleted_picture_is_drawn_again_from_the_numbers(self, counted, undrawn, tmp_path):
        run(3, "--out", tmp_path)
        (tmp_path / "figure_3.png").unlink()
        run(3, "--out", tmp_path)
        assert (tmp_path / "figure_3.png").exists()
        assert counted["3"] == 1

    def test_other_parameters_recompute_what_depends_on_them(
        self, counted, undrawn, tmp_path, monkeypatch
    ):
        run(2, 3, "--out", tmp_path)
        monkeypatch.setattr(compute_3, "_QUICK_GRID", 13)
        run(2, 3, "--out", tmp_path)
        assert counted == {"1": 0, "2": 1, "3": 2}

    def test_changed_code_recomputes(self, counted, undrawn, tmp_path, monkeypatch):
        run(3, "--out", tmp_path)
        monkeypatch.setattr(f"{RECORDS}.figure_numbers.fingerprint", lambda module: "other code")
        run(3, "--out", tmp_path)
        assert counted["3"] == 2

    @pytest.mark.parametrize("suffix", [".npz", ".json"])
    def test_a_damaged_result_is_recomputed(self, counted, undrawn, tmp_path, suffix):
        run(3, "--out", tmp_path)
        path = tmp_path / f"figure_3{suffix}"
        path.write_bytes(path.read_bytes()[:100])
        run(3, "--out", tmp_path)
        assert counted["3"] == 2

    def test_numbers_and_record_of_different_runs_are_not_believed(
        self, counted, undrawn, tmp_path, monkeypatch
    ):
        run(3, "--out", tmp_path)
        old = (tmp_path / "figure_3.npz").read_bytes()
        monkeypatch.setattr(compute_3, "_QUICK_GRID", 13)
        run(3, "--out", tmp_path)
        (tmp_path / "figure_3.npz").write_bytes(old)
        run(3, "--out", tmp_path)
        assert counted["3"] == 3


class TestWholeFiles:
    def test_a_failure_while_computing_leaves_nothing(self, tmp_path, monkeypatch):
        def fail(options):
            raise RuntimeError("half-way")

        monkeypatch.setattr(compute_3, "compute", fail)
        with pytest.raises(RuntimeError, match="half-way"):
            run(3, "--out", tmp_path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.usefixtures("undrawn")
    def test_a_failure_while_writing_leaves_only_whole_files(self, tmp_path, monkeypatch):
        replace = os.replace

        def fail_on_json(source, target):
            if str(target).endswith(".json"):
                raise OSError("disk gone")
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail_on_json)
            with pytest.raises(OSError, match="disk gone"):
                run(3, "--out", tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["figure_3.npz"]
        assert run(3, "--out", tmp_path) == 0
        assert len(list(tmp_path.iterdir())) == 6

    def test_the_old_file_survives_a_failed_write(self, tmp_path, monkeypatch):
        target = tmp_path / "file"
        write_whole(target, b"old")

        def fail(source, target):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(KeyboardInterrupt):
            write_whole(target, b"new")
        assert target.read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


class TestTrouble:
    def test_one_figure_in_numerical_trouble_stops_no_other(
        self, tmp_path, undrawn, monkeypatch, capsys
    ):
        def fail(options):
            raise ArithmeticError("singular")

        monkeypatch.setattr(compute_2, "compute", fail)
        assert run(2, 3, "--out", tmp_path) == 1
        said = capsys.readouterr().err
        assert "paper_figures: figure 2: ArithmeticError: singular\n" in said
        assert not list(tmp_path.glob("figure_2*"))
        assert "## Figure 3" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize("trouble", TROUBLE)
    def test_a_fit_in_trouble_is_a_run_that_diverged(self, trouble):
        """Two iterations made, the third in trouble: both are kept."""
        experiment = brief(experiments.CIRCLE[0])
        X, fresh = experiment.samples()

        def fit(start, X, iterations, watch):
            for i in range(2):
                watch(i, start, 1.0)
            raise trouble("in trouble")

        found = _exact(experiment, experiment.network(0, X), X, fresh, fit, 5)
        assert str(found["outcome"]) == "diverged: in trouble"
        assert found["train"][1:].tolist() == [1.0, 1.0]
        assert all(len(found[what]) == 3 for what in ("step", "seconds", "held_out"))
        assert np.all(np.isnan(found["curve"]))
        assert np.isnan(found["noise"])


def names_of(package):
    """The files of a package in which something is defined, as a fingerprint names them."""
    root = source_fingerprint.ROOT
    files = (root / package).rglob("*.py")
    return {
        p.relative_to(root).as_posix() for p in files if len(ast.parse(p.read_bytes()).body) > 1
    }


class TestSources:
    @pytest.mark.parametrize("figure", FIGURES.values(), ids=lambda figure: figure.name)
    def test_the_fingerprint_covers_all_that_computes_and_nothing_that_draws(self, figure):
        names = {
            p.relative_to(source_fingerprint.ROOT).as_posix()
            for p in source_fingerprint.source_files(figure.compute_module)
        }
        assert {"reference/model/network.py", "reference/model/dense.py"} <= names
        if figure.number == "1":
            walk = ("partition/walk.py", "partition/region.py", "polyhedra/polyhedron.py")
            assert {f"reference/{name}" for name in walk} <= names
        else:
            assert names_of("fast") <= names
        assert f"{figure.compute_module.replace('.', '/')}.py" in names
        own = [name for name in names if name.startswith("paper_figures/")]
        assert not any("draw" in name or "style" in name for name in own)

    def test_computing_does_not_import_matplotlib(self):
        modules = [figure.compute_module for figure in FIGURES.values()]
        for path in {
            path for module in modules for path in source_fingerprint.source_files(module)
        }:
            assert "matplotlib" not in {
                name.split(".")[0] for name in _imported(ast.parse(path.read_bytes()))
            }, path


def _imported(tree: ast.AST) -> set[str]:
    nodes = list(ast.walk(tree))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


class TestCosine:
    def test_the_density_agrees_with_adaptive_quadrature(self):
        X = cosine.sample(6, np.random.default_rng(0))
        X[0] += 0.2  # four standard deviations off the curve

        def exact(x):
            def joint(t):
                deviations = np.array([x[0] - t, x[1] - np.cos(1.4 * t)])
                return norm.pdf(t) * norm.pdf(deviations, scale=0.05).prod()

            kwargs = {"points": [x[0]], "epsabs": 0.0, "epsrel": 1e-12, "limit": 200}
            return np.log(quad(joint, x[0] - 0.7, x[0] + 0.7, **kwargs)[0])

        expected = [exact(x) for x in X]
        np.testing.assert_allclose(cosine.log_density(X), expected, rtol=1e-11, atol=1e-11)

    def test_the_entropy_has_converged_and_agrees_with_monte_carlo(self):
        value = cosine.entropy()
        assert value == pytest.approx(cosine.entropy(3), abs=1e-12)
        draws = -cosine.log_density(cosine.sample(20_000, np.random.default_rng(1)))
        assert abs(draws.mean() - value) < 5 * draws.std() / np.sqrt(draws.size)


class TestCircle:
    def test_the_density_agrees_with_adaptive_quadrature(self):
        X = circle.sample(6, np.random.default_rng(0))
        X[0] *= 1.3  # six standard deviations off the circle

        def exact(x):
            angle = np.arctan2(x[1], x[0])

            def joint(t):
                apart = np.array([x[0] - np.cos(angle + t), x[1] - np.sin(angle + t)])
                return norm.pdf(apart, scale=circle.NOISE).prod() / (2.0 * np.pi)

            return np.log(quad(joint, -0.7, 0.7, points=[0.0], epsabs=0.0, epsrel=1e-12)[0])

        np.testing.assert_allclose(circle.log_density(X), [exact(x) for x in X], rtol=1e-11)

    def test_the_entropy_has_converged_and_agrees_with_monte_carlo(self):
        """It would see 0.016 nats; a false alarm has a chance of 1e-9."""
        value = circle.entropy()
        assert value == pytest.approx(circle.entropy(4001), abs=1e-12)
        draws = -circle.log_density(circle.sample(100_000, np.random.default_rng(1)))
        error = draws.std() / np.sqrt(draws.size)
        assert norm.isf(0.5e-9) * error < 0.016
        assert abs(draws.mean() - value) < norm.isf(0.5e-9) * error


class TestPublishedDensity:
    def test_agrees_where_the_prior_s_box_and_the_floor_are_far(self):
        dgn = DGN(Network.random([1, 8, 2], LeakyReLU(0.1), 0), 0.1)
        X = dgn.rvs(20, 0)
        np.testing.assert_allclose(log_density(dgn, X), dgn.logpdf(X), rtol=1e-10)

    def test_one_affine_layer_is_off_by_what_the_floor_adds(self):
        """Beyond the box a mass is 1e-42, whatever it was: log p(x) in closed form, z ~ N(0, 1)."""
        dgn = DGN(Network([Dense([[1.0]], [0.0])]), 1e-4)
        x = np.array([[30.0]])
        exact = norm.logpdf(30.0, scale=np.sqrt(1.0001))
        assert dgn.logpdf(x)[0] == pytest.approx(exact, rel=1e-13)
        expected = exact + np.log(1e-42)
        assert log_density(dgn, x)[0] == pytest.approx(expected, rel=1e-12)


class TestDigits:
    def test_the_data_file_is_what_its_note_says(self):
        with np.load(digits.DATA) as stored:
            shapes = {name: (stored[name].shape, stored[name].dtype) for name in stored.files}
        assert shapes == {
            "train_4": ((1000, 28, 28), np.uint8),
            "test_4": ((500, 28, 28), np.uint8),
            "test_9": ((500, 28, 28), np.uint8),
        }
        note = (digits.DATA.parent / "LICENSE.md").read_text(encoding="utf-8")
        for part in ("MNIST", "LeCun", "Cortes", "Burges", "CC BY-SA 3.0", *shapes):
            assert part in note
        assert digits.checksum() == hashlib.sha256(digits.DATA.read_bytes()).hexdigest()

    def test_images_have_unit_norm_and_the_noise_its_deviation(self):
        clean = digits.images("test_4")
        np.testing.assert_allclose(np.linalg.norm(clean, axis=1), 1.0)
        noise = digits.noisy(clean, np.random.default_rng(0)) - clean
        assert noise.std() == pytest.approx(0.1, rel=0.01)

    def test_the_noise_entropy_is_a_gaussians(self):
        assert digits.noise_entropy() == pytest.approx(784 * norm(scale=0.1).entropy())


class TestStarts:
    def test_no_straight_line_is_more_likely_than_the_best_one(self):
        X = cosine.sample(300, np.random.default_rng(2))
        line = best_line(X)
        best = -line.logpdf(X).mean()
        start = Network([Dense([[0.5], [0.5]], [0.0, 0.0])])
        em = fit_em(start, X, cov_x=0.3, max_iter=2000, tol=0.0)
        assert best <= em.history[-1] + 1e-12
        assert best == pytest.approx(em.history[-1], abs=1e-6)

    def test_a_matched_network_has_the_mean_and_extent_of_the_data(self):
        X = cosine.sample(300, np.random.default_rng(3))
        dgn = DGN(matched_network((1, 8, 8, 2), 0.1, 5, best_line(X)), 1.0)
        np.testing.assert_allclose(dgn.mean(), X.mean(axis=0), atol=0.01)
        line = np.linalg.norm(best_line(X).partition().slopes)
        assert np.sqrt(np.trace(dgn.cov()) - 2.0) == pytest.approx(line, rel=0.01)


class TestCurves:
    def test_a_run_that_stopped_counts_at_the_value_it_reached(self):
        curves = np.array([[3.0, 1.0, np.nan, np.nan], [4.0, 3.0, 2.0, 0.5], [5.0, 4.0, 4.0, 3.0]])
        assert last_values(curves).tolist() == [1.0, 0.5, 3.0]
        assert held(curves)[0].tolist() == [3.0, 1.0, 1.0, 1.0]
        assert median_curve(curves).tolist() == [4.0, 3.0, 2.0, 1.0]
