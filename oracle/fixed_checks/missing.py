"""Data of which entries are missing, on the fixed models: by rows of the last layer left out.

The truth of a row is that of a network without the missing outputs: its regions are the same, and
its shares of them come from oracle.learning.sums_over_data. What is missing follows from the whole
network's maps on these regions, in 50 digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from mpmath import mp, mpf

from oracle.checks.implementations import codes_of
from oracle.exact.number_types import Array, Reals
from oracle.exact.regions import Code, exact_regions
from oracle.fixed_checks.deviation import Check, Deviation, error_of
from oracle.fixed_checks.models import PLANE, Model, specs
from oracle.learning.sums_over_data import (
    DIGITS,
    doubles,
    full_covariance,
    log_evidence,
    map_of,
    reals,
    shares,
)
from oracle.truths.joint import log_joint

#: The plane's points near its images: `reference` sees no others.
NEAR = replace(PLANE, X=PLANE.X[:2], q_mean=PLANE.q_mean[:2], q_cov=PLANE.q_cov[:2])
# Draws of what is missing, by implementation, and how many standard errors their mean may be off.
_DRAWS = {"reference": 300, "fast": 4000}
_ERRORS = 6.0


@dataclass(frozen=True)
class _Row:
    """Of one x without one entry: log p of the others, and of all; log p(z | x_o) at every mean of
    a q; moments of z, and of x given the
    others; by region, the sums of one datum."""

    log_seen: float
    log_all: float
    log_density: Array
    latent_mean: Array
    latent_cov: Array
    mean: Array
    cov: Array
    residual0: dict[Code, Array]
    residual1: dict[Code, Array]
    scatter: Array


def _without(model: Model, missing: int) -> Model:
    """The model of the other entries of x."""
    kept = [d for d in range(model.X.shape[1]) if d != missing]
    kind, settings = model.layers[-1]
    assert kind == "Dense"
    rows = {name: values[kept] for name, values in settings.items()}
    noise = full_covariance(model.cov_x, model.X.shape[1])[np.ix_(kept, kept)]
    return replace(
        model, layers=(*model.layers[:-1], (kind, rows)), cov_x=noise, X=model.X[:, kept]
    )


def missing_of(model: Model) -> list[int]:
    """Which entry of each x is missing: another one in turn."""
    return [n % model.X.shape[1] for n in range(len(model.X))]


@cache
def _truth(model: Model, n: int) -> _Row:
    """What follows from x number n without its missing entry."""
    missing = missing_of(model)[n]
    part = _without(model, missing)
    layers, x = specs(part), part.X[n]
    with mp.workdps(DIGITS):
        cov_x = full_covariance(model.cov_x, model.X.shape[1])
        kept = [d for d in range(len(cov_x)) if d != missing]
        # Of all residuals given those of the others: L r, and a variance that is left.
        pull = mp.lu_solve(mp.matrix(cov_x[np.ix_(kept, kept)]), mp.matrix(cov_x[kept, missing]))
        lift = reals(np.eye(len(cov_x))[:, kept])
        lift[missing] = [pull[i] for i in range(len(kept))]
        left = mpf(cov_x[missing, missing]) - lift[missing] @ reals(cov_x[kept, missing])
        maps = {r.code: map_of(r.rows, r.exponent) for r in exact_regions(specs(model))}
        found = shares(layers, part.cov_x, part.cov_z, x)
        latent = sum(share.e0 * share.mean for share in found)
        latent_cov = sum(
            share.e0 * (share.cov + np.outer(share.mean - latent, share.mean - latent))
            for share in found
        )
        first: dict[Code, Reals] = {}
        second: dict[Code, Reals] = {}
        size = len(cov_x)
        scatter, mean, square = reals(np.zeros((size, size))), 0, 0
        scatter[missing, missing] = left
        for share in found:
            slope, offset = maps[share.code]
            residual = lift @ (reals(x) - (slope @ share.mean + offset)[kept])
            steep = lift @ slope[kept]
            first[share.code] = share.e0 * residual
            along = np.outer(residual, share.mean) - steep @ share.cov
            second[share.code] = share.e0 * along
            spread = np.outer(residual, residual) + steep @ share.cov @ steep.T
            scatter = scatter + share.e0 * spread
            # x_m is g_m(z) plus its residual, and changes with z by the slopes of both.
            centre = (slope @ share.mean + offset)[missing] + residual[missing]
            turn = slope[missing] - steep[missing]
            mean = mean + share.e0 * centre
            square = square + share.e0 * (turn @ share.cov @ turn + centre**2)
        filled, cov = model.X[n].astype(float), np.zeros((size, size))
        filled[missing], cov[missing, missing] = float(mean), float(square - mean**2 + left)
        log_seen = log_evidence(layers, part.cov_x, part.cov_z, x)
        joint = [log_joint(layers, part.cov_x, part.cov_z, x, z) for z in model.q_mean]
        return _Row(
            log_seen=float(log_seen),
            log_density=np.array([float(value - log_seen) for value in joint]),
            log_all=float(log_evidence(specs(model), model.cov_x, model.cov_z, model.X[n])),
            latent_mean=doubles(latent),
            latent_cov=doubles(latent_cov),
            mean=filled,
            cov=cov,
            residual0={code: doubles(value) for code, value in first.items()},
            residual1={code: doubles(value) for code, value in second.items()},
            scatter=doubles(scatter),
        )


def missing_entries(model: Model) -> Check:
    """log p, p(z | x_o), sums over data, and p(x_m | x_o) with its draws."""

    def check(impl: Any) -> Iterator[Deviation]:
        rows = [_truth(model, n) for n in range(len(model.X))]
        X = model.X.copy()
        X[np.arange(len(X)), missing_of(model)] = np.nan
        dgn, allowed = model.dgn(impl), model.allowed(impl)
        posterior, given = dgn.posterior(X), dgn.conditional(X)
        whole = [row.log_all - row.log_seen for row in rows]
        for name, value, truth in (
            ("log p", dgn.logpdf(X), [row.log_seen for row in rows]),
            ("log p(z | x)", posterior.logpdf(model.q_mean), [row.log_density for row in rows]),
            ("posterior mean", posterior.mean(), [row.latent_mean for row in rows]),
            ("posterior covariance", posterior.cov(), [row.latent_cov for row in rows]),
            ("mean of what is missing", given.mean(), [row.mean for row in rows]),
            ("covariance of what is missing", given.cov(), [row.cov for row in rows]),
            ("log p of what is missing", given.logpdf(model.X), whole),
        ):
            yield Deviation(f"{model.name}: {name}", error_of(value, truth), allowed)
        yield from _sums(dgn, X, rows, model, allowed)
        yield _draws(impl, given, X, rows, model)

    return check


def _sums(
    dgn: Any, X: Array, rows: list[_Row], model: Model, allowed: float
) -> Iterator[Deviation]:
    """`statistics` with weights, region by region."""
    weights = 1.0 + np.arange(len(X))
    found, codes = dgn.statistics(X, weights), codes_of(dgn)
    yield Deviation(f"{model.name}: n", float(abs(found.n - weights.sum())), 0.0)
    for name in ("residual0", "residual1"):
        truth = np.zeros(getattr(found, name).shape)
        for weight, row in zip(weights, rows, strict=True):
            for code, value in getattr(row, name).items():
                truth[codes.index(code)] += weight * value
        error = error_of(getattr(found, name), truth)
        yield Deviation(f"{model.name}: sum of {name}", error, allowed)
    scatter = sum(weight * row.scatter for weight, row in zip(weights, rows, strict=True))
    kept = {0: np.trace(scatter), 1: np.diag(scatter), 2: scatter}[np.ndim(model.cov_x)]
    yield Deviation(f"{model.name}: scatter", error_of(found.scatter, kept), allowed)


def _draws(impl: Any, given: Any, X: Array, rows: list[_Row], model: Model) -> Deviation:
    """Means and squares of draws, in standard errors; at most 20 of them are asked for: a false
    alarm in 1e7 runs."""
    size = _DRAWS[impl.__name__]
    draws, worst = given.rvs(size, random_state=11), 0.0
    for n, (row, missing) in enumerate(zip(rows, missing_of(model), strict=True)):
        values = draws[n, :, missing]
        away = (values - row.mean[missing]) / np.sqrt(row.cov[missing, missing])
        worst = max(worst, abs(away.mean()) * np.sqrt(size))
        squares = away**2 - 1.0
        worst = max(worst, abs(squares.mean()) / squares.std() * np.sqrt(size))
    return Deviation(f"{model.name}: draws of what is missing", worst, _ERRORS)
