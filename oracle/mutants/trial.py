"""Trials of the deliberate defects: which of them the oracle catches, and by what.

A defect is put into the code of a function in memory, so that it is in force wherever the function
is known. The oracle's comparisons are then run on the broken package until one complains, and the
code is put back. Nothing that computes a truth is touched.
"""

from __future__ import annotations
import __future__

import inspect
import multiprocessing
import sys
import textwrap
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import CodeType, FunctionType, ModuleType
from typing import Any, Literal

import numpy as np

import fast
import reference
from oracle.checks.near_degenerate import examine
from oracle.checks.partitions import check_partition
from oracle.checks.random_models import crosscheck
from oracle.fixed_checks.all_checks import CHECKS
from oracle.fixed_checks.deviation import Check, Deviation
from oracle.fixed_checks.models import CURVE, LINE, Model
from oracle.models.architectures import random_case
from oracle.models.case import Case
from oracle.mutants.all_mutants import MUTANTS
from oracle.mutants.mutant import Mutant
from oracle.quadrature.interval import OracleDisagreement

_PACKAGES: dict[str, ModuleType] = {"reference": reference, "fast": fast}
#: Random networks for the partition: small ones, then those that tell defects of layers.
PARTITION_SEEDS = (*range(9), 21, 99, 150, 154, 180, 197, 213, 220, 244, 246, 267, 271, 433, 522)
#: The same for S = 2 and 3.
LATENT_SEEDS = ((1, 2), (1, 3))
#: Nearly degenerate networks, small ones: three that both implementations are asked about, and one
#: of whose regions one has a mass of 1.6e-10.
DEGENERATE_SEEDS = (200, 521, 1322, 125)
# What an implementation raises when it notices numerical trouble by itself. Any other exception
# shows that the defect is clumsy, not that the oracle sees it.
_TROUBLE = (
    reference.OutsideValidity,
    reference.model.NotSolvedError,
    reference.PartitionError,
    reference.SingularCovarianceError,
    fast.PartitionError,
    fast.SingularCovarianceError,
    OracleDisagreement,
    FloatingPointError,
)
Outcome = Literal["caught", "missed", "crashed"]
#: Runs comparisons on a package: the first complaint, or None.
Stage = Callable[[ModuleType], str | None]


class DoesNotApply(Exception):
    """The place of a defect is not there, or not once."""


@dataclass(frozen=True)
class Verdict:
    """What became of a defect.

    Parameters
    ----------
    mutant
        The defect.
    outcome
        "crashed" if the broken code raised what no check of numbers raises; that counts neither as
        caught nor as missed.
    check
        The oracle's comparison that caught it, if one did.
    how
        The quantity and its error, or the exception.
    """

    mutant: Mutant
    outcome: Outcome
    check: str = ""
    how: str = ""


def function_of(mutant: Mutant) -> FunctionType:
    """The function a defect is in. Raises DoesNotApply if there is none."""
    place: Any = sys.modules.get(f"{mutant.package}.{mutant.module}")
    for name in mutant.function.split("."):
        if name not in getattr(place, "__dict__", ()):
            raise DoesNotApply(f"{mutant.label}: no {mutant.module}.{mutant.function}")
        place = vars(place)[name]
    if isinstance(place, property):
        place = place.fget
    place = getattr(place, "__func__", place)
    if not isinstance(place, FunctionType):
        raise DoesNotApply(f"{mutant.label}: {mutant.module}.{mutant.function} is no function")
    return place


def broken_code(mutant: Mutant, function: FunctionType) -> CodeType:
    """The function's code with the defect. Raises DoesNotApply unless its text occurs once."""
    source = textwrap.dedent(inspect.getsource(function))
    count = source.count(mutant.replaced)
    if count != 1:
        raise DoesNotApply(f"{mutant.label}: its text occurs {count} times")
    module = compile(
        source.replace(mutant.replaced, mutant.by),
        f"<{mutant.label}>",
        "exec",
        flags=__future__.annotations.compiler_flag,
        dont_inherit=True,
    )
    name = function.__name__
    found = [c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == name]
    if len(found) != 1 or found[0].co_freevars != function.__code__.co_freevars:
        raise DoesNotApply(f"{mutant.label}: {mutant.function} cannot be compiled by itself")
    return found[0]


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """The defect is in force within the context.

    The function keeps its identity, so that the defect is everywhere the function is: in classes,
    in modules that imported it, in closures. Raises DoesNotApply before anything is changed.
    """
    function = function_of(mutant)
    original, broken = function.__code__, broken_code(mutant, function)
    function.__code__ = broken
    try:
        yield
    finally:
        function.__code__ = original


def _crosscheck(model: Model, impl: ModuleType) -> str | None:
    """oracle.checks.random_models on a fixed model with S = 1."""
    case = Case(
        seed=0,
        label=model.name,
        layers=model.layers,
        cov_x=model.cov_x,
        cov_z=model.cov_z,
        X=model.X,
        q_mean=model.q_mean,
        q_cov=model.q_cov,
    )
    return next(iter(crosscheck(case, {impl.__name__: impl}).breaches), None)


def _partitions(impl: ModuleType) -> str | None:
    """oracle.checks.partitions on small random networks."""
    for seed in PARTITION_SEEDS:
        tally = check_partition(seed, {impl.__name__: impl}).get(impl.__name__)
        if tally is not None and tally.breaches:
            return tally.breaches[0]
    return None


