"""Every numbered result of the paper has functions in both implementations, and checks."""

import ast
import importlib
from functools import cached_property
from pathlib import Path
from types import ModuleType

import pytest

from oracle.campaign.coverage import RESULTS
from oracle.checks.tolerances import TOLERANCES
from oracle.fixed_checks.all_checks import CHECKS

ROOT = Path(__file__).parents[2]
#: What the paper numbers, and what its sections derive without a number.
NUMBERED = {
    *(f"eq. {n}" for n in range(1, 10)),
    *(f"Lemma {n}" for n in range(1, 5)),
    "Corollary 1",
    *(f"Proposition {n}" for n in range(1, 4)),
    "Theorem 1",
    "Sec. 4.1, E-step",
    *(f"Sec. 4.2, {name}" for name in ("biases", "weights", "Σx", "Σz")),
    "Appendix A",
    "Appendix B",
}


def resolved(package, name):
    """The function or class of a dotted name within a package; AttributeError if there is none."""
    parts = name.split(".")
    place = importlib.import_module(package)
    for part in parts:
        if isinstance(place, ModuleType) and hasattr(place, "__path__") and len(parts) > 1:
            place = importlib.import_module(f"{place.__name__}.{part}")
        else:
            place = getattr(place, part)
    return place


def test_nothing_is_left_out():
    """Every result of the paper is there, once."""
    names = [result.name for result in RESULTS]
    assert len(names) == len(set(names))
    assert set(names) >= NUMBERED


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.name)
def test_functions_and_checks(result):
    """At least one function in each implementation and one check; every name leads somewhere."""
    assert result.reference
    assert result.fast
    assert result.quantities or result.fixed or result.proofs
    for package, names in (("reference", result.reference), ("fast", result.fast)):
        for name in names:
            found = resolved(package, name)
            assert callable(found) or isinstance(found, property | cached_property), name
    assert set(result.quantities) <= set(TOLERANCES[1]["fast"])
    for prefix in result.fixed:
        assert any(name.split(",")[0] == prefix for name in CHECKS), prefix
    for test in result.tests:
        path, *names = test.split("::")
        defined = {
            node.name
            for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body
            if named(node)
        }
        assert set(names) <= defined, test


def named(node):
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


def test_a_name_that_leads_nowhere_is_seen():
    with pytest.raises(AttributeError):
        resolved("reference", "distributions.e_step.nothing")
    with pytest.raises(ModuleNotFoundError):
        resolved("fast", "nothing.elbo")
