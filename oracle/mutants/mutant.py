"""A deliberate defect of an implementation: one expression of one function, and a wrong one.

Data only: oracle.mutants.trial puts defects in, in memory, and says which the oracle catches. Each
is named by what it does. `replaced` must occur exactly once in the function, so that a defect whose
place has gone fails loudly and does not pass for caught. Guarded by
tests/oracle/test_oracle_mutants.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A defect: in one function a text becomes another text.

    Parameters
    ----------
    name
        What the defect does; no two defects of a package share it.
    package
        "reference" or "fast".
    module
        The function's module, without the package.
    function
        "name", or "Class.name" for a method or property.
    replaced
        The text that the defect replaces; it occurs once in the function.
    by
        The text that takes its place.
    imitates
        The mistake that the defect stands for, in a sentence.
    """

    name: str
    package: str
    module: str
    function: str
    replaced: str
    by: str
    imitates: str

    @property
    def label(self) -> str:
        """The package and the name: no two defects share it."""
        return f"{self.package}: {self.name}"


def in_reference(
    name: str, module: str, function: str, replaced: str, by: str, imitates: str
) -> Mutant:
    """A defect of `reference`; the arguments are the fields of Mutant in their order."""
    return Mutant(
        name=name,
        package="reference",
        module=module,
        function=function,
        replaced=replaced,
        by=by,
        imitates=imitates,
    )


def in_fast(name: str, module: str, function: str, replaced: str, by: str, imitates: str) -> Mutant:
    """A defect of `fast`; the arguments are the fields of Mutant in their order."""
    return Mutant(
        name=name,
        package="fast",
        module=module,
        function=function,
        replaced=replaced,
        by=by,
        imitates=imitates,
    )
