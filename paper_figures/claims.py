"""What the paper claims, what was measured, and whether the claim holds by it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from reference.model import Array


class Verdict(Enum):
    """Whether a claim holds by what was measured.

    `OPEN` if the measurement decides nothing, `OWN` if the paper makes no such claim.
    """

    HOLDS = "holds"
    PARTLY = "holds in part"
    FAILS = "does not hold"
    OPEN = "not decided"
    OWN = "beyond the paper"


class Claim(NamedTuple):
    """A claim, what was measured, and the verdict.

    Attributes
    ----------
    paper : str
        The paper's words, or their sense.
    measured : str
        What was measured, in words with numbers.
    verdict : Verdict
        Whether the claim holds by it.
    where : str
        On which data or model, for a figure that asks on several.
    """

    paper: str
    measured: str
    verdict: Verdict
    where: str = ""


def judged(won: Sequence[tuple[int, int]]) -> Verdict:
    """The verdict on a claim that is a number of contests.

    Parameters
    ----------
    won : sequence of (int, int)
        For each contest, on how many starts it was won, and of how many.

    Returns
    -------
    Verdict
        The claim holds if every contest is won on all starts. It fails if one is lost on half of
        the starts or more. Otherwise it holds in part. Contests without a start do not count; if
        there is no other, the claim is not decided.

    Examples
    --------
    >>> judged([(3, 3), (2, 3)]).value
    'holds in part'
    """
    won = [(wins, count) for wins, count in won if count]
    if not won:
        return Verdict.OPEN
    if all(wins == count for wins, count in won):
        return Verdict.HOLDS
    if any(2 * wins <= count for wins, count in won):
        return Verdict.FAILS
    return Verdict.PARTLY


def checked(good: bool) -> Verdict:
    """The verdict on a claim that is one check."""
    return Verdict.HOLDS if good else Verdict.FAILS


def median_and_range(values: Array, digits: int = 3) -> str:
    """The median of some values and their range, in words.

    Parameters
    ----------
    values : Array, shape (N,)
        NaN where unknown, infinite where a run diverged.
    digits : int
        Significant digits, as of `number`.

    Returns
    -------
    str
        "unknown" if all are.

    Examples
    --------
    >>> median_and_range(np.array([0.1, 0.35, 0.9]))
    '0.350 (0.100 to 0.900)'
    >>> median_and_range(np.array([1.0, np.nan]))
    '1 (1 to 1; 1 unknown)'
    """
    known = values[~np.isnan(values)]
    lost = len(values) - len(known)
    if not len(known):
        return "unknown"
    middle, low, high = (number(f(known), digits) for f in (np.median, np.min, np.max))
    return f"{middle} ({low} to {high}" + (f"; {lost} unknown)" if lost else ")")


def number(value: float, digits: int = 3) -> str:
    """A number as text, with an exponent only where it would be long without.

    Parameters
    ----------
    value : float
        Infinite for a run that diverged.
    digits : int
        Significant digits of numbers below 10; larger ones have two decimals, whole ones none.

    Returns
    -------
    str
        "diverged" if infinite.

    Examples
    --------
    >>> number(0.41234), number(50_000.0), number(1.234e-5)
    ('0.412', '50,000', '1.23e-05')
    """
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
