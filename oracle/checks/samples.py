"""Both implementations against samples: Monte Carlo of claims, and calibration of draws.

Only here to compare: it runs the implementations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

import reference
from oracle.checks.implementations import IMPLEMENTATIONS, codes_of, moments, network_of
from oracle.exact.number_types import Array
from oracle.exact.regions import exact_regions
from oracle.models.case import Case
from oracle.models.values import Key
from oracle.samples.calibration import (
    DRAWS,
    detectable_shift,
    p_value_of_ranks,
    p_value_of_signs,
    ranks_of,
)
from oracle.samples.monte_carlo import joint_draws, posterior_claims, prior_claims, traced

#: The chance of any false alarm in a whole campaign.
FALSE_ALARM = 1e-6
#: Data of the calibration by implementation and latent dimension; none where draws take minutes.
_DATA = {
    ("fast", 1): 400,
    ("fast", 2): 300,
    ("fast", 3): 100,
    ("reference", 1): 60,
}
_MOST_FOR_REFERENCE = {1: 60, 2: 12}
#: The widest grid over which p(x) is summed, in steps of a quarter of the noise's deviation.
_GRID, _SPAN = 40_000, 12.0


@dataclass
class SamplingTally:
    """The tests of one quantity against samples.

    Parameters
    ----------
    tested
        How many tests were made.
    not_shown
        In how many of them too few samples counted to show anything.
    worst
        The largest statistic as a share of its threshold, among those at most 1.
    where
        The test of that one.
    finest, coarsest
        The smallest and the largest error that a test would have found.
    breaches
        Tests beyond their threshold, in words.
    """

    tested: int = 0
    not_shown: int = 0
    worst: float = 0.0
    where: str = ""
    finest: float = np.inf
    coarsest: float = 0.0
    breaches: list[str] = field(default_factory=list)

    def add(self, other: SamplingTally) -> None:
        """Take in another case's."""
        self.tested += other.tested
        self.not_shown += other.not_shown
        if other.worst > self.worst:
            self.worst, self.where = other.worst, other.where
        self.finest = min(self.finest, other.finest)
        self.coarsest = max(self.coarsest, other.coarsest)
        self.breaches += other.breaches

    def enter(self, share: float, detectable: float, where: str) -> None:
        """One test; share NaN if nothing is shown."""
        self.tested += 1
        if np.isnan(share):
            self.not_shown += 1
            return
        self.finest, self.coarsest = min(self.finest, detectable), max(self.coarsest, detectable)
        if share > 1:
            self.breaches.append(f"{where}: {share:.2f} of what chance allows")
        elif share > self.worst:
            self.worst, self.where = share, where


#: By (quantity, implementation).
SamplingTallies = dict[tuple[str, str], SamplingTally]


def check_sampling(
    case: Case, tests: int, implementations: dict[str, ModuleType] | None = None
) -> SamplingTallies:
    """All claims and draws about one case, with its noise raised to what samples resolve.

    The reference is asked for S <= 2 and few regions. What it declines is not tested.

    Parameters
    ----------
    case
        The case.
    tests
        How many tests the whole campaign may make; they share FALSE_ALARM.
    implementations
        By name; by default both.

    Returns
    -------
    dict
        A tally by (quantity, implementation).
    """
    result: SamplingTallies = {}
    case = softened(case)
    rate = FALSE_ALARM / tests
    regions = len(exact_regions(case.specs))
    for name, impl in (implementations or IMPLEMENTATIONS).items():
        if name == "reference" and regions > _MOST_FOR_REFERENCE.get(case.latent_dimension, 0):
            continue
        for quantity, share, detectable in _all(impl, name, case, rate):
            tally = result.setdefault((quantity, name), SamplingTally())
            tally.enter(share, detectable, f"seed {case.seed} ({case.label}): {quantity}, {name}")
    return result


def softened(case: Case) -> Case:
    """The case with a tenth of the variance of g(z) added to its noise, and data drawn from that.

    With less noise samples hardly ever come near x, and show nothing.
    """
    rng = np.random.default_rng([724, case.seed])
    images, _ = traced(case.specs, joint_draws(case, 2000, rng)[0])
    more = 0.1 * float(np.mean(np.var(images, axis=0)))
    noise = case.cov_x + (more * np.eye(len(case.cov_x)) if case.cov_x.ndim == 2 else more)
    softer = replace(case, cov_x=noise)
    return replace(softer, X=joint_draws(softer, len(case.X), rng)[1])


def _all(impl: Any, name: str, case: Case, rate: float) -> Iterator[tuple[str, float, float]]:
    """Quantity, share of the threshold, and detectable error, one by one."""
    try:
        dgn = impl.DGN(network_of(case), case.cov_x, case.cov_z)
        for (quantity, _), verdict in prior_claims(case, _of_model(impl, dgn), rate).items():
            yield quantity, *verdict
        for n in range(len(case.X)):
            claims = _at_point(dgn, case.X[n : n + 1])
            for (quantity, _), verdict in posterior_claims(case, n, claims, rate).items():
                yield quantity, *verdict
    except (reference.OutsideValidity, reference.PartitionError):
        return
    count = _DATA.get((name, case.latent_dimension), 0)
    if count:
        for quantity, p_value in _calibration(dgn, case, count):
            # log p-values compare as statistics do: 1 where the rate is reached.
            share = np.log(max(p_value, 1e-300)) / np.log(rate)
            yield quantity, float(share), detectable_shift(count, rate)


