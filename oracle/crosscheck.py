"""Both implementations against the oracle on one case: errors, allowances, breaches.

Only this module and oracle.__main__ import the implementations, to run them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from mpmath import mp, mpf

import fast
import reference
from oracle.architectures import Case
from oracle.conditioning import EPSILON, Conditioning
from oracle.one_dimension import EXTENT, Key, OneDimension, Value, exact_values
from oracle.quadrature import PRECISE
from oracle.random_networks import Description
from reference.network import (
    Abs,
    AvgPool,
    Conv2d,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    MaxPool,
    Network,
    ReLU,
    Reshape,
    Upsample,
)

IMPLEMENTATIONS: dict[str, ModuleType] = {"reference": reference, "fast": fast}

#: Allowed error of each quantity in units of its scale: log densities in max(1, |log p|), moments
#: in standard deviations (variances in their own size), masses absolute, breakpoints relative to
#: the larger end of their region.
TOLERANCES: dict[str, float] = {
    "log p": 1e-12,
    "e0": 1e-12,
    "log e0": 1e-12,
    "e1": 1e-12,
    "e2": 1e-12,
    "region mean": 1e-11,
    "region variance": 1e-11,
    "posterior mean": 1e-11,
    "posterior variance": 1e-11,
    "entropy": 1e-12,
    "log p at the mode": 1e-12,
    "expected complete log-likelihood": 1e-12,
    "ELBO": 1e-12,
    "KL": 1e-12,
    "region mass": 1e-12,
    "region width": 1e-12,
    "region end": 1e-12,
    "marginal mean": 1e-11,
    "marginal covariance": 1e-11,
}


@dataclass
class Tally:
    """The comparisons of one quantity for one implementation.

    worst: the largest error among those within the tolerance, and where. conditioned: how many were
    beyond it and had their condition number κ computed; by_partition: how many of these needed the
    κ that counts the partition's doubles among the inputs; empty: how many had κ ε > 1, so that
    nothing was shown; share: the largest of their errors as a share of κ ε; kappa: the largest κ.
    breaches: what exceeded all, in words. one_sided: values of regions that only one side has, and
    that have no counterpart to be compared with.
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


class _Named(Protocol):
    """A case, as far as comparing needs it."""

    @property
    def seed(self) -> int:
        """What reproduces it."""

    @property
    def label(self) -> str:
        """What it is."""


class _Conditions(Protocol):
    """The condition numbers of a case."""

    def kappa(self, row: int, key: Key, base: Any, scale: Any, partition: bool = False) -> float:
        """κ of one quantity of one row."""


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

_WITHIN_REGION = ("log e0", "e1", "e2", "region mean", "region variance")

#: By (quantity, implementation).
Tallies = dict[tuple[str, str], Tally]


def network_of(case: Case) -> Network:
    """The case's network, built from its weights."""
    layers: list[Layer] = []
    for kind, *values in case.layers:
        if kind == "dense":
            layers.append(Dense(*values))
        elif values[0] == 0.0:
            layers.append(ReLU())
        else:
            layers.append(Abs() if values[0] == -1.0 else LeakyReLU(values[0]))
    return Network(layers)


def network_from(layers: list[Description]) -> Network:
    """The network of a description, as oracle.random_networks makes them."""
    return Network([_LAYERS[kind](**settings) for kind, settings in layers])


def implementation_values(impl: Any, case: Case, oracle: OneDimension) -> list[dict[Key, float]]:
    """What an implementation says of a case, under the oracle's keys: the model, then each
    point."""
    dgn = impl.DGN(network_of(case), case.cov_x, case.cov_z)
    codes = [tuple(int(v) for v in code) for code in dgn.partition().codes]
    posterior, q = dgn.posterior(case.X), (case.q_mean[:, None], case.q_variance[:, None, None])
    single = {
        "log p": dgn.logpdf(case.X),
        "posterior mean": posterior.mean()[:, 0],
        "posterior variance": posterior.cov()[:, 0, 0],
        "entropy": posterior.entropy(),
        "expected complete log-likelihood": dgn.expected_complete_loglik(case.X),
        "ELBO": dgn.elbo(case.X, *q),
        "KL": dgn.kl(case.X, *q),
    }
    regional = {
        "e0": posterior.e0,
        "log e0": posterior.log_e0,
        "e1": posterior.e1[:, :, 0],
        "e2": posterior.e2[:, :, 0, 0],
        "region mean": posterior.region_mean[:, :, 0],
        "region variance": posterior.region_cov[:, :, 0, 0],
    }
    rows: list[dict[Key, float]] = [_model_values(impl, dgn, codes)]
    modes = posterior.mode()[:, 0]
    for n, x in enumerate(case.X):
        row: dict[Key, float] = {(name, ()): values[n] for name, values in single.items()}
        row[("log p at the mode", ())] = oracle.log_joint_at(x, modes[n])
        for name, table in regional.items():
            row.update({(name, code): table[n, r] for r, code in enumerate(codes)})
        rows.append(row)
    return rows


def _model_values(impl: Any, dgn: Any, codes: list[tuple[int, ...]]) -> dict[Key, float]:
    """Regions, prior masses and the moments of p(x)."""
    partition = dgn.partition()
    values: dict[Key, float] = {}
    for r, code in enumerate(codes):
        normals, offsets = partition.halfspaces(r)
        log_mass, _, _ = impl.gaussian_on_polyhedron(normals, offsets, [[0.0]], dgn.cov_z)
        values[("region mass", code)] = float(np.exp(log_mass[0]))
        ends = -offsets / normals[:, 0]
        if len(ends) == 2:
            values[("region width", code)] = float(abs(ends[1] - ends[0]))
        elif len(ends) == 1:
            values[("region end", code)] = float(ends[0])
    mean, cov = dgn.mean(), dgn.cov()
    for i in range(len(mean)):
        values[("marginal mean", (i,))] = mean[i]
        values.update({("marginal covariance", (i, j)): cov[i, j] for j in range(i + 1)})
    return values


def crosscheck(case: Case, implementations: dict[str, ModuleType] | None = None) -> Tallies:
    """Compare every quantity of every implementation with the oracle on one case."""
    inputs = (case.layers, case.cov_x, case.cov_z, case.X, case.q_mean, case.q_variance)
    truth = exact_values(*inputs)
    oracle = OneDimension(case.layers, case.cov_x, case.cov_z, PRECISE)
    conditioning = Conditioning(case)
    tallies: Tallies = {}
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        rows = implementation_values(impl, case, oracle)
        for row, (values, exact) in enumerate(zip(rows, truth, strict=True)):
            matched = pairs(values, exact)
            for key, value, target in matched:
                tally = tallies.setdefault((key[0], name), Tally())
                tolerance = TOLERANCES[key[0]]
                compare(tally, case, row, key, value, target, conditioning, tolerance)
            for key in (values.keys() ^ exact.keys()) - {key for key, _, _ in matched}:
                tallies.setdefault((key[0], name), Tally()).one_sided += 1
    return tallies


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
    case: _Named,
    row: int,
    key: Key,
    value: float,
    target: Value,
    conditioning: _Conditions,
    tolerance: float,
) -> None:
    """Enter one comparison."""
    with mp.workdps(PRECISE.working):
        error = float(abs(mpf(value) - target.value) / target.scale)
    tally.compared += 1
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
