"""The figures' command, their cache, and the numbers they draw beside the results."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.integrate import quad
from scipy.stats import norm

from fast import DGN, Dense, LeakyReLU, Network, fit_em, fit_mle
from paper_figures import (
    command,
    compute_1,
    compute_2,
    compute_3,
    compute_3b,
    compute_6,
    compute_7,
    compute_8,
    cosine,
    digits,
    sources,
)
from paper_figures.catalogue import FIGURES
from paper_figures.curves import held, last_values, median_curve, ranking
from paper_figures.em_runs import Training
from paper_figures.files import write_whole
from paper_figures.options import Options
from paper_figures.starts import best_line, matched_network

SUFFIXES = (".json", ".npz", ".pdf", ".png")


def run(*arguments: object) -> int:
    return command.main([str(argument) for argument in arguments])


@pytest.fixture
def brief(monkeypatch):
    """Figures 6 and 7 with three iterations, small networks and a tenth of the images."""
    every = digits.images
    monkeypatch.setattr(digits, "images", lambda name: every(name)[:100])
    for module, widths in ((compute_6, (1, 8, 2)), (compute_7, (1, 8, 784))):
        both = [Training((*widths[:2], *extra), 0.1, 0.5, 3, 1e-7) for extra in ((), (4,))]
        both = [Training((*t.widths, widths[-1]), 0.1, 0.5, 3, 1e-7) for t in both]
        monkeypatch.setattr(module, "_trainings", lambda options, both=both: both)


@pytest.fixture
def counted(monkeypatch):
    """How often each figure has been computed."""
    modules = {
        "1": compute_1,
        "2": compute_2,
        "3": compute_3,
        "3b": compute_3b,
        "6": compute_6,
        "7": compute_7,
        "8": compute_8,
    }
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


def reduce_8(monkeypatch):
    """Few points, units and iterations for figure 8, held-out data included."""
    monkeypatch.setattr(compute_8, "_HELD_OUT", 20)
    cases = [
        compute_8._Case("sphere", (2, 3, 3), 40, 2, 3),
        compute_8._Case("roll", (2, 3, 3), 40, 2, 3),
        compute_8._Case("digits", (2, 3, 8), 40, 2, 3),
        compute_8._Case("digits_3", (3, 2, 8), 20, 1, 1),
    ]
    monkeypatch.setattr(compute_8, "_cases", lambda options: cases)


@pytest.fixture
def undrawn(monkeypatch):
    """Blank pictures, a coarse grid and few regions, for tests that ask only whether something is
    computed."""
    monkeypatch.setattr(compute_1, "_WIDTHS", [2, 2, 2])
    monkeypatch.setattr(compute_2, "_WIDTHS", [2, 5, 4, 2])
    monkeypatch.setattr(compute_3, "_QUICK_GRID", 12)
    reduce_3b(monkeypatch)
    reduce_8(monkeypatch)
    for number in FIGURES:
        module = importlib.import_module(f"paper_figures.draw_{number}")
        monkeypatch.setattr(module, "draw", lambda numbers: Figure(figsize=(1, 1)))


class TestCommand:
    @pytest.mark.parametrize(
        ("arguments", "part"),
        [
            (["4"], "no figure '4'; there are 1, 2, 3, 3b, 6, 7, 8"),
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

    @pytest.mark.parametrize("package", ["matplotlib", "tqdm"])
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

    def test_list_names_every_figure_and_writes_nothing(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert run("list") == 0
        numbers = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert numbers == ["1", "2", "3", "3b", "6", "7", "8"]
        assert not list(tmp_path.iterdir())

    def test_it_starts_as_a_module_and_is_silent_on_stdout_when_it_fails(self):
        done = subprocess.run(
            [sys.executable, "-m", "paper_figures", "99"],
            capture_output=True,
            text=True,
            cwd=sources.ROOT,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1


class TestFigures:
    def test_figure_1_end_to_end(self, tmp_path):
        assert run(1, "--out", tmp_path) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"figure_1{s}" for s in SUFFIXES]
        results = json.loads((tmp_path / "figure_1.json").read_text())["results"]
        assert sum(results["regions_by_ring"]) == results["n_regions"]
        assert results["regions_by_ring"][:2] == [1, results["facets_of_the_start"]]

    def test_figure_1_polygons_cover_the_window_once(self):
        numbers = compute_1.compute(Options())
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
        assert [path.name for path in written] == [f"figure_3{suffix}" for suffix in SUFFIXES]
        assert sorted(capsys.readouterr().out.split()) == [str(path) for path in written]
        assert (tmp_path / "new" / "figure_3.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "new" / "figure_3.pdf").read_bytes().startswith(b"%PDF")
        record = json.loads((tmp_path / "new" / "figure_3.json").read_text())
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

    def test_figure_2_end_to_end(self, tmp_path):
        """The triangle's signed masses, and the triangles', add up to what `fast` integrates."""
        assert run(2, "--out", tmp_path) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"figure_2{s}" for s in SUFFIXES]
        results = json.loads((tmp_path / "figure_2.json").read_text())["results"]
        assert results["triangles"] == results["corners"] - 2
        assert len(results["signed_polyhedra"]) == 7
        assert abs(results["triangles_minus_region"]) < 1e-14

    def test_figure_2_counts_every_point_of_the_triangle_once(self):
        numbers = compute_2.compute(Options())
        total = np.tensordot(numbers["signs"], numbers["inside"], axes=1)
        assert set(np.unique(total)) == {0, 1}
        cell = np.diff(numbers["grid_1"])[0] * np.diff(numbers["grid_2"])[0]
        triangle = numbers["triangles"][int(numbers["chosen"])]
        assert total.sum() * cell == pytest.approx(compute_2._area(triangle), rel=0.02)

    def test_figure_3b_end_to_end(self, tmp_path, monkeypatch):
        """The integrals of p(z | x) and p(x) over their grids are 1 to the grids' accuracy."""
        reduce_3b(monkeypatch)
        assert run("3b", "--out", tmp_path) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"figure_3b{s}" for s in SUFFIXES]
        results = json.loads((tmp_path / "figure_3b.json").read_text())["results"]
        assert results["sum_of_e0"] == pytest.approx(1.0, abs=1e-12)
        assert results["mass_of_p_z_given_x_on_the_grid"] == pytest.approx(1.0, abs=0.02)
        assert results["mass_of_p_x_on_the_grid"] == pytest.approx(1.0, abs=0.05)

    def test_figures_6_and_7_keep_every_start(self, brief, tmp_path, capsys):
        assert run(6, 7, "--seeds", 3, "--out", tmp_path) == 0
        for number in (6, 7):
            record = json.loads((tmp_path / f"figure_{number}.json").read_text())
            assert record["parameters"]["seeds"] == [0, 1, 2]
            assert "EM side only" in record["title"]
            for results in record["results"]["em"].values():
                assert len(results["train_nll"]["all"]) == 3
                assert len(results["held_out_nll"]["all"]) == 3
                assert sum(results["outcomes"].values()) == 3
                assert results["largest_rise_in_one_iteration"] <= 1e-10

    def test_figure_8_end_to_end(self, tmp_path, monkeypatch):
        """Likelihood never ends above EM, nor EM above an affine start's Gaussian by much; every
        start is kept; the Gaussians are numpy's and PPCA's."""
        reduce_8(monkeypatch)
        assert run(8, "--seeds", 2, "--out", tmp_path) == 0
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"figure_8{s}" for s in SUFFIXES]
        results = json.loads((tmp_path / "figure_8.json").read_text())["results"]
        assert list(results) == ["sphere", "roll", "digits", "digits_3"]
        for found in results.values():
            assert len(found["all_starts"]) == len(found["outcomes"]) == 2
            assert found["em_then_likelihood"][0] <= found["em"][0]
            assert found["em_then_likelihood"][0] == min(ends[0] for ends in found["all_starts"])
            assert found["affine"][0] >= found["gaussian"][0] - 1e-12

    def test_affine_models_of_figure_8_are_fit_mle_s(self):
        """PPCA in closed form is where the exact likelihood of one affine layer leads."""
        case = compute_8._Case("sphere", (2, 3, 3), 60, 1, 1)
        train, test = compute_8._data("sphere", 60)
        found = compute_8._gaussians(case, train, test)["sphere_affine"]
        start = DGN(Network([Dense(np.eye(3)[:, :2], np.zeros(3))]), 0.3)
        fitted = fit_mle(start, train, gtol=1e-7).dgn
        assert -fitted.logpdf(train).mean() == pytest.approx(found[0], abs=1e-9)
        assert -fitted.logpdf(test).mean() == pytest.approx(found[1], abs=1e-4)

    def test_one_start_is_enough_to_draw(self, brief, tmp_path):
        assert run(6, 7, "--seeds", 1, "--out", tmp_path) == 0
        assert len(list(tmp_path.iterdir())) == 8


