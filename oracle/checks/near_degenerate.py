"""Both implementations on a nearly degenerate network: regions, masses, log p(x).

Codes must be those of exact arithmetic, all of them, slivers too. What is summed over regions is
asked of the network with one output that is 1 for every z. Then p(x) = φ(x; 1, 1) times the mass of
all regions, the posterior is the prior, and E[x] is the mass of all regions: known without any
integral, however the regions lie. Like oracle.checks.random_models, only here to compare.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Literal

import numpy as np

import reference
from oracle.checks.implementations import IMPLEMENTATIONS, network_from, network_of
from oracle.checks.partitions import compare as compare_codes
from oracle.checks.random_models import compare as compare_values
from oracle.checks.tally import Tally
from oracle.checks.tolerances import TOLERANCES
from oracle.exact.regions import ExactRegion, exact_regions
from oracle.learning.sums_over_data import log_evidence
from oracle.models.architectures import RandomNetwork, degenerate_case, degenerate_network
from oracle.models.descriptions import specs_of
from oracle.models.values import Value
from oracle.truths.conditioning import Conditioning
from reference.model import Dense, Network

#: Of so many networks of each latent dimension one is taken to `reference` as well, and its log p
#: to the oracle's integral. Both take seconds.
SHARE = 10
#: The most regions of a network that `reference` is asked about: of more it takes many seconds.
MOST_FOR_REFERENCE = {1: 400, 2: 60, 3: 30, 4: 0}
#: The most regions whose masses are asked, by latent dimension: in four dimensions a
#: region takes a tenth of a second.
MOST_FOR_MASSES = {1: 10_000, 2: 2000, 3: 400, 4: 24}
#: The most regions of which each is asked of gaussian_on_polyhedron by its half-spaces alone.
MOST_FOR_HALFSPACES = {1: 100, 2: 100, 3: 60, 4: 12}
#: The most regions of which the oracle integrates p(x, z): of more it takes many seconds, and for
#: S = 4 it has no integral.
MOST_FOR_LOG_P = {1: 400, 2: 120, 3: 60, 4: 0}
#: How far the masses of `fast` may be from 1, by latent dimension; for S = 4 beside what it tells.
MASS = {1: 1e-11, 2: 1e-11, 3: 1e-11, 4: 1e-10}
#: How far a posterior that is the prior may be off, S <= 3: moments as promised, in units of 1.
MOMENTS = 1e-8
#: What `reference` vouches for where it sums signed terms, S > 1; it declines where it cannot.
VOUCHED = {1: 1e-11, 2: 1e-9, 3: 1e-9}

Outcome = Literal["held", "wrong", "refused", "declined"]


@dataclass(frozen=True)
class Finding:
    """What one check of one implementation came to.

    Parameters
    ----------
    check
        "codes", "masses by log p", "masses by E[x]", "masses by half-spaces", "posterior", "log p".
    implementation
        By name.
    outcome
        "refused" if an exception was raised; "declined" if it is the one by which `reference` says
        that a value is beyond its validity.
    error
        How far a number was off; 0 of codes that are all there.
    words
        What is wrong, or the exception; empty if the check held.
    """

    check: str
    implementation: str
    outcome: Outcome
    error: float = 0.0
    words: str = ""


@dataclass(frozen=True)
class Examined:
    """A network, its number of regions in exact arithmetic, and what was found."""

    seed: int
    label: str
    latent_dimension: int
    regions: int
    findings: tuple[Finding, ...]

    @property
    def failures(self) -> list[Finding]:
        """What is wrong or was refused."""
        return [f for f in self.findings if f.outcome in ("wrong", "refused")]


#: A check: an error, what it may be at most, and what else is wrong, in words.
_Measured = tuple[float, float, str]


def examine(seed: int, implementations: dict[str, ModuleType] | None = None) -> Examined:
    """The nearly degenerate network of a seed, through every check that it can afford.

    Warnings of the implementations count as exceptions. Guarded by
    tests/oracle/test_degenerate_campaign.py.
    """
    drawn = degenerate_network(seed)
    exact = exact_regions(specs_of(drawn.layers))
    shared = seed // len(MASS) % SHARE == 0
    findings: list[Finding] = []
    affordable = len(exact) <= MOST_FOR_REFERENCE[drawn.latent_dimension]
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        if name == "reference" and not (shared and affordable):
            continue
        checks = dict(_checks(name, impl, drawn, exact))
        if shared and len(exact) <= MOST_FOR_LOG_P[drawn.latent_dimension]:
            checks["log p"] = partial(_log_p, name, impl, seed)
        for check, measure in checks.items():
            findings.append(_made(check, name, measure))
            if check == "codes" and findings[-1].outcome == "refused":
                break
    return Examined(seed, drawn.label, drawn.latent_dimension, len(exact), tuple(findings))


def _made(check: str, name: str, measure: Callable[[], _Measured]) -> Finding:
    """A check, made."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            error, allowed, words = measure()
    except reference.OutsideValidity as refusal:
        return Finding(check, name, "declined", words=str(refusal))
    except Exception as refusal:
        return Finding(check, name, "refused", words=f"{type(refusal).__name__}: {refusal}")
    if not words and not error <= allowed:
        words = f"off by {error:.3g}, allowed {allowed:.3g}"
    return Finding(check, name, "wrong" if words else "held", error, words)


