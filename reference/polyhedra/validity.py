"""Where sums of signed masses stop being accurate, and the error that is raised then."""

from __future__ import annotations

# Errors of p(x), or of the sum of the regions' prior masses, above which nothing is returned.
TOLERANCE = 1e-9


class OutsideValidity(ArithmeticError):
    """The masses of Lemma 4 cancel: the result would have too few correct digits.

    The message names the mean or datum, the value and its error bound. `fast` has no such limit.
    """
