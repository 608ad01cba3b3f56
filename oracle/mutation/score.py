"""The mutation score: of a sample of systematic defects, the share that the default tests catch.

Defects that change no result are listed in tests/data/equivalent_mutants.toml, with an argument
each, and are not counted. Everything else that is not caught counts against the score: what
survives, what no test reaches, what hangs and what ends the interpreter.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from oracle.mutants.slipped import SLIPPED
from oracle.mutation.in_force import Defect
from oracle.mutation.reached import KEPT, measured, read
from oracle.mutation.systematic import PACKAGES, SystematicMutant, sample
from oracle.mutation.trials import Trial, run_trials

EQUIVALENTS = Path("tests/data/equivalent_mutants.toml")


@dataclass(frozen=True)
class Score:
    """written: trials of the defects written by hand. trials: of the systematic ones drawn with
    `seed`. arguments: why some systematic defects change nothing."""

    written: Sequence[Trial]
    trials: Sequence[Trial]
    arguments: dict[tuple[str, str, str, str, str], str]
    seed: int

    def listed(self, trial: Trial) -> bool:
        """Whether a defect is listed as changing nothing."""
        mine = trial.defect
        return isinstance(mine, SystematicMutant) and mine.key in self.arguments

    def equivalent(self, trial: Trial) -> bool:
        """Whether a defect that was not caught is shown to change nothing."""
        return trial.outcome != "caught" and self.listed(trial)

    def refuted(self) -> list[Trial]:
        """The trials of listed defects that were caught all the same: their arguments are wrong."""
        return [t for t in self.trials if t.outcome == "caught" and self.listed(t)]

    def counted(self) -> list[Trial]:
        """The trials that the score is of."""
        return [trial for trial in self.trials if not self.equivalent(trial)]


def arguments(root: Path) -> dict[tuple[str, str, str, str, str], str]:
    """The listed defects that change nothing, and why. Raises ValueError on an entry without."""
    found = {}
    for entry in tomllib.loads((root / EQUIVALENTS).read_text(encoding="utf-8")).get("mutant", []):
        if not entry["why"].strip():
            raise ValueError(f"{EQUIVALENTS}: no argument for {entry}")
        key = tuple(entry[name] for name in ("package", "module", "function", "before", "after"))
        found[key] = entry["why"]
    return found


def run(root: Path, *, count: int, seed: int, processes: int, bar: Callable[..., Any]) -> Score:
    """Try the defects of oracle.mutants.slipped and `count` systematic ones of each package.

    Cost: without a measurement of the sources as they are the default tests run once under
    coverage.py, some 15 minutes; then about a minute for four defects on two cores.
    """
    written: list[Defect] = [mutant for kind in SLIPPED.values() for mutant in kind]
    drawn = [mutant for package in PACKAGES for mutant in sample(root, package, count, seed)]
    reached = read(root, *measured(root, root / KEPT))
    with bar(total=len(written) + len(drawn)) as progress:
        found = run_trials(
            root,
            [*written, *drawn],
            reached,
            processes=processes,
            progress=lambda _: progress.update(),
        )
    by_label = {trial.defect.label: trial for trial in found}
    return Score(
        written=[by_label[defect.label] for defect in written],
        trials=[by_label[defect.label] for defect in drawn],
        arguments=arguments(root),
        seed=seed,
    )


def suffices(score: Score) -> bool:
    """Whether all defects written by hand are caught, 95 % of the systematic ones, and none that is
    listed as changing nothing."""
    counted = score.counted()
    caught = sum(trial.outcome == "caught" for trial in counted)
    written = all(trial.outcome == "caught" for trial in score.written)
    return caught >= 0.95 * len(counted) and written and not score.refuted()


def page(score: Score) -> str:
    """What was tried and found, as Markdown."""
    return f"{by_hand(score)}\n\n{table(score)}\n"


def table(score: Score) -> str:
    """A row a module and a package, with 95 % intervals; then what was not caught, one by one."""
    lines = [
        f"Systematic defects drawn with seed {score.seed}:",
        "",
        "| module | tried | equivalent | caught | not caught | score | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for package in PACKAGES:
        mine = [trial for trial in score.trials if trial.defect.package == package]
        for module in sorted({trial.defect.module for trial in mine}):
            part = [trial for trial in mine if trial.defect.module == module]
            lines.append(_row(f"{package}.{module}", part, score))
        lines.append(_row(f"**{package}**", mine, score))
    lines.append(_row("**both**", score.trials, score))
    outcomes = Counter(trial.outcome for trial in score.counted())
    lines += ["", ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())]
    for trial in score.trials:
        if trial.outcome != "caught":
            word = "equivalent" if score.equivalent(trial) else trial.outcome
            lines.append(_line(word, trial))
    lines += [_line("refuted", trial) for trial in score.refuted()]
    return "\n".join(lines)


def _row(name: str, trials: Iterable[Trial], score: Score) -> str:
    tried = list(trials)
    counted = [trial for trial in tried if not score.equivalent(trial)]
    caught = sum(trial.outcome == "caught" for trial in counted)
    cells = [name, len(tried), len(tried) - len(counted), caught, len(counted) - caught]
    if counted:
        found = binomtest(caught, len(counted)).proportion_ci(0.95, "exact")
        cells += [f"{caught / len(counted):.1%}", f"{found.low:.1%} to {found.high:.1%}"]
    else:
        cells += ["", ""]
    return "| " + " | ".join(map(str, cells)) + " |"


def by_hand(score: Score) -> str:
    """Of the defects written by hand that the default tests judge, a row each kind, and what was
    not caught."""
    found = {trial.defect.label: trial for trial in score.written}
    lines = ["| kind of defect | tried | caught |", "|---|---|---|"]
    for kind, mutants in SLIPPED.items():
        caught = sum(found[mutant.label].outcome == "caught" for mutant in mutants)
        lines.append(f"| {kind} | {len(mutants)} | {caught} |")
    missed = [trial for trial in score.written if trial.outcome != "caught"]
    return "\n".join([*lines, "", *(_line(trial.outcome, trial) for trial in missed)])


def _line(word: str, trial: Trial) -> str:
    """A defect that was not caught."""
    reached = f"reached by {trial.tests} tests" if trial.tests else "reached by no test"
    return f"    {word:11}{trial.defect.label}  ({reached}) {trial.test}".rstrip()