class TestCache:
    def test_a_second_run_computes_nothing(self, brief, counted, undrawn, tmp_path):
        run("--seeds", 1, "--out", tmp_path)
        run("--seeds", 1, "--out", tmp_path)
        assert set(counted.values()) == {1}

    def test_a_second_run_draws_the_same_to_the_last_byte(self, tmp_path):
        run(3, "--out", tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        run(3, "--out", tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("suffix", [".npz", ".json"])
    def test_deleting_one_result_recomputes_only_that_one(
        self, brief, counted, undrawn, tmp_path, suffix
    ):
        run(3, 6, "--seeds", 1, "--out", tmp_path)
        (tmp_path / f"figure_3{suffix}").unlink()
        run(3, 6, "--seeds", 1, "--out", tmp_path)
        assert {name: count for name, count in counted.items() if count} == {"3": 2, "6": 1}

    def test_a_deleted_picture_is_drawn_again_from_the_numbers(self, counted, undrawn, tmp_path):
        run(3, "--out", tmp_path)
        (tmp_path / "figure_3.png").unlink()
        run(3, "--out", tmp_path)
        assert (tmp_path / "figure_3.png").exists()
        assert counted["3"] == 1

    def test_other_parameters_recompute_what_depends_on_them(
        self, brief, counted, undrawn, tmp_path
    ):
        run(3, 6, "--seeds", 1, "--out", tmp_path)
        run(3, 6, "--seeds", 2, "--out", tmp_path)
        assert {name: count for name, count in counted.items() if count} == {"3": 1, "6": 2}

    def test_changed_code_recomputes(self, counted, undrawn, tmp_path, monkeypatch):
        run(3, "--out", tmp_path)
        monkeypatch.setattr("paper_figures.results.fingerprint", lambda module: "other code")
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
        self, brief, counted, undrawn, tmp_path
    ):
        run(6, "--seeds", 1, "--out", tmp_path)
        old = (tmp_path / "figure_6.npz").read_bytes()
        run(6, "--seeds", 2, "--out", tmp_path)
        (tmp_path / "figure_6.npz").write_bytes(old)
        run(6, "--seeds", 2, "--out", tmp_path)
        assert counted["6"] == 3


class TestWholeFiles:
    def test_a_failure_while_computing_leaves_nothing(self, tmp_path, monkeypatch):
        def fail(options):
            raise RuntimeError("half-way")

        monkeypatch.setattr(compute_3, "compute", fail)
        with pytest.raises(RuntimeError, match="half-way"):
            run(3, "--out", tmp_path)
        assert not list(tmp_path.iterdir())

    def test_a_failure_while_writing_leaves_only_whole_files(self, tmp_path, monkeypatch):
        replace = os.replace

        def fail_on_json(source, target):
            if str(target).endswith(".json"):
                raise OSError("disk gone")
            replace(source, target)

        monkeypatch.setattr(os, "replace", fail_on_json)
        with pytest.raises(OSError, match="disk gone"):
            run(3, "--out", tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["figure_3.npz"]
        monkeypatch.undo()
        assert run(3, "--out", tmp_path) == 0
        assert len(list(tmp_path.iterdir())) == 4

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


class TestSources:
    @pytest.mark.parametrize("figure", FIGURES.values(), ids=lambda figure: figure.name)
    def test_the_fingerprint_covers_all_that_computes_and_nothing_that_draws(self, figure):
        names = {
            p.relative_to(sources.ROOT).as_posix()
            for p in sources.source_files(figure.compute_module)
        }
        assert {"reference/network.py", "reference/layers.py"} <= names
        if figure.number == "1":
            assert {"reference/walk.py", "reference/regions.py", "reference/polyhedron.py"} <= names
        else:
            package = (sources.ROOT / "fast").glob("*.py")
            assert {f"fast/{path.name}" for path in package} <= names
        assert f"paper_figures/compute_{figure.number}.py" in names
        assert not any("draw" in name or "style" in name for name in names)

    def test_computing_does_not_import_matplotlib(self):
        for figure in FIGURES.values():
            for path in sources.source_files(figure.compute_module):
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


class TestDigits:
    def test_the_data_file_is_what_its_note_says(self):
        with np.load(digits.DATA) as stored:
            shapes = {name: (stored[name].shape, stored[name].dtype) for name in stored.files}
        assert shapes == {
            "train_4": ((1000, 28, 28), np.uint8),
            "test_4": ((500, 28, 28), np.uint8),
            "test_9": ((500, 28, 28), np.uint8),
        }
        note = (digits.DATA.parent / "LICENSE.md").read_text()
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
        assert ranking(curves).tolist() == [1, 0, 2]
        assert held(curves)[0].tolist() == [3.0, 1.0, 1.0, 1.0]
        assert median_curve(curves).tolist() == [4.0, 3.0, 2.0, 1.0]
