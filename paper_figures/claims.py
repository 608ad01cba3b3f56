"""What the paper claims, what was measured, and whether the claim holds by it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from reference.model import Array


class Verdict(Enum):
    """Whether a claim holds on what was measured, or that this decided nothing; of the rest, that
    there is no claim."""

    HOLDS = "holds"
    PARTLY = "holds in part"
    FAILS = "does not hold"
    OPEN = "not decided"
    OWN = "beyond the paper"


class Claim(NamedTuple):
    """The paper's words or their sense, what was measured, the verdict; and where, in a figure that
    asks in several places."""

    paper: str
    measured: str
    verdict: Verdict
    where: str = ""


def judged(won: Sequence[tuple[int, int]]) -> Verdict:
    """Of contests, each won on so many of so many starts: the claim holds if all are won on all
    starts; it does not if one is lost on half of them or more; else it holds in part. Contests of
    no start decide nothing."""
    won = [(wins, count) for wins, count in won if count]
    if not won:
        return Verdict.OPEN
    if all(wins == count for wins, count in won):
        return Verdict.HOLDS
    if any(2 * wins <= count for wins, count in won):
        return Verdict.FAILS
    return Verdict.PARTLY


def checked(good: bool) -> Verdict:
    """Of a check with one outcome."""
    return Verdict.HOLDS if good else Verdict.FAILS


def median_and_range(values: Array, digits: int = 3) -> str:
    """In words: "0.41 (0.32 to 0.66)", and how many are unknown (NaN)."""
    known = values[~np.isnan(values)]
    lost = len(values) - len(known)
    if not len(known):
        return "unknown"
    middle, low, high = (number(f(known), digits) for f in (np.median, np.min, np.max))
    return f"{middle} ({low} to {high}" + (f"; {lost} unknown)" if lost else ")")


def number(value: float, digits: int = 3) -> str:
    """With so many significant digits, without an exponent where it is short."""
    if np.isinf(value):
        return "diverged"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:,.0f}"
    if 10 <= abs(value) < 1e6:
        return f"{value:,.2f}"
    if 1e-3 <= abs(value) < 10:
        decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
        return f"{value:,.{min(decimals, 4)}f}"
    return f"{value:.{digits - 1}e}"
