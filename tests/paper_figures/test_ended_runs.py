"""Runs of `paper_figures` that are ended before they are done: by Ctrl-C, killed, first process
alone; or not ended, because SIGINT is ignored as it is in a script's background job."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from test_seed_runs import TRIAL
from tests_support import interrupts

from paper_figures.figures.figure_11_printed_m_step.one_start import run
from paper_figures.records import source_fingerprint
from paper_figures.records.keyed_arrays import load
from paper_figures.records.output_folder import prepare_folder
from paper_figures.records.runs_by_seed import SECONDS, runs_of

INTERRUPTED = "paper_figures: interrupted; what was done is kept"
#: Seconds after which a process hangs, on however busy a machine.
LONG = 500


def stuck(job, seed):
    """A run that is done for seed 0, and for no other in the time of a test."""
    if seed:
        time.sleep(600)
    return run(job, seed)


#: `python -m paper_figures`, of such runs or of short ones: started, ended and run as that is.
SHORT = """
import os, sys
from pathlib import Path
sys.path[:] = sys.argv[1].split(os.pathsep)
from paper_figures import __main__, command
from paper_figures.records.runs_by_seed import runs_of
import test_ended_runs as these

def main():
    function, count, folder = sys.argv[2:]
    runs_of(getattr(these, function), [these.TRIAL], range(int(count)), Path(folder))
    return 0

command.main = main
sys.exit(__main__.run())
"""


@contextmanager
def started(disposition, *arguments):
    """A Python process in a session of its own, so that a signal can go to all of it. All of it is
    gone in the end."""
    with interrupts(disposition):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=source_fingerprint.ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            encoding="utf-8",
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def short(disposition, function, count, folder):
    """So many runs of a function of this module."""
    arguments = (os.pathsep.join(sys.path), function, str(count), str(folder))
    return started(disposition, "-c", SHORT, *arguments)


def wait_for(condition, process):
    """Until it holds, the process at work."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def whole_runs(folder):
    """The runs in a folder, all whole; beside them nothing but, perhaps, the file that was being
    written."""
    prepare_folder(folder)
    found = sorted(folder.glob("runs/*.npz"))
    for path in found:
        with np.load(path) as stored:
            assert load(path, str(stored["key"])) is not None
    assert sum(path.suffix != ".npz" for path in folder.glob("runs/*")) <= 1
    return found


@pytest.mark.parametrize(
    ("how", "send", "says"),
    [
        pytest.param(signal.SIGKILL, os.killpg, None, id="killed"),
        pytest.param(signal.SIGINT, os.killpg, INTERRUPTED, id="interrupted"),
        pytest.param(signal.SIGINT, os.kill, INTERRUPTED, id="first-process-interrupted"),
        pytest.param(signal.SIGTERM, os.kill, None, id="first-process-ended"),
    ],
)
def test_a_run_that_is_ended_leaves_whole_files_and_goes_on(how, send, says, tmp_path):
    """Ended once the first run is there: every file is whole, nothing else is, no process goes on
    with the second, and what is done is not computed again."""
    with short("default", "stuck", 2, tmp_path) as process:
        wait_for(lambda: list(tmp_path.glob("runs/*.npz")), process)
        send(process.pid, how)
        output, errors = process.communicate(timeout=LONG)  # all processes have let go of the pipes
    assert output == ""
    assert process.returncode == (-how if says is None else 130)
    assert says is None or errors.strip() == says
    (kept,) = whole_runs(tmp_path)
    before = kept.stat().st_mtime_ns
    runs_of(stuck, [TRIAL], [0], tmp_path)
    assert kept.stat().st_mtime_ns == before


def test_where_interrupts_are_ignored_a_run_goes_on(tmp_path):
    """SIGINT to all its processes, again and again, while they start and while they compute."""
    with short("ignored", "run", 6, tmp_path) as process:
        while process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert len(whole_runs(tmp_path)) == 6


#: The command, interrupted while the garbage collector calls back.
IN_A_CALLBACK = """
import gc, signal, sys, time
from paper_figures import __main__, command

def interrupted(phase, info):
    gc.callbacks.clear()
    signal.raise_signal(signal.SIGINT)
    time.sleep(0)

def main():
    gc.callbacks.append(interrupted)
    gc.collect()
    time.sleep(30)
    return 0

command.main = main
sys.exit(__main__.run())
"""


def test_an_interrupt_that_falls_into_a_callback_is_not_lost():
    """Python drops exceptions of callbacks."""
    with started("default", "-c", IN_A_CALLBACK) as process:
        output, errors = process.communicate(timeout=LONG)
    assert (process.returncode, output, errors.strip()) == (130, "", INTERRUPTED)


def command(folder):
    """Figure 11 with two starts."""
    return ["-m", "paper_figures", "11", "--seeds", "2", "--out", str(folder)]


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    """The folder of a whole run, and the seconds of one that has little left to do."""
    folder = tmp_path_factory.mktemp("figure")
    subprocess.run([sys.executable, *command(folder)], cwd=source_fingerprint.ROOT, check=True)
    again = little_left(folder, tmp_path_factory.mktemp("again") / "out")
    begun = time.monotonic()
    subprocess.run([sys.executable, *command(again)], cwd=source_fingerprint.ROOT, check=True)
    return folder, time.monotonic() - begun


def little_left(folder, copy):
    """A copy without the figure and without two of its runs."""
    shutil.copytree(folder, copy)
    for path in [*copy.glob("*.*"), *copy.glob("runs/*circle_1-8-2_*.npz")]:
        path.unlink()
    return copy


def same_numbers(path, other):
    """Whether two files hold the same but for the time that it took."""
    with np.load(path) as one, np.load(other) as two:
        assert one.files == two.files
        return all(
            np.array_equal(one[name], two[name], equal_nan=one[name].dtype.kind == "f")
            for name in one.files
            if name != SECONDS
        )


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("disposition", ["default", "ignored"])
def test_interrupted_at_any_moment(disposition, seed, figure, tmp_path, record_property):
    """A hundred runs of the command, each interrupted at a random moment, in turn by a signal to
    all its processes and to the first one alone.

    Where interrupts are not ignored, two moments are the interpreter's own: before it has reached
    this project's code, and after all is done.
    """
    complete, duration = figure
    folder = little_left(complete, tmp_path / "out")
    moment = np.random.default_rng(seed).uniform(0, duration)
    with started(disposition, *command(folder)) as process:
        time.sleep(moment)
        (os.killpg, os.kill)[seed % 2](process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=LONG)
    record_property("ended", f"{disposition} {seed} at {moment:.2f} s: {process.returncode}")
    runs, files = whole_runs(folder), {path.name for path in folder.glob("*.*")}
    assert all(same_numbers(path, complete / "runs" / path.name) for path in runs)
    done = files == {path.name for path in complete.glob("*.*")}
    if process.returncode == 130:
        assert disposition == "default"
        assert errors.splitlines()[-1] == INTERRUPTED
    elif done:
        assert process.returncode in ((0, -signal.SIGINT) if disposition == "default" else (0,))
        assert same_numbers(folder / "figure_11.npz", complete / "figure_11.npz")
    else:
        assert disposition == "default"
        assert "paper_figures" not in errors
        assert not files
        return
    assert "Traceback" not in errors
    assert "Exception" not in errors
