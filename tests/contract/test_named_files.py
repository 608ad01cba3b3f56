"""Packages and pages name the tests that guard what they say: each is where they say it is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("reference", "fast", "oracle", "paper_figures")
NAMED = re.compile(r"\btests/[\w/]+\.(?:py|toml|json)\b")


def missing(paths):
    """File -> the files of tests that it names and that are not there."""
    found = {
        str(path.relative_to(ROOT)): [
            name
            for name in NAMED.findall(path.read_text(encoding="utf-8"))
            if not (ROOT / name).exists()
        ]
        for path in paths
    }
    return {file: names for file, names in found.items() if names}


def test_named_files_of_tests_are_there():
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert missing([*sources, *pages]) == {}


def test_every_form_is_seen():
    """With folders or none, in a sentence or as a node."""
    text = "See tests/test_a.py, `tests/b/test_c.py::test_d` and tests/data/e.toml."
    assert NAMED.findall(text) == ["tests/test_a.py", "tests/b/test_c.py", "tests/data/e.toml"]
