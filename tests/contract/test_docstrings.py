"""What is exported is documented: sections, parameters and examples.

tests/data/undocumented.txt lists the names that do not pass yet. It may only get shorter:
`python tests/contract/test_docstrings.py` prints what it has to be.
"""

import dataclasses
import doctest
import functools
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

import fast
import fast.estimators
import oracle
import reference

NOT_YET = Path(__file__).resolve().parents[1] / "data" / "undocumented.txt"
PACKAGES = [fast, fast.estimators, reference, oracle]
#: What numpydoc is asked: that there is a text (GL08) with known sections in order (GL06, GL07)
#: that begins with a sentence (SS01, SS03) on a line of its own (SS06); that parameters (PR) and
#: results (RT, YD) are there, are those of the signature, and have types and descriptions.
CODES = {
    *("GL06", "GL07", "GL08", "SS01", "SS03", "SS06"),
    *("PR01", "PR02", "PR03", "PR04", "PR07", "PR10", "RT01", "RT03", "YD01"),
}
#: Documented once, by the protocol that every layer keeps.
OF_EVERY_LAYER = {name for name in vars(reference.model.Layer) if not name.startswith("_")}


def public_names(package):
    """What a package exports, and the public methods and properties of its classes."""
    for name in package.__all__:
        thing = getattr(package, name)
        yield f"{package.__name__}.{name}"
        if inspect.isclass(thing):
            layer = issubclass(thing, reference.model.ReadOnly) and hasattr(thing, "cuts")
            for part, value in vars(thing).items():
                kinds = property, functools.cached_property, staticmethod, classmethod
                if part.startswith("_") or not (
                    inspect.isfunction(value) or isinstance(value, kinds)
                ):
                    continue
                if not (layer and part in OF_EVERY_LAYER):
                    yield f"{package.__name__}.{name}.{part}"


def is_record(thing):
    """Whether a class is a dataclass or a named tuple: its fields may be Attributes."""
    return inspect.isclass(thing) and (dataclasses.is_dataclass(thing) or hasattr(thing, "_fields"))


def faults(name):
    """What is wrong with the documentation of a public name, in words."""
    found = [f"{code}: {says}" for code, says in validate(name)["errors"] if code in CODES]
    thing = Validator._load_obj(name)
    if is_record(thing):
        attributes = get_doc_object(thing)["Attributes"]
        named = {one for names, _, _ in attributes for one in names.split(", ")}
        if named >= set(inspect.signature(thing).parameters):
            found = [fault for fault in found if not fault.startswith("PR01")]
    return found


def names():
    """Every public name of the packages."""
    return [name for package in PACKAGES for name in public_names(package)]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_what_is_exported_is_documented(package):
    """All names but those listed; and of those none that passes, so that the list shrinks."""
    not_yet = set(NOT_YET.read_text(encoding="utf-8").split())
    mine = list(public_names(package))
    bad = {name: said for name in mine if (said := faults(name))}
    new = {name: said for name, said in bad.items() if name not in not_yet}
    assert not new
    listed = {name for name in not_yet if name.split(".")[0] == package.__name__}
    assert listed <= set(bad), f"{sorted(listed - set(bad))}: take them off {NOT_YET.name}"


def test_the_list_names_what_there_is():
    """In order, each once."""
    listed = NOT_YET.read_text(encoding="utf-8").split()
    assert listed == sorted(set(listed))
    assert set(listed) <= set(names())


class Undocumented:
    """Of nothing"""

    def method(self, first, second):
        """Add."""
        return first + second


class Documented:
    """A sum.

    Parameters
    ----------
    first : int
        The first.
    """

    def __init__(self, first):
        self.first = first

    def method(self, second):
        """Add a number.

        Parameters
        ----------
        second : int
            The other.

        Returns
        -------
        int
            The sum.
        """
        return self.first + second


@dataclasses.dataclass
class Record:
    """A record.

    Attributes
    ----------
    first, second : int
        Numbers.
    """

    first: int
    second: int


@pytest.mark.parametrize(
    ("thing", "codes"),
    [
        (Undocumented, {"SS03"}),
        (Undocumented.method, {"PR01", "RT01"}),
        (Documented, set()),
        (Documented.method, set()),
        (Record, set()),
    ],
)
def test_the_check_finds_what_is_missing(monkeypatch, thing, codes):
    module = sys.modules[__name__]
    name = f"{module.__name__}.{thing.__qualname__}"
    assert {fault[:4] for fault in faults(name)} == codes


def modules(package):
    """The modules of a package, but those that run when imported."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(m.name for m in found if not m.name.endswith("__main__"))]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_examples_run(package):
    """Every example of every docstring shows what is printed."""
    failed = {}
    for name in modules(package):
        result = doctest.testmod(importlib.import_module(name))
        if result.failed:
            failed[name] = result.failed
    assert not failed


if __name__ == "__main__":
    print("\n".join(sorted(name for name in names() if faults(name))))
