"""Which tests run which lines of the implementations, as coverage.py measures it."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from oracle.mutation.in_force import Defect, definition, file_of, lines_of

#: Where measurements are kept.
KEPT = Path(".coverage_kept")
#: Tests of the figures, of the oracle itself and of speed: not run while it is measured what the
#: others reach. They take longer than all others, and the score is the lower for it.
LEFT_OUT = ("contract/test_encodings.py", "contract/test_speed.py", "oracle/*", "paper_figures/*")
#: What a measurement depends on.
SOURCES = ("reference", "fast", "oracle", "paper_figures", "tests")


@dataclass(frozen=True)
class Reached:
    """tests: of every file of the implementations, the tests that run each line. seconds: what each
    test took while it was measured."""

    tests: dict[Path, dict[int, frozenset[str]]]
    seconds: dict[str, float]

    def by(self, root: Path, defect: Defect) -> list[str]:
        """The tests that run what a defect changes; of a constant, those that run its module."""
        path = file_of(root, defect)
        lines = self.tests.get(path, {})
        if not defect.function:
            return sorted(frozenset().union(*lines.values()))
        changed = lines_of(root, defect)
        node = definition(ast.parse(path.read_text(encoding="utf-8")), defect.function, changed[0])
        # A default value is evaluated on import, but used by whatever runs the function.
        body = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
        return sorted(_at(lines, changed) or _at(lines, body))


def _at(lines: dict[int, frozenset[str]], wanted: Iterable[int]) -> frozenset[str]:
    return frozenset().union(*(lines.get(line, frozenset()) for line in wanted))


def fingerprint(root: Path) -> str:
    """A name for the state of all source files, of what tests read and of how they are run."""
    found = hashlib.sha256()
    for paths in ([root / "pyproject.toml"], *((root / package).rglob("*") for package in SOURCES)):
        for path in sorted(p for p in paths if p.is_file() and p.suffix != ".pyc"):
            found.update(str(path.relative_to(root)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def measured(root: Path, folder: Path) -> tuple[Path, Path]:
    """The files of a measurement of the sources as they are, coverage.py's and the tests' times:
    from `folder`, or by a run of the default tests.

    Raises RuntimeError if a test fails: then no defect could be told by a failure.
    """
    name = fingerprint(root)
    data, times = folder / f"{name}.coverage", folder / f"{name}.xml"
    if not (data.exists() and times.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        measure(root, data, times)
    return data, times


def measure(root: Path, data: Path, times: Path) -> None:
    """Run the default tests under coverage.py, but for those left out."""
    partial = times.with_suffix(".part")
    command = [sys.executable, "-m", "pytest", "-q", "--cov=reference", "--cov=fast"]
    command += ["--cov-branch", "--cov-context=test", "--cov-report=", f"--junitxml={partial}"]
    command += [f"--ignore-glob={root / 'tests' / name}" for name in LEFT_OUT]
    run = subprocess.run(
        command, cwd=root, env={**os.environ, "COVERAGE_FILE": str(data)}, stdout=sys.stderr
    )
    if run.returncode:
        raise RuntimeError("the default tests fail: no defect can be told by a failing test")
    partial.replace(times)


def read(root: Path, data: Path, times: Path) -> Reached:
    """What a run wrote."""
    found = CoverageData(basename=str(data))
    found.read()
    tests = {
        Path(file): {
            line: frozenset(c.split("|")[0] for c in contexts if c)
            for line, contexts in found.contexts_by_lineno(file).items()
        }
        for file in found.measured_files()
    }
    seconds: dict[str, float] = {}
    for case in ElementTree.parse(times).iter("testcase"):
        node = _node(root, case.get("classname", ""), case.get("name", ""))
        seconds[node] = float(case.get("time", 0))
    return Reached(tests, seconds)


def _node(root: Path, place: str, name: str) -> str:
    """The node of a test; `place` has its folders, its file and its classes, if any, with dots."""
    parts = place.split(".")
    files = (
        i for i in range(1, len(parts)) if (root / Path(*parts[:i])).with_suffix(".py").exists()
    )
    end = next(files, len(parts))
    return "::".join(["/".join(parts[:end]) + ".py", *parts[end:], name])
