"""Checkpoints: training goes on from a file bit for bit, and the file is always whole."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests_support import interrupts

import fast
from fast import LaplacePrior, LeakyReLU, Network


def data(seed=0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, 60)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + 0.1 * rng.standard_normal((60, 2))


def fit(max_iter, seed=0, **options):
    network = Network.random([1, 4, 3, 2], LeakyReLU(0.1), 1)
    options = {"cov_x": 0.3, "tol": 0.0, "init": "data", "random_state": seed, **options}
    return fast.fit_em(network, data(), max_iter=max_iter, **options)


def same(one, other):
    """Every double of two results is the same."""
    np.testing.assert_array_equal(one.history, other.history)
    assert one.outcome == other.outcome
    for name, value in one.dgn.parameters().items():
        np.testing.assert_array_equal(value, other.dgn.parameters()[name])


@pytest.mark.parametrize("prior", [None, LaplacePrior(0.3)], ids=["no prior", "Laplace"])
def test_a_larger_limit_goes_on_bit_for_bit(tmp_path, prior):
    path = tmp_path / "fit.npz"
    fit(3, checkpoint=path, weight_prior=prior)
    same(fit(8, checkpoint=path, weight_prior=prior), fit(8, weight_prior=prior))


@pytest.mark.parametrize("at", [1, 4, 9, 13])
def test_interrupted_starts_go_on_bit_for_bit(tmp_path, at):
    """Three starts of five iterations, interrupted in any of them."""
    path, seen = tmp_path / "fit.npz", []

    def interrupt(iteration, dgn, loss):
        seen.append(loss)
        if len(seen) == at:
            raise KeyboardInterrupt

    stopped = fit(5, n_init=3, checkpoint=path, callback=interrupt)
    assert stopped.outcome == "interrupted"
    assert stopped.history[-1] == min(stopped.losses)
    rest = []
    went_on = fit(
        5, n_init=3, checkpoint=path, callback=lambda i, dgn, loss: bool(rest.append(loss))
    )
    whole = fit(5, n_init=3)
    same(went_on, whole)
    assert len(rest) == 15 - at  # nothing was done twice
    np.testing.assert_array_equal(went_on.losses, whole.losses)


def test_a_finished_fit_is_not_done_again(tmp_path):
    path = tmp_path / "fit.npz"
    first = fit(3, checkpoint=path)
    same(first, fit(3, checkpoint=path, callback=lambda *_: pytest.fail("trained again")))


def test_without_a_seed_the_starts_are_the_files(tmp_path):
    path = tmp_path / "fit.npz"
    first = fit(2, None, checkpoint=path)
    later = fit(4, None, checkpoint=path)
    np.testing.assert_array_equal(later.history[:3], first.history)
    assert later.n_iter == 4


def test_another_fit_is_refused(tmp_path):
    """Other data, settings or starts: ValueError, and the file stays as it is."""
    path = tmp_path / "fit.npz"
    fit(2, checkpoint=path)
    before = path.read_bytes()
    for options in ({"m_step": "paper"}, {"n_init": 2}, {"weight_prior": LaplacePrior(1.0)}):
        with pytest.raises(ValueError, match=r"checkpoint: .* is of a fit to other data"):
            fit(2, checkpoint=path, **options)
    network = Network.random([1, 4, 3, 2], LeakyReLU(0.1), 1)
    for seed, cov_x, X in ((0, 0.3, data(1)), (0, 0.2, data(0)), (6, 0.3, data(0))):
        options = {"cov_x": cov_x, "init": "data", "random_state": seed}
        with pytest.raises(ValueError, match="other data"):
            fast.fit_em(network, X, tol=0.0, max_iter=2, checkpoint=path, **options)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a file of arrays", None])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "fit.npz"
    if content is None:
        Network.random([1, 2, 2], LeakyReLU(0.1), 1).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint: .* holds no state of a fit"):
        fit(2, checkpoint=path)


def test_checkpoints_of_later_versions_are_refused(tmp_path):
    path = tmp_path / "fit.npz"
    fit(2, checkpoint=path)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["format"] = arrays["format"] + 1
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"checkpoint: .*update exactdgn"):
        fit(2, checkpoint=path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="gone"):
        fit(2, checkpoint=tmp_path / "gone" / "fit.npz")


def test_a_file_that_cannot_be_read(tmp_path):
    """What the system says of it, not that it holds no state; and it stays as it is."""
    with pytest.raises(IsADirectoryError):
        fit(2, checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_limit_raised_by_one(tmp_path):
    """The least by which a fit that reached its limit can go on."""
    path = tmp_path / "fit.npz"
    fit(2, checkpoint=path)
    found = fit(3, checkpoint=path)
    assert found.n_iter == 3
    same(found, fit(3))


ENDLESS = """
import os, sys
sys.path[:] = sys.argv[2].split(os.pathsep)
from test_checkpoints import fit
fit(10**6, checkpoint=sys.argv[1])
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_fit_leaves_a_whole_file(tmp_path, end):
    """Killed at any moment, or interrupted, training goes on from what the file says."""
    path, places = tmp_path / "fit.npz", os.pathsep.join(sys.path)
    with interrupts("default"):
        run = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path), places])
    with run:
        try:
            deadline = time.monotonic() + 60
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)
            run.send_signal(end)
            run.wait(60)
        finally:
            run.kill()
    with np.load(path) as stored:
        done = len(stored["history 0"]) - 1
    assert done >= 1
    same(fit(done + 2, checkpoint=path), fit(done + 2))
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".npz"].count("fit.npz") == 1
