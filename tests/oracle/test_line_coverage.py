"""What `python -m oracle --coverage` says is reached, and what it accepts as not reached."""

import subprocess
import sys

import pytest

import oracle.__main__ as command
from oracle.mutation import line_coverage, reached
from oracle.mutation.line_coverage import covered, page

SOURCE = """def f(x):
    if x > 0:
        return 1
    if x > -5:
        x = 2
    return x
"""
BRANCH = {"file": "fast/some.py", "place": "if x > -5: -> return x"}
LINE = {"file": "fast/some.py", "place": "return 1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A package of which one line and one branch are not run, and its measurement."""
    root = tmp_path_factory.mktemp("project")
    for package in ("fast", "reference"):
        (root / package).mkdir()
        (root / package / "__init__.py").write_text("", encoding="utf-8")
    (root / "fast" / "some.py").write_text(SOURCE, encoding="utf-8")
    settings = '[tool.coverage.run]\nbranch = true\nsource = ["fast", "reference"]\n'
    (root / "pyproject.toml").write_text(settings, encoding="utf-8")
    (root / "run.py").write_text("from fast.some import f\nf(-1)\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "coverage", "run", "run.py"], cwd=root, check=True)
    (root / "tests" / "data").mkdir(parents=True)
    return root


def listed(root, *entries):
    """Write the list of what is not reached."""
    text = "".join(
        f"[[place]]\nfile = '{e['file']}'\nplace = '{e['place']}'\nwhy = '{e.get('why', 'x')}'\n"
        for e in entries
    )
    (root / line_coverage.LISTED).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("entries", "gaps", "stale"),
    [
        ([], 2, 0),
        ([LINE], 1, 0),
        ([LINE, BRANCH], 0, 0),
        ([LINE, BRANCH, {"file": "fast/some.py", "place": "gone"}], 0, 1),
    ],
)
def test_gaps_and_stale_entries_are_told(project, entries, gaps, stale):
    """Each unreached line or branch is a gap unless it is listed, and an entry must be true."""
    listed(project, *entries)
    found = covered(project, project / ".coverage")
    assert (len(found.gaps), len(found.stale)) == (gaps, stale)
    # Four of five statements, and the two branches x <= 0 and x > -5 of four.
    assert found.percent["fast"] == pytest.approx(100 * (5 + 2) / (6 + 4))
    assert not found.suffices()
    assert ("return 1" in page(found)) == (LINE not in entries)


def test_enough_is_enough(project, monkeypatch):
    """With a reason for every gap and the share asked for."""
    listed(project, LINE, BRANCH)
    monkeypatch.setattr(line_coverage, "LEAST", 70.0)
    assert covered(project, project / ".coverage").suffices()
    monkeypatch.setattr(line_coverage, "LEAST", 70.1)
    assert not covered(project, project / ".coverage").suffices()


def test_a_reason_is_asked_for(project):
    listed(project, {**LINE, "why": " "})
    with pytest.raises(ValueError, match="no reason"):
        covered(project, project / ".coverage")


def test_command(project, monkeypatch, capsys):
    """Exit code 0 only where it suffices."""
    monkeypatch.setattr(command, "_root", lambda: project)
    monkeypatch.setattr(reached, "measured", lambda *_: (project / ".coverage", None))
    listed(project, LINE, BRANCH)
    assert command.main(["--coverage"]) == 1
    monkeypatch.setattr(line_coverage, "LEAST", 50.0)
    assert command.main(["--coverage"]) == 0
    assert "%  fast" in capsys.readouterr().out
