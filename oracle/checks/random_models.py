"""Both implementations against the oracle on one random case: errors, allowances, breaches.

Which rooms may run the implementations is stated in tests/contract/test_independence.py; nothing
that computes a truth imports them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from mpmath import mp, mpf

import reference
from oracle.checks.implementations import (
    IMPLEMENTATIONS,
    LOCAL,
    codes_of,
    entries,
    moments,
    network_of,
)
from oracle.checks.tally import ALL_DIGITS, Comparison, Tally
from oracle.checks.tolerances import MOST_FOR_REFERENCE, TOLERANCES
from oracle.models.case import Case
from oracle.models.values import EXTENT, Key, Value
from oracle.quadrature.interval import PRECISE
from oracle.truths.agreed import truth
from oracle.truths.conditioning import EPSILON, Conditioning
from oracle.truths.joint import log_joint

_LOG_P: Key = ("log p", ())
#: Of local partitions: log p(x) if it is within its bounds, else the nearer one.
BOUNDED: Key = ("bounds of log p", ())
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
        _enter(result, name, partial(values_told, impl, case), case, exact, conditioning)
        result.regions[name] += regions
        if name == "fast" and LOCAL in TOLERANCES[size]:
            told = partial(values_of_boxes, impl, case, exact)
            _enter(result, LOCAL, told, case, exact, conditioning)
    return result


def _enter(
    result: Comparison,
    name: str,
    told: Callable[[int], tuple[dict[Key, float], int]],
    case: Case,
    exact: list[dict[Key, Value]],
    conditioning: Conditioning,
) -> None:
    """Compare what is told of the model (row 0) and of every point, and how often it is declined,
    with what is exact."""
    tolerances = TOLERANCES[case.latent_dimension][name]
    result.networks[name] += 1
    for row, expected in enumerate(exact):
        values, declined = told(row)
        result.declined[name] += declined
        values = {key: v for key, v in values.items() if key[0] in tolerances}
        quantities = {key[0] for key in values}
        known = {key: value for key, value in expected.items() if key[0] in quantities}
        if BOUNDED in values:
            known[BOUNDED] = expected[_LOG_P]
        matched = pairs(values, known)
        for key, value, target in matched:
            compare(
                result.tallies.setdefault((key[0], name), Tally()),
                case,
                row,
                key,
                value,
                target,
                conditioning=conditioning,
                tolerance=tolerances[key[0]],
            )
        for key in (values.keys() ^ known.keys()) - {key for key, _, _ in matched}:
            result.tallies.setdefault((key[0], name), Tally()).one_sided += 1


def values_told(impl: Any, case: Case, row: int) -> tuple[dict[Key, float], int]:
    """What an implementation says of the model (row 0) or a point, under the oracle's keys; and
    how many parts of it the reference declined."""
    dgn = impl.DGN(network_of(case), case.cov_x, case.cov_z)
    if row == 0:
        parts: list[Callable[[], dict[Key, float]]] = [
            lambda: _extents(impl, dgn),
            lambda: moments("marginal", dgn.mean().ravel(), dgn.cov()),
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
    if row and not declined:
        try:
            values.update(_spread(dgn, case, row - 1))
        except ArithmeticError:  # of images so steep that rounding hides it
            declined += 1
    return values, declined


def values_of_boxes(
    impl: Any, case: Case, exact: list[dict[Key, Value]], row: int
) -> tuple[dict[Key, float], int]:
    """The same by local partitions, of a point alone and not of single regions; and how many parts
    were declined, as too few digits are left of them.

    Bounds of log p are those of a share of a millionth left out. Told is which value between them
    is nearest to the exact one.
    """
    if not row:
        return {}, 0
    dgn, bounded = (
        impl.DGN(network_of(case), case.cov_x, case.cov_z, partition="local", negligible=share)
        for share in (1e-15, 1e-6)
    )
    x, target = case.X[row - 1 : row], exact[row][_LOG_P].value
    parts: list[Callable[[], dict[Key, float]]] = [
        lambda: {BOUNDED: _nearest(bounded.posterior(x).log_evidence_bounds[0], target)},
        lambda: {_LOG_P: dgn.logpdf(x)[0]},
        lambda: _of_posterior(dgn, dgn.posterior(x), case, row - 1),
        lambda: _spread(dgn, case, row - 1),
    ]
    values: dict[Key, float] = {}
    declined = 0
    for part in parts:
        try:
            values.update(part())
        except ArithmeticError:
            declined += 1
    return values, declined


def _nearest(bounds: Any, target: Any) -> float:
    """What between bounds is nearest to a value; rounded, where it is the value."""
    low, high = map(float, bounds)
    return low if target < low else high if target > high else float(target)


def _at_point(impl: Any, dgn: Any, case: Case, n: int) -> dict[Key, float]:
    """Everything about one point."""
    posterior = dgn.posterior(case.X[n : n + 1])
    values = _of_posterior(dgn, posterior, case, n)
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


def _of_posterior(dgn: Any, posterior: Any, case: Case, n: int) -> dict[Key, float]:
    """What is not of single regions."""
    x, q = case.X[n : n + 1], (case.q_mean[n : n + 1], case.q_cov[n : n + 1])
    peak = log_joint(case.specs, case.cov_x, case.cov_z, x[0], posterior.mode()[0])
    return {
        _LOG_P: dgn.logpdf(x)[0],
        ("entropy", ()): posterior.entropy()[0],
        ("log p at the mode", ()): peak,
        ("expected complete log-likelihood", ()): dgn.expected_complete_loglik(x)[0],
        ("ELBO", ()): dgn.elbo(x, *q)[0],
        ("KL", ()): dgn.kl(x, *q)[0],
        **moments("posterior", posterior.mean()[0], posterior.cov()[0]),
        **entries("reconstruction mean", posterior.reconstruction()[0].ravel(), ()),
        **entries("score", dgn.score(x)[0].ravel(), ()),
    }


def _spread(dgn: Any, case: Case, n: int) -> dict[Key, float]:
    """Cov[g(z) | x] of one datum, its diagonal as it is told by itself."""
    posterior = dgn.posterior(case.X[n : n + 1])
    cov = posterior.reconstruction_cov()[0]
    np.fill_diagonal(cov, posterior.reconstruction_cov(diagonal=True)[0].ravel())
    return entries("reconstruction covariance", cov, ())


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
    moved = _LOG_P if key == BOUNDED else key
    kappa = conditioning.kappa(row, moved, target.value, target.scale)
    tally.conditioned += 1
    if error > kappa * EPSILON:
        kappa = conditioning.kappa(row, moved, target.value, target.scale, partition=True)
        tally.by_partition += 1
    kappa = max(kappa, float(target.terms / target.scale))
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
