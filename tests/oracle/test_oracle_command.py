"""`python -m oracle`: the table, the exit code, and the failing case kept in a file."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import fast.partition.partition
import oracle.__main__ as command
import reference
from oracle import Case
from oracle.campaign import run as campaign
from oracle.checks import partitions as partition_check
from oracle.checks import random_models as crosscheck
from oracle.checks.tolerances import TOLERANCES
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.slipped import SLIPPED
from oracle.mutants.trial import Verdict
from oracle.mutation import score as mutation_score
from oracle.mutation.score import Score
from oracle.mutation.trials import Trial
from reference.model import Network


def test_clean_run(capsys, tmp_path):
    """Two architectures without a breach: exit code 0, a line a quantity and implementation."""
    arguments = ["--architectures", "2", "--seed", "56", "--points", "1", "--out", str(tmp_path)]
    code = command.main(arguments)
    printed = capsys.readouterr().out
    assert code == 0
    assert "No breach." in printed
    for quantity in TOLERANCES[1]["fast"]:
        assert f"\n{quantity} " in printed
    line, plane = printed.split("\nS = 2: ")
    assert line.count(" reference ") - 1 == line.count(" fast ") - 1 == len(TOLERANCES[1]["fast"])
    assert plane.count("2 networks") == 2
    assert printed.count(" 0 differences") == 2
    assert "Report: " in printed
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No breach." in content
    assert sorted(p.name for p in (tmp_path / "cases").iterdir()) == [
        "case-56.json",
        "case-57.json",
    ]
    assert content.count('href="cases/case-') > 10


@pytest.fixture(autouse=True)
def few_other_checks(monkeypatch):
    """One fixed check and one proof: the others have tests of their own."""
    for name in list(campaign.CHECKS)[1:]:
        monkeypatch.delitem(campaign.CHECKS, name)
    monkeypatch.setattr(campaign, "PROOFS", campaign.PROOFS[:1])


#: The checks run in this process, where what is replaced is seen.
HERE = ("--processes", "1")


def test_breach_is_written(capsys, tmp_path, monkeypatch):
    """Next to no error is allowed: exit code 1, the breaches named, the case in a loadable file."""
    none = {name: dict.fromkeys(t, 1e-30) for name, t in TOLERANCES[1].items()}
    monkeypatch.setitem(TOLERANCES, 1, none)
    monkeypatch.setattr(crosscheck, "EPSILON", 1e-300)
    arguments = [
        *HERE,
        "--architectures",
        "1",
        "--seed",
        "6",
        "--points",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert command.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "BREACH reference: seed 6" in printed
    assert Case.load(tmp_path / "cases" / "case-6.json").seed == 6
    small = Case.load(tmp_path / "cases" / "case-6-small.json")
    assert len(small.X) == 1


@pytest.mark.parametrize("impl", [reference, fast])
def test_refusals_are_counted(monkeypatch, impl):
    """A PartitionError is counted as a refusal, and a breach."""

    def refuse(dgn):
        raise impl.PartitionError("rounding")

    monkeypatch.setattr(impl.DGN, "partition", refuse)
    tally = partition_check.check_partition(20, {impl.__name__: impl})[impl.__name__]
    assert tally.refused == [20]
    assert tally.breaches == ["seed 20: refused"]


def test_a_wrong_partition_is_a_breach(capsys, tmp_path, monkeypatch):
    """A region lost by fast: exit code 1, what is missing named, the network in a loadable file."""

    def without_the_first(network, *options):
        found = partition(network, *options)
        keep = np.arange(1, found.n_regions)
        return dataclasses.replace(
            found, codes=found.codes[keep], slopes=found.slopes[keep], offsets=found.offsets[keep]
        )

    partition = fast.partition.partition.partition
    tally = partition_check.check_partition(20)["fast"]
    assert (tally.networks, tally.breaches) == (1, [])
    monkeypatch.setattr(fast.partition.partition, "partition", without_the_first)
    monkeypatch.setattr(campaign, "crosscheck", lambda case: crosscheck.Comparison(1))
    assert (
        command.main([*HERE, "--architectures", "1", "--seed", "20", "--out", str(tmp_path)]) == 1
    )
    assert "BREACH fast, partition: seed 20" in capsys.readouterr().out
    assert Network.load(tmp_path / "cases" / "network-20.npz").latent_dimension == 3


def test_what_cannot_be_compared_is_a_failure(capsys, tmp_path, monkeypatch):
    """An exception in a comparison is shown with its seed, and fails the run."""

    def broken(case):
        raise ArithmeticError("two precisions disagree")

    monkeypatch.setattr(campaign, "crosscheck", broken)
    assert command.main([*HERE, "--architectures", "1", "--seed", "4", "--out", str(tmp_path)]) == 1
    assert (
        "NOT COMPARED seed 4: ArithmeticError: two precisions disagree" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--architectures", "0"],
        ["--seed", "-1"],
        ["--degenerate", "0"],
        ["--points", "x"],
        ["--colour"],
        ["--arch", "3"],
        ["--processes", "-2"],
        ["--readme", __file__],
        ["--out", __file__],
    ],
    ids=lambda a: " ".join(a)[:20],
)
def test_bad_command_lines(arguments, capsys):
    """One line on standard error, exit code 2."""
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1


def test_a_bad_command_line_of_a_process():
    run = subprocess.run(
        [sys.executable, "-m", "oracle", "--colour"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1


def test_tables_go_between_the_marks(tmp_path, capsys):
    """What stands around them stays, and a second run changes nothing."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n", encoding="utf-8")
    arguments = [*HERE, "--architectures", "1", "--seed", "4", "--out", str(tmp_path / "report")]
    for _ in range(2):
        assert command.main([*arguments, "--readme", str(readme)]) == 0
        content = readme.read_text(encoding="utf-8")
        assert content.startswith(f"before\n{command.BEGIN}\n| quantity |")
        assert content.endswith(f"|\n{command.END}\nafter\n")
        assert "old" not in content
        assert content.count("| log p |") == 1


