"""How much of the implementations the default tests run, by line and branch, and what they do not.

What is not reached is listed in tests/data/not_covered.toml with a reason each; the rest is a gap.
"""

from __future__ import annotations

import json
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverage import Coverage

from oracle.mutation.systematic import PACKAGES

LISTED = Path("tests/data/not_covered.toml")
#: What the default tests must reach, in percent of lines and branches.
LEAST = 98.0


@dataclass(frozen=True)
class Unreached:
    """A line that no test runs, or a branch, from a line to another, that none takes."""

    file: str
    place: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.place}"


@dataclass(frozen=True)
class Covered:
    """percent: of the lines and branches of each file and package. gaps: what is neither reached
    nor listed; stale: what is listed and reached, or gone."""

    percent: dict[str, float]
    gaps: list[Unreached]
    stale: list[str]

    def suffices(self) -> bool:
        """Whether both packages reach what is asked, and every gap has its reason."""
        return not self.gaps and not self.stale and all(self.percent[p] >= LEAST for p in PACKAGES)


def covered(root: Path, data: Path) -> Covered:
    """Judge a measurement of oracle.mutation.reached. Raises ValueError on an entry without a
    reason."""
    found = _report(root, data)
    unreached = list(_unreached(root, found["files"]))
    listed = _listed(root)
    seen = {(gap.file, gap.place) for gap in unreached}
    return Covered(
        percent={**_by_package(found["files"]), **_by_file(found["files"])},
        gaps=[gap for gap in unreached if (gap.file, gap.place) not in listed],
        stale=[f"{file}  {place}" for file, place in sorted(listed - seen)],
    )


def _report(root: Path, data: Path) -> dict[str, Any]:
    measured = Coverage(data_file=str(data), config_file=str(root / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(path))
        return dict(json.loads(path.read_text(encoding="utf-8")))


def _unreached(root: Path, files: dict[str, Any]) -> Iterator[Unreached]:
    for name, found in files.items():
        file = Path(name)
        file = file.relative_to(root) if file.is_absolute() else file
        text = ["", *(root / file).read_text(encoding="utf-8").splitlines()]
        missing = set(found["missing_lines"])
        for line in sorted(missing):
            yield Unreached(str(file), text[line].strip(), line)
        for start, stop in found["missing_branches"]:
            if start not in missing and abs(stop) not in missing:
                to = text[stop].strip() if stop > 0 else "the end"
                yield Unreached(str(file), f"{text[abs(start)].strip()} -> {to}", abs(start))


def _listed(root: Path) -> set[tuple[str, str]]:
    found = set()
    for entry in tomllib.loads((root / LISTED).read_text(encoding="utf-8")).get("place", []):
        if not entry["why"].strip():
            raise ValueError(f"{LISTED}: no reason for {entry}")
        found.add((entry["file"], entry["place"]))
    return found


def _share(summaries: list[dict[str, int]]) -> float:
    of = sum(s["num_statements"] + s["num_branches"] for s in summaries)
    done = sum(s["covered_lines"] + s["covered_branches"] for s in summaries)
    return 100.0 * done / of if of else 100.0


def _by_file(files: dict[str, Any]) -> dict[str, float]:
    return {name: _share([found["summary"]]) for name, found in files.items()}


def _by_package(files: dict[str, Any]) -> dict[str, float]:
    return {
        package: _share([f["summary"] for n, f in files.items() if package in Path(n).parts[:-1]])
        for package in PACKAGES
    }


def page(found: Covered) -> str:
    """What was found: files that are not reached whole, the packages, gaps."""
    lines = [f"{found.percent[p]:6.2f} %  {p}" for p in PACKAGES]
    lines += [
        f"{percent:6.2f} %  {name}"
        for name, percent in sorted(found.percent.items())
        if name not in PACKAGES and percent < 100
    ]
    lines += [f"NOT REACHED, NOT LISTED  {gap}" for gap in found.gaps]
    lines += [f"LISTED, BUT REACHED OR GONE  {entry}" for entry in found.stale]
    return "\n".join(lines)
