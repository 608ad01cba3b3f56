"""Both implementations against the oracle on one random case: errors, allowances, breaches.

Which rooms may run the implementations is stated in tests/contract/test_independence.py; nothing
that computes a truth imports them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from mpmath import mp, mpf

import reference
from oracle.checks.implementations import IMPLEMENTATIONS, codes_of, entries, moments, network_of
from oracle.checks.tally import ALL_DIGITS, Comparison, Tally
from oracle.checks.tolerances import MOST_FOR_REFERENCE, TOLERANCES
from oracle.models.case import Case
from oracle.models.values import EXTENT, Key, Value
from oracle.quadrature.interval import PRECISE
from oracle.truths.agreed import truth
from oracle.truths.conditioning import EPSILON, Conditioning
from oracle.truths.joint import log_joint

_WITHIN_REGION = ("log e0", "e1", "e2", "region mean", "region covariance")


def crosscheck(case: Case, implementations: dict[str, ModuleType] | None = None) -> Comparison:
    """Compare every quantity of every implementation with the oracle on one case."""
    exact = truth(case)
    conditioning = Conditioning(case)
    size = case.latent_dimension
    result = Comparison(size)
    regions = sum(key[0] == "region mass" for key in exact[0])
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        if name == "reference" and regions > MOST_FOR_REFERENCE[size]:
            continue
        result.networks[name] += 1
        result.regions[name] += regions
        for row, expected in enumerate(exact):
            values, declined = values_told(impl, case, row)
            result.declined[name] += declined
            values = {key: v for key, v in values.items() if key[0] in TOLERANCES[size][name]}
            told = {key[0] for key in values}
            known = {key: value for key, value in expected.items() if key[0] in told}
            matched = pairs(values, known)
            for key, value, target in matched:
                tally = result.tallies.setdefault((key[0], name), Tally())
                tolerance = TOLERANCES[size][name][key[0]]
                compare(
                    tally,
                    case,
                    row,
                    key,
                    value,
                    target,
                    conditioning=conditioning,
                    tolerance=tolerance,
                )
            for key in (values.keys() ^ known.keys()) - {key for key, _, _ in matched}:
                result.tallies.setdefault((key[0], name), Tally()).one_sided += 1
    return result


def values_told(impl: Any, case: Case, row: int) -> tuple[dict[Key, float], int]:
    """What an implementation says of the model (row 0) or a point, under the oracle's keys; and
    how many parts of it the reference declined."""
    dgn = impl.DGN(network_of(case), case.cov_x, case.cov_z)
    if row == 0:
        parts: list[Callable[[], dict[Key, float]]] = [
            lambda: _extents(impl, dgn),
            lambda: moments("marginal", dgn.mean(), dgn.cov()),
        ]
    else:
        parts = [lambda: _at_point(impl, dgn, case, row - 1)]
    values: dict[Key, float] = {}
    declined = 0
    for part in parts:
        try:
            values.update(part())
        except (reference.OutsideValidity, reference.PartitionError):
            declined += 1
    return values, declined


def _at_point(impl: Any, dgn: Any, case: Case, n: int) -> dict[Key, float]:
    """Everything about one point."""
    x, q = case.X[n : n + 1], (case.q_mean[n : n + 1], case.q_cov[n : n + 1])
    posterior = dgn.posterior(x)
    peak = log_joint(case.specs, case.cov_x, case.cov_z, x[0], posterior.mode()[0])
    values: dict[Key, float] = {
        ("log p", ()): dgn.logpdf(x)[0],
        ("entropy", ()): posterior.entropy()[0],
        ("log p at the mode", ()): peak,
        ("expected complete log-likelihood", ()): dgn.expected_complete_loglik(x)[0],
        ("ELBO", ()): dgn.elbo(x, *q)[0],
        ("KL", ()): dgn.kl(x, *q)[0],
    }
    values.update(moments("posterior", posterior.mean()[0], posterior.cov()[0]))
    for r, code in enumerate(codes_of(dgn)):
        values[("e0", code)] = posterior.e0[0, r]
        first, second = posterior.e1[0, r], posterior.e2[0, r]
        values.update(entries("e1", first, code))
        values.update(entries("e2", second, code))
        if posterior.log_e0[0, r] > -np.inf:
            values[("log e0", code)] = posterior.log_e0[0, r]
            inside = posterior.region_mean[0, r], posterior.region_cov[0, r]
            values.update(moments("region", *inside, code))
    return values


def _extents(impl: Any, dgn: Any) -> dict[Key, float]:
    """Prior masses of the regions; with one latent dimension their ends too."""
    partition, zero = dgn.partition(), np.zeros((1, len(dgn.cov_z)))
    values: dict[Key, float] = {}
    for r, code in enumerate(codes_of(dgn)):
        normals, offsets = partition.halfspaces(r)
        log_mass, _, _ = impl.gaussian_on_polyhedron(normals, offsets, zero, dgn.cov_z)
        values[("region mass", code)] = float(np.exp(log_mass[0]))
        if len(dgn.cov_z) > 1:
            continue
        ends = -offsets / normals[:, 0]
        if len(ends) == 2:
            values[("region width", code)] = float(abs(ends[1] - ends[0]))
        elif len(ends) == 1:
            values[("region end", code)] = float(ends[0])
    return values


def pairs(values: dict[Key, float], exact: dict[Key, Value]) -> list[tuple[Key, float, Value]]:
    """What to compare: key, value and target.

    A region that only one side has counts as having mass and width 0 on the other, since regions
    narrower than the spacing of doubles are legitimately absent. Its moments have no counterpart.
    """
    pairs = [(key, value, exact[key]) for key, value in values.items() if key in exact]
    for key, target in exact.items():
        if key not in values and key[0] in EXTENT:
            pairs.append((key, 0.0, target))
        elif key not in values and key[0] not in _WITHIN_REGION:
            pairs.append((key, np.nan, target))
    for key, value in values.items():
        if key not in exact and key[0] in EXTENT:
            pairs.append((key, value, Value(mpf(0), mpf(1))))
    return pairs


def compare(
    tally: Tally,
    case: Case,
    row: int,
    key: Key,
    value: float,
    target: Value,
    *,
    conditioning: Conditioning,
    tolerance: float,
) -> None:
    """Enter one comparison of a value with its target into the tally of its quantity."""
    with mp.workdps(PRECISE.working):
        error = float(abs(mpf(value) - target.value) / target.scale)
    tally.compared += 1
    tally.digits[_digits(error)] += 1
    place = f"seed {case.seed}" + (f", point {row - 1}" if row else "")
    if error <= tolerance:
        if error > tally.worst:
            tally.worst, tally.where = error, place
        return
    kappa = conditioning.kappa(row, key, target.value, target.scale)
    tally.conditioned += 1
    if error > kappa * EPSILON:
        kappa = conditioning.kappa(row, key, target.value, target.scale, partition=True)
        tally.by_partition += 1
    tally.kappa = max(tally.kappa, kappa)
    tally.empty += kappa * EPSILON > 1
    share = error / (kappa * EPSILON) if kappa > 0 else np.inf
    if share <= 1:
        tally.share = max(tally.share, share)
    else:
        tally.breaches.append(
            f"{place} ({case.label}): {key[0]} {key[1]}: error {error:.3g}, "
            f"tolerance {tolerance:g}, condition number {kappa:.3g}"
        )


def _digits(error: float) -> int:
    """Digits of the scale that agree."""
    if not np.isfinite(error):
        return 0
    return ALL_DIGITS if error == 0 else int(np.clip(-np.log10(error), 0, ALL_DIGITS))