def _of_model(impl: Any, dgn: Any) -> dict[Key, float]:
    """Claims that no x changes."""
    partition, zero = dgn.partition(), np.zeros((1, len(dgn.cov_z)))
    claims = moments("marginal", dgn.mean().ravel(), dgn.cov())
    for r, code in enumerate(codes_of(dgn)):
        log_mass = impl.gaussian_on_polyhedron(*partition.halfspaces(r), zero, dgn.cov_z)[0]
        claims["region mass", code] = float(np.exp(log_mass[0]))
    return claims


def _at_point(dgn: Any, x: Array) -> dict[Key, float]:
    """Claims about one x (1, D)."""
    posterior = dgn.posterior(x)
    claims = moments("posterior", posterior.mean()[0], posterior.cov()[0])
    claims["log p", ()] = float(dgn.logpdf(x)[0])
    claims.update({("e0", code): posterior.e0[0, r] for r, code in enumerate(codes_of(dgn))})
    return claims


def _calibration(dgn: Any, case: Case, count: int) -> Iterator[tuple[str, float]]:
    """p-values: draws of z given x rank uniformly beside the z that made x (simulation-based
    calibration); a z drawn given x, and an x drawn given that z, are again a draw of both (Geweke's
    joint test); draws of x are those of our own sampler; for D = 1, p(x) integrates to its
    distribution function."""
    rng = np.random.default_rng([723, case.seed])
    z, x = joint_draws(case, count, rng)
    draws = dgn.posterior(x).rvs(DRAWS + 1, random_state=rng)
    own, others = _features(case, z), _features(case, draws[:, :DRAWS])
    for i in range(own.shape[-1]):
        ranks = ranks_of(own[:, i], others[:, :, i], rng)
        yield "rank of z among draws", p_value_of_ranks(ranks, DRAWS + 1)
    again = draws[:, DRAWS]
    images, _ = traced(case.specs, again)
    fresh_z, fresh_x = joint_draws(case, count, rng)
    noise = x - traced(case.specs, z)[0]  # independent of everything but the x it was added to
    returned = images + rng.permutation(noise)
    for one, other in zip(
        _joint_features(again, returned), _joint_features(fresh_z, fresh_x), strict=True
    ):
        yield "joint draw after a step", p_value_of_signs(one, other)
    made = dgn.rvs(count, random_state=rng)
    _, mine = joint_draws(case, count, rng)
    for i in range(made.shape[1]):
        yield "draws of x", p_value_of_signs(made[:, i], mine[:, i])
        centre = np.median(mine[:, i])
        apart = np.abs(made[:, i] - centre), np.abs(joint_draws(case, count, rng)[1][:, i] - centre)
        yield "draws of x", p_value_of_signs(*apart)
    if x.shape[1] == 1:
        yield from _transformed(dgn, case, x[:, 0])


def _features(case: Case, z: Array) -> Array:
    """Functions of z (..., S) without symmetry: (..., 3)."""
    images, _ = traced(case.specs, z.reshape(-1, z.shape[-1]))
    first = z[..., 0]
    mixed = z @ np.linspace(1.0, -0.4, z.shape[-1]) + 0.3 * first**2
    return np.stack([first, mixed, images[:, 0].reshape(first.shape) + 0.1 * first], axis=-1)


def _joint_features(z: Array, x: Array) -> list[Array]:
    """Functions of z (M, S) and x (M, D) that see places, sizes and how both go together."""
    first = z[:, 0]
    return [first, first**2 + 0.1 * first, x[:, 0], first * x[:, 0], np.abs(x[:, 0]) + 0.2 * first]


def _transformed(dgn: Any, case: Case, x: Array) -> Iterator[tuple[str, float]]:
    """F(x), which is uniform: p(x) summed on a grid, to far less than what `count` data show."""
    deviation = float(np.sqrt(case.cov_x.reshape(-1)[0]))
    low, high = x.min() - _SPAN * deviation, x.max() + _SPAN * deviation
    steps = int(np.ceil(4 * (high - low) / deviation))
    if steps > _GRID:
        return
    grid = np.linspace(low, high, steps + 1)
    density = np.exp(dgn.logpdf(grid[:, None]))
    pieces = 0.5 * (density[1:] + density[:-1]) * np.diff(grid)
    total = np.concatenate([[0.0], np.cumsum(pieces)])
    # Half of what the grid leaves out lies below it.
    below = (1.0 - total[-1]) / 2
    levels = np.floor(20 * np.clip(np.interp(x, grid, total) + below, 0.0, 1 - 1e-12))
    yield "F(x), D = 1", p_value_of_ranks(levels.astype(np.int64), 20)
