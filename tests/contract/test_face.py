"""`import exactdgn`: what `fast` exports, and the other packages when asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

import exactdgn
import fast
import oracle
import reference

ROOT = Path(exactdgn.__file__).resolve().parents[1]


def test_what_fast_exports():
    assert set(exactdgn.__all__) == {*fast.__all__, "__version__"}
    for name in fast.__all__:
        assert getattr(exactdgn, name) is getattr(fast, name)
    everything = {}
    exec("from exactdgn import *", everything)
    assert set(exactdgn.__all__) <= set(everything)


def test_the_other_packages_are_the_same_modules():
    assert exactdgn.reference is reference
    assert exactdgn.oracle is oracle
    assert {"DGN", "oracle", "reference"} <= set(dir(exactdgn))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"module 'exactdgn' has no attribute 'slow'"):
        exactdgn.slow  # noqa: B018


def test_the_oracle_is_imported_when_asked_for():
    """It needs mpmath, which `pip install exactdgn` alone does not bring."""
    code = """
import sys, exactdgn
assert not {"oracle", "mpmath"} & set(sys.modules)
from exactdgn import reference
assert reference is sys.modules["reference"]
assert exactdgn.oracle is sys.modules["oracle"]
sys.modules["mpmath"] = None
del sys.modules["oracle"]
try:
    exactdgn.oracle
except ImportError as error:
    assert "exactdgn[oracle]" in str(error)
else:
    raise AssertionError("imported without mpmath")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_the_same_everywhere():
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {exactdgn.__version__}\n" in cited
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{exactdgn.__version__}]" in changes
