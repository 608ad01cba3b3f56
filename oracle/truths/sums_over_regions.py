"""Sums over regions: log-sum-exp, and moments of a mixture as values with their units."""

from __future__ import annotations

from dataclasses import dataclass

from mpmath import mp, mpf

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


@dataclass(frozen=True)
class Image:
    """What z in one region says of g(z) = A z + b."""

    weight: Real  # P(z in ω), or of the posterior
    slopes: list[list[Real]]  # A, by row
    mean: list[Real]  # of z in ω
    cov: list[list[Real]]  # of z in ω
    image: list[Real]  # g(mean)


def image_moments(images: list[Image]) -> tuple[list[Real], list[list[Real]]]:
    """E[g(z)] and the lower half of Cov[g(z)]."""
    axes = range(len(images[0].image))
    mean = [sum(g.weight * g.image[i] for g in images) for i in axes]
    cov = [
        [
            sum(
                g.weight
                * (
                    (g.image[i] - mean[i]) * (g.image[j] - mean[j])
                    + _form(g.slopes[i], g.cov, g.slopes[j])
                )
                for g in images
            )
            for j in range(i + 1)
        ]
        for i in axes
    ]
    return mean, cov


def _form(left: list[Real], matrix: list[list[Real]], right: list[Real]) -> Real:
    axes = range(len(left))
    return sum(left[s] * matrix[s][t] * right[t] for s in axes for t in axes)


def _terms(images: list[Image], mean: list[Real]) -> tuple[list[Real], list[list[Real]]]:
    """How large the numbers are that the formulas of the reconstruction add, E[A z + b] and
    A Cov[z] Aᵀ, of which a double loses ε: for every entry of its mean and covariance."""
    axes = range(len(mean))
    sizes, steep = list[list[Real]](), list[list[list[Real]]]()
    for g in images:
        parts = [[a * z for a, z in zip(row, g.mean, strict=True)] for row in g.slopes]
        sizes.append(
            [
                sum(map(abs, part)) + abs(image - sum(part))
                for part, image in zip(parts, g.image, strict=True)
            ]
        )
        steep.append([[abs(v) for v in row] for row in g.slopes])
    means = [sum(g.weight * own[i] for g, own in zip(images, sizes, strict=True)) for i in axes]
    covs = [[mpf(0)] * len(mean) for _ in axes]
    for g, own, slopes in zip(images, sizes, steep, strict=True):
        spread = [[abs(v) for v in row] for row in g.cov]
        away = [abs(g.image[i] - mean[i]) for i in axes]
        for i in axes:
            for j in range(i + 1):
                between = away[i] * own[j] + own[i] * away[j]
                covs[i][j] += g.weight * (_form(slopes[i], spread, slopes[j]) + between)
    return means, covs


def reconstruction_values(
    images: list[Image], root: list[list[Real]], x: list[Real]
) -> dict[Key, Value]:
    """E[g(z) | x] and Cov[g(z) | x] in units of standard deviations of g(z) with the noise; and the
    score Σx^-1 (E[g(z) | x] - x) in its own, or those of one over the noise.

    root: the lower Cholesky factor of Σx, as rows.
    """
    mean, cov = image_moments(images)
    terms, cov_terms = _terms(images, mean)
    axes = range(len(mean))
    size = [mp.sqrt(cov[i][i] + sum(v * v for v in root[i][: i + 1])) for i in axes]
    values: dict[Key, Value] = {
        ("reconstruction mean", (i,)): Value(mean[i], size[i], terms[i]) for i in axes
    }
    for i in axes:
        for j in range(i + 1):
            value = Value(cov[i][j], size[i] * size[j], cov_terms[i][j])
            values["reconstruction covariance", (i, j)] = value
    score = _precision_times(root, [m - v for m, v in zip(mean, x, strict=True)])
    for i in axes:
        row = _precision_times(root, [mp.mpf(int(i == j)) for j in axes])
        sizes = zip(row, terms, x, strict=True)
        added = sum(abs(v) * (term + abs(own)) for v, term, own in sizes)
        values["score", (i,)] = Value(score[i], max(abs(score[i]), mp.sqrt(row[i])), added)
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
