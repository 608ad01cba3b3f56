"""Draws of both implementations against the moments that the oracle gives, in standard errors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from mpmath import mp

from oracle.checks.implementations import codes_of
from oracle.exact.number_types import Array
from oracle.fixed_checks.deviation import Check, Deviation
from oracle.fixed_checks.models import Model, specs
from oracle.fixed_checks.truths import latent_values, shares_of
from oracle.learning.sums_over_data import reals
from oracle.models.values import Key, Value
from oracle.quadrature.interval import PRECISE
from oracle.quadrature.moments import cholesky, solved
from oracle.truths.one_dimension import OneDimension

#: Draws: how many, and how many standard errors their moments may be off. A false alarm, were the
#: seed free, in 5e8 numbers compared; seen is a mean off by 0.1 (fast) or 0.2 standard deviations.
DRAWS, STANDARD_ERRORS = {"reference": 900, "fast": 4000}, 6.0


def draws(model: Model) -> Check:
    """Moments of draws from p(z | x), over all and region by region, and from p(x), in standard
    errors."""

    def check(impl: Any) -> Iterator[Deviation]:
        dgn = model.dgn(impl)
        sample = dgn.posterior(model.X).rvs(DRAWS[impl.__name__], random_state=5)
        for n, row in enumerate(shares_of(model)):
            mean, cov = mixture(list(row.values()))
            for name, error in standard_errors(sample[n], mean, cov):
                quantity = f"{model.name}: {name} of draws of z"
                yield Deviation(quantity, error, STANDARD_ERRORS)
            regions = dgn.partition().locate(sample[n])
            for r, code in enumerate(codes_of(dgn)):
                if code in row and 0.05 < row[code].e0 < 0.95:
                    quantity = f"{model.name}: draws of z in a region"
                    error = _within_region(sample[n][regions == r], len(sample[n]), row[code])
                    yield Deviation(quantity, error, STANDARD_ERRORS)
        mean, cov = _marginal(model)
        for name, error in standard_errors(dgn.rvs(40_000, random_state=6), mean, cov):
            yield Deviation(f"{model.name}: {name} of draws of x", error, STANDARD_ERRORS)

    return check


def _within_region(inside: Array, count: int, share: Any) -> float:
    """How far the number of draws in a region, of so many, and the length of their mean's error in
    coordinates in which they are standard, are off, in standard errors."""
    if not len(inside):
        return np.inf
    e0 = float(share.e0)
    number = abs(len(inside) / count - e0) / np.sqrt(e0 * (1 - e0) / count)
    with mp.workdps(30):
        root = cholesky([list(row) for row in share.cov])
        assert root is not None
        away = solved(root, list(reals(inside.mean(axis=0)) - share.mean))
        return max(float(number), float(mp.sqrt(len(inside) * sum(a * a for a in away))))


def mixture(parts: list[Any]) -> tuple[Array, Array]:
    """Mean and covariance of a posterior."""
    mean = sum(p.e0 * p.mean for p in parts)
    cov = sum(p.e0 * (p.cov + np.outer(p.mean - mean, p.mean - mean)) for p in parts)
    return np.array(mean, dtype=float), np.array(cov, dtype=float)


@cache
def _marginal(model: Model) -> tuple[Array, Array]:
    """Mean and covariance of p(x), from the prior's regions."""
    values = latent_values(model)[0] if model.latent > 1 else _line_values(model)
    size = max(key[1][0] for key in values if key[0] == "marginal mean") + 1
    mean, cov = np.empty(size), np.empty((size, size))
    for i in range(size):
        mean[i] = values["marginal mean", (i,)].value
        for j in range(i + 1):
            cov[i, j] = cov[j, i] = values["marginal covariance", (i, j)].value
    return mean, cov


@cache
def _line_values(model: Model) -> dict[Key, Value]:
    return OneDimension(specs(model), model.cov_x, model.cov_z, PRECISE).of_model()


def standard_errors(sample: Array, mean: Array, cov: Array) -> Iterator[tuple[str, float]]:
    """How far the moments of draws (n, k) are off, in standard errors of these draws."""
    away = sample - mean
    error = np.abs(away.mean(axis=0)) / np.sqrt(np.diag(cov) / len(sample))
    yield "mean", float(np.max(error))
    products = away[:, :, None] * away[:, None, :]
    error = np.abs(products.mean(axis=0) - cov) / (products.std(axis=0) / np.sqrt(len(sample)))
    yield "covariance", float(np.max(error))
