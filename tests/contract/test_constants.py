"""Every tolerance of `fast` and `reference` by name, and what turns red if it is moved by 1e3.

The list is read from the source: a new tolerance, or a bare 1e-12, fails here until it is decided
whether results depend on it. Beside each stands, for the larger and the smaller, the test that
turns red, or why none need; "not measured" where that is still owed. `pytest -m deep` moves each in
turn, in memory, and runs the test that is named.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import scaled_constant

TESTS = Path(__file__).parents[1]
TABLE = json.loads((TESTS / "data" / "constants.json").read_text(encoding="utf-8"))
CAUGHT = [
    (name, factor, told)
    for name, by_factor in TABLE.items()
    for factor, told in by_factor.items()
    if told.startswith("test_")
]


def test_every_constant_is_decided():
    """The table has every constant of the source and no other, and a word about both directions."""
    assert sorted(TABLE) == scaled_constant.constants()
    for by_factor in TABLE.values():
        assert set(by_factor) == {"1e3", "1e-3"}
        assert all(by_factor.values())


def place(told):
    """The file and the name of a test; no two files have the same name, whatever their folders."""
    file, _, name = told.partition("::")
    (path,) = TESTS.rglob(file)
    return path, name


def test_named_tests_exist():
    for _, _, told in CAUGHT:
        path, name = place(told)
        assert f"def {name}(" in path.read_text(encoding="utf-8"), told


def outcome(name, factor, test):
    """The exit code of a test with a constant scaled."""
    environment = {
        **os.environ,
        "SCALED_CONSTANT": f"{name} {factor}",
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS / "support")]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0"]
    command += ["-p", "scaled_constant", "-p", "no:cacheprovider", "::".join(map(str, place(test)))]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_a_constant_is_scaled_in_its_importers():
    """The plugin reaches the module that defines a constant, and all that import it."""
    code = "import scaled_constant, fast.partition.cut_line, fast.partition.cut_vertices; " + (
        "print(fast.partition.cut_vertices.EPS * 2**52);print(fast.partition.cut_line.EPS * 2**52)"
    )
    environment = {
        **os.environ,
        "SCALED_CONSTANT": "fast.partition.cut_vertices.EPS 1e3",
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS / "support")]),
    }
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert found.stdout.split() == ["1000.0", "1000.0"]


@pytest.mark.deep
@pytest.mark.parametrize(("name", "factor", "test"), CAUGHT)
def test_a_moved_constant_turns_a_test_red(name, factor, test):
    assert outcome(name, factor, test) == 1
