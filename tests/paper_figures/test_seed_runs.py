"""Runs side by side, each kept in a file of its own."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest

from paper_figures.comparison.experiments import CIRCLE
from paper_figures.figures.figure_11_printed_m_step.one_start import Trial, run
from paper_figures.records import runs_by_seed
from paper_figures.records.output_folder import prepare_folder
from paper_figures.records.runs_by_seed import SECONDS, runs_of, stacked

TRIAL = Trial(replace(CIRCLE[0], n=50, n_held_out=20), (1.0,), 2)


@dataclass(frozen=True)
class Job:
    """Of runs that are made here."""

    name: str = "job"
    size: int = 3

    def record(self):
        return asdict(self)


@pytest.fixture
def counted(monkeypatch):
    """A run that counts its calls, in this process."""
    calls = []

    def run(job, seed):
        calls.append(seed)
        return {"values": np.arange(float(job.size + seed)), "word": np.array("x" * seed)}

    run.__module__ = "paper_figures.data_sets.cosine"
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    run.calls = calls
    return run


class TestKept:
    def test_a_second_time_nothing_is_computed(self, counted, tmp_path):
        (first,) = runs_of(counted, [Job()], [0, 1], tmp_path)
        (again,) = runs_of(counted, [Job()], [0, 1], tmp_path)
        assert counted.calls == [0, 1]
        for name, values in first.items():
            np.testing.assert_array_equal(again[name], values)

    def test_more_seeds_cost_only_the_new_ones(self, counted, tmp_path):
        runs_of(counted, [Job()], [0, 1], tmp_path)
        runs_of(counted, [Job()], [0, 1, 2, 3], tmp_path)
        assert counted.calls == [0, 1, 2, 3]

    def test_a_deleted_or_damaged_run_is_computed_again_alone(self, counted, tmp_path):
        runs_of(counted, [Job()], [0, 1, 2], tmp_path)
        paths = sorted((tmp_path / "runs").iterdir())
        assert len(paths) == 3
        paths[0].unlink()
        paths[2].write_bytes(paths[2].read_bytes()[:50])
        runs_of(counted, [Job()], [0, 1, 2], tmp_path)
        assert counted.calls == [0, 1, 2, 0, 2]

    def test_other_parameters_or_code_are_other_runs(self, counted, tmp_path, monkeypatch):
        runs_of(counted, [Job()], [0], tmp_path)
        runs_of(counted, [Job(size=4)], [0], tmp_path)
        monkeypatch.setattr(f"{runs_by_seed.__name__}.fingerprint", lambda module: "other code")
        runs_of(counted, [Job(size=4)], [0], tmp_path)
        assert counted.calls == [0, 0, 0]

    def test_a_file_of_another_seed_is_not_believed(self, counted, tmp_path):
        runs_of(counted, [Job()], [0, 1], tmp_path)
        zero, one = sorted((tmp_path / "runs").iterdir())
        one.write_bytes(zero.read_bytes())
        runs_of(counted, [Job()], [0, 1], tmp_path)
        assert counted.calls == [0, 1, 1]

    def test_what_is_done_before_a_failure_is_kept(self, tmp_path, monkeypatch):
        def run(job, seed):
            if seed == 2:
                raise RuntimeError("half-way")
            return {"values": np.zeros(1)}

        run.__module__ = "paper_figures.data_sets.cosine"
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        with pytest.raises(RuntimeError, match="half-way"):
            runs_of(run, [Job()], [0, 1, 2], tmp_path)
        assert len(list((tmp_path / "runs").iterdir())) == 2

    def test_without_a_folder_nothing_is_written(self, counted, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        runs_of(counted, [Job()], [0], None)
        assert not list(tmp_path.iterdir())


class TestSideBySide:
    def test_other_processes_compute_the_same(self, tmp_path, monkeypatch):
        (apart,) = runs_of(run, [TRIAL], [0, 1], None)
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        (here,) = runs_of(run, [TRIAL], [0, 1], None)
        assert apart.keys() == here.keys()
        np.testing.assert_allclose(apart["nll"], here["nll"], rtol=1e-9)
        assert np.all(apart[SECONDS] > 0)

    def test_a_failure_elsewhere_is_raised_here(self):
        broken = replace(TRIAL, dampings=(-1.0,))
        with pytest.raises(ValueError, match="damping"):
            runs_of(run, [broken], [0, 1], None)
        (found,) = runs_of(run, [TRIAL], [0, 1], None)  # and the next ones are not lost
        assert np.all(np.isfinite(found["nll"]))


class TestStacked:
    def test_shorter_rows_go_on_with_nan(self):
        found = stacked(
            [
                {"a": np.array([1.0, 2.0]), "b": np.array("x")},
                {"a": np.array([3.0]), "b": np.array("yy")},
            ]
        )
        np.testing.assert_array_equal(found["a"], [[1.0, 2.0], [3.0, np.nan]])
        assert found["b"].tolist() == ["x", "yy"]


def test_what_a_killed_writer_left_is_cleared_away_later(tmp_path):
    (tmp_path / "runs").mkdir()
    old, new = tmp_path / "runs" / ".a.npz.x.part", tmp_path / ".b.png.y.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    prepare_folder(tmp_path)
    assert not old.exists()
    assert new.exists()  # it may be another command's, at work
