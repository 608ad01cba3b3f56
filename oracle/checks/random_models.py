"""Both implementations against the oracle on one case: errors, allowances, breaches.

The modules that import the implementations, to run and compare them, are listed in
tests/contract/test_independence.py; nothing that computes a truth imports them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from mpmath import mp, mpf

import fast
import reference
from oracle.models.case import Case
from oracle.models.descriptions import Description
from oracle.quadrature.interval import PRECISE
from oracle.truths.agreed import truth
from oracle.truths.conditioning import EPSILON, Conditioning
from oracle.truths.joint import log_joint
from oracle.truths.one_dimension import EXTENT, Key, Value
from reference.model import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    Upsample,
)

IMPLEMENTATIONS: dict[str, ModuleType] = {"reference": reference, "fast": fast}

_LOGS = (
    "log p",
    "e0",
    "log e0",
    "e1",
    "e2",
    "entropy",
    "log p at the mode",
    "expected complete log-likelihood",
    "ELBO",
    "KL",
    "region mass",
    "region width",
    "region end",
)
_MOMENTS = (
    "region mean",
    "region covariance",
    "posterior mean",
    "posterior covariance",
    "marginal mean",
    "marginal covariance",
)
_PRECISE = {**dict.fromkeys(_LOGS, 1e-12), **dict.fromkeys(_MOMENTS, 1e-11)}
#: The reference sums signed terms for S > 1: it vouches for 1e-9 of p(x), and declines otherwise
#: (reference.polyhedra.validity); log p(x, z) averages second moments with weights of the size of
#: Σx^-1.
_CANCELLING = {
    **dict.fromkeys(_LOGS, 1e-9),
    **dict.fromkeys(_MOMENTS, 1e-8),
    **dict.fromkeys(("e1", "e2"), 1e-8),
    **dict.fromkeys(("entropy", "expected complete log-likelihood"), 1e-7),
}
# What it says within a region is compared through e1 and e2: regions of next to no weight are
# beyond its validity.
for _name in ("log e0", "region mean", "region covariance"):
    del _CANCELLING[_name]
#: Allowed error of each quantity in units of its scale, by latent dimension and implementation: log
#: densities in max(1, |log p|), moments in standard deviations (covariances in products of two, e1
#: and e2 in roots of the posterior's second moments), masses absolute, breakpoints relative to the
#: larger end of their region.
TOLERANCES: dict[int, dict[str, dict[str, float]]] = {
    1: {"reference": _PRECISE, "fast": _PRECISE},
    2: {"reference": _CANCELLING, "fast": _PRECISE},
    3: {
        "reference": _CANCELLING,
        "fast": {**dict.fromkeys(_LOGS, 1e-10), **dict.fromkeys(_MOMENTS, 1e-9)},
    },
}
#: The most regions the reference is asked about, by latent dimension: its sums take minutes.
MOST_FOR_REFERENCE = {1: 400, 2: 24, 3: 8}


@dataclass
class Tally:
    """The comparisons of one quantity for one implementation.

    worst: the largest error among those within the tolerance, and where. conditioned: how many were
    beyond it and had their condition number κ computed; by_partition: how many of these needed the
    κ that counts the partition's doubles among the inputs; empty: how many had κ ε > 1, so that
    nothing was shown; share: the largest of their errors as a share of κ ε; kappa: the largest κ.
    breaches: what exceeded all, in words. one_sided: values of regions that only one side has, and
    that have no counterpart to be compared with. digits: how many comparisons agreed to so many
    digits of the scale (ALL_DIGITS if the error was 0).
    """

    compared: int = 0
    worst: float = 0.0
    where: str = ""
    conditioned: int = 0
    by_partition: int = 0
    empty: int = 0
    share: float = 0.0
    kappa: float = 0.0
    breaches: list[str] = field(default_factory=list)
    one_sided: int = 0
    digits: Counter[int] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Take in the comparisons of another case."""
        self.compared += other.compared
        if other.worst > self.worst:
            self.worst, self.where = other.worst, other.where
        self.conditioned += other.conditioned
        self.by_partition += other.by_partition
        self.empty += other.empty
        self.share = max(self.share, other.share)
        self.kappa = max(self.kappa, other.kappa)
        self.breaches += other.breaches
        self.one_sided += other.one_sided
        self.digits += other.digits


