"""The oracle can fail: deliberate defects of the implementations, and what it says of each."""

import inspect
import textwrap
from dataclasses import replace

import pytest

import fast
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.mutant import Mutant
from oracle.mutants.trial import (
    STAGES,
    DoesNotApply,
    Verdict,
    applied,
    broken_code,
    check,
    function_of,
    run_mutants,
    table,
    unbroken,
)

BY_LABEL = {mutant.label: mutant for mutant in MUTANTS}
#: One of every kind, and the comparison it is shown to: the truths of all take a minute.
REPRESENTATIVE = {
    "reference: a mass wrong by 1e-9, S = 1": "crosscheck, line",
    "fast: a box of ±18 on the latent line": "crosscheck, line",
    "fast: the KL divergence negated": "crosscheck, curve",
    "fast: a simplex missing from T(ω)": "polyhedra",
    "fast: facets of the unit before": "partition, plane",
    "fast: edges between any corners on many cuts": "partition, five",
    "fast: facets hidden in others": "partition, five",
    "reference: kernels flipped": "partition, images",
    "reference: Lemma 2's weight kept": "zero noise",
    "fast: the bias update as printed": "updates, line",
    "fast: draws from the wrong end": "draws, line",
    "fast: regions of little mass left out": "nearly degenerate networks",
}
#: Changes that change nothing.
HARMLESS = (
    Mutant(
        "a variable renamed",
        "reference",
        "distributions.zero_noise",
        "zero_noise_latent",
        "offset = noise.whiten(cov_x, partition.offsets[region])\n"
        "        z = minimiser(partition.polyhedra[region], matrix, target - offset, root)",
        "shift = offset = noise.whiten(cov_x, partition.offsets[region])\n"
        "        z = minimiser(partition.polyhedra[region], matrix, target - shift, root)",
        "No mistake.",
    ),
    Mutant(
        "a docstring changed",
        "fast",
        "distributions.zero_noise",
        "zero_noise_latent",
        "The minimiser for each row",
        "The minimum of each row",
        "No mistake.",
    ),
)


def test_names_are_distinct():
    """Two defects of one name would be told apart by nobody."""
    assert len(BY_LABEL) == len(MUTANTS) >= 45
    assert {mutant.package for mutant in MUTANTS} == {"reference", "fast"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.label)
def test_applies_once_and_is_taken_back(mutant):
    """Every place is there once, the code differs with the defect, and is restored."""
    function = function_of(mutant)
    original = function.__code__
    assert textwrap.dedent(inspect.getsource(function)).count(mutant.replaced) == 1
    with applied(mutant):
        assert function.__code__ is not original
        assert function.__code__.co_code != original.co_code or (
            function.__code__.co_consts != original.co_consts
        )
    assert function.__code__ is original


def test_is_in_force_everywhere_and_taken_back_after_an_exception():
    """The function keeps its identity; an exception inside does not leave the defect behind."""
    mutant = BY_LABEL["fast: the KL divergence negated"]
    dgn = fast.DGN(fast.Network([fast.Dense([[1.0]], [0.0])]), 1.0)
    q = [[0.5]], [[0.0]], [[1.0]]
    right = dgn.kl(*q)
    broken = applied(mutant)
    broken.__enter__()
    assert dgn.kl(*q) == -right
    assert not broken.__exit__(KeyError, KeyError(), None)
    assert dgn.kl(*q) == right
    assert right > 0


@pytest.mark.parametrize(
    "change",
    [
        {"replaced": "no such text"},
        {"replaced": "self"},
        {"function": "DGN.no_such_method"},
        {"function": "NoSuchClass.kl"},
        {"module": "no_such_module"},
        {"function": "DGN"},
    ],
)
def test_a_place_that_is_gone_fails_loudly(change):
    """A refactoring that removes a place makes the defect fail, never pass for caught."""
    mutant = replace(BY_LABEL["fast: the KL divergence negated"], **change)
    with pytest.raises(DoesNotApply):
        check(mutant)


def test_a_method_that_needs_its_class_fails_loudly():
    """`super()` is compiled within a class only."""
    mutant = Mutant(
        "", "fast", "one_dimension.posterior", "IntervalPosterior.__init__", "nothing,\n", "", ""
    )
    mutant = replace(mutant, replaced="terms.entropy,", by="-terms.entropy,")
    with pytest.raises(DoesNotApply):
        broken_code(mutant, function_of(mutant))


@pytest.mark.parametrize(("label", "stage"), REPRESENTATIVE.items())
def test_defect_is_caught(label, stage):
    """And the verdict says by what."""
    verdict = check(BY_LABEL[label], [stage])
    assert verdict.outcome == "caught", verdict
    assert verdict.check == stage
    assert verdict.how


def test_no_comparison_at_all_is_no_verdict():
    """A defect that nothing runs is not reported as missed, nor caught."""
    with pytest.raises(RuntimeError, match="no comparison runs"):
        check(BY_LABEL["fast: the KL divergence negated"], ["zero noise"])


@pytest.mark.parametrize("mutant", HARMLESS, ids=lambda mutant: mutant.name)
def test_harmless_change_is_missed(mutant):
    """Being caught is not automatic."""
    assert check(mutant, ["zero noise"]) == Verdict(mutant, "missed")


def test_a_crash_is_not_caught():
    """An exception that no check of numbers raises shows a clumsy defect."""
    mutant = Mutant(
        "a name that is not there",
        "reference",
        "distributions.zero_noise",
        "zero_noise_latent",
        "found = []",
        "found = nothing",
        "No defect of numbers.",
    )
    verdict = check(mutant, ["zero noise"])
    assert verdict.outcome == "crashed"
    assert verdict.how.startswith("NameError")


def test_trouble_that_the_code_notices_is_caught():
    """A refusal where the unbroken code answers."""
    mutant = Mutant(
        "always outside",
        "reference",
        "polyhedra.quadratic_programs",
        "minimiser",
        "if best is None:",
        "if True:",
        "A check that is too strict.",
    )
    verdict = check(mutant, ["zero noise"])
    assert verdict.outcome == "caught"
    assert verdict.how.startswith("OutsideValidity")


def test_table_counts():
    """A line a defect, and totals."""
    caught = Verdict(MUTANTS[0], "caught", "crosscheck, line", "log p: error 1")
    missed = Verdict(MUTANTS[1], "missed")
    text = table([caught, missed])
    assert f"caught  {MUTANTS[0].label}" in text
    assert "by crosscheck, line: log p: error 1" in text
    assert text.endswith("2 deliberate defects: 1 caught, 1 missed, 0 crashed.")


@pytest.mark.deep
@pytest.mark.parametrize("package", ["reference", "fast"])
@pytest.mark.parametrize("stage", STAGES)
def test_unbroken_code_passes(stage, package):
    """The first control: no comparison complains about the package as it is."""
    assert unbroken(stage, package)[0] is None


@pytest.mark.parametrize("package", ["reference", "fast"])
@pytest.mark.parametrize("stage", [s for s in STAGES if "line" in s])
def test_unbroken_code_passes_with_one_latent_dimension(stage, package):
    assert unbroken(stage, package)[0] is None


@pytest.mark.deep
def test_every_defect_is_caught():
    told = []
    verdicts = run_mutants(told.append, processes=2)
    assert told == verdicts
    assert [v for v in verdicts if v.outcome != "caught"] == []
