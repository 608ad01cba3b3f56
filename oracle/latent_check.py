"""Both implementations against the oracle on random networks with two or three latent dimensions.

Like oracle.crosscheck, only here to compare: it runs the implementations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from mpmath import mp

import reference
from oracle.crosscheck import IMPLEMENTATIONS, Tally, compare, network_from, pairs
from oracle.exact_layers import layers_of
from oracle.exact_regions import exact_regions
from oracle.latent_cases import LatentCase, latent_case
from oracle.latent_conditioning import LatentConditioning
from oracle.latent_space import LatentSpace
from oracle.one_dimension import Key, Value
from oracle.quadrature import OracleDisagreement
from oracle.random_networks import random_network
from oracle.two_dimensions import AGREED, nested_values
from reference.network import Network

_LOGS = (
    "log p",
    "e0",
    "entropy",
    "expected complete log-likelihood",
    "ELBO",
    "KL",
    "region mass",
)
_MOMENTS = ("posterior mean", "posterior covariance", "marginal mean", "marginal covariance")
_PRECISE = {**dict.fromkeys(_LOGS, 1e-12), **dict.fromkeys(_MOMENTS, 1e-11)}
#: The reference vouches for 1e-9 of p(x), and declines otherwise (reference.validity); log p(x, z)
#: averages second moments with weights of the size of Σx^-1.
_CANCELLING = {
    **dict.fromkeys(_LOGS, 1e-9),
    **dict.fromkeys(_MOMENTS, 1e-8),
    **dict.fromkeys(("entropy", "expected complete log-likelihood"), 1e-7),
}
#: Allowed error of each quantity in units of its scale, by latent dimension and implementation: log
#: densities in max(1, |log p|), moments in standard deviations, masses absolute.
LATENT_TOLERANCES: dict[int, dict[str, dict[str, float]]] = {
    2: {"reference": _CANCELLING, "fast": _PRECISE},
    3: {
        "reference": _CANCELLING,
        "fast": {**dict.fromkeys(_LOGS, 1e-10), **dict.fromkeys(_MOMENTS, 1e-9)},
    },
}
#: One architecture in so many is followed by a network of this latent dimension.
LATENT_EVERY = {2: 5, 3: 25}

# Of larger partitions the oracle in three dimensions, and the reference in any, take minutes.
_MOST_REGIONS = {2: 120, 3: 16}
_MOST_FOR_REFERENCE = {2: 24, 3: 8}


@dataclass
class LatentTally:
    """Comparisons by (quantity, implementation); networks and regions compared; rows (the model, or
    one point) that the reference declined as outside its validity."""

    dimension: int
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    networks: dict[str, int] = field(default_factory=dict)
    regions: dict[str, int] = field(default_factory=dict)
    declined: dict[str, int] = field(default_factory=dict)

    def add(self, other: LatentTally) -> None:
        """Take in the comparisons of another network."""
        for key, tally in other.tallies.items():
            self.tallies.setdefault(key, Tally()).add(tally)
        for mine, theirs in (
            (self.networks, other.networks),
            (self.regions, other.regions),
            (self.declined, other.declined),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count

    @property
    def breaches(self) -> list[str]:
        """What exceeded all that is allowed, in words."""
        return [f"{n}: {b}" for (_, n), tally in self.tallies.items() for b in tally.breaches]


def small_network(seed: int, dimension: int) -> tuple[int, str, Network]:
    """The seed-th random network of a latent dimension that the oracle can afford: its own seed,
    what it is, and itself."""
    number = 3 * seed + dimension - 1
    while True:
        drawn = random_network(number)
        network = network_from(drawn.layers)
        if len(exact_regions(layers_of(network))) <= _MOST_REGIONS[dimension]:
            return number, drawn.label, network
        number += 3000


def check_latent(
    seed: int,
    dimension: int,
    points: int,
    implementations: dict[str, ModuleType] | None = None,
) -> LatentTally:
    """Compare every quantity of every implementation with the oracle on one random network."""
    number, label, network = small_network(seed, dimension)
    case = latent_case(number, label, layers_of(network), points)
    oracle = LatentSpace(case.layers, case.cov_x, case.cov_z)
    inputs = zip(case.X, case.q_mean, case.q_cov, strict=True)
    truth = [oracle.of_model(), *(oracle.at_point(*values) for values in inputs)]
    if dimension == 2:
        _confirm(case, truth)
    conditioning = LatentConditioning(case)
    result = LatentTally(dimension)
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        if name == "reference" and len(oracle.regions) > _MOST_FOR_REFERENCE[dimension]:
            continue
        dgn = impl.DGN(network, case.cov_x, case.cov_z)
        result.networks[name], result.regions[name] = 1, len(oracle.regions)
        result.declined[name] = 0
        for row, exact in enumerate(truth):
            parts = _of_model(impl, dgn) if row == 0 else [partial(_at_point, dgn, case, row - 1)]
            values: dict[Key, float] = {}
            for part in parts:
                try:
                    values.update(part())
                except reference.OutsideValidity:
                    result.declined[name] += 1
            told = {key[0] for key in values}
            whole = {key: v for key, v in exact.items() if key[0] in told}
            for key, value, target in pairs(values, whole):
                tally = result.tallies.setdefault((key[0], name), Tally())
                tolerance = LATENT_TOLERANCES[dimension][name][key[0]]
                compare(tally, case, row, key, value, target, conditioning, tolerance)
    return result


def _confirm(case: LatentCase, truth: list[dict[Key, Value]]) -> None:
    """Raise OracleDisagreement if nested quadrature, which knows no regions, says otherwise."""
    nested = nested_values(case.layers, case.cov_x, case.cov_z, case.X)
    for mine, theirs in zip(truth, nested, strict=True):
        for key, value in theirs.items():
            if not abs(value.value - mine[key].value) <= AGREED * value.scale:
                both = f"{mp.nstr(mine[key].value, 17)} and {mp.nstr(value.value, 17)}"
                raise OracleDisagreement(
                    f"{key[0]} {key[1]}: regions and nested quadrature gave {both}"
                )


def _at_point(dgn: Any, case: LatentCase, n: int) -> dict[Key, float]:
    """What an implementation says of one point, under the oracle's keys."""
    x, q = case.X[n : n + 1], (case.q_mean[n : n + 1], case.q_cov[n : n + 1])
    posterior = dgn.posterior(x)
    values: dict[Key, float] = {
        ("log p", ()): dgn.logpdf(x)[0],
        ("entropy", ()): posterior.entropy()[0],
        ("expected complete log-likelihood", ()): dgn.expected_complete_loglik(x)[0],
        ("ELBO", ()): dgn.elbo(x, *q)[0],
        ("KL", ()): dgn.kl(x, *q)[0],
    }
    values.update(_moments("posterior", posterior.mean()[0], posterior.cov()[0]))
    codes = [tuple(int(v) for v in code) for code in dgn.partition().codes]
    values.update({("e0", code): posterior.e0[0, r] for r, code in enumerate(codes)})
    return values


def _of_model(impl: Any, dgn: Any) -> list[Callable[[], dict[Key, float]]]:
    """Prior masses of the regions and the moments of p(x), each part on being called."""
    partition, zero = dgn.partition(), np.zeros((1, len(dgn.cov_z)))

    def masses() -> dict[Key, float]:
        found: dict[Key, float] = {}
        for r, code in enumerate(partition.codes):
            log_mass, _, _ = impl.gaussian_on_polyhedron(*partition.halfspaces(r), zero, dgn.cov_z)
            found[("region mass", tuple(int(v) for v in code))] = float(np.exp(log_mass[0]))
        return found

    return [masses, lambda: _moments("marginal", dgn.mean(), dgn.cov())]


def _moments(name: str, mean: Any, cov: Any) -> dict[Key, float]:
    """Mean and covariance (lower half)."""
    values: dict[Key, float] = {(f"{name} mean", (i,)): m for i, m in enumerate(mean)}
    for i in range(len(mean)):
        values.update({(f"{name} covariance", (i, j)): cov[i, j] for j in range(i + 1)})
    return values
