"""Names of the values that the oracle computes, and what a value is."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.exact.number_types import Real

#: Quantities that are 0 for a region that is not there.
EXTENT = ("e0", "region mass", "region width")
#: (quantity, part): part is a region's code, then the indices of an entry; or ().
Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Value:
    """A number, and the unit in which errors of it are measured.

    terms: how large the numbers are that its formula adds, where they are rounded by themselves.
    """

    value: Real
    scale: Real
    terms: Real = 0
