"""Local partitions are compared with the oracle on random networks, in a way that can fail."""

from functools import cache

import pytest

import fast
import oracle.checks.random_models as random_models
from oracle.checks.implementations import LOCAL
from oracle.checks.tolerances import TOLERANCES
from oracle.models.architectures import random_case
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.trial import applied
from oracle.truths.agreed import truth

CASE = random_case(41, 2, 2)


@cache
def exact():
    return truth(CASE)


@pytest.fixture
def compared(monkeypatch):
    """The comparison; the truth is computed once."""
    monkeypatch.setattr(random_models, "truth", lambda case: exact())
    return lambda: random_models.crosscheck(CASE, {"fast": fast})


def test_every_quantity_is_compared_and_nothing_declined(compared):
    found = compared()
    assert found.breaches == []
    assert found.declined[LOCAL] == 0
    for quantity in TOLERANCES[2][LOCAL]:
        assert found.tallies[quantity, LOCAL].compared >= len(CASE.X)


def test_bounds_that_do_not_hold_are_breaches(compared):
    (defect,) = [mutant for mutant in MUTANTS if mutant.name == "pieces ruled out too soon"]
    with applied(defect):
        assert any(b.startswith(f"{LOCAL}: ") and "bounds of" in b for b in compared().breaches)


def test_what_is_declined_is_counted(compared, monkeypatch):
    """One part of three at each of two points."""
    original = fast.DGN.logpdf

    def lost(self, X):
        if self.is_local:
            raise ArithmeticError("X: too few digits")
        return original(self, X)

    monkeypatch.setattr(fast.DGN, "logpdf", lost)
    found = compared()
    # Where log p is declined, so is the part that has it among others.
    assert found.declined[LOCAL] == 2 * len(CASE.X)
    assert ("log p", LOCAL) not in found.tallies
    assert found.tallies["bounds of log p", LOCAL].compared == len(CASE.X)
