"""Gauss-Legendre rules to the last digit; numpy's and scipy's weights are off by up to 1e-13."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from reference.model import Array

# Working digits: enough that a node rounds once, whatever cancels in Legendre's recurrence.
_DIGITS = 40
# Each step doubles the digits, of which numpy's nodes have 13: three leave more than 40.
_NEWTON_STEPS = 3


@cache
def legendre_rule(n: int) -> tuple[Array, Array]:
    """Nodes and weights (n,) on [0, 1], each rounded once. Guarded by
    tests/integration/test_simplices.py."""
    nodes, weights = np.empty(n), np.empty(n)
    guesses = np.polynomial.legendre.leggauss(n)[0]
    with localcontext() as context:
        context.prec = _DIGITS
        for i, guess in enumerate(guesses.tolist()):
            x = Decimal(guess)
            for _ in range(_NEWTON_STEPS):
                value, slope = _legendre(n, x)
                x -= value / slope
            _, slope = _legendre(n, x)
            nodes[i] = float((1 + x) / 2)
            weights[i] = float(1 / ((1 - x * x) * slope * slope))
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def _legendre(n: int, x: Decimal) -> tuple[Decimal, Decimal]:
    """P_n(x) and its derivative, |x| < 1."""
    before, value = Decimal(1), x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, n * (before - x * value) / (1 - x * x)