def _checks(
    name: str, impl: ModuleType, drawn: RandomNetwork, exact: list[ExactRegion]
) -> Iterator[tuple[str, Callable[[], _Measured]]]:
    """The checks of a network that need no x."""
    size = drawn.latent_dimension
    dgn = impl.DGN(constant(network_from(drawn.layers)), 1.0)
    yield "codes", lambda: _codes(dgn, exact)
    if len(exact) <= MOST_FOR_MASSES[size]:
        yield "masses by log p", lambda: _by_log_p(name, dgn)
        yield "masses by E[x]", lambda: _by_mean(name, dgn)
        if size < 4:
            yield "posterior", lambda: _posterior(dgn)
    if len(exact) <= MOST_FOR_HALFSPACES[size]:
        yield "masses by half-spaces", lambda: _by_halfspaces(name, impl, dgn)


def constant(network: Network) -> Network:
    """The network with one output in place of its own, which is 1 everywhere; its regions are the
    same."""
    end = Dense(np.zeros((1, network.observed_dimension)), [1.0])
    return Network([*network.layers, end])


def _codes(dgn: Any, exact: list[ExactRegion]) -> _Measured:
    """Whether the codes are those of exact arithmetic."""
    wrong = compare_codes(dgn.partition(), exact)
    words = f"{len(wrong)} differences, such as {wrong[0]}" if wrong else ""
    return float(len(wrong)), 0.0, words


def _by_log_p(name: str, dgn: Any) -> _Measured:
    """The mass of all regions, from log p(1) = -log(2π)/2 + log of it."""
    log_mass = float(dgn.logpdf([[1.0]])[0]) + 0.5 * math.log(2 * math.pi)
    error = abs(math.expm1(log_mass))
    return error, _mass_allowed(name, dgn, error), ""


def _by_mean(name: str, dgn: Any) -> _Measured:
    """The mass of all regions, from E[x]."""
    error = abs(float(dgn.mean()[0]) - 1.0)
    return error, _mass_allowed(name, dgn, error), ""


def _mass_allowed(name: str, dgn: Any, error: float) -> float:
    """How far the sum of masses may be off. What `fast` tells takes seconds: only where it
    matters."""
    size = len(dgn.cov_z)
    if name == "reference":
        return VOUCHED[size]
    needed = size > 3 and not error <= MASS[size]
    return MASS[size] + (float(dgn.posterior([[1.0]]).error[0]) if needed else 0.0)


def _posterior(dgn: Any) -> _Measured:
    """Mean, covariance and entropy of a posterior that is N(0, I)."""
    size = len(dgn.cov_z)
    posterior = dgn.posterior([[1.0]])
    entropy = 0.5 * size * (1 + math.log(2 * math.pi))
    errors = (posterior.mean()[0], posterior.cov()[0] - np.eye(size))
    apart = [*map(np.max, map(np.abs, errors)), abs(float(posterior.entropy()[0]) - entropy)]
    return float(np.max(apart)), MOMENTS, ""


def _by_halfspaces(name: str, impl: ModuleType, dgn: Any) -> _Measured:
    """The masses of all regions, each by its half-spaces alone."""
    partition, size = dgn.partition(), len(dgn.cov_z)
    zero, total, told = np.zeros((1, size)), [], 0.0
    for region in range(partition.n_regions):
        found = impl.gaussian_on_polyhedron(*partition.halfspaces(region), zero, np.eye(size))
        total.append(math.exp(found.log_mass[0]))
        if size > 3:
            told += total[-1] * float(found.log_mass_error[0])
    allowed = VOUCHED[size] if name == "reference" else MASS[size] + told
    return abs(math.fsum(total) - 1.0), allowed, ""


def _log_p(name: str, impl: ModuleType, seed: int) -> _Measured:
    """log p(x) against the oracle's integral, judged by the tolerance or by κ ε."""
    case = degenerate_case(seed)
    size = case.latent_dimension
    value = float(impl.DGN(network_of(case), case.cov_x, case.cov_z).logpdf(case.X)[0])
    truth = log_evidence(case.specs, case.cov_x, case.cov_z, case.X[0])
    scale, tally, tolerance = max(1, abs(truth)), Tally(), TOLERANCES[size][name]["log p"]
    conditioning = Conditioning(case)
    key = ("log p", ())
    compare_values(
        tally,
        case,
        1,
        key,
        value,
        Value(truth, scale),
        conditioning=conditioning,
        tolerance=tolerance,
    )
    return float(abs(truth - value) / scale), math.inf, "; ".join(tally.breaches)
