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


def reconstruction_values(
    mean: list[Real], cov: list[list[Real]], root: list[list[Real]], x: list[Real]
) -> dict[Key, Value]:
    """E[g(z) | x] and Cov[g(z) | x] in units of standard deviations of g(z) with the noise; and the
    score Σx^-1 (E[g(z) | x] - x) in its own, or those of one over the noise.

    root: the lower Cholesky factor of Σx, as rows.
    """
    axes = range(len(mean))
    size = [mp.sqrt(cov[i][i] + sum(v * v for v in root[i][: i + 1])) for i in axes]
    values: dict[Key, Value] = {
        ("reconstruction mean", (i,)): Value(mean[i], size[i]) for i in axes
    }
    for i in axes:
        for j in range(i + 1):
            values["reconstruction covariance", (i, j)] = Value(cov[i][j], size[i] * size[j])
    score = _precision_times(root, [m - v for m, v in zip(mean, x, strict=True)])
    for i in axes:
        unit = _precision_times(root, [mp.mpf(int(i == j)) for j in axes])
        values["score", (i,)] = Value(score[i], max(abs(score[i]), mp.sqrt(unit[i])))
    return values


def _precision_times(root: list[list[Real]], vector: list[Real]) -> list[Real]:
    """(L Lᵀ)^-1 v, by forward and backward substitution."""
    size, white = len(vector), list[Real]()
    for i in range(size):
        known = sum(root[i][k] * white[k] for k in range(i))
        white.append((vector[i] - known) / root[i][i])
    result: list[Real] = [mp.mpf(0)] * size
    for i in reversed(range(size)):
        known = sum(root[k][i] * result[k] for k in range(i + 1, size))
        result[i] = (white[i] - known) / root[i][i]
    return result


def log_sum(logs: list[Real]) -> Real:
    """log Σ exp(v) over the logs v."""
    top = max(logs)
    return top + mp.log(sum(mp.exp(v - top) for v in logs))