def _near_degenerate(impl: ModuleType) -> str | None:
    """oracle.checks.near_degenerate on small networks."""
    for seed in DEGENERATE_SEEDS:
        for failure in examine(seed, {impl.__name__: impl}).failures:
            return f"seed {seed}: {failure.check}: {failure.words}"
    return None


def _random(seed: int, latent: int, impl: ModuleType) -> str | None:
    """oracle.checks.random_models on a small random architecture."""
    found = crosscheck(random_case(seed, latent, 2), {impl.__name__: impl})
    return next(iter(found.breaches), None)


def _small(comparisons: Check, impl: ModuleType) -> str | None:
    """One of oracle.fixed_checks: of the comparisons that fail the worst. An exception
    counts only if none failed before it."""
    worst: Deviation | None = None
    try:
        for found in comparisons(impl):
            if not found.passes and (worst is None or found.excess > worst.excess):
                worst = found
    except Exception:
        if worst is None:
            raise
    if worst is None:
        return None
    return f"{worst.quantity}: error {worst.error:.3g}, allowed {worst.allowed:.0e}"


#: The oracle's comparisons in the order in which they are tried: those of `python -m oracle` on
#: fixed models, the small checks, random networks.
STAGES: dict[str, Stage] = {
    **{f"crosscheck, {model.name}": partial(_crosscheck, model) for model in (LINE, CURVE)},
    **{name: partial(_small, check) for name, check in CHECKS.items()},
    "random partitions": _partitions,
    "nearly degenerate networks": _near_degenerate,
    **{
        f"random architecture, S = {size}, seed {seed}": partial(_random, seed, size)
        for seed, size in LATENT_SEEDS
    },
}


@cache
def unbroken(stage: str, package: str) -> tuple[str | None, frozenset[CodeType]]:
    """What a stage says of the package as it is, and the code of the package that it runs.

    This computes the truths of the stage as well, before anything is broken.
    """
    codes: set[CodeType] = set()

    def record(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    complaint = _run(stage, package)
    sys.setprofile(record)
    try:
        _run(stage, package)
    finally:
        sys.setprofile(None)
    return complaint, frozenset(codes)


def _run(stage: str, package: str) -> str | None:
    """A stage, with warnings off: broken code may divide by zero on its way."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return STAGES[stage](_PACKAGES[package])


def check(mutant: Mutant, stages: Iterable[str] = tuple(STAGES)) -> Verdict:
    """Break the package, run every stage that reaches the place until one complains, restore.

    Parameters
    ----------
    mutant
        The defect.
    stages
        Names of STAGES, by default all.

    Returns
    -------
    Verdict
        The same every time.

    Raises
    ------
    DoesNotApply
        If the defect has no place.
    RuntimeError
        If no stage reaches the place, or a stage complains about unbroken code: then nothing would
        be shown.
    """
    code = function_of(mutant).__code__
    reached = False
    for stage in stages:
        complaint, codes = unbroken(stage, mutant.package)
        if complaint is not None:
            raise RuntimeError(f"{stage} complains about unbroken code: {complaint}")
        if code not in codes:
            continue
        reached = True
        try:
            with applied(mutant):
                complaint = _run(stage, mutant.package)
        except Exception as error:
            if isinstance(error, DoesNotApply):
                raise
            how = f"{type(error).__name__}: {error}"
            return Verdict(mutant, "caught" if _is_trouble(error) else "crashed", stage, how)
        if complaint is not None:
            return Verdict(mutant, "caught", stage, complaint)
    if not reached:
        raise RuntimeError(f"{mutant.label}: no comparison runs {mutant.function}")
    return Verdict(mutant, "missed")


def _is_trouble(error: Exception) -> bool:
    """Whether an exception is a check of numbers, or an assertion of the oracle."""
    if isinstance(error, AssertionError):
        last = list(traceback.walk_tb(error.__traceback__))[-1][0]
        return str(last.f_globals.get("__name__", "")).startswith("oracle.")
    # By its own name: what divides by zero or overflows is clumsy.
    named = type(error) is ArithmeticError or type(error).__name__ == "LinAlgError"
    return named or isinstance(error, _TROUBLE)


def run_mutants(
    progress: Callable[[Verdict], object] | None = None,
    *,
    mutants: tuple[Mutant, ...] = MUTANTS,
    processes: int = 1,
) -> list[Verdict]:
    """A verdict for every defect, in order; progress is called with each as it comes."""
    if processes == 1:
        return [_told(check(mutant), progress) for mutant in mutants]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return [_told(verdict, progress) for verdict in pool.imap(check, mutants, chunksize=4)]


def _told(verdict: Verdict, progress: Callable[[Verdict], object] | None) -> Verdict:
    if progress is not None:
        progress(verdict)
    return verdict


def table(verdicts: list[Verdict]) -> str:
    """A line a defect, what it replaces and what caught it, and the count of each outcome."""
    lines = []
    for verdict in verdicts:
        mutant = verdict.mutant
        lines.append(f"{verdict.outcome:8}{mutant.label}  [{mutant.module}.{mutant.function}]")
        if verdict.check:
            lines.append(f"{'':8}by {verdict.check}: {' '.join(verdict.how.split())[:150]}")
    counts = Counter(verdict.outcome for verdict in verdicts)
    words = ", ".join(f"{counts[name]} {name}" for name in ("caught", "missed", "crashed"))
    return "\n".join([*lines, f"{len(verdicts)} deliberate defects: {words}."])


def main() -> int:
    """Print a verdict for every defect; 0 if all are caught, 1 otherwise."""
    verdicts = run_mutants(processes=2)
    print(table(verdicts))
    return int(any(verdict.outcome != "caught" for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
