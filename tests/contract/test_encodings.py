"""Text is UTF-8 wherever it is run: the locale's encoding may know no Σ."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for path in ROOT.rglob("*.py")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]

#: Calls that decode or encode text: by the locale, unless they are told.
OPENING = {"open", "fdopen", "read_text", "write_text"}
#: Of processes, those asked for text.
PROCESSES = {"run", "Popen", "check_output"}


def without_encoding(source):
    """The lines of calls that leave the encoding to the locale."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and _by_locale(node)
    ]


def _by_locale(call):
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = {keyword.arg for keyword in call.keywords}
    if name in PROCESSES:
        return bool({"text", "universal_newlines"} & given)
    if name not in OPENING or "encoding" in given:
        return False
    if name in ("read_text", "write_text"):
        return True
    values = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    modes = [value.value for value in values if isinstance(value, ast.Constant)]
    plain = isinstance(call.func, ast.Name) or name == "fdopen"
    return (plain and not modes) or any(isinstance(m, str) and "b" not in m for m in modes)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("open(p)", True),
        ("open(p, 'w')", True),
        ("open(p, mode='a')", True),
        ("path.open('x', 'r')", True),
        ("os.fdopen(h)", True),
        ("path.read_text()", True),
        ("path.write_text('x')", True),
        ("subprocess.run(c, text=True)", True),
        ("open(p, 'rb')", False),
        ("os.fdopen(h, 'wb')", False),
        ("open(p, encoding='utf-8')", False),
        ("path.read_text(encoding='utf-8')", False),
        ("Image.open(p)", False),
        ("subprocess.run(c)", False),
    ],
)
def test_what_is_found(line, found):
    assert bool(without_encoding(line)) is found


def test_every_text_file_is_opened_with_an_encoding():
    assert len(SOURCES) > 200
    found = {str(p.relative_to(ROOT)): without_encoding(p.read_bytes()) for p in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


NOTHING_FOUND = """
import runpy, sys
from oracle.campaign import run
run.campaign = lambda *arguments: run.Findings()
sys.argv[1:] = ["--architectures", "1", "--out", sys.argv[1]]
runpy.run_module("oracle", run_name="__main__")
"""


def test_the_oracle_prints_to_a_terminal_that_has_no_greek(tmp_path):
    """κ as an escape: the hours before are not lost."""
    run = subprocess.run(
        [sys.executable, "-c", NOTHING_FOUND, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""},
        capture_output=True,
        encoding="ascii",
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "\\u03ba" in run.stdout