_LAYERS: dict[str, Any] = {
    layer.__name__: layer
    for layer in (
        Abs,
        AvgPool,
        Conv2d,
        Dense,
        Flatten,
        LeakyReLU,
        MaxPool,
        ReLU,
        Reshape,
        Upsample,
    )
}

_WITHIN_REGION = ("log e0", "e1", "e2", "region mean", "region covariance")
#: Digits counted for an error of 0.
ALL_DIGITS = 17


@dataclass
class Comparison:
    """Comparisons with one latent dimension, by (quantity, implementation); networks and regions
    compared, by implementation; rows (the model, or one point) declined as outside validity."""

    dimension: int
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    networks: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    declined: Counter[str] = field(default_factory=Counter)

    def add(self, other: Comparison) -> None:
        """Take in another case's."""
        for key, tally in other.tallies.items():
            self.tallies.setdefault(key, Tally()).add(tally)
        self.networks += other.networks
        self.regions += other.regions
        self.declined += other.declined

    @property
    def breaches(self) -> list[str]:
        """What exceeded all that is allowed, in words."""
        return [f"{n}: {b}" for (_, n), tally in self.tallies.items() for b in tally.breaches]


def network_of(case: Case) -> Network:
    """The case's network, built from its description."""
    return network_from(case.layers)


def network_from(layers: tuple[Description, ...]) -> Network:
    """The network of a description, as oracle.models.architectures makes them."""
    return Network([_LAYERS[kind](**settings) for kind, settings in layers])


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
                compare(tally, case, row, key, value, target, conditioning, tolerance)
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
            lambda: _moments("marginal", (), dgn.mean(), dgn.cov()),
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


def _codes(dgn: Any) -> list[tuple[int, ...]]:
    return [tuple(int(v) for v in code) for code in dgn.partition().codes]


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
    values.update(_moments("posterior", (), posterior.mean()[0], posterior.cov()[0]))
    for r, code in enumerate(_codes(dgn)):
        values[("e0", code)] = posterior.e0[0, r]
        first, second = posterior.e1[0, r], posterior.e2[0, r]
        values.update(_entries("e1", code, first))
        values.update(_entries("e2", code, second))
        if posterior.log_e0[0, r] > -np.inf:
            values[("log e0", code)] = posterior.log_e0[0, r]
            inside = posterior.region_mean[0, r], posterior.region_cov[0, r]
            values.update(_moments("region", code, *inside))
    return values


def _moments(name: str, code: tuple[int, ...], mean: Any, cov: Any) -> dict[Key, float]:
    """Mean and covariance."""
    return {**_entries(f"{name} mean", code, mean), **_entries(f"{name} covariance", code, cov)}


def _entries(name: str, code: tuple[int, ...], array: Any) -> dict[Key, float]:
    """The entries of a vector, or of the lower half of a symmetric matrix."""
    places = [i for i in np.ndindex(array.shape) if len(i) < 2 or i[1] <= i[0]]
    return {(name, (*code, *i)): array[i] for i in places}


def _extents(impl: Any, dgn: Any) -> dict[Key, float]:
    """Prior masses of the regions; with one latent dimension their ends too."""
    partition, zero = dgn.partition(), np.zeros((1, len(dgn.cov_z)))
    values: dict[Key, float] = {}
    for r, code in enumerate(_codes(dgn)):
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
    """What to compare. A region only one side has counts as having mass and width 0 on the other:
    regions narrower than the spacing of doubles are legitimately absent. Its moments have no
    counterpart."""
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
    conditioning: Conditioning,
    tolerance: float,
) -> None:
    """Enter one comparison."""
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
