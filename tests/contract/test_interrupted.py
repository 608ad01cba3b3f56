"""A model that is interrupted anywhere is as good as new, and one that several threads use tells
all of them the same."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

import fast
from fast import Abs, LeakyReLU, Network, ReLU

MODELS = {
    "one dimension": lambda: fast.DGN(Network.random([1, 12, 12, 3], ReLU(), 0), 0.1),
    "two dimensions": lambda: fast.DGN(Network.random([2, 6, 4, 3], LeakyReLU(0.1), 1), 0.1),
    "three dimensions": lambda: fast.DGN(Network.random([3, 2, 3], Abs(), 2), 0.2),
    "boxes": lambda: fast.DGN(Network.random([2, 6, 4, 3], ReLU(), 1), 0.1, partition="local"),
}
X = np.array([[0.3, -0.2, 0.5], [1.0, 0.4, -0.7], [-0.6, 0.1, 0.2]])
#: At how many places, spread evenly over the calls of functions, a model is interrupted.
PLACES = 5


def everything(dgn):
    """Numbers of every kind that a model tells."""
    latent = dgn.network.latent_dimension
    posterior, sums = dgn.posterior(X), dgn.statistics(X)
    q = np.zeros((3, latent)), np.ones((3, latent))
    told = {
        "log p": dgn.logpdf(X),
        "mean": posterior.mean(),
        "cov": posterior.cov(),
        "mode": posterior.mode(),
        "draws": posterior.rvs(3, 0),
        "entropy": posterior.entropy(),
        "ELBO": dgn.elbo(X, *q),
        "KL": dgn.kl(X, *q),
        "masses": sums.e0,
        **dgn.gradient(X),
    }
    if not dgn.is_local:
        told |= {"codes": dgn.partition().codes, "marginal": dgn.mean()}
    return told


@cache
def expected(name):
    return everything(MODELS[name]())


class Interrupts:
    """Raises KeyboardInterrupt at a call of a Python function in `fast`, as Ctrl-C may."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, frame, event, argument):
        if event == "call" and frame.f_globals.get("__name__", "").startswith("fast."):
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt

    def __enter__(self):
        sys.setprofile(self)
        return self

    def __exit__(self, *why):
        sys.setprofile(None)


def assert_same(found, name):
    assert found.keys() == expected(name).keys()
    for key, value in expected(name).items():
        np.testing.assert_array_equal(found[key], value, key)


@pytest.mark.parametrize("name", MODELS)
def test_an_interrupted_model_is_as_good_as_new(name):
    """After every interrupt the same model goes on to the next; in the end it tells what a new one
    does, to the last bit."""
    expected(name)  # what is kept between models is there
    with Interrupts(0) as all_calls:
        everything(MODELS[name]())
    dgn = MODELS[name]()
    for at in np.linspace(1, 0.95 * all_calls.calls, PLACES, dtype=int).tolist():
        for model in (MODELS[name](), dgn):
            raised = False
            with Interrupts(at):
                try:
                    everything(model)
                except KeyboardInterrupt:
                    raised = True
            # What is kept from before needs fewer calls.
            assert raised or model is dgn
            assert_same(everything(model), name)


@pytest.mark.parametrize("name", MODELS)
def test_threads_are_told_the_same(name):
    """Four at once, of a model that has computed nothing yet."""
    dgn, together = MODELS[name](), threading.Barrier(4)

    def ask(_):
        together.wait()
        return everything(dgn)

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(ask, range(4)):
            assert_same(found, name)


def test_an_interrupt_leaves_nothing_half_found():
    """What a callback raises is raised, and the regions are found the next time."""
    dgn = MODELS["two dimensions"]()

    def stop(done, units, regions):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dgn.partition(stop)
    assert_same(everything(dgn), "two dimensions")
