"""Sums over regions: log-sum-exp, and moments of a mixture as values with their units."""

from __future__ import annotations

from mpmath import mp

from oracle.exact.number_types import Real
from oracle.models.values import Key, Value


def moments_values(name: str, mean: list[Real], cov: list[list[Real]]) -> dict[Key, Value]:
    """Mean and covariance (lower half) in units of the standard deviations."""
    size = [mp.sqrt(cov[i][i]) for i in range(len(mean))]
    values: dict[Key, Value] = {
        (f"{name} mean", (i,)): Value(m, size[i]) for i, m in enumerate(mean)
    }
    for i in range(len(mean)):
        for j in range(i + 1):
            values[(f"{name} covariance", (i, j))] = Value(cov[i][j], size[i] * size[j])
    return values


def log_sum(logs: list[Real]) -> Real:
    """log Σ exp(v) over the logs v."""
    top = max(logs)
    return top + mp.log(sum(mp.exp(v - top) for v in logs))
