"""How far it has come is told where that is asked for, and changes nothing."""

import sys

import numpy as np
import pytest

import fast
from fast import Network, ReLU
from fast.distributions import progress

WIDTHS = {"intervals": [1, 8, 3], "polyhedra": [2, 6, 3], "boxes": [2, 6, 3]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What takes no time is told as well."""
    monkeypatch.setattr(progress, "_QUIET", 0.0)
    monkeypatch.setattr(progress, "_BETWEEN", 0.0)


def model(name, **options):
    partition = "local" if name == "boxes" else "full"
    return fast.DGN(Network.random(WIDTHS[name], ReLU(), 0), 0.1, partition=partition, **options)


@pytest.mark.parametrize("bars", [True, False])
@pytest.mark.parametrize("name", WIDTHS)
def test_data_are_counted(name, bars, capsys, monkeypatch):
    if not bars:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    shown, silent = model(name, progress=True), model(name)
    X = silent.rvs(70, 0) if name != "boxes" else model("polyhedra").rvs(70, 0)
    expected = silent.logpdf(X), silent.posterior(X).mean()
    assert capsys.readouterr().err == ""
    found = shown.logpdf(X), shown.posterior(X).mean()
    said = capsys.readouterr().err
    assert ("70/70" if bars else "data: 70 of 70") in said
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bars", [True, False])
def test_units_that_have_cut_are_counted(bars, capsys, monkeypatch):
    """And a callback is called as well."""
    if not bars:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    calls = []
    partition = model("polyhedra", progress=True).partition(lambda *told: calls.append(told))
    said = capsys.readouterr().err
    assert ("6/6" if bars else "partition, units: 6 of 6") in said
    assert calls[-1] == (6, 6, partition.n_regions)
    assert [done for done, _, _ in calls] == [1, 2, 3, 4, 5, 6]


def test_what_is_raised_ends_the_bar(capsys):
    def stop(done, units, regions):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model("polyhedra", progress=True).partition(stop)
    with pytest.raises(ValueError, match="max_regions"):
        model("polyhedra", progress=True, max_regions=3).partition()


def test_what_is_quick_is_not_told(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET", 60.0)
    for bars in (True, False):
        if not bars:
            monkeypatch.setitem(sys.modules, "tqdm", None)
        model("polyhedra", progress=True).logpdf(np.zeros((5, 3)))
        assert capsys.readouterr().err == ""