def test_a_folder_that_cannot_be_made(tmp_path, capsys, monkeypatch):
    """Exit code 2 and one line, after the tables are printed."""

    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(command, "write_whole", full)
    arguments = [*HERE, "--architectures", "1", "--seed", "4", "--out", str(tmp_path / "report")]
    assert command.main(arguments) == 2
    said = capsys.readouterr()
    assert "log p" in said.out
    assert said.err.strip() == (
        f"python -m oracle: cannot write to {tmp_path / 'report'}: no space left"
    )


@pytest.mark.parametrize("by_oracle", ["caught", "missed"])
@pytest.mark.parametrize("by_tests", ["caught", "survived", "timeout"])
def test_defects(monkeypatch, capsys, tmp_path, by_oracle, by_tests):
    """--mutants: a verdict each, and exit code 0 only if all are caught."""
    written = [mutant for kind in SLIPPED.values() for mutant in kind]
    trials = [Trial(mutant, by_tests if i == 3 else "caught") for i, mutant in enumerate(written)]
    score = Score(written=trials, trials=[], arguments={}, seed=5)
    asked = {}
    monkeypatch.setattr(command, "run_mutants", lambda *_, **__: [Verdict(MUTANTS[0], by_oracle)])
    monkeypatch.setattr(mutation_score, "run", lambda _, **others: asked.update(others) or score)
    words = ["--mutants", "--sample", "7", "--seed", "5", "--out", str(tmp_path)]
    code = command.main(words)
    assert code == int(by_oracle != "caught" or by_tests != "caught")
    assert (asked["count"], asked["seed"]) == (7, 5)
    out = capsys.readouterr().out
    assert f"1 {by_oracle}" in out
    assert (written[3].label in out) == (by_tests != "caught")
    assert (tmp_path / "mutation_score.md").read_text(encoding="utf-8") in out
